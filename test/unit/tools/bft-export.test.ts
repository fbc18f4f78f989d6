// The checkpoint exporter for BFT chains, against a node made of generated blocks: what it says is what the model knows, and a
// mote that starts from it goes on.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type BftCheckpoint, openBft } from "../../../firmware/chain/bft/checkpoint.js";
import { Rejection } from "../../../firmware/rejection.js";
import { main } from "../../../tools/cli.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { bftRulesFromGenesis, exportBftCheckpoint } from "../../../tools/headers/bft.js";
import { bftCheckpointAt, TRUSTING_PERIOD_S, walkBft } from "../../chains/bft-fixture.js";
import { type BftBlock, BftChain } from "../../chains/bft-generator.js";
import { BFT_KINDS, consensusOf } from "../../chains/bft-model.js";
import { bftNode, served } from "../../chains/bft-node.js";
import { held } from "../../chains/clique-fixture.js";
import { type Account, accounts, hexOf } from "../../chains/clique-generator.js";

for (const kind of BFT_KINDS)
  test(`${kind}: an exported checkpoint is what the model knows, at any block`, async () => {
    const chain = new BftChain({ kind, validators: accounts(4), epoch: 20 });
    const [newcomer, other] = accounts(2, "newcomer").map((each) => chain.know(each)) as [Account, Account];
    const blocks = chain.grow(chain.genesis, 57, (i) => {
      if (i >= 3 && i < 6) return { vote: { account: newcomer.address, authorize: true } };
      return i === 39 || i === 45 ? { vote: { account: other.address, authorize: true } } : {};
    });
    const { periodS, epoch } = bftCheckpointAt(chain, chain.genesis);
    const rules = { chain: "eip155:1337", ...consensusOf(kind), periodS, epoch, trustingPeriodS: TRUSTING_PERIOD_S };
    for (const number of [undefined, 0, 1, 5, 20, 21, 46, 57]) {
      const rpc = bftNode(chain, blocks);
      const json = await exportBftCheckpoint({ rpc, engine: fastEngine, rules, ...(number === undefined ? {} : { number }) });
      const at = number ?? 40;
      const block = at === 0 ? chain.genesis : (blocks[at - 1] as BftBlock);
      const expected = bftCheckpointAt(chain, block);
      assert.equal({ ...json, votes: sorted(json.votes) }, { ...expected, votes: sorted(expected.votes) }, `block ${at}`);
      const bft = held(openBft(fastEngine, JSON.parse(JSON.stringify(json))));
      assert.is(hexOf(walkBft(bft, bft.checkpoint, blocks.slice(at)).hash), hexOf((blocks[56] as BftBlock).hash));
    }
    // From an epoch block it takes a handful of calls, not the whole chain.
    const rpc = bftNode(chain, blocks);
    await exportBftCheckpoint({ rpc, engine: fastEngine, rules });
    assert.ok(rpc.calls() <= 12, `${rpc.calls()} calls`);
    // A node that lies about a header on the way is found out.
    const lying = bftNode(chain, blocks, (raw, height) =>
      height === 44 ? raw.map((byte, i) => (i === 100 ? byte ^ 1 : byte)) : raw,
    );
    try {
      await exportBftCheckpoint({ rpc: lying, engine: fastEngine, rules, number: 50 });
      assert.unreachable("a header that does not hold");
    } catch (error) {
      assert.instance(error, Rejection);
    }
  });

async function headers(...words: string[]): Promise<{ code: number; lines: string[]; errors: string[] }> {
  const lines: string[] = [];
  const errors: string[] = [];
  const output = { line: (text = "") => void lines.push(text), error: (text: string) => void errors.push(text) };
  const code = await main(["headers", ...words], { ...output, style: (_, text) => text });
  return { code, lines, errors };
}

