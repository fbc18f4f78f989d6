// Fields of a checkpoint's JSON, read one by one, for every consensus of the Ethereum family.
//
// Promises: a value of the wrong type, width or range is thrown as checkpoint-invalid with the field's name and what was
// expected there. Never converts what is not exactly what the field takes.

import { bytesIn, isObject, isUint, quantityIn } from "../fields.js";
import { Rejection } from "../rejection.js";
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
  if (!isObject(json)) throw invalid("the checkpoint", "an object");
  return json;
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
