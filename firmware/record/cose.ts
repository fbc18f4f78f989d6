// COSE_Sign1 as chainmote uses it (RFC 9052 §4.2, §4.4; ES256K of RFC 8812 §3.2), one profile and no other:
//
//   d2                     tag 18
//   84                     array of 4
//   58 1a                  protected header, a byte string of 26 bytes:
//     a2 01 38 2e 04 54 …  {1: -47 (ES256K), 4: kid}, kid = the signer's 20-byte Ethereum address
//   a0                     empty unprotected header
//   40… / 58… / 59…        payload, a byte string with the shortest head
//   58 40 …                signature r ‖ s, big-endian, 0 < r < n, 0 < s ≤ n/2
//
// Signed is SHA-256 of Sig_structure = ["Signature1", protected, h'', payload]; that hash is the `digest` of a record wherever one
// is named. The address is inside the signature because one ECDSA signature recovers to two keys; it is checked against the
// key that the signature recovers to. So for a payload and a signature exactly one byte string is valid.
//
// Never interprets a payload, never accepts another header, a detached payload, external data or a high s.
// Codes: cose-malformed, cose-header, cose-too-long, signature-invalid, signature-high-s.

import { equal } from "../bytes.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { ADDRESS_BYTES, addressOf } from "../crypto/identity.js";
import { assert, Rejection } from "../rejection.js";

export const KID_BYTES = ADDRESS_BYTES;
export const SIGNATURE_BYTES = 64;
export const DIGEST_BYTES = 32;
/** Longest payload that is signed or accepted. A record has to fit the journal, a message and the mote's memory. */
export const RECORD_PAYLOAD_BYTES_MAX = 1024;
/** What a COSE_Sign1 has in front of the head of its payload: tag, array, protected and unprotected header. */
const FRONT_BYTES = 31;
const SIGNATURE_HEAD_BYTES = 2;
/** Longest COSE_Sign1: the head of a payload takes at most 3 bytes. */
export const SIGN1_BYTES_MAX = FRONT_BYTES + 3 + RECORD_PAYLOAD_BYTES_MAX + SIGNATURE_HEAD_BYTES + SIGNATURE_BYTES;

/** A COSE_Sign1, taken apart. */
export interface Sign1 {
  /** Address of the signer, 20 bytes. */
  readonly kid: Uint8Array;
  readonly payload: Uint8Array;
  /** r ‖ s, 64 bytes. */
  readonly signature: Uint8Array;
}

/** A COSE_Sign1 whose signature holds. */
export interface VerifiedSign1 extends Sign1 {
  /** SHA-256 of Sig_structure. */
  readonly digest: Uint8Array;
  /** The signer's, uncompressed, 65 bytes. */
  readonly publicKey: Uint8Array;
}

/** Bytes of the protected header in front of the kid, its own head included. */
const PROTECTED: readonly number[] = Object.freeze([0x58, 0x1a, 0xa2, 0x01, 0x38, 0x2e, 0x04, 0x54]);
/** Array of 4, and "Signature1" as text. */
const CONTEXT: readonly number[] = Object.freeze([0x84, 0x6a, 0x53, 0x69, 0x67, 0x6e, 0x61, 0x74, 0x75, 0x72, 0x65, 0x31]);
/** Tag 18, array of 4. */
const SIGN1: readonly number[] = Object.freeze([0xd2, 0x84]);
const EMPTY_BYTES = 0x40;
const EMPTY_MAP = 0xa0;

/** What is signed: SHA-256 of Sig_structure, 32 bytes. */
export function digestOf(engine: CryptoEngine, kid: Uint8Array, payload: Uint8Array): Uint8Array {
  return engine.sha256(frontOfSigStructure(kid, payload.length), payload);
}

/** `digestOf` for one signer, again and again: what stands before the payload is kept, but for the payload's length. */
export class SigDigest {
  readonly #engine: CryptoEngine;
  readonly #kid: Uint8Array;
  #front: Uint8Array = new Uint8Array(0);
  #headBytes = 0;

  constructor(engine: CryptoEngine, kid: Uint8Array) {
    this.#engine = engine;
    this.#kid = kid;
  }

