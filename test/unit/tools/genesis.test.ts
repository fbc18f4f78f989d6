// What genesis files of GoQuorum, Besu and geth mean, key by key: read, known to have no bearing, or refused by name.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { BftConsensusName } from "../../../firmware/chain/bft/checkpoint.js";
import { type CliqueCheckpoint, openClique } from "../../../firmware/chain/clique/checkpoint.js";
import { Rejection } from "../../../firmware/rejection.js";
import { engine } from "../../../tools/crypto/engine.js";
import { bftRulesFromGenesis } from "../../../tools/headers/bft.js";
import { cliqueRulesFromGenesis } from "../../../tools/headers/clique.js";
import { HEADER_CHAINS } from "../../../tools/headers/table.js";
import { readWords } from "../../../tools/options.js";
import { JsonRpc } from "../../../tools/rpc/json-rpc.js";
import { held, walk } from "../../chains/clique-fixture.js";
import { accounts, type Block, CliqueChain, hexOf } from "../../chains/clique-generator.js";

const ADDRESS = `0x${"11".repeat(20)}`;
const CONTRACT = "0x0000000000000000000000000000000000007777";
const QBFT = { epochLength: 30_000, blockPeriodSeconds: 5 };
const BESU = { chain: "eip155:1337", consensus: "qbft", periodS: 5, epoch: 30_000, trustingPeriodS: 60 } as const;
const GOQUORUM = { ...BESU, client: "goquorum", ceil2Nby3Block: 0 } as const;

function rules(config: object, name?: BftConsensusName): unknown {
  return bftRulesFromGenesis({ config: { chainId: 1337, ...config } }, 60, name);
}

/** @param named what the message has to name */
function refused(read: () => unknown, named: string): void {
  try {
    const made = read();
    assert.unreachable(`${named}: ${JSON.stringify(made)}`);
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    assert.is(error.code, "genesis-unsupported", String(error));
    assert.ok(error.detail.includes(named), `${error.detail} does not name ${named}`);
  }
}

test("GoQuorum: a list of transitions is read, its set and its selection a block later", () => {
  const listed = (transitions: object[], qbft: object = QBFT): unknown => rules({ isQuorum: true, qbft, transitions });
  assert.equal(listed([{ block: 100, blockperiodseconds: 2 }]), { ...GOQUORUM, transitions: [{ block: 100, periodS: 2 }] });
  const both = [
    { block: 100, blockPeriodSeconds: 2, "2FPlus1Enabled": true, contractSizeLimit: 64, "miner.gaslimit": 8, algorithm: "qbft" },
    { block: 100, emptyblockperiodseconds: 60 },
    { block: 200, validators: [ADDRESS], blockperiodseconds: 3 },
    { block: 300, validatorselectionmode: "contract", validatorcontractaddress: CONTRACT, "2fplus1enabled": false },
  ];
  assert.equal(listed(both), {
    ...GOQUORUM,
    transitions: [
      { block: 100, periodS: 2, emptyPeriodS: 60, twoFPlusOne: true },
      { block: 200, periodS: 3 },
      { block: 201, validators: [ADDRESS] },
      { block: 300, twoFPlusOne: false },
      { block: 301, validatorSelection: "contract" },
    ],
  });
  // At block 0 they are what the chain begins with, and make a section of their own.
  const first = { block: 0, algorithm: "qbft", epochLength: 300, blockPeriodSeconds: 5, "2FPlus1Enabled": true };
  assert.equal(rules({ istanbulBlock: 0, isQuorum: true, transitions: [first] }), {
    ...{ ...GOQUORUM, epoch: 300 },
    transitions: [{ block: 1, twoFPlusOne: true }],
  });
  assert.equal(listed([{ block: 0, emptyblockperiodseconds: 9, validators: [ADDRESS] }]), {
    ...{ ...GOQUORUM, emptyPeriodS: 9 },
    validators: [ADDRESS],
  });
});

