// chainmote run: an image in Espressif's QEMU, without a board.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { EMULATED, findQemu, prepareEmulator, runEmulator } from "../emulator/emulator.js";
import { LogDecoder } from "../monitor/log-decoder.js";
import { Symbols } from "../monitor/symbols.js";
import { readWords, type Words } from "../options.js";
import { type BoardBuild, collectImages, forgetLinked, mcconfigCommand, runCommand, shownCommand } from "../sdk/board-build.js";
import { EMULATOR_MANIFESTS, targetNamed } from "../sdk/target.js";
import { CommandError, type Output, UsageError } from "../terminal.js";
import { applicationIn, toolsOf } from "./build.js";
import { levelOf, MonitorScreen } from "./monitor.js";

const SILENCE_S = 120;
const RESTARTS_MAX = 3;
const STORED_MAX = 1_000_000;

export const usage = `chainmote run --emulator ${Object.keys(EMULATED).join("|")} [--app DIR] [--stored N] [--silence S] [--level L] [--json]

Builds the application for an emulated chip and runs it in Espressif's QEMU: the emulator's Ethernet is its station, an SHT3x answers on its
bus, and its noise is a stand-in whose keys are worth nothing (such a build cannot be one of the profile production). This machine is 10.0.2.2
for it: the broker of its configuration, too. Key and journal stay in its flash from run to run.

  --emulator B   the board: ${Object.keys(EMULATED).join(", ")}
  --app DIR      the application's folder, or its manifest (default: this folder)
  --stored N     ends with code 0 once N records are stored
  --silence S    seconds without a word after which the emulator is started again, at most ${RESTARTS_MAX} times (default ${SILENCE_S})
  --level L      as chainmote monitor has it
  --json         an object a line

It needs the Moddable SDK (MODDABLE), ESP-IDF (IDF_PATH) and Espressif's QEMU (QEMU_ESP32), and says how to get what is not here.

Example:
  chainmote run --emulator esp32c3 --app my-mote --stored 3`;

export function read(words: readonly string[]): Words {
  return readWords(words, {
    emulator: { type: "string" },
    app: { type: "string" },
    stored: { type: "string" },
    silence: { type: "string" },
    level: { type: "string" },
    json: { type: "boolean" },
  });
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const name = options.text("emulator");
  if (name === undefined) throw new UsageError(`--emulator is missing: ${Object.keys(EMULATED).join(", ")}`);
  if (EMULATED[name] === undefined) throw new UsageError(`there is no emulated "${name}": ${Object.keys(EMULATED).join(", ")}`);
  const level = levelOf(options);
  const stored = options.number("stored", 1, STORED_MAX) ?? Number.POSITIVE_INFINITY;
  const silenceMs = (options.number("silence", 1, 86_400) ?? SILENCE_S) * 1_000;
  const application = applicationIn(options.text("app") ?? ".");
  const qemu = findQemu(name);
  if (typeof qemu !== "string") output.error(`chainmote run: ${qemu.missing}`);
  const tools = await toolsOf(application.folder, "run", output);
  if (typeof qemu !== "string") throw new CommandError("without it nothing can be run");
  const build: BoardBuild = {
    ...{ target: targetNamed(name, tools.moddable), ...application, profile: "dev", debug: false },
    ...{ into: join(application.folder, "build/emulator", name), more: EMULATOR_MANIFESTS },
  };
  mkdirSync(build.into, { recursive: true });
  const command = mcconfigCommand(build, tools);
  output.error(shownCommand(command));
  forgetLinked(build);
  await runCommand(command, "stderr");
  const images = collectImages(build);
  const symbols = images.elf === undefined ? undefined : await Symbols.open(images.elf);
  const screen = new MonitorScreen(output, level, options.has("json"), symbols instanceof Symbols ? symbols : undefined);
  const decoder = new LogDecoder();
  await runEmulator({
    ...{ program: qemu, words: prepareEmulator(images, build.into), silenceMs, restartsMax: RESTARTS_MAX },
    tell: (text) => output.error(`chainmote run: ${text}`),
    async onBytes(bytes) {
      for (const line of decoder.push(bytes)) await screen.show(line);
      return screen.stored >= stored;
    },
  });
  return 0;
}
