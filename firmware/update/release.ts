// A release: which image the motes of a fleet are to run from now on, said by the fleet's admin. A COSE_Sign1 of our one form
// (record/cose.ts) with a payload of type 10, whose fields are named after the elements of RFC 9124; it is not a SUIT envelope.
// docs/update.md has it byte by byte.
//
// Promises: `encode(decode(x))` is `x` for every payload that is accepted; the checks are made in one order, and the first that
// does not hold is the answer: signer, fleet, board, profile, sequence, size. Nothing is erased before all of them hold.
// Never: fetches an image, or says that one is good; its digest is compared where its bytes are.
// Codes: those of record/cose.ts and record/payload.ts; release-signer, release-fleet, release-class, release-profile,
// release-sequence, release-size.

import { equal, toHex } from "../bytes.js";
import { CborWriter } from "../codec/cbor.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { DIGEST_BYTES, decodeSign1, KID_BYTES, verifySign1 } from "../record/cose.js";
import { PAYLOAD_TYPE_RELEASE, PayloadFields } from "../record/payload.js";
import { type Fleet, isChainId } from "../record/record.js";
import { assert, Rejection } from "../rejection.js";

export const PROFILE_DEV = 1;
export const PROFILE_PRODUCTION = 2;
/** In words, from 1. */
export const PROFILES: readonly string[] = Object.freeze(["dev", "production"]);

export const SEQUENCE_MAX = 0xffff_ffff;
/** No image is shorter: header, description, digest of ESP-IDF's format. */
export const IMAGE_BYTES_MIN = 512;
/** The largest slot of any board: all of 16 MB. */
export const IMAGE_BYTES_MAX = 0x100_0000;
export const CLASS_CHARACTERS_MAX = 32;
/** Steps of the eFuse's secure version: 32 on an ESP32, 16 on every other chip that we know. */
export const SECURE_VERSION_MAX = 32;

export interface Release {
  /** Monotonic Sequence Number (RFC 9124 §3.2): 1 to 2^32 − 1. */
  readonly sequence: number;
  /** Payload Digest (§3.13): SHA-256 of the image, 32 bytes. */
  readonly digest: Uint8Array;
  /** Size (§3.14) of the image in bytes. */
  readonly size: number;
  /** Class Identifier (§3.4): the board's name, as firmware/boards has it. */
  readonly boardClass: string;
  /** `PROFILE_DEV` or `PROFILE_PRODUCTION`: how the image was built. */
  readonly profile: number;
  /** What the eFuse's secure version becomes once the image has proven itself: 1 to `SECURE_VERSION_MAX`; absent: it stays. */
  readonly secureVersion?: number | undefined;
  readonly fleet: Fleet;
}

const KEY_SEQUENCE = 1;
const KEY_DIGEST = 2;
const KEY_SIZE = 3;
const KEY_CLASS = 4;
const KEY_PROFILE = 5;
const KEY_SECURE_VERSION = 6;
const KEY_FLEET = 9;
/** Map, 8 keys, type, three numbers of 5 bytes, digest, class, two small numbers, and a fleet with a chain of 41 characters. */
const RELEASE_BYTES_MAX = 1 + 8 + 1 + 3 * 5 + 34 + 34 + 3 + 1 + 21 + 43;

/** The payload of a release. Fields that `decodeRelease` would refuse are our own mistake. */
export function encodeRelease({ sequence, digest, size, boardClass, profile, secureVersion, fleet }: Release): Uint8Array {
  assert(sequence >= 1 && sequence <= SEQUENCE_MAX && digest.length === DIGEST_BYTES, "a sequence, and a digest of 32 bytes");
  assert(size >= IMAGE_BYTES_MIN && size <= IMAGE_BYTES_MAX && isBoardClass(boardClass), "an image's size, and a board's name");
  assert(profile === PROFILE_DEV || profile === PROFILE_PRODUCTION, "a profile that there is");
  assert(fleet.registry.length === KID_BYTES && isChainId(fleet.chain), "a registry of 20 bytes, and a CAIP-2 chain");
  const writer = new CborWriter(RELEASE_BYTES_MAX);
  writer.map(secureVersion === undefined ? 7 : 8);
  writer.uint(0, PAYLOAD_TYPE_RELEASE);
  writer.uint(KEY_SEQUENCE, sequence);
  writer.key(KEY_DIGEST);
  writer.bytes(digest);
  writer.uint(KEY_SIZE, size);
  writer.key(KEY_CLASS);
  writer.text(boardClass);
  writer.uint(KEY_PROFILE, profile);
  if (secureVersion !== undefined) {
    assert(secureVersion >= 1 && secureVersion <= SECURE_VERSION_MAX, "a secure version that some chip has");
    writer.uint(KEY_SECURE_VERSION, secureVersion);
  }
  writer.key(KEY_FLEET);
  writer.array(2);
  writer.bytes(fleet.registry);
  writer.text(fleet.chain);
  return writer.finish();
}

