// Anchors in blocks of Bitcoin: what a mote believes, and lies that show nothing. Blocks are made here, by their format; bitcoinjs-lib reads them.

import { Transaction } from "bitcoinjs-lib";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, toHex } from "../../../firmware/bytes.js";
import { EVIDENCE_BYTES_MAX } from "../../../firmware/ledger/anchor-wire.js";
import {
  anchorScript,
  BITCOIN_ANCHOR_BYTES_MAX,
  type BitcoinAnchor,
  decodeBitcoinAnchor,
  encodeBitcoinAnchor,
  verifyBitcoinAnchor,
} from "../../../firmware/ledger/bitcoin-anchor.js";
import { Rejection } from "../../../firmware/rejection.js";
import { branchOf, readBlock } from "../../../tools/bitcoin/raw-block.js";
import { fastEngine as engine } from "../../../tools/crypto/engine-fast.js";
import { seedOr } from "../../seed.js";

const root = engine.sha256(Uint8Array.of(7));
const twice = (bytes: Uint8Array): Uint8Array => engine.sha256(engine.sha256(bytes));

/** One input and these output scripts; `signature` bytes in the input. */
function transaction(scripts: readonly Uint8Array[], signature = 0, spends: Uint8Array = new Uint8Array(36).fill(5)): Uint8Array {
  const outputs = scripts.map((script) => concat(new Uint8Array(8), Uint8Array.of(script.length), script));
  const input = concat(spends, Uint8Array.of(signature), new Uint8Array(signature).fill(0x51), new Uint8Array(4));
  return concat(Uint8Array.of(1, 0, 0, 0, 1), input, Uint8Array.of(outputs.length), ...outputs, new Uint8Array(4));
}
const NOTHING = concat(new Uint8Array(32), new Uint8Array(4).fill(0xff));
const coinbaseOf = (mark: number): Uint8Array => transaction([Uint8Array.of(0x51, mark, mark)], 8, NOTHING);

/** The anchor in a block of `count` transactions, at `position`. */
function anchorIn(
  count: number,
  position: number,
  anchoring = transaction([Uint8Array.of(0x51), anchorScript(root)]),
): BitcoinAnchor {
  const transactions = [coinbaseOf(1)];
  for (let i = 1; i < count; i += 1)
    transactions.push(i === position ? anchoring : transaction([Uint8Array.of(0x51, i & 0xff)], i >> 8));
  let level = transactions.map(twice);
  for (; level.length > 1; ) {
    const below = level;
    level = [];
    for (let i = 0; i < below.length; i += 2)
      level.push(twice(concat(below[i] as Uint8Array, (below[i + 1] ?? below[i]) as Uint8Array)));
  }
  const header = new Uint8Array(80);
  header.set(level[0] as Uint8Array, 36);
  header[68] = 99;
  const block = { header, hash: twice(header), transactions };
  return {
    ...{ header: block.header, position, transaction: anchoring, siblings: concat(...branchOf(block, position)) },
    ...{ coinbase: transactions[0] as Uint8Array, coinbaseSiblings: concat(...branchOf(block, 0)) },
  };
}
const codeOf = (result: unknown): string => (result instanceof Rejection ? result.code : "holds");

test("an anchor is shown wherever it is in a block, and survives the wire", () => {
  for (const [count, position] of [
    [2, 1],
    [3, 2],
    [7, 4],
    [300, 299],
  ] as const) {
    const anchor = anchorIn(count, position);
    const read = decodeBitcoinAnchor(encodeBitcoinAnchor(anchor));
    assert.equal(read, anchor);
    assert.equal(verifyBitcoinAnchor(engine, read as BitcoinAnchor, root), { hash: twice(anchor.header), timeS: 99 });
  }
});

test("a whole block is read as it was written, and one whose transactions are not its header's is not", () => {
  const { header, transaction: anchoring, coinbase } = anchorIn(2, 1);
  const raw = concat(header, Uint8Array.of(2), coinbase, anchoring);
  assert.equal(readBlock(raw), { header, hash: twice(header), transactions: [coinbase, anchoring] });
  for (const wrong of [concat(raw, Uint8Array.of(0)), raw.slice(0, -1), concat(header, Uint8Array.of(2), anchoring, coinbase)])
    assert.throws(
      () => readBlock(wrong),
      (error: unknown) => codeOf(error) === "block-malformed",
    );
});

