// Where to jump to: what is announced and never delivered is given up, and nobody can make the search go on for ever.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Consensus, Header, Trusted } from "../../../../firmware/chain/consensus.js";
import { FRUITLESS_CHECKS_PER_MINUTE_MAX, MinuteBudget } from "../../../../firmware/chain/follow/budget.js";
import { Follower } from "../../../../firmware/chain/follow/follower.js";
import { SKIP_BLOCKS_MIN, Skipping } from "../../../../firmware/chain/follow/skipping.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { encodeHeader } from "../../../chains/bft-encoding.js";
import { openBftChain } from "../../../chains/bft-fixture.js";
import { type BftBlock, BftChain } from "../../../chains/bft-generator.js";
import { codeOf } from "../../../chains/clique-fixture.js";
import { account, accounts } from "../../../chains/clique-generator.js";
import { kindOf, MemoryStore } from "../../../chains/follower-fixture.js";
import { HandClock } from "../../hand-clock.js";

const MINUTE_MS = 60_000;
const NOW_S = 1_700_000_000;
const head = { number: 0 } as Trusted;

/** A search in a chain whose blocks up to `vouched` those who are trusted vouch for. */
function search(vouched = -1) {
  const clock = new HandClock();
  const consensus = {
    landing: (_: Trusted, target: number) => ({ from: target, count: 1 }),
    skip: (_: Trusted, [header]: Header[]) =>
      (header?.number as number) <= vouched ? ({ number: header?.number } as Trusted) : new Rejection("skip-overlap", ""),
  } as unknown as Consensus;
  const skipping = new Skipping(consensus, new MinuteBudget(clock));
  const offer = (number: number) =>
    skipping.offered(head, { number } as Header, number, NOW_S, new MinuteBudget(clock)) as Trusted | undefined;
  const answer = (number: number) => skipping.answered(head, [{ number } as Header], NOW_S, new MinuteBudget(clock), []);
  return { clock, skipping, offer, answer };
}

test("a block that nobody delivers is given up after four tries, for good until something is announced", () => {
  const { clock, skipping, offer } = search();
  offer(1000);
  const asked: number[] = [];
  for (let i = 0; i < 20; i += 1) {
    const landing = skipping.next(head);
    if (landing !== undefined) {
      asked.push(landing.from);
      skipping.failed();
    }
    skipping.walked();
    clock.pass(MINUTE_MS);
  }
  assert.equal(asked, [500, 500, 500, 500]);
  offer(2000);
  assert.is(skipping.next(head)?.from, 1000);
});

test("a search that never finds anyone who vouches is given up, however far away it began", () => {
  const { clock, skipping, offer, answer } = search();
  offer(Number.MAX_SAFE_INTEGER);
  let asked = 0;
  for (; asked < 100; asked += 1) {
    const landing = skipping.next(head);
    if (landing === undefined) break;
    answer(landing.from);
    clock.pass(MINUTE_MS);
  }
  assert.is(asked, 47);
  clock.pass(MINUTE_MS);
  assert.is(skipping.next(head), undefined);
  // Nothing of it is left: the next search begins where its own announcement says.
  offer(1000);
  assert.is(skipping.next(head)?.from, 500);
});

test("a block that there is not is looked for in half the distance, down to where a walk begins", () => {
  const { clock, skipping, offer } = search();
  offer(1000);
  const asked: number[] = [];
  for (let landing = skipping.next(head); landing !== undefined; landing = skipping.next(head)) {
    asked.push(landing.from);
    skipping.absent(head);
    assert.is(skipping.next(head), undefined, "a walk has its turn first");
    skipping.walked();
    clock.pass(MINUTE_MS);
  }
  assert.equal(asked, [500, 250, 125, 62, 31]);
  assert.ok((asked.at(-1) as number) >> 1 <= SKIP_BLOCKS_MIN);
});

test("a minute has sixteen asks that lead nowhere; those that led to a landing are not counted", () => {
  const { skipping, offer, answer, clock } = search(100);
  offer(1 << 26);
  let asked = 0;
  for (let landing = skipping.next(head); landing !== undefined; landing = skipping.next(head)) {
    asked += 1;
    if (answer(landing.from) !== undefined) break;
  }
  assert.is(asked, 16);
  clock.pass(MINUTE_MS);
  for (let landing = skipping.next(head); landing !== undefined; landing = skipping.next(head)) {
    asked += 1;
    if (answer(landing.from) !== undefined) break;
  }
  assert.is(asked, 20, "2^26 halved twenty times is 64");
  // The search took four of this minute, and they came back.
  skipping.drop();
  offer(1 << 26);
  let more = 0;
  for (let landing = skipping.next(head); landing !== undefined && more < 30; landing = skipping.next(head)) {
    more += 1;
    if (answer(landing.from) !== undefined) break;
  }
  assert.is(more, 16);
});

test("an announcement never lifts the target of a search that is under way, and tries itself all the same", () => {
  const { skipping, offer } = search(3000);
  offer(100_000);
  assert.is(skipping.next(head)?.from, 50_000);
  for (let i = 1; i < 100; i += 1) offer(100_000 + i);
  assert.is(skipping.next(head)?.from, 50_000);
  assert.is(offer(3000)?.number, 3000);
});

test("what is announced and leads nowhere is charged, and is not looked at once a minute's checks are used up", () => {
  const clock = new HandClock();
  let looked = 0;
  const consensus = {
    landing: (_: Trusted, target: number) => ({ from: target, count: 1 }),
    skip: () => {
      looked += 1;
      return new Rejection("skip-overlap", "");
    },
  } as unknown as Consensus;
  const skipping = new Skipping(consensus, new MinuteBudget(clock));
  const unasked = new MinuteBudget(clock);
  for (let i = 0; i < 1000; i += 1) skipping.offered(head, { number: 1000 + i } as Header, 1000 + i, NOW_S, unasked);
  assert.is(looked, FRUITLESS_CHECKS_PER_MINUTE_MAX);
});

