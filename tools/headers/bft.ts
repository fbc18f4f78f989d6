// A mote's checkpoint of an IBFT 1, IBFT 2.0 or QBFT chain, out of a running node and the chain's genesis file.
//
// Promises: what the checkpoint says about validators and votes was verified here, header by header from the epoch block on, by
// the verifier that the mote runs; only in contract mode is the node's word taken for the set, as there is nothing else. Whoever
// exports a checkpoint trusts the node for the hash that it starts from: compare it with another source.
// Never: guesses what the genesis file does not say; the trusting period is the owner's to choose.

import {
  type BftCheckpoint,
  type BftConsensusName,
  type BftRulesJson,
  type BftTransitionJson,
  bftCheckpointFromHeader,
  openBft,
  textsOf,
} from "../../firmware/chain/bft-checkpoint.js";
import type { BftTrusted } from "../../firmware/chain/bft-state.js";
import { VOTE_FOR } from "../../firmware/chain/bft-votes.js";
import { VOTE_BYTES } from "../../firmware/chain/clique-state.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { Rejection } from "../../firmware/rejection.js";
import { HeaderSource } from "../ethereum/raw-header.js";
import type { EthereumRpc } from "../ethereum/rpc.js";

type Json = Readonly<Record<string, unknown>>;

/** What a genesis file calls each consensus, and where GoQuorum and Besu keep its parameters. */
const SECTIONS: readonly (readonly [string, BftConsensusName])[] = [
  ["qbft", "qbft"],
  ["ibft2", "ibft2"],
  ["ibft", "ibft"],
  ["istanbul", "ibft"],
];
/** Besu's and GoQuorum's own, where the file is silent. */
const EPOCH_DEFAULT = 30_000;
const PERIOD_S_DEFAULT = 1;

/** The rules that a Besu or GoQuorum genesis file states; throws a `Rejection` (genesis-unsupported) where it states none. */
export function bftRulesFromGenesis(genesis: unknown, trustingPeriodS: number): BftRulesJson {
  const config = lowered((genesis as Json | null)?.config);
  const [section, consensus] = SECTIONS.find(([name]) => typeof config[name] === "object" && config[name] !== null) ?? [];
  if (section === undefined || consensus === undefined) throw unsupported("config names no qbft, ibft2, ibft or istanbul");
  if (typeof config.chainid !== "number") throw unsupported("config.chainId is no number");
  const own = lowered(config[section]);
  const changes = lowered(config.transitions)[section] ?? [];
  if (!Array.isArray(changes)) throw unsupported(`config.transitions.${section} is no list`);
  const transitions = changes.map((change) => transitionOf(lowered(change))).filter((change) => Object.keys(change).length > 1);
  return {
    chain: `eip155:${config.chainid}`,
    consensus,
    // Milliseconds mean several blocks a second, where time is not bound.
    periodS: own.xblockperiodmilliseconds === undefined ? numberOf(own.blockperiodseconds, PERIOD_S_DEFAULT) : 0,
    epoch: numberOf(own.epochlength ?? own.epoch, EPOCH_DEFAULT),
    trustingPeriodS,
    ...(config.londonblock === undefined ? {} : { londonBlock: numberOf(config.londonblock, 0) }),
    ...(consensus === "ibft" ? { ceil2Nby3Block: numberOf(own.ceil2nby3block, 0) } : {}),
    ...(typeof own.validatorcontractaddress === "string" && consensus === "qbft" && !/^0x0*$/.test(own.validatorcontractaddress)
      ? { validatorSelection: "contract" }
      : {}),
    ...(transitions.length === 0 ? {} : { transitions }),
  };
}

export interface BftExportOptions {
  readonly rpc: Pick<EthereumRpc, "call">;
  readonly engine: CryptoEngine;
  readonly rules: BftRulesJson;
  /** The block to start from; the newest epoch block where absent. */
  readonly number?: number;
  /** Called with the height that was verified last. */
  readonly progress?: (number: number) => void;
}

/**
 * The checkpoint of a running node's chain. From an epoch block it verifies one header, from any other all since the epoch block.
 * @throws RpcError where the node cannot be reached; Rejection where what it gives does not hold
 */
