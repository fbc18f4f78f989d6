// Makes records: numbers them, links them, keeps them, signs them, in the order that lets no crash frame an honest mote.
//
// Promises: a payload is stored and read back before it is signed, and signed again only with the very same bytes; a seq
// is reserved before it is used; `prev` is the digest of the record before it in the stream, or a new stream begins;
// samples that were lost are counted in the next record (`gap`). Never: two payloads under one stream and seq; a signature
// on, or a link to, what another key or another fleet has made.
// docs/record-format.md, docs/design.md "The life of a mote".

import { equal } from "../bytes.js";
import { CborWriter } from "../codec/cbor.js";
import type { CryptoEngine } from "../crypto/engine.js";
import type { KeyHandle, Keys } from "../ports.js";
import { Rejection } from "../rejection.js";
import { DIGEST_BYTES, decodeSign1, RECORD_PAYLOAD_BYTES_MAX, SigDigest, verifySign1 } from "./cose.js";
import type { Journal } from "./journal.js";
import { SEQ_MAX } from "./journal-format.js";
import type { Ownership } from "./ownership.js";
import { decodeRecord, encodeRecord, type RecordFields } from "./record.js";
import { Sequence } from "./sequence.js";

/** Room for a payload at first: what one sample takes, twice. One that needs more gets all that is allowed, and keeps it. */
const PAYLOAD_BYTES_USUAL = 384;

/** Boots that are left out where nobody can say how many there were. */
const BOOTS_UNKNOWN = 0x1_0000;
/** Records that are looked at for the newest boot that is known. */
const BOOT_READS_MAX = 64;

export interface AuthorOptions {
  readonly engine: CryptoEngine;
  readonly keys: Keys;
  readonly key: KeyHandle;
  /** Address of `key`, 20 bytes. */
  readonly address: Uint8Array;
  readonly fleet: RecordFields["fleet"];
  readonly journal: Journal;
  readonly sequence: Sequence;
}

/** What a record says; its place in the stream, the fleet and the gap are the author's. */
export type RecordInput = Pick<RecordFields, "time" | "timeQuality" | "head" | "measurements" | "answer" | "status">;

export interface Written {
  readonly seq: number;
  readonly stream: number;
  /** 32 bytes. */
  readonly digest: Uint8Array;
  /** Length of the payload, in bytes. */
  readonly payloadBytes: number;
}

/** Finds where the numbers go on, from what the journal and the key-value store hold; counts this boot. */
export function openSequence(domain: Parameters<typeof Sequence.open>[0], journal: Journal): Sequence | Rejection {
  const seq = journal.lastSeq;
  if (seq === undefined) return Sequence.open(domain, undefined);
  return Sequence.open(domain, { seq, stream: journal.stream, boot: newestBoot(journal, seq) });
}

/**
 * The boot of the newest record, `seq`. Where that cannot be read, its boot is unknown, and so many are added to the newest that can be read
 * that it lies below: the store's own count is above it, unless that was put back, too.
 */
function newestBoot(journal: Journal, seq: number): number {
  for (let tried = 0; tried < BOOT_READS_MAX && tried < seq; tried += 1) {
    const kept = journal.read(seq - tried);
    const record = kept instanceof Rejection ? kept : decodeRecord(kept.payload);
    if (!(record instanceof Rejection)) return tried === 0 ? record.boot : record.boot + BOOTS_UNKNOWN;
  }
  return BOOTS_UNKNOWN;
}

export class Author {
  readonly #options: AuthorOptions;
  readonly #ownership: Ownership | undefined;
  #writer = new CborWriter(PAYLOAD_BYTES_USUAL);
  readonly #digest: SigDigest;
  #prev: Uint8Array;
  /** seq of the record that `#prev` is the digest of; 0 where there is none. */
  #prevSeq = 0;
  #lost = 0;

  /** @param ownership tells which of the records that the journal keeps are this mote's; without it all are */
  constructor(options: AuthorOptions, ownership?: Ownership) {
    this.#options = options;
    this.#ownership = ownership;
    this.#digest = new SigDigest(options.engine, options.address);
    this.#prev = this.newestDigest();
  }

  /** Counts samples that were due and are not to be had. */
  lose(samples: number): void {
    this.#lost += samples;
  }

  /** Samples that are lost, and that no record says yet. */
  get lost(): number {
    return this.#lost;
  }

