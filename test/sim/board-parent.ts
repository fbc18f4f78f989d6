// A process that starts a board, says its process id, and then only waits to be killed.
import { spawnBoard } from "../../host-sim/engine/node.js";

const [directory = "", firmware = ""] = process.argv.slice(2);
const board = spawnBoard({ directory, firmware, onEvent: () => undefined });
console.log(board.pid);
setInterval(() => undefined, 60_000);
