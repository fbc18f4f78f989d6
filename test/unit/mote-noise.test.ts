// Whole motes whose noise source fails, and boards that have not been told their network: when a key is made, and when not.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { MoteBench, PoweredMote } from "./mote-bench.js";

const RETRIES_MS = 60_000;
const same = <T>(device: T): T => device;

/** Starts the bench's board again, by itself or with its power. */
function start(bench: MoteBench, before: PoweredMote | undefined, reset: "software" | "power-on"): PoweredMote {
  before?.cut();
  bench.rtc = reset === "software" ? before?.board.board.rtc : undefined;
  return new PoweredMote(bench, same);
}

const codes = (mote: PoweredMote): unknown[] => [...new Set(mote.of("refused").map(({ code }) => code))];

for (const fault of ["stuck", "biased"] as const)
  test(`a source that is ${fault}, and passes ten seconds later, makes no key before its power was off`, async () => {
    const bench = new MoteBench();
    bench.noise = fault;
    const first = start(bench, undefined, "power-on");
    await first.pass(5_000);
    const [failure, ...others] = codes(first);
    assert.match(String(failure), /^entropy-(repeats|biased|cycles)$/);
    assert.equal(others, []);
    first.board.board.entropy.fault = "none";
    await first.pass(RETRIES_MS);
    assert.equal(first.of("key"), [], "asked again every ten seconds");
    assert.equal(codes(first), [failure, "entropy-latched"]);
    assert.match(String(first.of("refused").at(-1)?.detail), "switch the board off and on");

    bench.noise = "none";
    let board = first;
    for (let resets = 0; resets < 5; resets += 1) {
      board = start(bench, board, "software");
      await board.pass(RETRIES_MS);
      assert.equal(board.of("key"), [], `after ${resets + 1} software resets`);
      assert.equal(codes(board), ["entropy-latched"]);
    }
    board = start(bench, board, "power-on");
    await board.pass(RETRIES_MS);
    assert.is(board.of("key")[0]?.created, true);
    assert.equal(codes(board), []);
    board.cut();
  });

test("a source that fails only after the key was made changes nothing of it, through resets and power cuts", async () => {
  const bench = new MoteBench();
  let board = start(bench, undefined, "power-on");
  await board.pass(1_000);
  const address = board.of("key")[0]?.address;
  board.board.board.entropy.fail();
  for (const reset of ["software", "power-on"] as const) {
    board = start(bench, board, reset);
    await board.pass(1_000);
    assert.is(board.of("key")[0]?.address, address);
    assert.is(board.of("key")[0]?.created, false);
  }
  board.cut();
});

test("a board that is not told its network makes its key, measures, keeps, and goes on as the same mote once it is told", async () => {
  const bench = new MoteBench({ unprovisioned: true });
  let board = start(bench, undefined, "power-on");
  await board.pass(60_000);
  const address = board.of("key")[0]?.address;
  assert.is(board.of("key")[0]?.created, true);
  assert.equal(board.of("wifi"), [], "no attempt, no failure");
  assert.equal(board.of("error"), []);
  const records = board.of("record").length;
  assert.ok(records > 30, `${records} records`);
  assert.not.ok(board.board.board.radio.online);

  const provisioned = new MoteBench();
  Object.assign(provisioned, { storage: bench.storage, chain: bench.chain, world: bench.world });
  board.cut();
  board = await provisioned.boot();
  assert.is(board.of("key")[0]?.address, address);
  assert.is(board.of("key")[0]?.created, false);
  assert.ok(Number(board.of("boot")[0]?.pending) >= records - 1, "what it kept is there to be sent");
  board.cut();
});

test("a key is made before the network is there, and not before the radio is", async () => {
  const bench = new MoteBench();
  const board = new PoweredMote(bench, (device) => ({
    ...device,
    network: {
      ...device.network,
      wifi: {
        io: class extends device.network.wifi.io {
          override connect(): void {
            throw new Error("no such network");
          }
        },
      },
    },
  }));
  await board.pass(1_000);
  assert.is(board.of("key")[0]?.created, true);
  assert.not.ok(board.board.board.radio.online);
  board.cut();
});

test.run();
