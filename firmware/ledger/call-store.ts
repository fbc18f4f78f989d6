// The call that a mote has under way, and the nonce of its next one, in the key-value store: the rule of the record's seq, for nonces.
//
// Promises: a call is signed only once the store gives its signing payload back, byte for byte; a nonce that was given to a call is never
// given to another one; what is under way is replaced by nothing but the same call with both fees at least a tenth higher. One key for each
// chain, written atomically: whenever the power goes, the old or the new value is there. What counts is what the store gives back, whether
// or not a write has thrown. A read that goes wrong is made again, and is no absence.
// Never: guesses. A value that is none, and a store that does not give back what it had, end all calls until a person has looked.
//
// What it cannot know: a store that was erased or put back to an older state while a call of the lost state still waits in some node. Then
// two calls may carry one nonce; the chain takes one of them, and the mote says what became of its own.
// Codes: call-malformed, call-not-stored, call-store-lost. docs/ledger.md, "Transactions".

import { concat, crc32, equal, readUint, writeUint } from "../bytes.js";
import { ADDRESS_BYTES } from "../crypto/identity.js";
import type { KeyValueDomain } from "../ports.js";
import { assert, Rejection } from "../rejection.js";
import { readKept } from "./kept.js";
import { decodePayload, NONCE_MAX, sameCall, type Transaction } from "./transaction.js";

const VERSION = 1;
const SLOT_BYTES = 32;
const EFFECT_BYTES = ADDRESS_BYTES + 3 * SLOT_BYTES;
const PENDING = 1;
const EFFECT = 2;
/** Where each field begins: version ‖ flags ‖ address ‖ next nonce (6) ‖ block (6) ‖ label (4) ‖ [effect] ‖ payload ‖ CRC-32. */
const FLAGS_AT = 1;
const ADDRESS_AT = 2;
const NEXT_AT = 22;
const BLOCK_AT = 28;
const LABEL_AT = 34;
const REST_AT = 38;
const NUMBER_BYTES = 6;
const CRC_BYTES = 4;
const RADIX = 36;

/** What a call has done once the word in this slot, under the mask, is this value. All but the address 32 bytes. */
export interface Effect {
  readonly contract: Uint8Array;
  readonly slot: Uint8Array;
  readonly mask: Uint8Array;
  readonly value: Uint8Array;
}

/** A call as the store gave it back. */
export interface KeptCall {
  /** By which its maker knows it: up to 2^32 − 1. */
  readonly label: number;
  readonly effect: Effect | undefined;
  /** The signing payload, and what it says. */
  readonly payload: Uint8Array;
  readonly transaction: Transaction;
}

export class CallStore {
  readonly #domain: KeyValueDomain;
  readonly #key: string;
  readonly #address: Uint8Array;
  /** Of the value that the store holds; −1 where it holds none, or another key's. */
  #crc = -1;
  #next = 0;
  #block = 0;
  #pending = false;
  #lost = false;

  private constructor(domain: KeyValueDomain, key: string, address: Uint8Array) {
    this.#domain = domain;
    this.#key = key;
    this.#address = address;
  }

