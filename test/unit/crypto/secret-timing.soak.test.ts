// Whether the time of the native keys' C depends on a secret, as far as that shows without a board: memcheck on a 32-bit build
// follows secrets to every branch and address (timing/secret-paths.c), and signing takes one number of instructions of an
// RV32IMC core whatever key and nonce (timing/counts.c). Both must see a fault that is put in.

import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { findToolchain, type Toolchain } from "../../../host-sim/xs/toolchain.js";

const run = promisify(execFile);
const SOURCES = fileURLToPath(new URL("timing", import.meta.url));
const NATIVE = fileURLToPath(new URL("../../../firmware/crypto/native", import.meta.url));
const RUN_MS_MAX = 600_000;
const FOUND_BY_MEMCHECK = 9;
const BARE = ["--oslib=semihost", "--crt0=semihost"];
const MACHINE = "-machine virt -cpu rv32 -bios none -nodefaults -display none -icount shift=0".split(" ");
const CONSOLE = "-chardev stdio,id=out -semihosting-config enable=on,target=native,chardev=out".split(" ");
const SIGNATURES = 1000;

const folder = mkdtempSync(join(tmpdir(), "chainmote-timing-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

interface Build {
  readonly compiler?: string;
  readonly flags?: readonly string[];
  readonly link?: readonly string[];
}

async function compile(tools: Toolchain, name: string, sources: readonly string[], build: Build = {}): Promise<string> {
  const { compiler = tools.compiler, flags = [], link = [] } = build;
  const file = join(folder, name);
  const common = ["-std=gnu11", "-fwrapv", "-ffunction-sections", "-fdata-sections", "-w", "-I", NATIVE, "-I", tools.secp256k1];
  // The machine's flags once: picolibc's specs bear no second mention.
  const linkFlags = [...tools.linkFlags.filter((flag) => !tools.flags.includes(flag)), ...link];
  await run(compiler, [...tools.flags, ...common, ...flags, ...sources, "-Wl,--gc-sections", ...linkFlags, "-o", file]);
  return file;
}

async function memcheck(file: string): Promise<{ code: number | string; said: string }> {
  const words = ["-q", `--error-exitcode=${FOUND_BY_MEMCHECK}`, file];
  const ended = await run("valgrind", words, { timeout: RUN_MS_MAX }).catch((error) => error);
  return { code: ended.code ?? 0, said: `${ended.stdout}${ended.stderr}` };
}

const m32 = await findToolchain("m32");
/** What is missing for memcheck, as one line; it needs the symbols of the 32-bit C library, or it does not start. */
async function memcheckMissing(): Promise<string | undefined> {
  if ("missing" in m32) return m32.missing;
  if (spawnSync("valgrind", ["--version"]).error !== undefined) return "memcheck: no valgrind; Debian's valgrind brings it";
  const { code, said } = await memcheck(await compile(m32, "start", [join(SOURCES, "secret-paths.c")]));
  return code === 0 || code === FOUND_BY_MEMCHECK || !/libc6-dbg|glibc-debuginfo/.test(said)
    ? undefined
    : "memcheck: no symbols of the 32-bit C library; Debian's libc6-dbg:i386 brings them";
}

const lacking = await memcheckMissing();
if (lacking !== undefined || "missing" in m32) {
  console.log(`skipped: ${lacking}`);
  test.skip("memcheck of the secret paths", () => {});
} else {
  // Clang is no board's compiler, but it makes branches where GCC does not.
  const clang = spawnSync("clang", ["--version"]).error === undefined ? [["clang", "-Os"] as const] : [];
  for (const [compiler, level] of [["gcc", "-Os"], ["gcc", "-O2"], ["gcc", "-O3"], ...clang] as const)
    test(`no branch and no address of blinding, key and signature depends on a secret: ${compiler} ${level}`, async () => {
      const file = await compile(m32, `${compiler}${level}`, [join(SOURCES, "secret-paths.c")], { compiler, flags: [level] });
      assert.equal(await memcheck(file), { code: 0, said: "signed and verified\n" });
    });

  for (const [fault, words] of [
    ["PLANTED_BRANCH", /Conditional jump or move depends on uninitialised/],
    ["PLANTED_ADDRESS", /Use of uninitialised value/],
  ] as const)
    test(`memcheck sees a fault that is put in: ${fault}`, async () => {
      const file = await compile(m32, fault, [join(SOURCES, "secret-paths.c")], { flags: [`-D${fault}`] });
      const { code, said } = await memcheck(file);
      assert.is(code, FOUND_BY_MEMCHECK);
      assert.match(said, words);
    });
}

const rv32 = await findToolchain("rv32");
if ("missing" in rv32) {
  console.log(`skipped: ${rv32.missing}`);
  test.skip("instructions of signing", () => {});
} else {
  const counts = async (name: string, flags: readonly string[]): Promise<readonly (readonly [number, number])[]> => {
    const sources = [join(SOURCES, "counts.c"), join(NATIVE, "k1.c")];
    const file = await compile(rv32, name, sources, { flags, link: BARE });
    const words = [...MACHINE, ...CONSOLE, "-kernel", file];
    const { stdout } = await run(rv32.emulator as string, words, { timeout: RUN_MS_MAX });
    const lines = stdout.trimEnd().split("\n");
    return lines.map((line) => line.split(" ").map(Number) as [number, number]);
  };

  test(`${SIGNATURES} signatures under as many keys take the same number of instructions on rv32`, async () => {
    const found = await counts("sign", []);
    console.log(
      `instructions of a signature in C on rv32: ${found.map(([count, times]) => `${count} (${times} times)`).join(", ")}`,
    );
    assert.equal(
      found.map(([, times]) => times),
      [SIGNATURES],
    );
  });

  test("and verification, which need not, takes many numbers: the counter sees a difference", async () => {
    assert.ok((await counts("verify", ["-DCOUNT_VERIFY"])).length > 10);
  });
}

test.run();
