// chainmote doctor: what is installed on this machine, what is missing, and which Debian package brings it.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boardOf, DEFAULT_BOARD } from "../../host-sim/boards.js";
import { installLine, packageFolder } from "../../host-sim/packages.js";
import { BUILT } from "../../host-sim/place.js";
import { KECCAK, LIBRARY_FOLDER, LIBRARY_VERSION, libraryFault, NATIVE_COMMAND } from "../../host-sim/xs/libsecp256k1.js";
import { DEFAULT_EMULATED, findQemu } from "../emulator/emulator.js";
import { BITCOIN_NODE, ETHEREUM_NODE, FLASHER, POSTGRES, SERIAL_PORT, STORE, WEB_FLASHER } from "../optional.js";
import { readWords, type Words } from "../options.js";
import { ITEMS, judgeAll } from "../report/checklist.js";
import { type CollectOptions, collectFrom, collectSimulated } from "../report/collect.js";
import { Evidence } from "../report/evidence.js";
import { printReport, reportOf } from "../report/report.js";
import { findIdf, findModdable, XS_DEV, XS_DEV_IDF } from "../sdk/sdk-tools.js";
import { findPort } from "../serial/serial-port.js";
import { type Output, plainText, UsageError } from "../terminal.js";

const LISTEN_S = 120;
const LISTEN_S_MAX = 86_400;

export const usage = `chainmote doctor [--json]
chainmote doctor --board-report [PORT | --sim DIR] [--seconds N] [--no-rom] [--seen ITEM,ITEM] [--json]

Says what is installed and what is missing, for each use. Exit code: 0 unless something essential is missing.

  --board-report   what can be seen of the board on PORT (without it: the only one that is plugged in), against each item of
                   docs/hardware-checklist.md: seen, not seen, or cannot say. It holds no secret, no address, no name of a network, and the
                   maker's half of the MAC: paste it into an issue. The board is reset, and nothing of it is written
  --sim DIR        of a simulated board, which shows nothing of a chip
  --seconds N      so long its log is listened to at most (default ${LISTEN_S}); it ends once a record is stored, or a blank board answers
  --no-rom         the board is not reset into its ROM's bootloader first
  --seen A,B       items that you have seen yourself
  --json           one object

Examples:
  chainmote doctor
  chainmote doctor --json
  chainmote doctor --board-report /dev/ttyACM0 --json`;

interface Finding {
  readonly name: string;
  readonly use: string;
  readonly essential: boolean;
  readonly found: boolean;
  readonly detail: string;
  /** What brings it. */
  readonly fix: string;
}

const TEXT = { type: "string" } as const;
const FLAG = { type: "boolean" } as const;
const SPEC = { json: FLAG, "board-report": FLAG, "no-rom": FLAG, sim: TEXT, seconds: TEXT, seen: TEXT };
const PROBE_MS = 10_000;
const NODE_MIN = "20.19";

export function read(words: readonly string[]): Words {
  return readWords(words, SPEC, 1);
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  if (options.has("board-report")) return await boardReport(options, output);
  const [word] = options.others;
  if (word !== undefined) throw new UsageError(`unexpected word "${plainText(word, 60)}": a port is for --board-report`);
  const findings = await probeAll();
  const missing = findings.filter((finding) => finding.essential && !finding.found);
  if (options.has("json")) output.line(JSON.stringify({ ok: missing.length === 0, findings }));
  else print(findings, output);
  return missing.length === 0 ? 0 : 1;
}

async function boardReport(options: Words, output: Output): Promise<number> {
  const sim = options.text("sim");
  const [path] = options.others;
  if (sim !== undefined && path !== undefined) throw new UsageError("name a port, or a simulated board by --sim DIR");
  const byHand = itemsOf(options.text("seen"));
  if (sim !== undefined && byHand.length > 0) throw new UsageError("--seen is for a board: nobody has seen a chip here");
  const seen = new Evidence(sim !== undefined);
  const how: CollectOptions = {
    rom: !options.has("no-rom"),
    listenMs: 1000 * (options.number("seconds", 1, LISTEN_S_MAX) ?? LISTEN_S),
    progress: (text) => output.error(text),
  };
  if (sim === undefined) await collectFrom(await findPort(path), seen, how);
  else await collectSimulated(sim, seen, how);
  const items = judgeAll(seen, byHand);
  if (options.has("json")) output.line(JSON.stringify(reportOf(seen, items)));
  else printReport(seen, items, output);
  return 0;
}

function itemsOf(text: string | undefined): readonly string[] {
  const items = text?.split(",") ?? [];
  const unknown = items.find((item) => !ITEMS.includes(item));
  if (unknown !== undefined)
    throw new UsageError(`--seen: there is no item "${plainText(unknown, 40)}" in docs/hardware-checklist.md`);
  return items;
}

function print(findings: readonly Finding[], output: Output): void {
  const width = Math.max(...findings.map((finding) => finding.name.length));
  let use = "";
  for (const finding of findings) {
    if (finding.use !== use) {
      if (use !== "") output.line();
      use = finding.use;
      output.line(output.style("bold", use));
    }
    const mark = finding.found ? output.style("green", "ok     ") : output.style(finding.essential ? "red" : "yellow", "missing");
    output.line(`  ${mark}  ${finding.name.padEnd(width)}  ${finding.found ? finding.detail : `bring it with: ${finding.fix}`}`);
  }
}

