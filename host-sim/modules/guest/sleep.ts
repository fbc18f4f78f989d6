// `chainmote/sleep` on the XS engine, over the bridge.

import type { DeepSleep } from "../../../firmware/ports.js";
import { call } from "./bridge.js";

const sleep: DeepSleep = Object.freeze({
  memoryBytes: 256,
  read: () => call<ArrayBuffer>("sleep.read"),
  write(bytes: Uint8Array) {
    call("sleep.write", bytes);
  },
  image: () => call<ArrayBuffer>("sleep.image"),
  deepSleep(ms: number) {
    call("sleep.deepSleep", ms);
  },
});

export default sleep;
