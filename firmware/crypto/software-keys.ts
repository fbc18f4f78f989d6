// secp256k1 keys in JavaScript memory, for hosts and for boards without the native engine.
//
// Promises: a key is drawn from the board's entropy alone, after the health tests of SP 800-90B and with
// 1 ≤ d < n (SEC 1 v2 §3.2.1), and is used only once the store gives it back; signatures are deterministic (RFC 6979,
// SHA-256) with s ≤ n/2. The secret sits behind a frozen handle that shows its slot and nothing else.
// Never: returns or prints a secret, replaces a key, signs with one that is closed. Not constant-time: the arithmetic, where no
// other is handed in, is JavaScript's BigInt, whose intermediate values this file cannot wipe (docs/threat-model.md).

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { getPublicKey, hashes, sign, utils } from "@noble/secp256k1";
import { equal } from "../bytes.js";
import type { Entropy, KeyHandle, Keys, KeyValueDomain, KeyValueStorage } from "../ports.js";
import { assert, Rejection } from "../rejection.js";
import type { CryptoEngine } from "./engine.js";
import { HealthyEntropy } from "./entropy-health.js";

/** The domain of the key-value store that holds keys, one a slot: d, 32 bytes, big-endian. */
export const KEYS_DOMAIN = "keys";
const SLOT_CHARACTERS_MAX = 15;
const SECRET_BYTES = 32;
const DIGEST_BYTES = 32;

/** What needs the bytes of a secret, 1 ≤ d < n in 32 bytes. */
export interface SecretArithmetic {
  /** Uncompressed, 65 bytes. */
  publicKey(secret: Uint8Array): Uint8Array;
  /** ECDSA over a digest of 32 bytes (RFC 6979, SHA-256, no extra entropy; s ≤ n/2): r ‖ s, 64 bytes. */
  sign(digest: Uint8Array, secret: Uint8Array): Uint8Array;
}

export interface SoftwareKeysOptions {
  entropy: Entropy;
  store: KeyValueStorage;
  /** That of @noble/secp256k1 where absent. */
  arithmetic?: SecretArithmetic;
  /** Where given, each signature is verified with it before it leaves: a fault in a deterministic one gives the key away. */
  engine?: CryptoEngine;
}

interface Held {
  readonly secret: Uint8Array;
  publicKey: Uint8Array | undefined;
}

export class SoftwareKeys implements Keys {
  readonly #entropy: Entropy;
  readonly #store: KeyValueStorage;
  readonly #engine: CryptoEngine | undefined;
  readonly #arithmetic: SecretArithmetic;
  readonly #held = new WeakMap<KeyHandle, Held>();

  constructor(options: SoftwareKeysOptions) {
    this.#entropy = options.entropy;
    this.#store = options.store;
    this.#engine = options.engine;
    this.#arithmetic = options.arithmetic ?? nobleArithmetic();
  }

  /** Throws where the slot holds anything but a key. */
  open(slot: string): KeyHandle | undefined {
    const secret = this.#load(slot);
    return secret === undefined ? undefined : this.#hold(slot, secret);
  }

  /**
   * Refusals: `key-slot-taken`; `key-not-stored` where the store does not give the key back; those of `HealthyEntropy`
   * (`entropy-not-ready`, `entropy-latched`, `entropy-repeats`, `entropy-biased`, `entropy-cycles`); `key-out-of-range`.
   */
  create(slot: string): KeyHandle | Rejection {
    const present = this.#load(slot);
    if (present !== undefined) {
      present.fill(0);
      return new Rejection("key-slot-taken", `the slot ${slot} holds a key, which is never replaced`);
    }
    const secret = new Uint8Array(SECRET_BYTES);
    const refusal = new HealthyEntropy(this.#entropy).read(secret) ?? outOfRange(secret) ?? this.#keep(slot, secret);
    if (refusal === undefined) return this.#hold(slot, secret);
    secret.fill(0);
    return refusal;
  }

  publicKey(key: KeyHandle): Uint8Array {
    const held = this.#holding(key);
    held.publicKey ??= this.#arithmetic.publicKey(held.secret);
    return held.publicKey.slice();
  }

  sign(key: KeyHandle, digest: Uint8Array): Uint8Array {
    const held = this.#holding(key);
    assert(digest instanceof Uint8Array && digest.length === DIGEST_BYTES, "a digest of 32 bytes");
    const signature = this.#arithmetic.sign(digest, held.secret);
    if (this.#engine !== undefined)
      assert(this.#engine.secp256k1.verify(signature, digest, this.publicKey(key)), "a signature that its own key verifies");
    return signature;
  }

  close(key: KeyHandle): void {
    const held = this.#held.get(key);
    held?.secret.fill(0);
    this.#held.delete(key);
  }

  #hold(slot: string, secret: Uint8Array): KeyHandle {
    const handle: KeyHandle = Object.freeze({ slot });
    this.#held.set(handle, { secret, publicKey: undefined });
    return handle;
  }

  #holding(key: KeyHandle): Held {
    const held = this.#held.get(key);
    if (held === undefined) throw new Error("this key handle is closed, or is not of these keys");
    return held;
  }

  /** The secret in `slot`, in a buffer of its own; what the store returned is wiped. */
  #load(slot: string): Uint8Array | undefined {
    assertSlot(slot);
    return this.#inDomain((domain) => {
      const stored = domain.read(slot);
      if (stored === undefined) return undefined;
      const value = new Uint8Array(stored);
      const secret = value.slice();
      value.fill(0);
      if (secret.length === SECRET_BYTES && outOfRange(secret) === undefined) return secret;
      secret.fill(0);
      throw new Error(`the key slot ${slot} holds something else than a key`);
    });
  }

  #keep(slot: string, secret: Uint8Array): Rejection | undefined {
    return this.#inDomain((domain) => {
      try {
        domain.write(slot, secret);
        const stored = domain.read(slot);
        const value = stored === undefined ? undefined : new Uint8Array(stored);
        const kept = value !== undefined && equal(value, secret);
        value?.fill(0);
        if (kept) return undefined;
        domain.delete(slot); // nothing was signed with it yet
      } catch (error) {
        return new Rejection("key-not-stored", error instanceof Error ? error.message : "the store refuses");
      }
      return new Rejection("key-not-stored", `the store gives slot ${slot} back differently`);
    });
  }

  #inDomain<T>(use: (domain: KeyValueDomain) => T): T {
    const domain = this.#store.open({ path: KEYS_DOMAIN, format: "buffer" });
    try {
      return use(domain);
    } finally {
      domain.close();
    }
  }
}

/** That of @noble/secp256k1: the reference. */
export function nobleArithmetic(): SecretArithmetic {
  hashes.sha256 = sha256;
  hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);
  return {
    publicKey: (secret) => getPublicKey(secret, false),
    sign: (digest, secret) => sign(digest, secret, { prehash: false, lowS: true }),
  };
}

function outOfRange(secret: Uint8Array): Rejection | undefined {
  return utils.isValidSecretKey(secret) ? undefined : new Rejection("key-out-of-range", "a secret that is zero or not below n");
}

function assertSlot(slot: string): void {
  assert(slot.length >= 1 && slot.length <= SLOT_CHARACTERS_MAX, `a slot of 1 to ${SLOT_CHARACTERS_MAX} characters`);
}
