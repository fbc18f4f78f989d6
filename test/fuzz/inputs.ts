// Inputs for cases.ts: real headers, RLP and addresses as seeds, then mutated: bits turned, bytes set to what lengths and prefixes
// are made of, pieces cut, doubled and moved. The same seed gives the same inputs.

import { concat, fromHex, fromText, toHex } from "../../firmware/bytes.js";
import { HEADER_BYTES_MAX } from "../../firmware/chain/consensus.js";
import { decode, encode, prefixBytes, type RlpValue } from "../../firmware/codec/rlp.js";
import { Rejection } from "../../firmware/rejection.js";
import { Prng } from "../../host-sim/world/prng.js";
import { benchInputs } from "../bench/inputs.js";
import { BITCOIN_WORK, WORKS } from "./cases.js";

const EDGES = [
  0, 1, 0x14, 0x20, 0x37, 0x38, 0x7f, 0x80, 0x81, 0x94, 0xa0, 0xb7, 0xb8, 0xb9, 0xbf, 0xc0, 0xf7, 0xf8, 0xf9, 0xfb, 0xff,
];
const MUTATIONS_MAX = 4;
const SHORT_BYTES_MAX = 64;
const HEADERS_EACH = 6;
const SCAN = 12;
const SPLICE = 13;
const ADDRESS_BYTES = 20;
const LONG_PREFIX_BYTES = 3;

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  if (bytes instanceof Rejection) throw new Error(bytes.detail);
  return bytes;
}

/** Bytes to work on, with what is best done with them. */
function seeds(): readonly (readonly [readonly number[], Uint8Array])[] {
  const { clique, bft, bitcoin } = benchInputs();
  const headers = [clique, bft.ibft2, bft.qbft].flatMap(({ headers }) => headers.slice(0, HEADERS_EACH).map(bytesOf));
  const blocks = bitcoin.headers.slice(0, HEADERS_EACH).map(bytesOf);
  const addresses = concat(...Array.from({ length: 5 }, (_, i) => new Uint8Array(ADDRESS_BYTES).fill(40 * i)));
  const items = concat(
    ...Array.from({ length: 5 }, (_, i) => concat(Uint8Array.of(0x94), new Uint8Array(ADDRESS_BYTES).fill(i))),
  );
  const limits = Uint8Array.from([0, 0, 0, 128, 255, 255, 255, 255, 255, 255, 255, 255]);
  const deltas = blocks.map((raw) =>
    concat(raw, raw.subarray(4, 36), Uint8Array.of(0, 0, 0, 0), raw.subarray(72, 76), limits, new Uint8Array(32)),
  );
  // As many items as are taken, and one more.
  const long = [10, 16, 17].map((tail) =>
    encode([...(decode(headers[0] as Uint8Array) as RlpValue[]).slice(0, 15), ...tailOf(tail)]),
  );
  // As many bytes as are taken, and one more.
  const longest = [0, 1].map((more) => {
    const fields = (decode(headers[0] as Uint8Array) as RlpValue[]).slice(0, 15);
    const extra = (fields[12] as Uint8Array).length;
    const without = encode(fields).length - extra - prefixBytes(extra);
    fields[12] = new Uint8Array(HEADER_BYTES_MAX - without - LONG_PREFIX_BYTES + more);
    return encode(fields);
  });
  return [
    ...longest.map((raw) => [[SCAN, SPLICE], raw] as const),
    ...long.map((raw) => [[SCAN, SPLICE], raw] as const),
    ...headers.map((raw) => [[SCAN, SPLICE, 11], raw] as const),
    ...headers.map((raw) => [[14], concat(new Uint8Array(64), raw)] as const),
    ...deltas.map((delta) => [[BITCOIN_WORK], delta] as const),
    ...blocks.map((raw) => [[19], concat(raw.subarray(72, 76), new Uint8Array(32))] as const),
    [[7, 8, 9], addresses] as const,
    [[16, 17, 18], fromText(`0x${toHex(addresses)}`)] as const,
    [[17, 18], fromText("0AFfe9")] as const,
    [[18], fromText("eip155:1337 ü水𐅑")] as const,
    [[10, 11], items] as const,
  ];
}

/** A few headers as they are: of Clique, IBFT 2.0, QBFT and Bitcoin. */
export function seedHeaders(): readonly Uint8Array[] {
  const { clique, bft, bitcoin } = benchInputs();
  return [clique, bft.ibft2, bft.qbft, bitcoin].map(({ headers }) => bytesOf(headers[0] as string));
}

/** Items up to Prague, then some more. */
function tailOf(count: number): readonly Uint8Array[] {
  const widths = [1, 32, 1, 1, 32, 32];
  return Array.from({ length: count }, (_, i) => new Uint8Array(widths[i] ?? 1).fill(7));
}

/** Endlessly many inputs; the first are the seeds. */
export function* fuzzInputs(seed: string): Generator<Uint8Array, never> {
  const prng = new Prng(seed);
  const below = (limit: number): number => Math.floor(prng.real() * limit);
  const all = seeds();
  const parameters = (bytes: Uint8Array): Uint8Array =>
    Uint8Array.from({ length: 3 }, () => (below(2) === 0 ? below(256) : below(Math.min(256, bytes.length + 2))));
  for (const [works, bytes] of all) for (const work of works) yield concat(Uint8Array.of(work), new Uint8Array(3), bytes);
  for (;;) {
    if (below(3) === 0) {
      const bytes = Uint8Array.from({ length: below(SHORT_BYTES_MAX) }, () => (below(2) === 0 ? below(256) : edge(below)));
      yield concat(Uint8Array.of(below(WORKS)), parameters(bytes), bytes);
      continue;
    }
    const [works, bytes] = all[below(all.length)] as (typeof all)[number];
    let mutated = bytes;
    for (let i = below(MUTATIONS_MAX + 1); i > 0; i -= 1) mutated = mutate(mutated, below);
    const work = below(8) === 0 ? below(WORKS) : (works[below(works.length)] as number);
    yield concat(Uint8Array.of(work), parameters(mutated), mutated);
  }
}

function edge(below: (limit: number) => number): number {
  return EDGES[below(EDGES.length)] as number;
}

function mutate(bytes: Uint8Array, below: (limit: number) => number): Uint8Array {
  // Lengths, prefixes and tables stand at the front: half of all changes go there.
  const at = below(below(2) === 0 ? Math.min(bytes.length, SHORT_BYTES_MAX) : bytes.length);
  const to = Math.min(bytes.length, at + 1 + below(SHORT_BYTES_MAX));
  switch (below(6)) {
    case 0:
      return concat(bytes.subarray(0, at), Uint8Array.of((bytes[at] ?? 0) ^ (1 << below(8))), bytes.subarray(at + 1));
    case 1:
      return concat(bytes.subarray(0, at), Uint8Array.of(edge(below)), bytes.subarray(at + 1));
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return concat(bytes.subarray(0, at), bytes.subarray(to));
    case 4:
      return concat(bytes.subarray(0, to), bytes.subarray(at));
    default:
      return concat(bytes.subarray(0, at), Uint8Array.of(edge(below)), bytes.subarray(at));
  }
}
