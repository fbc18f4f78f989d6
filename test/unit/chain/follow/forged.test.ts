// What nobody signed does not steer what the mote asks for: a simulation over virtual time of a mote that is behind, an honest
// relay a tenth of a second away, and somebody who publishes forged headers.
//
// Promised: it catches up in at most FACTOR times what it takes undisturbed, and one poll more, where honest announcements are seen
// between the forged ones; where none ever is, in as much more than it takes where nothing is announced at all. No later block
// takes longer than a poll, and what nobody signed costs at most FORGED_REQUESTS_PER_MINUTE_MAX requests a minute.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Consensus } from "../../../../firmware/chain/consensus.js";
import { Follower } from "../../../../firmware/chain/follow/follower.js";
import type { CryptoEngine } from "../../../../firmware/crypto/engine.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { encodeHeader } from "../../../chains/bft-encoding.js";
import { openBftChain } from "../../../chains/bft-fixture.js";
import { type BftBlock, BftChain } from "../../../chains/bft-generator.js";
import { chainOf, LOWERED, openChainOf } from "../../../chains/bitcoin-fixture.js";
import type { Block as BitcoinBlock } from "../../../chains/bitcoin-generator.js";
import { openGenerated } from "../../../chains/clique-fixture.js";
import { account, accounts, type Block as CliqueBlock, CliqueChain, notary } from "../../../chains/clique-generator.js";
import { MemoryStore } from "../../../chains/follower-fixture.js";
import { HandClock } from "../../hand-clock.js";
import { honestAnswer, relayOver } from "../../link/relay-bench.js";

const FACTOR = 3;
/** A poll, and what it takes to ask. */
const POLL_MS = 11_000;
/** 16 of a walk, 16 of jumps, 6 polls that may take two requests each, and what a budget that was full gives at first. */
const FORGED_REQUESTS_PER_MINUTE_MAX = 16 + 16 + 2 * 6 + 16;
const BEHIND = [0, 2, 10, 40, 1000];
const EVERY_MS = [10_000, 5_000, 3_000, 1_000, 100];
const STEP_MS = 50;
const ANSWER_MS = 100;
const GIVEN_UP_MS = 30 * 60_000;

interface Blocky {
  readonly raw: Uint8Array;
  readonly number: number;
  readonly timeS: number;
}

/** `head` is the mote's, `tip` the chain's; a number that is another each time. */
type Forge = (head: number, tip: number, nowS: number, salt: number) => Uint8Array;

interface Lane {
  readonly name: string;
  readonly periodS: number;
  readonly blocks: readonly Blocky[];
  readonly consensus: Consensus;
  readonly engine: CryptoEngine;
  readonly forgeries: readonly Forge[];
}

/** After those that are caught up with: for a minute or two. */
const MORE_BLOCKS = 60;

function bftLane(kind: "ibft2" | "qbft", periodS = 2): Lane {
  const { sealer, engine } = notary(fastEngine);
  const chain = new BftChain({ kind, validators: accounts(4), periodS, sealer });
  const blocks = [chain.genesis, ...chain.grow(chain.genesis, 1000 + MORE_BLOCKS)];
  const mallory = account("mallory");
  const forged = (number: number, nowS: number, salt: number, own: boolean, parent?: BftBlock): Uint8Array => {
    const base = (parent ?? blocks[1]) as BftBlock;
    return encodeHeader(kind, {
      ...(blocks[1] as BftBlock).draft,
      ...{ number: BigInt(number), timeS: BigInt(nowS), stateRoot: new Uint8Array(32).fill(salt % 251) },
      ...(parent === undefined ? {} : { parentHash: base.hash, timeS: BigInt(base.timeS + periodS) }),
      ...(own ? { coinbase: mallory.address, validators: [mallory.address] } : {}),
      seals: Array.from({ length: own ? 1 : 3 }, (_, i) => new Uint8Array(65).fill(1 + ((salt + i) % 200), 0, 64)),
    });
  };
  return {
    ...{ name: `${kind}, a period of ${periodS} s`, periodS, blocks, engine, consensus: openBftChain(chain, { engine }) },
    forgeries: [
      (_, __, nowS, salt) => forged(2 ** 40 + salt, nowS, salt, true),
      (_, tip, nowS, salt) => forged(tip + 3, nowS, salt, true),
      (_, tip, nowS, salt) => forged(tip + 2, nowS, salt, false),
      (head, tip, nowS, salt) => forged(Math.floor((head + tip) / 2) + 1, nowS, salt, true),
      (head, _, nowS, salt) => forged(head + 1, nowS, salt, false, blocks[head] as BftBlock),
      (head, _, nowS, salt) => forged(Math.max(1, head - 1), nowS, salt, false),
    ],
  };
}

