// secp256k1 keys in C memory, behind handles (native/key-bindings.c).
//
// Promises: what `Keys` (ports.ts) promises, and that no byte of a private key is ever on the JavaScript heap: C draws it
// from the board's noise after the health tests of SP 800-90B, keeps it in the board's key store (domain `keys`, 32 bytes
// a slot, where SoftwareKeys would put it too), reads it back before it counts, signs with it in constant time (RFC 6979,
// s ≤ n/2), and wipes it. Never: answers a secret, replaces a key, signs with one that is closed.

import type { KeyHandle, Keys } from "../ports.js";
import { assert, Rejection } from "../rejection.js";

/** The object of C that owns a secret; opaque here. */
type Secret = object;

function keyOpen(this: unknown, slot: string): Secret | undefined {
  return native<Secret | undefined>("xs_key_open").call(this, slot);
}

function keyCreate(this: unknown, slot: string): Secret | string {
  return native<Secret | string>("xs_key_create").call(this, slot);
}

function keyPublic(this: unknown, secret: Secret): Uint8Array {
  return native<Uint8Array>("xs_key_public").call(this, secret);
}

function keySign(this: unknown, secret: Secret, digest: Uint8Array): Uint8Array {
  return native<Uint8Array>("xs_key_sign").call(this, secret, digest);
}

function keyClose(this: unknown, secret: Secret): undefined {
  return native<undefined>("xs_key_close").call(this, secret);
}

/** Why C refuses, in words; the codes are those of SoftwareKeys and HealthyEntropy. */
const REFUSALS: Readonly<Record<string, string>> = Object.freeze({
  "key-slot-taken": "the slot holds something, which is never replaced",
  "key-not-stored": "the store does not give the key back",
  "key-out-of-range": "a secret that is zero or not below n",
  "entropy-not-ready": "the noise source is not fed yet",
  "entropy-latched":
    "the noise source has failed a health test since the power came on: switch the board off and on to test it again",
  "entropy-repeats": "the noise source repeats one value",
  "entropy-biased": "the noise source prefers one value",
  "entropy-cycles": "the noise source repeats itself",
});

class NativeKeyHandle implements KeyHandle {
  readonly slot: string;
  readonly #owner: NativeKeys;
  readonly #secret: Secret;

  constructor(slot: string, owner: NativeKeys, secret: Secret) {
    this.slot = slot;
    this.#owner = owner;
    this.#secret = secret;
    Object.freeze(this);
  }

  /** Throws where `key` is not one that `owner` has made or opened. */
  static secretOf(key: KeyHandle, owner: NativeKeys): Secret {
    assert(key instanceof NativeKeyHandle && key.#owner === owner, "a key handle of these keys");
    return key.#secret;
  }
}

export class NativeKeys implements Keys {
  /** Throws where the slot holds anything but a key. */
  open(slot: string): KeyHandle | undefined {
    const secret = keyOpen(slot);
    return secret === undefined ? undefined : new NativeKeyHandle(slot, this, secret);
  }

  /** Refusals: the codes of `REFUSALS`. */
  create(slot: string): KeyHandle | Rejection {
    const made = keyCreate(slot);
    if (typeof made === "string") return new Rejection(made, REFUSALS[made] ?? "the native keys refuse");
    return new NativeKeyHandle(slot, this, made);
  }

  publicKey(key: KeyHandle): Uint8Array {
    return keyPublic(NativeKeyHandle.secretOf(key, this));
  }

  sign(key: KeyHandle, digest: Uint8Array): Uint8Array {
    return keySign(NativeKeyHandle.secretOf(key, this), digest);
  }

  close(key: KeyHandle): void {
    keyClose(NativeKeyHandle.secretOf(key, this));
  }
}
