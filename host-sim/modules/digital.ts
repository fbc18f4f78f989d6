// Mirror of `embedded:io/digital` for the board of this process.

import { currentBoard } from "./current.js";
import { digitalFor } from "./pins.js";

export default digitalFor(currentBoard);
