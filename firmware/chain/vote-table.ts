// Pending votes as one byte string: a voter's byte and the account, 21 bytes each, in the order in which they were cast. Used by
// Clique and by the BFT family, whose rules about them differ (clique-votes.ts, bft-votes.ts).
//
// Promises: a table that was given is never changed; where nothing is to be changed the same object is given back.

import { VOTE_BYTES } from "./clique-state.js";

/** `votes` and one more. */
export function withVote(votes: Uint8Array, voter: number, account: Uint8Array): Uint8Array {
  const longer = new Uint8Array(votes.length + VOTE_BYTES);
  longer.set(votes);
  longer[votes.length] = voter;
  longer.set(account, votes.length + 1);
  return longer;
}

/** `votes` without those at whose offset `drop` holds. */
export function withoutVotes(votes: Uint8Array, drop: (at: number) => boolean): Uint8Array {
  let kept = votes;
  let end = 0;
  for (let at = 0; at < votes.length; at += VOTE_BYTES) {
    if (drop(at)) {
      if (kept === votes) kept = votes.slice();
      continue;
    }
    if (kept !== votes) kept.set(votes.subarray(at, at + VOTE_BYTES), end);
    end += VOTE_BYTES;
  }
  return kept === votes ? votes : kept.slice(0, end);
}
