// What the system needs to know of the chain that its motes follow, whoever runs the node.

import { RLP } from "@ethereumjs/rlp";
import { fromHex } from "../../firmware/bytes.js";
import { Rejection } from "../../firmware/rejection.js";
import type { Account } from "../contracts/account.js";
import { engine } from "../crypto/engine.js";

export interface Payer {
  readonly account: Account;
  /** What each account of the fleet that sends transactions is given, in wei; 0 where gas costs nothing. */
  wageWei(): Promise<bigint>;
}

export interface FollowedChain {
  /** CAIP-2. */
  readonly chain: string;
  /** Of the node's JSON-RPC; may hold a key, and may change when the node starts again. */
  readonly url: string;
  /** For a person. */
  readonly about: string;
  /** With money on it: the fleet's contracts are deployed by it. On a node that runs already nothing is, but by the key of --deploy. */
  readonly payer?: Payer;
  /** Blocks that settle an anchor, where fewer do than on all chains of its kind. */
  readonly settledDepth?: number;
  /**
   * 20 bytes that name the fleet on this chain: its registry's address, where one is deployed. They tell fleets apart.
   * @param owner 20 bytes: the admin's address where there is a payer, else that of the collector's key
   */
  registry(owner: Uint8Array): Uint8Array;
  ready(): Promise<void>;
  stop(): Promise<void>;
  /** What the motes start from, as a configuration has it. */
  checkpoint(): Promise<object>;
}

/** Where an account's first contract will be (Yellow Paper §7). */
export function firstContractOf(account: string | Uint8Array): Uint8Array {
  const sender = typeof account === "string" ? fromHex(account) : account;
  if (sender instanceof Rejection) throw new Error("an account that is no address");
  return engine.keccak256(RLP.encode([sender, new Uint8Array(0)])).slice(12);
}
