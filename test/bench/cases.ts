// What is measured, from one source for Node, the XS engine on this machine and bare RISC-V.
//
// Each case does one thing as the firmware does it. `prepare` is not measured, `run` is.

import { fromHex, toHex } from "../../firmware/bytes.js";
import { type CliqueCheckpoint, openClique } from "../../firmware/chain/clique/checkpoint.js";
import { CborWriter } from "../../firmware/codec/cbor.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { addressOf } from "../../firmware/crypto/identity.js";
import type { Clock, FlashPartition, I2CBus, KeyHandle, Keys, KeyValueDomain } from "../../firmware/ports.js";
import { Author, openSequence, type Written } from "../../firmware/record/author.js";
import { RECORD_PAYLOAD_BYTES_MAX } from "../../firmware/record/cose.js";
import { decimal } from "../../firmware/record/decimal.js";
import { Journal } from "../../firmware/record/journal.js";
import { decodeRecord, encodeRecord, type RecordFields, TIME_NTP } from "../../firmware/record/record.js";
import { packOf } from "../../firmware/record/sample.js";
import { Rejection } from "../../firmware/rejection.js";
import { Sht3x } from "../../firmware/sensor/sht3x/sht3x.js";
import { type BftBenchInputs, bftBenchCases } from "./bft-cases.js";
import { type BitcoinInputs, bitcoinCase } from "./bitcoin-case.js";
import { ledgerCases } from "./ledger-cases.js";
import { type ProofInputs, proofCase } from "./proof-case.js";

export interface BenchBoard {
  readonly engine: CryptoEngine;
  readonly keys: Keys;
  readonly flash: FlashPartition;
  readonly values: KeyValueDomain;
  readonly i2c: I2CBus;
  readonly clock: Clock & { turn(ms: number): void };
  /** What the names of the keys begin with, where the store outlives a run: a slot that is taken is never replaced. */
  readonly keyNames?: string;
}

/** Made by inputs.ts, by third-party code. */
export interface BenchInputs {
  readonly clique: { readonly checkpoint: CliqueCheckpoint; readonly headers: readonly string[] };
  readonly bft: BftBenchInputs;
  readonly bitcoin: BitcoinInputs;
  readonly proof: ProofInputs;
}

export interface BenchCase {
  readonly name: string;
  /** How often it is run where instructions are counted: they hardly vary. */
  readonly runs: number;
  /** How often it may be run at all where it leaves something behind for good. */
  readonly runsMax?: number;
  /** Of how many of what it is named after one run consists; 1 where absent. */
  readonly per?: number;
  readonly prepare?: () => void;
  readonly run: () => unknown;
  /** Looks at what `run` gave; throws where it is wrong. Not measured. */
  readonly check?: (result: unknown) => void;
}

/** Each key stays in the store. */
const KEYS_MAX = 24;
const CHAIN = "eip155:1337";
const HEADER_BYTES = 540;
const BITCOIN_HEADER_BYTES = 80;
const RECORD_INTERVAL_MS = 60_000;
const START_S = 1_700_000_000;

function sure<T>(value: T | Rejection | undefined, what: string): T {
  if (value === undefined) throw new Error(`nothing: ${what}`);
  if (value instanceof Rejection) throw new Error(`${what}: ${value.code}: ${value.detail}`);
  return value;
}

function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) bytes[i] = (i * 31 + 7) & 255;
  return bytes;
}

function keyOf(keys: Keys, slot: string): KeyHandle {
  const made = keys.open(slot) ?? keys.create(slot);
  if ("code" in made) throw new Error(`no key: ${made.code}`);
  return made;
}

function cryptoCases(board: BenchBoard): BenchCase[] {
  const { engine, keys, keyNames = "k" } = board;
  const { verify, recover } = engine.secp256k1;
  const key = keyOf(keys, "bench");
  const digest = engine.sha256(pattern(90));
  const signature = keys.sign(key, digest) as Uint8Array;
  const publicKey = keys.publicKey(key);
  const header = pattern(HEADER_BYTES);
  const bitcoinHeader = pattern(BITCOIN_HEADER_BYTES);
  const recovery = [0, 1].find((id) => toHex(recover(signature, id, digest) ?? digest) === toHex(publicKey)) ?? 0;
  let made = 0;
  return [
    {
      name: "keygen",
      runs: 6,
      runsMax: KEYS_MAX,
      run() {
        made += 1;
        const fresh = keys.create(`${keyNames}${made}`);
        if ("code" in fresh) throw new Error(`no key: ${fresh.code}`);
        return keys.publicKey(fresh);
      },
    },
    { name: "sign", runs: 12, run: () => keys.sign(key, digest) },
    { name: "verify", runs: 12, run: () => sure(verify(signature, digest, publicKey) || undefined, "verify") },
    { name: "recover", runs: 12, run: () => sure(recover(signature, recovery, digest), "recover") },
    { name: "sha256d-80", runs: 40, run: () => engine.sha256(engine.sha256(bitcoinHeader)) },
    { name: "keccak-540", runs: 40, run: () => engine.keccak256(header) },
  ];
}

