// A firmware that does nothing but hold the ports of its own provider to their contracts, on XS. The world's operations are
// those of test/xs/ports.test.ts.

import "../../conformance/portable/xs-globals.js";
import { exec, suite } from "uvu";
import * as assert from "uvu/assert";
import { createDevice } from "../../../firmware/board/provider.js";
import { type Answer, call, fill, type Parameter } from "../../../host-sim/modules/guest/bridge.js";
import { entropyContract } from "../../unit/ports/entropy.contract.js";
import { flashContract } from "../../unit/ports/flash.contract.js";
import { i2cContract } from "../../unit/ports/i2c.contract.js";
import { keyValueContract } from "../../unit/ports/key-value.contract.js";
import { timerContract } from "../../unit/ports/timer.contract.js";

const { clock, timer, entropy, flash, store, io, network } = createDevice();
const pass = (durationMs: number): Promise<void> => new Promise((resolve) => timer.set(() => resolve(), durationMs));

/** Another board, with nothing on it. */
function fresh(): void {
  call("world.fresh");
}

flashContract("XS", () => {
  fresh();
  return { storage: flash, path: "journal" };
});

keyValueContract("XS", () => {
  fresh();
  return { boot: () => store };
});

i2cContract("XS", async () => {
  fresh();
  await pass(20); // power-up
  return io.i2c;
});

entropyContract("XS", () => {
  fresh();
  return { entropy, feed: () => new network.wifi.io({}).close() };
});

timerContract("XS", () => ({ timer, clock, pass }));

const test = suite("bridge on XS");
const echo = (value: Parameter): Answer => call<Answer>("world.echo", value);

test("values come back as they were", () => {
  const texts = ["", "a", "ü€😀", "x".repeat(5000)];
  for (const value of [
    undefined,
    null,
    true,
    false,
    0,
    -0,
    1,
    -1,
    0x7fffffff,
    -0x80000000,
    2 ** 31,
    0.1,
    1e300,
    -1 / 3,
    ...texts,
  ])
    assert.is(echo(value), value);
  assert.ok(Number.isNaN(echo(Number.NaN)));
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => i);
  for (const value of [bytes, bytes.subarray(7, 9), bytes.subarray(0, 0), bytes.slice().buffer as ArrayBuffer]) {
    const back = echo(value);
    assert.instance(back, ArrayBuffer);
    assert.equal(
      new Uint8Array(back as ArrayBuffer),
      new Uint8Array(value instanceof ArrayBuffer ? value : value.slice().buffer),
    );
  }
});

test("errors are thrown as what they were thrown as, and nothing is left of them", () => {
  const caught = (kind: string): unknown => {
    try {
      return call("world.fail", kind);
    } catch (error) {
      return error;
    }
  };
  for (let i = 0; i < 20; i += 1) {
    assert.instance(caught("type"), TypeError);
    assert.instance(caught("range"), RangeError);
    assert.is((caught("other") as Error).message, "other, with 100 % of its signs: %s %d");
    assert.is((caught("long") as Error).message.length, 127);
  }
});

test("what does not fit a frame is refused here, and the next call is as good as ever", () => {
  assert.throws(() => echo(new Uint8Array(70_000)), /bound/);
  assert.throws(() => echo({} as never));
  assert.is(echo("after"), "after");
  const into = new Uint8Array(10);
  fill(into.subarray(2, 6), "world.bytes", 9);
  assert.equal([...into], [0, 0, 9, 9, 9, 9, 0, 0, 0, 0]);
});

test("notices come one for each, in order, and between them this program runs to its end", async () => {
  const order: string[] = [];
  for (let i = 0; i < 40; i += 1) timer.set(() => order.push(String(i)), 5);
  order.push("set");
  await pass(60);
  assert.is(order[0], "set");
  assert.is(order.length, 41);
});

test.run();
exec().then(
  () => call("world.done"),
  (error: unknown) => {
    throw error;
  },
);