test("bitcoinjs-lib finds the script in the same transaction", () => {
  const { outs } = Transaction.fromBuffer(Buffer.from(transaction([Uint8Array.of(0x51), anchorScript(root)])));
  assert.is(toHex(Uint8Array.from(outs[1]?.script ?? [])), `6a2a${Buffer.from("chainmote1").toString("hex")}${toHex(root)}`);
});

test("a root that is not in an output of its own is not anchored", () => {
  const script = anchorScript(root);
  const elsewhere: [string, Uint8Array][] = [
    ["another root", transaction([anchorScript(twice(root))])],
    ["another prefix", transaction([concat(script.slice(0, 11), Uint8Array.of(0x32), root)])],
    ["a longer script", transaction([concat(script, Uint8Array.of(0))])],
    ["within another script", transaction([concat(Uint8Array.of(0x51), script)])],
    ["no outputs", transaction([])],
    ["cut short", transaction([script]).slice(0, -10)],
    ["counts beyond its end", concat(Uint8Array.of(1, 0, 0, 0, 0xff), transaction([script]))],
  ];
  // In the input's script.
  const input = concat(new Uint8Array(36), Uint8Array.of(44), script, new Uint8Array(4));
  elsewhere.push(["in an input", concat(Uint8Array.of(1, 0, 0, 0, 1), input, Uint8Array.of(0), new Uint8Array(4))]);
  for (const [what, raw] of elsewhere)
    assert.is(codeOf(verifyBitcoinAnchor(engine, anchorIn(5, 3, raw), root)), "anchor-uncommitted", what);
});

test("lies about the block show nothing", () => {
  const anchor = anchorIn(7, 4);
  const other = anchorIn(8, 4);
  const hash = new Uint8Array(32);
  const lies: [string, Partial<BitcoinAnchor>, string][] = [
    ["another position", { position: 5 }, "proof-root-wrong"],
    ["a position beyond the tree", { position: 12 }, "proof-position-wrong"],
    ["the branch of another block", { siblings: other.siblings }, "proof-root-wrong"],
    ["the header of another block", { header: other.header }, "proof-root-wrong"],
    ["a branch that is a level deeper", { siblings: concat(anchor.siblings, hash) }, "proof-depth-wrong"],
    ["a branch that is a level shorter", { siblings: anchor.siblings.slice(32) }, "proof-depth-wrong"],
    ["no branches", { siblings: new Uint8Array(0), coinbaseSiblings: new Uint8Array(0), position: 0 }, "proof-root-wrong"],
    ["another coinbase", { coinbase: coinbaseOf(2) }, "proof-root-wrong"],
    ["a coinbase that spends", { coinbase: transaction([Uint8Array.of(0x51)]) }, "coinbase-malformed"],
    ["the anchor as coinbase", { coinbase: anchor.transaction }, "coinbase-malformed"],
    ["another's coinbase branch", { coinbaseSiblings: other.coinbaseSiblings }, "proof-root-wrong"],
  ];
  for (const [what, lie, code] of lies) assert.is(codeOf(verifyBitcoinAnchor(engine, { ...anchor, ...lie }, root)), code, what);
});

