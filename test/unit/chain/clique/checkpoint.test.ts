// Checkpoints: from a genesis header, from JSON, and each way in which one can be wrong.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { openChain } from "../../../../firmware/chain/checkpoint.js";
import { cliqueCheckpointFromGenesis, openClique } from "../../../../firmware/chain/clique/checkpoint.js";
import { nobleEngine } from "../../../../firmware/crypto/engine-noble.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { checkpointAt, codeOf, held, judge, walk } from "../../../chains/clique-fixture.js";
import { type Account, account, accounts, type Block, CliqueChain, hexOf } from "../../../chains/clique-generator.js";

const RULES = { chain: "eip155:1337", periodS: 15, epoch: 30_000 };
const signers = accounts(5);
const chain = new CliqueChain({ signers: [...signers].reverse(), londonBlock: 0 });
const vote = { account: chain.know(account("new")).address, authorize: true };
const blocks = chain.grow(chain.genesis, 7, () => ({ vote }));
const seventh = checkpointAt(chain, blocks[1] as Block);

test("a genesis header gives the checkpoint, signers sorted, every figure there", () => {
  const json = held(cliqueCheckpointFromGenesis(nobleEngine, chain.genesis.raw, RULES));
  assert.equal(json, {
    ...RULES,
    consensus: "clique",
    genesisHash: hexOf(chain.genesis.hash),
    number: 0,
    hash: hexOf(chain.genesis.hash),
    timeS: 1_700_000_000,
    signers: signers.map((signer) => signer.hex),
    gasLimit: "0x7a1200",
    gasUsed: "0x0",
    baseFee: "0x3b9aca00",
    totalDifficulty: "0x1",
  });
  const clique = held(openChain(nobleEngine, JSON.parse(JSON.stringify(json))));
  assert.equal([clique.name, clique.chain, clique.checkpoint.number], ["clique", "eip155:1337", 0]);
});

test("what is no Clique genesis gives none", () => {
  const of = (raw: Uint8Array): string => codeOf(cliqueCheckpointFromGenesis(nobleEngine, raw, RULES));
  assert.is(of((blocks[0] as Block).raw), "checkpoint-invalid");
  assert.is(of(new CliqueChain({ signers: [] }).genesis.raw), "checkpoint-invalid");
  assert.is(of(new CliqueChain({ signers: [account("a"), account("a")] }).genesis.raw), "checkpoint-invalid");
  assert.is(of(chain.genesis.raw.slice(1)), "header-malformed");
  assert.is(codeOf(cliqueCheckpointFromGenesis(nobleEngine, chain.genesis.raw, { ...RULES, epoch: 0 })), "checkpoint-invalid");
});

test("a checkpoint between epochs carries recents and votes, and continues as the walk does", () => {
  const whole = held(openClique(nobleEngine, held(cliqueCheckpointFromGenesis(nobleEngine, chain.genesis.raw, RULES))));
  const walked = walk(whole, whole.checkpoint, blocks);
  const pinned = held(openClique(nobleEngine, seventh));
  // What the checkpoint pins is settled, whatever its recent signers would say.
  const first = walk(pinned, pinned.checkpoint, blocks.slice(2, 3));
  assert.equal([first.settled, first.settledTimeS], [2, (blocks[1] as Block).timeS]);
  const continued = walk(pinned, pinned.checkpoint, blocks.slice(2));
  assert.equal(hexOf(pinned.serialize(continued)), hexOf(whole.serialize(walked)));
  assert.is(walked.signerCount, 6);
});

test("without gas figures the first block's are taken as they are, and the next are checked", () => {
  const { gasLimit: _1, gasUsed: _2, baseFee: _3, ...rest } = seventh;
  const clique = held(openClique(nobleEngine, rest));
  const bent = chain.child(blocks[1] as Block, undefined, {
    bend: (d) => {
      d.gasLimit *= 3n;
      d.tail = [77n];
    },
  });
  const next = held(judge(clique, clique.checkpoint, bent.raw));
  const again = chain.child(bent, undefined, {
    bend: (d) => {
      d.tail = [78n];
    },
  });
  assert.is(codeOf(judge(clique, next, again.raw)), "base-fee-wrong");
});

test("an epoch block needs neither recents nor votes", () => {
  const short = new CliqueChain({ signers, epoch: 5 });
  const grown = short.grow(short.genesis, 9);
  const { recents: _1, votes: _2, ...rest } = checkpointAt(short, grown[4] as Block);
  const clique = held(openClique(nobleEngine, rest));
  walk(clique, clique.checkpoint, grown.slice(5));
});

