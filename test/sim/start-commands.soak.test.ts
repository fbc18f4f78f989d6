// `npm start` with its fleet, and `chainmote command` beside it as its help says: the commander of the data folder is obeyed and answered by the
// standard mote with the ledger; on Node, and in an ESP32-C3's memory with every feature, whose room is then told.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { boardOf } from "../../host-sim/boards.js";
import { guestEngine } from "../../host-sim/engine/engines.js";
import { endAll, Program } from "./system-run.js";

const SLOT_BYTES = 16;
/** What is left of a board's stack at the least, in slots. */
const STACK_MARGIN_SLOTS = 32;
const HEAP_BYTES_MAX = 77_824;
const folder = mkdtempSync(join(tmpdir(), "chainmote-start-commands-"));
const test = suite("npm start and its commander");

test.after(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

/** Every kind of command that needs nothing else, one after the other. */
async function commanded(name: string, ...words: readonly string[]): Promise<Program> {
  const data = join(folder, name);
  const system = new Program(["start", "--json", "--data", data, "--anchor", "--sample", "500", ...words]);
  await system.until("the mote is in the registry", () =>
    system.of("registry", "mote").some(({ status }) => status === "active"),
  );
  const [registry] = system.of("registry", "registrar");
  const [fleet] = system.of("fleet");
  const mote = String(system.of("key", "mote")[0]?.address);
  const key = join(data, "keys/commander.key");
  assert.is(registry?.commanderKey, key, "it is shown by which key motes are commanded");
  const named = ["--key", key, "--fleet", `${fleet?.registry}@${fleet?.chain}`, "--mqtt", String(system.of("broker")[0]?.url)];
  for (const order of [["interval", "1000"], ["samples", "2"], ["read"], ["relays"], ["reboot"], ["interval", "500"]]) {
    const sent = new Program(["command", mote, ...order, ...named, "--json", "--timeout", "240"]);
    const code = await sent.ended;
    assert.is(code, 0, `${order.join(" ")}: ${JSON.stringify(sent.events)} ${sent.errors.join(" / ")}`);
    const [answer] = sent.events as unknown as Record<string, unknown>[];
    assert.equal([answer?.outcome, answer?.commander], ["done", registry?.commander]);
  }
  const before = system.of("anchored", "mote").length;
  await system.until("it goes on", () => system.of("anchored", "mote").length > before);
  assert.is(await system.stop(), 0);
  return system;
}

test("every command is done and answered", async () => {
  await commanded("node");
});

const engine = await guestEngine({ target: "m32", memory: "esp32c3" });
if ("missing" in engine) console.log(`skipped: ${engine.missing}`);
("missing" in engine ? test.skip : test)("in an ESP32-C3's memory: the same, with room left", async () => {
  const system = await commanded("xs", "--engine", "xs", "--board", "esp32c3");
  const lives = system.of("engine", "mote");
  assert.is(lives.length, 2, "before the reboot and after it");
  for (const { reason, heapPeakBytes, stackPeakBytes } of lives) {
    assert.is(reason, "ended");
    assert.ok(Number(heapPeakBytes) <= HEAP_BYTES_MAX, `${heapPeakBytes} bytes`);
    const slots = Number(stackPeakBytes) / SLOT_BYTES;
    assert.ok(slots <= boardOf("esp32c3").creation.stackSlots - STACK_MARGIN_SLOTS, `${slots} slots of stack`);
  }
});

test.run();
