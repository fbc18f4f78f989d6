// What the page shows, made of what the parts of the system say: boards by their console and their health topic, records by what motes publish and by what the
// collector says of them, the chain's headers, and what is amiss, in words.
//
// Promises: a record is shown once the collector has stored it, with what the collector says of it and nothing better; everything is bounded
// (bounds.ts), however long the system runs and whatever is published; what changed is told in one piece, a few times a second. Never: looks into a board's memory, or
// takes what anybody may publish for more than a claim.

import { decodeHealth } from "../../firmware/bus/wire.js";
import { toHex } from "../../firmware/bytes.js";
import { ALARM_NAMES } from "../../firmware/chain/follow/vigil.js";
import { decodeSign1, digestOf } from "../../firmware/record/cose.js";
import { numericText } from "../../firmware/record/decimal.js";
import { frameUnits, SEAL_UNITS, UNIT_BYTES } from "../../firmware/record/journal-format.js";
import { decodeRecord } from "../../firmware/record/record.js";
import { resolveSenml } from "../../firmware/record/senml.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { lineOf, type SystemEvent } from "../start/screen.js";
import { plainText } from "../terminal.js";
import {
  NOTES_MAX,
  POINTS_MAX,
  RECORDS_MAX,
  SERIES_PER_BOARD_MAX,
  TEXT_CHARACTERS_MAX,
  TROUBLES_MAX,
  UNSTORED_MAX,
} from "./bounds.js";
import { HeaderBook, type ShownHeader, trim, type Validators } from "./headers.js";

const DIGEST_DIGITS = 64;

/** "waits": not known yet; "off": nothing checks that here. */
export type Check = "waits" | "holds" | "fails" | "off";

export interface ShownRecord {
  /** Digest in hexadecimal. */
  readonly key: string;
  /** Number of the board, or 0 of a mote that is none of ours. */
  board: number;
  readonly mote: string;
  readonly stream: number;
  readonly seq: number;
  readonly boot: number;
  /** As the mote says itself, in seconds since the Unix epoch; 0 where it has none. */
  readonly timeS: number;
  readonly timeQuality: number;
  readonly head?: { readonly number: number; readonly hash: string };
  readonly values: readonly { readonly name: string; readonly unit: string; readonly value: string }[];
  readonly checks: { readonly signature: Check; readonly chain: Check; readonly head: Check; readonly anchored: Check };
  /** In words, of what does not hold, or is missing in front of it. */
  readonly notes: readonly string[];
  /** It was not made before: the time of the block that it names. */
  readonly notBeforeS?: number;
  /** It was not made after: the time of the block that anchors it. */
  readonly notAfter?: { readonly timeS: number; readonly block: number };
  /** When the collector had it, by this machine's clock, in seconds: its word alone. */
  readonly storedS?: number;
}

export interface ShownBoard {
  readonly id: number;
  readonly address?: string;
  /** "dark": its plug is out; "restarting": it ended by itself. */
  readonly power: "starting" | "on" | "dark" | "restarting";
  /** As its health topic says: unsigned. */
  readonly online?: boolean;
  readonly boot?: number;
  readonly head?: { readonly number: number; readonly hash: string; readonly timeS: number; readonly settled: number };
  readonly timeQuality?: number;
  readonly alarm?: string;
  /** Records that are not stored yet, and about how many fit. */
  readonly waiting?: number;
  readonly fits?: number;
  readonly heap?: { readonly peakBytes: number; readonly ofBytes: number };
  /** As its own proof says. */
  readonly proven?: { readonly status: string; readonly sinceBlock: number; readonly block: number };
  /** As the registry's node says. */
  readonly registry?: { readonly status: string; readonly sinceBlock: number };
  readonly refusals: number;
  readonly lastSeq?: number;
}

export interface Note {
  readonly id: number;
  readonly atMs: number;
  readonly source: string;
  readonly text: string;
  readonly isBad: boolean;
}

/** One sensor of one board; points ascend by time. */
interface Series {
  readonly name: string;
  readonly unit: string;
  readonly points: (readonly [timeS: number, seq: number, value: number, boot: number])[];
}

export interface Facts {
  readonly phase: "starting" | "running" | "ending" | "failed";
  readonly words: string;
  readonly version: string;
  readonly boards: number;
  readonly engine: string;
  readonly chain?: string;
  readonly node?: string;
  readonly broker?: string;
  readonly collector?: string;
  readonly fleet?: string;
  readonly hasRegistry?: boolean;
  readonly anchors?: boolean;
}

