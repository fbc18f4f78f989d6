// Which of a mote's records a chain of Bitcoin holds: as anchors.ts, and what shows an anchor comes beside its receipt.
//
// Promises: a root counts as anchored where it is shown to be in a block (bitcoin-anchor.ts) that is on the mote's own chain and settled
// there, as the mote's own window has it. A block that is not there yet may still come; one that is below the window proves nothing, and
// the collector is asked for a newer anchor. Never: asks a node, or takes a header that it has not verified for one.
// docs/ledger.md, "Anchors: on Bitcoin". Configuration: `ledger.intervalMs`. Codes: anchor-unproven, and those of anchors.ts and bitcoin-anchor.ts.

import type { MoteConfig } from "../config.js";
import type { VerifiedAnchor } from "../record/anchor-receipt.js";
import { Rejection } from "../rejection.js";
import type { AnchorMessage } from "./anchor-wire.js";
import { Anchors } from "./anchors.js";
import { decodeBitcoinAnchor, verifyBitcoinAnchor } from "./bitcoin-anchor.js";

export class BitcoinAnchors extends Anchors {
  /** Of the newest block that was shown to have a receipt's root. */
  #shownTimeS = 0;

  override fault(config: MoteConfig): Rejection | undefined {
    if ((config.checkpoint as { readonly consensus?: unknown } | null)?.consensus !== "bitcoin")
      return new Rejection("config-invalid", "checkpoint: expected one of Bitcoin, where anchors are shown by their blocks");
    return super.fault(config);
  }

  protected override placeOf({ root }: VerifiedAnchor, { evidence }: AnchorMessage): Uint8Array | Rejection {
    const anchor = evidence === undefined ? undefined : decodeBitcoinAnchor(evidence);
    if (anchor === undefined) return new Rejection("anchor-unproven", "nothing beside the receipt shows a block with its root");
    if (anchor instanceof Rejection) return anchor;
    const block = verifyBitcoinAnchor(this.owner.engine, anchor, root);
    if (block instanceof Rejection) return block;
    this.#shownTimeS = block.timeS;
    return block.hash;
  }

  protected override ask(nowMs: number): number {
    const { window, settled, fork } = this.owner.follower;
    const offset = fork === undefined ? window.offsetOf(this.slot) : -1;
    const number = window.base.number + offset;
    if (offset < 0 || number > settled) return this.unproven(nowMs);
    this.proven(number, this.#shownTimeS);
    return 0;
  }
}
