// Calls of our contracts by name, as their committed interfaces have them; what they answer are words.
//
// Never: encodes by itself (firmware/ledger/abi.ts does); a type or a value that it does not take is our own mistake and throws.

import { equal, fromHex, toHex } from "../../firmware/bytes.js";
import { type AbiValue, encodeCall as encodeSigned } from "../../firmware/ledger/abi.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import type { AbiEntry } from "./artifacts.js";

export type { AbiValue };

const WORD_BYTES = 32;
const SELECTOR_BYTES = 4;

/** What a call of `name` sends. */
export function encodeCall(abi: readonly AbiEntry[], name: string, values: readonly AbiValue[]): Uint8Array {
  const entry = abi.find((candidate) => candidate.type === "function" && candidate.name === name);
  if (entry === undefined) throw new Error(`the contract has no function ${name}`);
  return encoded(signatureOf(entry), values);
}

/** What follows the byte code of a contract that is deployed. */
export function encodeConstruction(abi: readonly AbiEntry[], values: readonly AbiValue[]): Uint8Array {
  const entry = abi.find(({ type }) => type === "constructor");
  const types = entry === undefined ? "" : typesOf(entry);
  return encoded(`constructor(${types})`, values).subarray(SELECTOR_BYTES);
}

function encoded(signature: string, values: readonly AbiValue[]): Uint8Array {
  const call = encodeSigned(engine, signature, values);
  if (call instanceof Rejection) throw new Error(call.detail);
  return call;
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

function typesOf(entry: AbiEntry): string {
  return (entry.inputs ?? []).map(({ type }) => type).join(",");
}

function signatureOf(entry: AbiEntry): string {
  return `${entry.name}(${typesOf(entry)})`;
}

function selectorOf(entry: AbiEntry): Uint8Array {
  return engine.keccak256(new Uint8Array(Buffer.from(signatureOf(entry)))).subarray(0, SELECTOR_BYTES);
}
