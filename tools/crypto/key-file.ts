// A secp256k1 key in a file of the data folder: the collector's, and the signer's of the local chain.
//
// Promises: a new key comes from the system's generator, into a file that only its owner may read (mode 0600), and is
// on disk before it is used. Never: gives the secret out, logs it, or replaces a file that is there. The file holds 64
// hexadecimal digits and nothing else, the form that @ethereumjs/client reads.

import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { getPublicKey, hashes, sign, utils } from "@noble/secp256k1";
import { fromHex } from "../../firmware/bytes.js";
import { addressOf } from "../../firmware/crypto/identity.js";
import { engine } from "./engine.js";

export class KeyFile {
  readonly #secret: Uint8Array;
  /** Uncompressed, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** 20 bytes. */
  readonly address: Uint8Array;

  /** Reads the key at `path`, or makes one there. Throws with the file's name, never its content, where it holds no key. */
  static openOrCreate(path: string): KeyFile {
    mkdirSync(dirname(path), { recursive: true });
    try {
      create(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    return new KeyFile(path);
  }

  private constructor(path: string) {
    const secret = fromHex(readFileSync(path, "utf8").trim());
    if (!(secret instanceof Uint8Array) || !utils.isValidSecretKey(secret))
      throw new Error(`${path} does not hold a secp256k1 key (64 hexadecimal digits)`);
    this.#secret = secret;
    this.publicKey = getPublicKey(secret, false);
    this.address = addressOf(engine, this.publicKey);
  }

  /** ECDSA over a 32-byte digest (RFC 6979, low s): r ‖ s, 64 bytes. */
  sign(digest: Uint8Array): Uint8Array {
    hashes.sha256 = sha256;
    hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);
    return sign(digest, this.#secret, { prehash: false, lowS: true });
  }
}

function create(path: string): void {
  const file = openSync(path, "wx", 0o600);
  try {
    let secret = randomBytes(32);
    while (!utils.isValidSecretKey(secret)) secret = randomBytes(32);
    writeSync(file, secret.toString("hex"));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