/** A record with one sample of an SHT3x. */
export function recordFields(): RecordFields {
  return {
    stream: 1,
    seq: 1234,
    prev: pattern(32),
    boot: 3,
    time: START_S,
    timeQuality: TIME_NTP,
    head: { chain: CHAIN, number: 19_000_000, hash: pattern(32) },
    measurements: [
      { n: "temperature", u: "Cel", v: decimal(2137, -2) },
      { n: "humidity", u: "%RH", v: decimal(4821, -2) },
    ],
    fleet: { registry: pattern(20), chain: CHAIN },
  };
}

function codecCases(): BenchCase[] {
  const fields = recordFields();
  const writer = new CborWriter(RECORD_PAYLOAD_BYTES_MAX);
  const payload = encodeRecord(fields, writer);
  return [
    { name: "cbor-encode", runs: 40, run: () => encodeRecord(fields, writer) },
    { name: "cbor-decode", runs: 40, run: () => sure(decodeRecord(payload), "decode") },
  ];
}

/** Read, encode, hash, sign, append, as mote.ts does it; stored elsewhere before the next, so that the ring goes round. */
function recordCase(board: BenchBoard): BenchCase {
  const { engine, keys, clock } = board;
  clock.set(START_S);
  const key = keyOf(keys, "bench");
  const address = addressOf(engine, keys.publicKey(key));
  const journal = sure(Journal.mount(board.flash, { engine }), "journal");
  const sequence = sure(openSequence(board.values, journal), "sequence");
  const fleet = { registry: pattern(20), chain: CHAIN };
  const author = new Author({ engine, keys, key, address, fleet, journal, sequence });
  const sensor = new Sht3x({ sensor: board.i2c, clock });
  const head = { chain: CHAIN, number: 19_000_000, hash: pattern(32) };
  let made = 0;
  return {
    name: "record",
    runs: 200,
    prepare() {
      journal.markStored(made);
      clock.turn(RECORD_INTERVAL_MS);
    },
    run() {
      sensor.start();
      clock.turn(sensor.conversionMs);
      const takenMs = clock.ticksMs();
      const entries = sure(sensor.sample(), "sample");
      const measurements = packOf([{ name: "", entries, takenMs }], takenMs);
      const time = Math.floor(clock.nowMs() / 1000);
      return author.write({ time, timeQuality: TIME_NTP, head, measurements }, 1);
    },
    check(result) {
      made = sure(result as Written | Rejection, "record").seq;
    },
  };
}

function cliqueCase(board: BenchBoard, inputs: BenchInputs["clique"]): BenchCase {
  const consensus = sure(openClique(board.engine, inputs.checkpoint), "checkpoint");
  let trusted = consensus.checkpoint;
  let next = 0;
  let raw = new Uint8Array(0) as Uint8Array;
  return {
    name: "header-clique",
    runs: 24,
    prepare() {
      if (next === inputs.headers.length) {
        next = 0;
        trusted = consensus.checkpoint;
      }
      raw = sure(fromHex(inputs.headers[next] as string), "header");
      next += 1;
    },
    run() {
      const header = sure(consensus.decode(raw), "decode");
      trusted = sure(consensus.verify(trusted, header), "verify");
      return trusted;
    },
  };
}

/** All cases, in the order of the report; each is built when it is asked for, and can then be forgotten. */
export function benchCases(board: BenchBoard, inputs: BenchInputs): readonly (() => readonly BenchCase[])[] {
  return [
    () => cryptoCases(board),
    () => codecCases(),
    () => [recordCase(board)],
    () => [cliqueCase(board, inputs.clique)],
    ...bftBenchCases(board.engine, inputs.bft).map((make) => () => [make()]),
    () => [bitcoinCase(board.engine, inputs.bitcoin)],
    () => [proofCase(board.engine, inputs.proof)],
    () => ledgerCases(board.engine, board.keys, keyOf(board.keys, "bench")),
  ];
}
