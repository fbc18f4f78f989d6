// The verbs of the `chainmote` command.
//
// Promises: bad input to any of them is one clear line on stderr and a non-zero exit (2 for a mistake in the command
// line, 1 for everything else), never a stack trace. Commands are loaded when they are asked for.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BUILT, REPOSITORY } from "../host-sim/place.js";
import { withoutSecrets } from "./public-url.js";
import { CommandError, NO_COLOR_OPTION, type Output, plainText, terminalOutput, UsageError } from "./terminal.js";

/** EX_SOFTWARE of sysexits.h. */
const EXIT_INTERNAL = 70;

interface Command {
  readonly usage: string;
  /** @throws UsageError where a word is none of the command's */
  read(words: readonly string[]): unknown;
  run(words: readonly string[], output: Output): Promise<number>;
}

const VERBS: Readonly<Record<string, readonly [summary: string, load: () => Promise<Command>]>> = {
  start: ["the whole system on this machine: node, broker, relay, collector, boards", () => import("./commands/start.js")],
  board: ["one simulated mote by itself, against your broker, relay and collector", () => import("./commands/board.js")],
  provision: ["gives a board on a serial port its configuration, and shows who it is", () => import("./commands/provision.js")],
  verify: ["checks a file of records without any network", () => import("./commands/verify.js")],
  inspect: ["prints records readably", () => import("./commands/inspect.js")],
  journal: ["reads the journal in a raw flash image", () => import("./commands/journal.js")],
  collect: ["verifies and stores records, or exports those stored", () => import("./commands/collect.js")],
  export: ["prints the values of stored records as SenML, CSV or JSON lines", () => import("./commands/export.js")],
  relay: ["carries headers from an Ethereum or a Bitcoin node to motes", () => import("./commands/relay.js")],
  command: ["sends a mote a signed command, and waits for its signed answer", () => import("./commands/command.js")],
  release: ["signs an image for a fleet, publishes it, and serves it to the motes", () => import("./commands/release.js")],
  tx: ["has a simulated mote send one transaction, and waits for its proven end", () => import("./commands/tx.js")],
  headers: ["verifies a chain's headers as a mote does, and exports checkpoints", () => import("./commands/headers.js")],
  broker: ["a local MQTT broker", () => import("./commands/broker.js")],
  node: ["a local node: Ethereum's Clique, or Bitcoin's regtest", () => import("./commands/node.js")],
  bench: ["what the firmware's work costs, here or on a board (in a clone)", bench],
  native: ["brings the C sources of the native engine, for --engine xs and boards", () => import("./commands/native.js")],
  build: ["an image for a board, by the Moddable SDK and ESP-IDF", () => import("./commands/build.js")],
  flash: ["writes images to the board on a serial port", () => import("./commands/flash.js")],
  monitor: ["shows what the board on a serial port says, readably", () => import("./commands/monitor.js")],
  run: ["an image in Espressif's QEMU, without a board", () => import("./commands/run.js")],
  new: ["writes an application of one's own: sensor, configuration, test", () => import("./commands/new.js")],
  doctor: ["says what is installed, and what is missing for which use", () => import("./commands/doctor.js")],
};

/** It measures beside other libraries, by the tests' own cases: the package holds neither. */
function bench(): Promise<Command> {
  if (BUILT) throw new CommandError("measurements are made in a clone of the project, with npm run bench");
  const module: string = "./commands/bench.js";
  return import(module);
}

/** Runs one command line and answers its exit code; every failure has been told then. */
export async function main(words: readonly string[], output: Output = terminalOutput(words)): Promise<number> {
  const [verb, ...rest] = words.filter((word) => word !== NO_COLOR_OPTION);
  const name = verb !== undefined && Object.hasOwn(VERBS, verb) ? `chainmote ${verb}` : "chainmote";
  const tell = (error: unknown): void => {
    const text = plainText(withoutSecrets(error instanceof Error ? error.message : String(error)), 1000);
    output.error(`${name}: ${text}${error instanceof UsageError ? ` (see ${name} --help)` : ""}`);
  };
  // A mistake of ours outside the command's own course: still one line, and an exit code that says so. A lock of this process
  // is free with its end, and what it started ends with it.
  const uncaught = (error: unknown): void => {
    tell(
      error instanceof CommandError
        ? error
        : `a fault of this program: ${error instanceof Error ? error.message : String(error)}`,
    );
    process.exit(EXIT_INTERNAL);
  };
  process.on("uncaughtException", uncaught);
  process.on("unhandledRejection", uncaught);
  try {
    return await dispatch(verb, rest, output);
  } catch (error) {
    tell(error);
    return error instanceof CommandError ? error.exitCode : 1;
  } finally {
    process.off("uncaughtException", uncaught);
    process.off("unhandledRejection", uncaught);
  }
}

async function dispatch(verb: string | undefined, words: readonly string[], output: Output): Promise<number> {
  if (verb === "--version" || verb === "-v") {
    output.line(version());
    return 0;
  }
  if (verb === undefined || verb === "--help" || verb === "-h" || verb === "help") {
    const about = words[0] === undefined ? undefined : VERBS[words[0]];
    output.line(about === undefined ? overview() : (await about[1]()).usage);
    return verb === undefined ? 2 : 0;
  }
  const entry = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (entry === undefined) throw new UsageError(`there is no command "${plainText(verb, 40)}"`);
  const command = await entry[1]();
  if (words.includes("--help") || words.includes("-h")) {
    output.line(command.usage);
    return 0;
  }
  return command.run(words, output);
}

export function version(): string {
  const { version } = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8")) as { version: string };
  return version;
}

function overview(): string {
  const lines = Object.entries(VERBS).map(([verb, [summary]]) => `  ${verb.padEnd(9)} ${summary}`);
  return [
    "chainmote COMMAND [OPTIONS]",
    "",
    ...lines,
    "",
    "chainmote COMMAND --help says more, with examples; chainmote --version. No colours: --no-color, or NO_COLOR.",
  ].join("\n");
}
