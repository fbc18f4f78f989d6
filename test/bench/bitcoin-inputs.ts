// What the Bitcoin benchmark works on: headers that node:crypto mined on regtest, the same each time.

import { HEADERS_PER_REQUEST_MAX } from "../../firmware/bus/wire.js";
import { bitcoinCheckpointFromGenesis } from "../../firmware/chain/bitcoin/checkpoint.js";
import { bitcoinNetwork } from "../../firmware/chain/bitcoin/rules.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { Rejection } from "../../firmware/rejection.js";
import { BitcoinChain } from "../chains/bitcoin-generator.js";
import type { BitcoinInputs } from "./bitcoin-case.js";

export function bitcoinInputs(): BitcoinInputs {
  const chain = BitcoinChain.regtest();
  const rules = bitcoinNetwork("regtest");
  if (rules === undefined) throw new Error("no rules of regtest");
  const checkpoint = bitcoinCheckpointFromGenesis(nobleEngine, rules, chain.genesis.raw);
  if (checkpoint instanceof Rejection) throw new Error(`${checkpoint.code}: ${checkpoint.detail}`);
  return {
    checkpoint,
    headers: chain.grow(chain.genesis, HEADERS_PER_REQUEST_MAX).map(({ raw }) => Buffer.from(raw).toString("hex")),
  };
}
