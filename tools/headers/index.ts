// `chainmote/headers`: verifies a chain's headers on Node, with the very code that runs on a mote.
//
// Promises: every rule of the chain (docs/header-rules.md) for every header from a checkpoint on; what does not hold is a `Rejection`.
// Never: asks a network for anything.

import { openChain as open } from "../../firmware/chain/checkpoint.js";
import type { Consensus } from "../../firmware/chain/consensus.js";
import type { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";

export type { Consensus, Header, Trusted } from "../../firmware/chain/consensus.js";
export type { CryptoEngine } from "../../firmware/crypto/engine.js";
export { Rejection } from "../../firmware/rejection.js";
export { engine } from "../crypto/engine.js";
export { checkpointAfter } from "./checkpoint-after.js";
export { headersOfFile, type Measure, measureBitcoin, measureRlp } from "./stream.js";
export { type Verified, type VerifyOptions, verifyHeaders } from "./verify.js";

/** @param checkpoint what `chainmote headers checkpoint` writes, parsed: an object with `consensus` and what that asks for */
export function openChain(checkpoint: unknown): Consensus | Rejection {
  return open(engine, checkpoint);
}
