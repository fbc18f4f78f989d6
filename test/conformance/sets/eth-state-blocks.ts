// eth-state, blocks: real headers, and what the roots in them are of: transactions, receipts and withdrawals, each proven from its root by
// the firmware's own verifier. Nodes of one program and another gave them, as bytes and as JSON.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { RLP } from "@ethereumjs/rlp";
import { indexKey, readReceipt } from "../../../firmware/proof/envelope.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { encodeReceipt } from "../../../tools/ethereum/receipts.js";
import { Trie } from "../../../tools/ethereum/trie.js";
import { lowerHex } from "../poa/lower-hex.js";
import { type ConformanceSet, type Outcome, skip, type VectorFile } from "../set.js";
import {
  besuChain,
  bloomOf,
  bytesOf,
  checkBody,
  checkFields,
  checkItems,
  checkProven,
  type Fields,
  headerOf,
  hexOf,
  itemsOf,
  sequenceOf,
} from "../state/blocks.js";
import { checkAnswer, type ProofAnswer } from "../state/proofs.js";

const HEADERS = "eth-state/mainnet_headers.json";
const RECEIPTS = "eth-state/receipts/*.json";
const CHAIN = "eth-state/execution-apis/tests/chain.rlp";
const CALLS = "eth-state/execution-apis/tests/*/*.io";
const BESU = "eth-state/besu-getProof/blockchain-import.bin";
const PORTAL = "eth-state/portal-block-data/*.yaml";
const HELIOS = "eth-state/helios/rpc_block.json";

export const set: ConformanceSet = {
  name: "eth-state/blocks",
  paths: [HEADERS, RECEIPTS, CHAIN, CALLS, BESU, PORTAL, HELIOS],
  beside: ["eth-state/execution-apis/tests/genesis.json", "eth-state/helios/*.json"],
  async run(report, root) {
    await report.each(HEADERS, checkHeaders);
    await report.each(RECEIPTS, (file) => {
      const { block, receipts } = lowerHex<{ block: Fields & { header_rlp: string }; receipts: unknown[] }>(file.json());
      file.check("header", () => checkFields(block, block.header_rlp));
      file.check("receipts", () => checkItems(bytesOf(block.receiptsRoot as string), receipts.map(encodeReceipt), "receipts"));
    });
    await report.each(CHAIN, checkChain);
    const chain = headersOfChain(join(root, CHAIN));
    await report.each(CALLS, (file) => {
      for (const [i, call] of callsOf(file.text()).entries()) file.check(i, () => checkCall(call, chain));
    });
    await report.each(BESU, checkBesu);
    await report.each(PORTAL, checkPortal);
    await report.each(HELIOS, (file) => checkHelios(file, join(root, "eth-state/helios")));
  },
};

function checkHeaders(file: VectorFile): void {
  const rows = lowerHex<(Fields & { number: string; hash: string; parentHash: string; header_rlp: string; context?: boolean })[]>(
    file.json(),
  );
  const hashes = new Map(rows.map(({ number, hash }) => [Number(number), hash]));
  for (const row of rows) {
    if (row.context === true) continue;
    file.check(row.number, () => {
      const parent = hashes.get(Number(row.number) - 1);
      if (parent !== undefined && parent !== row.parentHash) return `its parent is not ${parent}`;
      return checkFields(row, row.header_rlp);
    });
  }
}

function checkChain(file: VectorFile): void {
  let parent: { hash: string; number: number } | undefined;
  for (const [i, block] of sequenceOf(file.bytes()).entries()) {
    const [fields, ...body] = block as unknown[];
    file.check(i, () => {
      const header = headerOf(RLP.encode(fields as Uint8Array[]));
      if (typeof header === "string") return header;
      const before = parent;
      parent = { hash: hexOf(header.hash), number: header.number };
      if (before !== undefined && before.number + 1 === header.number && before.hash !== hexOf(header.parentHash))
        return "its parent is not the block before";
      return checkBody(header, body);
    });
  }
}

