// Which engine a board's firmware runs on, and in how much memory.
//
// Promises: everything that a board's process needs is built and on disk before the first board starts, under names that
// say what is in it, so that boards of one firmware share it and a restart takes no longer than a boot.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { boardOf } from "../boards.js";
import { type BuildProgress, type Built, buildHost } from "../xs/build.js";
import { REPOSITORY } from "../xs/image.js";
import { type Creation, memoryBytes, ROOMY } from "../xs/presets.js";
import type { Missing, Target } from "../xs/toolchain.js";
import type { Application } from "./application.js";
import { type Crypto, type Firmware, gatherFirmware } from "./xs-image.js";

/** A board's name, or `roomy`, which is no board: enough for noble's tables. */
export type Memory = string;

/** The XS engine with a firmware: JSON, for it is handed to a board's process. */
export interface GuestEngine {
  readonly built: Built;
  readonly memory: Memory;
  /** Whether it has as much of it as the mote with the ledger. */
  readonly ledger?: boolean;
  readonly crypto: Crypto;
  /** File of the firmware's modules. */
  readonly modules: string;
}

export interface GuestOptions {
  readonly target: Target;
  readonly memory: Memory;
  readonly crypto?: Crypto;
  /** Main module of the firmware, absolute, or an application; ours where absent. */
  readonly firmware?: string | Application;
}

/** What a board's image is made of: TypeScript, also where we are installed as a package. */
export const FIRMWARE = join(REPOSITORY, "firmware/main.ts");
/** The standard mote with the ledger. */
export const LEDGER_FIRMWARE = join(REPOSITORY, "firmware/main-ledger.ts");
/** The standard mote on Bitcoin, with its anchors. */
export const BITCOIN_FIRMWARE = join(REPOSITORY, "firmware/main-bitcoin.ts");
const CACHE = join(REPOSITORY, "build/xs");

/** Builds what is not there yet; answers what is missing on this machine where it cannot. */
export async function guestEngine(options: GuestOptions, progress?: BuildProgress): Promise<GuestEngine | Missing> {
  const { target, memory, crypto = "native", firmware = FIRMWARE } = options;
  const built = await buildHost(target, progress);
  if ("missing" in built) return built;
  const text = JSON.stringify(await gatherFirmware(firmware, crypto));
  const modules = join(CACHE, `firmware-${createHash("sha256").update(text).digest("hex").slice(0, 24)}.json`);
  if (!existsSync(modules)) {
    mkdirSync(CACHE, { recursive: true });
    writeFileSync(`${modules}.${process.pid}`, text);
    renameSync(`${modules}.${process.pid}`, modules);
  }
  return { built, memory, ledger: firmware === LEDGER_FIRMWARE, crypto, modules };
}

export function firmwareOf(engine: GuestEngine): Firmware {
  return JSON.parse(readFileSync(engine.modules, "utf8")) as Firmware;
}

export function memoryOf(engine: GuestEngine): Creation {
  if (engine.memory === "roomy") return ROOMY;
  const { creation, ledgerCreation } = boardOf(engine.memory);
  return engine.ledger === true ? ledgerCreation : creation;
}

/** All that the engine has for JavaScript; on x64 its slots, and its memory, are twice a board's. */
export function memoryBytesOf(engine: GuestEngine): number {
  return memoryBytes(memoryOf(engine), slotBytesOf(engine));
}

export function slotBytesOf(engine: GuestEngine): number {
  return engine.built.target === "x64" ? 32 : 16;
}

/** As `--engine` names it. */
export function engineName(engine: GuestEngine): "xs" | "rv32" {
  return engine.built.target === "rv32" ? "rv32" : "xs";
}
