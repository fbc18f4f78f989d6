// Judges records one after the other, without any network: form, signature and address, payload, seq, hash chain.
//
// Promises: each check of each record holds, fails with a reason, or is open where the file does not hold what it would
// take; one fault is told once, at the record that has it; two signed records that contradict each other are kept as
// evidence. Never: believes a record that its signature does not cover.

import { equal, toHex } from "../../firmware/bytes.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { verifySign1 } from "../../firmware/record/cose.js";
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
  /** `equivocation`: one place (mote, fleet, stream, seq), two payloads. `fork`: one predecessor, two successors. */
  readonly kind: "equivocation" | "fork";
  /** 0x… */
  readonly mote: string;
  readonly records: readonly [Seen, Seen];
}

export interface Seen {
  /** From 1. */
  readonly index: number;
  readonly digest: Uint8Array;
  readonly fields: RecordFields;
  /** The COSE_Sign1. */
  readonly bytes: Uint8Array;
}

interface Stream {
  last: Seen;
  first: Seen;
  /** How many broken pieces had been met when `last` came. */
  broken: number;
}

const ZERO_DIGEST = new Uint8Array(32);

export class Judge {
  readonly #engine: CryptoEngine;
  /** By digest. */
  readonly #records = new Map<string, Seen & { readonly stream: string }>();
  /** By mote, fleet, stream and seq. */
  readonly #places = new Map<string, Seen>();
  /** By mote, fleet and stream, and the digest that is followed. */
  readonly #successors = new Map<string, Seen>();
  readonly #streams = new Map<string, Stream>();
  readonly #motes = new Set<string>();
  readonly #evidence: Evidence[] = [];
  #index = 0;
  #broken = 0;

  constructor(engine: CryptoEngine) {
    this.#engine = engine;
  }

  get motes(): number {
    return this.#motes.size;
  }

  /** In the order in which it was found. */
  get evidence(): readonly Evidence[] {
    return this.#evidence;
  }

  judge({ offset, bytes, parts }: Piece): Verdict {
    this.#index += 1;
    const base = { index: this.#index, offset, length: bytes.length, notes: [] };
    if (parts instanceof Rejection) return this.#broke({ ...base, holds: [] }, "form", parts);
    const claimed = decodeRecord(parts.payload);
    const claims = { mote: `0x${toHex(parts.kid)}`, ...(claimed instanceof Rejection ? {} : { fields: claimed }) };
    const verified = verifySign1(this.#engine, bytes);
    if (verified instanceof Rejection) return this.#broke({ ...base, ...claims, holds: ["form"] }, "signature", verified);
    if (claimed instanceof Rejection)
      return this.#broke({ ...base, ...claims, holds: ["form", "signature"] }, "payload", claimed);
    this.#motes.add(claims.mote);
    return this.#place(
      { ...base, ...claims, digest: toHex(verified.digest), holds: ["form", "signature", "payload"] },
      { index: this.#index, digest: verified.digest, bytes, fields: claimed },
    );
  }

  #broke(verdict: Verdict, check: Check, { code, detail }: Rejection): Verdict {
    this.#broken += 1;
    return { ...verdict, fault: { check, code, detail } };
  }

  /** Seq and hash chain of a record that is a mote's own. */
  #place(verdict: Verdict, seen: Seen): Verdict {
    const { digest, fields } = seen;
    const fleet = `${verdict.mote} ${toHex(fields.fleet.registry)} ${fields.fleet.chain}`;
    const name = `${fleet} ${fields.stream}`;
    const twin = this.#records.get(toHex(digest));
    if (twin !== undefined) return { ...verdict, holds: CHECKS, notes: [`the same record as number ${twin.index}`] };
    this.#records.set(toHex(digest), { ...seen, stream: name });
    const stream = this.#streams.get(name);
    const seqFault = this.#seqFault(name, seen, stream);
    if (seqFault !== undefined) return { ...verdict, fault: { check: "seq", ...seqFault } };
    const before = stream === undefined || this.#broken > stream.broken ? undefined : stream.last;
    const link = this.#link(name, seen, stream);
    const notes = before === undefined ? [] : changes(before, seen, link === "");
    if (fields.gap !== undefined)
      notes.unshift(`${fields.gap} sample${fields.gap === 1 ? " was" : "s were"} lost before it (gap)`);
    const brokenBefore = this.#broken;
    if (stream === undefined) this.#streams.set(name, { first: seen, last: seen, broken: brokenBefore });
    else Object.assign(stream, { last: seen, broken: brokenBefore });
    if (typeof link === "object")
      return { ...verdict, holds: [...verdict.holds, "seq"], fault: { check: "chain", ...link }, notes };
    if (link !== "") return { ...verdict, holds: [...verdict.holds, "seq"], notes: [link, ...notes] };
    return { ...verdict, holds: CHECKS, notes };
  }

