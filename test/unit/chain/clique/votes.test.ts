// Votes: the signer set against the plain model over random sequences, across epochs, restarts and a table that overflows.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openClique } from "../../../../firmware/chain/clique/checkpoint.js";
import type { Clique } from "../../../../firmware/chain/clique/consensus.js";
import type { CliqueTrusted } from "../../../../firmware/chain/clique/state.js";
import { VOTES_MAX } from "../../../../firmware/chain/ethereum/vote-table.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { checkpointAt, codeOf, held, judge, openGenerated, signersOf, walk } from "../../../chains/clique-fixture.js";
import { type Account, account, accounts, type Block, CliqueChain, hexOf, notary } from "../../../chains/clique-generator.js";

// A failing sequence is not shrunk, which would take minutes: it is printed whole, with its seed.
const pool = accounts(9, "pool");
/** Nobody's key: every block without a vote names it. */
const ZERO = new Uint8Array(20);

interface Game {
  readonly chain: CliqueChain;
  readonly clique: Clique;
  readonly sealer: ReturnType<typeof notary>;
}

function game(signers: readonly Account[], epoch: number, others: readonly Account[] = pool): Game {
  const sealer = notary(fastEngine);
  const chain = new CliqueChain({ signers, epoch, sealer: sealer.sealer });
  for (const other of others) chain.know(other);
  return { chain, clique: openGenerated(chain, sealer.engine), sealer };
}

/** Those who may seal next and have a key. */
function sealers(chain: CliqueChain, tip: Block): Account[] {
  return chain.sealersOf(tip).filter((one) => one !== undefined);
}

function votesOf(trusted: CliqueTrusted): string[] {
  const names = signersOf(trusted);
  const votes: string[] = [];
  for (let at = 0; at < trusted.votes.length; at += 21)
    votes.push(`${names[trusted.votes[at] as number]} ${hexOf(trusted.votes.slice(at + 1, at + 21))}`);
  return votes.sort();
}

const move = fc.record({
  who: fc.nat(),
  about: fc.option(fc.nat(pool.length), { freq: 6 }),
  authorize: fc.boolean(),
  /** Most votes make sense, as real ones do. */
  sensible: fc.boolean(),
});
const setting = fc.record({
  count: fc.integer({ min: 1, max: 7 }),
  epoch: fc.integer({ min: 3, max: 40 }),
  moves: fc.array(move, { minLength: 20, maxLength: 80 }),
});

/** Plays the moves and answers the blocks. */
function play(chain: CliqueChain, moves: readonly (typeof move extends fc.Arbitrary<infer T> ? T : never)[]): Block[] {
  const blocks: Block[] = [];
  let tip = chain.genesis;
  for (const { who, about, authorize, sensible } of moves) {
    const may = sealers(chain, tip);
    const signer = may[who % Math.max(1, may.length)];
    if (signer === undefined) break;
    const target = about === null ? undefined : (pool[about]?.address ?? ZERO);
    const direction = sensible && target !== undefined ? !tip.model.signers.has(hexOf(target)) : authorize;
    tip = chain.child(tip, signer, target === undefined ? {} : { vote: { account: target, authorize: direction } });
    blocks.push(tip);
  }
  return blocks;
}

test("signers and pending votes agree with the plain model after every block, whatever is voted", () => {
  let changes = 0;
  fc.assert(
    fc.property(setting, ({ count, epoch, moves }) => {
      const { chain, clique } = game(pool.slice(0, count), epoch);
      let trusted = clique.checkpoint;
      for (const block of play(chain, moves)) {
        const before = trusted.signerCount;
        trusted = held(judge(clique, trusted, block.raw));
        assert.equal(signersOf(trusted), block.model.sorted);
        assert.equal(votesOf(trusted), block.model.pending.map(({ signer, account }) => `${signer} ${account}`).sort());
        if (trusted.signerCount !== before) changes += 1;
      }
    }),
    { numRuns: 80, endOnFailure: true },
  );
  assert.ok(changes > 60, `the sets changed ${changes} times`);
});

test("who may not sign, or not in this way, is refused wherever the model refuses", () => {
  fc.assert(
    fc.property(setting, ({ count, epoch, moves }) => {
      const { chain, clique } = game(pool.slice(0, count), epoch);
      let trusted = clique.checkpoint;
      let tip = chain.genesis;
      for (const block of play(chain, moves.slice(0, 40))) {
        for (const one of pool) {
          if (tip.model.signers.size === 0) break;
          const outcome = judge(clique, trusted, chain.child(tip, one).raw);
          const expected = tip.model.maySeal(one.hex)
            ? "accepted"
            : tip.model.signers.has(one.hex)
              ? "signer-recent"
              : "signer-unauthorised";
          assert.is(codeOf(outcome), expected, `block ${tip.number + 1} by ${one.name}`);
        }
        trusted = held(judge(clique, trusted, block.raw));
        tip = block;
      }
    }),
    { numRuns: 25, endOnFailure: true },
  );
});

