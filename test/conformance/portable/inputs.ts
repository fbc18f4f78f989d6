// What the portable suite works on, made by third-party code: Clique headers by @ethereumjs/rlp and noble, a record by cborg
// and noble.

import { RLP } from "@ethereumjs/rlp";
import { sha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { encode, rfc8949EncodeOptions, Tagged } from "cborg";
import { cliqueCheckpointFromGenesis } from "../../../firmware/chain/clique/checkpoint.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { Rejection } from "../../../firmware/rejection.js";
import { rebuildHeader } from "../../../tools/ethereum/raw-header.js";
import { Trie } from "../../../tools/ethereum/trie.js";
import { account, accounts, CliqueChain } from "../../chains/clique-generator.js";
import { testKey } from "../../unit/record/signing.js";
import type { PortableInputs } from "./suites.js";

const HEADERS = 24;
const EPOCH = 8;
const SEQ = 70_001;
const ES256K = -47;

export function portableInputs(): PortableInputs {
  return { clique: chain(), record: record(), proofs: proofs() };
}

/** A state of 300 accounts, one of them with 200 slots, and a block of 20 receipts. */
function proofs(): PortableInputs["proofs"] {
  const number = (i: number, length: number): Uint8Array =>
    Uint8Array.from({ length }, (_, at) => (at < length - 2 ? 7 : at === length - 2 ? i >> 8 : i & 255));
  const storage = new Trie(
    Array.from({ length: 200 }, (_, i) => [keccak_256(number(i, 32)), RLP.encode(1_000_000 + i)] as const),
  );
  const account = (i: number): Uint8Array => RLP.encode([i, BigInt(i) * 10n ** 18n, storage.root, keccak_256(new Uint8Array(0))]);
  const state = new Trie(Array.from({ length: 300 }, (_, i) => [keccak_256(number(i, 20)), account(i)] as const));
  const topic = new Uint8Array(32).fill(0xc0);
  const receipt = (i: number): Uint8Array => {
    const list = RLP.encode([1, 21_000 * (i + 1), new Uint8Array(256), [[number(i, 20), [topic], Uint8Array.of(i)]]]);
    return i % 2 === 0 ? list : Uint8Array.of(2, ...list);
  };
  const index = (i: number): Uint8Array => RLP.encode(i);
  const receipts = new Trie(Array.from({ length: 20 }, (_, i) => [index(i), receipt(i)] as const));
  const zeros = (length: number): string => `0x${"00".repeat(length)}`;
  const header = rebuildHeader({
    ...{
      parentHash: zeros(32),
      sha3Uncles: zeros(32),
      miner: zeros(20),
      stateRoot: `0x${hex(state.root)}`,
      transactionsRoot: zeros(32),
    },
    ...{
      receiptsRoot: `0x${hex(receipts.root)}`,
      logsBloom: zeros(256),
      difficulty: "0x2",
      number: "0x7",
      gasLimit: "0x1",
      gasUsed: "0x0",
    },
    ...{ timestamp: "0x6b000000", extraData: "0x", mixHash: zeros(32), nonce: zeros(8) },
  }) as Uint8Array;
  const hexes = (nodes: readonly Uint8Array[]): string[] => nodes.map(hex);
  return {
    stateRoot: hex(state.root),
    header: hex(header),
    address: hex(number(77, 20)),
    account: hexes(state.proof(keccak_256(number(77, 20)))),
    balance: (77n * 10n ** 18n).toString(),
    slot: hex(number(123, 32)),
    storage: hexes(storage.proof(keccak_256(number(123, 32)))),
    word: (1_000_123).toString(16).padStart(64, "0"),
    absent: { address: hex(number(9_999, 20)), nodes: hexes(state.proof(keccak_256(number(9_999, 20)))) },
    receipts: { root: hex(receipts.root), index: 13, nodes: hexes(receipts.proof(index(13))), topic: hex(topic) },
  };
}

/** Three signers, a fourth that they vote in, epochs, and London from the third block on. */
function chain(): PortableInputs["clique"] {
  const rules = { chain: "eip155:1337", periodS: 15, epoch: EPOCH, londonBlock: 3 };
  const built = new CliqueChain({ signers: accounts(3, "portable"), periodS: 15, epoch: EPOCH, londonBlock: 3 });
  const newcomer = built.know(account("portable newcomer"));
  const vote = { account: newcomer.address, authorize: true };
  const blocks = built.grow(built.genesis, HEADERS, (index) => (index % 5 === 1 ? { vote } : {}));
  const checkpoint = cliqueCheckpointFromGenesis(nobleEngine, built.genesis.raw, rules);
  if (checkpoint instanceof Rejection) throw new Error(checkpoint.detail);
  return { checkpoint, headers: blocks.map((block) => hex(block.raw)), hashes: blocks.map((block) => hex(block.hash)) };
}

function record(): PortableInputs["record"] {
  const key = testKey("portable");
  const payload = cborg(
    new Map<number, unknown>([
      [0, 1],
      [1, SEQ],
      [2, new Uint8Array(32)],
      [3, 9],
      [4, 1_700_000_123],
      [5, 3],
      [6, ["eip155:1", 2 ** 33, new Uint8Array(32).fill(0xab)]],
      [
        7,
        [
          new Map<number, unknown>([
            [0, "temperature"],
            [1, "Cel"],
            [2, new Tagged(4, [-2, -1275])],
          ]),
        ],
      ],
      [9, [new Uint8Array(20).fill(5), "eip155:1"]],
      [10, 2],
    ]),
  );
  const header = cborg(
    new Map<number, unknown>([
      [1, ES256K],
      [4, key.address],
    ]),
  );
  const digest = sha256(cborg(["Signature1", header, new Uint8Array(0), payload]));
  const sign1 = cborg(new Tagged(18, [header, new Map(), payload, key.sign(digest)]));
  return { sign1: hex(sign1), digest: hex(digest), signer: hex(key.address), seq: SEQ };
}

function cborg(value: unknown): Uint8Array {
  return encode(value, rfc8949EncodeOptions);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
