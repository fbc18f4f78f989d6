// What it takes to move or to freeze a BFT mote, for every number of validators: found by trying, one key after the other, and
// compared with the table in docs/threat-model.md.

import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Bft } from "../../../../firmware/chain/bft/consensus.js";
import { VALIDATORS_MAX } from "../../../../firmware/chain/bft/extra.js";
import { Follower } from "../../../../firmware/chain/follow/follower.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { judgeBft, jumpBft, openBftChain } from "../../../chains/bft-fixture.js";
import { BftChain } from "../../../chains/bft-generator.js";
import { codeOf } from "../../../chains/clique-fixture.js";
import { type Account, accounts, notary } from "../../../chains/clique-generator.js";
import { kindOf, MemoryStore } from "../../../chains/follower-fixture.js";

const DOCUMENT = new URL("../../../../docs/threat-model.md", import.meta.url);
/** Beyond this a header that all validators seal may be longer than is taken in. */
const COUNT_MAX = Math.min(VALIDATORS_MAX, 36);
const validators = accounts(COUNT_MAX);
const strangers = accounts(COUNT_MAX, "stranger");
/** With 2F + 1 seals in force: as long as the chain lives. */
const NEVER = 2 ** 40;

/** The least number of keys of the trusted set that each takes. */
interface Thresholds {
  /** To seal a child of the trusted block. */
  readonly walk: number;
  /** To change the list at a child, where the tally is not known. */
  readonly change: number;
  /** To seal a landing with whatever list. */
  readonly jump: number;
  /** That sign two blocks of one height, while each of the others signs one of them, to freeze the head. */
  readonly freeze: number;
}

interface Scene {
  readonly chain: BftChain;
  readonly bft: Bft;
  /** The same chain from a checkpoint whose votes are not known. */
  readonly blind: Bft;
  readonly set: readonly Account[];
  follower(): Follower;
}

function scene(validatorCount: number, wholeQuorum: boolean): Scene {
  const { sealer, engine } = notary(fastEngine);
  // IBFT 1 knows both quorums.
  const chain = new BftChain({ kind: "ibft", validators: validators.slice(0, validatorCount), sealer });
  const more = { ceil2Nby3Block: wholeQuorum ? 0 : NEVER };
  const bft = openBftChain(chain, { engine, more });
  const blind = openBftChain(chain, { engine, more: { ...more, votes: "unknown" } });
  const follower = (): Follower =>
    new Follower({ consensus: bft, engine, store: new MemoryStore(), clock: { ticksMs: () => 0 } });
  return { chain, bft, blind, set: chain.validatorsAfter(chain.genesis), follower };
}

/** The least count that `works`. */
function least(max: number, works: (count: number) => boolean, from = 1): number {
  for (let count = from; count <= max; count += 1) if (works(count)) return count;
  throw new Error(`not even ${max} are enough`);
}

function thresholdsOf(n: number, wholeQuorum: boolean): Thresholds {
  const { chain, bft, blind, set, follower } = scene(n, wholeQuorum);
  const nowS = chain.genesis.timeS + 1000;
  const sorted = (list: readonly Account[]): Account[] => [...list].sort((a, b) => (a.hex < b.hex ? -1 : 1));
  const sealedBy = (list: readonly Account[], sealers: readonly Account[], number: number): Uint8Array =>
    chain.child(chain.genesis, {
      proposer: sealers[0] as Account,
      sealers,
      afterS: 500,
      bend: (draft) => {
        draft.number = BigInt(number);
        draft.validators = sorted(list).map(({ address }) => address);
      },
    }).raw;
  const child = (trusting: Bft, list: readonly Account[], sealers: readonly Account[]): boolean =>
    list.length > 0 &&
    list.length <= COUNT_MAX &&
    codeOf(judgeBft(trusting, trusting.checkpoint, sealedBy(list, sealers, 1), nowS)) === "accepted";
  return {
    walk: least(n, (count) => child(bft, set, set.slice(0, count))),
    change: least(n, (count) => {
      const keys = set.slice(0, count);
      const [stranger] = strangers as [Account];
      return child(blind, set.slice(0, -1), keys.slice(0, n - 1)) || child(blind, [...set, stranger], [...keys, stranger]);
    }),
    jump: least(n, (count) => {
      const keys = set.slice(0, count);
      return [0, 1, count, n, COUNT_MAX - count].some((more) => {
        const list = [...keys, ...strangers.slice(0, Math.min(more, COUNT_MAX - count))];
        return codeOf(jumpBft(bft, bft.checkpoint, sealedBy(list, list, 20), nowS)) === "accepted";
      });
    }),
    freeze: least(
      n,
      (count) => {
        const [both, rest] = [set.slice(0, count), set.slice(count)];
        const half = rest.length >> 1;
        const mote = follower();
        const ours = chain.child(chain.genesis, { sealers: [...both, ...rest.slice(0, half)] });
        const theirs = chain.child(chain.genesis, { sealers: [...both, ...rest.slice(half)], gasUsed: 9n });
        return kindOf(mote.offer(ours.raw, nowS)) === "advanced" && kindOf(mote.offer(theirs.raw, nowS)) === "fork";
      },
      0,
    ),
  };
}

