// When a mote takes its records for anchored: rules one by one, lies that move nothing, power lost at any moment, and how long a journal of
// 256 KiB lasts from one anchor to the next.

import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  ANCHOR_MESSAGE_BYTES_MAX,
  decodeAnchorMessage,
  decodeAnchorQuestion,
  EVIDENCE_BYTES_MAX,
  encodeAnchorMessage,
  encodeAnchorQuestion,
} from "../../../firmware/ledger/anchor-wire.js";
import { anchorSlot, CHECKS_PER_MINUTE_MAX } from "../../../firmware/ledger/anchors.js";
import type { Proof } from "../../../firmware/ledger/prover.js";
import { Rejection } from "../../../firmware/rejection.js";
import { Prng } from "../../../host-sim/world/prng.js";
import { anchorKey, mappingSlot } from "../../../tools/contracts/layout.js";
import { fastEngine as engine } from "../../../tools/crypto/engine-fast.js";
import { seedOr } from "../../seed.js";
import { testKey } from "../record/signing.js";
import { ANCHORED_S, AnchorBench, COLLECTOR, MOTE, Tree, topics } from "./anchors-bench.js";

const unproven = new Rejection("proof-unavailable", "nobody knows");
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** A mote with records 1 to `count`, and a tree with the last of them, anchored. */
function anchored(count: number): { bench: AnchorBench; tree: Tree } {
  const bench = new AnchorBench();
  bench.records(count);
  const tree = new Tree().add(bench.digest(count));
  bench.anchor(tree);
  return { bench, tree };
}

test("one leaf stands for the records that its prev leads to, once the contract's slot is proven", () => {
  const { bench, tree } = anchored(40);
  bench.give(40, tree.receipt(bench.digest(40)));
  bench.run(() => undefined);
  assert.is(bench.through, 0, "a receipt alone moves nothing");
  assert.is(hex(bench.asked?.slot as Uint8Array), hex(anchorSlot(engine, COLLECTOR.address, 2, tree.tree.root())));
  bench.run();
  assert.is(bench.through, 40);
  assert.equal(bench.log.of("anchored"), [{ event: "anchored", from: 1, through: 40, block: 90, timeS: ANCHORED_S + 90 }]);
  assert.equal(bench.refused, []);
});

test("the slot is where Solidity keeps the mapping's value", () => {
  const root = engine.sha256(Uint8Array.of(1));
  const slot = mappingSlot(anchorKey(MOTE.address, 0x12345, root), 0);
  assert.is(hex(anchorSlot(engine, MOTE.address, 0x12345, root)), hex(slot));
});

test("what is not proven is no no: it is asked again until it is there", () => {
  const bench = new AnchorBench();
  bench.records(3);
  const tree = new Tree().add(bench.digest(3));
  bench.give(3, tree.receipt(bench.digest(3)));
  let asked = 0;
  const nobody = (): Rejection => {
    asked += 1;
    return unproven;
  };
  bench.run(nobody);
  assert.is(asked, 1);
  for (let i = 0; i < 8; i += 1) {
    bench.clock.pass(60_000);
    bench.run(i % 2 === 0 ? undefined : nobody); // the contract has it not yet, or nobody says
  }
  assert.is(bench.through, 0);
  assert.equal(bench.refused, []);
  bench.anchor(tree, 101);
  bench.clock.pass(60_000);
  bench.run();
  assert.is(bench.through, 0, "anchored after the block at which it is proven");
  bench.settled = 102;
  bench.clock.pass(60_000);
  bench.run();
  assert.is(bench.through, 3);
});

test("a prefix has no gap: a leaf behind a link that does not hold moves nothing, until one stands for what is before", () => {
  const bench = new AnchorBench();
  bench.records(4);
  bench.record({ prev: engine.sha256(Uint8Array.of(7)) });
  bench.records(2);
  const tree = new Tree().add(bench.digest(4)).add(bench.digest(7));
  bench.anchor(tree);
  bench.give(7, tree.receipt(bench.digest(7)));
  bench.run();
  assert.equal([bench.through, bench.refused], [0, ["anchor-unlinked"]]);
  bench.give(4, tree.receipt(bench.digest(4)));
  bench.run();
  assert.is(bench.through, 4);
  bench.give(7, tree.receipt(bench.digest(7)));
  bench.run();
  assert.is(bench.through, 7);
});

