// The deterministic CBOR codec by the great number: 100,000 values against cborg's encoding, 1,000,000 inputs that are
// nearly CBOR. Every run draws a new seed, which a failure names; SEED=N replays it.

import { encode as cborgEncode, rfc8949EncodeOptions } from "cborg";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { equal, toHex } from "../../../firmware/bytes.js";
import { type CborLimits, decode, encode } from "../../../firmware/codec/cbor.js";
import { Rejection } from "../../../firmware/rejection.js";
import { Prng } from "../../../host-sim/world/prng.js";
import { seedOr } from "../../seed.js";
import { forCborg, mutate, randomValue } from "./cbor-values.js";

const FULL = process.env.FULL === "1";
const VALUES = FULL ? 100_000 : 20_000;
const BASES = FULL ? 5_000 : 1_000;
const MUTATIONS_PER_BASE = 200;
/** Short values, so that a mutation often hits a head. */
const BASE_BYTES_MAX = 300;
const LIMITS: CborLimits = { depthMax: 16, bytesMax: 1 << 20, itemsMax: 1 << 16 };
const seed = seedOr();

test(`${VALUES} values encode to the bytes of cborg's RFC 8949 encoding, and come back`, () => {
  const prng = new Prng(seed);
  const below = (n: number): number => prng.below(n);
  for (let i = 0; i < VALUES; i += 1) {
    const value = randomValue(below, false);
    const ours = encode(value, LIMITS.bytesMax, LIMITS.depthMax);
    const theirs = cborgEncode(forCborg(value), rfc8949EncodeOptions);
    if (!equal(ours, theirs)) throw new Error(`seed ${seed}, value ${i}: ${toHex(ours)} is not ${toHex(theirs)}`);
    const decoded = decode(ours, LIMITS);
    if (decoded instanceof Rejection) throw new Error(`seed ${seed}, value ${i}: ${decoded} for ${toHex(ours)}`);
    if (!equal(encode(decoded, LIMITS.bytesMax, LIMITS.depthMax), ours))
      throw new Error(`seed ${seed}, value ${i}: ${toHex(ours)} comes back as another value`);
  }
});

const CODES = new Set(
  "truncated malformed not-shortest indefinite unsorted duplicate-key utf8 trailing too-deep too-long unsupported"
    .split(" ")
    .map((name) => `cbor-${name}`),
);

test(`${BASES * MUTATIONS_PER_BASE} mutated inputs: refused with a reason and a position, or what they encode to`, () => {
  const prng = new Prng(seed);
  const below = (n: number): number => prng.below(n);
  const seen = new Set<string>();
  let accepted = 0;
  let slowestUs = 0;
  for (let i = 0; i < BASES; ) {
    const base = encode(randomValue(below, true), LIMITS.bytesMax, LIMITS.depthMax);
    if (base.length > BASE_BYTES_MAX) continue;
    i += 1;
    const before = process.cpuUsage();
    for (let k = 0; k < MUTATIONS_PER_BASE; k += 1) {
      const input = mutate(base, below);
      const decoded = decode(input);
      if (!(decoded instanceof Rejection)) {
        accepted += 1;
        if (!equal(encode(decoded), input))
          throw new Error(`seed ${seed}: ${toHex(input)} was accepted and encodes to ${toHex(encode(decoded))}`);
      } else if (!CODES.has(decoded.code) || !/^at byte \d+: /.test(decoded.detail))
        throw new Error(`seed ${seed}: ${decoded} for ${toHex(input)} has no known code or no position`);
      else seen.add(decoded.code);
    }
    slowestUs = Math.max(slowestUs, process.cpuUsage(before).user);
  }
  assert.equal(
    [...CODES].filter((code) => !seen.has(code)),
    [],
    `seed ${seed}: every reason was met`,
  );
  assert.ok(accepted > BASES, `${accepted} accepted: the mutations must not be all nonsense`);
  assert.ok(slowestUs < 5_000_000, `the slowest ${MUTATIONS_PER_BASE} took ${slowestUs} µs of a processor`);
});

test.run();
