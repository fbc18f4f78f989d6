// A node that runs already, before anything of ours starts: what it is, and one clear line where it cannot be followed. Nodes are
// made of generated chains, for no real one lies, syncs or speaks of other networks when it is told to.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeHeader, NO_OMMERS } from "../../../firmware/chain/ethereum/header.js";
import { Rejection } from "../../../firmware/rejection.js";
import { main } from "../../../tools/cli.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import type { RawHeader } from "../../../tools/ethereum/raw-header.js";
import { readAuthority } from "../../../tools/mqtt/authority.js";
import { chainOf, consensusOf } from "../../../tools/rpc/consensus.js";
import { RpcError } from "../../../tools/rpc/json-rpc.js";
import { AttachedChain, type AttachOptions } from "../../../tools/start/attached-chain.js";
import { bftCheckpointAt } from "../../chains/bft-fixture.js";
import { type BftBlock, BftChain } from "../../chains/bft-generator.js";
import { BFT_KINDS, consensusOf as kindOf } from "../../chains/bft-model.js";
import { RunningBftNode, type RunningOptions } from "../../chains/bft-node.js";
import { accounts, CliqueChain, hexOf } from "../../chains/clique-generator.js";
import { issue } from "../host-sim/certificate.js";
import { FakeNode } from "./fake-node.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-attach-unit-"));
const closing: (() => Promise<void>)[] = [];
const BESU = "besu/v24.12.2/linux-x86_64/openjdk-java-21";
const QUORUM = "Geth/v1.10.3-stable(quorum-v24.4.1)/linux-amd64/go1.20";
let files = 0;

function fresh(name: string): string {
  files += 1;
  return join(folder, `${name}-${files}`);
}

test.after(async () => {
  for (const close of closing) await close();
  rmSync(folder, { recursive: true, force: true });
});

