// Power loss at a draw of the places where journal-power-*.soak.test.ts cuts at every one, so that each run of the tests has some.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { cutEverywhere, type PowerLossOptions } from "./power-cuts.js";
import { engine, seed } from "./power-engine.js";

/** Bytes between two cuts of an operation, about. */
const STRIDE_BYTES = 40;

for (const mode of ["plain", "encrypted"] as const) {
  const cut = (options: Omit<PowerLossOptions, "seed" | "mode" | "journal">) =>
    cutEverywhere({ seed, mode, journal: { engine }, ...options });

  test(`${mode}: within the writes and erases of a ring that wraps, and at both bounds of each`, () => {
    const result = cut({
      ...{ sectors: 8, erasesMax: 10, strideBytes: STRIDE_BYTES, lagRecords: 8 },
      ...{ goOnOneIn: 32, secondOneIn: 40, lookBackRecords: 2 },
    });
    assert.ok(result.cutPoints >= 2 * result.operations && result.recoveriesCut > 20, JSON.stringify(result));
  });

  test(`${mode}: with sectors that fail meanwhile`, () => {
    const result = cut({
      ...{ sectors: 12, erasesMax: 24, strideBytes: 400, lagRecords: 20, goOnOneIn: 8, secondOneIn: 200, lookBackRecords: 4 },
      failing: [
        { fromErase: 5, sector: 9, how: "erase" },
        { fromErase: 9, sector: 3, how: "program" },
      ],
    });
    assert.ok(result.erases >= 24, `${result.erases} erases`);
  });
}

test.run();
