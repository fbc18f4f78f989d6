// My application: a mote with a sensor of my own. The same on a board and in a test, which give it another device.

import { type CryptoEngine, type Device, type FeatureType, Mote, type MoteConfig, Rejection } from "chainmote";
import { bh1750 } from "./bh1750.js";

export interface Parts {
  readonly device: Device;
  readonly engine: CryptoEngine;
  readonly config: MoteConfig;
  /** What main.ts adds: updates. */
  readonly features?: readonly FeatureType[];
}

export function openApplication(parts: Parts): Mote | Rejection {
  const mote = Mote.open({
    ...parts,
    sensors: [bh1750],
    onEvent(event) {
      // What happens to the mote: docs/api.md of chainmote lists the events. A record of my own, once, when the key is there:
      if (event.event === "key" && !(mote instanceof Rejection)) mote.record([{ n: "started", v: 1 }]);
    },
  });
  return mote;
}
