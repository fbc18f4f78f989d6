// IBFT 2.0 and QBFT: see headers.ts.

import { testHeaders } from "./headers.js";

await testHeaders(["ibft2", "qbft"]);
