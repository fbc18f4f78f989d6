// `npm run build`: dist/, the JavaScript that an installed package runs, and the declarations of what it exports. Node strips no types
// below node_modules.
//
// Promises: dist/ is made anew each time; it holds a declaration for all that an exported module's types reach, or the build fails.
// Never: bundles; what is thrown and where it happened stay readable.

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");
const TSC = join(root, "node_modules/typescript/bin/tsc");
/** The page that `chainmote start` serves. */
const PAGE = ["index.html", "page.css", "page.js"].map((name) => `page/browser/${name}`);
/** "Property '#x' of exported anonymous class type": the simulator's mirrors are such classes, and no exported type reaches them. */
const UNDECLARED = /error TS4094:/;

/** Runs the compiler; throws with its own words. */
function compile(project) {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [TSC, "-p", join(root, project), "--pretty", "false"], {
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  const faults = `${stdout}${stderr}`.split("\n").filter((line) => line.trim() !== "" && !UNDECLARED.test(line));
  if (faults.length > 0 || (status !== 0 && !UNDECLARED.test(stdout))) throw new Error(`${project}:\n${faults.join("\n")}`);
}

function filesIn(folder, ending) {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(ending));
}

/** The files that a pattern of `exports` stands for. */
function declarationsOf(pattern) {
  if (!pattern.includes("*")) return [join(root, pattern)];
  const [folder, ending] = pattern.split("*");
  return filesIn(join(root, folder), ending).map((name) => join(root, folder, name));
}

/** Keeps the declarations that the package's exports reach, and no others. */
function keepReached(entries) {
  const reached = new Set();
  const follow = (file, from) => {
    if (reached.has(file)) return;
    if (!existsSync(file)) throw new Error(`${relative(root, from)} needs ${relative(root, file)}, which could not be declared`);
    reached.add(file);
    for (const [, specifier] of readFileSync(file, "utf8").matchAll(/(?:from|import\(|import)\s*"(\.[^"]+)"/g))
      follow(resolve(dirname(file), specifier.replace(/\.js$/, ".d.ts")), file);
  };
  for (const entry of entries) follow(entry, join(root, "package.json"));
  for (const name of filesIn(dist, ".d.ts")) if (!reached.has(join(dist, name))) rmSync(join(dist, name));
}

rmSync(dist, { recursive: true, force: true });
compile("tsconfig.build.json");
compile("tsconfig.build-board.json");
// Plain JavaScript, the mirrors' table, the contracts and the page of start, as they are; not what only leads to TypeScript, nor the command, which stays where it is.
for (const folder of ["host-sim", "tools"])
  for (const name of [".mjs", "table.json", ".abi.json", ...PAGE].flatMap((ending) => filesIn(join(root, folder), ending))) {
    if (folder === "tools" && !name.includes("/")) continue;
    if (/import\("[^"]+\.ts"\)/.test(readFileSync(join(root, folder, name), "utf8"))) continue;
    mkdirSync(dirname(join(dist, folder, name)), { recursive: true });
    copyFileSync(join(root, folder, name), join(dist, folder, name));
  }
const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
keepReached(
  Object.values(exports)
    .map(({ types }) => types)
    .filter((types) => types !== undefined)
    .flatMap((types) => declarationsOf(types)),
);
