// The follower on chains of final blocks: duplicates, forks and the evidence of them, what is reported, and that nothing grows.

import * as v8 from "node:v8";
import * as vm from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { crc32 } from "../../../../firmware/bytes.js";
import type { Bft } from "../../../../firmware/chain/bft/consensus.js";
import type { BftHeader } from "../../../../firmware/chain/bft/header.js";
import { Follower } from "../../../../firmware/chain/follow/follower.js";
import { ALARM_EXPIRED, ALARM_FORK, ALARM_NONE, ALARM_STALE, Vigil } from "../../../../firmware/chain/follow/vigil.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { openBftChain, TRUSTING_PERIOD_S, walkBft } from "../../../chains/bft-fixture.js";
import { type BftBlock, BftChain } from "../../../chains/bft-generator.js";
import type { BftKind } from "../../../chains/bft-model.js";
import { codeOf, held } from "../../../chains/clique-fixture.js";
import { type Account, accounts, hexOf, notary } from "../../../chains/clique-generator.js";
import { headOf, kindOf, MemoryStore } from "../../../chains/follower-fixture.js";

const KINDS: readonly BftKind[] = ["ibft", "ibft2", "qbft"];

interface World {
  readonly chain: BftChain;
  readonly bft: Bft;
  readonly store: MemoryStore;
  readonly clock: { now: number; ticksMs(): number };
  readonly recoveries: () => number;
  open(): Follower;
}

function world(kind: BftKind, epoch = 30_000): World {
  const { sealer, engine, recoveries } = notary(fastEngine);
  const chain = new BftChain({ kind, validators: accounts(4), epoch, sealer });
  const bft = openBftChain(chain, { engine });
  const store = new MemoryStore();
  const clock = { now: 0, ticksMs: () => clock.now };
  return { chain, bft, store, clock, recoveries, open: () => new Follower({ consensus: bft, engine, store, clock }) };
}

function offerAll(follower: Follower, blocks: readonly BftBlock[], nowS?: number): string[] {
  return blocks.map((block) => kindOf(follower.offer(block.raw, nowS)));
}

/** A second block at the height of `block`, sealed by `sealers`. */
function rival(chain: BftChain, parent: BftBlock, sealers?: readonly Account[]): BftBlock {
  return chain.child(parent, { gasUsed: 99n, ...(sealers === undefined ? {} : { sealers }) });
}

