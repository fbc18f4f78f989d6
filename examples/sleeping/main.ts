// A mote on a battery: it sleeps between its samples, and joins its network at every twelfth wake (`config.sleep` in the manifest, docs/sleep.md).
// It takes new images, and stays awake while one of them proves itself.

import { configuration, createDevice } from "chainmote/board/provider";
import { servicePorts } from "chainmote/board/service-port";
import { engine } from "chainmote/crypto";
import { Mote } from "chainmote/index";
import { start } from "chainmote/provision/start";
import { sht3x } from "chainmote/sensor/sht3x/sht3x";
import deepSleep from "chainmote/sleep";
import { sleepOf } from "chainmote/sleep/sleep";
import slots from "chainmote/slots";
import { provingOf } from "chainmote/update/proving";
import { safeUpdatesOf, updatesOf } from "chainmote/update/updates";

const board = { ...createDevice(), ...servicePorts(), slots, sleep: deepSleep };
const sleep = sleepOf(board); // before all else: whatever was kept through the sleep counts once
const proving = provingOf(board);
start({
  ...{ device: board, engine, configuration, proving, sleep, updates: safeUpdatesOf(engine, configuration, proving) },
  open(config, device) {
    const updates = updatesOf(device, config, configuration, proving);
    return Mote.open({ device, engine, config, sensors: [sht3x], sleep, ...(updates && { features: [updates] }) });
  },
});
