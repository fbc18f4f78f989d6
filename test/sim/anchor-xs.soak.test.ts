// `npm start -- --anchor` with the firmware on XS, in the memory of an ESP32-C3: records that their mote has proven to be anchored, by the
// contract's slot and on Bitcoin by its own headers.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { endAll, Program } from "./system-run.js";

const RECORDS = 5;
const folder = mkdtempSync(join(tmpdir(), "chainmote-anchor-xs-"));

test.after(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

for (const chain of ["clique", "bitcoin"])
  test(`${chain}: --records ${RECORDS} --anchor ends with exit 0 once the mote has proven them`, async () => {
    const words = ["start", "--json", "--data", join(folder, chain), "--chain", chain, "--engine", "xs", "--board", "esp32c3"];
    const program = new Program([...words, "--records", String(RECORDS), "--anchor"]);
    assert.is(await program.ended, 0, program.errors.join("\n"));
    assert.equal(
      program.of("summary").map(({ ok, stored, anchored }) => [ok, stored, anchored]),
      [[true, RECORDS, RECORDS]],
    );
    for (const event of ["alarm", "ended"]) assert.equal(program.of(event), []);
  });

test.run();
