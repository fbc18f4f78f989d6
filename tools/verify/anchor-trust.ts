// What an anchored item is checked against (anchored.ts): a checkpoint that the caller trusts, the headers that lead on from it, and, on
// chains with contracts, the contract's address; by the code that runs on a mote.
//
// Promises: a header counts only where it is the checkpoint's own block, or one that every rule of the chain led to from there and that is
// settled by what follows it: one faulty signer, or one mined block, shows nothing. Never: takes a header for the chain's because a node or a
// file says so, or reads beyond the one that settles it.
// Codes: anchored-chain, anchored-header, anchored-unsettled, anchored-proof, and those of the consensus and of proof/.

import { equal, toHex } from "../../firmware/bytes.js";
import type { Consensus, Trusted } from "../../firmware/chain/consensus.js";
import { decodeHeader } from "../../firmware/chain/ethereum/header.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { accountKey, readAccount, readSlot, slotKey } from "../../firmware/proof/account.js";
import { proveKey, TrieWalk } from "../../firmware/proof/trie.js";
import { decodeSign1 } from "../../firmware/record/cose.js";
import { decodeRecord } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import { verifyHeaders } from "../headers/verify.js";
import { hashText, isBitcoin } from "../rpc/chain.js";
import { type AnchoredItem, type AnchorTrust, headerOf, type StateShown } from "./anchored.js";

export interface TrustOptions {
  readonly engine: CryptoEngine;
  /** Opened with the checkpoint. */
  readonly consensus: Consensus;
  /** Address of RecordAnchor, 20 bytes; not used on Bitcoin. */
  readonly contract: Uint8Array;
  /** Headers from somewhere, none of them believed; none where the checkpoint is the item's block. */
  readonly headers?: AsyncIterable<readonly Uint8Array[]>;
  /** Whether the first of them has to be the checkpoint's child. */
  readonly fromChild?: boolean;
  readonly nowS: () => number;
}

/** What a checkpoint and headers lead to, for this item; or why they do not lead there. */
export async function anchorTrust(item: AnchoredItem, options: TrustOptions): Promise<AnchorTrust | Rejection> {
  const { engine, consensus, contract, headers, fromChild = false, nowS } = options;
  if ("evidence" in item !== isBitcoin(consensus.chain))
    return new Rejection(
      "anchored-chain",
      `the item is of ${"evidence" in item ? "a block of Bitcoin" : "a chain with contracts"}, the checkpoint of ${consensus.chain}`,
    );
  const raw = headerOf(item);
  if (raw instanceof Rejection) return raw;
  const wanted = consensus.decode(raw);
  if (wanted instanceof Rejection) return wanted;
  const fields = isBitcoin(consensus.chain) ? undefined : decodeHeader(engine, raw);
  if (fields instanceof Rejection) return fields;
  const way = new Way(consensus, wanted.hash, claimedHead(item));
  if (!way.isSettled && headers !== undefined) {
    const onProgress = ({ trusted }: { readonly trusted: Trusted }): void => way.cameTo(trusted);
    const led = await verifyHeaders(consensus, way.along(headers), { nowS, fromChild, onProgress });
    if (led.refused !== undefined) return led.refused;
    if (led.failed !== undefined) throw led.failed;
  }
  const number = way.number(wanted.hash);
  if (number === undefined)
    return new Rejection(
      "anchored-header",
      `the item's block ${hashText(consensus.chain, wanted.hash)} is not the checkpoint's, nor one that headers led to (#${way.newest.number} is): give --headers`,
    );
  if (!way.isSettled)
    return new Rejection(
      "anchored-unsettled",
      `the headers lead to the item's block #${number}, and end before what follows it settles it (#${way.newest.settled} is settled): give more of them`,
    );
  return {
    header: (other) =>
      equal(other, raw)
        ? { ...(fields === undefined ? {} : { stateRoot: fields.stateRoot }), number }
        : new Rejection("anchored-header", "another header than the one that was verified"),
    slot: (stateRoot, slot, shown) => slotBy(engine, contract, stateRoot, slot, shown),
    knows: (hash) => way.number(hash) !== undefined,
  };
}

/** The block that the item's record says it is not before; unverified, it only says what to look out for. */
function claimedHead({ record }: AnchoredItem): Uint8Array | undefined {
  const parts = decodeSign1(record);
  const fields = parts instanceof Rejection ? parts : decodeRecord(parts.payload);
  return fields instanceof Rejection ? undefined : fields.head?.hash;
}

/** The way from a checkpoint over headers: which of two blocks it led over, and when the wanted one is settled. */
class Way {
  newest: Trusted;
  readonly #consensus: Consensus;
  readonly #wanted: Uint8Array;
  readonly #head: Uint8Array | undefined;
  readonly #numbers = new Map<string, number>();

  constructor(consensus: Consensus, wanted: Uint8Array, head: Uint8Array | undefined) {
    this.#consensus = consensus;
    this.#wanted = wanted;
    this.#head = head;
    this.newest = consensus.checkpoint;
    this.cameTo(this.newest);
  }

  get isSettled(): boolean {
    const number = this.number(this.#wanted);
    return number !== undefined && number <= this.newest.settled;
  }

  number(hash: Uint8Array): number | undefined {
    return this.#numbers.get(toHex(hash));
  }

  cameTo(trusted: Trusted): void {
    this.newest = trusted;
    if (this.#isLookedFor(trusted.hash)) this.#numbers.set(toHex(trusted.hash), trusted.number);
  }

  /** The batches cut where they come to a block that is looked for, one by one after the wanted one, and no further than what settles it. */
  async *along(batches: AsyncIterable<readonly Uint8Array[]>): AsyncGenerator<readonly Uint8Array[]> {
    for await (const batch of batches) {
      let from = 0;
      for (let at = 0; at < batch.length; at += 1) {
        const isLooked = this.number(this.#wanted) !== undefined || this.#names(batch[at] as Uint8Array);
        if (!isLooked && at + 1 < batch.length) continue;
        yield batch.slice(from, at + 1);
        if (this.isSettled) return;
        from = at + 1;
      }
    }
  }

  #names(raw: Uint8Array): boolean {
    const header = this.#consensus.decode(raw);
    return !(header instanceof Rejection) && this.#isLookedFor(header.hash);
  }

  #isLookedFor(hash: Uint8Array): boolean {
    return equal(hash, this.#wanted) || (this.#head !== undefined && equal(hash, this.#head));
  }
}

function slotBy(
  engine: CryptoEngine,
  contract: Uint8Array,
  stateRoot: Uint8Array,
  slot: Uint8Array,
  { account, storage }: StateShown,
): Uint8Array | Rejection {
  const leaf = proveKey(new TrieWalk(engine, stateRoot, accountKey(engine, contract)), account);
  if (leaf instanceof Rejection) return leaf;
  if (leaf.value === undefined) return new Rejection("anchored-proof", `at that block there is no contract 0x${toHex(contract)}`);
  const found = readAccount(leaf.value);
  if (found instanceof Rejection) return found;
  const word = proveKey(new TrieWalk(engine, found.storageRoot, slotKey(engine, slot)), storage);
  return word instanceof Rejection ? word : readSlot(word.value);
}
