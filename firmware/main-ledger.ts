// The standard mote with the ledger: as main.ts, and it reads its place in the fleet's registry by proof, and asks to be enrolled where
// `ledger.enroller` is configured; it obeys the commanders that the registry names, watches `ledger.peers`, sends transactions where
// `ledger.fees` is configured, waits for its anchors where `ledger.anchor` is, makes the one call of `ledger.call`, which is how `chainmote tx`
// has one made, and takes new images where `update` is; in safe mode, where nobody proves who the fleet's admin is, what it has taken before goes on.
//
// Promises: a configuration that does not hold is said so on the log, and nothing is begun. Never knows which board it is.

import { engine } from "chainmote/crypto";
import slots from "chainmote/slots";
import { configuration, createDevice } from "./board/provider.js";
import { servicePorts } from "./board/service-port.js";
import { Commands } from "./command/commands.js";
import { Mote } from "./index.js";
import { Anchors } from "./ledger/anchors.js";
import { Peers } from "./ledger/peers.js";
import { Registry } from "./ledger/registry.js";
import { SingleCall } from "./ledger/single-call.js";
import { ledgerOf, StateProofs } from "./ledger/state-proofs.js";
import { Transactions } from "./ledger/transactions.js";
import { start } from "./provision/start.js";
import { sht3x } from "./sensor/sht3x/sht3x.js";
import { provingOf } from "./update/proving.js";
import { NOTHING_PROVEN, safeUpdatesOf, updatesOf } from "./update/updates.js";

const board = { ...createDevice(), ...servicePorts(), slots };
const proving = provingOf(board);
start({
  ...{ device: board, engine, configuration, proving, updates: safeUpdatesOf(engine, configuration, proving, NOTHING_PROVEN) },
  open(config, device) {
    const proofs = new StateProofs();
    const has = (name: string): boolean => ledgerOf(config).has(name);
    const transactions = has("fees") || has("call") ? new Transactions(proofs) : undefined;
    const registry = new Registry(proofs, transactions);
    const updates = updatesOf(device, config, configuration, proving, registry);
    const features = [
      proofs,
      ...(transactions === undefined ? [] : [transactions]),
      ...(transactions !== undefined && has("call") ? [new SingleCall(proofs, transactions)] : []),
      registry,
      new Commands(registry),
      ...(has("peers") ? [new Peers(registry)] : []),
      ...(has("anchor") ? [new Anchors(proofs)] : []),
      ...(updates === undefined ? [] : [updates]),
    ];
    return Mote.open({ device, engine, config, sensors: [sht3x], features });
  },
});
