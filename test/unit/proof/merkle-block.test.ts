// Inclusion proofs of Bitcoin: random blocks, every single bit of a proof, and the attacks that are known.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import {
  DEPTH_MAX,
  type MerkleBlock,
  proveTransaction,
  proveTransactions,
  readMerkleBlock,
  rootOfBranch,
  TRANSACTIONS_MAX,
} from "../../../firmware/proof/merkle-block.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { branchOf, merkleLevels, merkleRootOf, partialTree, sha256d, txidOf } from "../../conformance/bitcoin-blocks.js";

/** One input that spends nothing, one output, whose value tells blocks apart. */
function coinbase(value: number): Uint8Array {
  const raw = Buffer.alloc(4 + 1 + 36 + 1 + 5 + 4 + 1 + 8 + 1 + 1 + 4);
  raw.writeUInt32LE(1, 0);
  raw[4] = 1;
  raw.fill(0xff, 37, 41);
  raw[41] = 5;
  raw.writeUInt32LE(value, raw.length - 14);
  return new Uint8Array(raw);
}

function transaction(seed: number, length = 70 + (seed % 50)): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 13 + (seed >> 8)) & 255);
}

interface Made {
  readonly raws: readonly Uint8Array[];
  readonly txids: readonly Uint8Array[];
  readonly header: Uint8Array;
  readonly root: Uint8Array;
  readonly hash: Uint8Array;
}

function block(raws: readonly Uint8Array[]): Made {
  const txids = raws.map(txidOf);
  const root = merkleRootOf(txids);
  const header = new Uint8Array(80);
  header.set(root, 36);
  return { raws, txids, header, root, hash: sha256d(header) };
}

function blockOf(count: number): Made {
  return block([coinbase(count), ...Array.from({ length: count - 1 }, (_, i) => transaction(i))]);
}

function codeOf(value: unknown): string {
  return value instanceof Rejection ? value.code : "accepted";
}

