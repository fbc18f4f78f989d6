// Fields of a checkpoint's JSON, read one by one, for every consensus of the Ethereum family: what Clique and the BFT family say
// alike, and how each kind of value is read.
//
// Promises: a value of the wrong type, width or range is thrown as checkpoint-invalid with the field's name and what was
// expected there. Never converts what is not exactly what the field takes.

import { ADDRESS_BYTES, findAddress, isAscending } from "../../bytes/primitives.js";
import { equal, fromHex, toHex } from "../../bytes.js";
import { bytesIn, isObject, isUint, quantityIn } from "../../fields.js";
import { Rejection } from "../../rejection.js";
import { HASH_BYTES } from "../consensus.js";
import type { Gas } from "./gas.js";
import type { EthereumHeader } from "./header.js";
import { VOTE_BYTES } from "./vote-table.js";

/** Of heights, times and spans. */
export const UINT48_MAX = 2 ** 48 - 1;
export const PERIOD_S_MAX = 86_400;
/** As CAIP-2 has it. */
const CHAIN_CHARACTERS_MAX = 41;
const UINT64_MAX = 2n ** 64n - 1n;
export const UINT256_MAX = 2n ** 256n - 1n;

export type Fields = Readonly<Record<string, unknown>>;

/** A whole number, or the same in hexadecimal with 0x where it may exceed 2^53. */
export type Quantity = number | string;

export function fieldsOf(json: unknown): Fields {
  if (!isObject(json)) throw invalid("the checkpoint", "an object");
  return json;
}

/** Which block a checkpoint is of, and what it left behind. */
export interface BlockJson {
  genesisHash: string;
  number: number;
  hash: string;
  timeS: number;
  gasLimit?: Quantity;
  gasUsed?: Quantity;
  baseFee?: Quantity;
}

export interface VoteJson {
  account: string;
  authorize: boolean;
}

/** What the configuration pins about every chain of the family. */
export interface ChainRules {
  /** CAIP-2. */
  readonly chain: string;
  readonly genesisHash: Uint8Array;
  /** Least distance of two blocks, in seconds; 0 where a BFT chain makes several a second, and time is not bound then. */
  readonly periodS: number;
  /** An epoch, in blocks. */
  readonly epoch: number;
  /** First block with a base fee; where undefined, the first header that brings one begins London. */
  readonly londonBlock: number | undefined;
}

export function chainRulesOf(fields: Fields): ChainRules {
  return {
    chain: chainOf(fields),
    genesisHash: bytes(fields.genesisHash, "genesisHash", HASH_BYTES),
    periodS: uint(fields, "periodS", 0, PERIOD_S_MAX),
    epoch: uint(fields, "epoch", 1, UINT48_MAX),
    londonBlock: fields.londonBlock === undefined ? undefined : uint(fields, "londonBlock", 0, UINT48_MAX),
  };
}

export function blockOf(
  fields: Fields,
  { genesisHash }: ChainRules,
): { number: number; hash: Uint8Array; timeS: number; gas: Gas | undefined } {
  const number = uint(fields, "number", 0, UINT48_MAX);
  const hash = bytes(fields.hash, "hash", HASH_BYTES);
  const timeS = uint(fields, "timeS", 0, UINT48_MAX);
  if (number === 0 && !equal(hash, genesisHash)) throw invalid("hash", "the genesis hash, at number 0");
  return { number, hash, timeS, gas: gasOf(fields) };
}

/** For tools: as `blockOf` reads it. */
export function blockJson(genesisHash: string, hash: string, { number, timeS, gas }: EthereumHeader): BlockJson {
  const { gasLimit, gasUsed, baseFee } = gas;
  return {
    ...{ genesisHash, number, hash, timeS, gasLimit: hex(gasLimit), gasUsed: hex(gasUsed) },
    ...(baseFee === undefined ? {} : { baseFee: hex(baseFee) }),
  };
}

