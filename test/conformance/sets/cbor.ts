// The deterministic CBOR codec of the firmware over public vectors. COSE has a set of its own.
//
// A vector inside the subset has to decode, to the value that stands beside it, and to encode to the same bytes again. An
// invalid one, and one that is not deterministic, has to be refused. Whatever is refused as `cbor-unsupported` is counted
// apart: it lies outside the subset, so nothing else was tried on it. The limits are wider than on a board, since some vectors
// nest a thousand levels.

import { fromHex, toHex } from "../../../firmware/bytes.js";
import { type CborLimits, type CborValue, decode, encode } from "../../../firmware/codec/cbor.js";
import { Rejection } from "../../../firmware/rejection.js";
import { exactJson, fromDiagnostic, fromJson } from "../notation.js";
import { type ConformanceSet, type Outcome, skip, type VectorFile } from "../set.js";

const LIMITS: CborLimits = { depthMax: 2048, bytesMax: 1 << 20, itemsMax: 1 << 20 };
const OUTSIDE = "outside the subset, refused as unsupported";
const RECORD_NAME_MAX = 40;

const APPENDIX_A = "cbor/rfc8949/appendix_a.json";
const FAIL = "cbor/rfc8949/fail.json";
const WORKING_GROUP = "cbor/cbor-wg/**/*.json";
const DCBOR_VALID = "cbor/dcbor/valid.json";
const DCBOR_INVALID = "cbor/dcbor/invalid.json";
const NOT_WELL_FORMED = "cbor/qcbor_not_well_formed.json";

interface Vector {
  readonly hex?: string;
  readonly encoded?: string;
  readonly decoded?: unknown;
  readonly diagnostic?: string;
  readonly decoded_edn?: string | null;
  readonly fail?: boolean;
  readonly roundtrip?: boolean;
  readonly skipDecode?: boolean;
  readonly context?: boolean;
}

export const set: ConformanceSet = {
  name: "cbor",
  paths: [APPENDIX_A, FAIL, WORKING_GROUP, DCBOR_VALID, DCBOR_INVALID, NOT_WELL_FORMED],
  async run(report) {
    await report.each(APPENDIX_A, (file) =>
      each(file, (bytes, vector) =>
        vector.roundtrip === false ? refused(bytes) : accepted(bytes, expected(vector), vector.roundtrip === true),
      ),
    );
    await report.each(FAIL, (file) => each(file, refused));
    await report.each(WORKING_GROUP, (file) =>
      each(file, (bytes, vector) =>
        vector.fail === true || vector.roundtrip === false
          ? refused(bytes)
          : accepted(bytes, expected(vector), vector.roundtrip === true),
      ),
    );
    // Here roundtrip = false only says that a JavaScript number cannot hold the value; skipDecode, that the value was reduced.
    await report.each(DCBOR_VALID, (file) =>
      each(file, (bytes, vector) =>
        accepted(bytes, vector.skipDecode === true ? undefined : expected(vector), vector.roundtrip === true),
      ),
    );
    await report.each(DCBOR_INVALID, (file) => each(file, (bytes) => (isOnlyNotNfc(bytes) ? NOT_NFC : refused(bytes))));
    await report.each(NOT_WELL_FORMED, (file) => each(file, refused));
  },
};

/** Runs `test` on every vector of a file that is one JSON array. */
function each(file: VectorFile, test: (bytes: Uint8Array, vector: Vector) => Outcome): void {
  (exactJson(file.text()) as (Vector | null)[]).forEach((vector, index) => {
    const hex = vector?.hex ?? vector?.encoded;
    if (vector?.context === true) return;
    if (vector === null || typeof hex !== "string") {
      file.check(index, () => "no bytes beside it");
      return;
    }
    file.check(`${index} (${hex.slice(0, RECORD_NAME_MAX)})`, () => {
      const bytes = fromHex(hex);
      return bytes instanceof Rejection ? bytes.toString() : test(bytes, vector);
    });
  });
}

/** The value beside a vector, as a thunk: notation outside the subset only matters where the bytes are accepted. */
function expected(vector: Vector): (() => CborValue) | undefined {
  const notation = vector.decoded_edn ?? vector.diagnostic;
  if (typeof notation === "string") return () => fromDiagnostic(notation);
  if (vector.decoded === undefined) return undefined;
  return () => fromJson(vector.decoded);
}

function accepted(bytes: Uint8Array, value: (() => CborValue) | undefined, roundtrip: boolean): Outcome {
  const decoded = decode(bytes, LIMITS);
  if (decoded instanceof Rejection) return decoded.code === "cbor-unsupported" ? skip(OUTSIDE) : decoded.toString();
  // One value has one encoding, so equal bytes are equal values.
  const again = toHex(encode(decoded, LIMITS.bytesMax, LIMITS.depthMax));
  if (value !== undefined) {
    const wanted = toHex(encode(value(), LIMITS.bytesMax, LIMITS.depthMax));
    if (again !== wanted) return `decodes to what encodes as ${again}; the value beside it encodes as ${wanted}`;
  }
  return roundtrip && again !== toHex(bytes) ? `encodes to ${again}` : undefined;
}

function refused(bytes: Uint8Array): Outcome {
  const decoded = decode(bytes, LIMITS);
  if (!(decoded instanceof Rejection)) return "accepted";
  return decoded.code === "cbor-unsupported" ? skip(OUTSIDE) : undefined;
}

const NOT_NFC = skip("text that is not in NFC: refused by dCBOR alone, RFC 8949 §4.2 accepts it");

/** Whether all that can be said against an item is that it is a text which Unicode would normalize. */
function isOnlyNotNfc(bytes: Uint8Array): boolean {
  const decoded = decode(bytes, LIMITS);
  return typeof decoded === "string" && decoded.normalize("NFC") !== decoded;
}
