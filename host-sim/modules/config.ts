// Mirror of the SDK's `mc/config`: the manifest's `config` object, frozen. Here it comes from `board.json`.

import { currentBoard } from "./current.js";

export default currentBoard().config;
