// What check.ts has two engines do: one key, one signature, one record, and headers of every consensus one after the other.
//
// Promises: every line of the answer is bytes in hexadecimal or the code of a refusal, and depends on nothing but the input
// and the key; so two engines that do the same give the same text.

import { fromHex, toHex } from "../../../firmware/bytes.js";
import { openChain } from "../../../firmware/chain/checkpoint.js";
import { CborWriter } from "../../../firmware/codec/cbor.js";
import type { CryptoEngine } from "../../../firmware/crypto/engine.js";
import { addressOf } from "../../../firmware/crypto/identity.js";
import type { Keys } from "../../../firmware/ports.js";
import { digestOf, encodeSign1, RECORD_PAYLOAD_BYTES_MAX } from "../../../firmware/record/cose.js";
import { decimal } from "../../../firmware/record/decimal.js";
import { encodeRecord, TIME_NTP } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";

export const SLOT = "mote";

export interface ProofChain {
  /** As `openChain` reads it. */
  readonly checkpoint: unknown;
  /** Raw headers in hexadecimal, each offered to the state after the last one that held. */
  readonly headers: readonly string[];
}

export interface ProofInput {
  /** 32 bytes, in hexadecimal. */
  readonly digest: string;
  readonly chains: readonly ProofChain[];
}

function bytes(hex: string): Uint8Array {
  const decoded = fromHex(hex);
  if (decoded instanceof Rejection) throw new Error(decoded.detail);
  return decoded;
}

/** The lines; throws where the key is not there, or a checkpoint is none. */
export function prove(engine: CryptoEngine, keys: Keys, input: ProofInput): readonly string[] {
  const key = keys.open(SLOT);
  if (key === undefined) throw new Error("no key");
  const publicKey = keys.publicKey(key);
  const sign = (digest: Uint8Array): Uint8Array => keys.sign(key, digest) as Uint8Array;
  const address = addressOf(engine, publicKey);
  const payload = somePayload();
  const record = encodeSign1(address, payload, sign(digestOf(engine, address, payload)));
  return [
    `public key ${toHex(publicKey)}`,
    `address ${toHex(address)}`,
    `signature ${toHex(sign(bytes(input.digest)))}`,
    `record ${toHex(record)}`,
    ...input.chains.flatMap((chain) => follow(engine, chain)),
  ];
}

function somePayload(): Uint8Array {
  const fields = {
    stream: 1,
    seq: 1234,
    prev: new Uint8Array(32).fill(7),
    boot: 3,
    time: 1_700_000_000,
    timeQuality: TIME_NTP,
    head: { chain: "eip155:1337", number: 19_000_000, hash: new Uint8Array(32).fill(9) },
    measurements: [
      { n: "temperature", u: "Cel", v: decimal(2137, -2) },
      { n: "humidity", u: "%RH", v: decimal(4821, -2) },
    ],
    fleet: { registry: new Uint8Array(20).fill(0xf1), chain: "eip155:1337" },
  };
  return encodeRecord(fields, new CborWriter(RECORD_PAYLOAD_BYTES_MAX)).slice();
}

/** For each header its hash and all that is believed after it, or why it is refused; the consensus' name before it. */
export function follow(engine: CryptoEngine, { checkpoint, headers }: ProofChain): string[] {
  const consensus = openChain(engine, checkpoint);
  if (consensus instanceof Rejection) throw new Error(consensus.detail);
  let trusted = consensus.checkpoint;
  return headers.map((hex) => {
    const header = consensus.decode(bytes(hex));
    const next = header instanceof Rejection ? header : consensus.verify(trusted, header);
    if (next instanceof Rejection) return `${consensus.name} refused ${next.code}`;
    trusted = next;
    return `${consensus.name} ${next.number} ${toHex(next.hash)} trusted ${toHex(consensus.serialize(next))}`;
  });
}
