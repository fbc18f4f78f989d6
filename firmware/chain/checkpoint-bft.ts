// In place of checkpoint.ts where IBFT and QBFT are the only ones that are followed: the module `chainmote/chain/checkpoint` of
// manifest-bft-only.json.

import type { CryptoEngine } from "../crypto/engine.js";
import { Rejection } from "../rejection.js";
import { isBftName, openBft } from "./bft/checkpoint.js";
import type { Consensus } from "./consensus.js";

/** As checkpoint.ts. */
export function openChain(engine: CryptoEngine, json: unknown): Consensus | Rejection {
  if (isBftName((json as { readonly consensus?: unknown } | null)?.consensus)) return openBft(engine, json);
  return new Rejection("consensus-unsupported", `consensus: expected "ibft", "ibft2" or "qbft", the only ones in this image`);
}
