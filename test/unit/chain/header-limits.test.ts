// How many validators and signers are followed, from the bytes up: the widest honest header of as many passes a reply of the
// relay, the decoder, the verifier and the store; one more is refused when the checkpoint is opened.

import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeReply, encodeReply, MESSAGE_BYTES_MAX } from "../../../firmware/bus/wire.js";
import { openBft } from "../../../firmware/chain/bft/checkpoint.js";
import { VALIDATORS_MAX } from "../../../firmware/chain/bft/extra.js";
import { openClique } from "../../../firmware/chain/clique/checkpoint.js";
import { SIGNERS_MAX } from "../../../firmware/chain/clique/state.js";
import { HEADER_BYTES_MAX, type Trusted } from "../../../firmware/chain/consensus.js";
import { VOTES_MAX } from "../../../firmware/chain/ethereum/vote-table.js";
import { ANCHOR_BYTES_MAX } from "../../../firmware/chain/follow/anchors.js";
import { DeltaList } from "../../../firmware/chain/follow/delta-list.js";
import { BASE_BYTES_MAX, encodeState } from "../../../firmware/chain/follow/state.js";
import { REORG_DEPTH, WINDOW_BLOCKS_MAX } from "../../../firmware/chain/follow/window.js";
import { KeyValuePartition, MemoryNvs } from "../../../host-sim/hardware/key-value.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { bftCheckpointAt, judgeBft, openBftChain, walkBft } from "../../chains/bft-fixture.js";
import { type BftBlock, BftChain, fastSealer } from "../../chains/bft-generator.js";
import { BFT_KINDS } from "../../chains/bft-model.js";
import { checkpointAt, codeOf, held, judge } from "../../chains/clique-fixture.js";
import { type Account, accounts, type Block, CliqueChain } from "../../chains/clique-generator.js";

const WIDE_HASH = new Uint8Array(32).fill(0xff);
const GAS_MAX = 2n ** 63n - 1n;
/** Height and time that take all of their six bytes. */
const FAR = 2 ** 47;

/** What the mote's link makes of `raw` in the one reply that it came in. */
function overTheWire(raw: Uint8Array, number: number): Uint8Array {
  const reply = encodeReply({ id: 0xffffffff, from: number, headers: [raw] });
  assert.ok(reply.length <= MESSAGE_BYTES_MAX, `a message of ${reply.length} bytes`);
  return held(decodeReply(reply)).headers[0] as Uint8Array;
}

/** What a follower persists: the widest state, and as many of the widest deltas as its window holds. */
function persists(consensus: Parameters<typeof encodeState>[0], base: Trusted, delta: Uint8Array, deltasMax = REORG_DEPTH): void {
  assert.ok(consensus.serialize(base).length <= BASE_BYTES_MAX);
  const deltas = Array<Uint8Array>(deltasMax).fill(delta);
  const value = encodeState(consensus, new Uint8Array(32), { timeFloorS: FAR, base, deltas: new DeltaList(deltas) });
  const partition = new KeyValuePartition(new MemoryNvs());
  // The two headers of a fork, or older states, lie beside it, and flash holds a value that is written anew beside the one it replaces.
  partition.write("chain", "fork", new Uint8Array(consensus.isFinal === true ? 2 * HEADER_BYTES_MAX + 128 : ANCHOR_BYTES_MAX));
  partition.write("chain", "state", value);
  partition.write("chain", "written-anew", value);
}

for (const kind of BFT_KINDS)
  test(`${kind}: ${VALIDATORS_MAX} validators, all of whom sealed, with every field at its widest`, () => {
    const validators = accounts(VALIDATORS_MAX);
    const tail = [2n ** 256n - 1n, WIDE_HASH, 2n ** 64n - 1n, 2n ** 64n - 1n, WIDE_HASH, WIDE_HASH];
    const chain = new BftChain({ kind, validators, tail });
    const { genesis } = chain;
    const draft = { ...genesis.draft, number: BigInt(FAR), timeS: BigInt(FAR), gasLimit: GAS_MAX, gasUsed: GAS_MAX };
    const parent: BftBlock = { ...genesis, draft, hash: WIDE_HASH, number: FAR, timeS: FAR };
    const [newcomer] = accounts(1, "newcomer") as [Account];
    const block = chain.child(parent, {
      sealers: chain.validatorsAfter(parent),
      round: 2 ** 32 - 1,
      gasUsed: GAS_MAX,
      vote: { account: newcomer.address, authorize: true },
    });
    assert.ok(block.raw.length > HEADER_BYTES_MAX - 120, `${block.raw.length} bytes are not the widest`);
    const more = { votes: [] };
    const bft = openBftChain(chain, { block: parent, more });
    const trusted = held(judgeBft(bft, bft.checkpoint, overTheWire(block.raw, block.number)));
    assert.is(trusted.validatorCount, VALIDATORS_MAX);
    const votes = accounts(VOTES_MAX, "target").map(({ hex }) => ({
      validator: (validators[0] as Account).hex,
      account: hex,
      authorize: true,
    }));
    persists(bft, openBftChain(chain, { block: parent, more: { votes } }).checkpoint, trusted.delta);
    // One more is refused before any header comes: in the checkpoint, and in a transition.
    const many = [...validators, newcomer].map(({ hex }) => hex);
    const checkpoint = bftCheckpointAt(chain, parent, more);
    for (const [field, wrong] of [
      ["validators", { validators: many }],
      ["transitions[0].validators", { transitions: [{ block: FAR + 9, validators: many }] }],
    ] as const) {
      const refused = openBft(fastEngine, { ...checkpoint, ...wrong });
      assert.is(codeOf(refused), "checkpoint-invalid");
      assert.ok(String(refused).includes(`${field}: expected 1 to ${VALIDATORS_MAX} addresses`), String(refused));
    }
  });

