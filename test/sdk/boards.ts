// The real manifest for each board, as far as it goes without ESP-IDF: every module compiled and linked, everything that
// is preloaded run and frozen, and the native engine's C compiled for RISC-V by the SDK's own rules and flags.
//
// Not done here, for it needs Espressif's compiler and libraries: the final link, and anything on a board.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { BOARD_FOLDER, BOARDS, type BoardKind, boardOf, firstOfPlatform, TABLE_AT } from "../../host-sim/boards.js";
import type { Creation } from "../../host-sim/xs/presets.js";
import { imageBytesMax, imageFault } from "../../tools/boards/slots.js";
import { buildEnvironment, PARTITIONS_FOLDER, type Profile } from "../../tools/boards/written.js";
import { EMULATOR_MANIFESTS, prepareManifest, targetNamed } from "../../tools/sdk/target.js";
import { chipFaults } from "./chip.js";
import { hookFaults } from "./hook.js";
import {
  COMPILER,
  compileStrictly,
  hasHeadersOf,
  type Idf,
  kconfgen,
  needsIdf,
  ownSources,
  ruleOf,
  TARGET,
  unknownOptions,
} from "./idf.js";
import { type Configured, complaints, configure, listOf, make, OUTPUT, REPOSITORY, run, type Sdk } from "./sdk.js";
import { type Build, optionFaults, optionsOf, releaseOptionsOf } from "./sdkconfig.js";
import { startedBesides } from "./targets.js";

/** What can be flashed: a manifest, the module that it starts, and the folders of ours whose C it compiles. */
export interface Image {
  readonly name: string;
  readonly manifest: string;
  readonly main: string;
  readonly native: readonly string[];
  /** Modules that bear no name of ours, and have to be preloaded, too. */
  readonly modules?: readonly string[];
  /** Those that it is linked with; dev alone where absent. */
  readonly profiles?: readonly Profile[];
  /** Writes the manifest's folder, where it is not in this tree. */
  readonly write?: () => Promise<void>;
  /** Of one board alone, and what mcconfig takes for it there. */
  readonly only?: { readonly board: string; readonly platform: string };
}

const NATIVE = ["firmware/crypto/native", "firmware/bytes/native", "firmware/board/native"];

/** Of a library's part: the examples include no more than they use. */
const example = (name: string, native: readonly string[]): Image => ({
  name: `example-${name}`,
  manifest: `examples/${name}/manifest.json`,
  main: "main",
  native,
});

/** The standard mote as `chainmote build` hands it to mcconfig for a target of the SDK, or for the emulator. */
const built = (name: string, board: string, target: string, native: readonly string[], more: readonly string[] = []): Image => {
  const folder = `build/sdk/${name}`;
  const write = async (): Promise<void> => {
    const { folder: _, ...own } = targetNamed(board, "");
    const found = target === board ? own : targetNamed(target, process.env.MODDABLE ?? "");
    await rm(join(REPOSITORY, folder), { recursive: true, force: true });
    prepareManifest(found, join(REPOSITORY, "manifest.json"), "dev", join(REPOSITORY, folder, "chainmote"), more);
  };
  const platform = target === board ? boardOf(board).platform : `esp32/${target}`;
  return {
    name,
    manifest: `${folder}/chainmote/manifest.json`,
    main: "chainmote/main",
    native,
    write,
    only: { board, platform },
  };
};

export const IMAGES: readonly Image[] = [
  { name: "firmware", manifest: "manifest.json", main: "chainmote/main", native: NATIVE, profiles: ["dev", "production"] },
  built("target-esp32c3-cdc", "esp32c3", "esp32c3_cdc", NATIVE),
  built("target-ethernet-kit", "esp32", "ethernet_kit", NATIVE),
  built("emulator", "esp32c3", "esp32c3", [...NATIVE, "firmware/board/emulator"], EMULATOR_MANIFESTS),
  { name: "ledger", manifest: "firmware/manifest-ledger.json", main: "chainmote/main-ledger", native: NATIVE },
  { name: "bitcoin", manifest: "firmware/manifest-bitcoin.json", main: "chainmote/main-bitcoin", native: NATIVE },
  {
    name: "bench",
    manifest: "test/bench/firmware/manifest.json",
    main: "test/bench/board-main",
    native: [...NATIVE, "test/bench/firmware"],
  },
  example("own-sensor", NATIVE),
  example("light-client", NATIVE),
  example("data-logger", NATIVE.slice(0, 2)),
  example("sleeping", NATIVE),
  { name: "drivers", manifest: "test/sdk/drivers/manifest.json", main: "main", native: NATIVE },
  {
    name: "new-application",
    manifest: "build/sdk/application/manifest.json",
    main: "main",
    native: NATIVE,
    modules: ["chainmote", "application", "bh1750"],
    write: writeNewApplication,
  },
];

