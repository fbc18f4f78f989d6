// Which messages the collector refuses for good, and its word for that: docs/record-format.md, "Payloads of a collector".
//
// Promises: a refusal is signed only for what no later message of the same bytes could change: another fleet, a payload of
// another form or version, a signature that does not hold, a record in another mote's topic; it names the message byte for
// byte, so that it can end the waiting of nobody but who sent just that; each mote gets QUOTA_PER_MOTE a minute at most, all
// together QUOTA. Never: for what could not be said, or might be stored later: a store that is away, a limit, an overload.

import { toHex } from "../../firmware/bytes.js";
import { decode } from "../../firmware/codec/cbor.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { decodeSign1 } from "../../firmware/record/cose.js";
import { encodeRefusal, REFUSED } from "../../firmware/record/receipt.js";
import { Rejection } from "../../firmware/rejection.js";

export const QUOTA_PER_MOTE = 64;
export const QUOTA = 2_000;
const QUOTA_MS = 60_000;

const KEY_SEQ = 1;
const KEY_STREAM = 10;

/** What codes of `checkRecord` are final, and the reason that a refusal gives; a code that is not here is not answered. */
export function reasonOf(code: string): number | undefined {
  if (code === "fleet-foreign") return REFUSED.fleet;
  if (code === "payload-type") return REFUSED.version;
  if (code === "payload-malformed" || code === "senml-malformed" || code.startsWith("cbor-")) return REFUSED.form;
  if (code === "signature-invalid" || code === "signature-high-s") return REFUSED.signature;
  return code === "address-foreign" ? REFUSED.address : undefined;
}

export class Refusals {
  readonly #engine: CryptoEngine;
  readonly #now: () => number;
  /** Refusals in this minute, by mote. */
  readonly #signed = new Map<string, number>();
  #minuteMs = Number.NEGATIVE_INFINITY;
  #sum = 0;

  /** @param now milliseconds that only rise */
  constructor(engine: CryptoEngine, now: () => number = () => performance.now()) {
    this.#engine = engine;
    this.#now = now;
  }

  /**
   * The payload to sign and send to the mote in whose topic `message` came, or undefined where there is to be no answer: the
   * reason is not final, no place can be read out of the message, or the quota is used up.
   * @param address of the mote in the topic, 20 bytes
   */
  answer(address: Uint8Array, message: Uint8Array, { code }: Rejection): Uint8Array | undefined {
    const reason = reasonOf(code);
    const place = reason === undefined ? undefined : placeIn(message);
    if (reason === undefined || place === undefined || !this.#within(toHex(address))) return undefined;
    return encodeRefusal({ ...place, message: this.#engine.sha256(message), mote: address, reason });
  }

  #within(mote: string): boolean {
    const nowMs = this.#now();
    if (nowMs - this.#minuteMs >= QUOTA_MS) {
      this.#minuteMs = nowMs;
      this.#signed.clear();
      this.#sum = 0;
    }
    const signed = this.#signed.get(mote) ?? 0;
    if (this.#sum >= QUOTA || signed >= QUOTA_PER_MOTE) return false;
    this.#signed.set(mote, signed + 1);
    this.#sum += 1;
    return true;
  }
}

/** Stream and seq that a message claims, if its payload is a map that has both, whatever else it is. */
function placeIn(message: Uint8Array): { seq: number; stream: number } | undefined {
  const parts = decodeSign1(message);
  const map = parts instanceof Rejection ? parts : decode(parts.payload);
  if (!(map instanceof Map)) return undefined;
  const [seq, stream] = [map.get(KEY_SEQ), map.get(KEY_STREAM)];
  if (typeof seq !== "number" || typeof stream !== "number" || seq < 0 || stream < 0) return undefined;
  return { seq, stream };
}