/** What changed since the last time; each list has whole entries, to be put in the place of those with the same key. */
export interface Change {
  nowMs: number;
  facts?: Facts;
  boards?: readonly ShownBoard[];
  records?: readonly ShownRecord[];
  headers?: readonly ShownHeader[];
  validators?: Validators;
  notes?: readonly Note[];
  /** All of them. */
  troubles?: readonly { readonly part: string; readonly text: string; readonly sinceMs: number }[];
  faults?: object;
}

/** A record that was published; the collector may not have said anything of it yet. */
type Told = Pick<ShownRecord, "checks" | "notes" | "notAfter" | "storedS">;

export interface ModelOptions {
  readonly version: string;
  readonly boards: number;
  /** Where the firmware runs, for a person. */
  readonly engine: string;
  /** Size of the boards' journals, in bytes. */
  readonly journalBytes: number;
  readonly nowMs?: () => number;
}

export class Model {
  readonly #options: ModelOptions;
  readonly #nowMs: () => number;
  readonly #boards = new Map<number, ShownBoard>();
  /** Lower-case addresses of boards. */
  readonly #byAddress = new Map<string, number>();
  readonly #records = new Map<string, ShownRecord>();
  /** By digest: published and not stored, or the other way round. */
  readonly #unstored = new Map<string, ShownRecord>();
  readonly #told = new Map<string, Told>();
  readonly #notes: Note[] = [];
  readonly #troubles = new Map<string, { part: string; text: string; sinceMs: number }>();
  readonly #series = new Map<number, Map<string, Series>>();
  #headers = new HeaderBook(undefined);
  #toldValidators: Validators | undefined;
  #facts: Facts;
  #noteId = 0;
  #anchors = false;
  readonly #dirty = {
    facts: false,
    boards: new Set<number>(),
    records: new Set<string>(),
    headers: new Set<string>(),
    notes: 0,
    troubles: false,
  };

  constructor(options: ModelOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
    const { version, boards, engine: where } = options;
    this.#facts = {
      phase: "starting",
      words: "The parts are coming up; the first time in a folder takes longest.",
      version,
      boards,
      engine: where,
    };
    for (let id = 1; id <= boards; id += 1) this.#boards.set(id, { id, power: "starting", refusals: 0 });
  }

  /** What is known of the system as a whole. */
  tell(facts: Partial<Facts>): void {
    this.#facts = { ...this.#facts, ...facts };
    this.#dirty.facts = true;
  }

  /** The chain that the motes follow from now on. */
  follow(checkpoint: unknown, anchors: boolean): void {
    this.#headers = new HeaderBook(checkpoint);
    this.#anchors = anchors;
  }

  /** A board's plug was pulled or put in. */
  power(id: number, power: ShownBoard["power"]): void {
    this.#board(id, { power, ...(power === "dark" ? { online: false } : {}) });
  }

  note(source: string, text: string, isBad = false): void {
    this.#noteId += 1;
    this.#notes.push({ id: this.#noteId, atMs: this.#nowMs(), source, text: plainText(text, TEXT_CHARACTERS_MAX), isBad });
    if (this.#notes.length > NOTES_MAX) this.#notes.shift();
    this.#dirty.notes += 1;
  }

  /** Something does not work, until `well` says otherwise. */
  amiss(part: string, text: string): void {
    const { sinceMs = this.#nowMs() } = this.#troubles.get(part) ?? {};
    if (this.#troubles.size >= TROUBLES_MAX && !this.#troubles.has(part)) return;
    this.#troubles.set(part, { part, text: plainText(text, TEXT_CHARACTERS_MAX), sinceMs });
    this.#dirty.troubles = true;
  }

  well(part: string): void {
    if (this.#troubles.delete(part)) this.#dirty.troubles = true;
  }

  /** An event of one part of the system. */
  take(source: string, event: SystemEvent): void {
    const board = /^mote (\d+)$/.exec(source)?.[1];
    if (board !== undefined) this.#boardSays(Number(board), event);
    else if (source === "collector") this.#collectorSays(event);
    this.#watchParts(source, event);
    const line = lineOf(source, event, this.#whose(event));
    if (line?.style === "yellow" || line?.style === "red") this.note(source, `${line.word}: ${line.text}`, line.style === "red");
  }

  #whose({ mote }: SystemEvent): string {
    const id = typeof mote === "string" ? this.#byAddress.get(mote.toLowerCase()) : undefined;
    return id === undefined ? "" : `mote ${id} `;
  }

  #board(id: number, change: Partial<ShownBoard>): void {
    const board = this.#boards.get(id);
    if (board === undefined) return;
    this.#boards.set(id, { ...board, ...change });
    this.#dirty.boards.add(id);
  }

  #boardSays(id: number, event: SystemEvent): void {
    const board = this.#boards.get(id);
    const change = board === undefined ? undefined : this.#changeBy(board, event);
    if (change !== undefined) this.#board(id, change);
  }

  /** What an event of a board changes of what is shown of it. */
  #changeBy(board: ShownBoard, event: SystemEvent): Partial<ShownBoard> | undefined {
    const { id } = board;
    const number = (name: string): number => Number(event[name]);
    const text = (name: string): string => plainText(String(event[name] ?? ""), 120);
    switch (event.event) {
      case "boot":
        return { power: "on", boot: number("boot"), waiting: number("pending"), alarm: "none" };
      case "key": {
        const address = text("address").toLowerCase();
        this.#byAddress.set(address, id);
        return { address };
      }
      case "time":
        return { timeQuality: number("timeQuality") };
      case "head": {
        const [hash, timeS] = [text("hash"), number("timeS")];
        this.#headersChanged(this.#headers.verified(id, number("number"), hash, timeS));
        return { head: { number: number("number"), hash, timeS, settled: number("settled") } };
      }
      case "record":
        return {
          waiting: (board.waiting ?? 0) + 1,
          lastSeq: number("seq"),
          timeQuality: number("timeQuality"),
          fits: Math.floor(this.#options.journalBytes / journalBytesOf(number("bytes"))),
        };
      case "stored":
        return { waiting: Math.max(0, (board.waiting ?? 1) - 1) };
      case "anchored":
        this.#anchoredBy(board.address ?? "", number("from"), number("through"), number("block"), number("timeS"));
        return undefined;
      case "alarm":
        return { alarm: text("alarm") };
      case "registry":
        return { proven: { status: text("status"), sinceBlock: number("sinceBlock"), block: number("block") } };
      case "refused":
        return { refusals: board.refusals + 1 };
      case "link":
        return event.state === "up" || event.state === "down" ? { online: event.state === "up" } : undefined;
      case "engine":
        return typeof event.heapPeakBytes === "number"
          ? { heap: { peakBytes: event.heapPeakBytes, ofBytes: number("memoryBytes") } }
          : undefined;
      case "ended":
        return { power: "restarting", online: false };
      default:
        return undefined;
    }
  }

  #collectorSays(event: SystemEvent): void {
    const digest = typeof event.digest === "string" && event.digest.length === DIGEST_DIGITS ? event.digest : undefined;
    if (digest !== undefined) this.#recordSays(digest, event);
    if (event.event === "evidence")
      for (const place of [event.a, event.b] as ({ digest?: unknown } | undefined)[])
        if (typeof place?.digest === "string")
          this.#mark(place.digest, { chain: "fails" }, `contradicts another record of the same key (${String(event.kind)})`);
    if (event.event === "head-foreign" || event.event === "head-orphaned") this.#headFails(event);
  }

  /** What the collector says of one record. */
  #recordSays(digest: string, event: SystemEvent): void {
    switch (event.event) {
      case "stored":
        this.#stored(digest);
        break;
      case "verified":
        this.#mark(digest, { chain: "holds", head: "holds" });
        break;
      case "gap":
        this.#mark(digest, {}, "the record before it is missing");
        break;
      case "gap-closed":
        this.#mark(digest, {}, "the record that was missing before it has come");
        break;
      case "rejudged":
        this.#mark(
          digest,
          { head: event.to === "known" ? "holds" : "fails" },
          `its head was ${String(event.from)} and is ${String(event.to)}`,
        );
        break;
      case "anchored":
        this.#anchoredBy(
          String(event.mote).toLowerCase(),
          0,
          Number(event.seq),
          Number(event.block),
          Number(event.timeS),
          Number(event.stream),
        );
        break;
    }
  }

  #headFails({ event, hash }: SystemEvent): void {
    const bare = String(hash).replace(/^0x/, "");
    for (const record of this.#records.values())
      if (record.head?.hash === bare) this.#mark(record.key, { head: "fails" }, `its head is ${event.slice("head-".length)}`);
  }

  /** Of one mote, all that leads up to a record stands on the chain with it. */
  #anchoredBy(mote: string, from: number, through: number, block: number, timeS: number, stream?: number): void {
    for (const record of this.#records.values()) {
      if (record.mote !== mote || record.seq < from || record.seq > through || record.notAfter !== undefined) continue;
      if (stream !== undefined && record.stream !== stream) continue;
      this.#set({ ...record, notAfter: { timeS, block }, checks: { ...record.checks, anchored: "holds" } });
    }
  }

  #stored(digest: string): void {
    const shown = this.#records.get(digest);
    if (shown !== undefined) return;
    const record = this.#unstored.get(digest);
    this.#mark(digest, { signature: "holds" });
    if (record === undefined) return;
    this.#unstored.delete(digest);
    this.#show(record);
  }

  /** What the collector says of a record, whether or not it is here yet. */
  #mark(digest: string, checks: Partial<ShownRecord["checks"]>, note?: string): void {
    const record = this.#records.get(digest);
    const before = record ?? this.#told.get(digest) ?? { checks: this.#open(), notes: [] };
    const notes = note === undefined || before.notes.includes(note) ? before.notes : [...before.notes, note].slice(-4);
    // What contradicts another record does so whatever else holds of it.
    const contradicted = before.checks.chain === "fails" ? { chain: "fails" as const } : {};
    const told: Told = {
      ...before,
      storedS: before.storedS ?? this.#nowMs() / 1000,
      checks: { ...before.checks, ...checks, ...contradicted },
      notes,
    };
    if (record !== undefined) this.#set({ ...record, ...told });
    else this.#told.set(digest, told);
    trim(this.#told, UNSTORED_MAX);
  }

  #open(): ShownRecord["checks"] {
    return { signature: "waits", chain: "waits", head: "waits", anchored: this.#anchors ? "waits" : "off" };
  }

  #set(record: ShownRecord): void {
    this.#records.set(record.key, record);
    this.#dirty.records.add(record.key);
  }

  #show(record: ShownRecord): void {
    const told = this.#told.get(record.key);
    this.#told.delete(record.key);
    const notBeforeS = record.head === undefined ? undefined : this.#headers.timeOf(record.head.number);
    const notes = [...record.notes, ...(told?.notes ?? [])];
    this.#set({ ...record, ...told, notes, ...(notBeforeS === undefined ? {} : { notBeforeS }) });
    trim(this.#records, RECORDS_MAX);
    this.#plot(record);
  }

  #plot({ board, values, timeS, seq, boot }: ShownRecord): void {
    if (board === 0 || timeS === 0) return;
    const ofBoard = this.#series.get(board) ?? new Map<string, Series>();
    this.#series.set(board, ofBoard);
    for (const { name, unit, value } of values) {
      const key = `${name} ${unit}`;
      if (!ofBoard.has(key) && ofBoard.size >= SERIES_PER_BOARD_MAX) continue;
      const series = ofBoard.get(key) ?? { name, unit, points: [] };
      ofBoard.set(key, series);
      const { points } = series;
      // Of a backlog older ones come later.
      let at = points.length;
      while (at > 0 && (points[at - 1]?.[0] as number) > timeS) at -= 1;
      points.splice(at, 0, [timeS, seq, Number(value), boot]);
      if (points.length > POINTS_MAX) points.shift();
    }
  }

  /** Values of a board's sensors; undefined where there is no such board. */
  series(board: number): object | undefined {
    if (!this.#boards.has(board)) return undefined;
    return { board, pointsMax: POINTS_MAX, series: [...(this.#series.get(board)?.values() ?? [])] };
  }

  /** Something that was published on a records topic: a claim, until the collector has stored it. */
  published(message: Uint8Array): void {
    const sign1 = decodeSign1(message);
    const fields = sign1 instanceof Rejection ? sign1 : decodeRecord(sign1.payload);
    if (sign1 instanceof Rejection || fields instanceof Rejection) return;
    const key = toHex(digestOf(engine, sign1.kid, sign1.payload));
    if (this.#records.has(key) || this.#unstored.has(key)) return;
    const mote = `0x${toHex(sign1.kid)}`;
    const { stream, seq, boot, time, timeQuality, head, measurements, gap } = fields;
    const record: ShownRecord = {
      ...{ key, board: this.#byAddress.get(mote) ?? 0, mote, stream, seq, boot, timeS: time, timeQuality },
      ...(head === undefined ? {} : { head: { number: head.number, hash: toHex(head.hash) } }),
      values: resolveSenml(measurements, time).map(({ name, unit = "", value }) => ({ name, unit, value: numericText(value) })),
      checks: this.#open(),
      notes: gap === undefined ? [] : [`${gap} samples were lost before it`],
    };
    if (this.#told.get(key)?.checks.signature === "holds") this.#show(record);
    else this.#unstored.set(key, record);
    trim(this.#unstored, UNSTORED_MAX);
  }

  /** What stands on a mote's health topic: unsigned. */
  health(mote: string, message: Uint8Array): void {
    const id = this.#byAddress.get(mote.toLowerCase());
    const health = decodeHealth(message);
    if (id === undefined || health instanceof Rejection) return;
    const alarm = ALARM_NAMES[health.alarm] ?? String(health.alarm);
    this.#board(id, health.online ? { online: true, waiting: health.pending, alarm } : { online: false });
  }

  /** What stands on the chain's head topic. */
  announced(raw: Uint8Array): void {
    this.#headersChanged(this.#headers.announced(raw));
  }

  #headersChanged(headers: readonly ShownHeader[]): void {
    for (const { hash } of headers) this.#dirty.headers.add(hash);
  }

  /** Parts that come and go; what they are is said where they are gone. */
  #watchParts(source: string, event: SystemEvent): void {
    const to = String(event.to ?? "");
    if (event.event === "ended" && !source.startsWith("mote"))
      this.amiss(
        source,
        `The ${source} ended by itself (${String(event.how)}) and is started again in ${Number(event.restartMs)} ms.`,
      );
    if (event.event === "lost")
      this.amiss(`${source} ${to}`, `The ${source} has lost the ${to}: ${String(event.reason)}. It tries again by itself.`);
    if (event.event === "connected") this.well(`${source} ${to === "" ? "broker" : to}`);
    if (event.event === "back") this.well(`${source} ${to}`);
    if (source === "collector" && (event.event === "connected" || event.event === "collecting")) this.well("collector");
    if (source === "collector" && event.event === "stored") this.well("collector store");
    if (source === "relay" && (event.event === "head" || event.event === "connected")) this.well("node");
    if (source === "relay" && event.event === "head") this.well("relay node");
    if (source === "registrar" && (event.event === "status" || event.event === "enrolled")) this.well("registrar registry");
    if (source === "registrar" && event.event === "status") {
      const id = this.#byAddress.get(String(event.mote).toLowerCase());
      if (id !== undefined) this.#board(id, { registry: { status: String(event.status), sinceBlock: Number(event.block) } });
    }
    if (event.event === "quarantined" || event.event === "quarantined-since") {
      const id = this.#byAddress.get(String(event.mote).toLowerCase());
      if (id !== undefined) this.#board(id, { registry: { status: "quarantined", sinceBlock: Number(event.block) } });
    }
  }

  /** Everything, for a page that has just come. */
  all(): Change {
    return {
      nowMs: this.#nowMs(),
      facts: this.#facts,
      boards: [...this.#boards.values()],
      records: [...this.#records.values()],
      headers: this.#headers.all,
      ...(this.#headers.validators === undefined ? {} : { validators: this.#headers.validators }),
      notes: this.#notes,
      troubles: [...this.#troubles.values()],
    };
  }

  /** What changed since this was last called; undefined where nothing did. */
  change(): Change | undefined {
    const dirty = this.#dirty;
    const change: Change = { nowMs: this.#nowMs() };
    if (dirty.facts) change.facts = this.#facts;
    if (dirty.boards.size > 0) change.boards = [...dirty.boards].map((id) => this.#boards.get(id) as ShownBoard);
    const records = [...dirty.records].map((key) => this.#records.get(key)).filter((record) => record !== undefined);
    if (records.length > 0) change.records = records;
    const headers = this.#headers.all.filter(({ hash }) => dirty.headers.has(hash));
    if (headers.length > 0) change.headers = headers;
    const { validators } = this.#headers;
    if (validators !== undefined && validators !== this.#toldValidators) change.validators = validators;
    this.#toldValidators = validators;
    if (dirty.notes > 0) change.notes = this.#notes.slice(-dirty.notes);
    if (dirty.troubles) change.troubles = [...this.#troubles.values()];
    dirty.facts = dirty.troubles = false;
    dirty.notes = 0;
    for (const set of [dirty.boards, dirty.records, dirty.headers]) set.clear();
    return Object.keys(change).length > 1 ? change : undefined;
  }
}

/** What a record of so many bytes of payload takes of a journal: two frames, each in whole units. */
function journalBytesOf(payloadBytes: number): number {
  return (frameUnits(payloadBytes) + SEAL_UNITS) * UNIT_BYTES;
}
