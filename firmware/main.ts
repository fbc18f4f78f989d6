// The standard mote, as it is flashed: a board's configuration, a Device from its modules, and a Mote with an SHT3x that runs until
// the power goes, and takes new images where `update` is configured.
//
// Promises: a configuration that does not hold is said so on the log, and nothing is begun. Never knows which board it is.

import { engine } from "chainmote/crypto";
import slots from "chainmote/slots";
import { configuration, createDevice } from "./board/provider.js";
import { Mote, parseConfig, Rejection } from "./index.js";
import { sht3x } from "./sensor/sht3x/sht3x.js";
import { provingOf } from "./update/proving.js";
import { updatesOf } from "./update/updates.js";

const device = { ...createDevice(), slots };
const proving = provingOf(device);
const config = parseConfig(configuration);
const updates = config instanceof Rejection ? undefined : updatesOf(device, config, configuration, proving);
const parts = { device, engine, sensors: [sht3x], ...(updates && { features: [updates] }) };
const mote = config instanceof Rejection ? config : Mote.open({ ...parts, config });
if (mote instanceof Rejection) {
  device.log.write("error", { what: "start", code: mote.code, detail: mote.detail });
  proving?.unfit();
} else mote.run();
