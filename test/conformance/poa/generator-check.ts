// The generators of test/chains judged by real headers: what their encoders make of a real header's fields has to be the real
// bytes and the real hashes. Third-party code alone: nothing of the firmware's takes part.

import { RLP } from "@ethereumjs/rlp";
import { type BftDraft, encodeHeader, hashOf, sealDigestOf } from "../../chains/bft-encoding.js";
import type { BftKind } from "../../chains/bft-model.js";
import { hexOf } from "../../chains/clique-generator.js";
import type { Outcome } from "../set.js";

/** @param hashes as the row has them; what is absent is not compared */
export function checkGenerator(kind: BftKind, raw: Uint8Array, hashes: { block: string; seals?: string }): Outcome {
  const draft = draftOf(kind, raw);
  const again = hexOf(encodeHeader(kind, draft));
  if (again !== hexOf(raw)) return `the generator encodes ${again}`;
  const block = hexOf(hashOf(kind, draft));
  if (block !== hashes.block) return `the generator hashes the block to ${block}`;
  const seals = hexOf(sealDigestOf(kind, draft));
  return hashes.seals === undefined || seals === hashes.seals ? undefined : `the generator seals ${seals}`;
}

function draftOf(kind: BftKind, raw: Uint8Array): BftDraft {
  const items = RLP.decode(raw) as Uint8Array[];
  const at = (index: number): Uint8Array => items[index] as Uint8Array;
  const scalar = (index: number): bigint => (at(index).length === 0 ? 0n : BigInt(hexOf(at(index))));
  const extra = at(12);
  const list = RLP.decode(kind === "ibft" ? extra.subarray(32) : extra) as (Uint8Array | Uint8Array[])[];
  const from = kind === "ibft" ? 0 : 1;
  const ballot = kind === "ibft" ? [] : (list[2] as Uint8Array[]);
  const [account, direction] = ballot.length === 2 ? ballot : [];
  const rounds = kind === "ibft" ? new Uint8Array(0) : (list[3] as Uint8Array);
  return {
    ...{ parentHash: at(0), ommersHash: at(1), coinbase: at(2), stateRoot: at(3), transactionsRoot: at(4), receiptsRoot: at(5) },
    ...{
      logsBloom: at(6),
      difficulty: scalar(7),
      number: scalar(8),
      gasLimit: scalar(9),
      gasUsed: scalar(10),
      timeS: scalar(11),
    },
    ...{ mixHash: at(13), nonce: at(14), tail: items.slice(15) },
    vanity: kind === "ibft" ? extra.subarray(0, 32) : (list[0] as Uint8Array),
    validators: list[from] as Uint8Array[],
    vote: account === undefined ? undefined : { account, authorize: direction?.length === 1 && direction[0] === 0xff },
    round: rounds.length === 0 ? 0 : Number(hexOf(rounds)),
    proposerSeal: kind === "ibft" ? (list[1] as Uint8Array) : new Uint8Array(0),
    seals: list[list.length - 1] as Uint8Array[],
  };
}