test("GoQuorum: what each section says, and what it means to say nothing", () => {
  const contract = { validatorcontractaddress: CONTRACT };
  const goQuorum = (qbft: object): unknown => rules({ isQuorum: true, qbft: { ...QBFT, ...qbft } });
  assert.equal(goQuorum({}), GOQUORUM);
  assert.equal(goQuorum({ ceil2Nby3Block: 7, policy: 0 }), { ...GOQUORUM, ceil2Nby3Block: 7 });
  assert.equal(goQuorum({ emptyblockperiodseconds: 60 }), { ...GOQUORUM, emptyPeriodS: 60 });
  assert.equal(goQuorum({ ...contract, validatorselectionmode: "contract" }), { ...GOQUORUM, validatorSelection: "contract" });
  // A contract without the mode is none, and a mode without a contract neither.
  assert.equal(goQuorum(contract), GOQUORUM);
  assert.equal(goQuorum({ validatorselectionmode: "contract" }), GOQUORUM);
  assert.equal(goQuorum({ validators: [ADDRESS] }), { ...GOQUORUM, validators: [ADDRESS] });
  const ibft = { chain: "eip155:1337", consensus: "ibft", periodS: 1, epoch: 30_000, trustingPeriodS: 60 };
  // Only in the old section an absent block means never.
  assert.equal(rules({ istanbul: { epoch: 30_000, policy: 0 } }), { ...ibft, ceil2Nby3Block: "never" });
  assert.equal(rules({ isQuorum: true, ibft: {} }), { ...ibft, ceil2Nby3Block: 0 });
  assert.equal(rules({ isQuorum: true, ibft: { epochlength: 0, blockperiodseconds: 0, ceil2Nby3Block: null } }), {
    ...ibft,
    ceil2Nby3Block: 0,
  });
});

test("GoQuorum: from IBFT to QBFT by testQBFTBlock or by an algorithm", () => {
  const qbft = { ...GOQUORUM, periodS: 1, ceil2Nby3Block: "never" };
  assert.equal(rules({ istanbul: { epoch: 30_000, policy: 0, ceil2Nby3Block: 0, testQBFTBlock: 0 } }), {
    ...qbft,
    ceil2Nby3Block: 0,
  });
  const later = { isQuorum: true, istanbul: { epoch: 30_000, policy: 0, testQBFTBlock: 90_000 } };
  assert.equal(rules(later, "qbft"), { ...qbft, fromBlock: 90_000 });
  const ibft = { ...BESU, consensus: "ibft", periodS: 1, ceil2Nby3Block: "never", untilBlock: 89_999 };
  assert.equal(rules(later, "ibft"), ibft);
  refused(() => rules(later), "config.istanbul.testQBFTBlock takes the chain from ibft to qbft");
  const migrated = {
    isQuorum: true,
    ibft: { epochLength: 30_000, blockPeriodSeconds: 5, ceil2Nby3Block: 0 },
    transitions: [
      { block: 50, blockperiodseconds: 4 },
      { block: 100, algorithm: "qbft" },
      { block: 200, blockperiodseconds: 2 },
      { block: 300, validatorselectionmode: "contract", validatorcontractaddress: CONTRACT },
    ],
  };
  assert.equal(rules(migrated, "qbft"), {
    ...{ ...GOQUORUM, periodS: 4, fromBlock: 100 },
    transitions: [
      { block: 200, periodS: 2 },
      { block: 301, validatorSelection: "contract" },
    ],
  });
  assert.equal(rules(migrated, "ibft"), {
    ...{ ...BESU, consensus: "ibft", ceil2Nby3Block: 0, untilBlock: 99 },
    transitions: [{ block: 50, periodS: 4 }],
  });
  const epoch = { ...migrated, transitions: [...migrated.transitions, { block: 400, epochlength: 5000 }] };
  refused(() => rules(epoch, "qbft"), "config.transitions[4].epochlength");
});

