// A branch that leaves ours below the window, or that is longer than a side branch may be: it is walked beside ours and wins once it
// is heavier, whatever its depth; and nobody who merely says that there is one makes a mote leave its chain or stop.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { CliqueTrusted } from "../../../../firmware/chain/clique/state.js";
import { RIVAL_DEPTH_MAX } from "../../../../firmware/chain/follow/anchors.js";
import { MinuteBudget } from "../../../../firmware/chain/follow/budget.js";
import { Follower, PERSIST_BLOCKS } from "../../../../firmware/chain/follow/follower.js";
import type { Outcome } from "../../../../firmware/chain/follow/outcome.js";
import { RIVAL_HEADERS_MAX, RIVAL_PAUSE_MS, RIVAL_WINDOW_BLOCKS_MAX, Rival } from "../../../../firmware/chain/follow/rival.js";
import { configurationDigest, encodeState } from "../../../../firmware/chain/follow/state.js";
import { ALARM_NONE, ALARM_REVOKED, REVOKED_BLOCKS, Vigil } from "../../../../firmware/chain/follow/vigil.js";
import { REORG_DEPTH, WINDOW_BLOCKS_MAX, Window } from "../../../../firmware/chain/follow/window.js";
import { SAVE_DUE } from "../../../../firmware/persistence.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { openGenerated, walk } from "../../../chains/clique-fixture.js";
import { type Account, accounts, type Block, CliqueChain, type Draft, hexOf, notary } from "../../../chains/clique-generator.js";
import { baseOf, headOf, kindOf, MemoryStore } from "../../../chains/follower-fixture.js";

/** What one reply of 4,096 bytes holds. */
const BATCH = 6;
const MINUTE_MS = 60_000;
const CHECKS_PER_MINUTE_MAX = 120;

interface Made {
  readonly chain: CliqueChain;
  readonly signers: readonly Account[];
  readonly store: MemoryStore;
  readonly clock: { now: number; ticksMs(): number };
  readonly recoveries: () => number;
  follower: Follower;
  restart(): Follower;
}

function make(count: number, trustingPeriodS?: number): Made {
  const { sealer, engine, recoveries } = notary(fastEngine);
  const signers = accounts(count);
  const chain = new CliqueChain({ signers, sealer });
  const clique = openGenerated(chain, engine, trustingPeriodS === undefined ? {} : { trustingPeriodS });
  const store = new MemoryStore();
  const clock = { now: 0, ticksMs: () => clock.now };
  const open = (): Follower => new Follower({ consensus: clique, engine, store, clock });
  const made: Made = {
    ...{ chain, signers, store, clock, recoveries, follower: open() },
    restart() {
      made.follower = open();
      return made.follower;
    },
  };
  return made;
}

/** `count` blocks after `parent` by `members` alone, whoever is in turn if they may, as long as any of them may. */
function branch(chain: CliqueChain, parent: Block, count: number, members: readonly Account[]): Block[] {
  const blocks: Block[] = [];
  while (blocks.length < count) {
    const tip = blocks.at(-1) ?? parent;
    const signer = chain.sealersOf(tip).find((one) => members.includes(one));
    if (signer === undefined) break;
    // A signer that is in both halves seals other blocks in each.
    const bend = (draft: Draft): void => {
      draft.vanity = Uint8Array.from({ length: 32 }, (_, i) => (members[0] as Account).address[i % 20] as number);
    };
    blocks.push(chain.child(tip, signer, { bend }));
  }
  return blocks;
}

/** The same by `members`, as long as it takes to be heavier than `than`. */
function heavier(chain: CliqueChain, parent: Block, than: Block, members: readonly Account[]): Block[] {
  const blocks: Block[] = [];
  let tip = parent;
  while (tip.totalDifficulty <= than.totalDifficulty) {
    blocks.push(...branch(chain, tip, 1, members));
    tip = blocks.at(-1) as Block;
  }
  return blocks;
}

function byNumber(...parts: (readonly Block[])[]): Map<number, Block> {
  return new Map(parts.flat().map((block) => [block.number, block]));
}

