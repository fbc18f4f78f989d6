// The standard mote with one call to make (`ledger.call`, ledger/single-call.ts): what `chainmote tx` runs.
//
// Promises: a configuration that does not hold is said so on the log, and nothing is begun. Never knows which board it is.

import { engine } from "chainmote/crypto";
import { configuration, createDevice } from "./board/provider.js";
import { Mote } from "./index.js";
import { Anchors } from "./ledger/anchors.js";
import { Registry } from "./ledger/registry.js";
import { SingleCall } from "./ledger/single-call.js";
import { ledgerOf, StateProofs } from "./ledger/state-proofs.js";
import { Transactions } from "./ledger/transactions.js";
import { sht3x } from "./sensor/sht3x/sht3x.js";
import { start } from "./start/start.js";

const device = createDevice();
start(device, configuration, (config) => {
  const proofs = new StateProofs();
  const transactions = new Transactions(proofs);
  const has = (name: string): boolean => ledgerOf(config).has(name);
  const features = [
    proofs,
    transactions,
    new SingleCall(proofs, transactions),
    ...(has("enroller") ? [new Registry(proofs, transactions)] : []),
    ...(has("anchor") ? [new Anchors(proofs)] : []),
  ];
  return Mote.open({ device, engine, config, sensors: [sht3x], features });
});
