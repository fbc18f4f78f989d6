// A thread that checks signatures: check-thread.ts, once its TypeScript can be loaded here.

import { register } from "tsx/esm/api";

register();
await import("./check-thread.ts");
