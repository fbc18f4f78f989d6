// Jumps are linked to the chain that was followed before: the same validators may seal another one, and nobody is at fault there.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openBft } from "../../../../firmware/chain/bft/checkpoint.js";
import { LINK_BLOCKS_MAX } from "../../../../firmware/chain/bft/consensus.js";
import { Follower } from "../../../../firmware/chain/follow/follower.js";
import type { Outcome } from "../../../../firmware/chain/follow/outcome.js";
import { RelayOrder } from "../../../../firmware/link/relay-order.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { bftCheckpointAt, jumpBft, openBftChain } from "../../../chains/bft-fixture.js";
import { type BftBlock, BftChain, type BftChainOptions } from "../../../chains/bft-generator.js";
import { codeOf } from "../../../chains/clique-fixture.js";
import { accounts, hexOf, notary } from "../../../chains/clique-generator.js";
import { headOf, kindOf, MemoryStore } from "../../../chains/follower-fixture.js";

const KINDS = [
  { name: "ibft", options: { kind: "ibft" } },
  { name: "ibft2", options: { kind: "ibft2" } },
  { name: "qbft", options: { kind: "qbft" } },
  { name: "qbft in contract mode", options: { kind: "qbft", contract: true } },
] as const;
/** How many headers a relay brings at once. */
const ANSWER_HEADERS = 4;

interface Network {
  readonly chain: BftChain;
  /** By height. */
  readonly blocks: readonly BftBlock[];
}

interface World {
  readonly ours: Network;
  /** The same validators, another genesis. */
  readonly other: Network;
  readonly nowS: number;
  readonly clock: { now: number; ticksMs(): number };
  readonly recoveries: () => number;
  open(more?: { linkBlocks?: number }): Follower;
}

function world(options: Pick<BftChainOptions, "kind" | "contract">, length = 60, otherLength = length): World {
  const { sealer, engine, recoveries } = notary(fastEngine);
  const network = (timeS: number, count: number): Network => {
    const chain = new BftChain({ ...options, validators: accounts(4), sealer, timeS });
    return { chain, blocks: [chain.genesis, ...chain.grow(chain.genesis, count)] };
  };
  const ours = network(1_700_000_000, length);
  const other = network(1_700_000_001, otherLength);
  const clock = { now: 0, ticksMs: () => clock.now };
  return {
    ...{ ours, other, clock, recoveries },
    nowS: Math.max(tipOf(ours).timeS, tipOf(other).timeS) + 1,
    open: (more = {}) =>
      new Follower({ consensus: openBftChain(ours.chain, { engine, more }), engine, store: new MemoryStore(), clock }),
  };
}

function tipOf({ blocks }: Network): BftBlock {
  return blocks.at(-1) as BftBlock;
}

/** What a relay of that network says. */
function says({ blocks }: Network, from: number, count: number): Uint8Array[] {
  return blocks.slice(from, from + Math.min(count, ANSWER_HEADERS)).map(({ raw }) => raw);
}

/** One ask, answered by a relay of `network`, or by nobody. */
function turn(follower: Follower, network: Network | undefined, nowS: number): string[] {
  const ask = follower.wanted();
  assert.ok(ask !== undefined, "something is wanted");
  const raws = network === undefined ? [] : says(network, ask.from, ask.count);
  if (raws.length > 0) return follower.answer(ask.from, raws, nowS).map(kindOf);
  follower.unanswered();
  return [];
}

function drive(
  follower: Follower,
  network: Network | undefined,
  nowS: number,
  asksMax = 2000,
): { asks: number; kinds: string[] } {
  const kinds: string[] = [];
  for (let asks = 0; asks < asksMax; asks += 1) {
    if (follower.wanted() === undefined) return { asks, kinds };
    kinds.push(...turn(follower, network, nowS));
  }
  throw new Error(`still asking after ${asksMax} asks`);
}

