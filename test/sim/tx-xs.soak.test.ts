// `chainmote tx` with the firmware on XS, in the memory of an ESP32-C3: its stack, too, is what a board has.

import { tryCalls } from "./tx-calls.js";

tryCalls("--engine", "xs", "--board", "esp32c3");