test("chainmote headers: a checkpoint of a QBFT chain, and every header after it from node and file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "chainmote-bft-"));
  const timeS = Math.floor(Date.now() / 1000) - 600; // a trusted block must not have expired by the clock
  const chain = new BftChain({ kind: "qbft", validators: accounts(4), epoch: 20, timeS });
  const blocks = chain.grow(chain.genesis, 57);
  const { url, server } = await served(bftNode(chain, blocks));
  try {
    const genesis = join(folder, "genesis.json");
    const { periodS } = bftCheckpointAt(chain, chain.genesis);
    const qbft = { epochLength: 20, blockPeriodSeconds: periodS };
    writeFileSync(genesis, JSON.stringify({ config: { chainId: 1337, qbft } }));
    const checkpoint = join(folder, "checkpoint.json");
    const given = ["--rpc", url, "--genesis", genesis, "--trusting-period", String(TRUSTING_PERIOD_S)];
    const made = await headers("checkpoint", "--chain", "qbft", "--out", checkpoint, ...given);
    assert.is(made.code, 0, made.errors.join());
    assert.match(made.errors.join(), /keys must seal this chain alone/, "what only the owner can see to");
    const { number, hash } = JSON.parse(readFileSync(checkpoint, "utf8")) as { number: number; hash: string };
    assert.is(number, 40);
    assert.is(hash, hexOf((blocks[39] as BftBlock).hash));
    const file = join(folder, "headers.hex");
    writeFileSync(
      file,
      blocks
        .slice(40)
        .map(({ raw }) => `${hexOf(raw)}\n`)
        .join(""),
    );
    const last = hexOf((blocks[56] as BftBlock).hash);
    for (const from of [url, file]) {
      const { code, lines, errors } = await headers("verify", "--checkpoint", checkpoint, from);
      assert.is(code, 0, errors.join());
      assert.ok(lines.join("\n").includes(`head #57 ${last}, settled #57`), lines.join());
    }
    // A block that vouches for nothing any more is no place to start from.
    const late = join(folder, "late.json");
    const expired = ["--rpc", url, "--genesis", genesis, "--trusting-period", "60", "--out", late];
    const refused = await headers("checkpoint", "--chain", "qbft", ...expired);
    assert.is(refused.code, 1);
    assert.match(
      refused.errors.join(),
      /^chainmote headers: block #40 is of .*trusting period of 60 s was over .*a later --number/,
    );
    assert.not.ok(existsSync(late));
    const other = await headers("checkpoint", "--chain", "ibft2", ...given);
    assert.is(other.code, 1);
    assert.match(other.errors.join(), /is of a chain with qbft, not ibft2/);
    assert.is((await headers("checkpoint", "--chain", "qbft", "--rpc", url)).code, 2);
    // GoQuorum's old section with testQBFTBlock is QBFT from that block on, and nothing is passed over in silence.
    const istanbul = { epoch: 20, policy: 0, testQBFTBlock: 0 };
    writeFileSync(genesis, JSON.stringify({ config: { chainId: 1337, isQuorum: true, istanbul } }));
    const old = await headers("checkpoint", "--chain", "qbft", ...given);
    assert.is(old.code, 0, old.errors.join());
    const { client, ceil2Nby3Block } = JSON.parse(old.lines.join("\n")) as BftCheckpoint;
    assert.equal([client, ceil2Nby3Block], ["goquorum", "never"]);
    assert.match((await headers("checkpoint", "--chain", "ibft", ...given)).errors.join(), /is of a chain with qbft, not ibft/);
    writeFileSync(genesis, JSON.stringify({ config: { chainId: 1337, qbft: { ...qbft, blockperiodmilliseconds: 500 } } }));
    const unknown = await headers("checkpoint", "--chain", "qbft", ...given);
    assert.is(unknown.code, 1);
    assert.match(unknown.errors.join(), /config\.qbft\.blockperiodmilliseconds .*\(genesis-unsupported\)/);
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});

function sorted(votes: unknown): unknown {
  return Array.isArray(votes) ? votes.map((vote) => JSON.stringify(vote)).sort() : votes;
}

test("contract mode takes the set from the node and verifies the block with it", async () => {
  const chain = new BftChain({ kind: "qbft", validators: accounts(4), contract: true });
  const blocks = chain.grow(chain.genesis, 12);
  const rules = {
    chain: "eip155:1337",
    consensus: "qbft",
    periodS: 2,
    epoch: 30_000,
    trustingPeriodS: 60,
    validatorSelection: "contract",
  } as const;
  const json = await exportBftCheckpoint({ rpc: bftNode(chain, blocks), engine: fastEngine, rules, number: 10 });
  assert.equal(json.validators, chain.genesis.model.sorted);
  assert.is(json.hash, hexOf((blocks[9] as BftBlock).hash));
});

