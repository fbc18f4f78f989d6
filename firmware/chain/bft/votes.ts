// Votes on who validates a BFT chain (Besu `VoteTally`, `VoteTallyUpdater`; GoQuorum `consensus/istanbul/backend`,
// `snapApplyHeader`).
//
// Promises: the latest vote of a validator about an account counts, once; more than half of the validators change the status
// of the account that the block names, of no other; then all votes about it fall, and those that a removed validator cast.
// Votes are kept up to `VOTES_MAX`: one more makes the tally unknown until the next epoch, and the set is never wrong.
//
// Besu keeps votes that would change nothing, too, and a majority of them discards the votes against it; GoQuorum keeps none.

import { ADDRESS_BYTES, compareAt, findAddress } from "../../bytes/primitives.js";
import { Rejection } from "../../rejection.js";
import { withAddress, withoutAddress } from "../ethereum/address-set.js";
import { renumbered, VOTE_BYTES, VOTES_MAX, withoutVotes, withoutVotesAbout, withVote } from "../ethereum/vote-table.js";

import { VALIDATORS_MAX } from "./extra.js";

/** In the first byte of a vote, besides the validator's index: it is for the account. */
export const VOTE_FOR = 0x80;

/** Who validates the next block, and the votes that are under way. */
export interface ValidatorSet {
  /** Addresses, ascending, 20 bytes each. */
  readonly validators: Uint8Array;
  /** Votes in the order in which they were cast, `VOTE_BYTES` each; undefined where they are not known. */
  readonly votes: Uint8Array | undefined;
}

/**
 * The set after a block of validator `voter` (an index) that votes about `account`.
 * @param set with known votes
 * @param keepsIdle whether votes that would change nothing are kept, as Besu keeps them
 * @returns the same object where nothing changed, unknown votes beyond `VOTES_MAX`; or validators-too-many
 */
export function castVote(
  set: ValidatorSet & { readonly votes: Uint8Array },
  voter: number,
  account: Uint8Array,
  authorize: boolean,
  keepsIdle: boolean,
): ValidatorSet | Rejection {
  const { validators } = set;
  const place = findAddress(validators, account);
  const isValidator = place >= 0;
  const own = (at: number): boolean =>
    ((set.votes[at] as number) & ~VOTE_FOR) === voter && compareAt(set.votes, at + 1, account) === 0;
  let votes = withoutVotes(set.votes, own);
  if (keepsIdle || authorize !== isValidator) votes = withVote(votes, voter | (authorize ? VOTE_FOR : 0), account);
  const majority = ((validators.length / ADDRESS_BYTES) >> 1) + 1;
  if (tallyOf(votes, account, !isValidator) >= majority)
    return isValidator ? remove(validators, votes, place) : add(validators, votes, place, account);
  if (tallyOf(votes, account, isValidator) >= majority) votes = withoutVotesAbout(votes, account);
  if (votes.length > VOTES_MAX * VOTE_BYTES) return { validators, votes: undefined };
  return { validators, votes };
}

function add(validators: Uint8Array, votes: Uint8Array, place: number, account: Uint8Array): ValidatorSet | Rejection {
  if (validators.length === VALIDATORS_MAX * ADDRESS_BYTES)
    return new Rejection("validators-too-many", `a vote passed that makes more than ${VALIDATORS_MAX} validators`);
  const at = -1 - place;
  const longer = withAddress(validators, account);
  return {
    validators: longer,
    votes: renumbered(withoutVotesAbout(votes, account), (index) => (index >= at ? index + 1 : index), VOTE_FOR),
  };
}

function remove(validators: Uint8Array, votes: Uint8Array, place: number): ValidatorSet {
  const account = validators.slice(place * ADDRESS_BYTES, (place + 1) * ADDRESS_BYTES);
  const about = withoutVotesAbout(votes, account);
  const rest = withoutVotes(about, (at) => ((about[at] as number) & ~VOTE_FOR) === place);
  return {
    validators: withoutAddress(validators, place),
    votes: renumbered(rest, (index) => (index > place ? index - 1 : index), VOTE_FOR),
  };
}

function tallyOf(votes: Uint8Array, account: Uint8Array, authorize: boolean): number {
  let tally = 0;
  for (let at = 0; at < votes.length; at += VOTE_BYTES)
    if ((votes[at] as number) >= VOTE_FOR === authorize && compareAt(votes, at + 1, account) === 0) tally += 1;
  return tally;
}
