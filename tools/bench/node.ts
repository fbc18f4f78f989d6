// Runs the benchmarks on Node with tinybench, and puts our signed CBOR beside two general encoders, our verification of Bitcoin
// and of Clique headers beside bcoin, bitcoinjs-lib and @ethereumjs/block, all in one run.
//
// Node says little about a board: it hides garbage collections, soft floats and memory. It is the quick look, and the
// place where other JavaScript can be compared.

import { Bench } from "tinybench";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { curve, fastEngine } from "../../host-sim/crypto/engine-fast.js";
import type { BuildProgress } from "../../host-sim/xs/build.js";
import { bitcoinRates } from "../../test/bench/bitcoin.js";
import { type BenchCase, benchCases } from "../../test/bench/cases.js";
import { cliqueSideBySide } from "../../test/bench/clique-side-by-side.js";
import { codecCases } from "../../test/bench/codecs.js";
import { benchInputs } from "../../test/bench/inputs.js";
import { nodeBoard } from "../../test/bench/node-board.js";
import type { BenchReport, BenchResult } from "./report.js";

const ENGINES = { noble: nobleEngine, fast: fastEngine };
export type NodeCrypto = keyof typeof ENGINES;
export const NODE_CRYPTO = Object.keys(ENGINES) as readonly NodeCrypto[];

/** How long each case is run, in milliseconds, warm-up besides. */
const CASE_MS = 400;
const WARMUP_MS = 100;
const NS_PER_MS = 1_000_000;
const NS_PER_S = 1_000_000_000;

export async function benchNode(crypto: NodeCrypto, progress: BuildProgress): Promise<BenchReport> {
  const engine = ENGINES[crypto];
  const results: BenchResult[] = [];
  const groups = [
    ...benchCases(nodeBoard(engine, crypto === "fast" ? curve : undefined), benchInputs()),
    () => codecCases(engine),
  ];
  for (const [at, make] of groups.entries())
    for (const one of make()) {
      progress(`node: ${one.name}`, at / (groups.length + 1));
      results.push(await measure(one));
    }
  progress("node: headers beside other libraries", groups.length / (groups.length + 1));
  results.push(...headersBeside());
  return {
    target: "node",
    engine: `Node.js ${process.versions.node} (V8 ${process.versions.v8}), ${engine.name} crypto`,
    compiler: "none: V8 compiles while it runs",
    flags: process.execArgv.filter((word) => !/^--(import|require)|tsx|^file:/.test(word)).join(" ") || "none",
    memory: "V8's own",
    results,
  };
}

/** Time for one header, ours and others' by name; the tools' engine, since that is what verifies headers on a host. */
function headersBeside(): BenchResult[] {
  const perHeader = (headersPerSecond: number): number => Math.round(NS_PER_S / headersPerSecond);
  const { ours, theirs } = cliqueSideBySide();
  return [
    { name: "clique-chainmote", nsMedian: perHeader(ours) },
    { name: "clique-ethereumjs-block", nsMedian: perHeader(theirs) },
    ...bitcoinRates().map(({ name, headersPerSecond }) => ({ name: `bitcoin-${name}`, nsMedian: perHeader(headersPerSecond) })),
  ];
}

async function measure({ name, prepare, run, check }: BenchCase): Promise<BenchResult> {
  const bench = new Bench({ time: CASE_MS, warmupTime: WARMUP_MS, throws: true });
  prepare?.();
  let result = run();
  const isAsync = result instanceof Promise;
  check?.(await result);
  const once = (): void => {
    result = run();
  };
  const awaited = async (): Promise<void> => {
    result = await run();
  };
  bench.add(name, isAsync ? awaited : once, {
    async: isAsync,
    beforeEach: () => prepare?.(),
    afterEach: () => check?.(result),
  });
  const [task] = await bench.run();
  const latency = task?.result !== undefined && "latency" in task.result ? task.result.latency : undefined;
  if (latency === undefined) throw new Error(`tinybench gives no result for ${name}`);
  return { name, nsMedian: Math.round(latency.p50 * NS_PER_MS) };
}
