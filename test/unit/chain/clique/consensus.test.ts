// Clique: whole chains against a plain model and against @ethereumjs/block, and one bent header for every rule.

import { cliqueSigner, createBlockHeaderFromRLP } from "@ethereumjs/block";
import { ConsensusAlgorithm, ConsensusType, createCustomCommon, Hardfork, Mainnet } from "@ethereumjs/common";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Clique } from "../../../../firmware/chain/clique/consensus.js";
import type { CliqueTrusted } from "../../../../firmware/chain/clique/state.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { codeOf, held, judge, openGenerated, signersOf, walk } from "../../../chains/clique-fixture.js";
import {
  type Account,
  account,
  accounts,
  type Block,
  type ChildOptions,
  CliqueChain,
  hexOf,
  notary,
} from "../../../chains/clique-generator.js";

const SECP256K1_N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const signers = accounts(5);
const outsider = account("outsider");

/** A London chain of five signers with an epoch every ten blocks, walked to block `length`. */
function prepare(length: number): { chain: CliqueChain; clique: Clique; trusted: CliqueTrusted; tip: Block } {
  const chain = new CliqueChain({ signers, epoch: 10, londonBlock: 0 });
  const clique = openGenerated(chain, fastEngine, { londonBlock: 0 });
  const blocks = chain.grow(chain.genesis, length, (i) => ({ gasUsed: BigInt(i % 3) * 4_000_000n }));
  return { chain, clique, trusted: walk(clique, clique.checkpoint, blocks), tip: blocks.at(-1) ?? chain.genesis };
}

const plain = prepare(23);
const beforeEpoch = prepare(29);

test("a chain with votes, epochs and London verifies block by block, with the signers that others recover", () => {
  const newcomers = accounts(4, "newcomer");
  const chain = new CliqueChain({ signers: accounts(4), epoch: 25, londonBlock: 12 });
  for (const newcomer of newcomers) chain.know(newcomer);
  const clique = openGenerated(chain);
  const common = createCustomCommon(
    {
      chainId: 1337,
      consensus: {
        type: ConsensusType.ProofOfAuthority,
        algorithm: ConsensusAlgorithm.Clique,
        clique: { period: 15, epoch: 25 },
      },
    },
    Mainnet,
    { hardfork: Hardfork.Berlin },
  );
  const london = common.copy();
  london.setHardfork(Hardfork.London);
  const blocks = chain.grow(chain.genesis, 120, (i, parent) => {
    const target = newcomers[Math.floor(i / 25) % 4] as Account;
    // Three come in, then all that were added go out again.
    const leaver = newcomers.find((one) => parent.model.signers.has(one.hex));
    const vote =
      i < 75 || leaver === undefined
        ? { account: target.address, authorize: true }
        : { account: leaver.address, authorize: false };
    return { vote, gasUsed: 5_000_000n };
  });
  let trusted = clique.checkpoint;
  const sizes = new Set<number>();
  for (const block of blocks) {
    trusted = held(judge(clique, trusted, block.raw));
    assert.equal(signersOf(trusted), block.model.sorted, `block ${block.number}`);
    assert.equal(hexOf(trusted.hash), hexOf(block.hash));
    assert.is(trusted.totalDifficulty, block.totalDifficulty);
    sizes.add(trusted.signerCount);
    const theirs = createBlockHeaderFromRLP(block.raw, { common: block.number < 12 ? common : london });
    assert.equal(cliqueSigner(theirs).toString(), block.signer?.hex);
    assert.equal(hexOf(theirs.hash()), hexOf(block.hash));
  }
  assert.ok(sizes.size >= 3, "the set has to change");
});

type Bend = readonly [
  code: string,
  at: "plain" | "epoch",
  options: ChildOptions,
  signer?: (parent: Block, chain: CliqueChain) => Account,
];