for (const kind of KINDS) {
  test(`${kind}: a block is settled at once, and bounds the clock`, () => {
    const { chain, open } = world(kind);
    const follower = open();
    const blocks = chain.grow(chain.genesis, 30);
    assert.equal(new Set(offerAll(follower, blocks)), new Set(["advanced"]));
    assert.is(follower.settled, 30);
    assert.is(follower.timeFloorS, (blocks[29] as BftBlock).timeS - 15);
  });

  test(`${kind}: other rounds and other seals of one block are the same block, at no signature`, () => {
    const { chain, open, recoveries } = world(kind);
    const follower = open();
    const blocks = chain.grow(chain.genesis, 10);
    offerAll(follower, blocks);
    const before = recoveries();
    const set = chain.validatorsAfter(chain.genesis);
    for (const height of [10, 7, 2]) {
      const block = blocks[height - 1] as BftBlock;
      const parent = blocks[height - 2] as BftBlock;
      const rounds = kind === "ibft" ? [0] : [0, 1, 5];
      for (const round of rounds) {
        const twin = chain.resealed(parent, block, set.slice(1), round);
        assert.not.equal(hexOf(twin.raw), hexOf(block.raw));
        assert.is(kindOf(follower.offer(twin.raw, block.timeS)), "known");
      }
    }
    assert.is(recoveries(), before);
    assert.is(follower.fork, undefined);
  });

  test(`${kind}: two blocks of one height with a quorum each freeze the head, for good and across restarts`, () => {
    for (const height of [20, 19, 12, 5]) {
      const { chain, bft, store, open } = world(kind);
      const follower = open();
      const blocks = chain.grow(chain.genesis, 20);
      offerAll(follower, blocks);
      const nowS = (blocks[19] as BftBlock).timeS;
      const ours = blocks[height - 1] as BftBlock;
      const theirs = rival(chain, height === 1 ? chain.genesis : (blocks[height - 2] as BftBlock));
      assert.is(kindOf(follower.offer(theirs.raw, nowS)), "fork", `height ${height}`);
      assert.is(follower.fork?.number, height);
      assert.equal(follower.fork?.theirs, theirs.raw);
      assert.is(headOf(follower), hexOf((blocks[19] as BftBlock).hash));
      // Where the head's own header was not at hand, it is asked for, and nothing else counts.
      if (height === 20) assert.is(follower.wanted(), undefined);
      else {
        assert.equal(follower.wanted(), { from: height, count: 1 });
        assert.equal(follower.answer(height, [theirs.raw], nowS).map(kindOf), ["fork-other"]);
        assert.equal(follower.answer(height, [ours.raw], nowS).map(kindOf), ["known"]);
        assert.is(follower.wanted(), undefined);
      }
      assert.equal(follower.fork?.ours, ours.raw);
      // Nothing moves it any more, and a restart does not forget.
      const next = chain.child(blocks[19] as BftBlock);
      assert.is(kindOf(follower.offer(next.raw, nowS)), "head-frozen");
      follower.persist();
      const again = open();
      assert.is(again.fork?.number, height);
      assert.equal([again.fork?.theirs, again.fork?.ours], [theirs.raw, ours.raw]);
      assert.is(kindOf(again.offer(next.raw, nowS)), "head-frozen");
      // A new checkpoint ends it.
      const { engine } = notary(fastEngine);
      const fresh = openBftChain(chain, { engine, block: blocks[19] as BftBlock });
      const anew = new Follower({ consensus: fresh, engine, store, clock: { ticksMs: () => 0 } });
      assert.is(anew.fork, undefined);
      assert.is(bft.isFinal, true);
    }
  });

  test(`${kind}: what is no evidence: too few seals, strangers, no clock, keys from before the trusting period`, () => {
    const { chain, open } = world(kind);
    const follower = open();
    const blocks = chain.grow(chain.genesis, 20);
    offerAll(follower, blocks);
    const parent = blocks[14] as BftBlock;
    const set = chain.validatorsAfter(parent);
    const nowS = (blocks[19] as BftBlock).timeS;
    assert.is(kindOf(follower.offer(rival(chain, parent, set.slice(0, 2)).raw, nowS)), "seals-too-few");
    const strangers = accounts(3, "stranger");
    assert.is(
      kindOf(follower.offer(rival(chain, parent, [set[0] as Account, ...strangers.slice(0, 2)]).raw, nowS)),
      "seal-stranger",
    );
    const good = rival(chain, parent);
    assert.is(kindOf(follower.offer(good.raw, undefined)), "clock-unknown");
    assert.is(kindOf(follower.offer(good.raw, parent.timeS + TRUSTING_PERIOD_S + 100)), "checkpoint-expired");
    const below = rival(chain, blocks[1] as BftBlock);
    assert.is(kindOf(follower.offer(below.raw, nowS)), "stale");
    assert.is(follower.fork, undefined);
    // Nor is what stands on a parent that is not believed, whoever sealed it; but the search for where it leaves our chain finds it.
    const turn = rival(chain, parent);
    const deep = chain.grow(turn, 3).at(-1) as BftBlock;
    assert.is(kindOf(follower.offer(deep.raw, nowS)), "wanting");
    assert.is(follower.fork, undefined);
    const theirs = [...blocks.slice(0, 15), turn, ...chain.grow(turn, 5)];
    const kinds: string[] = [];
    for (let ask = follower.wanted(); ask !== undefined && follower.fork === undefined; ask = follower.wanted())
      kinds.push(
        ...follower
          .answer(
            ask.from,
            theirs.slice(ask.from - 1, ask.from - 1 + ask.count).map(({ raw }) => raw),
            nowS,
          )
          .map(kindOf),
      );
    assert.ok(kinds.includes("fork"), kinds.join());
    assert.equal(follower.fork?.theirs, turn.raw);
  });

  test(`${kind}: evidence never reaches across chains, nor to what was jumped over`, () => {
    for (const contract of kind === "qbft" ? [false, true] : [false]) {
      const { sealer, engine } = notary(fastEngine);
      const made = (timeS: number): { chain: BftChain; blocks: BftBlock[] } => {
        const chain = new BftChain({ kind, validators: accounts(4), sealer, timeS, contract });
        return { chain, blocks: [chain.genesis, ...chain.grow(chain.genesis, 60)] };
      };
      const ours = made(1_700_000_000);
      const other = made(1_700_000_001);
      const nowS = (ours.blocks[60] as BftBlock).timeS + 100;
      const store = new MemoryStore();
      const consensus = openBftChain(ours.chain, { engine });
      const open = (): Follower => new Follower({ consensus, engine, store, clock: { ticksMs: () => 0 } });
      const silence = (follower: Follower): void => {
        for (let i = 0; i < 100 && follower.wanted() !== undefined; i += 1) follower.unanswered();
      };
      // Walked to 30: the same heights of the other chain, with all seals, are nothing.
      const walked = open();
      offerAll(walked, ours.blocks.slice(1, 31), nowS);
      for (let number = 1; number <= 30; number += 1) {
        walked.offer((other.blocks[number] as BftBlock).raw, nowS);
        silence(walked);
        assert.is(walked.fork, undefined, `block ${number}`);
      }
      assert.is(kindOf(walked.offer((ours.blocks[31] as BftBlock).raw, nowS)), "advanced");
      // Jumped to 60: what was jumped over is nothing, not even where it is our chain's own fork.
      const jumped = open();
      jumped.offer((ours.blocks[60] as BftBlock).raw, nowS);
      for (let ask = jumped.wanted(); ask !== undefined; ask = jumped.wanted())
        jumped.answer(
          ask.from,
          ours.blocks.slice(ask.from, ask.from + ask.count).map(({ raw }) => raw),
          nowS,
        );
      assert.is(jumped.head.number, 60);
      for (const number of [31, 45, 59]) {
        jumped.offer(rival(ours.chain, ours.blocks[number - 1] as BftBlock).raw, nowS);
        jumped.offer((other.blocks[number] as BftBlock).raw, nowS);
        assert.is(jumped.fork, undefined, `block ${number}`);
      }
      // At the landing's own height only the landing's parent and set count.
      assert.is(kindOf(jumped.offer((other.blocks[60] as BftBlock).raw, nowS)), "stale");
      const set = ours.chain.validatorsAfter(ours.chain.genesis);
      const parent = ours.blocks[59] as BftBlock;
      assert.is(kindOf(jumped.offer(rival(ours.chain, parent, set.slice(0, 2)).raw, nowS)), "seals-too-few");
      if (!contract) {
        const own = ours.chain.child(parent, {
          ...{ proposer: set[0] as Account, sealers: set.slice(0, 2), gasUsed: 3n },
          bend: (draft) => {
            draft.validators = set.slice(0, 2).map(({ address }) => address);
          },
        });
        assert.is(kindOf(jumped.offer(own.raw, nowS)), "validators-wrong");
      }
      assert.is(jumped.fork, undefined);
      assert.is(kindOf(jumped.offer(rival(ours.chain, parent).raw, nowS)), "fork");
      jumped.persist();
      assert.is(open().fork?.number, 60);
      assert.equal(open().fork?.ours, (ours.blocks[60] as BftBlock).raw);
    }
  });

  test(`${kind}: on the right parent a list of one's own is no evidence, not even where the tally is not known`, () => {
    const { sealer, engine } = notary(fastEngine);
    const chain = new BftChain({ kind, validators: accounts(5), sealer });
    const blocks = chain.grow(chain.genesis, 20);
    const nowS = (blocks[19] as BftBlock).timeS + 100;
    const set = chain.validatorsAfter(chain.genesis);
    for (const votes of [[], "unknown"] as const) {
      const consensus = openBftChain(chain, { engine, more: { votes: votes === "unknown" ? votes : [] } });
      const follower = new Follower({ consensus, engine, store: new MemoryStore(), clock: { ticksMs: () => 0 } });
      offerAll(follower, blocks, nowS);
      assert.is(follower.head.number, 20);
      for (const list of [set.slice(1), [...set, ...accounts(1, "stranger")], set.slice(3)]) {
        const lie = chain.child(blocks[18] as BftBlock, {
          ...{ proposer: list[0] as Account, sealers: list, gasUsed: 7n },
          bend: (draft) => {
            draft.validators = [...list].sort((a, b) => (a.hex < b.hex ? -1 : 1)).map(({ address }) => address);
          },
        });
        assert.is(kindOf(follower.offer(lie.raw, nowS)), "validators-wrong");
      }
      assert.is(follower.fork, undefined);
    }
  });
}

