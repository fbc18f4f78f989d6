// Software keys over a store that holds one given secret: the only way to sign with a key that is not drawn.

import { SoftwareKeys } from "../../../firmware/crypto/software-keys.js";
import type { KeyHandle } from "../../../firmware/ports.js";

const SLOT = "vector";

/** Keys with `secret` open. Throws where it is no key, as `Keys.open` does. */
export function opened(secret: Uint8Array): { keys: SoftwareKeys; key: KeyHandle } {
  const domain = {
    read: (slot: string) => (slot === SLOT ? (secret.slice().buffer as ArrayBuffer) : undefined),
    write: () => refuse(),
    delete: () => refuse(),
    close: () => undefined,
  };
  const keys = new SoftwareKeys({ entropy: { read: () => refuse() }, store: { open: () => domain } });
  const key = keys.open(SLOT);
  if (key === undefined) throw new Error("the slot came out empty");
  return { keys, key };
}

/** Whether these bytes are refused as a key. */
export function refusesSecret(secret: Uint8Array): boolean {
  try {
    opened(secret);
    return false;
  } catch (error) {
    return error instanceof Error && error.message.includes(SLOT);
  }
}

function refuse(): never {
  throw new Error("nothing is drawn or written here");
}