for (const { name, options } of KINDS) {
  test(`${name}: a landing is followed down to the head by hashes alone, and then the head moves`, () => {
    const { ours, nowS, recoveries, open } = world(options);
    const follower = open();
    const tip = tipOf(ours);
    assert.is(kindOf(follower.offer(tip.raw, nowS)), "wanting");
    assert.is(follower.head.number, 0, "not before it is linked");
    const checks = recoveries();
    const first = follower.wanted();
    assert.is((first?.from ?? 0) + (first?.count ?? 0), tip.number, "right below the landing");
    const { kinds } = drive(follower, ours, nowS);
    assert.is(kinds.at(-1), "jumped");
    assert.is(headOf(follower), hexOf(tip.hash));
    assert.is(recoveries(), checks, "no signature between");
    // Where headers are short the first ask may be for more than an answer holds here.
    assert.equal(new Set(kinds.slice(1, -1)), new Set(["linking"]));
  });

  test(`${name}: a block of another chain with the same validators never becomes the head, and costs nobody honest his place`, () => {
    const { ours, other, nowS, open } = world(options, 60, 200);
    // Above all that the honest relay has, where it is silent, and below, where it has other headers.
    for (const landing of [200, 50]) {
      const follower = open();
      assert.is(kindOf(follower.offer((other.blocks[landing] as BftBlock).raw, nowS)), "wanting");
      const order = new RelayOrder(["honest", "foreign"]);
      const seen = new Set<string>();
      let asks = 0;
      for (; follower.head.number < 60 && asks < 200; asks += 1) {
        // The real chain goes on and is announced now and then.
        if (follower.wanted() === undefined) follower.offer(tipOf(ours).raw, nowS);
        const ask = follower.wanted();
        assert.ok(ask !== undefined);
        const raws = says(ours, ask.from, ask.count);
        const outcomes = raws.length > 0 ? follower.answer(ask.from, raws, nowS) : [];
        if (raws.length > 0) order.judge(outcomes);
        else follower.unanswered();
        for (const outcome of outcomes) seen.add(kindOf(outcome));
        // What does not fit a landing says nothing about who sent it; after a while somebody else is asked for the rest.
        if (order.next !== "honest") order.silent();
        assert.is(order.next, "honest");
      }
      assert.is(headOf(follower), hexOf(tipOf(ours).hash), `after ${asks} asks`);
      assert.ok(asks < 40, `${asks} asks`);
      assert.is(seen.has("link-absent"), landing === 50);
    }
  });

  test(`${name}: whoever leads all the way down to another block than the head is refused (skip-unlinked), and the walk goes on`, () => {
    const { ours, other, nowS, open } = world(options);
    const follower = open();
    follower.offer(tipOf(other).raw, nowS);
    let asks = 0;
    let last: readonly (Outcome | Rejection)[] = [];
    for (; asks < 100 && !(last[0] instanceof Rejection); asks += 1) {
      const ask = follower.wanted();
      assert.ok(ask !== undefined);
      last = follower.answer(ask.from, says(other, ask.from, ask.count), nowS);
    }
    assert.is(codeOf(last[0]), "skip-unlinked");
    assert.ok(asks <= 16, `${asks} asks for 59 headers`);
    const order = new RelayOrder(["foreign", "honest"]);
    order.judge(last);
    assert.is(order.next, "honest", "whoever did it is put last");
    assert.is(follower.head.number, 0);
    assert.is(follower.wanted()?.from, 1, "a walk");
    // The walk has its share: as many asks as the landing took, and no other landing until then.
    for (let i = 0; i < 15; i += 1) {
      assert.is(kindOf(follower.offer(tipOf(other).raw, nowS)), "wanting");
      assert.equal(new Set(turn(follower, ours, nowS)), new Set(["advanced"]), `walked ask ${i}`);
    }
    assert.is(headOf(follower), hexOf(tipOf(ours).hash), "which is enough here");
  });

  test(`${name}: beyond what is linked a jump says so, and the checkpoint can ask for more`, () => {
    const { ours, nowS, open } = world(options, LINK_BLOCKS_MAX + 40);
    const far = open();
    const outcome = far.offer(tipOf(ours).raw, nowS);
    assert.equal(outcome, { kind: "jumped", number: LINK_BLOCKS_MAX + 40, blocks: LINK_BLOCKS_MAX + 40, linked: false });
    const linking = open({ linkBlocks: 2 * LINK_BLOCKS_MAX });
    assert.is(kindOf(linking.offer(tipOf(ours).raw, nowS)), "wanting");
    const { asks, kinds } = drive(linking, ours, nowS);
    assert.equal([kinds.at(-1), headOf(linking)], ["jumped", hexOf(tipOf(ours).hash)]);
    assert.ok(asks <= (LINK_BLOCKS_MAX + 40) / ANSWER_HEADERS + 2, `${asks} asks`);
  });

  test(`${name}: no block can stand farther above than the period lets it: a mote that is up to date cannot be moved`, () => {
    const { ours, nowS, open } = world(options);
    const { chain } = ours;
    // A chain of the same validators that makes a block each second, and has long been doing so.
    const quick = new BftChain({ ...options, validators: accounts(4), sealer: chain.sealer, periodS: 1, timeS: nowS - 1200 });
    const blocks = quick.grow(quick.genesis, 1200);
    const follower = open();
    for (const { raw } of ours.blocks.slice(1)) assert.is(kindOf(follower.offer(raw, nowS)), "advanced");
    for (const number of [1200, 1100, 61 + LINK_BLOCKS_MAX, 100, 80]) {
      // A height that there cannot be yet is not even tried.
      assert.is(kindOf(follower.offer((blocks[number - 1] as BftBlock).raw, nowS)), "wanting", `block ${number}`);
      while (follower.wanted() !== undefined) follower.unanswered();
    }
    assert.is(headOf(follower), hexOf(tipOf(ours).hash));
  });
}

