// A broker that dies in every state of its client, again and again: the mote does not restart, leaves no timer and no socket, and
// delivers every record as it was made. Over the mirrors of the SDK's network modules, and where MODDABLE names an SDK, over those.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../firmware/bytes.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { decodeSign1, digestOf } from "../../firmware/record/cose.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { decodeRecord } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import { type GuestEngine, guestEngine } from "../../host-sim/engine/engines.js";
import { type BoardEvent, spawnBoard } from "../../host-sim/engine/node.js";
import { VirtualClock } from "../../host-sim/world/clock.js";
import { fastEngine } from "../../tools/crypto/engine-fast.js";
import { pause, until, WAIT_MS_MAX } from "../patience.js";
import { networkModulesOf, SOURCES } from "../sdk/network.js";
import { signed, testKey } from "../unit/record/signing.js";
import { DEATHS, type Death, MortalBroker } from "./mortal-broker.js";
import { Scene } from "./scene.js";

/** Deaths in each state, of which there are ten. */
const ROUNDS = 10;
const COLLECTOR = testKey("the collector of a mortal broker");
const SAMPLE_MS = 10_000;
/** How many times as fast as real time a board lives while it has a socket open: real sockets answer it in real time. */
const SPEED = 40;
/** What passes for it at once then, however late this machine is. */
const STEP_MS_MAX = 400;
/** Deaths in each state over XS, whose time does not jump: the whole number of them with FULL=1. */
const XS_ROUNDS = process.env.FULL === "1" ? 10 : 1;
const BEFORE_A_SESSION: readonly Death[] = ["connecting", "logging in", "logged in", "subscribing", "subscribed"];

const brokers: MortalBroker[] = [];

test.after(async () => {
  await Scene.closeAll();
  for (const broker of brokers) await broker.close();
});

async function mortalBroker(scene: Scene): Promise<MortalBroker> {
  const broker = new MortalBroker(() => scene.port);
  brokers.push(broker);
  return broker.open();
}

/** A collector that answers each record with a receipt; what came, by sequence number. */
async function collect(scene: Scene): Promise<Map<number, string>> {
  const records = new Map<number, string>();
  const client = await scene.client();
  client.on("message", (topic, message) => {
    const parts = decodeSign1(new Uint8Array(message));
    if (parts instanceof Rejection) throw new Error(String(parts));
    const fields = decodeRecord(parts.payload);
    if (fields instanceof Rejection) throw new Error(String(fields));
    const mote = fromHex(topic.slice("motes/".length, -"/records".length)) as Uint8Array;
    const digest = digestOf(nobleEngine, parts.kid, parts.payload);
    const known = records.get(fields.seq);
    if (known !== undefined && known !== toHex(digest)) throw new Error(`two records ${fields.seq}`);
    records.set(fields.seq, toHex(digest));
    const receipt = signed(COLLECTOR, encodeReceipt({ seq: fields.seq, stream: fields.stream, digest, mote }));
    client.publish(`motes/0x${toHex(mote)}/receipts`, Buffer.from(receipt), { qos: 1 });
  });
  await client.subscribeAsync("motes/+/records", { qos: 1 });
  return records;
}

for (const source of SOURCES)
  test(`a broker that dies ${ROUNDS} times in each of ${DEATHS.length} states of its client (${source})`, async () => {
    const escaped: unknown[] = [];
    const note = (error: unknown): void => void escaped.push(error);
    process.on("uncaughtException", note);
    const world = new VirtualClock(Date.now());
    const scene = await Scene.open({
      collector: `0x${toHex(COLLECTOR.address)}`,
      sampleIntervalMs: SAMPLE_MS,
      mqtt: { keepAliveMs: 60_000 },
      epochMs: () => world.epochMs(),
    });
    const broker = await mortalBroker(scene);
    const arrived = await collect(scene);
    const modules = await networkModulesOf(source);
    const network = { "broker.stage:1883": broker.endpoint, "time.stage:123": scene.sntp.endpoint };
    const { board, mote, of } = scene.mote({ clock: world, engine: fastEngine, modules, network });
    const hardware = board.board;

    /** Time jumps to what the board waits for while it is alone, and gets no further than others can follow while it talks. */
    const advanced = async (what: string, condition: () => boolean): Promise<void> => {
      let lastMs = performance.now();
      for (const endMs = lastMs + WAIT_MS_MAX; !condition(); ) {
        const { tcp, udp } = hardware.network.sockets;
        const alone = tcp + udp === 0;
        if (!alone) await pause(1);
        const nowMs = performance.now();
        if (nowMs > endMs) throw new Error(`${what}: not in time, after ${broker.deaths.length} deaths`);
        await world.advance(alone ? (world.untilNextMs ?? 0) : Math.min((nowMs - lastMs) * SPEED, STEP_MS_MAX), 4);
        lastMs = nowMs;
      }
    };
    const up = (): boolean => of("link").at(-1)?.state === "up";
    const downs = (): number => of("link").filter(({ state }) => state === "down").length;
    const allStored = (): boolean => {
      const stored = new Set(of("stored").map(({ digest }) => digest));
      return of("record").every(({ digest }) => stored.has(digest));
    };

    await advanced("the first session", () => up() && of("stored").length > 0);
    let timersIdle = 0;
    let ends = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const death of DEATHS) {
        // Those that come before a session need one that ends first.
        if (BEFORE_A_SESSION.includes(death)) {
          broker.cutNow();
          ends += 1;
        }
        broker.dieWhen(death);
        ends += 1;
        await advanced(death, () => downs() >= ends && up());
        assert.is(downs(), ends, `a session or an attempt that ended without a death, after ${death}`);
        assert.ok(hardware.network.sockets.tcp <= 1, `${hardware.network.sockets.tcp} sockets after ${death}`);
        timersIdle = Math.max(timersIdle, hardware.world.waiting);
      }
      await advanced(`all is delivered after round ${round}`, allStored);
    }
    assert.equal(broker.deaths.length, ROUNDS * DEATHS.length);
    assert.equal(of("refused"), []);
    assert.equal(escaped, [], "exceptions that left a callback: each restarts a board");
    assert.equal(of("error"), []);
    assert.equal(
      of("link").filter(({ state }) => state === "error"),
      [],
    );
    for (const { seq, digest } of of("record"))
      assert.is(arrived.get(Number(seq)), String(digest).replace(/^0x/, ""), `record ${seq}`);
    assert.ok(timersIdle <= 6, `${timersIdle} timers at once`);
    mote.close();
    await world.advance(0, 10);
    assert.equal({ ...hardware.network.sockets, timers: hardware.world.waiting }, { tcp: 0, udp: 0, timers: 0 });
    process.off("uncaughtException", note);
    board.close();
  });

