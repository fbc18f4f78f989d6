// The power-loss runs of one flash mode: every byte of a ring that wraps, every boundary of long ones, second losses,
// failing sectors. SEED=N replays another run.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { FlashMode } from "../../host-sim/hardware/flash.js";
import { cutEverywhere, type PowerLossOptions, type PowerLossResult } from "./power-cuts.js";
import { engine, seed } from "./power-engine.js";

export function powerLossOn(mode: FlashMode): void {
  let cutPoints = 0;

  function cut(name: string, options: Omit<PowerLossOptions, "seed" | "mode" | "journal">): PowerLossResult {
    const startMs = Date.now();
    const result = cutEverywhere({ seed, mode, journal: { engine }, ...options });
    const { operations, records, erases, secondCutPoints } = result;
    const sum = result.cutPoints + secondCutPoints;
    cutPoints += sum;
    console.log(
      `${name}: ${sum} cut points (${secondCutPoints} of them in ${result.recoveriesCut} recoveries), ` +
        `${operations} operations, ${records} records, ${erases} erases, ${((Date.now() - startMs) / 1000).toFixed(1)} s`,
    );
    return result;
  }

  test(`${mode}: at every byte of every write and erase of a ring of 8 sectors that wraps twice`, () => {
    const result = cut("8 sectors, every byte", {
      sectors: 8,
      erasesMax: 18,
      strideBytes: 1,
      lagRecords: 8,
      goOnOneIn: 32,
      secondOneIn: 0,
      lookBackRecords: 2,
    });
    assert.ok(result.erases >= 2 * 8 + 1, `${result.erases} erases`);
    assert.ok(result.cutPoints >= 100_000, `${result.cutPoints} cut points`);
  });

  for (const sectors of [16, 64])
    test(`${mode}: at every boundary of an operation of 2,000 records over ${sectors} sectors`, () => {
      const recordsMax = 2_000;
      const result = cut(`${sectors} sectors, every boundary`, {
        sectors,
        recordsMax,
        strideBytes: Number.POSITIVE_INFINITY,
        lagRecords: 16,
        goOnOneIn: 1,
        secondOneIn: 0,
        lookBackRecords: 2,
      });
      assert.ok(result.records >= recordsMax && result.cutPoints >= 2 * result.operations);
    });

  test(`${mode}: a second loss at every boundary of the recovery, after 1,000 first cuts`, () => {
    const result = cut("second loss", {
      sectors: 8,
      erasesMax: 48,
      strideBytes: 90,
      lagRecords: 20,
      goOnOneIn: 1_000_000,
      secondOneIn: 5,
      lookBackRecords: 4,
    });
    assert.ok(result.recoveriesCut >= 1_000, `${result.recoveriesCut} recoveries were cut`);
    // A recovery has at least 4 operations (erase, header, append, seal), each cut three times.
    assert.ok(result.secondCutPoints >= 12 * result.recoveriesCut, `${result.secondCutPoints} cuts in recoveries`);
  });

  test(`${mode}: with sectors that fail meanwhile`, () => {
    const result = cut("failing sectors", {
      sectors: 12,
      erasesMax: 48,
      strideBytes: 200,
      lagRecords: 20,
      goOnOneIn: 8,
      secondOneIn: 50,
      lookBackRecords: 4,
      failing: [
        { fromErase: 5, sector: 9, how: "erase" },
        { fromErase: 9, sector: 3, how: "program" },
        { fromErase: 20, sector: 4, how: "erase" },
      ],
    });
    assert.ok(result.erases >= 48);
  });

  test(`${mode}: the sum`, () => {
    console.log(`${cutPoints} cut points`);
    assert.ok(cutPoints >= 100_000);
  });

  test.run();
}
