// Jumps over QBFT, IBFT 2.0 and IBFT 1 chains: how far they reach, and that nobody who may not can lead them to a lie.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { openBft } from "../../../../firmware/chain/bft/checkpoint.js";
import { LINK_BLOCKS_MAX } from "../../../../firmware/chain/bft/consensus.js";
import type { Consensus } from "../../../../firmware/chain/consensus.js";
import { Follower } from "../../../../firmware/chain/follow/follower.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { judgeBft, jumpBft, openBftChain, TRUSTING_PERIOD_S, validatorsOf, walkBft } from "../../../chains/bft-fixture.js";
import { type BftBlock, BftChain, fastSealer } from "../../../chains/bft-generator.js";
import { type Era, LongChain } from "../../../chains/bft-long.js";
import type { BftKind } from "../../../chains/bft-model.js";
import { codeOf, held } from "../../../chains/clique-fixture.js";
import { type Account, accounts, hexOf, notary } from "../../../chains/clique-generator.js";
import { kindOf, MemoryStore } from "../../../chains/follower-fixture.js";

const KINDS: readonly BftKind[] = ["ibft", "ibft2", "qbft"];

function followerOf(consensus: Consensus): Follower {
  return new Follower({ consensus, engine: fastEngine, store: new MemoryStore(), clock: { ticksMs: () => 0 } });
}

