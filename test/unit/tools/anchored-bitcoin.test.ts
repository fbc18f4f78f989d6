// An item that shows a record to be anchored on Bitcoin, checked from a checkpoint over headers that are mined here by nothing of ours: what it
// says, the lies that are refused, each by its name, and where a header of any chain is not settled yet.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat } from "../../../firmware/bytes.js";
import type { Consensus } from "../../../firmware/chain/consensus.js";
import {
  ANCHOR_COINBASE_BYTES_MAX,
  ANCHOR_TRANSACTION_BYTES_MAX,
  anchorScript,
  type BitcoinAnchor,
  encodeBitcoinAnchor,
} from "../../../firmware/ledger/bitcoin-anchor.js";
import { DEPTH_MAX } from "../../../firmware/proof/merkle-block.js";
import { ANCHOR_PATH_MAX, anchorDigest, encodeAnchorReceipt } from "../../../firmware/record/anchor-receipt.js";
import { digestOf, SIGN1_BYTES_MAX } from "../../../firmware/record/cose.js";
import { encodeRecord, type RecordFields } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import { branchOf } from "../../../tools/bitcoin/raw-block.js";
import { engine } from "../../../tools/crypto/engine.js";
import { MerkleTree } from "../../../tools/merkle/tree.js";
import { anchorTrust } from "../../../tools/verify/anchor-trust.js";
import {
  type Anchored,
  type AnchoredItem,
  type BlockShown,
  decodeAnchored,
  encodeAnchored,
  verifyAnchored,
} from "../../../tools/verify/anchored.js";
import { LOWERED, openChainOf } from "../../chains/bitcoin-fixture.js";
import { BitcoinChain, type Block } from "../../chains/bitcoin-generator.js";
import { openGenerated } from "../../chains/clique-fixture.js";
import { accounts, CliqueChain } from "../../chains/clique-generator.js";
import { seedOr } from "../../seed.js";
import { signed, testKey } from "../record/signing.js";

type BlockItem = BlockShown & { readonly record: Uint8Array; readonly receipt: Uint8Array };

const MOTE = testKey("a mote on Bitcoin");
const COLLECTOR = testKey("a collector on Bitcoin");
const LEAVES = 9;
const ANCHORED_IN = 8;
const NO_CONTRACT = new Uint8Array(20);
const rules = LOWERED.regtest;
const chain = new BitcoinChain(rules, { bits: rules.limitBits });
const before = chain.grow(chain.genesis, ANCHORED_IN - 1);
const HEAD = before[3] as Block;
const twice = (bytes: Uint8Array): Uint8Array => engine.sha256(engine.sha256(bytes));
const code = (value: unknown): string => (value instanceof Rejection ? value.code : "taken");
const recordOf = (head: Block, more: Partial<RecordFields> = {}): Uint8Array =>
  encodeRecord({
    ...{ stream: 0, seq: 7, prev: new Uint8Array(32), boot: 1, time: 1_767_225_600, timeQuality: 2 },
    head: { chain: rules.chain, number: head.number, hash: head.hash },
    measurements: [{ n: "temperature", u: "Cel", v: 21 }],
    fleet: { registry: new Uint8Array(20), chain: rules.chain },
    ...more,
  });

/** One input and these output scripts, without witnesses. */
function transaction(scripts: readonly Uint8Array[], spends: Uint8Array, extra = 0): Uint8Array {
  const outputs = scripts.map((script) => concat(new Uint8Array(8), Uint8Array.of(script.length), script));
  const input = concat(spends, Uint8Array.of(extra), new Uint8Array(extra).fill(0x51), new Uint8Array(4));
  return concat(Uint8Array.of(1, 0, 0, 0, 1), input, Uint8Array.of(outputs.length), ...outputs, new Uint8Array(4));
}
const COINBASE = transaction([Uint8Array.of(0x51)], concat(new Uint8Array(32), new Uint8Array(4).fill(0xff)), 8);

interface Made {
  readonly item: BlockItem;
  readonly anchor: BitcoinAnchor;
  /** All headers from the first to those that settle the anchor's block. */
  readonly headers: readonly Block[];
}

