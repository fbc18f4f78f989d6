// Jumps over Clique chains: where they land, what they rest on, and that no minority of the signers can lead one to a lie.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Clique } from "../../../../firmware/chain/clique/consensus.js";
import type { CliqueTrusted } from "../../../../firmware/chain/clique/state.js";
import type { Consensus } from "../../../../firmware/chain/consensus.js";
import { Follower } from "../../../../firmware/chain/follow/follower.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { codeOf, held, openGenerated, walk } from "../../../chains/clique-fixture.js";
import { type Account, accounts, type Block, CliqueChain, hexOf, notary } from "../../../chains/clique-generator.js";
import { baseOf, kindOf, MemoryStore } from "../../../chains/follower-fixture.js";

const TRUSTING_PERIOD_S = 86_400;
/** What one landing takes. */
const LANDING = 6;

function followerOf(consensus: Consensus, store = new MemoryStore()): Follower {
  return new Follower({ consensus, engine: fastEngine, store, clock: { ticksMs: () => 0 } });
}

function skip(clique: Clique, from: CliqueTrusted, blocks: readonly Block[], nowS?: number) {
  const headers = blocks.map(({ raw }) => held(clique.decode(raw)));
  return clique.skip(from, headers, nowS ?? (blocks.at(-1) as Block).timeS);
}

test("a jump lands on an epoch block that more than half of the trusted signers went on from", () => {
  const signers = accounts(5);
  const chain = new CliqueChain({ signers, epoch: 50 });
  const [newcomer] = accounts(1, "newcomer") as [Account];
  chain.know(newcomer);
  const blocks = chain.grow(chain.genesis, 110, (i) =>
    i >= 60 && i < 70 ? { vote: { account: newcomer.address, authorize: true } } : {},
  );
  const clique = openGenerated(chain, fastEngine, { trustingPeriodS: 86_400 });
  const nowS = (blocks.at(-1) as { timeS: number }).timeS;
  const start = clique.checkpoint;
  assert.equal(clique.landing(start, 110), { from: 100, count: 6 });
  assert.equal(clique.landing(start, 104), { from: 50, count: 6 });
  assert.is(clique.landing(start, 54), undefined);
  const jump = (from: number, count: number, at = nowS) => {
    const headers = blocks.slice(from - 1, from - 1 + count).map(({ raw }) => held(clique.decode(raw)));
    return clique.skip(start, headers, at);
  };
  const landed = held(jump(100, 6));
  assert.equal([landed.number, landed.settled], [100, 100], "the epoch block is settled, those behind it are not");
  assert.is(landed.signerCount, 6);
  const walked = walk(clique, start, blocks);
  const went = walk(clique, landed, blocks.slice(100));
  assert.is(hexOf(went.hash), hexOf(walked.hash));
  assert.is(hexOf(went.signers), hexOf(walked.signers));
  assert.is(went.settled, walked.settled);
  assert.is(codeOf(jump(100, 4)), "skip-overlap");
  assert.is(codeOf(jump(99, 6)), "skip-landing");
  assert.is(codeOf(jump(100, 6, start.timeS + 86_401)), "checkpoint-expired");
  assert.is(
    codeOf(clique.skip(start, [held(clique.decode((blocks[99] as { raw: Uint8Array }).raw))], undefined)),
    "clock-unknown",
  );
  // Two of five, with as many strangers as they like, lead nowhere.
  const lie = new CliqueChain({ signers: [...signers.slice(0, 2), ...accounts(3, "stranger")], epoch: 50 });
  const forged = lie
    .grow(lie.genesis, 60)
    .slice(49, 55)
    .map(({ raw }) => held(clique.decode(raw)));
  assert.is(codeOf(clique.skip(start, forged, nowS)), "skip-overlap");
  // By the follower: one ask for the landing, the rest is walked.
  const follower = followerOf(clique);
  assert.is(kindOf(follower.offer((blocks[109] as { raw: Uint8Array }).raw, nowS)), "wanting");
  let asked = 0;
  for (let ask = follower.wanted(); ask !== undefined; ask = follower.wanted()) {
    const raws = blocks.slice(ask.from - 1, ask.from - 1 + ask.count).map(({ raw }) => raw);
    asked += raws.length;
    for (const outcome of follower.answer(ask.from, raws, nowS)) assert.not.instance(outcome, Rejection);
  }
  assert.is(hexOf(follower.head.hash), hexOf(walked.hash));
  assert.is(asked, 11);
});

