// `node --import chainmote/sim/modules`: what an application imports beside the library is found in its test as on a simulated board, the SDK's own
// drivers among it (`embedded:sensor/…`; MODDABLE names the SDK's folder).

import { register } from "node:module";

register("../../host-sim/engine/resolve.mjs", import.meta.url, { data: {} });