/** What came of asking `blocks` until nothing is wanted; minutes pass where a budget is spent, at most `minutesMax`. */
function drive(made: Made, blocks: ReadonlyMap<number, Block>, minutesMax = 100, nowS?: number): (Outcome | Rejection)[] {
  const outcomes: (Outcome | Rejection)[] = [];
  for (let minutes = 0, asks = 0; minutes <= minutesMax && asks < 5000; asks += 1) {
    const ask = made.follower.wanted();
    if (ask === undefined) {
      made.clock.now += MINUTE_MS;
      minutes += 1;
      if (made.follower.wanted() === undefined) return outcomes;
      continue;
    }
    const raws: Uint8Array[] = [];
    for (let number = ask.from; raws.length < Math.min(BATCH, ask.count) && blocks.has(number); number += 1)
      raws.push((blocks.get(number) as Block).raw);
    if (raws.length === 0) made.follower.unanswered();
    else outcomes.push(...made.follower.answer(ask.from, raws, nowS));
  }
  return outcomes;
}

function kindsOf(outcomes: readonly (Outcome | Rejection)[]): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const outcome of outcomes) kinds[kindOf(outcome)] = (kinds[kindOf(outcome)] ?? 0) + 1;
  return kinds;
}

function offerAll(made: Made, blocks: readonly Block[]): void {
  for (const block of blocks) {
    made.follower.offer(block.raw, undefined);
    if (made.follower.unsaved() === SAVE_DUE) made.follower.persist();
  }
}

/** Three signers, one of them cloned: both halves of the network go on for ever. */
function partition(trunkLength: number, depth: number, trustingPeriodS?: number) {
  const made = make(3, trustingPeriodS);
  const { chain, signers } = made;
  const [a, b, cloned] = signers as [Account, Account, Account];
  const trunk = chain.grow(chain.genesis, trunkLength);
  const fork = trunk.at(-1) as Block;
  const ours = branch(chain, fork, depth, [a, cloned]);
  const theirs = heavier(chain, fork, ours.at(-1) as Block, [b, cloned]);
  offerAll(made, [...trunk, ...ours]);
  assert.is(headOf(made.follower), hexOf((ours.at(-1) as Block).hash));
  return { ...made, made, trunk, fork, ours, theirs, members: { ours: [a, cloned], theirs: [b, cloned] } };
}

for (const [trunkLength, depth] of [
  [40, 17],
  [40, 30],
  [200, 300],
  [1_100, 100],
  [1_300, 600],
] as const)
  test(`a partition with a cloned signer, ${depth} blocks deep after ${trunkLength}: the mote changes over by itself, with an alarm`, () => {
    const { made, clock, trunk, theirs, chain, members } = partition(trunkLength, depth);
    const { follower } = made;
    assert.is(new Vigil(follower, clock).look(undefined), ALARM_NONE);
    const { settled, timeFloorS } = follower;
    const tip = theirs.at(-1) as Block;
    assert.is(kindOf(follower.offer(tip.raw, undefined)), "wanting");
    const outcomes = drive(made, byNumber(trunk, theirs));
    assert.is(headOf(follower), hexOf(tip.hash), JSON.stringify(kindsOf(outcomes)));
    const turned = outcomes.find((outcome) => kindOf(outcome) === "reorg") as Outcome & { kind: "reorg" };
    assert.ok(turned.depth > REORG_DEPTH && turned.depth <= depth, `${turned.depth} deep`);
    assert.ok(turned.revoked > 0 && turned.revoked <= settled - trunkLength, `${turned.revoked} revoked`);
    assert.is(follower.revokedAt, turned.number);
    assert.ok(follower.timeFloorS >= timeFloorS, "the clock's bound never goes back");
    // Whoever brings the branch is blamed for nothing.
    assert.ok(!outcomes.some((outcome) => outcome instanceof Rejection), JSON.stringify(kindsOf(outcomes)));
    follower.persist();
    assert.is(hexOf(made.restart().head.hash), hexOf(tip.hash), "after a restart, too");
    made.follower = follower;
    assert.ok(
      follower.head.number - baseOf(follower, chain.genesis) >= RIVAL_WINDOW_BLOCKS_MAX,
      "the newest blocks of the new chain can be left",
    );
    assert.is(new Vigil(follower, clock).look(undefined), ALARM_REVOKED);
    offerAll(made, branch(chain, tip, REVOKED_BLOCKS, members.theirs));
    assert.is(new Vigil(follower, clock).look(undefined), ALARM_NONE, "it ends some blocks later");
  });

