// How far each commander has counted, and which command is under way, in the key-value store: the rule of the record's seq, for commands.
//
// Promises: a command may be done only once the store gives back its counter and the intent to do it, in one atomic value; a counter at or
// below the one that is kept is never taken again. What counts is what the store gives back, whether or not a write has thrown. A read that
// goes wrong is made again, and is no absence. A commander is forgotten only for another one, and only when none of its commands that were
// taken can be good any more. Never: guesses. A value that is none, and a store that does not give back what it had, end all commands until
// a person has looked.
//
// What it cannot know: a store that was put back to an older state. Then a command may be done again that is not too late yet.
// Codes: command-malformed, command-not-stored, command-store-lost, commanders-full. docs/ledger.md, "Commands".

import { concat, crc32, equal, readUint, writeUint } from "../bytes.js";
import { readKept } from "../ledger/kept.js";
import type { KeyValueDomain } from "../ports.js";
import { KID_BYTES } from "../record/cose.js";
import { assert, Rejection } from "../rejection.js";
import { BODY_HASH_BYTES } from "./message.js";

/** Commanders that are remembered, the recovery key besides. */
export const COMMANDERS_MAX = 8;

const KEY = "commands";
const VERSION = 1;
const NUMBER_BYTES = 6;
/** Each commander: address ‖ counter ‖ block from which on none of its commands that were taken is good. */
const ENTRY_BYTES = KID_BYTES + 2 * NUMBER_BYTES;
/** Intent: address ‖ counter ‖ skipped ‖ action ‖ seq ‖ hash. */
const INTENT_BYTES = KID_BYTES + 2 * NUMBER_BYTES + 1 + 4 + BODY_HASH_BYTES;
/** Version and, at 1, whether there is an intent. */
const FRONT_BYTES = 2;
const CRC_BYTES = 4;
const BLOCK_MAX = 0xffff_ffff_ffff;

/** A command that is to be done, or was under way when the power went. */
export interface Intent {
  readonly commander: Uint8Array;
  readonly counter: number;
  /** Counters between this one and the one before. */
  readonly skipped: number;
  readonly action: number;
  /** seq of the newest record when it was begun: its answer, where there is one, comes after. */
  readonly seq: number;
  /** Of its body; zeros where it has none. */
  readonly hash: Uint8Array;
}

export class Marks {
  readonly #domain: KeyValueDomain;
  readonly #recovery: Uint8Array | undefined;
  /** What the store holds, without front, intent and CRC: a copy of its entries. */
  #entries: Uint8Array = new Uint8Array(0);
  /** CRC of the value that the store holds; −1 where it holds none. */
  #crc = -1;
  #intent: Intent | undefined;
  #lost = false;

  private constructor(domain: KeyValueDomain, recovery: Uint8Array | undefined) {
    this.#domain = domain;
    this.#recovery = recovery;
  }

  /**
   * @param recovery address for which there is always room, 20 bytes
   * @returns `command-malformed` where the store holds something else under our key, `command-store-lost` where it refuses to be read
   */
  static open(domain: KeyValueDomain, recovery: Uint8Array | undefined): Marks | Rejection {
    const marks = new Marks(domain, recovery);
    const found = readKept(domain, KEY, isState);
    if (found instanceof Rejection) return lost(found.detail);
    if (found === undefined) return marks;
    if (!isState(found)) return new Rejection("command-malformed", `key ${KEY} holds ${found.length} bytes that are no state`);
    marks.take(found);
    return marks;
  }

  /** The command under way: after a start, the one that the loss of power has interrupted. */
  get intent(): Intent | undefined {
    return this.#intent;
  }

