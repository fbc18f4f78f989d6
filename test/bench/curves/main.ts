// npm run bench:curves: what a signature on secp256k1 costs by this engine and by others, in instructions of an RV32IMC core.
//
// Promises: one compiler and one set of flags for all, and each engine's own signature verified by itself. MODDABLE names a
// Moddable SDK, MICRO_ECC a folder with micro-ecc's sources; what is not there is said in a line, and left out.
// Never: writes outside build/ and a temporary folder.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildHost, type Extra } from "../../../host-sim/xs/build.js";
import { gatherModules, type Program, packImage, REPOSITORY } from "../../../host-sim/xs/image.js";
import { ROOMY } from "../../../host-sim/xs/presets.js";
import { runImage } from "../../../host-sim/xs/run.js";
import { findToolchain } from "../../../host-sim/xs/toolchain.js";
import { Progress } from "../../../tools/progress.js";

const run = promisify(execFile);
const RUN_MS_MAX = 1_200_000;
const SEED = 7;
const COPIES = "build/curves";
const SDK_C = ["ec.c", "mont.c", "modular.c", "xsBigIntEx.c"];
const SDK_JS = ["arith/ec", "arith/ecp", "arith/modular", "arith/mont", "etc/ecdsa", "etc/pkcs1"];
const SDK_NATIVES = "ec2_add ec2_mul ec2_mul2 mod2_mulinv_general mod2_mulinv_euclid mod2_exp mont2_exp_LR mont2_exp_SW";
/** What these modules import and a measurement does not reach. */
const STUBS = { rng: "export default {};", ber: "export default class BER {}" };

/** Name, and instructions of sign, verify and, where there is one, recover. */
type Row = readonly [string, ...number[]];

async function guestRows(program: Program, extra?: Extra): Promise<readonly Row[]> {
  const bar = new Progress("bench:curves");
  const built = await buildHost("rv32", (text, share) => bar.step(text, share), extra).finally(() => bar.clear());
  if ("missing" in built) throw new Error(built.missing);
  const image = packImage(await gatherModules(program), program, { creation: ROOMY, keysInGuest: true, seed: SEED });
  const report = await runImage(built, image, { timeoutMs: RUN_MS_MAX });
  if (report.code !== 0) throw new Error(`${program.entry}: ${report.reason} ${report.lines.join(" ")}`);
  return report.lines.map((line) => JSON.parse(line) as Row);
}

/** The SDK's classes, with native functions as our XS host takes them. */
async function moddableRows(sdk: string): Promise<readonly Row[]> {
  const crypt = join(sdk, "modules/crypt");
  await mkdir(join(REPOSITORY, COPIES), { recursive: true });
  const aliases: Record<string, string> = {};
  for (const path of SDK_JS) {
    const name = path.split("/")[1] as string;
    const text = await readFile(join(crypt, `${path}.js`), "utf8");
    const body = text.replace(/\(([^()]*)\) @ "(\w+)";/g, '($1) { return native("$2").call(this, $1); }');
    aliases[name] = `${COPIES}/${name}.js`;
    await writeFile(join(REPOSITORY, COPIES, `${name}.js`), body);
  }
  const extra: Extra = {
    sources: SDK_C.map((name) => join(crypt, "arith", name)),
    flags: ["-I", join(crypt, "arith"), "-I", join(REPOSITORY, "test/bench/curves/ids")],
    natives: SDK_NATIVES.split(" ").map((name) => `xs_${name}`),
  };
  return guestRows({ entry: "test/bench/curves/guest-moddable.ts", aliases, sources: STUBS }, extra);
}

async function microEccRows(sources: string): Promise<readonly Row[]> {
  const tools = await findToolchain("rv32");
  if ("missing" in tools) throw new Error(tools.missing);
  const folder = await mkdtemp(join(tmpdir(), "chainmote-curves-"));
  try {
    const program = join(folder, "program");
    const files = [join(REPOSITORY, "test/bench/curves/micro-ecc.c"), join(sources, "uECC.c")];
    const link = tools.linkFlags.filter((flag) => !tools.flags.includes(flag));
    const bare = ["-Wl,--gc-sections", "--oslib=semihost", "--crt0=semihost"];
    await run(tools.compiler, [...tools.flags, "-std=gnu11", "-w", "-I", sources, ...files, ...link, ...bare, "-o", program]);
    const machine = "-machine virt -cpu rv32 -bios none -nodefaults -display none -icount shift=0 -chardev stdio,id=out";
    const words = [...machine.split(" "), "-semihosting-config", "enable=on,target=native,chardev=out", "-kernel", program];
    const { stdout } = await run(tools.emulator as string, words, { timeout: RUN_MS_MAX });
    return [["micro-ecc", ...stdout.trim().split(" ").map(Number)]];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const { MODDABLE = "", MICRO_ECC = "" } = process.env;
const rows: Row[] = [...(await guestRows({ entry: "test/bench/curves/guest.ts", preload: ["firmware/crypto/native*"] }))];
if (existsSync(join(MODDABLE, "modules/crypt/arith/ec.c"))) rows.push(...(await moddableRows(MODDABLE)));
else console.log("left out: Moddable's own EC; MODDABLE names no Moddable SDK");
if (existsSync(join(MICRO_ECC, "uECC.c"))) rows.push(...(await microEccRows(MICRO_ECC)));
else console.log("left out: micro-ecc; MICRO_ECC names no folder with uECC.c");
const tools = await findToolchain("rv32");
if (!("missing" in tools)) console.log(`${tools.version}, ${tools.flags.join(" ")}; instructions of sign, verify, recover`);
for (const [name, ...counts] of rows)
  console.log(name.padEnd(12), ...counts.map((count) => count.toLocaleString("en").padStart(14)));
