// kill -9 of a board, the collector, and all of it, on a real chain with commands, payments and anchors: no nonce for two calls, no command
// done twice, nothing trimmed that was not anchored, every record stored and anchored. SEED=N repeats the moments.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { seedOr } from "../seed.js";
import { killLedger } from "./kill-ledger.js";
import { endAll } from "./system-run.js";

test.after(() => endAll());

test("four kills at random moments of everything that the ledger does", async () => {
  const { payments, anchors, commands } = await killLedger(seedOr(), 4);
  assert.ok(payments > 0 && anchors > 0 && commands > 0, `${payments} payments, ${anchors} anchors, ${commands} commands`);
});

test.run();
