// In place of checkpoint.ts where Bitcoin is the only consensus that is followed: the module `chainmote/chain/checkpoint` of
// manifest-bitcoin-only.json.

import type { CryptoEngine } from "../crypto/engine.js";
import { Rejection } from "../rejection.js";
import { openBitcoin } from "./bitcoin/checkpoint.js";
import type { Consensus } from "./consensus.js";

/** As checkpoint.ts. */
export function openChain(engine: CryptoEngine, json: unknown): Consensus | Rejection {
  if ((json as { readonly consensus?: unknown } | null)?.consensus === "bitcoin") return openBitcoin(engine, json);
  return new Rejection("consensus-unsupported", `consensus: expected "bitcoin", the only one in this image`);
}
