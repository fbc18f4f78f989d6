// Where the firmware of `chainmote start` runs: on Node, or on the XS engine in a board's memory.
//
// Promises: what cannot be is refused before anything starts, in one line that says what would; an engine is built where it
// is not there yet, and that is shown. Never: a smaller check than was asked for without a word on it.

import { BOARD_NAMES, boardOf, DEFAULT_BOARD } from "../../host-sim/boards.js";
import type { Application } from "../../host-sim/engine/application.js";
import { type GuestEngine, type GuestOptions, guestEngine, type Memory } from "../../host-sim/engine/engines.js";
import type { Crypto } from "../../host-sim/engine/xs-image.js";
import { memoryBytes } from "../../host-sim/xs/presets.js";
import type { Words } from "../options.js";
import { CommandError, count, UsageError } from "../terminal.js";

export type EngineName = "node" | "xs" | "rv32";

/** What the command line asks for. */
export interface EngineWish {
  readonly engine: EngineName;
  readonly memory: Memory;
  readonly crypto: Crypto | "fast";
}

const ENGINES: readonly EngineName[] = ["node", "xs", "rv32"];
const CRYPTOS: readonly (Crypto | "fast")[] = ["native", "noble", "fast"];
/** A build is told of no more often. */
const PROGRESS_MS = 2000;

export function engineWish(options: Words): EngineWish {
  const engine = oneOf(options, "engine", ENGINES) ?? "node";
  const board = oneOf(options, "board", BOARD_NAMES);
  const crypto = oneOf(options, "crypto", CRYPTOS) ?? (engine === "node" ? "fast" : "native");
  if (engine === "node") {
    if (board !== undefined) throw new UsageError("--board needs --engine xs or rv32: on Node there is no board's memory");
    if (crypto === "native")
      throw new UsageError("--crypto native needs --engine xs or rv32: Node cannot call what is native to XS");
    return { engine, memory: "roomy", crypto };
  }
  if (crypto === "fast") throw new UsageError("--crypto fast needs --engine node: XS has libsecp256k1 as native");
  if (crypto === "native") return { engine, memory: board ?? DEFAULT_BOARD, crypto };
  if (board !== undefined) {
    // Tried on all of them by test/xs/board.test.ts.
    const has = count(memoryBytes(boardOf(board).creation));
    throw new UsageError(
      `--crypto noble does not fit the ${has} bytes of an ${board}: its table of multiples is larger; without --board it gets a roomy memory`,
    );
  }
  return { engine, memory: "roomy", crypto };
}

/**
 * The engine, built; undefined for Node.
 * @param say gets a line for people: progress, with the share that is done, and what is not as it was asked for
 * @param stopped whether somebody wants all of it to end: then this throws soon
 * @param firmware in place of the standard mote: an application, or a main module
 */
export async function builtEngine(
  wish: EngineWish,
  say: Say,
  stopped: () => boolean,
  firmware?: Application | string,
): Promise<GuestEngine | undefined> {
  const { engine, memory, crypto } = wish;
  if (engine === "node" || crypto === "fast") return undefined;
  let toldMs = 0;
  const progress: Say = (text, share) => {
    if (stopped()) throw new Error("stopped");
    if (performance.now() - toldMs < PROGRESS_MS) return;
    toldMs = performance.now();
    say(text, share);
  };
  try {
    const options = { memory, crypto, ...(firmware === undefined ? {} : { firmware }) };
    return await preparedEngine(engine === "rv32" ? "rv32" : "m32", options, say, progress);
  } catch (error) {
    throw stopped() ? new CommandError("told to end while the engine was built") : error; // a compiler ends with Ctrl-C as well
  }
}

type Say = (text: string, share?: number) => void;

async function preparedEngine(
  target: "rv32" | "m32",
  options: Omit<GuestOptions, "target">,
  say: Say,
  progress: Say,
): Promise<GuestEngine> {
  let engine = await guestEngine({ target, ...options }, progress);
  if ("missing" in engine && target === "m32") {
    const { missing } = engine;
    engine = await guestEngine({ target: "x64", ...options }, progress);
    if (!("missing" in engine))
      say(`${missing}; the 64-bit engine runs instead, with slots of twice the size in twice the memory`);
  }
  if ("missing" in engine) throw new CommandError(engine.missing);
  return engine;
}

function oneOf<T extends string>(options: Words, name: string, names: readonly T[]): T | undefined {
  const value = options.text(name);
  if (value === undefined || names.includes(value as T)) return value as T | undefined;
  throw new UsageError(`--${name} takes one of ${names.join(", ")}, not "${value}"`);
}
