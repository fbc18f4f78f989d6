// A mote's checkpoint of a Clique chain, out of a running node and the chain's rules.
//
// Promises: the signers are those of an epoch block, whose list its own seal binds; recent signers are recovered here from the seals of
// the blocks before it. Whoever exports a checkpoint trusts the node for the hash that it starts from: compare it with another source.
// What the chain's genesis file says about Clique is read whole or refused as genesis-unsupported with the key's name.
// Never: guesses a period, an epoch or a fork.

import { ADDRESS_BYTES } from "../../firmware/bytes/primitives.js";
import { toHex } from "../../firmware/bytes.js";
import { type CliqueCheckpoint, cliqueCheckpointFromGenesis, openClique } from "../../firmware/chain/clique/checkpoint.js";
import { recoverSigner } from "../../firmware/chain/clique/consensus.js";
import { recentsKept } from "../../firmware/chain/clique/state.js";

import type { BaseFeeRule } from "../../firmware/chain/ethereum/gas.js";
import { decodeHeader, type EthereumHeader, SEAL_BYTES, VANITY_BYTES } from "../../firmware/chain/ethereum/header.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { HeaderSource } from "../ethereum/raw-header.js";
import { chainOfNode } from "../rpc/chain.js";
import type { JsonRpc } from "../rpc/json-rpc.js";
import { configOf, Section, unsupported } from "./genesis-fields.js";

/** What the genesis file says and a header does not. */
export interface CliqueGiven {
  readonly periodS: number;
  readonly epoch: number;
  readonly londonBlock?: number;
  readonly baseFeeRule?: BaseFeeRule;
}

/** As both clients have it where the file is silent. */
const EPOCH_DEFAULT = 30_000;

/** The rules that the genesis file of a Clique chain states, geth's (and GoQuorum's) or Besu's; throws genesis-unsupported. */
export function cliqueRulesFromGenesis(genesis: unknown): CliqueGiven {
  const config = configOf(genesis);
  if (!config.has("clique")) throw unsupported("config", "names no clique");
  for (const key of ["qbft", "ibft2", "ibft", "istanbul"])
    if (config.has(key)) throw config.refused(key, "stands beside another consensus");
  const own = config.section("clique");
  own.allow(["period", "epoch", "allowedfutureblocktime"], ["blockperiodseconds", "epochlength", "createemptyblocks"]);
  for (const [one, other] of [
    ["period", "blockperiodseconds"],
    ["epoch", "epochlength"],
  ] as const)
    if (own.has(one) && own.has(other)) throw own.refused(one, `stands beside ${own.pathOf(other)}`);
  const periodS = own.number("period") ?? own.number("blockperiodseconds");
  if (periodS === undefined) throw own.refused("period", "is absent, and clients differ in what that means");
  if (config.boolean("fixedbasefee") === true) throw config.refused("fixedbasefee", "is a base fee by no rule that is followed");
  if (Array.isArray(config.get("transitions")))
    throw config.refused("transitions", "is GoQuorum's list, read for IBFT and QBFT alone");
  const transitions = config.section("transitions");
  transitions.allow(["clique"]);
  checkTransitions(transitions, periodS);
  const londonBlock = config.number("londonblock");
  const epoch = own.number("epoch") ?? own.number("epochlength") ?? 0;
  return {
    periodS,
    epoch: epoch === 0 ? EPOCH_DEFAULT : epoch,
    ...(londonBlock === undefined ? {} : { londonBlock }),
    ...(config.boolean("zerobasefee") === true ? { baseFeeRule: "zero" } : {}),
  };
}

/** A Clique checkpoint has one period. */
function checkTransitions(transitions: Section, periodS: number): void {
  const list = transitions.get("clique") ?? [];
  if (!Array.isArray(list)) throw transitions.refused("clique", "is no list");
  for (const [i, item] of list.entries()) {
    const own = new Section(item, `${transitions.pathOf("clique")}[${i}]`);
    own.allow(["block", "blockperiodseconds", "createemptyblocks"]);
    if ((own.number("blockperiodseconds") ?? periodS) !== periodS)
      throw own.refused("blockperiodseconds", "changes the period: give the least one by --period, and --epoch beside it");
  }
}

/**
 * The checkpoint at the newest epoch block at or below `number`.
 * @throws RpcError where the node cannot be reached; Rejection where what it gives does not hold
 */
export async function exportCliqueCheckpoint(
  rpc: Pick<JsonRpc, "call">,
  given: CliqueGiven,
  number?: number,
): Promise<CliqueCheckpoint> {
  const source = new HeaderSource(rpc);
  const chain = await chainOfNode(rpc);
  const head = number ?? (await headerAt(source, "latest")).number;
  const at = head - (head % given.epoch);
  const genesis = await headerAt(source, 0);
  if (at === 0) return sure(cliqueCheckpointFromGenesis(engine, genesis.raw, { chain, ...given }));
  const header = await headerAt(source, at);
  const { extraData } = header;
  const list = extraData.subarray(VANITY_BYTES, Math.max(VANITY_BYTES, extraData.length - SEAL_BYTES));
  const signers = Array.from({ length: list.length / ADDRESS_BYTES }, (_, i) =>
    hex(list.subarray(i * ADDRESS_BYTES, (i + 1) * ADDRESS_BYTES)),
  );
  const recents: Record<string, string> = {};
  let child: EthereumHeader | undefined;
  for (let height = at; height > Math.max(0, at - recentsKept(signers.length)); height -= 1) {
    const block = height === at ? header : await headerAt(source, height);
    if (child !== undefined && hex(child.parentHash) !== hex(block.hash))
      throw new Rejection("parent-wrong", `block ${height} of the node does not fit; the chain may have changed just now`);
    recents[String(height)] = hex(sure(recoverSigner(engine, block)));
    child = block;
  }
  const { gasLimit, gasUsed, baseFee } = header.gas;
  // Every block without a vote is one to drop the zero address, where that was voted in.
  const nobody = hex(new Uint8Array(ADDRESS_BYTES));
  const votes = signers.includes(nobody) ? [{ signer: recents[String(at)] as string, account: nobody, authorize: false }] : [];
  const checkpoint: CliqueCheckpoint = {
    ...{ chain, consensus: "clique", genesisHash: hex(genesis.hash), ...given },
    ...{ number: at, hash: hex(header.hash), timeS: header.timeS, signers, recents, votes },
    ...{ gasLimit: quantity(gasLimit), gasUsed: quantity(gasUsed) },
    ...(baseFee === undefined ? {} : { baseFee: quantity(baseFee) }),
  };
  sure(openClique(engine, checkpoint));
  return checkpoint;
}

async function headerAt(source: HeaderSource, block: number | "latest"): Promise<EthereumHeader> {
  const given = await source.header(block);
  if (given === undefined) throw new Rejection("block-absent", `the node has no block ${block}`);
  if (!given.hashed) throw new Rejection("hash-differs", `block ${given.number}: its header does not hash to what the node says`);
  return sure(decodeHeader(engine, given.raw));
}

function sure<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw value;
  return value;
}

function hex(bytes: Uint8Array): string {
  return `0x${toHex(bytes)}`;
}

function quantity(value: bigint): string {
  return `0x${value.toString(16)}`;
}
