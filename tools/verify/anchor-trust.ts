// What an anchored item is checked against (anchored.ts): a checkpoint that the caller trusts, the headers that lead on from it, and the
// address of the contract; by the code that runs on a mote.
//
// Promises: a header counts only where it is the checkpoint's own block, or one that every rule of the chain led to from there. Never: takes
// a header for the chain's because a node or a file says so, or reads beyond the one that is wanted.
// Codes: anchored-header, anchored-proof, and those of the consensus and of proof/.

import { equal, toHex } from "../../firmware/bytes.js";
import type { Consensus } from "../../firmware/chain/consensus.js";
import { decodeHeader } from "../../firmware/chain/ethereum/header.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { accountKey, readAccount, readSlot, slotKey } from "../../firmware/proof/account.js";
import { proveKey, TrieWalk } from "../../firmware/proof/trie.js";
import { Rejection } from "../../firmware/rejection.js";
import { verifyHeaders } from "../headers/verify.js";
import type { AnchoredItem, AnchorTrust } from "./anchored.js";

export interface TrustOptions {
  readonly engine: CryptoEngine;
  /** Opened with the checkpoint. */
  readonly consensus: Consensus;
  /** Address of RecordAnchor, 20 bytes. */
  readonly contract: Uint8Array;
  /** Headers from somewhere, none of them believed; none where the checkpoint is the item's block. */
  readonly headers?: AsyncIterable<readonly Uint8Array[]>;
  /** Whether the first of them has to be the checkpoint's child. */
  readonly fromChild?: boolean;
  readonly nowS: () => number;
}

/** What a checkpoint and headers lead to, for the item with this raw header; or why they do not lead there. */
export async function anchorTrust(raw: Uint8Array, options: TrustOptions): Promise<AnchorTrust | Rejection> {
  const { engine, consensus, contract, headers, fromChild = false, nowS } = options;
  const wanted = consensus.decode(raw);
  if (wanted instanceof Rejection) return wanted;
  const fields = decodeHeader(engine, raw);
  if (fields instanceof Rejection) return fields;
  let trusted = consensus.checkpoint;
  if (!equal(trusted.hash, wanted.hash) && headers !== undefined) {
    const led = await verifyHeaders(consensus, upTo(headers, raw), { nowS, fromChild });
    if (led.refused !== undefined) return led.refused;
    if (led.failed !== undefined) throw led.failed;
    trusted = led.trusted;
  }
  if (!equal(trusted.hash, wanted.hash))
    return new Rejection(
      "anchored-header",
      `block #${fields.number} of the item is not the checkpoint's, nor one that headers led to (#${trusted.number} is): give --headers`,
    );
  return {
    header: (other) =>
      equal(other, raw) ? fields : new Rejection("anchored-header", "another header than the one that was verified"),
    slot: (stateRoot, slot, item) => slotBy(engine, contract, stateRoot, slot, item),
  };
}

/** The batches up to the one that is wanted, which is the last. */
async function* upTo(batches: AsyncIterable<readonly Uint8Array[]>, wanted: Uint8Array): AsyncGenerator<readonly Uint8Array[]> {
  for await (const batch of batches) {
    const at = batch.findIndex((raw) => equal(raw, wanted));
    yield at < 0 ? batch : batch.slice(0, at + 1);
    if (at >= 0) return;
  }
}

function slotBy(
  engine: CryptoEngine,
  contract: Uint8Array,
  stateRoot: Uint8Array,
  slot: Uint8Array,
  { account, storage }: AnchoredItem,
): Uint8Array | Rejection {
  const leaf = proveKey(new TrieWalk(engine, stateRoot, accountKey(engine, contract)), account);
  if (leaf instanceof Rejection) return leaf;
  if (leaf.value === undefined) return new Rejection("anchored-proof", `at that block there is no contract 0x${toHex(contract)}`);
  const found = readAccount(leaf.value);
  if (found instanceof Rejection) return found;
  const word = proveKey(new TrieWalk(engine, found.storageRoot, slotKey(engine, slot)), storage);
  return word instanceof Rejection ? word : readSlot(word.value);
}
