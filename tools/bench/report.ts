// The benchmarks' report: one shape for Node, the XS engine on this machine, bare RISC-V and a board.
//
// Promises: what is printed as JSON can be read back, and whatever is no report is refused with a reason. The names of the
// cases are stable: scripts and the ratchet rely on them.

import { type Output, plainText } from "../terminal.js";

export interface BenchResult {
  readonly name: string;
  /** The mean over the runs. */
  readonly instructions?: number;
  /** Nanoseconds, the median over the runs. */
  readonly nsMedian?: number;
  /** Garbage collections per run. */
  readonly collections?: number;
  /** Of the long runs: the most that chunks, slots and stack had taken of the board's block; else the most that was in use. */
  readonly heapPeakBytes?: number;
  /** Of the long runs: how long. */
  readonly records?: number;
  readonly headers?: number;
}

/**
 * The long runs, by their names in `--chains`: one for each chain, as checkpoints name their consensus, and one on Clique of a mote with the
 * whole ledger.
 */
export const RUNTIMES = ["clique", "ibft", "ibft2", "qbft", "bitcoin", "ledger"] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

/** The case of a long run; Clique's was there first. */
export function runtimeName(name: RuntimeName): string {
  return name === "clique" ? "runtime" : `runtime-${name}`;
}

export interface BenchReport {
  readonly target: string;
  readonly engine: string;
  readonly compiler: string;
  readonly flags: string;
  readonly memory: string;
  readonly results: readonly BenchResult[];
}

const TEXTS = ["target", "engine", "compiler", "flags", "memory"] as const;
const NUMBERS = ["instructions", "nsMedian", "collections", "heapPeakBytes", "records", "headers"] as const;
const RESULTS_MAX = 64;
const TEXT_MAX = 400;

/** The report that a parsed JSON value is, or why it is none. */
export function readReport(value: unknown): BenchReport | string {
  if (typeof value !== "object" || value === null) return "it is no object";
  const fields = value as Readonly<Record<string, unknown>>;
  const texts = TEXTS.map((name) => [name, fields[name]] as const);
  const wrong = texts.find(([, text]) => typeof text !== "string" || text.length > TEXT_MAX);
  if (wrong !== undefined) return `"${wrong[0]}" is no short text`;
  const { results } = fields;
  if (!Array.isArray(results) || results.length === 0 || results.length > RESULTS_MAX)
    return `"results" is no list of 1 to ${RESULTS_MAX}`;
  const read: BenchResult[] = [];
  for (const result of results) {
    const one = readResult(result);
    if (typeof one === "string") return one;
    read.push(one);
  }
  return { ...(Object.fromEntries(texts) as Omit<BenchReport, "results">), results: read };
}

/** One case's result, or what is wrong with it. */
export function readResult(value: unknown): BenchResult | string {
  const fields = (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const { name } = fields;
  if (typeof name !== "string" || !/^[a-z0-9-]{1,32}$/.test(name)) return "a result has no name";
  const numbers: [string, number][] = [];
  for (const key of NUMBERS) {
    const number = fields[key];
    if (number === undefined) continue;
    if (typeof number !== "number" || !Number.isFinite(number) || number < 0) return `"${key}" of ${name} is no number from 0`;
    numbers.push([key, number]);
  }
  return { name, ...Object.fromEntries(numbers) };
}

/** The report for people. */
export function printReport(report: BenchReport, output: Output): void {
  const { results } = report;
  for (const name of TEXTS) output.line(`${output.style("dim", name.padEnd(9))} ${plainText(report[name], TEXT_MAX)}`);
  output.line();
  const columns: readonly (readonly [string, (result: BenchResult) => string])[] = [
    ["case", ({ name }) => name],
    ["instructions", ({ instructions }) => (instructions === undefined ? "" : grouped(instructions))],
    ["time", ({ nsMedian }) => (nsMedian === undefined ? "" : duration(nsMedian))],
    ["collections", ({ collections }) => (collections === undefined ? "" : collections.toFixed(2))],
    ["heap peak", ({ heapPeakBytes }) => (heapPeakBytes === undefined ? "" : `${grouped(heapPeakBytes)} B`)],
    [
      "",
      ({ records, headers }) => (records === undefined ? "" : `${grouped(records)} records, ${grouped(headers ?? 0)} headers`),
    ],
  ];
  const shown = columns.filter(([, text]) => results.some((result) => text(result) !== ""));
  const widths = shown.map(([title, text]) => Math.max(title.length, ...results.map((result) => text(result).length)));
  const row = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number)))
      .join("  ")
      .trimEnd();
  output.line(output.style("bold", row(shown.map(([title]) => title))));
  for (const result of results) output.line(row(shown.map(([, text]) => text(result))));
}

export function grouped(number: number): string {
  return String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, ",");
}

function duration(ns: number): string {
  return ns < 10_000
    ? `${ns.toFixed(0)} ns`
    : ns < 10_000_000
      ? `${(ns / 1000).toFixed(1)} µs`
      : `${(ns / 1_000_000).toFixed(1)} ms`;
}