test("GoQuorum: what is not understood is named", () => {
  const step = (transition: object, config: object = { qbft: QBFT }): (() => unknown) => {
    return () => rules({ isQuorum: true, ...config, transitions: [{ block: 9, ...transition }] });
  };
  refused(step({ epochlength: 5 }), "config.transitions[0].epochlength");
  refused(step({ gasLimitRule: 5 }), "config.transitions[0].gasLimitRule");
  refused(step({ algorithm: "raft" }), "config.transitions[0].algorithm");
  refused(step({ algorithm: "ibft" }), "config.transitions[0].algorithm");
  refused(step({ algorithm: "qbft" }, { istanbul: { epoch: 5, testQBFTBlock: 9 } }), "config.transitions[0].algorithm");
  refused(step({ validatorselectionmode: "vote" }), "config.transitions[0].validatorselectionmode");
  refused(step({ blockperiodseconds: "2s" }), "config.transitions[0].blockperiodseconds");
  refused(step({ "2fplus1enabled": 1 }), "config.transitions[0].2fplus1enabled");
  refused(step({ validators: ["me"] }), "config.transitions[0].validators");
  const select = { validatorselectionmode: "contract", validatorcontractaddress: CONTRACT };
  refused(step(select, { ibft: {} }), "config.transitions[0].validatorselectionmode");
  refused(step({ validatorselectionmode: "blockheader" }, { qbft: { ...QBFT, ...select } }), "validatorselectionmode");
  const list =
    (transitions: unknown): (() => unknown) =>
    () =>
      rules({ isQuorum: true, qbft: QBFT, transitions });
  refused(list([{ blockperiodseconds: 2 }]), "config.transitions[0].block");
  refused(list([{ block: 9 }, { block: 8 }]), "config.transitions[1].block");
  refused(list([7]), "config.transitions[0]");
  refused(list({ qbft: [] }), "config.transitions");
  refused(
    () => rules({ isQuorum: true, qbft: { ...QBFT, blockperiodmilliseconds: 500 } }),
    "config.qbft.blockperiodmilliseconds",
  );
  refused(() => rules({ istanbul: { epoch: 30_000, blockPeriodSeconds: 5 } }), "config.istanbul.blockPeriodSeconds");
  refused(() => rules({ isQuorum: true, ibft: {}, qbft: QBFT }), "config.qbft");
  refused(() => rules({ isQuorum: true, ibft2: {} }), "config.ibft2");
  refused(() => rules({ isQuorum: true, qbft: QBFT, clique: { period: 5, epoch: 5 } }), "config.clique");
  refused(() => rules({ isQuorum: true }), "config");
  refused(() => rules({ isQuorum: "yes", qbft: QBFT }), "config.isQuorum");
});

test("Besu: transitions by height are read, by time they are refused", () => {
  const at = (transition: object, config: object = {}): unknown =>
    rules({ qbft: QBFT, ...config, transitions: { qbft: [transition] } });
  assert.equal(at({ block: 20, blockperiodseconds: 2 }), { ...BESU, transitions: [{ block: 20, periodS: 2 }] });
  const time = { block: 1_769_126_400, blockperiodseconds: 2 };
  refused(() => at(time, { shanghaiTime: 0 }), "config.transitions.qbft[0].block");
  refused(() => at(time, { shanghaiTime: 0 }), "config.shanghaiTime");
  refused(() => at({ block: 20, blockperiodseconds: 2 }, { cancunTime: 20 }), "config.transitions.qbft[0].block");
  // A height before the first fork by time is one, and what changes no rule may name what it likes.
  assert.equal(at({ block: 20, blockperiodseconds: 2 }, { shanghaiTime: 1_769_126_400 }), {
    ...BESU,
    transitions: [{ block: 20, periodS: 2 }],
  });
  assert.equal(at({ block: 1_769_126_400, blockreward: "5" }, { shanghaiTime: 0 }), BESU);
  refused(() => at({ timestamp: 1_769_126_400, blockperiodseconds: 2 }), "config.transitions.qbft[0].timestamp");
  refused(() => at({ blockperiodseconds: 2 }), "config.transitions.qbft[0].block");
  refused(() => at({ block: 0, blockperiodseconds: 2 }), "config.transitions.qbft[0].block");
});

