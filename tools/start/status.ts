// What a running system comes to at this moment, in a few lines: boards, heads, records, and how fast each goes on.
//
// Promises: it is told from the parts' own events alone; what is amiss with a board comes before those with which all is well; foreign text
// is one line of plain text. Memory: some numbers for each board. Never: guesses, a rate of the time before the window.

import { cellsOf, count, plainText, plural, type Style } from "../terminal.js";
import type { SystemEvent } from "./screen.js";

type Paint = (style: Style, text: string) => string;

interface BoardState {
  readonly name: string;
  /** Connected to the broker; undefined before it has said so. */
  linked: boolean | undefined;
  head: number | undefined;
  seq: number | undefined;
  stored: number | undefined;
  /** What is wrong in words, until the board says that it is right again. */
  amiss: string;
}

const RATE_WINDOW_S = 30;
const LABEL_CELLS = 9;
const WORDS_MAX = 60;
/** More boards than these are told by their number. */
const BOARDS_SHOWN_MAX = 8;
const RULE = "─";

/** How often something happens: over the last half minute, or since it first did. */
class Rate {
  readonly #counts: number[] = new Array(RATE_WINDOW_S + 1).fill(0);
  #firstS: number | undefined;
  #nowS = 0;

  add(nowMs: number, times = 1): void {
    this.#turn(nowMs);
    this.#firstS ??= this.#nowS;
    this.#counts[this.#nowS % this.#counts.length] = (this.#counts[this.#nowS % this.#counts.length] as number) + times;
  }

