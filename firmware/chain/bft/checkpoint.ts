// The checkpoint of an IBFT 1, IBFT 2.0 or QBFT chain as the configuration has it: JSON, described field by field in
// docs/header-rules.md.
//
// Promises: takes a genesis block, another epoch block, or any block that brings its pending votes; whatever is absent, out of
// bounds or contradicts itself is refused with the field's name (checkpoint-invalid). Never fills in a default for what decides
// whom to believe: the trusting period has none.

import { toHex } from "../../bytes.js";
import type { CryptoEngine } from "../../crypto/engine.js";
import { Rejection } from "../../rejection.js";
import {
  addressesOf,
  type BlockJson,
  blockJson,
  blockOf,
  chainRulesOf,
  type Fields,
  fieldsOf,
  invalid,
  PERIOD_S_MAX,
  textsOf,
  UINT48_MAX,
  uint,
  type VoteJson,
  votesOf,
} from "../ethereum/checkpoint-fields.js";
import { decodeHeader } from "../ethereum/header.js";
import { VOTES_MAX } from "../ethereum/vote-table.js";
import { Bft, LINK_BLOCKS_MAX } from "./consensus.js";
import { VALIDATORS_MAX } from "./extra.js";
import type { BftClient, BftDialect } from "./header.js";
import { ibft1 } from "./ibft1.js";
import { ibft2 } from "./ibft2.js";
import { goQuorumQbft, qbft } from "./qbft.js";
import { type BftRules, type BftTransition, isEpoch } from "./rules.js";
import { BftTrusted } from "./state.js";
import { VOTE_FOR } from "./votes.js";

const TRANSITIONS_MAX = 16;
const DIALECTS: readonly BftDialect[] = Object.freeze([ibft1, ibft2, qbft, goQuorumQbft]);

export type BftConsensusName = "ibft" | "ibft2" | "qbft";

export interface BftTransitionJson {
  block: number;
  periodS?: number;
  emptyPeriodS?: number;
  validatorSelection?: "header" | "contract";
  validators?: string[];
  /** GoQuorum only. */
  twoFPlusOne?: boolean;
}

/** What a configuration pins besides the block to start from. */
export interface BftRulesJson {
  chain: string;
  consensus: BftConsensusName;
  periodS: number;
  epoch: number;
  trustingPeriodS: number;
  /** Jumps over at most so many blocks are linked by hash; `LINK_BLOCKS_MAX` where absent. */
  linkBlocks?: number;
  londonBlock?: number;
  /** Whose rules hold: "besu" for IBFT 2.0 and, where absent, QBFT; "goquorum" for IBFT 1. */
  client?: BftClient;
  /** The greatest distance of blocks while nobody sends a transaction, in seconds; `periodS` where absent or less. */
  emptyPeriodS?: number;
  /** Besu's QBFT after a migration: the block from which epochs are counted; 0 where absent. */
  epochStart?: number;
  /** GoQuorum only; 0 where absent. */
  ceil2Nby3Block?: number | "never";
  /** QBFT only; "header" where absent. */
  validatorSelection?: "header" | "contract";
  transitions?: BftTransitionJson[];
}

/** What `bftCheckpointFromHeader` makes and `openBft` reads. */
export interface BftCheckpoint extends BftRulesJson, BlockJson {
  /** Who seals the next block. */
  validators: string[];
  /** Since the last epoch block, oldest first; "unknown" where nobody can tell. */
  votes?: ({ validator: string } & VoteJson)[] | "unknown";
}

export function isBftName(name: unknown): name is BftConsensusName {
  return DIALECTS.some((dialect) => dialect.name === name);
}

