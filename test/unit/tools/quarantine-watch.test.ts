// Records of a key that the registry has quarantined, on a real EVM and a real store: they stay and come in as before, and exports and anchors
// leave them out; what a reorganisation takes back counts again; a node that cannot say changes nothing.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { openPglite } from "../../../tools/collector/database.js";
import { exportRecords, exportVerdicts } from "../../../tools/collector/export.js";
import { checkRecord } from "../../../tools/collector/intake.js";
import { type QuarantineEvent, QuarantineWatch } from "../../../tools/collector/quarantine-watch.js";
import { HEAD_KNOWN } from "../../../tools/collector/schema.js";
import { type CheckedRecord, RecordStore } from "../../../tools/collector/store.js";
import type { Account, Contract } from "../../../tools/contracts/account.js";
import { deployRegistry, openRegistry } from "../../../tools/contracts/registry.js";
import { engine } from "../../../tools/crypto/engine.js";
import { JsonRpc } from "../../../tools/rpc/json-rpc.js";
import { Anvil, signerOf } from "../../contracts/anvil.js";
import { CHAIN, Fleet, FOR_EVER } from "../../contracts/scenario.js";
import { pause, until } from "../../patience.js";
import { TestMote, type TestRecord } from "./records.js";

const anvil = (await Anvil.start()) as Anvil;
const onAnvil = anvil === undefined ? test.skip : test;
const folder = mkdtempSync(join(tmpdir(), "chainmote-quarantine-watch-"));
const TREE = { contract: new Uint8Array(20).fill(1), account: new Uint8Array(20).fill(2), chain: CHAIN };
/** A block is dated in whole seconds: what came in the second before it is taken for what came after. */
const BLOCK_TIME_MS = 1_500;
let account: Account;
let registry: Contract;
let fleet: Fleet;
/** What a test has opened, the newest last: a watch that is left would keep the program alive. */
const opened: { close(): Promise<void> }[] = [];

async function openStore(): Promise<RecordStore> {
  const store = await RecordStore.open(await openPglite());
  opened.push(store);
  return store;
}

