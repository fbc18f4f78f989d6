// Mirror of `embedded:io/analog` for the board of this process.

import { currentBoard } from "./current.js";
import { analogFor } from "./pins.js";

export default analogFor(currentBoard);
