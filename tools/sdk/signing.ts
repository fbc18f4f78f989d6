// Signs what a production board starts, by Espressif's own espsecure (secure boot v2: a sector with the signature behind the image).
//
// Promises: a folder is written anew only once every image of it is signed. Never: makes, copies or prints a key.

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ImageFolder, readImageFolder, unsignedPart, writeImagesJson } from "../image/image-folder.js";
import { CommandError, plainText } from "../terminal.js";

const TOOL = "espsecure";
const TOOL_MS_MAX = 60_000;
const SIGNED = ["bootloader", "app"];

/** @throws CommandError where espsecure is not here, or does not take the key */
export async function signImages(images: ImageFolder, key: string, env: NodeJS.ProcessEnv): Promise<ImageFolder> {
  if (!existsSync(key)) throw new CommandError(`--signing-key ${plainText(key, 200)}: there is no such file`);
  const draft = mkdtempSync(join(tmpdir(), "chainmote-signing-"));
  try {
    const parts = [];
    for (const part of images.parts) {
      if (!SIGNED.includes(part.name)) {
        parts.push(part);
        continue;
      }
      const [from, to] = [join(images.folder, part.path), join(draft, part.path)];
      await sign(["sign-data", "--version", "2", "--keyfile", key, "--output", to, from], env);
      parts.push({ ...part, bytes: new Uint8Array(readFileSync(to)) });
    }
    for (const { path, bytes } of parts) writeFileSync(join(images.folder, path), bytes);
    writeImagesJson({ ...images, parts });
    const signed = readImageFolder(images.folder);
    if (unsignedPart(signed) !== undefined) throw new CommandError(`${TOOL} ended well, and signed nothing`);
    return signed;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function sign(words: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(TOOL, words, { env, timeout: TOOL_MS_MAX }, (error, stdout, stderr) => {
      if (error === null) return resolve();
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
      const said = plainText(`${stderr}${stdout}`.trim().split("\n").at(-1) ?? "", 200);
      reject(
        new CommandError(
          missing ? `${TOOL} is not here: source $IDF_PATH/export.sh, or pip install esptool` : `${TOOL}: ${said}`,
        ),
      );
    });
  });
}
