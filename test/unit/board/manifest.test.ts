// The manifest of the Moddable build against the sources: nothing that the firmware imports is missing from it, nothing that
// it names is missing from the tree, and nothing is preloaded that cannot be.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BOARD_NAMES, BOARDS, boardOf, firstOfPlatform, serviceOf } from "../../../host-sim/boards.js";
import { KECCAK_FOLDER, LIBRARY_FOLDER } from "../../../host-sim/xs/libsecp256k1.js";
import type { Creation } from "../../../host-sim/xs/presets.js";
import { asApplication } from "../../sdk/application.js";
import { trackedFiles } from "../sources.js";

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
  readonly platforms: Readonly<
    Record<
      string,
      { readonly creation?: ManifestCreation; readonly config?: object; readonly build?: Readonly<Record<string, string>> }
    >
  >;
  readonly build: Readonly<Record<string, string>>;
}

const read = (path: string): Manifest => JSON.parse(readFileSync(join(root, path), "utf8")) as Manifest;
const manifest = read("manifest.json");

/** A manifest of ours with all of ours that it includes, each once, by its path. */
function gather(path: string, into = new Map<string, Manifest>()): Map<string, Manifest> {
  if (into.has(path)) return into;
  const found = read(path);
  into.set(path, found);
  for (const include of [found.include ?? []].flat()) if (include.startsWith(".")) gather(join(dirname(path), include), into);
  return into;
}

/** The native engine, which includes the native work on bytes. */
const NATIVE = "firmware/crypto/native";
const native = read(join(NATIVE, "manifest.json"));
const BYTES = "firmware/bytes/native";
const bytes = read(join(BYTES, "manifest.json"));
/** The bench firmware's, which includes the first. */
const BENCH = "test/bench/firmware";
const bench = read(join(BENCH, "manifest.json"));
/** What `npm run bench:firmware` writes: a module of literals, and the cases as an application of the library. */
const BENCH_BUILT = "build/bench/";
/** Modules that the SDK's own manifests bring, by specifier: the mirrors' table, without ours. */
const table = JSON.parse(readFileSync(join(root, "host-sim/modules/table.json"), "utf8")) as Record<string, unknown>;
/** What the manifest's `include` brings; what `modules` adds must not be counted on. */
const OURS = [
  "chainmote/crypto",
  "chainmote/entropy",
  "chainmote/serial-link",
  "chainmote/sleep",
  "chainmote/slots",
  "chainmote/tls",
  "embedded:network/ntp/client",
];
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
      const built = normalize(join(folder, source));
      if (built === `${BENCH_BUILT}inputs`) continue;
      const path = built.startsWith(BENCH_BUILT) ? `test/bench/${built.slice(BENCH_BUILT.length)}` : built;
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

/** Modules and preloads of a manifest with all that it includes. */
function whole(path: string): { readonly files: Map<string, string>; readonly preloads: readonly string[] } {
  const found = [...gather(path)];
  return {
    files: new Map(found.flatMap(([at, { modules = {} }]) => [...expand(modules, dirname(at))])),
    preloads: found.flatMap(([, { preload = [] }]) => preload),
  };
}

const { files, preloads } = whole("manifest.json");