function checkBesu(file: VectorFile): void {
  let parent: { hash: string; number: number } | undefined;
  for (const [i, { rlp, body, receipts }] of besuChain(file.bytes()).blocks.entries())
    file.check(i, () => {
      const header = headerOf(rlp);
      if (typeof header === "string") return header;
      const before = parent;
      parent = { hash: hexOf(header.hash), number: header.number };
      if (before !== undefined && before.number + 1 === header.number && before.hash !== hexOf(header.parentHash))
        return "its parent is not the block before";
      return checkBody(header, body) ?? checkItems(header.receiptsRoot, itemsOf(receipts), "receipts");
    });
}

/** Of each receipt its type, outcome, gas and logs: the bloom has to be computed. */
function checkPortal(file: VectorFile): void {
  const parts = Object.fromEntries(
    file
      .text()
      .split("\n")
      .map((line) => /^(\w+):\s*"?(0x[0-9a-fA-F]*)"?\s*$/.exec(line))
      .filter((found) => found !== null)
      .map((found) => [found[1] as string, bytesOf((found[2] as string).toLowerCase())]),
  );
  const header = headerOf(parts.header as Uint8Array);
  file.check("body", () =>
    typeof header === "string" ? header : checkBody(header, RLP.decode(parts.body as Uint8Array) as unknown[]),
  );
  file.check("receipts", () => {
    if (typeof header === "string") return header;
    const receipts = (RLP.decode(parts.receipts as Uint8Array) as unknown as PortalReceipt[]).map(([type, status, gas, logs]) => {
      const list = RLP.encode([status, gas, bloomOf(logs), logs as unknown as Uint8Array[]]);
      return type.length === 0 ? list : Buffer.concat([type, list]);
    });
    return checkItems(header.receiptsRoot, receipts, "receipts");
  });
}

type PortalReceipt = [Uint8Array, Uint8Array, Uint8Array, [Uint8Array, Uint8Array[], Uint8Array][]];

interface Call {
  readonly method: string;
  readonly params: readonly unknown[];
  readonly result: unknown;
}

/** Requests (">>") and the response ("<<") after each. */
function callsOf(text: string): Call[] {
  const calls: Call[] = [];
  let asked: { method: string; params: unknown[] } | undefined;
  for (const line of text.split("\n")) {
    if (line.startsWith(">>")) asked = JSON.parse(line.slice(2)) as { method: string; params: unknown[] };
    else if (line.startsWith("<<") && asked !== undefined)
      calls.push({ ...asked, result: lowerHex<{ result?: unknown }>(JSON.parse(line.slice(2))).result });
  }
  return calls;
}

interface Known {
  readonly receiptsRoot: Uint8Array;
  readonly stateRoot: string;
  readonly hash: string;
}

/** By number and by hash. */
function headersOfChain(path: string): ReadonlyMap<string, Known> {
  const known = new Map<string, Known>();
  if (!existsSync(path)) return known;
  for (const block of sequenceOf(readFileSync(path))) {
    const header = headerOf(RLP.encode((block as Uint8Array[][])[0] as Uint8Array[]));
    if (typeof header === "string") throw new Error(header);
    const entry = { receiptsRoot: header.receiptsRoot, stateRoot: hexOf(header.stateRoot), hash: hexOf(header.hash) };
    known.set(String(header.number), entry).set(entry.hash, entry);
  }
  return known;
}

function checkCall({ method, params, result }: Call, chain: ReadonlyMap<string, Known>): Outcome {
  // Not available: nothing was verified, and nothing has to be.
  if (result === null || result === undefined) return undefined;
  const fields = result as Fields;
  if (method === "eth_getBlockByNumber") {
    const known = chain.get(String(Number(fields.number)));
    if (known !== undefined && known.hash !== fields.hash) return `the chain's block has the hash ${known.hash}`;
    return checkFields(fields);
  }
  if (method === "eth_getBlockReceipts") return checkBlockReceipts(result as Fields[], String(params[0]), chain);
  if (method === "eth_getTransactionReceipt") return checkOneReceipt(fields, chain);
  if (method !== "eth_getProof") return skip(`${method} is not asked for`);
  const answer = result as unknown as ProofAnswer;
  const block = chain.get(/^0x[0-9a-f]{1,12}$/.test(String(params[2])) ? String(Number(params[2])) : String(params[2]));
  return checkAnswer(answer, block?.stateRoot);
}

