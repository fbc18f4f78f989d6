// The runtime: each promise of its head (a step waits for nothing and says when it wants to be called; what comes from outside costs a
// bounded place and a bounded step; nothing is signed before it was looked for), and what becomes of it when its parts fail: what can be
// done without is done without, said once and made up for; what cannot stops alone. Whole motes on virtual time (mote-bench.ts).

import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeHealth, type Health } from "../../firmware/bus/wire.js";
import { toHex } from "../../firmware/bytes.js";
import { ALARM_NONE, ALARM_STALE } from "../../firmware/chain/follow/vigil.js";
import type { FeatureOwner, FeatureType } from "../../firmware/feature.js";
import { Mote } from "../../firmware/mote.js";
import type { Chip, Device, KeyHandle } from "../../firmware/ports.js";
import { HEAD_WAIT_MS, LATEST_WAIT_MS, LINK_WAIT_MS } from "../../firmware/readiness.js";
import { decodeSign1 } from "../../firmware/record/cose.js";
import { decodeRecord } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import type { NorFlash } from "../../host-sim/hardware/flash.js";
import type { BftBlock } from "../chains/bft-generator.js";
import { MoteBench, PoweredMote, T } from "./mote-bench.js";

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

const STEP_INTERVAL_MAX_MS = 60_000;
const TICK_MS = 20;

/** A mote whose steps the test takes itself: nothing is done but what a step does. */
class Still {
  readonly powered: PoweredMote;
  /** Something has woken it since its last step. */
  #woken = false;

  constructor(bench: MoteBench, bend: (device: Device) => Device = (device) => device) {
    const timer = {
      set: () => {
        this.#woken = true;
        return {};
      },
      clear: () => undefined,
    };
    this.powered = new PoweredMote(bench, (device) => ({ ...bend(device), timer }));
  }

  /** Takes its steps as soon as each is due or something wakes it, for `durationMs`; answers what they said, in milliseconds. */
  async run(durationMs: number): Promise<number[]> {
    const { mote } = this.powered;
    const said: number[] = [];
    let dueMs = 0;
    for (let passedMs = 0; passedMs < durationMs; passedMs += TICK_MS, dueMs -= TICK_MS) {
      if (dueMs <= 0 || this.#woken) {
        this.#woken = false;
        const answer = mote.step();
        if (typeof answer !== "number") throw new Error("a step that waits for something");
        said.push(answer);
        dueMs = answer;
      }
      await this.powered.pass(TICK_MS);
    }
    return said;
  }

  /** Until the link is up. */
  async connect(): Promise<void> {
    const { powered } = this;
    for (let passedMs = 0; powered.client === undefined; passedMs += 100) {
      if (passedMs > 10_000) throw new Error("no connection was tried");
      await this.run(100);
    }
    powered.client.room = 1e9;
    powered.client.accept([1, 1, 1, 1]);
  }
}

test("a step waits for nothing and says when it wants to be called; stepped then, and only then, the mote does all it should", async () => {
  const bench = new MoteBench();
  bench.times = { "time.lab": 0 };
  const still = new Still(bench);
  const { powered } = still;
  await still.connect();
  const said = await still.run(60_000);
  assert.ok(
    said.every((dueMs) => dueMs >= 0 && dueMs <= STEP_INTERVAL_MAX_MS),
    JSON.stringify(said),
  );
  const records = powered.of("record").length;
  assert.ok(records >= 55, `${records} records, one a second`);
  assert.ok(said.length < 20 * records, `${said.length} steps for them`);
  assert.equal(powered.of("error"), []);
  powered.cut();
});

test("a mote that has nothing to do for an hour wants to be called within a minute all the same", async () => {
  const still = new Still(new MoteBench({ unprovisioned: true, sampleMs: 3_600_000 }));
  const said = await still.run(200_000);
  assert.ok(said.length >= 4 && said.length < 20, JSON.stringify(said));
  assert.ok(Math.max(...said) <= STEP_INTERVAL_MAX_MS);
  still.powered.cut();
});

test("a step before it is due does nothing: no record, no message, no line", async () => {
  const bench = new MoteBench({ sampleMs: 3_600_000 });
  bench.times = { "time.lab": 0 };
  const still = new Still(bench);
  const { powered } = still;
  await still.connect();
  await still.run(20_000);
  let dueMs = 0;
  while (dueMs < 1000) {
    dueMs = powered.mote.step() as number;
    if (dueMs < 1000) await powered.pass(Math.max(dueMs, 1));
  }
  const before = [powered.client.writes.length, powered.log.lines.length];
  for (let i = 0; i < 100; i += 1) assert.is(powered.mote.step(), dueMs);
  assert.equal([powered.client.writes.length, powered.log.lines.length], before);
  powered.cut();
});