test("nobody who is silent, cuts answers short or sends noise is believed or waited for without end", () => {
  const { ours, other, nowS, open } = world({ kind: "qbft" });
  const [landing, head] = [tipOf(ours), ours.blocks[0] as BftBlock];
  const started = (): Follower => {
    const follower = open();
    follower.offer(landing.raw, nowS);
    return follower;
  };
  // Silence: a few times, then a walk.
  const silent = started();
  for (let i = 0; i < 4; i += 1) {
    assert.ok((silent.wanted()?.from ?? 0) > 16, "still linking");
    silent.unanswered();
  }
  assert.is(silent.wanted()?.from, 1);
  // Each kind of noise: at most four times in a row.
  const noise: Record<string, (from: number, count: number) => Uint8Array[]> = {
    "header-malformed": (_, count) => Array.from({ length: count }, () => Uint8Array.of(0xc0)),
    "answer-too-long": (from, count) => ours.blocks.slice(from - 1, from + count).map(({ raw }) => raw),
    wanting: (from, count) => other.blocks.slice(from, from + count).map(({ raw }) => raw),
  };
  for (const [kind, answer] of Object.entries(noise)) {
    const follower = started();
    const kinds: string[] = [];
    for (let ask = follower.wanted(); ask !== undefined && ask.from > 16; ask = follower.wanted())
      kinds.push(...follower.answer(ask.from, answer(ask.from, ask.count), nowS).map(kindOf));
    assert.equal(kinds, [kind, kind, kind, "link-absent"]);
    assert.is(follower.wanted()?.from, 1);
    assert.is(headOf(follower), hexOf(head.hash));
  }
  // A relay whose answers hold fewer than was asked for is asked for as many as it brings.
  const narrow = started();
  const counts: number[] = [];
  for (let ask = narrow.wanted(); ask !== undefined; ask = narrow.wanted()) {
    counts.push(ask.count);
    narrow.answer(
      ask.from,
      ours.blocks.slice(ask.from, ask.from + Math.min(2, ask.count)).map(({ raw }) => raw),
      nowS,
    );
  }
  assert.is(headOf(narrow), hexOf(landing.hash));
  assert.equal(new Set(counts.slice(1, -1)), new Set([2]));
});

