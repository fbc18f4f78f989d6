// Whole IBFT 1, IBFT 2.0 and QBFT chains against a plain model: votes, epochs, transitions, and that a walk, a jump and a
// restart from any trusted state end in the same belief.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Bft } from "../../../../firmware/chain/bft/consensus.js";
import type { BftTrusted } from "../../../../firmware/chain/bft/state.js";
import { VOTES_MAX } from "../../../../firmware/chain/ethereum/vote-table.js";

import { Rejection } from "../../../../firmware/rejection.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { judgeBft, jumpBft, openBftChain, openFromGenesis, validatorsOf, walkBft } from "../../../chains/bft-fixture.js";
import { type BftBlock, BftChain } from "../../../chains/bft-generator.js";
import { BFT_KINDS, type BftKind, isGoQuorum } from "../../../chains/bft-model.js";
import { codeOf, held } from "../../../chains/clique-fixture.js";
import { type Account, accounts, hexOf, notary } from "../../../chains/clique-generator.js";

const KINDS = BFT_KINDS;

/** Everything that a state says, for comparisons; votes without their order. */
function told(trusted: BftTrusted): object {
  const { number, hash, timeS, gas, votes } = trusted;
  const list = votes && Array.from({ length: votes.length / 21 }, (_, i) => hexOf(votes.slice(21 * i, 21 * i + 21))).sort();
  return { number, hash: hexOf(hash), timeS, gas, validators: validatorsOf(trusted), votes: list };
}

/** The model's pending votes in the firmware's packing. */
function pendingOf(block: BftBlock): string[] {
  const { model } = block;
  return model.pending
    .map(({ validator, account, authorize }) => {
      const index = model.sorted.indexOf(validator) | (authorize ? 0x80 : 0);
      return `0x${index.toString(16).padStart(2, "0")}${account.slice(2)}`;
    })
    .sort();
}

function changesOf(blocks: readonly BftBlock[]): number {
  let changes = 0;
  for (let i = 1; i < blocks.length; i += 1)
    if ((blocks[i] as BftBlock).model.sorted.join() !== (blocks[i - 1] as BftBlock).model.sorted.join()) changes += 1;
  return changes;
}

/** Chains that are drawn. */
const RUNS = process.env.FULL === "1" ? 45 : 10;

for (const kind of KINDS)
  test(`${kind}: 2,000 blocks with more than 20 changes of the set verify, as the model has them`, () => {
    const chain = new BftChain({ kind, validators: accounts(4), epoch: 300, tail: [0n] });
    const newcomers = accounts(6, "newcomer").map((newcomer) => chain.know(newcomer));
    const blocks = chain.grow(chain.genesis, 2000, (i, parent) => {
      const target = newcomers[Math.floor(i / 60) % 6] as Account;
      // One comes in, then the next; from the second round on they go out again, and some votes never pass.
      const authorize = !parent.model.validators.has(target.hex);
      const votes = i % 60 < 30 || i % 300 === 299;
      return { round: i % 3, gasUsed: BigInt(i % 5), ...(votes ? { vote: { account: target.address, authorize } } : {}) };
    });
    assert.ok(changesOf(blocks) >= 20, `${changesOf(blocks)} changes`);
    const bft = openFromGenesis(chain);
    let trusted = bft.checkpoint;
    for (const block of blocks) {
      trusted = held(judgeBft(bft, trusted, block.raw));
      assert.is(hexOf(trusted.hash), hexOf(block.hash));
      if (block.number % 50 !== 0) continue;
      assert.equal(validatorsOf(trusted), block.model.sorted);
      assert.equal((told(trusted) as { votes: string[] }).votes, pendingOf(block));
    }
    assert.is(trusted.settled, 2000);
  });

interface Scripted {
  readonly chain: BftChain;
  readonly blocks: readonly BftBlock[];
  readonly bft: Bft;
}

