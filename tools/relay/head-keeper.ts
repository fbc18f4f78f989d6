// Which head is retained on a chain's topic: the node's newest, which goes back only where the chain really went another way; and what
// is to be done about one that somebody else put there.
//
// Promises: a node that is behind (one of several behind one address, one that was restarted) takes nothing back; a reorganisation
// is told apart from it by the blocks that were seen before, and said. Never: judges a header; that is for motes.

import { equal, toHex } from "../../firmware/bytes.js";
import { decodeHeader } from "../../firmware/chain/ethereum/header.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { blockHashes } from "../ethereum/block-hash.js";
import type { RawHeader } from "../ethereum/raw-header.js";

/** Blocks that are remembered. */
const SEEN_MAX = 256;
/** A node that stays with less for so many looks has left what it had before. */
const AGAINST_MAX = 8;
/** A head this little above ours may be another relay's, whose node is ahead of ours. */
export const AHEAD_BLOCKS_MAX = 8;

export type HeadChange = "same" | "newer" | "reorganised" | "behind";

export class HeadKeeper {
  readonly #seen = new Map<number, string>();
  #head: RawHeader | undefined;
  #against = 0;

  get head(): RawHeader | undefined {
    return this.#head;
  }

  /** What the node's newest block means; it is the head from now on unless it is "same" or "behind". */
  offer(head: RawHeader): HeadChange {
    const change = this.#changeTo(head);
    this.#against = change === "behind" ? this.#against + 1 : 0;
    if (change === "same" || change === "behind") return change;
    if (change === "reorganised") for (const number of this.#seen.keys()) if (number >= head.number) this.#seen.delete(number);
    this.#head = head;
    this.#note(head.number - 1, head.parentHash);
    this.#note(head.number, head.hash);
    return change;
  }

  #changeTo(head: RawHeader): HeadChange {
    const before = this.#head;
    if (before === undefined) return "newer";
    if (equal(before.hash, head.hash)) return "same";
    const parent = this.#seen.get(head.number - 1);
    if (head.number > before.number) return parent === undefined || parent === toHex(head.parentHash) ? "newer" : "reorganised";
    // The very block that was there before: the node is behind, whatever it does.
    if (this.#seen.get(head.number) === toHex(head.hash)) return "behind";
    const [total, was] = [head.totalDifficulty, before.totalDifficulty];
    if (total !== undefined && was !== undefined && total > was) return "reorganised";
    // Nothing is known of that height: what comes next to a height that was seen will tell.
    if (this.#seen.get(head.number) === undefined) return "behind";
    // It weighs less: one that is behind on a branch of its own, unless it stays there.
    const less = total !== undefined && was !== undefined && total < was;
    return less && this.#against < AGAINST_MAX ? "behind" : "reorganised";
  }

  #note(number: number, hash: Uint8Array): void {
    this.#seen.set(number, toHex(hash));
    if (this.#seen.size > SEEN_MAX) this.#seen.delete(this.#seen.keys().next().value as number);
  }
}

/** What somebody retained in our head's place. */
export interface Retained {
  /** Undefined on Bitcoin, whose headers do not say, and where it is no header at all. */
  readonly number: number | undefined;
  /** What it may hash to. */
  readonly hashes: readonly Uint8Array[];
}

/** Reads what was found on an Ethereum chain's topic; undefined where it is no header. */
export function readRetained(payload: Uint8Array): Retained | undefined {
  const header = decodeHeader(engine, payload);
  return header instanceof Rejection ? undefined : { number: header.number, hashes: blockHashes(payload) };
}
