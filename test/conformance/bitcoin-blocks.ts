// Bitcoin blocks and transactions as the tests read and write them, apart from the firmware: transaction ids, Merkle trees
// and their branches, plainly.

import { createHash } from "node:crypto";
import type { MerkleBranch } from "../../firmware/proof/merkle-block.js";

export interface TransactionJson {
  version: number;
  inputs: { script: string; sequence: number; previous_output: { txid: string; vout: number } }[];
  outputs: { value: number; pk_script: string }[];
  lock_time: number;
}

export function sha256d(bytes: Uint8Array): Uint8Array {
  const once = createHash("sha256").update(bytes).digest();
  return new Uint8Array(createHash("sha256").update(once).digest());
}

export const txidOf = sha256d;

function compactSize(value: number): Buffer {
  if (value < 0xfd) return Buffer.of(value);
  const bytes = Buffer.alloc(value < 0x10000 ? 3 : 5);
  bytes[0] = value < 0x10000 ? 0xfd : 0xfe;
  bytes.writeUIntLE(value, 1, bytes.length - 1);
  return bytes;
}

/** Without witnesses. */
export function serializeTransaction({ version, inputs, outputs, lock_time: lockTime }: TransactionJson): Uint8Array {
  const parts: Uint8Array[] = [uint32(version), compactSize(inputs.length)];
  for (const { script, sequence, previous_output: spent } of inputs)
    parts.push(Buffer.from(spent.txid, "hex").reverse(), uint32(spent.vout), ...counted(script), uint32(sequence));
  parts.push(compactSize(outputs.length));
  for (const { value, pk_script: script } of outputs) {
    const amount = Buffer.alloc(8);
    amount.writeBigUInt64LE(BigInt(value));
    parts.push(amount, ...counted(script));
  }
  return new Uint8Array(Buffer.concat([...parts, uint32(lockTime)]));
}

function counted(hex: string): Uint8Array[] {
  const bytes = Buffer.from(hex.replace(/^0x/, ""), "hex");
  return [compactSize(bytes.length), bytes];
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

export interface RawBlock {
  readonly header: Uint8Array;
  /** Each without its witnesses. */
  readonly transactions: readonly Uint8Array[];
}

export function readBlock(bytes: Uint8Array): RawBlock {
  const reader = new BlockReader(bytes);
  const header = reader.take(80);
  const transactions = Array.from({ length: reader.count() }, () => reader.transaction());
  if (reader.left > 0) throw new Error(`${reader.left} bytes after the block`);
  return { header, transactions };
}

/** Reads `varint count` and that many raw transactions. */
export function readTransactions(bytes: Uint8Array): Uint8Array[] {
  const reader = new BlockReader(bytes);
  return Array.from({ length: reader.count() }, () => reader.transaction());
}

class BlockReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  take(length: number): Uint8Array {
    if (length > this.left) throw new Error("the block is cut off");
    this.#at += length;
    return new Uint8Array(this.#bytes.subarray(this.#at - length, this.#at));
  }

  count(): number {
    const first = this.take(1)[0] as number;
    if (first < 0xfd) return first;
    const length = first === 0xfd ? 2 : 4;
    return Buffer.from(this.take(length)).readUIntLE(0, length);
  }

  transaction(): Uint8Array {
    const version = this.take(4);
    const segwit = this.#bytes[this.#at] === 0;
    if (segwit) this.take(2);
    const from = this.#at;
    const inputs = this.count();
    for (let i = 0; i < inputs; i += 1) {
      this.take(36);
      this.take(this.count());
      this.take(4);
    }
    const outputs = this.count();
    for (let i = 0; i < outputs; i += 1) {
      this.take(8);
      this.take(this.count());
    }
    const body = this.#bytes.subarray(from, this.#at);
    if (segwit) for (let i = 0; i < inputs; i += 1) for (let items = this.count(); items > 0; items -= 1) this.take(this.count());
    return new Uint8Array(Buffer.concat([version, body, this.take(4)]));
  }
}

/** The levels of the tree from the transactions up to the root. */
export function merkleLevels(txids: readonly Uint8Array[]): Uint8Array[][] {
  const levels = [[...txids]];
  for (let level = levels[0] as Uint8Array[]; level.length > 1; level = levels[levels.length - 1] as Uint8Array[]) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i] as Uint8Array;
      next.push(sha256d(Buffer.concat([left, level[i + 1] ?? left])));
    }
    levels.push(next);
  }
  return levels;
}

export function merkleRootOf(txids: readonly Uint8Array[]): Uint8Array {
  return merkleLevels(txids).at(-1)?.[0] as Uint8Array;
}

export function branchOf(levels: readonly (readonly Uint8Array[])[], position: number): MerkleBranch {
  const siblings: Uint8Array[] = [];
  for (let height = 0; height < levels.length - 1; height += 1) {
    const level = levels[height] as readonly Uint8Array[];
    const at = Math.floor(position / 2 ** height);
    siblings.push(level[at % 2 === 1 ? at - 1 : at + 1] ?? (level[at] as Uint8Array));
  }
  return { position, siblings };
}

/** A CMerkleBlock for these positions, ascending (BIP 37). */
export function partialTree(header: Uint8Array, txids: readonly Uint8Array[], positions: readonly number[]): Uint8Array {
  const levels = merkleLevels(txids);
  const hashes: Uint8Array[] = [];
  const flags: boolean[] = [];
  const walk = (height: number, at: number): void => {
    const matched = positions.some((position) => Math.floor(position / 2 ** height) === at);
    flags.push(matched);
    if (height === 0 || !matched) hashes.push((levels[height] as Uint8Array[])[at] as Uint8Array);
    else {
      walk(height - 1, at * 2);
      if (at * 2 + 1 < (levels[height - 1] as Uint8Array[]).length) walk(height - 1, at * 2 + 1);
    }
  };
  walk(levels.length - 1, 0);
  const packed = Buffer.alloc(Math.ceil(flags.length / 8));
  flags.forEach((flag, i) => {
    if (flag) packed[i >> 3] = (packed[i >> 3] as number) | (1 << (i & 7));
  });
  const parts = [header, uint32(txids.length), compactSize(hashes.length), ...hashes, compactSize(packed.length), packed];
  return new Uint8Array(Buffer.concat(parts));
}
