// The checkpoint of a Bitcoin chain: what it must have, field by field, and that it leads where the walk from the genesis leads.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../../firmware/bytes.js";
import {
  type BitcoinCheckpoint,
  bitcoinCheckpointFromGenesis,
  bitcoinCheckpointOf,
  openBitcoin,
} from "../../../../firmware/chain/bitcoin/checkpoint.js";
import type { Bitcoin } from "../../../../firmware/chain/bitcoin/consensus.js";
import { type BitcoinRules, bitcoinNetwork } from "../../../../firmware/chain/bitcoin/rules.js";
import { openChain } from "../../../../firmware/chain/checkpoint.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { codeOf, walk } from "../../../chains/bitcoin-fixture.js";
import { BitcoinChain } from "../../../chains/bitcoin-generator.js";

const regtest = bitcoinNetwork("regtest") as BitcoinRules;
const chain = BitcoinChain.regtest();
const genesis = bitcoinCheckpointFromGenesis(fastEngine, regtest, chain.genesis.raw) as BitcoinCheckpoint;

/** Block 838,656 of mainnet or thereabouts: made up, but of the right form. */
const MAINNET: BitcoinCheckpoint = {
  chain: "bip122:000000000019d6689c085ae165831e93",
  consensus: "bitcoin",
  number: 838_660,
  hash: "00000000000000000001a2b3c4d5e6f7a8b9cadbecfd0e1f2031425364758697",
  bits: "170331db",
  work: "0x7000000000000000000000ff",
  times: Array.from({ length: 11 }, (_, i) => 1_712_000_000 + 600 * i),
  periodStart: { timeS: 1_711_990_000, bits: "170331db" },
};

const TESTNET: BitcoinCheckpoint = {
  ...MAINNET,
  chain: "bip122:00000000da84f2bafbbc53dee25a72ae",
  bits: "1d00ffff",
  periodBits: "1900a1b2",
  periodStart: { timeS: 1_711_990_000, bits: "1900a1b3" },
};

test("the genesis of regtest, and any later block, lead to the same state as the walk from the start", () => {
  const bitcoin = openChain(fastEngine, genesis) as Bitcoin;
  assert.is(bitcoin.chain, "bip122:0f9188f13cb7b2c71f2a335e3a4fc328");
  const blocks = chain.grow(chain.genesis, 40);
  const states = walk(bitcoin, bitcoin.checkpoint, blocks);
  const tip = states[39] as (typeof states)[0];
  for (const at of [0, 5, 10, 11, 25, 33]) {
    const json = JSON.parse(JSON.stringify(bitcoinCheckpointOf(regtest, states[at] as typeof tip))) as unknown;
    const later = openBitcoin(fastEngine, json) as Bitcoin;
    const end = walk(later, later.checkpoint, blocks.slice(at + 1)).at(-1) as typeof tip;
    assert.is(end.totalDifficulty, tip.totalDifficulty);
    assert.is(toHex(later.serialize(end)), toHex(bitcoin.serialize(tip)), `from block ${at + 1}`);
  }
});

test("good checkpoints are taken: with and without 0x, in the middle of a period and at its beginning", () => {
  assert.not.instance(openBitcoin(fastEngine, MAINNET), Rejection);
  assert.not.instance(openBitcoin(fastEngine, { ...MAINNET, hash: `0x${MAINNET.hash}`, bits: "0x170331db" }), Rejection);
  assert.not.instance(openBitcoin(fastEngine, TESTNET), Rejection);
  const starts = { ...MAINNET, number: 838_656, periodStart: { timeS: 1_712_006_000, bits: "170331db" } };
  assert.not.instance(openBitcoin(fastEngine, starts), Rejection);
});

test("each field that is absent, out of bounds or contradicts another is refused by its name", () => {
  const cases: readonly [string, unknown][] = [
    ["the checkpoint", []],
    ["chain", { ...MAINNET, chain: "eip155:1" }],
    ["chain", { ...MAINNET, chain: "mainnet" }],
    ["chain", { ...MAINNET, chain: 1 }],
    ["number", { ...MAINNET, number: -1 }],
    ["number", { ...MAINNET, number: "838660" }],
    ["number", { ...MAINNET, number: 2 ** 48 }],
    ["hash", { ...MAINNET, hash: MAINNET.hash.slice(2) }],
    ["hash", { ...genesis, hash: MAINNET.hash }],
    ["bits", { ...MAINNET, bits: undefined }],
    ["bits", { ...MAINNET, bits: 0x170331db }],
    ["bits", { ...MAINNET, bits: "1d010000" }],
    ["bits", { ...MAINNET, bits: "17800001" }],
    ["times", { ...MAINNET, times: MAINNET.times.slice(1) }],
    ["times", { ...MAINNET, times: undefined }],
    ["times[3]", { ...MAINNET, times: MAINNET.times.map((time, i) => (i === 3 ? -1 : time)) }],
    ["times[10]", { ...MAINNET, times: MAINNET.times.map((time, i) => (i === 10 ? 2 ** 32 : time)) }],
    ["times", { ...MAINNET, times: [...MAINNET.times].reverse() }],
    ["work", { ...MAINNET, work: undefined }],
    ["work", { ...MAINNET, work: "0x" }],
    ["work", { ...MAINNET, work: "00" }],
    ["work", { ...MAINNET, work: "1".repeat(65) }],
    ["work", { ...MAINNET, work: "12g4" }],
    ["periodStart", { ...MAINNET, periodStart: undefined }],
    ["periodStart.timeS", { ...MAINNET, periodStart: { bits: "170331db" } }],
    ["periodStart.bits", { ...MAINNET, periodStart: { timeS: 1 } }],
    ["periodStart.bits", { ...MAINNET, periodStart: { timeS: 1, bits: "170331dc" } }],
    ["periodStart", { ...MAINNET, number: 838_656 }],
    ["periodBits", { ...MAINNET, periodBits: "170331dc" }],
    ["periodBits", { ...TESTNET, periodBits: undefined }],
    ["periodBits", { ...TESTNET, bits: "1900a1b3" }],
  ];
  for (const [field, json] of cases) {
    const refused = openBitcoin(fastEngine, json);
    assert.instance(refused, Rejection, `${field}: ${JSON.stringify(json)}`);
    const { code, detail } = refused as Rejection;
    assert.is(code, "checkpoint-invalid");
    assert.ok(detail.startsWith(`${field}: `), `${detail}, where ${field} is wrong`);
  }
});

test("a genesis header of another network, or of no work, makes no checkpoint", () => {
  const mainnet = bitcoinNetwork("mainnet") as BitcoinRules;
  assert.is(codeOf(bitcoinCheckpointFromGenesis(fastEngine, mainnet, chain.genesis.raw)), "bits-above-limit");
  const other = chain.child(chain.genesis).raw;
  assert.is(codeOf(bitcoinCheckpointFromGenesis(fastEngine, regtest, other)), "checkpoint-invalid");
});

test("an unknown consensus names those that there are", () => {
  assert.match((openChain(fastEngine, { consensus: "x" }) as Rejection).detail, /"clique".*"bitcoin"/);
});

test.run();