test("contradicts: beside a block only a sibling of it counts, by the set that sealed it", () => {
  const { chain, bft } = world("qbft");
  const blocks = chain.grow(chain.genesis, 5);
  const [parent, block] = blocks.slice(3) as [BftBlock, BftBlock];
  const decoded = (of: BftBlock): BftHeader => held(bft.decode(of.raw));
  const trusted = walkBft(bft, bft.checkpoint, blocks);
  const judged = (of: BftBlock, nowS: number | undefined = block.timeS): string =>
    codeOf(bft.contradicts(trusted, decoded(of), nowS, decoded(block)));
  const sibling = rival(chain, parent);
  assert.is(judged(sibling), "accepted");
  assert.is(judged(rival(chain, blocks[2] as BftBlock)), "parent-wrong");
  assert.is(judged(rival(chain, rival(chain, blocks[2] as BftBlock))), "parent-wrong");
  assert.is(judged(rival(chain, parent, chain.validatorsAfter(parent).slice(0, 2))), "seals-too-few");
  assert.is(codeOf(bft.contradicts(trusted, decoded(sibling), undefined, decoded(block))), "clock-unknown");
  assert.is(judged(sibling, block.timeS + TRUSTING_PERIOD_S + 1), "checkpoint-expired");
  assert.is(judged(sibling, block.timeS - 16), "time-in-future");
});

