// What the board starts: its configuration and its parts, and the application that runs on them until the power goes.

import { Rejection } from "chainmote";
import { configuration, createDevice } from "chainmote/board/provider";
import { engine } from "chainmote/crypto";
import { openApplication } from "./application.js";

const device = createDevice();
const mote = openApplication({ device, engine, configuration });
if (mote instanceof Rejection) device.log.write("error", { what: "start", code: mote.code, detail: mote.detail });
else mote.run();
