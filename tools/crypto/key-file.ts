// A secp256k1 key in a file of the data folder: the collector's, and the signer's of the local chain.
//
// Promises: a new key comes from the system's generator, into a file that only its owner may read (mode 0600), and is whole on
// disk before it has its name, and before it is used. A file without a byte of content, as a crash may leave one, never held a key
// and is made anew. Never: gives the secret out, logs it, or replaces a file that holds anything. The file holds 64 hexadecimal digits
// and nothing else, the form that @ethereumjs/client reads.

import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { utils } from "@noble/secp256k1";
import { fromHex } from "../../firmware/bytes.js";
import { addressOf } from "../../firmware/crypto/identity.js";
import { curve } from "../../host-sim/crypto/engine-fast.js";
import { createWhole, makeFolder, removeEmpty } from "../files.js";
import { CommandError, plainText } from "../terminal.js";
import { engine } from "./engine.js";

export class KeyFile {
  readonly #secret: Uint8Array;
  /** Uncompressed, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** 20 bytes. */
  readonly address: Uint8Array;

  /** Reads the key at `path`, or makes one there. Throws with the file's name, never its content, where it holds no key. */
  static openOrCreate(path: string): KeyFile {
    makeFolder(dirname(path));
    removeEmpty(path);
    createWhole(path, newSecret().toString("hex"));
    // One that was copied here may have come with another mode.
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
    return new KeyFile(path);
  }

  /**
   * Reads the key of somebody who is named; makes none, and leaves the file as it is.
   * @param option what names it, for an error
   */
  static open(path: string, option: string): KeyFile {
    if (!existsSync(path))
      throw new CommandError(`${option} ${plainText(path, 200)}: there is no such file; it holds a key, 64 hexadecimal digits`);
    return new KeyFile(path);
  }

  private constructor(path: string) {
    const secret = fromHex(readFileSync(path, "utf8").trim());
    if (!(secret instanceof Uint8Array) || !utils.isValidSecretKey(secret))
      throw new Error(
        `${path} does not hold a secp256k1 key (64 hexadecimal digits): put the right file back; without it, remove this one, and a ` +
          "new key with another address is made",
      );
    this.#secret = secret;
    this.publicKey = curve.publicKey(secret);
    this.address = addressOf(engine, this.publicKey);
  }

  /** ECDSA over a 32-byte digest (RFC 6979, low s): r ‖ s, 64 bytes. */
  sign(digest: Uint8Array): Uint8Array {
    return curve.sign(digest, this.#secret);
  }
}

function newSecret(): Buffer {
  let secret = randomBytes(32);
  while (!utils.isValidSecretKey(secret)) secret = randomBytes(32);
  return secret;
}
