// The real manifest for each board, as far as it goes without ESP-IDF: every module compiled and linked, everything that
// is preloaded run and frozen, and the native engine's C compiled for RISC-V by the SDK's own rules and flags.
//
// Not done here, for it needs Espressif's compiler and libraries: the final link, and anything on a board.

import { existsSync, readdirSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type BoardName, CREATIONS, type Creation } from "../../host-sim/xs/presets.js";
import { type Configured, complaints, configure, listOf, make, REPOSITORY, run, type Sdk } from "./sdk.js";

/** What can be flashed: a manifest, the module that it starts, and the folders of ours whose C it compiles. */
export interface Image {
  readonly name: string;
  readonly manifest: string;
  readonly main: string;
  readonly native: readonly string[];
}

const NATIVE = ["firmware/crypto/native", "firmware/board/native"];

export const IMAGES: readonly Image[] = [
  { name: "firmware", manifest: "manifest.json", main: "firmware/main", native: NATIVE },
  {
    name: "bench",
    manifest: "test/bench/firmware/manifest.json",
    main: "test/bench/board-main",
    native: [...NATIVE, "test/bench/firmware"],
  },
];

/** The SDK's names of the boards. */
export const PLATFORMS: Readonly<Record<BoardName, string>> = {
  esp32: "esp32",
  esp32s3: "esp32/esp32s3",
  esp32c3: "esp32/esp32c3",
  esp32c6: "esp32/esp32c6",
};
/** Every board that the makefile's flags name with -march=rv32imc. */
const RISC_V: readonly BoardName[] = ["esp32c3", "esp32c6"];
const COMPILER = "riscv64-unknown-elf-gcc";
const TARGET = ["--specs=picolibc.specs", "-march=rv32imc", "-mabi=ilp32", "-misa-spec=2.2"];
/** That of the SDK's 8.2: the makefile asks ESP-IDF itself for it, which is not there. */
const IDF = "IDF_VERSION=v6.0";
/** A folder that is not there: the makefile wants one named. */
const NO_IDF = join(REPOSITORY, "build/sdk/no-esp-idf");
const PARTITIONS = "firmware/board/partitions.csv";
/** Those of our C files that include headers of ESP-IDF, and those that include its mbedTLS, a submodule there. */
const NEEDS_IDF = ["board-esp32.c", "entropy.c"];
const NEEDS_MBEDTLS = ["tls-dates.c", "tls-engine.c", "tls-faults.c"];
const MBEDTLS = "components/mbedtls/mbedtls";
const SLOT_BYTES = 16;

/** Memory of the preset, as mcconfig hands it to the linker. The parser's two are manifest_base.json's. */
function creationWord(creation: Creation, main: string): string {
  const { chunkInitialBytes, chunkIncrementalBytes, heapInitialSlots, heapIncrementalSlots, stackSlots } = creation;
  const { keysInitial, keysIncremental, nameModulo, symbolModulo, staticBytes, nativeStackBytes } = creation;
  const memory = [chunkInitialBytes, chunkIncrementalBytes, heapInitialSlots, heapIncrementalSlots, stackSlots];
  const names = [keysInitial, keysIncremental, nameModulo, symbolModulo, 1024, 17];
  return [...memory, ...names, staticBytes, main, nativeStackBytes].join();
}

/** Faults of one board's build, and what is to be said of it. */
export interface BoardReport {
  readonly faults: readonly string[];
  readonly lines: readonly string[];
}

export async function linkBoard(sdk: Sdk, board: BoardName, image: Image, compiler: boolean): Promise<BoardReport> {
  const built = await configure(sdk, PLATFORMS[board], join(REPOSITORY, image.manifest));
  // The rules want a configuration of ESP-IDF, by date alone.
  const config = join(built.folder, `xsProj-${board}/build/config`);
  await mkdir(config, { recursive: true });
  await writeFile(join(config, "sdkconfig.h"), IDF_CONFIGURATION);
  const linked = await make(sdk, built, [IDF, join(built.folder, "mc.xs.c")], { IDF_PATH: NO_IDF });
  const faults = [...complaints(built.said), ...complaints(linked), ...makefileFaults(board, image, built)];
  const partitions = await readFile(join(built.folder, `xsProj-${board}/partitions.csv`), "utf8");
  if (partitions !== (await readFile(join(REPOSITORY, PARTITIONS), "utf8")))
    faults.push(`the partitions are not those of ${PARTITIONS}`);
  const lines = [sizeOfSlots(linked)];
  if (compiler) {
    lines.push(await sizeOfImage(sdk, built));
    if (RISC_V.includes(board)) {
      const native = await compileNative(sdk, built, image);
      faults.push(...native.faults);
      lines.push(...native.lines);
    }
  }
  return { faults, lines };
}

/** What a makefile silently leaves out, or sets otherwise than the manifest was meant. */
function makefileFaults(board: BoardName, image: Image, { makefile }: Configured): string[] {
  const faults: string[] = [];
  const creation = /^CREATION = -c (.*)$/m.exec(makefile)?.[1];
  const wanted = creationWord(CREATIONS[board], image.main);
  if (creation !== wanted) faults.push(`creation ${creation}, where host-sim/xs/presets.ts has ${wanted}`);
  const ours = (name: string): boolean => /^\$\(MODULES_DIR\)\/(bench|chainmote|firmware|test)\//.test(name);
  const modules = listOf(makefile, "MODULES").filter(ours);
  const preloads = listOf(makefile, "PRELOADS");
  const mains = IMAGES.map((image) => `${image.main}.xsb`);
  if (modules.length === 0) faults.push("no module of ours in the makefile");
  for (const module of modules) {
    const name = module.replace("$(MODULES_DIR)/", "");
    if (!mains.includes(name) && !preloads.includes(name)) faults.push(`${name} is not preloaded`);
  }
  for (const source of sourcesOf(image))
    if (!makefile.includes(`.o: ${source} `)) faults.push(`${source} is not compiled: another file of that name wins`);
  return faults;
}