/** A record, its receipt out of a tree of ten leaves, and a block whose fifth transaction has the root. */
function make(payload = recordOf(HEAD), parent = before.at(-1) as Block): Made {
  const tree = new MerkleTree(engine);
  for (let i = 0; i < LEAVES; i += 1) tree.append(engine.sha256(Uint8Array.of(i)));
  tree.append(digestOf(engine, MOTE.address, payload));
  const kid = COLLECTOR.address;
  const signature = COLLECTOR.sign(anchorDigest(engine, kid, tree.root()));
  const receipt = encodeAnchorReceipt({ kid, size: tree.size, index: LEAVES, path: tree.inclusionProof(LEAVES), signature });
  const anchoring = transaction([Uint8Array.of(0x51), anchorScript(tree.root())], new Uint8Array(36).fill(5), 70);
  const others = Array.from({ length: 6 }, (_, i) => transaction([Uint8Array.of(0x51, i)], new Uint8Array(36).fill(i)));
  const transactions = [COINBASE, ...others.slice(0, 3), anchoring, ...others.slice(3)];
  let level = transactions.map(twice);
  while (level.length > 1)
    level = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) =>
      twice(concat(level[2 * i] as Uint8Array, (level[2 * i + 1] ?? level[2 * i]) as Uint8Array)),
    );
  const block = chain.child(parent, (draft) => {
    draft.merkleRoot = level[0] as Uint8Array;
  });
  const raw = { header: block.raw, hash: block.hash, transactions };
  const anchor: BitcoinAnchor = {
    ...{ header: block.raw, position: 4, transaction: anchoring, siblings: concat(...branchOf(raw, 4)) },
    ...{ coinbase: COINBASE, coinbaseSiblings: concat(...branchOf(raw, 0)) },
  };
  const item = { record: signed(MOTE, payload), receipt, evidence: encodeBitcoinAnchor(anchor) };
  return { item, anchor, headers: [...before.slice(0, parent.number), block, ...chain.grow(block, 6)] };
}

function encoded(item: AnchoredItem): Uint8Array {
  const bytes = encodeAnchored(item);
  if (bytes instanceof Rejection) throw new Error(bytes.toString());
  return bytes;
}

async function* batchesOf(raws: readonly Uint8Array[], size = 5): AsyncGenerator<Uint8Array[]> {
  for (let at = 0; at < raws.length; at += size) yield raws.slice(at, at + size);
}

/** What `chainmote verify --receipt` finds. */
async function verdict(
  bytes: Uint8Array,
  headers?: readonly Block[],
  consensus: Consensus = openChainOf(chain, rules, engine),
): Promise<Anchored | Rejection> {
  const item = decodeAnchored(bytes);
  if (item instanceof Rejection) return item;
  const trust = await anchorTrust(item, {
    ...{ engine, consensus, contract: NO_CONTRACT, nowS: () => 2_000_000_000 },
    ...(headers === undefined ? {} : { headers: batchesOf(headers.map(({ raw }) => raw)) }),
  });
  return trust instanceof Rejection ? trust : verifyAnchored(engine, bytes, trust);
}

const honest = make();

test("it says who, what, not before and not after, from a checkpoint and headers alone", async () => {
  const bytes = encoded(honest.item);
  assert.equal(decodeAnchored(bytes), honest.item);
  for (const size of [honest.headers, [chain.genesis, ...honest.headers]]) {
    const found = await verdict(bytes, size);
    if (found instanceof Rejection) throw new Error(found.toString());
    assert.equal([found.mote, found.collector], [MOTE.address, COLLECTOR.address]);
    assert.equal([found.record.seq, found.record.head?.number, found.headShown], [7, HEAD.number, true]);
    const { timeS } = honest.headers[ANCHORED_IN - 1] as Block;
    assert.equal([found.anchoredIn, found.anchoredS, found.provenAt], [ANCHORED_IN, timeS, ANCHORED_IN]);
  }
});

test("a block that the record names and that is not of the chain is the mote's word, and no more", async () => {
  const foreign = chain.child(HEAD.parent as Block);
  assert.is(foreign.number, HEAD.number);
  for (const head of [foreign, { ...HEAD, hash: twice(HEAD.hash) }]) {
    const made = make(recordOf(head));
    const found = await verdict(encoded(made.item), made.headers);
    assert.is(found instanceof Rejection ? found.toString() : found.headShown, false);
  }
});

