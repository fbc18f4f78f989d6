// A window's deltas in one buffer, against a plain list of them.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DeltaList } from "../../../../firmware/chain/follow/delta-list.js";

const HASH_BYTES = 32;
const delta = fc.uint8Array({ minLength: HASH_BYTES, maxLength: 130 });
const change = fc.oneof(
  fc.record({ push: delta }),
  fc.record({ shift: fc.constant(true) }),
  fc.record({ cut: fc.nat(12) }),
) as fc.Arbitrary<{ push?: Uint8Array; shift?: true; cut?: number }>;

test("whatever is pushed, taken out and cut, it holds what a plain list holds", () => {
  fc.assert(
    fc.property(fc.array(delta, { maxLength: 6 }), fc.array(change, { maxLength: 40 }), (first, changes) => {
      let plain: Uint8Array[] = [...first];
      const list = new DeltaList(first);
      for (const { push, shift, cut } of changes) {
        if (push !== undefined) {
          plain.push(push);
          list.push(push);
        }
        if (shift && plain.length > 0) assert.equal(list.shift(), plain.shift());
        if (cut !== undefined) {
          plain = plain.slice(0, cut);
          list.cut(cut);
        }
        assert.is(list.length, plain.length);
        assert.equal(list.slice(), plain);
        assert.equal(list.packed, Uint8Array.from(plain.flatMap((one) => [one.length, ...one])));
        for (const [i, one] of plain.entries()) {
          const hash = one.slice(0, HASH_BYTES);
          assert.equal(list.hashAt(i + 1), hash);
          const place = list.placeOf(hash);
          assert.equal(plain[place - 1]?.slice(0, HASH_BYTES), hash);
          assert.ok(place >= i + 1, "the newest");
          // One bit beside each half of it is another hash.
          for (const at of [0, 19, 20, HASH_BYTES - 1]) {
            const other = hash.slice();
            other[at] = (other[at] as number) ^ 1;
            const found = plain.findIndex((whole) => whole.subarray(0, HASH_BYTES).every((byte, k) => byte === other[k])) + 1;
            assert.is(list.placeOf(other) > 0, found > 0);
          }
        }
        assert.equal(list.slice(1, 3), plain.slice(1, 3));
      }
    }),
  );
});

test("what is taken out is a copy", () => {
  const list = new DeltaList([new Uint8Array(40).fill(1), new Uint8Array(40).fill(2)]);
  const taken = list.shift();
  const hash = list.hashAt(1);
  list.push(new Uint8Array(60).fill(3));
  list.shift();
  assert.equal([taken, hash], [new Uint8Array(40).fill(1), new Uint8Array(HASH_BYTES).fill(2)]);
});

test.run();
