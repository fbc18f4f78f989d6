// chainmote monitor: what a board says on its serial port, readably: records, heads, why it began anew, where it crashed.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { restartBoard } from "../flash/rom-link.js";
import { IMAGES_FILE, readImageFolder } from "../image/image-folder.js";
import { isShown, LEVELS, type Level, LogDecoder, type LogLine } from "../monitor/log-decoder.js";
import { Symbols } from "../monitor/symbols.js";
import { readWords, type Words } from "../options.js";
import { findPort, type SerialPort } from "../serial/serial-port.js";
import { CommandError, type Output, plainText, UsageError } from "../terminal.js";
import { applicationIn } from "./build.js";

const BAUD = 115_200;
const BAUD_MAX = 3_000_000;
const BACK_LOOK_MS = 300;
const STORED_MAX = 1_000_000;

export const usage = `chainmote monitor [IMAGES | BOARD] [--port PORT] [--level error|warn|info|debug] [--reset] [--stored N] [--json]

Shows what the board on a serial port says, until Ctrl-C; a board that is unplugged is waited for. Where the ELF of its image is there (a
folder of images, or a board that was built), the addresses of a crash are shown as functions and lines.

  --port PORT    /dev/ttyUSB0, …; without it the only board that is plugged in
  --level L      the least that is shown: error, warn, info (default) or debug, which is all that comes
  --app DIR      where BOARD was built (default: this folder)
  --elf FILE     the ELF of what runs there, where it lies elsewhere
  --reset        starts the board anew first, to see it begin
  --stored N     ends with code 0 once N records are stored
  --baud N       default ${BAUD}
  --json         an object a line, of every level that --level shows

Examples:
  chainmote monitor esp32c3 --app my-mote --reset
  chainmote monitor --port /dev/ttyUSB0 --level debug`;

export function read(words: readonly string[]): Words {
  return readWords(
    words,
    {
      port: { type: "string" },
      level: { type: "string" },
      elf: { type: "string" },
      app: { type: "string" },
      baud: { type: "string" },
      stored: { type: "string" },
      reset: { type: "boolean" },
      json: { type: "boolean" },
    },
    1,
  );
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const level = levelOf(options);
  const screen = new MonitorScreen(output, level, options.has("json"), await symbolsOf(options, output));
  const stored = options.number("stored", 1, STORED_MAX) ?? Number.POSITIVE_INFINITY;
  const baudRate = options.number("baud", 300, BAUD_MAX) ?? BAUD;
  for (let first = true; ; first = false) {
    const port = await findPort(options.text("port"));
    await port.open({ baudRate });
    if (first && options.has("reset")) await restart(port, output);
    output.error(`${port.path}, ${baudRate} baud; Ctrl-C ends`);
    if (await readPort(port, screen, stored)) return 0;
    output.error(`chainmote monitor: ${plainText(port.path, 100)} has gone; waiting for it`);
    while (!existsSync(port.path)) await new Promise((resolve) => setTimeout(resolve, BACK_LOOK_MS));
  }
}

export function levelOf(options: Words): Level {
  const level = options.text("level") ?? "info";
  if ((LEVELS as readonly string[]).includes(level)) return level as Level;
  throw new UsageError(`--level takes ${LEVELS.join(", ")}, not "${plainText(level, 40)}"`);
}

/** Those of the ELF that was named, or lies beside the images. */
async function symbolsOf(options: Words, output: Output): Promise<Symbols | undefined> {
  const [what] = options.others;
  const elf = options.text("elf") ?? (what === undefined ? undefined : elfOf(what, options.text("app") ?? "."));
  if (elf === undefined) return undefined;
  const symbols = await Symbols.open(elf);
  if (symbols instanceof Symbols) return symbols;
  output.error(`chainmote monitor: ${symbols.missing}`);
  return undefined;
}

function elfOf(what: string, app: string): string | undefined {
  const folder = existsSync(join(what, IMAGES_FILE)) ? what : join(applicationIn(app).folder, "build/boards", `${what}-dev`);
  return readImageFolder(folder).elf;
}

async function restart(port: SerialPort, output: Output): Promise<void> {
  await restartBoard(port);
  if (!port.controlled) output.error("chainmote monitor: this port has no control lines: press the board's RESET button");
}

/** True once so many records are stored; false where the port has gone. */
async function readPort(port: SerialPort, screen: MonitorScreen, stored: number): Promise<boolean> {
  const decoder = new LogDecoder();
  const reader = port.readable?.getReader();
  if (reader === undefined) return false;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return false;
      for (const line of decoder.push(value)) await screen.show(line);
      if (screen.stored >= stored) return true;
    }
  } catch (error) {
    if (error instanceof CommandError) return false; // the port has gone
    throw error;
  } finally {
    reader.releaseLock();
    await port.close();
  }
}

const WORD_WIDTH = 10;

export class MonitorScreen {
  readonly #output: Output;
  readonly #level: Level;
  readonly #json: boolean;
  readonly #symbols: Symbols | undefined;
  readonly #beganMs = performance.now();
  readonly #stored = new Set<number>();

  constructor(output: Output, level: Level, json: boolean, symbols: Symbols | undefined) {
    this.#output = output;
    this.#level = level;
    this.#json = json;
    this.#symbols = symbols;
  }

  /** Records that the collector has, as the board has proven it. */
  get stored(): number {
    return this.#stored.size;
  }

  async show(line: LogLine): Promise<void> {
    const { level, word, text, style, event, addresses } = line;
    if (event.event === "stored" && typeof event.seq === "number") this.#stored.add(event.seq);
    if (!isShown(level, this.#level)) return;
    const frames = addresses.length > 0 ? ((await this.#symbols?.framesOf(addresses)) ?? []) : [];
    const seconds = (performance.now() - this.#beganMs) / 1000;
    if (this.#json) {
      const t = Math.round(seconds * 1000) / 1000;
      this.#output.line(JSON.stringify({ t, level, ...event, ...(frames.length > 0 ? { frames } : {}) }));
      return;
    }
    const time = this.#output.style("dim", `${seconds.toFixed(1).padStart(6)} s`);
    const padded = word.padEnd(WORD_WIDTH);
    this.#output.line(`${time}  ${style === undefined ? padded : this.#output.style(style, padded)} ${text}`.trimEnd());
    for (const frame of frames) this.#output.line(`${" ".repeat(10)}${" ".repeat(WORD_WIDTH)} ${frame}`);
  }
}
