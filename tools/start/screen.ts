// What `chainmote start` shows: a line per event that a person wants to see, or an object per event for machines.
//
// Promises: every event of every part goes to the machine's output with its source; a person gets the course of each
// record and what is amiss, and the rest with --verbose. Where lines can stay on the terminal, the state of the system stays below the
// events (status.ts). Everything goes to the log file besides. Never: shows a secret.

import { engineName, type GuestEngine, memoryBytesOf } from "../../host-sim/engine/engines.js";
import { canStay, type LiveLines } from "../live-lines.js";
import type { BoundedLog } from "../processes/bounded-log.js";
import { Progress } from "../progress.js";
import { count, type Output, plainText, plural, type Style, shortHex, shownPath } from "../terminal.js";
import { Status } from "./status.js";

export interface SystemEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface Line {
  readonly word: string;
  readonly text: string;
  readonly style?: Style;
}

/** What stays below the events of so many boards. */
export interface Block {
  readonly lines: LiveLines;
  readonly boards: number;
}

const WORD_WIDTH = 10;
const BLOCK_MS = 250;
const VALUES_SHOWN_MAX = 4;
const VALUE_CHARACTERS_MAX = 60;
/** Of a mote's calls, those in which nothing is amiss. */
const CALL_STATES = ["sent", "raised", "done", "nonce-used"];

export class Screen {
  readonly #output: Output;
  readonly #log: BoundedLog;
  readonly #json: boolean;
  readonly #verbose: boolean;
  readonly #startedMs = performance.now();
  /** Which mote has an address. */
  readonly #motes = new Map<string, string>();
  /** Of each mote, the highest number that was told as delivered. */
  readonly #delivered = new Map<string, number>();
  readonly #status: Status | undefined;
  #block: LiveLines | undefined;
  #blockTimer: NodeJS.Timeout | undefined;
  /** Of an engine that is built. */
  #building: Progress | undefined;
  #hasGoneOn = false;
  #sourceWidth = 9;

