// Transactions of Ethereum chains: EIP-155 (type 0, on chains before London) and EIP-1559 (type 2, EIP-2718's envelope), to sign and to check.
//
// What is signed is the Keccak-256 of the *signing payload*: RLP[nonce, gasPrice, gas, to, value, data, chainId, 0, 0], or
// 0x02 ‖ RLP[chainId, nonce, maxPriorityFeePerGas, maxFeePerGas, gas, to, value, data, []]. For a payload there is one raw transaction, since
// the nonce of the signature is that of RFC 6979 and s is the low one (EIP-2).
//
// Promises: reads only the one encoding; each field is bounded; a signature holds before it leaves. Never: creates a contract, takes an
// access list, another type, a transaction that no chain id binds, or a high s.
// Codes: tx-malformed, tx-type, tx-too-long, signature-invalid, signature-high-s, signature-failed, and those of codec/rlp.ts.

import { equal } from "../bytes.js";
import { decode, encode, type RlpLimits, type RlpValue, scalarBytes, scalarOf } from "../codec/rlp.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { ADDRESS_BYTES, addressOf } from "../crypto/identity.js";
import type { KeyHandle, Keys } from "../ports.js";
import { checkScalars, SIGNATURE_BYTES } from "../record/cose.js";
import { assert, Rejection } from "../rejection.js";
import { CALL_BYTES_MAX } from "./abi.js";

export const LEGACY = 0;
export const DYNAMIC_FEE = 2;
/** Longest raw transaction: the longest call, an address, five integers of 32 bytes, three of 8, a signature, their heads. */
export const TRANSACTION_BYTES_MAX = CALL_BYTES_MAX + 400;
/** Largest nonce that is taken: the store keeps it in 6 bytes. */
export const NONCE_MAX = 2 ** 48 - 1;
/** What is taken before a contract begins, by EIP-7623, which asks for more than the rules before it: 10 for a zero, 40 for another byte. */
const GAS_BASE = 21_000;
const GAS_OF_ZERO = 10;
const GAS_OF_BYTE = 40;

const SCALAR_BYTES_MAX = 32;
const LEGACY_ITEMS = 9;
const LEGACY_CALL_ITEMS = 6;
const DYNAMIC_ITEMS = 9;
const LIMITS: RlpLimits = Object.freeze({ bytesMax: TRANSACTION_BYTES_MAX, itemsMax: 16, depthMax: 2 });

export interface Transaction {
  readonly type: typeof LEGACY | typeof DYNAMIC_FEE;
  /** From 1, as in `eip155:<id>`. */
  readonly chainId: number;
  readonly nonce: number;
  /** Limit of the gas that it may use. */
  readonly gas: number;
  /** 20 bytes. */
  readonly to: Uint8Array;
  /** Wei. */
  readonly value: bigint;
  readonly data: Uint8Array;
  /** Wei for each gas: of a type 0, its price. */
  readonly maxFeePerGas: bigint;
  /** Wei for each gas: of a type 0, its price once more. */
  readonly maxPriorityFeePerGas: bigint;
}

export interface SignedTransaction extends Transaction {
  /** r ‖ s ‖ parity of y, 65 bytes. */
  readonly seal: Uint8Array;
  /** What was signed. */
  readonly payload: Uint8Array;
}

/** The signing payload. Fields out of range are our own mistake. */
export function signingPayload(transaction: Transaction): Uint8Array {
  const { type, chainId, nonce, gas, to, value, data, maxFeePerGas, maxPriorityFeePerGas } = transaction;
  assert(isInteger(chainId, 1) && isInteger(nonce, 0) && nonce <= NONCE_MAX && isInteger(gas, 0), "integers in range");
  assert(to.length === ADDRESS_BYTES && data.length <= CALL_BYTES_MAX, "an address, and data within their limit");
  assert(maxPriorityFeePerGas <= maxFeePerGas && (type !== LEGACY || maxPriorityFeePerGas >= maxFeePerGas), "fees that can be");
  const [id, count, limit, wei] = [scalarBytes(chainId), scalarBytes(nonce), scalarBytes(gas), scalarBytes(value)];
  const fee = scalarBytes(maxFeePerGas);
  if (type === LEGACY) return legacyPayload([count, fee, limit, to, wei, data], id);
  return enveloped([id, count, scalarBytes(maxPriorityFeePerGas), fee, limit, to, wei, data, []]);
}

/**
 * What is signed of a transaction of type 0 (EIP-155).
 * @param call nonce, gas price, gas, to, value, data
 * @param id the chain id, in its shortest form
 */
export function legacyPayload(call: readonly RlpValue[], id: Uint8Array): Uint8Array {
  const none = new Uint8Array(0);
  return encode([...call, id, none, none]);
}

/**
 * The raw transaction of type 0: v is 35 + 2 · chain id + parity.
 * @param signature r ‖ s, 64 bytes
 */
