// The portable suite on Node, with each engine that runs there.

import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { SoftwareKeys } from "../../../firmware/crypto/software-keys.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { goodNoise } from "../../unit/crypto/noise.js";
import { portableInputs } from "./inputs.js";
import { portableSuites } from "./suites.js";

const inputs = portableInputs();

for (const engine of [nobleEngine, fastEngine]) {
  const values = new Map<string, ArrayBuffer>();
  const domain = {
    read: (slot: string) => values.get(slot)?.slice(0),
    write: (slot: string, value: ArrayBuffer | Uint8Array) =>
      void values.set(slot, Uint8Array.from(new Uint8Array(value)).buffer),
    delete: (slot: string) => void values.delete(slot),
    close() {},
  };
  const keys = new SoftwareKeys({ entropy: goodNoise(engine.name), store: { open: () => domain } });
  portableSuites({ name: `${engine.name} on Node`, engine, keys }, inputs);
}