const bent: readonly Bend[] = [
  ["tail-unexpected", "plain", { bend: (d) => d.tail.push(new Uint8Array(32)) }],
  [
    "extra-data-length",
    "plain",
    {
      bend: (d) => {
        d.list = signers[0]?.address as Uint8Array;
      },
    },
  ],
  [
    "extra-data-length",
    "plain",
    {
      bend: (d) => {
        d.vanity = d.vanity.slice(1);
      },
    },
  ],
  [
    "extra-data-signers",
    "epoch",
    {
      bend: (d) => {
        d.list = new Uint8Array(0);
      },
    },
  ],
  [
    "extra-data-signers",
    "epoch",
    {
      bend: (d) => {
        d.list = d.list.slice(0, -1);
      },
    },
  ],
  [
    "extra-data-signers",
    "epoch",
    {
      bend: (d) => {
        d.list = new Uint8Array(65 * 20);
      },
    },
  ],
  [
    "nonce-wrong",
    "plain",
    {
      bend: (d) => {
        d.nonce = new Uint8Array(8).fill(1);
      },
    },
  ],
  [
    "nonce-wrong",
    "plain",
    {
      bend: (d) => {
        d.nonce = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0);
      },
    },
  ],
  [
    "nonce-wrong",
    "plain",
    {
      bend: (d) => {
        d.nonce = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0xff);
      },
    },
  ],
  [
    "epoch-vote",
    "epoch",
    {
      bend: (d) => {
        d.coinbase = outsider.address;
      },
    },
  ],
  [
    "epoch-vote",
    "epoch",
    {
      bend: (d) => {
        d.nonce = new Uint8Array(8).fill(0xff);
      },
    },
  ],
  [
    "mix-hash-wrong",
    "plain",
    {
      bend: (d) => {
        d.mixHash = new Uint8Array(32).fill(1, 31);
      },
    },
  ],
  [
    "ommers-wrong",
    "plain",
    {
      bend: (d) => {
        d.ommersHash = new Uint8Array(32);
      },
    },
  ],
  [
    "difficulty-range",
    "plain",
    {
      bend: (d) => {
        d.difficulty = 0n;
      },
    },
  ],
  [
    "difficulty-range",
    "plain",
    {
      bend: (d) => {
        d.difficulty = 3n;
      },
    },
  ],
  [
    "difficulty-range",
    "plain",
    {
      bend: (d) => {
        d.difficulty += 1n << 64n;
      },
    },
  ],
  [
    "gas-limit-range",
    "plain",
    {
      bend: (d) => {
        d.gasLimit = 1n << 63n;
      },
    },
  ],
  [
    "gas-used-above-limit",
    "plain",
    {
      bend: (d) => {
        d.gasUsed = d.gasLimit + 1n;
      },
    },
  ],
  [
    "number-wrong",
    "plain",
    {
      bend: (d) => {
        d.number += 1n;
      },
    },
  ],
  [
    "number-wrong",
    "plain",
    {
      bend: (d) => {
        d.number -= 1n;
      },
    },
  ],
  [
    "parent-wrong",
    "plain",
    {
      bend: (d) => {
        d.parentHash = new Uint8Array(32);
      },
    },
  ],
  ["time-before-period", "plain", { afterS: 14 }],
  ["time-before-period", "plain", { afterS: -1 }],
  ["time-in-future", "plain", { afterS: 15 + 101 }],
  [
    "base-fee-absent",
    "plain",
    {
      bend: (d) => {
        d.tail = [];
      },
    },
  ],
  [
    "base-fee-wrong",
    "plain",
    {
      bend: (d) => {
        d.tail = [(d.tail[0] as bigint) + 1n];
      },
    },
  ],
  [
    "base-fee-wrong",
    "plain",
    {
      bend: (d) => {
        d.tail = [0n];
      },
    },
  ],
  [
    "gas-limit-delta",
    "plain",
    {
      bend: (d) => {
        d.gasLimit += d.gasLimit / 1024n;
      },
    },
  ],
  [
    "gas-limit-delta",
    "plain",
    {
      bend: (d) => {
        d.gasLimit -= d.gasLimit / 1024n;
      },
    },
  ],
  [
    "epoch-signers-wrong",
    "epoch",
    {
      bend: (d) => {
        d.list = d.list.slice(20);
      },
    },
  ],
  [
    "epoch-signers-wrong",
    "epoch",
    {
      bend: (d) => {
        d.list = Uint8Array.from([...d.list.slice(20), ...d.list.slice(0, 20)]);
      },
    },
  ],
  ["seal-malformed", "plain", { bendSeal: (seal) => seal.fill(2, 64) }],
  ["seal-malformed", "plain", { bendSeal: (seal) => seal.fill(27, 64) }],
  ["seal-unrecoverable", "plain", { bendSeal: (seal) => seal.fill(0, 0, 32) }],
  ["seal-unrecoverable", "plain", { bendSeal: (seal) => seal.fill(0, 32, 64) }],
  ["seal-unrecoverable", "plain", { bendSeal: (seal) => seal.fill(0xff, 32, 64) }],
  ["signer-unauthorised", "plain", {}, () => outsider],
  ["signer-unauthorised", "plain", { bendSeal: (seal) => seal.fill((seal[64] as number) ^ 1, 64) }],
  ["signer-recent", "plain", {}, (parent) => parent.signer as Account],
  [
    "difficulty-turn",
    "plain",
    {
      bend: (d) => {
        d.difficulty = 3n - d.difficulty;
      },
    },
  ],
  [
    "difficulty-turn",
    "plain",
    {
      bend: (d) => {
        d.difficulty = 2n;
      },
    },
    (parent, chain) => chain.sealersOf(parent).at(-1) as Account,
  ],
];

