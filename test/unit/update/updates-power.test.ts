// The power goes before and after every write of an update: to the store, to the slot, to otadata, the bootloader's own among
// them. Always an image that is whole runs, the key is the same, no record is lost and no number used twice; and the update comes
// to its end.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Rejection } from "../../../firmware/rejection.js";
import { Prng } from "../../../host-sim/world/prng.js";
import { seedOr } from "../../seed.js";
import { UpdateBench } from "./update-bench.js";

const SMALL_BYTES = 9_000;

class Life {
  readonly bench = new UpdateBench();
  readonly #address: string;
  readonly records = new Map<number, string>();

  private constructor(bench: UpdateBench) {
    this.bench = bench;
    this.#address = bench.powered?.address as string;
  }

  static async begin(): Promise<Life> {
    const bench = new UpdateBench();
    await bench.boot();
    await bench.until("the first record is stored", () => bench.stored().length > 0);
    return new Life(bench);
  }

  /** Power on, until a boot comes through; the power may go again in it. */
  async boot(): Promise<void> {
    const { bench } = this;
    bench.power.cutAt = -1;
    await bench.boot();
    assert.ok(bench.power.on);
    await bench.until("the key is there", () => bench.powered === undefined || bench.powered.of("key").length > 0, 60);
    this.look();
  }

  look(): void {
    const { bench } = this;
    assert.ok(["v1", "v2"].includes(bench.running), bench.running);
    if (bench.powered !== undefined) assert.is(bench.powered.address, this.#address, "the key");
    for (const { event, seq, digest } of bench.lines)
      if (event === "record") {
        const before = this.records.get(Number(seq));
        assert.is(before ?? digest, digest, `two records ${seq}`);
        this.records.set(Number(seq), String(digest));
      }
    const journal = bench.powered?.mote.journal;
    if (journal !== undefined)
      for (const seq of this.records.keys()) assert.not.instance(journal.read(seq), Rejection, `record ${seq}`);
  }

  /** The last word on the update. */
  get end(): string | undefined {
    return this.bench
      .said()
      .filter((word) => /^(valid|failed|rolled-back)/.test(word))
      .at(-1);
  }
}

/** A cut at this step after the release was published; answers the end, or undefined where the step is beyond it. */
async function cutAt(step: number, program: string, bytes: number, again = -1): Promise<string | undefined> {
  const life = await Life.begin();
  const { bench } = life;
  const image = bench.image(program, { bytes });
  bench.power.cutAt = bench.power.steps + step;
  bench.release(image);
  await bench.until("the power goes, or the update is over", () => life.end !== undefined, 1200);
  const reached = !bench.power.on;
  if (again >= 0 && reached) {
    bench.power.on = true;
    bench.power.cutAt = bench.power.steps + again;
    await bench.boot();
    await bench.live(120);
  }
  await life.boot();
  await bench.until("the update is over", () => life.end !== undefined, 1200);
  await bench.live(60);
  life.look();
  const ends = bench.said().filter((word) => /^(valid|failed|rolled-back)/.test(word));
  assert.ok(ends.length <= 1 || (ends.length === 2 && ends[0] === ends[1]), `one event says why: ${ends}`);
  const { end } = life;
  assert.is(bench.running, end === "valid" ? program : "v1", end);
  // Whatever has come of it, the next release is taken.
  bench.release(bench.image("v2", { bytes: SMALL_BYTES + 1_000 }), { sequence: 2 });
  await bench.until("the next release", () => bench.said().at(-1) === "valid", 1200);
  life.look();
  return reached ? end : undefined;
}

test("a cut at every step of an update", async () => {
  const ends = new Map<string, number>();
  let step = 0;
  for (; step < 400; step += 1) {
    const end = await cutAt(step, "v2", SMALL_BYTES);
    if (end === undefined) break;
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  assert.ok(step > 30 && step < 400, `${step} steps`);
  assert.ok((ends.get("valid") ?? 0) > 20, JSON.stringify([...ends]));
  // While it proves itself a cut is the end of it.
  assert.ok((ends.get("rolled-back (reset)") ?? 0) > 0, JSON.stringify([...ends]));
});

test("cuts by chance in a longer image, and again in the boot that follows; and of an image that crashes", async () => {
  const prng = new Prng(seedOr(13));
  for (let round = 0; round < 10; round += 1) await cutAt(prng.below(140), "v2", 70_000, prng.below(8));
  for (let round = 0; round < 6; round += 1) await cutAt(prng.below(45), "crash", SMALL_BYTES, prng.below(8));
});

test.run();
