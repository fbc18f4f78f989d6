// Bitcoin headers as a mote catches up with them: a relay's answer at a time, as the follower takes it.

import { HEADERS_PER_REQUEST_MAX } from "../../firmware/bus/wire.js";
import { fromHex } from "../../firmware/bytes.js";
import { type BitcoinCheckpoint, openBitcoin } from "../../firmware/chain/bitcoin/checkpoint.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { Rejection } from "../../firmware/rejection.js";

export interface BitcoinInputs {
  readonly checkpoint: BitcoinCheckpoint;
  /** Raw, in hexadecimal, from the checkpoint's child on. */
  readonly headers: readonly string[];
}

function sure<T>(value: T | Rejection, what: string): T {
  if (value instanceof Rejection) throw new Error(`${what}: ${value.code}: ${value.detail}`);
  return value;
}

export function bitcoinCase(engine: CryptoEngine, inputs: BitcoinInputs) {
  const consensus = sure(openBitcoin(engine, inputs.checkpoint), "checkpoint");
  const raws = inputs.headers.map((header) => sure(fromHex(header), "header"));
  return {
    name: "header-bitcoin",
    runs: 6,
    /** One run is a whole answer; what is told is the share of one header. */
    per: HEADERS_PER_REQUEST_MAX,
    run() {
      const batch = raws.slice(0, HEADERS_PER_REQUEST_MAX);
      const { trusted } = consensus.extend(consensus.checkpoint, batch, undefined);
      if (trusted.number !== HEADERS_PER_REQUEST_MAX) throw new Error(`stopped at ${trusted.number}`);
      return trusted;
    },
  };
}
