// `time` on the XS engine: the board's counter and its wall clock's setting, over the bridge.

import { call } from "./bridge.js";

export default Object.freeze({
  set(seconds: number): void {
    call("time.set", seconds);
  },
  get ticks(): number {
    return call<number>("time.ticks");
  },
  delta(start: number, end?: number): number {
    return ((end ?? call<number>("time.ticks")) - start) | 0;
  },
});
