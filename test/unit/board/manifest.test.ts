// The manifest of the Moddable build against the sources: nothing that the firmware imports is missing from it, nothing that
// it names is missing from the tree, and nothing is preloaded that cannot be.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { PARTITIONS } from "../../../host-sim/hardware/storage.js";
import { KECCAK_FOLDER, LIBRARY_FOLDER } from "../../../host-sim/xs/libsecp256k1.js";
import { BOARD_NAMES, CREATIONS, type Creation } from "../../../host-sim/xs/presets.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));

type Modules = Readonly<Record<string, string | readonly string[]>>;

interface ManifestCreation {
  readonly main?: string;
  readonly static?: number;
  readonly chunk?: { readonly initial: number; readonly incremental: number };
  readonly heap?: { readonly initial: number; readonly incremental: number };
  readonly stack?: number;
  readonly keys?: { readonly initial: number; readonly incremental: number; readonly name: number; readonly symbol: number };
  readonly nativeStack?: number;
}

interface Manifest {
  readonly include: readonly string[];
  readonly creation: ManifestCreation & { readonly main: string };
  readonly modules: Modules;
  readonly preload: readonly string[];
  readonly platforms: Readonly<Record<string, { readonly creation?: ManifestCreation; readonly config?: object }>>;
  readonly build: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync(join(root, "manifest.json"), "utf8")) as Manifest;
/** The one of ours that it includes: the native engine, which includes the native work on bytes. */
const NATIVE = "firmware/crypto/native";
const native = JSON.parse(readFileSync(join(root, NATIVE, "manifest.json"), "utf8")) as Manifest;
const BYTES = "firmware/bytes/native";
const bytes = JSON.parse(readFileSync(join(root, BYTES, "manifest.json"), "utf8")) as Manifest;
const preloads = manifest.preload;
/** The bench firmware's, which includes the first. */
const BENCH = "test/bench/firmware";
const bench = JSON.parse(readFileSync(join(root, BENCH, "manifest.json"), "utf8")) as Manifest;
/** What `npm run bench:firmware` writes, a module of literals. */
const BENCH_INPUTS = "build/bench/inputs.ts";
/** Modules that the SDK's own manifests bring, by specifier: the mirrors' table, without ours. */
const table = JSON.parse(readFileSync(join(root, "host-sim/modules/table.json"), "utf8")) as Record<string, unknown>;
/** What the manifest's `include` brings; what `modules` adds must not be counted on. */
const OURS = ["chainmote/crypto", "chainmote/entropy", "chainmote/tls", "embedded:network/ntp/client"];
const SDK = Object.keys(table).filter((specifier) => !OURS.includes(specifier));

/** Module name to source file in this repository, as mcconfig expands the manifest. */
function expand(modules: Modules, folder = "."): Map<string, string> {
  const files = new Map<string, string>();
  for (const [target, sources] of Object.entries(modules))
    for (const source of [sources].flat()) {
      if (target === "~" || source.endsWith("/")) continue; // left out, or a folder of headers
      if (source.startsWith("$(")) {
        files.set(target, source);
        continue;
      }
      const path = normalize(join(folder, source));
      if (path === BENCH_INPUTS.replace(/\.ts$/, "")) continue;
      // C alone is no module.
      if (existsSync(join(root, `${path}.c`)) && !existsSync(join(root, `${path}.ts`))) continue;
      if (!target.endsWith("*") || !source.endsWith("*")) {
        const found = [path, `${path}.ts`, `${path}.js`].find((name) => /\.[jt]s$/.test(name) && existsSync(join(root, name)));
        assert.ok(found !== undefined, `${target}: no file ${path}`);
        files.set(target.replace(/\*$/, basename(path)), found as string);
        continue;
      }
      for (const name of readdirSync(join(root, dirname(path))))
        if (/^[^.]+\.[jt]s$/.test(name)) files.set(target.slice(0, -1) + name.replace(/\.[jt]s$/, ""), join(dirname(path), name));
    }
  return files;
}

const benchFiles = expand(bench.modules, BENCH);
const files = new Map([...expand(manifest.modules), ...expand(native.modules, NATIVE), ...expand(bytes.modules, BYTES)]);