async function probeAll(): Promise<readonly Finding[]> {
  const run = BUILT ? "run commands" : "run the system and its tests (npm start, npm test)";
  const parts = "parts of a system on this machine (chainmote start, node, collect)";
  const engine32 = "the real engine with a board's memory (--engine xs)";
  const chip = `the engine as an ${boardOf(DEFAULT_BOARD).label} runs it (--engine rv32)`;
  const tls = "simulated boards over TLS (mqtt.ca), with the firmware's own C";
  const interop = "tests against another broker";
  const timing = "whether the native keys' time depends on a secret (npm test -- secret-timing), besides 32-bit C";
  const fuzz = "fuzzing of the C that reads hostile bytes (npm run fuzz)";
  const vectors = "one compressed set of vectors (npm run conformance -- bitcoin)";
  const sdk = "the firmware under the Moddable SDK, without a board (npm run check:sdk), besides gcc and RISC-V gcc";
  const build = "images for boards (chainmote build, docs/flashing.md)";
  const serial = "a board on a serial port (chainmote flash, monitor)";
  const emulator = "images in an emulator (chainmote run), besides those for boards";
  return [
    { ...named("Node.js", run, true, `node ${NODE_MIN} or newer, https://nodejs.org`), ...node() },
    { ...named("npm", run, true, "apt install npm"), ...program("npm", ["--version"]) },
    { ...named("Ethereum node", parts, false, installLine([ETHEREUM_NODE])), ...installed(ETHEREUM_NODE) },
    { ...named("Bitcoin node", parts, false, installLine([BITCOIN_NODE])), ...installed(BITCOIN_NODE) },
    { ...named("PostgreSQL in process", parts, false, installLine([STORE])), ...installed(STORE) },
    { ...named("PostgreSQL client", parts, false, installLine([POSTGRES])), ...installed(POSTGRES) },
    { ...named("prebuilt secp256k1", parts, false, installLine(["secp256k1"])), ...installed("secp256k1") },
    { ...named("XS engine", engine32, false, installLine(["@agoric/xsnap"])), ...installed("@agoric/xsnap") },
    { ...named("Keccak in C", engine32, false, installLine([KECCAK])), ...installed(KECCAK) },
    { ...named("C compiler", engine32, false, "apt install gcc libc6-dev"), ...program("gcc", ["--version"]) },
    { ...named("32-bit C", engine32, false, "apt install gcc-multilib"), ...compiles("gcc", ["-m32"]) },
    { ...named(`libsecp256k1 ${LIBRARY_VERSION}`, engine32, false, NATIVE_COMMAND), ...(await library()) },
    { ...named("pip", engine32, false, "apt install python3-pip"), ...pip() },
    { ...named("setpriv", engine32, false, "apt install util-linux"), ...program("setpriv", ["--version"]) },
    {
      ...named("RISC-V gcc", chip, false, "apt install gcc-riscv64-unknown-elf"),
      ...program("riscv64-unknown-elf-gcc", ["--version"]),
    },
    {
      ...named("picolibc", chip, false, "apt install picolibc-riscv64-unknown-elf"),
      ...compiles("riscv64-unknown-elf-gcc", ["--specs=picolibc.specs", "-march=rv32imc", "-mabi=ilp32"]),
    },
    { ...named("QEMU", chip, false, "apt install qemu-system-misc"), ...program("qemu-system-riscv32", ["--version"]) },
    { ...named("valgrind", timing, false, "apt install valgrind"), ...program("valgrind", ["--version"]) },
    {
      ...named("32-bit symbols", timing, false, "dpkg --add-architecture i386; apt update; apt install libc6-dbg:i386"),
      ...debugSymbols(),
    },
    { ...named("mbedTLS", tls, false, "apt install libmbedtls-dev"), ...compiles("gcc", [], "mbedtls/ssl.h") },
    { ...named("clang", fuzz, false, "apt install clang libclang-rt-dev"), ...program("clang", ["--version"]) },
    { ...named("bzip2", vectors, false, "apt install bzip2"), ...program("bzip2", ["--help"]) },
    { ...named("mosquitto", interop, false, "apt install mosquitto"), ...program("mosquitto", ["-h"], ["/usr/sbin/mosquitto"]) },
    {
      ...named(
        "Moddable SDK",
        sdk,
        false,
        "https://github.com/Moddable-OpenSource/moddable, its tools built, and MODDABLE set to it (docs/boards.md)",
      ),
      ...folder("MODDABLE", ...["mcconfig", "xsc", "xsid", "xsl"].map((tool) => `build/bin/lin/release/${tool}`)),
    },
    { ...named("make", sdk, false, "apt install make"), ...program("make", ["--version"]) },
    { ...named("GIO", sdk, false, "apt install pkg-config libglib2.0-dev"), ...gio() },
    {
      ...named(
        "ESP-IDF headers",
        sdk,
        false,
        "https://github.com/espressif/esp-idf, its folder components is enough, and IDF_PATH set to it",
      ),
      ...folder("IDF_PATH", "components/nvs_flash/include/nvs.h"),
    },
    { ...named("SDK's tools", build, false, `${XS_DEV}; MODDABLE names them`), ...place(findModdable()) },
    { ...named("ESP-IDF", build, false, `npm install -g xs-dev && ${XS_DEV_IDF}; IDF_PATH names it`), ...place(findIdf()) },
    { ...named("page that flashes", build, false, installLine([WEB_FLASHER])), ...installed(WEB_FLASHER) },
    {
      ...named("espsecure", build, false, "pip install esptool, or source $IDF_PATH/export.sh"),
      ...program("espsecure", ["version"]),
    },
    { ...named("serial port", serial, false, installLine([SERIAL_PORT])), ...installed(SERIAL_PORT) },
    { ...named("esptool-js", serial, false, installLine([FLASHER])), ...installed(FLASHER) },
    {
      ...named(
        "Espressif's QEMU",
        emulator,
        false,
        "python $IDF_PATH/tools/idf_tools.py install qemu-riscv32; QEMU_ESP32 names it",
      ),
      ...place(findQemu(DEFAULT_EMULATED)),
    },
  ];
}