test("a walk and a jump from any trusted state agree", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.nat(0xffff), { minLength: 50, maxLength: 90 }),
      fc.nat(),
      (size, script, from) => {
        const { sealer, engine } = notary(fastEngine);
        const signers = accounts(size);
        const chain = new CliqueChain({ signers, epoch: 20, sealer });
        const voted = [...signers, ...accounts(2, "newcomer")].map((each) => chain.know(each));
        const blocks = chain.grow(chain.genesis, script.length, (i, parent) => {
          const number = script[i] as number;
          const { address } = voted[(number >> 2) % voted.length] as Account;
          const authorize = (number & 2) !== 0 || parent.model.signers.size <= 1;
          return (number & 1) === 0 ? {} : { vote: { account: address, authorize } };
        });
        const clique = openGenerated(chain, engine, { trustingPeriodS: 86_400 });
        const start = from % 20;
        const reached = walk(clique, clique.checkpoint, blocks.slice(0, start));
        const landing = clique.landing(reached, blocks.length);
        if (landing === undefined) return assert.ok(reached.signerCount > 9, `${reached.signerCount} signers`);
        const headers = blocks
          .slice(landing.from - 1, landing.from - 1 + landing.count)
          .map(({ raw }) => held(clique.decode(raw)));
        const jumped = clique.skip(reached, headers, (blocks.at(-1) as { timeS: number }).timeS);
        if (jumped instanceof Rejection) return assert.is(jumped.code, "skip-overlap");
        const walked = walk(clique, reached, blocks.slice(start));
        const went = walk(clique, jumped, blocks.slice(jumped.number));
        for (const name of ["hash", "signers", "votes", "forgotten"] as const)
          assert.is(hexOf(went[name]), hexOf(walked[name]), name);
        assert.equal([went.number, went.timeS, went.gas], [walked.number, walked.timeS, walked.gas]);
        return undefined;
      },
    ),
    { numRuns: 60 },
  );
});

/** A chain of `count` signers with an epoch every 200 blocks, up to block 240, and its follower, which is to land on block 200. */
function beforeLanding(count: number) {
  const { sealer, engine } = notary(fastEngine);
  const chain = new CliqueChain({ signers: accounts(count), epoch: 200, sealer });
  const blocks = [chain.genesis, ...chain.grow(chain.genesis, 240)];
  const clique = openGenerated(chain, engine, { trustingPeriodS: TRUSTING_PERIOD_S });
  const store = new MemoryStore();
  return { chain, blocks, clique, store, follower: followerOf(clique, store) };
}

/** A sibling of the block after `parent`, by `signer`. */
function siblingOf(chain: CliqueChain, parent: Block, signer: Account): Block {
  return chain.child(parent, signer, {
    bend(draft) {
      draft.stateRoot = new Uint8Array(32).fill(0xee);
    },
  });
}

/** Answers asks out of `blocks` by height, six at a time, until nothing is wanted. */
function serve(follower: Follower, blocks: readonly Block[], nowS: number, asksMax = 60): string[] {
  const kinds: string[] = [];
  for (let i = 0; i < asksMax; i += 1) {
    const ask = follower.wanted();
    if (ask === undefined) break;
    const raws = blocks.slice(ask.from, ask.from + Math.min(LANDING, ask.count)).map(({ raw }) => raw);
    if (raws.length === 0) follower.unanswered();
    else kinds.push(...follower.answer(ask.from, raws, nowS).map(kindOf));
  }
  return kinds;
}