/** A short chain whose votes, rounds and sealers come from a script of numbers. */
function scripted(kind: BftKind, size: number, script: readonly number[]): Scripted {
  const { sealer, engine } = notary(fastEngine);
  const validators = accounts(size);
  const chain = new BftChain({ kind, validators, epoch: 12, sealer });
  const voted = [...validators, ...accounts(3, "newcomer")].map((each) => chain.know(each));
  const blocks = chain.grow(chain.genesis, script.length, (i, parent) => {
    const number = script[i] as number;
    const set = chain.validatorsAfter(parent);
    const account = (voted[(number >> 3) % voted.length] as Account).address;
    // The last validator never votes itself out.
    const authorize = (number & 2) !== 0 || set.length === 1;
    const first = (number >> 5) % set.length;
    return {
      proposer: set[(number >> 8) % set.length] as Account,
      sealers: [...set.slice(first), ...set.slice(0, first)].slice(0, parent.model.quorum + (number & 1)),
      round: kind === "ibft" ? 0 : number & 3,
      ...((number & 4) !== 0 ? { vote: { account, authorize } } : {}),
    };
  });
  return { chain, blocks, bft: openBftChain(chain, { engine }) };
}

for (const kind of KINDS)
  test(`${kind}: any votes leave the set that the model has`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.array(fc.nat(0xffff), { maxLength: 60 }), (size, script) => {
        const { blocks, bft } = scripted(kind, size, script);
        let trusted = bft.checkpoint;
        for (const block of blocks) {
          trusted = held(judgeBft(bft, trusted, block.raw));
          assert.equal(validatorsOf(trusted), block.model.sorted);
          assert.equal((told(trusted) as { votes: string[] }).votes, pendingOf(block));
        }
      }),
      { numRuns: RUNS },
    );
  });

for (const kind of KINDS)
  test(`${kind}: a walk, a jump and a restart from any trusted state agree`, () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.array(fc.nat(0xffff), { minLength: 14, maxLength: 60 }),
        fc.nat(),
        fc.nat(),
        (size, script, from, over) => {
          const { chain, blocks, bft } = scripted(kind, size, script);
          const start = from % (blocks.length - 1);
          const nowS = (blocks.at(-1) as BftBlock).timeS;
          const walked = walkBft(bft, bft.checkpoint, blocks);
          const reached = walkBft(bft, bft.checkpoint, blocks.slice(0, start));
          // A restart, from bytes, from replayed deltas, and from a checkpoint that somebody wrote down.
          const restarted = held(bft.deserialize(bft.serialize(reached)));
          assert.equal(told(walkBft(bft, restarted, blocks.slice(start))), told(walked));
          let replayed: BftTrusted = bft.checkpoint;
          let state: BftTrusted = bft.checkpoint;
          for (const block of blocks) {
            state = held(judgeBft(bft, state, block.raw));
            replayed = held(bft.replay(replayed, state.delta));
          }
          assert.equal(told(replayed), told(walked));
          const { engine } = notary(fastEngine);
          const written = openBftChain(chain, { engine, block: start === 0 ? chain.genesis : (blocks[start - 1] as BftBlock) });
          assert.equal(told(written.checkpoint), told(reached));
          // A jump, where enough of the set that was trusted sealed its landing; then on to the next epoch block.
          const landing = blocks[start + (over % (blocks.length - start))] as BftBlock;
          const jumped = jumpBft(bft, reached, landing.raw, nowS);
          if (jumped instanceof Rejection) return assert.is(jumped.code, "skip-overlap");
          let after: BftTrusted | Rejection = jumped;
          for (const block of blocks.slice(landing.number)) {
            const { validatorCount } = after;
            after = judgeBft(bft, after, block.raw, nowS);
            // Of two who are trusted, one alone sealed a list that no known tally explains.
            if (after instanceof Rejection) return assert.equal([after.code, validatorCount], ["skip-overlap", 2]);
          }
          const known = after.votes !== undefined;
          const expected = told(walked);
          // With the votes unknown, what the last block's vote did shows in the next list only.
          if (known) assert.equal(told(after), expected);
          else assert.equal({ ...told(after), validators: 0 }, { ...expected, votes: undefined, validators: 0 });
          return undefined;
        },
      ),
      { numRuns: RUNS },
    );
  });

