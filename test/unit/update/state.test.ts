// How far an update is, in the store: bytes that a later version has written, or that rot has changed, are refused and left as
// they are.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { crc32, writeUint } from "../../../firmware/bytes.js";
import type { KeyValueStorage } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";
import { PROOFS, REASON_UNPROVEN, RECEIVING, reasonText, type UpdateState, UpdateStore } from "../../../firmware/update/state.js";

class Memory implements KeyValueStorage {
  value: Uint8Array | undefined;
  /** How many reads throw before one answers. */
  misreads = 0;
  deaf = false;
  writes = 0;
  open() {
    return {
      read: () => {
        if (this.misreads > 0) {
          this.misreads -= 1;
          throw new Error("ESP_ERR_FLASH_OP_FAIL");
        }
        return this.value?.slice().buffer as ArrayBuffer | undefined;
      },
      write: (_: string, value: ArrayBuffer | Uint8Array) => {
        this.writes += 1;
        if (!this.deaf) this.value = new Uint8Array(value).slice();
      },
      delete: () => assert.unreachable("nothing is erased"),
      close: () => undefined,
    };
  }
}

const STATE: UpdateState = {
  ...{
    phase: RECEIVING,
    reason: 0,
    missing: 0,
    attempts: 1,
    slot: 1,
    sequence: 7,
    size: 1_703_936,
    offset: 65_536,
    secureVersion: 2,
  },
  digest: new Uint8Array(32).fill(3),
  manifest: new Uint8Array(32).fill(4),
};
const code = (result: unknown): string => (result instanceof Rejection ? result.code : String(result));

test("what is written is read back, field by field", () => {
  const byte = fc.integer({ min: 0, max: 255 });
  const word = fc.integer({ min: 0, max: 0xffff_ffff });
  const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes));
  const states = fc.record(
    {
      ...{ phase: byte, reason: byte, missing: byte, attempts: byte, slot: byte, secureVersion: byte },
      ...{ sequence: word, size: word, offset: word, digest, manifest: digest },
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(states, (state) => {
      const store = new UpdateStore(new Memory());
      assert.is(store.read(), undefined);
      assert.is(store.write(state), undefined);
      assert.equal(store.read(), state);
    }),
  );
});

test("bytes of a made-up next version are refused and left: an image that goes back finds what it has not written", () => {
  const memory = new Memory();
  const next = new Uint8Array(120).fill(0x5a);
  next[0] = 2;
  writeUint(next, crc32(next.subarray(0, -4)), next.length - 4, 4);
  memory.value = next.slice();
  assert.is(code(new UpdateStore(memory).read()), "update-state-newer");
  assert.equal([memory.value, memory.writes], [next, 0]);
});

test("a bit that flips, and another length, are no state; a read that goes wrong is made again, and is no absence", () => {
  const memory = new Memory();
  const store = new UpdateStore(memory);
  store.write(STATE);
  const good = memory.value as Uint8Array;
  for (let bit = 0; bit < good.length * 8; bit += 1) {
    const bent = good.slice();
    bent[bit >> 3] = (bent[bit >> 3] as number) ^ (1 << (bit & 7));
    memory.value = bent;
    assert.match(code(store.read()), bit < 8 ? /^update-state-(newer|malformed)$/ : /^update-state-malformed$/, `bit ${bit}`);
  }
  for (const bytes of [new Uint8Array(0), good.slice(0, -1), Uint8Array.from([...good, 0])]) {
    memory.value = bytes;
    assert.instance(store.read(), Rejection);
  }
  memory.value = good;
  memory.misreads = 2;
  assert.equal(store.read(), STATE);
  memory.misreads = 3;
  assert.is(code(store.read()), "update-store-lost");
});

test("a store that does not give back what was written says so", () => {
  const memory = new Memory();
  const store = new UpdateStore(memory);
  memory.deaf = true;
  assert.is(code(store.write(STATE)), "update-not-stored");
});

test("an end in words", () => {
  assert.is(reasonText({ reason: REASON_UNPROVEN, missing: 12 }), "unproven: broker, record");
  assert.is(reasonText({ reason: REASON_UNPROVEN, missing: PROOFS }), "unproven: key, journal, broker, record");
  assert.is(reasonText({ reason: 4, missing: 12 }), "reset");
});

test.run();
