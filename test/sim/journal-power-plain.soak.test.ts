// Power loss on flash without encryption: erased reads 0xFF, a torn unit keeps some of its bits.

import { powerLossOn } from "./journal-power-whole.js";

powerLossOn("plain");