test("a header that breaks one rule is refused with that rule's code, and moves nothing", () => {
  for (const [code, at, options, signer] of bent) {
    const { chain, clique, trusted, tip } = at === "plain" ? plain : beforeEpoch;
    const before = hexOf(clique.serialize(trusted));
    const good = chain.child(tip);
    assert.is(codeOf(judge(clique, trusted, good.raw, tip.timeS + 100)), "accepted", "the base of the bent header");
    const bad = chain.child(tip, signer?.(tip, chain), options);
    const outcome = judge(clique, trusted, bad.raw, tip.timeS + 100);
    assert.is(codeOf(outcome), code, `${code}: ${outcome}`);
    assert.is(hexOf(clique.serialize(trusted)), before);
  }
});

test("edges that hold: the period, the clock, the gas bounds, in and out of turn", () => {
  const { chain, clique, trusted, tip } = plain;
  const accepted = (options: ChildOptions, nowS?: number, signer?: Account): void => {
    assert.is(codeOf(judge(clique, trusted, chain.child(tip, signer, options).raw, nowS)), "accepted");
  };
  accepted({ afterS: 15 }, tip.timeS);
  accepted({ afterS: 115 }, tip.timeS + 100);
  accepted({ afterS: 1_000_000 }); // no clock, no future
  accepted({ gasUsed: 8_000_000n });
  accepted({
    bend: (d) => {
      d.gasLimit += d.gasLimit / 1024n - 1n;
    },
  });
  accepted({
    bend: (d) => {
      d.gasLimit -= d.gasLimit / 1024n - 1n;
    },
  });
  for (const signer of chain.sealersOf(tip)) accepted({}, undefined, signer);
  assert.is(chain.sealersOf(tip).length, 3);
});

test("high s is taken, as the chain's own clients take it: another seal, another hash, the same signer", () => {
  const { chain, clique, trusted, tip } = plain;
  const flipped = chain.child(tip, undefined, {
    bendSeal(seal) {
      const s = SECP256K1_N - BigInt(hexOf(seal.slice(32, 64)));
      const high = Buffer.from(s.toString(16).padStart(64, "0"), "hex");
      return Uint8Array.from([...seal.slice(0, 32), ...high, (seal[64] as number) ^ 1]);
    },
  });
  const next = held(judge(clique, trusted, flipped.raw));
  assert.equal(hexOf(next.hash), hexOf(flipped.hash));
});

test("London begins where it is configured, or with the first base fee, at twice the gas limit", () => {
  const chain = new CliqueChain({ signers: accounts(2), londonBlock: 4 });
  const blocks = chain.grow(chain.genesis, 8);
  const three = blocks.slice(0, 3);
  const configured = openGenerated(chain, fastEngine, { londonBlock: 4 });
  const open = openGenerated(chain);
  walk(configured, configured.checkpoint, blocks);
  walk(open, open.checkpoint, blocks);
  const early = openGenerated(chain, fastEngine, { londonBlock: 3 });
  assert.is(
    codeOf(judge(early, walk(early, early.checkpoint, three.slice(0, 2)), three[2]?.raw as Uint8Array)),
    "base-fee-absent",
  );
  const late = openGenerated(chain, fastEngine, { londonBlock: 5 });
  const fourth = blocks[3] as Block;
  assert.is(codeOf(judge(late, walk(late, late.checkpoint, three), fourth.raw)), "base-fee-unexpected");
  const state = walk(open, open.checkpoint, three);
  const parent = three[2] as Block;
  const half = chain.child(parent, undefined, {
    bend: (d) => {
      d.gasLimit /= 2n;
    },
  });
  assert.is(codeOf(judge(open, state, half.raw)), "gas-limit-delta");
  const fee = chain.child(parent, undefined, {
    bend: (d) => {
      d.tail = [1n];
    },
  });
  assert.is(codeOf(judge(open, state, fee.raw)), "base-fee-wrong");
});

