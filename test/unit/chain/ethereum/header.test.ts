// The Ethereum-family header: every field against what third-party code encoded, tails of every length, each code.

import { createBlockHeaderFromRLP } from "@ethereumjs/block";
import { Common, Hardfork, Mainnet } from "@ethereumjs/common";
import { RLP } from "@ethereumjs/rlp";
import { keccak_256 } from "@noble/hashes/sha3.js";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { HEADER_BYTES_MAX } from "../../../../firmware/chain/consensus.js";
import { decodeHeader, type EthereumHeader } from "../../../../firmware/chain/ethereum/header.js";
import { nobleEngine } from "../../../../firmware/crypto/engine-noble.js";
import { Rejection } from "../../../../firmware/rejection.js";

type Item = Uint8Array | bigint | Item[];

const scalar = (bytes: number): fc.Arbitrary<bigint> =>
  fc.oneof(fc.bigInt({ min: 0n, max: 2n ** BigInt(8 * bytes) - 1n }), fc.constantFrom(0n, 1n, 127n, 128n, 255n, 256n));
const fixed = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const base: fc.Arbitrary<Item[]> = fc.tuple(
  ...[fixed(32), fixed(32), fixed(20), fixed(32), fixed(32), fixed(32), fixed(256)],
  ...[scalar(32), scalar(6), scalar(8), scalar(8), scalar(6), fc.uint8Array({ maxLength: 200 }), fixed(32), fixed(8)],
) as fc.Arbitrary<Item[]>;
const tail = fc.tuple(scalar(32), fixed(32), scalar(8), scalar(8), fixed(32), fixed(32)) as fc.Arbitrary<Item[]>;
const unknown: fc.Arbitrary<Item[]> = fc.array(
  fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant<Item>([Uint8Array.of(1)])),
  {
    maxLength: 10,
  },
);

function read(raw: Uint8Array): EthereumHeader {
  const header = decodeHeader(nobleEngine, raw);
  if (header instanceof Rejection) throw new Error(String(header));
  return header;
}

function codeOf(raw: Uint8Array): string {
  const header = decodeHeader(nobleEngine, raw);
  return header instanceof Rejection ? header.code : "accepted";
}