function checkBlockReceipts(receipts: readonly Fields[], block: string, chain: ReadonlyMap<string, Known>): Outcome {
  const named = receipts[0]?.blockNumber ?? block;
  const key = String(named).length === 66 ? String(named) : named === "earliest" ? "0" : String(Number(named));
  const known = chain.get(key);
  if (known === undefined) return skip("its block is not in chain.rlp");
  return checkItems(known.receiptsRoot, receipts.map(encodeReceipt), "receipts");
}

/** Alone it shows its root only where it is the only one of its block. */
function checkOneReceipt(fields: Fields, chain: ReadonlyMap<string, Known>): Outcome {
  const bytes = encodeReceipt(fields);
  const read = readReceipt(bytes);
  if (read instanceof Rejection) return String(read);
  if (read.type !== Number(fields.type ?? 0)) return `type ${read.type}`;
  if (read.cumulativeGasUsed !== BigInt(fields.cumulativeGasUsed as string)) return `gas ${read.cumulativeGasUsed}`;
  if (read.succeeded !== (fields.status === undefined ? undefined : Number(fields.status) === 1))
    return `outcome ${read.succeeded}`;
  if (read.logs !== (fields.logs as unknown[]).length) return `${read.logs} logs`;
  if (hexOf(read.bloom) !== fields.logsBloom) return "the bloom";
  const root = chain.get(String(Number(fields.blockNumber)))?.receiptsRoot;
  const trie = new Trie([[indexKey(0), bytes]]);
  const alone = Number(fields.transactionIndex) === 0 && root !== undefined && hexOf(trie.root) === hexOf(root);
  return alone ? checkProven(root, 0, bytes, trie.proof(indexKey(0))) : undefined;
}

function checkHelios(file: VectorFile, folder: string): void {
  const block = lowerHex<Fields>(file.json());
  const beside = <T>(name: string): T | undefined => {
    const path = join(folder, name);
    return existsSync(path) ? lowerHex<T>(JSON.parse(readFileSync(path, "utf8"))) : undefined;
  };
  file.check("block", () => checkFields(block));
  const stateRoot = block.stateRoot as string;
  for (const name of ["rpc_proof.json", "rpc_block_miner_proof.json"]) {
    const answer = beside<ProofAnswer>(name);
    if (answer !== undefined) file.check(name, () => checkAnswer(answer, stateRoot));
  }
  const receipts = beside<Fields[]>("rpc_receipts.json");
  const receiptsRoot = bytesOf(block.receiptsRoot as string);
  if (receipts !== undefined) file.check("receipts", () => checkItems(receiptsRoot, receipts.map(encodeReceipt), "receipts"));
  const addresses = [beside<ProofAnswer>("rpc_proof.json")?.address, block.miner as string];
  for (const [i, name] of ["rpc_account.json", "rpc_block_miner_account.json"].entries()) {
    const row = beside<HeliosAccount>(name);
    const address = row?.address ?? addresses[i];
    if (row !== undefined && address !== undefined) file.check(name, () => checkHeliosAccount(row, stateRoot, address));
  }
  const verifiable = beside<{ receipt: Fields; receiptProof: string[] }>("verifiable_api_receipt.json");
  if (verifiable !== undefined)
    file.check("verifiable_api_receipt.json", () => {
      const { receipt, receiptProof } = verifiable;
      return checkProven(receiptsRoot, Number(receipt.transactionIndex), encodeReceipt(receipt), receiptProof.map(bytesOf));
    });
}

interface HeliosAccount {
  address?: string;
  account: { nonce: string | number; balance: string; storageRoot?: string; storageHash?: string; codeHash: string };
  code?: string;
  accountProof: string[];
  storageProof?: { key: string; value: string; proof: string[] }[];
}

function checkHeliosAccount(row: HeliosAccount, stateRoot: string, address: string): Outcome {
  const { account, code, accountProof, storageProof = [] } = row;
  if (code !== undefined && hexOf(fastEngine.keccak256(bytesOf(code))) !== account.codeHash) return "the code has another hash";
  const nonce = `0x${BigInt(account.nonce).toString(16)}`;
  const storageHash = account.storageRoot ?? account.storageHash ?? null;
  const { balance, codeHash } = account;
  return checkAnswer({ address, nonce, balance, storageHash, codeHash, accountProof, storageProof }, stateRoot);
}