export async function exportBftCheckpoint(options: BftExportOptions): Promise<BftCheckpoint> {
  const { rpc, engine, rules } = options;
  const source = new HeaderSource(rpc as EthereumRpc);
  const raw = async (number: number): Promise<Uint8Array> => {
    const header = await source.header(number);
    if (header === undefined) throw new Rejection("block-absent", `the node has no block ${number}`);
    return header.raw;
  };
  const genesis = held(bftCheckpointFromHeader(engine, await raw(0), rules, await pinned(options, 0)));
  const head = await source.header("latest");
  const number = options.number ?? Math.floor((head?.number ?? 0) / rules.epoch) * rules.epoch;
  // In contract mode nobody votes: the block itself is all that has to be verified.
  const contract = rules.validatorSelection === "contract";
  const first = contract ? number : Math.floor(number / rules.epoch) * rules.epoch;
  let bft = held(openBft(engine, genesis));
  if (first > 0) {
    // The epoch block lists who seals it: that is the set after the block before, and after it all votes are known.
    const own = held(bft.decode(await raw(first)));
    const { validators = textsOf(own.extra.validators) } = await pinned(options, first - 1);
    const votes = contract ? [] : "unknown";
    const before = { ...rules, genesisHash: genesis.genesisHash };
    bft = held(openBft(engine, held(bftCheckpointFromHeader(engine, await raw(first - 1), before, { validators, votes }))));
  }
  let trusted = bft.checkpoint;
  for (let height = Math.max(1, first); height <= number; height += 1) {
    trusted = held(bft.verify(trusted, held(bft.decode(await raw(height)))));
    options.progress?.(height);
  }
  return bftCheckpointAfter(engine, trusted, {
    ...genesis,
    validators: textsOf(trusted.validators),
    ...(await pinned(options, number)),
  });
}

/** In contract mode the set after a block, as the node tells it. */
async function pinned({ rpc, rules }: BftExportOptions, number: number): Promise<{ validators?: string[] }> {
  if (rules.validatorSelection !== "contract") return {};
  const list = await rpc.call("qbft_getValidatorsByBlockNumber", `0x${number.toString(16)}`);
  if (!Array.isArray(list) || !list.every((item) => typeof item === "string"))
    throw new Rejection("block-malformed", "qbft_getValidatorsByBlockNumber gives no list of addresses");
  return { validators: [...list].sort() as string[] };
}

/** The same rules with another block to start from; throws a `Rejection` where that is none. */
export function bftCheckpointAfter(engine: CryptoEngine, trusted: BftTrusted, genesis: BftCheckpoint): BftCheckpoint {
  const { number, hash, timeS, gas, votes } = trusted;
  const voters = textsOf(trusted.validators);
  const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;
  const list = Array.from({ length: (votes?.length ?? 0) / VOTE_BYTES }, (_, i) => {
    const vote = (votes as Uint8Array).subarray(i * VOTE_BYTES, (i + 1) * VOTE_BYTES);
    const lead = vote[0] as number;
    return { validator: voters[lead & ~VOTE_FOR] as string, account: hex(vote.subarray(1)), authorize: lead >= VOTE_FOR };
  });
  const { gasLimit, gasUsed, baseFee, ...rules } = genesis;
  const checkpoint: BftCheckpoint = {
    ...rules,
    ...{ number, hash: hex(hash), timeS, votes: votes === undefined ? "unknown" : list },
    ...(gas === undefined ? {} : { gasLimit: quantity(gas.gasLimit), gasUsed: quantity(gas.gasUsed) }),
    ...(gas?.baseFee === undefined ? {} : { baseFee: quantity(gas.baseFee) }),
  };
  held(openBft(engine, checkpoint));
  return checkpoint;
}

function transitionOf(change: Json): BftTransitionJson {
  const validators = change.validators as string[] | undefined;
  const mode = change.validatorselectionmode;
  return {
    block: numberOf(change.block, 0),
    ...(change.xblockperiodmilliseconds === undefined
      ? change.blockperiodseconds === undefined
        ? {}
        : { periodS: numberOf(change.blockperiodseconds, 0) }
      : { periodS: 0 }),
    ...(typeof mode === "string" ? { validatorSelection: mode.toLowerCase() === "contract" ? "contract" : "header" } : {}),
    ...(validators === undefined ? {} : { validators }),
  };
}

function lowered(value: unknown): Json {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name.toLowerCase(), item as unknown]));
}

function numberOf(value: unknown, otherwise: number): number {
  if (value === undefined) return otherwise;
  const number = typeof value === "string" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0)
    throw unsupported(`${String(value)} is no whole number`);
  return number;
}

function quantity(value: bigint): string {
  return `0x${value.toString(16)}`;
}

function held<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw value;
  return value;
}

function unsupported(detail: string): Rejection {
  return new Rejection("genesis-unsupported", detail);
}
