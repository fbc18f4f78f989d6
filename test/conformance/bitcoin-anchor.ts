// Trusted Bitcoin states out of what vectors give: a header, its height, its work, and whatever is known of those before it.

import { toHex } from "../../firmware/bytes.js";
import { Bitcoin } from "../../firmware/chain/bitcoin/consensus.js";
import { type BitcoinHeader, decodeBitcoinHeader, HEADER_BYTES } from "../../firmware/chain/bitcoin/header.js";
import { type BitcoinRules, bitcoinNetwork, MEDIAN_TIMES } from "../../firmware/chain/bitcoin/rules.js";
import { BitcoinTrusted } from "../../firmware/chain/bitcoin/state.js";
import { workOf } from "../../firmware/chain/bitcoin/target.js";
import { Rejection } from "../../firmware/rejection.js";
import { fastEngine } from "../../tools/crypto/engine-fast.js";

export const engine = fastEngine;

/** Bytes of hexadecimal as the vectors write it, with or without 0x. */
export function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replace(/^0x/, ""), "hex"));
}

/** A hash as it is shown: reversed. */
export function shown(hash: Uint8Array): string {
  return toHex(hash.slice().reverse());
}

export function unshown(text: string): Uint8Array {
  return unhex(text).reverse();
}

export function rulesOf(network: string): BitcoinRules {
  const rules = bitcoinNetwork(network === "main" ? "mainnet" : network);
  if (rules === undefined) throw new Error(`no network ${network}`);
  return rules;
}

/** Throws what a `Rejection` says. */
export function sure<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw new Error(String(value));
  return value;
}

export function decoded(rules: BitcoinRules, raw: Uint8Array): BitcoinHeader {
  return sure(decodeBitcoinHeader(engine, rules, raw));
}

export function headersOf(bytes: Uint8Array): Uint8Array[] {
  if (bytes.length % HEADER_BYTES !== 0) throw new Error(`${bytes.length} bytes are no headers of ${HEADER_BYTES}`);
  return Array.from({ length: bytes.length / HEADER_BYTES }, (_, i) => bytes.subarray(i * HEADER_BYTES, (i + 1) * HEADER_BYTES));
}

export interface Known {
  readonly number: number;
  /** Work including this block; that of the block alone where it is not given. */
  readonly work?: bigint;
  /** Times of the blocks before, as far as they are known, oldest first. */
  readonly times?: readonly number[];
  readonly periodStart?: { readonly timeS: number; readonly bits: number };
  readonly periodBits?: number;
}

/** The state after a header that is given as trusted. Times that are not known are taken as long past: they refuse nothing. */
export function anchor(
  rules: BitcoinRules,
  header: Pick<BitcoinHeader, "hash" | "timeS" | "bits">,
  known: Known,
): BitcoinTrusted {
  const { hash, timeS, bits } = header;
  const { number } = known;
  const count = Math.min(MEDIAN_TIMES, number + 1);
  const times = [...(known.times ?? []), timeS].slice(-count);
  while (times.length < count) times.unshift(0);
  const start = number % rules.period === 0 ? { timeS, bits } : (known.periodStart ?? { timeS, bits });
  return new BitcoinTrusted({
    ...{ number, hash: hash.slice(), timeS, bits, times, settled: number, settledTimeS: timeS },
    ...{ periodStartTimeS: start.timeS, periodStartBits: start.bits, periodBits: known.periodBits ?? bits },
    ...{ workBefore: known.work ?? workOf(bits), run: 0, delta: new Uint8Array(0) },
  });
}

export function openAt(rules: BitcoinRules, checkpoint: BitcoinTrusted): Bitcoin {
  return new Bitcoin(engine, rules, checkpoint);
}

/** Verifies one header and sends the state through its bytes, as a restart would. */
export function advance(bitcoin: Bitcoin, trusted: BitcoinTrusted, raw: Uint8Array): BitcoinTrusted | Rejection {
  const header = bitcoin.decode(raw);
  if (header instanceof Rejection) return header;
  const next = bitcoin.verify(trusted, header);
  return next instanceof Rejection ? next : bitcoin.deserialize(bitcoin.serialize(next));
}
