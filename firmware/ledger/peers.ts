// Motes that this one is configured to watch: their places in the fleet's registry, proven again and again.
//
// Promises: each place that is proven, and new, is an event (`peer`), so that a peer whose key was quarantined is known to everyone who watches
// it, whatever its operator, a relay or a collector says. Never: takes "not known" for a place, or judges a peer by itself.
// docs/ledger.md, "The registry, read by the mote". Configuration: `ledger.peers`, a list of addresses.

import { toHex } from "../bytes.js";
import type { MoteConfig } from "../config.js";
import { ADDRESS_BYTES } from "../crypto/identity.js";
import type { Feature, FeatureOwner, FeatureType } from "../feature.js";
import { bytesIn } from "../fields.js";
import type { Rejection } from "../rejection.js";
import type { Registry } from "./registry.js";
import { statusName } from "./registry-slots.js";
import { ledgerFault } from "./state-proofs.js";

/** Fewer than the registry has places for, so that a commander's mandate has one, too. */
const PEERS_MAX = 6;
/** Between two looks, each of which hashes a slot's place for each peer; the registry asks at the interval of the ledger. */
const LOOK_MS = 5_000;

/** Comes after the registry. */
export class Peers implements FeatureType, Feature {
  readonly subscriptions: readonly string[] = [];
  readonly #registry: Registry;
  #owner: FeatureOwner | undefined;
  #peers: readonly Uint8Array[] = [];
  #dueMs = 0;
  /** By peer: status and block of the place that was told last. */
  #told: string[] = [];

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  fault(config: MoteConfig): Rejection | undefined {
    return ledgerFault(config, (fields) => {
      this.#peers = fields.texts("peers", PEERS_MAX).map((text) => {
        const address = bytesIn(text, ADDRESS_BYTES, ADDRESS_BYTES);
        if (address === undefined) throw fields.wrong("peers", `at most ${PEERS_MAX} addresses of ${ADDRESS_BYTES} bytes`);
        return address;
      });
    });
  }

  open(owner: FeatureOwner): Feature {
    this.#owner = owner;
    return this;
  }

  received(): boolean {
    return false;
  }

  linkChanged(): void {}

  step(): number {
    const owner = this.#owner as FeatureOwner;
    const nowMs = owner.device.clock.ticksMs();
    if (nowMs < this.#dueMs) return this.#dueMs - nowMs;
    this.#dueMs = nowMs + LOOK_MS;
    for (let i = 0; i < this.#peers.length; i += 1) {
      const peer = this.#peers[i] as Uint8Array;
      const place = this.#registry.moteOf(peer);
      if (place === undefined) continue;
      const { status, role, sinceBlock, provenAtBlock } = place;
      const told = `${status} ${sinceBlock}`;
      if (this.#told[i] === told) continue;
      this.#told[i] = told;
      const said = { mote: `0x${toHex(peer)}`, status: statusName(status), role, sinceBlock, block: provenAtBlock };
      owner.device.log.write("peer", said);
    }
    return LOOK_MS;
  }
}