test("a state written and read, a checkpoint of any block, and replayed deltas lead to the same states", () => {
  fc.assert(
    fc.property(setting, fc.nat(), ({ count, epoch, moves }, pick) => {
      const { chain, clique, sealer } = game(pool.slice(0, count), epoch);
      const blocks = play(chain, moves);
      const at = pick % blocks.length;
      const middle = walk(clique, clique.checkpoint, blocks.slice(0, at + 1));
      const bytes = clique.serialize(middle);
      const restored = held(clique.deserialize(bytes));
      assert.equal(hexOf(clique.serialize(restored)), hexOf(bytes));
      let trusted = middle;
      let replayed = restored;
      const block = blocks[at] as Block;
      // A block after which nobody may sign makes no checkpoint.
      const pinned = block.model.signers.size === 0 ? undefined : held(openClique(sealer.engine, checkpointAt(chain, block)));
      let from = pinned?.checkpoint;
      for (const next of blocks.slice(at + 1)) {
        trusted = held(judge(clique, trusted, next.raw));
        replayed = held(clique.replay(replayed, trusted.delta));
        assert.equal(hexOf(clique.serialize(replayed)), hexOf(clique.serialize(trusted)));
        if (pinned === undefined || from === undefined) continue;
        from = held(judge(pinned, from, next.raw));
        assert.equal(signersOf(from), signersOf(trusted));
        assert.equal(votesOf(from), votesOf(trusted));
        assert.is(from.totalDifficulty, trusted.totalDifficulty);
      }
    }),
    { numRuns: 60, endOnFailure: true },
  );
});

test("beyond the table's end a set is right or refused, never wrong", () => {
  const targets = accounts(30, "target");
  const signers = accounts(9, "voter");
  let agreed = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(9)), { minLength: 200, maxLength: 300 }), (moves) => {
      const { chain, clique } = game(signers, 1000, targets);
      let trusted = clique.checkpoint;
      let tip = chain.genesis;
      for (const [who, about, reuse] of moves) {
        const may = sealers(chain, tip);
        // A few targets collect votes, the others fill the table.
        const target = targets[reuse === 0 ? about % 3 : about % targets.length] as Account;
        const vote = { account: target.address, authorize: !tip.model.signers.has(target.hex) };
        tip = chain.child(tip, may[who % may.length], { vote });
        const next = judge(clique, trusted, tip.raw);
        if (next instanceof Rejection) {
          assert.is(next.code, "tally-unknown");
          assert.ok(trusted.forgotten.includes(1));
          refused += 1;
          return;
        }
        assert.ok(next.votes.length <= VOTES_MAX * 21);
        assert.equal(signersOf(next), tip.model.sorted);
        assert.equal(hexOf(clique.serialize(held(clique.deserialize(clique.serialize(next))))), hexOf(clique.serialize(next)));
        trusted = next;
        if (trusted.forgotten.length > 0) agreed += 1;
      }
    }),
    { numRuns: 25, endOnFailure: true },
  );
  assert.ok(agreed > 100 && refused > 5, `${agreed} blocks beyond the end agreed, ${refused} runs were refused`);
});

test("one signer who floods the table stops nobody, pushes out no other's vote, and is forgiven at the epoch", () => {
  const signers = accounts(6, "flooded");
  const { chain, clique } = game(signers, 400, [account("wanted")]);
  const wanted = account("wanted").address;
  const [flooder, ...honest] = signers as [Account, ...Account[]];
  let trusted = clique.checkpoint;
  let tip = chain.genesis;
  let flood = 0;
  const add = (signer: Account, about?: Uint8Array): void => {
    tip = chain.child(tip, signer, about === undefined ? {} : { vote: { account: about, authorize: true } });
    trusted = held(judge(clique, trusted, tip.raw));
    assert.equal(signersOf(trusted), tip.model.sorted);
  };
  for (const one of honest.slice(0, 3)) add(one, wanted);
  while (tip.number < 390) {
    const others = sealers(chain, tip).filter((one) => one !== flooder);
    if (tip.model.maySeal(flooder.hex)) {
      const target = new Uint8Array(20).fill(9);
      flood += 1;
      new DataView(target.buffer).setUint32(0, flood);
      add(flooder, target);
    } else add(others[0] as Account);
  }
  assert.ok(flood > VOTES_MAX);
  assert.equal(
    [...trusted.forgotten].reduce((sum, flag) => sum + flag, 0),
    1,
  );
  // Three votes of six were known before; the fourth decides, and does so on this very block.
  const fourth = honest[3] as Account;
  while (!tip.model.maySeal(fourth.hex)) add(sealers(chain, tip).find((one) => one !== fourth) as Account);
  add(fourth, wanted);
  assert.is(trusted.signerCount, 7);
  while (tip.number < 400) add(sealers(chain, tip)[0] as Account);
  assert.is(trusted.forgotten.length, 0);
  assert.is(trusted.votes.length, 0);
});

