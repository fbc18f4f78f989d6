// What was seen of a board for `chainmote doctor --board-report`: by its ROM, by the lines of its log, by its answer on the port.
//
// Promises: a bounded amount, of words and numbers that are listed here. Never: keeps an address, a name of a network, a host, a text of the
// board's own choice, or more of the chip's MAC than its maker's half.

import type { FoundBoard } from "../flash/rom-link.js";
import type { TableEntry } from "../image/partition-table.js";
import { decodeLine } from "../monitor/log-decoder.js";
import type { BoardSaid } from "../provision/provisioning.js";
import type { SystemEvent } from "../start/screen.js";

/** Why something is not known. */
export interface Unknown {
  readonly why: string;
}

export interface RomSeen {
  readonly chip: string;
  /** The maker's three bytes. */
  readonly mac: string;
  readonly flashBytes: number;
  readonly secureBoot: boolean;
  readonly flashEncryption: "off" | "development" | "release";
  readonly nvsKey: boolean;
  /** Absent where there is no whole table at its place. */
  readonly partitions?: readonly Pick<TableEntry, "name" | "at" | "bytes">[];
}

/** `start` of firmware/events.ts. */
export interface StartSaid {
  readonly firmware: string;
  readonly reset: string;
  readonly profile: string;
  readonly secureBoot: boolean;
  readonly flashEncryption: string;
  readonly nvsEncryption: boolean;
  readonly nvs: string;
  readonly slot?: number;
  readonly image?: string;
  readonly freeBytes?: number;
  readonly largestBytes?: number;
}

export interface MemorySaid {
  readonly freeBytes: number;
  readonly largestBytes: number;
  readonly leastBytes: number;
}

/** Which of a board's ports it is: that of its chip, or a bridge to UART 0. */
export type PortKind = "usb" | "uart" | "unknown";

/** A word of the firmware's own: of a state, of a cause. */
const WORD = /^[a-z0-9.-]{1,32}$/i;
/** What of an event is kept, besides that it came. */
const STATES = ["wifi", "link", "update", "configuration", "store"] as const;
const COUNTED = new Set([
  ...[
    "boot",
    "start",
    "memory",
    "safe-mode",
    "key",
    "wifi",
    "link",
    "time",
    "head",
    "jump",
    "reorg",
    "alarm",
    "record",
    "delivered",
  ],
  ...["stored", "not-stored", "set-aside", "overwritten", "gap", "sensor", "refused", "store", "error", "update", "command"],
  ...["configuration", "registry", "peer", "enrolment", "transaction", "anchored", "reset", "crash", "heap"],
]);
const START_WORDS = ["firmware", "reset", "profile", "flashEncryption", "nvs", "image"] as const;
const START_FLAGS = ["secureBoot", "nvsEncryption"] as const;
const START_NUMBERS = ["slot", "freeBytes", "largestBytes"] as const;
const RESETS_MAX = 64;
const CASES_MAX = 64;
const CASE = /^[a-z0-9 /.:()+-]{1,60}$/i;

export class Evidence {
  readonly simulated: boolean;
  port: PortKind = "unknown";
  rom: RomSeen | Unknown = { why: "it was not asked" };
  provisioning: Pick<BoardSaid, "board" | "configured" | "wifi" | "failure"> | Unknown = { why: "it was not asked" };
  start: StartSaid | undefined;
  memory: MemorySaid | undefined;
  safeMode: { readonly cause: string; readonly resets: number } | undefined;
  /** Whether the key was made in this time. */
  keyMade: boolean | undefined;
  /** How often each event came. */
  readonly events: Record<string, number> = {};
  /** States of an event, in their order, each once. */
  readonly states: Record<string, string[]> = {};
  /** Milliseconds from the board's reset on to the first of each event. */
  readonly firstMs: Record<string, number> = {};
  /** Causes, by the ROM. */
  readonly resets: string[] = [];
  /** What errors were of. */
  readonly errors: string[] = [];
  /** Nanoseconds of each case of the bench firmware. */
  readonly bench: Record<string, number> = {};

