// A Moddable SDK and an ESP-IDF as far as chainmote build looks at them: folders, targets, and a mcconfig that notes how it was called and
// leaves what both would leave.

import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import { libraryFault, NATIVE_COMMAND } from "../../../../host-sim/xs/libsecp256k1.js";
import { partsFor } from "./images.js";

export interface FakeSdk {
  readonly env: NodeJS.ProcessEnv;
  /** How mcconfig was called: its words, and variables. */
  readonly calls: string;
}

/** A test of a build: without the native engine's sources nothing is built. */
export const testOfBuild = (await libraryFault()) === undefined ? test : test.skip;
if (testOfBuild === test.skip) console.log(`skipped: the native engine's sources are not here; ${NATIVE_COMMAND} brings them`);

/** Options that a production build comes out with. */
export const LOCKS = ["SECURE_BOOT_V2_ENABLED", "SECURE_FLASH_ENCRYPTION_MODE_RELEASE", "NVS_ENCRYPTION"];

const MCCONFIG = `#!/usr/bin/env node
const fs = require("node:fs"), path = require("node:path");
const words = process.argv.slice(2), of = (name) => words[words.indexOf(name) + 1];
const { MODDABLE, IDF_PATH, SDKCONFIGPATH, FAKE } = process.env;
fs.appendFileSync(path.join(FAKE, "calls"), JSON.stringify({ words, MODDABLE, IDF_PATH, SDKCONFIGPATH }) + "\\n");
console.log("# mcconfig says something");
const faults = fs.existsSync(path.join(FAKE, "faults")) ? fs.readFileSync(path.join(FAKE, "faults"), "utf8") : "";
if (faults === "mcconfig") { console.error("### Error: no such module"); process.exit(1); }
const [, target = ""] = of("-p").split("/");
const chip = /^esp32(c3|c6|s3)?/.exec(target)?.[0] ?? "esp32";
const project = path.join(of("-o"), "tmp/esp32", target, "release", path.basename(path.dirname(words.at(-1))), "xsProj-" + chip);
fs.mkdirSync(path.join(project, "build/bootloader"), { recursive: true });
fs.mkdirSync(path.join(project, "build/partition_table"), { recursive: true });
fs.writeFileSync(path.join(project, "sdkconfig"), fs.readFileSync(path.join(FAKE, "sdkconfig")));
if (faults === "stand-ins") fs.writeFileSync(path.join(project, "../mc.defines.h"), "#define MODDEF_CHAINMOTE_EMULATOR 1\\n");
const files = { bootloader: "bootloader/bootloader.bin", "partition-table": "partition_table/partition-table.bin", otadata: "ota_data_initial.bin", app: "xs_esp32.bin" };
const listed = JSON.parse(fs.readFileSync(path.join(FAKE, chip + ".json"), "utf8"));
const args = { flash_settings: { flash_size: "4MB" }, extra_esptool_args: { chip } };
for (const { name, offset } of listed) {
  // A compiler's error: what is to be flashed was listed before, and what an earlier build linked lies there.
  if (!(faults === "idf" && name === "app")) fs.copyFileSync(path.join(FAKE, chip + "-" + name), path.join(project, "build", files[name]));
  // With secure boot the bootloader is not among what is flashed.
  if (!(name === "bootloader" && faults === "no bootloader listed")) args[name] = { offset: "0x" + offset.toString(16), file: files[name], encrypted: "false" };
}
fs.writeFileSync(path.join(project, "build/xs_esp32.elf"), "no elf");
if (faults !== "no arguments") fs.writeFileSync(path.join(project, "build/flasher_args.json"), JSON.stringify(args));
`;

export function fakeSdk(folder: string): FakeSdk {
  const [sdk, idf] = [join(folder, "moddable"), join(folder, "idf")];
  const bin = join(sdk, "build/bin", process.platform === "darwin" ? "mac" : "lin", "release");
  mkdirSync(bin, { recursive: true });
  for (const tool of ["mcconfig", "xsc", "xsid", "xsl"]) {
    writeFileSync(join(bin, tool), tool === "mcconfig" ? MCCONFIG : "#!/bin/sh\n");
    chmodSync(join(bin, tool), 0o755);
  }
  mkdirSync(join(idf, "tools"), { recursive: true });
  writeFileSync(join(idf, "tools/idf.py"), "");
  const targets: Readonly<Record<string, object>> = {
    esp32c3_cdc: { build: { ESP32_SUBCLASS: "esp32c3", SDKCONFIGPATH: "./sdkconfig" } },
    ethernet_kit: { defines: { ethernet: { internal: {} } } },
    esp32h2: { build: { ESP32_SUBCLASS: "esp32h2" } },
  };
  for (const [name, manifest] of Object.entries(targets)) {
    mkdirSync(join(sdk, "build/devices/esp32/targets", name, "sdkconfig"), { recursive: true });
    writeFileSync(join(sdk, "build/devices/esp32/targets", name, "manifest.json"), JSON.stringify(manifest));
    if (name === "esp32c3_cdc") writeFileSync(join(sdk, "build/devices/esp32/targets", name, "setup-target.js"), "");
    writeFileSync(
      join(sdk, "build/devices/esp32/targets", name, "sdkconfig/sdkconfig.defaults"),
      `CONFIG_OF_${name.toUpperCase()}=y`,
    );
  }
  for (const chip of ["esp32", "esp32c3", "esp32c6", "esp32s3"]) {
    const parts = partsFor(chip);
    for (const { name, bytes } of parts) writeFileSync(join(folder, `${chip}-${name}`), bytes);
    writeFileSync(join(folder, `${chip}.json`), JSON.stringify(parts.map(({ name, offset }) => ({ name, offset }))));
  }
  writeFileSync(join(folder, "sdkconfig"), "");
  return { env: { MODDABLE: sdk, IDF_PATH: idf, FAKE: folder }, calls: join(folder, "calls") };
}
