// Where the contracts keep what motes prove: slots and packed words (docs/ledger.md; Solidity, "Layout of State Variables in Storage").
//
// Never: reads a chain. test/contracts/build.test.ts holds this to what solc says of the contracts.

import { concat, fromHex } from "../../firmware/bytes.js";
import type { MoteWord } from "../../firmware/ledger/registry-slots.js";
import { engine } from "../crypto/engine.js";

/** Slots of `MoteRegistry`. */
export const REGISTRY_SLOTS = Object.freeze({
  admin: 0,
  pendingAdmin: 1,
  recovery: 2,
  motes: 3,
  commanders: 4,
  enrollers: 5,
  policies: 6,
  firmware: 7,
  successors: 8,
  rotations: 9,
  acceptableFromBlock: 10,
});
/** Slots of `RecordAnchor`. */
export const ANCHOR_SLOTS = Object.freeze({ anchors: 0, latest: 1 });

/** The numbers of a mote's status, by name. */
export const MOTE_STATUS = Object.freeze({ absent: 0, active: 1, suspended: 2, rotated: 3, revoked: 4, quarantined: 5 });
export type MoteStatus = keyof typeof MOTE_STATUS;

/** A field of a packed word: where it begins, in bits from the low end, and how many it has. */
export type Field = readonly [offset: number, bits: number];

export const MOTE_FIELDS = Object.freeze({
  status: [0, 8],
  role: [8, 8],
  policyId: [16, 64],
  firmwareId: [80, 64],
  sinceBlock: [144, 48],
  counter: [192, 64],
} as const satisfies Readonly<Record<keyof MoteWord, Field>>);
/** Of a commander's and an enroller's word. */
export const MANDATE_FIELDS = Object.freeze({ status: [0, 8], sinceBlock: [8, 48], expiryBlock: [56, 48] } as const);
export const SUCCESSOR_FIELDS = Object.freeze({ key: [0, 160], kind: [160, 8], rotations: [168, 8] } as const);
export const ANCHORED_FIELDS = Object.freeze({ blockNumber: [0, 48], time: [48, 48] } as const);

export function moteOfWord(word: bigint): MoteWord {
  const { status, role, policyId, firmwareId, sinceBlock, counter } = MOTE_FIELDS;
  return {
    status: Number(fieldOf(word, status)),
    role: Number(fieldOf(word, role)),
    policyId: fieldOf(word, policyId),
    firmwareId: fieldOf(word, firmwareId),
    sinceBlock: Number(fieldOf(word, sinceBlock)),
    counter: fieldOf(word, counter),
  };
}

export function fieldOf(word: bigint, [offset, bits]: Field): bigint {
  return (word >> BigInt(offset)) & ((1n << BigInt(bits)) - 1n);
}

/**
 * The slot of a mapping's value: Keccak-256 over the key in a word and the mapping's slot in a word.
 * @param key an address of 20 bytes, a word of 32, or an unsigned integer
 */
export function mappingSlot(key: Uint8Array | number | bigint, slot: number): Uint8Array {
  return engine.keccak256(key instanceof Uint8Array ? concat(new Uint8Array(32 - key.length), key) : word(key), word(slot));
}

/** Under which key `RecordAnchor` keeps that `account` anchored `root` with `size` leaves. */
export function anchorKey(account: Uint8Array, size: number, root: Uint8Array): Uint8Array {
  return engine.keccak256(account, word(size).subarray(24), root);
}

function word(value: number | bigint): Uint8Array {
  return fromHex(BigInt(value).toString(16).padStart(64, "0")) as Uint8Array;
}