test("a stream that was begun anew has a leaf of its own", () => {
  const bench = new AnchorBench();
  bench.records(3);
  bench.record({ stream: 1 });
  bench.records(2);
  const tree = new Tree().add(bench.digest(3)).add(bench.digest(6));
  bench.anchor(tree);
  bench.give(6, tree.receipt(bench.digest(6)), 1);
  bench.run();
  assert.is(bench.through, 0);
  bench.give(3, tree.receipt(bench.digest(3)));
  bench.run();
  assert.is(bench.through, 3);
  bench.give(6, tree.receipt(bench.digest(6)), 1);
  bench.run();
  assert.is(bench.through, 6);
});

test("numbers that were skipped are no gap where the link holds", () => {
  const bench = new AnchorBench();
  bench.records(2);
  bench.record({ skip: 5 });
  const tree = new Tree().add(bench.digest(8));
  bench.anchor(tree);
  bench.give(8, tree.receipt(bench.digest(8)));
  bench.run();
  assert.is(bench.through, 8);
});

test("blocks that had counted as settled are left: nothing that is kept counts, also after a boot, until it is proven anew", () => {
  const { bench, tree } = anchored(6);
  bench.give(6, tree.receipt(bench.digest(6)));
  bench.run();
  bench.records(3);
  bench.journal.close();
  bench.boot();
  assert.is(bench.through, 6, "kept over a boot");
  bench.slots.clear();
  bench.anchors.onOutcome({ kind: "reorg", number: 99, depth: 20, revoked: 0 } as never);
  assert.is(bench.through, 6, "none of them had settled");
  bench.anchors.onOutcome({ kind: "reorg", number: 99, depth: 20, revoked: 4 } as never);
  assert.is(bench.through, 0);
  bench.boot(); // without a clean end
  assert.is(bench.through, 0);
  bench.give(6, tree.receipt(bench.digest(6)));
  bench.run();
  assert.is(bench.through, 0);
  bench.anchor(tree, 98);
  bench.clock.pass(60_000);
  bench.run();
  assert.is(bench.through, 6);
});

test("a proof that comes when the chain has just left its blocks moves nothing", () => {
  const { bench, tree } = anchored(2);
  bench.give(2, tree.receipt(bench.digest(2)));
  bench.run(() => undefined);
  const question = bench.asked;
  bench.anchors.onOutcome({ kind: "reorg", number: 99, depth: 20, revoked: 1 } as never);
  question?.answered(bench.proof({ ...question, slot: anchorSlot(engine, COLLECTOR.address, 2, tree.tree.root()) } as never));
  bench.run();
  assert.is(bench.through, 0);
});

test("a mote asks for the receipt of the first record that is not anchored, at its interval and after a loss of the link", () => {
  const bench = new AnchorBench();
  bench.anchors.linkChanged(true);
  bench.run();
  assert.equal(bench.questions, [], "nothing is stored");
  bench.records(3);
  bench.run();
  bench.run();
  const first = hex(encodeAnchorQuestion(bench.digest(1)));
  assert.equal(bench.questions, [first]);
  bench.clock.pass(60_000);
  bench.run();
  assert.equal(bench.questions, [first, first]);
  bench.up = false;
  bench.clock.pass(60_000);
  bench.run();
  bench.up = true;
  bench.anchors.linkChanged(true);
  bench.run();
  assert.is(bench.questions.length, 3);
  const tree = new Tree().add(bench.digest(2));
  bench.anchor(tree);
  bench.give(2, tree.receipt(bench.digest(2)));
  bench.run();
  assert.equal([bench.through, bench.questions[3]], [2, hex(encodeAnchorQuestion(bench.digest(3)))], "at once for what is left");
});

