// Runs on the XS engine: a follower on a regtest chain that is mined here, header by header, as a mote would follow it; prints what
// the heap holds every so often.

import { meetsTarget } from "../../../firmware/bytes/primitives.js";
import { openBitcoin } from "../../../firmware/chain/bitcoin/checkpoint.js";
import { bitsOf, retarget, targetOf, workOf } from "../../../firmware/chain/bitcoin/target.js";
import { Follower } from "../../../firmware/chain/follow/follower.js";
import { nativeEngine } from "../../../firmware/crypto/engine-native.js";
import type { KeyValueDomain } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";
import { collect, MEMORY_BYTES, memory, print, resetPeaks, wordOf } from "../../../host-sim/xs/guest/host.js";

const HEADERS = 10_000;
const BATCH = 16;
const REPORT_EVERY = 2_000;
const BITS = 0x207fffff;
const GENESIS_S = 1_296_688_602;
const checkpoint = {
  ...{ chain: "bip122:0f9188f13cb7b2c71f2a335e3a4fc328", consensus: "bitcoin", number: 0, bits: "207fffff", work: "02" },
  ...{ hash: "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206", times: [GENESIS_S] },
  periodStart: { timeS: GENESIS_S, bits: "207fffff" },
};

/** One value, as long as the newest. */
class OneValue implements KeyValueDomain {
  #value: Uint8Array | undefined;
  read(): ArrayBuffer | undefined {
    return this.#value?.slice().buffer;
  }
  write(_key: string, value: ArrayBuffer | Uint8Array): void {
    this.#value = new Uint8Array(value instanceof Uint8Array ? value : new Uint8Array(value)).slice();
  }
  delete(): void {
    this.#value = undefined;
  }
  close(): void {}
}

function mine(parent: Uint8Array, number: number): { raw: Uint8Array; hash: Uint8Array } {
  const raw = new Uint8Array(80);
  const view = new DataView(raw.buffer);
  view.setUint32(0, 0x20000000, true);
  raw.set(parent, 4);
  view.setUint32(36, number, true);
  view.setUint32(68, GENESIS_S + 600 * number, true);
  view.setUint32(72, BITS, true);
  for (let nonce = 0; ; nonce += 1) {
    view.setUint32(76, nonce, true);
    const hash = nativeEngine.sha256(nativeEngine.sha256(raw));
    if (meetsTarget(hash, BITS)) return { raw, hash };
  }
}

/** Large integers on this engine: known answers, each wrong one told. */
function arithmetic(): void {
  const wrong: string[] = [];
  const expect = (what: string, found: string, expected: string): void => {
    if (found !== expected) wrong.push(`${what}: ${found}`);
  };
  const weeks = 1_209_600;
  expect("the first retarget", retarget(0x1d00ffff, 1_262_152_739 - 1_261_130_161, weeks, 0x1d00ffff).toString(16), "1d00d86a");
  expect("capped", retarget(0x1d00ffff, 4 * weeks, weeks, 0x1d00ffff).toString(16), "1d00ffff");
  expect("a fourth", retarget(0x1d00ffff, -1, weeks, 0x1d00ffff).toString(16), "1c3fffc0");
  expect("work 1", workOf(0x1d00ffff).toString(16), "100010001");
  expect("work 2", workOf(0x170331db).toString(16), "5021ab2578ee9fc3005e");
  for (const bits of [0x1d00ffff, 0x1c7fffff, 0x1b00bfff, 0x170331db, 0x04123456, 0x01010000])
    expect("bits", bitsOf(targetOf(bits)).toString(16), bits.toString(16));
  print(JSON.stringify({ wrong }));
}

function run(): void {
  const consensus = openBitcoin(nativeEngine, checkpoint);
  if (consensus instanceof Rejection) throw new Error(consensus.detail);
  const follower = new Follower({ consensus, engine: nativeEngine, store: new OneValue(), clock: { ticksMs: () => 0 } });
  const words = new Uint8Array(MEMORY_BYTES);
  let parent = follower.head.hash;
  let raws: Uint8Array[] = [];
  // This program itself was compiled on the heap, which a board's is not.
  collect();
  resetPeaks();
  for (let number = 1; number <= HEADERS; number += 1) {
    const { raw, hash } = mine(parent, number);
    parent = hash;
    raws.push(raw);
    if (raws.length === BATCH) {
      follower.offer(raw, undefined);
      follower.answer(number - BATCH + 1, raws, undefined);
      raws = [];
    }
    if (number % REPORT_EVERY !== 0) continue;
    collect();
    memory(words);
    const heldBytes = wordOf(words, "chunks") + wordOf(words, "slots");
    const peakBytes = wordOf(words, "chunksPeak") + wordOf(words, "slotsPeak") + wordOf(words, "stackReserved");
    print(JSON.stringify({ number, head: follower.head.number, work: `${follower.head.totalDifficulty}`, heldBytes, peakBytes }));
  }
}

arithmetic();
run();