test("a head that is brought on by others meanwhile is linked to, or leaves nothing to link", () => {
  const { ours, nowS, open } = world({ kind: "ibft2" });
  const follower = open();
  follower.offer(tipOf(ours).raw, nowS);
  turn(follower, ours, nowS);
  for (const { raw } of ours.blocks.slice(1, 21)) assert.is(kindOf(follower.offer(raw, nowS)), "advanced");
  assert.is(drive(follower, ours, nowS).kinds.at(-1), "jumped");
  assert.is(headOf(follower), hexOf(tipOf(ours).hash));
  const walked = open();
  walked.offer(tipOf(ours).raw, nowS);
  for (const { raw } of ours.blocks.slice(1)) walked.offer(raw, nowS);
  assert.is(walked.wanted(), undefined);
  assert.is(headOf(walked), hexOf(tipOf(ours).hash));
});

test("foreign landings one after the other halve the pace of a walk and no more, and their signatures are counted", () => {
  const { ours, other, nowS, clock, recoveries, open } = world({ kind: "qbft" }, 600, 600);
  const follower = open();
  let asks = 0;
  let minuteChecks = recoveries();
  for (; follower.head.number < 580 && asks < 1000; asks += 1) {
    // Every announcement that gets through is the other chain's.
    follower.offer((other.blocks[600 - (asks % 16)] as BftBlock).raw, nowS);
    if (follower.wanted() === undefined) clock.now += 60_000;
    else turn(follower, ours, nowS);
    if (asks % 20 === 0) {
      clock.now += 60_000;
      // What moved the head is not counted: that are four headers of three seals for each ask of a walk.
      assert.ok(recoveries() - minuteChecks <= 120 + 20 * 12, `${recoveries() - minuteChecks} checks`);
      minuteChecks = recoveries();
    }
  }
  assert.is(headOf(follower), hexOf((ours.blocks[follower.head.number] as BftBlock).hash));
  assert.ok(follower.head.number >= 580 && asks < 400, `block ${follower.head.number} after ${asks} asks`);
  // With nobody to bring what is below them, no more checks are made than a minute allows.
  const alone = open();
  const before = recoveries();
  for (let i = 0; i < 300; i += 1) {
    alone.offer((other.blocks[300 + i] as BftBlock).raw, nowS);
    if (alone.wanted() !== undefined) alone.unanswered();
  }
  assert.ok(recoveries() - before <= 120, `${recoveries() - before} checks`);
});

test("the signatures of landings that led nowhere count as fruitless, however many seals each has", () => {
  const { sealer, engine, recoveries } = notary(fastEngine);
  const made = (timeS: number): Network => {
    const chain = new BftChain({ kind: "qbft", validators: accounts(10), sealer, timeS });
    return { chain, blocks: [chain.genesis, ...chain.grow(chain.genesis, 600)] };
  };
  const [ours, other] = [made(1_700_000_000), made(1_700_000_001)];
  const nowS = tipOf(other).timeS + 1;
  const clock = { ticksMs: () => 0 };
  const follower = new Follower({ consensus: openBftChain(ours.chain, { engine }), engine, store: new MemoryStore(), clock });
  let landings = 0;
  for (let asks = 0; follower.head.number < 580 && asks < 1000; asks += 1) {
    const before = recoveries();
    follower.offer((other.blocks[600 - (asks % 16)] as BftBlock).raw, nowS);
    landings += recoveries() - before;
    turn(follower, ours, nowS);
  }
  assert.ok(follower.head.number >= 580, `block ${follower.head.number}`);
  assert.ok(landings > 60 && landings <= 120, `${landings} checks within a minute`);
});

