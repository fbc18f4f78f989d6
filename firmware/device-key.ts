// The device key: opened where its slot holds one, made once the radio is on; a network need not be there.
//
// Promises: nothing that the key store, the noise source or a secure element throws reaches the caller: it comes back as a
// `Rejection`, to be tried again. Never: a second key in the place of one that cannot be opened.

import type { CryptoEngine } from "./crypto/engine.js";
import { addressOf, checksumAddress } from "./crypto/identity.js";
import type { Device, KeyHandle } from "./ports.js";
import { Rejection } from "./rejection.js";

/** The slot of the key store that holds it. */
const KEY_SLOT = "device";

/**
 * @param noisy whether the radio feeds the noise source, so that a key may be made
 * @returns the key, its address (20 bytes), and whether it was made now; undefined where there is none yet
 */
export function openDeviceKey(
  device: Pick<Device, "keys" | "log">,
  engine: CryptoEngine,
  noisy: boolean,
): { key: KeyHandle; address: Uint8Array; created: boolean } | Rejection | undefined {
  const { keys, log } = device;
  try {
    let key: KeyHandle | undefined = keys.open(KEY_SLOT);
    const created = key === undefined;
    if (key === undefined) {
      if (!noisy) return undefined;
      const made = keys.create(KEY_SLOT);
      if ("code" in made) return new Rejection(made.code, made.detail);
      key = made;
    }
    const address = addressOf(engine, keys.publicKey(key));
    log.write("key", { address: checksumAddress(engine, address), created });
    return { key, address, created };
  } catch (error) {
    return new Rejection("key-failed", String(error));
  }
}