for (const kind of BFT_KINDS)
  test(`${kind}: no vote makes more than ${VALIDATORS_MAX}`, () => {
    const chain = new BftChain({ kind, validators: accounts(VALIDATORS_MAX) });
    const [newcomer] = accounts(1, "newcomer") as [Account];
    chain.know(newcomer);
    const majority = Math.floor(VALIDATORS_MAX / 2) + 1;
    const vote = { account: newcomer.address, authorize: true };
    const blocks = chain.grow(chain.genesis, majority, () => ({ vote }));
    const bft = openBftChain(chain);
    const before = walkBft(bft, bft.checkpoint, blocks.slice(0, -1));
    assert.is(codeOf(judgeBft(bft, before, (blocks.at(-1) as BftBlock).raw)), "validators-too-many");
  });

test(`clique: an epoch block that lists ${SIGNERS_MAX} signers, with every field at its widest`, () => {
  const signers = accounts(SIGNERS_MAX);
  const epoch = 2 ** 46;
  const chain = new CliqueChain({ signers, epoch, londonBlock: 0, baseFeeRule: "eip1559", sealer: fastSealer });
  const number = 2 * epoch;
  const { genesis } = chain;
  const gas = { gasLimit: GAS_MAX, gasUsed: GAS_MAX };
  const draft = { ...genesis.draft, ...gas, number: BigInt(number - 1), timeS: BigInt(FAR), hash: WIDE_HASH };
  const parent: Block = { ...genesis, draft, hash: WIDE_HASH, number: number - 1, timeS: FAR };
  const recents = Object.fromEntries(
    Array.from({ length: 33 }, (_, i) => [String(number - 33 + i), (signers[i] as Account).hex]),
  );
  const votes = accounts(48, "target").map(({ hex }) => ({ signer: (signers[0] as Account).hex, account: hex, authorize: true }));
  const json = { ...checkpointAt(chain, parent), gasLimit: undefined, gasUsed: undefined, baseFee: undefined, recents, votes };
  const clique = held(openClique(fastEngine, JSON.parse(JSON.stringify(json))));
  const index = number % SIGNERS_MAX;
  const signer = signers[index >= 33 ? index : 40] as Account;
  const block = chain.child(parent, signer, {
    bend: (bent) => {
      Object.assign(bent, gas, { tail: [2n ** 256n - 1n], difficulty: index >= 33 ? 2n : 1n });
      bent.list = Buffer.concat(signers.map(({ address }) => address));
    },
  });
  assert.ok(block.raw.length > 1900 && block.raw.length <= HEADER_BYTES_MAX, `${block.raw.length} bytes`);
  const trusted = held(judge(clique, clique.checkpoint, overTheWire(block.raw, number)));
  assert.is(trusted.signerCount, SIGNERS_MAX);
  persists(clique, clique.checkpoint, trusted.delta, WINDOW_BLOCKS_MAX);
  const many = [...signers, ...accounts(1, "newcomer")].map(({ hex }) => hex);
  const refused = openClique(fastEngine, { ...JSON.parse(JSON.stringify(json)), signers: many });
  assert.is(codeOf(refused), "checkpoint-invalid");
  assert.ok(String(refused).includes(`signers: expected 1 to ${SIGNERS_MAX} addresses`), String(refused));
});

test("the documents promise these limits and no others", () => {
  const document = readFileSync(new URL("../../../docs/header-rules.md", import.meta.url), "utf8");
  const said = [...document.matchAll(/(?:1 to|at most|more than|^) ?(\d+) (?:addresses|validators|signers)/gm)].map(
    ([, count]) => count,
  );
  assert.ok(said.length >= 6, said.join());
  assert.equal([...new Set(said)].map(Number).sort(), [VALIDATORS_MAX, SIGNERS_MAX]);
});

test.run();
