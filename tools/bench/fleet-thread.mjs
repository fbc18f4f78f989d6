// A thread with a share of the fleet: fleet-thread.ts, once its TypeScript can be loaded here.

import { register } from "tsx/esm/api";

register();
await import("./fleet-thread.ts");
