// What the board starts: its parts, its configuration (its own, or one that it was given over its serial port), and the application that runs on
// them until the power goes. In an image that does not hold up, safe mode; new images over the broker, where the configuration has `update`.

import { configuration, createDevice } from "chainmote/board/provider";
import { servicePorts } from "chainmote/board/service-port";
import { engine } from "chainmote/crypto";
import { start } from "chainmote/provision/start";
import slots from "chainmote/slots";
import { provingOf } from "chainmote/update/proving";
import { safeUpdatesOf, updatesOf } from "chainmote/update/updates";
import { openApplication } from "./application.js";

const board = { ...createDevice(), ...servicePorts(), slots };
const proving = provingOf(board); // before all else: a new image's time runs from here
start({
  ...{ device: board, engine, configuration, proving, updates: safeUpdatesOf(engine, configuration, proving) },
  open(config, device) {
    const updates = updatesOf(device, config, configuration, proving);
    return openApplication({ device, engine, config, features: updates === undefined ? [] : [updates] });
  },
});
