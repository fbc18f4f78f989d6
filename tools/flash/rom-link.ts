// A board in its ROM's bootloader, by Espressif's esptool-js over a serial port: who it is, what is locked in it, how much flash it has, what lies there.
//
// Promises: whoever cannot be reached is one line that says what to do; a port that goes ends all that waits for it. Never: prints; writes to the
// flash, or burns (flasher.ts does the first).

import { readPartitionTable, type TableEntry } from "../image/partition-table.js";
import { FLASHER, needPackages } from "../optional.js";
import type { SerialPort } from "../serial/serial-port.js";
import { CommandError, plainText } from "../terminal.js";
import { CHIPS, type ChipFacts, type ChipSecurity, securityOf } from "./chips.js";

export interface FoundBoard {
  /** As esptool names it. */
  readonly chip: string;
  /** Six bytes in hexadecimal with colons. */
  readonly mac: string;
  readonly flashBytes: number;
  readonly security: ChipSecurity;
}

/** What of esptool-js is used; it has types of its own that want a browser's. */
export interface Loader {
  readonly chip: { readonly CHIP_NAME: string; readMac(loader: Loader): Promise<string> };
  readonly secureDownloadMode: boolean;
  FLASH_WRITE_SIZE: number;
  connect(mode: string, attempts: number): Promise<void>;
  readReg(address: number): Promise<number>;
  runStub(): Promise<unknown>;
  changeBaud(): Promise<void>;
  detectFlashSize(): Promise<string | undefined>;
  checkCommand(what: string, op: number, data: Uint8Array, check?: number, bytes?: number, timeoutMs?: number): Promise<unknown>;
  readFlash(at: number, bytes: number): Promise<Uint8Array>;
  writeFlash(options: object): Promise<void>;
}
interface Transport {
  readonly device: SerialPort;
  read(timeoutMs: number): Promise<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  trace(message: string): void;
}
interface EsptoolJs {
  readonly ESPLoader: new (options: object) => Loader;
  readonly Transport: new (device: SerialPort) => Transport;
}

export const ROM_BAUD = 115_200;
const ATTEMPTS = 5;
const SPI_ATTACH = 0x0d;
const RESET_MS = 100;
const BOOT_BUTTON = "hold its BOOT button, press and release RESET, let BOOT go, and run this again";
/** Where ESP-IDF puts the table by itself, and motes had it first. */
export const TABLE_AT_FIRST = 0x8000;
const TABLE_BYTES = 0xc00;

export class RomLink {
  readonly loader: Loader;
  readonly #port: SerialPort;
  readonly #attempts: number;

  private constructor(loader: Loader, port: SerialPort, attempts: number) {
    this.loader = loader;
    this.#port = port;
    this.#attempts = attempts;
  }

  /**
   * @param baudRate once esptool's stub runs
   * @param attempts resets that are tried before the board is given up
   */
  static async over(port: SerialPort, baudRate: number, attempts = ATTEMPTS): Promise<RomLink> {
    needPackages([FLASHER]);
    const module: string = FLASHER;
    const tool = (await import(module)) as EsptoolJs;
    const quiet = (): void => undefined;
    const loader = new tool.ESPLoader({
      transport: quietTransport(tool, port),
      ...{ baudrate: baudRate, romBaudrate: ROM_BAUD },
      terminal: { clean: quiet, write: quiet, writeLine: quiet },
    });
    return new RomLink(loader, port, attempts);
  }

  /** @throws CommandError */
  async connect(): Promise<void> {
    try {
      await this.loader.connect("default_reset", this.#attempts);
    } catch (error) {
      if (error instanceof CommandError) throw error;
      if (/unexpected chip/i.test((error as Error).message))
        throw new CommandError("the board has a chip that esptool-js does not know");
      const lines = this.#port.controlled ? "" : "its port has no control lines, so nothing can reset it from here: ";
      throw new CommandError(`no ESP32's bootloader answers on this port: ${lines}${BOOT_BUTTON}`);
    }
  }

  /** Undefined where it is none that we know. */
  get facts(): ChipFacts | undefined {
    return CHIPS[this.loader.chip.CHIP_NAME];
  }

  async security(facts: ChipFacts): Promise<ChipSecurity> {
    return await securityOf(facts, (address) => this.loader.readReg(address));
  }

  async mac(): Promise<string> {
    return (await this.loader.chip.readMac(this.loader)).toLowerCase();
  }

  /** Attaches the flash, and asks how much there is of it. */
  async flashBytes(facts: ChipFacts): Promise<number> {
    // esptool-js sends one word; each ROM wants a second one.
    await this.loader.checkCommand("attach the flash", SPI_ATTACH, words(0, 0));
    const text = await this.loader.detectFlashSize();
    const found = /^(\d+)(KB|MB)$/.exec(text ?? "");
    if (found === null)
      throw new CommandError(`the flash chip of this ${facts.target} does not answer, or is none that esptool-js knows`);
    return Number(found[1]) * (found[2] === "KB" ? 1 << 10 : 1 << 20);
  }

  /** The partition table at that place, undefined where there is none or no whole one; the stub has to run. */
  async table(at: number): Promise<readonly TableEntry[] | undefined> {
    const bytes = await this.loader.readFlash(at, TABLE_BYTES);
    try {
      return readPartitionTable(bytes);
    } catch {
      return undefined;
    }
  }
}

/** Starts the board anew by the port's control lines; without them somebody has to press its RESET button. */
export async function restartBoard(port: SerialPort): Promise<void> {
  await port.setSignals({ dataTerminalReady: false, requestToSend: true });
  await new Promise((resolve) => setTimeout(resolve, RESET_MS));
  await port.setSignals({ requestToSend: false });
}

/** What esptool-js has thrown, in words. */
export function boardSilence(error: Error): string {
  const { message } = error;
  if (/serial data|no serial|packet|timeout/i.test(message)) return "the board stopped answering";
  return `the board's bootloader: ${plainText(message, 200)}`;
}

export function words(...values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, 4 * i);
  return new Uint8Array(bytes);
}

/** esptool-js's transport without its prints, that ends with the port. */
function quietTransport({ Transport }: EsptoolJs, port: SerialPort): Transport {
  const lost = port.lost.then((why) => Promise.reject(new CommandError(why)));
  lost.catch(() => undefined);
  class Quiet extends Transport {
    override trace(): void {}
    override async read(timeoutMs: number): Promise<Uint8Array> {
      return Promise.race([super.read(timeoutMs), lost]);
    }
    override async write(bytes: Uint8Array): Promise<void> {
      if (this.device.writable === null) throw new CommandError("the port is closed");
      await super.write(bytes);
    }
  }
  return new Quiet(port);
}
