// A follower on a Bitcoin chain: heads without heights, catching up, the fork choice by work, restarts, and flat memory.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SETTLED_DEPTH } from "../../../../firmware/chain/bitcoin/state.js";
import { Follower, PERSIST_BLOCKS } from "../../../../firmware/chain/follow/follower.js";
import type { Outcome } from "../../../../firmware/chain/follow/outcome.js";
import { REORG_DEPTH } from "../../../../firmware/chain/follow/window.js";
import { SAVE_DUE } from "../../../../firmware/persistence.js";
import type { Rejection } from "../../../../firmware/rejection.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { chainOf, LOWERED, openChainOf, PERIOD } from "../../../chains/bitcoin-fixture.js";
import { type BitcoinChain, type Block, read } from "../../../chains/bitcoin-generator.js";
import { headOf, kindOf, MemoryStore } from "../../../chains/follower-fixture.js";

interface World {
  readonly chain: BitcoinChain;
  readonly store: MemoryStore;
  readonly clock: { now: number; ticksMs(): number };
  follower: Follower;
  restart(): Follower;
}

function world(network: keyof typeof LOWERED = "regtest"): World {
  const chain = chainOf(LOWERED[network]);
  const consensus = openChainOf(chain, LOWERED[network]);
  const store = new MemoryStore();
  const clock = { now: 0, ticksMs: () => clock.now };
  const open = (): Follower => new Follower({ consensus, engine: fastEngine, store, clock });
  const made: World = {
    ...{ chain, store, clock, follower: open() },
    restart() {
      made.follower = open();
      return made.follower;
    },
  };
  return made;
}

function shown(block: Block | undefined): string {
  return `0x${Buffer.from(block?.hash as Uint8Array).toString("hex")}`;
}

function offerAll(follower: Follower, blocks: readonly Block[]): string[] {
  return blocks.map((block) => kindOf(follower.offer(block.raw, undefined)));
}

/** Answers from the chain that ends in `tip` until the follower wants nothing. */
function drive(follower: Follower, blocks: readonly Block[], asksMax = 400): string[] {
  const byNumber = new Map(blocks.map((block) => [block.number, block.raw]));
  const kinds: string[] = [];
  for (let i = 0; i < asksMax; i += 1) {
    const ask = follower.wanted();
    if (ask === undefined) return kinds;
    const raws: Uint8Array[] = [];
    for (let number = ask.from; number < ask.from + ask.count && byNumber.has(number); number += 1)
      raws.push(byNumber.get(number) as Uint8Array);
    if (raws.length === 0) follower.unanswered();
    else kinds.push(...follower.answer(ask.from, raws, undefined).map((outcome: Outcome | Rejection) => kindOf(outcome)));
  }
  throw new Error(`still asking after ${asksMax} asks`);
}

test("headers in order move the head; six blocks later they are settled, and two hours behind that is the clock's bound", () => {
  const { chain, follower } = world();
  const blocks = chain.grow(chain.genesis, 40);
  for (const block of blocks) {
    assert.is(kindOf(follower.offer(block.raw, undefined)), "advanced");
    assert.is(headOf(follower), shown(block));
    const settled = Math.max(0, block.number - 6);
    assert.is(follower.settled, settled);
    assert.is(follower.timeFloorS, chain.genesis.timeS + 600 * settled - 7200);
  }
  assert.equal(offerAll(follower, blocks.slice(-17)), Array(17).fill("known"));
});

test("a head far above, of unknown height, brings batches until the relay has no more", () => {
  const { chain, follower } = world();
  const blocks = chain.grow(chain.genesis, 100);
  assert.is(kindOf(follower.offer(blocks[99]?.raw as Uint8Array, undefined)), "wanting");
  assert.equal(follower.wanted(), { from: 1, count: 16 });
  assert.equal(drive(follower, blocks), Array(100).fill("advanced"));
  assert.is(headOf(follower), shown(blocks[99]));
  assert.is(follower.wanted(), undefined);
});

test("a chain whose length is a number of whole batches ends with an empty answer, and not in endless asking", () => {
  const { chain, follower } = world();
  const blocks = chain.grow(chain.genesis, 32);
  follower.offer(blocks[31]?.raw as Uint8Array, undefined);
  assert.is(drive(follower, blocks).length, 32);
  assert.is(follower.wanted(), undefined);
});

test("an old header that nobody knows any more costs a few asks, and not the head", () => {
  const { chain, follower } = world();
  const blocks = chain.grow(chain.genesis, 50);
  offerAll(follower, blocks);
  assert.is(kindOf(follower.offer(blocks[3]?.raw as Uint8Array, undefined)), "wanting");
  drive(follower, blocks);
  assert.is(headOf(follower), shown(blocks[49]));
});

test("of two branches the one with more work wins, also where it is shorter; of equals the one seen first", () => {
  const { chain, follower } = world("mainnet");
  const common = chain.grow(chain.genesis, 22);
  offerAll(follower, common);
  const fork = common[20] as Block;
  // Both cross the turn of the period at block 24: who was faster before has the harder blocks after it.
  const slow = chain.grow(fork, 7, () => 3000);
  const fast = chain.grow(fork, 6, () => 1);
  assert.ok((fast[5]?.bits as number) < (slow[5]?.bits as number));
  offerAll(follower, slow);
  assert.is(headOf(follower), shown(slow[6]));
  const kinds = offerAll(follower, fast);
  assert.equal(kinds, ["side", "side", "side", "side", "side", "reorg"]);
  assert.is(headOf(follower), shown(fast[5]), "six blocks of more work than seven");
  assert.is(follower.head.number, 27);
  const equal = chain.grow(fork, 6, () => 1);
  assert.equal(offerAll(follower, equal), Array(6).fill("side"));
});

