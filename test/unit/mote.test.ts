// The runtime when its parts fail: what can be done without is done without, said once and made up for; what cannot stops
// alone. Whole motes on virtual time (mote-bench.ts).

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Device, KeyHandle } from "../../firmware/ports.js";
import type { BftBlock } from "../chains/bft-generator.js";
import { MoteBench, type PoweredMote, T } from "./mote-bench.js";

/** Lets blocks come one a second, `count` of them; answers the newest. */
async function follow(bench: MoteBench, powered: PoweredMote, from: BftBlock, count: number): Promise<BftBlock> {
  let tip = from;
  for (let i = 0; i < count; i += 1) {
    tip = bench.chain.child(tip);
    powered.announce(tip.raw);
    await powered.pass(1000);
    powered.acknowledge();
  }
  return tip;
}

/** A store that refuses to write the keys for which `refuses` says so. */
function refusing(refuses: (key: string) => boolean, refused: string[] = []): (device: Device) => Device {
  return (device) => ({
    ...device,
    store: {
      open(options) {
        const domain = device.store.open(options);
        return {
          read: (key) => domain.read(key),
          write(key, value) {
            if (refuses(key)) {
              refused.push(key);
              throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
            }
            domain.write(key, value);
          },
          delete: (key) => domain.delete(key),
          close: () => domain.close(),
        };
      },
    },
  });
}

for (const failing of ["trusted", "time"])
  test(`a store that refuses "${failing}" stops nothing, is said once, is tried ever more rarely, and is said when it works`, async () => {
    const bench = new MoteBench();
    bench.times = { "time.lab": 0 };
    let fails = true;
    const refused: string[] = [];
    const powered = await bench.boot(refusing((key) => fails && key === failing, refused));
    const tip = await follow(bench, powered, bench.chain.genesis, 300);
    assert.equal(powered.of("error"), []);
    assert.ok(powered.of("record").length >= 295, `${powered.of("record").length} records in 300 s`);
    assert.is(powered.of("head").at(-1)?.number, 300);
    assert.is(powered.of("store").length, 1);
    assert.is(powered.of("store")[0]?.state, "failed");
    assert.ok(refused.length >= 3 && refused.length <= 6, `${refused.length} writes refused in 300 s`);
    fails = false;
    await follow(bench, powered, tip, 600);
    assert.equal(
      powered.of("store").map(({ state }) => state),
      ["failed", "up"],
    );
    powered.cut();
    const again = await bench.boot();
    if (failing === "trusted") assert.ok(Number(again.of("boot")[0]?.head) >= 300);
    again.cut();
  });

test("with a store that refuses everything headers and deliveries go on; records stop where no number can be reserved", async () => {
  const bench = new MoteBench();
  bench.times = { "time.lab": 0 };
  const powered = await bench.boot();
  let tip = await follow(bench, powered, bench.chain.genesis, 5);
  const { keyValue } = powered.board.board;
  keyValue.failWrites = true;
  tip = await follow(bench, powered, tip, 120);
  assert.equal(powered.of("error"), []);
  assert.is(powered.of("head").at(-1)?.number, 125);
  const records = powered.of("record").length;
  assert.ok(records <= 32, `${records} records of one block of numbers`);
  assert.ok(powered.of("refused").some(({ code }) => code === "sequence-write"));
  const seqs = powered.published("records").length;
  assert.ok(seqs >= records, "what there is has left");
  keyValue.failWrites = false;
  await follow(bench, powered, tip, 60);
  assert.ok(powered.of("record").length >= records + 58);
  assert.is(powered.of("record").at(-1)?.seq, powered.of("record").length, "no number was left out or used twice");
  powered.cut();
});

test("a mote that boots while the store refuses everything follows, and counts that boot with the first number", async () => {
  const bench = new MoteBench();
  const first = await bench.boot();
  await first.pass(10_000);
  first.mote.close();
  first.cut();
  let fails = true;
  const second = await bench.boot(refusing(() => fails));
  const tip = await follow(bench, second, bench.chain.genesis, 30);
  assert.is(second.of("head").at(-1)?.number, 30);
  assert.is(second.of("record").length, 0);
  fails = false;
  await follow(bench, second, tip, 5);
  assert.ok(second.of("record").length >= 4);
  second.cut();
  const third = await bench.boot();
  assert.is(Number(third.of("boot")[0]?.boot), Number(first.of("boot")[0]?.boot) + 2);
  third.cut();
});

test("evidence of a fork that cannot be written freezes the head all the same, and is written later", async () => {
  const bench = new MoteBench();
  bench.times = { "time.lab": 0 };
  let fails = true;
  const powered = await bench.boot(refusing((key) => fails && key === "fork"));
  await follow(bench, powered, bench.chain.genesis, 10);
  const parent = bench.chain.child(bench.chain.genesis);
  const [ours] = [bench.chain.child(parent)];
  const forked = bench.chain.child(parent, { gasUsed: 21_000n });
  assert.is.not(Buffer.compare(ours.hash, forked.hash), 0);
  powered.announce(forked.raw);
  await powered.pass(5000);
  assert.equal(
    powered.of("alarm").map(({ alarm }) => alarm),
    ["fork"],
  );
  assert.equal(powered.of("error"), []);
  const records = powered.of("record").length;
  await powered.pass(20_000);
  assert.ok(powered.of("record").length >= records + 19, "it goes on measuring");
  fails = false;
  await powered.pass(60_000);
  powered.cut();
  const again = await bench.boot();
  assert.equal(
    again.of("alarm").map(({ alarm }) => alarm),
    ["fork"],
  );
  again.cut();
});

