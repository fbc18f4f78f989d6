// npm run check:sdk: the firmware under a real Moddable SDK, as far as that goes without hardware and without ESP-IDF.
//
// Promises: the native engine and keys, and every consensus, on the SDK's own XS as a Linux program, answer byte for byte
// what the reference engine answers on Node; the manifests of the firmware, of the bench firmware, of the drivers, of each example and of what
// `chainmote new` writes compile and link for every board without a warning, preload all that they mean to, and give a board what its
// file in firmware/boards says. Without an SDK, or without the native engine's sources, it says so, and that is no failure. Never: writes outside build/.
//
// Parameters: which images, which boards, or both (own-sensor esp32c3; firmware/esp32; x-cli-lin); all where none is given (matrix.ts).

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "@noble/hashes/sha2.js";
import { toHex } from "../../firmware/bytes.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { KEYS_DOMAIN, SoftwareKeys } from "../../firmware/crypto/software-keys.js";
import { BOARD_NAMES } from "../../host-sim/boards.js";
import { createBoard } from "../../host-sim/device.js";
import { libraryFault } from "../../host-sim/xs/libsecp256k1.js";
import { findToolchain } from "../../host-sim/xs/toolchain.js";
import { writeBenchInputs } from "../bench/write-inputs.js";
import { writeAsApplication } from "./application.js";
import { IMAGES, linkBoard } from "./boards.js";
import { findIdf } from "./idf.js";
import { proofInput } from "./input.js";
import { chosenSteps } from "./matrix.js";
import { type ProofInput, prove, SLOT } from "./program/proof.js";
import { complaints, configure, findSdk, make, OUTPUT, REPOSITORY, run, type Sdk } from "./sdk.js";

const PROGRAM = "chainmote-proof";
const NATIVE_PLATFORM = "x-cli-lin";
const CHARACTERS_SHOWN = 100;

const secret = sha256(new TextEncoder().encode("chainmote check:sdk"));

function proofOnNode(input: ProofInput): readonly string[] {
  const board = createBoard();
  try {
    const { entropy, store } = board.device;
    store.open({ path: KEYS_DOMAIN, format: "buffer" }).write(SLOT, secret);
    return prove(nobleEngine, new SoftwareKeys({ engine: nobleEngine, entropy, store }), input);
  } finally {
    board.close();
  }
}

/** The program's manifest, once the program is written as an application. */
async function proofManifest(): Promise<string> {
  await mkdir(join(OUTPUT, "program"), { recursive: true });
  for (const name of ["program", "proof"])
    await writeAsApplication(new URL(`program/${name}.ts`, import.meta.url), join(OUTPUT, `program/${name}.ts`));
  return join(REPOSITORY, "test/sdk/program/manifest.json");
}

/** Faults of the SDK's own engine against Node's reference. */
async function checkProof(sdk: Sdk): Promise<{ faults: readonly string[]; lines: readonly string[] }> {
  const built = await configure(sdk, NATIVE_PLATFORM, await proofManifest());
  const said = await make(sdk, built, []);
  const faults = [...complaints(built.said), ...complaints(said)];
  const input = proofInput(toHex(sha256(secret)));
  const expected = proofOnNode(input);
  const program = join(built.output, "bin/lin/release", PROGRAM);
  const { code, stdout, all } = await run(program, [toHex(secret), JSON.stringify(input)], { cwd: built.folder, env: sdk.env });
  if (code !== 0) return { faults: [...faults, `${PROGRAM} ended with ${code}: ${all.trim()}`], lines: [] };
  const answered = stdout.trimEnd().split("\n");
  for (let i = 0; i < Math.max(expected.length, answered.length); i += 1)
    if (answered[i] !== expected[i])
      faults.push(`line ${i + 1}: the SDK's engine says\n  ${answered[i]}\nand Node\n  ${expected[i]}`);
  const shown = expected.map((line) => (line.length > CHARACTERS_SHOWN ? `${line.slice(0, CHARACTERS_SHOWN)}…` : line));
  return { faults, lines: [`${answered.length} lines, byte for byte those of Node:`, ...shown] };
}

async function check(sdk: Sdk): Promise<number> {
  console.log(`Moddable SDK ${sdk.version}`);
  await writeBenchInputs();
  const toolchain = await findToolchain("rv32");
  const compiler = !("missing" in toolchain);
  if (!compiler) console.log(`skipped: sizes, and our C (${toolchain.missing})`);
  const found = await findIdf(sdk);
  const idf = "missing" in found ? undefined : found;
  if ("missing" in found) console.log(`skipped: ESP-IDF's view of the options, and C that needs its headers (${found.missing})`);
  const tools = { compiler, idf };
  const images = IMAGES.map(({ name }) => name);
  const chosen = chosenSteps({ images, boards: BOARD_NAMES, others: [NATIVE_PLATFORM] }, process.argv.slice(2));
  const stepOf = (name: string): ReturnType<typeof checkProof> => {
    const [of, board] = name.split("/");
    const image = IMAGES.find((image) => image.name === of);
    return image === undefined || board === undefined ? checkProof(sdk) : linkBoard(sdk, board, image, tools);
  };
  let done = 0;
  let failed = 0;
  for (const name of chosen) {
    done += 1;
    const from = Date.now();
    const { faults, lines } = await stepOf(name).catch((error: Error) => ({ faults: [error.message], lines: [] }));
    if (faults.length > 0) failed += 1;
    console.log(`${faults.length === 0 ? "ok  " : "FAIL"} ${name}  ${((Date.now() - from) / 1000).toFixed(0)} s`);
    for (const line of [...lines, ...faults]) console.log(line.replace(/^/gm, "     "));
  }
  console.log(`\n${done - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

const sdk = await findSdk();
const fault = await libraryFault();
if ("missing" in sdk) console.log(`skipped: ${sdk.missing} (docs/boards.md says how to build one)`);
else if (fault !== undefined) console.log(`skipped: ${fault}`);
else process.exitCode = await check(sdk);
