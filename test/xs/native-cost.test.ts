// What the native engine's curve takes of a board besides instructions: C stack and flash, on RV32IMC.

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { boardOf } from "../../host-sim/boards.js";
import { buildHost } from "../../host-sim/xs/build.js";
import { gatherModules, packImage, REPOSITORY } from "../../host-sim/xs/image.js";
import { runImage } from "../../host-sim/xs/run.js";
import { findToolchain } from "../../host-sim/xs/toolchain.js";

const run = promisify(execFile);
const NATIVE_STACK_MARGIN_BYTES = 4_096;
/** Of verify and of recover, with what the engine has taken before them. */
const STACK_BYTES_MAX = 8_192;
const FLASH_BYTES_MAX = 105_000;
/** One multiplication of the generator at least. */
const BLINDING_INSTRUCTIONS_MIN = 500_000;

const rv32 = await buildHost("rv32");
const tools = await findToolchain("rv32");
if ("missing" in rv32 || "missing" in tools) {
  if ("missing" in rv32) console.log(rv32.missing);
  test.skip("C stack and flash on rv32", () => {});
} else {
  test("the canary on rv32 sees what verify and recover take of the C stack: 8 KiB at most, and the board has enough", async () => {
    const program = { entry: "test/xs/guest/stack.ts", preload: ["firmware/*", "host-sim/*"] };
    const image = packImage(await gatherModules(program), program, {
      creation: boardOf("esp32c3").creation,
      keysInGuest: true,
      seed: 5,
    });
    const report = await runImage(rv32, image);
    assert.is(report.code, 0, report.reason);
    const peaks = Object.fromEntries(report.lines.map((line) => JSON.parse(line) as [string, number]));
    console.log(`C stack on rv32: ${report.lines.join(" ")}`);
    const { start = 0, verify = 0, recover = 0 } = peaks;
    assert.ok(start > 0 && start < 5_000, `${start} before anything`);
    assert.ok(recover - start > 4_000, `verify and recover take kilobytes, and the canary sees ${recover - start}`);
    assert.ok(verify <= STACK_BYTES_MAX && recover <= STACK_BYTES_MAX, `${verify}, ${recover}`);
    assert.ok(recover + NATIVE_STACK_MARGIN_BYTES <= boardOf("esp32c3").creation.nativeStackBytes);
    assert.is(report.nativeStackPeakBytes, recover);
  });

  test("the first key of a start, and no other, pays for blinding the context that signs", async () => {
    const program = { entry: "test/xs/guest/blinding.ts", preload: ["firmware/*", "host-sim/*"] };
    const image = packImage(await gatherModules(program), program, {
      creation: boardOf("esp32c3").creation,
      keysInGuest: true,
      seed: 5,
    });
    const report = await runImage(rv32, image);
    assert.is(report.code, 0, report.reason);
    const [first = 0, second = 0] = JSON.parse(report.lines[0] ?? "[]") as number[];
    assert.ok(second > 0 && first - second > BLINDING_INSTRUCTIONS_MIN, `${first} and ${second} instructions`);
  });

  test(`libsecp256k1 with its tables takes at most ${FLASH_BYTES_MAX} bytes of flash, as far as anything calls it`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "chainmote-size-"));
    try {
      const native = join(REPOSITORY, "firmware/crypto/native");
      const flags = [...tools.flags, "-std=gnu11", "-fwrapv", "-ffunction-sections", "-fdata-sections", "-w"];
      const object = join(folder, "k1.o");
      await run(tools.compiler, [...flags, "-I", native, "-I", tools.secp256k1, "-c", join(native, "k1.c"), "-o", object]);
      const tool = (name: string): string => tools.compiler.replace(/gcc$/, name);
      const { stdout: names } = await run(tool("nm"), ["-g", "--defined-only", object]);
      const roots = [...names.matchAll(/ T ((?:k1|wipe)\w*)$/gm)].flatMap(([, name]) => ["-u", name as string]);
      const linked = join(folder, "linked.o");
      await run(tool("ld"), ["-m", "elf32lriscv", "-r", "--gc-sections", ...roots, object, "-o", linked]);
      const { stdout: size } = await run(tool("size"), [linked]);
      const [text = 0, data = 0] = (size.split("\n")[1] ?? "").trim().split(/\s+/).map(Number);
      console.log(`flash of libsecp256k1 on rv32: ${text + data} bytes`);
      assert.ok(text > 50_000, `${text}: the tables alone are more`);
      assert.ok(text + data <= FLASH_BYTES_MAX, `${text + data}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

test.run();
