// Power lost at fifty random moments of a whole mote that signs, sends, confirms, anchors, trims and obeys: no nonce for two calls, no command
// done twice, nothing unanchored trimmed where `anchored` is asked, and every record anchored in the end. SEED=N repeats a run.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { seedOr } from "../seed.js";
import { cutAnywhere } from "./mote-power.js";

test("power lost at fifty random moments of everything that the ledger does", async () => {
  const { trimmed, calls, commands } = await cutAnywhere(seedOr(), 50);
  assert.ok(trimmed > 50 && calls > 5 && commands > 5, `${trimmed} trimmed, ${calls} calls, ${commands} commands`);
});

test.run();
