// The standard mote on a chain of Bitcoin, where it waits for its anchors: as main.ts, and a record counts as safe once a settled block is shown
// to have its anchor.
//
// Promises: a configuration that does not hold is said so on the log, and nothing is begun. Never knows which board it is. A mote on
// Bitcoin takes no commands: nothing there proves who may give them.

import { engine } from "chainmote/crypto";
import { configuration, createDevice } from "./board/provider.js";
import { Mote, parseConfig, Rejection } from "./index.js";
import { BitcoinAnchors } from "./ledger/bitcoin-anchors.js";
import { sht3x } from "./sensor/sht3x/sht3x.js";

const device = createDevice();
const config = parseConfig(configuration);
const features = [new BitcoinAnchors()];
const mote = config instanceof Rejection ? config : Mote.open({ device, engine, config, sensors: [sht3x], features });
if (mote instanceof Rejection) device.log.write("error", { what: "start", code: mote.code, detail: mote.detail });
else mote.run();
