// What the collector's tables must do on every database: duplicates, every order of delivery, equivocation, forks, gaps, heads,
// two collectors at once, chains of many records, and stores of an older version.

import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { equal, toHex } from "../../../firmware/bytes.js";
import { Rejection } from "../../../firmware/rejection.js";
import { AnchorStore } from "../../../tools/collector/anchor-store.js";
import { type Database, integerOf } from "../../../tools/collector/database.js";
import { addressOfTopic, checkRecord } from "../../../tools/collector/intake.js";
import { LINK_ROWS_MAX, type Repaired } from "../../../tools/collector/linking.js";
import type { Place } from "../../../tools/collector/place.js";
import {
  HEAD_FOREIGN,
  HEAD_KNOWN,
  HEAD_ORPHANED,
  HEAD_UNCHECKED,
  HEAD_UNKNOWN,
  MIGRATIONS,
  SCHEMA_VERSION,
} from "../../../tools/collector/schema.js";
import { type CheckedRecord, type Evidence, RecordStore } from "../../../tools/collector/store.js";
import type { Verdict } from "../../../tools/collector/verdicts.js";
import { engine } from "../../../tools/crypto/engine.js";
import { panelsHold } from "./grafana-panels.js";
import { FLEET, TestMote, type TestRecord } from "./records.js";

const CHAIN = "eip155:31337";
const FIRST = new Uint8Array(0);
const TREE = { contract: new Uint8Array(20).fill(1), account: new Uint8Array(20).fill(2), chain: CHAIN };
let database: Database;
let store: RecordStore;

function checked(record: TestRecord): CheckedRecord {
  const result = checkRecord(engine, record.sign1);
  assert.not.instance(result, Rejection);
  return result as CheckedRecord;
}

function settled(state: number): Verdict {
  return { state, settled: true, due: 0 };
}

function headAt(number: number, fill: number) {
  return { chain: CHAIN, number, hash: new Uint8Array(32).fill(fill) };
}

async function openHeads(height: number) {
  return (await store.verdicts.open(CHAIN, height, FIRST, 1000, 4)).heads;
}

/** Seqs of the linked records that a verdict was noted for. */
async function linkedSeqs(head: ReturnType<typeof headAt>, verdict: Verdict): Promise<number[]> {
  return (await store.verdicts.note(head, verdict)).filter(({ linked }) => linked).map(({ seq }) => seq);
}

async function linkAll(digests: readonly Uint8Array[], of = store): Promise<number[]> {
  const seqs: number[] = [];
  for await (const { linked } of of.link(digests)) seqs.push(...linked.map(({ seq }) => seq));
  return seqs;
}

async function repairAll(gapAfterMs: number) {
  const [linkable, gaps] = [[] as Uint8Array[], [] as Place[]];
  for (let after: Uint8Array | undefined = FIRST; after !== undefined; ) {
    const step: Repaired = await store.repair(after, gapAfterMs);
    linkable.push(...step.linkable);
    gaps.push(...step.gaps);
    after = step.next;
  }
  return { linkable, gaps };
}

