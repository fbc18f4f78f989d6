// Times around 2^31 and 2^32, which clocks of 32 bits and `| 0` get wrong: in the headers of every chain, in the bound that they
// give, in what is kept across a restart, and in a record.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Consensus } from "../../../firmware/chain/consensus.js";
import { Follower } from "../../../firmware/chain/follow/follower.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { decimal } from "../../../firmware/record/decimal.js";
import { decodeRecord, encodeRecord } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { openBftChain } from "../../chains/bft-fixture.js";
import { BftChain } from "../../chains/bft-generator.js";
import { LOWERED, openChainOf } from "../../chains/bitcoin-fixture.js";
import { BitcoinChain, mine } from "../../chains/bitcoin-generator.js";
import { openGenerated } from "../../chains/clique-fixture.js";
import { accounts, CliqueChain } from "../../chains/clique-generator.js";
import { kindOf, MemoryStore } from "../../chains/follower-fixture.js";

interface Late {
  readonly raw: Uint8Array;
  readonly number: number;
  readonly timeS: number;
}

const EDGES = [2 ** 31, 2 ** 32];
const BLOCKS = 40;

/** A chain whose blocks come around `edgeS`, and what follows it; Bitcoin's has to end at 32 bits. */
const CHAINS: Readonly<Record<string, (edgeS: number) => { consensus: Consensus; blocks: readonly Late[] }>> = {
  clique(edgeS) {
    const chain = new CliqueChain({ signers: accounts(3), periodS: 2, timeS: edgeS - BLOCKS });
    return { consensus: openGenerated(chain, nobleEngine), blocks: chain.grow(chain.genesis, BLOCKS) };
  },
  qbft(edgeS) {
    const chain = new BftChain({ kind: "qbft", validators: accounts(4), periodS: 2, timeS: edgeS - BLOCKS });
    const blocks: Late[] = [];
    for (let tip = chain.genesis; blocks.length < BLOCKS; ) {
      tip = chain.child(tip);
      blocks.push(tip);
    }
    return { consensus: openBftChain(chain), blocks };
  },
  bitcoin(edgeS) {
    const rules = LOWERED.mainnet;
    const chain = new BitcoinChain(rules, { bits: 0x201fffff });
    const startS = edgeS === 2 ** 32 ? edgeS - 1 - 600 * BLOCKS : edgeS - 300 * BLOCKS;
    const draft = { version: 4, parentHash: new Uint8Array(32), merkleRoot: new Uint8Array(32), timeS: startS, bits: 0x201fffff };
    const genesis = mine(draft, undefined);
    const late = Object.assign(chain, { genesis });
    return { consensus: openChainOf(late, rules), blocks: late.grow(genesis, BLOCKS) };
  },
};

for (const [name, make] of Object.entries(CHAINS))
  for (const edgeS of EDGES)
    test(`${name}: blocks around ${edgeS} are followed one by one and in answers, bound the clock, and survive a restart`, () => {
      const { consensus, blocks } = make(edgeS);
      const last = blocks[blocks.length - 1] as Late;
      assert.ok(last.timeS >= edgeS - 1, `${last.timeS}`);
      const clock = { ticksMs: () => 0 };
      const store = new MemoryStore();
      const follower = new Follower({ consensus, engine: fastEngine, store, clock });
      const half = BLOCKS / 2;
      for (const { raw, timeS } of blocks.slice(0, half)) assert.is(kindOf(follower.offer(raw, timeS)), "advanced");
      follower.offer(last.raw, last.timeS);
      // A jump is linked by hash before the head moves.
      for (let asks = 0; follower.head.number < BLOCKS; asks += 1) {
        const { from, count } = follower.wanted() ?? { from: follower.head.number + 1, count: 1 };
        const raws = blocks.slice(from - 1, from - 1 + count).map(({ raw }) => raw);
        const before = follower.head.number;
        if (follower.wanted() === undefined) follower.offer(raws[0] as Uint8Array, last.timeS);
        else follower.answer(from, raws, last.timeS);
        assert.ok(follower.head.number > before || asks < BLOCKS, `it stops at ${before}`);
      }
      assert.is(follower.head.timeS, last.timeS);
      assert.ok(follower.timeFloorS > edgeS - 40_000 && follower.timeFloorS <= last.timeS, `${follower.timeFloorS}`);
      follower.persist();
      const again = new Follower({ consensus, engine: fastEngine, store, clock });
      assert.equal([again.restored, again.head.timeS, again.timeFloorS], [true, last.timeS, follower.timeFloorS]);
    });

for (const [name, make] of Object.entries(CHAINS))
  test(`${name}: a block beyond the clock is refused as one from the future, on either side of 2^32`, () => {
    for (const edgeS of EDGES) {
      const { consensus, blocks } = make(edgeS);
      const follower = new Follower({ consensus, engine: fastEngine, store: new MemoryStore(), clock: { ticksMs: () => 0 } });
      const { raw, timeS } = blocks[0] as Late;
      assert.is(kindOf(follower.offer(raw, timeS - 7201)), "time-in-future");
      assert.is(kindOf(follower.offer(raw, timeS)), "advanced");
    }
  });

test("a record holds times beyond 2^31 and 2^32", () => {
  for (const time of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1]) {
    const payload = encodeRecord({
      ...{ seq: 1, stream: 0, prev: new Uint8Array(32), boot: 1, time, timeQuality: 2 },
      head: { chain: "eip155:1337", number: 1, hash: new Uint8Array(32) },
      measurements: [{ n: "temperature", u: "Cel", v: decimal(2150, -2) }],
      fleet: { registry: new Uint8Array(20), chain: "eip155:1337" },
    });
    const record = decodeRecord(payload);
    assert.not.instance(record, Rejection);
    assert.is((record as { time: number }).time, time);
  }
});

test.run();