for (const kind of KINDS)
  test(`${kind}: more votes than are kept make the tally unknown until the epoch, and the set never wrong`, () => {
    const { sealer, engine } = notary(fastEngine);
    const chain = new BftChain({ kind, validators: accounts(5), epoch: 100, sealer });
    const targets = accounts(VOTES_MAX + 6, "target").map((target) => chain.know(target));
    const bft = openBftChain(chain, { engine });
    const [spammer] = chain.validatorsAfter(chain.genesis) as [Account];
    const flood = chain.grow(chain.genesis, VOTES_MAX + 1, (i) => ({
      proposer: spammer,
      vote: { account: (targets[i] as Account).address, authorize: true },
    }));
    const full = walkBft(bft, bft.checkpoint, flood.slice(0, -1));
    assert.is(full.votes?.length, 21 * VOTES_MAX);
    const over = held(judgeBft(bft, full, (flood.at(-1) as BftBlock).raw));
    assert.is(over.votes, undefined);
    assert.equal(validatorsOf(over), (flood.at(-1) as BftBlock).model.sorted);
    // A vote passes meanwhile: the new list stands on its seals by those who are trusted, and needs the clock.
    const newcomer = targets[VOTES_MAX + 3] as Account;
    const passing = chain.grow(flood.at(-1) as BftBlock, 4, (i) => ({
      proposer: chain.validatorsAfter(chain.genesis)[i + 1] as Account,
      ...(i < 3 ? { vote: { account: newcomer.address, authorize: true } } : {}),
    }));
    const before = walkBft(bft, over, passing.slice(0, 3));
    const changed = passing[3] as BftBlock;
    assert.is(codeOf(judgeBft(bft, before, changed.raw)), "clock-unknown");
    const after = held(judgeBft(bft, before, changed.raw, changed.timeS));
    assert.equal(validatorsOf(after), changed.model.sorted);
    assert.is(after.delta.length, 0);
    // The epoch block makes all known again.
    const rest = chain.grow(changed, 100 - changed.number);
    const known = walkBft(bft, after, rest);
    assert.is(known.votes?.length, 0);
    assert.equal(validatorsOf(known), changed.model.sorted);
  });

test("an epoch block's own vote is ignored by Besu's IBFT 2.0 and QBFT, and counted by GoQuorum's IBFT 1 and QBFT", () => {
  for (const kind of KINDS) {
    const chain = new BftChain({ kind, validators: accounts(2), epoch: 4 });
    const [newcomer] = accounts(1, "newcomer") as [Account];
    chain.know(newcomer);
    const vote = { account: newcomer.address, authorize: true };
    // Two votes of two pass: one at the epoch block, one after it.
    const blocks = chain.grow(chain.genesis, 5, (i) => (i >= 3 ? { vote } : {}));
    const bft = openBftChain(chain);
    const trusted = walkBft(bft, bft.checkpoint, blocks);
    assert.is(validatorsOf(trusted).includes(newcomer.hex), isGoQuorum(kind), kind);
  }
});

test("transitions replace set and period at their block", () => {
  for (const kind of ["ibft2", "qbft"] as const) {
    const fresh = accounts(4, "fresh");
    const chain = new BftChain({ kind, validators: accounts(4), replaced: new Map([[6, fresh]]) });
    const [joined] = accounts(1, "joined") as [Account];
    chain.know(joined);
    const vote = { account: joined.address, authorize: true };
    // Votes for somebody who is in the way when the set is replaced are gone with it; one of a block before it stays out.
    const blocks = chain.grow(chain.genesis, 9, (i) => ({ ...(i === 3 ? { vote } : {}), afterS: i >= 6 ? 5 : 2 }));
    const transitions = [
      { block: 6, validators: fresh.map(({ hex }) => hex) },
      { block: 7, periodS: 5 },
    ];
    const bft = openBftChain(chain, { more: { transitions } });
    const trusted = walkBft(bft, bft.checkpoint, blocks);
    assert.equal(validatorsOf(trusted), fresh.map(({ hex }) => hex).sort());
    const without = openBftChain(chain);
    const fifth = walkBft(without, without.checkpoint, blocks.slice(0, 5));
    assert.is(codeOf(judgeBft(without, fifth, (blocks[5] as BftBlock).raw)), "validators-wrong");
    const sixth = walkBft(bft, bft.checkpoint, blocks.slice(0, 6));
    assert.is(codeOf(judgeBft(bft, sixth, chain.child(blocks[5] as BftBlock, { afterS: 4 }).raw)), "time-before-period");
    // A jump across it: those whom the configuration names vouch, and those who were replaced do not.
    const nowS = (blocks[8] as BftBlock).timeS;
    assert.equal(validatorsOf(held(jumpBft(bft, bft.checkpoint, (blocks[8] as BftBlock).raw, nowS))), validatorsOf(trusted));
    assert.is(codeOf(jumpBft(without, without.checkpoint, (blocks[8] as BftBlock).raw, nowS)), "skip-overlap");
  }
});