test("an inner node that is passed off as a transaction, or a transaction as an inner node, is refused", () => {
  // Of 64 bytes, so that its own halves could be two ids (CVE-2017-12842): a level below the real leaves stands whatever its halves say.
  const real = anchorIn(4, 2);
  const pair = concat(twice(real.coinbase), real.siblings.slice(0, 32));
  const asLeaf = { ...real, transaction: pair, siblings: real.siblings.slice(32), position: 0 };
  assert.is(codeOf(verifyBitcoinAnchor(engine, asLeaf, root)), "anchor-uncommitted");
  // A forged leaf below a real transaction of 64 bytes, whose second half is the id of a transaction that no block has.
  const forged = transaction([anchorScript(root)]);
  const filler = twice(Uint8Array.of(1));
  const crafted = concat(filler, twice(forged));
  const block = anchorIn(4, 2, crafted);
  const deeper = { ...block, transaction: forged, position: 5, siblings: concat(filler, block.siblings) };
  assert.is(codeOf(verifyBitcoinAnchor(engine, deeper, root)), "proof-depth-wrong");
  // The coinbase's own branch cannot be made longer with it.
  const stretched = { ...deeper, coinbaseSiblings: concat(filler, block.coinbaseSiblings) };
  assert.is(codeOf(verifyBitcoinAnchor(engine, stretched, root)), "proof-root-wrong");
});

test("a right child that equals its left one is refused", () => {
  const doubled = anchorIn(3, 2);
  const asSecond = { ...doubled, position: 3 };
  assert.is(codeOf(verifyBitcoinAnchor(engine, asSecond, root)), "proof-duplicate");
});

test("whatever arrives is an anchor or a rejection, and one with a changed byte shows nothing or the same", () => {
  const bytes = encodeBitcoinAnchor(anchorIn(7, 4));
  const hash = toHex(twice(anchorIn(7, 4).header));
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = bytes.slice();
      changed[at] = (changed[at] as number) ^ flip;
      const anchor = decodeBitcoinAnchor(changed);
      const shown = anchor instanceof Rejection ? anchor : verifyBitcoinAnchor(engine, anchor, root);
      // Fields of the header beside the root are not in the branch: it is the header of no block, by its hash.
      assert.ok(shown instanceof Rejection || toHex(shown.hash) !== hash);
    }),
    { numRuns: 2000, seed: seedOr(1) },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      const anchor = decodeBitcoinAnchor(noise);
      if (!(anchor instanceof Rejection)) verifyBitcoinAnchor(engine, anchor, root);
    }),
    { numRuns: 1000, seed: seedOr(2) },
  );
  for (let end = 0; end < bytes.length; end += 1) assert.is(codeOf(decodeBitcoinAnchor(bytes.slice(0, end))), "anchor-malformed");
  assert.is(codeOf(decodeBitcoinAnchor(concat(bytes, Uint8Array.of(0)))), "anchor-malformed");
  assert.is(codeOf(decodeBitcoinAnchor(new Uint8Array(BITCOIN_ANCHOR_BYTES_MAX + 1))), "anchor-malformed");
});

test("each length is bounded", () => {
  assert.is(EVIDENCE_BYTES_MAX, BITCOIN_ANCHOR_BYTES_MAX);
  const anchor = anchorIn(7, 4);
  const long: Partial<BitcoinAnchor>[] = [
    { transaction: new Uint8Array(513) },
    { coinbase: new Uint8Array(1025) },
    { siblings: new Uint8Array(16 * 32) },
    { coinbaseSiblings: new Uint8Array(33) },
    { header: new Uint8Array(81) },
  ];
  for (const lie of long) assert.is(codeOf(decodeBitcoinAnchor(encodeBitcoinAnchor({ ...anchor, ...lie }))), "anchor-malformed");
  // The longest of everything at once is as long as is read; a byte more is not looked at.
  const { header } = anchor;
  const longest = { header, position: 65_535, transaction: new Uint8Array(512), coinbase: new Uint8Array(1024) };
  const branches = { siblings: new Uint8Array(15 * 32), coinbaseSiblings: new Uint8Array(15 * 32) };
  const whole = encodeBitcoinAnchor({ ...longest, ...branches });
  assert.is(whole.length, BITCOIN_ANCHOR_BYTES_MAX);
  assert.not.instance(decodeBitcoinAnchor(whole), Rejection);
  const padded = new Uint8Array(BITCOIN_ANCHOR_BYTES_MAX + 1);
  padded.set(whole);
  assert.is(
    (decodeBitcoinAnchor(padded) as Rejection).detail,
    `${BITCOIN_ANCHOR_BYTES_MAX + 1} bytes; at most ${BITCOIN_ANCHOR_BYTES_MAX} are read`,
  );
});

test.run();
