// IBFT 1, IBFT 2.0 and QBFT: one verifier for the family; what differs is in the dialects (`ibft1.ts`, `ibft2.ts`, `qbft.ts`).
// Sources: Besu `consensus/common`, `consensus/ibft`, `consensus/qbft`; GoQuorum `consensus/istanbul`. docs/header-rules.md
// lists every rule with its code.
//
// Promises: sizes first, then links, lists and counts, then signatures, one recovery per seal; a header that breaks several
// rules is refused by the cheapest. A block is sealed by its own set, which is the one that the votes before it made. States are
// new objects. Never takes an own quorum for more than it is: a set that nobody known vouches for is refused, and so is
// everything once the trusting period is over, since there is no unbonding and removed validators keep their keys.

import { ADDRESS_BYTES, findAddress } from "../../bytes/primitives.js";
import { equal, readUint } from "../../bytes.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { Rejection } from "../../rejection.js";
import { type Consensus, HASH_BYTES, type Landing } from "../consensus.js";
import { overlapOf } from "../ethereum/address-set.js";
import {
  ACCOUNT_AT,
  ACCOUNT_END,
  deltaOf,
  FLAG_ACCOUNT,
  FLAG_AUTHORIZE,
  FLAGS_AT,
  gasOfDelta,
  SEALER_AT,
  TIME_AT,
  TIME_BYTES,
} from "../ethereum/delta.js";
import { checkGas, checkGasAlone, type Gas } from "../ethereum/gas.js";
import { decodeHeader, PARENT_HASH } from "../ethereum/header.js";
import { type BftVote, isOrdered } from "./extra.js";
import { type BftDialect, BftHeader, checkCommonFields } from "./header.js";

import { type BftRules, contractAt, leastSpanS, periodAt, pinnedBetween, quorumAt, rulesBytes, setAfter } from "./rules.js";
import { checkSealCount, differsByOne, jumpVouchersOf, sealer, vouchersOf, whoSealed } from "./seals.js";
import { BftTrusted, deserializeBft, serializeBft } from "./state.js";
import type { ValidatorSet } from "./votes.js";

/** By how much a header may be ahead of the clock, in seconds: Besu allows 1, GoQuorum none, and a mote's clock may be late. */
const CLOCK_DRIFT_S = 15;
/** Nothing new for so many periods, or so many seconds where that is more, means that something is wrong. */
const STALE_AFTER_PERIODS = 20;
const STALE_AFTER_S_MIN = 120;
/**
 * A jump over at most so many blocks is linked by hash where the configuration does not ask for more: what lies beyond would take
 * longer than a mote can be kept waiting.
 */
export const LINK_BLOCKS_MAX = 1024;

export class Bft implements Consensus<BftHeader, BftTrusted> {
  readonly name: string;
  readonly chain: string;
  readonly rules: Uint8Array;
  readonly clockDriftS = CLOCK_DRIFT_S;
  readonly isFinal = true;
  readonly staleAfterS: number;
  readonly leastPeriodS: number;
  readonly trustingPeriodS: number;
  readonly checkpoint: BftTrusted;
  readonly #engine: CryptoEngine;
  readonly #dialect: BftDialect;
  readonly #rules: BftRules;

  /** @param idlePeriodS the greatest distance of two blocks while all is well, in seconds */
  constructor(engine: CryptoEngine, dialect: BftDialect, rules: BftRules, checkpoint: BftTrusted, idlePeriodS: number) {
    this.#engine = engine;
    this.#dialect = dialect;
    this.#rules = rules;
    this.name = dialect.name;
    this.chain = rules.chain;
    this.checkpoint = checkpoint;
    this.rules = rulesBytes(dialect, rules);
    this.trustingPeriodS = rules.trustingPeriodS;
    this.leastPeriodS = rules.transitions.reduce((least, { periodS = least }) => Math.min(least, periodS), rules.periodS);
    this.staleAfterS = Math.max(STALE_AFTER_S_MIN, STALE_AFTER_PERIODS * idlePeriodS);
  }

  get linkBlocksMax(): number {
    return this.#rules.linkBlocks;
  }

