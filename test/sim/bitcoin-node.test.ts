// A real Bitcoin node: it mines, it survives kill -9, it continues its chain, it listens on loopback only; the firmware follows it
// through the relay, knows its heads again in the collector's eyes, and starts from a checkpoint that was exported from it.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import mqtt from "mqtt";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeReply, encodeRequest, type HeaderReply } from "../../firmware/bus/wire.js";
import { bitcoinCheckpointFromGenesis, openBitcoin } from "../../firmware/chain/bitcoin/checkpoint.js";
import { type BitcoinRules, bitcoinNetwork } from "../../firmware/chain/bitcoin/rules.js";
import { Follower } from "../../firmware/chain/follow/follower.js";
import { Rejection } from "../../firmware/rejection.js";
import { BitcoinHeaderSource, shownHash } from "../../tools/bitcoin/raw-header.js";
import { headStateAt } from "../../tools/collector/heads.js";
import { HEAD_FOREIGN, HEAD_KNOWN, HEAD_ORPHANED } from "../../tools/collector/schema.js";
import { engine } from "../../tools/crypto/engine.js";
import { exportBitcoinCheckpoint } from "../../tools/headers/bitcoin.js";
import { LocalBroker } from "../../tools/mqtt/broker.js";
import { BitcoinNode } from "../../tools/node/bitcoin.js";
import { pause } from "../../tools/processes/backoff.js";
import type { ChildEnd } from "../../tools/processes/supervisor.js";
import { Relay } from "../../tools/relay/relay.js";
import { chainOfNode } from "../../tools/rpc/chain.js";
import { kindOf, MemoryStore } from "../chains/follower-fixture.js";
import { WAIT_MS_MAX } from "../patience.js";

const COMMAND = fileURLToPath(new URL("../../tools/chainmote.mjs", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "chainmote-bitcoin-"));
const ends: ChildEnd[] = [];
let node: BitcoinNode;
let source: BitcoinHeaderSource;

async function height(): Promise<number> {
  return (await source.header("latest"))?.number ?? 0;
}

async function waitFor(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + WAIT_MS_MAX;
  while (Date.now() < deadline) {
    if (await Promise.resolve(holds()).catch(() => false)) return;
    await pause(100);
  }
  assert.unreachable(`${what}: not within ${WAIT_MS_MAX / 1000} s`);
}

async function rawOf(number: number): Promise<Uint8Array> {
  return ((await source.header(number)) as { raw: Uint8Array }).raw;
}

async function followed(): Promise<Follower> {
  const rules = bitcoinNetwork(node.chain) as BitcoinRules;
  const consensus = openBitcoin(engine, bitcoinCheckpointFromGenesis(engine, rules, await rawOf(0)));
  assert.not.instance(consensus, Rejection);
  if (consensus instanceof Rejection) throw new Error(consensus.detail);
  return new Follower({ consensus, engine, store: new MemoryStore(), clock: { ticksMs: () => 0 } });
}

test.before(async () => {
  node = await BitcoinNode.start({ directory: join(directory, "node"), periodS: 1, onEnd: (end) => ends.push(end) });
  source = new BitcoinHeaderSource(node.rpc);
});
test.after(async () => {
  await node.stop();
  rmSync(directory, { recursive: true, force: true });
});

test("mines a block a second on regtest, and says which chain it follows", async () => {
  assert.is(await chainOfNode(node.rpc), "bip122:0f9188f13cb7b2c71f2a335e3a4fc328");
  await waitFor("three blocks", async () => (await height()) >= 3);
  assert.is(await source.header(1_000_000), undefined);
});

