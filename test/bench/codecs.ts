// One record encoded, signed and verified by our codec, by cbor-x and by cborg, side by side: the same fields, the same
// engine and key, the same checks around them. What differs is who writes and reads CBOR and COSE.
//
// Before anything is measured, each must verify what it signed, and ours must verify what cborg signed: the bytes are equal.

import * as cborX from "cbor-x";
import * as cborg from "cborg";
import { equal } from "../../firmware/bytes.js";
import { CborWriter } from "../../firmware/codec/cbor.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { addressOf } from "../../firmware/crypto/identity.js";
import { digestOf, encodeSign1, RECORD_PAYLOAD_BYTES_MAX, verifySign1 } from "../../firmware/record/cose.js";
import type { Decimal } from "../../firmware/record/decimal.js";
import { decodeRecord, encodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import { type BenchCase, recordFields } from "./cases.js";
import { nodeBoard } from "./node-board.js";

const ES256K = -47;
const TAG_SIGN1 = 18;
const TAG_DECIMAL = 4;

/** A general codec: maps with integer keys, byte strings and tags. */
interface Codec {
  readonly name: string;
  encode(value: unknown): Uint8Array;
  decode(bytes: Uint8Array): unknown;
  tag(tag: number, value: unknown): unknown;
  untag(value: unknown, tag: number): unknown;
}

const cborXCodec = new cborX.Encoder({ useRecords: false, variableMapSize: true, tagUint8Array: false, mapsAsObjects: false });
const cborgTags = cborg.Tagged.preserve(TAG_SIGN1, TAG_DECIMAL);

const CODECS: readonly Codec[] = [
  {
    name: "cbor-x",
    encode: (value) => new Uint8Array(cborXCodec.encode(value)),
    decode: (bytes) => cborXCodec.decode(bytes),
    tag: (tag, value) => new cborX.Tag(value, tag),
    untag: (value, tag) => (value instanceof cborX.Tag && value.tag === tag ? value.value : undefined),
  },
  {
    name: "cborg",
    encode: (value) => cborg.encode(value, cborg.rfc8949EncodeOptions),
    decode: (bytes) => cborg.decode(bytes, { useMaps: true, strict: true, tags: cborgTags }),
    tag: (tag, value) => new cborg.Tagged(tag, value),
    untag: (value, tag) => (value instanceof cborg.Tagged && value.tag === tag ? value.value : undefined),
  },
];

export function codecCases(engine: CryptoEngine): BenchCase[] {
  const { keys } = nodeBoard(engine);
  const key = keys.create("codecs");
  if ("code" in key) throw new Error(key.detail);
  const address = addressOf(engine, keys.publicKey(key));
  const sign = (digest: Uint8Array): Uint8Array => keys.sign(key, digest) as Uint8Array;
  const ours = ourCases(engine, address, sign);
  const others = CODECS.map((codec) => generalCases(codec, engine, address, sign));
  const signed = others.map(([, signs]) => (signs as BenchCase).run() as Uint8Array);
  const verified = verifySign1(engine, signed[1] as Uint8Array);
  if (verified instanceof Rejection) throw new Error(`cborg's record does not hold here: ${verified.detail}`);
  const all = [ours, ...others];
  for (const one of all.flat()) if (one.run() === false) throw new Error(`${one.name} does not hold`);
  return ["encode", "sign", "verify"].flatMap((_, i) => all.map((cases) => cases[i] as BenchCase));
}

function ourCases(engine: CryptoEngine, address: Uint8Array, sign: (digest: Uint8Array) => Uint8Array): BenchCase[] {
  const fields = recordFields();
  const writer = new CborWriter(RECORD_PAYLOAD_BYTES_MAX);
  const make = (): Uint8Array => {
    const payload = encodeRecord(fields, writer);
    return encodeSign1(address, payload, sign(digestOf(engine, address, payload)));
  };
  const made = make();
  return [
    { name: "encode-ours", runs: 1, run: () => encodeRecord(fields, writer) },
    { name: "sign-ours", runs: 1, run: make },
    {
      name: "verify-ours",
      runs: 1,
      run() {
        const verified = verifySign1(engine, made);
        return !(verified instanceof Rejection) && !(decodeRecord(verified.payload) instanceof Rejection);
      },
    },
  ];
}

function generalCases(
  codec: Codec,
  engine: CryptoEngine,
  address: Uint8Array,
  sign: (digest: Uint8Array) => Uint8Array,
): BenchCase[] {
  const fields = recordFields();
  const map = mapOf(codec, fields);
  const payloadOf = (): Uint8Array => codec.encode(map);
  const digest = (protectedHeader: Uint8Array, payload: Uint8Array): Uint8Array =>
    engine.sha256(codec.encode(["Signature1", protectedHeader, new Uint8Array(0), payload]));
  const make = (): Uint8Array => {
    const payload = payloadOf();
    const header = codec.encode(
      new Map<number, unknown>([
        [1, ES256K],
        [4, address],
      ]),
    );
    return codec.encode(codec.tag(TAG_SIGN1, [header, new Map(), payload, sign(digest(header, payload))]));
  };
  const holds = (bytes: Uint8Array): boolean => {
    const parts = codec.untag(codec.decode(bytes), TAG_SIGN1) as readonly Uint8Array[];
    const [header, , payload, signature] = parts as [Uint8Array, unknown, Uint8Array, Uint8Array];
    const kid = (codec.decode(header) as ReadonlyMap<number, Uint8Array>).get(4) as Uint8Array;
    const hash = digest(new Uint8Array(header), new Uint8Array(payload));
    const signer = [0, 1].some((id) => {
      const publicKey = engine.secp256k1.recover(new Uint8Array(signature), id, hash);
      return publicKey !== undefined && equal(addressOf(engine, publicKey), new Uint8Array(kid));
    });
    return signer && (codec.decode(payload) as ReadonlyMap<number, unknown>).get(1) === fields.seq;
  };
  const made = make();
  return [
    { name: `encode-${codec.name}`, runs: 1, run: payloadOf },
    { name: `sign-${codec.name}`, runs: 1, run: make },
    { name: `verify-${codec.name}`, runs: 1, run: () => holds(made) },
  ];
}

/** The payload's map, as docs/record-format.md has it; its keys rise, so an encoder that keeps their order is right too. */
function mapOf(codec: Codec, fields: RecordFields): Map<number, unknown> {
  const { seq, prev, boot, time, timeQuality, head, measurements, fleet, stream } = fields;
  const pack = measurements.map(({ n, u, v }) => {
    const { exponent, mantissa } = v as Decimal;
    const value = codec.tag(TAG_DECIMAL, [exponent, mantissa]);
    return new Map<number, unknown>([
      [0, n],
      [1, u],
      [2, value],
    ]);
  });
  return new Map<number, unknown>([
    [0, 1],
    [1, seq],
    [2, prev],
    [3, boot],
    [4, time],
    [5, timeQuality],
    [6, [head?.chain, head?.number, head?.hash]],
    [7, pack],
    [9, [fleet.registry, fleet.chain]],
    [10, stream],
  ]);
}