test("named lies: each is refused by its name", async () => {
  const { item, anchor, headers } = honest;
  const other = make(recordOf(HEAD, { seq: 8 }));
  const bent = (change: Partial<BitcoinAnchor>): BlockItem => ({
    ...item,
    evidence: encodeBitcoinAnchor({ ...anchor, ...change }),
  });
  const orphan = make(undefined, before[ANCHORED_IN - 3]);
  const easy = anchor.header.slice();
  easy.set([1, 2, 3], 76); // another nonce: no work, and another hash
  const siblings = concat(anchor.siblings, new Uint8Array(32));
  const inner = concat(twice(COINBASE), twice(anchor.transaction)).slice(0, 64);
  const lies: readonly (readonly [string, BlockItem, string, (readonly Block[])?])[] = [
    ["another record under the receipt", { ...item, record: other.item.record }, "signature-invalid"],
    ["another record's receipt", { ...item, receipt: other.item.receipt }, "signature-invalid"],
    ["a receipt of a root that the block has not", { ...other.item, evidence: item.evidence }, "anchor-uncommitted"],
    ["the evidence of another root", { ...item, evidence: other.item.evidence }, "anchor-uncommitted", other.headers],
    ["the record's signature changed", { ...item, record: flipped(item.record, -1) }, "signature-invalid"],
    ["the receipt's signature changed", { ...item, receipt: flipped(item.receipt, -1) }, "signature-invalid"],
    ["a receipt in the record's place", { ...item, record: item.receipt }, "cose-header"],
    ["a record in the receipt's place", { ...item, receipt: item.record }, "anchor-header"],
    ["a header without work", bent({ header: easy }), "anchored-header"],
    ["a header of another block of the chain", bent({ header: (before[5] as Block).raw }), "proof-root-wrong"],
    ["another position", bent({ position: 5 }), "proof-root-wrong"],
    ["a position beyond the tree", bent({ position: 12 }), "proof-position-wrong"],
    ["a branch that is a level deeper", bent({ siblings }), "proof-depth-wrong"],
    ["both branches a level deeper", bent({ siblings, coinbaseSiblings: siblings }), "proof-root-wrong"],
    ["the coinbase's branch of another place", bent({ coinbaseSiblings: anchor.siblings }), "proof-root-wrong"],
    ["a coinbase that is none", bent({ coinbase: anchor.transaction }), "coinbase-malformed"],
    ["an inner node for a transaction", bent({ transaction: inner }), "anchor-uncommitted"],
    [
      "a transaction with the root that is not in the block",
      bent({ transaction: flipped(anchor.transaction, 5) }),
      "proof-root-wrong",
    ],
    ["no evidence", { ...item, evidence: new Uint8Array(0) }, "anchor-malformed"],
    ["evidence with something behind it", { ...item, evidence: concat(item.evidence, Uint8Array.of(0)) }, "anchor-malformed"],
    ["a block of a branch that the headers do not take", orphan.item, "anchored-header"],
    ["headers that end at its block", item, "anchored-unsettled", headers.slice(0, ANCHORED_IN)],
    ["one header too few to settle it", item, "anchored-unsettled", headers.slice(0, -1)],
    ["headers that end before its block", item, "anchored-header", headers.slice(0, ANCHORED_IN - 1)],
    ["a header that is left out", item, "parent-wrong", headers.filter((_, i) => i !== 2)],
    ["headers that begin elsewhere", item, "parent-wrong", headers.slice(1)],
    ["what settles it without work", item, "work-insufficient", [...headers.slice(0, -1), workless(headers.at(-1) as Block)]],
  ];
  for (const [what, lie, expected, over] of lies) {
    const bytes = encodeAnchored(lie);
    assert.is(bytes instanceof Rejection ? bytes.code : code(await verdict(bytes, over ?? headers)), expected, what);
  }
  assert.is(code(await verdict(encoded(item))), "anchored-header", "no headers");
});

test("an item of one kind of chain under the other's checkpoint is refused, whichever way round", async () => {
  const clique = new CliqueChain({ signers: accounts(1) });
  const { record, receipt } = honest.item;
  const state: AnchoredItem = { record, receipt, header: clique.genesis.raw, account: [], storage: [] };
  assert.is(code(await verdict(encoded(state), honest.headers)), "anchored-chain");
  assert.is(code(await verdict(encoded(honest.item), honest.headers, openGenerated(clique, engine))), "anchored-chain");
});

