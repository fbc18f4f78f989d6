// The checkpoint of a Bitcoin chain as the configuration has it: JSON, described field by field in docs/header-rules.md.
//
// Promises: takes any block that brings its work, the times of the last eleven blocks, and what its difficulty period began
// with; whatever is absent, out of bounds or contradicts itself is refused with the field's name (checkpoint-invalid).
// Never fills in a default for what decides whom to believe. Hashes are written as Bitcoin shows them: reversed.

import { toHex } from "../../bytes.js";
import { scalarOf } from "../../codec/rlp.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { bytesIn, isObject, isUint } from "../../fields.js";
import { Rejection } from "../../rejection.js";
import { HASH_BYTES } from "../consensus.js";
import { Bitcoin } from "./consensus.js";
import { decodeBitcoinHeader } from "./header.js";
import { type BitcoinRules, bitcoinNetwork, MEDIAN_TIMES } from "./rules.js";
import { BitcoinTrusted, fieldsFault } from "./state.js";
import { bitsFault, isAbove, workOf } from "./target.js";

const UINT48_MAX = 2 ** 48 - 1;
const TIME_MAX = 0xffffffff;
const WORK_DIGITS_MAX = 64;
const BITS_BYTES = 4;

/** What `bitcoinCheckpointOf` makes and `openBitcoin` reads; hexadecimal with or without 0x. */
export interface BitcoinCheckpoint {
  chain: string;
  consensus: "bitcoin";
  number: number;
  hash: string;
  bits: string;
  work: string;
  times: number[];
  periodStart: { timeS: number; bits: string };
  periodBits?: string;
}

