// The ratchet: what the firmware's work may cost on rv32, and what it cost when somebody last looked.
//
// Promises: a case over its absolute limit fails, and so does one that costs more than `GROWTH_MAX` above the counts in
// test/bench/ratchet.json; these depend on compiler and flags, so where either differs only the limits count, and that is
// said. A case that has vanished fails. Never: writes the file unasked.

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { CommandError, type Output } from "../terminal.js";
import { type BenchReport, type BenchResult, grouped, readReport } from "./report.js";

export const ratchetFile = "test/bench/ratchet.json";
const PATH = fileURLToPath(new URL(`../../${ratchetFile}`, import.meta.url));
/** A count may be so much above the one in the file. */
export const GROWTH_MAX = 0.02;

/** The most that the whole runtime may take of an ESP32-C3's block, whatever chain it follows: 48 KiB. */
const RUNTIME_BYTES_MAX = 49_152;
/** The same with the whole ledger, its proofs at their longest: 71 KiB. */
const LEDGER_BYTES_MAX = 72_704;

/** The most that a case may cost, whatever the compiler: an ESP32-C3 at 160 MHz makes about 100 M instructions a second. */
export const LIMITS: Readonly<Record<string, Partial<Record<"instructions" | "collections" | "heapPeakBytes", number>>>> = {
  sign: { instructions: 1_000_000 },
  verify: { instructions: 1_750_000 },
  recover: { instructions: 1_950_000 },
  "keccak-540": { instructions: 100_000 },
  record: { instructions: 1_700_000, collections: 1 },
  "header-clique": { instructions: 2_700_000 },
  "header-ibft2": { instructions: 7_000_000 },
  "header-qbft": { instructions: 6_600_000 },
  "header-bitcoin": { instructions: 35_000 },
  "proof-storage-8": { instructions: 1_350_000 },
  transaction: { instructions: 7_500_000, collections: 2 },
  "anchor-receipt": { instructions: 3_300_000, collections: 1 },
  command: { instructions: 4_800_000, collections: 1 },
  cycle: { instructions: 11_000_000, collections: 6 },
  runtime: { collections: 8, heapPeakBytes: RUNTIME_BYTES_MAX },
  "runtime-ibft": { collections: 8, heapPeakBytes: RUNTIME_BYTES_MAX },
  "runtime-ibft2": { collections: 8, heapPeakBytes: RUNTIME_BYTES_MAX },
  "runtime-qbft": { collections: 8, heapPeakBytes: RUNTIME_BYTES_MAX },
  "runtime-bitcoin": { collections: 8, heapPeakBytes: RUNTIME_BYTES_MAX },
  "runtime-ledger": { collections: 40, heapPeakBytes: LEDGER_BYTES_MAX },
};

/** What is wrong with a report, in words, against the limits and, where one is given, an earlier report. */
export function faultsOf(report: BenchReport, earlier?: BenchReport): readonly string[] {
  const faults: string[] = [];
  const found = (name: string): BenchResult | undefined => report.results.find((result) => result.name === name);
  for (const [name, limits] of Object.entries(LIMITS)) {
    const result = found(name);
    if (result === undefined) faults.push(`${name}: not measured`);
    for (const [figure, limit] of Object.entries(limits) as [keyof typeof limits, number][]) {
      const value = result?.[figure];
      if (result === undefined) continue;
      if (value === undefined) faults.push(`${name}: no ${figure}`);
      else if (value > limit) faults.push(`${name}: ${grouped(value)} ${figure}, at most ${grouped(limit)}`);
    }
  }
  for (const before of earlier?.results ?? []) {
    const after = found(before.name);
    if (before.instructions === undefined) continue;
    if (after?.instructions === undefined) faults.push(`${before.name}: not measured`);
    else if (after.instructions > before.instructions * (1 + GROWTH_MAX)) {
      const percent = (100 * (after.instructions / before.instructions - 1)).toFixed(1);
      faults.push(
        `${before.name}: ${grouped(after.instructions)} instructions, ${percent} % above ${grouped(before.instructions)}`,
      );
    }
  }
  return faults;
}

/** Why an earlier report's counts say nothing about this one's, or undefined. */
export function incomparable(report: BenchReport, earlier: BenchReport): string | undefined {
  for (const name of ["compiler", "flags"] as const)
    if (report[name] !== earlier[name]) return `${name} differs (here "${report[name]}", there "${earlier[name]}")`;
  return undefined;
}

/** Holds a report against the limits and the file; says what is wrong, and answers the exit code. */
export async function ratchetReport(report: BenchReport, output: Output): Promise<number> {
  const earlier = await readRatchet();
  const why = incomparable(report, earlier);
  if (why !== undefined) output.error(`ratchet: ${why}: only the absolute limits count`);
  const faults = faultsOf(report, why === undefined ? earlier : undefined);
  for (const fault of faults) output.error(`ratchet: ${fault}`);
  if (faults.length === 0)
    output.error(`ratchet: holds${why === undefined ? `, none above ${ratchetFile} by more than 2 %` : ""}`);
  return faults.length === 0 ? 0 : 1;
}

export async function readRatchet(): Promise<BenchReport> {
  const report = readReport(JSON.parse(await readFile(PATH, "utf8")));
  if (typeof report === "string") throw new CommandError(`${ratchetFile}: ${report}`);
  return report;
}

export async function writeRatchet(report: BenchReport): Promise<void> {
  await writeFile(PATH, `${JSON.stringify(report, undefined, 2)}\n`);
}
