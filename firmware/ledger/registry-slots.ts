// Where the fleet's registry keeps what motes prove, and how its words are read (docs/ledger.md, "Storage"; Solidity, "Layout of State
// Variables in Storage").
//
// Promises: every word is read, whatever is in it; a number beyond 2^53 − 1 stays whole. Never: asks for a slot, or judges what one holds.

import { concat } from "../bytes.js";
import { scalarBytes, scalarOf } from "../codec/rlp.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { assert } from "../rejection.js";

export const WORD_BYTES = 32;
/** An address, in the low 20 bytes. */
export const ADMIN_SLOT = 0;
/** Mappings of `MoteRegistry`: by address, by address, by number. */
export const MOTES_SLOT = 3;
export const COMMANDERS_SLOT = 4;
export const POLICIES_SLOT = 6;
export const FIRMWARE_SLOT = 7;

/** A mote's status; the last three are final. */
export const ABSENT = 0;
export const ACTIVE = 1;
export const SUSPENDED = 2;
export const ROTATED = 3;
export const REVOKED = 4;
export const QUARANTINED = 5;
const STATUS_NAMES: readonly string[] = Object.freeze(["absent", "active", "suspended", "rotated", "revoked", "quarantined"]);

/** Of a mandate. */
export const GIVEN = 1;

export interface MoteWord {
  readonly status: number;
  readonly role: number;
  /** Numbers in the registry's tables; 0 for none. */
  readonly policyId: bigint;
  readonly firmwareId: bigint;
  /** Since when it has this status. */
  readonly sinceBlock: number;
  /** The highest of an enrolment that was taken. */
  readonly counter: bigint;
}

export interface MandateWord {
  readonly status: number;
  readonly sinceBlock: number;
  /** Last block at which it holds. */
  readonly expiryBlock: number;
}

/** @param word 32 bytes */
export function moteOfWord(word: Uint8Array): MoteWord {
  return {
    status: byteOf(word, 0),
    role: byteOf(word, 1),
    policyId: integerOf(word, 2, 8),
    firmwareId: integerOf(word, 10, 8),
    sinceBlock: Number(integerOf(word, 18, 6)),
    counter: integerOf(word, 24, 8),
  };
}

/** @param word 32 bytes */
export function mandateOfWord(word: Uint8Array): MandateWord {
  return {
    status: byteOf(word, 0),
    sinceBlock: Number(integerOf(word, 1, 6)),
    expiryBlock: Number(integerOf(word, 7, 6)),
  };
}

/** As it is in events; of a status that this firmware does not know its number. */
export function statusName(status: number): string {
  return STATUS_NAMES[status] ?? `${status}`;
}

/**
 * Where a mapping keeps the value of one key: Keccak-256 over the key in a word and the mapping's slot in a word.
 * @param key an address, or an unsigned integer of 64 bits
 */
export function mappingSlot(engine: CryptoEngine, key: Uint8Array | bigint, slot: number): Uint8Array {
  const bytes = typeof key === "bigint" ? scalarBytes(key) : key;
  assert(bytes.length <= WORD_BYTES, "a key that fits a word");
  const word = new Uint8Array(WORD_BYTES);
  word[WORD_BYTES - 1] = slot;
  return engine.keccak256(concat(new Uint8Array(WORD_BYTES - bytes.length), bytes, word));
}

/** The number of a slot that is no mapping's: one of the first 256. */
export function plainSlot(slot: number): Uint8Array {
  const word = new Uint8Array(WORD_BYTES);
  word[WORD_BYTES - 1] = slot;
  return word;
}

/** The byte `at` bytes above the low end. */
function byteOf(word: Uint8Array, at: number): number {
  return word[WORD_BYTES - 1 - at] as number;
}

function integerOf(word: Uint8Array, at: number, bytes: number): bigint {
  return scalarOf(word.subarray(WORD_BYTES - at - bytes, WORD_BYTES - at));
}
