// Headers that are longer than what a run of headers is asked for in: they are asked for alone.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { MESSAGE_BYTES_MAX, REPLY_OVERHEAD_BYTES, RUN_BYTES_MAX } from "../../../firmware/bus/wire.js";
import type { Consensus } from "../../../firmware/chain/consensus.js";
import { Follower } from "../../../firmware/chain/follow/follower.js";
import { SKIP_BLOCKS_MIN } from "../../../firmware/chain/follow/skipping.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { openBftChain } from "../../chains/bft-fixture.js";
import { type BftBlock, BftChain, fastSealer } from "../../chains/bft-generator.js";
import { openGenerated } from "../../chains/clique-fixture.js";
import { accounts, CliqueChain } from "../../chains/clique-generator.js";
import { MemoryStore } from "../../chains/follower-fixture.js";
import { honestAnswer, relayOver } from "./relay-bench.js";

interface Seen {
  readonly requests: readonly { readonly count: number; readonly bytesMax: number }[];
  readonly longest: number;
  readonly refused: readonly string[];
}

/** The mote walks from the first of `blocks` to the last, by an honest relay. */
function walked(consensus: Consensus, blocks: readonly { readonly raw: Uint8Array; readonly number: number }[]): Seen {
  const ticks = { ticksMs: () => 0 };
  const follower = new Follower({ consensus, engine: fastEngine, store: new MemoryStore(), clock: ticks });
  const { relay, sent, last, reply, refused, kinds } = relayOver(follower);
  const tip = blocks[blocks.length - 1] as { raw: Uint8Array; number: number };
  relay.announced(tip.raw);
  relay.step(true);
  for (let i = 0; i < 100 && follower.head.number < tip.number; i += 1) {
    reply(honestAnswer(last(), blocks));
    relay.step(true);
  }
  assert.is(follower.head.number, tip.number, kinds().join());
  return { requests: sent, longest: Math.max(...blocks.map(({ raw }) => raw.length)), refused };
}

for (const kind of ["ibft", "ibft2", "qbft"] as const)
  test(`${kind}: headers with the seals of 32 validators, none of which fits a run, are walked one by one`, () => {
    const chain = new BftChain({ kind, validators: accounts(32), sealer: fastSealer });
    const blocks = [chain.genesis, ...chain.grow(chain.genesis, SKIP_BLOCKS_MIN - 2)];
    const { requests, longest, refused } = walked(openBftChain(chain), blocks);
    assert.ok(longest > RUN_BYTES_MAX, `${longest} bytes`);
    assert.equal(refused, []);
    assert.is(requests.length, 1 + SKIP_BLOCKS_MIN - 2 + 1, "one request in vain, then each alone, and whether there are more");
    for (const { count, bytesMax } of requests) assert.is(bytesMax, count === 1 ? MESSAGE_BYTES_MAX : RUN_BYTES_MAX);
  });

test("qbft: one long header among short ones, as the seals of all validators make it, is asked for alone", () => {
  const validators = accounts(24);
  const chain = new BftChain({ kind: "qbft", validators, sealer: fastSealer });
  const before = chain.grow(chain.genesis, 6);
  const long = chain.child(before[5] as BftBlock, { sealers: validators });
  const blocks = [chain.genesis, ...before, long, ...chain.grow(long, 6)];
  const lengths = blocks.map(({ raw }) => raw.length);
  assert.ok(long.raw.length > RUN_BYTES_MAX - REPLY_OVERHEAD_BYTES, `${lengths}`);
  const { requests } = walked(openBftChain(chain), blocks);
  assert.ok(requests.length <= 15, `${requests.length} requests`);
});

test("clique: an epoch header of 64 signers fits a run, though no other beside it", () => {
  const signers = accounts(64);
  const chain = new CliqueChain({ signers, epoch: 8, sealer: fastSealer, londonBlock: 0 });
  const blocks = [chain.genesis, ...chain.grow(chain.genesis, 15)];
  const { requests, longest, refused } = walked(openGenerated(chain, fastEngine, { londonBlock: 0 }), blocks);
  assert.ok(2 * longest > RUN_BYTES_MAX && longest <= RUN_BYTES_MAX - REPLY_OVERHEAD_BYTES, `${longest} bytes`);
  assert.equal(refused, []);
  assert.ok(requests.length <= 8, `${requests.length} requests`);
});

test.run();