/** The fields of a release's payload, byte strings as views of it; or why it is none. */
export function decodeRelease(payload: Uint8Array): Release | Rejection {
  try {
    const fields = new PayloadFields(payload, PAYLOAD_TYPE_RELEASE);
    const sequence = fields.uint(KEY_SEQUENCE, "sequence", 1, SEQUENCE_MAX);
    const digest = fields.bytes(KEY_DIGEST, "digest", DIGEST_BYTES);
    const size = fields.uint(KEY_SIZE, "size", IMAGE_BYTES_MIN, IMAGE_BYTES_MAX);
    const boardClass = fields.text(KEY_CLASS, "class", CLASS_CHARACTERS_MAX);
    if (!isBoardClass(boardClass)) throw fields.wrong(KEY_CLASS, "class", "no name of a board");
    const profile = fields.uint(KEY_PROFILE, "profile", PROFILE_DEV, PROFILE_PRODUCTION);
    const secureVersion = fields.has(KEY_SECURE_VERSION)
      ? fields.uint(KEY_SECURE_VERSION, "secureVersion", 1, SECURE_VERSION_MAX)
      : undefined;
    const [registry, chain] = fields.array(KEY_FLEET, "fleet", 2);
    if (!(registry instanceof Uint8Array) || registry.length !== KID_BYTES || !isChainId(chain))
      throw fields.wrong(KEY_FLEET, "fleet", "without a registry of 20 bytes and a CAIP-2 chain");
    fields.end();
    return { sequence, digest, size, boardClass, profile, secureVersion, fleet: { registry, chain } };
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

/** As a board's file is named. */
export function isBoardClass(name: string): boolean {
  if (name.length < 1 || name.length > CLASS_CHARACTERS_MAX) return false;
  for (let i = 0; i < name.length; i += 1) {
    const code = name.charCodeAt(i);
    const isLetter = code >= 97 && code <= 122;
    if (!isLetter && (i === 0 || ((code < 48 || code > 57) && name[i] !== "-" && name[i] !== "_"))) return false;
  }
  return true;
}

/** What this mote takes a release by. */
export interface Expected {
  /** Address of the fleet's admin, 20 bytes. */
  readonly admin: Uint8Array;
  readonly fleet: Fleet;
  readonly boardClass: string;
  readonly profile: number;
  /** The highest sequence that was taken so far; 0 where none was. */
  readonly sequence: number;
  /** Bytes of the slot that the image goes to. */
  readonly slotBytes: number;
}

/** A release that is the fleet's own and for this mote. */
export interface CheckedRelease extends Release {
  /** SHA-256 of the manifest's Sig_structure, 32 bytes: what names it. */
  readonly manifest: Uint8Array;
}

/**
 * Checks a manifest, the cheapest first where the order allows it: whose address it names, that the signature is his, and then
 * what it says. The byte strings are views of `message`. A sequence that was taken already is `release-sequence`, unless the
 * manifest is that very one:
 * `known` says which that is, and then it is answered as it is.
 */
export function checkRelease(
  engine: CryptoEngine,
  message: Uint8Array,
  expected: Expected,
  known?: Uint8Array,
): CheckedRelease | Rejection {
  const claimed = decodeSign1(message);
  if (claimed instanceof Rejection) return claimed;
  if (!equal(claimed.kid, expected.admin))
    return new Rejection("release-signer", `signed by 0x${toHex(claimed.kid)}, which is not the fleet's admin`);
  const signed = verifySign1(engine, message);
  if (signed instanceof Rejection) return signed;
  const release = decodeRelease(signed.payload);
  if (release instanceof Rejection) return release;
  const isKnown = known !== undefined && equal(known, signed.digest);
  return faultOf(release, expected, isKnown) ?? { ...release, manifest: signed.digest };
}

function faultOf(release: Release, expected: Expected, isKnown: boolean): Rejection | undefined {
  const { fleet, boardClass, profile, sequence, size } = release;
  if (!equal(fleet.registry, expected.fleet.registry) || fleet.chain !== expected.fleet.chain)
    return new Rejection("release-fleet", `for the fleet 0x${toHex(fleet.registry)} on ${fleet.chain}`);
  if (boardClass !== expected.boardClass)
    return new Rejection("release-class", `for the board ${boardClass}; this is ${expected.boardClass}`);
  if (profile !== expected.profile)
    return new Rejection("release-profile", `built as ${profileName(profile)}; this board runs ${profileName(expected.profile)}`);
  if (!isKnown && sequence <= expected.sequence)
    return new Rejection("release-sequence", `sequence ${sequence}; ${expected.sequence} was taken already`);
  if (size > expected.slotBytes)
    return new Rejection("release-size", `an image of ${size} bytes; the slot has ${expected.slotBytes}`);
  return undefined;
}

export function profileName(profile: number): string {
  return PROFILES[profile - 1] ?? `${profile}`;
}
