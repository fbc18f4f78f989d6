// The power-loss runs of test/sim on the XS engine: flash, journal, workload and oracle are all in the guest. Prints one
// line of JSON per run; what does not hold ends the guest with an exception.

import { nativeEngine } from "../../../firmware/crypto/engine-native.js";
import { print } from "../../../host-sim/xs/guest/host.js";
import { cutEverywhere } from "../../sim/power-cuts.js";

const SEED = 20_260_102;
const journal = { engine: nativeEngine };
/** Sectors opened: a ring of 8 wraps twice. */
const OPENED = 18;

for (const mode of ["plain", "encrypted"] as const) {
  const ring = { sectors: 8, mode, seed: SEED, journal, lagRecords: 6, lookBackRecords: 2, payloadBytesMin: 500 };
  const wrapped = cutEverywhere({ ...ring, erasesMax: OPENED, strideBytes: 300, goOnOneIn: 16, secondOneIn: 0 });
  print(JSON.stringify({ name: "wraps", mode, ...wrapped }));
  const again = cutEverywhere({ ...ring, erasesMax: 4, strideBytes: 1500, goOnOneIn: 64, secondOneIn: 12 });
  print(JSON.stringify({ name: "second loss", mode, ...again }));
}