test("votes about the zero address, which every block touches, are never forgotten", () => {
  const signers = accounts(4, "nobody");
  const { chain, clique } = game(signers, 30_000);
  const [flooder, ...honest] = signers as [Account, Account, Account, Account];
  let trusted = clique.checkpoint;
  let tip = chain.genesis;
  const add = (signer: Account, about?: Uint8Array): void => {
    tip = chain.child(tip, signer, about === undefined ? {} : { vote: { account: about, authorize: true } });
    trusted = held(judge(clique, trusted, tip.raw));
    assert.equal(signersOf(trusted), tip.model.sorted);
  };
  add(flooder, ZERO);
  for (let i = 0; i < 2 * VOTES_MAX; i += 1) {
    add(honest[0]);
    add(honest[1]);
    add(flooder, account(`flood ${i}`).address);
  }
  for (const one of honest) add(one, ZERO);
  assert.is(trusted.signerCount, 5);
  assert.equal(hexOf(trusted.signers.slice(0, 20)), hexOf(ZERO));
});

test("more signers than are followed: the vote that makes them is refused by name", () => {
  const signers = accounts(64, "crowd");
  const { chain, clique } = game(signers, 30_000, [account("one more")]);
  const vote = { account: account("one more").address, authorize: true };
  const blocks = chain.grow(chain.genesis, 33, () => ({ vote }));
  const trusted = walk(clique, clique.checkpoint, blocks.slice(0, 32));
  assert.is(codeOf(judge(clique, trusted, (blocks[32] as Block).raw)), "signers-too-many");
});

test("21 signers with a full table of votes take at most 2 KiB", () => {
  const signers = accounts(21, "many");
  const { chain, clique } = game(signers, 30_000);
  const blocks = chain.grow(chain.genesis, VOTES_MAX + 1, (i) => ({
    vote: { account: account(`t ${i}`).address, authorize: true },
  }));
  const trusted = walk(clique, clique.checkpoint, blocks);
  assert.is(trusted.votes.length, VOTES_MAX * 21);
  assert.is(trusted.forgotten.length, 21);
  const { length } = clique.serialize(trusted);
  assert.ok(length > 1500 && length <= 2048, `${length} bytes`);
});

test("bytes that are no state are refused, or are exactly a state", () => {
  const { chain, clique } = game(pool.slice(0, 5), 30_000);
  const blocks = chain.grow(chain.genesis, 12, (i) => ({
    vote: { account: (pool[5 + (i % 4)] as Account).address, authorize: true },
  }));
  const bytes = clique.serialize(walk(clique, clique.checkpoint, blocks));
  for (let length = 0; length < bytes.length; length += 1)
    assert.is(codeOf(clique.deserialize(bytes.slice(0, length))), "trusted-malformed");
  assert.is(codeOf(clique.deserialize(Uint8Array.from([...bytes, 0]))), "trusted-malformed");
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bent = bytes.slice();
      bent[at] = (bent[at] as number) ^ change;
      const read = clique.deserialize(bent);
      if (!(read instanceof Rejection)) assert.equal(hexOf(clique.serialize(read)), hexOf(bent));
      else assert.is(read.code, "trusted-malformed");
    }),
    { numRuns: 1000 },
  );
});

test("a delta that cannot follow is refused", () => {
  const { chain, clique } = game(pool.slice(0, 3), 30_000);
  const [block] = chain.grow(chain.genesis, 1) as [Block];
  const { delta } = walk(clique, clique.checkpoint, [block]);
  for (const bad of [new Uint8Array(0), delta.slice(0, -1), Uint8Array.from([...delta, 1]), delta.slice(0, 40)])
    assert.is(codeOf(clique.replay(clique.checkpoint, bad)), "delta-malformed");
  const stranger = delta.slice();
  stranger[55] = 3;
  assert.is(codeOf(clique.replay(clique.checkpoint, stranger)), "delta-malformed");
});

test.run();