test("a chain that went from IBFT to QBFT gives a checkpoint of either, from its switch on", async () => {
  for (const client of ["goquorum", "besu"] as const) {
    const validators = accounts(7);
    const before = new BftChain({ kind: client === "besu" ? "ibft2" : "ibft", validators, epoch: 20 });
    const after = new BftChain({ kind: client === "besu" ? "qbft" : "goquorum-qbft", validators, epoch: 20, order: "bytes" });
    const old = before.grow(before.genesis, 24);
    const blocks = [...old, ...after.grow(old.at(-1) as BftBlock, 33)];
    const rpc = bftNode(before, blocks);
    const config =
      client === "besu"
        ? { ibft2: { epochlength: 20, blockperiodseconds: 2 }, qbft: { epochlength: 20, blockperiodseconds: 2, startblock: 25 } }
        : { istanbul: { epoch: 20, policy: 0, testQBFTBlock: 25 } };
    const genesis = { config: { chainId: 1337, ...config } };
    const rules = bftRulesFromGenesis(genesis, TRUSTING_PERIOD_S, "qbft");
    // Besu counts epochs from the block before the switch: 24, 44; GoQuorum from genesis: 20, 40.
    const newest = client === "besu" ? 44 : 40;
    for (const number of [undefined, 25, 26, newest, 57]) {
      const json = await exportBftCheckpoint({ rpc, engine: fastEngine, rules, ...(number === undefined ? {} : { number }) });
      assert.is(json.number, number ?? newest);
      assert.is(json.genesisHash, hexOf(before.genesis.hash));
      assert.is(json.hash, hexOf((blocks[json.number - 1] as BftBlock).hash));
      assert.is(json.client, client === "besu" ? undefined : "goquorum");
      assert.not.ok("fromBlock" in json || "untilBlock" in json);
      const bft = held(openBft(fastEngine, JSON.parse(JSON.stringify(json))));
      assert.is(walkBft(bft, bft.checkpoint, blocks.slice(json.number)).number, 57);
    }
    const first = await exportBftCheckpoint({ rpc, engine: fastEngine, rules, number: 25 });
    assert.is(first.votes, "unknown");
    const ibft = bftRulesFromGenesis(genesis, TRUSTING_PERIOD_S, client === "besu" ? "ibft2" : "ibft");
    const last = await exportBftCheckpoint({ rpc, engine: fastEngine, rules: ibft });
    assert.is(last.number, 20);
    for (const wrong of [{ rules, number: 24 }, { rules: ibft, number: 25 }, { rules: { ...rules, fromBlock: 90_000 } }])
      try {
        await exportBftCheckpoint({ rpc, engine: fastEngine, ...wrong });
        assert.unreachable("a block of another consensus");
      } catch (error) {
        assert.ok(error instanceof Rejection && error.code === "block-absent", String(error));
      }
  }
});

test("transitions of the genesis file reach the checkpoint: those ahead as they are, those behind as what holds now", async () => {
  const chain = new BftChain({ kind: "goquorum-qbft", validators: accounts(4), epoch: 20, periodS: 5 });
  const blocks = chain.grow(chain.genesis, 45, (i) => ({ afterS: i + 1 >= 30 ? 2 : 5 }));
  const transitions = [
    { block: 30, blockperiodseconds: 2 },
    { block: 90, validatorselectionmode: "contract", validatorcontractaddress: `0x${"77".repeat(20)}` },
  ];
  const config = { chainId: 1337, isQuorum: true, qbft: { epochLength: 20, blockPeriodSeconds: 5 }, transitions };
  const rules = bftRulesFromGenesis({ config }, TRUSTING_PERIOD_S);
  const rpc = bftNode(chain, blocks);
  try {
    await exportBftCheckpoint({ rpc, engine: fastEngine, rules });
    assert.unreachable("a set that nobody can tell");
  } catch (error) {
    assert.ok(error instanceof Rejection && error.code === "genesis-unsupported", String(error));
    assert.match((error as Rejection).detail, "validatorselectionmode");
  }
  const known = bftRulesFromGenesis({ config: { ...config, transitions: transitions.slice(0, 1) } }, TRUSTING_PERIOD_S);
  const early = await exportBftCheckpoint({ rpc, engine: fastEngine, rules: known, number: 20 });
  assert.equal(early.transitions, [{ block: 30, periodS: 2 }]);
  const bft = held(openBft(fastEngine, early));
  assert.is(walkBft(bft, bft.checkpoint, blocks.slice(20)).number, 45);
  const late = await exportBftCheckpoint({ rpc, engine: fastEngine, rules: known, number: 45 });
  assert.is(late.transitions, undefined);
  assert.is(late.periodS, 2);
});

