// kill -9 of a board, the collector, the broker, a commander, and all of it, on a real chain with commands, payments and anchors: no nonce for
// two calls, no command done twice, nothing trimmed that was not anchored, every record stored and anchored. SEED=N repeats the moments.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { seedOr } from "../seed.js";
import { killLedger } from "./kill-ledger.js";
import { endAll } from "./system-run.js";

test.after(() => endAll());

test("fifty kills at random moments of everything that the ledger does", async () => {
  const { trimmed, payments, anchors, commands, reboots } = await killLedger(seedOr(), 50);
  assert.ok(trimmed > 0 && payments > 0 && anchors > 0, `${trimmed} trimmed, ${payments} payments, ${anchors} anchors`);
  assert.ok(commands > 0 && reboots > 0, `${commands} commands, ${reboots} reboots`);
});

test.run();
