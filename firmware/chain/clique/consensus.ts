// Clique, proof of authority by rotating signers (EIP-225 whole; where the text and the running networks differ, geth's
// `consensus/clique` governs). docs/header-rules.md lists every rule with its code.
//
// Promises: sizes first, then links and counts, then one signature recovery; a header that breaks several rules is refused
// by the cheapest. States are new objects, the old ones stay as they were. Never accepts a header whose block hash its
// signature does not cover: fields after the base fee, which Besu's signing hash leaves out, are refused as geth refuses them.

import { ADDRESS_BYTES, compareAt, findAddress } from "../../bytes/primitives.js";
import { copyInto, equal, fromText, readUint, writeUint } from "../../bytes.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { sealerOf } from "../../crypto/identity.js";
import { assert, Rejection } from "../../rejection.js";
import { type Consensus, HASH_BYTES, type Landing } from "../consensus.js";

import type { ChainRules } from "../ethereum/checkpoint-fields.js";
import {
  ACCOUNT_AT,
  ACCOUNT_END,
  deltaOf,
  FLAG_ACCOUNT,
  FLAG_AUTHORIZE,
  FLAG_IN_TURN,
  FLAGS_AT,
  gasOfDelta,
  SEALER_AT,
  TIME_AT,
  TIME_BYTES,
} from "../ethereum/delta.js";
import { checkGas, checkGasAlone, type Gas, type GasRules } from "../ethereum/gas.js";
import {
  COINBASE,
  decodeHeader,
  type EthereumHeader,
  MIX_HASH,
  NO_OMMERS,
  NONCE,
  OMMERS_HASH,
  PARENT_HASH,
  SEAL_BYTES,
  VANITY_BYTES,
} from "../ethereum/header.js";
import { cliqueJump, cliqueLanding } from "./jump.js";
import {
  CliqueTrusted,
  DIFFICULTY_IN_TURN,
  deserializeClique,
  RECENT_BYTES,
  recentsKept,
  SIGNERS_MAX,
  serializeClique,
} from "./state.js";
import { castVote, clearVotes } from "./votes.js";

/** By how much a header may be ahead of the clock, in seconds. */
const CLOCK_DRIFT_S = 15;
const DIFFICULTY_OUT_OF_TURN = 1;

/** What a configuration pins about a Clique chain. */
export interface CliqueRules extends ChainRules, GasRules {
  /** For how long a trusted block vouches for a jump, in seconds; undefined where the chain is always walked. */
  readonly trustingPeriodS: number | undefined;
}

/** Nothing new for so many periods, or so many seconds where that is more, means that something is wrong. */
const STALE_AFTER_PERIODS = 20;
const STALE_AFTER_S_MIN = 120;

export class Clique implements Consensus<EthereumHeader, CliqueTrusted> {
  readonly name = "clique";
  readonly chain: string;
  readonly rules: Uint8Array;
  readonly clockDriftS = CLOCK_DRIFT_S;
  readonly staleAfterS: number;
  readonly leastPeriodS: number;
  readonly checkpoint: CliqueTrusted;
  readonly #engine: CryptoEngine;
  readonly #rules: CliqueRules;

  constructor(engine: CryptoEngine, rules: CliqueRules, checkpoint: CliqueTrusted) {
    this.#engine = engine;
    this.#rules = rules;
    this.chain = rules.chain;
    this.checkpoint = checkpoint;
    const { chain, periodS, epoch, londonBlock, baseFeeRule, trustingPeriodS } = rules;
    this.leastPeriodS = periodS;
    this.staleAfterS = Math.max(STALE_AFTER_S_MIN, STALE_AFTER_PERIODS * periodS);
    const text = fromText(`clique ${chain} ${periodS} ${epoch} ${londonBlock ?? "?"} ${baseFeeRule} ${trustingPeriodS ?? "?"} `);
    this.rules = new Uint8Array(text.length + HASH_BYTES);
    this.rules.set(text);
    this.rules.set(rules.genesisHash, text.length);
  }

