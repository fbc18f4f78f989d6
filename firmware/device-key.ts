// The device key: opened where its slot holds one, made once the radio is on; a network need not be there.
//
// Promises: nothing that the key store, the noise source or a secure element throws reaches the caller: it comes back as a
// `Rejection`, to be tried again. An image of the profile production makes and opens its key only while the chip reads locked: secure boot,
// flash encryption in release mode, NVS encrypted. Its key lies in a slot of its own, so that a dev identity never carries over, nor back.
// Never: a second key in the place of one that cannot be opened.

import type { CryptoEngine } from "./crypto/engine.js";
import { addressOf, checksumAddress } from "./crypto/identity.js";
import type { Chip, Device, KeyHandle } from "./ports.js";
import { Rejection } from "./rejection.js";

/** The slots of the key store that hold it, by the image's profile. */
const DEV_SLOT = "device";
const PRODUCTION_SLOT = "sealed";

/**
 * @param noisy whether the radio feeds the noise source, so that a key may be made
 * @returns the key, its address (20 bytes), and whether it was made now; undefined where there is none yet
 */
export function openDeviceKey(
  device: Pick<Device, "keys" | "log" | "chip">,
  engine: CryptoEngine,
  noisy: boolean,
): { key: KeyHandle; address: Uint8Array; created: boolean } | Rejection | undefined {
  const { keys, log, chip } = device;
  try {
    const open = chip === undefined ? undefined : openness(chip);
    if (open !== undefined) return open;
    const slot = chip?.profile() === "production" ? PRODUCTION_SLOT : DEV_SLOT;
    let key: KeyHandle | undefined = keys.open(slot);
    const created = key === undefined;
    if (key === undefined) {
      if (!noisy) return undefined;
      const made = keys.create(slot);
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

/** What of a production board's chip is not locked; undefined where all of it is, and for dev. */
function openness(chip: Chip): Rejection | undefined {
  if (chip.profile() === "dev") return undefined;
  const { secureBoot, flashEncryption, nvsEncryption } = chip.security();
  const missing: string[] = [];
  if (!secureBoot) missing.push("secure boot is off");
  if (flashEncryption !== "release") missing.push(`flash encryption is ${flashEncryption}`);
  if (!nvsEncryption) missing.push("NVS is not encrypted");
  if (missing.length === 0) return undefined;
  return new Rejection("chip-unlocked", `no key in an image of the profile production: ${missing.join(", ")}`);
}
