// The key that a production board's NVS is encrypted by, on chips that keep it in an eFuse block (ESP-IDF, "NVS Encryption": HMAC scheme): made
// here, burnt by Espressif's own espefuse, and forgotten.
//
// Promises: 32 bytes of this machine's randomness, in a file for its owner alone that is gone before this returns; burnt with its block read-
// and write-protected. Never: prints, keeps or returns the key. What is burnt cannot be taken back.

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandError, plainText } from "../terminal.js";
import { NVS_KEY_BLOCK } from "./chips.js";

const TOOL = "espefuse";
const TOOL_MS_MAX = 300_000;
const KEY_BYTES = 32;
const PURPOSE = "HMAC_UP";
const OWNER_MODE = 0o600;
const CHARACTERS_SHOWN_MAX = 200;

/** @throws CommandError before anything is burnt where espefuse is not here */
export async function needEspefuse(): Promise<void> {
  if (await ran(["version"])) return;
  throw new CommandError(`${TOOL} is not here, which burns the key for NVS: pip install esptool, or source $IDF_PATH/export.sh`);
}

/** @param chip as ESP-IDF names it; @param path of the port, which nobody has open */
export async function burnNvsKey(chip: string, path: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "chainmote-key-"));
  try {
    const file = join(folder, "key");
    writeFileSync(file, randomBytes(KEY_BYTES), { mode: OWNER_MODE });
    const words = ["--chip", chip, "--port", path, "--do-not-confirm", "burn-key", NVS_KEY_BLOCK, file, PURPOSE];
    const { code, said } = await output(words);
    if (code !== 0) throw new CommandError(`${TOOL} did not burn the key for NVS: ${lastLine(said)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ran(words: readonly string[]): Promise<boolean> {
  return (await output(words)).code === 0;
}

function output(words: readonly string[]): Promise<{ readonly code: number; readonly said: string }> {
  return new Promise((resolve) => {
    execFile(TOOL, words, { timeout: TOOL_MS_MAX }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, said: `${stdout}\n${stderr}` }),
    );
  });
}

function lastLine(said: string): string {
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  return plainText(lines.at(-1) ?? "it said nothing", CHARACTERS_SHOWN_MAX);
}
