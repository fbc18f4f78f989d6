// The follower: heads, forks, catching up, restarts; and relays that lie.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openClique } from "../../../../firmware/chain/clique/checkpoint.js";
import { FRUITLESS_CHECKS_PER_MINUTE_MAX } from "../../../../firmware/chain/follow/budget.js";
import { Follower, PERSIST_BLOCKS } from "../../../../firmware/chain/follow/follower.js";
import type { Outcome } from "../../../../firmware/chain/follow/outcome.js";
import { REORG_DEPTH } from "../../../../firmware/chain/follow/window.js";
import { SAVE_DUE, SAVED, UNSAVED } from "../../../../firmware/persistence.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { checkpointAt, codeOf, held } from "../../../chains/clique-fixture.js";
import { account, accounts, type Block, type CliqueChain, hexOf } from "../../../chains/clique-generator.js";
import { baseOf, drive, headOf, kindOf, Relay, type World, world } from "../../../chains/follower-fixture.js";

function offerAll(follower: Follower, blocks: readonly Block[]): string[] {
  return blocks.map((block) => kindOf(follower.offer(block.raw, undefined)));
}

/** A branch of `count` blocks whose signers are seldom in turn: lighter than `grow` makes it. */
function light(chain: CliqueChain, parent: Block, count: number): Block[] {
  const blocks: Block[] = [];
  let tip = parent;
  for (let i = 0; i < count; i += 1) {
    tip = chain.child(tip, chain.sealersOf(tip).at(-1));
    blocks.push(tip);
  }
  return blocks;
}

test("headers in order move the head, at one signature each; doubles and old ones cost none", () => {
  const { chain, follower, recoveries } = world();
  const blocks = chain.grow(chain.genesis, 40);
  for (const block of blocks) {
    const outcome = follower.offer(block.raw, block.timeS) as Outcome;
    assert.is(outcome.kind, "advanced");
    assert.is(headOf(follower), hexOf(block.hash));
    assert.is(follower.settled, Math.max(0, block.number - 3));
    assert.is(follower.timeFloorS, chain.genesis.timeS + 15 * follower.settled - 15);
    assert.is(follower.head.totalDifficulty, block.totalDifficulty);
  }
  assert.is(recoveries(), 40);
  assert.is(baseOf(follower, chain.genesis), 40 - REORG_DEPTH);
  assert.equal(offerAll(follower, blocks.slice(-17)), Array(17).fill("known"));
  assert.equal(offerAll(follower, [chain.genesis, ...blocks.slice(0, 23)]), Array(24).fill("stale"));
  assert.is(recoveries(), 40);
  assert.is(headOf(follower), hexOf(blocks[39]?.hash as Uint8Array));
});

test("the genesis head of a new chain is known, not refused", () => {
  const { chain, follower } = world();
  assert.is(kindOf(follower.offer(chain.genesis.raw, undefined)), "known");
  assert.is(follower.wanted(), undefined);
});

test("of two branches the heavier wins, of equals the first seen", () => {
  const { chain, follower } = world(accounts(5));
  const trunk = chain.grow(chain.genesis, 6);
  offerAll(follower, trunk);
  const tip = trunk[5] as Block;
  const [best, ...others] = chain.sealersOf(tip);
  const out = others.map((signer) => chain.child(tip, signer));
  const inTurn = chain.child(tip, best);
  assert.equal(offerAll(follower, out), ["advanced", "side"]);
  assert.is(headOf(follower), hexOf((out[0] as Block).hash));
  const reorg = follower.offer(inTurn.raw, undefined) as Outcome;
  assert.equal([reorg.kind, reorg.kind === "reorg" && reorg.depth], ["reorg", 1]);
  assert.is(headOf(follower), hexOf(inTurn.hash));
  assert.equal(offerAll(follower, [out[0] as Block, inTurn]), ["known", "known"]);
  // The branch that was left is still there: it can win again without being asked for.
  const further = chain.grow(out[0] as Block, 3);
  const outcomes = offerAll(follower, further);
  const winner = further.find((block) => block.totalDifficulty > inTurn.totalDifficulty) as Block;
  assert.is(outcomes[further.indexOf(winner)], "reorg");
  assert.is(headOf(follower), hexOf((further[2] as Block).hash));
});