/** Specifiers that a source imports at run time, as XS resolves them from the module `name`. */
function imports(name: string, among: ReadonlyMap<string, string>): string[] {
  const path = (among.get(name) ?? benchFiles.get(name)) as string;
  if (path.startsWith("$(")) return [];
  const code = asApplication(readFileSync(join(root, path), "utf8").replace(/\/\*[\s\S]*?\*\//g, ""));
  const found = code.matchAll(/^(?:import|export)\s+(?!type\b)[^"';]*?from\s*["']([^"']+)["']|^import\s*["']([^"']+)["']/gm);
  return [...found]
    .filter(([statement]) => !/^import\s*\{\s*(type\s+\w+(\s+as\s+\w+)?\s*,?\s*)+\}/.test(statement))
    .map(([, from, bare]) => (from ?? bare) as string)
    .map((specifier) => (specifier.startsWith(".") ? join(dirname(name), specifier) : specifier).replace(/\.m?js$/, ""));
}

/** Every module that `name` needs, itself included. */
function closure(name: string, among: ReadonlyMap<string, string> = files, into = new Set<string>()): Set<string> {
  if (into.has(name)) return into;
  into.add(name);
  if (among.has(name) || benchFiles.has(name)) for (const specifier of imports(name, among)) closure(specifier, among, into);
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

/** What the SDK's modules and an application's own name; the native code of a module is none. */
const isOurs = (name: string): boolean => name.startsWith("chainmote/");

test("nothing is in the image of the standard mote that it does not use", () => {
  const used = closure(manifest.creation.main);
  /** Types alone, for modules that import by names; and what C's own modules are in TypeScript. */
  const typesOnly = ["chainmote/crypto/engine", "chainmote/ports"];
  assert.equal([...files.keys()].filter((name) => isOurs(name) && !used.has(name) && !typesOnly.includes(name)).sort(), []);
});

test("every module of the firmware is in the image, or there is a reason", () => {
  const reasons: Readonly<Record<string, readonly string[]>> = {
    "engine, keys and work on bytes in JavaScript, for other hosts": [
      "bytes/primitives",
      "crypto/engine-noble",
      "crypto/software-keys",
      "crypto/entropy-health",
      "board/crypto-noble",
    ],
    "the name under which an application's manifest has the face": ["face"],
    "types alone": ["events", "feature", "sensor/sensor"],
    "in place of chain/checkpoint, where one consensus is followed": [
      "chain/checkpoint-bft",
      "chain/checkpoint-bitcoin",
      "chain/checkpoint-clique",
    ],
    "for an application that reads a chain's state, takes commands, sends transactions, or has its records anchored": [
      "command/commands",
      "command/marks",
      "command/message",
      "command/policy",
      "command/settings",
      "ledger/abi",
      "ledger/anchor-wire",
      "ledger/anchors",
      "ledger/bitcoin-anchor",
      "ledger/bitcoin-anchors",
      "ledger/call-store",
      "ledger/calls",
      "ledger/enrolling",
      "ledger/kept",
      "ledger/own-tree",
      "ledger/peers",
      "ledger/proof-wire",
      "ledger/prover",
      "ledger/registry",
      "ledger/registry-slots",
      "ledger/sender",
      "ledger/single-call",
      "ledger/state-proofs",
      "ledger/submission-wire",
      "ledger/transaction",
      "ledger/transactions",
      "proof/account",
      "proof/envelope",
      "proof/merkle-block",
      "proof/trie",
      "record/anchor-receipt",
      "record/merkle",
    ],
    "the standard mote with the ledger": ["main-ledger"],
    "the standard mote on Bitcoin with its anchors": ["main-bitcoin"],
    "a board with an Ethernet, and one in an emulator, which chainmote build and run make": [
      "board/emulator/i2c",
      "board/emulator/open-eth",
      "board/emulator/station",
      "board/station-ethernet",
    ],
    "deep sleep, for an application on a battery": ["board/native/sleep", "sleep/sleep", "sleep/snapshot"],
    "sensors that the standard mote has not got": [
      "sensor/analogue/analogue",
      "sensor/bme280/bme280",
      "sensor/contact/contact",
      "sensor/ecma419/ecma419",
      "sensor/ecma419/quantities",
      "sensor/pulses/pulses",
    ],
  };
  const left = readdirSync(join(root, "firmware"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
    .map((name) => name.replace(/\.ts$/, ""))
    .filter((name) => ![...files.values()].includes(`firmware/${name}.ts`));
  assert.equal(left.sort(), Object.values(reasons).flat().sort());
});

/** What can be included by itself, and what of ours it may not bring. */
const PARTS: Readonly<Record<string, { readonly mains: readonly string[]; readonly without: RegExp }>> = {
  "firmware/record/manifest.json": {
    mains: ["record/author", "record/journal", "record/receipt", "record/sample"],
    without: /^chainmote\/(chain|link|board|sensor|mote|proof)/,
  },
  "firmware/record/manifest-anchors.json": {
    mains: ["record/anchor-receipt"],
    without: /^chainmote\/(chain|link|board|sensor|mote|proof|ledger)/,
  },
  "firmware/chain/manifest.json": {
    mains: ["chain/checkpoint", "chain/follow/follower", "chain/follow/vigil"],
    without: /^chainmote\/(record|link|board|sensor|mote)/,
  },
  "firmware/chain/manifest-clique-only.json": {
    mains: ["chain/checkpoint"],
    without: /^chainmote\/(record|link|chain\/(bft|bitcoin)\/)/,
  },
  "firmware/chain/manifest-bft-only.json": {
    mains: ["chain/checkpoint"],
    without: /^chainmote\/(record|link|chain\/(clique|bitcoin)\/)/,
  },
  "firmware/chain/manifest-bitcoin-only.json": {
    mains: ["chain/checkpoint"],
    without: /^chainmote\/(record|link|chain\/(ethereum|clique|bft)\/)/,
  },
  "firmware/board/manifest-offline.json": {
    mains: ["board/local"],
    without: /^chainmote\/(record|link|chain|tls|board\/(network|provider|sockets|mqtt|tls))/,
  },
  "firmware/manifest.json": {
    mains: ["index", "board/provider"],
    without: /^chainmote\/(main|sensor\/[^p]|record\/merkle|proof)/,
  },
};

for (const [path, { mains, without }] of Object.entries(PARTS))
  test(`${path}: a part that is whole, preloads itself, and brings nothing besides`, () => {
    const part = whole(path);
    for (const main of mains) {
      const name = `chainmote/${main}`;
      assert.ok(part.files.has(name), `${name} is in it`);
      assert.equal(
        [...closure(name, part.files)].filter((other) => !part.files.has(other) && !SDK.includes(other)),
        [],
        `${name} finds all that it imports`,
      );
    }
    assert.equal(
      [...part.files.keys()].filter((name) => without.test(name)),
      [],
    );
    assert.equal([...part.preloads].sort(), [...part.files.keys()].sort());
    for (const [at, { creation, platforms, build }] of gather(path)) {
      assert.is(creation, undefined, `${at}: a library names no main, and no memory`);
      assert.is(platforms, undefined, `${at}: nor a platform, and no pins`);
      assert.is(build, undefined, `${at}: nor partitions`);
    }
  });

test("each type of sensor is a manifest of its own, whole with the library", () => {
  const library = whole("firmware/manifest.json").files;
  const types = readdirSync(join(root, "firmware/sensor"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  assert.ok(types.length >= 6);
  for (const { name } of types) {
    const { files: own, preloads } = whole(`firmware/sensor/${name}/manifest.json`);
    assert.equal([...preloads].sort(), [...own.keys()].sort(), name);
    const among = new Map([...library, ...own]);
    for (const module of own.keys())
      assert.equal(
        [...closure(module, among)].filter((other) => !among.has(other)),
        [],
        module,
      );
  }
});

test("each feature that reads the chain's state or writes to it is a manifest of its own, whole with the library", () => {
  const library = whole("firmware/manifest.json").files;
  for (const [path, main] of [
    ["ledger/manifest", "ledger/state-proofs"],
    ["ledger/manifest-registry", "ledger/registry"],
    ["ledger/manifest-transactions", "ledger/transactions"],
    ["ledger/manifest-call", "ledger/single-call"],
    ["ledger/manifest-anchors", "ledger/anchors"],
    ["ledger/manifest-bitcoin-anchors", "ledger/bitcoin-anchors"],
    ["command/manifest", "command/commands"],
  ]) {
    const { files: own, preloads } = whole(`firmware/${path}.json`);
    assert.ok(own.has(`chainmote/${main}`));
    const among = new Map([...library, ...own]);
    for (const module of own.keys())
      assert.equal(
        [...closure(module, among)].filter((other) => !among.has(other) && !SDK.includes(other)),
        [],
        module,
      );
    const missing = [...own.keys()].filter((module) => !preloads.includes(module));
    assert.equal(missing, [], `${path}: not preloaded`);
  }
});

test("all but the main module is preloaded, and by its own name: mcconfig takes no pattern for TypeScript", () => {
  assert.equal(
    preloads.filter((name) => name.includes("*")),
    [],
  );
  const expected = [...files.keys()].filter((name) => name !== manifest.creation.main);
  assert.equal([...new Set(preloads)].sort(), expected.sort());
});

for (const [path, feature] of [
  ["firmware/manifest-ledger.json", "chainmote/ledger/single-call"],
  ["firmware/manifest-bitcoin.json", "chainmote/ledger/bitcoin-anchors"],
] as const)
  test(`${path}: the standard mote and what its main module takes besides, all but that preloaded`, () => {
    const image = whole(path);
    const { main } = read(path).creation;
    const needed = closure(main, image.files);
    assert.ok(needed.has(feature));
    assert.equal(
      [...needed].filter((name) => !image.files.has(name) && !SDK.includes(name)),
      [],
    );
    assert.equal(
      [...files.keys()].filter((name) => name !== manifest.creation.main && !image.files.has(name)),
      [],
    );
    const expected = [...image.files.keys()].filter((name) => name !== main);
    assert.equal([...new Set(image.preloads)].sort(), expected.sort());
  });

test("the bench firmware brings all that its main module imports, and preloads all of its own but that", () => {
  assert.is(bench.modules["bench/inputs"], relative(BENCH, `${BENCH_BUILT}inputs`));
  const ledger = whole("firmware/ledger/manifest.json");
  assert.equal([...ledger.preloads].sort(), [...ledger.files.keys()].sort());
  const among = new Map([...files, ...ledger.files]);
  const needed = closure(bench.creation.main, among);
  assert.ok(needed.has("test/bench/cases"), "the cases are found");
  const besides = bench.include.map((path) => join(BENCH, path)).filter((path) => path !== "manifest.json");
  const parts = besides.flatMap((path) => [...whole(path).files.keys()]);
  assert.equal(
    [...needed].filter((name) => ![...among.keys(), ...parts, ...benchFiles.keys(), ...SDK, "bench/inputs"].includes(name)),
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
    if (path.replace(/\.[jt]s$/, "") === name.replace(/^chainmote\//, "firmware/") || path.startsWith("$(")) continue;
    // What stands in for another module of its folder.
    if (dirname(path) === dirname(name.replace(/^chainmote\//, "firmware/"))) continue;
    const code = readFileSync(join(root, path), "utf8");
    assert.not.match(code, /from "\.\.?\//, `${name} is ${path}`);
  }
});

test("the native engine's C is there whole: its folder, and the libraries' folders, which npm run native fills", () => {
  assert.ok(gather("manifest.json").has(`${NATIVE}/manifest.json`));
  assert.is(join(NATIVE, native.include as unknown as string), `${BYTES}/manifest.json`);
  assert.is(bytes.modules["chainmote/bytes/native/*"], "./*");
  const [own, ...libraries] = native.modules["chainmote/crypto/native/*"] as readonly string[];
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
  const platform = manifest.platforms[boardOf(board).platform]?.creation ?? {};
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
  for (const board of BOARD_NAMES) assert.equal(creationOf(board), boardOf(board).creation, board);
});

test("each example is whole", () => {
  const examples = readdirSync(join(root, "examples")).map((name) => `examples/${name}/manifest.json`);
  // Those without a manifest run on no board.
  const paths = [...examples.filter((path) => existsSync(join(root, path))), "test/sdk/drivers/manifest.json"];
  assert.ok(paths.length >= 4);
  for (const path of paths) {
    const { files, preloads } = whole(path);
    assert.equal([...preloads, "main"].sort(), [...files.keys()].sort(), path);
    const outside = /^(embedded:|mc\/|timer$|time$|net$)/;
    assert.equal(
      [...closure("main", files)].filter((name) => !files.has(name) && !outside.test(name)),
      [],
      path,
    );
  }
});

test("every manifest that is flashed names each board, and all but the bench firmware's, which includes the first, say its memory, pins, flash and options", () => {
  const flashed = trackedFiles().filter((path) => /(^|\/)manifest\.json$/.test(path) && read(path).platforms !== undefined);
  assert.ok(flashed.length >= 7, `${flashed}`);
  const boards = [...new Set(BOARDS.map(({ platform }) => platform))].sort();
  for (const path of flashed)
    assert.equal(
      Object.keys(read(path).platforms)
        .filter((name) => name !== "...")
        .sort(),
      boards,
      path,
    );
  for (const path of flashed.filter((path) => path !== join(BENCH, "manifest.json")))
    for (const board of BOARDS.filter((one) => firstOfPlatform(BOARDS, one) === one)) {
      const { name, platform } = board;
      const { creation, config, build = {} } = read(path).platforms[platform] ?? {};
      assert.equal(creation, manifest.platforms[platform]?.creation, `${path}: ${platform}`);
      assert.equal(config, { board: name, i2c: board.pins.i2c, service: serviceOf(board) }, `${path}: ${platform}`);
      const library = path.startsWith("tools/new/") ? "." : dirname(path);
      for (const file of [build["PARTITIONS_FILE ?="], build["SDKCONFIGPATH ?="]]) {
        const there = join(library, (file ?? "none").replace("./node_modules/chainmote/", "./"));
        assert.ok(existsSync(join(root, there)) && basename(there, ".csv") === name, `${path}: ${file}`);
      }
    }
});

test.run();
