// A mote, a relay and a collector on a real Clique network: three geth nodes that seal, votes in and out over epoch blocks,
// partitions shorter and longer than what a mote keeps, a cloned signer. The mote follows all of it by itself, and what the
// collector says of each record's head in the end is what geth's chain says.
//
// Promises: without geth one line says so, and nothing is tried. `npm run interop:geth` builds geth where Go is there, and runs this.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeReply } from "../../../firmware/bus/wire.js";
import { toHex } from "../../../firmware/bytes.js";
import { decodeHeader, type EthereumHeader } from "../../../firmware/chain/ethereum/header.js";
import { REORG_DEPTH } from "../../../firmware/chain/follow/window.js";
import { parseConfig } from "../../../firmware/config.js";
import { SoftwareKeys } from "../../../firmware/crypto/software-keys.js";
import {
  decodeProofRequest,
  PROVE_ACCOUNT,
  PROVE_RECEIPT,
  PROVE_SLOT,
  type ProofRequest,
} from "../../../firmware/ledger/proof-wire.js";
import { type Proof, Prover } from "../../../firmware/ledger/prover.js";
import { Mote } from "../../../firmware/mote.js";
import { Rejection } from "../../../firmware/rejection.js";
import { sht3x } from "../../../firmware/sensor/sht3x/sht3x.js";
import type { LogValue } from "../../../host-sim/device.js";
import { createBoard } from "../../../host-sim/device.js";
import { SntpServer } from "../../../host-sim/world/sntp-server.js";
import { Collector, type CollectorEvent } from "../../../tools/collector/collector.js";
import { bytesOf, integerOf, openPglite } from "../../../tools/collector/database.js";
import { HEAD_KNOWN, HEAD_ORPHANED } from "../../../tools/collector/schema.js";
import { RecordStore } from "../../../tools/collector/store.js";
import { engine } from "../../../tools/crypto/engine.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { KeyFile } from "../../../tools/crypto/key-file.js";
import { ProofSource, type ProofWanted } from "../../../tools/ethereum/proofs.js";
import { exportCliqueCheckpoint } from "../../../tools/headers/clique.js";
import { LocalBroker } from "../../../tools/mqtt/broker.js";
import { Relay } from "../../../tools/relay/relay.js";
import { ACCOUNTS, allocated, CHAIN, CONTRACT, EPOCH, GethNetwork, PERIOD_S, SLOTS } from "./network.js";

const SAMPLE_MS = 500;
/** Blocks after which the collector's verdicts are no longer provisional: more than any partition here is deep. */
const SETTLED_DEPTH = 40;
/** The node that relay and collector ask. */
const OURS = 0;
const ALL = [0, 1, 2, 3];
/** Without a block: each is due after a second or two. */
const STUCK_MS = 20_000;

type Line = Readonly<Record<string, LogValue>> & { readonly event: string };

const folder = mkdtempSync(join(tmpdir(), "chainmote-geth-test-"));
const lines: Line[] = [];
const verdicts: CollectorEvent[] = [];

const binary = process.env.GETH;
const test = suite("Clique on geth");
if (binary === undefined) {
  console.log("skipped: no geth; npm run interop:geth builds it where Go is installed");
  process.exit(0);
}

const network = await GethNetwork.start(binary);
const broker = await LocalBroker.start();
const sntp = await SntpServer.start();
const key = KeyFile.openOrCreate(join(folder, "collector.key"));
const fleet = { registry: new Uint8Array(20).fill(0xf1), chain: CHAIN };
const database = await openPglite();
const store = await RecordStore.open(database);
const ours = network.node(OURS);
const relay = new Relay({ rpc: ours.url, mqtt: broker.url, prefix: "", chain: CHAIN, onEvent: () => {} });
const collector = new Collector({
  ...{ store, key, engine, mqtt: broker.url, rpc: ours.url, chain: CHAIN, fleet, settledDepth: SETTLED_DEPTH },
  onEvent: (event) => verdicts.push(event),
});
const simulated = createBoard({
  network: { "broker.stage:1883": `127.0.0.1:${broker.port}`, "time.stage:123": sntp.endpoint },
  onLog: (event, fields) => lines.push({ event, ...fields }),
});
const mote = await openMote();

