// The checkpoint exporter for BFT chains, against a node made of generated blocks: what it says is what the model knows, and a
// mote that starts from it goes on.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openBft } from "../../../firmware/chain/bft-checkpoint.js";
import { Rejection } from "../../../firmware/rejection.js";
import { main } from "../../../tools/cli.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { bftRulesFromGenesis, exportBftCheckpoint } from "../../../tools/headers/bft.js";
import { bftCheckpointAt, TRUSTING_PERIOD_S, walkBft } from "../../chains/bft-fixture.js";
import { type BftBlock, BftChain } from "../../chains/bft-generator.js";
import type { BftKind } from "../../chains/bft-model.js";
import { held } from "../../chains/clique-fixture.js";
import { type Account, accounts, hexOf } from "../../chains/clique-generator.js";

/** A node that answers what the exporter asks, and says of itself what it is told to. */
function node(chain: BftChain, blocks: readonly BftBlock[], bend?: (raw: Uint8Array, number: number) => Uint8Array) {
  const all = [chain.genesis, ...blocks];
  let calls = 0;
  return {
    calls: () => calls,
    async call(method: string, ...params: readonly unknown[]): Promise<unknown> {
      calls += 1;
      const number = params[0] === "latest" ? all.length - 1 : Number(params[0]);
      const block = all[number];
      if (method === "qbft_getValidatorsByBlockNumber") return block?.model.sorted;
      if (block === undefined) return null;
      const raw = bend?.(block.raw, number) ?? block.raw;
      if (method === "debug_getRawHeader") return hexOf(raw);
      if (method !== "eth_getBlockByNumber") throw new Error(method);
      const { draft } = block;
      // Only what tells the block: the raw header is had from debug_getRawHeader.
      const bytes = {
        parentHash: draft.parentHash,
        sha3Uncles: draft.ommersHash,
        miner: draft.coinbase,
        stateRoot: draft.stateRoot,
      };
      const roots = { transactionsRoot: draft.transactionsRoot, receiptsRoot: draft.receiptsRoot, logsBloom: draft.logsBloom };
      const rest = { mixHash: draft.mixHash, nonce: draft.nonce, extraData: new Uint8Array(1) };
      const hexed = Object.entries({ ...bytes, ...roots, ...rest }).map(([name, value]) => [name, hexOf(value)]);
      const scalars = { difficulty: "0x1", gasLimit: "0x7a1200", gasUsed: "0x0", timestamp: `0x${block.timeS.toString(16)}` };
      return { ...Object.fromEntries(hexed), ...scalars, number: `0x${number.toString(16)}`, hash: hexOf(block.hash) };
    },
  };
}

for (const kind of ["ibft", "ibft2", "qbft"] as const satisfies readonly BftKind[])
  test(`${kind}: an exported checkpoint is what the model knows, at any block`, async () => {
    const chain = new BftChain({ kind, validators: accounts(4), epoch: 20 });
    const [newcomer, other] = accounts(2, "newcomer").map((each) => chain.know(each)) as [Account, Account];
    const blocks = chain.grow(chain.genesis, 57, (i) => {
      if (i >= 3 && i < 6) return { vote: { account: newcomer.address, authorize: true } };
      return i === 39 || i === 45 ? { vote: { account: other.address, authorize: true } } : {};
    });
    const { consensus, periodS, epoch } = bftCheckpointAt(chain, chain.genesis);
    const rules = { chain: "eip155:1337", consensus, periodS, epoch, trustingPeriodS: TRUSTING_PERIOD_S };
    for (const number of [undefined, 0, 1, 5, 20, 21, 46, 57]) {
      const rpc = node(chain, blocks);
      const json = await exportBftCheckpoint({ rpc, engine: fastEngine, rules, ...(number === undefined ? {} : { number }) });
      const at = number ?? 40;
      const block = at === 0 ? chain.genesis : (blocks[at - 1] as BftBlock);
      const expected = bftCheckpointAt(chain, block);
      assert.equal({ ...json, votes: sorted(json.votes) }, { ...expected, votes: sorted(expected.votes) }, `block ${at}`);
      const bft = held(openBft(fastEngine, JSON.parse(JSON.stringify(json))));
      assert.is(hexOf(walkBft(bft, bft.checkpoint, blocks.slice(at)).hash), hexOf((blocks[56] as BftBlock).hash));
    }
    // From an epoch block it takes a handful of calls, not the whole chain.
    const rpc = node(chain, blocks);
    await exportBftCheckpoint({ rpc, engine: fastEngine, rules });
    assert.ok(rpc.calls() <= 12, `${rpc.calls()} calls`);
    // A node that lies about a header on the way is found out.
    const lying = node(chain, blocks, (raw, height) =>
      height === 44 ? raw.map((byte, i) => (i === 100 ? byte ^ 1 : byte)) : raw,
    );
    try {
      await exportBftCheckpoint({ rpc: lying, engine: fastEngine, rules, number: 50 });
      assert.unreachable("a header that does not hold");
    } catch (error) {
      assert.instance(error, Rejection);
    }
  });

/** The node behind HTTP, as the command reaches it. */
async function served(rpc: ReturnType<typeof node>): Promise<{ url: string; server: Server }> {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: unknown[] };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ jsonrpc: "2.0", id, result: await rpc.call(method, ...params) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

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
  const { url, server } = await served(node(chain, blocks));
  try {
    const genesis = join(folder, "genesis.json");
    const { periodS } = bftCheckpointAt(chain, chain.genesis);
    const qbft = { epochLength: 20, blockPeriodSeconds: periodS };
    writeFileSync(genesis, JSON.stringify({ config: { chainId: 1337, qbft } }));
    const checkpoint = join(folder, "checkpoint.json");
    const given = ["--rpc", url, "--genesis", genesis, "--trusting-period", String(TRUSTING_PERIOD_S)];
    const made = await headers("checkpoint", "--chain", "qbft", "--out", checkpoint, ...given);
    assert.is(made.code, 0, made.errors.join());
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
  const json = await exportBftCheckpoint({ rpc: node(chain, blocks), engine: fastEngine, rules, number: 10 });
  assert.equal(json.validators, chain.genesis.model.sorted);
  assert.is(json.hash, hexOf((blocks[9] as BftBlock).hash));
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