  /** The highest counter that was taken of this commander; undefined where none is remembered. */
  counterOf(commander: Uint8Array): number | undefined {
    const at = this.find(commander);
    return at < 0 ? undefined : readUint(this.#entries, at + KID_BYTES, NUMBER_BYTES);
  }

  /**
   * Keeps a counter and the intent to do its command. Nothing may be done of it before this has answered undefined.
   * @param expiryBlock of the command
   * @param settled height of the newest settled block
   */
  begin(intent: Intent, expiryBlock: number, settled: number): Rejection | undefined {
    const { commander, counter } = intent;
    assert(
      this.#intent === undefined && counter > (this.counterOf(commander) ?? 0),
      "no command under way, and a counter that rises",
    );
    const at = this.find(commander);
    const before = at < 0 ? 0 : readUint(this.#entries, at + KID_BYTES + NUMBER_BYTES, NUMBER_BYTES);
    const entry = new Uint8Array(ENTRY_BYTES);
    entry.set(commander, 0);
    writeUint(entry, counter, KID_BYTES, NUMBER_BYTES);
    writeUint(entry, Math.max(before, Math.min(expiryBlock, BLOCK_MAX)), KID_BYTES + NUMBER_BYTES, NUMBER_BYTES);
    const replaced = at >= 0 ? at : this.placeFor(commander, settled);
    if (replaced < 0)
      return new Rejection(
        "commanders-full",
        `${COMMANDERS_MAX} commanders are remembered, and a command of each is still good: wait until one is too late`,
      );
    const entries = this.#entries;
    return this.keep(concat(entries.subarray(0, replaced), entry, entries.subarray(replaced + ENTRY_BYTES)), intent);
  }

  /** The command under way was answered. */
  end(): Rejection | undefined {
    return this.keep(this.#entries, undefined);
  }

  private find(commander: Uint8Array): number {
    const entries = this.#entries;
    for (let at = 0; at < entries.length; at += ENTRY_BYTES)
      if (equal(entries.subarray(at, at + KID_BYTES), commander)) return at;
    return -1;
  }

  /** Where a new commander's entry goes: behind the others, or in place of one none of whose commands is good; −1 where there is none. */
  private placeFor(commander: Uint8Array, settled: number): number {
    const entries = this.#entries;
    const recovery = this.#recovery;
    const isRecovery = recovery !== undefined && equal(commander, recovery);
    const taken = entries.length / ENTRY_BYTES - (recovery !== undefined && this.find(recovery) >= 0 ? 1 : 0);
    if (isRecovery || taken < COMMANDERS_MAX) return entries.length;
    for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
      const pinned = recovery !== undefined && equal(entries.subarray(at, at + KID_BYTES), recovery);
      if (!pinned && readUint(entries, at + KID_BYTES + NUMBER_BYTES, NUMBER_BYTES) <= settled) return at;
    }
    return -1;
  }

  /** Writes a state, and goes by what the store gives back then. */
  private keep(entries: Uint8Array, intent: Intent | undefined): Rejection | undefined {
    if (this.#lost) return lost("");
    const state = stateOf(entries, intent);
    let reason = "the store gives it back differently";
    try {
      this.#domain.write(KEY, state);
    } catch (error) {
      reason = String(error);
    }
    const found = readKept(this.#domain, KEY, isState);
    if (found instanceof Uint8Array && equal(found, state)) {
      this.take(state);
      return undefined;
    }
    // What was there before is there still: nothing has happened. Else nobody can say what will be there after a restart.
    if (found === undefined ? this.#crc < 0 : found instanceof Uint8Array && isState(found) && crcOf(found) === this.#crc)
      return new Rejection("command-not-stored", reason);
    this.#lost = true;
    return lost(reason);
  }

  private take(state: Uint8Array): void {
    this.#crc = crcOf(state);
    const from = state[1] === 1 ? FRONT_BYTES + INTENT_BYTES : FRONT_BYTES;
    this.#intent = state[1] === 1 ? intentOf(state.slice(FRONT_BYTES, from)) : undefined;
    this.#entries = state.slice(from, -CRC_BYTES);
  }
}

function stateOf(entries: Uint8Array, intent: Intent | undefined): Uint8Array {
  const front = new Uint8Array(FRONT_BYTES + (intent === undefined ? 0 : INTENT_BYTES));
  front[0] = VERSION;
  if (intent !== undefined) {
    const { commander, counter, skipped, action, seq, hash } = intent;
    assert(commander.length === KID_BYTES && hash.length === BODY_HASH_BYTES, "an address of 20 bytes, and a hash of 32");
    front[1] = 1;
    front.set(commander, FRONT_BYTES);
    let at = FRONT_BYTES + KID_BYTES;
    writeUint(front, counter, at, NUMBER_BYTES);
    writeUint(front, skipped, at + NUMBER_BYTES, NUMBER_BYTES);
    at += 2 * NUMBER_BYTES;
    front[at] = action;
    writeUint(front, seq, at + 1, 4);
    front.set(hash, at + 5);
  }
  const state = concat(front, entries, new Uint8Array(CRC_BYTES));
  writeUint(state, crc32(state.subarray(0, -CRC_BYTES)), state.length - CRC_BYTES, CRC_BYTES);
  return state;
}

function intentOf(bytes: Uint8Array): Intent {
  const at = KID_BYTES + 2 * NUMBER_BYTES;
  return {
    commander: bytes.subarray(0, KID_BYTES),
    counter: readUint(bytes, KID_BYTES, NUMBER_BYTES),
    skipped: readUint(bytes, KID_BYTES + NUMBER_BYTES, NUMBER_BYTES),
    action: bytes[at] as number,
    seq: readUint(bytes, at + 1, 4),
    hash: bytes.subarray(at + 5),
  };
}

function crcOf(state: Uint8Array): number {
  return readUint(state, state.length - CRC_BYTES, CRC_BYTES);
}

function isState(bytes: Uint8Array): boolean {
  const rest = bytes.length - FRONT_BYTES - CRC_BYTES - (bytes[1] === 1 ? INTENT_BYTES : 0);
  if (rest < 0 || rest % ENTRY_BYTES !== 0 || bytes[0] !== VERSION || (bytes[1] as number) > 1) return false;
  return crc32(bytes.subarray(0, -CRC_BYTES)) === crcOf(bytes);
}

function lost(reason: string): Rejection {
  const detail = "what the store holds of commands cannot be told: none is done until a restart finds it";
  return new Rejection("command-store-lost", reason === "" ? detail : `${detail}; ${reason}`);
}