  of(payload: Uint8Array): Uint8Array {
    const head = headBytes(payload.length);
    if (head === this.#headBytes) writeHead(this.#front, this.#front.length - head, payload.length);
    else {
      this.#front = frontOfSigStructure(this.#kid, payload.length);
      this.#headBytes = head;
    }
    return this.#engine.sha256(this.#front, payload);
  }
}

/** The one COSE_Sign1 of this payload and signature; the signature is not checked. */
export function encodeSign1(kid: Uint8Array, payload: Uint8Array, signature: Uint8Array): Uint8Array {
  assert(signature.length === SIGNATURE_BYTES, "a signature of 64 bytes");
  const head = headBytes(payload.length);
  const bytes = new Uint8Array(FRONT_BYTES + head + payload.length + SIGNATURE_HEAD_BYTES + SIGNATURE_BYTES);
  let at = writeProtected(bytes, put(bytes, SIGN1, 0), kid);
  bytes[at] = EMPTY_MAP;
  at = writeHead(bytes, at + 1, payload.length);
  bytes.set(payload, at);
  at = writeHead(bytes, at + payload.length, SIGNATURE_BYTES);
  bytes.set(signature, at);
  return bytes;
}

/**
 * Takes a COSE_Sign1 apart, without looking at the signature. The parts are views of `bytes`.
 * Refuses whatever `encodeSign1` would not have written.
 */
export function decodeSign1(bytes: Uint8Array): Sign1 | Rejection {
  if (bytes.length > SIGN1_BYTES_MAX) return new Rejection("cose-too-long", `${bytes.length} bytes, at most ${SIGN1_BYTES_MAX}`);
  if (bytes.length < FRONT_BYTES + 1) return malformed(bytes.length, "the end comes before the payload");
  let at = mismatch(bytes, SIGN1, 0);
  if (at < SIGN1.length) return malformed(at, "no COSE_Sign1 with tag 18");
  at = mismatch(bytes, PROTECTED, SIGN1.length);
  if (at < SIGN1.length + PROTECTED.length)
    return new Rejection("cose-header", `at byte ${at}: the protected header is not {1: -47, 4: address}`);
  const kid = bytes.subarray(at, at + KID_BYTES);
  if (bytes[FRONT_BYTES - 1] !== EMPTY_MAP)
    return new Rejection("cose-header", `at byte ${FRONT_BYTES - 1}: the unprotected header is not empty`);
  const length = readHead(bytes, FRONT_BYTES);
  if (length < 0) return malformed(FRONT_BYTES, "the payload is no byte string with the shortest length");
  if (length > RECORD_PAYLOAD_BYTES_MAX)
    return new Rejection("cose-too-long", `a payload of ${length} bytes, at most ${RECORD_PAYLOAD_BYTES_MAX}`);
  const from = FRONT_BYTES + headBytes(length);
  const end = from + length;
  const total = end + SIGNATURE_HEAD_BYTES + SIGNATURE_BYTES;
  if (bytes.length < total) return malformed(bytes.length, "the end comes before the signature's");
  if (readHead(bytes, end) !== SIGNATURE_BYTES) return malformed(end, "the signature is no byte string of 64 bytes");
  if (bytes.length > total) return malformed(total, "bytes after the signature");
  return { kid, payload: bytes.subarray(from, end), signature: bytes.subarray(end + SIGNATURE_HEAD_BYTES) };
}

/**
 * Checks a COSE_Sign1 whole: its form, r and s in their ranges, s ≤ n/2, and that the address in its header belongs to the
 * key that the signature recovers to. Whether that address may speak is for the caller to know.
 * @param known the public key of that address, 65 bytes, where the caller has it: cheaper by a recovery or two
 */
export function verifySign1(engine: CryptoEngine, bytes: Uint8Array, known?: Uint8Array): VerifiedSign1 | Rejection {
  const parts = decodeSign1(bytes);
  if (parts instanceof Rejection) return parts;
  const { kid, payload, signature } = parts;
  const fault = checkScalars(signature);
  if (fault !== undefined) return fault;
  const digest = digestOf(engine, kid, payload);
  const { secp256k1 } = engine;
  const publicKey =
    known === undefined ? signerOf(engine, parts, digest) : secp256k1.verify(signature, digest, known) ? known : undefined;
  if (publicKey === undefined)
    return new Rejection("signature-invalid", "the signature is not of the address in the header over this payload");
  return { kid, payload, signature, digest, publicKey };
}

/** Which of the two keys that a signature fits has signed is not told: the address says it. */
export function signerOf(
  engine: CryptoEngine,
  { kid, signature }: Pick<Sign1, "kid" | "signature">,
  digest: Uint8Array,
): Uint8Array | undefined {
  for (let recovery = 0; recovery <= 1; recovery += 1) {
    const publicKey = engine.secp256k1.recover(signature, recovery, digest);
    if (publicKey !== undefined && equal(addressOf(engine, publicKey), kid)) return publicKey;
  }
  return undefined;
}

/** 0 < r < n and 0 < s ≤ n/2 (SEC 1 §4.1.4 step 1; the low half, so that no second signature can be made from one). */
export function checkScalars(signature: Uint8Array): Rejection | undefined {
  if (isZero(signature, 0) || isZero(signature, 32) || order(signature, 0, ORDER) >= 0 || order(signature, 32, ORDER) >= 0)
    return new Rejection("signature-invalid", "r or s is not between 1 and n - 1");
  return order(signature, 32, HALF_ORDER) > 0 ? new Rejection("signature-high-s", "s is above n/2") : undefined;
}

function isZero(signature: Uint8Array, at: number): boolean {
  for (let i = 0; i < 32; i += 1) if (signature[at + i] !== 0) return false;
  return true;
}

/** Below, at or above 0 as the scalar at `at` is less than, equal to or greater than `constant`. */
function order(signature: Uint8Array, at: number, constant: readonly number[]): number {
  for (let i = 0; i < constant.length; i += 1) {
    const difference = (signature[at + i] as number) - (constant[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** n of secp256k1 (SEC 2 §2.4.1), big-endian. */
const ORDER: readonly number[] = Object.freeze([
  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf,
  0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
]);

/** (n − 1) / 2. */
const HALF_ORDER: readonly number[] = Object.freeze([
  0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e, 0x73, 0x57,
  0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
]);

/** Everything of Sig_structure but the payload itself. */
function frontOfSigStructure(kid: Uint8Array, payloadLength: number): Uint8Array {
  const bytes = new Uint8Array(CONTEXT.length + PROTECTED.length + KID_BYTES + 1 + headBytes(payloadLength));
  const at = writeProtected(bytes, put(bytes, CONTEXT, 0), kid);
  bytes[at] = EMPTY_BYTES;
  writeHead(bytes, at + 1, payloadLength);
  return bytes;
}

function writeProtected(bytes: Uint8Array, at: number, kid: Uint8Array): number {
  assert(kid.length === KID_BYTES, "an address of 20 bytes");
  at = put(bytes, PROTECTED, at);
  bytes.set(kid, at);
  return at + KID_BYTES;
}

function put(bytes: Uint8Array, constant: readonly number[], at: number): number {
  bytes.set(constant, at);
  return at + constant.length;
}

/** Where `bytes` differ from `constant`, laid at `at`: the end of it where they do not. */
function mismatch(bytes: Uint8Array, constant: readonly number[], at: number): number {
  for (let i = 0; i < constant.length; i += 1) if (bytes[at + i] !== constant[i]) return at + i;
  return at + constant.length;
}

function headBytes(length: number): number {
  assert(length <= RECORD_PAYLOAD_BYTES_MAX, "a payload within its limit");
  return length < 24 ? 1 : length < 0x100 ? 2 : 3;
}

/** Writes the head of a byte string and answers where it ends. */
function writeHead(bytes: Uint8Array, at: number, length: number): number {
  if (length < 24) bytes[at++] = 0x40 | length;
  else if (length < 0x100) {
    bytes[at++] = 0x58;
    bytes[at++] = length;
  } else {
    bytes[at++] = 0x59;
    bytes[at++] = length >> 8;
    bytes[at++] = length & 0xff;
  }
  return at;
}

/** Length of the byte string whose shortest head begins at `at`, up to 65,535; −1 where there is none. */
function readHead(bytes: Uint8Array, at: number): number {
  const initial = bytes[at] ?? 0;
  if (initial >= 0x40 && initial < 0x58) return initial - 0x40;
  const first = bytes[at + 1] ?? 0;
  if (initial === 0x58) return first >= 24 ? first : -1;
  if (initial !== 0x59 || first === 0) return -1;
  return at + 2 < bytes.length ? first * 256 + (bytes[at + 2] as number) : -1;
}

function malformed(position: number, reason: string): Rejection {
  return new Rejection("cose-malformed", `at byte ${position}: ${reason}`);
}