export function sealLegacy(call: readonly RlpValue[], id: Uint8Array, signature: Uint8Array, parity: number): Uint8Array {
  const v = scalarBytes(scalarOf(id) * 2n + BigInt(35 + parity));
  return encode([...call, v, trimmed(signature.subarray(0, 32)), trimmed(signature.subarray(32))]);
}

/** The transaction that a signing payload stands for; byte strings are views. */
export function decodePayload(payload: Uint8Array): Transaction | Rejection {
  return caught(() => {
    const { type, items } = itemsOf(payload, LEGACY_ITEMS, DYNAMIC_ITEMS);
    if (type === DYNAMIC_FEE) return dynamicOf(items);
    if (bytesAt(items, 7).length !== 0 || bytesAt(items, 8).length !== 0)
      throw new Rejection("tx-malformed", "no signing payload of EIP-155");
    return legacyOf(items, chainOf(weiAt(items, 6, "chain id")));
  });
}

/** A raw transaction taken apart: its form and its scalars are checked, whose it is is not; byte strings are views. */
export function decodeTransaction(raw: Uint8Array): SignedTransaction | Rejection {
  return caught(() => {
    const { type, items } = itemsOf(raw, LEGACY_ITEMS, DYNAMIC_ITEMS + 3);
    const seal = new Uint8Array(SIGNATURE_BYTES + 1);
    scalarInto(seal, 0, bytesAt(items, items.length - 2));
    scalarInto(seal, 32, bytesAt(items, items.length - 1));
    const fault = checkScalars(seal);
    if (fault !== undefined) throw fault;
    const v = weiAt(items, items.length - 3, "v");
    if (type === LEGACY && v < 37n) throw new Rejection("tx-type", "no chain id binds it: not of EIP-155");
    if (type === DYNAMIC_FEE && v > 1n) throw new Rejection("tx-malformed", "y's parity is not 0 or 1");
    seal[SIGNATURE_BYTES] = Number((type === LEGACY ? v - 35n : v) & 1n);
    const transaction = type === LEGACY ? legacyOf(items, chainOf((v - 35n) >> 1n)) : dynamicOf(items);
    return { ...transaction, seal, payload: signingPayload(transaction) };
  });
}

/** Who signed a transaction: 20 bytes, or undefined where no key gives this signature. */
export function senderOf(engine: CryptoEngine, { seal, payload }: SignedTransaction): Uint8Array | undefined {
  const digest = engine.keccak256(payload);
  const key = engine.secp256k1.recover(seal.subarray(0, SIGNATURE_BYTES), seal[SIGNATURE_BYTES] as number, digest);
  return key === undefined ? undefined : addressOf(engine, key);
}

/**
 * The raw transaction of a signing payload that `decodePayload` takes. The same payload gives the same bytes.
 * @returns `signature-failed` where the key does not sign, or signs what its public key does not verify
 */
export async function signPayload(
  engine: CryptoEngine,
  keys: Keys,
  key: KeyHandle,
  payload: Uint8Array,
): Promise<Uint8Array | Rejection> {
  const digest = engine.keccak256(payload);
  let signature: Uint8Array;
  let parity: number;
  try {
    const answer = keys.sign(key, digest);
    signature = answer instanceof Uint8Array ? answer : await answer;
    parity = parityOf(engine, signature, digest, keys.publicKey(key));
  } catch (error) {
    return new Rejection("signature-failed", String(error));
  }
  if (parity < 0) return new Rejection("signature-failed", "the key has not signed this transaction");
  const items = itemsOf(payload, LEGACY_ITEMS, DYNAMIC_ITEMS).items;
  if (payload[0] !== DYNAMIC_FEE) return sealLegacy(items.slice(0, LEGACY_CALL_ITEMS), bytesAt(items, 6), signature, parity);
  const r = trimmed(signature.subarray(0, 32));
  const s = trimmed(signature.subarray(32));
  return enveloped([...items, scalarBytes(parity), r, s]);
}

/** Gas that a transaction with this data takes before the contract begins: one with less is never mined. */
export function intrinsicGas(data: Uint8Array): number {
  let gas = GAS_BASE;
  for (let i = 0; i < data.length; i += 1) gas += data[i] === 0 ? GAS_OF_ZERO : GAS_OF_BYTE;
  return gas;
}

/** Whether two transactions are one call, whatever each pays for its gas. */
export function sameCall(one: Transaction, other: Transaction): boolean {
  const numbers = one.type === other.type && one.chainId === other.chainId && one.nonce === other.nonce && one.gas === other.gas;
  return (
    numbers && one.value >= other.value && one.value <= other.value && equal(one.to, other.to) && equal(one.data, other.data)
  );
}

/** `Keys` sign without saying which of two public keys their signature recovers to. */
function parityOf(engine: CryptoEngine, signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): number {
  if (signature.length !== SIGNATURE_BYTES || checkScalars(signature) !== undefined) return -1;
  for (let parity = 0; parity <= 1; parity += 1) {
    const recovered = engine.secp256k1.recover(signature, parity, digest);
    if (recovered !== undefined && equal(recovered, publicKey)) return parity;
  }
  return -1;
}

