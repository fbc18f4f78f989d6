// Anchor receipts: COSE Receipts of inclusion (RFC 9942 §5.2, RFC9162_SHA256), by which a collector says that a record is a leaf of a tree of
// its own. Whether a chain holds that tree's root is another question, which a storage proof answers (docs/ledger.md). One profile, and no other:
//
//   d2 84                                 tag 18, array of 4
//   58 1e a3 01 38 2e 04 54 … 19 018b 01  protected header {1: -47 (ES256K), 4: kid, 395: 1}; kid = the collector's 20-byte address
//   a1 19 018c a1 20 81 58… / 59…         unprotected header {396: {-1: [proof]}}: one proof, a byte string of
//     83 size index 9x / 98 xx …            [tree-size, leaf-index, [+ hash]], RFC 9162 §2.1.3
//   f6                                    payload: none, it is the root that the proof leads to
//   58 40 …                               signature r ‖ s as in cose.ts
//
// Records, evidence and a collector's other answers never have this form, nor receipts theirs: the protected headers differ, so a signature
// on one is none on the other. Signed is the root alone. Size and index stand in the unprotected header: what a verified receipt says of them
// fits the path, and some other sizes would fit it too. The contract keeps a root under its size, so the chain says which it is.
// A tree of one leaf has no receipt, since RFC 9942 asks for a hash at least: a collector's tree begins with a leaf of its own.
// Codes: anchor-malformed, anchor-header, anchor-too-long, merkle-range, merkle-proof, signature-invalid, signature-high-s.

import { ARRAY, CborCursor, CborWriter, UINT } from "../codec/cbor.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { assert, Rejection } from "../rejection.js";
import { checkScalars, DIGEST_BYTES, KID_BYTES, SIGNATURE_BYTES, signerOf } from "./cose.js";
import { inclusionRoot, leafHash } from "./merkle.js";

/** Longest receipt: what one MQTT message and the mote's memory have easily room for. */
export const ANCHOR_RECEIPT_BYTES_MAX = 1024;
/** Hashes that a receipt has room for, and so the leaves of a tree: a collector begins another tree, with another key, beyond it. */
export const ANCHOR_PATH_MAX = 26;
export const ANCHOR_TREE_SIZE_MAX = 2 ** ANCHOR_PATH_MAX;

/** What stands in front of the kid and behind it, from the tag to the head of the proof. */
const FRONT: readonly number[] = Object.freeze([0xd2, 0x84, 0x58, 0x1e, 0xa3, 0x01, 0x38, 0x2e, 0x04, 0x54]);
const BACK: readonly number[] = Object.freeze([0x19, 0x01, 0x8b, 0x01, 0xa1, 0x19, 0x01, 0x8c, 0xa1, 0x20, 0x81]);
/** Of these, the protected header's. */
const PROTECTED_FROM = 2;
const PROTECTED_BACK_BYTES = 4;
const PROOF_AT = FRONT.length + KID_BYTES + BACK.length;
/** ["Signature1", …: array of 4 and the text. */
const CONTEXT: readonly number[] = Object.freeze([0x84, 0x6a, 0x53, 0x69, 0x67, 0x6e, 0x61, 0x74, 0x75, 0x72, 0x65, 0x31]);
/** No external data; the head of a root. */
const BEFORE_ROOT: readonly number[] = Object.freeze([0x40, 0x58, 0x20]);
/** No payload; the head of a signature. */
const BEFORE_SIGNATURE: readonly number[] = Object.freeze([0xf6, 0x58, 0x40]);
const PROOF_BYTES_MAX = 1 + 5 + 5 + 2 + ANCHOR_PATH_MAX * (2 + DIGEST_BYTES);

export interface InclusionProof {
  /** Leaves of the tree, 2 to `ANCHOR_TREE_SIZE_MAX`. */
  readonly size: number;
  /** Which of them the record is, from 0. */
  readonly index: number;
  /** Hashes of 32 bytes, from the leaf upwards. */
  readonly path: readonly Uint8Array[];
}

export interface AnchorReceipt extends InclusionProof {
  /** Address of the collector, 20 bytes. */
  readonly kid: Uint8Array;
  /** r ‖ s, 64 bytes. */
  readonly signature: Uint8Array;
}

/** What a receipt shows whose signature holds. */
export interface VerifiedAnchor extends AnchorReceipt {
  /** Of the collector's tree of `size` leaves, 32 bytes. */
  readonly root: Uint8Array;
}

/** What a collector signs: SHA-256 of Sig_structure (RFC 9052 §4.4), whose payload is the root. */
export function anchorDigest(engine: CryptoEngine, kid: Uint8Array, root: Uint8Array): Uint8Array {
  assert(kid.length === KID_BYTES && root.length === DIGEST_BYTES, "an address and a root");
  const protectedBytes = FRONT.length - PROTECTED_FROM + KID_BYTES + PROTECTED_BACK_BYTES;
  const structure = new Uint8Array(CONTEXT.length + protectedBytes + BEFORE_ROOT.length);
  structure.set(CONTEXT, 0);
  structure.set(FRONT.slice(PROTECTED_FROM), CONTEXT.length);
  let at = CONTEXT.length + FRONT.length - PROTECTED_FROM;
  structure.set(kid, at);
  at += KID_BYTES;
  structure.set(BACK.slice(0, PROTECTED_BACK_BYTES), at);
  structure.set(BEFORE_ROOT, at + PROTECTED_BACK_BYTES);
  return engine.sha256(structure, root);
}

