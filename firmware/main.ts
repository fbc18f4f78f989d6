// The standard mote, as it is flashed: a Device from a board's modules, the configuration that the board keeps or that its image has, and a
// Mote with an SHT3x that runs until the power goes, and takes new images where `update` is configured, in safe mode as well.
//
// Promises: a configuration that does not hold is said so on the log, and nothing is begun. Never knows which board it is.

import { engine } from "chainmote/crypto";
import slots from "chainmote/slots";
import { configuration, createDevice } from "./board/provider.js";
import { servicePorts } from "./board/service-port.js";
import { Mote } from "./index.js";
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
    return Mote.open({ device, engine, config, sensors: [sht3x], ...(updates && { features: [updates] }) });
  },
});
