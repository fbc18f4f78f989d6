// What comes out of a board's console, line by line: the firmware's events (a line of JSON each, firmware/events.ts), why the chip began anew (the
// ROM's line, numbers of ESP-IDF's RESET_REASON in its component esp_rom), what ESP-IDF prints of a crash, and whatever else.
//
// Promises: a line of any bytes is one answer, of a bounded length; half a line waits for its end; nothing that the board says reaches a terminal as
// a control character. Never: fails on input.

import { lineOf, rawLine, type SystemEvent } from "../start/screen.js";
import { count, plainText, type Style } from "../terminal.js";

export const LEVELS = ["error", "warn", "info", "debug"] as const;
export type Level = (typeof LEVELS)[number];

export interface LogLine {
  readonly level: Level;
  readonly word: string;
  readonly text: string;
  readonly style?: Style;
  /** For machines. */
  readonly event: SystemEvent;
  /** Addresses of code, that an ELF says more of. */
  readonly addresses: readonly string[];
}

const LINE_BYTES_MAX = 8_192;
const TEXT_CHARACTERS_MAX = 400;
const ADDRESSES_MAX = 32;

/** Why a chip began anew, by the number that each ROM prints. */
const RESETS: Readonly<Record<number, readonly [cause: string, level: Level]>> = {
  1: ["power on", "info"],
  3: ["software", "info"],
  4: ["watchdog", "error"],
  5: ["deep sleep", "info"],
  6: ["SDIO", "warn"],
  7: ["watchdog of timer group 0 (a task hung)", "error"],
  8: ["watchdog of timer group 1 (an interrupt hung)", "error"],
  9: ["RTC watchdog", "error"],
  11: ["watchdog of a timer group, one core", "error"],
  12: ["software, one core: a restart, or a crash", "warn"],
  13: ["RTC watchdog, one core", "error"],
  14: ["the other core", "info"],
  15: ["brown-out: the supply fell below what the chip needs", "error"],
  16: ["RTC watchdog", "error"],
  17: ["watchdog of timer group 1, one core", "error"],
  18: ["super watchdog", "error"],
  19: ["glitch of the supply", "error"],
  20: ["eFuse checksum", "error"],
  21: ["the host, over USB", "info"],
  22: ["the debugger, over USB", "info"],
  23: ["glitch of the supply", "error"],
};
const RESET = /\brst:0x([0-9a-f]{1,2})\b/i;
const SAVED_PC = /\bSaved PC:\s*(0x[0-9a-f]{8})/i;
/** The first line of each kind of crash. */
const CRASH = /Guru Meditation Error|abort\(\) was called|assert failed|Stack canary|stack overflow in task|register dump/i;
/** Lines of a crash that name addresses of code. */
const TRACE = /^(?:Backtrace:|(?:Core\s+\d\s+)?(?:MEPC|PC|RA|EXCVADDR|EPC\d)\s*:|abort\(\) was called at PC)/;
const CODE_ADDRESS = /0x4[0-9a-f]{7}/gi;
/** XS gives up with these, and the chip restarts. */
const HEAP = /\b(memory full|not enough memory|xs abort|out of memory|failed to allocate)\b/i;

/** Cuts a console's bytes into lines, of a bounded length. */
export class LineReader {
  #line = "";

  /** The lines that these bytes end. */
  push(bytes: Uint8Array): readonly string[] {
    const pieces = (this.#line + Buffer.from(bytes).toString("latin1")).split(/\r?\n|\r/);
    const rest = pieces.pop() as string;
    this.#line = rest.slice(0, LINE_BYTES_MAX);
    return pieces
      .filter((line) => line.trim() !== "")
      .map((line) => Buffer.from(line.slice(0, LINE_BYTES_MAX), "latin1").toString("utf8"));
  }
}

export class LogDecoder {
  readonly #lines = new LineReader();