/** Records as the store gets them; what is signed is not looked at there. */
function chainOf(count: number): CheckedRecord[] {
  const address = new Uint8Array(randomBytes(20));
  const template = new TestMote().make();
  let prev: Uint8Array = new Uint8Array(32);
  return Array.from({ length: count }, (_, seq) => {
    const digest = engine.sha256(Uint8Array.of(...address, ...new Uint8Array(Uint32Array.of(seq).buffer)));
    const record = { address, digest, fields: { ...template.fields, seq, prev }, sign1: template.sign1 };
    prev = digest;
    return record;
  });
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

/** The suite for one database; `open` gives it empty. `chainRecords`: of the longest chain that it links. */
export function storeSuite(name: string, open: () => Promise<Database>, chainRecords: number): void {
  const test = suite(name);
  test.before(async () => {
    database = await open();
    store = await RecordStore.open(database);
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

  test("a lower stream in a later boot is evidence, whatever comes first; found as long as there is any", async () => {
    const zero = new Uint8Array(32);
    let seed = 7;
    const below = (n: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
      return Math.floor((seed / 0x80000000) * n);
    };
    let [guilty, innocent] = [0, 0];
    for (let round = 0; round < 40; round += 1) {
      const mote = new TestMote();
      const places = Array.from({ length: 2 + below(4) }, () => [below(3), below(4)] as const);
      const records = places.map(([stream, boot], seq) => checked(mote.make({ stream, seq, boot, prev: zero, time: seq + 1 })));
      const found: Evidence[] = [];
      for (const batch of [records.splice(0, 1 + below(3)), records])
        if (batch.length > 0) found.push(...(await store.add(batch)).evidence.filter(({ kind }) => kind === "escape"));
      const shown = places.some(([s, b]) => places.some(([stream, boot]) => stream < s && boot > b));
      assert.is(found.length > 0, shown, JSON.stringify(places));
      if (shown) guilty += 1;
      else innocent += 1;
      for (const { a, b } of found) assert.ok(a.stream !== b.stream);
    }
    assert.ok(guilty > 5 && innocent > 5, `${guilty} and ${innocent}`);
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
    const open = await openHeads(55);
    assert.is(open.filter((candidate) => equal(candidate.hash, hash)).length, 1, "asked for once");
    assert.equal(await linkedSeqs(head, settled(HEAD_KNOWN)), [0]);
    const late = await store.add([b]);
    assert.equal(
      late.linked.map((place) => place.seq),
      [1, 2],
    );
    assert.equal(
      late.verified.map((place) => place.seq),
      [2],
    );
    assert.equal(await linkedSeqs(head, settled(HEAD_KNOWN)), [1]);
  });

  test("heads are handed out fairly, some of each mote, never above the node's height, and not again once settled", async () => {
    const [greedy, modest] = [new TestMote(), new TestMote()];
    const many = Array.from({ length: 40 }, (_, i) => headAt(1000 + i, i));
    const one = headAt(1005, 0xee);
    await store.add(many.map((head) => checked(greedy.next({ head }))));
    await store.add([checked(modest.next({ head: one })), checked(modest.next({ head: headAt(9_000_000_000, 1) }))]);
    const ours = async (height: number): Promise<string[]> =>
      (await openHeads(height))
        .filter(({ mote }) => equal(mote, greedy.address) || equal(mote, modest.address))
        .map(({ mote, number }) => `${equal(mote, greedy.address) ? "greedy" : "modest"} ${number}`);
    assert.equal(await ours(999), []);
    const turn = await ours(2000);
    assert.equal(turn.filter((head) => head.startsWith("greedy")).length, 4, "four of one mote");
    assert.ok(turn.indexOf("modest 1005") <= 1, "the second one's first comes before the first one's second");
    for (const head of many) await store.verdicts.note(head, settled(HEAD_FOREIGN));
    await store.verdicts.note(one, { state: HEAD_KNOWN, settled: false, due: 1050 });
    assert.equal(await ours(1049), [], "provisional ones rest until they are due");
    assert.equal(await ours(1050), ["modest 1005"]);
    await store.verdicts.reopen(CHAIN, 1037);
    assert.equal(await ours(1045), ["greedy 1038", "greedy 1039"], "what is above a fork is open again");
    for (const head of many) await store.verdicts.note(head, settled(HEAD_FOREIGN));
    await store.verdicts.note(one, settled(HEAD_KNOWN));
  });

  test("what the node could not say is no verdict: it rests, and is handed out again when its time has come", async () => {
    const mote = new TestMote();
    const head = headAt(700, 0x77);
    await store.add([checked(mote.next({ head }))]);
    const retryMs = Date.now() + 60_000;
    const [judged] = await store.verdicts.note(head, { state: HEAD_UNKNOWN, settled: false, due: 700, retryMs, tries: 3 });
    assert.is(judged?.was, HEAD_UNCHECKED);
    assert.not.ok((await openHeads(800)).some((open) => equal(open.hash, head.hash)));
    assert.equal(await store.verdicts.retried(CHAIN, 800, retryMs - 1, 16), []);
    const [again] = await store.verdicts.retried(CHAIN, 800, retryMs, 16);
    assert.equal([again?.number, again?.tries, again?.state], [700, 3, HEAD_UNKNOWN]);
    assert.is((await store.verdicts.note(head, settled(HEAD_ORPHANED)))[0]?.was, HEAD_UNKNOWN);
  });

  test("a head of another chain is handed out apart, whatever its number", async () => {
    const mote = new TestMote();
    const head = { chain: "eip155:1", number: 7_000_000_000, hash: new Uint8Array(32).fill(1) };
    await store.add([checked(mote.next({ head }))]);
    assert.equal(
      (await store.verdicts.elsewhere(CHAIN, 16)).map(({ number }) => number),
      [7_000_000_000],
    );
    await store.verdicts.note(head, settled(HEAD_FOREIGN));
    assert.equal(await store.verdicts.elsewhere(CHAIN, 16), []);
  });

  test("a collector's trail is kept, and forgotten above a fork", async () => {
    const block = (number: number) => ({ number, hash: new Uint8Array(32).fill(number) });
    for (const number of [1, 2, 3]) await store.verdicts.extendTrail("a", CHAIN, block(number), Number.MAX_SAFE_INTEGER, 0);
    await store.verdicts.extendTrail("b", CHAIN, block(9), Number.MAX_SAFE_INTEGER, 0);
    await store.verdicts.extendTrail("a", CHAIN, block(4), 1, 0);
    assert.equal(
      (await store.verdicts.trail("a", CHAIN)).map(({ number }) => number),
      [1, 4],
    );
  });

  test("two collectors that store a record and its successor, or twins, at the same time: linked, and evidence, always", async () => {
    const second = await RecordStore.open(database);
    for (let i = 0; i < 12; i += 1) {
      const mote = new TestMote();
      const records = Array.from({ length: 4 }, () => checked(mote.next()));
      const twin = checked(mote.make({ seq: 3, prev: (records[2] as CheckedRecord).digest, time: 1_900_000_000 }));
      const [a, b, c, d] = records as [CheckedRecord, CheckedRecord, CheckedRecord, CheckedRecord];
      const [one, two] = await Promise.all([store.add([a, c]), second.add([b]), store.add([d]), second.add([twin])]).then(
        (all) => [all, all.flatMap(({ evidence }) => evidence)] as const,
      );
      assert.equal(one.flatMap(({ linked }) => linked.map(({ seq }) => seq)).sort(), [0, 1, 2, 3, 3], `round ${i}`);
      assert.is(two.length, 1, `the twins of round ${i}`);
    }
  });

  test("what was stored and not linked by a collector that ended is found, a piece at a time", async () => {
    const mote = new TestMote();
    const [a, b, c] = [mote.next(), mote.next(), mote.next()].map(checked) as [CheckedRecord, CheckedRecord, CheckedRecord];
    await store.add([a]);
    await store.insert([c]);
    await store.insert([b]);
    const { linkable, gaps } = await repairAll(3_600_000);
    assert.equal(linkable.map(toHex), [toHex(b.digest)]);
    assert.equal(gaps, []);
    assert.equal(await linkAll(linkable), [1, 2]);
  });

  test("a mote that was known before the store was lost: linked from its first record here, after a while, and the gap is told", async () => {
    const mote = new TestMote();
    const lost = [mote.next(), mote.next({ seq: 5000 })].map(checked) as [CheckedRecord, CheckedRecord];
    const [first, second] = [mote.next(), mote.next()].map(checked) as [CheckedRecord, CheckedRecord];
    assert.equal((await store.add([first, second])).linked, []);
    assert.equal((await repairAll(3_600_000)).gaps, [], "not before its time");
    const { gaps } = await repairAll(0);
    assert.ok(gaps.some((place) => equal(place.digest, first.digest)));
    assert.not.ok(
      gaps.some((place) => equal(place.digest, second.digest)),
      "only where the record before is missing",
    );
    assert.ok((await linkAll([first.digest])).includes(5002));
    // It comes after all: the gap moves to where it really is.
    const late = await store.add([lost[1]]);
    assert.equal(late.closed, [], "not linked itself yet");
    assert.equal(
      (await store.add([lost[0]])).closed.map(({ seq }) => seq),
      [5001],
    );
  });

  test("a chain that arrives in reverse is linked by bounded statements that read no more than they link, whatever its length", async () => {
    const counted = { statements: 0, rowsMax: 0, read: 0 };
    const counting = await RecordStore.open({
      ...database,
      transaction: (work) =>
        database.transaction(async (queries) => {
          // What this connection has read since it last handed its counts on: this transaction's share is the difference.
          const rowsRead = async (): Promise<number> => {
            const [row] = await queries.query(
              "SELECT seq_tup_read + idx_tup_fetch AS read FROM pg_stat_xact_user_tables WHERE relname = 'records'",
            );
            return row === undefined ? 0 : integerOf(row, "read");
          };
          const before = await rowsRead();
          const result = await work({
            async query(sql, values) {
              const rows = await queries.query(sql, values);
              counted.statements += 1;
              if (sql.includes("SET linked")) counted.rowsMax = Math.max(counted.rowsMax, rows.length);
              return rows;
            },
          });
          counted.read += (await rowsRead()) - before;
          return result;
        }),
    });
    const count = chainRecords;
    const chain = chainOf(count).reverse();
    for (let i = 0; i < count; i += 250) await counting.insert(chain.slice(i, i + 250));
    Object.assign(counted, { statements: 0, rowsMax: 0, read: 0 });
    assert.is((await linkAll([(chain.at(-1) as CheckedRecord).digest], counting)).length, count);
    assert.ok(counted.rowsMax <= LINK_ROWS_MAX, `${counted.rowsMax} rows by one statement`);
    assert.ok(counted.statements <= 600, `${counted.statements} statements`);
    assert.ok(counted.read > 0 && counted.read <= 10 * count, `${counted.read} rows read for ${count}`);
  });

  for (let version = 1; version < SCHEMA_VERSION; version += 1)
    test(`a store of version ${version} opens, keeps its records, and has a verdict that is open looked at once more`, async () => {
      // The tables of the suite are left alone: another schema of the same database stands for another store.
      const old: Database = {
        ...database,
        query: (sql, values) => old.transaction((queries) => queries.query(sql, values)),
        transaction: (work) =>
          database.transaction(async (queries) => {
            await queries.query(`SET LOCAL search_path TO older${version}`);
            return work(queries);
          }),
      };
      await database.query(`CREATE SCHEMA older${version}`);
      for (const sql of MIGRATIONS.slice(0, version).flat()) await old.query(sql);
      await old.query("CREATE TABLE schema_version (version integer NOT NULL)");
      await old.query("INSERT INTO schema_version (version) VALUES ($1)", [version]);
      const mote = new TestMote();
      const record = checked(mote.next({ head: headAt(3, 3) }));
      const { fields } = record;
      await old.query(
        `INSERT INTO records (digest, address, registry, fleet_chain, stream, seq, prev, boot, time_s, time_quality, head_chain,
         head_number, head_hash, head_state, linked, sign1) VALUES ($1, $2, $3, $4, 0, 0, $5, 1, 1, 3, $6, 3, $7, ${HEAD_FOREIGN}, true, $8)`,
        [
          ...[record.digest, record.address, FLEET.registry, FLEET.chain, fields.prev, CHAIN],
          ...[fields.head?.hash ?? FIRST, record.sign1],
        ],
      );
      for (const open of [1, 2]) {
        const opened = await RecordStore.open(old);
        assert.is((await opened.counts()).stored, 1, `opened ${open} times`);
        const { heads } = await opened.verdicts.open(CHAIN, 3, FIRST, 16, 4);
        assert.equal(
          heads.map(({ number, state }) => [number, state]),
          [[3, HEAD_FOREIGN]],
        );
      }
      await old.query("UPDATE schema_version SET version = $1", [SCHEMA_VERSION + 1]);
      await RecordStore.open(old).then(
        () => assert.unreachable("a store of a newer version"),
        (error: Error) => assert.match(error.message, /use a newer one/),
      );
    });

  test("each mote's newest record is the highest seq of its highest stream", async () => {
    const mote = new TestMote();
    const records = [mote.next(), mote.next(), mote.make({ stream: 1, seq: 0, prev: new Uint8Array(32) })];
    await store.add(records.map(checked));
    const seen: number[][] = [];
    for await (const newest of store.newest()) if (equal(newest.address, mote.address)) seen.push([newest.stream, newest.seq]);
    assert.equal(seen, [[1, 0]]);
    const [newest] = await store.newestOf([mote.address, new Uint8Array(20)]);
    assert.equal([newest?.stream, newest?.seq], [1, 0]);
    const counts = await store.counts();
    assert.ok(counts.stored >= counts.linked && counts.linked >= counts.verified && counts.motes > 1);
  });

  test("anchors: the newest record of a stream is the leaf for all that its prev leads to, in batches that stay as they are", async () => {
    await store.anchors.open(TREE, new Uint8Array(32).fill(1));
    await store.anchors.open(TREE, new Uint8Array(32).fill(2)); // begun once
    await store.anchors.open({ ...TREE, account: new Uint8Array(20).fill(9) }, new Uint8Array(32)).then(
      () => assert.unreachable("another account's tree"),
      (error: Error) => assert.match(error.message, /another store/),
    );
    while ((await store.anchors.batch()) !== undefined); // of other tests
    const [one, other] = [new TestMote(), new TestMote()];
    const head = headAt(900, 90);
    const records = [one, one, one, other].map((mote) => checked(mote.next({ head })));
    const [first, , newest, alone] = records as [CheckedRecord, CheckedRecord, CheckedRecord, CheckedRecord];
    await store.add(records);
    assert.is(await store.anchors.batch(), undefined, "heads are not known yet");
    await store.verdicts.note(head, settled(HEAD_KNOWN));
    const before = (await store.anchors.batches()).at(-1)?.size ?? 1;
    const counted = await store.anchors.counts();
    const size = (await store.anchors.batch()) as number;
    assert.is(size, before + 2);
    assert.equal(await store.anchors.batches(before), [{ size, told: false }]);
    const leaves = await store.anchors.records(before, size);
    assert.equal(
      leaves.map(({ leaf }) => leaf),
      [before, before + 1],
    );
    assert.equal(leaves.map(({ address, seq }) => `${toHex(address)} ${seq}`).sort(), [
      ...[`${toHex(one.address)} 2`, `${toHex(other.address)} 0`].sort(),
    ]);
    const leaf = await store.anchors.leafOf(one.address, newest.digest);
    for (const { digest } of records.slice(0, 3)) assert.is(await store.anchors.leafOf(one.address, digest), leaf);
    assert.is(await store.anchors.leafOf(other.address, first.digest), undefined, "another mote's");
    assert.not.equal(await store.anchors.leafOf(other.address, alone.digest), leaf);
    const digests: string[] = [];
    for await (const digest of store.anchors.leaves(before)) digests.push(toHex(digest));
    assert.equal(digests.sort(), [newest.digest, alone.digest].map(toHex).sort());
    assert.equal(await store.anchors.counts(), { covered: counted.covered + 4, waiting: 0 });
    assert.is(await store.anchors.batch(), undefined);
    await store.anchors.noteTold(size);
    assert.equal(await store.anchors.batches(before), [{ size, told: true }]);
    const lowest = (await store.anchors.firstHead()) as number;
    assert.ok(lowest <= 900);
  });

  test("two collectors at once make batches of one tree: each leaf once", async () => {
    const motes = Array.from({ length: 12 }, () => new TestMote());
    const head = headAt(901, 91);
    await store.add(motes.flatMap((mote) => [mote.next({ head }), mote.next({ head })]).map(checked));
    await store.verdicts.note(head, settled(HEAD_KNOWN));
    const before = (await store.anchors.batches()).at(-1)?.size ?? 1;
    const again = new AnchorStore(database);
    await Promise.all([store.anchors.batch(), again.batch(), store.anchors.batch()]);
    const { size } = (await store.anchors.batches()).at(-1) as { size: number };
    assert.is(size, before + motes.length);
    const leaves = await store.anchors.records(before, size);
    assert.is(new Set(leaves.map(({ address }) => toHex(address))).size, motes.length);
    assert.equal(
      leaves.map(({ leaf }) => leaf),
      Array.from({ length: motes.length }, (_, i) => before + i),
    );
  });

  test("quarantine: what is of its block or later, or came after it, is marked and left out; undone, it counts again", async () => {
    const mote = new TestMote();
    const at = (number: number) => checked(mote.next({ head: headAt(number, 0xe0) }));
    const [early, late] = [at(3), at(30)];
    await store.add([early, late]);
    for (const { fields } of [early, late])
      await store.verdicts.note(fields.head as ReturnType<typeof headAt>, settled(HEAD_KNOWN));
    const sinceS = Math.floor(Date.now() / 1000) + 3_600; // it is noticed as the block comes, by a clock that is ahead
    const { quarantines } = store;
    const open = async () => {
      const found = new Map<string, number | undefined>();
      for (let after: Uint8Array | undefined = FIRST; after !== undefined; ) {
        const page = await quarantines.open(FLEET, after, 5);
        for (const one of page.motes) found.set(toHex(one.mote), one.sinceBlock);
        after = page.last;
      }
      return found;
    };
    assert.ok((await open()).has(toHex(mote.address)));
    assert.is(await quarantines.note(FLEET, { mote: mote.address, sinceBlock: 20, sinceS }), 1);
    assert.is((await open()).get(toHex(mote.address)), 20);
    assert.equal(await exported(mote.address), ["0/0"]);
    const after = checked(mote.next({ head: headAt(3, 3) }));
    await store.add([after]);
    assert.equal(await exported(mote.address), ["0/0"], "it came after it was noted");
    while ((await store.anchors.batch()) !== undefined);
    assert.not.equal(await store.anchors.leafOf(mote.address, early.digest), undefined);
    for (const { digest } of [late, after]) assert.is(await store.anchors.leafOf(mote.address, digest), undefined);
    await quarantines.undo(FLEET, mote.address);
    assert.equal(await exported(mote.address), ["0/0", "0/1", "0/2"]);
    assert.is(await quarantines.note(FLEET, { mote: mote.address, sinceBlock: 1, sinceS: 1 }), 3);
    await quarantines.settle(FLEET, mote.address);
    assert.not.ok((await open()).has(toHex(mote.address)), "it is asked for no more");
    assert.equal(await exported(mote.address), []);
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

  test("Grafana's panels and the documented columns are what this database gives", () => panelsHold(database, store));

  test.run();
}