test("where the zero address was voted in, an epoch block is a vote to drop it: the checkpoint brings that one, and no other", () => {
  const [one, two] = [account("a"), account("b")].sort((x, y) => (x.hex < y.hex ? -1 : 1)) as [Account, Account];
  const odd = new CliqueChain({ signers: [one, two], epoch: 4 });
  const vote = { account: new Uint8Array(20), authorize: true };
  const first = odd.child(odd.genesis, one, { vote });
  const second = odd.child(first, two, { vote });
  const third = odd.child(second, one);
  const fourth = odd.child(third, two);
  assert.is(fourth.model.signers.size, 3);
  const json = checkpointAt(odd, fourth);
  assert.is(json.votes?.length, 1);
  const pinned = held(openClique(nobleEngine, json));
  const { votes: _, ...without } = json;
  assert.is(codeOf(openClique(nobleEngine, without as typeof json)), "checkpoint-invalid");
  assert.is(
    codeOf(openClique(nobleEngine, { ...json, votes: [...(json.votes ?? []), ...(json.votes ?? [])] })),
    "checkpoint-invalid",
  );
  // The second vote to drop it is that of the next block without a vote.
  const whole = held(
    openClique(nobleEngine, held(cliqueCheckpointFromGenesis(nobleEngine, odd.genesis.raw, { ...RULES, epoch: 4 }))),
  );
  const walked = walk(whole, whole.checkpoint, [first, second, third, fourth, odd.child(fourth, one)]);
  assert.is(walked.signerCount, 2);
  assert.is(walk(pinned, pinned.checkpoint, [odd.child(fourth, one)]).signerCount, 2);
});

test("each field that is wrong is named", () => {
  const wrong = (change: Record<string, unknown>, name: string): void => {
    const opened = openChain(nobleEngine, { ...seventh, ...change });
    assert.instance(opened, Rejection, name);
    const { code, detail } = opened as Rejection;
    assert.is(code, "checkpoint-invalid");
    assert.ok(detail.startsWith(name), `${detail} should begin with ${name}`);
  };
  const [first, second] = seventh.signers as [string, string];
  const stranger = account("stranger").hex;
  for (const bad of [undefined, "", "1337", "bip122:0", 5, `eip155:${"1".repeat(40)}`]) wrong({ chain: bad }, "chain");
  for (const bad of [undefined, "0x12", 5, `0x${"zz".repeat(32)}`, `0x${"00".repeat(33)}`])
    wrong({ genesisHash: bad }, "genesisHash");
  for (const bad of [undefined, -1, 1.5, "15", 86_401]) wrong({ periodS: bad }, "periodS");
  for (const bad of [undefined, 0, -1, Number.NaN, 2 ** 48]) wrong({ epoch: bad }, "epoch");
  for (const bad of [-1, "0", null]) wrong({ londonBlock: bad }, "londonBlock");
  for (const bad of ["none", 1, null]) wrong({ baseFeeRule: bad }, "baseFeeRule");
  for (const bad of [undefined, -1, 2 ** 48, "2"]) wrong({ number: bad }, "number");
  for (const bad of [undefined, "0x", 1]) wrong({ hash: bad }, "hash");
  wrong({ number: 0 }, "hash");
  for (const bad of [undefined, -1, 0.5]) wrong({ timeS: bad }, "timeS");
  for (const bad of [undefined, [], "0x", [first, first], Array(65).fill(first)]) wrong({ signers: bad }, "signers");
  wrong({ signers: [first, "0x12"] }, "signers[1]");
  for (const bad of [undefined, null, [], {}, { 1: first }]) wrong({ recents: bad }, "recents");
  wrong({ recents: { 1: first, 3: second } }, 'recents["2"]');
  wrong({ recents: { 1: first, 2: "0x" } }, 'recents["2"]');
  for (const bad of [undefined, null, {}, Array(49).fill({ signer: first, account: stranger, authorize: true })])
    wrong({ votes: bad }, "votes");
  wrong({ votes: [5] }, "votes[0]");
  wrong({ votes: [{ signer: stranger, account: stranger, authorize: true }] }, "votes[0].signer");
  wrong({ votes: [{ signer: first, account: stranger, authorize: false }] }, "votes[0].authorize");
  wrong({ votes: [{ signer: first, account: second, authorize: true }] }, "votes[0].authorize");
  wrong({ votes: Array(2).fill({ signer: first, account: stranger, authorize: true }) }, "votes[1]");
  wrong({ epoch: 2, recents: undefined }, "votes");
  for (const bad of [undefined, -1, "7", "0x", "0xzz", 2 ** 53, `0x1${"00".repeat(8)}`]) wrong({ gasLimit: bad }, "gasLimit");
  wrong({ gasUsed: undefined }, "gasUsed");
  wrong({ baseFee: `0x1${"00".repeat(32)}` }, "baseFee");
  wrong({ totalDifficulty: -1 }, "totalDifficulty");
  for (const bad of [undefined, null, 5, "clique"]) assert.is(codeOf(openChain(nobleEngine, bad)), "checkpoint-invalid");
  for (const bad of [undefined, "aura", 5])
    assert.is(codeOf(openChain(nobleEngine, { ...seventh, consensus: bad })), "consensus-unsupported");
  // What lies in flash is no JSON to XS: its kind is said, and of a text no more than a line.
  const inFlash = Object.freeze({
    toJSON() {
      throw new TypeError("read-only");
    },
  });
  for (const [bad, found] of [
    [inFlash, "found an object"],
    ["x".repeat(10_000), `found "${"x".repeat(32)}"`],
    [undefined, "found nothing"],
  ] as const) {
    const refused = openChain(nobleEngine, { ...seventh, consensus: bad });
    assert.ok(refused instanceof Rejection && refused.detail.endsWith(found), found);
  }
});

test.run();
