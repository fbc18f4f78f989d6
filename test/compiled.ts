// The test files, and the programs that they start, as JavaScript: compiled once for a whole run. A process then starts in a third of the
// time, where finding and compiling each of its modules anew took longer than most tests.
//
// Promises: `import.meta.url` is that of the source, so that whatever lies beside a source is found, and a stack names its lines; every
// run compiles anew, into a folder of its own, so that nothing old is ever run; a module that several share is one module.
// Never: bundles a package of node_modules; follows an `import()` of a name that is known only when it runs: what a test loads so is no
// TypeScript. Programs that are not among these run by tsx, as everything does that is started by hand.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const FOLDER = join(root, "build/tests");
const MIRRORS = join(root, "host-sim/modules");
const OWN_DATABASE = join(root, "test/pglite.ts");
const FIRMWARES = "test/sim/fixtures";
/** Programs that do not share a process (test/loader.mjs): the fewer pieces one consists of, the sooner it runs. */
const PROGRAMS: readonly (readonly string[])[] = [
  [
    ...["host-sim/engine/board-process.ts", "host-sim/engine/xs-process.ts"],
    ...["firmware/main.ts", "firmware/main-ledger.ts", "firmware/main-bitcoin.ts"],
    ...readdirSync(join(root, FIRMWARES))
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(FIRMWARES, name)),
  ],
  ["tools/cli.ts"],
  ["test/xs/session-process.ts"],
];

const table = JSON.parse(readFileSync(join(MIRRORS, "table.json"), "utf8")) as Record<string, { readonly node: string }>;

/** What host-sim/engine/resolve.mjs does for a board: its modules are their mirrors, the library's are this firmware's files. */
const boardModules: Plugin = {
  name: "board-modules",
  setup({ onResolve }) {
    onResolve({ filter: /^(embedded:|chainmote(\/|$)|mc\/|net$|time$|timer$)/ }, ({ path, importer }) => {
      if (importer.includes("node_modules")) return undefined;
      const mirror = table[path]?.node;
      if (mirror !== undefined) return { path: join(MIRRORS, mirror) };
      const file = join(root, "firmware", `${path.slice("chainmote/".length) || "index"}.ts`);
      return path.startsWith("chainmote") && existsSync(file) ? { path: file } : undefined;
    });
  },
};

const database: Plugin = {
  name: "PGlite",
  setup({ onResolve }) {
    onResolve({ filter: /^@electric-sql\/pglite$/ }, ({ importer }) =>
      importer === OWN_DATABASE ? undefined : { path: OWN_DATABASE },
    );
  },
};

/** An import of ours that is kept out of the package (tools/cli.ts), by a name beside it. */
const NAMED_ASIDE = /(const module: string = ("\.[^"]+");\s+return )import\(module\)/;

/** Each module's own URL, on its first line: the lines keep their numbers. */
const sourceUrls: Plugin = {
  name: "source-urls",
  setup({ onLoad }) {
    onLoad({ filter: /\.(ts|mjs)$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8").replace(NAMED_ASIDE, "$1import($2)");
      const own = `const importMetaUrl = ${JSON.stringify(pathToFileURL(path).href)};`;
      return { contents: text.includes("import.meta.url") ? own + text : text, loader: path.endsWith(".ts") ? "ts" : "js" };
    });
  },
};

/** What ended runs left. */
function sweep(): void {
  for (const name of readdirSync(FOLDER)) {
    try {
      process.kill(Number(name), 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ESRCH") rmSync(join(FOLDER, name), { recursive: true, force: true });
    }
  }
}

/** What shares modules is one build: they are in pieces of their own then. */
async function compileTogether(paths: readonly string[], outdir: string, plugins: Plugin[]): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: paths.map((path) => join(root, path)),
    outdir,
    outbase: root,
    bundle: true,
    splitting: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node20",
    keepNames: true,
    sourcemap: "linked",
    sourcesContent: false,
    define: { "import.meta.url": "importMetaUrl" },
    plugins,
    logLevel: "error",
  });
}

/** Compiles these files, by their paths from the root, and all programs; answers the folder that holds them by the same paths, as `.js`. */
export async function compile(paths: readonly string[]): Promise<string> {
  mkdirSync(FOLDER, { recursive: true });
  sweep();
  const outdir = join(FOLDER, String(process.pid));
  await Promise.all([
    compileTogether(paths, outdir, [database, sourceUrls]),
    ...PROGRAMS.map((program) => compileTogether(program, outdir, [boardModules, database, sourceUrls])),
  ]);
  return outdir;
}
