// The pseudo-terminals of tests (test/pty.ts), each with a path of its own.

import { existsSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Pty, ptyFault } from "../pty.js";

const fault = ptyFault();
if (fault !== undefined) console.log(`skipped: ${fault}`);

(fault === undefined ? test : test.skip)("one that is closed is gone, and its path is no other one's", async () => {
  const paths = new Set<string>();
  for (let i = 0; i < 5; i += 1) {
    const pty = await Pty.open(() => undefined);
    await pty.close();
    assert.not(existsSync(pty.path));
    paths.add(pty.path);
  }
  assert.is(paths.size, 5);
});

test.run();