/** Reads a checkpoint; `json.consensus` is "bitcoin". */
export function openBitcoin(engine: CryptoEngine, json: unknown): Bitcoin | Rejection {
  try {
    const fields = object(json, "the checkpoint");
    const rules = typeof fields.chain === "string" ? bitcoinNetwork(fields.chain) : undefined;
    if (rules === undefined || rules.chain !== fields.chain)
      throw invalid("chain", "the bip122 name of one of Bitcoin's networks");
    return new Bitcoin(engine, rules, trustedOf(rules, fields));
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

/** For tools: the checkpoint that stands for what was verified up to `trusted`. */
export function bitcoinCheckpointOf(rules: BitcoinRules, trusted: BitcoinTrusted): BitcoinCheckpoint {
  return {
    ...{ chain: rules.chain, consensus: "bitcoin", number: trusted.number, hash: toHex(reversed(trusted.hash)) },
    ...{ bits: hex(trusted.bits), work: trusted.totalDifficulty.toString(16).padStart(WORK_DIGITS_MAX, "0") },
    ...{ times: [...trusted.times], periodStart: { timeS: trusted.periodStartTimeS, bits: hex(trusted.periodStartBits) } },
    periodBits: hex(trusted.periodBits),
  };
}

/** For tools: the checkpoint of a raw genesis header, which must be that of the network. */
export function bitcoinCheckpointFromGenesis(
  engine: CryptoEngine,
  rules: BitcoinRules,
  rawGenesisHeader: Uint8Array,
): BitcoinCheckpoint | Rejection {
  const header = decodeBitcoinHeader(engine, rules, rawGenesisHeader);
  if (header instanceof Rejection) return header;
  const { hash, timeS, bits } = header;
  if (!isGenesis(rules, hash))
    return new Rejection("checkpoint-invalid", `the header is not the genesis block of ${rules.network}`);
  return bitcoinCheckpointOf(
    rules,
    new BitcoinTrusted({
      ...{ number: 0, hash, timeS, bits, times: [timeS], periodStartTimeS: timeS, periodStartBits: bits, periodBits: bits },
      ...{ settled: 0, settledTimeS: timeS, workBefore: workOf(bits), run: 0, delta: new Uint8Array(0) },
    }),
  );
}

function trustedOf(rules: BitcoinRules, fields: Readonly<Record<string, unknown>>): BitcoinTrusted {
  const number = uint(fields.number, "number", UINT48_MAX);
  const hash = reversed(bytes(fields.hash, "hash", HASH_BYTES));
  if (number === 0 && !isGenesis(rules, hash)) throw invalid("hash", `the genesis block of ${rules.network}, at number 0`);
  const bits = bitsField(rules, fields.bits, "bits");
  const times = timesOf(fields.times, number);
  const period = object(fields.periodStart, "periodStart");
  const periodStartTimeS = uint(period.timeS, "periodStart.timeS", TIME_MAX);
  const periodStartBits = bitsField(rules, period.bits, "periodStart.bits");
  const timeS = times[times.length - 1] as number;
  const starts = number % rules.period === 0;
  if (starts && (periodStartTimeS !== timeS || periodStartBits !== bits))
    throw invalid("periodStart", "the block itself, which is the first of its period");
  const exceptional = rules.easyAfterS !== undefined && !starts && bits === rules.limitBits;
  const periodBits = fields.periodBits === undefined && !exceptional ? bits : bitsField(rules, fields.periodBits, "periodBits");
  if (!exceptional && periodBits !== bits) throw invalid("periodBits", "the block's own bits, which are no exception");
  if (rules.easyAfterS === undefined && periodStartBits !== bits)
    throw invalid("periodStart.bits", "the block's own bits: they change between periods alone");
  const trusted = new BitcoinTrusted({
    ...{ number, hash, timeS, bits, times, periodStartTimeS, periodStartBits, periodBits },
    ...{ settled: number, settledTimeS: timeS, workBefore: workField(fields.work), run: 0, delta: new Uint8Array(0) },
  });
  const fault = fieldsFault(trusted);
  if (fault !== undefined) throw invalid("times", `times of a chain; found ${fault}`);
  return trusted;
}

function timesOf(list: unknown, number: number): number[] {
  const count = Math.min(MEDIAN_TIMES, number + 1);
  if (!Array.isArray(list) || list.length !== count)
    throw invalid("times", `the times of the last ${count} blocks, oldest first, its own last`);
  return list.map((item, i) => uint(item, `times[${i}]`, TIME_MAX));
}

function isGenesis(rules: BitcoinRules, hash: Uint8Array): boolean {
  return toHex(reversed(hash)).startsWith(rules.chain.slice(rules.chain.indexOf(":") + 1));
}

function reversed(hash: Uint8Array): Uint8Array {
  return hash.slice().reverse();
}

function object(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw invalid(name, "an object");
  return value;
}

function bytes(value: unknown, name: string, length: number): Uint8Array {
  const read = bytesIn(value, length, length);
  if (read === undefined) throw invalid(name, `${length} bytes in hexadecimal`);
  return read;
}

function bitsField(rules: BitcoinRules, value: unknown, name: string): number {
  const bits = Number(scalarOf(bytes(value, name, BITS_BYTES)));
  const fault = bitsFault(bits);
  if (fault !== undefined) throw invalid(name, `compact bits; found ${fault}`);
  if (isAbove(bits, rules.limitBits)) throw invalid(name, `at most ${hex(rules.limitBits)}`);
  return bits;
}

function workField(value: unknown): bigint {
  const digits = typeof value === "string" ? value.slice(value.startsWith("0x") ? 2 : 0) : "";
  const read = bytesIn(`0x${digits.length % 2 === 0 ? "" : "0"}${digits}`, 1, WORK_DIGITS_MAX / 2);
  if (read === undefined) throw invalid("work", `1 to ${WORK_DIGITS_MAX} hexadecimal digits`);
  const work = scalarOf(read);
  if (work === 0n) throw invalid("work", "more than none");
  return work;
}

function uint(value: unknown, name: string, max: number): number {
  if (!isUint(value, 0, max)) throw invalid(name, `a whole number from 0 to ${max}`);
  return value;
}

function hex(bits: number): string {
  return bits.toString(16).padStart(2 * BITS_BYTES, "0");
}

function invalid(name: string, expected: string): Rejection {
  return new Rejection("checkpoint-invalid", `${name}: expected ${expected}`);
}
