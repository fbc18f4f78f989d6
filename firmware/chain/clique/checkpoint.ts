// The checkpoint of a Clique chain as the configuration has it: JSON, described field by field in docs/header-rules.md.
//
// Promises: takes a genesis block, another epoch block, or any block that brings its recent signers and pending votes;
// whatever is absent, out of bounds or contradicts itself is refused with the field's name (checkpoint-invalid).
// Never fills in a default for what decides whom to believe.

import { ADDRESS_BYTES, findAddress } from "../../bytes/primitives.js";
import { toHex } from "../../bytes.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { Rejection } from "../../rejection.js";

import {
  addressesOf,
  type BlockJson,
  blockJson,
  blockOf,
  bytes,
  chainRulesOf,
  type Fields,
  fieldsOf,
  hex,
  invalid,
  type Quantity,
  quantity,
  textsOf,
  UINT48_MAX,
  UINT256_MAX,
  uint,
  type VoteJson,
  votesOf,
} from "../ethereum/checkpoint-fields.js";
import type { BaseFeeRule } from "../ethereum/gas.js";
import { decodeHeader, SEAL_BYTES, VANITY_BYTES } from "../ethereum/header.js";
import { VOTES_MAX } from "../ethereum/vote-table.js";
import { Clique, type CliqueRules } from "./consensus.js";
import { CliqueTrusted, RECENT_BYTES, recentsKept, SIGNERS_MAX } from "./state.js";

/** What `cliqueCheckpointFromGenesis` makes and `openClique` reads. */
export interface CliqueCheckpoint extends BlockJson {
  chain: string;
  consensus: "clique";
  periodS: number;
  epoch: number;
  londonBlock?: number;
  baseFeeRule?: BaseFeeRule;
  /** In seconds; without it the chain is always walked. */
  trustingPeriodS?: number;
  signers: string[];
  /** By height, without gaps, up to `number`. */
  recents?: Record<string, string>;
  votes?: ({ signer: string } & VoteJson)[];
  totalDifficulty?: Quantity;
}

/** Reads a checkpoint; `json.consensus` is "clique". */
export function openClique(engine: CryptoEngine, json: unknown): Clique | Rejection {
  try {
    const fields = fieldsOf(json);
    const rules = rulesOf(fields);
    const block = blockOf(fields, rules);
    const { number } = block;
    const signers = addressesOf(fields.signers, "signers", SIGNERS_MAX);
    const isEpoch = number % rules.epoch === 0;
    const recents = recentsOf(fields.recents, number, signers.length / ADDRESS_BYTES, isEpoch);
    const votes = pendingOf(fields.votes, signers, number, isEpoch);
    const totalDifficulty = fields.totalDifficulty === undefined ? 0n : quantity(fields, "totalDifficulty", UINT256_MAX);
    const none = new Uint8Array(0);
    const checkpoint = new CliqueTrusted({
      ...block,
      ...{ totalDifficulty, settled: number, settledTimeS: block.timeS, signers, recents, votes },
      forgotten: none,
      delta: none,
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
  const signers = textsOf(extraData.subarray(VANITY_BYTES, VANITY_BYTES + listBytes)).sort();
  const hash = `0x${toHex(header.hash)}`;
  const checkpoint: CliqueCheckpoint = {
    ...{ chain: rules.chain, consensus: "clique", periodS: rules.periodS, epoch: rules.epoch },
    ...(rules.londonBlock === undefined ? {} : { londonBlock: rules.londonBlock }),
    ...(rules.baseFeeRule === undefined ? {} : { baseFeeRule: rules.baseFeeRule }),
    ...(rules.trustingPeriodS === undefined ? {} : { trustingPeriodS: rules.trustingPeriodS }),
    ...blockJson(hash, hash, header),
    ...{ signers, totalDifficulty: hex(header.difficulty) },
  };
  const opened = openClique(engine, checkpoint);
  return opened instanceof Rejection ? opened : checkpoint;
}

function rulesOf(fields: Fields): CliqueRules {
  const { baseFeeRule = "eip1559" } = fields;
  if (baseFeeRule !== "eip1559" && baseFeeRule !== "zero") throw invalid("baseFeeRule", '"eip1559" or "zero"');
  return {
    ...chainRulesOf(fields),
    baseFeeRule,
    trustingPeriodS: fields.trustingPeriodS === undefined ? undefined : uint(fields, "trustingPeriodS", 1, UINT48_MAX),
  };
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

function pendingOf(list: unknown, signers: Uint8Array, number: number, isEpoch: boolean): Uint8Array {
  // An epoch block names the zero address and "drop", as every block without a vote does: a vote where that is a signer.
  const most = !isEpoch ? VOTES_MAX : number > 0 && findAddress(signers, new Uint8Array(ADDRESS_BYTES)) >= 0 ? 1 : 0;
  if (list === undefined && most === 0) return new Uint8Array(0);
  if (!Array.isArray(list) || list.length > most)
    throw invalid("votes", most === 0 ? "none after an epoch block" : `a list of at most ${most} pending votes`);
  return votesOf(list, signers, "signer", false, 0);
}
