// Power lost at every write, signature and message of a call's life: before it, and after it. No nonce ever carries two calls (the signer of the
// bench holds each signature against all before it), no call is done twice, and each that was kept comes to its end.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { Rejection } from "../../../firmware/rejection.js";
import { Bench } from "./sender-bench.js";

const ENDS = ["done", "reverted", "replaced", "without-effect", "nonce-used"];

/** How often each call was mined, by its data; never twice. */
function assertOnce(bench: Bench, when: string): void {
  const seen = new Set<string>();
  for (const { transaction } of bench.chain.mined()) {
    const call = toHex(transaction.data);
    assert.not.ok(seen.has(call), `${call.slice(0, 2)} was mined twice, ${when}`);
    seen.add(call);
  }
}

/** Two calls, the first of which has to be raised; ends where the power does. */
async function lives(bench: Bench): Promise<void> {
  bench.chain.leastTip = 11n * 10n ** 8n;
  for (let label = 1; label <= 2; label += 1) {
    if ((await bench.send(label)) instanceof Rejection) return;
    await bench.turn(24);
  }
}

test("power lost at each step of two calls, one of them raised", async () => {
  const whole = new Bench();
  await lives(whole);
  const steps = whole.power.steps;
  assert.match(whole.of(1), /^sent raised done$/);
  assert.ok(steps > 30, `${steps} steps`);
  for (let cutAt = 0; cutAt < steps; cutAt += 1) {
    const bench = new Bench();
    bench.power.cutAt = cutAt;
    await lives(bench);
    assert.is(bench.power.on, false);
    bench.boot();
    // Whatever was kept ends; what was not kept is made again, and so is a third.
    await bench.turn(30);
    assert.is(bench.sender.pending, false, `cut at ${cutAt}`);
    for (let label = 1; label <= 3; label += 1) {
      if (bench.chain.mined().some(({ transaction }) => transaction.data[0] === label)) continue;
      assert.not.instance(await bench.send(label), Rejection);
      await bench.turn(30);
      assert.is(bench.sender.pending, false, `call ${label} after a cut at ${cutAt}`);
    }
    assertOnce(bench, `cut at ${cutAt}`);
    assert.equal(
      bench.chain.mined().map(({ transaction }) => transaction.data[0]),
      [1, 2, 3],
      `cut at ${cutAt}`,
    );
    assert.equal(bench.alarms, [], `cut at ${cutAt}`);
    for (const label of [1, 2, 3]) assert.match(bench.of(label), /done$/, `call ${label}, cut at ${cutAt}: ${bench.of(label)}`);
  }
});

test("power lost anywhere, again and again, in any order of events", async () => {
  const event = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant("send" as const), n: fc.nat(3) }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant("turn" as const), n: fc.integer({ min: 1, max: 24 }) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant("cut" as const), n: fc.nat(5) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("boot" as const), n: fc.nat(0) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("lose" as const), n: fc.nat(1) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("fail" as const), n: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("tip" as const), n: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("undo" as const), n: fc.integer({ min: 1, max: 8 }) }) },
  );
  let cuts = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 10, maxLength: 40, size: "max" }), async (events) => {
      const bench = new Bench();
      let label = 0;
      for (const { do: what, n } of events) {
        if (!bench.power.on) {
          cuts += 1;
          bench.boot();
        }
        if (what === "send") {
          label += 1;
          await bench.send(label);
        } else if (what === "turn") await bench.turn(n);
        else if (what === "cut") bench.power.cutAt = bench.power.steps + n;
        else if (what === "boot") {
          if (bench.store.failing !== "refuses reads") bench.boot();
        } else if (what === "lose") bench.reaches = n === 0;
        else if (what === "fail") bench.store.failing = (["", "refuses", "throws after", "refuses reads"] as const)[n] as "";
        else if (what === "tip") bench.chain.leastTip = BigInt(n) * 10n ** 9n;
        else if (what === "undo") bench.chain.undo(n);
        if (!bench.power.on && bench.store.failing === "refuses reads") bench.store.failing = "";
      }
      // All heals: what is under way comes to its end.
      bench.store.failing = "";
      bench.reaches = true;
      bench.chain.leastTip = 0n;
      bench.boot();
      await bench.turn(40, 600_000);
      assert.is(bench.sender.pending, false);
      assertOnce(bench, "in any order");
      for (const { transaction } of bench.chain.mined()) {
        const said = bench.of(transaction.data[0] as number);
        assert.ok(ENDS.some((end) => said.endsWith(end)) || said.endsWith("undone"), `call ${transaction.data[0]}: ${said}`);
      }
      assert.equal(bench.alarms, []);
    }),
    { numRuns: 200 },
  );
  assert.ok(cuts > 100, `${cuts} cuts`);
});

test.run();
