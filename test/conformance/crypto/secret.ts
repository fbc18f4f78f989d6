// Software keys over a store that holds one given secret: the only way to sign with a key that is not drawn (on XS:
// under-test.ts).

import { SoftwareKeys } from "../../../firmware/crypto/software-keys.js";
import type { KeyHandle, Keys } from "../../../firmware/ports.js";

export const SLOT = "vector";

/** Keys with `secret` open. Throws where it is no key, as `Keys.open` does. */
export function openedBySoftware(secret: Uint8Array): { keys: Keys; key: KeyHandle } {
  const domain = {
    read: (slot: string) => (slot === SLOT ? (secret.slice().buffer as ArrayBuffer) : undefined),
    write: () => refuse(),
    delete: () => refuse(),
    close: () => undefined,
  };
  const keys = new SoftwareKeys({
    entropy: { read: () => refuse(), failed: () => false, fail: () => refuse() },
    store: { open: () => domain },
  });
  const key = keys.open(SLOT);
  if (key === undefined) throw new Error("the slot came out empty");
  return { keys, key };
}

function refuse(): never {
  throw new Error("nothing is drawn or written here");
}
