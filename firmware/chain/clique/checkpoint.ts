// The checkpoint of a Clique chain as the configuration has it: JSON, described field by field in docs/header-rules.md.
//
// Promises: takes a genesis block, another epoch block, or any block that brings its recent signers and pending votes;
// whatever is absent, out of bounds or contradicts itself is refused with the field's name (checkpoint-invalid).
// Never fills in a default for what decides whom to believe.

import { fromHex, toHex } from "../../bytes.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { Rejection } from "../../rejection.js";
import { HASH_BYTES } from "../consensus.js";
import { ADDRESS_BYTES, findAddress, isAscending } from "../ethereum/address-set.js";
import {
  bytes,
  chainOf,
  type Fields,
  fieldsOf,
  gasFields,
  HEIGHT_MAX,
  hex,
  invalid,
  PERIOD_S_MAX,
  type Quantity,
  quantity,
  UINT256_MAX,
  uint,
} from "../ethereum/checkpoint-fields.js";
import type { BaseFeeRule } from "../ethereum/gas.js";
import { decodeHeader } from "../ethereum/header.js";
import { VOTE_BYTES, VOTES_MAX } from "../ethereum/vote-table.js";
import { Clique, type CliqueRules, SEAL_BYTES, VANITY_BYTES } from "./consensus.js";
import { CliqueTrusted, RECENT_BYTES, recentsKept, SIGNERS_MAX } from "./state.js";

/** What `cliqueCheckpointFromGenesis` makes and `openClique` reads. */
export interface CliqueCheckpoint {
  chain: string;
  consensus: "clique";
  genesisHash: string;
  periodS: number;
  epoch: number;
  londonBlock?: number;
  baseFeeRule?: BaseFeeRule;
  /** In seconds; without it the chain is always walked. */
  trustingPeriodS?: number;
  number: number;
  hash: string;
  timeS: number;
  signers: string[];
  /** By height, without gaps, up to `number`. */
  recents?: Record<string, string>;
  votes?: { signer: string; account: string; authorize: boolean }[];
  gasLimit?: Quantity;
  gasUsed?: Quantity;
  baseFee?: Quantity;
  totalDifficulty?: Quantity;
}