for (const kind of KINDS) {
  const validators = accounts(7);
  const chain = new BftChain({ kind, validators, epoch: 40 });
  const blocks = chain.grow(chain.genesis, 60);
  const bft = openBftChain(chain);
  const tip = blocks[49] as BftBlock;
  const start = bft.checkpoint;
  const nowS = tip.timeS + 5;

  test(`${kind}: a jump lands where a walk ends`, () => {
    const jumped = held(jumpBft(bft, start, tip.raw, nowS));
    assert.is(hexOf(jumped.hash), hexOf(tip.hash));
    assert.equal(validatorsOf(jumped), tip.model.sorted);
    assert.is(jumped.votes, undefined, "votes between are not known");
    assert.is(held(jumpBft(bft, start, (blocks[39] as BftBlock).raw, nowS)).votes?.length, 0, "an epoch block knows");
    assert.is(hexOf(walkBft(bft, jumped, blocks.slice(50)).hash), hexOf((blocks.at(-1) as BftBlock).hash));
  });

  test(`${kind}: a jump needs a clock, the trusting period, and a block ahead`, () => {
    assert.is(codeOf(jumpBft(bft, start, tip.raw, undefined)), "clock-unknown");
    assert.is(codeOf(jumpBft(bft, start, tip.raw, start.timeS + TRUSTING_PERIOD_S)), "accepted");
    assert.is(codeOf(jumpBft(bft, start, tip.raw, start.timeS + TRUSTING_PERIOD_S + 1)), "checkpoint-expired");
    assert.is(codeOf(jumpBft(bft, start, tip.raw, tip.timeS - 16)), "time-in-future");
    const there = held(jumpBft(bft, start, tip.raw, nowS));
    assert.is(codeOf(jumpBft(bft, there, tip.raw, nowS)), "skip-backwards");
    assert.is(codeOf(jumpBft(bft, there, (blocks[3] as BftBlock).raw, nowS)), "skip-backwards");
    const early = chain.child(tip, {
      bend: (draft) => {
        draft.timeS = BigInt(start.timeS);
      },
    });
    assert.is(codeOf(jumpBft(bft, start, early.raw, nowS)), "time-before-period");
  });

  test(`${kind}: f colluding validators cannot make it jump to a lie`, () => {
    // Two of seven are faulty. They invent a set of their own: themselves and as many strangers as they like.
    const [one, two] = chain.validatorsAfter(tip) as [Account, Account];
    for (const strangers of [0, 1, 3, 5, 19]) {
      const set = [one, two, ...accounts(strangers, "stranger")];
      const lie = new BftChain({ kind, validators: set, timeS: chain.genesis.timeS });
      const forged = lie.grow(lie.genesis, 30).at(-1) as BftBlock;
      assert.is(codeOf(jumpBft(bft, start, forged.raw, nowS)), "skip-overlap", `${strangers} strangers`);
    }
    // They list all honest validators besides, so that the list overlaps, and seal it among themselves.
    const listed = [...validators, ...accounts(14, "stranger")];
    const lie = new BftChain({ kind, validators: listed, timeS: chain.genesis.timeS });
    const parent = lie.grow(lie.genesis, 20).at(-1) as BftBlock;
    const sealers = listed.filter((account) => account === one || account === two || account.name.startsWith("stranger"));
    const forged = lie.child(parent, { sealers, proposer: one });
    assert.is(codeOf(jumpBft(bft, start, forged.raw, nowS)), "skip-overlap");
    // And the same with an honest seal that stands over another block.
    const stolen = tip.draft.seals[4] as Uint8Array;
    const worse = lie.child(parent, { sealers, proposer: one, bendSeals: (seals) => [...seals, stolen] });
    assert.ok(["seal-stranger", "seal-unrecoverable", "seal-duplicate"].includes(codeOf(jumpBft(bft, start, worse.raw, nowS))));
    // Below the quorum of the list that they name they get nowhere either.
    const few = lie.child(parent, { sealers: sealers.slice(0, 13), proposer: one });
    assert.is(codeOf(jumpBft(bft, start, few.raw, nowS)), "seals-too-few");
  });

  test(`${kind}: of seven trusted, three and the quorum of its own list are what a jump takes`, () => {
    const honest = chain.validatorsAfter(tip).slice(0, 3);
    const set = [...honest, ...accounts(2, "newcomer")];
    const next = new BftChain({ kind, validators: set, timeS: chain.genesis.timeS });
    const parent = next.grow(next.genesis, 20).at(-1) as BftBlock;
    const vouching = next.child(parent, { sealers: [...honest, set[4] as Account], proposer: honest[0] as Account });
    assert.equal(validatorsOf(held(jumpBft(bft, start, vouching.raw, nowS))), vouching.model.sorted);
    const short = next.child(parent, {
      sealers: [...honest.slice(1), set[3] as Account, set[4] as Account],
      proposer: honest[0] as Account,
    });
    assert.is(codeOf(jumpBft(bft, start, short.raw, nowS)), "skip-overlap");
  });

  test(`${kind}: a landing lists its validators in order`, () => {
    const block = chain.child(tip, {
      bend: (draft) => {
        draft.validators = [...draft.validators].reverse();
      },
    });
    assert.is(codeOf(jumpBft(bft, start, block.raw, nowS)), "validators-unordered");
    const twice = chain.child(tip, {
      bend: (draft) => {
        draft.validators = [draft.validators[0] as Uint8Array, ...draft.validators];
      },
    });
    assert.is(codeOf(jumpBft(bft, start, twice.raw, nowS)), "validators-unordered");
  });

  test(`${kind}: all keys of a set that was removed long ago lead nowhere once the trusting period is over`, () => {
    // All seven sell their keys years later. What they sign is perfect, and too late.
    const lie = new BftChain({ kind, validators, timeS: chain.genesis.timeS, epoch: 40 });
    const years = lie.child(lie.genesis, { gasUsed: 7n, afterS: 3 * 365 * 86_400 });
    const late = years.timeS + 1;
    assert.is(codeOf(jumpBft(bft, start, years.raw, late)), "checkpoint-expired");
    // Nor by a walk from the very genesis block that both chains share.
    const header = held(bft.decode(years.raw) as ReturnType<typeof bft.decode>);
    assert.is(codeOf(bft.verify(start, header, late)), "checkpoint-expired");
    const follower = followerOf(bft);
    assert.is(kindOf(follower.offer(years.raw, late)), "checkpoint-expired");
    assert.is(follower.head.number, 0);
  });
}