/** Reads a checkpoint whose `consensus` is one of the family. */
export function openBft(engine: CryptoEngine, json: unknown): Bft | Rejection {
  try {
    const fields = fieldsOf(json);
    const dialect = dialectOf(fields);
    const rules = rulesOf(dialect, fields);
    const block = blockOf(fields, rules);
    const validators = addressesOf(fields.validators, "validators", VALIDATORS_MAX);
    const votes = pendingOf(fields.votes, validators, block.number, rules, dialect);
    return new Bft(
      engine,
      dialect,
      rules,
      new BftTrusted({ ...block, validators, votes, delta: new Uint8Array(0) }),
      idlePeriodOf(fields, block.number),
    );
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

/**
 * For tools: the checkpoint that the raw header of a genesis block stands for, or that of any other block whose hash is trusted.
 * @param after who seals the next block, where the block's own list does not tell: in contract mode, where its vote passed, or
 *   where a transition begins; and the pending votes after it, unless it is an epoch block
 */
export function bftCheckpointFromHeader(
  engine: CryptoEngine,
  raw: Uint8Array,
  rules: BftRulesJson & { genesisHash?: string },
  after: Pick<Partial<BftCheckpoint>, "validators" | "votes"> = {},
): BftCheckpoint | Rejection {
  const eth = decodeHeader(engine, raw);
  if (eth instanceof Rejection) return eth;
  try {
    const dialect = dialectOf({ ...rules });
    const extra = dialect.readExtra(eth.extraData);
    const hash = `0x${toHex(eth.number === 0 ? eth.hash : eth.hashWithExtraData(extra.forBlock))}`;
    const { genesisHash = eth.number === 0 ? hash : undefined } = rules;
    if (genesisHash === undefined) throw invalid("genesisHash", "the hash of the genesis block");
    const validators = after.validators ?? textsOf(extra.validators).sort();
    const checkpoint: BftCheckpoint = {
      ...rules,
      ...blockJson(genesisHash, hash, eth),
      validators,
      ...(after.votes === undefined ? {} : { votes: after.votes }),
    };
    const opened = openBft(engine, checkpoint);
    return opened instanceof Rejection ? opened : checkpoint;
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

function rulesOf(dialect: BftDialect, fields: Fields): BftRules {
  const optional = (name: string): number | undefined =>
    fields[name] === undefined ? undefined : uint(fields, name, 0, UINT48_MAX);
  const { ceil2Nby3Block, epochStart } = fields;
  if (dialect.client !== "goquorum" && ceil2Nby3Block !== undefined)
    throw invalid("ceil2Nby3Block", "nothing outside IBFT 1 and GoQuorum's QBFT");
  if (dialect !== qbft && epochStart !== undefined) throw invalid("epochStart", "nothing outside Besu's QBFT");
  const { transitions = [] } = fields;
  if (!Array.isArray(transitions) || transitions.length > TRANSITIONS_MAX)
    throw invalid("transitions", `a list of at most ${TRANSITIONS_MAX}`);
  const changes = transitions.map((change: unknown, i) => transitionOf(dialect, change, `transitions[${i}]`));
  for (let i = 1; i < changes.length; i += 1)
    if ((changes[i] as BftTransition).block <= (changes[i - 1] as BftTransition).block)
      throw invalid(`transitions[${i}].block`, "a block above that of the one before");
  return {
    ...chainRulesOf(fields),
    trustingPeriodS: uint(fields, "trustingPeriodS", 1, UINT48_MAX),
    linkBlocks: fields.linkBlocks === undefined ? LINK_BLOCKS_MAX : uint(fields, "linkBlocks", LINK_BLOCKS_MAX, UINT48_MAX),
    epochStart: optional("epochStart") ?? 0,
    quorumBlock: ceil2Nby3Block === "never" ? UINT48_MAX + 1 : (optional("ceil2Nby3Block") ?? 0),
    contract: selectsByContract(dialect, fields.validatorSelection, "validatorSelection") ?? false,
    transitions: changes,
  };
}

function transitionOf(dialect: BftDialect, json: unknown, path: string): BftTransition {
  if (typeof json !== "object" || json === null) throw invalid(path, "an object");
  const fields = json as Fields;
  const contract = selectsByContract(dialect, fields.validatorSelection, `${path}.validatorSelection`);
  const { twoFPlusOne } = fields;
  if (twoFPlusOne !== undefined && (typeof twoFPlusOne !== "boolean" || dialect.client !== "goquorum"))
    throw invalid(`${path}.twoFPlusOne`, dialect.client === "goquorum" ? "true or false" : "nothing outside GoQuorum");
  if (contract !== undefined && fields.validators === undefined)
    throw invalid(`${path}.validators`, "the set that the new way of selection begins with");
  return {
    block: uint(fields, "block", 1, UINT48_MAX),
    periodS: fields.periodS === undefined ? undefined : uint(fields, "periodS", 0, PERIOD_S_MAX),
    contract,
    validators:
      fields.validators === undefined ? undefined : addressesOf(fields.validators, `${path}.validators`, VALIDATORS_MAX),
    twoFPlusOne,
  };
}

function dialectOf({ consensus, client }: Fields): BftDialect {
  const named = DIALECTS.filter(({ name }) => name === consensus);
  if (named.length === 0) throw invalid("consensus", '"ibft", "ibft2" or "qbft"');
  const dialect = client === undefined ? named[0] : named.find((each) => each.client === client);
  if (dialect === undefined) throw invalid("client", named.map((each) => `"${each.client}"`).join(" or "));
  return dialect;
}

/** The greatest distance of two blocks, by the periods that are in force after block `number` or come into force later. */
function idlePeriodOf(fields: Fields, number: number): number {
  let periodS = 0;
  let emptyPeriodS = 0;
  let greatestS = 0;
  for (const change of [fields, ...((fields.transitions ?? []) as Fields[])]) {
    // What lies behind is over when the next begins.
    if (change !== fields && (change.block as number) <= number + 1) greatestS = 0;
    if (change.periodS !== undefined) periodS = uint(change, "periodS", 0, PERIOD_S_MAX);
    if (change.emptyPeriodS !== undefined) emptyPeriodS = uint(change, "emptyPeriodS", 0, PERIOD_S_MAX);
    greatestS = Math.max(greatestS, periodS, emptyPeriodS);
  }
  return greatestS;
}

function selectsByContract(dialect: BftDialect, value: unknown, path: string): boolean | undefined {
  if (value === undefined) return undefined;
  if (value === "contract" && dialect.name === "qbft") return true;
  if (value === "header") return false;
  throw invalid(path, dialect.name === "qbft" ? '"header" or "contract"' : '"header"');
}

function pendingOf(
  list: unknown,
  validators: Uint8Array,
  number: number,
  rules: BftRules,
  dialect: BftDialect,
): Uint8Array | undefined {
  if (list === "unknown") return undefined;
  const cleared = isEpoch(rules, number);
  // After an epoch block whose vote counts there may be one vote: its own.
  if (list === undefined && cleared && (number === 0 || !dialect.epochVoteCounts)) return new Uint8Array(0);
  const most = cleared ? (dialect.epochVoteCounts ? 1 : 0) : VOTES_MAX;
  if (!Array.isArray(list) || list.length > most)
    throw invalid("votes", cleared ? "none after an epoch block" : `a list of at most ${VOTES_MAX} pending votes, or "unknown"`);
  return votesOf(list, validators, "validator", dialect.keepsIdleVotes, VOTE_FOR);
}