test("whatever relays and announcements bring, the head stays on the chain, and no landing is followed for ever", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...KINDS),
      fc.array(fc.tuple(fc.nat(5), fc.nat(59)), { minLength: 20, maxLength: 120 }),
      ({ options }, script) => {
        const { ours, other, nowS, clock, open } = world(options);
        const follower = open();
        for (const [what, number] of script) {
          const ask = follower.wanted();
          if (what === 0) follower.offer((ours.blocks[number + 1] as BftBlock).raw, nowS);
          else if (what === 1) follower.offer((other.blocks[number + 1] as BftBlock).raw, nowS);
          else if (ask === undefined) continue;
          else if (what === 2) follower.unanswered();
          else {
            const mixed = [...says(ours, ask.from, 2), ...says(other, ask.from + 2, 2)].slice(0, ask.count);
            const raws = what === 3 ? says(ours, ask.from, ask.count) : what === 4 ? says(other, ask.from, ask.count) : mixed;
            if (raws.length > 0) follower.answer(ask.from, raws, nowS);
          }
          assert.is(follower.fork, undefined);
          assert.is(headOf(follower), hexOf((ours.blocks[follower.head.number] as BftBlock).hash));
        }
        // And it still gets there, once somebody honest answers.
        for (let i = 0; i < 100 && follower.head.number < 60; i += 1) {
          clock.now += 10_000;
          follower.offer(tipOf(ours).raw, nowS);
          if (follower.wanted() !== undefined) turn(follower, ours, nowS);
        }
        assert.is(headOf(follower), hexOf(tipOf(ours).hash));
      },
    ),
    { numRuns: 40 },
  );
});

test("what a jump may span follows the period, through transitions, and for chains of several blocks a second", () => {
  const validators = accounts(4);
  const chain = new BftChain({ kind: "qbft", validators, periodS: 1 });
  const at = (periodS: number, transitions: { block: number; periodS: number }[], number: number, afterS: number): string => {
    const bft = openBftChain(chain, { more: { periodS, transitions } });
    const block = chain.child(chain.genesis, {
      afterS,
      bend: (draft) => {
        draft.number = BigInt(number);
      },
    });
    return codeOf(jumpBft(bft, bft.checkpoint, block.raw, block.timeS));
  };
  assert.is(at(5, [], 100, 500), "accepted");
  assert.is(at(5, [], 100, 499), "time-before-period");
  // Blocks 1 to 39 at 5 s, 40 to 69 at 1 s, 70 to 100 at 10 s.
  const changes = [
    { block: 40, periodS: 1 },
    { block: 70, periodS: 10 },
  ];
  assert.is(at(5, changes, 100, 39 * 5 + 30 + 31 * 10), "accepted");
  assert.is(at(5, changes, 100, 39 * 5 + 30 + 31 * 10 - 1), "time-before-period");
  assert.is(at(5, changes, 40, 39 * 5 + 1), "accepted");
  assert.is(at(5, changes, 40, 39 * 5), "time-before-period");
  // Twenty blocks a second at most, give or take a second.
  assert.is(at(0, [], 2000, 99), "accepted");
  assert.is(at(0, [], 2000, 98), "time-before-period");
  assert.is(at(0, [], 30, 0), "accepted");
});

test("how far jumps are linked can be raised by the checkpoint, never lowered", () => {
  const chain = new BftChain({ kind: "qbft", validators: accounts(4) });
  const open = (linkBlocks: unknown): string =>
    codeOf(openBft(fastEngine, { ...bftCheckpointAt(chain, chain.genesis), linkBlocks } as unknown));
  for (const good of [undefined, LINK_BLOCKS_MAX, 2 ** 48 - 1]) assert.is(open(good), "accepted");
  for (const bad of [LINK_BLOCKS_MAX - 1, 0, -1, 1.5, 2 ** 48, "1024", null]) assert.is(open(bad), "checkpoint-invalid");
});

test.run();