/** What `chainmote new` writes, with this tree in the place where npm would put the package. */
async function writeNewApplication(): Promise<void> {
  const folder = join(OUTPUT, "application");
  await rm(folder, { recursive: true, force: true });
  const words = [join(REPOSITORY, "tools/chainmote.mjs"), "new", folder];
  const { code, all } = await run(process.execPath, words, { cwd: REPOSITORY, env: process.env });
  if (code !== 0) throw new Error(`chainmote new ended with ${code}:\n${all}`);
  await mkdir(join(folder, "node_modules"));
  await symlink(REPOSITORY, join(folder, "node_modules/chainmote"));
}

/** That of the SDK's 8.2: the makefile asks ESP-IDF itself for it, which is not there. */
const IDF = "IDF_VERSION=v6.0";
/** A folder that is not there: the makefile wants one named. */
const NO_IDF = join(REPOSITORY, "build/sdk/no-esp-idf");
/** Macros of a manifest that choose other code, for each file that knows one; the last is what is built without them. */
const VARIANTS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "board-esp32.c": [["-DMODDEF_CHAINMOTE_ETHERNET=1"], []],
  "k1.c": [["-DMODDEF_CHAINMOTE_SMALLFLASH=1"], []],
  "slots.c": [["-DCONFIG_BOOTLOADER_APP_ANTI_ROLLBACK=1"], []],
};
const SLOT_BYTES = 16;

/** Memory of the preset, as mcconfig hands it to the linker. The parser's two are manifest_base.json's. */
function creationWord(creation: Creation, main: string): string {
  const { chunkInitialBytes, chunkIncrementalBytes, heapInitialSlots, heapIncrementalSlots, stackSlots } = creation;
  const { keysInitial, keysIncremental, nameModulo, symbolModulo, staticBytes, nativeStackBytes } = creation;
  const memory = [chunkInitialBytes, chunkIncrementalBytes, heapInitialSlots, heapIncrementalSlots, stackSlots];
  const names = [keysInitial, keysIncremental, nameModulo, symbolModulo, 1024, 17];
  return [...memory, ...names, staticBytes, main, nativeStackBytes].join();
}

/** What of the tools there is on this machine. */
export interface Tools {
  /** Debian's RISC-V compiler. */
  readonly compiler: boolean;
  readonly idf: Idf | undefined;
}

/** Faults of one board's build, and what is to be said of it. */
export interface BoardReport {
  readonly faults: readonly string[];
  readonly lines: readonly string[];
}

const NOTHING: BoardReport = { faults: [], lines: [] };

export async function linkBoard(sdk: Sdk, board: string, image: Image, tools: Tools): Promise<BoardReport> {
  const { only } = image;
  if (only !== undefined && only.board !== board) return { faults: [], lines: [`an image for ${only.board} alone`] };
  await image.write?.();
  // Once for each board, and with what its own target has.
  const settings = only === undefined ? await optionsOnce(sdk, board, join(REPOSITORY, image.manifest), tools) : NOTHING;
  const faults = [...settings.faults, ...chipFaults(boardOf(board), sdk.folder, tools.idf?.folder)];
  const lines = [...settings.lines];
  for (const profile of image.profiles ?? (["dev"] as const)) {
    const linked = await linkProfile(sdk, board, image, profile, tools);
    faults.push(...linked.faults);
    lines.push(...(image.profiles === undefined ? linked.lines : linked.lines.map((line) => `${profile}: ${line}`)));
  }
  return { faults, lines };
}