/** A month of blocks, one each second; one each ten seconds without FULL=1. */
const MONTH_PERIOD_S = process.env.FULL === "1" ? 1 : 10;
const MONTH_BLOCKS = 2_600_000 / MONTH_PERIOD_S;

test(`a mote that slept for a month catches up with ${MONTH_BLOCKS} blocks in O(validator changes) headers`, () => {
  // 30 days, and a fleet of validators that changes one by one until nobody of the first set is left.
  const first = 4_000_000;
  const length = MONTH_BLOCKS + 1;
  const periodS = MONTH_PERIOD_S;
  const pool = accounts(30, "long");
  const eras: Era[] = [{ block: first, validators: pool.slice(0, 7) }];
  for (let i = 0; i < 20; i += 1) {
    const { validators } = eras.at(-1) as Era;
    const grown = i % 2 === 0;
    const next = grown ? [...validators, pool[7 + i / 2] as Account] : validators.slice(1);
    eras.push({ block: first + Math.floor((100_003 + i * 120_011) / periodS), validators: next });
  }
  const chain = new LongChain({ first, length, timeS: 1_700_000_000, periodS, eras, sealer: fastSealer });
  assert.is(chain.setAt(chain.last).filter((account) => pool.indexOf(account) < 7).length, 0, "nobody is left of the first set");
  const bft = held(
    openBft(fastEngine, {
      ...{ chain: "eip155:1337", consensus: "qbft", genesisHash: `0x${"01".repeat(32)}`, periodS, epoch: 30_000 },
      ...{ trustingPeriodS: 45 * 86_400, number: first, hash: hexOf(chain.hashOf(first)), timeS: chain.timeOf(first) },
      ...{ validators: chain.setAt(first).map(({ hex }) => hex), votes: "unknown" },
    }),
  );
  const follower = followerOf(bft);
  const nowS = chain.timeOf(chain.last);
  const changes = eras.length - 1;
  chain.asks = 0;
  const kinds = new Map<string, number>();
  const note = (kind: string): unknown => kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  note(kindOf(follower.offer(chain.raw(chain.last), nowS)));
  for (let ask = follower.wanted(); ask !== undefined; ask = follower.wanted()) {
    const raws = Array.from({ length: Math.min(ask.count, chain.last - ask.from + 1) }, (_, i) => chain.raw(ask.from + i));
    for (const outcome of follower.answer(ask.from, raws, nowS)) note(kindOf(outcome));
  }
  assert.is(follower.head.number, chain.last);
  assert.is(hexOf(follower.head.hash), hexOf(chain.hashOf(chain.last)));
  assert.equal(
    validatorsOf(follower.head as Parameters<typeof validatorsOf>[0]),
    chain.setAt(chain.last).map(({ hex }) => hex),
  );
  console.log(`${length - 1} blocks, ${changes} changes: ${chain.asks} headers`, Object.fromEntries(kinds));
  assert.ok(chain.asks <= 5 * changes, `${chain.asks} headers for ${changes} changes`);
});

