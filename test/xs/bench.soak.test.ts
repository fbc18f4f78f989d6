// The benchmarks themselves: that every case runs on every target and gives the figures that belong to it. How much they
// are is for the ratchet.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { buildHost } from "../../host-sim/xs/build.js";
import { benchGuest } from "../../tools/bench/guest.js";
import { printHeap, printProfile } from "../../tools/bench/parts.js";
import { type BenchReport, readReport } from "../../tools/bench/report.js";
import type { Output } from "../../tools/terminal.js";
import { codecCases } from "../bench/codecs.js";
import type { HeapPart } from "../bench/runtime-world.js";

const CASES = [
  ..."keygen sign verify recover sha256d-80 keccak-540 cbor-encode cbor-decode record".split(" "),
  ..."header-clique header-ibft2 header-qbft header-bitcoin proof-storage-8 transaction anchor-receipt command".split(" "),
];
/** test/xs/runtime.soak.test.ts has the others. */
const CHAIN = "clique";
const RECORDS = 200;

const missing: string[] = [];
for (const target of ["m32", "rv32"] as const) {
  const built = await buildHost(target);
  if ("missing" in built) missing.push(built.missing);
}
const reports: Partial<Record<"xs" | "rv32", BenchReport>> = {};
if (missing.length === 0)
  for (const target of ["xs", "rv32"] as const) reports[target] = await benchGuest(target, RECORDS, () => {}, [CHAIN]);

const test = suite("benchmarks");

for (const target of ["xs", "rv32"] as const) {
  const name = `${target}: every case has its figures`;
  const report = reports[target];
  if (report === undefined) {
    console.log(missing.join("\n"));
    test.skip(name, () => {});
    continue;
  }
  test(name, () => {
    assert.equal(
      report.results.map((result) => result.name),
      [...CASES, "cycle", "runtime"],
    );
    assert.equal(readReport(JSON.parse(JSON.stringify(report))), report);
    for (const { name, instructions, nsMedian, collections, heapPeakBytes } of report.results) {
      assert.type(collections, "number", name);
      assert.ok((heapPeakBytes ?? 0) > 10_000 && (heapPeakBytes ?? 0) <= 94_208, name);
      if (name === "runtime") continue;
      const [counted, other] = target === "rv32" ? [instructions, nsMedian] : [nsMedian, instructions];
      assert.ok((counted ?? 0) > 0, name);
      assert.is(other, undefined, name);
    }
    const runtime = report.results.find((result) => result.name === "runtime");
    assert.ok((runtime?.records ?? 0) >= RECORDS && (runtime?.headers ?? 0) >= RECORDS);
  });
}

if (missing.length > 0) test.skip("whose the heap is, and where the instructions go", () => {});
else
  test("whose the heap is, and where the instructions go: by module, and nothing is left out", async () => {
    const lines: Record<string, unknown>[] = [];
    const output = { line: (text: string) => lines.push(JSON.parse(text)) } as unknown as Output;
    assert.is(await printHeap(CHAIN, true, output), 0);
    const heap = lines[0] as { parts: HeapPart[]; blockPeakBytes: number };
    const slots = heap.parts.reduce((sum, { slotBytes }) => sum + slotBytes, 0);
    const engine = heap.parts.find(({ part }) => part === "(engine)") as HeapPart;
    assert.ok(slots > 12_000 && slots < heap.blockPeakBytes, `${slots} bytes of slots`);
    assert.ok(engine.slotBytes < slots / 8, `${engine.slotBytes} bytes of slots that nobody owns`);
    for (const { part, slotBytes, chunkBytes, peakBytes } of heap.parts) assert.ok(peakBytes >= slotBytes + chunkBytes, part);
    for (const module of ["firmware/mote", "firmware/record/journal", "firmware/chain/follow/delta-list"])
      assert.ok(
        heap.parts.some(({ part, slotBytes }) => part === module && slotBytes > 0),
        module,
      );

    assert.is(await printProfile(CHAIN, true, output), 0);
    const profile = lines[1] as {
      instructions: number;
      functions: { module: string; name: string; self: number; total: number }[];
    };
    const selves = profile.functions.reduce((sum, { self }) => sum + self, 0);
    assert.ok(Math.abs(selves / profile.instructions - 1) < 0.02, `${selves} of ${profile.instructions}`);
    const step = profile.functions.find(({ module, name }) => module === "firmware/mote" && name === "step");
    assert.ok((step?.total ?? 0) > profile.instructions / 2, "nearly all of it is done in steps");
  });

test("side by side: ours, cbor-x and cborg encode, sign and verify one record", () => {
  const cases = codecCases(nobleEngine); // throws where one does not verify what it signed, or ours what cborg signed
  const names = ["encode", "sign", "verify"].flatMap((step) => ["ours", "cbor-x", "cborg"].map((codec) => `${step}-${codec}`));
  assert.equal(
    cases.map((one) => one.name),
    names,
  );
  const made = (name: string): Uint8Array => cases.find((one) => one.name === name)?.run() as Uint8Array;
  assert.equal(new Uint8Array(made("encode-ours")), new Uint8Array(made("encode-cborg")));
  for (const codec of ["ours", "cbor-x", "cborg"]) assert.is(made(`verify-${codec}`) as unknown, true, codec);
});

test.run();
