// Runs the benchmarks on the XS engine, in the memory of an ESP32-C3: as a 32-bit process of this machine (m32), or on an
// emulated RISC-V core that counts instructions (rv32). Slots, chunks and collections of the two are the same
// (test/xs/host.test.ts), so the long runs, which are about memory, always run on m32.

import { boardOf, DEFAULT_BOARD } from "../../host-sim/boards.js";
import { type BuildProgress, type Built, buildHost } from "../../host-sim/xs/build.js";
import { type Board, gatherModules, packImage } from "../../host-sim/xs/image.js";
import type { Creation } from "../../host-sim/xs/presets.js";
import { type Report, runImage } from "../../host-sim/xs/run.js";
import type { Target } from "../../host-sim/xs/toolchain.js";
import { benchInputs } from "../../test/bench/inputs.js";
import type { LedgerCounts } from "../../test/bench/ledger-world.js";
import { type HeapPart, type Profiled, type RuntimeSample, RuntimeWorld } from "../../test/bench/runtime-world.js";
import { CommandError, plainText } from "../terminal.js";
import { type BenchReport, type BenchResult, RUNTIMES, type RuntimeName, readResult, runtimeName } from "./report.js";

const SEED = 7;
const CASES_MS_MAX = 300_000;
/** Against a guest that hangs, not against a machine that is busy: a hundred times what 10,000 records take on two idle cores. */
const RUNTIME_MS_MAX = 6 * 3_600_000;
const RUNTIME_SAMPLES = 10;
/** With the ledger a record takes so many times as long, and such a run is as much shorter. */
export const LEDGER_SHARE = 5;
/** The run of the case `cycle`, and from when on it counts: as many records as fill a dozen sectors, and a few votes. */
const CYCLE_RECORDS = 192;
const CYCLE_WARM_UP_RECORDS = 64;
const CYCLE_SAMPLE_RECORDS = 16;
const NS_PER_US = 1_000;
/** What a board preloads (manifest.json), and what here stands for the SDK's own modules. */
const PRELOADED = [
  "bench/*",
  "firmware/*",
  "host-sim/*",
  "test/bench/cases",
  "test/bench/measure",
  "test/bench/xs-globals",
  "tinybench",
];
const NO_FEATURES = "export default () => undefined;\n";
const ENGINE = "XS 13.3.0, native crypto (libsecp256k1, Keccak)";
/** What the counts on rv32 rest on besides (machine-rv32.c): picolibc's own go byte by byte, a board's do not. */
const WORDWISE = "memcpy and memset by words";
const JUDGE: Target = "m32";

type Progress = BuildProgress;

/** How the long run went. */
export interface RuntimeRun {
  readonly report: Report;
  readonly samples: readonly RuntimeSample[];
  readonly profile: readonly Profiled[];
  readonly parts: readonly HeapPart[];
  readonly records: number;
  readonly headers: number;
  readonly jumps: number;
  /** By how many blocks at least the mote left its branch, each time that the run made it. */
  readonly reorganised: readonly number[];
  /** Of a mote with the ledger. */
  readonly ledger?: LedgerCounts | undefined;
  /** What went wrong, in words; empty where nothing did. */
  readonly faults: readonly string[];
}

/** All cases on `target`; a long run over `records` records and as many headers of each of `chains`. */
export async function benchGuest(
  target: "xs" | "rv32",
  records: number,
  progress: Progress,
  chains: readonly RuntimeName[] = RUNTIMES,
): Promise<BenchReport> {
  const built = await hostFor(target === "xs" ? JUDGE : "rv32", progress);
  progress(`${target}: the cases`);
  const measured = await runCases(built, "test/bench/xs-main.ts");
  const timed = target === "xs" ? await runCases(built, "test/bench/xs-tinybench.ts") : [];
  const results = measured.map((one) => ({ ...one, ...timed.find(({ name }) => name === one.name) }));
  progress(`${target}: the whole cycle`);
  results.push(await runCycle(built, progress));
  const judge = built.target === JUDGE ? built : await hostFor(JUDGE, progress);
  if (chains.length > 0) progress(`the whole runtime, ${records} records and headers of each chain on ${JUDGE}`);
  // Side by side: each has an engine of its own, and nothing of it is timed.
  const ledgerRecords = Math.min(records, Math.max(2 * WARM_UP_RECORDS, Math.ceil(records / LEDGER_SHARE)));
  const lengthOf = (chain: RuntimeName): number => (chain === "ledger" ? ledgerRecords : records);
  const runs = chains.map(async (chain) => resultOf(chain, await runRuntime(judge, lengthOf(chain), { chain, progress })));
  results.push(...(await Promise.all(runs)));
  const { staticBytes, chunkInitialBytes, heapInitialSlots, stackSlots } = boardOf(DEFAULT_BOARD).creation;
  return {
    target,
    engine: target === "rv32" ? `${ENGINE}; ${WORDWISE}` : ENGINE,
    compiler: built.compiler,
    flags: built.flags.join(" "),
    memory: `${DEFAULT_BOARD}: a block of ${staticBytes} bytes; ${chunkInitialBytes} of chunks, ${heapInitialSlots} slots and a stack of ${stackSlots} at the start`,
    results,
  };
}

