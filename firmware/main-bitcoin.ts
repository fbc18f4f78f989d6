// The standard mote on a chain of Bitcoin, where it waits for its anchors: as main.ts, and a record counts as safe once a settled block is shown
// to have its anchor.
//
// Promises: a configuration that does not hold is said so on the log, and nothing is begun. Never knows which board it is. A mote on
// Bitcoin takes no commands: nothing there proves who may give them.

import { engine } from "chainmote/crypto";
import { configuration, createDevice } from "./board/provider.js";
import { Mote } from "./index.js";
import { BitcoinAnchors } from "./ledger/bitcoin-anchors.js";
import { sht3x } from "./sensor/sht3x/sht3x.js";
import { start } from "./start/start.js";

const device = createDevice();
start(device, configuration, (config) => {
  const features = [new BitcoinAnchors()];
  return Mote.open({ device, engine, config, sensors: [sht3x], features });
});