test("what an older firmware took for evidence freezes nobody after an update", () => {
  const { chain, store, open } = world("qbft");
  const follower = open();
  const blocks = chain.grow(chain.genesis, 20);
  offerAll(follower, blocks);
  const nowS = (blocks[19] as BftBlock).timeS;
  assert.is(kindOf(follower.offer(rival(chain, blocks[18] as BftBlock).raw, nowS)), "fork");
  follower.persist();
  assert.is(open().fork?.number, 20);
  const kept = store.values.get("fork") as Uint8Array;
  const older = kept.slice();
  older[0] = 1;
  new DataView(older.buffer).setUint32(older.length - 4, crc32(older.subarray(0, -4)));
  store.values.set("fork", older);
  const updated = open();
  assert.is(updated.fork, undefined);
  assert.is(kindOf(updated.offer(chain.child(blocks[19] as BftBlock).raw, nowS + 2)), "advanced");
});

test("a relay that never brings the other half of the evidence is asked a few times, and the alarm stands", () => {
  const { chain, open } = world("qbft");
  const follower = open();
  const blocks = chain.grow(chain.genesis, 20);
  offerAll(follower, blocks);
  const theirs = rival(chain, blocks[1] as BftBlock);
  const nowS = (blocks[19] as BftBlock).timeS;
  assert.is(kindOf(follower.offer(theirs.raw, nowS)), "stale");
  const recent = rival(chain, blocks[9] as BftBlock);
  assert.is(kindOf(follower.offer(recent.raw, nowS)), "fork");
  let asks = 0;
  for (let ask = follower.wanted(); ask !== undefined && asks < 100; ask = follower.wanted(), asks += 1)
    assert.equal(follower.answer(ask.from, [recent.raw], nowS).map(kindOf), ["fork-other"]);
  assert.is(asks, 8);
  assert.is(follower.fork?.ours, undefined);
  assert.equal(follower.fork?.theirs, recent.raw);
});

test("a header of many seals counts as many checks: a flood of them is capped, what moves the head is not", () => {
  const { chain, open, clock, recoveries } = world("qbft");
  const follower = open();
  const blocks = chain.grow(chain.genesis, 300);
  offerAll(follower, blocks.slice(0, 100));
  assert.is(follower.head.number, 100);
  const tip = blocks[99] as BftBlock;
  const nowS = tip.timeS;
  const before = recoveries();
  const kinds: string[] = [];
  for (let i = 0; i < 200; i += 1) {
    const set = chain.validatorsAfter(tip);
    const [stranger] = accounts(1, `stranger ${i}`) as [Account];
    kinds.push(kindOf(follower.offer(chain.child(tip, { sealers: [...set.slice(0, 2), stranger] }).raw, nowS)));
  }
  assert.equal(new Set(kinds), new Set(["seal-stranger", "work-limit"]));
  assert.ok(recoveries() - before <= 120, `${recoveries() - before} recoveries`);
  // What is asked for still gets through, and a minute later all does.
  assert.is(kindOf(follower.offer((blocks[100] as BftBlock).raw, nowS + 2)), "work-limit");
  const ask = follower.wanted();
  assert.is(ask?.from, 101);
  assert.is(kindOf(follower.answer(101, [(blocks[100] as BftBlock).raw], nowS + 2)[0] as { kind: string }), "advanced");
  clock.now += 60_000;
  assert.is(kindOf(follower.offer((blocks[101] as BftBlock).raw, nowS + 4)), "advanced");
});

