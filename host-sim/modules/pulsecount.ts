// Mirror of `embedded:io/pulsecount` for the board of this process.

import { currentBoard } from "./current.js";
import { pulseCountFor } from "./pins.js";

export default pulseCountFor(currentBoard);
