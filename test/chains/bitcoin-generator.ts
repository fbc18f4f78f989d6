// Makes Bitcoin header chains of any length, mined for real at a low difficulty, with node:crypto and bcoin's arithmetic and
// nothing of ours: so that the firmware is judged by what it did not write itself.
//
// The bits that a block must have are found as bitcoin/bitcoin finds them, by walking back through the blocks
// (`src/pow.cpp`), where the firmware keeps three words instead.

import { createHash } from "node:crypto";
import consensus from "bcoin/lib/protocol/consensus.js";

export interface Network {
  readonly limitBits: number;
  readonly period: number;
  readonly timespanS: number;
  readonly noRetarget: boolean;
  readonly easyAfterS: number | undefined;
  readonly bip94: boolean;
}

export interface Block {
  readonly raw: Uint8Array;
  readonly hash: Uint8Array;
  readonly number: number;
  readonly timeS: number;
  readonly bits: number;
  readonly parent: Block | undefined;
}

export interface Draft {
  version: number;
  parentHash: Uint8Array;
  merkleRoot: Uint8Array;
  timeS: number;
  bits: number;
}

const GENESIS_S = 1_700_000_000;
const SPACING_S = 600;
/** `src/kernel/chainparams.cpp`, CRegTestParams: the same for everyone. */
const REGTEST_GENESIS =
  "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a" +
  "dae5494dffff7f2002000000";

function sha256d(bytes: Uint8Array): Uint8Array {
  const once = createHash("sha256").update(bytes).digest();
  return new Uint8Array(createHash("sha256").update(once).digest());
}

export class BitcoinChain {
  readonly network: Network;
  readonly genesis: Block;
  #made = 0;

  /** @param genesis raw; mined at `bits` where absent */
  constructor(network: Network, options: { genesis?: Uint8Array; bits?: number } = {}) {
    this.network = network;
    const { genesis, bits = network.limitBits } = options;
    if (genesis === undefined) {
      const draft = {
        version: 4,
        parentHash: new Uint8Array(32),
        merkleRoot: sha256d(new Uint8Array(1)),
        timeS: GENESIS_S,
        bits,
      };
      this.genesis = mine(draft, undefined);
    } else this.genesis = read(genesis, undefined);
  }

  static regtest(): BitcoinChain {
    const network = {
      limitBits: 0x207fffff,
      period: 2016,
      timespanS: 1_209_600,
      noRetarget: true,
      easyAfterS: undefined,
      bip94: false,
    };
    return new BitcoinChain(network, { genesis: new Uint8Array(Buffer.from(REGTEST_GENESIS, "hex")) });
  }

  /** A child of `parent`, ten minutes after it, with the bits that it must have; `bend` changes it before it is mined. */
  child(parent: Block, bend: (draft: Draft) => void = () => {}): Block {
    this.#made += 1;
    const merkleRoot = sha256d(Buffer.from(`block ${this.#made}`));
    const draft: Draft = { version: 0x20000000, parentHash: parent.hash, merkleRoot, timeS: parent.timeS + SPACING_S, bits: 0 };
    bend(draft);
    if (draft.bits === 0) draft.bits = this.requiredBits(parent, draft.timeS);
    return mine(draft, parent);
  }

  /** `count` blocks after `parent`; `spacing` answers the seconds from a block to its child, by the child's height. */
  grow(parent: Block, count: number, spacing: (number: number) => number = () => SPACING_S): Block[] {
    const blocks: Block[] = [];
    let tip = parent;
    for (let i = 0; i < count; i += 1) {
      const from = tip;
      tip = this.child(from, (draft) => {
        draft.timeS = from.timeS + spacing(from.number + 1);
      });
      blocks.push(tip);
    }
    return blocks;
  }

  requiredBits(parent: Block, timeS: number): number {
    const { limitBits, period, timespanS, noRetarget, easyAfterS, bip94 } = this.network;
    if (noRetarget) return parent.bits;
    if ((parent.number + 1) % period !== 0) {
      if (easyAfterS === undefined) return parent.bits;
      if (timeS > parent.timeS + easyAfterS) return limitBits;
      let walk = parent;
      while (walk.parent !== undefined && walk.number % period !== 0 && walk.bits === limitBits) walk = walk.parent;
      return walk.bits;
    }
    let first = parent;
    for (let i = 0; i < period - 1; i += 1) first = first.parent as Block;
    const span = Math.min(Math.max(parent.timeS - first.timeS, timespanS / 4), timespanS * 4);
    let target = consensus.fromCompact(bip94 ? first.bits : parent.bits);
    // bn.js multiplies by at most 26 bits at a time, which a span of four periods fits.
    target = target.muln(span).idivn(timespanS);
    const limit = consensus.fromCompact(limitBits);
    return consensus.toCompact(target.gt(limit) ? limit : target);
  }
}

/** What a header says, whatever it says. */
export function read(raw: Uint8Array, parent: Block | undefined): Block {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const [timeS, bits] = [view.getUint32(68, true), view.getUint32(72, true)];
  return { raw, hash: sha256d(raw), number: parent === undefined ? 0 : parent.number + 1, timeS, bits, parent };
}

/** Serialises a draft, and turns its nonce until the hash meets its bits; with `nonce`, that one and no other. */
export function mine(draft: Draft, parent: Block | undefined, nonce?: number): Block {
  const raw = Buffer.alloc(80);
  raw.writeInt32LE(draft.version, 0);
  raw.set(draft.parentHash, 4);
  raw.set(draft.merkleRoot, 36);
  raw.writeUInt32LE(draft.timeS, 68);
  raw.writeUInt32LE(draft.bits, 72);
  for (let tried = nonce ?? 0; ; tried += 1) {
    raw.writeUInt32LE(tried, 76);
    if (nonce !== undefined || consensus.verifyPOW(Buffer.from(sha256d(raw)), draft.bits))
      return read(new Uint8Array(raw), parent);
  }
}

/** Work of these bits, by the definition: 2^256 over the target and one. */
export function workOfBits(bits: number): bigint {
  return (1n << 256n) / (BigInt(`0x${consensus.fromCompact(bits).toString(16)}`) + 1n);
}