test("Besu: periods, milliseconds and empty blocks included, as they stay in force", () => {
  const with2 = (section: object, transitions: object[] = []): unknown =>
    rules({ qbft: { ...QBFT, ...section }, ...(transitions.length === 0 ? {} : { transitions: { qbft: transitions } }) });
  assert.equal(with2({ xemptyblockperiodseconds: 60 }), { ...BESU, emptyPeriodS: 60 });
  assert.equal(with2({ xblockperiodmilliseconds: 200 }), { ...BESU, periodS: 0 });
  assert.equal(with2({ xblockperiodmilliseconds: 0 }), BESU);
  assert.equal(with2({ xblockperiodmilliseconds: 2500 }), { ...BESU, periodS: 2 });
  // Seconds that come later do not end milliseconds; zero does. The file's order is no order.
  const steps = [
    { block: 40, xblockperiodmilliseconds: 0 },
    { block: 20, blockperiodseconds: 3 },
    { block: 30, xemptyblockperiodseconds: 0 },
  ];
  assert.equal(with2({ xblockperiodmilliseconds: 200, xemptyblockperiodseconds: 9 }, steps), {
    ...{ ...BESU, periodS: 0, emptyPeriodS: 9 },
    transitions: [
      { block: 20, periodS: 0 },
      { block: 30, emptyPeriodS: 0 },
      { block: 40, periodS: 3 },
    ],
  });
  refused(() => with2({ blockperiodseconds: 0, blockPeriodSeconds: 0 }), "config.qbft.block");
  refused(() => with2({ blockperiodseconds: 7 }), "config.qbft.block"); // beside blockPeriodSeconds 5
  refused(() => with2({}, [{ block: 20 }, { block: 20, blockperiodseconds: 1 }]), "block");
});

test("Besu: from IBFT to QBFT at startblock, with epochs counted from there", () => {
  const config = {
    ibft2: { epochlength: 100, blockperiodseconds: 2 },
    qbft: { epochlength: 200, blockperiodseconds: 3, startblock: 51 },
    transitions: { ibft2: [{ block: 30, blockperiodseconds: 1 }], qbft: [{ block: 70, blockperiodseconds: 4 }] },
  };
  assert.equal(rules(config, "qbft"), {
    ...{ ...BESU, periodS: 3, epoch: 200, epochStart: 50, fromBlock: 51 },
    transitions: [{ block: 70, periodS: 4 }],
  });
  assert.equal(rules(config, "ibft2"), {
    ...{ ...BESU, consensus: "ibft2", periodS: 2, epoch: 100, untilBlock: 50 },
    transitions: [{ block: 30, periodS: 1 }],
  });
  refused(() => rules(config), "config.qbft.startblock takes the chain from ibft2 to qbft");
  refused(() => rules({ ibft2: {}, qbft: {} }, "qbft"), "config.qbft.startblock");
  refused(() => rules({ ibft: {}, ibft2: {}, qbft: { startblock: 5 } }, "qbft"), "config.ibft");
});

test("Besu: what is not understood is named", () => {
  const step = (transition: object, section: object = QBFT): (() => unknown) => {
    return () => rules({ qbft: section, transitions: { qbft: [{ block: 9, ...transition }] } });
  };
  refused(() => rules({ qbft: { ...QBFT, ceil2Nby3Block: 0 } }), "config.qbft.ceil2Nby3Block");
  refused(() => rules({ qbft: { ...QBFT, blockperiodmilliseconds: 500 } }), "config.qbft.blockperiodmilliseconds");
  refused(() => rules({ ibft2: { validatorcontractaddress: CONTRACT } }), "config.ibft2.validatorcontractaddress");
  refused(() => rules({ qbft: { ...QBFT, epoch: 7 } }), "config.qbft.epoch");
  refused(() => rules({ qbft: { ...QBFT, epochlength: 7 } }), "epoch");
  refused(() => rules({ qbft: { epochlength: "" } }), "config.qbft.epochlength");
  refused(() => rules({ qbft: [] }), "config.qbft");
  refused(step({ epochlength: 5 }), "config.transitions.qbft[0].epochlength");
  refused(step({ validatorselectionmode: "header" }), "config.transitions.qbft[0].validatorselectionmode");
  refused(step({ validatorselectionmode: "blockheader" }), "config.transitions.qbft[0].validatorselectionmode");
  refused(step({ validatorcontractaddress: CONTRACT }), "config.transitions.qbft[0].validatorcontractaddress");
  refused(
    step({ validators: [ADDRESS] }, { ...QBFT, validatorcontractaddress: CONTRACT }),
    "config.transitions.qbft[0].validators",
  );
  refused(() => rules({ qbft: QBFT, transitions: { ibft2: [{ block: 9, blockperiodseconds: 1 }] } }), "config.transitions.ibft2");
  refused(() => rules({ qbft: QBFT, transitions: { qbft: { block: 9 } } }), "config.transitions.qbft");
  refused(() => rules({ qbft: QBFT, chainID: 7 }), "chainI");
  refused(() => bftRulesFromGenesis({ config: { qbft: QBFT } }, 60), "config.chainId");
});

