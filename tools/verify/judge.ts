// Judges records one after the other, without any network: form, signature and address, payload, seq, hash chain.
//
// Promises: each check of each record holds, fails with a reason, or is open where the file does not hold what it would
// take; one fault is told once, at the record that has it; two signed records that contradict each other are kept as
// evidence. Of a record it keeps its digest and a few numbers, some 250 bytes, where the file can be read again.
// Never: believes a record that its signature does not cover.

import { equal, toHex } from "../../firmware/bytes.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { type VerifiedSign1, verifySign1 } from "../../firmware/record/cose.js";
import { decodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import type { Piece } from "./sequence.js";

/** In the order in which they are made; what comes after a failed one is not made. */
export const CHECKS = ["form", "signature", "payload", "seq", "chain"] as const;
export type Check = (typeof CHECKS)[number];

export interface Verdict {
  /** From 1. */
  readonly index: number;
  readonly offset: number;
  readonly length: number;
  readonly holds: readonly Check[];
  /** The check that failed, and why; absent where all that could be made hold. */
  readonly fault?: { readonly check: Check; readonly code: string; readonly detail: string };
  /** 0x…; of a record whose signature does not hold, what it claims. */
  readonly mote?: string;
  readonly fields?: RecordFields;
  readonly digest?: string;
  /** Worth knowing, and no fault: a gap, a reboot, what could not be checked. */
  readonly notes: readonly string[];
}

/** Two records of one mote, both signed, that an honest mote does not make. */
export interface Evidence {
  /**
   * `equivocation`: one place (mote, fleet, stream, seq), two payloads. `escape`: a lower stream with a higher boot. The registry's contract
   * takes both (docs/ledger.md). `fork`: one predecessor, two successors.
   */
  readonly kind: "equivocation" | "escape" | "fork";
  /** 0x… */
  readonly mote: string;
  readonly records: readonly [Seen, Seen];
}

/** What `verifySign1` says of a record. */
export type Signed = Pick<VerifiedSign1, "digest"> | Rejection;

export interface Seen {
  /** From 1. */
  readonly index: number;
  readonly digest: Uint8Array;
  readonly fields: RecordFields;
  /** The COSE_Sign1. */
  readonly bytes: Uint8Array;
}

/** The newest record of a stream, as far as the next one is held against it. */
interface Newest {
  readonly index: number;
  readonly digest: Uint8Array;
  readonly seq: number;
  readonly boot: number;
  readonly time: number;
  readonly head: { readonly chain: string; readonly number: number } | undefined;
}

interface Stream {
  readonly id: number;
  /** Mote, fleet and stream. */
  readonly name: string;
  /** Number of its first record. */
  readonly firstIndex: number;
  /** Ids of records by seq. */
  readonly places: Map<number, number>;
  last: Newest;
  /** How many broken pieces had been met when `last` came. */
  broken: number;
}

/** The streams of one mote in one fleet. */
interface Order {
  /** Their numbers, rising. */
  readonly numbers: number[];
  /** By number: the records with the lowest and the highest boot. */
  readonly bounds: Map<number, { low: Booted; high: Booted }>;
}

interface Booted {
  readonly boot: number;
  readonly id: number;
}

interface Fault {
  readonly code: string;
  readonly detail: string;
}

/** Reads the bytes of a record again. */
export type Reread = (offset: number, length: number) => Uint8Array;

const ZERO_DIGEST = new Uint8Array(32);
const NONE = 0;

export class Judge {
  readonly #engine: CryptoEngine;
  readonly #reread: Reread | undefined;
  /** Where the input cannot be read again: the records by offset. */
  readonly #kept = new Map<number, Uint8Array>();
  /** By digest: ids from 1, of records and of those that are merely named as the one before. */
  readonly #ids = new Map<string, number>();
  /** By id: the record's number in the file; 0 of one that has not been in it. */
  readonly #index: number[] = [NONE];
  readonly #offset: number[] = [NONE];
  readonly #length: number[] = [NONE];
  /** By id: its stream's id. */
  readonly #streamOf: number[] = [NONE];
  /** By id: that of the first record that follows it. */
  readonly #follower: number[] = [NONE];
  /** Where a record is followed in other streams as well: by the stream's id and its own. */
  readonly #followerIn = new Map<string, number>();
  readonly #streams = new Map<string, Stream>();
  /** By mote and fleet. */
  readonly #orders = new Map<string, Order>();
  readonly #motes = new Set<string>();
  readonly #evidence: Evidence[] = [];
  #judged = 0;
  #broken = 0;

  /** @param reread where absent, every record is kept in memory */
  constructor(engine: CryptoEngine, reread?: Reread) {
    this.#engine = engine;
    this.#reread = reread;
  }

  get motes(): number {
    return this.#motes.size;
  }

  /** In the order in which it was found. Its records are read again each time that they are asked for. */
  get evidence(): readonly Evidence[] {
    return this.#evidence;
  }

  /** @param signed what `verifySign1` says of the piece, where it has been asked already */
  judge({ offset, length, bytes, parts }: Piece, signed?: Signed): Verdict {
    this.#judged += 1;
    const base = { index: this.#judged, offset, length, notes: [] };
    if (parts instanceof Rejection) return this.#broke({ ...base, holds: [] }, "form", parts);
    const claimed = decodeRecord(parts.payload);
    const mote = `0x${toHex(parts.kid)}`;
    const claims = { mote, ...(claimed instanceof Rejection ? {} : { fields: claimed }) };
    const verified = signed ?? verifySign1(this.#engine, bytes);
    if (verified instanceof Rejection) return this.#broke({ ...base, ...claims, holds: ["form"] }, "signature", verified);
    if (claimed instanceof Rejection)
      return this.#broke({ ...base, ...claims, holds: ["form", "signature"] }, "payload", claimed);
    this.#motes.add(mote);
    const { digest } = verified;
    const verdict: Verdict = { ...base, ...claims, digest: toHex(digest), holds: ["form", "signature", "payload"] };
    const id = this.#idOf(digest);
    const twin = this.#index[id] as number;
    if (twin !== NONE) return { ...verdict, holds: CHECKS, notes: [`the same record as number ${twin}`] };
    this.#index[id] = this.#judged;
    this.#offset[id] = offset;
    this.#length[id] = length;
    if (this.#reread === undefined) this.#kept.set(offset, bytes);
    return this.#place(verdict, id, claimed, {
      index: this.#judged,
      digest: digest.slice(),
      ...{ seq: claimed.seq, boot: claimed.boot, time: claimed.time },
      head: claimed.head === undefined ? undefined : { chain: claimed.head.chain, number: claimed.head.number },
    });
  }

  #broke(verdict: Verdict, check: Check, { code, detail }: Rejection): Verdict {
    this.#broken += 1;
    return { ...verdict, fault: { check, code, detail } };
  }

  /** Seq and hash chain of a record that is a mote's own. */
  #place(verdict: Verdict, id: number, fields: RecordFields, newest: Newest): Verdict {
    const { registry, chain } = fields.fleet;
    const name = `${verdict.mote} ${toHex(registry)} ${chain} ${fields.stream}`;
    const known = this.#streams.get(name);
    const stream: Stream = known ?? {
      ...{ id: this.#streams.size + 1, name, firstIndex: newest.index, places: new Map() },
      ...{ last: newest, broken: this.#broken },
    };
    if (known === undefined) this.#streams.set(name, stream);
    this.#streamOf[id] = stream.id;
    // Whatever else is wrong with it: it is signed.
    const orderFault = this.#orderFault(name, fields.stream, { boot: fields.boot, id });
    const seqFault = this.#seqFault(stream, id, newest, known === undefined) ?? orderFault;
    if (seqFault !== undefined) return { ...verdict, fault: { check: "seq", ...seqFault } };
    const before = known === undefined || this.#broken > stream.broken ? undefined : stream.last;
    const link = this.#link(stream, id, fields, known === undefined);
    const notes = before === undefined ? [] : changes(before, newest, fields.timeQuality > 0, link === "");
    if (fields.gap !== undefined)
      notes.unshift(`${fields.gap} sample${fields.gap === 1 ? " was" : "s were"} lost before it (gap)`);
    stream.last = newest;
    stream.broken = this.#broken;
    if (typeof link === "object")
      return { ...verdict, holds: [...verdict.holds, "seq"], fault: { check: "chain", ...link }, notes };
    if (link !== "") return { ...verdict, holds: [...verdict.holds, "seq"], notes: [link, ...notes] };
    return { ...verdict, holds: CHECKS, notes };
  }

  #seqFault({ name, places, last }: Stream, id: number, { seq, boot }: Newest, isFirst: boolean): Fault | undefined {
    const other = places.get(seq);
    if (other !== undefined) {
      this.#keep("equivocation", name, other, id);
      const detail = `record number ${this.#index[other]} has seq ${seq} too, with another payload: both are signed, which is evidence`;
      return { code: "equivocation", detail };
    }
    places.set(seq, id);
    if (isFirst) return undefined;
    if (seq < last.seq)
      return { code: "seq-not-rising", detail: `seq ${seq} comes after seq ${last.seq} (record number ${last.index})` };
    if (boot < last.boot)
      return { code: "boot-not-rising", detail: `boot ${boot} comes after boot ${last.boot} (record number ${last.index})` };
    return undefined;
  }

  /** Boots of a higher stream are no lower than those of a lower one: where that holds for neighbours, it holds for all. */
  #orderFault(name: string, stream: number, booted: Booted): Fault | undefined {
    const owner = name.slice(0, name.lastIndexOf(" "));
    const order: Order = this.#orders.get(owner) ?? { numbers: [], bounds: new Map() };
    this.#orders.set(owner, order);
    const { numbers, bounds } = order;
    let at = 0;
    for (let end = numbers.length; at < end; ) {
      const middle = (at + end) >> 1;
      if ((numbers[middle] as number) < stream) at = middle + 1;
      else end = middle;
    }
    const own = bounds.get(stream);
    if (own === undefined) {
      numbers.splice(at, 0, stream);
      bounds.set(stream, { low: booted, high: booted });
    } else if (booted.boot < own.low.boot) own.low = booted;
    else if (booted.boot > own.high.boot) own.high = booted;
    else return undefined; // what it contradicts was told with the record that has its bound
    const below = bounds.get(numbers[at - 1] ?? Number.NaN)?.high;
    const above = bounds.get(numbers[at + 1] ?? Number.NaN)?.low;
    const rival =
      below !== undefined && below.boot > booted.boot
        ? below
        : above !== undefined && above.boot < booted.boot
          ? above
          : undefined;
    if (rival === undefined) return undefined;
    this.#keep("escape", name, rival.id, booted.id);
    const where = rival === below ? "a lower stream with a higher boot" : "a higher stream with a lower boot";
    return {
      code: "escape",
      detail: `record number ${this.#index[rival.id]} is of ${where}: both are signed, which is evidence`,
    };
  }

  #keep(kind: Evidence["kind"], name: string, a: number, b: number): void {
    const seen = (id: number): Seen => this.#seen(id);
    this.#evidence.push({
      kind,
      mote: name.slice(0, name.indexOf(" ")),
      get records(): readonly [Seen, Seen] {
        return [seen(a), seen(b)];
      },
    });
  }

  /** A record that was judged before, verified once more, since what it is read from may have changed meanwhile. */
  #seen(id: number): Seen {
    const [index, offset, length] = [this.#index[id] as number, this.#offset[id] as number, this.#length[id] as number];
    const bytes = this.#reread?.(offset, length) ?? (this.#kept.get(offset) as Uint8Array);
    const verified = verifySign1(this.#engine, bytes);
    const fields = verified instanceof Rejection ? verified : decodeRecord(verified.payload);
    if (verified instanceof Rejection || fields instanceof Rejection || this.#idOf(verified.digest) !== id)
      throw new Error(`record ${index}, at byte ${offset}, is another one by now: the file was written to while it was read`);
    return { index, digest: verified.digest, fields, bytes };
  }

  #idOf(digest: Uint8Array): number {
    const name = String.fromCharCode(...digest);
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const id = this.#index.length;
    this.#ids.set(name, id);
    for (const column of [this.#index, this.#offset, this.#length, this.#streamOf, this.#follower]) column.push(NONE);
    return id;
  }

  /** The first record in this stream after the one with id `prev`: this one, where there was none yet. */
  #firstAfter(prev: number, stream: Stream, id: number): number {
    const follower = this.#follower[prev] as number;
    if (follower === NONE) {
      this.#follower[prev] = id;
      return id;
    }
    if (this.#streamOf[follower] === stream.id) return follower;
    const place = `${stream.id} ${prev}`;
    const other = this.#followerIn.get(place);
    if (other === undefined) this.#followerIn.set(place, id);
    return other ?? id;
  }

  /** "" where the chain holds, a text where it is open, an object where it fails. */
  #link(stream: Stream, id: number, { prev, seq }: RecordFields, isFirst: boolean): string | Fault {
    const { last } = stream;
    const named = this.#idOf(prev);
    const rival = this.#firstAfter(named, stream, id);
    if (rival !== id) {
      this.#keep("fork", stream.name, rival, id);
      const what = equal(prev, ZERO_DIGEST) ? "begins the same stream" : "follows the same record";
      return { code: "fork", detail: `record number ${this.#index[rival]} ${what}: both are signed, which is evidence` };
    }
    if (equal(prev, ZERO_DIGEST)) {
      if (isFirst) return "";
      const number = stream.name.slice(stream.name.lastIndexOf(" ") + 1);
      return { code: "chain-broken", detail: `it begins stream ${number}, which record number ${stream.firstIndex} is in` };
    }
    if (!isFirst && equal(prev, last.digest)) return "";
    const index = this.#index[named] as number;
    if (index !== NONE) {
      if (this.#streamOf[named] !== stream.id)
        return { code: "chain-foreign", detail: `prev names record number ${index}, of another stream` };
      return { code: "chain-broken", detail: `prev names record number ${index}, and others are in between` };
    }
    if (isFirst) {
      if (this.#broken > 0) return "the record before it is broken or not in the file: the chain is open there";
      return `the file begins at seq ${seq} of this stream: the chain before it is open`;
    }
    if (this.#broken > stream.broken) return "the record before it is broken: the chain is open there";
    return { code: "chain-broken", detail: `prev names a record that is not in the file, after seq ${last.seq}` };
  }
}

/** What changed since the record before, and is no fault. */
function changes(a: Newest, b: Newest, knowsTime: boolean, linked: boolean): string[] {
  const notes: string[] = [];
  if (b.boot > a.boot) notes.push(`rebooted (boot ${a.boot} to ${b.boot})`);
  if (b.seq > a.seq + 1) notes.push(`seq jumps from ${a.seq} to ${b.seq}${linked ? ": numbers were left out, no record" : ""}`);
  if (b.time < a.time && knowsTime) notes.push(`its time is ${a.time - b.time} s before that of the record before`);
  if (a.head !== undefined && b.head !== undefined && b.head.chain === a.head.chain && b.head.number < a.head.number)
    notes.push(`its head is below that of the record before (${a.head.number} to ${b.head.number})`);
  return notes;
}
