// npm run bench:heap: the heap of the whole mote with the network modules of the SDK that MODDABLE names, against its limit.
//
// Clique over 10,000 records and headers, the other chains over 1,000 each, and the mote with the ledger (firmware/main-ledger.ts, Clique)
// over 1,000, side by side; FULL=1: each over 10,000.
// `--records N` is for a quick look; `--accept` writes test/bench/heap.json.
// Exit code: 0, 1 where something cannot be measured or is over its limit, 2 for a mistake in the command line.

import { buildHost } from "../../../host-sim/xs/build.js";
import { growth } from "../../../tools/bench/guest.js";
import { grouped, RUNTIMES } from "../../../tools/bench/report.js";
import { Progress } from "../../../tools/progress.js";
import type { RuntimeSample } from "../runtime-world.js";
import {
  type ChainFigure,
  figureFile,
  HEAP_BYTES_MAX,
  type HeapFigure,
  hashOfOurs,
  hashOfSdk,
  RECORDS_MIN,
  readFigure,
  STORED_BYTES,
  type StoredFigure,
  writeFigure,
} from "./figure.js";
import { type HeapOptions, runHeap } from "./run.js";

const RECORDS_OF_OTHERS = 1_000;
const RECORDS_LEAST = 150;
const USAGE = `npm run bench:heap [-- --records N] [-- --accept]; MODDABLE names a Moddable SDK`;

async function main(words: readonly string[]): Promise<number> {
  const accept = words.includes("--accept");
  const at = words.indexOf("--records");
  const records = at < 0 ? undefined : Number(words[at + 1]);
  const known = words.every((word, i) => word === "--accept" || i === at || (at >= 0 && i === at + 1));
  if (!known || (records !== undefined && !(Number.isInteger(records) && records >= RECORDS_LEAST))) {
    console.error(`${USAGE}; at least ${RECORDS_LEAST} records`);
    return 2;
  }
  if (accept && records !== undefined && records < RECORDS_MIN) {
    console.error(`--accept wants ${grouped(RECORDS_MIN)} records`);
    return 2;
  }
  const folder = process.env.MODDABLE ?? "";
  const sdk = folder === "" ? { missing: "MODDABLE names no Moddable SDK" } : hashOfSdk(folder);
  const bar = new Progress("bench:heap");
  const built = await buildHost("m32", (text, share) => bar.step(text, share)).finally(() => bar.clear());
  const missing = "missing" in sdk ? sdk.missing : "missing" in built ? built.missing : undefined;
  if ("missing" in sdk || "missing" in built) {
    console.error(missing);
    return 1;
  }
  const ours = hashOfOurs();
  const lengthOf = (chain: string): number =>
    records ?? (chain === "clique" || process.env.FULL === "1" ? RECORDS_MIN : RECORDS_OF_OTHERS);
  const runs = await Promise.all(
    RUNTIMES.map((chain) =>
      measure(chain, (progress) => runHeap(built, { sdk: folder, records: lengthOf(chain), chain, progress })),
    ),
  );
  const faults = runs.flatMap((run) => run.faults);
  const chains = runs.flatMap(({ figure }) => (figure === undefined ? [] : [figure]));
  const most = (ledger: boolean): number =>
    Math.max(...chains.filter(({ chain }) => (chain === "ledger") === ledger).map((one) => one.heapPeakBytes));
  const [heapPeakBytes, ledgerHeapPeakBytes] = [most(false), most(true)];
  for (const bytes of [heapPeakBytes, ledgerHeapPeakBytes])
    if (bytes > HEAP_BYTES_MAX) faults.push(`${grouped(bytes)} bytes of heap, at most ${grouped(HEAP_BYTES_MAX)}`);
  const stored: StoredFigure[] = [];
  for (const documentBytes of faults.length > 0 ? [] : STORED_BYTES) {
    const options = { sdk: folder, records: RECORDS_LEAST, chain: "clique", storedBytes: documentBytes } as const;
    const run = await measure("clique", (progress) => runHeap(built, { ...options, progress }));
    faults.push(...run.faults);
    const peakBytes = run.figure?.heapPeakBytes ?? 0;
    console.log(`a configuration of ${grouped(documentBytes)} bytes that the board keeps: ${grouped(peakBytes)} bytes`);
    if (peakBytes > HEAP_BYTES_MAX) faults.push(`${grouped(peakBytes)} bytes, at most ${grouped(HEAP_BYTES_MAX)}`);
    stored.push({ documentBytes, heapPeakBytes: peakBytes });
  }
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) return 1;
  console.log(
    `SDK ${sdk.version}: ${grouped(heapPeakBytes)} bytes at most, with the ledger ${grouped(ledgerHeapPeakBytes)}, of ${grouped(HEAP_BYTES_MAX)} that may be taken`,
  );
  return conclude({ board: "esp32c3", heapPeakBytes, ledgerHeapPeakBytes, chains, stored, sdk, ours }, accept);
}

interface Measured {
  readonly figure?: ChainFigure;
  readonly faults: readonly string[];
}

async function measure(
  chain: HeapOptions["chain"],
  run: (progress: (text: string) => void) => ReturnType<typeof runHeap>,
): Promise<Measured> {
  const { samples, records, headers, losses, faults } = await run((text) => console.log(text));
  const grown = faults.length === 0 ? growth(samples) : undefined;
  const wrong = grown === undefined ? faults : [grown];
  if (wrong.length > 0) return { faults: wrong.map((fault) => `${chain}: ${fault}`) };
  const { takenPeakBytes: heapPeakBytes, stackPeakBytes } = samples[samples.length - 1] as RuntimeSample;
  return { figure: { chain, records, headers, losses, heapPeakBytes, stackPeakBytes }, faults: [] };
}

/** Writes the figure, or says how it stands to the one that is kept. */
function conclude(figure: HeapFigure, accept: boolean): number {
  if (accept) {
    writeFigure(figure);
    console.log(`written to ${figureFile}`);
    return 0;
  }
  const kept = readFigure();
  const same = kept.ours === figure.ours && JSON.stringify(kept.sdk) === JSON.stringify(figure.sdk);
  console.log(
    same
      ? `${figureFile} has ${grouped(kept.heapPeakBytes)}, of the same files`
      : `${figureFile} has ${grouped(kept.heapPeakBytes)}, of other files: -- --accept writes this measurement`,
  );
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