// Of n signers so many at fault: too few to settle anything alone.
for (const [count, faulty] of [
  [3, 1],
  [4, 1],
  [5, 1],
  [5, 2],
  [7, 3],
  [9, 4],
] as const)
  test(`${count} signers, ${faulty} at fault: whatever stands behind a landing is left for the chain, also after a restart`, () => {
    for (let position = 1; position < LANDING; position += 1) {
      const { chain, blocks, clique, store, follower } = beforeLanding(count);
      const at = 200 + position;
      // Blocks of the faulty end the landing, from this place on as far as the rule of recent signers lets them.
      const bad = chain.sealersOf(blocks[at - 1] as Block).slice(-faulty);
      const lied = blocks.slice(200, at);
      while (lied.length < LANDING) {
        const parent = lied.at(-1) as Block;
        const may = chain.sealersOf(parent);
        const by = may.find((one) => bad.includes(one));
        if (by === undefined) break;
        lied.push(siblingOf(chain, parent, by));
      }
      const nowS = (blocks[210] as Block).timeS;
      follower.offer((blocks[210] as Block).raw, nowS);
      const outcomes = follower.answer(
        200,
        lied.map(({ raw }) => raw),
        nowS,
      );
      const landed = !(outcomes[0] instanceof Rejection) && outcomes[0]?.kind === "jumped";
      if (landed) {
        assert.is(baseOf(follower, blocks[0] as Block), 200, "the base is the epoch block");
        assert.ok(follower.settled >= 200, "which counts as settled");
        assert.is(hexOf(follower.head.hash), hexOf((lied.at(-1) as Block).hash));
        follower.persist();
        assert.is(baseOf(followerOf(clique, store), blocks[0] as Block), 200, "after a restart, too");
      } else assert.is(follower.head.number, 0, `${count} signers, ${position}: ${outcomes.map(kindOf)}`);
      for (const again of [follower, followerOf(clique, store)]) {
        for (let number = 211; number <= 240; number += 1) {
          const { raw, timeS } = blocks[number] as Block;
          again.offer(raw, timeS);
          serve(again, blocks, timeS);
        }
        assert.is(hexOf(again.head.hash), hexOf((blocks[240] as Block).hash), `a sibling at ${at}`);
        assert.is(again.revokedAt, undefined);
      }
    }
  });

test("a landing that ends with an orphan of an honest signer is left as in a walk", () => {
  const { chain, blocks, follower } = beforeLanding(5);
  const orphan = chain.child(blocks[204] as Block, chain.sealersOf(blocks[204] as Block).at(-1));
  const nowS = (blocks[210] as Block).timeS;
  follower.offer((blocks[210] as Block).raw, nowS);
  const raws = [...blocks.slice(200, 205), orphan].map(({ raw }) => raw);
  assert.equal(follower.answer(200, raws, nowS).map(kindOf), ["jumped"]);
  assert.is(hexOf(follower.head.hash), hexOf(orphan.hash));
  assert.ok(serve(follower, blocks, nowS).includes("reorg"));
  assert.is(hexOf(follower.head.hash), hexOf((blocks[210] as Block).hash));
});

test("blocks that were not seen weigh as much as a block can: no branch wins later by their absence", () => {
  const { chain, blocks, clique } = beforeLanding(5);
  const deltas: Uint8Array[] = [];
  const headers = blocks.slice(200, 206).map(({ raw }) => held(clique.decode(raw)));
  const base = held(clique.skip(clique.checkpoint, headers, (blocks[205] as Block).timeS, deltas));
  assert.is(base.totalDifficulty, chain.genesis.totalDifficulty + 2n * 199n + (blocks[200] as Block).draft.difficulty);
  assert.is(deltas.length, 5);
  let heaviest = clique.checkpoint;
  heaviest = walk(clique, heaviest, blocks.slice(1, 201));
  assert.ok(heaviest.totalDifficulty <= base.totalDifficulty);
});

