// The process of one simulated board: `node --import tsx board.mjs FOLDER FIRMWARE RESET [ENGINE]`. Started by engine/node.ts.
// ENGINE is the JSON of a `GuestEngine` (engines.ts), which has its firmware; without it FIRMWARE runs here, on Node.

import { existsSync, readFileSync } from "node:fs";
import { register } from "node:module";
import { join } from "node:path";

/** Ours is TypeScript in a clone, and JavaScript in the package. */
const own = (name) => {
  const source = new URL(`./${name}.ts`, import.meta.url);
  return existsSync(source) ? source.href : new URL(`./${name}.js`, import.meta.url).href;
};
const [folder, firmware, reset, engine] = process.argv.slice(2);
if (engine === undefined) {
  const { crypto } = JSON.parse(readFileSync(join(folder, "board.json"), "utf8"));
  register("./resolve.mjs", import.meta.url, { data: { crypto } });
  const { runBoard } = await import(own("board-process"));
  await runBoard(folder, firmware, reset);
} else {
  const { runGuest } = await import(own("xs-process"));
  await runGuest(folder, JSON.parse(engine), reset);
}
