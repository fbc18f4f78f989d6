// What the page shows is what the parts have said, and no more: records once they are stored, checks as the collector tells them, bounds by blocks that
// boards have verified; nothing grows, whatever is published; what changed is told once.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeHealth, encodeWill } from "../../../../firmware/bus/wire.js";
import {
  HEADERS_MAX,
  NOTES_MAX,
  POINTS_MAX,
  RECORDS_MAX,
  TROUBLES_MAX,
  UNSTORED_MAX,
  VOTES_SHOWN_MAX,
} from "../../../../tools/page/bounds.js";
import { Model, type ShownBoard, type ShownRecord } from "../../../../tools/page/model.js";
import { accounts } from "../../../chains/clique-generator.js";
import { type MadeRecord, Replay } from "./staged.js";

interface Scene {
  readonly model: Model;
  readonly replay: Replay;
  records(): readonly ShownRecord[];
  board(id: number): ShownBoard;
}

function scene(boards = 2, anchors = true): Scene {
  const model = new Model({ version: "0.0.0", boards, engine: "Node", journalBytes: 0x40000, nowMs: () => 1_800_000_100_000 });
  const sink = {
    take: (source: string, event: { event: string }) => model.take(source, event),
    published: (_: string, message: Uint8Array) => model.published(message),
    announced: (raw: Uint8Array) => model.announced(raw),
  };
  const replay = new Replay(sink, boards, 1_800_000_000);
  model.follow(replay.checkpoint, anchors);
  for (let id = 1; id <= boards; id += 1) replay.boot(id);
  return {
    ...{ model, replay },
    records: () => model.all().records ?? [],
    board: (id) => model.all().boards?.[id - 1] as ShownBoard,
  };
}

test("a record is shown once the collector has stored it; its checks and its bounds are what was said of it", () => {
  const { model, replay, records, board } = scene();
  replay.block();
  const made = replay.record(1);
  assert.equal(records(), [], "what was published is a claim");
  assert.is(board(1).waiting, 1);
  replay.stored(1, made);
  assert.is(board(1).waiting, 0);
  assert.equal(
    records().map(({ board: id, seq, checks }) => ({ id, seq, checks })),
    [{ id: 1, seq: 1, checks: { signature: "holds", chain: "waits", head: "waits", anchored: "waits" } }],
  );
  replay.verified(made);
  assert.equal(records()[0]?.checks, { signature: "holds", chain: "holds", head: "holds", anchored: "waits" });
  assert.is(records()[0]?.notBeforeS, replay.head.timeS);
  assert.is(records()[0]?.notAfter, undefined);
  assert.is(records()[0]?.storedS, 1_800_000_100);
  model.take("collector", { event: "anchored", ...made, block: 9, timeS: replay.head.timeS + 8 });
  assert.equal(records()[0]?.notAfter, { timeS: replay.head.timeS + 8, block: 9 });
  assert.is(records()[0]?.checks.anchored, "holds");
  assert.equal(
    records()[0]?.values.map(({ name, unit }) => `${name} ${unit}`),
    ["temperature Cel", "humidity %RH"],
  );
});

test("what the collector says before the message is here counts all the same", () => {
  const { model, replay, records } = scene();
  replay.block();
  const messages: Uint8Array[] = [];
  const early = new Replay(
    { take: () => undefined, announced: () => undefined, published: (_, message) => messages.push(message) },
    2,
    1_800_000_000,
  );
  const made = early.record(1);
  replay.stored(1, made);
  replay.verified(made);
  assert.equal(records(), []);
  model.published(messages[0] as Uint8Array);
  assert.equal(records()[0]?.checks, { signature: "holds", chain: "holds", head: "holds", anchored: "waits" });
});