test("receipts that come faster than they can be proven do not keep each other from being proven", () => {
  const bench = new AnchorBench();
  bench.records(5);
  const tree = new Tree();
  for (let seq = 1; seq <= 5; seq += 1) tree.add(bench.digest(seq));
  bench.anchor(tree);
  for (let seq = 1; seq <= 5; seq += 1) {
    bench.give(seq, tree.receipt(bench.digest(seq)));
    bench.anchors.step();
  }
  assert.is(hex(bench.asked?.slot as Uint8Array), hex(anchorSlot(engine, COLLECTOR.address, 6, tree.tree.root())));
  bench.run();
  assert.is(bench.through, 1);
});

/** What a hostile collector, relay or broker may send; none of it moves the watermark of a mote with records 1 to 9. */
const LIES: Readonly<Record<string, (bench: AnchorBench, honest: Tree) => void>> = {
  "a root that was never anchored": (bench) => {
    const tree = new Tree().add(engine.sha256(Uint8Array.of(4))).add(bench.digest(9));
    bench.give(9, tree.receipt(bench.digest(9)));
  },
  "a root that was anchored on another fork alone": (bench) => {
    const tree = new Tree().add(engine.sha256(Uint8Array.of(3))).add(bench.digest(9));
    bench.anchor(tree, 95);
    bench.slots.clear(); // the mote's chain has another block there
    bench.give(9, tree.receipt(bench.digest(9)));
  },
  "another collector's receipt, of a root that it did anchor": (bench) => {
    const tree = new Tree(testKey("another collector")).add(bench.digest(9));
    bench.anchor(tree);
    bench.give(9, tree.receipt(bench.digest(9)));
  },
  "another's signature under the collector's name": (bench) => {
    const key = { ...testKey("a thief"), address: COLLECTOR.address };
    const tree = new Tree(key).add(bench.digest(9));
    bench.anchor(tree);
    bench.give(9, tree.receipt(bench.digest(9)));
  },
  "another size of the tree, under which the path leads to the same root": (bench) => {
    const tree = new Tree().add(bench.digest(9));
    tree.add(engine.sha256(Uint8Array.of(1))).add(engine.sha256(Uint8Array.of(2)));
    const receipt = tree.receipt(bench.digest(9), 3).slice();
    bench.anchor(tree, 90, 3);
    // [3, 1, …] says [4, 1, …].
    const at = receipt.findIndex((byte, i) => byte === 0x83 && receipt[i + 1] === 3 && receipt[i + 2] === 1);
    receipt[at + 1] = 4;
    bench.give(9, receipt);
  },
  "the receipt of another mote's record": (bench) => {
    const foreign = engine.sha256(Uint8Array.of(77));
    const tree = new Tree().add(foreign);
    bench.anchor(tree);
    bench.give(9, tree.receipt(foreign));
  },
  "the receipt of this mote's earlier record for a later one": (bench) => {
    const tree = new Tree().add(bench.digest(2));
    bench.anchor(tree);
    bench.give(9, tree.receipt(bench.digest(2)));
  },
  "the receipt of a record that does not exist yet": (bench, honest) => bench.give(10, honest.receipt(bench.digest(9))),
  "a stream that the record is not of": (bench, honest) => bench.give(9, honest.receipt(bench.digest(9)), 1),
  "a contract of another address": (bench, honest) => {
    bench.slots.clear(); // the root stands in a contract that the mote does not ask about
    bench.give(9, honest.receipt(bench.digest(9)));
  },
  "a slot of zero": (bench, honest) => {
    bench.anchor(honest, 0);
    bench.give(9, honest.receipt(bench.digest(9)));
  },
  "a block number above the one at which it is proven": (bench, honest) => {
    bench.anchor(honest, 101);
    bench.give(9, honest.receipt(bench.digest(9)));
  },
  "a signature with a high s": (bench, honest) => {
    const receipt = honest.receipt(bench.digest(9)).slice();
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const s = order - BigInt(`0x${hex(receipt.subarray(-32))}`);
    receipt.set(Buffer.from(s.toString(16).padStart(64, "0"), "hex"), receipt.length - 32);
    bench.give(9, receipt);
  },
  "each byte of an honest receipt changed": (bench, honest) => {
    const receipt = honest.receipt(bench.digest(9));
    for (let at = 0; at < receipt.length; at += 1) {
      const changed = receipt.slice();
      changed[at] = (changed[at] as number) ^ 1;
      bench.give(9, changed);
      bench.anchors.step();
      bench.clock.pass(5_000);
    }
  },
  "a collector's receipt for a record, in place of one for an anchor": (bench) => bench.giveBytes(new Uint8Array(200).fill(0xd2)),
  "more than a message may have": (bench) => bench.giveBytes(new Uint8Array(ANCHOR_MESSAGE_BYTES_MAX + 1)),
};

