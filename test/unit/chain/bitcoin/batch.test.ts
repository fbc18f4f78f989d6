// Batches of Bitcoin headers: whatever is in them, they are taken exactly as far as headers one by one are.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../../firmware/bytes.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { chainOf, judge, LOWERED, openChainOf, PERIOD } from "../../../chains/bitcoin-fixture.js";
import type { BitcoinChain, Block, Draft } from "../../../chains/bitcoin-generator.js";

/** How one block of the chain is spoilt, or only unusual. */
const bends: Readonly<Record<string, (draft: Draft, chain: BitcoinChain, parent: Block) => void>> = {
  nothing: () => {},
  "dated back": (draft, _, parent) => {
    draft.timeS = parent.timeS - 200;
  },
  "dated far back": (draft, _, parent) => {
    draft.timeS = parent.timeS - 100_000;
  },
  "dated ahead": (draft, _, parent) => {
    draft.timeS = parent.timeS + 9000;
  },
  "another parent": (draft, _, parent) => {
    draft.parentHash = parent.parent?.hash ?? new Uint8Array(32);
  },
  "the easiest bits": (draft, chain) => {
    draft.bits = chain.network.limitBits;
  },
  "harder bits": (draft, _, parent) => {
    draft.bits = parent.bits - 0x10000;
  },
  "an old version": (draft) => {
    draft.version = 3;
  },
  "a version below zero": (draft) => {
    draft.version = -1;
  },
};

const flips = fc.option(fc.nat({ max: 639 }), { nil: undefined });

for (const network of Object.keys(LOWERED) as (keyof typeof LOWERED)[])
  test(`${LOWERED[network].network}: a batch ends where the first header does not hold`, () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(bends)),
        fc.nat({ max: 2 * PERIOD }),
        flips,
        fc.option(fc.integer({ min: 0, max: 40_000 }), { nil: undefined }),
        fc.integer({ min: 80, max: 81 }),
        (bend, at, bit, clock, length) => {
          const chain = chainOf(LOWERED[network]);
          const bitcoin = openChainOf(chain, LOWERED[network]);
          const raws: Uint8Array[] = [];
          let tip = chain.genesis;
          for (let i = 0; i < 2 * PERIOD; i += 1) {
            const parent = tip;
            tip = chain.child(parent, (draft) => (i === at ? bends[bend]?.(draft, chain, parent) : undefined));
            raws.push(tip.raw);
          }
          const spoilt = new Uint8Array(length);
          spoilt.set(raws[(at + 3) % raws.length] as Uint8Array);
          if (bit !== undefined) spoilt[bit >> 3] = (spoilt[bit >> 3] as number) ^ (1 << (bit & 7));
          raws[(at + 3) % raws.length] = spoilt;
          const nowS = clock === undefined ? undefined : chain.genesis.timeS + clock;

          let trusted = bitcoin.checkpoint;
          const deltas: string[] = [];
          for (const raw of raws) {
            const next = judge(bitcoin, trusted, raw, nowS);
            if (next instanceof Rejection) break;
            trusted = next;
            deltas.push(toHex(next.delta));
          }
          const batch = bitcoin.extend(bitcoin.checkpoint, raws, nowS);
          assert.equal(batch.deltas.map(toHex), deltas);
          assert.is(toHex(bitcoin.serialize(batch.trusted)), toHex(bitcoin.serialize(trusted)));
        },
      ),
      { numRuns: 150 },
    );
  });

test("headers of a batch may be views at any place of a buffer", () => {
  const chain = chainOf(LOWERED.regtest);
  const bitcoin = openChainOf(chain, LOWERED.regtest);
  const blocks = chain.grow(chain.genesis, 9);
  const raws = blocks.map(({ raw }, i) => {
    const buffer = new Uint8Array(100);
    buffer.set(raw, i);
    return buffer.subarray(i, i + 80);
  });
  const { trusted, deltas } = bitcoin.extend(bitcoin.checkpoint, raws, undefined);
  assert.is(deltas.length, 9);
  const shifted = new Uint8Array(33);
  shifted.set(trusted.hash, 1);
  const same = Object.assign(Object.create(Object.getPrototypeOf(trusted) as object), trusted, { hash: shifted.subarray(1) });
  assert.is(bitcoin.extend(same as typeof trusted, [chain.child(blocks[8] as Block).raw], undefined).deltas.length, 1);
  assert.equal(bitcoin.extend(trusted, [], undefined), { trusted, deltas: [] });
});

test.run();
