// The proof of a new image alone: what the flash refuses is tried again and is no end, and where there is nothing to go back to
// the image is kept.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Slots } from "../../../firmware/ports.js";
import { PROVING_MS, Proving } from "../../../firmware/update/proving.js";
import { PROOF_BROKER, PROOF_JOURNAL, PROOF_KEY, PROOF_RECORD, PROOFS } from "../../../firmware/update/state.js";
import { createBoard } from "../../../host-sim/device.js";
import { memoryStorage } from "../../../host-sim/hardware/storage.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { LogBook } from "../hand-clock.js";

function begin(bend: Partial<Slots> = {}) {
  const clock = new VirtualClock();
  const log = new LogBook();
  const board = createBoard({ clock, storage: memoryStorage(), onLog: (event, fields) => log.write(event, fields) });
  const told: string[] = [];
  const slots = {
    running: () => ({ slot: 1, state: "pending" }),
    markValid: () => void told.push("valid"),
    rollback: () => void told.push("rollback"),
    ...bend,
  } as Slots;
  let restarts = 0;
  const device = { ...board.device, restart: () => (restarts += 1) };
  const proving = new Proving(device as never, slots);
  const said = (): unknown[] =>
    log.of("update").map(({ state, reason }) => (reason === undefined ? state : `${state} (${reason})`));
  return { clock, proving, told, said, restarts: () => restarts };
}

test("all four, in any order, and none twice", () => {
  for (const order of [
    [PROOF_KEY, PROOF_JOURNAL, PROOF_BROKER, PROOF_RECORD],
    [PROOF_RECORD, PROOF_BROKER, PROOF_KEY | PROOF_JOURNAL],
  ]) {
    const { proving, told, said } = begin();
    for (const proof of order) {
      assert.equal(told, []);
      proving.shown(proof);
    }
    proving.shown(PROOFS);
    assert.equal(told, ["valid"]);
    assert.ok(proving.kept);
    assert.equal(said(), ["proving", "valid"]);
  }
});

test("the time is up: nothing before, then back, and a restart", async () => {
  const { clock, proving, told, said, restarts } = begin();
  proving.shown(PROOF_KEY | PROOF_JOURNAL | PROOF_BROKER);
  await clock.advance(PROVING_MS - 1);
  assert.equal(told, []);
  await clock.advance(1);
  assert.equal(told, ["rollback"]);
  await clock.advance(5_000);
  assert.is(restarts(), 1);
  proving.shown(PROOF_RECORD);
  assert.equal(told, ["rollback"], "too late");
  assert.equal(said(), ["proving", "rolling-back (unproven: record)"]);
});

test("where there is no other image, the one that runs is kept", async () => {
  const { clock, proving, told, said, restarts } = begin({
    rollback: () => {
      throw new Error("no other image");
    },
  });
  await clock.advance(PROVING_MS + 5_000);
  assert.equal(told, ["valid"]);
  assert.ok(proving.kept);
  assert.is(restarts(), 0);
  assert.equal(said(), ["proving", "kept (unproven: key, journal, broker, record)"]);
});

test("a flash that refuses is asked again: for the way back, and for the mark", async () => {
  let refusals = 3;
  const refuse = (): void => {
    refusals -= 1;
    if (refusals >= 0) throw new Error("mark failed");
  };
  const back = begin({ rollback: refuse });
  await back.clock.advance(PROVING_MS);
  assert.is(back.restarts(), 0);
  await back.clock.advance(3 * 60_000 + 5_000);
  assert.is(back.restarts(), 1);
  refusals = 2;
  const kept = begin({ markValid: refuse });
  kept.proving.shown(PROOFS);
  assert.not.ok(kept.proving.kept);
  await kept.clock.advance(PROVING_MS + 120_000);
  assert.ok(kept.proving.kept, "what was shown is not asked for again");
  assert.is(kept.restarts(), 0);
  assert.equal(kept.said(), ["proving", "valid"]);
});

test.run();
