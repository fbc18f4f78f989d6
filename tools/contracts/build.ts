// `npm run build:contracts`: compiles the contracts and writes what `npm start` deploys into artifacts/.

import { mkdirSync, writeFileSync } from "node:fs";
import { artifactFile } from "./artifacts.js";
import { artifactText, compileContracts } from "./compile.js";

for (const [name, compiled] of Object.entries(compileContracts())) {
  const file = artifactFile(name);
  mkdirSync(new URL(".", file), { recursive: true });
  writeFileSync(file, artifactText(compiled));
  console.log(`${name}: ${compiled.deployed.length / 2} bytes`);
}
