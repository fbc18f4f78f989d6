// The calls that a mote makes, each with the slot that shows that it was done (docs/ledger.md): it sends value, enrols itself with a voucher,
// reports a mote that contradicts itself, anchors its own root.
//
// Never: looks into what it hands on; the contracts do, and what they refuse reverts. Slots as Solidity lays them out ("Layout of State
// Variables in Storage"); of the contracts' variables those that are named here are held to what solc says of them.
// Codes: those of abi.ts.

import { scalarBytes } from "../codec/rlp.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { Rejection } from "../rejection.js";
import { encodeCall } from "./abi.js";
import type { Effect } from "./call-store.js";
import { MOTES_SLOT, mappingSlot, QUARANTINED, WORD_BYTES } from "./registry-slots.js";
import type { Call } from "./sender.js";

/** What value to an account without code takes, and not a unit more. */
const GAS_OF_VALUE = 21_000;
/** Limits, about twice what the calls take (docs/ledger.md): what is not used is not paid. */
const GAS_OF_ENROLMENT = 250_000;
const GAS_OF_REPORT = 700_000;
const GAS_OF_ANCHOR = 300_000;
/** Of a mote's word: the highest. */
const COUNTER_BYTES = 8;
/** `RecordAnchor`: the slot of the mapping of newest trees, whose first word is the root. */
export const LATEST_SLOT = 1;

/** Value for an account without code. Nothing shows it but its receipt. */
export function valueCall(to: Uint8Array, value: bigint, label: number): Call {
  return { to, value, data: new Uint8Array(0), gas: GAS_OF_VALUE, label };
}

/**
 * A mote enters the registry. Both messages are signed and name it and one counter.
 * @param mote its address, 20 bytes
 * @param counter of the enrolment, which the registry keeps
 */
export function enrolmentCall(
  engine: CryptoEngine,
  registry: Uint8Array,
  mote: Uint8Array,
  counter: number,
  messages: { readonly enrolment: Uint8Array; readonly voucher: Uint8Array },
  label: number,
): Call | Rejection {
  const mask = new Uint8Array(WORD_BYTES).fill(0xff, 0, COUNTER_BYTES);
  const value = new Uint8Array(WORD_BYTES);
  const scalar = scalarBytes(counter);
  value.set(scalar, COUNTER_BYTES - scalar.length);
  const effect = { contract: registry, slot: mappingSlot(engine, mote, MOTES_SLOT), mask, value };
  const data = encodeCall(engine, "enrolWithVoucher(bytes,bytes)", [messages.enrolment, messages.voucher]);
  return callOf(registry, data, GAS_OF_ENROLMENT, label, effect);
}

/**
 * Two records by which a mote contradicts itself: its key is quarantined.
 * @param mote the address that signed both, 20 bytes
 */
export function reportCall(
  engine: CryptoEngine,
  registry: Uint8Array,
  mote: Uint8Array,
  records: readonly [Uint8Array, Uint8Array],
  label: number,
): Call | Rejection {
  const mask = new Uint8Array(WORD_BYTES);
  const value = new Uint8Array(WORD_BYTES);
  mask[WORD_BYTES - 1] = 0xff;
  value[WORD_BYTES - 1] = QUARANTINED;
  const effect = { contract: registry, slot: mappingSlot(engine, mote, MOTES_SLOT), mask, value };
  return callOf(registry, encodeCall(engine, "reportEquivocation(bytes,bytes)", records), GAS_OF_REPORT, label, effect);
}

/**
 * The root of the sender's own tree.
 * @param own address of the key that sends, 20 bytes
 * @param proof of consistency with what this key anchored last (RFC 9162 §2.1.4.1); empty for the first
 */
export function anchorCall(
  engine: CryptoEngine,
  anchor: Uint8Array,
  own: Uint8Array,
  tree: { readonly root: Uint8Array; readonly size: number; readonly proof: readonly Uint8Array[] },
  label: number,
): Call | Rejection {
  const mask = new Uint8Array(WORD_BYTES).fill(0xff);
  const effect = { contract: anchor, slot: mappingSlot(engine, own, LATEST_SLOT), mask, value: tree.root };
  const data = encodeCall(engine, "anchor(bytes32,uint256,bytes32[])", [tree.root, tree.size, tree.proof]);
  return callOf(anchor, data, GAS_OF_ANCHOR, label, effect);
}

function callOf(to: Uint8Array, data: Uint8Array | Rejection, gas: number, label: number, effect: Effect): Call | Rejection {
  return data instanceof Rejection ? data : { to, value: 0n, data, gas, label, effect };
}