test("a branch is left as deep as the window reaches, and deeper once its rival has been walked", () => {
  for (const depth of [1, 2, 7, REORG_DEPTH]) {
    const { chain, follower } = world();
    const trunk = chain.grow(chain.genesis, 10);
    const old = light(chain, trunk[9] as Block, depth);
    offerAll(follower, [...trunk, ...old]);
    const heavier = chain.grow(trunk[9] as Block, depth);
    const outcomes = offerAll(follower, heavier);
    assert.is(outcomes.filter((kind) => kind === "reorg").length, 1, `${depth} blocks`);
    assert.is(headOf(follower), hexOf(heavier.at(-1)?.hash as Uint8Array));
  }
  const { chain, follower } = world();
  const trunk = chain.grow(chain.genesis, 10);
  const old = light(chain, trunk[9] as Block, REORG_DEPTH + 1);
  offerAll(follower, [...trunk, ...old]);
  const head = headOf(follower);
  const heavier = chain.grow(trunk[9] as Block, REORG_DEPTH + 8);
  for (const block of heavier) assert.ok(["stale", "wanting"].includes(kindOf(follower.offer(block.raw, undefined))));
  assert.is(headOf(follower), head);
  drive(follower, new Relay([...trunk, ...heavier]));
  assert.is(headOf(follower), hexOf(heavier.at(-1)?.hash as Uint8Array));
  assert.ok(follower.revokedAt !== undefined);
});

test("catching up takes one signature per block and one ask per batch", () => {
  const { chain, follower, recoveries } = world();
  const blocks = chain.grow(chain.genesis, 200);
  const relay = new Relay(blocks);
  assert.is(kindOf(follower.offer(blocks[199]?.raw as Uint8Array, undefined)), "wanting");
  assert.equal(follower.wanted(), { from: 1, count: 16 });
  const outcomes = drive(follower, relay);
  assert.is(headOf(follower), hexOf(blocks[199]?.hash as Uint8Array));
  assert.equal(new Set(outcomes), new Set(["advanced"]));
  assert.equal([recoveries(), relay.asks], [200, 34]);
  assert.is(follower.wanted(), undefined);
});

test("another branch is found by stepping back, whatever its depth and the batch", () => {
  for (const depth of [1, 2, 3, 5, 9, 15, 16]) {
    for (const batch of [1, 6, 16]) {
      const { chain, follower } = world();
      const trunk = chain.grow(chain.genesis, 20);
      const old = light(chain, trunk[19] as Block, depth);
      offerAll(follower, [...trunk, ...old]);
      const heavier = chain.grow(trunk[19] as Block, depth + 3);
      // At the head's height, below it, or far ahead: wherever the announcement is.
      const announced = heavier[Math.min(depth, batch)] as Block;
      follower.offer(announced.raw, undefined);
      const relay = new Relay([...trunk, ...heavier], batch);
      const outcomes = drive(follower, relay, 60);
      // Until it is announced that there is more, no more is asked for.
      follower.offer((heavier.at(-1) as Block).raw, undefined);
      drive(follower, relay, 60);
      assert.is(headOf(follower), hexOf(heavier.at(-1)?.hash as Uint8Array), `${depth} deep by ${batch}: ${outcomes}`);
    }
  }
});

test("every lie is refused by name, and the head stays", () => {
  const { chain, follower, recoveries } = world();
  const blocks = chain.grow(chain.genesis, 30);
  offerAll(follower, blocks);
  const tip = blocks[29] as Block;
  const head = headOf(follower);
  const before = recoveries();
  const good = chain.child(tip);
  const lies: [string, Uint8Array][] = [
    ["seal-unrecoverable", chain.child(tip, undefined, { bendSeal: (seal) => seal.fill(7, 0, 64) }).raw],
    ["signer-unauthorised", chain.child(tip, account("stranger")).raw],
    ["signer-recent", chain.child(tip, tip.signer).raw],
    [
      "wanting",
      chain.child(tip, undefined, {
        bend: (d) => {
          d.parentHash = new Uint8Array(32);
        },
      }).raw,
    ],
    [
      "number-wrong",
      chain.child(tip, undefined, {
        bend: (d) => {
          d.number += 5n;
        },
      }).raw,
    ],
    ["stale", (blocks[2] as Block).raw],
    ["time-in-future", chain.child(tip, undefined, { afterS: 10_000 }).raw],
    ["time-before-period", chain.child(tip, undefined, { afterS: 1 }).raw],
    ["rlp-truncated", good.raw.slice(0, 300)],
    ["rlp-trailing", Uint8Array.from([...good.raw, 0])],
    ["header-too-long", new Uint8Array(1 << 20).fill(0xc3)],
    ["rlp-truncated", new Uint8Array(0)],
    ["header-malformed", Uint8Array.of(0xc0)],
  ];
  for (const [code, raw] of lies) {
    assert.is(kindOf(follower.offer(raw, tip.timeS + 100)), code);
    assert.is(headOf(follower), head);
  }
  assert.is(recoveries() - before, 3);
  assert.is(kindOf(follower.offer(good.raw, tip.timeS + 100)), "advanced");
});