test("a transition to a contract that the chain has passed is filled by the node, and only while it is ahead", async () => {
  const validators = accounts(4);
  const listed = new BftChain({ kind: "goquorum-qbft", validators, epoch: 20 });
  const selected = new BftChain({ kind: "goquorum-qbft", validators, epoch: 20, contract: true });
  const old = listed.grow(listed.genesis, 25);
  const blocks = [...old, ...selected.grow(old.at(-1) as BftBlock, 10)];
  const contract = { validatorselectionmode: "contract", validatorcontractaddress: `0x${"77".repeat(20)}` };
  const config = { chainId: 1337, isQuorum: true, qbft: { epochLength: 20, blockPeriodSeconds: 2 } };
  const rules = bftRulesFromGenesis({ config: { ...config, transitions: [{ block: 25, ...contract }] } }, TRUSTING_PERIOD_S);
  const rpc = bftNode(listed, blocks);
  const set = listed.genesis.model.sorted;
  for (const number of [20, 23, 30]) {
    const json = await exportBftCheckpoint({ rpc, engine: fastEngine, rules, number });
    const ahead = [{ block: 26, validatorSelection: "contract", validators: set }];
    assert.equal(json.transitions, number < 26 ? ahead : undefined);
    assert.is(json.validatorSelection, number < 26 ? undefined : "contract");
    const bft = held(openBft(fastEngine, JSON.parse(JSON.stringify(json))));
    assert.is(walkBft(bft, bft.checkpoint, blocks.slice(number)).number, 35);
  }
});

test("rules come from the genesis files of Besu and GoQuorum", () => {
  const besu = {
    config: {
      chainId: 1337,
      londonBlock: 0,
      qbft: { epochLength: 100, blockPeriodSeconds: 5, requestTimeoutSeconds: 10 },
      transitions: {
        qbft: [
          { block: 50, blockperiodseconds: 2 },
          { block: 60, validators: [`0x${"11".repeat(20)}`], validatorselectionmode: "contract" },
          { block: 70, miningbeneficiary: `0x${"22".repeat(20)}` },
        ],
      },
    },
  };
  assert.equal(bftRulesFromGenesis(besu, 86_400), {
    ...{ chain: "eip155:1337", consensus: "qbft", periodS: 5, epoch: 100, trustingPeriodS: 86_400, londonBlock: 0 },
    transitions: [
      { block: 50, periodS: 2 },
      { block: 60, validatorSelection: "contract", validators: [`0x${"11".repeat(20)}`] },
    ],
  });
  const quorum = { config: { chainId: 10, istanbul: { epoch: 30000, policy: 0, ceil2Nby3Block: 12 } } };
  assert.equal(bftRulesFromGenesis(quorum, 60), {
    ...{ chain: "eip155:10", consensus: "ibft", periodS: 1, epoch: 30_000, trustingPeriodS: 60, ceil2Nby3Block: 12 },
  });
  const quick = { config: { chainId: 1, ibft2: { blockperiodseconds: 1, xblockperiodmilliseconds: 200 } } };
  assert.is(bftRulesFromGenesis(quick, 60).periodS, 0);
  for (const bad of [
    null,
    {},
    { config: {} },
    { config: { chainId: 1 } },
    { config: { qbft: {} } },
    { config: { chainId: 1, qbft: { epochlength: -1 } } },
  ])
    assert.throws(
      () => bftRulesFromGenesis(bad, 60),
      (error: unknown) => error instanceof Rejection && error.code === "genesis-unsupported",
    );
});

test.run();