  /** Times a second; undefined before there is anything to tell. */
  perSecond(nowMs: number): number | undefined {
    this.#turn(nowMs);
    if (this.#firstS === undefined) return undefined;
    const seconds = Math.min(RATE_WINDOW_S, this.#nowS - this.#firstS);
    if (seconds < 2) return undefined;
    // The second that runs is not over: it counts for nothing yet.
    const now = this.#counts[this.#nowS % this.#counts.length] as number;
    return (this.#counts.reduce((sum, times) => sum + times, 0) - now) / seconds;
  }

  /** Forgets the seconds that the window has left. */
  #turn(nowMs: number): void {
    const nowS = Math.floor(nowMs / 1000);
    for (let second = Math.max(this.#nowS + 1, nowS - RATE_WINDOW_S); second <= nowS; second += 1)
      this.#counts[second % this.#counts.length] = 0;
    this.#nowS = Math.max(this.#nowS, nowS);
  }
}

export class Status {
  readonly #boards = new Map<string, BoardState>();
  readonly #expected: number;
  readonly #heads = new Rate();
  readonly #records = new Rate();
  /** The highest head that a board has verified, and when it was. */
  #head: { readonly number: number; readonly atMs: number } | undefined;
  /** The node's own, as the relay hears of it. */
  #chainHead: number | undefined;
  #made = 0;
  #stored = 0;
  #verified = 0;
  #refused = 0;
  /** What a part is at that takes a while. */
  #doing = "starting";

  /** @param boards how many there will be */
  constructor(boards: number) {
    this.#expected = boards;
  }

  /** What goes on as a whole, in a word or two: starting, running, ending. */
  doing(words: string): void {
    this.#doing = plainText(words, WORDS_MAX);
  }

  take(source: string, event: SystemEvent, nowMs: number): void {
    if (source.startsWith("mote")) this.#takeBoard(this.#boardOf(source), event, nowMs);
    else if (source === "collector") this.#takeCollector(event, nowMs);
    else if (source === "relay" && event.event === "head") this.#chainHead = numberIn(event, "number") ?? this.#chainHead;
  }

  #boardOf(source: string): BoardState {
    const known = this.#boards.get(source);
    if (known !== undefined) return known;
    const board: BoardState = { name: source, linked: undefined, head: undefined, seq: undefined, stored: undefined, amiss: "" };
    this.#boards.set(source, board);
    return board;
  }

  #takeBoard(board: BoardState, event: SystemEvent, nowMs: number): void {
    const words = (name: string): string => plainText(String(event[name] ?? ""), WORDS_MAX);
    switch (event.event) {
      case "head": {
        const number = numberIn(event, "number");
        if (number === undefined) return;
        board.head = number;
        board.amiss = "";
        if (this.#head !== undefined && number <= this.#head.number) return;
        if (this.#head !== undefined) this.#heads.add(nowMs, number - this.#head.number);
        else this.#heads.add(nowMs, 0); // from which on others count
        this.#head = { number, atMs: nowMs };
        return;
      }
      case "record":
        board.seq = numberIn(event, "seq") ?? board.seq;
        this.#made += 1;
        return;
      case "stored":
        board.stored = numberIn(event, "seq") ?? board.stored;
        return;
      case "link":
        if (event.state === "up") board.linked = true;
        else if (event.state === "down") board.linked = false;
        return;
      case "alarm":
        board.amiss = `alarm: ${words("alarm")}`;
        return;
      case "ended":
        board.linked = false;
        return;
      case "error":
        board.amiss = `error: ${words("what")}`;
        return;
      case "not-stored":
        board.amiss = `refused: ${words("reason")}`;
    }
  }

  #takeCollector(event: SystemEvent, nowMs: number): void {
    if (event.event === "stored" && event.duplicate !== true) this.#stored += 1;
    else if (event.event === "verified") {
      this.#verified += 1;
      this.#records.add(nowMs);
    } else if (event.event === "refused") this.#refused += 1;
  }

  /** The lines for a terminal of that size. */
  lines(columns: number, rowsMax: number, elapsedS: number, nowMs: number, paint: Paint): readonly string[] {
    const title = `${RULE}${RULE} ${this.#doing} ${clock(elapsedS)} `;
    const rule = paint("dim", `${title}${RULE.repeat(Math.max(0, columns - title.length))}`);
    const told = [
      ...rows("boards", this.#systemParts(paint, nowMs), columns),
      ...rows("records", this.#recordParts(paint, nowMs), columns),
    ];
    if (told.length >= rowsMax) return told; // the most important first
    const lines = [rule, ...told];
    const room = rowsMax - lines.length;
    if (this.#boards.size <= 1 || room < 2) return lines;
    const boards = [...this.#boards.values()].sort((a, b) => Number(this.#isWell(a)) - Number(this.#isWell(b)) || byName(a, b));
    const shown = boards.length <= Math.min(room, BOARDS_SHOWN_MAX) ? boards.length : Math.min(room, BOARDS_SHOWN_MAX) - 1;
    for (const board of boards.slice(0, shown)) lines.push(boardRow(board, paint));
    const rest = boards.slice(shown);
    if (rest.length > 0) {
      const unwell = rest.filter((board) => !this.#isWell(board)).length;
      const how = unwell === 0 ? paint("green", "all well") : paint("yellow", `${unwell} not well`);
      lines.push(`${" ".repeat(LABEL_CELLS)} and ${plural(rest.length, "board")} more, ${how}`);
    }
    return lines;
  }

  #systemParts(paint: Paint, nowMs: number): readonly string[] {
    const linked = [...this.#boards.values()].filter((board) => board.linked === true).length;
    const boards = `${linked} of ${this.#expected} connected`;
    const parts = [paint(linked === this.#expected ? "green" : "yellow", boards)];
    if (this.#head !== undefined) {
      const { number, atMs } = this.#head;
      const agoS = Math.round((nowMs - atMs) / 1000);
      parts.push(`head #${number}, ${agoS < 1 ? "just now" : `${count(agoS)} s ago`}${rateText(this.#heads, nowMs, "headers ")}`);
    }
    const [only] = this.#boards.values();
    if (this.#boards.size === 1 && only !== undefined && only.amiss !== "") parts.push(paint("yellow", only.amiss));
    if (this.#chainHead !== undefined && this.#chainHead - (this.#head?.number ?? 0) > 1)
      parts.push(paint("dim", `the chain is at #${this.#chainHead}`));
    return parts;
  }

  #recordParts(paint: Paint, nowMs: number): readonly string[] {
    const parts = [
      `${count(this.#made)} made, ${count(this.#stored)} stored`,
      `${count(this.#verified)} verified${rateText(this.#records, nowMs)}`,
    ];
    if (this.#refused > 0) parts.push(paint("yellow", `${count(this.#refused)} refused`));
    return parts;
  }

  #isWell({ linked, amiss }: BoardState): boolean {
    return linked === true && amiss === "";
  }
}

function boardRow({ name, linked, head, seq, stored, amiss }: BoardState, paint: Paint): string {
  const parts = [(head === undefined ? "no head yet" : `#${head}`).padEnd(8)];
  if (seq !== undefined)
    parts.push(`seq ${seq}${stored === seq ? ", stored" : stored === undefined ? "" : `, ${stored} stored`}`);
  if (linked !== true) parts.push(paint("yellow", linked === false ? "not connected" : "starting"));
  if (amiss !== "") parts.push(paint("yellow", amiss));
  return `${name.padEnd(LABEL_CELLS)} ${parts.join("   ")}`.trimEnd();
}

/** As many rows as the parts need in a terminal of that width. */
function rows(label: string, parts: readonly string[], columns: number): readonly string[] {
  const lines: string[] = [];
  let line = label.padEnd(LABEL_CELLS);
  let isBegun = false;
  for (const part of parts) {
    if (isBegun && cellsOf(line) + 3 + cellsOf(part) > columns) {
      lines.push(line);
      line = " ".repeat(LABEL_CELLS);
      isBegun = false;
    }
    line += `${isBegun ? "   " : " "}${part}`;
    isBegun = true;
  }
  return [...lines, line];
}

function rateText(rate: Rate, nowMs: number, what = ""): string {
  const perSecond = rate.perSecond(nowMs);
  if (perSecond === undefined) return "";
  return `, ${perSecond >= 9.95 ? count(Math.round(perSecond)) : perSecond.toFixed(1)} ${what}a second`;
}

function numberIn(event: SystemEvent, name: string): number | undefined {
  const value = event[name];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** `mote 2` before `mote 10`. */
function byName(a: BoardState, b: BoardState): number {
  return a.name.localeCompare(b.name, "en", { numeric: true });
}

/** `7 s`, `3:07`, `2:03:07` */
function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (value: number): string => String(value).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
