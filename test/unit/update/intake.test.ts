// An image on its way into a slot: bounded requests, waits that double, a flash that refuses, and what an encrypted one asks for.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Rejection } from "../../../firmware/rejection.js";
import { Intake } from "../../../firmware/update/intake.js";
import { RECEIVING, type UpdateState } from "../../../firmware/update/state.js";
import { encodePart, PART_BYTES } from "../../../firmware/update/wire.js";
import { type FlashMode, NorFlash, SimulatedFlash } from "../../../host-sim/hardware/flash.js";
import { Prng } from "../../../host-sim/world/prng.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { HandClock } from "../hand-clock.js";

class Bench {
  readonly image: Uint8Array;
  readonly flash: NorFlash;
  readonly clock = new HandClock();
  readonly asked: { readonly id: number; readonly offset: number; readonly bytes: number }[] = [];
  readonly refused: string[] = [];
  readonly reached: number[] = [];
  readonly intake: Intake;
  room = true;

  constructor(bytes: number, mode: FlashMode = "plain", offset = 0) {
    this.image = new Uint8Array(bytes);
    new Prng(3).fill(this.image);
    this.flash = new NorFlash({ sectors: 40, mode });
    const state: UpdateState = {
      ...{ phase: RECEIVING, reason: 0, missing: 0, attempts: 0, slot: 1, sequence: 1, size: bytes, offset, secureVersion: 0 },
      digest: fastEngine.sha256(this.image),
      manifest: new Uint8Array(32),
    };
    const digest = (length: number): ArrayBuffer =>
      Uint8Array.from(fastEngine.sha256(new Uint8Array(this.flash.read(length, 0)))).buffer as ArrayBuffer;
    this.intake = new Intake(
      {
        device: { clock: this.clock, flash: new SimulatedFlash({ nextota: this.flash }) },
        slots: { digest } as never,
        ask: (id, offset, bytes) => {
          if (this.room) this.asked.push({ id, offset, bytes });
          return this.room;
        },
        requestId: () => this.asked.length + 1,
        reached: (offset) => {
          this.reached.push(offset);
          return true;
        },
        refused: ({ code }: Rejection) => void this.refused.push(code),
      },
      state,
    );
  }

  answer(): void {
    const { id, offset, bytes } = this.asked.at(-1) as Bench["asked"][number];
    this.intake.received(encodePart(id, offset, this.image.subarray(offset, offset + bytes)));
  }

  run(steps = 1000): void {
    for (let i = 0; i < steps && !this.intake.complete; i += 1) {
      this.clock.pass(this.intake.step());
      this.clock.pass(0);
      if (this.asked.length > 0) this.answer();
    }
  }
}

for (const mode of ["plain", "encrypted"] as const)
  test(`the whole image, ${mode}: each sector erased once, and what the flash gives back is it`, () => {
    for (const bytes of [512, PART_BYTES, PART_BYTES + 1, 70_001, 131_072]) {
      const bench = new Bench(bytes, mode);
      bench.run();
      assert.ok(bench.intake.complete && bench.intake.holds(), `${bytes}`);
      assert.is(bench.flash.counters.erases, Math.ceil(bytes / 4096));
      assert.is(bench.flash.counters.rewrites, 0);
      assert.is(bench.asked.length, Math.ceil(bytes / PART_BYTES));
      assert.ok(bench.asked.every(({ bytes }) => bytes <= PART_BYTES));
      assert.equal(
        bench.reached,
        [65_536, 131_072].filter((at) => at < bytes),
      );
    }
  });

test("nobody answers: one request at a time, and waits that double up to a minute", () => {
  const bench = new Bench(10_000);
  let waited = 0;
  while (waited < 3_600_000) {
    const dueMs = Math.max(1, bench.intake.step());
    bench.clock.pass(dueMs);
    waited += dueMs;
  }
  assert.ok(bench.asked.length > 40 && bench.asked.length < 70, `${bench.asked.length} in an hour`);
  assert.is(bench.flash.counters.erases, 0);
  bench.run();
  assert.ok(bench.intake.holds());
});

test("an answer that comes late is passed over, one that comes twice is written once, and none counts without a request", () => {
  const bench = new Bench(10_000);
  bench.intake.received(encodePart(1, 0, bench.image.subarray(0, PART_BYTES)));
  bench.intake.step();
  assert.is(bench.flash.counters.writes, 0);
  bench.intake.received(encodePart(99, 0, new Uint8Array(PART_BYTES)));
  bench.intake.step();
  assert.is(bench.flash.counters.writes, 0);
  bench.answer();
  bench.answer();
  bench.intake.step();
  assert.is(bench.flash.counters.writes, 1);
  bench.intake.received(encodePart(1, 0, bench.image.subarray(0, PART_BYTES)));
  bench.intake.step();
  assert.is(bench.flash.counters.writes, 1);
});

test("a sector that does not erase, or forgets what is written, is no image: said, tried again, and seen in the digest", () => {
  const worn = new Bench(20_000);
  worn.flash.wearOut(2, "erase");
  worn.run(60);
  assert.not.ok(worn.intake.complete);
  assert.is(worn.intake.offset, 8192);
  assert.ok(worn.refused.every((code) => code === "release-flash") && worn.refused.length > 2);
  const forgetful = new Bench(20_000);
  forgetful.flash.wearOut(2, "program");
  forgetful.run();
  assert.ok(forgetful.intake.complete);
  assert.not.ok(forgetful.intake.holds());
});

test("it goes on where it was told to, and erases that sector again", () => {
  const bench = new Bench(131_072, "plain", 65_536);
  bench.flash.write(bench.image.subarray(0, 65_536), 0);
  bench.flash.write(new Uint8Array(100), 65_536);
  bench.run();
  assert.is(bench.asked[0]?.offset, 65_536);
  assert.ok(bench.intake.holds());
});

test("without room to ask nothing is under way", () => {
  const bench = new Bench(10_000);
  bench.room = false;
  assert.ok(bench.intake.step() > 0);
  bench.room = true;
  bench.clock.pass(1_000);
  bench.run();
  assert.ok(bench.intake.holds());
});

test.run();