  /** @param options `block` only where a person reads the output itself */
  constructor(output: Output, log: BoundedLog, options: { json: boolean; verbose: boolean; block?: Block }) {
    this.#output = output;
    this.#log = log;
    this.#json = options.json;
    this.#verbose = options.verbose;
    const { block } = options;
    if (block === undefined || this.#json || !block.lines.canStay) return;
    this.#block = block.lines;
    this.#status = new Status(block.boards);
  }

  /** From now on the state stays below the lines, in which the system is said to be `doing` that. */
  keep(doing: string): void {
    const status = this.#status;
    if (status === undefined || this.#block === undefined) return;
    this.#building?.clear();
    status.doing(doing);
    this.#draw(status, this.#block);
    this.#blockTimer ??= setInterval(() => this.#block && this.#draw(status, this.#block), BLOCK_MS).unref();
  }

  #draw(status: Status, block: LiveLines): void {
    const paint: Output["style"] = (style, text) => this.#output.style(style, text);
    block.show((columns, rowsMax) => status.lines(columns, rowsMax, this.elapsedS, performance.now(), paint));
  }

  /** The state goes away, for what is told at the end. */
  close(): void {
    clearInterval(this.#blockTimer);
    this.#building?.clear();
    this.#block?.clear();
    this.#block = undefined;
  }

  get elapsedS(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  /** An event of one part of the system. */
  show(source: string, event: SystemEvent): void {
    if (event.event === "key" && typeof event.address === "string") this.#motes.set(event.address.toLowerCase(), source);
    const object = JSON.stringify({ t: Math.round(this.elapsedS * 1000) / 1000, source, ...event });
    this.#log.line(object);
    if (this.#json) {
      this.#output.line(object);
      return;
    }
    this.#status?.take(source, event, performance.now());
    if (event.event === "collecting") this.#tellBeginning(event);
    if (event.event === "building" && this.#showsBuilding(event)) return;
    const known = this.#isAgain(source, event) ? undefined : lineOf(source, event, this.#whose(event));
    const line = known ?? (this.#verbose ? rawLine(event) : undefined);
    if (line !== undefined) this.#row(source, line);
  }

  /** What a data folder has already, which this run goes on from. */
  #tellBeginning(event: SystemEvent): void {
    if (this.#hasGoneOn) return; // the collector began anew
    this.#hasGoneOn = true;
    const text = beginningText(event);
    if (text !== undefined) this.fact("goes on", text, event);
  }

  /** True where a bar shows how far an engine is built. */
  #showsBuilding({ text, share }: SystemEvent): boolean {
    if (typeof share !== "number" || !canStay(process.stderr)) return false;
    this.#building ??= new Progress("chainmote");
    this.#building.step(String(text), share);
    return true;
  }

  /** Whether a record is delivered once more, as it is until its receipt comes: nothing new to a person. */
  #isAgain(source: string, { event, seq }: SystemEvent): boolean {
    const told = this.#delivered.get(source) ?? 0;
    if (event === "record" && Number(seq) <= told) this.#delivered.set(source, Number(seq) - 1); // a stream began
    if (event !== "delivered" || typeof seq !== "number") return false;
    this.#delivered.set(source, Math.max(told, seq));
    return seq <= told;
  }

  /** "mote 2 " of an event that names a mote by its address. */
  #whose(event: SystemEvent): string {
    const name = typeof event.mote === "string" ? this.#motes.get(event.mote.toLowerCase()) : undefined;
    return name === undefined ? "" : `${name} `;
  }

  /** Words for people alone. */
  say(text = ""): void {
    if (!this.#json) this.#output.line(text);
  }

  /** Advice to a person, once something has gone on for a while. */
  hint(text: string): void {
    if (!this.#json) this.#row("", { word: "hint", text, style: "dim" });
  }

  /** A fact about the system that is about to run. */
  fact(name: string, value: string, event: SystemEvent): void {
    if (this.#json) this.show("start", event);
    else this.#output.line(`  ${this.#output.style("dim", name.padEnd(11))} ${value}`);
  }

  /** Where the boards' firmware is about to run. */
  engine(engine: GuestEngine): void {
    const { built, memory, crypto } = engine;
    const bytes = memoryBytesOf(engine);
    const where = built.target === "rv32" ? "XS on an emulated RISC-V chip" : `XS, ${built.target === "m32" ? 32 : 64}-bit`;
    const whose = memory === "roomy" ? "a roomy memory" : `the memory of an ${memory}`;
    const event = { event: "engine", engine: engineName(engine), target: built.target, board: memory, crypto };
    this.fact("engine", `${where}, ${whose} (${count(bytes)} bytes), ${crypto} crypto`, { ...event, memoryBytes: bytes });
  }

  /** The end, for machines and the log. */
  summary(event: SystemEvent): void {
    if (this.#json) this.show("start", event);
    else this.#log.line(JSON.stringify(event));
  }

  #row(source: string, { word, text, style }: Line): void {
    this.#sourceWidth = Math.max(this.#sourceWidth, source.length);
    const time = this.#output.style("dim", `${this.elapsedS.toFixed(1).padStart(6)} s`);
    const padded = word.padEnd(WORD_WIDTH);
    const shown = style === undefined ? padded : this.#output.style(style, padded);
    this.#output.line(`${time}  ${source.padEnd(this.#sourceWidth)}  ${shown} ${text}`.trimEnd());
  }
}

/**
 * The line that a person gets for an event, or undefined where it belongs to the rest.
 * @param whose the mote that it is about, where another part tells it
 */
export function lineOf(source: string, event: SystemEvent, whose: string): Line | undefined {
  const number = (name: string): number => Number(event[name]);
  const text = (name: string): string => plainText(String(event[name] ?? ""), 160);
  const amiss = (word: string, words: string): Line => ({ word, text: words, style: "yellow" });
  if (source.startsWith("mote"))
    switch (event.event) {
      case "key":
        return { word: "key", text: `${text("address")}${event.created === true ? ", made now" : ""}` };
      case "head": {
        const more = number("verified") > 1 ? `  (${number("verified")} headers)` : "";
        return { word: "head", text: `#${number("number")} ${shortHex(text("hash"))} verified${more}` };
      }
      case "record": {
        const what = event.type === undefined ? measured(event) : `of type ${number("type")}  `;
        return { word: "record", text: `seq ${number("seq")}  ${what}after block #${number("head")}`, style: "cyan" };
      }
      case "registry": {
        const words = `${text("status")} since block #${number("sinceBlock")}, proven at #${number("block")}`;
        if (event.status === "active") return { word: "registry", text: `${words}, role ${number("role")}`, style: "green" };
        return event.status === "absent"
          ? { word: "registry", text: `not in it, proven at #${number("block")}` }
          : amiss("registry", words);
      }
      case "enrolment":
        if (event.state === "ended") return undefined;
        return { word: "enrolment", text: `${text("state")}, counter ${number("counter")}, to block #${number("expiryBlock")}` };
      case "transaction": {
        const words = `nonce ${number("nonce")}: ${text("state")}`;
        return CALL_STATES.includes(text("state")) ? { word: "call", text: words } : amiss("call", words);
      }
      case "delivered":
        return { word: "delivered", text: `seq ${number("seq")}` };
      case "stored":
        return { word: "stored", text: `seq ${number("seq")}, its receipt holds`, style: "green" };
      case "anchored": {
        const which = event.from === event.through ? "" : `${number("from")} to `;
        return {
          word: "anchored",
          text: `seq ${which}${number("through")}, proven in block #${number("block")}`,
          style: "green",
        };
      }
      case "not-stored":
        return amiss("not stored", `seq ${number("seq")}, the collector refuses it: ${text("reason")}`);
      case "set-aside":
        return amiss("set aside", `${number("records")} records ${text("reason")}`);
      case "overwritten":
        return amiss("gone", `up to ${number("records")} records were overwritten that nobody has stored`);
      case "jump":
        return amiss(
          "jump",
          `to #${number("number")}, ${number("blocks")} blocks on${event.linked === true ? "" : ", not linked by hash"}`,
        );
      case "alarm":
        return amiss("alarm", `${text("alarm")} at #${number("head")}`);
      case "reorg":
        return amiss(
          "reorg",
          `to #${number("number")}, ${number("depth")} deep${event.revoked === undefined ? "" : `, ${number("revoked")} had counted as settled`}`,
        );
      case "gap":
        return amiss("gap", event.samples === undefined ? text("reason") : `${number("samples")} lost: ${text("reason")}`);
      case "command": {
        const why = event.reason === undefined ? "" : ` (${text("reason")})`;
        return {
          word: "command",
          text: `${text("action")} ${number("counter")} of ${shortHex(text("commander"))}: ${text("outcome")}${why}`,
        };
      }
      case "refused":
        return amiss("refused", `${text("what")}: ${text("detail")} (${text("code")})`);
      case "error":
        return { word: "error", text: `${text("what")}: ${text("detail")}`, style: "red" };
      case "sensor":
        return amiss("sensor", `${event.sensor === undefined ? "" : `${text("sensor")}: `}${text("detail")} (${text("code")})`);
      case "peer": {
        const words = `${whose || text("mote")} is ${text("status")} since block #${number("sinceBlock")}, proven at block #${number("block")}`;
        return { word: "peer", text: words.replace("  ", " "), style: event.status === "active" ? "green" : "yellow" };
      }
      case "app":
        return { word: "app", text: ownText(event) };
      case "link":
        return event.state === "down" ? amiss("link", `down: ${text("reason")}`) : undefined;
      case "engine":
        return event.reason === "ended" ? undefined : { word: "engine", text: engineText(event), style: "red" };
      case "wifi":
        return event.state === "up" ? undefined : amiss("wifi", `${text("state")} ${text("reason")}`.trim());
    }
  switch (event.event) {
    case "verified":
      return { word: "verified", text: `${whose}seq ${number("seq")}: signature, chain, head`, style: "green" };
    case "anchor":
      return {
        word: "anchor",
        text: `root of ${number("size")} leaves in block #${number("block")}`,
        style: "cyan",
      };
    case "anchor-gone":
      return amiss("anchor", `of ${number("was")} leaves ${number("size")} are left after a reorganisation; anchored again`);
    case "anchored":
      return {
        word: "receipt",
        text: `${whose}seq ${number("seq")}: leaf ${number("leaf")} of ${number("size")}, block #${number("block")}`,
      };
    case "head-foreign":
    case "head-orphaned":
    case "head-unknown": {
      const state = event.event.replace("head-", "");
      return amiss("head", `#${number("number")} ${shortHex(text("hash"))} is ${state}: ${text("detail")}`);
    }
    case "rejudged":
      return amiss("rejudged", `${whose}seq ${number("seq")}: its head was ${text("from")} and is ${text("to")}`);
    case "reorganised":
      return amiss("reorg", `to #${number("number")} ${shortHex(text("hash"))}`);
    case "gap":
      return amiss("gap", `${whose}seq ${number("seq")}: the record before it is missing`);
    case "evidence":
      return { word: "evidence", text: evidenceText(event), style: "red" };
    case "registry":
      return {
        word: "registry",
        text: `${text("address")} is on the chain; ${shortHex(text("commander"))} commands, by ${shownPath(text("commanderKey"))}`,
      };
    case "enrolled":
      return { word: "enrolled", text: `${whose}in block #${number("block")}`, style: "green" };
    case "status":
      return event.status === "active"
        ? { word: "status", text: `${whose}is active, role ${number("role")}, since block #${number("block")}`, style: "green" }
        : event.status === "absent"
          ? { word: "status", text: `${whose}is not enrolled yet`, style: "dim" }
          : amiss("status", `${whose}is ${text("status")} since block #${number("block")}`);
    case "reported":
      return { word: "reported", text: `${whose}to the registry, block #${number("block")}`, style: "red" };
    case "quarantined":
      return {
        word: "quarantine",
        text: `${whose}since block #${number("block")}${event.settled === true ? ", settled" : ""}`,
        style: "red",
      };
    case "quarantined-since":
      return amiss(
        "left out",
        `${whose}since block #${number("block")}, of exports and anchors; ${plural(number("records"), "stored record")} marked`,
      );
    case "quarantine-undone":
      return amiss("undone", `${whose}quarantine, by a reorganisation; its records count again`);
    case "report-undone":
      return amiss("undone", `${whose}quarantine, by a reorganisation; reported again`);
    case "report-refused":
      return amiss("reported", `${whose}not taken: ${text("reason")}`);
    case "error":
      return { word: "error", text: `${text("what")}: ${text("detail")}`, style: "red" };
    case "refused":
      return amiss("refused", `${text("detail")} (${text("code")})`);
    case "hash-differs":
      return amiss("head", text("detail"));
    case "lost":
      return amiss("lost", `${text("to")}: ${text("reason")}; next attempt in ${number("retryMs")} ms`);
    case "back":
      return { word: "back", text: text("to") };
    case "building":
      return { word: "building", text: text("text"), style: "dim" };
    case "ended":
      return amiss("ended", `by itself (${text("how")}); starts again in ${number("restartMs")} ms`);
    case "text":
      return source.startsWith("mote") || event.amiss === true ? amiss("says", text("text")) : undefined;
    default:
      return undefined;
  }
}

/** Undefined where there is nothing yet. */
function beginningText({ stored, motes, last }: SystemEvent): string | undefined {
  if (typeof stored !== "number" || typeof motes !== "number" || stored === 0) return undefined;
  const { mote, seq, head } = (last ?? {}) as Readonly<Record<string, unknown>>;
  const newest = typeof mote === "string" ? `; the last is seq ${Number(seq)} of ${shortHex(plainText(mote, 42))}` : "";
  return `from ${plural(stored, "record")} of ${plural(motes, "mote")}${newest}${typeof head === "number" ? `, after block #${head}` : ""}`;
}

function measured(event: SystemEvent): string {
  const values = Array.isArray(event.values) ? event.values : [];
  const shown = values.slice(0, VALUES_SHOWN_MAX).map((value) => plainText(String(value), VALUE_CHARACTERS_MAX));
  return shown.length === 0 ? "" : `${shown.join("  ")}${values.length > VALUES_SHOWN_MAX ? "  …" : ""}  `;
}

/** What an application says itself: its fields as it named them. */
function ownText({ event: _, ...fields }: SystemEvent): string {
  const said = Object.entries(fields).map(
    ([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return plainText(said.join("  "), 160);
}

/** Why the engine gave up, and what it had needed by then. */
function engineText(event: SystemEvent): string {
  const bytes = (name: string): string => count(Number(event[name]));
  const { reason, collections } = event;
  const parts = `chunks ${bytes("chunksPeakBytes")}, slots ${bytes("slotsPeakBytes")}, stack ${bytes("stackPeakBytes")}`;
  return `${plainText(String(reason), 80)}: at most ${parts} of ${bytes("memoryBytes")} bytes; ${plural(Number(collections), "collection")}`;
}

function evidenceText(event: SystemEvent): string {
  const of = (name: string): string => {
    const place = event[name] as { seq?: unknown; digest?: unknown } | undefined;
    return `seq ${Number(place?.seq)} ${shortHex(String(place?.digest ?? ""))}`;
  };
  return `${plainText(String(event.kind), 20)}: ${of("a")} and ${of("b")}`;
}

export function rawLine(event: SystemEvent): Line {
  const { event: word, ...fields } = event;
  const text = Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
  return { word: plainText(word, WORD_WIDTH), text: plainText(text, 200), style: "dim" };
}
