// The same as kill-ledger.test.ts, at fifty moments, and of the broker, a commander and the system's own board as well. SEED=N repeats them.

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
