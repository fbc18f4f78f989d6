// What the proof works on: a chain of every consensus, sealed or mined by third-party code, the same each time.

import { toHex } from "../../firmware/bytes.js";
import { bitcoinCheckpointFromGenesis } from "../../firmware/chain/bitcoin/checkpoint.js";
import { bitcoinNetwork } from "../../firmware/chain/bitcoin/rules.js";
import { cliqueCheckpointFromGenesis } from "../../firmware/chain/clique/checkpoint.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { bftCheckpointAt } from "../chains/bft-fixture.js";
import { BftChain } from "../chains/bft-generator.js";
import type { BftKind } from "../chains/bft-model.js";
import { BitcoinChain, mine } from "../chains/bitcoin-generator.js";
import { held } from "../chains/clique-fixture.js";
import { accounts, CliqueChain } from "../chains/clique-generator.js";
import type { ProofChain, ProofInput } from "./program/proof.js";

const SIGNERS = 5;
const VALIDATORS = 4;
/** Of each chain, besides the forged one. */
export const HEADERS = 5;
/** In the middle, so that the first base fee of a chain is among what is checked. */
const LONDON_BLOCK = 3;
/** The forged header's, of which one is enough. */
const NONCES_MAX = 100;

const bent = (seal: Uint8Array): Uint8Array => seal.map((byte, i) => (i === 5 ? byte ^ 1 : byte));

/** Of each chain first a header that is forged, then some that hold. */
export function proofInput(digest: string): ProofInput {
  return { digest, chains: [clique(), bft("ibft"), bft("ibft2"), bft("qbft"), bitcoin()] };
}

function proofChain(checkpoint: unknown, blocks: readonly { readonly raw: Uint8Array }[]): ProofChain {
  return { checkpoint, headers: blocks.map(({ raw }) => toHex(raw)) };
}

/** The forged seal is turned in one bit. */
function clique(): ProofChain {
  const rules = { periodS: 15, epoch: 30_000, londonBlock: LONDON_BLOCK };
  const chain = new CliqueChain({ signers: accounts(SIGNERS, "sdk"), ...rules });
  const checkpoint = held(cliqueCheckpointFromGenesis(nobleEngine, chain.genesis.raw, { chain: "eip155:1337", ...rules }));
  const forged = chain.grow(chain.genesis, 1, () => ({ bendSeal: bent }));
  return proofChain(checkpoint, [...forged, ...chain.grow(chain.genesis, HEADERS)]);
}

/** One of the forged header's seals is turned in one bit, and so is some stranger's. */
function bft(kind: BftKind): ProofChain {
  const chain = new BftChain({ kind, validators: accounts(VALIDATORS, "sdk"), tail: [0n] });
  const forged = chain.grow(chain.genesis, 1, () => ({
    bendSeals: ([first, ...others]) => [bent(first as Uint8Array), ...others],
  }));
  const checkpoint = bftCheckpointAt(chain, chain.genesis, { londonBlock: 0 });
  return proofChain(checkpoint, [...forged, ...chain.grow(chain.genesis, HEADERS)]);
}

/** The forged header's work was not done. */
function bitcoin(): ProofChain {
  const chain = BitcoinChain.regtest();
  const rules = bitcoinNetwork("regtest");
  if (rules === undefined) throw new Error("no rules of regtest");
  const checkpoint = held(bitcoinCheckpointFromGenesis(nobleEngine, rules, chain.genesis.raw));
  const draft = { version: 0x20000000, parentHash: chain.genesis.hash, merkleRoot: new Uint8Array(32).fill(5) };
  const { timeS, bits } = chain.genesis;
  for (let nonce = 0; nonce < NONCES_MAX; nonce += 1) {
    const forged = mine({ ...draft, timeS: timeS + 600, bits }, chain.genesis, nonce);
    // The limit of regtest is half of all hashes, whose last byte is their most significant.
    if ((forged.hash[31] as number) >= 0x80) return proofChain(checkpoint, [forged, ...chain.grow(chain.genesis, HEADERS)]);
  }
  throw new Error(`no nonce below ${NONCES_MAX} misses the target`);
}
