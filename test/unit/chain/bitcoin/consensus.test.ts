// Bitcoin headers: every rule by a header that breaks it and nothing else, chains of every network with turns of their periods,
// and single bits of real headers.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../../firmware/bytes.js";
import { openBitcoin } from "../../../../firmware/chain/bitcoin/checkpoint.js";
import type { Bitcoin } from "../../../../firmware/chain/bitcoin/consensus.js";
import { bitcoinNetwork } from "../../../../firmware/chain/bitcoin/rules.js";
import { type BitcoinTrusted, SETTLED_DEPTH } from "../../../../firmware/chain/bitcoin/state.js";
import { DELTA_BYTES_MAX } from "../../../../firmware/chain/consensus.js";
import { nobleEngine } from "../../../../firmware/crypto/engine-noble.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { chainOf, codeOf, GENESIS_BITS, judge, LOWERED, openChainOf, PERIOD, walk } from "../../../chains/bitcoin-fixture.js";
import { type BitcoinChain, type Block, type Draft, mine, workOfBits } from "../../../chains/bitcoin-generator.js";

interface Grown {
  readonly chain: BitcoinChain;
  readonly bitcoin: Bitcoin;
  readonly tip: Block;
  readonly trusted: BitcoinTrusted;
}

/** A chain of `count` blocks after the genesis. */
function grown(network: keyof typeof LOWERED, count: number, spacing?: (number: number) => number): Grown {
  const rules = LOWERED[network];
  const chain = chainOf(rules);
  const bitcoin = openChainOf(chain, rules);
  const blocks = chain.grow(chain.genesis, count, spacing);
  return {
    chain,
    bitcoin,
    tip: blocks[count - 1] ?? chain.genesis,
    trusted: walk(bitcoin, bitcoin.checkpoint, blocks)[count - 1] ?? bitcoin.checkpoint,
  };
}

/** The code that a child of the tip gets with `changes`, after one without them was accepted. */
function codeWith({ chain, bitcoin, tip, trusted }: Grown, changes: Partial<Draft>, nowS?: number): string {
  assert.is(codeOf(judge(bitcoin, trusted, chain.child(tip).raw, nowS)), "accepted");
  const changed = chain.child(tip, (draft) => Object.assign(draft, changes));
  return codeOf(judge(bitcoin, trusted, changed.raw, nowS));
}

/** A header of these bits, whatever they are: no hash can meet some of them. */
function withBits({ tip }: Grown, bits: number): Uint8Array {
  const draft = { version: 4, parentHash: tip.hash, merkleRoot: new Uint8Array(32), timeS: tip.timeS + 600, bits };
  return mine(draft, tip, 0).raw;
}

test("header-length: 80 bytes, no more and no less", () => {
  const at = grown("mainnet", 3);
  const { raw } = at.chain.child(at.tip);
  for (const length of [0, 1, 79, 81, 160]) {
    const bytes = new Uint8Array(length);
    bytes.set(raw.subarray(0, Math.min(length, 80)));
    assert.is(codeOf(at.bitcoin.decode(bytes)), "header-length", `${length}`);
  }
});

test("bits-malformed: negative, zero, beyond 256 bits, not in the shortest form", () => {
  const at = grown("mainnet", 3);
  for (const bits of [0x20800001, 0x1d80ffff, 0x20000000, 0, 0x00123456, 0x217fffff, 0xff7fffff, 0x2000ffff >>> 1, 0x20007fff])
    if (bits !== 0x10007fff) assert.is(codeOf(at.bitcoin.decode(withBits(at, bits))), "bits-malformed", bits.toString(16));
  assert.is(codeOf(at.bitcoin.decode(withBits(at, 0x10007fff))), "bits-malformed");
});

test("bits-above-limit: easier than the network's easiest", () => {
  const mainnet = openBitcoin(fastEngine, MAINNET_1) as Bitcoin;
  const at = grown("mainnet", 3);
  for (const bits of [0x1d010000, 0x1e00ffff, 0x207fffff])
    assert.is(codeOf(mainnet.decode(withBits(at, bits))), "bits-above-limit", bits.toString(16));
});

test("work-insufficient: the hash is above the target that the header names", () => {
  const at = grown("mainnet", 3);
  const good = at.chain.child(at.tip).raw;
  let refused = 0;
  for (let nonce = 0; nonce < 64; nonce += 1) {
    const raw = good.slice();
    raw[79] = nonce;
    const code = codeOf(judge(at.bitcoin, at.trusted, raw));
    if (code === "work-insufficient") refused += 1;
    else assert.is(code, "accepted");
  }
  assert.ok(refused > 30, `${refused} of 64 at a target that every eighth hash meets`);
});

