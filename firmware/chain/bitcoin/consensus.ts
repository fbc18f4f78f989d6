// Bitcoin: the chain with the most work (Nakamoto consensus; bitcoin/bitcoin `src/pow.cpp` and `src/validation.cpp`; BIPs 34,
// 65, 66, 94, 113), headers alone. docs/header-rules.md lists every rule with its code.
//
// Promises: every header since the checkpoint is walked: its work, its link, the bits that the retarget asks for, its time.
// There is no jump, since work that was not seen cannot be counted. States are new objects of bounded size; a header costs
// two SHA-256 and no arithmetic on large integers, save where the bits change. Never judges transactions or signet's block script.
//
// A block counts as settled once six blocks (`SETTLED_DEPTH`) have been built on it: a probability, not finality.

import { equal, fromText } from "../../bytes.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { Rejection } from "../../rejection.js";
import { type Consensus, type Extension, HASH_BYTES } from "../consensus.js";
import { takePlain } from "./batch.js";
import { type BitcoinHeader, DELTA_BYTES, decodeBitcoinHeader, TIME_AT } from "./header.js";
import { type BitcoinRules, CLOCK_DRIFT_S, checkClaim } from "./rules.js";
import { BitcoinTrusted, deserializeBitcoin, serializeBitcoin, settledAt, timesAfter } from "./state.js";
import { bitsFault, isAbove } from "./target.js";

export class Bitcoin implements Consensus<BitcoinHeader, BitcoinTrusted> {
  readonly name = "bitcoin";
  readonly chain: string;
  readonly rules: Uint8Array;
  readonly clockDriftS = CLOCK_DRIFT_S;
  readonly checkpoint: BitcoinTrusted;
  readonly #engine: CryptoEngine;
  readonly #rules: BitcoinRules;

  constructor(engine: CryptoEngine, rules: BitcoinRules, checkpoint: BitcoinTrusted) {
    this.#engine = engine;
    this.#rules = rules;
    this.chain = rules.chain;
    this.checkpoint = checkpoint;
    this.rules = fromText(`bitcoin ${rules.chain}`);
  }

  decode(raw: Uint8Array): BitcoinHeader | Rejection {
    return decodeBitcoinHeader(this.#engine, this.#rules, raw);
  }

  check(trusted: BitcoinTrusted, header: BitcoinHeader, nowS: number | undefined): Rejection | undefined {
    if (!equal(header.parentHash, trusted.hash)) return new Rejection("parent-wrong", `not the child of block ${trusted.number}`);
    return checkClaim(this.#rules, trusted, header, nowS);
  }

  /** The work was checked by `decode`: nothing costly is left. */
  authenticate(trusted: BitcoinTrusted, header: BitcoinHeader): BitcoinTrusted {
    const { hash, timeS, bits, raw } = header;
    const delta = new Uint8Array(DELTA_BYTES);
    delta.set(hash);
    delta.set(raw.subarray(TIME_AT, TIME_AT + DELTA_BYTES - HASH_BYTES), HASH_BYTES);
    return this.next(trusted, hash, timeS, bits, delta);
  }

  verify(trusted: BitcoinTrusted, header: BitcoinHeader, nowS?: number): BitcoinTrusted | Rejection {
    return this.check(trusted, header, nowS) ?? this.authenticate(trusted, header);
  }

  replay(trusted: BitcoinTrusted, delta: Uint8Array): BitcoinTrusted | Rejection {
    if (delta.length !== DELTA_BYTES) return new Rejection("delta-malformed", `${delta.length} bytes, not ${DELTA_BYTES}`);
    const view = new DataView(delta.buffer, delta.byteOffset, DELTA_BYTES);
    const bits = view.getUint32(HASH_BYTES + 4, true);
    if (bitsFault(bits) !== undefined || isAbove(bits, this.#rules.limitBits))
      return new Rejection("delta-malformed", `bits 0x${bits.toString(16)}`);
    return this.next(trusted, delta.subarray(0, HASH_BYTES), view.getUint32(HASH_BYTES, true), bits, delta);
  }

  serialize(trusted: BitcoinTrusted): Uint8Array {
    return serializeBitcoin(trusted);
  }

  deserialize(bytes: Uint8Array): BitcoinTrusted | Rejection {
    return deserializeBitcoin(bytes);
  }

  extend(trusted: BitcoinTrusted, raws: readonly Uint8Array[], nowS: number | undefined): Extension<BitcoinTrusted> {
    const deltas: Uint8Array[] = [];
    let tip = trusted;
    for (;;) {
      tip = takePlain(this.#engine, this.#rules, tip, raws, deltas.length, nowS, deltas);
      const raw = raws[deltas.length];
      const header = raw === undefined ? undefined : this.decode(raw);
      if (header === undefined || header instanceof Rejection) break;
      const next = this.verify(tip, header, nowS);
      if (next instanceof Rejection) break;
      deltas.push(next.delta);
      tip = next;
    }
    return { trusted: tip, deltas };
  }

  private next(trusted: BitcoinTrusted, hash: Uint8Array, timeS: number, bits: number, delta: Uint8Array): BitcoinTrusted {
    const rules = this.#rules;
    const number = trusted.number + 1;
    const starts = number % rules.period === 0;
    const times = timesAfter(trusted.times, timeS);
    const { settled, settledTimeS } = settledAt(trusted, number, times);
    const runs = bits === trusted.bits;
    return new BitcoinTrusted({
      number,
      hash,
      timeS,
      bits,
      times,
      periodStartTimeS: starts ? timeS : trusted.periodStartTimeS,
      periodStartBits: starts ? bits : trusted.periodStartBits,
      periodBits: starts || bits !== rules.limitBits ? bits : trusted.periodBits,
      settled,
      settledTimeS,
      workBefore: runs ? trusted.workBefore : trusted.totalDifficulty,
      run: runs ? trusted.run + 1 : 1,
      delta,
    });
  }
}
