// Whose record it is that the journal keeps: this mote's and this fleet's, or of a key that was lost while the flash lived,
// of another board's flash, of the fleet before. docs/record-format.md, "Whose record".
//
// Promises: a record is called foreign only where its own bytes name another fleet, or its own signature is not this key's;
// that of one stream's first record is checked, and of those after it none while it is ours: a key is not lost within a
// stream. Never: a guess where nothing tells; a check of what this boot has made.

import type { CryptoEngine } from "../crypto/engine.js";
import { Rejection } from "../rejection.js";
import { encodeSign1, verifySign1 } from "./cose.js";
import type { Journal, KeptRecord } from "./journal.js";
import { namesFleet, type RecordFields } from "./record.js";
import type { Sequence } from "./sequence.js";

export interface OwnershipOptions {
  readonly engine: CryptoEngine;
  /** 20 bytes. */
  readonly address: Uint8Array;
  readonly fleet: RecordFields["fleet"];
  readonly journal: Journal;
  readonly sequence: Sequence;
}

export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #created: boolean;
  /** The newest record that was there before this boot. */
  readonly #inherited: number;
  /** The stream of the counters at the boot. */
  readonly #counted: number;
  /** A stream of which a record's signature was this key's. */
  #stream = -1;

  /** @param created the key was made in this boot: nothing that the journal keeps was signed with it */
  constructor(options: OwnershipOptions, created: boolean) {
    this.#options = options;
    this.#created = created;
    this.#inherited = options.journal.lastSeq ?? 0;
    this.#counted = options.sequence.stream;
  }

  /** Why a record that the journal keeps is not ours: `fleet-foreign` or `key-foreign`; undefined where it is. */
  foreign(seq: number, kept: KeptRecord): Rejection | undefined {
    const { fleet } = this.#options;
    if (seq > this.#inherited) return undefined;
    if (!namesFleet(kept.payload, kept.stream, fleet))
      return new Rejection("fleet-foreign", `record ${seq} was made for another fleet`);
    return this.ourKeys(seq, kept) ? undefined : new Rejection("key-foreign", `record ${seq} was made with another key`);
  }

  /** Whether a record was made with our key, for whatever fleet; a record that nobody has signed yet may be signed then. */
  ourKeys(seq: number, kept: KeptRecord): boolean {
    if (seq > this.#inherited) return true;
    if (this.#created) return false;
    if (kept.stream === this.#stream) return true;
    if (kept.signature !== undefined) return this.holds(kept);
    // Nobody has signed it yet: the record before it tells, above all one of its stream. The counters are lost with the key;
    // then its stream is not theirs.
    const before = kept.previous === 0 ? undefined : this.#options.journal.read(kept.previous);
    const signed = before instanceof Rejection || before?.signature === undefined ? undefined : before;
    if (signed?.stream !== kept.stream && kept.stream === this.#counted) return true;
    return signed !== undefined && this.holds(signed);
  }

  private holds(kept: KeptRecord): boolean {
    const { engine, address } = this.#options;
    const message = encodeSign1(address, kept.payload, kept.signature as Uint8Array);
    if (verifySign1(engine, message) instanceof Rejection) return false;
    this.#stream = kept.stream;
    return true;
  }
}
