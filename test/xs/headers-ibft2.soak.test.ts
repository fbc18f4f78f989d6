// IBFT 2.0: see headers.ts.

import { testHeaders } from "./headers.js";

await testHeaders("ibft2");