  /** Signs what a loss of power left unsigned: the same payload, so the same bytes. Answers how many. */
  async recover(): Promise<number> {
    const { journal } = this.#options;
    let signed = 0;
    for (const seq of journal.unsealed()) {
      const kept = journal.read(seq);
      if (kept instanceof Rejection) continue;
      if (this.#ownership?.ourKeys(seq, kept) === false) journal.disown(seq);
      else if (!((await this.seal(seq, kept.payload)) instanceof Rejection)) signed += 1;
    }
    return signed;
  }

  /**
   * Takes the mote's own newest record as someone else kept it: goes on above it where the journal is behind, and links to
   * it where the journal has lost it. Of an older stream, boots alone go on above it. The signature is looked at last, and only
   * where it would change anything.
   * @returns whether that changed anything; a `Rejection` where the record is not this mote's, or does not hold
   */
  adopt(message: Uint8Array): boolean | Rejection {
    const { engine, keys, key, address, fleet, sequence } = this.#options;
    const claimed = decodeSign1(message);
    if (claimed instanceof Rejection) return claimed;
    if (!equal(claimed.kid, address)) return new Rejection("latest-foreign", "the record is another mote's");
    const record = decodeRecord(claimed.payload);
    if (record instanceof Rejection) return record;
    if (!equal(record.fleet.registry, fleet.registry) || record.fleet.chain !== fleet.chain)
      return new Rejection("latest-foreign", "the record belongs to another fleet");
    // Only this key's owner can make such a record; a copy of the key, for one.
    if (record.seq >= SEQ_MAX || record.stream >= SEQ_MAX || record.boot >= SEQ_MAX)
      return new Rejection("latest-range", "numbers that no mote reaches");
    const behind = record.stream < sequence.stream;
    // Of a stream that was left, its boots still bind: a lower stream with a higher boot is evidence against this key.
    if (behind ? record.boot < sequence.boot : record.stream === sequence.stream && record.seq <= this.#prevSeq) return false;
    const signed = verifySign1(engine, message, keys.publicKey(key));
    if (signed instanceof Rejection) return signed;
    sequence.countBootAfter(record.boot);
    if (behind) return true;
    sequence.resumeAbove(record.stream, record.seq);
    this.#prev = signed.digest;
    this.#prevSeq = record.seq;
    return true;
  }

  /**
   * Makes one record and keeps it, signed.
   * @param samples how many samples it holds: what is lost where it cannot be kept
   * @returns the journal's refusal where there is no room, or `sequence-write`: the samples then count as lost;
   *   `signature-failed`: the record is kept, and `recover` signs it
   */
  write(input: RecordInput, samples: number): Written | Rejection | Promise<Written | Rejection> {
    const { journal, keys, key } = this.#options;
    const gap = this.#lost;
    // Lost until the journal holds them: whatever is thrown before that loses nothing silently.
    this.#lost += samples;
    let payload = this.keep(input, gap);
    if (payload instanceof Rejection && payload.code === "journal-found") payload = this.keep(input, gap);
    if (payload instanceof Rejection) return payload;
    const { stream, lastSeq: seq = 0 } = journal;
    this.#lost = 0;
    const digest = this.#digest.of(payload);
    this.#prev = digest;
    this.#prevSeq = seq;
    const written = { seq, stream, digest, payloadBytes: payload.length };
    // Where the key signs at once, as on a board, nothing waits: a function that does takes 60 slots of the stack.
    try {
      const signature = keys.sign(key, digest);
      return signature instanceof Uint8Array ? (journal.seal(seq, signature) ?? written) : this.sealWith(signature, written);
    } catch (error) {
      return unsigned(error);
    }
  }

  private async sealWith(signature: Promise<Uint8Array>, written: Written): Promise<Written | Rejection> {
    try {
      return this.#options.journal.seal(written.seq, await signature) ?? written;
    } catch (error) {
      return unsigned(error);
    }
  }

  /** Writes the payload of the next record to the journal, and answers it. */
  private keep(input: RecordInput, gap: number): Uint8Array | Rejection {
    const { sequence, journal, fleet } = this.#options;
    const { time, timeQuality, head, measurements, answer, status } = input;
    const seq = sequence.reserve();
    if (seq instanceof Rejection) return seq;
    const stream = sequence.stream;
    const fields = { seq, stream, prev: this.#prev, boot: sequence.boot, time, timeQuality, head, measurements, fleet };
    let payload: Uint8Array;
    try {
      const whole = gap > 0 ? { ...fields, gap } : fields;
      payload = this.encode(answer === undefined && status === undefined ? whole : { ...whole, answer, status });
    } catch (error) {
      // What no record can hold is a sensor's fault, and would be the same after a restart.
      return error instanceof Rejection ? error : new Rejection("record-malformed", String(error));
    }
    const refusal = journal.append(stream, seq, payload);
    if (refusal !== undefined) {
      // Records that the mount had not seen: the next one follows the newest of them.
      if (refusal.code === "journal-found") this.goOnAfterNewest();
      // The flash may hold a part of it: the number is gone, the link is not, for nothing was signed.
      if (refusal.code === "journal-write" || refusal.code === "journal-worn") sequence.use(seq, false);
      return refusal;
    }
    sequence.use(seq, true);
    return payload;
  }

  private encode(fields: RecordFields): Uint8Array {
    try {
      return encodeRecord(fields, this.#writer);
    } catch (error) {
      // The writer has counted what it had no room for.
      if (this.#writer.length <= PAYLOAD_BYTES_USUAL || this.#writer.bytesMax > PAYLOAD_BYTES_USUAL) throw error;
      this.#writer = new CborWriter(RECORD_PAYLOAD_BYTES_MAX);
      return encodeRecord(fields, this.#writer);
    }
  }

  private goOnAfterNewest(): void {
    const { journal, sequence } = this.#options;
    const { stream, lastSeq = 0 } = journal;
    sequence.resumeAbove(stream, lastSeq);
    if (lastSeq > this.#prevSeq) this.#prev = this.newestDigest();
  }

  private async seal(seq: number, payload: Uint8Array): Promise<Rejection | undefined> {
    const { keys, key, journal } = this.#options;
    try {
      const signature = keys.sign(key, this.#digest.of(payload));
      return journal.seal(seq, signature instanceof Uint8Array ? signature : await signature);
    } catch (error) {
      return unsigned(error);
    }
  }

  /** The link of the next record; where the record before it cannot be read, or is not ours, a new stream begins. */
  private newestDigest(): Uint8Array {
    const { journal, sequence } = this.#options;
    const none = new Uint8Array(DIGEST_BYTES);
    const seq = journal.lastSeq;
    if (seq === undefined || journal.stream !== sequence.stream) return none;
    const kept = journal.read(seq);
    if (kept instanceof Rejection || this.#ownership?.foreign(seq, kept) !== undefined) {
      sequence.beginStream();
      return none;
    }
    this.#prevSeq = seq;
    return this.#digest.of(kept.payload);
  }
}

/** What signs may be a part of its own that fails: the payload is kept, and is signed later. */
function unsigned(error: unknown): Rejection {
  return new Rejection("signature-failed", String(error));
}
