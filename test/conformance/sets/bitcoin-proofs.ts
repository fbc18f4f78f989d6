// bitcoin/proofs and bitcoin/blocks: inclusion proofs of other programs and of our own making, relays' header chains, and the
// functions of summa's library that the firmware has.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { proveTransaction, proveTransactions, readMerkleBlock } from "../../../firmware/proof/merkle-block.js";
import { Rejection } from "../../../firmware/rejection.js";
import { decoded, engine, headersOf, rulesOf, shown, unhex } from "../bitcoin-anchor.js";
import {
  branchOf,
  merkleLevels,
  merkleRootOf,
  partialTree,
  type RawBlock,
  readBlock,
  readTransactions,
  txidOf,
} from "../bitcoin-blocks.js";
import { checkRelay, checkSpvProofs, checkSummaFunctions } from "../bitcoin-summa.js";
import { type ConformanceSet, type Outcome, skip, type VectorFile } from "../set.js";
import { matching } from "../tally.js";

const TXOUT = "bitcoin/proofs/txoutproof/case-*/*.bin";
const BCOIN = "bitcoin/proofs/bcoin_merkle*.raw";
const PAIRS = "bitcoin/proofs/*_merkle_block.hex";
const RELAYS = "bitcoin/proofs/summa_relay_*.json";
const FUNCTIONS = "bitcoin/proofs/summa_testVectors.json";
const SPV = "bitcoin/proofs/summa_testProofs.json";
const BLOCKS = "bitcoin/blocks/*.raw";
const PACKED = "bitcoin/blocks/*.dat.bz2";
/** Transactions of one block that proofs of our own are made for. */
const OWN_PROOFS_MAX = 40;
/** Where a header names its parent. */
const PARENT_AT = 4;
const UNPACKED_BYTES_MAX = 64 * 1024 * 1024;

export const set: ConformanceSet = {
  name: "bitcoin/proofs",
  beside: ["bitcoin/proofs/*_block_*.hex"],
  paths: [TXOUT, BCOIN, PAIRS, RELAYS, FUNCTIONS, SPV, BLOCKS, PACKED],
  async run(report, root) {
    await report.each(TXOUT, (file) => file.check("proof", () => checkTxOutProof(file)));
    await report.each(BCOIN, (file) => file.check("proof", () => checkBcoin(file, root)));
    await report.each(PAIRS, (file) => file.check("proof", () => checkPair(file, root)));
    await report.each(RELAYS, checkRelay);
    await report.each(FUNCTIONS, checkSummaFunctions);
    await report.each(SPV, checkSpvProofs);
    await report.each(BLOCKS, (file) => file.check("block", () => checkBlock(readBlock(file.bytes()))));
    await report.each(PACKED, (file) => checkPacked(file, root));
  },
};

/** The file's name is its height and the positions of the transactions. */
function checkTxOutProof(file: VectorFile): Outcome {
  const block = readMerkleBlock(engine, file.bytes());
  if (block instanceof Rejection) return String(block);
  const expected = file.name.replace(/^\d+-|\.bin$/g, "").replace(/_/g, ",");
  const found = block.matches.map(({ position }) => position).join();
  return found === expected ? undefined : `positions ${found}, not ${expected}`;
}

function checkBcoin(file: VectorFile, root: string): Outcome {
  const extended = /extended/.test(file.name);
  const bytes = file.bytes();
  // The extended file goes on after the proof, whose end only its own counts tell.
  const end = extended ? proofLength(bytes) : bytes.length;
  const block = readMerkleBlock(engine, bytes.subarray(0, end));
  if (block instanceof Rejection) return String(block);
  const path = join(root, `bitcoin/blocks/mainnet_${/\d+/.exec(file.name)?.[0]}.raw`);
  if (!existsSync(path)) return skip("the block is not in this folder");
  const { transactions, header } = readBlock(new Uint8Array(readFileSync(path)));
  if (shown(txidOf(header)) !== shown(block.blockHash)) return "another block";
  for (const { position, txid } of block.matches)
    if (shown(txidOf(transactions[position] as Uint8Array)) !== shown(txid)) return `position ${position} is another transaction`;
  if (!extended) return block.matches.length > 0 ? undefined : "no match";
  const found = readTransactions(bytes.subarray(end)).map((raw) => shown(txidOf(raw)));
  return found.join() === block.matches.map(({ txid }) => shown(txid)).join() ? undefined : "other transactions";
}

function proofLength(bytes: Uint8Array): number {
  const hashes = bytes[84] as number;
  return 85 + 32 * hashes + 1 + (bytes[85 + 32 * hashes] as number);
}

function checkPair(file: VectorFile, root: string): Outcome {
  const hex = (text: string): Uint8Array => unhex(text.replace(/\s/g, ""));
  const block = readMerkleBlock(engine, hex(file.text()));
  if (block instanceof Rejection) return String(block);
  const path = join(root, file.path.replace("_merkle_block.hex", `_block_${shown(block.blockHash)}.hex`));
  if (!existsSync(path)) return skip("the block is not in this folder");
  const { transactions } = readBlock(hex(readFileSync(path, "utf8")));
  const all = transactions.map((raw) => shown(txidOf(raw)));
  return block.matches.every(({ txid, position }) => all[position] === shown(txid)) ? undefined : "other transactions";
}

/** The root of the block's transactions, and proofs of our own for some of them. */
function checkBlock({ header, transactions }: RawBlock): Outcome {
  const txids = transactions.map(txidOf);
  const root = header.subarray(36, 68);
  if (shown(merkleRootOf(txids)) !== shown(root)) return "another Merkle root";
  const levels = merkleLevels(txids);
  const coinbase = { raw: transactions[0] as Uint8Array, branch: branchOf(levels, 0) };
  const step = Math.ceil(transactions.length / OWN_PROOFS_MAX);
  for (let at = 0; at < transactions.length; at += step) {
    const raw = transactions[at] as Uint8Array;
    const proved = proveTransaction(engine, root, { raw, branch: branchOf(levels, at) }, coinbase);
    if (proved instanceof Rejection) return `branch of ${at}: ${proved}`;
    const positions = at === 0 ? [0] : [0, at];
    const tree = partialTree(header, txids, positions);
    const all = positions.map((position) => transactions[position] as Uint8Array);
    const block = proveTransactions(engine, txidOf(header), tree, all);
    if (block instanceof Rejection) return `tree of ${at}: ${block}`;
    if (block.matches.map(({ position }) => position).join() !== positions.join()) return `tree of ${at}: other positions`;
  }
  return undefined;
}

function checkPacked(file: VectorFile, root: string): void {
  const bytes = execFileSync("bzip2", ["-dc", join(root, file.path)], { maxBuffer: UNPACKED_BYTES_MAX });
  const rules = rulesOf("main");
  const children = new Map<string, string>();
  for (const window of matching(root, "bitcoin/headers/mainnet_*.bin"))
    for (const raw of headersOf(new Uint8Array(readFileSync(join(root, window)))))
      children.set(shown(raw.subarray(PARENT_AT, PARENT_AT + 32)), shown(txidOf(raw)));
  for (let at = 0, height = 1; at < bytes.length; height += 1) {
    const length = bytes.readUInt32LE(at + 4);
    const raw = new Uint8Array(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
    file.check(height, () => {
      const block = readBlock(raw);
      const { hash, parentHash } = decoded(rules, block.header);
      const known = children.get(shown(parentHash));
      return known === undefined || known === shown(hash) ? checkBlock(block) : `its header is not the window's, ${known}`;
    });
  }
}
