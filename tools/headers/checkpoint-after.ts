// The checkpoint that stands for what was verified from another one on: to go on from later, or for a mote to start from.
//
// Promises: the rules are those of the checkpoint that it came from; what it says opens again. Never: says that the block is settled.

import { ADDRESS_BYTES, findAddress } from "../../firmware/bytes/primitives.js";
import { toHex } from "../../firmware/bytes.js";
import { type BftCheckpoint, isBftName } from "../../firmware/chain/bft/checkpoint.js";
import type { BftTrusted } from "../../firmware/chain/bft/state.js";
import { bitcoinCheckpointOf } from "../../firmware/chain/bitcoin/checkpoint.js";
import { type BitcoinRules, bitcoinNetwork } from "../../firmware/chain/bitcoin/rules.js";
import type { BitcoinTrusted } from "../../firmware/chain/bitcoin/state.js";
import { openChain } from "../../firmware/chain/checkpoint.js";
import type { CliqueCheckpoint } from "../../firmware/chain/clique/checkpoint.js";
import { type CliqueTrusted, RECENT_BYTES } from "../../firmware/chain/clique/state.js";
import type { Consensus, Trusted } from "../../firmware/chain/consensus.js";

import { textsOf } from "../../firmware/chain/ethereum/checkpoint-fields.js";
import { VOTE_BYTES } from "../../firmware/chain/ethereum/vote-table.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { bftCheckpointAfter } from "./bft.js";
import { rulesFrom } from "./genesis-rules.js";

/**
 * @param from what `consensus` was opened with
 * @returns `checkpoint-incomplete` where a mote could not go on from there
 */
export function checkpointAfter(consensus: Consensus, from: unknown, trusted: Trusted): object | Rejection {
  try {
    const made = after(consensus, from, trusted);
    const opened = openChain(engine, made);
    return opened instanceof Rejection ? opened : made;
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

function after(consensus: Consensus, from: unknown, trusted: Trusted): object {
  if (consensus.name === "bitcoin")
    return bitcoinCheckpointOf(bitcoinNetwork(consensus.chain) as BitcoinRules, trusted as BitcoinTrusted);
  if (!isBftName(consensus.name)) return cliqueCheckpointAfter(trusted as CliqueTrusted, from as CliqueCheckpoint);
  const validators = textsOf((trusted as BftTrusted).validators);
  return bftCheckpointAfter(engine, trusted as BftTrusted, {
    ...rulesFrom(from as BftCheckpoint, trusted.number),
    validators,
  });
}

function cliqueCheckpointAfter(trusted: CliqueTrusted, from: CliqueCheckpoint): CliqueCheckpoint {
  const { number, timeS, signers, recents, votes, gas, totalDifficulty } = trusted;
  if (trusted.forgotten.some((flag) => flag !== 0))
    throw new Rejection("checkpoint-incomplete", `more votes are pending at block ${number} than a checkpoint can say`);
  const at = (bytes: Uint8Array, offset: number): string => hex(bytes.subarray(offset, offset + ADDRESS_BYTES));
  const count = recents.length / RECENT_BYTES;
  const pending = Array.from({ length: votes.length / VOTE_BYTES }, (_, i) => {
    const account = votes.subarray(i * VOTE_BYTES + 1, (i + 1) * VOTE_BYTES);
    const signer = at(signers, (votes[i * VOTE_BYTES] as number) * ADDRESS_BYTES);
    return { signer, account: hex(account), authorize: findAddress(signers, account) < 0 };
  });
  const { gasLimit: _limit, gasUsed: _used, baseFee: _fee, ...rules } = from;
  return {
    ...rules,
    ...{ number, hash: hex(trusted.hash), timeS, totalDifficulty: quantity(totalDifficulty) },
    signers: Array.from({ length: signers.length / ADDRESS_BYTES }, (_, i) => at(signers, i * ADDRESS_BYTES)),
    recents: Object.fromEntries(
      Array.from({ length: count }, (_, i) => [String(number - count + 1 + i), at(recents, i * RECENT_BYTES)]),
    ),
    votes: pending,
    ...(gas === undefined ? {} : { gasLimit: quantity(gas.gasLimit), gasUsed: quantity(gas.gasUsed) }),
    ...(gas?.baseFee === undefined ? {} : { baseFee: quantity(gas.baseFee) }),
  };
}

function hex(bytes: Uint8Array): string {
  return `0x${toHex(bytes)}`;
}

function quantity(value: bigint): string {
  return `0x${value.toString(16)}`;
}
