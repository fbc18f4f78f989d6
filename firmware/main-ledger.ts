// The standard mote with the ledger: as main.ts, and it reads its place in the fleet's registry by proof, and asks to be enrolled where
// `ledger.enroller` is configured; it obeys the commanders that the registry names, watches `ledger.peers`, sends transactions where
// `ledger.fees` is configured, waits for its anchors where `ledger.anchor` is, and makes the one call of `ledger.call`, which is how
// `chainmote tx` has one made.
//
// Promises: a configuration that does not hold is said so on the log, and nothing is begun. Never knows which board it is.

import { engine } from "chainmote/crypto";
import { configuration, createDevice } from "./board/provider.js";
import { Commands } from "./command/commands.js";
import { Mote, parseConfig, Rejection } from "./index.js";
import { Anchors } from "./ledger/anchors.js";
import { Peers } from "./ledger/peers.js";
import { Registry } from "./ledger/registry.js";
import { SingleCall } from "./ledger/single-call.js";
import { ledgerOf, StateProofs } from "./ledger/state-proofs.js";
import { Transactions } from "./ledger/transactions.js";
import { sht3x } from "./sensor/sht3x/sht3x.js";

const device = createDevice();
const config = parseConfig(configuration);
const proofs = new StateProofs();
const has = (name: string): boolean => !(config instanceof Rejection) && ledgerOf(config).has(name);
const transactions = has("fees") || has("call") ? new Transactions(proofs) : undefined;
const registry = new Registry(proofs, transactions);
const features = [
  proofs,
  ...(transactions === undefined ? [] : [transactions]),
  ...(transactions !== undefined && has("call") ? [new SingleCall(proofs, transactions)] : []),
  registry,
  new Commands(registry),
  ...(has("peers") ? [new Peers(registry)] : []),
  ...(has("anchor") ? [new Anchors(proofs)] : []),
];
const mote = config instanceof Rejection ? config : Mote.open({ device, engine, config, sensors: [sht3x], features });
if (mote instanceof Rejection) device.log.write("error", { what: "start", code: mote.code, detail: mote.detail });
else mote.run();