/** The host for a target, or the one line that says what it lacks. */
export async function hostFor(target: Target, progress: Progress): Promise<Built> {
  const built = await buildHost(target, progress);
  if ("missing" in built) throw new CommandError(built.missing);
  return built;
}

/** The cases by the entry that counts, or by the one that has tinybench. */
async function runCases(built: Built, entry: string): Promise<readonly BenchResult[]> {
  const program = {
    entry,
    sources: { "bench/inputs": `export default ${JSON.stringify(benchInputs())};` },
    preload: PRELOADED,
  };
  const results: BenchResult[] = [];
  const complaints: string[] = [];
  const report = await runImage(built, packImage(await gatherModules(program), program, board()), {
    timeoutMs: CASES_MS_MAX,
    line(text) {
      const result = text.startsWith("{") ? readResult(JSON.parse(text)) : text;
      if (typeof result === "string") complaints.push(result);
      else results.push(result);
    },
  });
  if (report.code !== 0 || complaints.length > 0)
    throw new CommandError(`the benchmarks on ${built.target}: ${plainText([report.reason, ...complaints].join("; "), 300)}`);
  return results;
}

export interface RuntimeOptions {
  /** Clique where absent. */
  readonly chain?: RuntimeName;
  /** The memory that it has, where that is not the board's own. */
  readonly creation?: Creation;
  /** So many blocks are left for others after half of the run; none where absent. */
  readonly leftBlocks?: number;
  /** Nothing but records, receipts and announced headers, and no collection beside the mote's own. */
  readonly steady?: boolean;
  /** From this sample on it is looked at what runs. */
  readonly profiled?: number;
  /** After how many records there is a sample; a tenth of all where absent. */
  readonly sampleRecords?: number;
  readonly progress?: Progress;
}

/** The whole runtime over `records` records and as many headers; rejects where the engine gave no report at all. */
export async function runRuntime(built: Built, records: number, options: RuntimeOptions = {}): Promise<RuntimeRun> {
  const { chain = "clique", creation = creationOf(chain), leftBlocks = 0, steady = false, profiled, progress } = options;
  const { sampleRecords = Math.max(1, Math.floor(records / RUNTIME_SAMPLES)) } = options;
  const world = new RuntimeWorld(records, chain, { leftBlocks, steady });
  const program = {
    entry: "test/bench/runtime-main.ts",
    sources: {
      "bench/configuration": world.configuration(sampleRecords, !steady, profiled),
      ...(chain === "ledger" ? {} : { "bench/features": NO_FEATURES }),
    },
    aliases: { "bench/features": "test/bench/ledger-features.ts" },
    preload: PRELOADED,
  };
  const report = await runImage(built, packImage(await gatherModules(program), program, { ...board(), creation }), {
    timeoutMs: RUNTIME_MS_MAX,
    request: (message) => world.answer(message),
    line(text) {
      const before = world.samples.length;
      world.line(text);
      const sample = world.samples[before];
      if (sample !== undefined)
        progress?.(`${runtimeName(chain)}: ${sample.records} of ${records} records`, sample.records / records);
    },
  });
  const faults = [...world.faults];
  const lacking = world.faultAtEnd();
  if (lacking !== undefined) faults.push(lacking);
  if (report.code !== 0) faults.unshift(`it ended with "${report.reason}" after ${world.records} records`);
  const { samples, profile, parts, jumps, headers, reorganised, ledger } = world;
  return { report, samples, profile, parts, records: world.records, headers, jumps, reorganised, ledger, faults };
}

