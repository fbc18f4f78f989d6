// Packages that only some commands need, and that an installation of this package may be without.
//
// Promises: what is missing is one line with the command that brings all of it, before anything is started.

import { installLine, missingPackages } from "../host-sim/packages.js";
import { CommandError } from "./terminal.js";

export const ETHEREUM_NODE = "@ethereumjs/client";
export const BITCOIN_NODE = "bcoin";
export const STORE = "@electric-sql/pglite";
export const POSTGRES = "pg";
export const SERIAL_PORT = "serialport";
export const FLASHER = "esptool-js";
export const WEB_FLASHER = "esp-web-tools";

/** @throws CommandError where one of them is not installed */
export function needPackages(names: readonly string[], line = installLine): void {
  const missing = missingPackages(names);
  if (missing.length === 0) return;
  const are = missing.length === 1 ? "is not installed" : "are not installed";
  throw new CommandError(`${missing.join(" and ")} ${are}, which this needs: ${line(missing)}`);
}
