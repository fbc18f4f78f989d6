// Motes for tests of the tools: keys drawn for the test, records chained as a mote chains them.

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { getPublicKey, hashes, sign, utils } from "@noble/secp256k1";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { addressOf } from "../../../firmware/crypto/identity.js";
import { digestOf, encodeSign1 } from "../../../firmware/record/cose.js";
import { decimal } from "../../../firmware/record/decimal.js";
import { encodeRecord, type RecordFields } from "../../../firmware/record/record.js";

hashes.sha256 = sha256;
hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);

export interface TestRecord {
  readonly sign1: Uint8Array;
  readonly digest: Uint8Array;
  readonly fields: RecordFields;
}

/** n of SEC 2 §2.4.1. */
export const secp256k1Order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

export const FLEET = { registry: new Uint8Array(20).fill(0xf1), chain: "eip155:31337" };

export class TestMote {
  readonly #secret = utils.randomSecretKey();
  readonly address = addressOf(nobleEngine, getPublicKey(this.#secret, false));
  #prev: Uint8Array = new Uint8Array(32);
  #seq = 0;

  /** The next record of this mote's chain; `change` alters fields. */
  next(change: Partial<RecordFields> = {}): TestRecord {
    const record = this.make({ seq: this.#seq, prev: this.#prev, ...change });
    this.#prev = record.digest;
    this.#seq = record.fields.seq + 1;
    return record;
  }

  /** r ‖ s over a digest, whatever it is of. */
  sign(digest: Uint8Array): Uint8Array {
    return sign(digest, this.#secret, { prehash: false, lowS: true });
  }

  /** A record that does not move the chain on. */
  make(change: Partial<RecordFields> = {}): TestRecord {
    const fields: RecordFields = {
      stream: 0,
      seq: this.#seq,
      prev: this.#prev,
      boot: 1,
      time: 1_800_000_000 + this.#seq,
      timeQuality: 3,
      head: { chain: "eip155:31337", number: 7, hash: new Uint8Array(32).fill(7) },
      measurements: [
        { bn: "mote/", n: "temperature", u: "Cel", v: decimal(2130 + this.#seq, -2) },
        { n: "humidity", u: "%RH", v: decimal(455, -1) },
      ],
      fleet: FLEET,
      ...change,
    };
    const payload = encodeRecord(fields);
    const digest = digestOf(nobleEngine, this.address, payload);
    const signature = this.sign(digest);
    return { sign1: encodeSign1(this.address, payload, signature), digest, fields };
  }
}
