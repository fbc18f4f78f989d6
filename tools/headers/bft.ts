// A mote's checkpoint of an IBFT 1, IBFT 2.0 or QBFT chain, out of a running node and the chain's genesis file.
//
// Promises: what the checkpoint says about validators and votes was verified here, header by header from the epoch block on, by
// the verifier that the mote runs; only in contract mode is the node's word taken for the set, as there is nothing else. Whoever
// exports a checkpoint trusts the node for the hash that it starts from: compare it with another source.
// Never: guesses what the genesis file does not say; the trusting period is the owner's to choose.

import { toHex } from "../../firmware/bytes.js";
import {
  type BftCheckpoint,
  type BftRulesJson,
  type BftTransitionJson,
  bftCheckpointFromHeader,
  openBft,
} from "../../firmware/chain/bft/checkpoint.js";
import type { BftTrusted } from "../../firmware/chain/bft/state.js";
import { VOTE_FOR } from "../../firmware/chain/bft/votes.js";
import { textsOf } from "../../firmware/chain/ethereum/checkpoint-fields.js";
import { decodeHeader } from "../../firmware/chain/ethereum/header.js";
import { VOTE_BYTES } from "../../firmware/chain/ethereum/vote-table.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { Rejection } from "../../firmware/rejection.js";
import { HeaderSource } from "../ethereum/raw-header.js";
import type { EthereumRpc } from "../ethereum/rpc.js";
import { type GenesisRules, rulesFrom } from "./genesis-rules.js";

export { bftRulesFromGenesis } from "./bft-genesis.js";

export interface BftExportOptions {
  readonly rpc: Pick<EthereumRpc, "call">;
  readonly engine: CryptoEngine;
  readonly rules: GenesisRules;
  /** The block to start from; the newest epoch block where absent. */
  readonly number?: number;
  /** Called with the height that was verified last. */
  readonly progress?: (number: number) => void;
}

/**
 * The checkpoint of a running node's chain. From an epoch block it verifies one header, from any other all since the epoch block,
 * or since the first block under these rules.
 * @throws RpcError where the node cannot be reached; Rejection where what it gives does not hold
 */
export async function exportBftCheckpoint(options: BftExportOptions): Promise<BftCheckpoint> {
  const { rpc, engine } = options;
  const { fromBlock = 0, untilBlock = Number.POSITIVE_INFINITY, validators: firstSet, ...stated } = options.rules;
  const source = new HeaderSource(rpc as EthereumRpc);
  const raw = async (number: number): Promise<Uint8Array> => {
    const header = await source.header(number);
    if (header === undefined) throw new Rejection("block-absent", `the node has no block ${number}`);
    return header.raw;
  };
  const head = (await source.header("latest"))?.number ?? 0;
  const number = options.number ?? Math.max(fromBlock, epochBefore(stated, Math.min(head, untilBlock)));
  if (number < fromBlock || number > Math.min(head, untilBlock))
    throw new Rejection("block-absent", `block ${number} is none that the chain has under ${stated.consensus}: it is at ${head}`);
  // In contract mode nobody votes: the block itself is all that has to be verified.
  const contract = rulesFrom(stated, number).validatorSelection === "contract";
  const first = contract ? number : Math.max(fromBlock, epochBefore(stated, number));
  const rules = await withSets(options, rulesFrom(stated, first), head);
  const genesisRaw = await raw(0);
  const genesisHash = `0x${toHex(held(decodeHeader(engine, genesisRaw)).hash)}`;
  const setAt = async (height: number): Promise<{ validators?: string[] }> =>
    contract ? { validators: await setAfter(options, height) } : {};
  let start: BftCheckpoint;
  if (first === 0) {
    const set = firstSet === undefined ? {} : { validators: [...firstSet].sort() };
    start = held(bftCheckpointFromHeader(engine, genesisRaw, rules, { ...set, ...(await setAt(0)) }));
  } else {
    // The first block lists who seals it: that is the set after the block before, and after an epoch block all votes are known.
    const after = { ...(await setAt(first - 1)), votes: "unknown" as const };
    const own = held(bftCheckpointFromHeader(engine, await raw(first), { ...rules, genesisHash }, after));
    const before = { validators: own.validators, votes: contract ? [] : after.votes };
    start =
      first === fromBlock
        ? parentOf(engine, { ...own, ...before }, await raw(first), await raw(first - 1))
        : held(bftCheckpointFromHeader(engine, await raw(first - 1), { ...rules, genesisHash }, before));
  }
  const bft = held(openBft(engine, start));
  let trusted = bft.checkpoint;
  for (let height = Math.max(1, first); height <= number; height += 1) {
    trusted = held(bft.verify(trusted, held(bft.decode(await raw(height)))));
    options.progress?.(height);
  }
  const named = { ...rulesFrom(start, number), validators: textsOf(trusted.validators), ...(await setAt(number)) };
  return bftCheckpointAfter(engine, trusted, named);
}

/** The newest block at or before `number` after which all votes are known. */
function epochBefore({ epoch, epochStart = 0 }: BftRulesJson, number: number): number {
  return number < epochStart ? 0 : number - ((number - epochStart) % epoch);
}

/**
 * The state before block `own`, whose parent is of another consensus: with the hash that the block names for it. The parent's raw
 * header is only asked for time and gas.
 */
function parentOf(engine: CryptoEngine, own: BftCheckpoint, raw: Uint8Array, parentRaw: Uint8Array): BftCheckpoint {
  const parent = held(decodeHeader(engine, parentRaw));
  const { gasLimit, gasUsed, baseFee } = parent.gas;
  const { baseFee: _, ...rest } = own;
  return {
    ...rest,
    ...{ number: own.number - 1, hash: `0x${toHex(held(decodeHeader(engine, raw)).parentHash)}`, timeS: parent.timeS },
    ...{ gasLimit: quantity(gasLimit), gasUsed: quantity(gasUsed) },
    ...(baseFee === undefined ? {} : { baseFee: quantity(baseFee) }),
  };
}

/** A transition to a contract has to name the set that goes on: the node tells it, once the chain is there. */
async function withSets(options: BftExportOptions, rules: BftRulesJson, head: number): Promise<BftRulesJson> {
  const { transitions } = rules;
  if (transitions === undefined) return rules;
  const named: BftTransitionJson[] = [];
  for (const change of transitions) {
    const open = change.validatorSelection === "contract" && change.validators === undefined;
    if (open && change.block > head) {
      const reason = `names contract from block ${change.block} on: nobody can tell its set before the chain is there`;
      throw new Rejection("genesis-unsupported", `validatorselectionmode ${reason} (it is at ${head})`);
    }
    named.push(open ? { ...change, validators: await setAfter(options, change.block - 1) } : change);
  }
  return { ...rules, transitions: named };
}

/** In contract mode the set after a block, as the node tells it. */
async function setAfter({ rpc, rules }: BftExportOptions, number: number): Promise<string[]> {
  const method = rules.client === "goquorum" ? "istanbul_getValidators" : "qbft_getValidatorsByBlockNumber";
  const list = await rpc.call(method, `0x${number.toString(16)}`);
  if (!Array.isArray(list) || !list.every((item) => typeof item === "string"))
    throw new Rejection("block-malformed", `${method} gives no list of addresses`);
  return [...list].sort() as string[];
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

function quantity(value: bigint): string {
  return `0x${value.toString(16)}`;
}

function held<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw value;
  return value;
}
