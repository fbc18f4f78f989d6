// The registry as a whole mote reads it: its own place, its commanders' and its peers', under relays that answer, lie and say nothing; what
// it does where its key has lost its place.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Registry } from "../../../firmware/ledger/registry.js";
import {
  ACTIVE,
  ADMIN_SLOT,
  COMMANDERS_SLOT,
  FIRMWARE_SLOT,
  GIVEN,
  mappingSlot,
  POLICIES_SLOT,
  plainSlot,
  QUARANTINED,
  REVOKED,
  SUSPENDED,
} from "../../../firmware/ledger/registry-slots.js";
import { StateProofs } from "../../../firmware/ledger/state-proofs.js";
import { decodeSign1 } from "../../../firmware/record/cose.js";
import { decodeRecord, type RecordFields } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fastEngine as engine } from "../../../tools/crypto/engine-fast.js";
import { Power, poweredBy } from "../power.js";
import { hex, LedgerBench, mandateWord, REGISTRY, sure } from "./ledger-bench.js";

const COMMANDER = new Uint8Array(20).fill(0xc0);
const PEER = new Uint8Array(20).fill(0x9e);

async function booted(options: ConstructorParameters<typeof LedgerBench>[0] = {}): Promise<LedgerBench> {
  const bench = new LedgerBench({ silent: true, ...options });
  await bench.boot();
  return bench;
}

function recordsOf(bench: LedgerBench): RecordFields[] {
  return bench.powered.published("records").map((message) => sure(decodeRecord(sure(decodeSign1(message)).payload)));
}

test("its own place is proven, told once, and fresh from the first block on that was verified since the boot", async () => {
  const bench = await booted();
  assert.is(bench.registry.own, undefined);
  bench.setOwn({ status: ACTIVE, role: 3, policyId: 7n, firmwareId: 1n << 60n, sinceBlock: 1, counter: 2n });
  await bench.live(4);
  const { own } = bench.registry;
  assert.ok(own !== undefined && bench.registry.isFresh(own));
  assert.equal(
    [own.status, own.role, own.policyId, own.firmwareId, own.sinceBlock, own.counter],
    [ACTIVE, 3, 7n, 1n << 60n, 1, 2n],
  );
  assert.ok(own.provenAtBlock >= 1);
  const told = bench.powered.of("registry");
  assert.is(told.length, 1, JSON.stringify(told));
  assert.is(told[0]?.status, "active");
  assert.equal(bench.refusals("proof"), []);
});

test("it is proven again at the interval, and a change is told", async () => {
  const bench = await booted();
  bench.setOwn({ status: ACTIVE });
  await bench.live(4);
  const first = bench.registry.own?.provenAtBlock as number;
  bench.setOwn({ status: SUSPENDED, sinceBlock: 4 });
  await bench.live(12);
  assert.ok((bench.registry.own?.provenAtBlock as number) > first);
  assert.equal(
    bench.powered.of("registry").map(({ status }) => status),
    ["active", "suspended"],
  );
  assert.not.ok(bench.registry.withholds, "a suspended mote goes on measuring");
});

test("relays that say nothing: it goes on signing and publishing, what was known grows stale, and nothing becomes a no", async () => {
  const bench = await booted();
  bench.setOwn({ status: ACTIVE });
  bench.set(mappingSlot(engine, COMMANDER, COMMANDERS_SLOT), mandateWord(GIVEN, 1, 1_000));
  await bench.live(2);
  assert.is(bench.registry.mandateOf(COMMANDER), undefined, "not known at first");
  await bench.live(4);
  assert.is(bench.registry.mandateOf(COMMANDER)?.status, GIVEN);
  const before = recordsOf(bench).length;
  await bench.live(80, () => undefined);
  const { own } = bench.registry;
  assert.ok(own !== undefined && own.status === ACTIVE);
  assert.not.ok(bench.registry.isFresh(own), `${own.ageS} s`);
  assert.is(bench.registry.mandateOf(COMMANDER), undefined, "a stale mandate commands nothing");
  assert.is(bench.powered.of("registry").length, 1);
  assert.ok(bench.powered.of("record").length > before + 100, "a silent relay mutes nobody");
  // And they come back.
  await bench.live(20);
  assert.ok(bench.registry.isFresh(bench.registry.own as never));
  assert.is(bench.registry.mandateOf(COMMANDER)?.status, GIVEN);
});

test("a mandate, a peer's place and a policy's hash are asked for when they are wanted, absent ones too", async () => {
  const bench = await booted();
  const wanted = (): unknown[] => [
    bench.registry.mandateOf(COMMANDER)?.expiryBlock,
    bench.registry.mandateOf(PEER)?.status,
    bench.registry.moteOf(PEER)?.role,
    bench.registry.policyHash(5n) && hex(bench.registry.policyHash(5n) as Uint8Array),
  ];
  bench.setOwn({ status: ACTIVE });
  bench.setMote(PEER, { status: ACTIVE, role: 9 });
  bench.set(mappingSlot(engine, COMMANDER, COMMANDERS_SLOT), mandateWord(GIVEN, 1, 77));
  bench.set(mappingSlot(engine, 5n, POLICIES_SLOT), new Uint8Array(32).fill(0x50));
  const none = await bench.live(3);
  assert.ok(none.length < 8, "nobody asks for what nobody wants");
  assert.equal(wanted(), [undefined, undefined, undefined, undefined]);
  await bench.live(4);
  assert.equal(wanted(), [77, 0, 9, "50".repeat(32)]);
});