test("on Clique, too, a header counts once more than half of the signers have built on it", async () => {
  const clique = new CliqueChain({ signers: accounts(5) });
  const consensus = openGenerated(clique, engine);
  const blocks = clique.grow(clique.genesis, 8);
  const { record, receipt } = honest.item;
  const item: AnchoredItem = { record, receipt, header: (blocks[3] as { raw: Uint8Array }).raw, account: [], storage: [] };
  const trust = (count: number) =>
    anchorTrust(item, {
      ...{ engine, consensus, contract: NO_CONTRACT, nowS: () => 2_000_000_000 },
      headers: batchesOf(blocks.slice(0, count).map(({ raw }) => raw)),
    });
  assert.equal(
    [code(await trust(3)), code(await trust(4)), code(await trust(5))],
    ["anchored-header", "anchored-unsettled", "anchored-unsettled"],
  );
  assert.is(code(await trust(8)), "taken");
});

test("hostile bytes: whatever is taken says what the honest item says", async () => {
  const bytes = encoded(honest.item);
  const truth = (await verdict(bytes, honest.headers)) as Anchored;
  const change = fc.oneof(
    fc.record({ kind: fc.constant("flip" as const), at: fc.nat(bytes.length - 1), by: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ kind: fc.constant("cut" as const), at: fc.nat(bytes.length - 1), by: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant("insert" as const), at: fc.nat(bytes.length), by: fc.nat(255) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
      let changed: Uint8Array = bytes;
      for (const { kind, at, by } of changes) {
        const where = Math.min(at, changed.length);
        if (kind === "flip" && where < changed.length) changed = flipped(changed, where, by);
        if (kind === "cut") changed = concat(changed.subarray(0, where), changed.subarray(where + by));
        if (kind === "insert") changed = concat(changed.subarray(0, where), Uint8Array.of(by), changed.subarray(where));
      }
      const found = await verdict(changed, honest.headers);
      if (!(found instanceof Rejection)) assert.equal({ ...found, collector: truth.collector }, truth);
    }),
    { numRuns: 300, seed: seedOr() },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      const found = decodeAnchored(noise);
      assert.ok(found instanceof Rejection || encodeAnchored(found) instanceof Uint8Array);
    }),
    { seed: seedOr() },
  );
});

test("it fits: any record where the transaction is a typical one, and a typical record where it is the longest", () => {
  const kid = COLLECTOR.address;
  const path = new Array(ANCHOR_PATH_MAX).fill(new Uint8Array(32));
  const receipt = encodeAnchorReceipt({ kid, size: 2 ** ANCHOR_PATH_MAX, index: 0, path, signature: new Uint8Array(64).fill(1) });
  const siblings = new Uint8Array(DEPTH_MAX * 32);
  const shown = { header: new Uint8Array(80), position: 2 ** DEPTH_MAX - 1, siblings, coinbaseSiblings: siblings };
  const fits = (recordBytes: number, transactionBytes: number, coinbaseBytes: number): unknown => {
    const parts = { transaction: new Uint8Array(transactionBytes), coinbase: new Uint8Array(coinbaseBytes) };
    const evidence = encodeBitcoinAnchor({ ...shown, ...parts });
    return code(encodeAnchored({ record: new Uint8Array(recordBytes), receipt, evidence }));
  };
  // As docs/ledger.md says, of the largest tree and the largest block.
  assert.is(fits(SIGN1_BYTES_MAX, 300, 300), "taken");
  assert.is(fits(400, ANCHOR_TRANSACTION_BYTES_MAX, ANCHOR_COINBASE_BYTES_MAX), "taken");
  assert.is(fits(SIGN1_BYTES_MAX, ANCHOR_TRANSACTION_BYTES_MAX, ANCHOR_COINBASE_BYTES_MAX), "anchored-too-long");
});

function flipped(bytes: Uint8Array, at: number, by = 1): Uint8Array {
  const changed = bytes.slice();
  const where = at < 0 ? changed.length + at : at;
  changed[where] = (changed[where] as number) ^ by;
  return changed;
}

function workless(block: Block): Block {
  const raw = block.raw.slice();
  raw.set([0xff, 0xff, 0x00, 0x1d], 72);
  return { ...block, raw };
}

test.run();