test("while a rival is walked our own chain goes on, and its headers are asked for", () => {
  const { made, trunk, ours, theirs, chain, members } = partition(200, 120);
  const { follower } = made;
  const honest = [...ours, ...branch(chain, ours.at(-1) as Block, 120, members.ours)];
  follower.offer((theirs.at(-1) as Block).raw, undefined);
  const [blocks, ourBlocks] = [byNumber(trunk, theirs), byNumber(trunk, honest)];
  let moved = 0;
  let walked = 0;
  for (let i = 0; i < 30; i += 1) {
    const head = follower.head.number;
    // One in three blocks of ours is announced, those between have to be asked for.
    const announced = ourBlocks.get(head + 3);
    if (walked > 0 && announced !== undefined) follower.offer(announced.raw, undefined);
    const ask = follower.wanted();
    if (ask === undefined) break;
    const isOurs = walked > 0 && ask.from === head + 1;
    const raws: Uint8Array[] = [];
    const from = isOurs ? ourBlocks : blocks;
    for (let n = ask.from; n < ask.from + Math.min(BATCH, ask.count) && from.has(n); n += 1)
      raws.push((from.get(n) as Block).raw);
    const kinds = follower.answer(ask.from, raws, undefined).map(kindOf);
    if (kinds.includes("rival")) walked += 1;
    if (follower.head.number > head) moved += 1;
  }
  assert.ok(walked >= 10 && moved >= 10, `walked ${walked} times, moved ${moved} times`);
  assert.is(headOf(follower), hexOf((ourBlocks.get(follower.head.number) as Block).hash));
});

test("what leads back to our own chain ends, at a bounded cost a minute, and the next is not begun so soon", () => {
  const { made, chain, trunk, ours, recoveries, clock } = partition(300, 275);
  const { follower } = made;
  const head = headOf(follower);
  const noise = chain.child(ours.at(-1) as Block, undefined, {
    bend(draft) {
      draft.parentHash = new Uint8Array(32).fill(0xaa);
      draft.number += 5n;
    },
  });
  const blocks = byNumber(trunk, ours);
  const base = baseOf(follower, chain.genesis);
  let lost = 0;
  for (let minute = 0; minute < 30; minute += 1) {
    const before = recoveries();
    follower.offer(noise.raw, undefined);
    for (let asks = 0; asks < 200; asks += 1) {
      const ask = follower.wanted();
      if (ask === undefined) break;
      // Asked for the window's blocks the liar has others, asked for older ones it has the chain's.
      const raws: Uint8Array[] = [];
      for (let n = ask.from; n < ask.from + BATCH && ask.from <= base; n += 1)
        if (blocks.has(n)) raws.push((blocks.get(n) as Block).raw);
      const outcomes = follower.answer(ask.from, raws.length > 0 ? raws : [noiseAt(chain, ours, ask.from)], undefined);
      lost += outcomes.filter((outcome) => kindOf(outcome) === "rival-ours").length;
    }
    assert.ok(recoveries() - before <= CHECKS_PER_MINUTE_MAX, `${recoveries() - before} checks in a minute`);
    assert.is(headOf(follower), head);
    clock.now += MINUTE_MS;
  }
  assert.ok(lost >= 1 && lost <= 30 / (RIVAL_PAUSE_MS / MINUTE_MS) + 1, `${lost} rivals that were ours`);
});

/** A header of height `number` that joins nothing. */
function noiseAt(chain: CliqueChain, ours: readonly Block[], number: number): Uint8Array {
  return chain.child(ours.at(-1) as Block, undefined, {
    bend(draft) {
      draft.parentHash = new Uint8Array(32).fill(0xbb);
      draft.number = BigInt(number);
    },
  }).raw;
}

test("headers that join nothing cost no signature, a bounded number of asks, and do not keep an honest branch from winning", () => {
  const { made, chain, trunk, ours, theirs, recoveries, clock } = partition(300, 60);
  const { follower } = made;
  const before = recoveries();
  let asks = 0;
  for (let minute = 0; minute < 20; minute += 1) {
    follower.offer(noiseAt(chain, ours, 10 ** 6), undefined);
    for (let ask = follower.wanted(); ask !== undefined; ask = follower.wanted()) {
      asks += 1;
      follower.answer(ask.from, [noiseAt(chain, ours, ask.from)], undefined);
    }
    clock.now += MINUTE_MS;
  }
  assert.is(recoveries(), before);
  assert.ok(asks <= 20 * 16 + 3 * 16, `${asks} asks`);
  clock.now += RIVAL_PAUSE_MS;
  follower.offer((theirs.at(-1) as Block).raw, undefined);
  drive(made, byNumber(trunk, theirs));
  assert.is(headOf(follower), hexOf((theirs.at(-1) as Block).hash));
});