function cliqueLane(trustingPeriodS?: number): Lane {
  const periodS = 5;
  const { sealer, engine } = notary(fastEngine);
  const chain = new CliqueChain({ signers: accounts(5), periodS, epoch: 100, sealer });
  const blocks = [chain.genesis, ...chain.grow(chain.genesis, 1000 + MORE_BLOCKS)];
  const consensus = openGenerated(chain, engine, trustingPeriodS === undefined ? {} : { trustingPeriodS });
  // Anyone may take a block of the chain, number it otherwise and leave what the seal is worth to others.
  const bent = (parent: number, number: number, salt: number, orphan = true): Uint8Array =>
    chain.child(blocks[Math.max(0, parent)] as CliqueBlock, undefined, {
      bend: (draft) => {
        draft.number = BigInt(number);
        draft.stateRoot = new Uint8Array(32).fill(salt % 251);
        if (orphan) draft.parentHash = new Uint8Array(32).fill(1 + (salt % 251));
      },
      bendSeal: () => new Uint8Array(65).fill(1 + (salt % 200), 0, 64),
    }).raw;
  return {
    ...{ name: trustingPeriodS === undefined ? "clique, walked" : "clique with jumps", periodS, blocks, consensus, engine },
    forgeries: [
      // A number that begins no epoch, so that the list of signers is rightly absent.
      (_, tip, __, salt) => bent(tip, 10 * 2 ** 30 + 1, salt),
      (_, tip, __, salt) => bent(tip, tip + 3 + ((tip + 3) % 100 === 0 ? 1 : 0), salt),
      (head, _, __, salt) => bent(head, head + 1, salt, false),
      (head, _, __, salt) => bent(head, head + 1, salt),
      (head, _, __, salt) => bent(head - 2, Math.max(1, head - 1), salt),
    ],
  };
}

function bitcoinLane(): Lane {
  const chain = chainOf(LOWERED.mainnet);
  const blocks = [chain.genesis, ...chain.grow(chain.genesis, 1000 + 6)];
  const orphan = (salt: number): Uint8Array =>
    chain.child(chain.genesis, (draft) => {
      draft.parentHash = new Uint8Array(32).fill(1 + (salt % 251));
      draft.bits = LOWERED.mainnet.limitBits;
    }).raw;
  return {
    ...{ name: "bitcoin", periodS: 600, blocks, engine: fastEngine, consensus: openChainOf(chain, LOWERED.mainnet) },
    forgeries: [
      (_, __, ___, salt) => orphan(salt),
      (head, _, __, ___) =>
        chain.child(blocks[head] as BitcoinBlock, (draft) => {
          draft.timeS += 100_000;
        }).raw,
    ],
  };
}

interface Course {
  /** Virtual time until the head was the chain's for the first time. */
  readonly caughtUpMs: number;
  /** How long a block that came later took at the most. */
  readonly lagMs: number;
  /** Requests a minute after the first. */
  readonly perMinute: number;
}

interface Attack {
  readonly everyMs?: number;
  /** Which forgeries; all in turn where absent. */
  readonly only?: number;
  /** Nothing is announced. */
  readonly quiet?: boolean;
  /** Every honest announcement is replaced by a forged one before the mote looks. */
  readonly drowned?: boolean;
}

