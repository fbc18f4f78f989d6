// Engine and keys of a board in C: the module `chainmote/crypto` of the manifest.
//
// Promises: one choice for the whole firmware, made where the firmware is put together and not in it. Private keys stay
// in C memory. Never: draws on the entropy port or the key-value storage: C asks the same chip itself (native/board.h).
//
// It imports by the names that modules have on a board, for XS resolves a relative path from a module's name, not its file.

import type { CryptoEngine } from "chainmote/crypto/engine";
import { nativeEngine } from "chainmote/crypto/engine-native";
import { NativeKeys } from "chainmote/crypto/native-keys";
import type { Entropy, Keys, KeyValueStorage } from "chainmote/ports";

export const engine: CryptoEngine = nativeEngine;

export function createKeys(_board: { readonly entropy: Entropy; readonly store: KeyValueStorage }): Keys {
  return new NativeKeys();
}