test("who governs, and the firmware that this mote is to run, are proven when somebody wants to know, and follow the registry", async () => {
  const bench = await booted();
  const admin = (): string | undefined => bench.registry.admin() && hex(bench.registry.admin() as Uint8Array);
  const firmware = (): string | undefined => bench.registry.firmwareHash() && hex(bench.registry.firmwareHash() as Uint8Array);
  const word = (address: number): Uint8Array => Uint8Array.from([...new Uint8Array(12), ...new Uint8Array(20).fill(address)]);
  assert.equal([admin(), firmware()], [undefined, undefined], "nothing is known at first");
  bench.set(plainSlot(ADMIN_SLOT), word(0xad));
  bench.setOwn({ status: ACTIVE });
  await bench.live(4);
  assert.equal([admin(), firmware()], ["ad".repeat(20), "00".repeat(32)], "no firmware is named: that is proven, too");
  bench.setOwn({ status: ACTIVE, firmwareId: 3n });
  bench.set(mappingSlot(engine, 3n, FIRMWARE_SLOT), new Uint8Array(32).fill(0xf3));
  bench.set(plainSlot(ADMIN_SLOT), word(0xae));
  for (let blocks = 0; blocks < 60 && (firmware() !== "f3".repeat(32) || admin() !== "ae".repeat(20)); blocks += 1)
    await bench.live(1);
  assert.equal([admin(), firmware()], ["ae".repeat(20), "f3".repeat(32)]);
  // A silent relay: what was proven gets old, and then counts for nothing.
  for (let blocks = 0; blocks < 60 && (firmware() ?? admin()) !== undefined; blocks += 1) await bench.live(1, () => undefined);
  assert.equal([admin(), firmware()], [undefined, undefined]);
});

test("answers that lie change nothing: another slot's nodes, an older block, one byte, the registry of others", async () => {
  const bench = await booted();
  bench.setOwn({ status: ACTIVE });
  await bench.live(3);
  const own = bench.registry.own as NonNullable<Registry["own"]>;
  bench.setMote(PEER, { status: QUARANTINED });
  const peer = mappingSlot(engine, PEER, 3);
  let lies = 0;
  const lie = (request: Parameters<LedgerBench["honest"]>[0]): Uint8Array[] => {
    lies += 1;
    if (lies % 4 === 0) return bench.honest({ ...request, slot: peer });
    if (lies % 4 === 1) return bench.honest({ ...request, block: (bench.blocks[0] as (typeof bench.blocks)[0]).block.hash });
    if (lies % 4 === 2) return bench.honest({ ...request, subject: new Uint8Array(20).fill(1) });
    return bench
      .honest(request)
      .map((item, i) => (i + request.from === 0 ? item : item.map((byte, at) => (at === 20 ? byte ^ 1 : byte))));
  };
  await bench.live(30, lie);
  assert.ok(lies > 8, `${lies}`);
  assert.is(bench.registry.own?.status, ACTIVE);
  assert.is(bench.registry.own?.provenAtBlock, own.provenAtBlock);
  assert.is(bench.powered.of("registry").length, 1);
  assert.not.ok(bench.registry.withholds);
  assert.ok(bench.refusals("proof").length > 0);
});

test("a flood of commanders that nobody knows: few are asked for, and one that is known stays", async () => {
  const bench = await booted();
  bench.setOwn({ status: ACTIVE });
  bench.set(mappingSlot(engine, COMMANDER, COMMANDERS_SLOT), mandateWord(GIVEN, 1, 1_000));
  await bench.live(2);
  bench.registry.mandateOf(COMMANDER);
  await bench.live(2);
  for (let round = 0; round < 10; round += 1) {
    for (let i = 0; i < 50; i += 1) bench.registry.mandateOf(Uint8Array.from({ length: 20 }, () => round * 20 + i));
    const asked = await bench.live(2);
    assert.ok(asked.length < 40, `${asked.length} requests in 4 s`);
    assert.is(bench.registry.mandateOf(COMMANDER)?.status, GIVEN, `round ${round}`);
  }
});