async function openMote(): Promise<Mote> {
  const config = parseConfig({
    wifi: { ssid: "stage" },
    ntp: { servers: ["time.stage"] },
    mqtt: { host: "broker.stage", port: 1883 },
    checkpoint: await exportCliqueCheckpoint(ours.rpc, { periodS: PERIOD_S, epoch: EPOCH }, 0),
    fleet: { registry: `0x${toHex(fleet.registry)}`, chain: CHAIN },
    collector: `0x${toHex(key.address)}`,
    sampling: { intervalMs: SAMPLE_MS },
  });
  if (config instanceof Rejection) throw config;
  const { entropy, store: values } = simulated.device;
  const device = { ...simulated.device, keys: new SoftwareKeys({ entropy, store: values }) };
  const opened = Mote.open({ device, engine: fastEngine, config, sensors: [sht3x] });
  if (opened instanceof Rejection) throw opened;
  opened.run();
  return opened;
}

const of = (event: string): Line[] => lines.filter((line) => line.event === event);
const head = (): number => Number(of("head").at(-1)?.number ?? 0);

/** The mote's head is a block of the chain that our node has, at most two blocks behind. */
async function follows(): Promise<void> {
  await ours.until("the mote is on the node's chain", async () => {
    const height = await ours.height();
    const last = of("head").at(-1);
    const block = await ours.block(Number(last?.number));
    return height - head() <= 2 && block.hash === `0x${String(last?.hash)}`;
  });
}

async function grows(blocks: number, node = ours): Promise<void> {
  const from = await node.height();
  await node.until(`${blocks} blocks more`, async () => (await node.height()) >= from + blocks);
}

/** Two sealers may each have a block of one height, and neither may seal the next one: geth asks no peer for the other's until they meet anew. */
async function growsApart(blocks: number): Promise<void> {
  const goal = (await ours.height()) + blocks;
  let seen = 0;
  let sinceMs = 0;
  await ours.until(`${blocks} blocks more, apart`, async () => {
    const height = await ours.height();
    const nowMs = performance.now();
    if (height !== seen) [seen, sinceMs] = [height, nowMs];
    else if (nowMs - sinceMs > STUCK_MS) {
      sinceMs = nowMs;
      await network.meetAnew(3, OURS, height - 1);
    }
    return height >= goal;
  });
}

/** Our node with a clone of B's key seals apart from B and C for `blocks`, falls behind, and comes back to them. */
async function partition(blocks: number): Promise<void> {
  await network.part([OURS, 3], [1, 2]);
  await network.node(3).sealAs(network.signers[1] as (typeof network.signers)[number]);
  const forked = await ours.height();
  await growsApart(blocks);
  await follows();
  for (const i of [OURS, 3]) await network.node(i).rpc.call("miner_stop");
  const number = await ours.height();
  const left = await ours.block(number);
  await network.node(1).until("the others are ahead", async () => (await network.node(1).height()) >= number + 6);
  await network.join(ALL);
  await ours.until("our node turns", async () => (await ours.block(number)).hash !== left.hash);
  assert.ok(number - forked >= blocks, `${number - forked} blocks were left`);
  await ours.rpc.call("miner_start");
  await follows();
}

test("accounts and slots of geth's state are proven, there or not; a block that it does not know is said to be none", async () => {
  const source = new ProofSource(ours.rpc);
  const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.slice(2), "hex"));
  const block = bytes((await ours.block("latest")).hash);
  /** What a mote proves, with the header of the block that it has verified. */
  const prove = async (wanted: Omit<ProofWanted, "block">): Promise<Proof> => {
    const items = (await source.items({ ...wanted, block })) ?? [];
    const results: (Proof | Rejection)[] = [];
    const sent: ProofRequest[] = [];
    const header = decodeHeader(engine, items[0] as Uint8Array) as EthereumHeader;
    const window = { base: { number: header.number }, hashAt: () => block };
    const consensus = { decode: (raw: Uint8Array) => decodeHeader(engine, raw) };
    const prover = new Prover({
      ...{ engine, own: new Uint8Array(20), clock: { ticksMs: () => 0 }, trustedNowS: () => undefined, requestId: () => 1 },
      follower: { consensus, head: header, settled: header.number, fork: undefined, window },
      sendProof: (request) => sent.push(decodeProofRequest(request) as ProofRequest) > 0,
      onProofRefused: (rejection) => results.push(rejection),
    });
    prover.ask({ ...wanted, answered: (proof) => void results.push(proof) });
    while (results.length === 0) {
      prover.step(true);
      const { id, from } = sent.at(-1) as ProofRequest;
      prover.replied(encodeReply({ id, from, headers: items.slice(from, from + 3) }));
      prover.step(true);
    }
    assert.not.instance(results[0], Rejection, String(results[0]));
    return results[0] as Proof;
  };
  for (const i of [0, 7, 299]) {
    const { account } = await prove({ kind: PROVE_ACCOUNT, subject: bytes(allocated(i)) });
    assert.is(account?.balance, i < ACCOUNTS ? BigInt(i + 1) : undefined);
  }
  assert.is((await prove({ kind: PROVE_ACCOUNT, subject: bytes(allocated(ACCOUNTS)) })).account, undefined);
  for (const i of [1, 150, SLOTS, SLOTS + 1]) {
    const slot = bytes(`0x${i.toString(16).padStart(64, "0")}`);
    const { value } = await prove({ kind: PROVE_SLOT, subject: bytes(CONTRACT), slot });
    assert.is(Number(`0x${toHex(value as Uint8Array)}`), i > SLOTS ? 0 : i);
  }
  assert.is((await prove({ kind: PROVE_RECEIPT, subject: 0 })).value, undefined);
  assert.is(await source.items({ kind: PROVE_ACCOUNT, subject: bytes(CONTRACT), block: new Uint8Array(32) }), undefined);
});

