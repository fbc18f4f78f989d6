// Calls of contract functions, in Solidity's contract ABI: "Function Selector" and "Formal Specification of the Encoding".
//
// Promises: one encoding for a function and its values, heads and tails as solc lays them, each padded with zeros; what does not fit its type
// is refused by name (abi-value), and so is a call longer than `CALL_BYTES_MAX` (abi-too-long). Of the ABI's types only those that a mote
// calls with: address, uint8 to uint256, bytes1 to bytes32, bytes, and arrays of the first three kinds. No tuple, no array of arrays.
// Never: decodes. What a contract has done a mote reads out of proven storage, not out of an answer.

import { fromText } from "../bytes.js";
import { scalarBytes } from "../codec/rlp.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { ADDRESS_BYTES } from "../crypto/identity.js";
import { assert, Rejection } from "../rejection.js";

const WORD_BYTES = 32;
const SELECTOR_BYTES = 4;
/** Longest call: a report of two records of the longest kind takes 2,500 bytes, an anchor with the longest proof 1,700. */
export const CALL_BYTES_MAX = 3_072;
/** Most arguments of a function. */
const ARGUMENTS_MAX = 8;

/** A value of one word: unsigned integers as number or bigint; an address and fixed bytes as bytes. */
type AbiWord = number | bigint | Uint8Array;
/** `bytes` are bytes; an array is an array of words. */
export type AbiValue = AbiWord | readonly AbiWord[];

/**
 * The data of a call.
 * @param signature the function's canonical signature, as `anchor(bytes32,uint64,bytes32[])`; one that cannot be read is our own mistake
 */
export function encodeCall(engine: CryptoEngine, signature: string, values: readonly AbiValue[]): Uint8Array | Rejection {
  const types = typesOf(signature);
  if (types.length !== values.length)
    return new Rejection("abi-value", `${signature} takes ${types.length} values, ${values.length} are there`);
  let length = SELECTOR_BYTES;
  for (let i = 0; i < types.length; i += 1) length += bytesOf(types[i] as string, values[i] as AbiValue);
  if (length > CALL_BYTES_MAX) return new Rejection("abi-too-long", `a call of ${length} bytes, at most ${CALL_BYTES_MAX}`);
  const call = new Uint8Array(length);
  call.set(engine.keccak256(fromText(signature)).subarray(0, SELECTOR_BYTES));
  let tail = types.length * WORD_BYTES;
  for (let i = 0; i < types.length; i += 1) {
    const type = types[i] as string;
    const value = values[i] as AbiValue;
    const head = SELECTOR_BYTES + i * WORD_BYTES;
    const refusal = isDynamic(type) ? writeTail(call, SELECTOR_BYTES + tail, type, value) : writeWord(call, head, type, value);
    if (refusal !== undefined) return new Rejection(refusal.code, `argument ${i + 1} of ${signature}: ${refusal.detail}`);
    if (!isDynamic(type)) continue;
    writeScalar(call, head, scalarBytes(tail));
    tail += bytesOf(type, value) - WORD_BYTES;
  }
  return call;
}

/** The types between the parentheses. */
function typesOf(signature: string): string[] {
  const open = signature.indexOf("(");
  assert(open > 0 && signature.endsWith(")"), "a function's signature");
  const inner = signature.slice(open + 1, -1);
  const types = inner === "" ? [] : inner.split(",");
  assert(types.length <= ARGUMENTS_MAX && types.every(isType), "a signature of types that are known");
  return types;
}

function isType(type: string): boolean {
  const word = type.endsWith("[]") ? type.slice(0, -2) : type;
  if (word === "address" || type === "bytes") return true;
  const uint = sizeOf(word, "uint");
  const fixed = sizeOf(word, "bytes");
  return (uint >= 8 && uint <= 256 && uint % 8 === 0) || (fixed >= 1 && fixed <= WORD_BYTES);
}

/** The number behind `name` in a type, in its one spelling; −1 where it is another type. */
function sizeOf(type: string, name: string): number {
  if (!type.startsWith(name)) return -1;
  const size = Number(type.slice(name.length));
  return type === name + String(size) ? size : -1;
}

function isDynamic(type: string): boolean {
  return type === "bytes" || type.endsWith("[]");
}

/** What a value takes in head and tail; of one that does not fit its type, whatever comes out. */
function bytesOf(type: string, value: AbiValue): number {
  if (!isDynamic(type)) return WORD_BYTES;
  if (value instanceof Uint8Array) return 2 * WORD_BYTES + Math.ceil(value.length / WORD_BYTES) * WORD_BYTES;
  return 2 * WORD_BYTES + (typeof value === "object" ? value.length * WORD_BYTES : 0);
}

function writeTail(call: Uint8Array, at: number, type: string, value: AbiValue): Rejection | undefined {
  if (type === "bytes") {
    if (!(value instanceof Uint8Array)) return wrong(type);
    writeScalar(call, at, scalarBytes(value.length));
    call.set(value, at + WORD_BYTES);
    return undefined;
  }
  if (typeof value !== "object" || value instanceof Uint8Array) return wrong(type);
  writeScalar(call, at, scalarBytes(value.length));
  for (let i = 0; i < value.length; i += 1) {
    const refusal = writeWord(call, at + (i + 1) * WORD_BYTES, type.slice(0, -2), value[i] as AbiWord);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function writeWord(call: Uint8Array, at: number, type: string, value: AbiValue): Rejection | undefined {
  const bits = sizeOf(type, "uint");
  if (bits >= 0) {
    const integer = typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
    if (!integer || value < 0 || BigInt(value) >> BigInt(bits) > 0n) return wrong(type);
    writeScalar(call, at, scalarBytes(value));
    return undefined;
  }
  const isAddress = type === "address";
  const length = isAddress ? ADDRESS_BYTES : sizeOf(type, "bytes");
  if (!(value instanceof Uint8Array) || value.length !== length) return wrong(type);
  call.set(value, isAddress ? at + WORD_BYTES - length : at);
  return undefined;
}

function writeScalar(call: Uint8Array, at: number, scalar: Uint8Array): void {
  call.set(scalar, at + WORD_BYTES - scalar.length);
}

function wrong(type: string): Rejection {
  return new Rejection("abi-value", `no ${type}`);
}