  /** The lines that these bytes end. */
  push(bytes: Uint8Array): readonly LogLine[] {
    return this.#lines.push(bytes).map(decodeLine);
  }
}

export function decodeLine(line: string): LogLine {
  const event = eventIn(line);
  if (event !== undefined) return ofEvent(event);
  const reset = RESET.exec(line);
  if (reset !== null) return ofReset(Number.parseInt(reset[1] as string, 16));
  const text = plainText(line, TEXT_CHARACTERS_MAX);
  const saved = SAVED_PC.exec(line)?.[1];
  if (saved !== undefined)
    return { level: "info", word: "reset", text: `at ${saved}`, event: { event: "reset", pc: saved }, addresses: [saved] };
  const crash = CRASH.test(line);
  const addresses = crash || TRACE.test(line.trim()) ? [...new Set(line.match(CODE_ADDRESS) ?? [])].slice(0, ADDRESSES_MAX) : [];
  if (crash || addresses.length > 0)
    return { level: "error", word: "crash", text, style: "red", event: { event: "crash", text }, addresses };
  if (HEAP.test(line)) return { level: "error", word: "heap", text, style: "red", event: { event: "heap", text }, addresses };
  const level = levelOfIdf(line);
  return { level, word: "says", text, ...(level === "error" ? { style: "red" } : {}), event: { event: "text", text }, addresses };
}

/** A console puts words of its own in front. */
function eventIn(line: string): SystemEvent | undefined {
  const from = line.indexOf('{"event":');
  if (from < 0) return undefined;
  try {
    const json = JSON.parse(line.slice(from, line.lastIndexOf("}") + 1)) as Record<string, unknown>;
    return typeof json.event === "string" ? (json as SystemEvent) : undefined;
  } catch {
    return undefined; // half a line, or two at once
  }
}

/** Events that say by a field whether something is amiss. */
function ofEvent(event: SystemEvent): LogLine {
  const line = lineOf("mote", event, "") ?? own(event);
  const level = line === undefined ? "debug" : line.style === "red" ? "error" : line.style === "yellow" ? "warn" : "info";
  const { word, text, style } = line ?? rawLine(event);
  return { level, word, text, ...(style === undefined ? {} : { style }), event, addresses: [] };
}

/** What a person at the port wants to see, and whoever looks at a whole system has elsewhere. */
function own(event: SystemEvent): { word: string; text: string; style?: Style } | undefined {
  const text = (name: string): string => plainText(String(event[name] ?? ""), 160);
  switch (event.event) {
    case "boot":
      return {
        word: "boot",
        text: `no ${text("boot")}, next record ${text("nextSeq")}, ${text("pending")} not stored yet, ${text("chain")} at #${text("head")}`,
        style: "bold",
      };
    case "start":
      return {
        word: "start",
        text: `firmware ${text("firmware")}, ${text("reset")}, profile ${text("profile")}, slot ${text("slot")} ${text("image")}, NVS ${text("nvs")}${heap(event)}`,
        style: "bold",
      };
    case "memory":
      return { word: "heap", text: `${heap(event).slice(2)}, ${count(Number(event.leastBytes))} at the least` };
    case "link":
    case "wifi":
      return { word: event.event, text: text("state") };
    case "store":
      return event.state === "failed"
        ? { word: "store", text: `${text("what")} cannot be written: ${text("reason")}`, style: "red" }
        : { word: "store", text: `${text("what")} can be written again` };
    case "safe-mode":
      return { word: "safe mode", text: `${text("cause")}: ${text("detail")}, ${text("resets")} resets`, style: "red" };
    case "update":
    case "configuration":
      return { word: event.event.slice(0, 10), text: `${text("state")} ${text("reason")}`.trim() };
    default:
      return undefined;
  }
}

/** What the chip's heap has left; nothing where the board has not said it. */
function heap({ freeBytes, largestBytes }: SystemEvent): string {
  return freeBytes === undefined ? "" : `, ${count(Number(freeBytes))} bytes free, ${count(Number(largestBytes))} in one piece`;
}

function ofReset(code: number): LogLine {
  const [cause, level] = RESETS[code] ?? [`cause ${code}`, "warn" as const];
  const style = level === "error" ? { style: "red" as const } : level === "warn" ? { style: "yellow" as const } : {};
  return { level, word: "reset", text: cause, ...style, event: { event: "reset", code, cause }, addresses: [] };
}

/** ESP-IDF's own log: a letter, the time in brackets. */
function levelOfIdf(line: string): Level {
  const letter = /(?:^|m)([EWIDV]) \(\d+\) /.exec(line)?.[1];
  return letter === "E" ? "error" : letter === "W" ? "warn" : letter === "I" ? "info" : "debug";
}

/** Whether a line of this level is shown to somebody who asked for `least`. */
export function isShown(level: Level, least: Level): boolean {
  return LEVELS.indexOf(level) <= LEVELS.indexOf(least);
}
