// Packs a program's modules, and the board that it runs on, into the image that the XS host starts from.
//
// Promises: the modules keep their own boundaries and their folder paths, as in the manifest: preloading is decided by
// module, a module costs the slots that it costs on a board, and a trace names the file. So each file is compiled alone
// (esbuild, no bundling) to ES2022 without class static blocks, which XS 13.3 cannot read; private fields stay what they
// are, for ES2021 would turn them into weak maps, which cost a heap of their own.
// A file's name is its path from the repository's root without extension, or from node_modules; an alias wins over both.
// Since XS takes a relative specifier from the importing module's name, those from and to an aliased file become names here.
// A function whose body is only `return native("xs_…").call(this, …)` becomes the native function itself, by the syntax
// that the SDK's compiler turns it into; so calling it costs what it costs on a board.
// Never: tree shaking, minifying, or a module that no import reaches.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isAbsolute, join, relative, resolve } from "node:path";
import { build, type Metafile, type Plugin, transform } from "esbuild";
import { REPOSITORY } from "../place.js";
import type { Creation } from "./presets.js";

export { REPOSITORY } from "../place.js";

const MAGIC = 0x31495358;
const TARGET = "es2022";
const MODULES_MAX = 512;
const VIRTUAL = "virtual";
const VIRTUAL_PREFIX = `${VIRTUAL}:`;

export interface Program {
  /** The first module to run: a path from the repository's root, or one of `sources`. */
  readonly entry: string;
  /** Specifier → file from the repository's root: how `embedded:…` and other modules of the SDK are mirrored. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Whether work on bytes is done in JavaScript, too, as with the reference engine; else in C, as on a board. */
  readonly slowBytes?: boolean;
  /** Files of this folder, absolute, are named by their paths in it, after `as`. */
  readonly named?: { readonly folder: string; readonly as: string };
  /** Modules that are no file: name → JavaScript. */
  readonly sources?: Readonly<Record<string, string>>;
  /** Which modules have run, frozen, in flash: names, or a prefix that ends in `*`. */
  readonly preload?: readonly string[];
}

export interface Board {
  readonly creation: Creation;
  /** Keys and noise inside the guest, from `seed`: for measurements and tests that need no Node beside them. */
  readonly keysInGuest?: boolean;
  readonly seed?: number;
}

type Imported = Metafile["inputs"][string]["imports"][number];

export interface Module {
  readonly name: string;
  readonly source: string;
}

/** All modules that the program's entry reaches, the entry first. Throws with esbuild's own words on an error. */
export async function gatherModules(program: Program): Promise<readonly Module[]> {
  const names = new Map<string, string>();
  const result = await build({
    absWorkingDir: REPOSITORY,
    entryPoints: [program.entry],
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    target: TARGET,
    treeShaking: false,
    logLevel: "silent",
    outdir: "never-written",
    plugins: [
      ...(program.slowBytes === true ? [] : [nativeBytes(names)]),
      aliasing(program.aliases ?? {}, program.sources ?? {}, names),
    ],
  });
  const graph = result.metafile as Metafile;
  for (const [file, input] of Object.entries(graph.inputs))
    for (const imported of input.imports) name(names, imported.path, imported.original ?? "", file);
  names.set(resolve(REPOSITORY, program.entry), nameOf(program.entry));
  for (const file of Object.keys(graph.inputs)) {
    const own = program.named === undefined ? ".." : relative(program.named.folder, resolve(REPOSITORY, file));
    if (!own.startsWith("..") && !own.includes("node_modules/"))
      names.set(resolve(REPOSITORY, file), `${program.named?.as}/${own.replace(/\.(ts|mjs|js)$/, "")}`);
  }
  const moduleNameOf = (file: string): string =>
    file.startsWith(VIRTUAL_PREFIX) ? file.slice(VIRTUAL_PREFIX.length) : (names.get(resolve(REPOSITORY, file)) ?? nameOf(file));

  const entry = program.sources?.[program.entry] === undefined ? program.entry : `${VIRTUAL_PREFIX}${program.entry}`;
  const files = [entry, ...Object.keys(graph.inputs).filter((file) => file !== entry)];
  if (files.length > MODULES_MAX) throw new Error(`${program.entry} reaches more than ${MODULES_MAX} modules`);
  return Promise.all(
    files.map(async (file) => {
      const name = moduleNameOf(file);
      if (file.startsWith(VIRTUAL_PREFIX)) return { name, source: program.sources?.[name] ?? "" };
      const source = await compile(file);
      const moved = (other: string): boolean => name !== nameOf(file) || moduleNameOf(other) !== nameOf(other);
      const imports = (graph.inputs[file]?.imports ?? []).filter(({ path }) => moved(path));
      return { name, source: byName(source, imports, moduleNameOf) };
    }),
  );
}

/** What the manifest of the native bytes does: their module has its own name and the other file (firmware/bytes/native/manifest.json). */
const PRIMITIVES = "firmware/bytes/primitives";

function nativeBytes(names: Map<string, string>): Plugin {
  const file = resolve(REPOSITORY, `${PRIMITIVES}-native.ts`);
  return {
    name: "native bytes",
    setup(bundler) {
      bundler.onResolve({ filter: /primitives(\.js)?$/ }, ({ path, resolveDir }) => {
        const wanted = path.startsWith(".") ? resolve(resolveDir, path).replace(/\.js$/, "") : resolve(REPOSITORY, path);
        if (wanted !== resolve(REPOSITORY, PRIMITIVES)) return undefined;
        names.set(file, PRIMITIVES);
        return { path: file };
      });
    },
  };
}

