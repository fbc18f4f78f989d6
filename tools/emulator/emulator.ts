// Espressif's QEMU with an image of ours: its flash, its arguments, and a watchdog over it (ESP-IDF 6.0's `idf.py qemu` starts it the same way).
//
// Promises: the flash keeps key and journal from run to run, as a board's does when it is flashed; an emulator that says nothing for too long is
// ended and started again, a few times, then given up with what it said last; none outlives us. Never run here: QEMU with this image was not at hand.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ImageFolder } from "../image/image-folder.js";
import { CommandError, plainText } from "../terminal.js";

export const EMULATED: Readonly<Record<string, { readonly program: string; readonly machine: string }>> = {
  esp32c3: { program: "qemu-system-riscv32", machine: "esp32c3" },
};
export const DEFAULT_EMULATED = "esp32c3";
const QEMU_GUIDE = "docs.espressif.com/projects/esp-idf/en/stable/esp32c3/api-guides/tools/qemu.html";
const INSTALL = "python $IDF_PATH/tools/idf_tools.py install qemu-riscv32";

const FLASH_FILE = "flash.bin";
const EFUSE_FILE = "efuse.bin";
/** Revision 0.3 of the chip, the least that ESP-IDF 6.0 starts on: one field of block 1 (ESP32-C3's eFuse table, WAFER_VERSION_MINOR). */
const EFUSE_BYTES = 1_024;
const EFUSE_REVISION_AT = 38;
const EFUSE_REVISION = 0x0c;

/** QEMU_ESP32: the program, or the folder that it is in. @returns its path, or what is missing in one line */
export function findQemu(board: string, named = process.env.QEMU_ESP32 ?? ""): string | { readonly missing: string } {
  const emulated = EMULATED[board];
  if (emulated === undefined)
    return { missing: `Espressif's QEMU has no ${plainText(board, 40)}: ${Object.keys(EMULATED).join(", ")}` };
  const how = `${INSTALL}, and QEMU_ESP32 set to where it is (${QEMU_GUIDE})`;
  if (named === "") return { missing: `Espressif's QEMU is not here (QEMU_ESP32 names none): ${how}` };
  const found = statSync(named, { throwIfNoEntry: false });
  const program =
    found?.isDirectory() === true ? [named, join(named, "bin")].map((folder) => join(folder, emulated.program)) : [named];
  const path = program.find((file) => existsSync(file));
  return path ?? { missing: `${plainText(named, 200)} has no ${emulated.program}: ${how}` };
}

/** Writes the flash's parts where they belong; what else is in it stays. @returns QEMU's words */
export function prepareEmulator(images: ImageFolder, into: string): readonly string[] {
  const [flash, efuse] = [join(into, FLASH_FILE), join(into, EFUSE_FILE)];
  const kept = existsSync(flash) && statSync(flash).size === images.flashBytes;
  const bytes = kept ? new Uint8Array(readFileSync(flash)) : new Uint8Array(images.flashBytes).fill(0xff);
  for (const { offset, bytes: part } of images.parts) bytes.set(part, offset);
  writeFileSync(flash, bytes);
  if (!existsSync(efuse)) {
    const fuses = new Uint8Array(EFUSE_BYTES);
    fuses[EFUSE_REVISION_AT] = EFUSE_REVISION;
    writeFileSync(efuse, fuses);
  }
  const { machine } = EMULATED[images.board] as { machine: string };
  const words = ["-M", machine, "-display", "none", "-monitor", "none", "-serial", "stdio"];
  words.push("-drive", `file=${flash},if=mtd,format=raw`, "-drive", `file=${efuse},if=none,format=raw,id=efuse`);
  words.push("-global", `driver=nvram.${machine}.efuse,property=drive,value=efuse`);
  words.push("-global", `driver=timer.${machine}.timg,property=wdt_disable,value=true`);
  return [...words, "-nic", "user,model=open_eth"];
}

export interface EmulatorRun {
  readonly program: string;
  readonly words: readonly string[];
  /** Without a byte for so long, it is started again. */
  readonly silenceMs: number;
  /** How often that, before it is given up. */
  readonly restartsMax: number;
  /** What it says; true ends the run. */
  onBytes(bytes: Uint8Array): Promise<boolean>;
  tell(text: string): void;
}

/** Runs until `onBytes` ends it. @throws CommandError where the emulator ends, or was silent too often */
export async function runEmulator(run: EmulatorRun): Promise<void> {
  for (let restarts = 0; ; restarts += 1) {
    const ended = await once(run);
    if (ended === "done") return;
    if (ended !== "silent") throw new CommandError(`the emulator ended by itself (${ended})`);
    const silent = `the emulator said nothing for ${run.silenceMs / 1000} s`;
    if (restarts >= run.restartsMax) throw new CommandError(`${silent}, ${restarts + 1} times: it is given up`);
    run.tell(`${silent}: it is started again`);
  }
}

async function once({ program, words, silenceMs, onBytes }: EmulatorRun): Promise<string> {
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
  try {
    return await new Promise<string>((resolve, reject) => {
      let watchdog = setTimeout(() => resolve("silent"), silenceMs);
      let turn = Promise.resolve();
      child.on("error", (error) =>
        reject(new CommandError(`${plainText(program, 200)} cannot be run: ${plainText(error.message, 150)}`)),
      );
      child.on("close", (code, signal) => void turn.then(() => resolve(`${code ?? signal}`)));
      child.stdout.on("data", (data: Buffer) => {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => resolve("silent"), silenceMs);
        turn = turn.then(async () => {
          if (await onBytes(new Uint8Array(data))) resolve("done");
        }, reject);
        turn.catch(reject);
      });
    });
  } finally {
    await end(child);
  }
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("close", () => resolve());
    child.kill("SIGKILL");
  });
}