/** Trusted: four signers. The chain's own: those and newcomers, or less. */
function evenSet(listed: readonly Account[]) {
  const made = notary(fastEngine);
  const trusting = new CliqueChain({ signers: accounts(4), epoch: 50, sealer: made.sealer });
  const lying = new CliqueChain({ signers: listed, epoch: 50, sealer: made.sealer });
  return { clique: openGenerated(trusting, made.engine, { trustingPeriodS: TRUSTING_PERIOD_S }), lying, ...made };
}

test("half of the trusted signers on the list are not enough, and cost no signature", () => {
  const half = [...accounts(4).slice(0, 2), ...accounts(3, "newcomer")];
  const { clique, lying, recoveries } = evenSet(half);
  const blocks = lying.grow(lying.genesis, 55).slice(49);
  const before = recoveries();
  assert.is(codeOf(skip(clique, clique.checkpoint, blocks)), "skip-overlap");
  assert.is(recoveries(), before, "refused by the list alone");
});

test("half of the trusted signers behind the landing are not enough, one more is", () => {
  const [a, b, c, d] = accounts(4) as [Account, Account, Account, Account];
  const [e] = accounts(1, "newcomer") as [Account];
  const { clique, lying } = evenSet([a, b, c, d, e]);
  const before = lying.grow(lying.genesis, 49).at(-1) as Block;
  // The landing's own signer vouches for nothing, newcomers neither.
  const build = (signers: readonly Account[]): Block[] => {
    const blocks: Block[] = [];
    for (const signer of signers) blocks.push(lying.child(blocks.at(-1) ?? before, signer));
    return blocks;
  };
  const first = lying.sealersOf(before).find((one) => one !== a && one !== b && one !== e) as Account;
  const other = [a, b, c, d].find((one) => one !== a && one !== b && one !== first) as Account;
  const nowS = before.timeS + 1000;
  assert.is(codeOf(skip(clique, clique.checkpoint, build([first, a, b, e, a, b]), nowS)), "skip-overlap");
  held(skip(clique, clique.checkpoint, build([first, a, b, e, a, other]), nowS));
});

test("a landing dated before the blocks between can have been sealed is refused", () => {
  for (const [early, code] of [
    [1, "time-before-period"],
    [0, "accepted"],
  ] as const) {
    const { sealer, engine } = notary(fastEngine);
    const honest = new CliqueChain({ signers: accounts(5), epoch: 50, sealer });
    // The same chain in a shorter time: as if its period were shorter, up to the landing.
    const hasty = new CliqueChain({ signers: accounts(5), epoch: 50, periodS: 1, sealer });
    const blocks = hasty
      .grow(hasty.genesis, 55, (i) => ({ afterS: i === 48 ? 15 * 49 - 48 - early : i >= 49 ? 15 : 1 }))
      .slice(49);
    const clique = openGenerated(honest, engine, { trustingPeriodS: TRUSTING_PERIOD_S });
    assert.is((blocks[0] as Block).timeS, honest.genesis.timeS + 50 * 15 - early);
    assert.is(codeOf(skip(clique, clique.checkpoint, blocks)), code);
  }
});

test("a landing whose list is not ascending, or names a signer twice, is refused before any signature", () => {
  const { chain, blocks, clique } = beforeLanding(5);
  const made = notary(fastEngine);
  for (const bend of [
    (list: Uint8Array) => Uint8Array.from([...list.slice(20), ...list.slice(0, 20)]),
    (list: Uint8Array) => Uint8Array.from([...list.slice(0, 20), ...list]),
    (list: Uint8Array) => Uint8Array.from([...list.slice(0, 60), ...list.slice(80, 100), ...list.slice(60, 80)]),
  ]) {
    const landing = chain.child(blocks[199] as Block, undefined, {
      bend(draft) {
        draft.list = bend(draft.list);
      },
    });
    const lied = [landing];
    for (let i = 1; i < LANDING; i += 1) lied.push(chain.child(lied.at(-1) as Block));
    const before = made.recoveries();
    assert.is(codeOf(skip(clique, clique.checkpoint, lied)), "epoch-signers-wrong");
    assert.is(made.recoveries(), before);
  }
});

test.run();
