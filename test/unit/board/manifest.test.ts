// The manifest of the Moddable build against the sources: nothing that the firmware imports is missing from it, nothing that
// it names is missing from the tree, and nothing is preloaded that cannot be.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { PARTITIONS } from "../../../host-sim/hardware/storage.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));

interface Manifest {
  readonly creation: { readonly main: string };
  readonly modules: Readonly<Record<string, string | readonly string[]>>;
  readonly preload: readonly string[];
  readonly platforms: Readonly<Record<string, unknown>>;
  readonly build: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync(join(root, "manifest.json"), "utf8")) as Manifest;
/** Modules that the SDK's own manifests bring, by specifier: the mirrors' table, without ours. */
const table = JSON.parse(readFileSync(join(root, "host-sim/modules/table.json"), "utf8")) as Record<string, unknown>;
/** What the manifest's `include` brings; what `modules` adds must not be counted on. */
const OURS = ["chainmote/entropy", "embedded:network/ntp/client", "chainmote/crypto"];
const SDK = Object.keys(table).filter((specifier) => !OURS.includes(specifier));

/** Module name to source file in this repository, as mcconfig expands the manifest. */
function expand(): Map<string, string> {
  const files = new Map<string, string>();
  for (const [target, sources] of Object.entries(manifest.modules))
    for (const source of [sources].flat()) {
      if (source.startsWith("$(")) {
        files.set(target, source);
        continue;
      }
      if (source.endsWith(".d.ts")) continue;
      const path = normalize(source);
      if (!target.endsWith("*")) {
        const found = [path, `${path}.ts`, `${path}.js`].find((name) => /\.[jt]s$/.test(name) && existsSync(join(root, name)));
        assert.ok(found !== undefined, `${target}: no file ${path}`);
        files.set(target, found as string);
        continue;
      }
      for (const name of readdirSync(join(root, dirname(path))))
        if (/^[^.]+\.[jt]s$/.test(name)) files.set(target.slice(0, -1) + name.replace(/\.[jt]s$/, ""), join(dirname(path), name));
    }
  return files;
}

const files = expand();

/** Specifiers that a source imports at run time, as XS resolves them from the module `name`. */
function imports(name: string): string[] {
  const path = files.get(name) as string;
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
  if (files.has(name)) for (const specifier of imports(name)) closure(specifier, into);
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

test("every module of the firmware that a board can run is named", () => {
  const sources = readdirSync(join(root, "firmware"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts") && !/native|crypto-noble|^board\/bench/.test(name))
    .map((name) => join("firmware", name));
  const named = new Set(files.values());
  assert.equal(
    sources.filter((path) => !named.has(path)),
    [],
  );
});

test("what is preloaded is there and can be: no noble-hashes, no typed array and no regular expression at module level", () => {
  for (const entry of manifest.preload) {
    const names = entry.endsWith("*") ? [...files.keys()].filter((name) => name.startsWith(entry.slice(0, -1))) : [entry];
    assert.ok(names.length > 0 && names.every((name) => files.has(name)), `${entry} names no module`);
    for (const name of names) {
      const tainted = [...closure(name)].filter((other) => other.startsWith("@noble/hashes/"));
      assert.equal(tainted, [], `${name} is preloaded`);
      const path = files.get(name) as string;
      if (path.startsWith("$(")) continue;
      const code = readFileSync(join(root, path), "utf8");
      assert.not.match(code, /^(export )?(const|let) \w+[^=\n]*= *(new (Uint|Int|Float|Big)\w*Array|\/[^/*])/m, path);
    }
  }
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