test("a lighter branch never wins, however deep it leaves ours, and is taken up as it grows", () => {
  const { made, chain, trunk, ours, theirs, members } = partition(100, 80);
  const { follower } = made;
  const light = theirs.filter((block) => block.totalDifficulty <= (ours.at(-1) as Block).totalDifficulty);
  const tip = light.at(-1) as Block;
  const blocks = byNumber(trunk, light);
  // Announced with some heights above, which do not come for now.
  follower.offer(noiseAt(chain, ours, tip.number + 30), undefined);
  const outcomes = drive(made, blocks, 1);
  assert.is(headOf(follower), hexOf((ours.at(-1) as Block).hash));
  assert.ok((kindsOf(outcomes).rival ?? 0) >= light.length, JSON.stringify(kindsOf(outcomes)));
  // It is at its tip: what is announced joins there, and nothing needs to be asked for.
  const more = heavier(chain, tip, ours.at(-1) as Block, members.theirs);
  const kinds = more.map((block) => kindOf(follower.offer(block.raw, undefined)));
  assert.equal(kinds, [...Array(more.length - 1).fill("rival"), "reorg"]);
  assert.is(headOf(follower), hexOf((more.at(-1) as Block).hash));
});

test("a rival whose own branch changes near its tip follows", () => {
  const { made, chain, trunk, ours, members } = partition(100, 60);
  const { follower } = made;
  const fork = trunk.at(-1) as Block;
  const first = branch(chain, fork, 50, members.theirs);
  follower.offer(noiseAt(chain, ours, (first.at(-1) as Block).number + 3), undefined);
  drive(made, byNumber(trunk, first), 1);
  // The other half of the network left its last five blocks.
  const parent = first[44] as Block;
  const second = heavier(chain, parent, ours.at(-1) as Block, members.theirs.slice(0, 1).concat(members.ours));
  follower.offer((second.at(-1) as Block).raw, undefined);
  drive(made, byNumber(trunk, first.slice(0, 45), second), 3);
  assert.is(headOf(follower), hexOf((second.at(-1) as Block).hash));
  follower.persist();
  const { head, settled } = made.restart();
  assert.equal([hexOf(head.hash), head.number, settled], [headOf(follower), follower.head.number, follower.settled]);
});

test("a rival to which nothing comes is asked for a few times, and forgotten", () => {
  const { made, chain, trunk, ours, theirs, clock } = partition(100, 80);
  const { follower } = made;
  const light = theirs.slice(0, 70);
  const tip = light.at(-1) as Block;
  follower.offer(noiseAt(chain, ours, tip.number + 1), undefined);
  drive(made, byNumber(trunk, light), 1);
  assert.is(follower.wanted(), undefined);
  const [child, grandchild] = theirs.slice(70, 72) as [Block, Block];
  assert.is(kindOf(follower.offer(child.raw, undefined)), "rival", "it is at its tip");
  clock.now += RIVAL_PAUSE_MS + 1;
  assert.is(kindOf(follower.offer(grandchild.raw, undefined)), "wanting", "after long silence it is not");

  const other = partition(100, 80);
  other.follower.offer(noiseAt(other.chain, other.ours, tip.number + 1), undefined);
  drive(other.made, byNumber(other.trunk, other.theirs.slice(0, 70)), 1);
  let asks = 0;
  for (let minute = 0; minute < 9; minute += 1) {
    other.follower.offer(noiseAt(other.chain, other.ours, 10 ** 6 + minute), undefined);
    for (let ask = other.follower.wanted(); ask !== undefined && asks < 50; ask = other.follower.wanted()) {
      // Ours is asked for from its own head back: 181, 180, 179, 177, 173, 165.
      if (ask.from > 165 && ask.from <= tip.number + 1) asks += 1;
      other.follower.answer(ask.from, [noiseAt(other.chain, other.ours, ask.from)], undefined);
    }
    other.clock.now += MINUTE_MS;
  }
  assert.ok(asks > 0 && asks <= 8, `${asks} asks for the rival`);
});