  constructor(simulated: boolean) {
    this.simulated = simulated;
  }

  get seen(): RomSeen | undefined {
    return "chip" in this.rom ? this.rom : undefined;
  }

  count(event: string): number {
    return this.events[event] ?? 0;
  }

  has(event: (typeof STATES)[number], state: string): boolean {
    return this.states[event]?.includes(state) === true;
  }

  tookRom({ chip, mac, flashBytes, security }: FoundBoard, table: readonly TableEntry[] | undefined): void {
    this.rom = {
      ...{ chip, mac: `${mac.slice(0, 8)}:…`, flashBytes, ...security },
      ...(table === undefined ? {} : { partitions: table.map(({ name, at, bytes }) => ({ name, at, bytes })) }),
    };
  }

  tookHello({ board, configured, wifi, failure }: BoardSaid): void {
    const kept = { board: word(board), configured: configured === true, wifi: wifi === true };
    this.provisioning = { ...kept, ...(failure === undefined ? {} : { failure: word(failure) }) };
  }

  /** A line of the console. @param sinceMs since the board was reset */
  take(line: string, sinceMs: number): void {
    if (this.benched(line)) return;
    this.told(decodeLine(line).event, sinceMs);
  }

  told(event: SystemEvent, sinceMs: number): void {
    const name = event.event;
    if (!COUNTED.has(name)) return;
    this.events[name] = this.count(name) + 1;
    this.firstMs[name] ??= Math.round(sinceMs);
    const state = STATES.find((one) => one === name);
    if (state !== undefined) this.stateOf(state, String(event.state), sinceMs);
    if (name === "start") this.start = startOf(event);
    if (name === "memory") this.memory = memoryOf(event) ?? this.memory;
    if (name === "safe-mode") this.safeMode = { cause: word(event.cause), resets: Number(event.resets) };
    if (name === "key") this.keyMade = this.keyMade === true || event.created === true;
    if (name === "reset" && typeof event.cause === "string" && this.resets.length < RESETS_MAX) this.resets.push(event.cause);
    if (name === "error") this.errorOf(word(event.what));
  }

  private stateOf(name: string, said: string, sinceMs: number): void {
    const state = word(said);
    this.states[name] ??= [];
    const states = this.states[name];
    if (!states.includes(state) && states.length < CASES_MAX) states.push(state);
    this.firstMs[`${name} ${state}`] ??= Math.round(sinceMs);
  }

  private errorOf(what: string): void {
    if (!this.errors.includes(what) && this.errors.length < CASES_MAX) this.errors.push(what);
  }

  /** A result of the bench firmware (tools/bench/port.ts). */
  private benched(line: string): boolean {
    const from = line.indexOf('{"bench":"result"');
    if (from < 0) return false;
    try {
      const { name, nsMedian } = JSON.parse(line.slice(from, line.lastIndexOf("}") + 1)) as Record<string, unknown>;
      const isCase = typeof name === "string" && CASE.test(name) && Number.isFinite(nsMedian);
      if (isCase && Object.keys(this.bench).length < CASES_MAX) this.bench[name] = Number(nsMedian);
    } catch {} // half a line: it comes again
    return true;
  }
}

/** What is no word of the firmware's is not repeated. */
function word(value: unknown): string {
  return typeof value === "string" && WORD.test(value) ? value : "?";
}

function startOf(event: SystemEvent): StartSaid {
  const fields: Record<string, unknown> = {};
  for (const name of START_WORDS) if (event[name] !== undefined) fields[name] = word(event[name]);
  for (const name of START_FLAGS) fields[name] = event[name] === true;
  for (const name of START_NUMBERS) if (Number.isSafeInteger(event[name])) fields[name] = event[name];
  return fields as unknown as StartSaid;
}

function memoryOf({ freeBytes, largestBytes, leastBytes }: SystemEvent): MemorySaid | undefined {
  const said = { freeBytes: Number(freeBytes), largestBytes: Number(largestBytes), leastBytes: Number(leastBytes) };
  return Object.values(said).every(Number.isSafeInteger) ? said : undefined;
}