test("where a change was sealed by exactly a quorum, bisection ends in a walk across it", () => {
  // Four of four are replaced at once by a vote chain that only newcomers seal: each step is fine, a jump across it is not.
  const first = 4_000_000;
  const old = accounts(4, "old");
  const fresh = accounts(4, "fresh");
  const eras: Era[] = [{ block: first, validators: old }];
  const steps = [
    [...old, fresh[0]],
    [...old.slice(1), fresh[0]],
    [...old.slice(1), ...fresh.slice(0, 2)],
    [...old.slice(2), ...fresh.slice(0, 2)],
    [...old.slice(2), ...fresh.slice(0, 3)],
    [...old.slice(3), ...fresh.slice(0, 3)],
    [...old.slice(3), ...fresh],
    fresh,
  ] as Account[][];
  for (const [i, validators] of steps.entries()) eras.push({ block: first + 5000 + 6 * i, validators });
  const sealersOf = (_: number, set: readonly Account[]): Account[] =>
    // Newcomers first, so that as few as can be of those who are trusted seal.
    [...set].sort((a, b) => fresh.indexOf(b) - fresh.indexOf(a)).slice(0, Math.ceil((2 * set.length) / 3));
  const chain = new LongChain({ first, length: 10_000, timeS: 1_700_000_000, periodS: 1, eras, sealer: fastSealer, sealersOf });
  const bft = held(
    openBft(fastEngine, {
      ...{ chain: "eip155:1337", consensus: "qbft", genesisHash: `0x${"01".repeat(32)}`, periodS: 1, epoch: 30_000 },
      ...{ trustingPeriodS: 86_400, number: first, hash: hexOf(chain.hashOf(first)), timeS: chain.timeOf(first) },
      ...{ validators: old.map(({ hex }) => hex), votes: [] },
    }),
  );
  const follower = followerOf(bft);
  const nowS = chain.timeOf(chain.last);
  chain.asks = 0;
  const seen = new Set([kindOf(follower.offer(chain.raw(chain.last), nowS))]);
  let linked = 0;
  for (let ask = follower.wanted(); ask !== undefined; ask = follower.wanted()) {
    const raws = Array.from({ length: Math.min(ask.count, chain.last - ask.from + 1) }, (_, i) => chain.raw(ask.from + i));
    const kinds = follower.answer(ask.from, raws, nowS).map(kindOf);
    for (const kind of kinds) seen.add(kind);
    if (kinds[0] === "linking") linked += raws.length;
  }
  assert.is(hexOf(follower.head.hash), hexOf(chain.hashOf(chain.last)));
  assert.ok(seen.has("jumped") && seen.has("advanced"), [...seen].join());
  assert.ok(chain.asks - linked < 200, `${chain.asks - linked} headers of 10,000 blocks, but for those that are hashed alone`);
  // The last leaps before the change are short enough to be linked.
  assert.ok(linked < 1.5 * LINK_BLOCKS_MAX, `${linked} headers hashed`);
});

test("sets of 3 to 9 of which one is exchanged, removed or joined by one, sealed by exactly a quorum with as many newcomers as can be, are followed", () => {
  const { sealer, engine } = notary(fastEngine);
  const old = accounts(9, "old");
  const [fresh] = accounts(1, "fresh") as [Account];
  const first = 4_000_000;
  for (let n = 3; n <= 9; n += 1) {
    const set = old.slice(0, n);
    const changes: Record<string, readonly (readonly Account[])[]> = {
      removed: [set.slice(1)],
      joined: [[...set, fresh]],
      exchanged: [set.slice(1), [...set.slice(1), fresh]],
      "exchanged, the new one first": [
        [...set, fresh],
        [...set.slice(1), fresh],
      ],
    };
    for (const [change, sets] of Object.entries(changes)) {
      // Two who are trusted may neither of them make the other a minority of a list that no tally explains.
      if (sets.some((list, i) => i < sets.length - 1 && list.length === 2)) continue;
      const eras: Era[] = [{ block: first, validators: set }];
      for (const [i, validators] of sets.entries()) eras.push({ block: first + 75 + 12 * i, validators });
      const sealersOf = (_: number, list: readonly Account[]): Account[] =>
        [...list].sort((a, b) => Number(b === fresh) - Number(a === fresh)).slice(0, Math.ceil((2 * list.length) / 3));
      const chain = new LongChain({ ...{ first, length: 150, timeS: 1_700_000_000, periodS: 1, eras, sealer }, sealersOf });
      const bft = held(
        openBft(engine, {
          ...{ chain: "eip155:1337", consensus: "qbft", genesisHash: `0x${"01".repeat(32)}`, periodS: 1, epoch: 30_000 },
          ...{ trustingPeriodS: 86_400, number: first, hash: hexOf(chain.hashOf(first)), timeS: chain.timeOf(first) },
          ...{ validators: set.map(({ hex }) => hex), votes: "unknown" },
        }),
      );
      const follower = new Follower({ consensus: bft, engine, store: new MemoryStore(), clock: { ticksMs: () => 0 } });
      const nowS = chain.timeOf(chain.last);
      for (let asks = 0; asks < 100 && follower.head.number < chain.last; asks += 1) {
        if (follower.wanted() === undefined) follower.offer(chain.raw(chain.last), nowS);
        const ask = follower.wanted();
        if (ask === undefined) continue;
        const raws = Array.from({ length: Math.min(ask.count, chain.last - ask.from + 1) }, (_, i) => chain.raw(ask.from + i));
        for (const outcome of follower.answer(ask.from, raws, nowS)) assert.not.instance(outcome, Rejection, `${n} ${change}`);
      }
      assert.is(hexOf(follower.head.hash), hexOf(chain.hashOf(chain.last)), `${n} validators, one ${change}`);
    }
  }
});

