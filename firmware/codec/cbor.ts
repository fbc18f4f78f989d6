// Deterministic CBOR (RFC 8949 §4.2.1) for the subset that chainmote signs: the face of cbor-value, cbor-encode,
// cbor-writer and cbor-decode. General CBOR belongs on the host, to cbor-x.

export { CborCursor } from "./cbor-cursor.js";
export { decode, decodeFirst } from "./cbor-decode.js";
export { ARRAY, encode, encodeFields, MAP, UINT } from "./cbor-encode.js";
export {
  type CborLimits,
  type CborValue,
  INT64_MIN,
  TAG_DECIMAL_FRACTION,
  Tagged,
  UINT64_MAX,
} from "./cbor-value.js";
export { CborWriter } from "./cbor-writer.js";
