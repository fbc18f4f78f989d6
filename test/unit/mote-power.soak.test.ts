// The same as mote-power.test.ts, twenty lives of fifty moments each: a thousand losses of power. SEED=N repeats a run.

import { test } from "uvu";
import { seedOr } from "../seed.js";
import { cutAnywhere } from "./mote-power.js";

const LIVES = 20;

test("power lost at a thousand random moments of everything that the ledger does", async () => {
  const seed = seedOr();
  for (let i = 0; i < LIVES; i += 1) await cutAnywhere(seed + i, 50);
});

test.run();
