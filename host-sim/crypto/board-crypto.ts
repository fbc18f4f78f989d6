// `chainmote/crypto` of a board whose firmware runs on Node: the fast engine, and keys whose arithmetic is its own.
//
// Promises: the interface of firmware/board/crypto-noble.ts, and its bytes. `"crypto": "noble"` in board.json takes that in its place.

import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { SoftwareKeys } from "../../firmware/crypto/software-keys.js";
import type { Entropy, Keys, KeyValueStorage } from "../../firmware/ports.js";
import { curve, fastEngine } from "./engine-fast.js";

export const engine: CryptoEngine = fastEngine;

export function createKeys({ entropy, store }: { readonly entropy: Entropy; readonly store: KeyValueStorage }): Keys {
  return new SoftwareKeys({ arithmetic: curve, engine, entropy, store });
}