for (const [status, name] of [
  [QUARANTINED, "quarantined"],
  [REVOKED, "revoked"],
] as const)
  test(`${name}: one record says so, no measurement follows, what was made goes out; also after a restart`, async () => {
    const bench = await booted({ sampleMs: 1_000 });
    bench.setOwn({ status: ACTIVE });
    await bench.live(4);
    bench.setOwn({ status, sinceBlock: 4 });
    await bench.live(14);
    assert.ok(bench.registry.withholds);
    const records = recordsOf(bench);
    const stated = records.filter((record) => record.status !== undefined);
    assert.equal([...new Set(stated.map(({ seq }) => seq))].length, 1);
    assert.is(stated[0]?.status?.status, status);
    const at = bench.blocks.find(({ block }) => block.number === stated[0]?.status?.block);
    assert.is(hex(stated[0]?.status?.hash as Uint8Array), hex(at?.block.hash as Uint8Array));
    const newest = bench.powered.of("record").length;
    assert.equal([...new Set(records.map(({ seq }) => seq))].length, newest, "all that was made has left");
    assert.is(Math.max(...records.map(({ seq }) => seq)), stated[0]?.seq, "it is the last");
    await bench.live(10);
    assert.is(bench.powered.of("record").length, newest);
    assert.is(bench.powered.mote.record([{ n: "own", v: 1 }])?.code, "records-withheld");
    bench.powered.cut();
    await bench.boot();
    await bench.live(15);
    assert.ok(bench.registry.withholds);
    assert.is(bench.powered.of("record").length, 0, JSON.stringify(bench.powered.of("record")));
    assert.equal(
      bench.powered.of("registry").map((line) => line.status),
      [name],
    );
  });

test("a mark that was damaged, of whatever byte, mutes nobody; one that is read wrongly once does not unmute", async () => {
  const bench = await booted({ sampleMs: 1_000 });
  bench.setOwn({ status: QUARANTINED, sinceBlock: 1 });
  await bench.live(6);
  assert.ok(bench.registry.withholds);
  let bent: (bytes: Uint8Array, reads: number) => Uint8Array = (bytes) => bytes;
  let reads = 0;
  const rebooted = async (): Promise<boolean> => {
    bench.powered.cut();
    reads = 0;
    const power = new Power();
    const onRead = (key: string, value: ArrayBuffer | undefined) =>
      key === "registry" && value !== undefined ? (bent(new Uint8Array(value.slice(0)), ++reads).buffer as ArrayBuffer) : value;
    await bench.boot((device) => poweredBy(power, device, { onRead, onRestart: () => undefined }));
    return bench.registry.withholds;
  };
  assert.is(await rebooted(), true);
  for (let at = 0; at < 46; at += 1) {
    bent = (bytes) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
    assert.is(await rebooted(), false, `byte ${at}: until the next proof`);
  }
  bent = (bytes, count) => (count < 3 ? new Uint8Array(1) : bytes);
  assert.is(await rebooted(), true);
});

test("a quarantine that its chain has left is none: it measures again, and what it said is not said of it any more", async () => {
  const bench = await booted();
  bench.setOwn({ status: QUARANTINED, sinceBlock: 1 });
  await bench.live(14);
  assert.ok(bench.registry.withholds);
  bench.setOwn({ status: ACTIVE });
  await bench.live(14);
  assert.not.ok(bench.registry.withholds);
  const measured = recordsOf(bench).filter(({ measurements }) => measurements.length > 0);
  assert.ok(measured.length > 5);
});

test("settled blocks that the chain left void what was proven, a mandate with it", async () => {
  const bench = await booted();
  bench.setOwn({ status: ACTIVE });
  bench.set(mappingSlot(engine, COMMANDER, COMMANDERS_SLOT), mandateWord(GIVEN, 1, 1_000));
  await bench.live(2);
  bench.registry.mandateOf(COMMANDER);
  await bench.live(4);
  assert.is(bench.registry.mandateOf(COMMANDER)?.status, GIVEN);
  bench.registry.onOutcome({ kind: "reorg", number: 9, depth: 4, revoked: 2 });
  assert.is(bench.registry.own, undefined);
  assert.is(bench.registry.mandateOf(COMMANDER), undefined);
  bench.registry.onOutcome({ kind: "reorg", number: 9, depth: 1, revoked: 0 });
  await bench.live(4);
  assert.is(bench.registry.own?.status, ACTIVE);
});

test("a fleet on another chain than the one that is followed, and one on Bitcoin, are refused by name", async () => {
  const config = new LedgerBench().bench.config();
  const fault = (change: object): string => String(new Registry(new StateProofs()).fault({ ...config, ...change }));
  const { registry } = config.fleet;
  assert.is(fault({}), "undefined");
  assert.match(fault({ fleet: { registry, chain: "eip155:1" } }), /fleet\.chain: expected the chain of the checkpoint/);
  const bitcoin = "bip122:000000000019d6689c085ae165831e93";
  assert.match(fault({ fleet: { registry, chain: bitcoin }, checkpoint: { chain: bitcoin } }), /eip155/);
  assert.match(fault({ ledger: { intervalMs: 1 } }), /ledger\.intervalMs: expected a whole number/);
  assert.match(fault({ ledger: { intervalMs: 60_000, freshS: 59 } }), /ledger\.freshS/);
  assert.match(fault({ ledger: { enroller: "0x12" } }), /ledger\.enroller: expected 20 bytes/);
  assert.is(String(REGISTRY.length), "20");
  assert.not.instance(config, Rejection);
});

test.run();