test("answers that nobody asked for, that are out of order or too long, are refused and move no more than they prove", () => {
  const { chain, follower } = world();
  const blocks = chain.grow(chain.genesis, 30);
  const raws = blocks.map((block) => block.raw);
  assert.equal(follower.answer(1, raws.slice(0, 3), undefined).map(kindOf), ["answer-unasked"]);
  follower.offer(raws[9] as Uint8Array, undefined);
  assert.equal(follower.answer(2, raws.slice(1, 3), undefined).map(kindOf), ["answer-unasked"]);
  assert.equal(follower.answer(1, [raws[1], raws[0]] as Uint8Array[], undefined).map(kindOf), ["answer-order"]);
  assert.is(follower.head.number, 0);
  assert.equal(follower.answer(1, [raws[0], raws[2]] as Uint8Array[], undefined).map(kindOf), ["advanced", "answer-order"]);
  const other = light(chain, blocks[1] as Block, 2)[1] as Block;
  assert.equal(follower.answer(2, [raws[1], other.raw] as Uint8Array[], undefined).map(kindOf), ["advanced", "answer-order"]);
  const kinds = follower.answer(3, [raws[2], other.raw] as Uint8Array[], undefined).map(kindOf);
  assert.equal(kinds, ["advanced", "wanting", "answer-order"]);
  assert.equal(follower.wanted(), { from: 4, count: 16 });
  assert.equal(follower.answer(4, raws.slice(3, 20), undefined).map(kindOf), [...Array(16).fill("advanced"), "answer-too-long"]);
  assert.is(follower.head.number, 19);
});

test("who announces absurd heights makes the mote ask a bounded number of times", () => {
  const { chain, follower, clock } = world();
  const blocks = chain.grow(chain.genesis, 12);
  const absurd = (height: number): Uint8Array =>
    chain.child(chain.genesis, undefined, {
      bend: (d) => {
        d.number = BigInt(height);
        d.parentHash = new Uint8Array(32);
      },
    }).raw;
  let asks = 0;
  const rounds = (count: number, honest: Relay | undefined): void => {
    for (let i = 0; i < count; i += 1) {
      follower.offer(absurd(2 ** 40 + i), undefined);
      const ask = follower.wanted();
      if (ask === undefined) continue;
      asks += 1;
      if (honest === undefined) follower.unanswered();
      else follower.answer(ask.from, honest.answer(ask.from, ask.count), undefined);
    }
  };
  rounds(1000, undefined);
  assert.is(asks, 16);
  clock.now += 60_000;
  rounds(1000, undefined);
  assert.is(asks, 32);
  clock.now += 60_000;
  // Meanwhile an honest relay gets through all the same.
  rounds(1000, new Relay(blocks));
  assert.is(follower.head.number, 12);
  assert.ok(asks <= 32 + 2 + 16);
});

test("one silent relay is asked a few times, then left until something new is announced", () => {
  const { chain, follower } = world();
  const blocks = chain.grow(chain.genesis, 5);
  follower.offer((blocks[4] as Block).raw, undefined);
  let asks = 0;
  while (follower.wanted() !== undefined) {
    asks += 1;
    follower.unanswered();
  }
  assert.is(asks, 4);
  follower.unanswered();
  follower.offer((blocks[4] as Block).raw, undefined);
  assert.ok(follower.wanted() !== undefined);
});

