// What the figures of the whole mote consist of: whose the heap is (host-sim/xs/src/heap.c), and which functions the instructions of
// one cycle go to (host-sim/xs/src/profile.c).
//
// Promises: the same run as the case `cycle`; the heap is measured on m32, whose slots and chunks are those of rv32. The profile is
// made of looks at equal distances of instructions, so a line is as exact as the number of looks allows.

import type { HeapPart, Profiled } from "../../test/bench/runtime-world.js";
import { CommandError, type Output, plainText } from "../terminal.js";
import { hostFor, perRecordOf, type RuntimeRun, runRuntime } from "./guest.js";
import { grouped, type RuntimeName } from "./report.js";

const RECORDS = 128;
const SAMPLE_RECORDS = 16;
const FROM_RECORDS = 64;
const LINES_MAX = 60;
const NAME_COLUMNS = 44;

async function measured(target: "m32" | "rv32", chain: RuntimeName): Promise<RuntimeRun> {
  const built = await hostFor(target, () => {});
  const run = await runRuntime(built, RECORDS, { chain, steady: true, sampleRecords: SAMPLE_RECORDS, profiled: FROM_RECORDS });
  if (run.faults.length > 0) throw new CommandError(`${chain}: ${plainText(run.faults.join("; "), 400)}`);
  return run;
}

/** A table of what each module has alive in bytes, and how much that was at most after any collection. */
export async function printHeap(chain: RuntimeName, json: boolean, output: Output): Promise<number> {
  const { parts, report } = await measured("m32", chain);
  const rows = [...parts].sort((a, b) => liveOf(b) - liveOf(a) || b.peakBytes - a.peakBytes);
  if (json) {
    output.line(
      JSON.stringify({ chain, parts: rows, blockPeakBytes: report.blockPeakBytes, stackPeakBytes: report.stackPeakBytes }),
    );
    return 0;
  }
  const row = (name: string, numbers: readonly (number | string)[]): void =>
    output.line(name.padEnd(NAME_COLUMNS) + numbers.map((one) => String(one).padStart(12)).join(""));
  row("part", ["slots", "chunks", "objects", "live bytes", "peak bytes"]);
  for (const part of rows)
    row(part.part, [part.slotBytes, part.chunkBytes, part.objects, liveOf(part), part.peakBytes].map(grouped));
  const sum = (of: (part: HeapPart) => number): string => grouped(rows.reduce((total, part) => total + of(part), 0));
  row("all, alive at the end", [
    sum((part) => part.slotBytes),
    sum((part) => part.chunkBytes),
    sum((part) => part.objects),
    sum(liveOf),
  ]);
  row("taken of the block at most, stack included", ["", "", "", "", grouped(report.blockPeakBytes)]);
  row("stack at most", ["", "", "", "", grouped(report.stackPeakBytes)]);
  return 0;
}

function liveOf({ slotBytes, chunkBytes }: HeapPart): number {
  return slotBytes + chunkBytes;
}

/** Two tables: what runs itself, by module; and by function, with what it calls. */
export async function printProfile(chain: RuntimeName, json: boolean, output: Output): Promise<number> {
  const run = await measured("rv32", chain);
  const { profile } = run;
  const looks = profile[0]?.looks ?? 0;
  const perRecord = perRecordOf(run.samples, FROM_RECORDS, "instructions");
  const counted = profile.map(({ profile: module, name, self, total }: Profiled) => ({
    module,
    name,
    self: Math.round((self / looks) * perRecord),
    total: Math.round((total / looks) * perRecord),
  }));
  if (json) {
    output.line(JSON.stringify({ chain, instructions: Math.round(perRecord), looks, functions: counted }));
    return 0;
  }
  output.line(`one record, its receipt and one header of ${chain}: ${grouped(perRecord)} instructions; ${grouped(looks)} looks`);
  output.line();
  const modules = new Map<string, number>();
  for (const { module, name, self } of counted) {
    const part = module === "" ? `${name} (of the engine, or in C)` : module;
    modules.set(part, (modules.get(part) ?? 0) + self);
  }
  output.line(`${"instructions".padStart(12)}  by module`);
  for (const [part, self] of [...modules].sort((a, b) => b[1] - a[1]).slice(0, LINES_MAX))
    output.line(`${grouped(self).padStart(12)}  ${part}`);
  output.line();
  output.line(`${"itself".padStart(12)}${"with callees".padStart(14)}  function`);
  for (const { module, name, self, total } of [...counted].sort((a, b) => b.total - a.total).slice(0, LINES_MAX))
    output.line(`${grouped(self).padStart(12)}${grouped(total).padStart(14)}  ${module} ${name}`);
  return 0;
}
