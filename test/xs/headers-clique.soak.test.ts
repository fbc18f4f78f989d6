// Clique: see headers.ts.

import { testHeaders } from "./headers.js";

await testHeaders("clique");
