// A broker that dies in every state of its client, again and again: the mote does not restart, leaves no timer and no socket, and
// delivers every record as it was made. Over the mirrors of the SDK's network modules, and where MODDABLE names an SDK, over those.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../firmware/bytes.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { decodeSign1, digestOf } from "../../firmware/record/cose.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { decodeRecord } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import { VirtualClock } from "../../host-sim/world/clock.js";
import { fastEngine } from "../../tools/crypto/engine-fast.js";
import { pause, WAIT_MS_MAX } from "../patience.js";
import { networkModulesOf, SOURCES } from "../sdk/network.js";
import { signed, testKey } from "../unit/record/signing.js";
import { DEATHS, MortalBroker } from "./mortal-broker.js";
import { Scene } from "./scene.js";

/** Deaths in each state. */
const ROUNDS = process.env.FULL === "1" ? 100 : 5;
const COLLECTOR = testKey("the collector of a mortal broker");
const SAMPLE_MS = 10_000;
const STEP_MS = 1000;

test.after(() => Scene.closeAll());

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
    const scene = await Scene.open({
      collector: `0x${toHex(COLLECTOR.address)}`,
      sampleIntervalMs: SAMPLE_MS,
      mqtt: { keepAliveMs: 60_000 },
    });
    const broker = await new MortalBroker(() => scene.port).open();
    const arrived = await collect(scene);
    const world = new VirtualClock();
    const modules = await networkModulesOf(source);
    const network = { "broker.stage:1883": broker.endpoint, "time.stage:123": scene.sntp.endpoint };
    const { board, mote, of } = scene.mote({ clock: world, engine: fastEngine, modules, network });
    const hardware = board.board;

    /** Sockets live in real time, so a step of the board's is followed by a moment of it. */
    const until = async (what: string, condition: () => boolean): Promise<void> => {
      for (const endMs = performance.now() + WAIT_MS_MAX; !condition(); ) {
        if (performance.now() > endMs) throw new Error(`${what}: not in time, after ${broker.deaths.length} deaths`);
        await world.advance(STEP_MS, 4);
        await pause(1);
      }
    };
    const ups = (): number => of("link").filter(({ state }) => state === "up").length;
    const downs = (): number => of("link").filter(({ state }) => state === "down").length;
    const stored = (): Set<unknown> => new Set(of("stored").map(({ digest }) => digest));
    const allStored = (): boolean => of("record").every(({ digest }) => stored().has(digest));

    await until("the first session", () => ups() > 0 && of("stored").length > 0);
    let timersIdle = 0;
    for (let round = 0; round < ROUNDS; round += 1)
      for (const death of DEATHS) {
        const before = { deaths: broker.deaths.length, downs: downs(), ups: ups() };
        // Those that come before a session need one that ends first.
        if (["connecting", "logging in", "logged in", "subscribing", "subscribed"].includes(death)) broker.cutNow();
        broker.dieWhen(death);
        await until(death, () => broker.deaths.length > before.deaths && downs() > before.downs && ups() > before.ups);
        assert.ok(hardware.network.sockets.tcp <= 1, `${hardware.network.sockets.tcp} sockets after ${death}`);
        timersIdle = Math.max(timersIdle, hardware.world.waiting);
      }
    await until("all is delivered", allStored);
    assert.equal(broker.deaths.length, ROUNDS * DEATHS.length);
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
    await broker.close();
    await scene.close();
  });

test.run();