/** A BFT mote at the genesis block, and headers that anyone can make: a list of one stranger who seals nothing. */
function mote(periodS: number, more = {}) {
  const chain = new BftChain({ kind: "qbft", validators: accounts(4), periodS });
  const blocks = [chain.genesis, ...chain.grow(chain.genesis, 60)] as BftBlock[];
  const clock = new HandClock();
  const consensus = openBftChain(chain, { more });
  const follower = new Follower({ consensus, engine: fastEngine, store: new MemoryStore(), clock });
  const mallory = account("mallory");
  const forged = (number: number, timeS: number): Uint8Array =>
    encodeHeader("qbft", {
      ...(blocks[1] as BftBlock).draft,
      ...{ number: BigInt(number), timeS: BigInt(timeS), parentHash: new Uint8Array(32).fill(3) },
      ...{ coinbase: mallory.address, validators: [mallory.address], seals: [new Uint8Array(65).fill(1)] },
    });
  return { chain, blocks, follower, forged, clock, genesisS: chain.genesis.timeS };
}

test("an announced height counts for no more than the blocks that there can be by now", () => {
  const { follower, forged, genesisS } = mote(2);
  const behindS = 1000;
  follower.offer(forged(2 ** 40, genesisS + behindS), genesisS + behindS);
  // Fifteen seconds more, by which a clock may be wrong.
  assert.is(follower.wanted()?.from, Math.ceil((behindS + 15) / 2));
});

test("near the head nothing that is announced is worth a jump", () => {
  const { follower, forged, genesisS } = mote(2);
  follower.offer(forged(2 ** 40, genesisS + 4), genesisS + 4);
  assert.equal(follower.wanted(), { from: 1, count: 16 });
});

test("the shortest period of all transitions bounds a height; a period of 0 allows 64 blocks a second", () => {
  const transitions = [{ block: 500, periodS: 1 }];
  const faster = mote(4, { transitions });
  faster.follower.offer(faster.forged(2 ** 40, faster.genesisS + 985), faster.genesisS + 985);
  assert.is(faster.follower.wanted()?.from, 1000);
  const several = mote(0);
  several.follower.offer(several.forged(2 ** 40, several.genesisS + 5), several.genesisS + 5);
  assert.is(several.follower.wanted()?.from, 64 * 20);
});

test("without a clock nothing is jumped to, and the walk towards an absurd height is given up", () => {
  const { follower, forged, genesisS } = mote(2);
  follower.offer(forged(2 ** 40, genesisS), undefined);
  let asks = 0;
  for (let ask = follower.wanted(); ask !== undefined; ask = follower.wanted()) {
    assert.equal(ask, { from: 1, count: 16 });
    follower.unanswered(true);
    asks += 1;
  }
  assert.is(asks, 4);
});

test("a header that is refused sets no target, and ends no search", () => {
  const { follower, blocks, genesisS } = mote(2);
  const nowS = genesisS + 1000;
  const worthless = encodeHeader("qbft", {
    ...(blocks[1] as BftBlock).draft,
    ...{ number: 400n, timeS: BigInt(genesisS + 800), parentHash: new Uint8Array(32).fill(3) },
    seals: [1, 2, 3].map((fill) => new Uint8Array(65).fill(fill, 0, 64)),
  });
  assert.match(kindOf(follower.offer(worthless, nowS)), /^seal-/);
  assert.is(follower.wanted(), undefined);
});

test("after a jump that brought nothing a walk has its turn, and then a jump again", () => {
  const { follower, forged, genesisS } = mote(2);
  const nowS = genesisS + 1000;
  follower.offer(forged(2 ** 40, nowS), nowS);
  const asked: number[] = [];
  for (let i = 0; i < 6; i += 1) {
    asked.push(follower.wanted()?.from as number);
    follower.unanswered(true);
  }
  assert.equal(asked, [508, 1, 254, 1, 127, 1]);
});

test("a landing that is delivered in part is nobody's lie", () => {
  const { follower, forged, genesisS } = mote(2);
  const nowS = genesisS + 1000;
  follower.offer(forged(2 ** 40, nowS), nowS);
  const ask = follower.wanted() as { from: number };
  assert.equal(follower.answer(ask.from, [], nowS).map(kindOf), ["wanting"]);
});

test("what a poll brings is charged to what was asked for, and needs no announcement", () => {
  const { follower, blocks, chain, genesisS } = mote(2);
  const nowS = genesisS + 500;
  const bad = (salt: number): Uint8Array =>
    encodeHeader("qbft", {
      ...(blocks[1] as BftBlock).draft,
      seals: [1, 2, 3].map((fill) => new Uint8Array(65).fill(fill + (salt % 100), 0, 64)),
    });
  let limited = 0;
  for (let i = 0; i < 200; i += 1) if (codeOf(follower.offer(bad(i), nowS)) === "work-limit") limited += 1;
  assert.ok(limited > 100);
  const raws = blocks.slice(1, 6).map(({ raw }) => raw);
  assert.equal(follower.polled(1, raws, nowS).map(kindOf), Array(5).fill("advanced"));
  assert.equal(follower.polled(3, raws.slice(2), nowS).map(kindOf), Array(3).fill("known"));
  const other = chain.child(chain.child(blocks[8] as BftBlock));
  assert.equal(follower.polled(9, [other.raw], nowS).map(kindOf), ["answer-order"]);
});

test.run();
