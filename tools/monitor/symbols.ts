// Where in the source an address of code is, by the addr2line of the chip's toolchain and the image's ELF.
//
// Promises: without a tool, or without an ELF, an address stays as it is. Never: waits for a tool longer than its limit.

import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { plainText } from "../terminal.js";

const TOOL_MS_MAX = 20_000;
const FRAMES_MAX = 64;
const MACHINE_AT = 18;
/** Of an ELF's header: `e_machine`. */
const RISCV = 243;
const XTENSA = 94;
/** Where ESP-IDF installs its tools, below the home folder. */
const IDF_TOOLS = ".espressif/tools";
const CANDIDATES: Readonly<Record<number, readonly string[]>> = {
  [RISCV]: ["riscv32-esp-elf-addr2line", "riscv64-unknown-elf-addr2line"],
  [XTENSA]: ["xtensa-esp-elf-addr2line", "xtensa-esp32s3-elf-addr2line", "xtensa-esp32-elf-addr2line"],
};

export class Symbols {
  readonly #elf: string;
  readonly #tool: string;

  private constructor(elf: string, tool: string) {
    this.#elf = elf;
    this.#tool = tool;
  }

  /** @returns what is missing, in one line, where there are no symbols */
  static async open(elf: string): Promise<Symbols | { readonly missing: string }> {
    const machine = machineOf(elf);
    const names = machine === undefined ? undefined : CANDIDATES[machine];
    if (names === undefined) return { missing: `${plainText(elf, 200)} is no ELF of an ESP32's` };
    for (const tool of names.flatMap((name) => [name, ...installed(name)]))
      if (await ran(tool, ["--version"])) return new Symbols(elf, tool);
    return {
      missing: `${names[0]} is not here, so a crash stays in addresses: it comes with ESP-IDF (source $IDF_PATH/export.sh)`,
    };
  }

  /** A line for each frame; inlined ones have their own. */
  async framesOf(addresses: readonly string[]): Promise<readonly string[]> {
    const said = await output(this.#tool, ["-pfiaC", "-e", this.#elf, ...addresses]);
    return said
      .split("\n")
      .map((line) => plainText(line, 200))
      .filter((line) => line !== "" && !/: \?\? \?\?:0$/.test(line))
      .slice(0, FRAMES_MAX);
  }
}

function machineOf(elf: string): number | undefined {
  if (!existsSync(elf)) return undefined;
  const head = readFileSync(elf).subarray(0, MACHINE_AT + 2);
  return head.length === MACHINE_AT + 2 && head.readUInt32BE(0) === 0x7f454c46 ? head.readUInt16LE(MACHINE_AT) : undefined;
}

/** ~/.espressif/tools/riscv32-esp-elf/VERSION/riscv32-esp-elf/bin */
function installed(name: string): readonly string[] {
  const kind = name.replace(/-addr2line$/, "");
  const versions = join(homedir(), IDF_TOOLS, kind);
  if (!existsSync(versions)) return [];
  return readdirSync(versions)
    .map((version) => join(versions, version, kind, "bin", name))
    .filter((path) => existsSync(path));
}

async function ran(tool: string, words: readonly string[]): Promise<boolean> {
  return (await output(tool, words)) !== "";
}

function output(tool: string, words: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(tool, words, { timeout: TOOL_MS_MAX }, (error, stdout) => resolve(error === null ? stdout : ""));
  });
}
