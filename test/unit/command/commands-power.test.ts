// Power lost before and after every write to the store and the flash, every signature and every restart in the life of a few commands: no command is
// done twice, and each that was begun is answered once, by what became of it or by `interrupted`.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ACTION_POLICY, ACTION_READ, ACTION_REBOOT, type Order } from "../../../firmware/command/message.js";
import { encodePolicy, MAY_COMMAND, MAY_READ } from "../../../firmware/command/policy.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { COMMANDER, CommandBench, interval } from "./command-bench.js";

const POLICY = encodePolicy([{ who: null, right: MAY_COMMAND | MAY_READ, resources: ["*"] }]);
const LIFE: readonly Order[] = [
  interval(61_000),
  { action: ACTION_REBOOT },
  { action: ACTION_POLICY, hash: fastEngine.keccak256(POLICY), bytes: POLICY.length },
  interval(62_000),
  { action: ACTION_READ, sensor: "" },
];
const RUNS = process.env.FULL === "1" ? 60 : 20;

class Life {
  readonly bench = new CommandBench();
  readonly #messages: Uint8Array[] = [];
  #restarts = 0;

  constructor() {
    this.bench.proven.policies.set(1n, fastEngine.keccak256(POLICY));
    this.bench.proven.policyId = 1n;
  }

  /** The same bytes whenever it is sent. */
  message(i: number): Uint8Array {
    const { bench } = this;
    const usual = { counter: i + 1, expiryBlock: 200 };
    this.#messages[i] ??= bench.make(LIFE[i] as Order, COMMANDER, usual);
    return this.#messages[i] as Uint8Array;
  }

  /** Sends one as its commander's tool does: again and again, its body behind it. */
  async send(i: number): Promise<void> {
    const { bench } = this;
    for (let times = 0; times < 2 && bench.power.on; times += 1) {
      await bench.give(this.message(i), 1_500);
      if (LIFE[i]?.action === ACTION_POLICY) await bench.body(POLICY);
      if (bench.restarts === this.#restarts) continue;
      this.#restarts = bench.restarts;
      if (bench.power.on) await bench.reboot();
    }
  }

  async reboot(): Promise<void> {
    this.#restarts = this.bench.restarts;
    await this.bench.reboot();
  }

  /** Each command was done at most once, and has one answer. */
  check(when: string): void {
    const { bench } = this;
    assert.equal(
      bench.answers().map(({ counter }) => counter),
      [1, 2, 3, 4, 5],
      `${when}: ${bench.said()}`,
    );
    for (const { counter, outcome } of bench.answers())
      assert.ok(outcome === "done" || outcome === "interrupted", `${when}: ${counter} ${outcome}`);
    assert.ok(bench.restarts <= 1, `${when}: ${bench.restarts} restarts`);
    const values = bench.written.map(({ key, value }) => `${key} ${value}`);
    assert.is(new Set(values).size, values.length, `${when}: something was set twice`);
    // What is said to be done is done.
    const outcomes = bench.answers().map(({ outcome }) => outcome);
    assert.ok(outcomes[2] !== "done" || values.some((value) => value.startsWith("policy")), when);
    assert.ok(
      values.filter((value) => value.startsWith("settings")).length >= [0, 3].filter((i) => outcomes[i] === "done").length,
      when,
    );
  }
}

test("power lost at each step of five commands", async () => {
  const whole = new Life();
  await whole.bench.boot();
  const from = whole.bench.power.steps;
  for (let i = 0; i < LIFE.length; i += 1) await whole.send(i);
  const steps = whole.bench.power.steps;
  whole.check("in one go");
  assert.equal(
    whole.bench.said(),
    [1, 2, 3, 4, 5].map((counter) => `${counter} done`),
  );
  assert.ok(steps - from > 40, `${steps - from} steps`);
  let interrupted = 0;
  for (let cutAt = from; cutAt < steps; cutAt += 1) {
    const life = new Life();
    const { bench } = life;
    await bench.boot();
    bench.power.cutAt = cutAt;
    for (let i = 0; i < LIFE.length && bench.power.on; i += 1) await life.send(i);
    assert.not.ok(bench.power.on, `cut at ${cutAt}`);
    await life.reboot();
    // Whoever sent them sends all again that he has no answer to; a broker sends those again that were answered.
    for (let i = 0; i < LIFE.length; i += 1) await life.send(i);
    life.check(`cut at ${cutAt}`);
    interrupted += bench.answers().filter(({ outcome }) => outcome === "interrupted").length;
  }
  assert.ok(interrupted > 5, `${interrupted} were interrupted`);
});

test("power lost anywhere, again and again, in any order of what is sent", async () => {
  const event = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant("send" as const), n: fc.nat(LIFE.length - 1) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant("cut" as const), n: fc.nat(12) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("boot" as const), n: fc.nat(0) }) },
  );
  let cuts = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 8, maxLength: 24, size: "max" }), async (events) => {
      const life = new Life();
      const { bench } = life;
      await bench.boot();
      for (const { do: what, n } of events) {
        if (!bench.power.on) {
          cuts += 1;
          await life.reboot();
        }
        if (what === "send") await life.send(n);
        else if (what === "cut") bench.power.cutAt = bench.power.steps + n;
        else await life.reboot();
      }
      await life.reboot();
      const counters = bench.answers().map(({ counter }) => counter);
      assert.is(new Set(counters).size, counters.length, "each is answered once");
      assert.equal([...counters].sort(), counters, "in the order of the counters");
      assert.ok(bench.restarts <= 1);
      const values = bench.written.map(({ key, value }) => `${key} ${value}`);
      assert.is(new Set(values).size, values.length, "nothing was set twice");
    }),
    { numRuns: RUNS },
  );
  assert.ok(cuts > RUNS / 2, `${cuts} cuts`);
});

test.run();
