// bitcoin/light: blocks of mainnet's history against the state before them; the state after them must be the one given.

import { bitsOf, targetOf } from "../../../firmware/chain/bitcoin/target.js";
import { Rejection } from "../../../firmware/rejection.js";
import { advance, anchor, openAt, rulesOf, shown, unhex, unshown } from "../bitcoin-anchor.js";
import { merkleRootOf, serializeTransaction, type TransactionJson, txidOf } from "../bitcoin-blocks.js";
import type { ConformanceSet, Outcome, VectorFile } from "../set.js";

const LIGHT = "bitcoin/light/light_*.json";
const FULL = "bitcoin/light/full_*.json";

interface ChainState {
  block_height: number;
  total_work: string;
  best_block_hash: string;
  current_target: string;
  epoch_start_time: number;
  prev_timestamps: number[];
}

interface BlockJson {
  header: { version: number; time: number; bits: number; nonce: number };
  data: { variant_id: 0; merkle_root: string } | { variant_id: 1; transactions: TransactionJson[] };
}

export const set: ConformanceSet = {
  name: "bitcoin/light",
  paths: [LIGHT, FULL],
  async run(report) {
    for (const pattern of [LIGHT, FULL]) await report.each(pattern, (file) => file.check("blocks", () => checkBlocks(file)));
  },
};

function checkBlocks(file: VectorFile): Outcome {
  const {
    chain_state: before,
    blocks,
    expected,
  } = file.json() as {
    chain_state: ChainState;
    blocks: BlockJson[];
    expected: ChainState;
  };
  const rules = rulesOf("main");
  const bits = bitsOf(BigInt(before.current_target));
  const times = before.prev_timestamps;
  const tip = { hash: unshown(before.best_block_hash), timeS: times[times.length - 1] as number, bits };
  let trusted = anchor(rules, tip, {
    number: before.block_height,
    work: BigInt(before.total_work),
    times: times.slice(0, -1),
    periodStart: { timeS: before.epoch_start_time, bits },
  });
  const bitcoin = openAt(rules, trusted);
  for (const block of blocks) {
    const next = advance(bitcoin, trusted, rawHeader(block, trusted.hash));
    if (next instanceof Rejection) return String(next);
    trusted = next;
  }
  const found: ChainState = {
    block_height: trusted.number,
    total_work: String(trusted.totalDifficulty),
    best_block_hash: shown(trusted.hash),
    current_target: String(targetOf(trusted.bits)),
    epoch_start_time: trusted.periodStartTimeS,
    prev_timestamps: [...trusted.times],
  };
  for (const [name, value] of Object.entries(found)) {
    const wanted = expected[name as keyof ChainState];
    if (JSON.stringify(value) !== JSON.stringify(wanted)) return `${name} is ${value}, not ${wanted}`;
  }
  return undefined;
}

function rawHeader({ header, data }: BlockJson, parent: Uint8Array): Uint8Array {
  const raw = Buffer.alloc(80);
  raw.writeInt32LE(header.version | 0, 0);
  raw.set(parent, 4);
  const root =
    data.variant_id === 0
      ? unhex(data.merkle_root).reverse()
      : merkleRootOf(data.transactions.map((transaction) => txidOf(serializeTransaction(transaction))));
  raw.set(root, 36);
  raw.writeUInt32LE(header.time, 68);
  raw.writeUInt32LE(header.bits, 72);
  raw.writeUInt32LE(header.nonce, 76);
  return new Uint8Array(raw);
}
