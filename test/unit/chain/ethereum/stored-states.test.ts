// What motes keep in flash goes on being read: whole values of the key "trusted", and single states, as they were written before
// the consensus of the Ethereum family shared one codec. A mote that is updated keeps what it believes.
//
// The bytes are fixed: where they have to change, a mote must still read these.

import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openChain } from "../../../../firmware/chain/checkpoint.js";
import type { Clique } from "../../../../firmware/chain/clique/consensus.js";
import type { Consensus } from "../../../../firmware/chain/consensus.js";
import { Follower } from "../../../../firmware/chain/follow/follower.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { bftCheckpointAt } from "../../../chains/bft-fixture.js";
import { BftChain, fastSealer } from "../../../chains/bft-generator.js";
import { BFT_KINDS } from "../../../chains/bft-model.js";
import { checkpointAt, codeOf, held } from "../../../chains/clique-fixture.js";
import { type Account, accounts, bytesOf, CliqueChain, hexOf } from "../../../chains/clique-generator.js";
import { MemoryStore } from "../../../chains/follower-fixture.js";

interface Vector {
  /** Of the checkpoint, as its consensus writes it. */
  readonly checkpoint: string;
  /** The value of the key "trusted" after all blocks. */
  readonly stored: string;
  /** Of the head, as its consensus writes it. */
  readonly head: string;
}

const vectors = JSON.parse(readFileSync(new URL("../../../chains/stored-states.json", import.meta.url), "utf8")) as Readonly<
  Record<string, Vector>
>;

interface Case {
  readonly checkpoint: object;
  /** After the checkpoint; more than a window holds. */
  readonly blocks: readonly { readonly raw: Uint8Array; readonly hash: Uint8Array }[];
}

const BLOCKS = 24;
/** Later than all blocks, and within every trusting period. */
const NOW_S = 1_700_001_000;
const GAS_USED = 5_000_000n;
const [stranger, other] = accounts(2, "stranger") as [Account, Account];

/** Votes that stay pending, one that passes, and blocks without one. */
function voteAt(index: number): { account: Uint8Array; authorize: boolean } | undefined {
  if (index % 3 === 0) return { account: stranger.address, authorize: true };
  return index % 3 === 1 ? { account: other.address, authorize: index % 2 === 0 } : undefined;
}

function cliqueCase(londonBlock: number | undefined): Case {
  const chain = new CliqueChain({
    signers: accounts(5),
    sealer: fastSealer,
    ...(londonBlock === undefined ? {} : { londonBlock }),
  });
  for (const one of [stranger, other]) chain.know(one);
  const early = { vote: { account: other.address, authorize: false } };
  const first = chain.grow(chain.genesis, 7, (index) => (index === 2 ? early : {}));
  const start = first.at(-1) ?? chain.genesis;
  const blocks = chain.grow(start, BLOCKS, (index) => {
    const vote = voteAt(index);
    return { gasUsed: GAS_USED, ...(vote === undefined ? {} : { vote }) };
  });
  const { gasLimit, gasUsed, ...without } = checkpointAt(chain, start);
  const checkpoint = londonBlock === undefined ? without : { ...without, gasLimit, gasUsed };
  return { checkpoint: { ...checkpoint, ...(londonBlock === undefined ? {} : { londonBlock }) }, blocks };
}

function bftCase(kind: (typeof BFT_KINDS)[number], tail: bigint[], more: object = {}): Case {
  const chain = new BftChain({ kind, validators: accounts(5), tail });
  for (const one of [stranger, other]) chain.know(one);
  const start = chain.child(chain.genesis, { vote: { account: other.address, authorize: true } });
  const blocks = chain.grow(start, BLOCKS, (index) => {
    const vote = voteAt(index);
    return { gasUsed: GAS_USED, ...(vote === undefined ? {} : { vote }) };
  });
  return { checkpoint: { ...bftCheckpointAt(chain, start), ...more }, blocks };
}

const CASES: Readonly<Record<string, () => Case>> = {
  "clique, past London": () => cliqueCase(0),
  "clique, no gas told": () => cliqueCase(undefined),
  ...Object.fromEntries(BFT_KINDS.map((kind) => [`${kind}, past London`, () => bftCase(kind, [1_000_000_000n])])),
  "ibft2, a base fee of zero": () => bftCase("ibft2", [0n]),
  "qbft, no base fee, votes unknown": () => bftCase("qbft", [], { votes: "unknown" }),
};

