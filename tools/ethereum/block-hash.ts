// The hash of a block, from its raw header, as its chain's nodes compute it.
//
// Promises: keccak256 of the header, which is the block's hash on most chains; and for the Istanbul family, known by its
// mixHash, the hashes of IBFT 2.0, QBFT and IBFT 1, which leave out seals (Besu `BftBlockHashing`, GoQuorum
// `consensus/istanbul`). Never: judges a header.

import { equal } from "../../firmware/bytes.js";
import { BftHeader, checkCommonFields } from "../../firmware/chain/bft/header.js";
import { ibft1 } from "../../firmware/chain/bft/ibft1.js";
import { ibft2 } from "../../firmware/chain/bft/ibft2.js";
import { qbft } from "../../firmware/chain/bft/qbft.js";
import { decodeHeader } from "../../firmware/chain/ethereum/header.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";

/** What one raw header may hash to: the first is keccak256 of it. */
export function blockHashes(raw: Uint8Array): readonly Uint8Array[] {
  const hashes = [engine.keccak256(raw)];
  const header = decodeHeader(engine, raw);
  if (header instanceof Rejection || checkCommonFields(header) instanceof Rejection) return hashes;
  for (const dialect of [qbft, ibft2, ibft1])
    try {
      hashes.push(new BftHeader(engine, header, dialect.readExtra(header.extraData)).hash);
    } catch (error) {
      if (!(error instanceof Rejection)) throw error; // not of this dialect
    }
  return hashes;
}

export function isBlockHashOf(hash: Uint8Array, raw: Uint8Array): boolean {
  return blockHashes(raw).some((each) => equal(each, hash));
}
