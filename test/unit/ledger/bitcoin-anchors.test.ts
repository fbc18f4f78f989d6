// When a mote on Bitcoin takes its records for anchored: a block of its own chain that is settled, and nothing less.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat } from "../../../firmware/bytes.js";
import type { FeatureOwner } from "../../../firmware/feature.js";
import { encodeAnchorMessage } from "../../../firmware/ledger/anchor-wire.js";
import { anchorScript, encodeBitcoinAnchor } from "../../../firmware/ledger/bitcoin-anchor.js";
import { BitcoinAnchors } from "../../../firmware/ledger/bitcoin-anchors.js";
import { RefusalLog } from "../../../firmware/refusal-log.js";
import { fastEngine as engine } from "../../../tools/crypto/engine-fast.js";
import { AnchorBench, COLLECTOR, MOTE, Tree, topics } from "./anchors-bench.js";

const twice = (bytes: Uint8Array): Uint8Array => engine.sha256(engine.sha256(bytes));

/** A block of two transactions, of which the second anchors `root`. */
function blockOf(root: Uint8Array): { evidence: Uint8Array; hash: Uint8Array } {
  const script = anchorScript(root);
  const input = (spends: Uint8Array, code: Uint8Array): Uint8Array =>
    concat(Uint8Array.of(1, 0, 0, 0, 1), spends, Uint8Array.of(code.length), code, new Uint8Array(4));
  const output = (code: Uint8Array): Uint8Array =>
    concat(Uint8Array.of(1), new Uint8Array(8), Uint8Array.of(code.length), code, new Uint8Array(4));
  const nothing = concat(new Uint8Array(32), new Uint8Array(4).fill(0xff));
  const coinbase = concat(input(nothing, new Uint8Array(8).fill(0x51)), output(Uint8Array.of(0x51)));
  const transaction = concat(input(new Uint8Array(36).fill(5), new Uint8Array(0)), output(script));
  const header = new Uint8Array(80);
  header.set(twice(concat(twice(coinbase), twice(transaction))), 36);
  header[68] = 77;
  const anchor = { header, position: 1, transaction, siblings: twice(coinbase), coinbase, coinbaseSiblings: twice(transaction) };
  return { evidence: encodeBitcoinAnchor(anchor), hash: twice(header) };
}

/** A mote of five records, a tree with the last of them, and the mote's chain from block 100 on. */
class Bench extends AnchorBench {
  readonly follower = {
    settled: 100,
    fork: undefined as unknown,
    blocks: [] as Uint8Array[],
    window: {
      base: { number: 100 },
      offsetOf: (hash: Uint8Array): number => this.follower.blocks.findIndex((one) => Buffer.compare(one, hash) === 0),
    },
  };
  readonly tree: Tree;
  readonly mote = new BitcoinAnchors();

  constructor() {
    super();
    this.records(5);
    this.tree = new Tree().add(this.digest(5));
    const config = {
      ...{ collector: COLLECTOR.address, mqtt: { prefix: "" }, ledger: { intervalMs: 60_000 } },
      checkpoint: { consensus: "bitcoin" },
    };
    assert.is(this.mote.fault(config as never), undefined);
    const bus = { up: true, publish: (topic: string, message: Uint8Array) => this.published.push({ topic, message }) };
    this.mote.open({
      ...{ engine, config, own: MOTE.address, journal: this.journal, follower: this.follower, bus, onWake() {} },
      device: { clock: this.clock, log: this.log },
      refusals: new RefusalLog(this.clock, this.log),
    } as unknown as FeatureOwner);
  }

  tell(evidence: Uint8Array | undefined): void {
    const receipt = this.tree.receipt(this.digest(5));
    this.mote.received(topics.receipts, encodeAnchorMessage({ stream: 0, seq: 5, receipt, evidence }));
    this.steps();
  }

  steps(): void {
    for (let i = 0; i < 20; i += 1) this.mote.step();
  }
}

test("a settled block of the mote's own chain anchors what its transaction commits to", () => {
  const bench = new Bench();
  const { evidence, hash } = blockOf(bench.tree.tree.root());
  bench.tell(evidence);
  assert.is(bench.through, 0, "a block that the mote has not verified");
  bench.follower.blocks = [new Uint8Array(32), hash];
  bench.steps();
  assert.is(bench.through, 0, "verified, not settled");
  bench.follower.settled = 101;
  bench.follower.fork = {};
  bench.steps();
  assert.is(bench.through, 0, "a chain that has forked proves nothing");
  bench.follower.fork = undefined;
  bench.steps();
  assert.is(bench.through, 5);
  assert.equal(bench.log.of("anchored"), [{ event: "anchored", from: 1, through: 5, block: 101, timeS: 77 }]);
  bench.mote.onOutcome({ kind: "reorg", number: 99, depth: 20, revoked: 4 } as never);
  assert.is(bench.through, 0, "the chain has left it");
});

test("a receipt alone, and one beside another root's block, move nothing", () => {
  const bench = new Bench();
  const other = blockOf(twice(bench.tree.tree.root()));
  bench.follower.blocks = [other.hash];
  bench.tell(undefined);
  bench.tell(other.evidence);
  bench.tell(Uint8Array.of(1));
  assert.equal([bench.through, bench.refused], [0, ["anchor-unproven", "anchor-uncommitted", "anchor-malformed"]]);
});

test("a block that the mote's window has left is asked for anew, and a newer one takes its place", () => {
  const bench = new Bench();
  bench.tell(blockOf(bench.tree.tree.root()).evidence);
  bench.clock.pass(60_000);
  bench.published.length = 0;
  bench.steps();
  assert.is(bench.published.length, 1);
  bench.tree.add(twice(MOTE.address));
  const newer = blockOf(bench.tree.tree.root());
  bench.follower.blocks = [newer.hash];
  bench.tell(newer.evidence);
  assert.is(bench.through, 5);
});

test("a mote of another chain has no use for it", () => {
  const fault = new BitcoinAnchors().fault({ checkpoint: { consensus: "clique" } } as never);
  assert.is(fault?.code, "config-invalid");
});

test.run();
