// What an XS target needs of this machine: a compiler, perhaps an emulator, and the sources: npm packages, and libsecp256k1.
//
// Promises: `findToolchain` either names everything that a build needs, or says in one line which Debian or npm package, or
// which command, brings what is missing. Never: looks for anything but these programs, or runs more than `--version`.

import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { installLine, packageFolder } from "../packages.js";
import { LIBRARY_FOLDER, libraryFault } from "./libsecp256k1.js";

export type Target = "x64" | "m32" | "rv32";
export const TARGETS: readonly Target[] = ["x64", "m32", "rv32"];

export interface Toolchain {
  readonly target: Target;
  readonly compiler: string;
  /** The compiler's own first line, such as `gcc (Debian 12.2.0-14) 12.2.0`: counts depend on it. */
  readonly version: string;
  readonly flags: readonly string[];
  readonly linkFlags: readonly string[];
  readonly emulator?: string;
  /** Whether util-linux's setpriv is here, which ties a guest to the life of the process that owns its board. */
  readonly tied: boolean;
  /** Folders of the sources. */
  readonly xs: string;
  readonly secp256k1: string;
  readonly keccak: string;
}

export interface Missing {
  /** One line for a person: what is not here, and which package brings it. */
  readonly missing: string;
}

// The board's optimisation is -Os as well. Floats of m32 go through SSE: the x87's 80 bits would round otherwise.
const COMPILERS: Readonly<
  Record<Target, { program: string; flags: readonly string[]; linkFlags: readonly string[]; bring: string }>
> = {
  x64: { program: "gcc", flags: ["-O2"], linkFlags: ["-lm", "-lpthread"], bring: "gcc" },
  m32: {
    program: "gcc",
    flags: ["-m32", "-Os", "-msse2", "-mfpmath=sse"],
    linkFlags: ["-m32", "-lm"],
    bring: "gcc-multilib",
  },
  rv32: {
    program: "riscv64-unknown-elf-gcc",
    flags: ["--specs=picolibc.specs", "-march=rv32imc", "-mabi=ilp32", "-misa-spec=2.2", "-Os"],
    linkFlags: [
      "--specs=picolibc.specs",
      "-march=rv32imc",
      "-mabi=ilp32",
      "-misa-spec=2.2",
      "-Wl,--defsym=__flash=0x80000000",
      "-Wl,--defsym=__flash_size=4M",
      "-Wl,--defsym=__ram=0x80400000",
      "-Wl,--defsym=__ram_size=60M",
      "-Wl,--defsym=__stack_size=1M",
      "-lm",
    ],
    bring: "gcc-riscv64-unknown-elf",
  },
};
/** npm packages with C that is compiled here. */
const SOURCES = ["@agoric/xsnap", "keccak"];
const EMULATOR = "qemu-system-riscv32";

const run = promisify(execFile);

export async function findToolchain(target: Target): Promise<Toolchain | Missing> {
  const wanted = COMPILERS[target];
  const compiler = await findProgram(wanted.program);
  if (compiler === undefined) return { missing: `${target}: no ${wanted.program}; Debian's ${wanted.bring} brings it` };
  if (!(await compiles(compiler, wanted.flags)))
    return {
      missing: `${target}: ${wanted.program} has no C library for it; Debian's ${target === "rv32" ? "picolibc-riscv64-unknown-elf" : "gcc-multilib"} brings it`,
    };
  const emulator = target === "rv32" ? await findProgram(EMULATOR) : undefined;
  if (target === "rv32" && emulator === undefined)
    return { missing: `${target}: no ${EMULATOR}; Debian's qemu-system-misc brings it` };

  const [xsnap, keccak] = SOURCES.map(packageFolder);
  if (xsnap === undefined || keccak === undefined)
    return {
      missing: `${target}: the npm packages ${SOURCES.join(" and ")} are not both installed; ${installLine(SOURCES)} brings them`,
    };
  const fault = await libraryFault();
  if (fault !== undefined) return { missing: `${target}: ${fault}` };
  const { stdout } = await run(compiler, ["--version"]);
  return {
    target,
    compiler,
    version: stdout.split("\n")[0] ?? "",
    flags: wanted.flags,
    linkFlags: wanted.linkFlags,
    ...(emulator === undefined ? {} : { emulator }),
    tied: (await findProgram("setpriv")) !== undefined,
    xs: join(xsnap, "moddable/xs"),
    secp256k1: LIBRARY_FOLDER,
    keccak: join(keccak, "src/libkeccak-32"),
  };
}

async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const file = join(folder, name);
    try {
      await access(file, 1);
      return file;
    } catch {} // not in this folder
  }
  return undefined;
}

/** Whether the compiler finds a header of the target's C library. */
async function compiles(compiler: string, flags: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = execFile(compiler, [...flags, "-x", "c", "-fsyntax-only", "-"], (error) => resolve(error === null));
    child.stdin?.on("error", () => {}); // it ended before it read; its exit code says so
    child.stdin?.end("#include <stdio.h>\n#include <sys/time.h>\n#include <math.h>\n");
  });
}