function opened(checkpoint: object): Consensus {
  return held(openChain(fastEngine, JSON.parse(JSON.stringify(checkpoint))));
}

function follow(consensus: Consensus, store: MemoryStore): Follower {
  return new Follower({ consensus, engine: fastEngine, store, clock: { ticksMs: () => 0 } });
}

for (const [name, make] of Object.entries(CASES))
  test(`${name}: what was stored is believed, and the same headers are stored as the same bytes`, () => {
    const { checkpoint, blocks } = make();
    const vector = vectors[name] as Vector;
    const head = blocks.at(-1) as Case["blocks"][number];
    const consensus = opened(checkpoint);
    assert.is(hexOf(consensus.serialize(consensus.checkpoint)), vector.checkpoint);
    const store = new MemoryStore();
    store.write("trusted", bytesOf(vector.stored));
    const restored = follow(consensus, store);
    assert.is(restored.refusedState, undefined);
    assert.ok(restored.restored);
    assert.is(hexOf(restored.head.hash), hexOf(head.hash));
    assert.is(hexOf(consensus.serialize(restored.head)), vector.head);
    const anew = new MemoryStore();
    const follower = follow(consensus, anew);
    for (const { raw } of blocks) held(follower.offer(raw, NOW_S));
    follower.persist();
    assert.is(hexOf(anew.values.get("trusted") as Uint8Array), vector.stored);
  });

/** Single states that no walk of a few blocks leads to: one signer's vote was forgotten; no gas at all. */
const CLIQUE_FLAGGED =
  "0x01010000000003a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a100020000000501000000000100020000000106020000000007" +
  "017fffffffffffffff00000000000000000e10000000000000000000000000" +
  "03010101010101010101010101010101010101010102020202020202020202020202020202020202020303030303030303030303030303030303030303" +
  "0300010002010101010101010101010101010101010101010100020000000309090909090909090909090909090909090909090002000000040202" +
  "0707070707070707070707070707070707070707000000000000000000000000000000000000000000";

test("clique: a state with a forgotten vote", () => {
  const consensus = opened(cliqueCase(0).checkpoint) as Clique;
  const state = held(consensus.deserialize(bytesOf(CLIQUE_FLAGGED)));
  assert.is(state.number, 2 ** 40 + 3);
  assert.is(state.settled, 2 ** 40 + 1);
  assert.is(state.timeS, 2 ** 33 + 5);
  assert.is(state.settledTimeS, 2 ** 33 + 1);
  assert.is(state.totalDifficulty, 2n ** 41n + 7n);
  assert.equal(state.gas, { gasLimit: 2n ** 63n - 1n, gasUsed: 0n, baseFee: 2n ** 100n });
  assert.equal([...state.forgotten], [0, 1, 0]);
  assert.is(state.votes.length, 2 * 21);
  assert.is(hexOf(consensus.serialize(state)), CLIQUE_FLAGGED);
});

for (const [name, make] of Object.entries(CASES))
  test(`${name}: a state that is cut off, or has one byte changed, is refused or is what it says`, () => {
    const consensus = opened(make().checkpoint);
    const bytes = bytesOf((vectors[name] as Vector).head);
    for (let length = 0; length < bytes.length; length += 1)
      assert.is(codeOf(consensus.deserialize(bytes.slice(0, length))), "trusted-malformed", `${length} bytes`);
    assert.is(codeOf(consensus.deserialize(Uint8Array.from([...bytes, 0]))), "trusted-malformed");
    for (let at = 0; at < bytes.length; at += 1)
      for (const flip of [0x01, 0x80, 0xff]) {
        const changed = bytes.slice();
        changed[at] = (changed[at] as number) ^ flip;
        const state = consensus.deserialize(changed);
        if (state instanceof Rejection) assert.is(state.code, "trusted-malformed");
        else assert.is(hexOf(consensus.serialize(state)), hexOf(changed), `byte ${at}`);
      }
  });

test.run();
