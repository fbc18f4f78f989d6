// The standard mote with the ledger: as main.ts, and it reads the chain's state by proof and waits for its anchors.
//
// Promises: a configuration that does not hold is said so on the log, and nothing is begun. Never knows which board it is.

import { engine } from "chainmote/crypto";
import { configuration, createDevice } from "./board/provider.js";
import { Mote, parseConfig, Rejection } from "./index.js";
import { Anchors } from "./ledger/anchors.js";
import { StateProofs } from "./ledger/state-proofs.js";
import { sht3x } from "./sensor/sht3x/sht3x.js";

const device = createDevice();
const config = parseConfig(configuration);
const proofs = new StateProofs();
const features = [proofs, new Anchors(proofs)];
const mote = config instanceof Rejection ? config : Mote.open({ device, engine, config, sensors: [sht3x], features });
if (mote instanceof Rejection) device.log.write("error", { what: "start", code: mote.code, detail: mote.detail });
else mote.run();
