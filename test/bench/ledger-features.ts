// The ledger of the long run's mote, whole: what firmware/main-ledger.ts has where each of its features is configured.

import { Commands } from "../../firmware/command/commands.js";
import type { FeatureType } from "../../firmware/feature.js";
import { Anchors } from "../../firmware/ledger/anchors.js";
import { Peers } from "../../firmware/ledger/peers.js";
import { Registry } from "../../firmware/ledger/registry.js";
import { StateProofs } from "../../firmware/ledger/state-proofs.js";
import { Transactions } from "../../firmware/ledger/transactions.js";

export default function features(): readonly FeatureType[] {
  const proofs = new StateProofs();
  const transactions = new Transactions(proofs);
  const registry = new Registry(proofs, transactions);
  return [proofs, transactions, registry, new Commands(registry), new Peers(registry), new Anchors(proofs)];
}