async function onXs(title: string, body: (engine: GuestEngine) => Promise<void>): Promise<void> {
  const engine = await guestEngine({ target: "m32", memory: "esp32c3" });
  if (!("missing" in engine)) test(title, () => body(engine));
  else {
    console.log(`skipped: ${engine.missing}`);
    test.skip(title, () => undefined);
  }
}

await onXs(
  `on XS in an ESP32-C3's memory, ${XS_ROUNDS * DEATHS.length} deaths: one boot, no timer and no socket more`,
  async (engine) => {
    const scene = await Scene.open({
      collector: `0x${toHex(COLLECTOR.address)}`,
      sampleIntervalMs: SAMPLE_MS,
      mqtt: { keepAliveMs: 240_000 },
    });
    const broker = await mortalBroker(scene);
    const arrived = await collect(scene);
    const directory = mkdtempSync(join(tmpdir(), "chainmote-deaths-"));
    const network = { "broker.stage:1883": broker.endpoint, "time.stage:123": scene.sntp.endpoint };
    writeFileSync(join(directory, "board.json"), JSON.stringify({ speed: SPEED, config: scene.configuration(), network }));
    const events: BoardEvent[] = [];
    const text: string[] = [];
    const onEvent = (event: BoardEvent): void => void events.push(event);
    const board = spawnBoard({ directory, engine, onEvent, onText: (line) => text.push(line) });
    const of = (event: string): BoardEvent[] => events.filter((one) => one.event === event);
    const links = (state: string): number => of("link").filter((one) => one.state === state).length;
    const stored = (): Set<unknown> => new Set(of("stored").map(({ digest }) => digest));
    /** What is in use between two records, in a session. */
    const inUse = async (): Promise<BoardEvent> => {
      const before = { counts: of("board").length, stored: stored().size };
      await until("a record more", () => stored().size > before.stored);
      board.change({ count: true });
      await until("the count", () => of("board").length > before.counts);
      return of("board").at(-1) as BoardEvent;
    };
    try {
      const first = await inUse();
      for (let round = 0; round < XS_ROUNDS; round += 1)
        for (const death of DEATHS) {
          const before = { deaths: broker.deaths.length, downs: links("down"), ups: links("up") };
          if (BEFORE_A_SESSION.includes(death)) broker.cutNow();
          broker.dieWhen(death);
          await until(
            () => `${death}; ${JSON.stringify(events.slice(-5))} ${text.slice(-12).join(" / ")}`,
            () => broker.deaths.length > before.deaths && links("down") > before.downs && links("up") > before.ups,
          );
        }
      const made = of("record").map(({ digest }) => digest);
      await until("all is delivered", () => made.every((digest) => stored().has(digest)));
      const last = await inUse();
      assert.equal([last.tcp, last.udp], [first.tcp, first.udp]);
      // One or two come and go; a leak is one for each death.
      assert.ok((last.timers as number) <= (first.timers as number) + 2, `${last.timers} timers, ${first.timers} before`);
      assert.equal([of("key").length, of("engine").length, of("error").length], [1, 0, 0]);
      for (const { seq, digest } of of("record").filter(({ digest }) => made.includes(digest)))
        assert.is(arrived.get(Number(seq)), String(digest).replace(/^0x/, ""), `record ${seq}`);
    } finally {
      await board.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  },
);

test.run();