/** The one receipt of this proof and signature; whether they hold is not checked. */
export function encodeAnchorReceipt({ kid, size, index, path, signature }: AnchorReceipt): Uint8Array {
  assert(kid.length === KID_BYTES && signature.length === SIGNATURE_BYTES, "an address and a signature");
  assert(isSize(size) && index >= 0 && index < size, "a leaf of a tree that has receipts");
  assert(path.length >= 1 && path.length <= ANCHOR_PATH_MAX, "a path that a receipt has room for");
  const proof = new CborWriter(PROOF_BYTES_MAX);
  proof.array(3);
  proof.int(size);
  proof.int(index);
  proof.array(path.length);
  for (const hash of path) {
    assert(hash.length === DIGEST_BYTES, "hashes of 32 bytes");
    proof.bytes(hash);
  }
  const writer = new CborWriter(ANCHOR_RECEIPT_BYTES_MAX);
  writer.raw(Uint8Array.from(FRONT));
  writer.raw(kid);
  writer.raw(Uint8Array.from(BACK));
  writer.bytes(proof.view());
  writer.raw(Uint8Array.from(BEFORE_SIGNATURE));
  writer.raw(signature);
  return writer.finish();
}

/** A receipt taken apart, nothing of it verified; its byte strings are views. Refuses whatever the encoder would not have written. */
export function decodeAnchorReceipt(bytes: Uint8Array): AnchorReceipt | Rejection {
  if (bytes.length > ANCHOR_RECEIPT_BYTES_MAX)
    return new Rejection("anchor-too-long", `${bytes.length} bytes, at most ${ANCHOR_RECEIPT_BYTES_MAX}`);
  if (bytes.length <= PROOF_AT) return malformed(bytes.length, "the end comes before the proof");
  const fault = differs(bytes, 0, FRONT) ?? differs(bytes, FRONT.length + KID_BYTES, BACK);
  if (fault !== undefined)
    return new Rejection(
      "anchor-header",
      `at byte ${fault}: no receipt with {1: -47, 4: address, 395: 1} and {396: {-1: [proof]}}`,
    );
  const outer = new CborCursor(bytes);
  outer.at = PROOF_AT;
  const encoded = outer.bytes();
  if (encoded === undefined) return malformed(PROOF_AT, "the proof is no byte string");
  const proof = proofOf(encoded);
  if (proof === undefined) return malformed(PROOF_AT, "the proof is no [size, index, [+ hash]]");
  const behind = differs(bytes, outer.at, BEFORE_SIGNATURE);
  if (behind !== undefined) return malformed(behind, "no detached payload and signature of 64 bytes");
  const from = outer.at + BEFORE_SIGNATURE.length;
  if (bytes.length !== from + SIGNATURE_BYTES) return malformed(from, `${bytes.length - from} bytes of a signature of 64`);
  return { kid: bytes.subarray(FRONT.length, FRONT.length + KID_BYTES), ...proof, signature: bytes.subarray(from) };
}

/**
 * Checks that a receipt holds for a record: its form, the path from the record's digest to a root, and the signature on that root by the
 * address in the header. Whether that collector may speak, and whether a chain holds the root, is for the caller to know.
 * @param digest of the record, 32 bytes
 */
export function verifyAnchorReceipt(engine: CryptoEngine, bytes: Uint8Array, digest: Uint8Array): VerifiedAnchor | Rejection {
  const receipt = decodeAnchorReceipt(bytes);
  if (receipt instanceof Rejection) return receipt;
  const { kid, size, index, path, signature } = receipt;
  const root = inclusionRoot(engine, leafHash(engine, digest), index, size, path);
  if (root instanceof Rejection) return root;
  const fault = checkScalars(signature);
  if (fault !== undefined) return fault;
  if (signerOf(engine, receipt, anchorDigest(engine, kid, root)) === undefined)
    return new Rejection(
      "signature-invalid",
      "the signature is not of the address in the header over the root that this record leads to",
    );
  return { ...receipt, root };
}

function proofOf(bytes: Uint8Array): InclusionProof | undefined {
  const cursor = new CborCursor(bytes);
  if (cursor.head(ARRAY) !== 3) return undefined;
  const size = cursor.head(UINT);
  const index = cursor.head(UINT);
  const hashes = cursor.head(ARRAY);
  if (!isSize(size) || index < 0 || index >= size || hashes < 1 || hashes > ANCHOR_PATH_MAX) return undefined;
  const path: Uint8Array[] = [];
  while (path.length < hashes) {
    const hash = cursor.bytes(DIGEST_BYTES);
    if (hash === undefined) return undefined;
    path.push(hash);
  }
  return cursor.atEnd ? { size, index, path } : undefined;
}

function isSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 2 && size <= ANCHOR_TREE_SIZE_MAX;
}

/** Where `bytes` differ from `constant`, laid at `at`. */
function differs(bytes: Uint8Array, at: number, constant: readonly number[]): number | undefined {
  for (let i = 0; i < constant.length; i += 1) if (bytes[at + i] !== constant[i]) return at + i;
  return undefined;
}

function malformed(position: number, reason: string): Rejection {
  return new Rejection("anchor-malformed", `at byte ${position}: ${reason}`);
}