test.before(async () => {
  if (anvil === undefined) return;
  const admin = signerOf("admin of a fleet with a quarantine");
  account = await anvil.account(admin);
  registry = await deployRegistry(account, admin.address, new Uint8Array(20));
  await registry.send(account, "setEnroller", admin.address, FOR_EVER);
  fleet = new Fleet(account, registry);
});
test.after.each(async () => {
  for (const part of opened.splice(0).reverse()) await part.close();
});
test.after(async () => {
  await anvil?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const named = () => ({ registry: registry.address, chain: CHAIN });
const recordOf = (mote: TestMote, number: number): TestRecord =>
  mote.next({ fleet: named(), head: { chain: CHAIN, number, hash: new Uint8Array(32).fill(number & 255) } });

async function stored(store: RecordStore, ...records: readonly TestRecord[]): Promise<void> {
  await store.add(records.map(({ sign1 }) => checkRecord(engine, sign1) as CheckedRecord));
  for (const { fields } of records)
    if (fields.head !== undefined) await store.verdicts.note(fields.head, { state: HEAD_KNOWN, settled: true, due: 0 });
}

/** Places of what is exported, of one mote. */
async function exported(store: RecordStore, mote: TestMote, quarantined = false): Promise<number[]> {
  const path = join(folder, "verdicts");
  await exportVerdicts(store, path, quarantined);
  const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
  assert.is(await exportRecords(store, join(folder, "records"), quarantined), lines.length, "as many records as verdicts");
  return lines
    .map((line) => JSON.parse(line) as { mote: string; seq: number })
    .filter((line) => line.mote === `0x${toHex(mote.address)}`)
    .map(({ seq }) => seq);
}

function watch(store: RecordStore, settledBlocks: number, rpc = new JsonRpc(anvil.url)) {
  const told: QuarantineEvent[] = [];
  const watching = new QuarantineWatch({
    ...{
      store: store.quarantines,
      fleet: named(),
      rpc,
      registry: openRegistry(rpc, registry.address),
      settledBlocks,
      pollMs: 20,
    },
    onEvent: (event) => told.push(event),
  });
  opened.push(watching);
  return { watching, told };
}

/** Reports two records of one place; answers the block of the quarantine, whose time has come then. */
async function quarantined(mote: TestMote): Promise<number> {
  const [a, b] = [1, 2].map((time) => mote.make({ seq: 50, fleet: named(), time }).sign1);
  // After a revert anvil's clock is behind by what was reverted: by the clock instead, after all that came before and before what comes after.
  const { timestamp } = (await anvil.rpc.call("eth_getBlockByNumber", "latest", false)) as { timestamp: string };
  const timeS = Math.max(Math.floor(Date.now() / 1000), Number(timestamp)) + 1;
  await anvil.rpc.call("evm_setNextBlockTimestamp", timeS);
  const { blockNumber } = await registry.send(account, "reportEquivocation", a as Uint8Array, b as Uint8Array);
  await until("the block's time", () => Date.now() >= timeS * 1000);
  return blockNumber;
}

const open = async (store: RecordStore) => (await store.quarantines.open(named(), new Uint8Array(0), 100)).motes;

onAnvil(
  "a key in quarantine: its records are stored, marked, and in no export and no anchor; those from before stay",
  async () => {
    const store = await openStore();
    const [thief, honest] = [new TestMote(), new TestMote()];
    for (const mote of [thief, honest]) await fleet.enrol(mote);
    const before = [thief, honest].flatMap((mote) => [recordOf(mote, 1), recordOf(mote, 2)]);
    await stored(store, ...before);
    await store.anchors.open(TREE, new Uint8Array(32));
    await pause(BLOCK_TIME_MS);
    const snapshot = await anvil.rpc.call("evm_snapshot");
    const since = await quarantined(thief);
    const { told } = watch(store, 1_000);
    await until("it is told", () => told.length > 0);
    assert.equal(told, [{ event: "quarantined-since", mote: `0x${toHex(thief.address)}`, block: since, records: 0 }]);
    // Named a head from before, or one from after: both came when the block was there.
    const after = [recordOf(thief, 1), recordOf(thief, since + 1), recordOf(honest, since + 1)];
    await stored(store, ...after);
    assert.equal(await exported(store, thief, true), [0, 1, 2, 3], "all is stored");
    assert.equal(await exported(store, thief), [0, 1], "what came after is left out");
    assert.equal(await exported(store, honest), [0, 1, 2]);
    await store.anchors.batch();
    const leafOf = (mote: TestMote, { digest }: TestRecord): Promise<number | undefined> =>
      store.anchors.leafOf(mote.address, digest);
    for (const [i, record] of before.entries()) assert.ok((await leafOf(i < 2 ? thief : honest, record)) !== undefined);
    assert.is(await leafOf(thief, after[0] as TestRecord), undefined);
    assert.is(await leafOf(thief, after[1] as TestRecord), undefined);
    assert.ok((await leafOf(honest, after[2] as TestRecord)) !== undefined);
    assert.is((await store.anchors.counts()).waiting, 0);
    assert.equal(await anvil.rpc.call("evm_revert", snapshot), true);
    await until("the reorganisation is told", () => told.some(({ event }) => event === "quarantine-undone"));
    assert.equal(await exported(store, thief), [0, 1, 2, 3], "they count again");
    await store.anchors.batch();
    assert.ok((await leafOf(thief, after[1] as TestRecord)) !== undefined);
  },
);

onAnvil(
  "what was stored before it was noticed is marked by its head; settled, it is asked for no more, by whoever goes on",
  async () => {
    const store = await openStore();
    const thief = new TestMote();
    await fleet.enrol(thief);
    await stored(store, recordOf(thief, 1));
    await pause(BLOCK_TIME_MS);
    const since = await quarantined(thief);
    await stored(store, recordOf(thief, since), recordOf(thief, since + 3));
    await anvil.mine(5);
    const first = watch(store, 3);
    await until("it is told", () => first.told.length > 0);
    assert.equal(first.told, [{ event: "quarantined-since", mote: `0x${toHex(thief.address)}`, block: since, records: 2 }]);
    while ((await open(store)).length > 0) await pause(20);
    await first.watching.close();
    assert.equal(await exported(store, thief), [0]);
    const again = watch(store, 3);
    await stored(store, recordOf(thief, 1));
    assert.equal(await exported(store, thief), [0], "what comes later is marked as it is stored");
    await again.watching.close();
    assert.equal(again.told, []);
  },
);

onAnvil("a node that cannot say takes nothing back; a registry that is no contract has quarantined nobody", async () => {
  const store = await openStore();
  const thief = new TestMote();
  await fleet.enrol(thief);
  await stored(store, recordOf(thief, 1));
  await store.quarantines.note(named(), { mote: thief.address, sinceBlock: 1, sinceS: 1 });
  const { watching, told } = watch(store, 3, new JsonRpc("http://127.0.0.1:9"));
  await until("the node is away", () => told.length > 0);
  assert.is(told[0]?.event, "lost");
  await watching.close();
  assert.equal(await exported(store, thief), []);
  const elsewhere = { registry: new Uint8Array(20).fill(9), chain: CHAIN };
  const other = new QuarantineWatch({
    ...{ store: store.quarantines, fleet: elsewhere, rpc: anvil.rpc, registry: openRegistry(anvil.rpc, elsewhere.registry) },
    ...{ settledBlocks: 3, pollMs: 20, onEvent: (event) => told.push(event) },
  });
  opened.push(other);
  await pause(200);
  await other.close();
  assert.is(told.filter(({ event }) => event !== "lost").length, 0);
});

test.run();
