// Where this package's files are, whether its sources run or the JavaScript that `npm run build` made of them.
//
// Promises: the same answers in a clone and where npm installed the package. Never: reads anything.

import { fileURLToPath } from "node:url";

/** Whether this is JavaScript out of dist/, and not a clone's TypeScript. */
export const BUILT: boolean = import.meta.url.endsWith(".js");

/** The folder of package.json. What a board's image is made of (firmware/, host-sim/modules/guest, C) lies there in both. */
export const REPOSITORY: string = fileURLToPath(new URL(BUILT ? "../.." : "..", import.meta.url)).replace(/[\\/]$/, "");

/** What of ours runs on Node: the folder that holds host-sim/, firmware/ and tools/. */
const RUNNING = new URL("..", import.meta.url);

/** A module of ours as Node runs it here. @param path from the repository's root, without extension */
export function runningModule(path: string): URL {
  return new URL(`${path}${BUILT ? ".js" : ".ts"}`, RUNNING);
}