test("parent-wrong: a child of another block, of the grandparent, of none", () => {
  const at = grown("mainnet", 3);
  const parents = [at.chain.child(at.tip).hash, at.tip.parent?.hash as Uint8Array, new Uint8Array(32)];
  for (const parentHash of parents) assert.is(codeWith(at, { parentHash }), "parent-wrong");
  for (let i = 0; i < 32; i += 1) {
    const parentHash = at.tip.hash.slice();
    parentHash[i] = (parentHash[i] as number) ^ 1;
    assert.is(codeWith(at, { parentHash: parentHash }), "parent-wrong", `byte ${i}`);
  }
});

test("bits-wrong: inside a period no others than the parent's, easier or harder", () => {
  const at = grown("mainnet", 3);
  for (const bits of [GENESIS_BITS - 1, GENESIS_BITS + 1, LOWERED.mainnet.limitBits, 0x200fffff])
    assert.is(codeWith(at, { bits: bits }), "bits-wrong", bits.toString(16));
});

test("bits-wrong: at the turn of a period exactly what the retarget gives", () => {
  for (const spacing of [60, 500, 700, 100_000]) {
    const at = grown("mainnet", PERIOD - 1, () => spacing);
    const bits = at.chain.requiredBits(at.tip, 0);
    assert.is.not(bits, GENESIS_BITS, `spacing ${spacing}`);
    for (const wrong of [GENESIS_BITS, bits - 1, bits + 1].filter((other) => other <= LOWERED.mainnet.limitBits))
      assert.is(codeWith(at, { bits: wrong }), "bits-wrong", `${spacing}: ${wrong.toString(16)}`);
  }
});

test("bits-wrong: the easiest target on a test network only for a block that is late, and then no other", () => {
  for (const network of ["testnet3", "testnet4"] as const) {
    const at = grown(network, 5);
    const limit = LOWERED[network].limitBits;
    const late = (seconds: number, bits: number): Partial<Draft> => ({ timeS: at.tip.timeS + seconds, bits });
    assert.is(codeWith(at, late(1200, limit)), "bits-wrong");
    assert.is(codeWith(at, late(1200, GENESIS_BITS)), "accepted");
    assert.is(codeWith(at, late(1201, GENESIS_BITS)), "bits-wrong");
    assert.is(codeWith(at, late(1201, limit)), "accepted");
  }
});

test("after exceptions the bits of the last block that was none; at the turn, testnet3 scales the last, testnet4 the first", () => {
  for (const network of ["testnet3", "testnet4"] as const) {
    // The last three blocks of the first period, and the first of the second, come late.
    const at = grown(network, PERIOD + 1, (number) => (number >= PERIOD - 3 && number <= PERIOD ? 1300 : 550));
    const first = at.tip.parent as Block;
    const limit = LOWERED[network].limitBits;
    assert.is(first.parent?.bits, limit, "the last block of the period is an exception");
    // 14,900 s instead of 14,400: from the limit upwards there is nothing, from the first block's target a little.
    if (network === "testnet3") assert.is(first.bits, limit);
    else assert.ok(first.bits > 0x20211111 && first.bits < 0x20213333, first.bits.toString(16));
    assert.is(at.tip.bits, first.bits);
    assert.is(codeWith(at, { bits: GENESIS_BITS }), "bits-wrong");
  }
});

test("time-before-median: after the median of the last eleven, which may be before the parent", () => {
  const at = grown("mainnet", 15, (number) => (number > 10 ? 5 : 600));
  const times = at.trusted.times;
  const median = [...times].sort((a, b) => a - b)[5] as number;
  assert.ok(median < at.tip.timeS);
  const dated = (timeS: number) => codeWith(at, { timeS: timeS });
  assert.equal([median - 1, median, median + 1, at.tip.timeS].map(dated), [
    "time-before-median",
    "time-before-median",
    "accepted",
    "accepted",
  ]);
});

test("the median of fewer than eleven: of an even number the later one in the middle", () => {
  for (let count = 0; count < 11; count += 1) {
    const at = grown("mainnet", count);
    const sorted = [...at.trusted.times].sort((a, b) => a - b);
    assert.is(sorted.length, count + 1);
    const median = sorted[sorted.length >> 1] as number;
    assert.is(codeWith(at, { timeS: median }), "time-before-median");
    assert.is(codeWith(at, { timeS: median + 1 }), "accepted");
  }
});

