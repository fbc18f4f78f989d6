// Compact bits, targets, work and the retarget against bcoin's arithmetic and against the plain definitions.

import consensus from "bcoin/lib/protocol/consensus.js";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { meetsTarget } from "../../../../firmware/bytes/primitives.js";
import { bitsFault, bitsOf, isAbove, retarget, targetOf, workOf } from "../../../../firmware/chain/bitcoin/target.js";

const TWO_WEEKS_S = 1_209_600;
const targets = fc
  .tuple(fc.bigInt({ min: 1n, max: 2n ** 255n - 1n }), fc.nat({ max: 255 }))
  .map(([n, shift]) => n >> BigInt(shift) || 1n);

/** 32 bytes, little-endian. */
function hashOf(value: bigint): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(64, "0"), "hex")).reverse();
}

test("bits of a target are those of bcoin, in the shortest form, and cut it off downwards", () => {
  fc.assert(
    fc.property(targets, (target) => {
      const bits = bitsOf(target);
      assert.is(bitsFault(bits), undefined, bits.toString(16));
      const back = targetOf(bits);
      assert.ok(back <= target && target - back < target / 2n ** 15n + 1n);
      assert.is(bitsOf(back), bits);
      assert.is(consensus.toCompact(consensus.fromCompact(bits)) >>> 0, bits);
      assert.is(back, BigInt(`0x${consensus.fromCompact(bits).toString(16)}`));
    }),
    { numRuns: 2000 },
  );
});

test("a hash meets bits exactly where it is at most the target", () => {
  fc.assert(
    fc.property(targets, fc.bigInt({ min: -3n, max: 3n }), targets, (target, delta, other) => {
      const bits = bitsOf(target);
      const exact = targetOf(bits);
      for (const value of [exact + delta, other, target]) {
        if (value < 0n || value >= 2n ** 256n) continue;
        const hash = hashOf(value);
        assert.is(meetsTarget(hash, bits), value <= exact, `${value} against ${bits.toString(16)}`);
      }
    }),
    { numRuns: 3000 },
  );
});

test("bits without fault are ordered as their targets are", () => {
  fc.assert(
    fc.property(targets, targets, (a, b) => {
      assert.is(isAbove(bitsOf(a), bitsOf(b)), targetOf(bitsOf(a)) > targetOf(bitsOf(b)));
    }),
    { numRuns: 2000 },
  );
});

test("known work: difficulty 1, the easiest of regtest, and the hardest there can be", () => {
  assert.is(workOf(0x1d00ffff), 0x100010001n);
  assert.is(workOf(0x207fffff), 2n);
  assert.is(workOf(0x01010000), 2n ** 255n);
});

test("the retarget is bcoin's: clamped to a fourth and fourfold, capped at the limit, cut off", () => {
  const limitBits = 0x1d00ffff;
  fc.assert(
    fc.property(
      fc.bigInt({ min: 2n ** 160n, max: targetOf(limitBits) }),
      fc.integer({ min: -10_000, max: 6_000_000 }),
      (target, span) => {
        const bits = bitsOf(target);
        const clamped = Math.min(Math.max(span, TWO_WEEKS_S / 4), TWO_WEEKS_S * 4);
        const scaled = consensus.fromCompact(bits).muln(clamped).idivn(TWO_WEEKS_S);
        const limit = consensus.fromCompact(limitBits);
        const expected = consensus.toCompact(scaled.gt(limit) ? limit : scaled) >>> 0;
        assert.is(retarget(bits, span, TWO_WEEKS_S, limitBits), expected);
      },
    ),
    { numRuns: 2000 },
  );
});

test("the first change of mainnet's difficulty, at block 32,256", () => {
  assert.is(retarget(0x1d00ffff, 1_262_152_739 - 1_261_130_161, TWO_WEEKS_S, 0x1d00ffff), 0x1d00d86a);
});

test.run();