  decode(raw: Uint8Array): EthereumHeader | Rejection {
    const header = decodeHeader(this.#engine, raw);
    return header instanceof Rejection ? header : (checkAlone(header, header.number % this.#rules.epoch === 0) ?? header);
  }

  check(trusted: CliqueTrusted, header: EthereumHeader, nowS: number | undefined): Rejection | undefined {
    const rules = this.#rules;
    if (header.number !== trusted.number + 1) return new Rejection("number-wrong", `${header.number} after ${trusted.number}`);
    if (!header.has(PARENT_HASH, trusted.hash)) return new Rejection("parent-wrong", `block ${header.number} has another parent`);
    if (header.timeS < trusted.timeS + rules.periodS)
      return new Rejection("time-before-period", `${header.timeS} after ${trusted.timeS}, with a period of ${rules.periodS} s`);
    if (nowS !== undefined && header.timeS > nowS + CLOCK_DRIFT_S)
      return new Rejection("time-in-future", `${header.timeS}, and it is ${nowS}`);
    const gas = checkGas(trusted.gas, header.gas, header.number, rules);
    if (gas !== undefined) return gas;
    if (header.number % rules.epoch === 0) {
      const { extraData } = header;
      if (!equal(extraData.subarray(VANITY_BYTES, extraData.length - SEAL_BYTES), trusted.signers))
        return new Rejection("epoch-signers-wrong", `the list of block ${header.number} is not that of the tally`);
    }
    return trusted.signers.length === 0 ? new Rejection("signers-empty", "the last signer was voted out") : undefined;
  }

  authenticate(trusted: CliqueTrusted, header: EthereumHeader): CliqueTrusted | Rejection {
    const address = recoverSigner(this.#engine, header);
    if (address instanceof Rejection) return address;
    const signer = findAddress(trusted.signers, address);
    if (signer < 0) return new Rejection("signer-unauthorised", `the signer of block ${header.number} is none of the chain's`);
    if (signedRecently(trusted, address))
      return new Rejection("signer-recent", `signer ${signer} signed one of the last ${trusted.signerCount >> 1} blocks`);
    const inTurn = header.number % trusted.signerCount === signer;
    if (header.weight !== difficultyOf(inTurn))
      return new Rejection("difficulty-turn", `signer ${signer} is ${inTurn ? "" : "not "}in turn at ${header.number}`);
    const account = header.isFilled(COINBASE, 0) ? undefined : header.coinbase;
    const flags = (header.isFilled(NONCE, 0) ? 0 : FLAG_AUTHORIZE) | (inTurn ? FLAG_IN_TURN : 0);
    return this.after(trusted, deltaOf(header, header.hash, signer, account, flags), header.gas);
  }

  verify(trusted: CliqueTrusted, header: EthereumHeader, nowS?: number): CliqueTrusted | Rejection {
    return this.check(trusted, header, nowS) ?? this.authenticate(trusted, header);
  }

  replay(trusted: CliqueTrusted, delta: Uint8Array): CliqueTrusted | Rejection {
    const gas = gasOfDelta(delta, trusted.signerCount, trusted.number);
    return gas instanceof Rejection ? gas : this.after(trusted, delta, gas);
  }

  /** The state after `delta`, whose gas is `gas`. */
  private after(trusted: CliqueTrusted, delta: Uint8Array, gas: Gas): CliqueTrusted | Rejection {
    const flags = delta[FLAGS_AT] as number;
    const signer = delta[SEALER_AT] as number;
    const number = trusted.number + 1;
    const account = flags & FLAG_ACCOUNT ? delta.subarray(ACCOUNT_AT, ACCOUNT_END) : new Uint8Array(ADDRESS_BYTES);
    const before = number % this.#rules.epoch === 0 ? clearVotes(trusted) : trusted;
    const set = castVote(before, signer, account, (flags & FLAG_AUTHORIZE) !== 0);
    if (set instanceof Rejection) return set;
    const recents = nextRecents(trusted, signer, set.signers.length / ADDRESS_BYTES);
    const at = settledAt(trusted, number, recents, set.signers);
    return new CliqueTrusted({
      number,
      hash: delta.subarray(0, HASH_BYTES),
      timeS: readUint(delta, TIME_AT, TIME_BYTES),
      totalDifficulty: trusted.totalDifficulty + BigInt(difficultyOf((flags & FLAG_IN_TURN) !== 0)),
      settled: at < 0 ? trusted.settled : number - 1 - (recents.length - RECENT_BYTES - at) / RECENT_BYTES,
      settledTimeS: at < 0 ? trusted.settledTimeS : readUint(recents, at + ADDRESS_BYTES, 6),
      gas,
      signers: set.signers,
      votes: set.votes,
      forgotten: set.forgotten,
      recents,
      delta,
    });
  }

  vouches(trusted: CliqueTrusted, nowS: number): boolean {
    const { trustingPeriodS } = this.#rules;
    return trustingPeriodS === undefined || nowS <= trusted.timeS + trustingPeriodS;
  }

  landing(trusted: CliqueTrusted, target: number): Landing | undefined {
    return cliqueLanding(this.#rules, trusted, target);
  }

  skip(
    trusted: CliqueTrusted,
    headers: readonly EthereumHeader[],
    nowS: number | undefined,
    deltas: Uint8Array[] = [],
  ): CliqueTrusted | Rejection {
    const extraData = headers[0]?.extraData ?? new Uint8Array(0);
    const list = extraData.slice(VANITY_BYTES, Math.max(VANITY_BYTES, extraData.length - SEAL_BYTES));
    return cliqueJump(this, this.#rules, trusted, headers, list, nowS, deltas);
  }

  serialize(trusted: CliqueTrusted): Uint8Array {
    return serializeClique(trusted);
  }

  deserialize(bytes: Uint8Array): CliqueTrusted | Rejection {
    return deserializeClique(bytes);
  }
}

/** The address that sealed `header`, 20 bytes, or seal-malformed, seal-unrecoverable. High s is taken, as geth and Besu take it. */
export function recoverSigner(engine: CryptoEngine, header: EthereumHeader): Uint8Array | Rejection {
  const { extraData } = header;
  const sealAt = extraData.length - SEAL_BYTES;
  if (sealAt < 0) return new Rejection("extra-data-length", `${extraData.length} bytes have no room for a seal`);
  const recovery = extraData[extraData.length - 1] as number;
  if (recovery > 1) return new Rejection("seal-malformed", `a recovery id of ${recovery}`);
  const digest = header.hashWithExtraData(extraData.subarray(0, sealAt));
  const address = sealerOf(engine, extraData.subarray(sealAt), digest);
  return address ?? new Rejection("seal-unrecoverable", "no public key gives this seal");
}

/** The rules that need neither parent nor signature, cheapest first. */
function checkAlone(header: EthereumHeader, isEpoch: boolean): Rejection | undefined {
  const { extraData } = header;
  if (header.tailItems > 1)
    return new Rejection("tail-unexpected", `${header.tailItems} items after the nonce; Clique ends with the base fee`);
  const listBytes = extraData.length - VANITY_BYTES - SEAL_BYTES;
  if (listBytes < 0) return new Rejection("extra-data-length", `${extraData.length} bytes, less than vanity and seal take`);
  if (!isEpoch && listBytes !== 0) return new Rejection("extra-data-length", `${extraData.length} bytes outside an epoch block`);
  if (isEpoch && (listBytes === 0 || listBytes % ADDRESS_BYTES !== 0 || listBytes > SIGNERS_MAX * ADDRESS_BYTES))
    return new Rejection("extra-data-signers", `${listBytes} bytes are no list of 1 to ${SIGNERS_MAX} signers`);
  if ((extraData[extraData.length - 1] as number) > 1)
    return new Rejection("seal-malformed", `a recovery id of ${extraData[extraData.length - 1]}`);
  const drops = header.isFilled(NONCE, 0);
  if (!drops && !header.isFilled(NONCE, 0xff)) return new Rejection("nonce-wrong", "neither all ff nor all 00");
  if (isEpoch && (!drops || !header.isFilled(COINBASE, 0)))
    return new Rejection("epoch-vote", `epoch block ${header.number} carries a vote`);
  if (!header.isFilled(MIX_HASH, 0)) return new Rejection("mix-hash-wrong", "not zero");
  if (!header.hasHex(OMMERS_HASH, NO_OMMERS)) return new Rejection("ommers-wrong", "not the hash of an empty list");
  const { weight } = header;
  if (header.number > 0 && weight !== DIFFICULTY_IN_TURN && weight !== DIFFICULTY_OUT_OF_TURN)
    return new Rejection("difficulty-range", `${header.difficulty}, neither 1 nor 2`);
  return checkGasAlone(header.gas);
}

function difficultyOf(inTurn: boolean): number {
  return inTurn ? DIFFICULTY_IN_TURN : DIFFICULTY_OUT_OF_TURN;
}

/** Whether `address` signed one of the ⌊N/2⌋ blocks before the next. */
function signedRecently(trusted: CliqueTrusted, address: Uint8Array): boolean {
  const { recents } = trusted;
  const first = Math.max(0, recents.length - (trusted.signerCount >> 1) * RECENT_BYTES);
  for (let at = first; at < recents.length; at += RECENT_BYTES) if (compareAt(recents, at, address) === 0) return true;
  return false;
}

/** The recent signers with that of the next block, for a set of `count` after it. */
function nextRecents(trusted: CliqueTrusted, signer: number, count: number): Uint8Array {
  const before = trusted.recents;
  const kept = Math.min(before.length, (recentsKept(count) - 1) * RECENT_BYTES);
  const recents = new Uint8Array(kept + RECENT_BYTES);
  copyInto(recents, 0, before, before.length - kept);
  copyInto(recents, kept, trusted.signers, signer * ADDRESS_BYTES, (signer + 1) * ADDRESS_BYTES);
  writeUint(recents, trusted.timeS, kept + ADDRESS_BYTES, 6);
  return recents;
}

/**
 * Where in `recents` the oldest stands of more than half of the present signers, who have built on one block; below 0 where that is
 * no newer than what was settled.
 */
function settledAt(trusted: CliqueTrusted, number: number, recents: Uint8Array, signers: Uint8Array): number {
  const needed = ((signers.length / ADDRESS_BYTES) >> 1) + 1;
  let builders = 0;
  let child = number;
  assert(trusted.settled < number, "a settled block below its head");
  for (let at = recents.length - RECENT_BYTES; at >= 0; at -= RECENT_BYTES, child -= 1) {
    // The recents rule makes these signers distinct; one that was voted out meanwhile does not count.
    if (findAddress(signers, recents, at) >= 0) builders += 1;
    if (builders === needed) return child - 1 > trusted.settled ? at : -1;
  }
  return -1;
}
