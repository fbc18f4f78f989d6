// What the board starts: its configuration and its parts, and the application that runs on them until the power goes.

import { start } from "chainmote";
import { configuration, createDevice } from "chainmote/board/provider";
import { engine } from "chainmote/crypto";
import { openApplication } from "./application.js";

const device = createDevice();
start(device, configuration, () => openApplication({ device, engine, configuration }));