function aliasing(
  aliases: Readonly<Record<string, string>>,
  sources: Readonly<Record<string, string>>,
  names: Map<string, string>,
): Plugin {
  return {
    name: "aliases",
    setup(bundler) {
      bundler.onLoad({ filter: /.*/, namespace: VIRTUAL }, (request) => ({
        contents: sources[request.path] ?? "",
        loader: "js",
      }));
      bundler.onResolve({ filter: /.*/ }, (request) => {
        if (sources[request.path] !== undefined) return { path: request.path, namespace: VIRTUAL };
        // An application imports the library by its modules' names, and so does the library where a module has another name than its file.
        const file = aliases[request.path] ?? libraryFile(request.path);
        if (file === undefined || request.kind === "entry-point") return undefined;
        names.set(resolve(REPOSITORY, file), aliases[request.path] === undefined ? nameOf(file) : request.path);
        return { path: resolve(REPOSITORY, file) };
      });
    },
  };
}

/** `chainmote/record/author` → `firmware/record/author.ts`, where there is such a file; `chainmote` is its face. */
export function libraryFile(specifier: string): string | undefined {
  if (specifier === "chainmote") return "firmware/index.ts";
  if (!specifier.startsWith("chainmote/")) return undefined;
  const file = `firmware/${specifier.slice("chainmote/".length).replace(/\.js$/, "")}.ts`;
  return existsSync(join(REPOSITORY, file)) ? file : undefined;
}

function isLibrary(specifier: string): boolean {
  return specifier === "chainmote" || specifier.startsWith("chainmote/");
}

/** A file that is imported as a package has the package's name: `@noble/secp256k1`, not `@noble/secp256k1/index`. */
function name(names: Map<string, string>, file: string, specifier: string, importer: string): void {
  const path = resolve(REPOSITORY, file);
  if (
    specifier.startsWith(".") ||
    isLibrary(specifier) ||
    isAbsolute(specifier) ||
    specifier === "" ||
    file.startsWith(VIRTUAL_PREFIX)
  )
    return;
  const wanted = specifier.replace(/\.m?js$/, "");
  const known = names.get(path);
  if (known !== undefined && known !== wanted && known !== specifier)
    throw new Error(`${importer} imports ${file} as ${wanted}, another module as ${known}`);
  if (known === undefined) names.set(path, wanted);
}

/** Relative specifiers of `source` become the names of the modules that they lead to. */
function byName(source: string, imports: readonly Imported[], nameOf: (file: string) => string): string {
  const found = new Map(imports.map(({ path, original = "" }) => [original, path]));
  return source.replace(/\b(from\s*|import\s*)"((?:\.|chainmote\/)[^"]*|chainmote)"/g, (all, word: string, specifier: string) => {
    const path = found.get(specifier);
    return path === undefined ? all : `${word}"${nameOf(path)}"`;
  });
}

function nameOf(file: string): string {
  const own = relative(REPOSITORY, resolve(REPOSITORY, file));
  // Where npm installed this package, others lie beside it.
  const path = own.startsWith("..") ? resolve(REPOSITORY, file) : own;
  return path.replace(/^(.*\/)?node_modules\//, "").replace(/\.(ts|mjs|js)$/, "");
}

async function compile(file: string): Promise<string> {
  const source = await readFile(join(REPOSITORY, file), "utf8");
  const { code } = await transform(source, {
    loader: file.endsWith(".ts") ? "ts" : "js",
    format: "esm",
    target: TARGET,
    supported: { "class-static-blocks": false },
    sourcefile: file,
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
  });
  return code.replace(/\{\s*return native\("(\w+)"\)\.call\(this(?:,[^;{}]*)?\);\s*\}/g, '@ "$1";');
}

/**
 * The image that host.h describes.
 * @param scale how much larger a slot and a pointer are than on the board: 2 for x64, else 1
 */
export function packImage(modules: readonly Module[], program: Program, board: Board, scale = 1): Buffer {
  const { creation } = board;
  const words = [
    MAGIC,
    creation.staticBytes * scale,
    creation.chunkInitialBytes * scale,
    creation.chunkIncrementalBytes * scale,
    creation.heapInitialSlots,
    creation.heapIncrementalSlots,
    creation.stackSlots,
    creation.keysInitial,
    creation.keysIncremental,
    creation.nameModulo,
    creation.symbolModulo,
    creation.nativeStackBytes * scale,
    board.keysInGuest ? 1 : 0,
    board.seed ?? 0,
    modules.length,
  ];
  const parts: Buffer[] = [Buffer.from(Uint32Array.from(words).buffer)];
  for (const module of modules) {
    const path = Buffer.from(module.name);
    const source = Buffer.from(module.source);
    const zero = Buffer.alloc(1);
    parts.push(word(isPreloaded(module.name, program.preload ?? []) ? 1 : 0), word(path.length), path, zero);
    parts.push(word(source.length), source, zero);
  }
  return Buffer.concat(parts);
}

function isPreloaded(name: string, preload: readonly string[]): boolean {
  return preload.some((pattern) => (pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern));
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