/** @param afterMs how long to look on once it has caught up */
function run(lane: Lane, behind: number, attack: Attack = {}, afterMs = 0): Course {
  const { blocks, periodS, consensus, engine, forgeries } = lane;
  const startS = (blocks[behind] as Blocky).timeS + 1;
  const tipAt = (ms: number): number => Math.min(blocks.length - 1, behind + Math.floor(ms / 1000 / periodS));
  let nowS = startS;
  const clock = new HandClock(1000);
  const follower = new Follower({ consensus, engine, store: new MemoryStore(), clock });
  const { relay, sent, last, reply } = relayOver(follower, () => nowS, clock);
  let [announced, answered, salt, attackMs] = [-1, 0, 0, 0];
  let answerMs = Number.POSITIVE_INFINITY;
  let caughtUpMs: number | undefined;
  let [reachedMs, lagMs, sentBefore] = [0, 0, 0];
  const forge = (tip: number): void => {
    salt += 1;
    const made = forgeries[attack.only ?? salt % forgeries.length] as Forge;
    relay.announced(made(follower.head.number, tip, nowS, salt));
  };
  for (let ms = 0; ms < GIVEN_UP_MS; ms += STEP_MS) {
    nowS = startS + Math.floor(ms / 1000);
    const tip = tipAt(ms);
    if (announced !== tip && attack.quiet !== true) {
      announced = tip;
      relay.announced((blocks[tip] as Blocky).raw);
      if (attack.drowned !== true) relay.step(true);
      else forge(tip);
    }
    if (attack.everyMs !== undefined && ms >= attackMs) {
      attackMs = ms + attack.everyMs;
      forge(tip);
    }
    if (ms >= answerMs) {
      reply(honestAnswer(last(), blocks.slice(0, tip + 1)));
      answerMs = Number.POSITIVE_INFINITY;
    }
    relay.step(true);
    if (sent.length > answered) {
      answered = sent.length;
      answerMs = ms + ANSWER_MS;
    }
    if (follower.head.number >= tip) {
      caughtUpMs ??= ms;
      reachedMs = ms;
    } else if (caughtUpMs !== undefined) lagMs = Math.max(lagMs, ms - reachedMs);
    if (caughtUpMs !== undefined && sentBefore === 0) sentBefore = sent.length;
    if (caughtUpMs !== undefined && ms >= caughtUpMs + afterMs) break;
    clock.pass(STEP_MS);
  }
  const perMinute = afterMs === 0 ? 0 : ((sent.length - sentBefore) * 60_000) / afterMs;
  return { caughtUpMs: caughtUpMs ?? Number.POSITIVE_INFINITY, lagMs, perMinute };
}

const lanes: (() => Lane)[] = [
  () => bftLane("qbft", 1),
  () => cliqueLane(),
  bitcoinLane,
  ...(process.env.FULL === "1" ? [() => bftLane("ibft2"), () => bftLane("qbft"), () => cliqueLane(86_400 * 30)] : []),
];

for (const make of lanes) {
  const lane = make();
  const usual = new Map(BEHIND.map((behind) => [behind, run(lane, behind).caughtUpMs]));
  const bound = (behind: number): number => FACTOR * (usual.get(behind) as number) + POLL_MS;

  test(`${lane.name}: forged headers of every kind, one each 10 s to ten a second`, () => {
    for (const behind of BEHIND)
      for (const everyMs of EVERY_MS) {
        const course = run(lane, behind, { everyMs }, behind <= 10 ? 60_000 : 0);
        const said = `${behind} behind, each ${everyMs} ms: ${JSON.stringify(course)}, undisturbed ${usual.get(behind)} ms`;
        if (process.env.SHOW) console.log(lane.name, said);
        assert.ok(course.caughtUpMs <= bound(behind), said);
        assert.ok(course.lagMs <= POLL_MS, said);
        assert.ok(course.perMinute <= FORGED_REQUESTS_PER_MINUTE_MAX + 60 / lane.periodS, said);
      }
  });

  test(`${lane.name}: each kind of forged header by itself, one a second`, () => {
    for (const behind of BEHIND)
      for (let only = 0; only < lane.forgeries.length; only += 1) {
        const course = run(lane, behind, { everyMs: 1000, only });
        if (process.env.SHOW) console.log(lane.name, behind, only, JSON.stringify(course));
        assert.ok(course.caughtUpMs <= bound(behind), `${behind} behind, kind ${only}: ${JSON.stringify(course)}`);
      }
  });

  test(`${lane.name}: a flood in which no honest announcement is ever seen`, () => {
    for (const behind of BEHIND) {
      const quietMs = run(lane, behind, { quiet: true }).caughtUpMs;
      for (const only of [undefined, ...lane.forgeries.keys()]) {
        const attack: Attack = { everyMs: STEP_MS, drowned: true, ...(only === undefined ? {} : { only }) };
        const course = run(lane, behind, attack, only === undefined && behind <= 10 ? 60_000 : 0);
        const said = `${behind} behind, kind ${only ?? "all"}: ${JSON.stringify(course)}, nothing announced ${quietMs} ms`;
        if (process.env.SHOW) console.log(lane.name, said);
        assert.ok(course.caughtUpMs <= FACTOR * quietMs + POLL_MS, said);
        assert.ok(course.lagMs <= POLL_MS, said);
      }
    }
  });
}

test.run();