test("a key that takes its time to sign: that step alone is waited for, and its record comes when it has signed", async () => {
  const bench = new MoteBench();
  const signers: (() => void)[] = [];
  const { powered } = new Still(bench, (device) => ({
    ...device,
    keys: {
      open: (slot) => device.keys.open(slot),
      create: (slot) => device.keys.create(slot),
      publicKey: (key) => device.keys.publicKey(key),
      close: (key) => device.keys.close(key),
      sign: (key, digest) => new Promise((resolve) => signers.push(() => resolve(device.keys.sign(key, digest)))),
    },
  }));
  let stepped: number | Promise<number> = 0;
  for (let passedMs = 0; passedMs < 30_000 && typeof stepped === "number"; passedMs += 100) {
    stepped = powered.mote.step();
    await powered.pass(100);
  }
  assert.instance(stepped, Promise);
  assert.equal(powered.of("record"), []);
  for (const sign of signers) sign();
  assert.is(await stepped, 0, "the rest of the step follows at once");
  assert.is(powered.of("record").length, 1);
  powered.cut();
});

test("announcements and newest records that come between two steps: a bounded number is looked at", async () => {
  const bench = new MoteBench();
  const still = new Still(bench);
  const { powered } = still;
  await still.connect();
  await still.run(10_000);
  const { recovered, verified } = bench.engine;
  const refused = () => powered.of("refused").filter(({ what }) => what !== "reply").length;
  const before = refused();
  const forged = bench.chain.child(bench.chain.child(bench.chain.genesis)).raw;
  for (let i = 0; i < 1000; i += 1) {
    const header = forged.slice();
    header[header.length - 40] = i & 255;
    powered.announce(header);
    powered.give("latest", Uint8Array.of(0xd2, 0x84, i & 255, i >> 8));
  }
  assert.equal([bench.engine.recovered, bench.engine.verified, refused()], [recovered, verified, before], "none before a step");
  powered.mote.step();
  const looked = refused();
  assert.ok(looked - before >= 1 && looked - before <= 2, `${looked - before} refusals of 2,000 messages`);
  const checks = bench.engine.recovered + bench.engine.verified - recovered - verified;
  assert.ok(checks <= 8, `${checks} signatures`);
  for (let i = 0; i < 3; i += 1) powered.mote.step();
  assert.is(refused(), looked, "nothing is left of them");
  const spent = [bench.engine.recovered, bench.engine.verified];
  for (let i = 0; i < 1000; i += 1) powered.give("replies", Uint8Array.of(i & 255));
  powered.mote.step();
  assert.equal([bench.engine.recovered, bench.engine.verified], spent, "a reply costs no more than a look");
  powered.cut();
});

test("nothing is signed before the mote has looked for its own newest record: until the link is there, and until the collector has had time", async () => {
  const alone = new MoteBench();
  const unheard = new Still(alone);
  const { powered: deaf } = unheard;
  await unheard.run(LINK_WAIT_MS - 100);
  assert.equal(deaf.of("record"), []);
  await unheard.run(2000);
  assert.ok(deaf.of("record").length > 0, "without a link it goes on by itself");
  deaf.cut();

  const bench = new MoteBench();
  const still = new Still(bench);
  const { powered } = still;
  await still.connect();
  powered.announce(bench.chain.child(bench.chain.genesis).raw);
  await still.run(LATEST_WAIT_MS - 100);
  assert.equal(powered.of("record"), []);
  await still.run(HEAD_WAIT_MS);
  assert.ok(powered.of("record").length > 0);
  powered.cut();
});

test("a mote that has lost journal and counters goes on above the newest record that the collector has, whose forgery ends no waiting", async () => {
  const bench = new MoteBench();
  const first = await bench.boot();
  await first.pass(20_000);
  const newest = first.published("records").at(-1) as Uint8Array;
  const address = first.addressBytes;
  first.cut();
  const flash = bench.storage.partitions.journal as NorFlash;
  flash.powerOn();
  flash.eraseBlock(0, flash.sectors);
  const still = new Still(bench, (device) => {
    device.store.open({ path: "mote", format: "buffer" }).delete("sequence");
    return device;
  });
  const { powered: wiped } = still;
  await still.connect();
  wiped.announce(bench.chain.child(bench.chain.genesis).raw);
  const forged = newest.slice();
  forged[forged.length - 1] = (forged[forged.length - 1] as number) ^ 1;
  wiped.client.message(`motes/0x${Buffer.from(address).toString("hex")}/latest`, forged);
  await still.run(LATEST_WAIT_MS / 2);
  assert.equal(wiped.of("record"), []);
  assert.ok(wiped.of("refused").some(({ what }) => what === "latest"));
  wiped.client.message(`motes/0x${Buffer.from(address).toString("hex")}/latest`, newest);
  await still.run(HEAD_WAIT_MS);
  const parts = decodeSign1(newest);
  const record = parts instanceof Rejection ? parts : decodeRecord(parts.payload);
  if (record instanceof Rejection) throw new Error(String(record));
  assert.ok(Number(wiped.of("record")[0]?.seq) > record.seq, JSON.stringify([wiped.of("record")[0], record.seq]));
  wiped.cut();
});

