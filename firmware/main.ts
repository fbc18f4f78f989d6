// The standard mote, as it is flashed: a Device from a board's modules, the configuration that the board keeps or that its image has, and a
// Mote with an SHT3x that runs until the power goes.
//
// Promises: a configuration that does not hold is said so on the log, and nothing is begun. Never knows which board it is.

import { engine } from "chainmote/crypto";
import { configuration, createDevice } from "./board/provider.js";
import { servicePorts } from "./board/service-port.js";
import { Mote } from "./index.js";
import { start } from "./provision/start.js";
import { sht3x } from "./sensor/sht3x/sht3x.js";

start({
  ...{ device: { ...createDevice(), ...servicePorts() }, engine, configuration },
  open: (config, device) => Mote.open({ device, engine, config, sensors: [sht3x] }),
});