test("three signers are followed from the genesis block on", async () => {
  await ours.until("ten blocks", async () => (await ours.height()) >= 10);
  await follows();
});

test("a fourth signer is voted in, seals, and is voted out again, over epoch blocks", async () => {
  const { newcomer } = network;
  const vote = (nodes: readonly number[], authorize: boolean) =>
    Promise.all(nodes.map((i) => network.node(i).rpc.call("clique_propose", newcomer.hex, authorize)));
  await vote([0, 1], true);
  await ours.until("four signers", async () => (await ours.signers()).length === 4);
  await network.node(3).sealAs(newcomer);
  await grows(EPOCH);
  await follows();
  await vote([0, 1, 2], false);
  await ours.until("three signers", async () => (await ours.signers()).length === 3);
  await network.node(3).rpc.call("miner_stop");
  await grows(EPOCH);
  await follows();
  await Promise.all([0, 1, 2].map((i) => network.node(i).rpc.call("clique_discard", newcomer.hex)));
});

test("a partition shorter than what a mote keeps is turned from", async () => {
  await partition(6);
  assert.ok(of("reorg").some(({ depth }) => Number(depth) >= 6));
});

test("a partition longer than what a mote keeps is turned from as well, with an alarm", async () => {
  await partition(REORG_DEPTH + 12);
  assert.ok(of("reorg").some(({ depth, revoked }) => Number(depth) > REORG_DEPTH && Number(revoked) > 0));
  assert.ok(of("alarm").some(({ alarm }) => alarm === "revoked"));
});

test("a cloned signer beside its original", async () => {
  await network.node(3).sealAs(network.signers[1] as (typeof network.signers)[number]);
  await grows(15);
  await follows();
  await network.node(3).rpc.call("miner_stop");
});

test("in the end the collector's verdicts are geth's chain: known where the node has the block, and orphaned where it had it", async () => {
  const { number } = of("head").at(-1) as Line;
  await grows(6);
  await follows();
  const states = async (): Promise<{ height: number; hash: string; state: number }[]> => {
    const rows = await database.query("SELECT head_number, head_hash, head_state FROM records WHERE head_number <= $1", [
      Number(number),
    ]);
    return rows.map((row) => ({
      height: integerOf(row, "head_number"),
      hash: `0x${toHex(bytesOf(row, "head_hash"))}`,
      state: integerOf(row, "head_state"),
    }));
  };
  const hashes = new Map<number, string>();
  for (let height = 0; height <= Number(number); height += 1) hashes.set(height, (await ours.block(height)).hash);
  const wrong = async (): Promise<object[]> =>
    (await states()).filter(({ height, hash, state }) => state !== (hashes.get(height) === hash ? HEAD_KNOWN : HEAD_ORPHANED));
  await ours.until("the verdicts are geth's", async () => (await wrong()).length === 0);
  const all = await states();
  assert.ok(all.length > 100, `${all.length} records`);
  assert.ok(
    all.some(({ state }) => state === HEAD_ORPHANED),
    "some records name a block that was left",
  );
  // They had been verified before the partition healed.
  assert.ok(verdicts.some(({ event }) => event === "rejudged"));
});

test.after(async () => {
  mote.close();
  simulated.close();
  await collector.close();
  await relay.close();
  await store.close();
  await broker.close();
  await sntp.close();
  await network.close();
  rmSync(folder, { recursive: true, force: true });
});

test.run();
