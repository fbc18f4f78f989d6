// `npm run boards`: writes what follows from the boards' files, and takes away what was a board's that is gone. `-- --check` writes
// nothing, and fails where anything would change.
//
// Promises: nothing is written where a board's file is wrong; each path that changes is named.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readBoards } from "../../host-sim/boards.js";
import { REPOSITORY } from "../../host-sim/place.js";
import { leftover, written } from "./written.js";

const check = process.argv.includes("--check");
const boards = readBoards(REPOSITORY);
const files = [...written(boards, REPOSITORY)].filter(([path, text]) => {
  const file = join(REPOSITORY, path);
  return !existsSync(file) || readFileSync(file, "utf8") !== text;
});
for (const [path, text] of files) {
  console.log(`${check ? "differs" : "written"}: ${path}`);
  if (check) continue;
  mkdirSync(dirname(join(REPOSITORY, path)), { recursive: true });
  writeFileSync(join(REPOSITORY, path), text);
}
const gone = leftover(boards, REPOSITORY);
for (const path of gone) {
  console.log(`${check ? "no board's" : "removed"}: ${path}`);
  if (!check) rmSync(join(REPOSITORY, path), { recursive: true });
}
console.log(
  `${boards.length} boards: ${boards.map(({ name }) => name).join(", ")}; ${files.length + gone.length} files ${check ? "differ" : "changed"}`,
);
if (check && files.length + gone.length > 0) process.exitCode = 1;