/** A list of addresses in any order, as a set of 1 to `max`. */
export function addressesOf(list: unknown, name: string, max: number): Uint8Array {
  if (!Array.isArray(list) || list.length < 1 || list.length > max) throw invalid(name, `1 to ${max} addresses`);
  const texts = list.map((item, i) => toHex(bytes(item, `${name}[${i}]`, ADDRESS_BYTES))).sort();
  const packed = fromHex(texts.join("")) as Uint8Array;
  if (!isAscending(packed)) throw invalid(name, "each address once");
  return packed;
}

/** Packed addresses as texts with 0x. */
export function textsOf(packed: Uint8Array): string[] {
  const texts: string[] = [];
  for (let at = 0; at < packed.length; at += ADDRESS_BYTES) texts.push(`0x${toHex(packed.subarray(at, at + ADDRESS_BYTES))}`);
  return texts;
}

/**
 * Pending votes of those in `set`, as a table.
 * @param voter the name of the field that says who voted
 * @param keepsIdle whether there may be votes that would change nothing
 * @param forFlag what the voter's byte has besides the index where the vote is for the account
 */
export function votesOf(
  list: readonly unknown[],
  set: Uint8Array,
  voter: "signer" | "validator",
  keepsIdle: boolean,
  forFlag: number,
): Uint8Array {
  const packed = new Uint8Array(list.length * VOTE_BYTES);
  const seen: string[] = [];
  list.forEach((item: unknown, i) => {
    const path = `votes[${i}]`;
    const vote = item;
    if (!isObject(vote)) throw invalid(path, "an object");
    const index = findAddress(set, bytes(vote[voter], `${path}.${voter}`, ADDRESS_BYTES));
    const account = bytes(vote.account, `${path}.account`, ADDRESS_BYTES);
    if (index < 0) throw invalid(`${path}.${voter}`, `one of the ${voter}s`);
    if (typeof vote.authorize !== "boolean") throw invalid(`${path}.authorize`, "true or false");
    if (!keepsIdle && vote.authorize !== findAddress(set, account) < 0)
      throw invalid(`${path}.authorize`, `true for an account that is no ${voter}, false for one that is`);
    const key = `${index} ${toHex(account)}`;
    if (seen.includes(key)) throw invalid(path, `one vote per ${voter} and account`);
    seen.push(key);
    packed[i * VOTE_BYTES] = index | (vote.authorize ? forFlag : 0);
    packed.set(account, i * VOTE_BYTES + 1);
  });
  return packed;
}

function chainOf(fields: Fields): string {
  const { chain } = fields;
  if (typeof chain !== "string" || !chain.startsWith("eip155:") || chain.length > CHAIN_CHARACTERS_MAX)
    throw invalid("chain", "a CAIP-2 name that begins with eip155:");
  return chain;
}

function gasOf(fields: Fields): Gas | undefined {
  const { gasLimit, gasUsed, baseFee } = fields;
  if (gasLimit === undefined && gasUsed === undefined && baseFee === undefined) return undefined;
  return {
    gasLimit: quantity(fields, "gasLimit", UINT64_MAX),
    gasUsed: quantity(fields, "gasUsed", UINT64_MAX),
    baseFee: baseFee === undefined ? undefined : quantity(fields, "baseFee", UINT256_MAX),
  };
}

export function bytes(value: unknown, name: string, length: number): Uint8Array {
  const read = bytesIn(value, length, length);
  if (read === undefined) throw invalid(name, `${length} bytes in hexadecimal`);
  return read;
}

export function uint(fields: Fields, name: string, min: number, max: number): number {
  const value = fields[name];
  if (!isUint(value, min, max)) throw invalid(name, `a whole number from ${min} to ${max}`);
  return value;
}

export function quantity(fields: Fields, name: string, max: bigint): bigint {
  const read = quantityIn(fields[name], max);
  if (read === undefined) throw invalid(name, `a whole number up to ${max}, in hexadecimal from 2^53 on`);
  return read;
}

export function hex(value: bigint): Quantity {
  return `0x${value.toString(16)}`;
}

export function invalid(name: string, expected: string): Rejection {
  return new Rejection("checkpoint-invalid", `${name}: expected ${expected}`);
}
