// Power loss: a journal is cut at the bytes of its writes and erases, mounted, checked against what was acknowledged, and
// goes on. By default a sample of the bytes, thousands of cuts in well under a minute; with FULL=1 every single byte.

import { hash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { FlashMode } from "../../host-sim/hardware/flash.js";
import { cutEverywhere, type PowerLossOptions } from "./power-loss.js";

const full = process.env.FULL === "1";
const seed = Number(process.env.SEED ?? 20_260_101);
const modes: readonly FlashMode[] = ["plain", "encrypted"];
const engine = {
  sha256: (...parts: readonly Uint8Array[]): Uint8Array =>
    hash("sha256", parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts), "buffer"),
};
let cutPoints = 0;

function cut(name: string, options: Omit<PowerLossOptions, "seed">): ReturnType<typeof cutEverywhere> {
  const startMs = Date.now();
  const result = cutEverywhere({ seed, ...options });
  const sum = result.cutPoints + result.secondCutPoints;
  cutPoints += sum;
  console.log(
    `${name}, ${options.mode}: ${sum} cut points (${result.secondCutPoints} of them in a recovery), ` +
      `${result.operations} operations, ${result.records} records, ${result.erases} erases, ${((Date.now() - startMs) / 1000).toFixed(1)} s`,
  );
  return result;
}

for (const mode of modes) {
  test(`${mode}: at ${full ? "every byte" : "a sample of the bytes"} of a ring of 8 sectors that wraps twice`, () => {
    const erasesMax = 26; // 8 sectors: three times round
    const result = cut("8 sectors", {
      sectors: 8,
      mode,
      journal: { engine },
      erasesMax,
      strideBytes: full ? 1 : 120,
      lagRecords: 20,
      goOnOneIn: 16,
      secondOneIn: 0,
    });
    assert.ok(result.erases >= 2 * 8 + 1);
    assert.ok(result.cutPoints >= (full ? 100_000 : 1_500), `${result.cutPoints} cut points`);
  });

  for (const sectors of [16, 64]) {
    test(`${mode}: at every boundary of an operation over ${sectors} sectors`, () => {
      const recordsMax = full ? 2_000 : 120;
      const result = cut(`${sectors} sectors, boundaries`, {
        sectors,
        mode,
        journal: { engine },
        recordsMax,
        strideBytes: Number.POSITIVE_INFINITY,
        lagRecords: 40,
        goOnOneIn: 1,
        secondOneIn: 0,
        lookBackRecords: 20,
      });
      assert.ok(result.records >= recordsMax);
    });
  }

  test(`${mode}: a second loss at every boundary of the recovery`, () => {
    const firstCuts = full ? 1_000 : 60;
    const result = cut("second loss", {
      sectors: 8,
      mode,
      journal: { engine },
      erasesMax: full ? 64 : 20,
      strideBytes: full ? 90 : 300,
      lagRecords: 20,
      goOnOneIn: 1_000_000,
      secondOneIn: full ? 5 : 20,
    });
    // A recovery has at least 4 operations (erase, header, append, seal), each cut three times.
    assert.ok(result.secondCutPoints >= firstCuts * 4, `${result.secondCutPoints} cuts in recoveries`);
  });

  test(`${mode}: with sectors that fail meanwhile`, () => {
    const result = cut("failing sectors", {
      sectors: 12,
      mode,
      journal: { engine },
      erasesMax: full ? 60 : 36,
      strideBytes: full ? 60 : 400,
      lagRecords: 20,
      goOnOneIn: 8,
      secondOneIn: full ? 50 : 0,
      failing: [
        { fromErase: 5, sector: 9, how: "erase" },
        { fromErase: 9, sector: 3, how: "program" },
        { fromErase: 20, sector: 4, how: "erase" },
      ],
    });
    assert.ok(result.erases >= 36);
  });
}

test("the sum", () => {
  console.log(`${cutPoints} cut points`);
  assert.ok(cutPoints >= (full ? 200_000 : 5_000));
});

test.run();
