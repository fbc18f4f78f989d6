// The process of one simulated board: `node --import tsx board.mjs FOLDER FIRMWARE`. Started by engine/node.ts.

import { register } from "node:module";

register("./resolve.mjs", import.meta.url);
const { runBoard } = await import("./board-process.ts");
await runBoard(process.argv[2], process.argv[3]);