/** Reads a checkpoint; `json.consensus` is "clique". */
export function openClique(engine: CryptoEngine, json: unknown): Clique | Rejection {
  try {
    const fields = fieldsOf(json);
    const rules = rulesOf(fields);
    const number = uint(fields, "number", 0, HEIGHT_MAX);
    const hash = bytes(fields.hash, "hash", HASH_BYTES);
    const timeS = uint(fields, "timeS", 0, HEIGHT_MAX);
    const signers = signersOf(fields.signers);
    const isEpoch = number % rules.epoch === 0;
    if (number === 0 && toHex(hash) !== toHex(rules.genesisHash)) throw invalid("hash", "the genesis hash, at number 0");
    const recents = recentsOf(fields.recents, number, signers.length / ADDRESS_BYTES, isEpoch);
    const votes = votesOf(fields.votes, signers, number, isEpoch);
    const totalDifficulty = fields.totalDifficulty === undefined ? 0n : quantity(fields, "totalDifficulty", UINT256_MAX);
    const gas = gasFields(fields);
    const none = new Uint8Array(0);
    const checkpoint = new CliqueTrusted({
      ...{ number, hash, timeS, totalDifficulty, settled: number, settledTimeS: timeS, gas, signers, recents, votes },
      forgotten: none,
      step: none,
    });
    return new Clique(engine, rules, checkpoint);
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

/** For tools: the checkpoint that a raw genesis header stands for; signers in whatever order it lists them. */
export function cliqueCheckpointFromGenesis(
  engine: CryptoEngine,
  rawGenesisHeader: Uint8Array,
  rules: Pick<CliqueCheckpoint, "chain" | "periodS" | "epoch" | "londonBlock" | "baseFeeRule" | "trustingPeriodS">,
): CliqueCheckpoint | Rejection {
  const header = decodeHeader(engine, rawGenesisHeader);
  if (header instanceof Rejection) return header;
  if (header.number !== 0) return new Rejection("checkpoint-invalid", `block ${header.number} is no genesis block`);
  const { extraData } = header;
  const listBytes = extraData.length - VANITY_BYTES - SEAL_BYTES;
  if (listBytes <= 0 || listBytes % ADDRESS_BYTES !== 0)
    return new Rejection("checkpoint-invalid", `extraData of ${extraData.length} bytes lists no signers`);
  const signers: string[] = [];
  for (let at = VANITY_BYTES; at < VANITY_BYTES + listBytes; at += ADDRESS_BYTES)
    signers.push(`0x${toHex(extraData.subarray(at, at + ADDRESS_BYTES))}`);
  const hash = `0x${toHex(header.hash)}`;
  const { gasLimit, gasUsed, baseFee } = header.gas;
  const checkpoint: CliqueCheckpoint = {
    ...{ chain: rules.chain, consensus: "clique", genesisHash: hash, periodS: rules.periodS, epoch: rules.epoch },
    ...(rules.londonBlock === undefined ? {} : { londonBlock: rules.londonBlock }),
    ...(rules.baseFeeRule === undefined ? {} : { baseFeeRule: rules.baseFeeRule }),
    ...(rules.trustingPeriodS === undefined ? {} : { trustingPeriodS: rules.trustingPeriodS }),
    ...{ number: 0, hash, timeS: header.timeS, signers: signers.sort(), gasLimit: hex(gasLimit), gasUsed: hex(gasUsed) },
    ...(baseFee === undefined ? {} : { baseFee: hex(baseFee) }),
    totalDifficulty: hex(header.difficulty),
  };
  const opened = openClique(engine, checkpoint);
  return opened instanceof Rejection ? opened : checkpoint;
}

function rulesOf(fields: Fields): CliqueRules {
  const { baseFeeRule = "eip1559" } = fields;
  if (baseFeeRule !== "eip1559" && baseFeeRule !== "zero") throw invalid("baseFeeRule", '"eip1559" or "zero"');
  return {
    chain: chainOf(fields),
    baseFeeRule,
    genesisHash: bytes(fields.genesisHash, "genesisHash", HASH_BYTES),
    periodS: uint(fields, "periodS", 0, PERIOD_S_MAX),
    epoch: uint(fields, "epoch", 1, HEIGHT_MAX),
    trustingPeriodS: fields.trustingPeriodS === undefined ? undefined : uint(fields, "trustingPeriodS", 1, HEIGHT_MAX),
    londonBlock: fields.londonBlock === undefined ? undefined : uint(fields, "londonBlock", 0, HEIGHT_MAX),
  };
}

function signersOf(list: unknown): Uint8Array {
  if (!Array.isArray(list) || list.length < 1 || list.length > SIGNERS_MAX)
    throw invalid("signers", `1 to ${SIGNERS_MAX} addresses`);
  const addresses = list.map((item, i) => toHex(bytes(item, `signers[${i}]`, ADDRESS_BYTES))).sort();
  const packed = fromHex(addresses.join("")) as Uint8Array;
  if (!isAscending(packed)) throw invalid("signers", "each address once");
  return packed;
}

function recentsOf(map: unknown, number: number, signerCount: number, isEpoch: boolean): Uint8Array {
  if (map === undefined && isEpoch) return new Uint8Array(0);
  if (typeof map !== "object" || map === null || Array.isArray(map))
    throw invalid("recents", "signers by height, or an epoch block that goes without");
  const fields = map as Fields;
  const given = Object.keys(fields).length;
  const kept = Math.min(given, recentsKept(signerCount));
  if (!isEpoch && given < Math.min(signerCount >> 1, number))
    throw invalid("recents", `the signers of ${signerCount >> 1} blocks`);
  const packed = new Uint8Array(kept * RECENT_BYTES);
  for (let i = 0; i < kept; i += 1) {
    const height = String(number - kept + 1 + i);
    // The parents' times stay zero: only blocks after the checkpoint ever settle by them.
    packed.set(bytes(fields[height], `recents["${height}"]`, ADDRESS_BYTES), i * RECENT_BYTES);
  }
  return packed;
}

function votesOf(list: unknown, signers: Uint8Array, number: number, isEpoch: boolean): Uint8Array {
  // An epoch block names the zero address and "drop", as every block without a vote does: a vote where that is a signer.
  const most = !isEpoch ? VOTES_MAX : number > 0 && findAddress(signers, new Uint8Array(ADDRESS_BYTES)) >= 0 ? 1 : 0;
  if (list === undefined && most === 0) return new Uint8Array(0);
  if (!Array.isArray(list) || list.length > most)
    throw invalid("votes", most === 0 ? "none after an epoch block" : `a list of at most ${most} pending votes`);
  const packed = new Uint8Array(list.length * VOTE_BYTES);
  const seen: string[] = [];
  list.forEach((item: unknown, i) => {
    const path = `votes[${i}]`;
    if (typeof item !== "object" || item === null) throw invalid(path, "an object");
    const vote = item as Fields;
    const signer = findAddress(signers, bytes(vote.signer, `${path}.signer`, ADDRESS_BYTES));
    const account = bytes(vote.account, `${path}.account`, ADDRESS_BYTES);
    if (signer < 0) throw invalid(`${path}.signer`, "one of the signers");
    if (vote.authorize !== findAddress(signers, account) < 0)
      throw invalid(`${path}.authorize`, "true for an account that is no signer, false for one that is");
    packed[i * VOTE_BYTES] = signer;
    packed.set(account, i * VOTE_BYTES + 1);
    const key = toHex(packed.subarray(i * VOTE_BYTES, (i + 1) * VOTE_BYTES));
    if (seen.includes(key)) throw invalid(path, "one vote per signer and account");
    seen.push(key);
  });
  return packed;
}