/** Specifiers that a source imports at run time, as XS resolves them from the module `name`. */
function imports(name: string): string[] {
  const path = (files.get(name) ?? benchFiles.get(name)) as string;
  if (path.startsWith("$(")) return [];
  const code = readFileSync(join(root, path), "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
  const found = code.matchAll(/^(?:import|export)\s+(?!type\b)[^"';]*?from\s*["']([^"']+)["']|^import\s*["']([^"']+)["']/gm);
  return [...found]
    .filter(([statement]) => !/^import\s*\{\s*(type\s+\w+(\s+as\s+\w+)?\s*,?\s*)+\}/.test(statement))
    .map(([, from, bare]) => (from ?? bare) as string)
    .map((specifier) => (specifier.startsWith(".") ? join(dirname(name), specifier) : specifier).replace(/\.m?js$/, ""));
}

/** Every module that `name` needs, itself included. */
function closure(name: string, into = new Set<string>()): Set<string> {
  if (into.has(name)) return into;
  into.add(name);
  if (files.has(name) || benchFiles.has(name)) for (const specifier of imports(name)) closure(specifier, into);
  return into;
}

test("the main module and all that it imports are in the build, under the names by which they are imported", () => {
  assert.ok(files.has(manifest.creation.main), `no module ${manifest.creation.main}`);
  const needed = closure(manifest.creation.main);
  assert.ok(needed.size > 30, `only ${needed.size} modules were found`);
  assert.equal(
    [...needed].filter((name) => !files.has(name) && !SDK.includes(name)),
    [],
  );
});

test("every module of the firmware that a board runs is named, and none of those that are for other hosts", () => {
  /** Engine, keys and work on bytes in JavaScript, what draws those keys, and the module that chooses them. */
  const elsewhere = [
    "bytes/primitives",
    "crypto/engine-noble",
    "crypto/software-keys",
    "crypto/entropy-health",
    "board/crypto-noble",
  ];
  const left = readdirSync(join(root, "firmware"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
    .map((name) => join("firmware", name))
    .filter((path) => ![...files.values()].includes(path));
  assert.equal(left.sort(), elsewhere.map((name) => `firmware/${name}.ts`).sort());
});

test("all but the main module is preloaded, and by its own name: mcconfig takes no pattern for TypeScript", () => {
  assert.equal(
    preloads.filter((name) => name.includes("*")),
    [],
  );
  const expected = [...files.keys()].filter((name) => name !== manifest.creation.main);
  assert.equal([...preloads].sort(), expected.sort());
});

test("the bench firmware brings all that its main module imports, and preloads all of its own but that", () => {
  assert.is(bench.modules["bench/inputs"], relative(BENCH, BENCH_INPUTS).replace(/\.ts$/, ""));
  const needed = closure(bench.creation.main);
  assert.ok(needed.has("test/bench/cases"), "the cases are found");
  assert.equal(
    [...needed].filter((name) => ![...files.keys(), ...benchFiles.keys(), ...SDK, "bench/inputs"].includes(name)),
    [],
  );
  const expected = ["bench/inputs", ...benchFiles.keys()].filter((name) => name !== bench.creation.main);
  assert.equal([...bench.preload].sort(), expected.sort());
});

test("what is preloaded can be: no noble-hashes, no typed array and no regular expression at module level", () => {
  for (const name of preloads) {
    const tainted = [...closure(name)].filter((other) => other.startsWith("@noble/hashes/"));
    assert.equal(tainted, [], `${name} is preloaded`);
    const path = files.get(name) as string;
    if (path.startsWith("$(")) continue;
    const code = readFileSync(join(root, path), "utf8");
    assert.not.match(code, /^(export )?(const|let) \w+[^=\n]*= *(new (Uint|Int|Float|Big)\w*Array|\/[^/*])/m, path);
  }
});

test("a module under another name imports by names alone, for XS resolves a path from the name", () => {
  for (const [name, path] of files) {
    if (path.replace(/\.[jt]s$/, "") === name || path.startsWith("$(")) continue;
    const code = readFileSync(join(root, path), "utf8");
    assert.not.match(code, /from "\.\.?\//, `${name} is ${path}`);
  }
});

test("the native engine's C is there whole: its folder, and the libraries' folders, which npm run native fills", () => {
  assert.ok(manifest.include.includes(`./${NATIVE}/manifest.json`));
  assert.is(join(NATIVE, native.include as unknown as string), `${BYTES}/manifest.json`);
  assert.is(bytes.modules[`${BYTES}/*`], "./*");
  const [own, ...libraries] = native.modules[`${NATIVE}/*`] as readonly string[];
  assert.is(own, "./*");
  assert.ok(
    libraries.every((folder) => folder.endsWith("/")),
    "include paths",
  );
  const [curve, hash] = libraries.map((folder) => join(root, NATIVE, folder));
  assert.is(curve, `${LIBRARY_FOLDER}/`);
  assert.is(hash, `${KECCAK_FOLDER}/`);
});

/** What the manifest gives to a board, in the words of presets.ts. */
function creationOf(board: string): Creation {
  const platform = manifest.platforms[board === "esp32" ? board : `esp32/${board}`]?.creation ?? {};
  const { static: staticBytes, chunk, heap, stack, keys, nativeStack } = { ...manifest.creation, ...platform };
  return {
    staticBytes,
    chunkInitialBytes: chunk?.initial,
    chunkIncrementalBytes: chunk?.incremental,
    heapInitialSlots: heap?.initial,
    heapIncrementalSlots: heap?.incremental,
    stackSlots: stack,
    keysInitial: keys?.initial,
    keysIncremental: keys?.incremental,
    nameModulo: keys?.name,
    symbolModulo: keys?.symbol,
    nativeStackBytes: nativeStack,
  } as Creation;
}

test("each board has the memory that the simulated one is measured with", () => {
  for (const board of BOARD_NAMES) assert.equal(creationOf(board), CREATIONS[board], board);
});

test("the boards of the design are all there, with the pins of their bus", () => {
  for (const board of ["esp32", "esp32/esp32s3", "esp32/esp32c3", "esp32/esp32c6"]) {
    const platform = manifest.platforms[board] as { config?: { i2c?: { data?: number; clock?: number } } } | undefined;
    assert.type(platform?.config?.i2c?.data, "number", board);
    assert.type(platform?.config?.i2c?.clock, "number", board);
  }
});

test("the partition table is whole, and the simulated board's is the same", () => {
  const text = readFileSync(join(root, manifest.build.PARTITIONS_FILE as string), "utf8");
  const rows = text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(",").map((field) => field.trim()));
  let end = 0x9000;
  for (const [name, type, , offset, size] of rows) {
    assert.ok(Number(offset) >= end, `${name} begins before ${end.toString(16)}`);
    assert.is(Number(offset) % (type === "app" ? 0x10000 : 0x1000), 0, `${name} is not aligned`);
    end = Number(offset) + Number(size);
  }
  assert.ok(end <= 0x400000, "4 MB of flash");
  for (const [name, byteLength] of Object.entries(PARTITIONS)) {
    const row = rows.find(([label]) => label === name);
    assert.is(Number(row?.[4]), byteLength, name);
  }
});

test.run();
