// The standard mote on a chain of Bitcoin, where it waits for its anchors: as main.ts, and a record counts as safe once a settled block is shown
// to have its anchor.
//
// Promises: a configuration that does not hold is said so on the log, and nothing is begun. Never knows which board it is. A mote on
// Bitcoin takes no commands: nothing there proves who may give them.

import { engine } from "chainmote/crypto";
import slots from "chainmote/slots";
import { configuration, createDevice } from "./board/provider.js";
import { servicePorts } from "./board/service-port.js";
import { Mote } from "./index.js";
import { BitcoinAnchors } from "./ledger/bitcoin-anchors.js";
import { start } from "./provision/start.js";
import { sht3x } from "./sensor/sht3x/sht3x.js";
import { provingOf } from "./update/proving.js";
import { safeUpdatesOf, updatesOf } from "./update/updates.js";

const board = { ...createDevice(), ...servicePorts(), slots };
const proving = provingOf(board);
start({
  ...{ device: board, engine, configuration, proving, updates: safeUpdatesOf(engine, configuration, proving) },
  open(config, device) {
    const updates = updatesOf(device, config, configuration, proving);
    const features = [new BitcoinAnchors(), ...(updates === undefined ? [] : [updates])];
    return Mote.open({ device, engine, config, sensors: [sht3x], features });
  },
});
