// A mote's checkpoint of a Bitcoin chain, out of a running node.
//
// Promises: what the checkpoint says follows from raw headers that were hashed here: those of its difficulty period back to the first
// (on test networks; elsewhere the first and the last eleven). The work alone is the node's word, besides which block it is: whoever
// exports a checkpoint trusts the node for both; compare them with another source. Of a node that tells no work (btcd) the block's own
// is taken: a mote compares branches that both begin at its checkpoint, so what came before counts for nothing.

import { type BitcoinCheckpoint, bitcoinCheckpointOf, openBitcoin } from "../../firmware/chain/bitcoin/checkpoint.js";
import { type BitcoinHeader, decodeBitcoinHeader } from "../../firmware/chain/bitcoin/header.js";
import { type BitcoinRules, bitcoinNetwork, MEDIAN_TIMES } from "../../firmware/chain/bitcoin/rules.js";
import { BitcoinTrusted } from "../../firmware/chain/bitcoin/state.js";
import { workOf } from "../../firmware/chain/bitcoin/target.js";
import { Rejection } from "../../firmware/rejection.js";
import { BitcoinHeaderSource, shownHash } from "../bitcoin/raw-header.js";
import { engine } from "../crypto/engine.js";
import type { JsonRpc } from "../rpc/json-rpc.js";

/** How far below the node's head the checkpoint is where no height is given: a reorganisation hardly reaches there. */
const DEPTH = 100;

export interface BitcoinExportOptions {
  /** The height; `DEPTH` below the head where absent. */
  readonly number?: number;
  /** Work of the chain up to there, where it is known from elsewhere. */
  readonly work?: bigint;
  /** Told where neither the node nor the caller knows the work. */
  readonly onRelativeWork?: () => void;
}

/** @throws RpcError where the node cannot be reached; Rejection where what it gives does not hold */
export async function exportBitcoinCheckpoint(
  rpc: Pick<JsonRpc, "call">,
  { number, work: given, onRelativeWork }: BitcoinExportOptions = {},
): Promise<BitcoinCheckpoint> {
  const source = new BitcoinHeaderSource(rpc);
  const rules = bitcoinNetwork(await source.chain());
  if (rules === undefined) throw new Rejection("chain-unsupported", `${await source.chain()} is none of Bitcoin's networks`);
  const at = number ?? Math.max(0, ((await source.header("latest"))?.number ?? 0) - DEPTH);
  const start = at - (at % rules.period);
  const headers = new Headers(source, rules);
  const own = await headers.at(at);
  const first = await headers.at(start);
  const times: number[] = [];
  for (let height = Math.max(0, at - MEDIAN_TIMES + 1); height <= at; height += 1) times.push((await headers.at(height)).timeS);
  const told = given === undefined ? await source.workOf(shownHash(own.hash)) : undefined;
  if (given === undefined && told === undefined) onRelativeWork?.();
  const work = given ?? (told === undefined ? workOf(own.bits) : BigInt(`0x${told}`));
  const checkpoint = bitcoinCheckpointOf(
    rules,
    new BitcoinTrusted({
      ...{ number: at, hash: own.hash, timeS: own.timeS, bits: own.bits, times, workBefore: work, run: 0 },
      ...{ periodStartTimeS: first.timeS, periodStartBits: first.bits, periodBits: await periodBits(headers, rules, at, start) },
      ...{ settled: at, settledTimeS: own.timeS, delta: new Uint8Array(0) },
    }),
  );
  const opened = openBitcoin(engine, checkpoint);
  if (opened instanceof Rejection) throw opened;
  return checkpoint;
}

/** The bits of the newest block of the period that is no exception of a test network; of its first block where all are. */
async function periodBits(headers: Headers, rules: BitcoinRules, at: number, start: number): Promise<number> {
  let height = at;
  let { bits } = await headers.at(height);
  while (rules.easyAfterS !== undefined && height > start && bits === rules.limitBits) {
    height -= 1;
    bits = (await headers.at(height)).bits;
  }
  return bits;
}

/** Headers of one branch: each is the parent of the one above it, as far as both were asked for. */
class Headers {
  readonly #source: BitcoinHeaderSource;
  readonly #rules: BitcoinRules;
  readonly #known = new Map<number, BitcoinHeader>();

  constructor(source: BitcoinHeaderSource, rules: BitcoinRules) {
    this.#source = source;
    this.#rules = rules;
  }

  async at(height: number): Promise<BitcoinHeader> {
    const known = this.#known.get(height);
    if (known !== undefined) return known;
    const given = await this.#source.header(height);
    if (given === undefined) throw new Rejection("block-absent", `the node has no block ${height}`);
    const header = decodeBitcoinHeader(engine, this.#rules, given.raw.slice());
    if (header instanceof Rejection) throw header;
    const above = this.#known.get(height + 1);
    const below = this.#known.get(height - 1);
    const linked = (child: BitcoinHeader | undefined, parent: BitcoinHeader | undefined): boolean =>
      child === undefined || parent === undefined || shownHash(child.parentHash) === shownHash(parent.hash);
    if (!given.hashed || !linked(above, header) || !linked(header, below))
      throw new Rejection("parent-wrong", `block ${height} of the node does not fit; the chain may have changed just now`);
    this.#known.set(height, header);
    return header;
  }
}
