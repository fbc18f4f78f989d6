// Writes what the bench firmware of a board carries as its module `bench/inputs`, and its cases as an application of the library, and says how to build it:
// `npm run bench:firmware`.

import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { writeAsApplication } from "../sdk/application.js";
import { benchInputs } from "./inputs.js";

const FOLDER = fileURLToPath(new URL("../../build/bench/", import.meta.url));

const MODULES = ["bft-cases", "bitcoin-case", "board-main", "cases", "ledger-cases", "proof-case"];

export async function writeBenchInputs(): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  for (const name of MODULES) await writeAsApplication(new URL(`${name}.ts`, import.meta.url), `${FOLDER}${name}.ts`);
  // XS freezes deeply where it is asked to: what is preloaded must not change.
  const source = `const frozen = Object as unknown as { freeze(value: unknown, deep: boolean): unknown };
export default frozen.freeze(${JSON.stringify(benchInputs())}, true);
`;
  await writeFile(`${FOLDER}inputs.ts`, source);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await writeBenchInputs();
  console.log("written: build/bench/inputs.ts");
  console.log("build:   mcconfig -m -p esp32/esp32c3 test/bench/firmware/manifest.json");
  console.log("read:    npx chainmote bench --port /dev/ttyUSB0");
}
