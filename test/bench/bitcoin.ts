// `node --import tsx test/bench/bitcoin.ts [--json]`: Bitcoin headers a second on Node, ours beside bcoin and bitcoinjs-lib, in one run.
//
// All read the same mined headers. bcoin and bitcoinjs-lib decode each header, hash it, compare the work and the link; ours
// checks every rule besides (bits, median time, versions, accumulated work) and keeps the state that a follower needs. Rounds
// take turns, so that whatever else the machine does meets all of them; the best round of each is told, which it met least.

import { fileURLToPath } from "node:url";
import { Block } from "bitcoinjs-lib";
import { openBitcoin } from "../../firmware/chain/bitcoin/checkpoint.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../../tools/crypto/engine.js";
import { BitcoinChain, type Block as Made } from "../chains/bitcoin-generator.js";
import { bitcoinInputs } from "./bitcoin-inputs.js";

// bcoin's native code needs a compiler; of the two backends that are left, this is the faster one.
process.env.NODE_BACKEND ??= "js";
const { default: Headers } = await import("bcoin/lib/primitives/headers.js");

const HEADERS = 5_000;
const ROUNDS = 30;

export interface BitcoinRate {
  readonly name: string;
  readonly headersPerSecond: number;
}

/** The best rate of each, ours first. */
export function bitcoinRates(headers = HEADERS, rounds = ROUNDS): BitcoinRate[] {
  const chain = BitcoinChain.regtest();
  const raws = chain.grow(chain.genesis, headers).map(({ raw }) => raw);
  const buffers = raws.map((raw) => Buffer.from(raw));
  const runs: Readonly<Record<string, () => void>> = {
    chainmote: () => ours(raws),
    bcoin: () => throughBcoin(chain.genesis, buffers),
    "bitcoinjs-lib": () => throughBitcoinjs(chain.genesis, buffers),
  };
  const seconds = new Map(Object.keys(runs).map((name): [string, number[]] => [name, []]));
  for (let round = 0; round <= rounds; round += 1)
    for (const [name, run] of Object.entries(runs)) {
      const from = performance.now();
      run();
      // The first round only warms up.
      if (round > 0) seconds.get(name)?.push((performance.now() - from) / 1000);
    }
  return [...seconds].map(([name, times]) => {
    return { name, headersPerSecond: Math.round(headers / Math.min(...times)) };
  });
}

function ours(raws: readonly Uint8Array[]): void {
  const bitcoin = openBitcoin(engine, bitcoinInputs().checkpoint);
  if (bitcoin instanceof Rejection) throw new Error(String(bitcoin));
  const { trusted } = bitcoin.extend(bitcoin.checkpoint, raws, undefined);
  if (trusted.number !== raws.length) throw new Error(`stopped at ${trusted.number}`);
}

function throughBcoin(genesis: Made, raws: readonly Buffer[]): void {
  let parent = Buffer.from(genesis.hash).toString("hex");
  for (const raw of raws) {
    const header = Headers.fromHead(raw);
    if (header.prevBlock !== parent || !header.verifyPOW()) throw new Error("bcoin refuses a header");
    parent = header.hash("hex");
  }
}

function throughBitcoinjs(genesis: Made, raws: readonly Buffer[]): void {
  let parent: Uint8Array = genesis.hash;
  for (const raw of raws) {
    const block = Block.fromBuffer(raw);
    if (Buffer.compare(block.prevHash as Uint8Array, parent) !== 0 || !block.checkProofOfWork())
      throw new Error("bitcoinjs-lib refuses a header");
    parent = block.getHash();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const rates = bitcoinRates();
  if (process.argv.includes("--json"))
    console.log(JSON.stringify({ target: "node", node: process.version, headers: HEADERS, rates }));
  else for (const { name, headersPerSecond } of rates) console.log(`${name.padEnd(14)} ${headersPerSecond} headers/s`);
}
