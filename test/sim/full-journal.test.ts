// A mote without a collector, by the policy that its configuration names: whatever finds no room is refused and counted in
// the next record (gap), never dropped silently, and what was kept stays.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { Journal } from "../../firmware/record/journal.js";
import { decodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import { memoryStorage } from "../../host-sim/hardware/storage.js";
import { VirtualClock } from "../../host-sim/world/clock.js";
import { pause } from "../patience.js";
import { type Actor, Scene } from "./scene.js";

const SAMPLE_MS = 50;
/** Three of them can hold records: some 36. */
const SECTORS = 5;

/** Runs a mote until `done`; answers what its journal keeps then, and why records were refused. */
async function fill(
  full: "stop" | "thin",
  done: (actor: Actor) => boolean,
): Promise<{ kept: RecordFields[]; codes: Set<unknown> }> {
  const scene = await Scene.open({ sampleIntervalMs: SAMPLE_MS, full });
  try {
    const storage = memoryStorage({ partitions: { journal: SECTORS * 4096 } });
    const clock = new VirtualClock(Date.now());
    const actor = scene.mote({ storage, clock });
    for (let turns = 0; !done(actor); turns++) {
      assert.ok(turns < 100_000, "the journal is full");
      await clock.advance(SAMPLE_MS);
      await pause(1);
    }
    const codes = new Set(actor.of("refused").flatMap(({ what, code }) => (what === "record" ? code : [])));
    actor.board.close();
    const flash = storage.flash.open({ path: "journal", mode: "r" });
    const journal = Journal.mount(flash, { engine: nobleEngine });
    if (journal instanceof Rejection) throw new Error(String(journal));
    const kept: RecordFields[] = [];
    for (let seq = journal.after(0); seq !== undefined; seq = journal.after(seq)) {
      const record = journal.read(seq);
      const fields = record instanceof Rejection ? record : decodeRecord(record.payload);
      if (fields instanceof Rejection) throw new Error(`${seq}: ${fields}`);
      kept.push(fields);
    }
    return { kept, codes };
  } finally {
    await scene.close();
  }
}

test("stop, the default: once there is no room samples are refused, and the first records stay", async () => {
  const { kept, codes } = await fill("stop", (actor) => actor.of("refused").some(({ code }) => code === "journal-full"));
  assert.equal([...codes], ["journal-full"]);
  assert.ok(kept.length > 20);
  assert.equal(
    kept.map(({ seq }) => seq),
    kept.map((_, i) => i + 1),
  );
  assert.ok(
    kept.every(({ gap }) => gap === undefined || gap < 5),
    "nothing was lost while there was room",
  );
});

test("thin: from half full on more and more samples are left out, and each record says how many", async () => {
  const { kept, codes } = await fill("thin", (actor) => actor.of("record").length >= 32);
  assert.ok(codes.has("journal-thinned"), [...codes].join());
  const gaps = kept.map(({ gap }) => gap ?? 0);
  const half = Math.floor(kept.length / 2);
  assert.ok(Math.max(...gaps.slice(0, half)) < 5, gaps.join());
  assert.ok(gaps.slice(half).filter((gap) => gap >= 1).length >= 4, gaps.join());
});

test.after(() => Scene.closeAll());
test.run();
