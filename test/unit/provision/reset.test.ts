// A factory reset: what it takes and what it leaves, and that it is finished wherever it is cut, the key before the counters.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { KEYS_DOMAIN } from "../../../firmware/crypto/software-keys.js";
import { COMMAND_KEY, COMMAND_RESET, RESET_WORDS } from "../../../firmware/provision/session.js";
import { Power } from "../power.js";
import { kept, type ProvisionBench, pressed } from "./board.js";

/** What is there of a board that a factory reset takes. */
function left(bench: ProvisionBench): string[] {
  return [...bench.storage.nvs.sizes().keys()].filter((name) => /^(keys|mote|config)\//.test(name));
}

test("a factory reset that is cut anywhere is finished at the next start, the key first", async () => {
  for (let cutAt = 0; ; cutAt += 1) {
    const bench = await kept();
    const first = await pressed(bench);
    for (let i = 0; i < 40; i += 1) {
      await first.pass(500);
      if ((await first.ask(COMMAND_KEY)).address !== undefined) break;
    }
    bench.storage.nvs.set("mote", "sequence", Uint8Array.of(1));
    bench.storage.nvs.set("update", "sequence", Uint8Array.of(1));
    first.device.flash.open({ path: "journal", mode: "r+" }).write(new Uint8Array(64).fill(5), 70 * 1024);
    assert.ok((await first.ask(COMMAND_RESET, "please")).code, "words are wanted");
    await first.ask(COMMAND_RESET, RESET_WORDS);
    await first.pass(1_000);
    const power = new Power();
    power.cutAt = cutAt;
    const cut = bench.boot(power);
    await cut.pass(60_000);
    if (bench.storage.nvs.get("mote", "sequence") === undefined)
      assert.is(bench.storage.nvs.get(KEYS_DOMAIN, "device"), undefined, "no counter goes before the key");
    cut.cut();
    const after = bench.boot();
    await after.pass(60_000);
    after.cut();
    const blank = bench.boot();
    const kept64 = new Uint8Array(blank.device.flash.open({ path: "journal" }).read(64, 70 * 1024));
    assert.equal(kept64, new Uint8Array(64).fill(0xff), `cut at ${cutAt}`);
    assert.equal(left(bench), [], `cut at ${cutAt}`);
    assert.is(bench.storage.nvs.get("update", "sequence")?.length, 1);
    assert.equal([blank.portsOpen, blank.configs.length], [1, 0]);
    blank.cut();
    if (power.on) break;
    if (cutAt > 12) cutAt += 20;
  }
});

test.run();