test("where the tally is not known a list changes by one account a block, by enough of those who are trusted", () => {
  for (const kind of KINDS) {
    const { sealer, engine } = notary(fastEngine);
    const chain = new BftChain({ kind, validators: accounts(7), sealer });
    const blind = openBftChain(chain, { engine, more: { votes: "unknown" } });
    const set = chain.validatorsAfter(chain.genesis);
    const nowS = chain.genesis.timeS + 100;
    const judged = (list: readonly Account[], sealers: readonly Account[]): string => {
      const sorted = [...list].sort((a, b) => (a.hex < b.hex ? -1 : 1));
      const child = chain.child(chain.genesis, {
        ...{ proposer: sealers[0] as Account, sealers },
        bend: (draft) => {
          draft.validators = sorted.map(({ address }) => address);
        },
      });
      return codeOf(judgeBft(blind, blind.checkpoint, child.raw, nowS));
    };
    const [one, two] = accounts(2, "newcomer") as [Account, Account];
    assert.is(judged(set.slice(1), set.slice(1, 5)), "accepted");
    assert.is(judged([...set, one], [one, ...set.slice(0, 5)]), "accepted");
    assert.is(judged(set.slice(2), set.slice(2, 6)), "validators-wrong");
    assert.is(judged([...set, one, two], [...set]), "validators-wrong");
    assert.is(judged([...set.slice(1), one], [...set.slice(1)]), "validators-wrong");
    // One of two cannot make himself the only one.
    const pair = new BftChain({ kind, validators: set.slice(0, 2), sealer });
    const trusting = openBftChain(pair, { engine, more: { votes: "unknown" } });
    const coup = pair.child(pair.genesis, {
      ...{ proposer: set[0] as Account, sealers: set.slice(0, 1) },
      bend: (draft) => {
        draft.validators = [(set[0] as Account).address];
      },
    });
    assert.is(codeOf(judgeBft(trusting, trusting.checkpoint, coup.raw, nowS)), "skip-overlap");
  }
});

test("contract mode: a jump holds while the pinned set is the one that seals", () => {
  const chain = new BftChain({ kind: "qbft", validators: accounts(4), contract: true });
  const blocks = chain.grow(chain.genesis, 30);
  const bft = openBftChain(chain);
  const tip = blocks.at(-1) as BftBlock;
  const jumped = held(jumpBft(bft, bft.checkpoint, tip.raw, tip.timeS));
  assert.equal(validatorsOf(jumped), tip.model.sorted);
  assert.is(jumped.votes?.length, 0);
  const other = new BftChain({ kind: "qbft", validators: accounts(4, "other"), contract: true });
  const lie = other.grow(other.genesis, 30).at(-1) as BftBlock;
  assert.is(codeOf(jumpBft(bft, bft.checkpoint, lie.raw, tip.timeS)), "coinbase-stranger");
});

test.run();