test("forged landings are capped as well, and lead nowhere", () => {
  const { chain, open, recoveries } = world("qbft");
  const follower = open();
  const blocks = chain.grow(chain.genesis, 100);
  const tip = blocks[99] as BftBlock;
  const set = chain.validatorsAfter(tip);
  const before = recoveries();
  for (let i = 0; i < 300; i += 1) {
    const [stranger] = accounts(1, `forger ${i}`) as [Account];
    follower.offer(chain.child(tip, { sealers: [...set.slice(0, 2), stranger] }).raw, tip.timeS + 2);
    for (let ask = follower.wanted(), asks = 0; ask !== undefined && asks < 8; ask = follower.wanted(), asks += 1)
      follower.unanswered();
  }
  assert.is(follower.head.number, 0);
  assert.ok(recoveries() - before <= 120, `${recoveries() - before} recoveries`);
});

test("alarms: silence, time that falls behind, an expired checkpoint, a fork; the gravest of them", () => {
  const { chain, open, clock } = world("qbft");
  const follower = open();
  const vigil = new Vigil(follower, clock);
  const blocks = chain.grow(chain.genesis, 5);
  const tip = blocks[4] as BftBlock;
  offerAll(follower, blocks);
  assert.is(vigil.look(undefined), ALARM_NONE);
  clock.now += 120_000;
  assert.is(vigil.look(undefined), ALARM_NONE);
  clock.now += 1_000;
  assert.is(vigil.look(undefined), ALARM_STALE, "no header for two minutes");
  const next = chain.child(tip);
  offerAll(follower, [next]);
  assert.is(vigil.look(next.timeS + 120), ALARM_NONE, "one came");
  // Headers come, but the chain's time is behind: for a moment that is a mote that slept, for longer it is cut off.
  assert.is(vigil.look(next.timeS + 1000), ALARM_NONE);
  clock.now += 119_000;
  const after = chain.child(next);
  offerAll(follower, [after]);
  assert.is(vigil.look(after.timeS + 1000), ALARM_NONE);
  clock.now += 2_000;
  assert.is(vigil.look(after.timeS + 1000), ALARM_STALE, "behind for two minutes");
  assert.is(vigil.look(after.timeS + 100), ALARM_NONE);
  assert.is(vigil.look(after.timeS + TRUSTING_PERIOD_S), ALARM_NONE);
  assert.is(vigil.look(after.timeS + TRUSTING_PERIOD_S + 1), ALARM_EXPIRED);
  offerAll(follower, [rival(chain, next)], after.timeS);
  assert.is(vigil.look(after.timeS + TRUSTING_PERIOD_S + 1), ALARM_FORK);
});

/** Headers; ten times as many with FULL=1. */
const MANY = process.env.FULL === "1" ? 100_000 : 10_000;

test(`${MANY} headers leave the follower's memory flat`, () => {
  v8.setFlagsFromString("--expose-gc");
  const collect = vm.runInNewContext("gc") as () => void;
  const validators = accounts(4);
  // Seals that the engine knows by the digest alone: this is about memory, and elliptic curves would take minutes.
  const engine = {
    ...fastEngine,
    secp256k1: {
      ...fastEngine.secp256k1,
      recover: (signature: Uint8Array) => validators[signature[0] as number]?.publicKey,
    },
  };
  const sealer = (_: Uint8Array, signer: Account): Uint8Array => new Uint8Array(65).fill(validators.indexOf(signer), 0, 1);
  const chain = new BftChain({ kind: "qbft", validators, epoch: 1000, sealer });
  const bft = openBftChain(chain, { engine });
  const store = new MemoryStore();
  const follower = new Follower({ consensus: bft, engine, store, clock: { ticksMs: () => 0 } });
  const newcomer = accounts(1, "newcomer")[0] as Account;
  let tip = chain.genesis;
  let sizeMax = 0;
  const heaps: number[] = [];
  for (let i = 1; i <= MANY; i += 1) {
    tip = chain.child(tip, i % 7 === 0 ? { vote: { account: newcomer.address, authorize: i % 14 === 0 } } : {});
    if (kindOf(follower.offer(tip.raw, undefined)) !== "advanced") throw new Error(`block ${i}`);
    if (i % (MANY / 10) !== 0) continue;
    sizeMax = Math.max(sizeMax, ...[...store.values.values()].map((value) => value.length));
    collect();
    heaps.push(process.memoryUsage().heapUsed);
  }
  assert.is(follower.head.number, MANY);
  assert.ok(sizeMax < 3072, `${sizeMax} bytes persisted`);
  const grown = (heaps.at(-1) as number) - (heaps[1] as number);
  console.log(`heap after each ${MANY / 10} headers, in KiB: ${heaps.map((heap) => Math.round(heap / 1024)).join(" ")}`);
  assert.ok(grown < 1_000_000, `${grown} bytes more after ${0.8 * MANY} headers`);
});

test.run();