test("what the chip's heap has left is on the log with its health, and nothing of it where it is not known", async () => {
  const left = { freeBytes: 60_000, largestBytes: 32_768, leastBytes: 24_000 };
  const config = { health: { intervalMs: 600_000 } };
  const powered = await new MoteBench({ config }).boot((device) => ({
    ...device,
    chip: { ...(device.chip as Chip), memory: () => left },
  }));
  await powered.pass(1_200_000);
  assert.equal(
    powered.of("memory"),
    [1, 2, 3].map(() => ({ ...left, event: "memory" })),
  );
  powered.cut();
  const silent = await new MoteBench({ config }).boot();
  await silent.pass(1_200_000);
  assert.equal(silent.of("memory"), []);
  silent.cut();
});

test("its health is told when the link comes up, at its interval, when an alarm comes, and at an orderly end", async () => {
  const bench = new MoteBench({ config: { health: { intervalMs: 3_600_000 } }, sampleMs: 600_000 });
  bench.times = { "time.lab": 0 };
  const powered = await bench.boot();
  const said = (): Health[] => powered.published("health").map((bytes) => decodeHealth(bytes) as Health);
  assert.is(said().length, 1);
  const { online, boot, headNumber, alarm } = said()[0] as Health;
  assert.equal([online, boot, headNumber, alarm], [true, 1, 0, ALARM_NONE]);
  const sent = powered.client.writes.find(({ options }) => options.topic?.endsWith("/health"));
  assert.equal([sent?.options.QoS, sent?.options.retain], [0, true]);
  await powered.pass(1_200_000);
  assert.is(said().length, 2);
  assert.is(said()[1]?.alarm, ALARM_STALE);
  await powered.pass(3_600_000);
  assert.is(said().length, 3);
  assert.ok(Number(said()[2]?.pending) >= 7);
  powered.client.options.onError?.call(powered.client);
  await powered.pass(5000);
  await powered.connect();
  assert.is(said().length, 1, "on a new connection at once");
  powered.mote.close();
  assert.is(said().at(-1)?.online, false);
  powered.cut();
});

test("what is not fit to begin with is refused by name, and the board goes on", () => {
  const bench = new MoteBench();
  const { powered } = new Still(bench);
  const { device } = powered.board;
  const engine = bench.engine;
  const codeOf = (opened: Mote | Rejection) => (opened instanceof Rejection ? opened.code : "opened");
  const keys = {} as Device["keys"];
  const config = bench.config();
  const unknown = new MoteBench({ config: { sensors: [{ type: "barometer" }] } }).config();
  assert.is(codeOf(Mote.open({ device: { ...device, keys }, engine, config: unknown, sensors: [] })), "config-invalid");
  const broken = { ...config, checkpoint: {} };
  assert.is(
    codeOf(Mote.open({ device: { ...device, keys }, engine, config: { ...broken, sensors: [] }, sensors: [] })),
    "consensus-unsupported",
  );
  const flash = { open: () => ({ status: () => ({ size: 0, blockLength: 4096, blocks: 0 }) }) } as unknown as Device["flash"];
  assert.match(
    codeOf(Mote.open({ device: { ...device, keys, flash }, engine, config: { ...config, sensors: [] } })),
    /^journal-/,
  );
  powered.cut();
});

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

/** A feature that notes what it is told, and wants to be called each second. */
function noting() {
  const said: string[] = [];
  let given: FeatureOwner | undefined;
  const type: FeatureType = {
    fault: () => undefined,
    open(owner) {
      given = owner;
      return {
        subscriptions: [`motes/0x${toHex(owner.own)}/notes`],
        received(topic, message) {
          if (!topic.endsWith("/notes")) return false;
          said.push(`message ${message.length}`);
          return true;
        },
        linkChanged: (up) => void said.push(up ? "up" : "down"),
        step() {
          if (said.at(-1) !== "step") said.push("step");
          return 1000;
        },
        onOutcome: ({ kind }) => void said.push(kind),
        close: () => void said.push("closed"),
      };
    },
  };
  return { type, said, owner: () => given as FeatureOwner };
}

