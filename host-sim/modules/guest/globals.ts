// What a board has besides modules: the global `trace`, and a wall clock behind `Date.now` that begins in 1970.
//
// Preloaded, and before the primordials are frozen: on a board both are in flash.

import { call, trace } from "./bridge.js";

Object.assign(globalThis, { trace });
Date.now = () => call<number>("time.now");
