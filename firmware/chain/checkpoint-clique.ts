// In place of checkpoint.ts where Clique is the only consensus that is followed: the module `chainmote/chain/checkpoint` of
// manifest-clique-only.json.

import type { CryptoEngine } from "../crypto/engine.js";
import { Rejection } from "../rejection.js";
import { openClique } from "./clique/checkpoint.js";
import type { Consensus } from "./consensus.js";

/** As checkpoint.ts. */
export function openChain(engine: CryptoEngine, json: unknown): Consensus | Rejection {
  if ((json as { readonly consensus?: unknown } | null)?.consensus === "clique") return openClique(engine, json);
  return new Rejection("consensus-unsupported", `consensus: expected "clique", the only one in this image`);
}
