// The contract ABI, as much of it as our contracts take: addresses, unsigned integers, 32-byte words, byte strings, lists of words
// (Solidity's "Contract ABI Specification", 0.8). What they answer are words.
//
// Never: reads or writes another type; one that a contract gets later is our own mistake and throws.

import { concat, equal, fromHex, toHex } from "../../firmware/bytes.js";
import { engine } from "../crypto/engine.js";
import type { AbiEntry } from "./artifacts.js";

/** By type: address, 20 bytes; uint…, a number or a bigint; bytes32, 32 bytes; bytes, any; bytes32[], 32 bytes each. */
export type AbiValue = Uint8Array | number | bigint | readonly Uint8Array[];

const WORD_BYTES = 32;
const SELECTOR_BYTES = 4;

/** What a call of `name` sends. */
export function encodeCall(abi: readonly AbiEntry[], name: string, values: readonly AbiValue[]): Uint8Array {
  const entry = abi.find((candidate) => candidate.type === "function" && candidate.name === name);
  if (entry === undefined) throw new Error(`the contract has no function ${name}`);
  return concat(selectorOf(entry), encodeArguments(typesOf(entry), values));
}

/** What follows the byte code of a contract that is deployed. */
export function encodeConstruction(abi: readonly AbiEntry[], values: readonly AbiValue[]): Uint8Array {
  const entry = abi.find(({ type }) => type === "constructor");
  return encodeArguments(entry === undefined ? [] : typesOf(entry), values);
}

/** The words of an answer. */
export function wordsOf(answer: unknown): readonly bigint[] {
  const bytes = hexBytes(answer);
  if (bytes === undefined || bytes.length % WORD_BYTES !== 0) throw new Error("the node's answer to a call is no list of words");
  return Array.from({ length: bytes.length / WORD_BYTES }, (_, i) =>
    BigInt(`0x${toHex(bytes.subarray(i * WORD_BYTES, (i + 1) * WORD_BYTES))}`),
  );
}

/** Which of the contract's errors a call reverted with, or undefined where the data tells of none. */
export function errorName(abi: readonly AbiEntry[], data: unknown): string | undefined {
  const bytes = hexBytes(data);
  if (bytes === undefined || bytes.length < SELECTOR_BYTES) return undefined;
  return abi.find((entry) => entry.type === "error" && equal(selectorOf(entry), bytes.subarray(0, SELECTOR_BYTES)))?.name;
}

function hexBytes(text: unknown): Uint8Array | undefined {
  const bytes = typeof text === "string" && text.startsWith("0x") ? fromHex(text.slice(2)) : undefined;
  return bytes instanceof Uint8Array ? bytes : undefined;
}

function typesOf(entry: AbiEntry): readonly string[] {
  return (entry.inputs ?? []).map(({ type }) => type);
}

function selectorOf(entry: AbiEntry): Uint8Array {
  const signature = `${entry.name}(${typesOf(entry).join(",")})`;
  return engine.keccak256(new Uint8Array(Buffer.from(signature))).subarray(0, SELECTOR_BYTES);
}

/** Values of a fixed size in their place; of the others the place holds where they begin, behind all places. */
function encodeArguments(types: readonly string[], values: readonly AbiValue[]): Uint8Array {
  if (types.length !== values.length) throw new Error(`${types.length} arguments, not ${values.length}`);
  const places: Uint8Array[] = [];
  const behind: Uint8Array[] = [];
  let at = types.length * WORD_BYTES;
  types.forEach((type, i) => {
    const value = values[i] as AbiValue;
    const tail = encodeTail(type, value);
    places.push(tail === undefined ? word(type, value) : uintWord(at));
    if (tail === undefined) return;
    behind.push(tail);
    at += tail.length;
  });
  return concat(...places, ...behind);
}

function encodeTail(type: string, value: AbiValue): Uint8Array | undefined {
  if (type === "bytes" && value instanceof Uint8Array)
    return concat(uintWord(value.length), value, new Uint8Array((WORD_BYTES - (value.length % WORD_BYTES)) % WORD_BYTES));
  if (type === "bytes32[]" && Array.isArray(value))
    return concat(uintWord(value.length), ...(value as readonly Uint8Array[]).map((item) => word("bytes32", item)));
  return undefined;
}

function word(type: string, value: AbiValue): Uint8Array {
  if (type === "address" && value instanceof Uint8Array && value.length === 20) return concat(new Uint8Array(12), value);
  if (type === "bytes32" && value instanceof Uint8Array && value.length === WORD_BYTES) return value;
  const bits = /^uint(\d+)$/.exec(type)?.[1];
  if (bits === undefined || (typeof value !== "number" && typeof value !== "bigint")) throw new Error(`no value of type ${type}`);
  if (value < 0 || BigInt(value) >> BigInt(bits) !== 0n) throw new Error(`${value} is no ${type}`);
  return uintWord(value);
}

function uintWord(value: number | bigint): Uint8Array {
  return fromHex(BigInt(value).toString(16).padStart(64, "0")) as Uint8Array;
}