/**
 * What one record costs from the sample to its receipt, with one header, on the whole mote as it follows Clique: everything that the
 * guest does in that time, its stand-ins for the SDK's modules and the log included, the pipe to this process left out.
 */
async function runCycle(built: Built, progress: Progress): Promise<BenchResult> {
  const run = await runRuntime(built, CYCLE_RECORDS, { steady: true, sampleRecords: CYCLE_SAMPLE_RECORDS, progress });
  if (run.faults.length > 0) throw new CommandError(`cycle: ${plainText(run.faults.join("; "), 400)}`);
  const samples = run.samples.filter(({ records }) => records >= CYCLE_WARM_UP_RECORDS);
  const perRecord = (figure: "instructions" | "collections"): number => perRecordOf(run.samples, CYCLE_WARM_UP_RECORDS, figure);
  const nsEach = samples
    .slice(1)
    .map((one, i) => [one, samples[i] as RuntimeSample] as const)
    .filter(([one, before]) => one.records > before.records)
    .map(([one, before]) => (((one.microseconds ?? 0) - (before.microseconds ?? 0)) * NS_PER_US) / (one.records - before.records))
    .sort((a, b) => a - b);
  return {
    name: "cycle",
    ...(built.target === "rv32"
      ? { instructions: Math.round(perRecord("instructions")) }
      : { nsMedian: Math.round(nsEach[nsEach.length >> 1] as number) }),
    collections: Math.round(perRecord("collections") * 1000) / 1000,
    heapPeakBytes: (samples[samples.length - 1] as RuntimeSample).takenPeakBytes,
  };
}

/** What a record takes of a figure, on the average of those after the first `fromRecords`. */
export function perRecordOf(all: readonly RuntimeSample[], fromRecords: number, figure: "instructions" | "collections"): number {
  const samples = all.filter(({ records }) => records >= fromRecords);
  const [first, last] = [samples[0] as RuntimeSample, samples[samples.length - 1] as RuntimeSample];
  return ((last[figure] ?? 0) - (first[figure] ?? 0)) / (last.records - first.records);
}

function resultOf(chain: RuntimeName, run: RuntimeRun): BenchResult {
  if (run.faults.length > 0) throw new CommandError(`${runtimeName(chain)}: ${plainText(run.faults.join("; "), 400)}`);
  const [first, last] = [run.samples[0] as RuntimeSample, run.samples[run.samples.length - 1] as RuntimeSample];
  const grown = growth(run.samples);
  if (grown !== undefined) throw new CommandError(`${runtimeName(chain)}: ${grown}`);
  const collections = (last.collections - first.collections) / Math.max(1, last.records - first.records);
  return {
    name: runtimeName(chain),
    collections: Math.round(collections * 1000) / 1000,
    heapPeakBytes: last.takenPeakBytes,
    records: run.records,
    headers: run.headers,
  };
}

/** What is alive depends on what waits in a mailbox at that moment, by so much. */
const LIVE_SWING_BYTES = 2_048;
/** By then the windows of follower and outbox have been full once. */
const WARM_UP_RECORDS = 100;

/** What grew between the first tenth of a run, or its first records, and its end, in words; undefined where nothing did. */
export function growth(all: readonly RuntimeSample[]): string | undefined {
  const samples = all.filter((sample) => sample.records >= WARM_UP_RECORDS);
  const [first, last] = [samples[0] as RuntimeSample, samples[samples.length - 1] as RuntimeSample];
  if (last.takenPeakBytes > first.takenPeakBytes)
    return `the heap grew from ${first.takenPeakBytes} bytes after ${first.records} records to ${last.takenPeakBytes}`;
  const live = (sample: RuntimeSample): number => sample.liveChunkBytes + sample.liveSlotBytes;
  const most = Math.max(...samples.map(live));
  return most > live(first) + LIVE_SWING_BYTES ? `what is alive grew from ${live(first)} bytes to ${most}` : undefined;
}

function creationOf(name: RuntimeName): Creation {
  const { creation, ledgerCreation } = boardOf(DEFAULT_BOARD);
  return name === "ledger" ? ledgerCreation : creation;
}

function board(): Board {
  return { creation: boardOf(DEFAULT_BOARD).creation, keysInGuest: true, seed: SEED };
}
