// How far an update has come, in the key-value store's domain `update`: one value, written whole, read back before anything rests
// on it.
//
// Promises: what the store gives back is what counts, whether or not a write has thrown; a read that goes wrong is made again,
// and is no absence. A value of a later version (a newer image's, before a rollback) is left as it is, and so is one that is
// damaged: the sequence in it is what refuses a downgrade, and without it none is taken. Never: erases, or guesses.
// Codes: update-store-lost, update-state-newer, update-state-malformed, update-not-stored. docs/update.md, "State".

import { crc32, equal, readUint, writeUint } from "../bytes.js";
import type { KeyValueDomain, KeyValueStorage } from "../ports.js";
import { DIGEST_BYTES } from "../record/cose.js";
import { Rejection } from "../rejection.js";

/** The image comes in: its first `offset` bytes are in the slot. */
export const RECEIVING = 1;
/** It is whole, and was read back; the slot is selected, or about to be. The image in it proves itself. */
export const SELECTED = 2;
/** It runs, and has proven itself. */
export const VALID = 3;
/** It will not be tried again: `reason` says why. */
export const FAILED = 4;
/** As `FAILED`, and the image that runs has said so. */
export const FAILED_SAID = 5;

/** Why an update ended: what an event and `docs/update.md` call them, from 1. */
export const REASON_DIGEST = 1;
export const REASON_IMAGE = 2;
export const REASON_VERSION = 3;
export const REASON_RESET = 4;
export const REASON_UNPROVEN = 5;
export const REASON_START = 6;
const REASONS: readonly string[] = Object.freeze(["digest", "image", "secure-version", "reset", "unproven", "start"]);

/** What an image that proves itself has still to show, as bits. */
export const PROOF_KEY = 1;
export const PROOF_JOURNAL = 2;
export const PROOF_BROKER = 4;
export const PROOF_RECORD = 8;
export const PROOFS = PROOF_KEY | PROOF_JOURNAL | PROOF_BROKER | PROOF_RECORD;
const PROOF_NAMES: readonly string[] = Object.freeze(["key", "journal", "broker", "record"]);

export interface UpdateState {
  readonly phase: number;
  readonly reason: number;
  /** With `REASON_UNPROVEN`: what was not shown. */
  readonly missing: number;
  /** How often the whole image had another digest. */
  readonly attempts: number;
  /** Number of the slot that the image goes to. */
  readonly slot: number;
  /** Of the release; the highest that was taken. */
  readonly sequence: number;
  readonly size: number;
  readonly offset: number;
  /** Of the release; 0 where it has none. */
  readonly secureVersion: number;
  /** SHA-256 of the image. */
  readonly digest: Uint8Array;
  /** SHA-256 of the manifest's Sig_structure: which release it is. */
  readonly manifest: Uint8Array;
}

const DOMAIN = "update";
const KEY = "state";
const VERSION = 1;
const AT = Object.freeze({
  phase: 1,
  reason: 2,
  missing: 3,
  attempts: 4,
  slot: 5,
  secureVersion: 6,
  sequence: 7,
  size: 11,
  offset: 15,
});
const AT_DIGEST = 19;
const AT_MANIFEST = AT_DIGEST + DIGEST_BYTES;
const AT_CRC = AT_MANIFEST + DIGEST_BYTES;
const STATE_BYTES = AT_CRC + 4;
const READS_MAX = 3;

export class UpdateStore {
  /** Undefined where the store itself is not open: safe mode comes here as well. */
  readonly #domain: KeyValueDomain | undefined;

  constructor(storage: KeyValueStorage) {
    try {
      this.#domain = storage.open({ path: DOMAIN, format: "buffer" });
    } catch {
      // Each read says so.
    }
  }

  /** The state; undefined where there never was an update. */
  read(): UpdateState | undefined | Rejection {
    const bytes = this.bytes();
    if (bytes === undefined || bytes instanceof Rejection) return bytes;
    if ((bytes[0] as number) > VERSION)
      return new Rejection("update-state-newer", `version ${bytes[0]}: a newer image has written it; it is left as it is`);
    if (bytes.length !== STATE_BYTES || bytes[0] !== VERSION || crc32(bytes.subarray(0, AT_CRC)) !== readUint(bytes, AT_CRC, 4))
      return new Rejection("update-state-malformed", `key ${KEY} holds ${bytes.length} bytes that are no state`);
    return stateOf(bytes);
  }

  /** Writes a state and reads it back; undefined once it is there. */
  write(state: UpdateState): Rejection | undefined {
    const bytes = bytesOf(state);
    let reason = "the store gives it back differently";
    try {
      this.#domain?.write(KEY, bytes);
    } catch (error) {
      reason = String(error);
    }
    const found = this.bytes();
    return found instanceof Uint8Array && equal(found, bytes) ? undefined : new Rejection("update-not-stored", reason);
  }

  private bytes(): Uint8Array | undefined | Rejection {
    if (this.#domain === undefined) return new Rejection("update-store-lost", "the key-value store is not open");
    let reason: unknown;
    for (let reads = 1; reads <= READS_MAX; reads += 1) {
      try {
        const value = this.#domain.read(KEY);
        return value === undefined ? undefined : new Uint8Array(value);
      } catch (error) {
        reason = error;
      }
    }
    return new Rejection("update-store-lost", String(reason));
  }
}

/** In words, for an event: what ended it, and what was missing. */
export function reasonText({ reason, missing }: Pick<UpdateState, "reason" | "missing">): string {
  const word = REASONS[reason - 1] ?? `${reason}`;
  if (reason !== REASON_UNPROVEN) return word;
  return `${word}: ${PROOF_NAMES.filter((_, i) => (missing & (1 << i)) !== 0).join(", ")}`;
}

function stateOf(bytes: Uint8Array): UpdateState {
  return {
    phase: bytes[AT.phase] as number,
    reason: bytes[AT.reason] as number,
    missing: bytes[AT.missing] as number,
    attempts: bytes[AT.attempts] as number,
    slot: bytes[AT.slot] as number,
    secureVersion: bytes[AT.secureVersion] as number,
    sequence: readUint(bytes, AT.sequence, 4),
    size: readUint(bytes, AT.size, 4),
    offset: readUint(bytes, AT.offset, 4),
    digest: bytes.slice(AT_DIGEST, AT_MANIFEST),
    manifest: bytes.slice(AT_MANIFEST, AT_CRC),
  };
}

function bytesOf(state: UpdateState): Uint8Array {
  const bytes = new Uint8Array(STATE_BYTES);
  bytes[0] = VERSION;
  bytes[AT.phase] = state.phase;
  bytes[AT.reason] = state.reason;
  bytes[AT.missing] = state.missing;
  bytes[AT.attempts] = state.attempts;
  bytes[AT.slot] = state.slot;
  bytes[AT.secureVersion] = state.secureVersion;
  writeUint(bytes, state.sequence, AT.sequence, 4);
  writeUint(bytes, state.size, AT.size, 4);
  writeUint(bytes, state.offset, AT.offset, 4);
  bytes.set(state.digest, AT_DIGEST);
  bytes.set(state.manifest, AT_MANIFEST);
  writeUint(bytes, crc32(bytes.subarray(0, AT_CRC)), AT_CRC, 4);
  return bytes;
}
