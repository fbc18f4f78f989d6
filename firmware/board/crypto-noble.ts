// Engine and keys in JavaScript: what `chainmote/crypto` is where no C can be compiled in.
//
// Promises: the same interface as crypto-native.ts. Never: on a board; it is too slow and too large there.

import type { CryptoEngine } from "../crypto/engine.js";
import { nobleEngine } from "../crypto/engine-noble.js";
import { SoftwareKeys } from "../crypto/software-keys.js";
import type { Entropy, Keys, KeyValueStorage } from "../ports.js";

export const engine: CryptoEngine = nobleEngine;

export function createKeys({ entropy, store }: { readonly entropy: Entropy; readonly store: KeyValueStorage }): Keys {
  return new SoftwareKeys({ engine, entropy, store });
}
