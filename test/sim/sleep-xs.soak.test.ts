// The example that sleeps on the real engine, in an ESP32-C3's memory: it goes on after deep sleep.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { applicationIn } from "../../host-sim/engine/application.js";
import { guestEngine } from "../../host-sim/engine/engines.js";
import { type BoardEvent, type BoardFile, type Reset, resetAfter, spawnBoard } from "../../host-sim/engine/node.js";
import { bftCheckpointAt } from "../chains/bft-fixture.js";
import { BftChain } from "../chains/bft-generator.js";
import { accounts } from "../chains/clique-generator.js";
import { until } from "../patience.js";

const application = applicationIn(fileURLToPath(new URL("../../examples/sleeping", import.meta.url)));
if ("fault" in application) throw new Error(application.fault);
const engine = await guestEngine({ target: "m32", memory: "esp32c3", firmware: application });
const directory = mkdtempSync(join(tmpdir(), "chainmote-sleep-xs-"));
test.after(() => rmSync(directory, { recursive: true, force: true }));
const it = "missing" in engine ? test.skip : test;
if ("missing" in engine) console.log(`skipped: ${engine.missing}`);

it("a board's memory is enough, and each wake goes on where the one before fell asleep", async () => {
  if ("missing" in engine) return;
  const chain = new BftChain({ kind: "qbft", validators: accounts(4), periodS: 2, timeS: Math.floor(Date.now() / 1000) - 1000 });
  const config = {
    wifi: { ssid: "lab" },
    ntp: { servers: ["time.lab"] },
    mqtt: { host: "nobody.lab" },
    fleet: { registry: `0x${"f1".repeat(20)}`, chain: "eip155:1337" },
    collector: `0x${"c0".repeat(20)}`,
    checkpoint: JSON.parse(JSON.stringify(bftCheckpointAt(chain, chain.genesis))),
    sampling: { intervalMs: 6_000 },
    sleep: { wifiEvery: 100, awakeMs: 5_000 },
  };
  writeFileSync(join(directory, "board.json"), JSON.stringify({ config } satisfies BoardFile));
  const events: BoardEvent[] = [];
  let reset: Reset = "power-on";
  for (let start = 0; start < 3; start += 1) {
    let code: number | undefined;
    const board = spawnBoard({ directory, reset, engine, onEvent: (event) => void events.push(event) });
    void board.exited.then((ended) => {
      code = ended;
    });
    await until(
      () => JSON.stringify(events.slice(-10)),
      () => code !== undefined,
    );
    reset = resetAfter(code as number);
    assert.is(reset, "deep-sleep", JSON.stringify(events.slice(-5)));
  }
  const of = (name: string): readonly BoardEvent[] => events.filter(({ event }) => event === name);
  assert.equal(
    of("wake").map(({ resumed }) => resumed),
    [true, true],
  );
  assert.equal(
    of("record").map(({ seq }) => seq),
    [1, 2, 3],
  );
});

test.run();