/** A folder or a program that was found, or not. */
function place(found: string | { readonly missing: string }): Probe {
  return typeof found === "string" ? { found: true, detail: plainText(found, 70) } : { found: false, detail: "" };
}

/** An npm package that is installed only where it is asked for. */
function installed(name: string): Probe {
  const folder = packageFolder(name);
  if (folder === undefined) return { found: false, detail: "" };
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string };
  return { found: true, detail: `${name} ${version}` };
}

type Probe = Pick<Finding, "found" | "detail">;

function named(name: string, use: string, essential: boolean, fix: string): Omit<Finding, keyof Probe> {
  return { name, use, essential, fix };
}

function node(): Probe {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [majorMin = 0, minorMin = 0] = NODE_MIN.split(".").map(Number);
  return { found: major > majorMin || (major === majorMin && minor >= minorMin), detail: process.versions.node };
}

/** The first line that a program says about its version. */
function program(name: string, words: readonly string[], elsewhere: readonly string[] = []): Probe {
  for (const candidate of [name, ...elsewhere.filter((path) => existsSync(path))]) {
    const { error, stdout, stderr } = spawnSync(candidate, words, {
      timeout: PROBE_MS,
      encoding: "utf8",
      shell: process.platform === "win32",
    });
    if (error !== undefined) continue;
    const line = `${stdout}\n${stderr}`.split("\n").find((text) => text.trim() !== "") ?? "";
    return { found: true, detail: plainText(line, 70) };
  }
  return { found: false, detail: "" };
}

/** Whether a small program that needs the C library's headers, and perhaps one more, compiles. */
function compiles(compiler: string, words: readonly string[], header?: string): Probe {
  const directory = mkdtempSync(join(tmpdir(), "chainmote-doctor-"));
  try {
    const source = join(directory, "probe.c");
    writeFileSync(
      source,
      `${header === undefined ? "" : `#include <${header}>\n`}#include <stdio.h>\n#include <stdint.h>\nint main(void) { return (int)sizeof(uintptr_t) - 4 + puts("") * 0; }\n`,
    );
    const { error, status } = spawnSync(compiler, [...words, "-c", source, "-o", join(directory, "probe.o")], {
      timeout: PROBE_MS,
    });
    return { found: error === undefined && status === 0, detail: header ?? words.join(" ") };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The sources of the native engine. */
async function library(): Promise<Probe> {
  return { found: (await libraryFault()) === undefined, detail: plainText(LIBRARY_FOLDER, 70) };
}

function pip(): Probe {
  const asked = spawnSync("python3", ["-m", "pip", "--version"], { timeout: PROBE_MS, encoding: "utf8" });
  return { found: asked.status === 0, detail: plainText((asked.stdout ?? "").trim(), 70) };
}

/** Those of the 32-bit C library, without which memcheck does not start for a 32-bit program. */
function debugSymbols(): Probe {
  const { stdout } = spawnSync("dpkg-query", ["-s", "libc6-dbg:i386"], { timeout: PROBE_MS, encoding: "utf8" });
  const installed = /^Status: .* installed$/m.test(stdout ?? "");
  return { found: installed, detail: plainText(/^Version: (.*)$/m.exec(stdout ?? "")?.[1] ?? "", 70) };
}

/** The library that the SDK's programs on Linux are linked to. */
function gio(): Probe {
  const { error, status, stdout } = spawnSync("pkg-config", ["--modversion", "gio-2.0"], { timeout: PROBE_MS, encoding: "utf8" });
  return { found: error === undefined && status === 0, detail: plainText((stdout ?? "").trim(), 70) };
}

/** Whether a variable names a folder with all of `inside`. */
function folder(variable: string, ...inside: readonly string[]): Probe {
  const path = process.env[variable] ?? "";
  return { found: path !== "" && inside.every((name) => existsSync(join(path, name))), detail: plainText(path, 70) };
}
