// Bitcoin consensuses over generated chains: networks with the rules of the real ones and a difficulty that a test can mine.

import { Bitcoin } from "../../firmware/chain/bitcoin/consensus.js";
import type { BitcoinRules } from "../../firmware/chain/bitcoin/rules.js";
import { BitcoinTrusted } from "../../firmware/chain/bitcoin/state.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { Rejection } from "../../firmware/rejection.js";
import { fastEngine } from "../../tools/crypto/engine-fast.js";
import { BitcoinChain, type Block, workOfBits } from "./bitcoin-generator.js";

export const PERIOD = 24;

const base = {
  limitBits: 0x207fffff,
  period: PERIOD,
  timespanS: PERIOD * 600,
  noRetarget: false,
  easyAfterS: undefined,
  bip94: false,
  versionHeights: [1, 1, 1],
} as const;

/** Each with the rules of its namesake, a short period, and a limit that two hashes meet. */
export const LOWERED: Readonly<Record<"mainnet" | "testnet3" | "testnet4" | "regtest", BitcoinRules>> = {
  mainnet: { ...base, network: "like mainnet", chain: "bip122:00000000000000000000000000000001", versionHeights: [30, 40, 50] },
  testnet3: { ...base, network: "like testnet3", chain: "bip122:00000000000000000000000000000002", easyAfterS: 1200 },
  testnet4: {
    ...base,
    network: "like testnet4",
    chain: "bip122:00000000000000000000000000000003",
    easyAfterS: 1200,
    bip94: true,
  },
  regtest: { ...base, network: "like regtest", chain: "bip122:00000000000000000000000000000004", noRetarget: true },
};

/** Harder than the limit, so that there is room for bits that are wrong. */
export const GENESIS_BITS = 0x201fffff;

export function chainOf(rules: BitcoinRules, bits = rules.noRetarget ? rules.limitBits : GENESIS_BITS): BitcoinChain {
  return new BitcoinChain(rules, { bits });
}

function genesisState(genesis: Block): BitcoinTrusted {
  const { hash, timeS, bits } = genesis;
  return new BitcoinTrusted({
    ...{ number: 0, hash, timeS, bits, times: [timeS], periodStartTimeS: timeS, periodStartBits: bits, periodBits: bits },
    ...{ settled: 0, settledTimeS: timeS, workBefore: workOfBits(bits), run: 0, delta: new Uint8Array(0) },
  });
}

export function openChainOf(chain: BitcoinChain, rules: BitcoinRules, engine: CryptoEngine = fastEngine): Bitcoin {
  return new Bitcoin(engine, rules, genesisState(chain.genesis));
}

/** What comes of one raw header on a state: the next state, or the refusal. */
export function judge(bitcoin: Bitcoin, trusted: BitcoinTrusted, raw: Uint8Array, nowS?: number): BitcoinTrusted | Rejection {
  const header = bitcoin.decode(raw);
  return header instanceof Rejection ? header : bitcoin.verify(trusted, header, nowS);
}

/** The states after each of `blocks`; throws at the first that is refused. */
export function walk(bitcoin: Bitcoin, from: BitcoinTrusted, blocks: readonly Block[]): BitcoinTrusted[] {
  const states: BitcoinTrusted[] = [];
  let trusted = from;
  for (const block of blocks) {
    const next = judge(bitcoin, trusted, block.raw);
    if (next instanceof Rejection) throw new Error(`block ${block.number}: ${next}`);
    trusted = next;
    states.push(next);
  }
  return states;
}

export function codeOf(value: unknown): string {
  return value instanceof Rejection ? value.code : "accepted";
}