function sample(seed = 1): Item[] {
  return fc.sample(base, { seed, numRuns: 1 })[0] as Item[];
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("reads every field, whatever tail follows", () => {
  fc.assert(
    fc.property(base, tail, unknown, fc.nat(6), (items, known, later, length) => {
      const all = [...items, ...known.slice(0, length), ...(length === 6 ? later : [])];
      const raw = RLP.encode(all as never);
      const header = read(raw);
      const named = ["parentHash", "ommersHash", "coinbase", "stateRoot", "transactionsRoot", "receiptsRoot", "", "difficulty"];
      named.push("number", "", "", "timeS", "extraData", "mixHash", "nonce");
      named.forEach((name, i) => {
        if (name === "") return;
        const found = header[name as keyof EthereumHeader];
        const expected = items[i] as Uint8Array | bigint;
        if (found instanceof Uint8Array) assert.equal(hexOf(found), hexOf(expected as Uint8Array), name);
        else assert.is(BigInt(found as number), expected, name);
      });
      assert.equal([header.gas.gasLimit, header.gas.gasUsed], [items[9], items[10]]);
      assert.is(header.weight, (items[7] as bigint) < 2n ** 48n ? Number(items[7]) : Number.POSITIVE_INFINITY);
      assert.is(header.gas.baseFee, length === 0 ? undefined : (known[0] as bigint));
      assert.is(header.tailItems, all.length - 15);
      assert.equal(hexOf(header.hash), hexOf(keccak_256(raw)));
      const other = Uint8Array.from([1, 2, 3]);
      const bent = [...all];
      bent[12] = other;
      assert.equal(hexOf(header.hashWithExtraData(other)), hexOf(keccak_256(RLP.encode(bent as never))));
      for (const view of [header.parentHash, header.extraData, header.nonce]) assert.is(view.buffer, raw.buffer);
    }),
    { numRuns: 200 },
  );
});

test("agrees with @ethereumjs/block from Frontier to Prague", () => {
  const forks: [Hardfork, number][] = [
    [Hardfork.Istanbul, 0],
    [Hardfork.London, 1],
    [Hardfork.Shanghai, 2],
    [Hardfork.Cancun, 5],
    [Hardfork.Prague, 6],
  ];
  for (const [hardfork, length] of forks) {
    const common = new Common({ chain: Mainnet, hardfork });
    for (let seed = 0; seed < 10; seed += 1) {
      const items = sample(seed);
      items[12] = new Uint8Array(32);
      items[8] = 20_000_000n + BigInt(seed);
      items[10] = 0n;
      const isMerge = length > 1;
      if (isMerge) {
        items[1] = keccak_256(RLP.encode([]));
        items[7] = 0n;
        items[14] = new Uint8Array(8);
      }
      const raw = RLP.encode([...items, ...(fc.sample(tail, { seed, numRuns: 1 })[0] as Item[]).slice(0, length)] as never);
      const theirs = createBlockHeaderFromRLP(raw, { common, skipConsensusFormatValidation: true, setHardfork: false });
      const ours = read(raw);
      assert.equal(hexOf(ours.hash), hexOf(theirs.hash()), hardfork);
      assert.equal(hexOf(ours.stateRoot), hexOf(theirs.stateRoot));
      assert.is(ours.gas.gasLimit, theirs.gasLimit);
      assert.is(ours.gas.baseFee, theirs.baseFeePerGas);
      assert.is(BigInt(ours.timeS), theirs.timestamp);
    }
  }
});

test("presence decides, not value: a base fee of zero is part of the hash", () => {
  const items = sample();
  const without = read(RLP.encode(items as never));
  const zero = read(RLP.encode([...items, 0n] as never));
  assert.is(without.gas.baseFee, undefined);
  assert.is(zero.gas.baseFee, 0n);
  assert.not.equal(hexOf(without.hash), hexOf(zero.hash));
  assert.not.equal(hexOf(without.hashWithExtraData(new Uint8Array(0))), hexOf(zero.hashWithExtraData(new Uint8Array(0))));
});

test("each way to be malformed has its code", () => {
  const withItem = (index: number, item: Item): Uint8Array => {
    const items = [...sample(), 7n];
    items[index] = item;
    return RLP.encode(items as never);
  };
  assert.is(codeOf(withItem(15, 7n)), "accepted");
  for (const [index, width] of [0, 1, 2, 3, 4, 5, 6, 13, 14].map((i) => [
    i,
    [32, 32, 20, 32, 32, 32, 256][i] ?? (i === 13 ? 32 : 8),
  ]))
    for (const change of [-1, 1])
      assert.is(codeOf(withItem(index as number, new Uint8Array((width as number) + change))), "header-width", `field ${index}`);
  for (const [index, bytes] of [
    [7, 32],
    [8, 6],
    [9, 8],
    [10, 8],
    [11, 6],
    [15, 32],
  ] as const) {
    assert.is(codeOf(withItem(index, new Uint8Array(bytes).fill(0xff))), "accepted", `field ${index}`);
    assert.is(codeOf(withItem(index, new Uint8Array(bytes + 1).fill(0xff))), "header-scalar", `field ${index}`);
    assert.is(codeOf(withItem(index, Uint8Array.of(0, 1))), "header-scalar", `field ${index}`);
    assert.is(codeOf(withItem(index, Uint8Array.of(0))), "header-scalar", `field ${index}`);
  }
  for (let i = 0; i < 16; i += 1) assert.is(codeOf(withItem(i, [])), "header-malformed", `field ${i}`);
  const items = sample();
  assert.is(codeOf(RLP.encode(items.slice(0, 14) as never)), "header-malformed");
  assert.is(codeOf(RLP.encode([] as never)), "header-malformed");
  assert.is(codeOf(Uint8Array.of(0x80)), "header-malformed");
  const tailOf = (count: number): Item[] => [...items, ...(fc.sample(tail, 1)[0] as Item[]), ...Array<Item>(count).fill(1n)];
  assert.is(codeOf(RLP.encode(tailOf(10) as never)), "accepted");
  assert.is(codeOf(RLP.encode(tailOf(11) as never)), "header-malformed");
  const raw = RLP.encode(items as never);
  assert.is(codeOf(Uint8Array.from([...raw, 0])), "rlp-trailing");
  assert.is(codeOf(raw.slice(0, -1)), "rlp-truncated");
  assert.is(codeOf(new Uint8Array(0)), "rlp-truncated");
  assert.is(codeOf(new Uint8Array(HEADER_BYTES_MAX + 1)), "header-too-long");
  assert.is(codeOf(new Uint8Array(1 << 20).fill(0xff)), "header-too-long");
});

test("whatever comes gets an answer, and what is accepted is what came", () => {
  fc.assert(
    fc.property(
      base,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(700),
      (items, edits, cut) => {
        const raw = Uint8Array.from(RLP.encode(items as never));
        for (const [at, byte] of edits) raw[at % raw.length] = byte;
        const header = decodeHeader(nobleEngine, cut < raw.length ? raw.subarray(0, raw.length - (cut % 3)) : raw);
        if (header instanceof Rejection) assert.ok(header.detail.length < 200);
        else assert.equal(hexOf(RLP.encode(RLP.decode(header.raw))), hexOf(header.raw));
      },
    ),
    { numRuns: 500 },
  );
});

test.run();
