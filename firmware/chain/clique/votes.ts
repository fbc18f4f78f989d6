// Votes on who may sign a Clique chain (EIP-225, "Voting on signers" and "Reference Implementation": the snapshot).
//
// Promises: the latest vote of a signer about an account counts, once; more than half of the signers change the status of
// the account that the block names, of no other; a removed signer's votes fall, and so do all votes about an account whose
// status changed. A vote that changes nothing is ignored. Votes are kept up to `VOTES_MAX`.
//
// Beyond that, the oldest vote of the signer who has most is forgotten and the signer is marked until the next epoch. From
// then on a tally lies between what is known and what the marked signers may have added: only where that difference decides
// is a block refused (tally-unknown). So one signer who floods the table gains nothing, and no set is ever wrong.

import { ADDRESS_BYTES, compareAt, findAddress } from "../../bytes/primitives.js";
import { isFilled } from "../../bytes.js";
import { Rejection } from "../../rejection.js";
import { withAddress, withoutAddress } from "../ethereum/address-set.js";
import { renumbered, VOTE_BYTES, VOTES_MAX, withoutVotes, withoutVotesAbout, withVote } from "../ethereum/vote-table.js";
import { SIGNERS_MAX, type SignerSet } from "./state.js";

/** `set` as an epoch block leaves it: no votes. */
export function clearVotes(set: SignerSet): SignerSet {
  if (set.votes.length === 0 && set.forgotten.length === 0) return set;
  return { signers: set.signers, votes: new Uint8Array(0), forgotten: new Uint8Array(0) };
}

/**
 * The set after a block by signer `voter` (an index) that names `account` and the direction.
 * @param account 20 bytes; a block without a vote names the zero address and the direction "drop"
 * @returns the same object where nothing changed; or tally-unknown, signers-too-many
 */
export function castVote(set: SignerSet, voter: number, account: Uint8Array, authorize: boolean): SignerSet | Rejection {
  const { signers } = set;
  const count = signers.length / ADDRESS_BYTES;
  const place = findAddress(signers, account);
  const isSigner = place >= 0;
  // The touched account's tally is looked at even where this vote says nothing new: other votes may have become a majority
  // of a set that shrank since.
  let votes = withoutVotes(set.votes, (at) => set.votes[at] === voter && compareAt(set.votes, at + 1, account) === 0);
  if (authorize !== isSigner) votes = withVote(votes, voter, account);
  const tally = tallyOf(votes, account);
  if (tally > count >> 1) return isSigner ? remove(set, votes, place) : add(set, votes, -1 - place, account);
  if (tally + forgottenAbout(set, votes, voter, account) > count >> 1)
    return new Rejection("tally-unknown", "votes that were forgotten may decide; a new checkpoint is needed");
  if (votes.length <= VOTES_MAX * VOTE_BYTES) return votes === set.votes ? set : { signers, votes, forgotten: set.forgotten };
  return forgetOne(set, votes, count);
}

function add(set: SignerSet, votes: Uint8Array, place: number, account: Uint8Array): SignerSet | Rejection {
  if (set.signers.length === SIGNERS_MAX * ADDRESS_BYTES)
    return new Rejection("signers-too-many", `a vote passed that makes more than ${SIGNERS_MAX} signers`);
  const rest = withoutVotesAbout(votes, account);
  return {
    signers: withAddress(set.signers, account),
    votes: renumbered(rest, (index) => (index >= place ? index + 1 : index)),
    forgotten: set.forgotten.length === 0 ? set.forgotten : spliced(set.forgotten, place, 0, new Uint8Array(1)),
  };
}

function remove(set: SignerSet, votes: Uint8Array, place: number): SignerSet {
  const account = set.signers.subarray(place * ADDRESS_BYTES, (place + 1) * ADDRESS_BYTES);
  const rest = withoutVotes(votes, (at) => votes[at] === place || compareAt(votes, at + 1, account) === 0);
  const none = new Uint8Array(0);
  const forgotten = set.forgotten.length === 0 ? none : spliced(set.forgotten, place, 1, none);
  return {
    signers: withoutAddress(set.signers, place),
    votes: renumbered(rest, (index) => (index > place ? index - 1 : index)),
    forgotten: forgotten.includes(1) ? forgotten : none,
  };
}

/** How many votes about `account` there are. */
function tallyOf(votes: Uint8Array, account: Uint8Array): number {
  let tally = 0;
  for (let at = 0; at < votes.length; at += VOTE_BYTES) if (compareAt(votes, at + 1, account) === 0) tally += 1;
  return tally;
}

/**
 * How many votes about `account` may have been forgotten. `voter` has just voted, so none of theirs; and none about the zero
 * address, which every block without a vote touches: those are never forgotten.
 */
function forgottenAbout(set: SignerSet, votes: Uint8Array, voter: number, account: Uint8Array): number {
  if (set.forgotten.length === 0 || isFilled(account, 0)) return 0;
  const may = set.forgotten.slice();
  may[voter] = 0;
  for (let at = 0; at < votes.length; at += VOTE_BYTES) if (compareAt(votes, at + 1, account) === 0) may[votes[at] as number] = 0;
  let count = 0;
  for (let i = 0; i < may.length; i += 1) count += may[i] as number;
  return count;
}

function forgetOne(set: SignerSet, votes: Uint8Array, count: number): SignerSet | Rejection {
  const held = new Uint8Array(count);
  let most = -1;
  for (let at = 0; at < votes.length; at += VOTE_BYTES) {
    if (isFilled(votes.subarray(at + 1, at + VOTE_BYTES), 0)) continue;
    const voter = votes[at] as number;
    held[voter] = (held[voter] as number) + 1;
    if (most < 0 || (held[voter] as number) > (held[most] as number)) most = voter;
  }
  if (most < 0) return new Rejection("tally-unknown", "more votes than are kept, none of which can be forgotten");
  let oldest = 0;
  while (votes[oldest] !== most || isFilled(votes.subarray(oldest + 1, oldest + VOTE_BYTES), 0)) oldest += VOTE_BYTES;
  const forgotten = set.forgotten.length === 0 ? new Uint8Array(count) : set.forgotten.slice();
  forgotten[most] = 1;
  return { signers: set.signers, votes: spliced(votes, oldest, VOTE_BYTES, new Uint8Array(0)), forgotten };
}

/** `bytes` with `removed` bytes at `at` replaced by `inserted`. */
function spliced(bytes: Uint8Array, at: number, removed: number, inserted: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length - removed + inserted.length);
  result.set(bytes.subarray(0, at));
  result.set(inserted, at);
  result.set(bytes.subarray(at + removed), at + inserted.length);
  return result;
}