test("an orderly end ends everything, whatever fails of it", async () => {
  const bench = new MoteBench();
  bench.times = { "time.lab": 0 };
  const powered = await bench.boot();
  await follow(bench, powered, bench.chain.genesis, 5);
  powered.board.board.keyValue.failWrites = true;
  const { client } = powered;
  client.broken = true;
  client.close = () => {
    client.closed = true;
    throw new Error("no socket");
  };
  powered.mote.close();
  assert.ok(client.closed);
  assert.ok(powered.of("error").some(({ what }) => what === "close"));
  powered.board.board.keyValue.failWrites = false;
  const pending = powered.of("record").length;
  powered.cut();
  const again = await bench.boot();
  assert.is(again.of("boot")[0]?.pending, pending, "the journal is whole");
  again.cut();
});

test("noise that runs dry stops no header: requests go on", async () => {
  const bench = new MoteBench();
  let dry = false;
  const powered = await bench.boot((device) => ({
    ...device,
    entropy: {
      ...device.entropy,
      read(buffer) {
        if (dry) throw new Error("noise source is off");
        device.entropy.read(buffer);
      },
    },
  }));
  await powered.pass(200_000);
  dry = true;
  const requests = () => powered.client.writes.filter(({ options }) => options.topic === "chains/eip155:1337/requests").length;
  const before = requests();
  await powered.pass(200_000);
  assert.ok(requests() > before, `${before} requests, then none`);
  assert.equal(powered.of("error"), []);
  assert.ok(
    powered.of("refused").some(({ code }) => code === "entropy-failed"),
    JSON.stringify(powered.of("refused").slice(-3)),
  );
  assert.ok(powered.of("record").length > 380, `${powered.of("record").length} records`);
  powered.cut();
});

test("a key that cannot be opened, or asked, is tried again; nothing else waits for it", async () => {
  const bench = new MoteBench();
  let fails: "open" | "sign" | undefined = "open";
  const starting = bench.boot((device) => ({
    ...device,
    keys: {
      create: (slot) => device.keys.create(slot),
      publicKey: (key) => device.keys.publicKey(key),
      close: (key) => device.keys.close(key),
      open(slot): KeyHandle | undefined {
        if (fails !== "open") return device.keys.open(slot);
        setImmediate(() => {
          fails = undefined;
        });
        throw new Error("the secure element does not answer");
      },
      sign(key, digest) {
        if (fails === "sign") throw new Error("the secure element does not answer");
        return device.keys.sign(key, digest);
      },
    },
  }));
  const powered = await starting;
  assert.is(powered.of("refused").filter(({ code }) => code === "key-failed").length, 1);
  let tip = await follow(bench, powered, bench.chain.genesis, 10);
  const before = powered.of("record").length;
  // These are stored, so that there is room for others to wait for their receipts.
  for (const record of new Set(powered.published("records"))) powered.give("receipts", powered.receiptFor(record));
  await powered.pass(100);
  assert.is(powered.of("stored").length, before);
  fails = "sign";
  tip = await follow(bench, powered, tip, 60);
  assert.equal(powered.of("error"), []);
  assert.is(powered.of("head").at(-1)?.number, 70);
  assert.ok(powered.of("refused").some(({ code }) => code === "signature-failed"));
  fails = undefined;
  await follow(bench, powered, tip, 30);
  assert.ok(powered.of("record").length >= before + 15);
  const seqs = new Set(powered.published("records").map((record) => Buffer.from(record).toString("hex")));
  assert.ok(seqs.size > powered.of("record").length, "what was made without a signature has it now, and has left");
  powered.cut();
});

test("a clock that is set back, or lost, makes no former validator's key good again", async () => {
  const trustingPeriodS = 100_000;
  for (const servers of [["time.lab"], ["time.lab", "time.two"]]) {
    const bench = new MoteBench({ servers, trustingPeriodS });
    bench.times = { "time.lab": 0, "time.two": 0 };
    const powered = await bench.boot();
    const tip = await follow(bench, powered, bench.chain.genesis, 10);
    powered.mote.close();
    powered.cut();
    await bench.world.advance(2 * trustingPeriodS * 1000);
    const late = await bench.boot();
    await late.pass(5000);
    assert.equal(
      late.of("alarm").map(({ alarm }) => alarm),
      ["checkpoint-expired"],
    );
    late.cut();
    for (const off of [-2 * trustingPeriodS, undefined]) {
      // One server of them lies, or all are silent.
      bench.times = { "time.lab": off, "time.two": undefined };
      const spoofed = await bench.boot();
      spoofed.announce(bench.chain.child(tip).raw);
      await spoofed.pass(5000);
      assert.ok(
        spoofed.of("refused").some(({ what, code }) => what === "header" && code === "checkpoint-expired"),
        JSON.stringify(spoofed.of("refused")),
      );
      assert.equal(spoofed.of("head"), []);
      assert.equal(
        spoofed.of("alarm").map(({ alarm }) => alarm),
        ["checkpoint-expired"],
      );
      assert.ok(Number(spoofed.of("record").at(-1)?.timeS) >= T + 2 * trustingPeriodS, "nor does the time start before it");
      spoofed.cut();
    }
  }
});

test.run();
