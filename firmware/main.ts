// The standard mote, as it is flashed: a board's configuration, a Device from its modules, and a Mote with an SHT3x that runs until
// the power goes.
//
// Promises: a configuration that does not hold is said so on the log, and nothing is begun. Never knows which board it is.

import { engine } from "chainmote/crypto";
import slots from "chainmote/slots";
import { configuration, createDevice } from "./board/provider.js";
import { Mote, parseConfig, Rejection } from "./index.js";
import { sht3x } from "./sensor/sht3x/sht3x.js";
import { updatesOf } from "./update/updates.js";

const device = { ...createDevice(), slots };
const config = parseConfig(configuration);
const updates = updatesOf(device, config, configuration);
const mote =
  config instanceof Rejection
    ? config
    : Mote.open({ device, engine, config, sensors: [sht3x], ...(updates === undefined ? {} : { features: [updates] }) });
if (mote instanceof Rejection) {
  device.log.write("error", { what: "start", code: mote.code, detail: mote.detail });
  updates?.unfit();
} else mote.run();
