// libsecp256k1's own tests, in the configuration that k1.c gives it, as a 32-bit program: 32-bit arithmetic and the tables of
// 11 blocks of 6 teeth and of window 10, which upstream's builds for PCs do not choose.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { REPOSITORY } from "../../../host-sim/xs/image.js";
import { findToolchain } from "../../../host-sim/xs/toolchain.js";

const run = promisify(execFile);
const RUN_MS_MAX = 3_000_000;

const tools = await findToolchain("m32");
if ("missing" in tools) {
  console.log(`skipped: ${tools.missing}`);
  test.skip("upstream's tests", () => {});
} else
  test("upstream's tests pass in the configuration of a board", async () => {
    const folder = await mkdtemp(join(tmpdir(), "chainmote-upstream-"));
    try {
      const text = await readFile(join(REPOSITORY, "firmware/crypto/native/k1.c"), "utf8");
      const macros = [...text.matchAll(/^#define (USE_FORCE\w+|COMB_\w+|ECMULT_WINDOW_SIZE|ENABLE_\w+) (\d+)$/gm)];
      const defines = new Map(macros.map(([, name, value]) => [name, value]));
      assert.equal(defines.get("ECMULT_WINDOW_SIZE"), "10", "the last one counts");
      assert.is(defines.size, 6);
      const source = (name: string): string => join(tools.secp256k1, "src", name);
      const files = ["tests.c", "precomputed_ecmult.c", "precomputed_ecmult_gen.c"].map(source);
      const words = [...defines].map(([name, value]) => `-D${name}=${value}`);
      const program = join(folder, "tests");
      await run(tools.compiler, [
        ...tools.flags,
        "-w",
        ...words,
        "-I",
        tools.secp256k1,
        ...files,
        ...tools.linkFlags,
        "-o",
        program,
      ]);
      const { stdout, stderr } = await run(program, ["--iterations=1"], { timeout: RUN_MS_MAX, maxBuffer: 1 << 24 });
      assert.match(`${stdout}${stderr}`, /Total execution time/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

test.run();