test("networks without fees: zero stays zero where that is the rule, and only there", () => {
  const chain = new CliqueChain({ signers: accounts(2), londonBlock: 0, baseFeeRule: "zero" });
  const blocks = chain.grow(chain.genesis, 5, () => ({ gasUsed: 8_000_000n }));
  const zero = openGenerated(chain, fastEngine, { baseFeeRule: "zero" });
  walk(zero, zero.checkpoint, blocks);
  const paid = chain.child(blocks[4] as Block, undefined, {
    bend: (d) => {
      d.tail = [1n];
    },
  });
  assert.is(codeOf(judge(zero, walk(zero, zero.checkpoint, blocks), paid.raw)), "base-fee-wrong");
  const usual = openGenerated(chain);
  assert.is(codeOf(judge(usual, walk(usual, usual.checkpoint, blocks.slice(0, 1)), (blocks[1] as Block).raw)), "base-fee-wrong");
});

test("gas below the least is refused, and figures beyond 2^53 are exact", () => {
  const small = new CliqueChain({ signers: accounts(1), gasLimit: 5000n });
  const clique = openGenerated(small);
  const lower = small.child(small.genesis, undefined, {
    bend: (d) => {
      d.gasLimit = 4999n;
    },
  });
  assert.is(codeOf(judge(clique, clique.checkpoint, lower.raw)), "gas-limit-delta");
  const big = new CliqueChain({ signers: accounts(1), gasLimit: (1n << 63n) - 1n, londonBlock: 0 });
  const wide = openGenerated(big);
  walk(
    wide,
    wide.checkpoint,
    big.grow(big.genesis, 20, (i) => ({ gasUsed: (1n << 62n) + BigInt(i) })),
  );
});

test("a lone signer drops itself, and then nobody can go on", () => {
  const chain = new CliqueChain({ signers: accounts(1) });
  const clique = openGenerated(chain);
  const [only] = accounts(1) as [Account];
  const last = chain.child(chain.genesis, only, { vote: { account: only.address, authorize: false } });
  const trusted = held(judge(clique, clique.checkpoint, last.raw));
  assert.is(trusted.signerCount, 0);
  const more = chain.child(last, only, {
    bend: (d) => {
      d.difficulty = 2n;
    },
  });
  assert.is(codeOf(judge(clique, trusted, more.raw)), "signers-empty");
  assert.equal(hexOf(clique.serialize(held(clique.deserialize(clique.serialize(trusted))))), hexOf(clique.serialize(trusted)));
});

test("a block settles once more than half of the signers have built on it", () => {
  const { chain, clique } = plain;
  let trusted = clique.checkpoint;
  for (const block of chain.grow(chain.genesis, 9)) {
    trusted = held(judge(clique, trusted, block.raw));
    // Five signers: three distinct ones have to follow.
    assert.is(trusted.settled, Math.max(0, block.number - 3));
    assert.is(trusted.settledTimeS, chain.genesis.timeS + 15 * trusted.settled);
  }
});

test("the genesis block and noise are read without a crash, and cost no signature", () => {
  const { engine, recoveries } = notary(fastEngine);
  const clique = openGenerated(plain.chain, engine);
  assert.is(codeOf(judge(clique, clique.checkpoint, plain.chain.genesis.raw)), "number-wrong");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (noise) => {
      assert.instance(clique.decode(noise), Rejection);
    }),
  );
  for (const [code, at, options, signer] of bent) {
    if (/^(seal-unrec|signer|difficulty-turn)/.test(code)) continue;
    const { chain, trusted, tip } = at === "plain" ? plain : beforeEpoch;
    assert.is(codeOf(judge(clique, trusted, chain.child(tip, signer?.(tip, chain), options).raw, tip.timeS + 100)), code);
  }
  assert.is(recoveries(), 0);
});

test("no header survives the flip of any single bit", () => {
  // Without curves a flipped field shows as a digest that nobody sealed; the seal itself is flipped on the real curve.
  const { sealer, engine } = notary(fastEngine);
  const chain = new CliqueChain({ signers, londonBlock: 0, sealer });
  const survivorsOf = (clique: Clique, block: Block, from: number, to: number): number[] => {
    held(judge(clique, clique.checkpoint, block.raw));
    const survivors: number[] = [];
    for (let bit = 8 * from; bit < 8 * to; bit += 1) {
      const raw = block.raw.slice();
      raw[bit >> 3] = (raw[bit >> 3] as number) ^ (1 << (bit & 7));
      if (!(judge(clique, clique.checkpoint, raw) instanceof Rejection)) survivors.push(bit);
    }
    return survivors;
  };
  const noted = chain.child(chain.genesis);
  assert.equal(survivorsOf(openGenerated(chain, engine), noted, 0, noted.raw.length), []);
  const sealed = plain.chain.child(plain.chain.genesis);
  // Behind the seal: mixHash with its prefix, nonce with its prefix, the base fee with its prefix.
  const end = sealed.raw.length - 33 - 9 - 5;
  assert.equal(survivorsOf(plain.clique, sealed, end - 65, end), []);
});

test.run();
