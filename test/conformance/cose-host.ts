// COSE_Sign1 and COSE_Sign as published examples use them (RFC 9052 §4): any header, several algorithms, external data and
// detached payloads. For the host only: a mote knows one profile (firmware/record/cose.ts).
//
// The message is read by cborg, since examples go beyond our subset; Sig_structure is encoded by the firmware's codec, which is
// what these examples are to judge; signatures are OpenSSL's matter. Never a verdict "valid" for an algorithm, a tag or a header
// that is not understood.

import { constants, createPublicKey, type KeyObject, verify } from "node:crypto";
import { Tagged as CborgTagged, decode as cborgDecode } from "cborg";
import { encode } from "../../firmware/codec/cbor.js";

const TAG_SIGN1 = 18;
const TAG_SIGN = 98;
const LABEL_ALG = 1;
/** Tags that may stand in a message: of COSE (RFC 9052 §2), CWT (RFC 8392) and SUIT. */
const TAGS_KNOWN = [16, TAG_SIGN1, 17, 61, 96, 97, TAG_SIGN, 107];
const PAYLOAD_BYTES_MAX = 1 << 20;

type Header = ReadonlyMap<unknown, unknown>;

export interface Signature {
  /** As it stands in the message; an empty map is an empty byte string in Sig_structure. */
  readonly protectedBytes: Uint8Array;
  readonly headers: Header;
  readonly signature: Uint8Array;
}

export interface Message {
  /** Where it is a COSE_Sign; undefined for a COSE_Sign1. */
  readonly bodyProtected: Uint8Array | undefined;
  /** null where it is detached. */
  readonly payload: Uint8Array | null;
  readonly signatures: readonly Signature[];
}

/** Any well-formed CBOR with the tags of COSE; throws otherwise, and for a map key that comes twice. */
export function decodeAny(bytes: Uint8Array): unknown {
  return cborgDecode(bytes, { useMaps: true, rejectDuplicateMapKeys: true, tags: CborgTagged.preserve(...TAGS_KNOWN) });
}

/** A COSE_Sign1, tagged or (where `untagged`) not; throws where it is none. */
export function parseSign1(bytes: Uint8Array, untagged = false): Message {
  const [protectedBytes, unprotected, payload, signature] = items(decodeAny(bytes), untagged ? undefined : TAG_SIGN1);
  const part = signaturePart(protectedBytes, unprotected, signature);
  return { bodyProtected: undefined, payload: payloadPart(payload), signatures: [part] };
}

/** A COSE_Sign, tagged or not; throws where it is none. */
export function parseSign(bytes: Uint8Array, untagged = false): Message {
  const [protectedBytes, unprotected, payload, signers] = items(decodeAny(bytes), untagged ? undefined : TAG_SIGN);
  const body = byteString(protectedBytes, "the protected header");
  headerOf(body, unprotected);
  if (!Array.isArray(signers) || signers.length === 0) throw new Error("no signatures");
  const signatures = signers.map((signer) => {
    if (!Array.isArray(signer) || signer.length !== 3) throw new Error("a signature is no array of three");
    return signaturePart(signer[0], signer[1], signer[2]);
  });
  return { bodyProtected: body, payload: payloadPart(payload), signatures };
}

function items(message: unknown, tag: number | undefined): readonly unknown[] {
  const content = message instanceof CborgTagged && message.tag === tag ? (message.value as unknown) : message;
  if (tag !== undefined && content === message) throw new Error(`no tag ${tag}`);
  if (!Array.isArray(content) || content.length !== 4) throw new Error("no array of four");
  return content;
}

function byteString(value: unknown, what: string): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new Error(`${what} is no byte string`);
  return value;
}

function payloadPart(value: unknown): Uint8Array | null {
  return value === null ? null : byteString(value, "the payload");
}

function signaturePart(protectedBytes: unknown, unprotected: unknown, signature: unknown): Signature {
  const bytes = byteString(protectedBytes, "the protected header");
  return { protectedBytes: bytes, headers: headerOf(bytes, unprotected), signature: byteString(signature, "the signature") };
}

/** Both headers as one map; a label in both is refused (RFC 9052 §3). */
function headerOf(protectedBytes: Uint8Array, unprotected: unknown): Header {
  const inner = protectedBytes.length === 0 ? new Map<unknown, unknown>() : decodeAny(protectedBytes);
  if (!(inner instanceof Map) || !(unprotected instanceof Map)) throw new Error("a header is no map");
  for (const label of unprotected.keys()) if (inner.has(label)) throw new Error("a label in both headers");
  return new Map<unknown, unknown>([...inner, ...unprotected]);
}

/** Sig_structure of signature `index` (RFC 9052 §4.4), by the firmware's encoder. */
export function toBeSigned(message: Message, index: number, external: Uint8Array, detached?: Uint8Array): Uint8Array {
  const { protectedBytes } = message.signatures[index] as Signature;
  const payload = message.payload ?? detached;
  if (payload === undefined) throw new Error("a detached payload that nobody has");
  const own = emptyAsNothing(protectedBytes);
  const body = message.bodyProtected;
  const structure =
    body === undefined ? ["Signature1", own, external, payload] : ["Signature", emptyAsNothing(body), own, external, payload];
  return encode(structure, PAYLOAD_BYTES_MAX);
}

function emptyAsNothing(protectedBytes: Uint8Array): Uint8Array {
  return protectedBytes.length === 1 && protectedBytes[0] === 0xa0 ? new Uint8Array(0) : protectedBytes;
}

/** Whether signature `index` holds under `key` by the algorithm that its header names; throws for one that is not known. */
export function holds(message: Message, index: number, toBeSignedBytes: Uint8Array, key: KeyObject): boolean {
  const { headers, signature } = message.signatures[index] as Signature;
  const alg = headers.get(LABEL_ALG);
  const kind = key.asymmetricKeyType;
  if (alg === -8) return (kind === "ed25519" || kind === "ed448") && verify(null, toBeSignedBytes, key, signature);
  const ecdsa = alg === -7 || alg === -47 ? "sha256" : alg === -35 ? "sha384" : alg === -36 ? "sha512" : undefined;
  if (ecdsa !== undefined) {
    const curve = key.asymmetricKeyDetails?.namedCurve;
    if (kind !== "ec" || (alg === -47) !== (curve === "secp256k1")) return false;
    return verify(ecdsa, toBeSignedBytes, { key, dsaEncoding: "ieee-p1363" }, signature);
  }
  const pss = alg === -37 ? "sha256" : alg === -38 ? "sha384" : alg === -39 ? "sha512" : undefined;
  if (pss === undefined) throw new Error("an algorithm that is not known here");
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  return kind === "rsa" && verify(pss, toBeSignedBytes, { key, padding, saltLength }, signature);
}

/** A public key from the JWK of an example, whose coordinates may be hexadecimal (`x_hex`). */
export function publicKeyOf(jwk: Readonly<Record<string, unknown>>): KeyObject {
  const fields: Record<string, string> = {};
  for (const name of ["kty", "crv", "n", "e"]) if (typeof jwk[name] === "string") fields[name] = jwk[name];
  for (const name of ["x", "y"]) {
    const hex = jwk[`${name}_hex`];
    if (typeof jwk[name] === "string") fields[name] = jwk[name];
    else if (typeof hex === "string") fields[name] = Buffer.from(hex, "hex").toString("base64url");
  }
  return createPublicKey({ key: fields, format: "jwk" });
}