test("an anchor of a record is one of all that lead to it, of that mote and that stream alone", () => {
  const { model, replay, records } = scene();
  for (let n = 0; n < 3; n += 1) replay.interval();
  const made = records().filter(({ board }) => board === 1)[1] as ShownRecord;
  model.take("collector", { event: "anchored", mote: made.mote, stream: 0, seq: made.seq, digest: made.key, block: 5, timeS: 1 });
  assert.equal(
    records().map(({ board, seq, notAfter }) => `${board} ${seq} ${notAfter?.block ?? "-"}`),
    ["1 1 5", "2 1 -", "1 2 5", "2 2 -", "1 3 -", "2 3 -"],
  );
});

test("what does not hold is said: evidence, a head that is foreign, a record that is missing, a key that is quarantined", () => {
  const { model, replay, records, board } = scene(2, false);
  replay.block();
  const first = replay.record(1);
  replay.stored(1, first);
  const second = replay.record(1, { isSecond: true });
  replay.stored(1, second);
  model.take("collector", { event: "evidence", kind: "equivocation", a: first, b: second });
  replay.verified(second); // of it alone
  assert.equal(
    records().map(({ checks }) => checks.chain),
    ["fails", "fails"],
  );
  assert.match(records()[0]?.notes.join() ?? "", /contradicts another record/);
  assert.is(records()[0]?.checks.anchored, "off");
  const third = replay.record(2);
  replay.stored(2, third);
  model.take("collector", { event: "gap", ...third });
  model.take("collector", {
    event: "head-foreign",
    number: 1,
    hash: `0x${Buffer.from(replay.head.hash).toString("hex")}`,
    detail: "",
    settled: true,
  });
  assert.is(records()[2]?.checks.head, "fails");
  assert.equal(records()[2]?.notes, ["the record before it is missing", "its head is foreign"]);
  model.take("collector", { event: "quarantined", mote: first.mote, block: 7, settled: false });
  assert.equal(board(1).registry, { status: "quarantined", sinceBlock: 7 });
  assert.ok((model.all().notes ?? []).some(({ text, isBad }) => isBad && text.includes("evidence")));
});

test("headers: verified by those who say so, and with them what leads there; a lie by nobody; votes of verified ones alone", () => {
  const { model, replay } = scene();
  const stranger = accounts(1, "stranger")[0] as { address: Uint8Array };
  replay.block([], { account: stranger.address, authorize: true });
  const votes = (): readonly unknown[] => model.all().validators?.votes ?? [];
  assert.is(votes().length, 0);
  replay.block([]);
  replay.block([1]);
  assert.equal(
    (model.all().headers ?? []).map(({ number, by }) => [number, by]),
    [
      [1, [1]],
      [2, [1]],
      [3, [1]],
    ],
  );
  assert.is(votes().length, 1);
  const lie = replay.head.raw.slice();
  lie[100] = (lie[100] as number) ^ 1;
  model.announced(lie);
  assert.equal((model.all().headers ?? []).at(-1)?.by, []);
  assert.is(model.all().validators?.list.length, 3);
});

test("parts that are lost are said in words until they are back; boards by their console and their health topic", () => {
  const { model, replay, board } = scene();
  const troubles = (): string[] => (model.all().troubles ?? []).map(({ text }) => text);
  model.take("relay", { event: "lost", to: "broker", reason: "ECONNREFUSED", retryMs: 200 });
  model.take("collector", { event: "lost", to: "broker", reason: "ECONNREFUSED", retryMs: 200 });
  model.take("node", { event: "ended", how: "SIGKILL", restartMs: 250 });
  assert.is(troubles().length, 3);
  assert.match(troubles()[2] as string, /The node ended by itself \(SIGKILL\)/);
  model.take("relay", { event: "connected", to: "broker" });
  model.take("collector", { event: "connected" });
  model.take("relay", { event: "head", number: 1, hash: "0x", rebuilt: false });
  assert.equal(troubles(), []);
  const mote = replay.boards[0]?.mote as string;
  model.health(mote, encodeHealth({ online: true, boot: 2, headNumber: 3, nextSeq: 4, pending: 5, timeS: 6, alarm: 3 }));
  assert.equal([board(1).online, board(1).waiting, board(1).alarm], [true, 5, "stale"]);
  model.health(mote, encodeWill());
  assert.is(board(1).online, false);
  model.power(1, "dark");
  assert.is(board(1).power, "dark");
  replay.boot(1);
  assert.is(board(1).power, "on");
  model.take("mote 2", { event: "ended", how: "exit code 2", restartMs: 250 });
  assert.is(board(2).power, "restarting");
});