for (const [name, lie] of Object.entries(LIES))
  test(`a lie moves nothing, and nobody keeps the truth away: ${name}`, () => {
    const { bench, tree } = anchored(9);
    lie(bench, tree);
    bench.run();
    for (let i = 0; i < 4; i += 1) {
      bench.clock.pass(60_000);
      bench.run();
    }
    assert.is(bench.through, 0);
    bench.slots.clear();
    bench.anchor(tree);
    bench.clock.pass(60_000);
    bench.give(9, tree.receipt(bench.digest(9)));
    bench.run();
    assert.is(bench.through, 9);
  });

test("an old receipt that is sent again takes nothing back, and costs nothing", () => {
  const { bench, tree } = anchored(9);
  bench.give(9, tree.receipt(bench.digest(9)));
  bench.run();
  bench.slots.clear();
  for (let i = 0; i < 50; i += 1) {
    bench.give(9, tree.receipt(bench.digest(9)));
    bench.run();
  }
  assert.equal([bench.through, bench.refused, bench.asked], [9, [], undefined]);
});

test("a flood of receipts has a bounded number of signatures checked", () => {
  const { bench, tree } = anchored(9);
  const thief = new Tree({ ...testKey("a thief"), address: COLLECTOR.address }).add(bench.digest(9));
  for (let i = 0; i < 200; i += 1) {
    bench.give(9, thief.receipt(bench.digest(9)));
    bench.anchors.step();
  }
  // A signature recovers to one of two keys.
  assert.ok(bench.recovered >= CHECKS_PER_MINUTE_MAX && bench.recovered <= 2 * CHECKS_PER_MINUTE_MAX, `${bench.recovered}`);
  assert.ok(bench.refused.includes("signature-invalid"));
  bench.clock.pass(60_000);
  bench.give(9, tree.receipt(bench.digest(9)));
  bench.run();
  assert.is(bench.through, 9);
});

/** More than a journal of 8 sectors holds several times over: one that takes so many has trimmed what it may not. */
const RECORDS_TO_FULL_MAX = 1_000;

/** Makes records until the journal refuses one; answers the refusal. */
function fill(bench: AnchorBench): Rejection {
  for (let i = 0; i < RECORDS_TO_FULL_MAX; i += 1) {
    const made = bench.record();
    if (made instanceof Rejection) return made;
  }
  throw new Error(`${RECORDS_TO_FULL_MAX} records were taken, and it is not full: something was trimmed`);
}

test("nothing that is not anchored is trimmed where anchored is asked", () => {
  const bench = new AnchorBench(8);
  assert.is(fill(bench).code, "journal-full");
  const full = bench.seq;
  for (let seq = 1; seq <= full; seq += 1) assert.not.instance(bench.journal.read(seq), Rejection, `record ${seq} is kept`);
  const half = full >> 1;
  const tree = new Tree().add(bench.digest(half));
  bench.give(half, tree.receipt(bench.digest(half)));
  bench.run();
  assert.instance(bench.record(), Rejection, "a receipt alone makes no room");
  bench.anchor(tree);
  bench.clock.pass(60_000);
  bench.run();
  assert.is(bench.through, half);
  fill(bench);
  assert.ok(bench.seq > full, "an anchor does");
  for (let seq = half + 1; seq <= bench.seq; seq += 1)
    assert.not.instance(bench.journal.read(seq), Rejection, `record ${seq} is kept`);
  assert.instance(bench.journal.read(1), Rejection);
});