test("Clique: geth's keys and Besu's, and what they cannot mean", () => {
  const clique = (section: object, config: object = {}): unknown =>
    cliqueRulesFromGenesis({ config: { clique: section, ...config } });
  assert.equal(clique({ period: 5, epoch: 300 }, { londonBlock: 7 }), { periodS: 5, epoch: 300, londonBlock: 7 });
  assert.equal(clique({ period: 0, epoch: 0, allowedFutureBlockTime: 5 }), { periodS: 0, epoch: 30_000 });
  assert.equal(clique({ blockperiodseconds: 15, epochlength: 100, createemptyblocks: false }, { zeroBaseFee: true }), {
    ...{ periodS: 15, epoch: 100 },
    baseFeeRule: "zero",
  });
  assert.equal(clique({ period: 5 }, { transitions: { clique: [{ block: 9, createemptyblocks: false }] } }), {
    periodS: 5,
    epoch: 30_000,
  });
  refused(() => clique({}), "config.clique.period");
  refused(() => clique({ period: 5, blockperiodseconds: 7 }), "config.clique.period");
  refused(() => clique({ period: 5, xblockperiodmilliseconds: 200 }), "config.clique.xblockperiodmilliseconds");
  refused(() => clique({ period: 5 }, { fixedBaseFee: true }), "config.fixedBaseFee");
  refused(() => clique({ period: 5 }, { qbft: {} }), "config.qbft");
  refused(() => clique({ period: 5 }, { transitions: [{ block: 9, blockperiodseconds: 2 }] }), "config.transitions");
  const faster = { transitions: { clique: [{ block: 9, blockperiodseconds: 2 }] } };
  refused(() => clique({ period: 5 }, faster), "config.transitions.clique[0].blockperiodseconds");
  refused(() => clique({ period: 5 }, { transitions: { qbft: [{ block: 9 }] } }), "config.transitions.qbft");
  refused(() => cliqueRulesFromGenesis({ config: { chainId: 5 } }), "config");
});

test("Clique: a checkpoint takes its rules from the genesis file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "chainmote-clique-"));
  const chain = new CliqueChain({ signers: accounts(3), periodS: 5, epoch: 10 });
  const blocks = [chain.genesis, ...chain.grow(chain.genesis, 12)];
  const rpc = new JsonRpc("http://127.0.0.1:9");
  rpc.call = async (method: string, block?: unknown): Promise<unknown> => {
    if (method === "eth_chainId") return "0x539";
    const { raw, hash, number, timeS, draft } = blocks[block === "latest" ? 12 : Number(block)] as Block;
    if (method === "debug_getRawHeader") return hexOf(raw);
    const [height, timestamp] = [number, timeS].map((value) => `0x${value.toString(16)}`);
    return { hash: hexOf(hash), parentHash: hexOf(draft.parentHash), number: height, timestamp };
  };
  try {
    const genesis = join(folder, "genesis.json");
    writeFileSync(genesis, JSON.stringify({ config: { chainId: 1337, clique: { period: 5, epoch: 10 } } }));
    const words = readWords(["--genesis", genesis], { genesis: { type: "string" } }, 0);
    const json = await HEADER_CHAINS.clique?.export(rpc, undefined, words, () => undefined);
    const { number, periodS, epoch } = json as CliqueCheckpoint;
    assert.equal([number, periodS, epoch], [10, 5, 10]);
    const clique = held(openClique(engine, json));
    assert.is(walk(clique, clique.checkpoint, blocks.slice(11)).number, 12);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
