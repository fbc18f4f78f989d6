// Committed seals of a BFT block: who sealed it, and whether that is enough (Besu `BftCommitSealsValidationRule`, `BftHelpers`;
// GoQuorum `verifyCommittedSeals`).
//
// Promises: every seal counts or the header falls: one by a stranger, a second by the same validator or one that no key gives
// is refused, however many good ones stand beside it. A seal is known by who made it, never by its bytes, so that its other
// form (n − s, v ⊕ 1), which Besu's `SECPSignature` and GoQuorum's `crypto.Ecrecover` take as we do, is no second seal. Nothing
// is remembered from one header to the next.

import { ADDRESS_BYTES, findAddress } from "../../bytes/primitives.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { sealerOf } from "../../crypto/identity.js";
import { Rejection } from "../../rejection.js";
import { overlapOf } from "../ethereum/address-set.js";

/** ⌈2n/3⌉. */
export function quorumOf(validatorCount: number): number {
  return Math.ceil((2 * validatorCount) / 3);
}

/** ⌊(n−1)/3⌋: so many of `validatorCount` may be faulty at any time. */
function faultyOf(validatorCount: number): number {
  return Math.floor((validatorCount - 1) / 3);
}

/** Sets of up to so many validators vouch for a jump by their whole quorum: what fewer could do is too little to count on. */
const WHOLE_QUORUM_VALIDATORS_MAX = 6;

/**
 * So many of a known set have to stand behind a block whose own list only its seals vouch for: more than may be faulty, and as
 * many as any two quorums share, so that it takes no fewer dishonest keys than a fork of the chain.
 * @param quorum of the known set
 */
export function vouchersOf(validatorCount: number, quorum: number): number {
  return Math.max(faultyOf(validatorCount) + 1, 2 * quorum - validatorCount);
}

/** So many of the trusted set have to seal a landing. */
export function jumpVouchersOf(validatorCount: number, quorum: number): number {
  const least = vouchersOf(validatorCount, quorum);
  return validatorCount <= WHOLE_QUORUM_VALIDATORS_MAX ? Math.max(quorum, least) : least;
}

/** What needs no signature: seals-too-few, seals-too-many. */
export function checkSealCount(seals: number, needed: number, validatorCount: number): Rejection | undefined {
  if (seals < needed) return new Rejection("seals-too-few", `${seals} seals, ${needed} needed of ${validatorCount}`);
  if (seals > validatorCount) return new Rejection("seals-too-many", `${seals} seals by ${validatorCount} validators`);
  return undefined;
}

/** The address that made `seal` (65 bytes, v 0 or 1), or seal-unrecoverable. */
export function sealer(engine: CryptoEngine, seal: Uint8Array, digest: Uint8Array): Uint8Array | Rejection {
  return sealerOf(engine, seal, digest) ?? new Rejection("seal-unrecoverable", "no public key gives this seal");
}

/**
 * One recovery per seal; stops at the first that does not hold.
 * @param validators ascending
 * @returns one byte per validator, 1 where that one sealed; or seal-unrecoverable, seal-stranger, seal-duplicate
 */
export function whoSealed(
  engine: CryptoEngine,
  digest: Uint8Array,
  seals: readonly Uint8Array[],
  validators: Uint8Array,
): Uint8Array | Rejection {
  const sealed = new Uint8Array(validators.length / ADDRESS_BYTES);
  for (let i = 0; i < seals.length; i += 1) {
    const address = sealer(engine, seals[i] as Uint8Array, digest);
    if (address instanceof Rejection) return address;
    const index = findAddress(validators, address);
    if (index < 0) return new Rejection("seal-stranger", `seal ${i} is by none of the validators`);
    if (sealed[index] === 1) return new Rejection("seal-duplicate", `seal ${i} is the second by validator ${index}`);
    sealed[index] = 1;
  }
  return sealed;
}

/** Whether two lists, both ascending, differ in one account that one of them lacks: all that the votes on one block can do. */
export function differsByOne(validators: Uint8Array, others: Uint8Array): boolean {
  const count = validators.length / ADDRESS_BYTES;
  const otherCount = others.length / ADDRESS_BYTES;
  return Math.abs(count - otherCount) === 1 && overlapOf(validators, others) === Math.min(count, otherCount);
}