test("what is kept of a rival is bounded while it is walked", () => {
  const { sealer, engine } = notary(fastEngine);
  const signers = accounts(3);
  const chain = new CliqueChain({ signers, sealer });
  const clique = openGenerated(chain, engine);
  const blocks = chain.grow(chain.genesis, 120);
  const rivalOf = (window: Window): Rival => {
    const owner = { consensus: clique, window, older: () => undefined };
    const [budget, start] = [new MinuteBudget({ ticksMs: () => 0 }), clique.checkpoint];
    return new Rival(owner, budget, new Window(clique, start), start, undefined, Number.POSITIVE_INFINITY);
  };
  // Its first block is ours: that ends it.
  const lost = rivalOf(new Window(clique, walk(clique, clique.checkpoint, blocks.slice(0, 1))));
  assert.equal(lost.answered([(blocks[0] as Block).raw], undefined).map(kindOf), ["rival-ours"]);
  assert.ok(lost.isOver);
  const free = rivalOf(new Window(clique, walk(clique, clique.checkpoint, branch(chain, chain.genesis, 2, signers))));
  for (let at = 0; at < 114; at += RIVAL_HEADERS_MAX) {
    free.answered(
      blocks.slice(at, at + RIVAL_HEADERS_MAX).map(({ raw }) => raw),
      undefined,
    );
    assert.is(free.tip.number, at + RIVAL_HEADERS_MAX);
    assert.is(free.window.base.number + free.window.deltas.length, free.tip.number);
    assert.ok(free.window.deltas.length <= RIVAL_WINDOW_BLOCKS_MAX);
  }
  // A branch of its own, that ends elsewhere.
  const other = chain.child(blocks[110] as Block, chain.sealersOf(blocks[110] as Block).at(-1));
  free.answered([], undefined);
  free.announced(200);
  for (let ask = free.next(), asks = 0; ask !== undefined && free.tip.number > 112 && asks < 8; ask = free.next(), asks += 1) {
    const raws = [...blocks.slice(ask.from - 1, 111), other].map(({ raw }) => raw);
    free.answered(ask.from <= 112 ? raws : [noiseAt(chain, blocks, ask.from)], undefined);
  }
  assert.is(hexOf(free.tip.hash), hexOf(other.hash));
  assert.is(free.window.base.number + free.window.deltas.length, free.tip.number);
  assert.is(hexOf(free.window.stateAt(free.window.deltas.length).hash), hexOf(free.tip.hash));
});

test("nothing is walked from further back than the stated depth", () => {
  const { sealer, engine } = notary(fastEngine);
  const chain = new CliqueChain({ signers: accounts(3), sealer });
  const clique = openGenerated(chain, engine);
  for (const [number, code] of [
    [RIVAL_DEPTH_MAX, "wanting"],
    [RIVAL_DEPTH_MAX + 1, "reorg-too-deep"],
  ] as const) {
    const store = new MemoryStore();
    const base = new CliqueTrusted({ ...clique.checkpoint, number, settled: number });
    store.write("trusted", encodeState(clique, configurationDigest(engine, clique), { timeFloorS: 0, base }));
    const follower = new Follower({ consensus: clique, engine, store, clock: { ticksMs: () => 0 } });
    assert.is(follower.head.number, number);
    follower.offer(noiseAt(chain, [chain.genesis], number + 5), undefined);
    const ask = follower.wanted() as { from: number };
    const outcomes = follower.answer(ask.from, [noiseAt(chain, [chain.genesis], ask.from)], undefined);
    assert.is(kindOf(outcomes.at(-1) as Rejection), code);
  }
});

test("a restart in between loses the way, not the end", () => {
  const { made, trunk, theirs } = partition(400, 200);
  made.follower.persist();
  const blocks = byNumber(trunk, theirs);
  for (let i = 0; i < 6; i += 1) {
    made.follower.offer((theirs.at(-1) as Block).raw, undefined);
    drive(made, blocks, i < 3 ? 0 : 20);
    made.restart();
  }
  made.follower.offer((theirs.at(-1) as Block).raw, undefined);
  drive(made, blocks);
  assert.is(headOf(made.follower), hexOf((theirs.at(-1) as Block).hash));
});

test("beyond the trusting period no older signers are heard; one event says what to do", () => {
  // A day of blocks of 15 s each is 5,760: the fork is older than half an hour, and all that was kept as well.
  const { made, trunk, theirs } = partition(300, 150, 120 * 15);
  const head = headOf(made.follower);
  made.follower.offer((theirs.at(-1) as Block).raw, undefined);
  const outcomes = drive(made, byNumber(trunk, theirs));
  assert.is(headOf(made.follower), head);
  assert.is(kindsOf(outcomes)["reorg-too-deep"] ?? 0, 1, JSON.stringify(kindsOf(outcomes)));
  const near = partition(300, 150, 3_000 * 15);
  near.follower.offer((near.theirs.at(-1) as Block).raw, undefined);
  drive(near.made, byNumber(near.trunk, near.theirs));
  assert.is(headOf(near.follower), hexOf((near.theirs.at(-1) as Block).hash));
});