test("signature checks that lead nowhere are capped; what was asked for still gets through, and a minute later all does", () => {
  const { chain, follower, clock, recoveries } = world();
  const blocks = chain.grow(chain.genesis, 10);
  offerAll(follower, blocks.slice(0, 5));
  const tip = blocks[4] as Block;
  const next = blocks[5] as Block;
  const before = recoveries();
  let limited = 0;
  for (let i = 0; i < 1000; i += 1) {
    const bad = chain.child(tip, undefined, { bendSeal: (seal) => seal.fill(1 + (i % 200), 0, 32) });
    if (kindOf(follower.offer(bad.raw, undefined)) === "work-limit") limited += 1;
  }
  assert.is(recoveries() - before, FRUITLESS_CHECKS_PER_MINUTE_MAX);
  assert.is(limited, 1000 - FRUITLESS_CHECKS_PER_MINUTE_MAX);
  assert.is(kindOf(follower.offer(next.raw, undefined)), "work-limit");
  assert.equal(follower.wanted(), { from: 6, count: 16 });
  assert.equal(follower.answer(6, [next.raw], undefined).map(kindOf), ["advanced"]);
  clock.now += 60_000;
  assert.equal(offerAll(follower, blocks.slice(6)), Array(4).fill("advanced"));
});

test("siblings without end do not hinder the chain and do not grow", () => {
  const { chain, follower, store, clock } = world(accounts(5));
  let tip = chain.genesis;
  for (let i = 0; i < 300; i += 1) {
    clock.now += 1000;
    const [best, second] = chain.sealersOf(tip);
    const next = chain.child(tip, best);
    const sibling = chain.child(tip, second);
    offerAll(follower, i % 2 === 0 ? [sibling, next] : [next, sibling]);
    assert.is(headOf(follower), hexOf(next.hash));
    tip = next;
  }
  follower.persist();
  assert.ok((store.values.get("trusted") as Uint8Array).length < 2048);
});

test("what is believed survives a restart at any block, with its window", () => {
  const made = world(accounts(4), 20);
  const { chain, store } = made;
  for (let i = 0; i < 3; i += 1) chain.know(account(`${i}`));
  const blocks = chain.grow(chain.genesis, 50, (i) => ({ vote: { account: account(`${i % 3}`).address, authorize: true } }));
  for (const block of blocks) {
    assert.is(kindOf(made.follower.offer(block.raw, undefined)), "advanced", `block ${block.number}`);
    const { head, settled, timeFloorS } = made.follower;
    const base = baseOf(made.follower, chain.genesis);
    made.follower.persist();
    const follower = made.restart();
    assert.equal([follower.restored, follower.refusedState], [true, undefined]);
    assert.equal(hexOf(made.clique.serialize(follower.head as never)), hexOf(made.clique.serialize(head as never)));
    assert.equal([baseOf(follower, chain.genesis), follower.settled, follower.timeFloorS], [base, settled, timeFloorS]);
  }
  assert.is(store.writes.get("trusted"), 50);
  made.follower.persist();
  assert.is(store.writes.get("trusted"), 50, "nothing new, nothing written");
});

test("it says when it is due to be written, and writes only when told to; a store that fails loses nothing", () => {
  const made = world();
  const { chain, store, follower } = made;
  const blocks = chain.grow(chain.genesis, PERSIST_BLOCKS + 5);
  assert.is(follower.unsaved(), SAVED);
  offerAll(follower, blocks.slice(0, PERSIST_BLOCKS - 1));
  assert.is(follower.unsaved(), UNSAVED);
  assert.is(store.writes.get("trusted"), undefined);
  store.failing = true;
  offerAll(follower, blocks.slice(PERSIST_BLOCKS - 1));
  assert.is(follower.unsaved(), SAVE_DUE);
  assert.is(store.writes.get("trusted"), undefined);
  assert.throws(() => follower.persist(), /full/);
  assert.is(follower.unsaved(), SAVE_DUE);
  assert.is(follower.head.number, PERSIST_BLOCKS + 5);
  store.failing = false;
  follower.persist();
  assert.is(follower.unsaved(), SAVED);
  assert.is(made.restart().head.number, PERSIST_BLOCKS + 5);
});