  /**
   * @param address of the key that signs, 20 bytes: what another key has under way is not ours to go on with
   * @returns `call-malformed` where the store holds something else under our key, `call-store-lost` where it refuses to be read
   */
  static open(domain: KeyValueDomain, chainId: number, address: Uint8Array): CallStore | Rejection {
    const store = new CallStore(domain, `tx${chainId.toString(RADIX)}`, address);
    const found = readKept(domain, store.#key, isState);
    if (found instanceof Rejection) return lost(found.detail);
    if (found === undefined) return store;
    if (!isState(found))
      return new Rejection("call-malformed", `key ${store.#key} holds ${found.length} bytes that are no state`);
    if (!equal(found.subarray(ADDRESS_AT, NEXT_AT), address)) return store;
    store.take(found);
    const call = store.call();
    return call instanceof Rejection ? call : store;
  }

  /** Whether anything is known of this key's calls on this chain. */
  get known(): boolean {
    return this.#crc >= 0;
  }

  /** No call has carried this nonce, nor one above it. Of a call that is under way the nonce is one less. */
  get next(): number {
    return this.#next;
  }

  get pending(): boolean {
    return this.#pending;
  }

  /** The newest settled block when the call was kept, raised or found to be settled. */
  get block(): number {
    return this.#block;
  }

  /** The newest call, under way or settled, read from the store. */
  call(): KeptCall | Rejection {
    if (this.#lost) return lost("");
    const state = readKept(this.#domain, this.#key, isState);
    if (state instanceof Rejection) return lost(state.detail);
    if (state === undefined || !isState(state) || crcOf(state) !== this.#crc)
      return lost("the store does not give the call back");
    const hasEffect = ((state[FLAGS_AT] as number) & EFFECT) !== 0;
    const payload = state.slice(hasEffect ? REST_AT + EFFECT_BYTES : REST_AT, -CRC_BYTES);
    const transaction = decodePayload(payload);
    if (transaction instanceof Rejection) return transaction;
    if (transaction.nonce !== this.#next - 1)
      return new Rejection("call-malformed", "a call with another nonce than the store's");
    return { label: readUint(state, LABEL_AT, 4), effect: hasEffect ? effectOf(state) : undefined, payload, transaction };
  }

  /**
   * Keeps a new call, which is under way from now on.
   * @param payload its signing payload, whose nonce is `next` or higher
   * @returns why it may not be signed: nothing of it is in the store then
   */
  begin(payload: Uint8Array, label: number, effect: Effect | undefined, block: number): Rejection | undefined {
    const transaction = decodePayload(payload);
    assert(!(transaction instanceof Rejection) && !this.#pending, "a call, and none under way");
    assert(transaction.nonce >= this.#next && transaction.nonce < NONCE_MAX, "a nonce that no call has carried");
    return this.keep(this.stateOf(PENDING, transaction.nonce + 1, block, label, effect, payload));
  }

  /** Keeps the call that is under way with higher fees. */
  raise(payload: Uint8Array, block: number): Rejection | undefined {
    const kept = this.call();
    if (kept instanceof Rejection) return kept;
    const raised = decodePayload(payload);
    assert(this.#pending && !(raised instanceof Rejection), "a call that is under way");
    assert(isRaised(kept.transaction, raised), "the same call, both fees a tenth higher");
    return this.keep(this.stateOf(PENDING, this.#next, block, kept.label, kept.effect, payload));
  }

  /** The call that is under way has its outcome. It is kept until the next one, since the chain may undo it. */
  settle(block: number): Rejection | undefined {
    return this.turn(0, block);
  }

  /** What was settled is undone: the same call is under way again. */
  reopen(block: number): Rejection | undefined {
    return this.turn(PENDING, block);
  }

  private turn(pending: number, block: number): Rejection | undefined {
    const kept = this.call();
    if (kept instanceof Rejection) return kept;
    return this.keep(this.stateOf(pending, this.#next, block, kept.label, kept.effect, kept.payload));
  }

  private stateOf(
    pending: number,
    next: number,
    block: number,
    label: number,
    effect: Effect | undefined,
    payload: Uint8Array,
  ): Uint8Array {
    const front = new Uint8Array(REST_AT);
    front[0] = VERSION;
    front[FLAGS_AT] = pending | (effect === undefined ? 0 : EFFECT);
    front.set(this.#address, ADDRESS_AT);
    writeUint(front, next, NEXT_AT, NUMBER_BYTES);
    writeUint(front, block, BLOCK_AT, NUMBER_BYTES);
    writeUint(front, label, LABEL_AT, 4);
    const words = effect === undefined ? [] : [effect.contract, effect.slot, effect.mask, effect.value];
    const state = concat(front, ...words, payload, new Uint8Array(CRC_BYTES));
    assert(
      state.length === REST_AT + (effect === undefined ? 0 : EFFECT_BYTES) + payload.length + CRC_BYTES,
      "an effect of four words",
    );
    writeUint(state, crc32(state.subarray(0, -CRC_BYTES)), state.length - CRC_BYTES, CRC_BYTES);
    return state;
  }

  /** Writes a state, and goes by what the store gives back then. */
  private keep(state: Uint8Array): Rejection | undefined {
    if (this.#lost) return lost("");
    let reason = "the store gives it back differently";
    try {
      this.#domain.write(this.#key, state);
    } catch (error) {
      reason = String(error);
    }
    const found = readKept(this.#domain, this.#key, isState);
    if (found instanceof Uint8Array && equal(found, state)) {
      this.take(state);
      return undefined;
    }
    // What was there before is there still: nothing has happened. Else nobody can say what will be there after a restart.
    if (found === undefined ? this.#crc < 0 : found instanceof Uint8Array && isState(found) && this.isOurs(found))
      return new Rejection("call-not-stored", reason);
    this.#lost = true;
    return lost(reason);
  }

  /** Whether a state is the one that was there last; of another key's nothing is remembered. */
  private isOurs(state: Uint8Array): boolean {
    return this.#crc < 0 ? !equal(state.subarray(ADDRESS_AT, NEXT_AT), this.#address) : crcOf(state) === this.#crc;
  }

  private take(state: Uint8Array): void {
    this.#crc = crcOf(state);
    this.#next = readUint(state, NEXT_AT, NUMBER_BYTES);
    this.#block = readUint(state, BLOCK_AT, NUMBER_BYTES);
    this.#pending = ((state[FLAGS_AT] as number) & PENDING) !== 0;
  }
}

/** The next fee with which a node takes the same call once more: at least a tenth higher, and higher. */
export function raisedFee(fee: bigint): bigint {
  const raised = (fee * 11n + 9n) / 10n;
  return raised > fee ? raised : fee + 1n;
}

function isRaised(from: Transaction, to: Transaction): boolean {
  const priority = to.maxPriorityFeePerGas >= raisedFee(from.maxPriorityFeePerGas);
  return sameCall(from, to) && priority && to.maxFeePerGas >= raisedFee(from.maxFeePerGas);
}

function effectOf(state: Uint8Array): Effect {
  const word = (index: number) => {
    const at = REST_AT + ADDRESS_BYTES + index * SLOT_BYTES;
    return state.slice(at, at + SLOT_BYTES);
  };
  return { contract: state.slice(REST_AT, REST_AT + ADDRESS_BYTES), slot: word(0), mask: word(1), value: word(2) };
}

function crcOf(state: Uint8Array): number {
  return readUint(state, state.length - CRC_BYTES, CRC_BYTES);
}

function isState(bytes: Uint8Array): boolean {
  const rest = ((bytes[FLAGS_AT] ?? 0) & EFFECT) === 0 ? REST_AT : REST_AT + EFFECT_BYTES;
  if (bytes.length <= rest + CRC_BYTES || bytes[0] !== VERSION) return false;
  return crc32(bytes.subarray(0, -CRC_BYTES)) === crcOf(bytes);
}

function lost(reason: string): Rejection {
  const detail = "what the store holds of calls cannot be told: none is signed until a restart finds it";
  return new Rejection("call-store-lost", reason === "" ? detail : `${detail}; ${reason}`);
}
