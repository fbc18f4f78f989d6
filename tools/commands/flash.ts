// chainmote flash: writes a folder of images to the board on a serial port, without SDK and without ESP-IDF.

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { BOARDS, type BoardKind } from "../../host-sim/boards.js";
import { burnsOf } from "../boards/burns.js";
import { type FlashOptions, flashBoard } from "../flash/flasher.js";
import { burnNvsKey, needEspefuse } from "../flash/nvs-key.js";
import type { FoundBoard } from "../flash/rom-link.js";
import { IMAGES_FILE, type ImageFolder, readImageFolder } from "../image/image-folder.js";
import { FLASHER, needPackages, SERIAL_PORT } from "../optional.js";
import { readWords, type Words } from "../options.js";
import { Progress } from "../progress.js";
import { findPort } from "../serial/serial-port.js";
import { CommandError, type Output, plainText, UsageError } from "../terminal.js";
import { applicationIn, profileOf } from "./build.js";

const BAUD = 460_800;
const BAUD_MAX = 3_000_000;

export const usage = `chainmote flash [IMAGES | BOARD] [--port PORT] [--profile dev|production] [--app DIR] [--no-stub] [--json]

Writes images to the board on a serial port: bootloader, partition table and firmware, each where it belongs, read back by its MD5, the
bootloader last. A mote's key and journal are not touched; what another firmware has left where NVS lies is erased. It needs no SDK and no ESP-IDF, only the packages serialport and esptool-js.

  IMAGES         a folder with images.json, as chainmote build writes it; or
  BOARD          a board that was built below --app (default: this folder)
  --port PORT    /dev/ttyUSB0, /dev/ttyACM0, COM3, …; without it the only board that is plugged in
  --profile P    that of the images; production asks for the board's MAC, and burns eFuses of it for ever at its first start
  --baud N       while esptool's stub runs (default ${BAUD})
  --no-stub      by the chip's ROM alone, at 115,200 baud: slower, where the stub does not start
  --repartition  also where a mote lives on the board whose key and records these images would not find again
  --json         the result as one object

Nothing is written where the board has another chip, a smaller flash, encrypted flash, or where an image would lie at a wrong place.
Whatever fails says what is on the board then.

Examples:
  chainmote flash esp32c3 --port /dev/ttyACM0
  chainmote flash build/boards/esp32c3-dev --no-stub`;

export function read(words: readonly string[]): Words {
  return readWords(
    words,
    {
      port: { type: "string" },
      profile: { type: "string" },
      app: { type: "string" },
      baud: { type: "string" },
      "no-stub": { type: "boolean" },
      repartition: { type: "boolean" },
      json: { type: "boolean" },
    },
    1,
  );
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const [what] = options.others;
  if (what === undefined) throw new UsageError("the folder of images is missing, or the board's name");
  const profile = profileOf(options);
  const images = readImageFolder(folderOf(what, profile, options.text("app") ?? "."));
  if (images.profile !== profile)
    throw new CommandError(`these images are of the profile ${images.profile}: say --profile ${images.profile}`);
  needPackages([SERIAL_PORT, FLASHER]);
  const json = options.has("json");
  const port = await findPort(options.text("port"));
  const baudRate = options.number("baud", 9_600, BAUD_MAX) ?? BAUD;
  const bar = new Progress("chainmote flash");
  const asked: FlashOptions = {
    ...{
      port,
      images,
      baudRate,
      stub: !options.has("no-stub"),
      repartition: options.has("repartition"),
      progress: teller(json, output, bar),
    },
    ...(profile === "production"
      ? {
          confirm: (board: FoundBoard) => askMac(board, images, output),
          burnKey: (board: FoundBoard) => burnKey(board, images, port.path, output),
        }
      : {}),
  };
  const { chip, mac, parts, restarted } = await flashBoard(asked).finally(() => bar.clear());
  if (json) output.line(JSON.stringify({ ok: true, port: port.path, board: images.board, chip, mac, parts, restarted }));
  else output.line(restarted ? "done: it starts now (chainmote monitor)" : "done: press its RESET button (chainmote monitor)");
  return 0;
}

function folderOf(what: string, profile: string, app: string): string {
  if (existsSync(join(what, IMAGES_FILE)) || statSync(what, { throwIfNoEntry: false })?.isDirectory() === true) return what;
  if (!/^[a-z0-9_]+$/.test(what)) throw new CommandError(`there is no folder ${plainText(what, 200)}`);
  const folder = join(applicationIn(app).folder, "build/boards", `${what}-${profile}`);
  if (!existsSync(folder)) throw new CommandError(`${what} is not built with the profile ${profile}: chainmote build ${what}`);
  return folder;
}

const PERCENT_STEP = 10;

/** A line for each thing that begins, and where a part takes long, a bar on a terminal, a line for each tenth of it elsewhere. */
function teller(json: boolean, output: Output, bar: Progress): FlashOptions["progress"] {
  let shown = "";
  return (text, part) => {
    if (bar.isSeen && part !== undefined && part.written > 0 && part.written < part.bytes) {
      bar.step(text, part.written / part.bytes);
      return;
    }
    bar.clear();
    const percent = part === undefined ? undefined : Math.floor((100 * part.written) / part.bytes / PERCENT_STEP) * PERCENT_STEP;
    const line = percent === undefined ? text : `${text.padEnd(20)} ${String(percent).padStart(3)} %`;
    if (line === shown) return;
    shown = line;
    const whole = part === undefined || percent === 0 || percent === 100 || part.bytes > LONG_BYTES;
    if (whole) (json ? output.error : output.line)(line);
  };
}

const LONG_BYTES = 100_000;

/** Somebody has to mean this very board. */
async function askMac({ chip, mac, security }: FoundBoard, images: ImageFolder, output: Output): Promise<void> {
  if (!security.nvsKey) await needEspefuse();
  const kind = BOARDS.find((board) => board.chip.name === images.chip) as BoardKind;
  output.error(`${images.board}, profile production: into the eFuses of this ${chip} is burnt, for ever:`);
  for (const { what, by, after } of burnsOf(kind)) output.error(`  - ${what}, by ${by}; impossible from then on: ${after}`);
  output.error(`type the board's MAC address to go on (${mac}):`);
  const typed = await typedLine();
  if (typed.trim().toLowerCase() !== mac) throw new CommandError(`"${plainText(typed, 40)}" is not this board's MAC address`);
}

/** On chips whose key for NVS lies in an eFuse: before the first start, which closes them. */
async function burnKey({ mac }: FoundBoard, { chip }: ImageFolder, path: string, output: Output): Promise<void> {
  output.error(`${mac}: burning the key for its NVS (espefuse)`);
  await burnNvsKey(chip, path);
}

function typedLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  return new Promise((resolve) => {
    lines.once("line", (line) => {
      resolve(line);
      lines.close();
    });
    lines.once("close", () => resolve(""));
  });
}
