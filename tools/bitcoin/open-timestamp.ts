// An OpenTimestamps proof (.ots): that a digest was there when a Bitcoin block was, for the tools that the world has to check one.
//
// Promises: a detached timestamp of one path, from the digest through the transaction and its Merkle branch to the block's Merkle root, with
// the attestation of its height; nothing else in it. Never: checks the header; whoever reads the proof does that with a node of their own.
// Format: python-opentimestamps, `core/timestamp.py`, `core/op.py`, `core/notary.py`.

import { concat } from "../../firmware/bytes.js";
import type { MerkleBranch } from "../../firmware/proof/merkle-block.js";
import { assert } from "../../firmware/rejection.js";

const MAGIC = Uint8Array.from([
  ...[0x00, 0x4f, 0x70, 0x65, 0x6e, 0x54, 0x69, 0x6d, 0x65, 0x73, 0x74, 0x61, 0x6d, 0x70, 0x73, 0x00, 0x00, 0x50, 0x72, 0x6f],
  ...[0x6f, 0x66, 0x00, 0xbf, 0x89, 0xe2, 0xe8, 0x84, 0xe8, 0x92, 0x94],
]);
const VERSION = 1;
const SHA256 = 0x08;
const APPEND = 0xf0;
const PREPEND = 0xf1;
const ATTESTATION = 0x00;
/** BitcoinBlockHeaderAttestation. */
const BITCOIN = Uint8Array.of(0x05, 0x88, 0x96, 0x0d, 0x73, 0xd7, 0x19, 0x01);

export interface Timestamp {
  /** What is shown to have been there: SHA-256 of something, 32 bytes. */
  readonly digest: Uint8Array;
  /** Has the digest in it; without witnesses. */
  readonly transaction: Uint8Array;
  /** Where in it the digest begins. */
  readonly digestAt: number;
  readonly branch: MerkleBranch;
  /** Of the block. */
  readonly height: number;
}

export function encodeTimestamp({ digest, transaction, digestAt, branch, height }: Timestamp): Uint8Array {
  assert(digest.length === 32 && digestAt > 0, "a digest within a transaction");
  const twice = Uint8Array.of(SHA256, SHA256);
  const parts = [MAGIC, Uint8Array.of(VERSION, SHA256), digest];
  parts.push(operation(PREPEND, transaction.subarray(0, digestAt)));
  parts.push(operation(APPEND, transaction.subarray(digestAt + digest.length)), twice);
  let { position } = branch;
  for (const sibling of branch.siblings) {
    parts.push(operation(position % 2 === 1 ? PREPEND : APPEND, sibling), twice);
    position >>= 1;
  }
  const payload = varuint(height);
  parts.push(Uint8Array.of(ATTESTATION), BITCOIN, varuint(payload.length), payload);
  return concat(...parts);
}

function operation(tag: number, bytes: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(tag), varuint(bytes.length), bytes);
}

/** Seven bits a byte, the lowest first (LEB128). */
function varuint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Uint8Array.from([...bytes, rest]);
}