function file(content: unknown): string {
  const path = `${fresh("file")}.json`;
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

async function bft(
  options: RunningOptions = {},
  kind: "qbft" | "goquorum-qbft" | "ibft" = "qbft",
): Promise<{ chain: BftChain; node: RunningBftNode }> {
  // Further apart than this test lasts: no block comes while it looks.
  const chain = new BftChain({
    kind,
    validators: accounts(4),
    periodS: 3600,
    epoch: 20,
    timeS: Math.floor(Date.now() / 1000) - 24.5 * 3600,
  });
  const node = await RunningBftNode.start(chain, { blocks: chain.grow(chain.genesis, 24), ...options });
  closing.push(() => node.close());
  return { chain, node };
}

/** What a person reads who follows `url`; empty where all is well. */
async function said(url: string, options: Partial<AttachOptions> = {}, kept = fresh("kept")): Promise<string> {
  try {
    const chain = await AttachedChain.open({ url, ...options });
    await chain.settle(kept, () => undefined);
    return "";
  } catch (error) {
    assert.is((error as Error).constructor.name, "CommandError", String(error));
    return (error as Error).message;
  }
}

/** A server that answers each method as it is told to, and nothing of a node otherwise. */
async function serving(answer: (method: string) => object, status = 200): Promise<string> {
  const server: Server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const { id, method } = JSON.parse(body) as { id: number; method: string };
    response.writeHead(status, { "content-type": "application/json", connection: "close" });
    response.end(status === 200 ? JSON.stringify({ jsonrpc: "2.0", id, ...answer(method) }) : "<html>no</html>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  closing.push(() => new Promise((resolve) => server.close(() => resolve())));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-path-123`;
}

const ABSENT = { error: { code: -32601, message: "Method not found" } };

function header(block: { raw: Uint8Array; hash: Uint8Array; number: number; timeS: number }): RawHeader {
  return { ...block, parentHash: new Uint8Array(32), rebuilt: false, hashed: true };
}

test("the consensus is read out of the header, of each kind, from the genesis block on", () => {
  for (const kind of BFT_KINDS) {
    const chain = new BftChain({ kind, validators: accounts(4) });
    for (const block of [chain.genesis, ...chain.grow(chain.genesis, 2)])
      assert.is(consensusOf(header(block)), kindOf(kind).consensus, `${kind} ${block.number}`);
  }
  const chain = new CliqueChain({ signers: accounts(3), periodS: 1, londonBlock: 0, epoch: 4 });
  for (const block of [chain.genesis, ...chain.grow(chain.genesis, 5)])
    assert.is(consensusOf(header(block)), "clique", `${block.number}`);
});

test("a chain of no consensus that is followed is refused by what it is", async () => {
  const node = new FakeNode(3);
  const refusalOf = (fields: Readonly<Record<string, string>>): Promise<string> => {
    Object.assign(node.blocks[2] as object, fields);
    return refusedHeader(node);
  };
  assert.match(
    await refusalOf({ difficulty: "0x0", extraData: "0x6e6f7468696e67", mixHash: `0x${"17".repeat(32)}` }),
    /proof of stake, or a development node/,
  );
  assert.match(
    await refusalOf({ difficulty: "0x20000" }),
    /no seal of Clique, IBFT or QBFT; proof of work is followed for Bitcoin alone/,
  );
  const clique = new CliqueChain({ signers: accounts(3), periodS: 1 });
  const [sealed] = clique.grow(clique.genesis, 1);
  const extraData = decodeHeader(fastEngine, (sealed as { raw: Uint8Array }).raw);
  assert.not.instance(extraData, Rejection);
  if (extraData instanceof Rejection) return;
  const seal = { extraData: hexOf(extraData.extraData), mixHash: `0x${"00".repeat(32)}`, sha3Uncles: `0x${NO_OMMERS}` };
  assert.match(
    await refusalOf({ ...seal, difficulty: "0x3" }),
    /no seal of Clique, IBFT or QBFT/,
    "a seal, and no weight of Clique's",
  );
  assert.match(
    await refusalOf({ ...seal, difficulty: "0x1", mixHash: `0x${"01".repeat(32)}` }),
    /no seal of Clique, IBFT or QBFT/,
  );
  const mix = "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365";
  assert.match(await refusalOf({ difficulty: "0x1", mixHash: mix }), /mixHash of the Istanbul family, and extraData of none/);
});

async function refusedHeader(node: FakeNode): Promise<string> {
  try {
    return consensusOf({
      raw: node.raw(2),
      hash: new Uint8Array(32),
      number: 2,
      timeS: 0,
      parentHash: new Uint8Array(32),
      rebuilt: false,
      hashed: true,
    });
  } catch (error) {
    assert.instance(error, Rejection);
    return (error as Rejection).detail;
  }
}

test("a wrong URL, a wrong password, a web page, another kind of node: what it is, what to do, and never its path", async () => {
  assert.match(
    await said("http://127.0.0.1:9/secret-path-123"),
    /cannot be reached .*does it run, and is its JSON-RPC on \(geth --http/,
  );
  for (const [status, words] of [
    [401, /refuses the user or the password \(HTTP 401\)/],
    [403, /refuses to answer .*--http\.vhosts/],
    [404, /no JSON-RPC of a node is there/],
    [429, /HTTP 429/],
  ] as const) {
    const message = await said(await serving(() => ({}), status));
    assert.match(message, words);
    assert.not.match(message, /secret-path/);
  }
  assert.match(
    await said(await serving(() => ABSENT)),
    /is of no kind that is known: it has neither eth_chainId nor getblockhash/,
  );
  const hash = "ab".repeat(32);
  const raw = Buffer.alloc(80);
  const block = Buffer.from(fastEngine.sha256(fastEngine.sha256(raw)))
    .reverse()
    .toString("hex");
  const alien = {
    async call(method: string, ...params: readonly unknown[]): Promise<unknown> {
      if (method === "eth_chainId") throw new RpcError("eth_chainId: Method not found", -32601);
      if (method === "getblockheader") return params[1] === true ? { height: 1 } : raw.toString("hex");
      return method === "getblockhash" && params[0] !== 0 ? hash : block;
    },
  };
  const refusal = await chainOf(alien).catch((error: unknown) => error);
  assert.match(String(refusal), /chain-unsupported.*bip122:.* is none of Bitcoin's networks: mainnet, testnet3/);
});

test("a node that is catching up is left alone, and says how far it is", async () => {
  const { node } = await bft({ syncing: { currentBlock: "0x18", highestBlock: "0x4e20" } });
  assert.match(await said(node.url), /is still catching up with its chain, at block 24 of 20000: start again when it is done/);
});

test("rules that a node does not tell, or that are another client's, are asked for by the option that gives them", async () => {
  const config = { chainId: 1337, qbft: { epochLength: 20, blockPeriodSeconds: 3600 } };
  const genesis = file({ config });
  const silent = await bft({ client: BESU });
  assert.match(await said(silent.node.url), /does not tell its chain's rules .*give --genesis FILE, .* or --checkpoint FILE$/);
  assert.is(await said(silent.node.url, { genesis }), "");
  assert.match(
    await said(silent.node.url, { genesis: file({ config: { ...config, chainId: 5 } }) }),
    /is the genesis file of eip155:5, and the node follows eip155:1337/,
  );
  assert.match(
    await said(silent.node.url, { genesis: file({ config: { chainId: 1337, ibft2: {} } }) }),
    /is of a chain with|are of ibft2, and the node's chain is sealed by qbft|names no/,
  );
  const quorum = await bft({ client: QUORUM }, "goquorum-qbft");
  assert.match(
    await said(quorum.node.url, { genesis }),
    /the rules are those of besu, and the node says that it is Geth.*quorum/,
  );
  assert.is(await said(quorum.node.url, { genesis: file({ config: { ...config, isQuorum: true } }) }), "");
  const nameless = await bft({ config });
  assert.match(
    await said(nameless.node.url),
    /does not say whether it is Besu or GoQuorum, whose QBFT differ: give --genesis FILE/,
  );
  const asked = await bft({ client: BESU, config });
  assert.is(await said(asked.node.url), "");
  assert.is(await said(asked.node.url, { trustingPeriodS: 7200 }), "", "a later block, where the epoch's is too old");
  assert.match(await said(asked.node.url, { trustingPeriodS: 60 }), /give a longer --trusting-period/);
});

/** As GoQuorum's admin_nodeInfo writes it (params/config.go): what a pointer or a list has not got is null, what an address has not got zeros. */
const NO_ADDRESS = `0x${"00".repeat(20)}`;
const QUORUM_FORKS = { chainId: 1337, homesteadBlock: 0, byzantiumBlock: 0, istanbulBlock: 0, berlinBlock: 0 };
const QUORUM_REST = {
  isQuorum: true,
  txnSizeLimit: 64,
  maxCodeSize: 0,
  maxCodeSizeConfig: [{ block: 0, size: 64 }],
  isMPS: false,
};
const QUORUM_SECTION = {
  ...{ epochlength: 20, blockperiodseconds: 3600, requesttimeoutseconds: 4, policy: 0, ceil2Nby3Block: 0 },
  validatorcontractaddress: NO_ADDRESS,
};
const QUORUM_STEP = { validatorcontractaddress: NO_ADDRESS, validators: null };

/** The rules that `config` gives a node that answers like GoQuorum, by the file that the first start keeps. */
async function quorumRules(
  config: object,
  kind: "goquorum-qbft" | "ibft",
  protocol = "istanbul",
): Promise<Readonly<Record<string, unknown>>> {
  const { node } = await bft({ client: QUORUM, config: { ...QUORUM_FORKS, ...config, ...QUORUM_REST }, protocol }, kind);
  const kept = fresh("kept");
  assert.is(await said(node.url, {}, kept), "");
  return JSON.parse(readFileSync(kept, "utf8"));
}

test("GoQuorum's admin_nodeInfo gives the rules: QBFT with transitions, IBFT of either section", async () => {
  const qbft = { ...QUORUM_SECTION, validators: null, maxRequestTimeoutSeconds: null };
  const transitions = [
    { block: 24, blockperiodseconds: 1800, emptyblockperiodseconds: 60, ...QUORUM_STEP },
    { block: 40, "2FPlus1Enabled": true, gasPriceEnabled: true, ...QUORUM_STEP },
  ];
  const first = await quorumRules({ qbft, transitions }, "goquorum-qbft");
  assert.equal([first.consensus, first.client, first.periodS, first.epoch], ["qbft", "goquorum", 3600, 20]);
  assert.equal(first.transitions, [
    { block: 24, periodS: 1800, emptyPeriodS: 60 },
    { block: 40, twoFPlusOne: true },
  ]);
  const zeros = await quorumRules({ qbft: { ...qbft, validatorselectionmode: "contract" } }, "goquorum-qbft");
  assert.is(zeros.validatorSelection, undefined, "an address of zeros names no contract");
  const contract = { ...qbft, validatorselectionmode: "contract", validatorcontractaddress: `0x${"00".repeat(18)}7777` };
  const { node } = await bft({ client: QUORUM, config: { ...QUORUM_FORKS, qbft: contract, ...QUORUM_REST } }, "goquorum-qbft");
  assert.match(await said(node.url), /contract/, "whom a contract selects stands in no header");

  const ibft = await quorumRules({ ibft: QUORUM_SECTION }, "ibft", "eth");
  assert.equal([ibft.consensus, ibft.periodS, ibft.epoch], ["ibft", 3600, 20]);
  const istanbul = await quorumRules({ istanbul: { epoch: 20, policy: 0, ceil2Nby3Block: 0 } }, "ibft");
  // The period is a parameter of the nodes there: one second binds least.
  assert.equal([istanbul.consensus, istanbul.periodS, istanbul.epoch], ["ibft", 1, 20]);
});

test("a checkpoint of another chain is refused by what differs; what the folder keeps is compared as well", async () => {
  const { chain, node } = await bft({ client: BESU });
  const own = bftCheckpointAt(chain, node.all[20] as BftBlock);
  const kept = join(folder, "keeps.json");
  assert.is(await said(node.url, { checkpoint: file(own) }, kept), "");
  assert.equal(JSON.parse(readFileSync(kept, "utf8")), JSON.parse(JSON.stringify(own)));
  assert.is(await said(node.url, {}, kept), "", "a second start needs no file");
  const refusal = (fields: object): Promise<string> => said(node.url, { checkpoint: file({ ...own, ...fields }) });
  assert.match(await refusal({ chain: "eip155:1" }), /\.json is of eip155:1, and the node follows eip155:1337$/);
  assert.match(await refusal({ consensus: "ibft2" }), /is of ibft2, and the node's chain is sealed by qbft$/);
  assert.match(
    await refusal({ genesisHash: `0x${"cd".repeat(32)}` }),
    /another chain of the same number eip155:1337: its genesis block is 0xcdcd.*, the node's 0x/,
  );
  assert.match(
    await refusal({ hash: `0x${"cd".repeat(32)}` }),
    /of another chain, or of one that was begun anew: its block #20 is 0xcdcd.*, the node's 0x/,
  );
  assert.match(await refusal({ number: 39, votes: [] }), /block #39, which the node has not got \(it is at #24\)/);
  assert.match(
    await refusal({ trustingPeriodS: 3600 }),
    /the trusting period of 3,600 s was over .*give the checkpoint of a later block/,
  );
  assert.match(await said(node.url, { checkpoint: file("{") }), /no JSON/);
  assert.match(await said(node.url, { checkpoint: file({}) }), /consensus: expected "clique"/);
  const others = new BftChain({
    kind: "qbft",
    validators: accounts(4, "others"),
    periodS: 3600,
    epoch: 20,
    timeS: Math.floor(Date.now() / 1000) - 24.5 * 3600,
  });
  const anew = await RunningBftNode.start(others, { blocks: others.grow(others.genesis, 24), client: BESU });
  closing.push(() => anew.close());
  assert.match(
    await said(anew.url, {}, kept),
    /the checkpoint that .*keeps\.json keeps is of another chain of the same number .*; begin in another folder with --data DIR/,
  );
});

test("folders of two chains of one number have two names", async () => {
  const [one, two] = [await bft(), await bft()];
  const names = await Promise.all([one, two].map(async ({ node }) => (await AttachedChain.open({ url: node.url })).name));
  assert.match(names[0] as string, /^eip155-1337-[0-9a-f]{8}$/);
  assert.ok(one.chain.genesis.timeS === two.chain.genesis.timeS || names[0] !== names[1]);
});

test("a file that is no authority of a board: what is wrong with it, and never what it holds", () => {
  const root = issue("root");
  const key = root.key.export({ type: "pkcs8", format: "pem" }) as string;
  const reason = (content: string | Uint8Array): string => {
    const path = join(folder, "ca");
    writeFileSync(path, content);
    try {
      readAuthority(path);
      return "";
    } catch (error) {
      assert.ok(!(error as Error).message.includes(key.split("\n")[1] as string));
      return (error as Error).message;
    }
  };
  assert.is(reason(root.pem), "");
  assert.is(reason(`\n# our root\n${root.pem}`), "");
  assert.match(reason("hello"), /^--ca .*: it is not PEM: no "-----BEGIN CERTIFICATE-----" is in it$/);
  assert.match(reason(root.der), /it is not PEM: .*openssl x509 -inform der/);
  assert.match(reason(""), /it is not PEM/);
  assert.match(reason(root.pem + key), /it holds a private key/);
  assert.match(reason(root.pem + issue("other").pem), /it holds 2 certificates, and a board pins one/);
  assert.match(reason("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), /no X\.509 certificate/);
  assert.match(reason(issue("root", { to: 2022 }).pem), /it has expired/);
  assert.match(reason(issue("root", { from: 2048 }).pem), /it is not valid before/);
  assert.throws(() => readAuthority(join(folder, "nowhere")), /cannot be read \(ENOENT\)/);
});

const MISTAKES: readonly (readonly [words: string, message: RegExp])[] = [
  ["start --genesis x", /--genesis needs --rpc/],
  ["start --checkpoint x", /--checkpoint needs --rpc/],
  ["start --rpc http://127.0.0.1:9 --chain clique", /--chain is for a node of our own/],
  ["start --rpc http://127.0.0.1:9 --period 1", /--period S and --epoch N go together/],
  ["start --rpc ftp://x", /--rpc takes a URL that begins with http:/],
  ["start --mqtt mqtts://localhost:1", /mqtts:\/\/ needs --ca FILE/],
  ["start --mqtt mqtt://localhost:1 --ca x", /--ca is for a broker that is named by mqtts/],
  ["start --mqtt mqtts://localhost:1 --ca /nowhere", /--ca \/nowhere: it cannot be read/],
  ["relay --rpc http://127.0.0.1:9 --ca x", /--ca is for a broker that is named by mqtts/],
  ["collect --rpc http://127.0.0.1:9 --mqtt mqtts://localhost --ca /nowhere", /--ca \/nowhere: it cannot be read/],
  ["start --app /nowhere", /--app \/nowhere: there is no main\.ts in it/],
  ["board", /--config FILE is missing/],
  ["board --config /nowhere", /\/nowhere: it cannot be read/],
  ["board --config x --engine z80", /--engine takes one of/],
];

for (const [words, message] of MISTAKES)
  test(`chainmote ${words}`, async () => {
    const err: string[] = [];
    const output = {
      line: () => undefined,
      error: (text: string) => void err.push(text),
      style: (_: string, text: string) => text,
    };
    assert.is.not(await main(words.split(" "), output), 0);
    assert.is(err.length, 1, err.join("\n"));
    assert.match(err[0] as string, message);
    assert.not.ok(existsSync("/nowhere"));
  });

test.run();
