// Power loss on encrypted flash: erased reads as noise, and whatever is torn or written twice is noise by the block.

import { powerLossOn } from "./journal-power-whole.js";

powerLossOn("encrypted");
