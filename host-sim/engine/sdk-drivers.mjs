// The Moddable SDK's own sensor drivers, for an application on a simulated board: `embedded:sensor/…`, and `embedded:io/smbus`, which some work
// over. They are read where the SDK is (MODDABLE), by the drivers' manifests, and stay as they are; `crc`, C on a board, is sdk-crc.mjs.
//
// Never: loads any other module of the SDK; what a driver needs besides (timer, I²C, pins) are the simulated board's own.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const OF_DRIVERS = /^embedded:(sensor\/|io\/smbus$)/;

/** Whether a module of this name is the SDK's to bring. @param {string} specifier */
export function isDriver(specifier) {
  return OF_DRIVERS.test(specifier);
}

/**
 * Specifier → file, absolute; empty where MODDABLE names no SDK.
 * @returns {Record<string, string>}
 */
export function sdkDrivers() {
  const sdk = process.env.MODDABLE ?? "";
  const folder = join(sdk, "modules", "drivers", "sensors");
  if (sdk === "" || !existsSync(folder)) return {};
  /** @type {Record<string, string>} */
  const files = { "embedded:io/smbus": join(sdk, "modules", "io", "i2c", "smbus.js"), crc };
  for (const name of readdirSync(folder)) {
    const manifest = join(folder, name, "manifest.json");
    if (!existsSync(manifest)) continue;
    for (const [specifier, path] of Object.entries(modulesOf(manifest)))
      if (isDriver(specifier) && typeof path === "string")
        files[specifier] = `${path
          .replace("$(MODDABLE)", sdk)
          .replace("$(MODULES)", join(sdk, "modules"))
          .replace(/^\.\//, `${join(folder, name)}/`)}.js`;
  }
  return files;
}

/** What a person can do where a driver is not found. @param {string} specifier */
export function missingDriver(specifier) {
  return process.env.MODDABLE === undefined
    ? `${specifier} is a driver of the Moddable SDK: MODDABLE=/path/to/moddable names its folder`
    : `${specifier}: the Moddable SDK in MODDABLE (${process.env.MODDABLE}) has no such driver in modules/drivers/sensors`;
}

const crc = fileURLToPath(new URL("./sdk-crc.mjs", import.meta.url));

/** @param {string} manifest */
function modulesOf(manifest) {
  return JSON.parse(readFileSync(manifest, "utf8")).modules ?? {};
}
