// Looks at a board on a serial port for a report: its ROM first, then its start and what it says, then whether it answers.
//
// Promises: nothing on the board is written; it is reset, twice at the most. What cannot be looked at is a reason in the evidence, and the rest is
// looked at all the same. Ends by itself.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { TABLE_AT } from "../../host-sim/boards.js";
import { boardSilence, ROM_BAUD, RomLink, restartBoard } from "../flash/rom-link.js";
import { readJson } from "../headers/json-file.js";
import { LineReader } from "../monitor/log-decoder.js";
import { BoardLink } from "../provision/board-link.js";
import { type OpenPort, openPort } from "../provision/port.js";
import type { BoardSaid } from "../provision/provisioning.js";
import { withSimulatedBoard } from "../provision/simulated-board.js";
import type { SerialPort } from "../serial/serial-port.js";
import { CommandError } from "../terminal.js";
import type { Evidence } from "./evidence.js";

/** Of Espressif's chips' own USB ports. */
const ESPRESSIF = 0x303a;
const NTP = ":123";
const ASKS = 6;
/** A board that takes its configuration says nothing more by itself. */
const LOOK_MS = 100;

export interface CollectOptions {
  /** Whether the board is reset into its ROM's bootloader. */
  readonly rom: boolean;
  /** How long its log is listened to, unless a record is stored before. */
  readonly listenMs: number;
  /** Resets into the ROM that are tried. */
  readonly attempts?: number;
  /** How often it is asked who it is, over a second and a half each. */
  readonly asks?: number;
  progress(text: string): void;
}

/** Looks at the board on this port, which is not open yet and is closed after it. */
export async function collectFrom(port: SerialPort, seen: Evidence, options: CollectOptions): Promise<void> {
  const { usbVendorId } = port.getInfo();
  seen.port = usbVendorId === undefined ? "unknown" : usbVendorId === ESPRESSIF ? "usb" : "uart";
  if (options.rom) await lookAtRom(port, seen, options);
  await port.open({ baudRate: ROM_BAUD });
  const { readable, writable } = port;
  if (readable === null || writable === null) throw new CommandError("the port has gone: is the board still plugged in?");
  options.progress(port.controlled ? "starting the board anew" : "the port has no control lines: press the board's RESET button");
  await listen({ readable, writable, close: () => port.close() }, seen, options, () => restartBoard(port));
}

/** Listens to a board's port, and asks it who it is. @param isHeard its lines are evidence; else they come another way */
async function listen(
  port: OpenPort,
  seen: Evidence,
  { listenMs, asks = ASKS, progress }: CollectOptions,
  restart: () => Promise<void>,
  isHeard = true,
): Promise<void> {
  const lines = new LineReader();
  let startMs = Date.now();
  const tap = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      for (const line of isHeard ? lines.push(bytes) : []) seen.take(line, Date.now() - startMs);
      controller.enqueue(bytes);
    },
  });
  const link = new BoardLink({ ...port, readable: port.readable.pipeThrough(tap) }, () => undefined);
  let isAsked = false;
  try {
    startMs = Date.now();
    await restart();
    progress(`listening for up to ${Math.round(listenMs / 1000)} s`);
    void link
      .hello(asks)
      .then((said) => seen.tookHello(said as unknown as BoardSaid))
      .catch(() => {
        seen.provisioning = { why: "nothing answered: a board that has its configuration listens to nobody" };
      })
      .finally(() => {
        isAsked = true;
      });
    let isGone = false;
    void link.gone.then(() => {
      isGone = true;
    });
    const isDone = (): boolean => isAsked && (seen.count("stored") > 0 || "configured" in seen.provisioning);
    while (!isGone && !isDone() && Date.now() - startMs < listenMs) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  } finally {
    await link.close();
  }
}

async function lookAtRom(port: SerialPort, seen: Evidence, { attempts, progress }: CollectOptions): Promise<void> {
  progress("looking at the ROM");
  try {
    await Promise.race([askRom(port, seen, attempts), port.lost.then((why) => Promise.reject(new CommandError(why)))]);
  } catch (error) {
    seen.rom = { why: error instanceof CommandError ? error.message : boardSilence(error as Error) };
  } finally {
    await port.close();
  }
}

async function askRom(port: SerialPort, seen: Evidence, attempts?: number): Promise<void> {
  const rom = await RomLink.over(port, ROM_BAUD, attempts);
  await rom.connect();
  const { facts } = rom;
  if (facts === undefined) throw new CommandError("this chip is none of chainmote's");
  if (rom.loader.secureDownloadMode) throw new CommandError("its download mode is locked (secure download)");
  const chip = rom.loader.chip.CHIP_NAME;
  const found = { chip, mac: await rom.mac(), flashBytes: await rom.flashBytes(facts), security: await rom.security(facts) };
  seen.tookRom(found, undefined);
  if (found.security.flashEncryption !== "off") return;
  // The ROM alone cannot read its flash.
  await rom.loader.runStub();
  seen.tookRom(found, await rom.table(TABLE_AT));
}

/** The same of a simulated board, whose folder has been used before or is new. */
export async function collectSimulated(folder: string, seen: Evidence, options: CollectOptions): Promise<void> {
  seen.rom = { why: "a simulated board has no ROM" };
  const startMs = Date.now();
  const file = join(folder, "board.json");
  const { network: before = {} } = (existsSync(file) ? readJson(file) : {}) as { network?: Record<string, string> };
  // Where its names led to; its time server is another one each time.
  const network = (sntp: string) =>
    Object.fromEntries(Object.entries(before).map(([name, to]) => [name, name.endsWith(NTP) ? sntp : to]));
  const work = async (path: string): Promise<number> => {
    // Its lines are taken from its process: the first ones come before the cable is in.
    await listen(await openPort(path), seen, options, () => Promise.resolve(), false);
    return 0;
  };
  await withSimulatedBoard(folder, network, work, (event) => seen.told(event, Date.now() - startMs));
}
