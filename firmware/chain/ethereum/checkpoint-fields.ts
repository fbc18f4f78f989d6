// Fields of a checkpoint's JSON, read one by one, for every consensus of the Ethereum family.
//
// Promises: a value of the wrong type, width or range is thrown as checkpoint-invalid with the field's name and what was
// expected there. Never converts what is not exactly what the field takes.

import { fromHex } from "../../bytes.js";
import { scalarOf } from "../../codec/rlp.js";
import { Rejection } from "../../rejection.js";
import type { Gas } from "./gas.js";

/** Heights and times stay below 2^48. */
export const HEIGHT_MAX = 2 ** 48 - 1;
export const PERIOD_S_MAX = 86_400;
/** As CAIP-2 has it. */
const CHAIN_CHARACTERS_MAX = 41;
const UINT64_MAX = 2n ** 64n - 1n;
export const UINT256_MAX = 2n ** 256n - 1n;

export type Fields = Readonly<Record<string, unknown>>;

/** A whole number, or the same in hexadecimal with 0x where it may exceed 2^53. */
export type Quantity = number | string;

export function fieldsOf(json: unknown): Fields {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw invalid("the checkpoint", "an object");
  return json as Fields;
}

export function chainOf(fields: Fields): string {
  const { chain } = fields;
  if (typeof chain !== "string" || !chain.startsWith("eip155:") || chain.length > CHAIN_CHARACTERS_MAX)
    throw invalid("chain", "a CAIP-2 name that begins with eip155:");
  return chain;
}

export function gasFields(fields: Fields): Gas | undefined {
  const { gasLimit, gasUsed, baseFee } = fields;
  if (gasLimit === undefined && gasUsed === undefined && baseFee === undefined) return undefined;
  return {
    gasLimit: quantity(fields, "gasLimit", UINT64_MAX),
    gasUsed: quantity(fields, "gasUsed", UINT64_MAX),
    baseFee: baseFee === undefined ? undefined : quantity(fields, "baseFee", UINT256_MAX),
  };
}

export function bytes(value: unknown, name: string, length: number): Uint8Array {
  const read = typeof value === "string" && value.length <= 2 + 2 * length ? fromHex(value) : undefined;
  if (!(read instanceof Uint8Array) || read.length !== length) throw invalid(name, `${length} bytes in hexadecimal`);
  return read;
}

export function uint(fields: Fields, name: string, min: number, max: number): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max)
    throw invalid(name, `a whole number from ${min} to ${max}`);
  return value;
}

export function quantity(fields: Fields, name: string, max: bigint): bigint {
  const value = fields[name];
  let read: bigint | undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) read = BigInt(value);
  if (typeof value === "string" && value.startsWith("0x") && value.length > 2 && value.length <= 66) {
    const content = fromHex(value.length % 2 === 0 ? value : `0x0${value.slice(2)}`);
    if (content instanceof Uint8Array) read = scalarOf(content);
  }
  if (read === undefined || read > max) throw invalid(name, `a whole number up to ${max}, in hexadecimal from 2^53 on`);
  return read;
}

export function hex(value: bigint): Quantity {
  return `0x${value.toString(16)}`;
}

export function invalid(name: string, expected: string): Rejection {
  return new Rejection("checkpoint-invalid", `${name}: expected ${expected}`);
}