test("power lost at any moment: nothing unanchored is trimmed, and every record is anchored in the end", () => {
  const prng = new Prng(seedOr());
  const bench = new AnchorBench(8);
  const tree = new Tree();
  const proven = new Set<number>();
  for (let round = 0; round < 50; round += 1) {
    for (let i = prng.below(6); i >= 0; i -= 1) bench.record();
    if (prng.below(3) === 0 && bench.digests.has(bench.seq)) {
      tree.add(bench.digest(bench.seq));
      bench.anchor(tree);
      bench.give(bench.seq, tree.receipt(bench.digest(bench.seq)));
    }
    for (let steps = prng.below(6); steps > 0; steps -= 1) {
      bench.anchors.step();
      const question = bench.asked;
      if (question === undefined || prng.below(2) === 0) continue;
      bench.asked = undefined;
      question.answered(prng.below(4) === 0 ? unproven : (bench.proof(question) as Proof));
    }
    for (let seq = 1; seq <= bench.through; seq += 1) proven.add(seq);
    bench.boot();
    bench.journal.markStored(bench.seq); // the collector has them, and says so again
    for (let seq = 1; seq <= bench.seq; seq += 1)
      assert.ok(proven.has(seq) || !(bench.journal.read(seq) instanceof Rejection), `round ${round}: record ${seq} is gone`);
  }
  tree.add(bench.digest(bench.seq));
  bench.anchor(tree);
  bench.give(bench.seq, tree.receipt(bench.digest(bench.seq)));
  bench.run();
  assert.is(bench.through, bench.seq);
});

test("messages are read back as they were written, and nothing else is", () => {
  const message = { stream: 3, seq: 70_000, receipt: new Uint8Array(1024).fill(9) };
  const bytes = encodeAnchorMessage(message);
  assert.equal(decodeAnchorMessage(bytes), message);
  const longest = encodeAnchorMessage({
    stream: 2 ** 32 - 1,
    seq: 2 ** 32 - 1,
    receipt: new Uint8Array(1024),
    evidence: new Uint8Array(EVIDENCE_BYTES_MAX),
  });
  assert.is(longest.length, ANCHOR_MESSAGE_BYTES_MAX);
  for (let at = 0; at < bytes.length; at += 1) assert.instance(decodeAnchorMessage(bytes.subarray(0, at)), Rejection);
  assert.instance(decodeAnchorMessage(Uint8Array.of(...bytes, 0)), Rejection);
  assert.instance(decodeAnchorMessage(encodeAnchorMessage({ ...message, seq: 0 })), Rejection);
  const shown = { ...message, evidence: Uint8Array.of(1, 2) };
  assert.equal(decodeAnchorMessage(encodeAnchorMessage(shown)), shown);
  const digest = new Uint8Array(32).fill(7);
  assert.equal(decodeAnchorQuestion(encodeAnchorQuestion(digest)), digest);
  for (const wrong of [
    new Uint8Array(0),
    encodeAnchorQuestion(new Uint8Array(31)),
    Uint8Array.of(...encodeAnchorQuestion(digest), 0),
  ])
    assert.instance(decodeAnchorQuestion(wrong), Rejection);
  assert.equal(topics.receipts.endsWith("/anchors"), true);
});

test("a journal of 256 KiB lasts between two anchors as the document says", () => {
  const bench = new AnchorBench(64);
  fill(bench);
  const document = readFileSync(new URL("../../../docs/ledger.md", import.meta.url), "utf8");
  const stated = /holds ([\d,]+) records .*that are not anchored/.exec(document)?.[1];
  assert.is(Number(stated?.replace(",", "")), bench.seq);
  const rows = [...document.matchAll(/^\| (\d+) s \| ([\d.]+) h \|$/gm)].map(([, every, hours]) => [Number(every), hours]);
  assert.equal(
    rows,
    [10, 60, 600].map((every) => [every, ((bench.seq * every) / 3600).toFixed(1)]),
  );
  // One record a minute: what an anchor interval leaves of it for outages, whole hours.
  const collect = readFileSync(new URL("../../../tools/commands/collect.ts", import.meta.url), "utf8");
  const intervalS = Number(/ANCHOR_INTERVAL_S = (\d+);/.exec(collect)?.[1]);
  const said = /one record a minute and an anchor each (\d+) s, (\d+) hours of outage/.exec(document) ?? [];
  assert.is(Number(said[1]), intervalS, "the collector's own interval");
  assert.is(Number(said[2]), Math.floor((bench.seq * 60 - intervalS) / 3600));
});

test.run();
