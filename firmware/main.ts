// The entry of a board: its configuration, a Device from its modules, and a Mote that runs until the power goes.
//
// Promises: a configuration that does not hold is said so on the log, and nothing is begun. Never knows which board it is.

import { engine } from "chainmote/crypto";
import { configuration, createDevice } from "./board/provider.js";
import { parseConfig } from "./config.js";
import { Mote } from "./mote.js";
import { Rejection } from "./rejection.js";

const device = createDevice();
const config = parseConfig(configuration);
const mote = config instanceof Rejection ? config : Mote.open({ device, engine, config });
if (mote instanceof Rejection) device.log.write("error", { what: "start", code: mote.code, detail: mote.detail });
else mote.run();
