// Pending votes as one byte string: the voter's byte and the account, 21 bytes each, in the order in which they were cast. What
// the byte says besides the voter's index, and what comes of more than are kept, differs: clique/votes.ts, bft/votes.ts.
//
// Promises: a table that was given is never changed; where nothing is to be changed the same object is given back.
import { ADDRESS_BYTES, compareAt } from "../../bytes/primitives.js";

export const VOTE_BYTES = 1 + ADDRESS_BYTES;
/** The most pending votes that are kept. */
export const VOTES_MAX = 48;

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

/** `votes` without those about `account`. */
export function withoutVotesAbout(votes: Uint8Array, account: Uint8Array): Uint8Array {
  return withoutVotes(votes, (at) => compareAt(votes, at + 1, account) === 0);
}

/**
 * `votes` of voters whose indices changed.
 * @param flags the bits of a voter's byte that are no part of the index
 */
export function renumbered(votes: Uint8Array, rename: (index: number) => number, flags = 0): Uint8Array {
  const renamed = votes.slice();
  for (let at = 0; at < renamed.length; at += VOTE_BYTES) {
    const lead = renamed[at] as number;
    renamed[at] = (lead & flags) | rename(lead & ~flags);
  }
  return renamed;
}
