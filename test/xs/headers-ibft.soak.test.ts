// IBFT 1: see headers.ts.

import { testHeaders } from "./headers.js";

await testHeaders("ibft");
