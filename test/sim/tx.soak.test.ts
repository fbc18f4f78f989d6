// `chainmote tx` with the firmware on Node.

import { tryCalls } from "./tx-calls.js";

tryCalls();