test("time-warp: with BIP 94 a period begins at most 600 s before the end of the one before", () => {
  const at = grown("testnet4", PERIOD - 1);
  const without = grown("testnet3", PERIOD - 1);
  const back = (seconds: number) => (grownTo: Grown) => codeWith(grownTo, { timeS: grownTo.tip.timeS - seconds });
  assert.is(back(600)(at), "accepted");
  assert.is(back(601)(at), "time-warp");
  assert.is(back(601)(without), "accepted");
  const inside = grown("testnet4", PERIOD - 2);
  assert.is(back(601)(inside), "accepted", "inside a period there is the median alone");
});

test("time-in-future: two hours ahead of a clock that is known, and no more", () => {
  const at = grown("mainnet", 3);
  const nowS = at.tip.timeS + 600;
  const ahead = (seconds: number, clock?: number) => codeWith(at, { timeS: nowS + seconds }, clock);
  assert.is(ahead(7200, nowS), "accepted");
  assert.is(ahead(7201, nowS), "time-in-future");
  assert.is(ahead(1_000_000_000), "accepted");
});

test("version-outdated: 2, 3 and 4 from their heights on, and nothing below zero then", () => {
  for (const [height, floor] of [
    [29, -(2 ** 31)],
    [30, 2],
    [39, 2],
    [40, 3],
    [49, 3],
    [50, 4],
    [51, 4],
  ] as const) {
    const at = grown("mainnet", height - 1);
    const code = (version: number) => codeWith(at, { version: version });
    assert.is(code(floor), "accepted", `${floor} at ${height}`);
    if (floor > -(2 ** 31))
      for (const old of [floor - 1, -1, -(2 ** 31)]) assert.is(code(old), "version-outdated", `${old} at ${height}`);
  }
});

/** Seconds between blocks that make a chain interesting: fast, slow, late beyond the exception, dated back. */
const spacings = fc.array(fc.oneof(fc.integer({ min: -300, max: 1300 }), fc.integer({ min: 1, max: 5000 })), {
  minLength: 3 * PERIOD + 5,
  maxLength: 3 * PERIOD + 5,
});

/** A chain with these spacings as far as the rules of time allow them. */
function spaced(
  network: keyof typeof LOWERED,
  seconds: readonly number[],
): { chain: BitcoinChain; bitcoin: Bitcoin; blocks: Block[] } {
  const rules = LOWERED[network];
  const chain = chainOf(rules, rules.noRetarget ? rules.limitBits : 0x203fffff);
  const bitcoin = openChainOf(chain, rules);
  const blocks: Block[] = [];
  let tip = chain.genesis;
  for (const spacing of seconds) {
    const before = [chain.genesis, ...blocks].slice(-11).map(({ timeS }) => timeS);
    const median = before.sort((a, b) => a - b)[before.length >> 1] as number;
    const from = tip;
    tip = chain.child(from, (draft) => {
      draft.timeS = Math.max(median + 1, from.timeS + spacing);
    });
    blocks.push(tip);
  }
  return { chain, bitcoin, blocks };
}

for (const network of Object.keys(LOWERED) as (keyof typeof LOWERED)[])
  test(`${LOWERED[network].network}: walk, batch, restart and deltas agree on generated chains, and the work is the sum`, () => {
    fc.assert(
      fc.property(spacings, fc.nat(), fc.nat(), (seconds, cut, split) => {
        const { chain, bitcoin, blocks } = spaced(network, seconds);
        const states = walk(bitcoin, bitcoin.checkpoint, blocks);
        const tip = states[states.length - 1] as BitcoinTrusted;
        const last = blocks[blocks.length - 1] as Block;
        assert.is(toHex(tip.hash), toHex(last.hash));
        const sum = [chain.genesis, ...blocks].reduce((work, { bits }) => work + workOfBits(bits), 0n);
        assert.is(tip.totalDifficulty, sum);
        assert.is(tip.settled, blocks.length - SETTLED_DEPTH);
        assert.is(tip.settledTimeS, blocks[blocks.length - 1 - SETTLED_DEPTH]?.timeS);
        // From the bytes of any state on, and by deltas alone.
        const at = cut % states.length;
        const restored = bitcoin.deserialize(bitcoin.serialize(states[at] as BitcoinTrusted));
        assert.not.instance(restored, Rejection);
        const rest = blocks.slice(at + 1);
        const again = walk(bitcoin, restored as BitcoinTrusted, rest)[rest.length - 1] ?? (restored as BitcoinTrusted);
        assert.is(toHex(bitcoin.serialize(again)), toHex(bitcoin.serialize(tip)));
        let replayed = bitcoin.checkpoint;
        for (const { delta } of states) {
          assert.ok(delta.length <= DELTA_BYTES_MAX);
          replayed = bitcoin.replay(replayed, delta) as BitcoinTrusted;
        }
        assert.is(toHex(bitcoin.serialize(replayed)), toHex(bitcoin.serialize(tip)));
        // In two batches of any length.
        const raws = blocks.map(({ raw }) => raw);
        const middle = split % raws.length;
        const first = bitcoin.extend(bitcoin.checkpoint, raws.slice(0, middle), undefined);
        const second = bitcoin.extend(first.trusted, raws.slice(middle), undefined);
        assert.is(toHex(bitcoin.serialize(second.trusted)), toHex(bitcoin.serialize(tip)));
        assert.equal(
          [...first.deltas, ...second.deltas].map(toHex),
          states.map(({ delta }) => toHex(delta)),
        );
      }),
      { numRuns: 25 },
    );
  });