  #seqFault(name: string, seen: Seen, stream: Stream | undefined): { code: string; detail: string } | undefined {
    const { seq, boot } = seen.fields;
    const place = `${name} ${seq}`;
    const other = this.#places.get(place);
    if (other !== undefined) {
      this.#keep("equivocation", name, other, seen);
      const detail = `record number ${other.index} has seq ${seq} too, with another payload: both are signed, which is evidence`;
      return { code: "equivocation", detail };
    }
    this.#places.set(place, seen);
    if (stream === undefined) return undefined;
    const last = stream.last;
    if (seq < last.fields.seq)
      return { code: "seq-not-rising", detail: `seq ${seq} comes after seq ${last.fields.seq} (record number ${last.index})` };
    if (boot < last.fields.boot)
      return {
        code: "boot-not-rising",
        detail: `boot ${boot} comes after boot ${last.fields.boot} (record number ${last.index})`,
      };
    return undefined;
  }

  #keep(kind: Evidence["kind"], name: string, a: Seen, b: Seen): void {
    this.#evidence.push({ kind, mote: name.slice(0, name.indexOf(" ")), records: [a, b] });
  }

  /** "" where the chain holds, a text where it is open, an object where it fails. */
  #link(name: string, seen: Seen, stream: Stream | undefined): "" | string | { code: string; detail: string } {
    const { prev } = seen.fields;
    const successor = `${name} ${toHex(prev)}`;
    const rival = this.#successors.get(successor);
    this.#successors.set(successor, rival ?? seen);
    if (rival !== undefined) {
      this.#keep("fork", name, rival, seen);
      const what = equal(prev, ZERO_DIGEST) ? "begins the same stream" : "follows the same record";
      return { code: "fork", detail: `record number ${rival.index} ${what}: both are signed, which is evidence` };
    }
    if (equal(prev, ZERO_DIGEST)) {
      if (stream === undefined) return "";
      return {
        code: "chain-broken",
        detail: `it begins stream ${seen.fields.stream}, which record number ${stream.first.index} is in`,
      };
    }
    if (stream !== undefined && equal(prev, stream.last.digest)) return "";
    const named = this.#records.get(toHex(prev));
    if (named !== undefined) {
      if (named.stream !== name)
        return { code: "chain-foreign", detail: `prev names record number ${named.index}, of another stream` };
      return { code: "chain-broken", detail: `prev names record number ${named.index}, and others are in between` };
    }
    if (stream === undefined) {
      if (this.#broken > 0) return "the record before it is broken or not in the file: the chain is open there";
      return `the file begins at seq ${seen.fields.seq} of this stream: the chain before it is open`;
    }
    if (this.#broken > stream.broken) return "the record before it is broken: the chain is open there";
    return { code: "chain-broken", detail: `prev names a record that is not in the file, after seq ${stream.last.fields.seq}` };
  }
}

/** What changed since the record before, and is no fault. */
function changes(before: Seen, after: Seen, linked: boolean): string[] {
  const [a, b] = [before.fields, after.fields];
  const notes: string[] = [];
  if (b.boot > a.boot) notes.push(`rebooted (boot ${a.boot} to ${b.boot})`);
  if (b.seq > a.seq + 1) notes.push(`seq jumps from ${a.seq} to ${b.seq}${linked ? ": numbers were left out, no record" : ""}`);
  if (b.time < a.time && b.timeQuality > 0) notes.push(`its time is ${a.time - b.time} s before that of the record before`);
  if (a.head !== undefined && b.head !== undefined && b.head.chain === a.head.chain && b.head.number < a.head.number)
    notes.push(`its head is below that of the record before (${a.head.number} to ${b.head.number})`);
  return notes;
}