/** One image of one board with one profile's options, as far as the linking goes here. */
async function linkProfile(sdk: Sdk, board: string, image: Image, profile: Profile, tools: Tools): Promise<BoardReport> {
  const kind = boardOf(board);
  const manifest = join(REPOSITORY, image.manifest);
  // The manifest itself names the options of dev of the platform's first board, and what `chainmote build` writes those of its target.
  const named = image.only !== undefined || (profile === "dev" && firstOfPlatform(BOARDS, kind) === kind);
  const built = await configure(
    sdk,
    image.only?.platform ?? kind.platform,
    manifest,
    false,
    named ? {} : buildEnvironment(boardOf(board), profile, REPOSITORY),
  );
  const project = join(built.folder, `xsProj-${kind.chip.name}`);
  const options = await readFile(join(project, "sdkconfig.mc"), "utf8");
  await writeHeader(sdk, board, options, join(project, "build/config"), tools);
  const linked = await make(sdk, built, [IDF, join(built.folder, "mc.xs.c")], { IDF_PATH: NO_IDF });
  const faults = [...complaints(built.said), ...complaints(linked), ...makefileFaults(board, image, built)];
  faults.push(...optionFaults(board, profile, "release", options));
  const partitions = await readFile(join(project, "partitions.csv"), "utf8");
  const table = `${PARTITIONS_FOLDER}/${board}.csv`;
  if (partitions !== (await readFile(join(REPOSITORY, table), "utf8"))) faults.push(`the partitions are not those of ${table}`);
  if (tools.idf !== undefined) faults.push(...(await tableFaults(sdk, tools.idf, kind, table)));
  const sdkText = (path: string): string => readFileSync(join(sdk.folder, path), "utf8");
  const defines = await readFile(join(built.folder, "mc.defines.h"), "utf8");
  faults.push(...hookFaults(defines, sdkText("xs/platforms/esp/xsHost.c"), sdkText("build/devices/esp32/lib/main/main.c")));
  const config = await readFile(join(built.folder, "mc.config.js"), "utf8");
  const besides = startedBesides(built.makefile, config, sdk.folder, (path) => readFileSync(path, "utf8"));
  faults.push(...besides.faults);
  const lines = [sizeOfSlots(linked), `can start a timer or a task: ${besides.starters.length} files of the SDK`];
  const ready = await readyImage(kind, basename(built.folder));
  faults.push(...ready.faults);
  lines.push(...ready.lines);
  if (!tools.compiler) return { faults, lines };
  const script = await sizeOfImage(sdk, built);
  const native = await compileNative(sdk, board, built, tools);
  faults.push(...native.faults);
  lines.push(script.line, ...native.lines);
  const ours = script.bytes + native.bytes;
  const fault = imageFault(kind, ours);
  if (fault !== undefined) faults.push(`without XS, ESP-IDF and the radio: ${fault}`);
  lines.push(
    `of the ${imageBytesMax(kind)} bytes that an image may have ${ours} are ours; XS, ESP-IDF and the radio are not linked here`,
  );
  return { faults, lines };
}

/** What ESP-IDF's own tool has against a table, with secure boot's stricter rules. */
async function tableFaults(sdk: Sdk, { folder, python }: Idf, { flash }: BoardKind, table: string): Promise<readonly string[]> {
  const tool = join(folder, "components/partition_table/gen_esp32part.py");
  const words = ["--flash-size", `${flash.bytes >> 20}MB`, "--offset", `0x${TABLE_AT.toString(16)}`, "--secure", "v2"];
  const { code, all } = await run(python, [tool, ...words, join(REPOSITORY, table)], { cwd: REPOSITORY, env: sdk.env });
  return code === 0 ? [] : [`ESP-IDF's gen_esp32part.py refuses ${table}: ${all.slice(0, 500)}`];
}

/** The size of a whole image that mcconfig made on this machine, where there is one: the real thing, XS, ESP-IDF and radio included. */
async function readyImage(board: BoardKind, name: string): Promise<BoardReport> {
  const results = process.env.BUILD_DIR ?? join(process.env.MODDABLE ?? "", "build");
  const path = join(results, "bin", board.platform, "release", name, IMAGE_FILE);
  if (!existsSync(path)) return { faults: [], lines: [] };
  const { size } = await stat(path);
  const fault = imageFault(board, size);
  return { faults: fault === undefined ? [] : [`${path}: ${fault}`], lines: [`${path} has ${size} bytes`] };
}

/** What the linker makes of an image, in the folder of mcconfig's results. */
const IMAGE_FILE = "xs_esp32.bin";
const optionsChecked = new Map<string, Promise<BoardReport>>();