  decode(raw: Uint8Array): BftHeader | Rejection {
    const eth = decodeHeader(this.#engine, raw);
    if (eth instanceof Rejection) return eth;
    try {
      const header = new BftHeader(this.#engine, eth, this.#dialect.readExtra(eth.extraData));
      return this.checkAlone(header) ?? header;
    } catch (error) {
      if (error instanceof Rejection) return error;
      throw error;
    }
  }

  check(trusted: BftTrusted, header: BftHeader, nowS: number | undefined): Rejection | undefined {
    const rules = this.#rules;
    const { number } = header;
    if (number !== trusted.number + 1) return new Rejection("number-wrong", `${number} after ${trusted.number}`);
    if (!header.eth.has(PARENT_HASH, trusted.hash)) return new Rejection("parent-wrong", `block ${number} has another parent`);
    const late = this.checkTime(trusted, header, nowS);
    if (late !== undefined) return late;
    const { boundsGasLimit } = this.#dialect;
    const gas = checkGas(boundsGasLimit ? trusted.gas : undefined, header.eth.gas, number, {
      londonBlock: rules.londonBlock,
      baseFeeRule: "unbound",
    });
    if (gas !== undefined) return gas;
    const list = this.listOf(header, trusted.validators);
    if (list !== trusted.validators) {
      if (trusted.votes !== undefined) return new Rejection("validators-wrong", `the list of block ${number} is not the tally's`);
      if (!differsByOne(list, trusted.validators))
        return new Rejection("validators-wrong", `the list of block ${number} differs by more than one vote can`);
      if (nowS === undefined) return new Rejection("clock-unknown", "a list that no tally explains, and no clock to judge it by");
      const needed = this.vouchers(trusted.validators, number);
      const vouched = checkOverlap(overlapOf(list, trusted.validators), needed, trusted.validators);
      if (vouched !== undefined) return vouched;
    }
    return this.checkList(header, list);
  }

  authenticate(trusted: BftTrusted, header: BftHeader): BftTrusted | Rejection {
    const list = this.listOf(header, trusted.validators);
    const vouchers = list === trusted.validators ? 0 : this.vouchers(trusted.validators, header.number);
    const proposer = this.authenticateSeals(header, list, trusted.validators, vouchers);
    if (proposer instanceof Rejection) return proposer;
    const vote = contractAt(this.#rules, header.number) ? undefined : this.#dialect.voteOf(header);
    // A list that its seals vouch for and no tally explains leaves no delta: there is too much to tell.
    if (list !== trusted.validators) return this.landOn(header, list, proposer, vote);
    const flags = vote?.authorize === true ? FLAG_AUTHORIZE : 0;
    return this.after(trusted, deltaOf(header.eth, header.hash, proposer, vote?.account, flags), header.eth.gas);
  }

  verify(trusted: BftTrusted, header: BftHeader, nowS?: number): BftTrusted | Rejection {
    return this.check(trusted, header, nowS) ?? this.authenticate(trusted, header);
  }

  replay(trusted: BftTrusted, delta: Uint8Array): BftTrusted | Rejection {
    const gas = gasOfDelta(delta, trusted.validatorCount, trusted.number);
    return gas instanceof Rejection ? gas : this.after(trusted, delta, gas);
  }

  /** The state after `delta`, whose gas is `gas`. */
  private after(trusted: BftTrusted, delta: Uint8Array, gas: Gas): BftTrusted | Rejection {
    const flags = delta[FLAGS_AT] as number;
    const vote =
      flags & FLAG_ACCOUNT
        ? { account: delta.subarray(ACCOUNT_AT, ACCOUNT_END), authorize: (flags & FLAG_AUTHORIZE) !== 0 }
        : undefined;
    const voter = delta[SEALER_AT] as number;
    const number = trusted.number + 1;
    const set = setAfter(this.#rules, this.#dialect, trusted, number, voter, vote);
    if (set instanceof Rejection) return set;
    return new BftTrusted({
      number,
      hash: delta.subarray(0, HASH_BYTES),
      timeS: readUint(delta, TIME_AT, TIME_BYTES),
      gas,
      validators: set.validators,
      votes: set.votes,
      delta,
    });
  }

  signatures(header: BftHeader): number {
    return header.extra.seals.length + (this.#dialect.proposerSeals ? 1 : 0);
  }

  landing(_trusted: BftTrusted, target: number): Landing {
    return { from: target, count: 1 };
  }

  /**
   * The state after a header anywhere above: its own quorum seals it, and so many of the trusted set do that it takes no fewer
   * dishonest ones than a fork. Nothing here tells which chain it belongs to: the caller links it. skip-backwards,
   * clock-unknown, skip-overlap, and the codes of `check` and `authenticate`.
   */
  skip(trusted: BftTrusted, headers: readonly BftHeader[], nowS: number | undefined): BftTrusted | Rejection {
    const header = headers[0];
    if (header === undefined || header.number <= trusted.number)
      return new Rejection("skip-backwards", `to ${header?.number ?? "nowhere"} from ${trusted.number}`);
    if (nowS === undefined) return new Rejection("clock-unknown", "nobody can tell whether the trusting period is over");
    const { number } = header;
    const late = this.checkTime(trusted, header, nowS) ?? checkPace(this.#rules, trusted, header);
    if (late !== undefined) return late;
    // A set that the configuration pins in between is as good as the one that was verified.
    const known = pinnedBetween(this.#rules, trusted.number + 1, number) ?? trusted.validators;
    const list = this.listOf(header, known);
    const vouchers = jumpVouchersOf(known.length / ADDRESS_BYTES, this.quorum(known, number));
    const refused = checkOverlap(overlapOf(list, known), vouchers, known) ?? this.checkList(header, list);
    if (refused !== undefined) return refused;
    const proposer = this.authenticateSeals(header, list, known, vouchers);
    if (proposer instanceof Rejection) return proposer;
    const vote = contractAt(this.#rules, number) ? undefined : this.#dialect.voteOf(header);
    return this.landOn(header, list, proposer, vote);
  }

  contradicts(trusted: BftTrusted, header: BftHeader, nowS: number | undefined, ours?: BftHeader): Rejection | undefined {
    if (nowS === undefined) return new Rejection("clock-unknown", "nobody can tell whether the trusting period is over");
    const { number } = header;
    const known = ours === undefined ? trusted.validators : this.sealersOf(trusted, ours);
    if (known === undefined || this.listOf(header, known) !== known)
      return new Rejection("validators-wrong", `the list of block ${number} is not the set that is known there`);
    if (ours === undefined) {
      const state = this.verify(trusted, header, nowS);
      return state instanceof Rejection ? state : undefined;
    }
    if (number !== ours.number || !equal(header.parentHash, ours.parentHash))
      return new Rejection("parent-wrong", `block ${number} has another parent`);
    const refused = this.checkExpiry(trusted, nowS) ?? checkFuture(header, nowS) ?? this.checkList(header, known);
    if (refused !== undefined) return refused;
    const proposer = this.authenticateSeals(header, known, known, 0);
    return proposer instanceof Rejection ? proposer : undefined;
  }

  serialize(trusted: BftTrusted): Uint8Array {
    return serializeBft(trusted);
  }

  deserialize(bytes: Uint8Array): BftTrusted | Rejection {
    return deserializeBft(bytes);
  }

  /** The state after a header whose list its own seals vouch for: votes are known only from an epoch block on. */
  private landOn(header: BftHeader, list: Uint8Array, proposer: number, vote: BftVote | undefined): BftTrusted | Rejection {
    const { number, hash, timeS } = header;
    // In contract mode nobody votes, so nothing is unknown.
    const before: ValidatorSet = {
      validators: list.slice(),
      votes: contractAt(this.#rules, number) ? new Uint8Array(0) : undefined,
    };
    const set = setAfter(this.#rules, this.#dialect, before, number, proposer, vote);
    if (set instanceof Rejection) return set;
    const { validators, votes } = set;
    return new BftTrusted({ number, hash, timeS, gas: header.eth.gas, validators, votes, delta: new Uint8Array(0) });
  }

  /** The rules that need neither parent nor signature, cheapest first. */
  private checkAlone(header: BftHeader): Rejection | undefined {
    const { extra, eth } = header;
    const common = checkCommonFields(eth) ?? this.#dialect.checkAlone(header);
    if (common !== undefined) return common;
    const contract = contractAt(this.#rules, header.number);
    if (contract && (extra.validators.length > 0 || extra.vote !== undefined))
      return new Rejection("validators-unexpected", "a contract names the validators, and this header names or votes on some");
    if (!contract && extra.validators.length === 0) return new Rejection("validators-empty", "the header lists nobody");
    if (!isOrdered(this.#engine, extra.validators, this.#dialect.client === "goquorum"))
      return new Rejection("validators-unordered", `the list of block ${header.number} is in no order that its clients write`);
    return checkGasAlone(eth.gas);
  }

  private checkExpiry(trusted: BftTrusted, nowS: number | undefined): Rejection | undefined {
    const { trustingPeriodS } = this.#rules;
    if (nowS === undefined || nowS <= trusted.timeS + trustingPeriodS) return undefined;
    return new Rejection("checkpoint-expired", `block ${trusted.number} is older than ${trustingPeriodS} s`);
  }

  private checkTime(trusted: BftTrusted, header: BftHeader, nowS: number | undefined): Rejection | undefined {
    const expired = this.checkExpiry(trusted, nowS);
    if (expired !== undefined) return expired;
    const periodS = periodAt(this.#rules, header.number);
    if (periodS > 0 && header.timeS < trusted.timeS + periodS)
      return new Rejection("time-before-period", `${header.timeS} after ${trusted.timeS}, with a period of ${periodS} s`);
    return checkFuture(header, nowS);
  }

  private vouchers(known: Uint8Array, number: number): number {
    return vouchersOf(known.length / ADDRESS_BYTES, this.quorum(known, number));
  }

  private quorum(list: Uint8Array, number: number): number {
    return quorumAt(this.#rules, number, list.length / ADDRESS_BYTES);
  }

  /** Those whose seals count, ascending by bytes: the header's own list, in contract mode the set that is pinned; `known` where it is that. */
  private listOf(header: BftHeader, known: Uint8Array): Uint8Array {
    return contractAt(this.#rules, header.number) ? known : header.setAs(known);
  }

  /** Who sealed the trusted block, whose header is `ours`; undefined where its list is not told and the next set is another. */
  private sealersOf(trusted: BftTrusted, ours: BftHeader): Uint8Array | undefined {
    const { number } = ours;
    const isTold = !contractAt(this.#rules, number) || pinnedBetween(this.#rules, number, number + 1) === undefined;
    return isTold ? this.listOf(ours, trusted.validators) : undefined;
  }

  /** Coinbase and number of seals against the list: validators-empty, coinbase-stranger, seals-too-few, seals-too-many. */
  private checkList(header: BftHeader, list: Uint8Array): Rejection | undefined {
    const { proposerSeals } = this.#dialect;
    if (list.length === 0) return new Rejection("validators-empty", "the last validator was voted out");
    if (!proposerSeals && findAddress(list, header.eth.coinbase) < 0)
      return new Rejection("coinbase-stranger", `the proposer of block ${header.number} is none of the validators`);
    const count = list.length / ADDRESS_BYTES;
    const needed = quorumAt(this.#rules, header.number, count);
    return checkSealCount(header.extra.seals.length, needed, count);
  }

  /** The proposer's index in `list`; of those who sealed, so many `vouchers` have to be among `known`. */
  private authenticateSeals(header: BftHeader, list: Uint8Array, known: Uint8Array, vouchers: number): number | Rejection {
    let proposer = header.eth.coinbase;
    const { proposerSeal, seals } = header.extra;
    if (proposerSeal !== undefined) {
      const address = sealer(this.#engine, proposerSeal, header.proposalDigest);
      if (address instanceof Rejection) return address;
      proposer = address;
    }
    const index = findAddress(list, proposer);
    if (index < 0) return new Rejection("proposer-stranger", `the proposer of block ${header.number} is none of the validators`);
    const sealed = whoSealed(this.#engine, this.#dialect.sealDigest(header), seals, list);
    if (sealed instanceof Rejection) return sealed;
    return checkOverlap(overlapOf(list, known, sealed), vouchers, known) ?? index;
  }
}

function checkOverlap(overlap: number, vouchers: number, known: Uint8Array): Rejection | undefined {
  if (overlap >= vouchers) return undefined;
  const count = known.length / ADDRESS_BYTES;
  return new Rejection("skip-overlap", `${overlap} of the ${count} trusted validators, ${vouchers} needed`);
}

/** By its own chain's period no block can stand so far above the trusted one at the time that it says. */
function checkPace(rules: BftRules, trusted: BftTrusted, header: BftHeader): Rejection | undefined {
  const spanS = leastSpanS(rules, trusted.number, header.number);
  if (header.timeS >= trusted.timeS + spanS) return undefined;
  const blocks = header.number - trusted.number;
  return new Rejection("time-before-period", `${blocks} blocks in ${header.timeS - trusted.timeS} s, at least ${spanS} s needed`);
}

function checkFuture(header: BftHeader, nowS: number | undefined): Rejection | undefined {
  if (nowS === undefined || header.timeS <= nowS + CLOCK_DRIFT_S) return undefined;
  return new Rejection("time-in-future", `${header.timeS}, and it is ${nowS}`);
}
