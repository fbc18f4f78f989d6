// My application: a mote with a sensor of my own. The same on a board and in a test, which give it another device.

import { type CryptoEngine, type Device, Mote, parseConfig, Rejection } from "chainmote";
import { bh1750 } from "./bh1750.js";

export function openApplication(board: { device: Device; engine: CryptoEngine; configuration: unknown }): Mote | Rejection {
  const config = parseConfig(board.configuration);
  if (config instanceof Rejection) return config;
  const { device, engine } = board;
  const mote = Mote.open({
    ...{ device, engine, config, sensors: [bh1750] },
    onEvent(event) {
      // What happens to the mote: docs/api.md of chainmote lists the events. A record of my own, once, when the key is there:
      if (event.event === "key" && !(mote instanceof Rejection)) mote.record([{ n: "started", v: 1 }]);
    },
  });
  return mote;
}