test("what changed is told once, and whole", () => {
  const { model, replay } = scene();
  model.change();
  assert.is(model.change(), undefined);
  const [made] = replay.interval([1]);
  const change = model.change();
  assert.equal(
    change?.records?.map(({ key }) => key),
    [made?.digest],
  );
  assert.equal(
    change?.boards?.map(({ id }) => id),
    [1],
  );
  assert.is(change?.headers?.length, 2);
  assert.is(model.change(), undefined);
});

test("nothing grows: thousands of records, of claims that nobody stores, of headers, notes and parts", () => {
  const { model, replay } = scene(2);
  for (let n = 0; n < 400; n += 1) {
    replay.nowS += 2;
    replay.records();
  }
  for (let n = 0; n < 500; n += 1) {
    replay.record(1);
    model.take("collector", { event: "verified", mote: "0x", stream: 0, seq: 1, digest: n.toString(16).padStart(64, "0") });
    model.note("test", "x".repeat(10_000));
    model.amiss(`part ${n}`, "amiss");
  }
  for (let n = 0; n < 100; n += 1) replay.block([1], { account: new Uint8Array(20).fill(n + 1), authorize: true });
  const all = model.all();
  assert.is(all.records?.length, RECORDS_MAX);
  assert.is(all.headers?.length, HEADERS_MAX);
  assert.is(all.notes?.length, NOTES_MAX);
  assert.is(all.troubles?.length, TROUBLES_MAX);
  assert.is((all.validators?.votes.length ?? 0) <= VOTES_SHOWN_MAX, true);
  const { series } = model.series(1) as { series: { points: unknown[] }[] };
  assert.equal(
    series.map(({ points }) => points.length),
    [POINTS_MAX, POINTS_MAX],
  );
  assert.ok(JSON.stringify(all).length < 300_000, `${JSON.stringify(all).length} bytes`);
});

test("claims that nobody stores give way to newer ones", () => {
  const { replay, records } = scene();
  replay.block();
  const claims = Array.from({ length: UNSTORED_MAX + 1 }, () => replay.record(1));
  for (const claim of [claims.at(0), claims.at(1), claims.at(-1)]) replay.stored(1, claim as MadeRecord);
  assert.equal(
    records().map(({ seq }) => seq),
    [2, UNSTORED_MAX + 1],
  );
});

test("hostile bytes on any topic, and events without their fields: nothing throws, nothing is shown", () => {
  const { model, replay, records } = scene();
  const mote = replay.boards[0]?.mote as string;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      model.published(bytes);
      model.health(mote, bytes);
      model.announced(bytes);
    }),
  );
  const value = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.object({ maxDepth: 1 }));
  const names = [
    "boot",
    "key",
    "head",
    "record",
    "stored",
    "verified",
    "anchored",
    "evidence",
    "gap",
    "refused",
    "alarm",
    "registry",
    "ended",
    "lost",
    "status",
    "quarantined",
    "head-foreign",
  ];
  const fields = ["digest", "mote", "seq", "hash", "number", "address", "a", "b", "to", "reason", "timeS", "status"];
  fc.assert(
    fc.property(
      fc.constantFrom("mote 1", "mote 99", "collector", "relay", "registrar", "node"),
      fc.constantFrom(...names),
      fc.dictionary(fc.constantFrom(...fields), value),
      (source, event, rest) => model.take(source, { ...rest, event }),
    ),
    { numRuns: 1000 },
  );
  assert.equal(records(), []);
  JSON.stringify(model.all());
});

test.run();