test("the vote of the block before a transition counts on the new set, as in Besu", () => {
  const old = accounts(4);
  const fresh = [old[0], old[1], ...accounts(1, "fresh")] as Account[];
  const chain = new BftChain({ kind: "qbft", validators: old, replaced: new Map([[4, fresh]]) });
  const [joined] = accounts(1, "joined") as [Account];
  chain.know(joined);
  const vote = { account: joined.address, authorize: true };
  const blocks = chain.grow(chain.genesis, 4, (i) => (i >= 2 ? { vote, proposer: fresh[i - 2] as Account } : {}));
  const bft = openBftChain(chain, { more: { transitions: [{ block: 4, validators: fresh.map(({ hex }) => hex) }] } });
  const trusted = walkBft(bft, bft.checkpoint, blocks);
  // Blocks 3 and 4 are two votes of three.
  assert.ok(validatorsOf(trusted).includes(joined.hex));
  // By somebody who is out of the new set nobody can tell what it does: the tally is unknown.
  const stranger = chain.grow(chain.genesis, 3, (i) => (i === 2 ? { vote, proposer: old[3] as Account } : {}));
  assert.is(walkBft(bft, bft.checkpoint, stranger).votes, undefined);
});

test("a transition into contract mode goes on with the set that is pinned", () => {
  const pinned = accounts(4, "pinned");
  const before = new BftChain({ kind: "qbft", validators: accounts(4), replaced: new Map([[4, pinned]]) });
  const after = new BftChain({ kind: "qbft", validators: pinned, contract: true });
  const headers = before.grow(before.genesis, 3);
  const tip = headers.at(-1) as BftBlock;
  const later = after.grow({ ...tip, model: tip.model }, 3);
  const transitions = [{ block: 4, validatorSelection: "contract" as const, validators: pinned.map(({ hex }) => hex) }];
  const bft = openBftChain(before, { more: { transitions } });
  const trusted = walkBft(bft, bft.checkpoint, [...headers, ...later]);
  assert.equal(validatorsOf(trusted), pinned.map(({ hex }) => hex).sort());
  assert.is(trusted.votes?.length, 0);
  assert.is(codeOf(judgeBft(bft, walkBft(bft, bft.checkpoint, headers), before.child(tip).raw)), "validators-unexpected");
});

test("a state of 21 validators and a full table of votes stays below 2 KiB", () => {
  const { sealer, engine } = notary(fastEngine);
  const chain = new BftChain({ kind: "qbft", validators: accounts(21), sealer, tail: [2n ** 200n] });
  const bft = openBftChain(chain, { engine });
  const targets = accounts(VOTES_MAX, "target");
  const blocks = chain.grow(chain.genesis, VOTES_MAX, (i) => ({
    vote: { account: (targets[i] as Account).address, authorize: true },
  }));
  const bytes = bft.serialize(walkBft(bft, bft.checkpoint, blocks));
  assert.ok(bytes.length <= 2048, `${bytes.length} bytes`);
  for (let length = 0; length < bytes.length; length += 1)
    assert.is(codeOf(bft.deserialize(bytes.slice(0, length))), "trusted-malformed");
  assert.is(codeOf(bft.deserialize(Uint8Array.from([...bytes, 0]))), "trusted-malformed");
  assert.equal(bft.serialize(held(bft.deserialize(bytes))), bytes);
});

test.run();