test("a branch that leaves ours before the checkpoint: one event asks for a new checkpoint", () => {
  const made = make(3);
  const other = make(3);
  const ours = made.chain.grow(made.chain.genesis, 60);
  offerAll(made, ours);
  const early = other.chain.child(other.chain.genesis, other.signers[0], { afterS: 100 });
  const theirs = [early, ...other.chain.grow(early, 80)];
  const strange = theirs.map((block) => ({ ...block, number: block.number }));
  strange[0] = other.chain.child(other.chain.genesis, other.signers[0], {
    bend(draft) {
      draft.parentHash = new Uint8Array(32).fill(1);
    },
  });
  made.follower.offer((theirs.at(-1) as Block).raw, undefined);
  const outcomes = drive(made, byNumber(strange), 5);
  const deep = outcomes.filter((outcome) => kindOf(outcome) === "reorg-too-deep") as Rejection[];
  assert.is(deep.length, 1, JSON.stringify(kindsOf(outcomes)));
  assert.match((deep[0] as Rejection).detail, /a new checkpoint is needed/);
});

test("what is kept of older states is bounded, and is written once for each stride", () => {
  const made = make(3);
  const { chain, store } = made;
  let tip = chain.genesis;
  for (let i = 0; i < 2_600; i += 1) {
    tip = chain.child(tip);
    made.follower.offer(tip.raw, undefined);
    if (made.follower.unsaved() === SAVE_DUE) made.follower.persist();
  }
  const keys = [...store.values.keys()].filter((key) => key.startsWith("anchor"));
  const bytes = keys.reduce((sum, key) => sum + (store.values.get(key) as Uint8Array).length, 0);
  assert.ok(bytes <= 4_096, `${bytes} bytes`);
  assert.equal(keys.sort(), ["anchor00", "anchor01", "anchor20", "anchor21"]);
  const writes = keys.reduce((sum, key) => sum + (store.writes.get(key) ?? 0), 0);
  const persisted = PERSIST_BLOCKS * Math.floor(2_600 / PERSIST_BLOCKS) - REORG_DEPTH;
  assert.is(writes, Math.floor(persisted / 128) + Math.floor(persisted / 1_024));
  const large = make(60);
  let far = large.chain.genesis;
  for (let i = 0; i < 1_200; i += 1) {
    far = large.chain.child(far);
    large.follower.offer(far.raw, undefined);
    if (large.follower.unsaved() === SAVE_DUE) large.follower.persist();
  }
  const kept = [...large.store.values.keys()].filter((key) => key.startsWith("anchor"));
  assert.equal(kept, ["anchor01"], "of large states the first stride alone");
});

// The rule of recent signers lets half of N signers, cut off from the rest, seal ⌊N/2⌋ blocks and no more.
for (const count of [2, 3, 4, 21, 32, 33, 34, 35, 48, 63, 64])
  test(`${count} signers: a partition's honest half is left without a word about settled blocks`, () => {
    const half = count >> 1;
    // The worst: each of them in turn where it seals.
    for (const start of [0, half]) {
      const made = make(count);
      const { chain, signers } = made;
      const trunk = chain.grow(chain.genesis, 2 * count);
      offerAll(made, trunk);
      const fork = trunk.at(-1) as Block;
      const minority = signers.slice(start, start + half);
      const majority = signers.filter((one) => !minority.includes(one));
      const ours = branch(chain, fork, count, minority);
      assert.ok(ours.length <= half, `${ours.length} blocks by ${half} of ${count}`);
      offerAll(made, ours);
      assert.is(made.follower.head.number, fork.number + ours.length);
      assert.ok(made.follower.settled <= fork.number, "nothing of them settles");
      assert.ok(baseOf(made.follower, chain.genesis) <= fork.number, "all of them can be left");
      assert.ok(made.follower.head.number - baseOf(made.follower, chain.genesis) <= WINDOW_BLOCKS_MAX);
      if (count % 2 === 0) continue; // Nobody has more than half.
      const end = ours.at(-1) ?? fork;
      const theirs = heavier(chain, fork, end, majority);
      made.follower.persist();
      for (const follower of [made.follower, made.restart()]) {
        made.follower = follower;
        follower.offer((theirs.at(-1) as Block).raw, undefined);
        const outcomes = drive(made, byNumber(trunk, theirs), 3);
        assert.is(headOf(follower), hexOf((theirs.at(-1) as Block).hash), JSON.stringify(kindsOf(outcomes)));
        assert.is(follower.revokedAt, undefined);
      }
    }
  });

test.run();