/** The same for every image of a board. */
function optionsOnce(sdk: Sdk, board: string, manifest: string, tools: Tools): Promise<BoardReport> {
  const asked = optionsChecked.get(board) ?? checkOptions(sdk, board, manifest, tools);
  optionsChecked.set(board, asked);
  return asked;
}

/** Which options there are: a profile and a way to build. */
const VARIANTS_OF_OPTIONS: readonly (readonly [Profile, Build])[] = [
  ["dev", "release"],
  ["dev", "debug"],
  ["production", "release"],
  ["production", "debug"],
];

/** The options of both profiles, as mcconfig merged them and, where there is an ESP-IDF, as that reads them. */
async function checkOptions(sdk: Sdk, board: string, manifest: string, { idf }: Tools): Promise<BoardReport> {
  const faults: string[] = [];
  for (const [profile, build] of VARIANTS_OF_OPTIONS) {
    const built = await configure(
      sdk,
      boardOf(board).platform,
      manifest,
      build === "debug",
      buildEnvironment(boardOf(board), profile, REPOSITORY),
    );
    const options = await readFile(join(built.folder, `xsProj-${boardOf(board).chip.name}/sdkconfig.mc`), "utf8");
    faults.push(...optionFaults(board, profile, build, options));
    if (idf === undefined) continue;
    const { config } = await kconfgen(idf, sdk, board, options, join(OUTPUT, "kconfgen", board, `${profile}-${build}`));
    faults.push(...optionFaults(board, profile, build, config).map((fault) => `ESP-IDF's kconfgen: ${fault}`));
  }
  if (idf === undefined) return { faults, lines: [] };
  const names = [...optionsOf(board, "dev"), ...optionsOf(board, "production"), ...releaseOptionsOf(board)];
  for (const name of unknownOptions(idf, [...new Set(names.map(({ option }) => option))]))
    faults.push(`no Kconfig of ESP-IDF knows CONFIG_${name}`);
  return { faults, lines: ["options of both profiles as ESP-IDF's kconfgen decides them"] };
}

/** What the makefile's rules and ESP-IDF's headers want of a configuration: kconfgen's where there is one, else its name alone. */
async function writeHeader(sdk: Sdk, board: string, options: string, folder: string, { idf }: Tools): Promise<void> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, "sdkconfig.h");
  if (idf === undefined) return writeFile(file, "");
  // The SDK's configuration asks for newlib, which Debian's compiler has not got.
  const picolibc = `${options}\nCONFIG_LIBC_PICOLIBC=y\n`;
  const { header } = await kconfgen(idf, sdk, board, picolibc, join(OUTPUT, "kconfgen", board, "compiled"));
  await writeFile(file, header);
}

/** What a makefile silently leaves out, or sets otherwise than the manifest was meant. */
function makefileFaults(board: string, image: Image, { makefile }: Configured): string[] {
  const faults: string[] = [];
  const creation = /^CREATION = -c (.*)$/m.exec(makefile)?.[1];
  const { creation: standard, ledgerCreation } = boardOf(board);
  const wanted = creationWord(image.name === "ledger" ? ledgerCreation : standard, image.main);
  if (creation !== wanted) faults.push(`creation ${creation}, where ${BOARD_FOLDER}/${board}.json has ${wanted}`);
  const own = (image.modules ?? []).map((name) => `$(MODULES_DIR)/${name}.xsb`);
  const ours = (name: string): boolean => /^\$\(MODULES_DIR\)\/(bench|chainmote|test)\//.test(name) || own.includes(name);
  const modules = listOf(makefile, "MODULES").filter(ours);
  const preloads = listOf(makefile, "PRELOADS");
  const mains = IMAGES.map((image) => `${image.main}.xsb`);
  if (modules.length === 0) faults.push("no module of ours in the makefile");
  for (const module of modules) {
    const name = module.replace("$(MODULES_DIR)/", "");
    if (!mains.includes(name) && !preloads.includes(name)) faults.push(`${name} is not preloaded`);
  }
  for (const source of sourcesOf(image).filter((source) => isIncluded(source, modules)))
    if (!makefile.includes(`.o: ${source} `)) faults.push(`${source} is not compiled: another file of that name wins`);
  return faults;
}

/** Native modules that an image has where its manifest includes their part alone. */
const OPTIONAL = ["serial-link", "sleep", "slots"];