test("a persisted state that is damaged, foreign or of another version falls back to the checkpoint and says so", () => {
  const made = world();
  const { chain, store } = made;
  offerAll(made.follower, chain.grow(chain.genesis, 30));
  made.follower.persist();
  const whole = store.values.get("trusted") as Uint8Array;
  for (let at = 0; at < whole.length; at += 1) {
    const bent = whole.slice();
    bent[at] = (bent[at] as number) ^ (1 << (at % 8));
    store.values.set("trusted", bent);
    const follower = made.restart();
    assert.is(codeOf(follower.refusedState), "state-corrupted");
    assert.equal([follower.restored, follower.head.number], [false, 0]);
  }
  for (const length of [0, 3, 4, 45, 46, whole.length - 1]) {
    store.values.set("trusted", whole.slice(0, length));
    assert.is(codeOf(made.restart().refusedState), "state-corrupted", `${length} bytes`);
  }
  store.values.set("trusted", whole);
  const other = held(openClique(made.engine, { ...checkpointAt(chain, chain.genesis), recents: undefined, periodS: 14 }));
  const foreign = new Follower({ consensus: other, engine: made.engine, store, clock: made.clock });
  assert.is(codeOf(foreign.refusedState), "state-foreign");
  assert.is(foreign.head.number, 0);
  assert.is(made.restart().head.number, 30);
});

test("the clock's lower bound never goes back, not by a branch with earlier times", () => {
  const made = world();
  const { chain, follower } = made;
  const trunk = chain.grow(chain.genesis, 4);
  const late = light(chain, trunk[3] as Block, 8).length;
  let tip = trunk[3] as Block;
  const slow: Block[] = [];
  for (let i = 0; i < late; i += 1) {
    tip = chain.child(tip, chain.sealersOf(tip).at(-1), { afterS: 600 });
    slow.push(tip);
  }
  offerAll(follower, [...trunk, ...slow]);
  const floor = follower.timeFloorS;
  assert.is(floor, (slow[4]?.timeS as number) - 15);
  const heavier = chain.grow(trunk[3] as Block, 9);
  assert.ok(offerAll(follower, heavier).includes("reorg"));
  assert.is(headOf(follower), hexOf(heavier[8]?.hash as Uint8Array));
  assert.is(follower.timeFloorS, floor);
  follower.persist();
  assert.is(made.restart().timeFloorS, floor);
});

test("walks, forks and restarts agree with the plain rule: the heaviest, and of equals the first", () => {
  const action = fc.record({
    branch: fc.constantFrom(0, 1),
    signer: fc.nat(3),
    vote: fc.option(fc.nat(4)),
    event: fc.nat(9),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.nat(5),
      fc.array(action, { minLength: 5, maxLength: 14 }),
      (count, trunk, actions) => {
        const signers = accounts(count, "agree");
        const made: World = world(signers, 7);
        const { chain } = made;
        const others = accounts(5, "agreed");
        for (const other of others) chain.know(other);
        const blocks = chain.grow(chain.genesis, trunk);
        offerAll(made.follower, blocks);
        const fork = blocks.at(-1) ?? chain.genesis;
        const tips: [Block, Block] = [fork, fork];
        const delivered: [Block[], Block[]] = [[], []];
        let best = fork;
        for (const { branch, signer, vote, event } of actions) {
          const may = chain.sealersOf(tips[branch]);
          if (may.length === 0) continue;
          const about = vote === null ? undefined : others[vote];
          const child = chain.child(tips[branch], may[signer % may.length], {
            afterS: 15 + branch,
            ...(about === undefined
              ? {}
              : { vote: { account: about.address, authorize: !tips[branch].model.signers.has(about.hex) } }),
          });
          tips[branch] = child;
          delivered[branch].push(child);
          const outcome = made.follower.offer(child.raw, undefined);
          if (child.totalDifficulty > best.totalDifficulty) best = child;
          if (outcome instanceof Rejection || outcome.kind === "wanting") {
            // After a restart the lighter branch has to come again; a relay that has it serves it.
            assert.ok(made.follower.restored);
            made.follower.offer(child.raw, undefined);
            drive(made.follower, new Relay([...blocks, ...delivered[branch]], 1 + event));
          }
          assert.is(headOf(made.follower), hexOf(best.hash));
          assert.equal(made.follower.head.totalDifficulty, best.totalDifficulty);
          if (event === 0) {
            made.follower.persist();
            made.restart();
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});

test("over thousands of headers neither what is kept nor what is written grows", () => {
  const { chain, follower, store } = world(accounts(3), 100);
  let tip = chain.genesis;
  const sizes = new Set<number>();
  for (let i = 0; i < 3000; i += 1) {
    tip = chain.child(tip);
    follower.offer(tip.raw, undefined);
    if (i > 100 && store.values.has("trusted")) sizes.add((store.values.get("trusted") as Uint8Array).length);
  }
  assert.is(follower.head.number, 3000);
  assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 2 && Math.max(...sizes) < 1500, [...sizes].join());
});

test.run();