/** The items of a legacy list, or of an envelope of type 2; throws a `Rejection`. */
function itemsOf(bytes: Uint8Array, legacy: number, dynamic: number): { type: 0 | 2; items: readonly RlpValue[] } {
  if (bytes.length > TRANSACTION_BYTES_MAX)
    throw new Rejection("tx-too-long", `${bytes.length} bytes, at most ${TRANSACTION_BYTES_MAX}`);
  const first = bytes[0] ?? 0;
  if (first !== DYNAMIC_FEE && first < 0xc0) throw new Rejection("tx-type", `type ${first} is neither 0 nor 2`);
  const type = first === DYNAMIC_FEE ? DYNAMIC_FEE : LEGACY;
  const items = decode(type === LEGACY ? bytes : bytes.subarray(1), LIMITS);
  if (items instanceof Rejection) throw items;
  const expected = type === LEGACY ? legacy : dynamic;
  if (items instanceof Uint8Array || items.length !== expected)
    throw new Rejection("tx-malformed", `no list of ${expected} items`);
  return { type, items };
}

function legacyOf(items: readonly RlpValue[], chainId: number): Transaction {
  const price = weiAt(items, 1, "gas price");
  return callOf(LEGACY, chainId, items, 0, 2, price, price);
}

function dynamicOf(items: readonly RlpValue[]): Transaction {
  const list = items[8];
  if (list === undefined || list instanceof Uint8Array || list.length !== 0)
    throw new Rejection("tx-malformed", "item 8 is no empty access list");
  const priority = weiAt(items, 2, "priority fee");
  const fee = weiAt(items, 3, "fee");
  if (priority > fee) throw new Rejection("tx-malformed", "a priority fee above the fee");
  return callOf(DYNAMIC_FEE, chainOf(weiAt(items, 0, "chain id")), items, 1, 4, fee, priority);
}

/** @param gasAt where gas, to, value and data stand, one after the other */
function callOf(
  type: Transaction["type"],
  chainId: number,
  items: readonly RlpValue[],
  nonceAt: number,
  gasAt: number,
  maxFeePerGas: bigint,
  maxPriorityFeePerGas: bigint,
): Transaction {
  const nonce = uintAt(items, nonceAt, "nonce", NONCE_MAX);
  const gas = uintAt(items, gasAt, "gas", Number.MAX_SAFE_INTEGER);
  const to = bytesAt(items, gasAt + 1);
  if (to.length !== ADDRESS_BYTES) throw new Rejection("tx-malformed", "it goes to no address");
  const value = weiAt(items, gasAt + 2, "value");
  const data = bytesAt(items, gasAt + 3);
  if (data.length > CALL_BYTES_MAX) throw new Rejection("tx-too-long", `${data.length} bytes of data, at most ${CALL_BYTES_MAX}`);
  return { type, chainId, nonce, gas, to, value, data, maxFeePerGas, maxPriorityFeePerGas };
}

function bytesAt(items: readonly RlpValue[], index: number): Uint8Array {
  const item = items[index];
  if (!(item instanceof Uint8Array)) throw new Rejection("tx-malformed", `item ${index} is no byte string`);
  return item;
}

function weiAt(items: readonly RlpValue[], index: number, name: string): bigint {
  const bytes = bytesAt(items, index);
  if (bytes.length > SCALAR_BYTES_MAX || bytes[0] === 0)
    throw new Rejection("tx-malformed", `item ${index} (${name}) is no integer in its shortest form`);
  return scalarOf(bytes);
}

function uintAt(items: readonly RlpValue[], index: number, name: string, max: number): number {
  const value = weiAt(items, index, name);
  if (value > max) throw new Rejection("tx-malformed", `item ${index} (${name}) is above ${max}`);
  return Number(value);
}

function chainOf(id: bigint): number {
  if (id < 1n || id > Number.MAX_SAFE_INTEGER) throw new Rejection("tx-malformed", "a chain id from 1 to 2^53 - 1 is taken");
  return Number(id);
}

function scalarInto(seal: Uint8Array, at: number, scalar: Uint8Array): void {
  if (scalar.length > 32 || scalar[0] === 0) throw new Rejection("tx-malformed", "r or s is no integer in its shortest form");
  seal.set(scalar, at + 32 - scalar.length);
}

function trimmed(scalar: Uint8Array): Uint8Array {
  let start = 0;
  while (scalar[start] === 0) start += 1;
  return scalar.subarray(start);
}

function enveloped(items: readonly RlpValue[]): Uint8Array {
  const list = encode(items);
  const bytes = new Uint8Array(1 + list.length);
  bytes[0] = DYNAMIC_FEE;
  bytes.set(list, 1);
  return bytes;
}

function isInteger(value: number, min: number): boolean {
  return Number.isSafeInteger(value) && value >= min;
}

function caught<T>(read: () => T): T | Rejection {
  try {
    return read();
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}