/** Every C file of ours in an image. */
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
async function sizeOfImage(sdk: Sdk, { folder }: Configured): Promise<string> {
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
  return `JavaScript in flash: ${text + data} bytes, of which ${Number(slots?.[1]) * SLOT_BYTES} are preloaded slots`;
}

/** Compiled by the makefile's own rule, include path and flags; only the compiler is Debian's instead of Espressif's. */
async function compileNative(sdk: Sdk, built: Configured, image: Image): Promise<BoardReport> {
  const idf = process.env.IDF_PATH ?? "";
  const withIdf = existsSync(join(idf, "components/nvs_flash/include/nvs.h"));
  const names = sourcesOf(image)
    .map((path) => basename(path))
    .filter((name) => !NEEDS_IDF.includes(name) && !NEEDS_MBEDTLS.includes(name));
  const objects = (list: readonly string[]): string[] => list.map((name) => join(built.folder, `${name}.o`));
  const compiler = `CC=${[COMPILER, ...TARGET].join(" ")}`;
  const said = await make(sdk, built, [IDF, compiler, ...objects(names)], { IDF_PATH: NO_IDF });
  const { text, data, bss } = await sizeOf(sdk, objects(names));
  const lines = [`native C for rv32imc: ${text} bytes of flash, ${data + bss} of RAM (${names.join(", ")})`];
  const faults = [...complaints(said)];
  if (withIdf) {
    const more = await make(sdk, built, [IDF, compiler, ...objects(NEEDS_IDF)], { IDF_PATH: idf });
    faults.push(...complaints(more).filter((line) => line.includes(REPOSITORY)));
    lines.push(`against the headers of ESP-IDF at IDF_PATH: ${NEEDS_IDF.join(", ")}`);
  } else lines.push(`skipped: ${NEEDS_IDF.join(", ")}, which need the headers of ESP-IDF 6.0; IDF_PATH names none`);
  if (existsSync(join(idf, MBEDTLS, "include/mbedtls/ssl.h"))) {
    const more = await make(sdk, built, [IDF, compiler, ...objects(NEEDS_MBEDTLS)], { IDF_PATH: idf });
    faults.push(...complaints(more).filter((line) => line.includes(REPOSITORY)));
    lines.push(`against mbedTLS of ESP-IDF at IDF_PATH: ${NEEDS_MBEDTLS.join(", ")}`);
  } else lines.push(`skipped: ${NEEDS_MBEDTLS.join(", ")}, which need ${MBEDTLS} of ESP-IDF 6.0; IDF_PATH names none`);
  return { faults, lines };
}

async function sizeOf(sdk: Sdk, objects: readonly string[]): Promise<{ text: number; data: number; bss: number }> {
  const { code, stdout, all } = await run("riscv64-unknown-elf-size", ["-t", ...objects], { cwd: REPOSITORY, env: sdk.env });
  const total = /^ *(\d+)\s+(\d+)\s+(\d+)\s+\d+\s+[0-9a-f]+\s+\(TOTALS\)/m.exec(stdout);
  if (code !== 0 || total === null) throw new Error(all);
  return { text: Number(total[1]), data: Number(total[2]), bss: Number(total[3]) };
}

/** As much of an ESP-IDF configuration as its headers ask for where nothing is linked; of a board with one RISC-V core. */
const IDF_CONFIGURATION = `
#define CONFIG_IDF_TARGET_ESP32C3 1
#define CONFIG_IDF_TARGET_ARCH_RISCV 1
#define CONFIG_FREERTOS_HZ 100
#define CONFIG_FREERTOS_UNICORE 1
#define CONFIG_FREERTOS_NUMBER_OF_CORES 1
#define CONFIG_SOC_CPU_CORES_NUM 1
#define CONFIG_FREERTOS_MAX_TASK_NAME_LEN 16
#define CONFIG_FREERTOS_IDLE_TASK_STACKSIZE 1536
#define CONFIG_FREERTOS_THREAD_LOCAL_STORAGE_POINTERS 1
#define CONFIG_FREERTOS_TIMER_TASK_PRIORITY 1
#define CONFIG_FREERTOS_TIMER_QUEUE_LENGTH 10
#define CONFIG_FREERTOS_TIMER_TASK_STACK_DEPTH 2048
#define CONFIG_FREERTOS_TASK_NOTIFICATION_ARRAY_ENTRIES 1
#define CONFIG_FREERTOS_ISR_STACKSIZE 1536
#define CONFIG_LOG_MAXIMUM_LEVEL 3
#define CONFIG_MBEDTLS_ASYMMETRIC_CONTENT_LEN 1
#define CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN 16384
#define CONFIG_MBEDTLS_SSL_OUT_CONTENT_LEN 2048
#define CONFIG_MBEDTLS_TLS_CLIENT 1
#define CONFIG_MBEDTLS_TLS_ENABLED 1
#define CONFIG_MBEDTLS_SSL_PROTO_TLS1_2 1
#define CONFIG_MBEDTLS_SSL_PROTO_TLS1_3 1
#define CONFIG_MBEDTLS_X509_USE_C 1
#define CONFIG_MBEDTLS_X509_CRT_PARSE_C 1
#define CONFIG_MBEDTLS_SHA256_C 1
`;