test("listens on loopback only", () => {
  if (!existsSync("/proc/net/tcp")) return;
  const bound = ["tcp", "tcp6"].flatMap((name) =>
    readFileSync(`/proc/net/${name}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      // 0A: it listens.
      .filter(([, local, , state]) => state === "0A" && node.ports.includes(Number.parseInt(local?.split(":")[1] ?? "", 16)))
      .map(([, local]) => local as string),
  );
  assert.ok(bound.length >= 1);
  for (const local of bound) assert.match(local, /^0100007F:/);
});

test("the firmware follows it through the relay, and the heads that a record would name are known to the node", async () => {
  const broker = await LocalBroker.start();
  const relay = new Relay({ rpc: () => node.url, mqtt: broker.url });
  const client = mqtt.connect(broker.url);
  const follower = await followed();
  const to = new Uint8Array(20).fill(7);
  const topic = `chains/${node.chain}`;
  let head: Uint8Array | undefined;
  const replies: Uint8Array[] = [];
  client.on("message", (name, payload) => {
    if (name === `${topic}/head`) head = payload;
    else replies.push(payload);
  });
  try {
    client.subscribe([`${topic}/head`, "motes/+/replies"]);
    await waitFor("a head", () => head !== undefined);
    const announced = head as unknown as Uint8Array;
    assert.ok(["wanting", "advanced"].includes(kindOf(follower.offer(announced, undefined))));
    for (let id = 1; follower.wanted() !== undefined && id < 20; id += 1) {
      const ask = follower.wanted() as { from: number; count: number };
      client.publish(`${topic}/requests`, Buffer.from(encodeRequest({ id, to, ...ask, bytesMax: 4096 })));
      await waitFor("a reply", () => replies.length >= id);
      const reply = decodeReply(replies[id - 1] as Uint8Array);
      assert.not.instance(reply, Rejection);
      const { headers } = reply as HeaderReply;
      if (headers.length === 0) follower.unanswered();
      else
        assert.ok(
          follower.answer(ask.from, headers, Math.floor(Date.now() / 1000)).every((outcome) => kindOf(outcome) === "advanced"),
        );
    }
    assert.ok(follower.head.number >= 3);
    const known = { chain: node.chain, number: follower.head.number, hash: follower.head.hash };
    assert.is(await headStateAt(node.rpc, node.chain, known), HEAD_KNOWN);
    assert.is(await headStateAt(node.rpc, node.chain, { ...known, chain: "eip155:1" }), HEAD_FOREIGN);
    assert.is(
      await headStateAt(node.rpc, node.chain, { ...known, number: 2 }),
      HEAD_ORPHANED,
      "a block that is not at that height",
    );
    assert.is(await headStateAt(node.rpc, node.chain, { ...known, hash: new Uint8Array(32).fill(1) }), HEAD_FOREIGN);
    assert.is(await headStateAt(node.rpc, node.chain, { ...known, number: 1_000_000 }), undefined);
  } finally {
    await relay.close();
    await client.endAsync(true);
    await broker.close();
  }
});

test("a checkpoint out of the node, and what follows it", async () => {
  await waitFor("eight blocks", async () => (await height()) >= 8);
  const bitcoin = openBitcoin(engine, await exportBitcoinCheckpoint(node.rpc, { number: 5 }));
  assert.not.instance(bitcoin, Rejection);
  if (bitcoin instanceof Rejection) return;
  const { trusted } = bitcoin.extend(bitcoin.checkpoint, [await rawOf(6), await rawOf(7)], undefined);
  assert.is(trusted.number, 7);
  assert.is(trusted.totalDifficulty, BigInt(`0x${await source.workOf(shownHash(trusted.hash))}`));
});

test("after kill -9 it starts again by itself and continues the same chain; so does a second start", async () => {
  await waitFor("five blocks", async () => (await height()) >= 5);
  const kept = await source.hashAt(4);
  const pid = node.pid as number;
  process.kill(pid, "SIGKILL");
  await waitFor("another process", () => node.pid !== undefined && node.pid !== pid);
  await waitFor("more blocks", async () => (await height()) >= 6);
  assert.is(await source.hashAt(4), kept);
  assert.is(ends[0]?.signal, "SIGKILL");
  const { token } = node;
  await node.stop();
  node = await BitcoinNode.start({ directory: join(directory, "node") });
  source = new BitcoinHeaderSource(node.rpc);
  assert.is(await source.hashAt(4), kept);
  assert.equal(node.token, token);
  const other = BitcoinNode.start({ directory: join(directory, "node"), waitMs: 100 }).catch((error: Error) => error.message);
  assert.match(String(await other), /in use by process \d+/);
});

test("npm start -- --chain bitcoin: records after blocks that the node knows, to exit code 0", async () => {
  const words = [
    "start",
    "--chain",
    "bitcoin",
    "--records",
    "2",
    "--sample",
    "500",
    "--json",
    "--data",
    join(directory, "start"),
  ];
  const child = spawn(process.execPath, [COMMAND, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => {
      text += data.toString();
    });
  const code = await new Promise((resolve) => child.once("close", resolve));
  assert.is(code, 0, text.slice(-2000));
  assert.match(text, /"event":"verified"/);
});

test.run();
