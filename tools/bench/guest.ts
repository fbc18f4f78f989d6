// Runs the benchmarks on the XS engine, in the memory of an ESP32-C3: as a 32-bit process of this machine (m32), or on an
// emulated RISC-V core that counts instructions (rv32). Slots, chunks and collections of the two are the same
// (test/xs/host.test.ts), so the long runs, which are about memory, always run on m32.

import { type Built, buildHost } from "../../host-sim/xs/build.js";
import { type Board, gatherModules, packImage } from "../../host-sim/xs/image.js";
import { CREATIONS, type Creation } from "../../host-sim/xs/presets.js";
import { type Report, runImage } from "../../host-sim/xs/run.js";
import type { Target } from "../../host-sim/xs/toolchain.js";
import { benchInputs } from "../../test/bench/inputs.js";
import { type RuntimeSample, RuntimeWorld } from "../../test/bench/runtime-world.js";
import { CommandError, plainText } from "../terminal.js";
import { type BenchReport, type BenchResult, RUNTIME_CHAINS, type RuntimeChainName, readResult, runtimeName } from "./report.js";

const BOARD = "esp32c3";
const SEED = 7;
const CASES_MS_MAX = 300_000;
const RUNTIME_MS_MAX = 1_200_000;
const RUNTIME_SAMPLES = 10;
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
const ENGINE = "XS 13.3.0, native crypto (libsecp256k1, Keccak)";
/** What the counts on rv32 rest on besides (machine-rv32.c): picolibc's own go byte by byte, a board's do not. */
const WORDWISE = "memcpy and memset by words";
const JUDGE: Target = "m32";

type Progress = (text: string) => void;

/** How the long run went. */
export interface RuntimeRun {
  readonly report: Report;
  readonly samples: readonly RuntimeSample[];
  readonly records: number;
  readonly headers: number;
  readonly jumps: number;
  /** By how many blocks at least the mote left its branch, each time that the run made it. */
  readonly reorganised: readonly number[];
  /** What went wrong, in words; empty where nothing did. */
  readonly faults: readonly string[];
}

/** All cases on `target`; a long run over `records` records and as many headers of each of `chains`. */
export async function benchGuest(
  target: "xs" | "rv32",
  records: number,
  progress: Progress,
  chains: readonly RuntimeChainName[] = RUNTIME_CHAINS,
): Promise<BenchReport> {
  const built = await hostFor(target === "xs" ? JUDGE : "rv32", progress);
  progress(`${target}: the cases`);
  const measured = await runCases(built, "test/bench/xs-main.ts");
  const timed = target === "xs" ? await runCases(built, "test/bench/xs-tinybench.ts") : [];
  const results = measured.map((one) => ({ ...one, ...timed.find(({ name }) => name === one.name) }));
  const judge = built.target === JUDGE ? built : await hostFor(JUDGE, progress);
  if (chains.length > 0) progress(`the whole runtime, ${records} records and headers of each chain on ${JUDGE}`);
  // Side by side: each has an engine of its own, and nothing of it is timed.
  const runs = chains.map(async (chain) => resultOf(chain, await runRuntime(judge, records, { chain, progress })));
  results.push(...(await Promise.all(runs)));
  const { staticBytes, chunkInitialBytes, heapInitialSlots, stackSlots } = CREATIONS[BOARD];
  return {
    target,
    engine: target === "rv32" ? `${ENGINE}; ${WORDWISE}` : ENGINE,
    compiler: built.compiler,
    flags: built.flags.join(" "),
    memory: `${BOARD}: a block of ${staticBytes} bytes; ${chunkInitialBytes} of chunks, ${heapInitialSlots} slots and a stack of ${stackSlots} at the start`,
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
  readonly chain?: RuntimeChainName;
  /** The memory that it has, where that is not the board's own. */
  readonly creation?: Creation;
  /** So many blocks are left for others after half of the run; none where absent. */
  readonly leftBlocks?: number;
  readonly progress?: Progress;
}

/** The whole runtime over `records` records and as many headers; rejects where the engine gave no report at all. */
export async function runRuntime(built: Built, records: number, options: RuntimeOptions = {}): Promise<RuntimeRun> {
  const { chain = "clique", creation = CREATIONS[BOARD], leftBlocks, progress } = options;
  const world = new RuntimeWorld(records, chain, leftBlocks);
  const sampleRecords = Math.max(1, Math.floor(records / RUNTIME_SAMPLES));
  const program = {
    entry: "test/bench/runtime-main.ts",
    sources: { "bench/configuration": world.configuration(sampleRecords) },
    preload: PRELOADED,
  };
  const report = await runImage(built, packImage(await gatherModules(program), program, { ...board(), creation }), {
    timeoutMs: RUNTIME_MS_MAX,
    request: (message) => world.answer(message),
    line(text) {
      const before = world.samples.length;
      world.line(text);
      const sample = world.samples[before];
      if (sample !== undefined) progress?.(`${runtimeName(chain)}: ${sample.records} of ${records} records`);
    },
  });
  const faults = [...world.faults];
  const lacking = world.faultAtEnd();
  if (lacking !== undefined) faults.push(lacking);
  if (report.code !== 0) faults.unshift(`it ended with "${report.reason}" after ${world.records} records`);
  const { samples, jumps, headers, reorganised } = world;
  return { report, samples, records: world.records, headers, jumps, reorganised, faults };
}

function resultOf(chain: RuntimeChainName, run: RuntimeRun): BenchResult {
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

function board(): Board {
  return { creation: CREATIONS[BOARD], keysInGuest: true, seed: SEED };
}
