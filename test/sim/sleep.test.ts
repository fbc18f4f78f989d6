// The example that sleeps, as it is flashed, in a process for each wake: it goes on after deep sleep, and after a crash it does not.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type BoardEvent, type BoardFile, type Reset, resetAfter, spawnBoard } from "../../host-sim/engine/node.js";
import { bftCheckpointAt } from "../chains/bft-fixture.js";
import { BftChain } from "../chains/bft-generator.js";
import { accounts } from "../chains/clique-generator.js";
import { until } from "../patience.js";

const EXAMPLE = fileURLToPath(new URL("../../examples/sleeping/main.ts", import.meta.url));
/** A start may take twenty seconds of this machine: longer after a sleep of six, the clock is taken for a wrong one. */
const SPEED = 3;
const directory = mkdtempSync(join(tmpdir(), "chainmote-sleep-"));
test.after(() => rmSync(directory, { recursive: true, force: true }));

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
writeFileSync(join(directory, "board.json"), JSON.stringify({ config, speed: SPEED } satisfies BoardFile));

/** From one start to the next sleep. */
async function wake(reset: Reset): Promise<{ readonly events: readonly BoardEvent[]; readonly code: number }> {
  const events: BoardEvent[] = [];
  const text: string[] = [];
  let code: number | undefined;
  const onEvent = (event: BoardEvent): void => void events.push(event);
  const board = spawnBoard({ directory, reset, firmware: EXAMPLE, onEvent, onText: (line) => void text.push(line) });
  void board.exited.then((ended) => {
    code = ended;
  });
  await until(
    () => JSON.stringify({ events: events.slice(-10), text }),
    () => code !== undefined,
  );
  return { events, code: code as number };
}

const of = (events: readonly BoardEvent[], name: string): readonly BoardEvent[] => events.filter(({ event }) => event === name);

test("a board's process ends with its sleep; the next one goes on after deep sleep alone", async () => {
  let reset: Reset = "power-on";
  const seqs: unknown[] = [];
  for (let start = 0; start < 3; start += 1) {
    const { events, code } = await wake(reset);
    reset = resetAfter(code);
    assert.is(reset, "deep-sleep", JSON.stringify(events.slice(-3)));
    assert.is(of(events, "boot").length, start === 0 ? 1 : 0, JSON.stringify(of(events, "wake")));
    assert.equal(
      of(events, "wake").map(({ resumed }) => resumed),
      start === 0 ? [] : [true],
    );
    seqs.push(...of(events, "record").map(({ seq }) => seq));
    if (start > 0) assert.is(of(events, "wifi").length, 0, "its radio stays off");
  }
  // On a slow machine a start takes another sample before it sleeps.
  assert.ok(seqs.length >= 3);
  assert.equal(
    seqs,
    seqs.map((_, i) => i + 1),
  );
  const { events } = await wake("panic");
  assert.equal(
    of(events, "wake").map(({ resumed, reason }) => [resumed, reason]),
    [[false, "reset"]],
  );
  assert.is(of(events, "boot").length, 1);
  assert.ok(of(events, "record").every(({ seq }) => Number(seq) > seqs.length));
});

test.run();