test("any transactions of any block are proved by branches and by a partial tree, on either engine", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 70 }),
      fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 5 }),
      (count, picks) => {
        const made = blockOf(count);
        const levels = merkleLevels(made.txids);
        const first = { raw: made.raws[0] as Uint8Array, branch: branchOf(levels, 0) };
        const positions = [...new Set([0, ...picks.map((pick) => pick % count)])].sort((a, b) => a - b);
        for (const engine of [nobleEngine, fastEngine]) {
          for (const position of positions) {
            const one = { raw: made.raws[position] as Uint8Array, branch: branchOf(levels, position) };
            assert.equal(proveTransaction(engine, made.root, one, first), made.txids[position]);
          }
          const proof = partialTree(made.header, made.txids, positions);
          const raws = positions.map((position) => made.raws[position] as Uint8Array);
          const read = proveTransactions(engine, made.hash, proof, raws) as MerkleBlock;
          assert.equal(
            read.matches.map(({ position }) => position),
            positions,
          );
          assert.is(read.depth, levels.length - 1);
          assert.is(read.transactions, count);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("every single bit of a proof: it is refused, or shows another block or a size that the coinbase refutes", () => {
  const made = blockOf(11);
  const proof = partialTree(made.header, made.txids, [0, 6]);
  const raws = [made.raws[0] as Uint8Array, made.raws[6] as Uint8Array];
  assert.is(codeOf(proveTransactions(fastEngine, made.hash, proof, raws)), "accepted");
  for (let bit = 0; bit < proof.length * 8; bit += 1) {
    const turned = proof.slice();
    turned[bit >> 3] = (turned[bit >> 3] as number) ^ (1 << (bit & 7));
    const outcome = proveTransactions(fastEngine, made.hash, turned, raws);
    // The number of transactions is not hashed: another one that gives the same tree is the same proof.
    const sameTree = bit >= 640 && bit < 672 && !(outcome instanceof Rejection) && outcome.depth === 4;
    if (!sameTree) assert.instance(outcome, Rejection, `bit ${bit}`);
  }
});

test("cut off, or with anything added, a proof is refused", () => {
  const made = blockOf(9);
  const proof = partialTree(made.header, made.txids, [3]);
  for (let length = 0; length < proof.length; length += 1)
    assert.instance(readMerkleBlock(fastEngine, proof.subarray(0, length)), Rejection, `${length} bytes`);
  assert.is(codeOf(readMerkleBlock(fastEngine, new Uint8Array([...proof, 0]))), "proof-malformed");
});

test("sizes that no block has are refused before anything is hashed", () => {
  let hashes = 0;
  const sha256 = (...parts: Uint8Array[]): Uint8Array => {
    hashes += 1;
    return fastEngine.sha256(...parts);
  };
  const counting = { ...fastEngine, sha256 };
  const proof = (transactions: number, rest: readonly number[]) => {
    const bytes = Buffer.alloc(84 + rest.length);
    bytes.writeUInt32LE(transactions, 80);
    bytes.set(rest, 84);
    return new Uint8Array(bytes);
  };
  for (const [transactions, rest] of [
    [0, [0, 0]],
    [TRANSACTIONS_MAX + 1, [0, 0]],
    [0xffffffff, [0, 0]],
    [1, [2]],
    [1, [0xfd, 1, 0]],
    [1, [0xfe, 1, 0, 0, 0]],
    [1, [0xff, 1, 0, 0, 0, 0, 0, 0, 0]],
    [4, [4, ...Array<number>(128).fill(1), 0]],
  ] as const)
    assert.is(codeOf(readMerkleBlock(counting, proof(transactions, rest))), "proof-malformed", `${transactions}`);
  assert.is(hashes, 0);
});

test("CVE-2012-2459: a tree whose last transactions are there twice has the same root, and is refused", () => {
  const made = blockOf(6);
  // Levels of 6, 3, 2, 1: the third pair counts twice, so a block of eight with that pair repeated has the same root.
  const doubled = [...made.txids, made.txids[4] as Uint8Array, made.txids[5] as Uint8Array];
  assert.equal(merkleRootOf(doubled), made.root);
  assert.is(codeOf(readMerkleBlock(fastEngine, partialTree(made.header, doubled, [6]))), "proof-duplicate");
  assert.is(codeOf(readMerkleBlock(fastEngine, partialTree(made.header, made.txids, [4]))), "accepted");
  const branch = branchOf(merkleLevels(doubled), 6);
  assert.is(codeOf(rootOfBranch(fastEngine, made.txids[4] as Uint8Array, branch)), "proof-duplicate");
  assert.is(codeOf(rootOfBranch(fastEngine, made.txids[4] as Uint8Array, { ...branch, position: 4 })), "accepted");
});

test("a transaction of 64 bytes is refused: it could be an inner node, and an inner node could pass for it", () => {
  const plain = blockOf(8);
  const levels = merkleLevels(plain.txids);
  // An inner node as a transaction: its two children are its 64 bytes, its branch is the upper part of theirs.
  const inner = Buffer.concat([plain.txids[2] as Uint8Array, plain.txids[3] as Uint8Array]);
  const upper = branchOf(levels, 2).siblings.slice(1);
  const first = { raw: plain.raws[0] as Uint8Array, branch: branchOf(levels, 0) };
  const forged = { raw: new Uint8Array(inner), branch: { position: 1, siblings: upper } };
  assert.equal(rootOfBranch(fastEngine, sha256d(inner), forged.branch), plain.root, "it does lead to the root");
  assert.is(codeOf(proveTransaction(fastEngine, plain.root, forged, first)), "transaction-64-bytes");
});

test("a tree deeper than the block's, out of a transaction of 64 bytes that pretends to be two hashes, is refused by depth", () => {
  // The miner puts the hash of a payment that never was into one of its transactions, which has 64 bytes.
  const payment = transaction(99);
  const carrier = new Uint8Array(64);
  carrier.set(sha256d(payment), 0);
  carrier.set(transaction(5, 32), 32);
  const made = block([coinbase(1), transaction(1), carrier, transaction(3)]);
  const levels = merkleLevels(made.txids);
  const branch = { position: 4, siblings: [carrier.slice(32), ...branchOf(levels, 2).siblings] };
  assert.equal(rootOfBranch(fastEngine, sha256d(payment), branch), made.root, "it does lead to the root");
  const first = { raw: made.raws[0] as Uint8Array, branch: branchOf(levels, 0) };
  assert.is(codeOf(proveTransaction(fastEngine, made.root, { raw: payment, branch }, first)), "proof-depth-wrong");
  // The coinbase cannot be moved down as well: nobody knows two hashes that begin with it.
  const lower = { raw: first.raw, branch: { position: 0, siblings: [made.txids[0] as Uint8Array, ...first.branch.siblings] } };
  assert.is(codeOf(proveTransaction(fastEngine, made.root, { raw: payment, branch }, lower)), "proof-root-wrong");
  // As a partial tree of eight, which has the same root.
  const leaves = made.txids.flatMap((txid, i) => (i === 2 ? [sha256d(payment), carrier.slice(32)] : [txid, txid]));
  const pretended = partialTree(made.header, leaves, [4]);
  assert.is(codeOf(proveTransactions(fastEngine, made.hash, pretended, [payment])), "proof-root-wrong");
});

test("positions outside the tree, siblings of a wrong length, and branches that are too long are refused", () => {
  const made = blockOf(4);
  const levels = merkleLevels(made.txids);
  const branch = branchOf(levels, 1);
  const txid = made.txids[1] as Uint8Array;
  for (const position of [-1, 4, 5, 2 ** 31, Number.NaN])
    assert.is.not(codeOf(rootOfBranch(fastEngine, txid, { ...branch, position })), "accepted", `${position}`);
  const short = [branch.siblings[0] as Uint8Array, new Uint8Array(31)];
  assert.is(codeOf(rootOfBranch(fastEngine, txid, { position: 1, siblings: short })), "proof-malformed");
  const long = Array<Uint8Array>(DEPTH_MAX + 1).fill(txid);
  assert.is(codeOf(rootOfBranch(fastEngine, txid, { position: 0, siblings: long })), "proof-malformed");
});

test("what stands at position 0 has to be a coinbase, and the transactions those that are matched", () => {
  const made = blockOf(5);
  const levels = merkleLevels(made.txids);
  const at = (position: number) => ({ raw: made.raws[position] as Uint8Array, branch: branchOf(levels, position) });
  assert.is(codeOf(proveTransaction(fastEngine, made.root, at(2), at(0))), "accepted");
  assert.is(codeOf(proveTransaction(fastEngine, made.root, at(2), at(1))), "coinbase-malformed");
  assert.is(
    codeOf(proveTransaction(fastEngine, made.root, at(2), { ...at(0), branch: branchOf(levels, 1) })),
    "proof-position-wrong",
  );
  assert.is(
    codeOf(proveTransaction(fastEngine, made.root, { ...at(2), branch: branchOf(levels, 1) }, at(0))),
    "proof-root-wrong",
  );
  assert.is(codeOf(proveTransaction(fastEngine, new Uint8Array(32), at(2), at(0))), "proof-root-wrong");
  const segwit = new Uint8Array([...(made.raws[0] as Uint8Array).slice(0, 4), 0, 1, ...(made.raws[0] as Uint8Array).slice(4)]);
  assert.is(codeOf(proveTransaction(fastEngine, made.root, at(2), { ...at(0), raw: segwit })), "coinbase-malformed");
  const proof = partialTree(made.header, made.txids, [0, 2]);
  const prove = (raws: readonly number[], hash = made.hash) =>
    codeOf(
      proveTransactions(
        fastEngine,
        hash,
        proof,
        raws.map((i) => made.raws[i] as Uint8Array),
      ),
    );
  assert.is(prove([0, 2]), "accepted");
  assert.is(prove([0, 3]), "proof-position-wrong");
  assert.is(prove([0]), "proof-position-wrong");
  assert.is(prove([0, 2, 3]), "proof-position-wrong");
  assert.is(prove([0, 2], made.root), "proof-root-wrong");
  const without = partialTree(made.header, made.txids, [2]);
  assert.is(codeOf(proveTransactions(fastEngine, made.hash, without, [made.raws[2] as Uint8Array])), "proof-position-wrong");
});

test.run();
