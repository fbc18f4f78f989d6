// A whole mote on a QBFT chain: it catches up by a jump, follows on, freezes when it is shown two blocks with a quorum each, and
// says so on its health topic, while records go on.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeHealth, decodeRequest, encodeReply } from "../../firmware/bus/wire.js";
import { ALARM_FORK, ALARM_NONE } from "../../firmware/chain/follow/vigil.js";
import { parseConfig } from "../../firmware/config.js";
import { Rejection } from "../../firmware/rejection.js";
import { fastEngine } from "../../tools/crypto/engine-fast.js";
import { bftCheckpointAt } from "../chains/bft-fixture.js";
import { type BftBlock, BftChain } from "../chains/bft-generator.js";
import { accounts } from "../chains/clique-generator.js";
import { until } from "../patience.js";
import { CHAIN, HEAD_TOPIC, Scene } from "./scene.js";

const BLOCKS = 900;

test("a mote follows a QBFT chain by jumps, and freezes at a fork with an alarm on its health topic", async () => {
  const scene = await Scene.open();
  const timeS = Math.floor(Date.now() / 1000) - BLOCKS;
  const chain = new BftChain({ kind: "qbft", validators: accounts(4), periodS: 1, timeS });
  const blocks: BftBlock[] = [chain.genesis, ...chain.grow(chain.genesis, BLOCKS)];
  const { checkpoint: _, ...rest } = scene.config();
  const config = parseConfig({
    wifi: { ssid: "stage" },
    ntp: { servers: ["time.stage"] },
    mqtt: { host: "broker.stage", port: 1883, keepAliveMs: 2000 },
    checkpoint: bftCheckpointAt(chain, chain.genesis),
    relays: ["north"],
    fleet: { registry: `0x${"f1".repeat(20)}`, chain: CHAIN },
    collector: `0x${"c0".repeat(20)}`,
    sampling: { intervalMs: 200 },
    health: { intervalMs: 1000 },
  });
  if (config instanceof Rejection) throw new Error(String(config));
  assert.equal(Object.keys(config).length, Object.keys(rest).length + 2);
  scene.config = () => config;
  const relay = await scene.client();
  const requests = `chains/${CHAIN}/requests/north`;
  let alarm = -1;
  relay.on("message", (topic, message) => {
    if (topic.endsWith("/health")) {
      const health = decodeHealth(new Uint8Array(message));
      if (!(health instanceof Rejection)) alarm = health.alarm;
      return;
    }
    const request = decodeRequest(new Uint8Array(message));
    if (topic !== requests || request instanceof Rejection) return;
    const { id, to, from, count } = request;
    const headers = blocks.slice(from, from + Math.min(count, 4)).map((block) => block.raw);
    relay.publish(`motes/0x${Buffer.from(to).toString("hex")}/replies`, Buffer.from(encodeReply({ id, from, headers })), {
      qos: 1,
    });
  });
  await relay.subscribeAsync([requests, "motes/+/health"]);
  const announce = (block: BftBlock): unknown => relay.publish(HEAD_TOPIC, Buffer.from(block.raw), { qos: 1, retain: true });
  announce(blocks[BLOCKS] as BftBlock);
  const actor = scene.mote({ engine: fastEngine });
  await until("the mote is at the head", () => actor.head() === BLOCKS);
  assert.ok(actor.of("jump").length > 0, "by a jump");
  assert.ok(actor.of("head").reduce((sum, event) => sum + Number(event.verified), 0) < 60, "and not by a walk");
  const next = chain.child(blocks[BLOCKS] as BftBlock);
  blocks.push(next);
  announce(next);
  await until("it follows on", () => actor.head() === BLOCKS + 1);
  await until("its health says that all is well", () => alarm === ALARM_NONE);
  const rival = chain.child(blocks[BLOCKS] as BftBlock, { gasUsed: 7n });
  announce(rival);
  await until("the alarm is out", () => alarm === ALARM_FORK);
  announce(chain.child(next));
  const records = actor.of("record").length;
  await until("records go on", () => actor.of("record").length > records + 2);
  assert.is(actor.head(), BLOCKS + 1, "and the head stays");
  assert.equal(
    actor.of("alarm").map((event) => event.alarm),
    ["fork"],
  );
  assert.is(actor.of("error").length, 0, JSON.stringify(actor.of("error")));
  await scene.close();
});

test.after(() => Scene.closeAll());

test.run();