function rowOf(n: number): string {
  const columns = [true, false].map((wholeQuorum) => {
    const { walk, change, jump, freeze } = thresholdsOf(n, wholeQuorum);
    return `${walk} | ${jump} | ${change} | ${freeze}`;
  });
  return `| ${n} | ${Math.floor((n - 1) / 3)} | ${columns.join(" | ")} |`;
}

test("the table of what a walk, a jump and a freeze take is that of the code, for every number of validators", () => {
  const rows = Array.from({ length: COUNT_MAX }, (_, i) => rowOf(i + 1));
  const written = readFileSync(DOCUMENT, "utf8")
    .split("\n")
    .filter((line) => /^\| \d+ \| \d+ \| \d+ \|/.test(line));
  if (written.join() !== rows.join()) console.log(`docs/threat-model.md should have:\n${rows.join("\n")}`);
  assert.equal(written, rows);
});

test("with ⌈2n/3⌉ seals no number of keys up to f moves or freezes a mote, and a jump takes no fewer than a fork of the chain", () => {
  for (let n = 1; n <= COUNT_MAX; n += 1) {
    const { walk, change, jump, freeze } = thresholdsOf(n, true);
    const faulty = Math.floor((n - 1) / 3);
    for (const [what, count] of Object.entries({ walk, change, jump, freeze })) assert.ok(count > faulty, `${what} at n = ${n}`);
    assert.ok(jump >= freeze && change >= freeze, `n = ${n}: ${JSON.stringify({ change, jump, freeze })}`);
    if (n <= 6) assert.is(jump, walk, `n = ${n}: a whole quorum`);
  }
});

const [STRANGERS, PARENTS] =
  process.env.FULL === "1"
    ? [
        [0, 1, 2, 3, 7],
        [8, 18, 19, 20],
      ]
    : [
        [0, 1, 7],
        [8, 19],
      ];
for (const kind of ["ibft", "ibft2", "qbft"] as const)
  test(`${kind}: sets of 2, 3, 5 and 6: whoever has fewer keys than a fork takes neither freezes nor moves a mote`, () => {
    for (const [n, keys] of [
      [2, 1],
      [3, 1],
      [5, 2],
      [6, 2],
    ] as const) {
      const { sealer, engine } = notary(fastEngine);
      const chain = new BftChain({ kind, validators: accounts(n), sealer });
      const store = new MemoryStore();
      const consensus = openBftChain(chain, { engine });
      const open = (): Follower => new Follower({ consensus, engine, store, clock: { ticksMs: () => 0 } });
      const follower = open();
      const blocks = chain.grow(chain.genesis, 20);
      const nowS = (blocks[19] as { timeS: number }).timeS + 100;
      for (const { raw } of blocks) assert.is(kindOf(follower.offer(raw, nowS)), "advanced");
      const thieves = chain.validatorsAfter(chain.genesis).slice(0, keys);
      for (const strangers of STRANGERS) {
        const list = [...thieves, ...accounts(strangers, "stranger")].sort((a, b) => (a.hex < b.hex ? -1 : 1));
        for (const parent of PARENTS)
          for (const number of [parent + 1, 15, 20, 60]) {
            const lie = chain.child(blocks[parent - 1] as (typeof blocks)[0], {
              ...{ proposer: thieves[0] as Account, sealers: list, gasUsed: 5n, afterS: 90 },
              bend: (draft) => {
                draft.number = BigInt(number);
                draft.validators = list.map(({ address }) => address);
              },
            });
            follower.offer(lie.raw, nowS);
            for (let asks = 0; follower.wanted() !== undefined && asks < 50; asks += 1) follower.unanswered();
            assert.is(follower.fork, undefined, `${n} validators, block ${number} on ${parent}, ${strangers} strangers`);
            assert.is(follower.head.number, 20);
          }
      }
      follower.persist();
      assert.is(open().fork, undefined);
    }
  });

test.run();