test("a branch is found by stepping back, and walked beside ours where it leaves ours below the window", () => {
  for (const depth of [1, 2, 5, REORG_DEPTH, REORG_DEPTH + 1, 29]) {
    const { chain, follower } = world();
    const common = chain.grow(chain.genesis, 30);
    const fork = common[29] as Block;
    const ours = chain.grow(fork, depth);
    const theirs = chain.grow(fork, depth + 1);
    offerAll(follower, [...common, ...ours]);
    assert.is(kindOf(follower.offer(theirs[depth]?.raw as Uint8Array, undefined)), depth === 0 ? "advanced" : "wanting");
    const kinds = drive(follower, [...common, ...theirs]);
    assert.is(headOf(follower), shown(theirs[depth]), `depth ${depth}: ${kinds}`);
    assert.ok(kinds.includes("reorg"));
    if (depth > REORG_DEPTH) assert.ok(kinds.filter((kind) => kind === "side" || kind === "rival").length >= depth, `${kinds}`);
    // Six blocks deep counts as settled.
    assert.is(follower.revokedAt, depth <= SETTLED_DEPTH ? undefined : follower.head.number);
  }
});

test("what is believed survives a restart at every height, with the window that a branch may leave", () => {
  const made = world("mainnet");
  const { chain } = made;
  const blocks = chain.grow(chain.genesis, 90, (number) => 100 + 7 * number);
  for (const block of blocks) {
    made.follower.offer(block.raw, undefined);
    made.follower.persist();
    const { head, timeFloorS } = made.follower;
    const again = made.restart();
    assert.ok(again.restored, `${again.refusedState}`);
    assert.is(headOf(again), shown(block));
    const window = blocks.slice(Math.max(0, block.number - REORG_DEPTH), block.number);
    assert.equal(offerAll(again, window), Array(window.length).fill("known"));
    assert.is(again.timeFloorS, timeFloorS);
    assert.is(again.head.totalDifficulty, head.totalDifficulty);
    assert.is(again.head.settled, head.settled);
  }
  const branch = chain.grow(blocks[80] as Block, 12, () => 1);
  const kinds = offerAll(made.follower, branch);
  assert.ok(kinds.includes("reorg"), "after a restart as well");
});

test("a batch with one header that does not hold is taken up to there, and says why", () => {
  const { chain, follower } = world();
  const blocks = chain.grow(chain.genesis, 16);
  follower.offer(blocks[15]?.raw as Uint8Array, undefined);
  const raws = blocks.map(({ raw }) => raw.slice());
  (raws[9] as Uint8Array)[4] = ((raws[9] as Uint8Array)[4] as number) ^ 1;
  const kinds = follower.answer(1, raws, undefined).map(kindOf);
  assert.equal(kinds.slice(0, 9), Array(9).fill("advanced"));
  assert.is(kinds.length, 11);
  assert.ok(["work-insufficient", "wanting"].includes(kinds[9] as string));
  assert.is(headOf(follower), shown(blocks[8]));
});

const MANY = process.env.FULL === "1" ? 100_000 : 20_000;
test(`${MANY} headers leave the heap where it was after the first 10,000`, () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { chain, follower, store } = world("mainnet");
  let tip = chain.genesis;
  let pending: Uint8Array[] = [];
  const heapBytes = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  let before = 0;
  for (let number = 1; number <= MANY; number += 1) {
    const parent = tip;
    // From the first block of a period to its last are as many seconds as it should take, or difficulty would rise for ever.
    const made = chain.child(parent, (draft) => {
      draft.timeS = parent.timeS + (number % PERIOD === 1 ? 1200 : 600);
    });
    // The generator walks back over a period: what is older is forgotten here, so that only the follower could keep it.
    tip = number % 1000 === 0 ? forgetting(made, 40) : made;
    pending.push(made.raw);
    if (pending.length < 16) continue;
    follower.offer(made.raw, undefined);
    const ask = follower.wanted();
    if (ask !== undefined) follower.answer(ask.from, pending, undefined);
    pending = [];
    if (follower.unsaved() === SAVE_DUE) follower.persist();
    if (number === 10_000) before = heapBytes();
  }
  assert.is(follower.head.number, MANY);
  assert.is(headOf(follower), shown(tip));
  assert.ok(heapBytes() - before < 512 * 1024, `${heapBytes() - before} bytes more`);
  assert.ok((store.writes.get("trusted") ?? 0) >= Math.floor(MANY / (PERSIST_BLOCKS + 16)));
  assert.ok((store.values.get("trusted")?.length ?? 0) < 1024);
});

/** The block with at most `count` of its ancestors. */
function forgetting(block: Block, count: number): Block {
  const ancestors: Block[] = [];
  for (let walk: Block | undefined = block; walk !== undefined && ancestors.length <= count; walk = walk.parent)
    ancestors.push(walk);
  let parent: Block | undefined;
  for (const ancestor of ancestors.reverse()) parent = { ...read(ancestor.raw, undefined), number: ancestor.number, parent };
  return parent as Block;
}

test.run();