function isIncluded(source: string, modules: readonly string[]): boolean {
  const name = basename(source, ".c");
  return !OPTIONAL.includes(name) || modules.includes(`$(MODULES_DIR)/chainmote/${name}.xsb`);
}

/** Every C file of ours that an image may have. */
function sourcesOf({ native }: Image): readonly string[] {
  return native.flatMap((folder) =>
    readdirSync(join(REPOSITORY, folder))
      .filter((name) => name.endsWith(".c"))
      .map((name) => join(REPOSITORY, folder, name)),
  );
}

function sizeOfSlots(linked: string): string {
  const found = /^### (\d+) instances, (\d+) keys/m.exec(linked);
  return `${found?.[1]} objects and ${found?.[2]} names in flash`;
}

/** Size of everything that the linker made of JavaScript; compiled against our own platform header, for the board's needs ESP-IDF. */
async function sizeOfImage(sdk: Sdk, { folder }: Configured): Promise<{ readonly bytes: number; readonly line: string }> {
  const xs = join(sdk.folder, "xs");
  const object = join(folder, "size.o");
  const includes = [
    join(xs, "platforms"),
    join(xs, "includes"),
    join(xs, "sources"),
    join(REPOSITORY, "host-sim/xs/src"),
    folder,
  ];
  const words = [...TARGET, "-Os", "-DINCLUDE_XSPLATFORM", '-DXSPLATFORM="xshost.h"', ...includes.map((path) => `-I${path}`)];
  const compiled = await run(COMPILER, [...words, "-c", join(folder, "mc.xs.c"), "-o", object], { cwd: folder, env: sdk.env });
  if (compiled.code !== 0) throw new Error(compiled.all);
  const { text, data } = await sizeOf(sdk, [object]);
  const slots = /#define mxHeapCount (\d+)/.exec(
    (await run("head", ["-c", "2000", "mc.xs.c"], { cwd: folder, env: sdk.env })).stdout,
  );
  const preloaded = Number(slots?.[1]) * SLOT_BYTES;
  return { bytes: text + data, line: `JavaScript in flash: ${text + data} bytes, of which ${preloaded} are preloaded slots` };
}

/** All C of ours that the manifest brings, by the makefile's own rule, include path and flags, and with all warnings as errors. */
async function compileNative(
  sdk: Sdk,
  board: string,
  built: Configured,
  { idf }: Tools,
): Promise<BoardReport & { readonly bytes: number }> {
  const xtensa = boardOf(board).chip.isa === "xtensa";
  const faults: string[] = [];
  const objects: string[] = [];
  const compiled: string[] = [];
  const left: string[] = [];
  for (const source of ownSources(built.makefile)) {
    if (needsIdf(source) && (idf === undefined || !hasHeadersOf(source, idf))) {
      left.push(basename(source));
      continue;
    }
    const words = await ruleOf(sdk, built, source, idf?.folder ?? NO_IDF);
    for (const more of VARIANTS[basename(source)] ?? [[]]) {
      const result = await compileStrictly(sdk, built, words, { xtensa, idf: idf?.folder, more });
      faults.push(...result.faults);
      if (result.faults.length === 0) objects.push(result.object);
    }
    compiled.push(basename(source));
  }
  const lines: string[] = [];
  let bytes = 0;
  if (xtensa) lines.push(`C checked against the headers, no code made: ${compiled.join(", ")}`);
  else if (faults.length === 0) {
    const { text, data, bss } = await sizeOf(sdk, [...new Set(objects)]);
    bytes = text + data;
    lines.push(`native C for rv32imc: ${text} bytes of flash, ${data + bss} of RAM (${compiled.join(", ")})`);
  }
  if (left.length > 0) lines.push(`skipped: ${left.join(", ")}, which need headers that are not here`);
  return { faults, lines, bytes };
}

async function sizeOf(sdk: Sdk, objects: readonly string[]): Promise<{ text: number; data: number; bss: number }> {
  const { code, stdout, all } = await run("riscv64-unknown-elf-size", ["-t", ...objects], { cwd: REPOSITORY, env: sdk.env });
  const total = /^ *(\d+)\s+(\d+)\s+(\d+)\s+\d+\s+[0-9a-f]+\s+\(TOTALS\)/m.exec(stdout);
  if (code !== 0 || total === null) throw new Error(all);
  return { text: Number(total[1]), data: Number(total[2]), bss: Number(total[3]) };
}