test("a feature of the application has its topics, its step, what came of headers, and what the mote has", async () => {
  const { type, said, owner } = noting();
  const bench = new MoteBench({ features: [type] });
  const powered = await bench.boot();
  assert.equal(owner().own, powered.mote.address);
  assert.is(owner().author.lose(0), undefined);
  assert.is(owner().device.keys.publicKey(owner().key).length, 65);
  const up = said.indexOf("up");
  assert.ok(up >= 0, "it is told of the link");
  powered.announce(bench.chain.child(bench.chain.genesis).raw);
  powered.give("notes", Uint8Array.of(1, 2, 3));
  await powered.pass(100);
  assert.ok(said.includes("advanced") && said.includes("message 3"), said.join());
  const seen = said.length;
  await powered.pass(5000);
  assert.is(said.length, seen, "steps, and nothing else");
  powered.mote.close();
  assert.is(said.at(-1), "closed");
});

test("a feature's configuration is looked at before anything is opened; what nobody anchors waits for no anchor", async () => {
  const { type } = noting();
  const fault = new Rejection("config-invalid", "ledger: expected something else");
  const opened = async (features: readonly FeatureType[], keep: "stored" | "anchored") => {
    const bench = new MoteBench({ features, config: { journal: { keep } } });
    try {
      (await bench.boot()).cut();
      return "";
    } catch (error) {
      return String(error);
    }
  };
  assert.match(await opened([type, { ...type, fault: () => fault }], "stored"), "expected something else");
  assert.match(await opened([type], "anchored"), 'expected "stored"');
  assert.is(await opened([{ ...type, anchors: true }], "anchored"), "");
});

test("what was measured and waits for its record is in one before a restart", async () => {
  for (const waitingMs of [100, 1100, 3100]) {
    let owner: FeatureOwner | undefined;
    let taken = 0;
    const feature: FeatureType = {
      fault: () => undefined,
      open(given) {
        owner = given;
        const onSample = (): void => {
          taken += 1;
        };
        return { subscriptions: [], received: () => false, linkChanged: () => undefined, step: () => 60_000, onSample };
      },
    };
    const bench = new MoteBench({ config: { sampling: { intervalMs: 1000, samplesPerRecord: 5 } }, features: [feature] });
    const values = (): number => powered.of("record").flatMap((line) => line.values as unknown[]).length;
    let valuesAtRestart = -1;
    const powered = await bench.boot((device) => ({
      ...device,
      restart: () => {
        valuesAtRestart = values();
      },
    }));
    await follow(bench, powered, bench.chain.genesis, 12);
    while (powered.of("record").length < 3) await powered.pass(100);
    await powered.pass(waitingMs);
    // A sample is a temperature and a humidity.
    assert.ok(values() < 2 * taken || waitingMs < 1000, "samples wait");
    (owner as FeatureOwner).restart();
    for (let i = 0; i < 20 && valuesAtRestart < 0; i += 1) await powered.pass(1);
    assert.is(valuesAtRestart, 2 * taken, "all of them are in records when it starts anew");
    powered.cut();
    const { journal } = (await bench.boot()).mote;
    let last = 0;
    for (let seq = journal.after(0); seq !== undefined; seq = journal.after(seq)) last = seq;
    assert.is(last, powered.of("record").length, "and the next start finds them");
  }
});

test("nothing is measured any more while the last record before a restart waits for its signature", async () => {
  let owner: FeatureOwner | undefined;
  let taken = 0;
  const feature: FeatureType = {
    fault: () => undefined,
    open(given) {
      owner = given;
      const onSample = (): void => {
        taken += 1;
      };
      return { subscriptions: [], received: () => false, linkChanged: () => undefined, step: () => 60_000, onSample };
    },
  };
  const bench = new MoteBench({ config: { sampling: { intervalMs: 1000, samplesPerRecord: 5 } }, features: [feature] });
  let isSlow = false;
  let sign: (() => void) | undefined;
  let restarts = 0;
  const powered = await bench.boot((device) => {
    const { keys } = device;
    const slowly = (key: KeyHandle, digest: Uint8Array): Uint8Array | Promise<Uint8Array> =>
      isSlow
        ? new Promise((resolve) => {
            sign = () => resolve(keys.sign(key, digest));
          })
        : keys.sign(key, digest);
    return {
      ...device,
      keys: {
        open: (slot) => keys.open(slot),
        create: (slot) => keys.create(slot),
        publicKey: (key) => keys.publicKey(key),
        sign: slowly,
        close: (key) => keys.close(key),
      },
      restart: () => {
        restarts += 1;
      },
    };
  });
  await follow(bench, powered, bench.chain.genesis, 12);
  while (powered.of("record").length < 2) await powered.pass(100);
  while (taken % 5 !== 3) await powered.pass(100);
  const before = taken;
  isSlow = true;
  (owner as FeatureOwner).restart();
  for (let i = 0; i < 40; i += 1) await powered.pass(100);
  assert.equal([restarts, sign === undefined], [0, false], "it waits");
  isSlow = false;
  sign?.();
  for (let i = 0; i < 20 && restarts === 0; i += 1) await powered.pass(1);
  assert.equal([restarts, taken], [1, before]);
});

test.run();
