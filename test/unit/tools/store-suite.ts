// What the collector's tables must do on every database: duplicates, every order of delivery, equivocation, forks, heads.

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { equal, toHex } from "../../../firmware/bytes.js";
import { Rejection } from "../../../firmware/rejection.js";
import type { Database } from "../../../tools/collector/database.js";
import { addressOfTopic, checkRecord } from "../../../tools/collector/intake.js";
import { HEAD_FOREIGN, HEAD_KNOWN } from "../../../tools/collector/schema.js";
import { type CheckedRecord, RecordStore } from "../../../tools/collector/store.js";
import { engine } from "../../../tools/crypto/engine.js";
import { FLEET, TestMote, type TestRecord } from "./records.js";

let store: RecordStore;

function checked(record: TestRecord): CheckedRecord {
  const result = checkRecord(engine, record.sign1);
  assert.not.instance(result, Rejection);
  return result as CheckedRecord;
}

async function exported(address: Uint8Array): Promise<string[]> {
  const all: string[] = [];
  for await (const sign1 of store.inOrder()) {
    const record = checkRecord(engine, sign1);
    if (!(record instanceof Rejection) && equal(record.address, address))
      all.push(`${record.fields.stream}/${record.fields.seq}`);
  }
  return all;
}

/** The suite for one database; `open` gives it empty. */
export function storeSuite(name: string, open: () => Promise<Database>): void {
  const test = suite(name);
  test.before(async () => {
    store = await RecordStore.open(await open());
  });
  test.after(() => store.close());

  test("a record is new once; delivered again it is no error and changes nothing", async () => {
    const mote = new TestMote();
    const record = checked(mote.next());
    const first = await store.add([record]);
    assert.is(first.added.length, 1);
    assert.is(first.linked.length, 1);
    const second = await store.add([record]);
    assert.equal([second.added, second.linked, second.evidence], [[], [], []]);
    assert.equal((await store.known([record.digest, new Uint8Array(32)])).map(toHex), [toHex(record.digest)]);
  });

  test("in every order of delivery, in any batches, all get linked and come out in order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }),
        fc.integer({ min: 1, max: 4 }),
        async (order, size) => {
          const mote = new TestMote();
          const records = order.map(() => checked(mote.next()));
          const linked: number[] = [];
          for (let i = 0; i < order.length; i += size) {
            const batch = order.slice(i, i + size).map((k) => records[k] as CheckedRecord);
            linked.push(...(await store.add(batch)).linked.map((place) => place.seq));
          }
          assert.equal(linked.sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
          assert.equal(
            await exported(mote.address),
            [0, 1, 2, 3, 4, 5, 6, 7].map((seq) => `0/${seq}`),
          );
        },
      ),
      { numRuns: 6 },
    );
  });

  test("a missing record holds back those after it, and nothing else", async () => {
    const mote = new TestMote();
    const [a, b, c] = [mote.next(), mote.next(), mote.next()].map(checked) as [CheckedRecord, CheckedRecord, CheckedRecord];
    assert.equal(
      (await store.add([a, c])).linked.map((place) => place.seq),
      [0],
    );
    assert.equal(
      (await store.add([b])).linked.map((place) => place.seq),
      [1, 2],
    );
  });

  test("a record whose prev names one with a higher seq, or of another stream, is never linked", async () => {
    const mote = new TestMote();
    const first = mote.next({ seq: 5 });
    const lower = mote.make({ seq: 3, prev: first.digest });
    const astray = mote.make({ stream: 1, seq: 6, prev: first.digest });
    assert.equal(
      (await store.add([first, lower, astray].map(checked))).linked.map((place) => place.seq),
      [5],
    );
  });

  test("two payloads for one seq are both kept, as evidence", async () => {
    const mote = new TestMote();
    const first = mote.next();
    const again = mote.make({ seq: 0, prev: new Uint8Array(32), time: 1_900_000_000 });
    await store.add([checked(first)]);
    const { added, evidence } = await store.add([checked(again)]);
    assert.is(added.length, 1);
    assert.is(evidence.length, 1);
    assert.is(evidence[0]?.kind, "equivocation");
    assert.equal(
      [evidence[0]?.a, evidence[0]?.b].map((place) => toHex(place?.digest as Uint8Array)).sort(),
      [toHex(first.digest), toHex(again.digest)].sort(),
    );
    assert.is((await store.add([checked(again)])).evidence.length, 0, "once only");
    assert.equal(await exported(mote.address), ["0/0", "0/0"]);
  });

  test("two successors of one record, and two beginnings of one stream, are a fork", async () => {
    const mote = new TestMote();
    const first = mote.next();
    const left = mote.make({ seq: 1, prev: first.digest });
    const right = mote.make({ seq: 2, prev: first.digest });
    const other = mote.make({ seq: 9, prev: new Uint8Array(32) });
    const { evidence } = await store.add([first, left, right, other].map(checked));
    assert.equal(evidence.map((pair) => `${pair.kind} ${[pair.a.seq, pair.b.seq].sort().join("-")}`).sort(), [
      "fork 0-9",
      "fork 1-2",
    ]);
  });

  test("a record is verified once it is linked and its head is known, whichever comes last", async () => {
    const mote = new TestMote();
    const hash = new Uint8Array(32).fill(0x55);
    const head = { chain: "eip155:31337", number: 55, hash };
    const [a, b, c] = [mote.next({ head }), mote.next({ head }), mote.next({ head })].map(checked) as [
      CheckedRecord,
      CheckedRecord,
      CheckedRecord,
    ];
    await store.add([a, c]);
    const open = await store.uncheckedHeads(100);
    assert.is(open.filter((candidate) => equal(candidate.hash, hash)).length, 1, "asked for once");
    assert.equal(
      (await store.setHeadState(head, HEAD_KNOWN)).map((place) => place.seq),
      [0],
    );
    const late = await store.add([b]);
    assert.equal(
      late.linked.map((place) => place.seq),
      [1, 2],
    );
    assert.equal(
      late.verified.map((place) => place.seq),
      [2],
    );
    assert.equal(
      (await store.setHeadState(head, HEAD_KNOWN)).map((place) => place.seq),
      [1],
    );
  });

  test("heads are handed out in rounds, those of one number together", async () => {
    const mote = new TestMote();
    const heads = [1000, 1000, 1001].map((number, i) => ({
      chain: "eip155:31337",
      number,
      hash: new Uint8Array(32).fill(0x60 + i),
    }));
    await store.add(heads.map((head) => checked(mote.next({ head }))));
    const first = await store.uncheckedHeads(1, 999);
    assert.equal(
      first.map((head) => head.number),
      [1000, 1000],
    );
    assert.equal(
      (await store.uncheckedHeads(1, 1000)).map((head) => head.number),
      [1001],
    );
    for (const head of heads) await store.setHeadState(head, HEAD_FOREIGN);
    assert.equal(await store.uncheckedHeads(1, 999), []);
  });

  test("each mote's newest record is the highest seq of its highest stream", async () => {
    const mote = new TestMote();
    const records = [mote.next(), mote.next(), mote.make({ stream: 1, seq: 0, prev: new Uint8Array(32) })];
    await store.add(records.map(checked));
    for await (const newest of store.newest())
      if (equal(newest.address, mote.address)) assert.equal([newest.stream, newest.seq], [1, 0]);
    const counts = await store.counts();
    assert.ok(counts.stored >= counts.linked && counts.linked >= counts.verified && counts.motes > 1);
  });

  test("what is not a record of this mote and fleet is refused before it gets here", () => {
    const mote = new TestMote();
    const { sign1 } = mote.next();
    const code = (result: CheckedRecord | Rejection): string => (result instanceof Rejection ? result.code : "accepted");
    assert.is(code(checkRecord(engine, sign1, mote.address, FLEET)), "accepted");
    assert.is(code(checkRecord(engine, sign1, new TestMote().address)), "address-foreign");
    assert.is(code(checkRecord(engine, sign1, mote.address, { ...FLEET, chain: "eip155:1" })), "fleet-foreign");
    assert.is(code(checkRecord(engine, new Uint8Array(1 << 20))), "cose-too-long");
    const bent = sign1.slice();
    bent[bent.length - 1] = (bent[bent.length - 1] as number) ^ 1;
    assert.is(code(checkRecord(engine, bent, mote.address)), "signature-invalid");
    assert.is(toHex(addressOfTopic(`a/motes/0x${toHex(mote.address)}/records`) as Uint8Array), toHex(mote.address));
    for (const topic of [
      "motes/0x12/records",
      "motes/+/records",
      `motes/0x${toHex(mote.address)}/latest`,
      `xmotes/0x${toHex(mote.address)}/records`,
    ])
      assert.is(addressOfTopic(topic), undefined, topic);
  });

  test.run();
}
