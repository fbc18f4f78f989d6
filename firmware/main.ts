// The standard mote, as it is flashed: a board's configuration, a Device from its modules, and a Mote with an SHT3x that runs until
// the power goes.
//
// Promises: a configuration that does not hold is said so on the log, and nothing is begun. Never knows which board it is.

import { engine } from "chainmote/crypto";
import { configuration, createDevice } from "./board/provider.js";
import { Mote } from "./index.js";
import { sht3x } from "./sensor/sht3x/sht3x.js";
import { start } from "./start/start.js";

const device = createDevice();
start(device, configuration, (config) => Mote.open({ device, engine, config, sensors: [sht3x] }));
