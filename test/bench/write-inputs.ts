// Writes what the bench firmware of a board carries as its module `bench/inputs`, and says how to build it:
// `npm run bench:firmware`.

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { benchInputs } from "./inputs.js";

const FOLDER = fileURLToPath(new URL("../../build/bench/", import.meta.url));

mkdirSync(FOLDER, { recursive: true });
// XS freezes deeply where it is asked to: what is preloaded must not change.
const source = `const frozen = Object as unknown as { freeze(value: unknown, deep: boolean): unknown };
export default frozen.freeze(${JSON.stringify(benchInputs())}, true);
`;
writeFileSync(`${FOLDER}inputs.ts`, source);
console.log("written: build/bench/inputs.ts");
console.log("build:   mcconfig -m -p esp32/esp32c3 test/bench/firmware/manifest.json");
console.log("read:    npx chainmote bench --port /dev/ttyUSB0");