test("a state has at most 143 bytes; whatever is cut, changed or added to it is refused or means the same bytes again", () => {
  const { bitcoin, trusted } = grown("mainnet", 40);
  const bytes = bitcoin.serialize(trusted);
  assert.ok(bytes.length <= 143);
  for (let length = 0; length < bytes.length; length += 1)
    assert.is(codeOf(bitcoin.deserialize(bytes.subarray(0, length))), "trusted-malformed", `${length} bytes`);
  assert.is(codeOf(bitcoin.deserialize(new Uint8Array([...bytes, 0]))), "trusted-malformed");
  fc.assert(
    fc.property(fc.nat({ max: bytes.length * 8 - 1 }), (bit) => {
      const turned = bytes.slice();
      turned[bit >> 3] = (turned[bit >> 3] as number) ^ (1 << (bit & 7));
      const read = bitcoin.deserialize(turned);
      if (!(read instanceof Rejection)) assert.is(toHex(bitcoin.serialize(read)), toHex(turned));
    }),
    { numRuns: 2000 },
  );
});

test("a delta of another length, or with bits that no header may have, is refused", () => {
  const { bitcoin, trusted } = grown("mainnet", 3);
  const { delta } = trusted;
  assert.is(codeOf(bitcoin.replay(trusted, delta)), "accepted");
  for (const wrong of [delta.slice(1), new Uint8Array([...delta, 0]), new Uint8Array(0)])
    assert.is(codeOf(bitcoin.replay(trusted, wrong)), "delta-malformed");
  const above = delta.slice();
  above[39] = 0x21;
  assert.is(codeOf(bitcoin.replay(trusted, above)), "delta-malformed");
});

/** Blocks 0 to 2 of mainnet, as everyone has them. */
const REAL = [
  "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c",
  "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299",
  "010000004860eb18bf1b1620e37e9490fc8a427514416fd75159ab86688e9a8300000000d5fdcc541e25de1c7a5addedf24858b8bb665c9f36ef744ee42c316022c90f9bb0bc6649ffff001d08d2bd61",
] as const;
const MAINNET_1 = {
  chain: "bip122:000000000019d6689c085ae165831e93",
  consensus: "bitcoin",
  number: 0,
  hash: "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
  bits: "1d00ffff",
  work: "0100010001",
  times: [1_231_006_505],
  periodStart: { timeS: 1_231_006_505, bits: "1d00ffff" },
};

test("every single bit of real headers: refused by length, bits, work or link; the batch takes none of them either", () => {
  const bitcoin = openBitcoin(nobleEngine, MAINNET_1) as Bitcoin;
  assert.is(bitcoin.chain, bitcoinNetwork("mainnet")?.chain);
  let trusted = bitcoin.checkpoint;
  for (const hex of REAL.slice(1)) {
    const raw = new Uint8Array(Buffer.from(hex, "hex"));
    const codes = new Set<string>();
    for (let bit = 0; bit < 640; bit += 1) {
      const turned = raw.slice();
      turned[bit >> 3] = (turned[bit >> 3] as number) ^ (1 << (bit & 7));
      const code = codeOf(judge(bitcoin, trusted, turned));
      assert.is.not(code, "accepted", `bit ${bit}`);
      codes.add(code);
      assert.is(bitcoin.extend(trusted, [turned], undefined).deltas.length, 0, `bit ${bit} in a batch`);
    }
    assert.equal([...codes].sort(), ["bits-above-limit", "bits-malformed", "work-insufficient"]);
    trusted = judge(bitcoin, trusted, raw) as BitcoinTrusted;
    assert.not.instance(trusted, Rejection);
  }
  assert.is(trusted.totalDifficulty, 3n * 0x0100010001n);
});

test.run();
