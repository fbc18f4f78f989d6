// Writes a folder of images to a board through the ROM's bootloader, by Espressif's esptool-js over a serial port.
//
// Promises: nothing is written before chip, locks, size of the flash and each image were found right; what was written is read back by its
// MD5; the bootloader comes last, so that no mixture of old and new starts; whatever fails says what is on the board now. Never: writes
// plaintext to a board whose flash is encrypted; touches the journal, or the NVS of a mote that finds its key there again; resets the board before all is verified.

import { createHash } from "node:crypto";
import { type ImageFolder, type ImagePart, unsignedPart } from "../image/image-folder.js";
import { type TableEntry, TYPE_APP } from "../image/partition-table.js";
import type { SerialPort } from "../serial/serial-port.js";
import { CommandError, count, plainText } from "../terminal.js";
import { CHIPS, type ChipSecurity, chipName, NVS_KEY_BLOCK } from "./chips.js";
import {
  boardSilence,
  type FoundBoard,
  type Loader,
  ROM_BAUD,
  RomLink,
  restartBoard,
  TABLE_AT_FIRST,
  words,
} from "./rom-link.js";

export interface FlashOptions {
  readonly port: SerialPort;
  readonly images: ImageFolder;
  /** Baud rate once esptool's stub runs. */
  readonly baudRate: number;
  /** False: by the ROM alone, which is slower. */
  readonly stub: boolean;
  /** A mote whose key and records lie where these images do not look for them is written all the same. */
  readonly repartition?: boolean;
  /** Resets that are tried before the board is given up. */
  readonly attempts?: number;
  /** Asked once the board is known and before it is written; an error from it ends all. */
  confirm?(board: FoundBoard): Promise<void>;
  /** Burns the key that NVS is encrypted by, with the port closed; absent: a production board without one is refused. */
  burnKey?(board: FoundBoard): Promise<void>;
  /** What goes on; `part` is undefined before the first is written. */
  progress(text: string, part?: { readonly name: string; readonly written: number; readonly bytes: number }): void;
}

export interface Flashed extends FoundBoard {
  readonly parts: readonly string[];
  /** False where the port has no control lines: then somebody has to press the board's reset button. */
  readonly restarted: boolean;
}

/** What a ROM has room for; the stub takes sixteen times that. */
const ROM_BLOCK_BYTES = 0x400;
const SPI_SET_PARAMS = 0x0b;
const SPI_FLASH_MD5 = 0x13;
const MD5_HEX = 32;
const MD5_BYTES = 16;
const MD5_MS_PER_MB = 8_000;
const MD5_MS_MIN = 3_000;
/** What flash chips share: bytes of a block, a sector and a page, and the mask of the status. */
const SPI_GEOMETRY = [0x10000, 0x1000, 0x100, 0xffff];
/** @throws CommandError that says what is on the board */
export async function flashBoard(options: FlashOptions): Promise<Flashed> {
  const { port } = options;
  const work = new Flashing(await RomLink.over(port, options.baudRate, options.attempts), options);
  try {
    return await Promise.race([work.run(), port.lost.then((why) => Promise.reject(new CommandError(why)))]);
  } catch (error) {
    const said = error instanceof CommandError ? error.message : boardSilence(error as Error);
    throw new CommandError(`${said}; ${work.state()}`, error instanceof CommandError ? error.exitCode : 1);
  } finally {
    await port.close();
  }
}

class Flashing {
  readonly #options: FlashOptions;
  readonly #rom: RomLink;
  readonly #loader: Loader;
  readonly #written: string[] = [];
  #writing: string | undefined;
  /** What of the key for NVS has to be said besides. */
  #burnt = "";
  #stub = false;

  constructor(rom: RomLink, options: FlashOptions) {
    this.#options = options;
    this.#rom = rom;
    this.#loader = rom.loader;
  }

  async run(): Promise<Flashed> {
    const { images, stub, port, progress } = this.#options;
    const unsigned = images.profile === "production" ? unsignedPart(images) : undefined;
    if (unsigned !== undefined)
      throw new CommandError(
        `${unsigned.path} is not signed, and a board of the profile production starts nothing else: chainmote build --signing-key FILE`,
      );
    progress("connecting");
    await this.#rom.connect();
    const { burnKey } = this.#options;
    let board = await this.look(burnKey !== undefined);
    await this.#options.confirm?.(board);
    if (images.profile === "production" && !board.security.nvsKey && burnKey !== undefined) {
      await port.close();
      this.#burnt = "whether its key for NVS is burnt, espefuse summary says; ";
      await burnKey(board);
      this.#burnt = "its key for NVS is burnt; ";
      progress("connecting again");
      await this.#rom.connect();
      board = await this.look(false);
    }
    if (stub) await this.runStub();
    else await this.attachFlash(board.flashBytes);
    await this.checkTable();
    const blank = await this.blank();
    if (blank !== undefined) await this.write(blank);
    const parts = [...images.parts].sort((a, b) => Number(a.name === "bootloader") - Number(b.name === "bootloader"));
    for (const part of parts) await this.write(part);
    progress("restarting");
    await restartBoard(port);
    return { ...board, parts: this.#written, restarted: port.controlled };
  }

  /** What is on the board as far as this run has come. */
  state(): string {
    const { images } = this.#options;
    if (this.#writing === undefined && this.#written.length === 0) return `${this.#burnt}nothing was written to the board`;
    const list = (names: readonly string[]): string => names.join(", ");
    const done = this.#written.length > 0 ? `written and verified: ${list(this.#written)}; ` : "";
    const half = this.#writing === undefined ? "" : `${this.#writing} is there in part; `;
    const left = images.parts.map(({ name }) => name).filter((name) => !this.#written.includes(name) && name !== this.#writing);
    const missing = left.length > 0 ? `not written: ${list(left)}; ` : "";
    const whole = this.#writing === undefined && left.length === 0;
    return `${this.#burnt}${done}${half}${missing}${whole ? "press its RESET button" : "the board does not start until this has run to its end: run it again"}`;
  }

  /** All that has to be right before anything is written. @param willBurn the key for NVS may still come */
  private async look(willBurn: boolean): Promise<FoundBoard> {
    const { images, progress } = this.#options;
    const loader = this.#loader;
    const { CHIP_NAME } = loader.chip;
    if (images.emulated === true)
      throw new CommandError("these images are for an emulator (chainmote run), and stop at once on a board");
    const { facts } = this.#rom;
    if (facts === undefined || facts.target !== images.chip)
      throw new CommandError(`this board has an ${plainText(CHIP_NAME, 20)}, and the images are for an ${chipName(images.chip)}`);
    if (loader.secureDownloadMode)
      throw new CommandError("this board's download mode is locked (secure download): it takes updates over the air alone");
    const security = await this.#rom.security(facts);
    const fault = securityFault(willBurn ? { ...security, nvsKey: true } : security, images);
    if (fault !== undefined) throw new CommandError(fault);
    const mac = await this.#rom.mac();
    const flashBytes = await this.#rom.flashBytes(facts);
    if (flashBytes < images.flashBytes)
      throw new CommandError(
        `this board has ${count(flashBytes)} bytes of flash, and the images are for ${count(images.flashBytes)}: build for its board`,
      );
    progress(`${CHIP_NAME} ${mac}, ${count(flashBytes)} bytes of flash`);
    return { chip: CHIP_NAME, mac, flashBytes, security };
  }

  private async runStub(): Promise<void> {
    this.#options.progress("esptool's stub");
    await this.#loader.runStub();
    this.#stub = true;
    if (this.#options.baudRate !== ROM_BAUD) await this.#loader.changeBaud();
  }

  private async attachFlash(flashBytes: number): Promise<void> {
    this.#loader.FLASH_WRITE_SIZE = ROM_BLOCK_BYTES;
    await this.#loader.checkCommand("set the flash's size", SPI_SET_PARAMS, words(0, flashBytes, ...SPI_GEOMETRY));
  }

  /** A mote of another layout: with these images it would not find its key again. The ROM alone cannot read flash. */
  private async checkTable(): Promise<void> {
    const { images, repartition = false } = this.#options;
    if (!this.#stub || repartition) return;
    const own = images.parts.find(({ name }) => name === "partition-table")?.offset ?? TABLE_AT_FIRST;
    for (const at of new Set([own, TABLE_AT_FIRST])) {
      const found = await this.#rom.table(at);
      const moved = found === undefined ? undefined : movedPartition(found, images.partitions);
      if (moved !== undefined)
        throw new CommandError(
          `a mote lives on this board whose partition ${moved} lies elsewhere: with these images it loses its key and its records for ever; say --repartition, or build with its layout`,
        );
      if (found !== undefined) return;
    }
  }

  /**
   * What is to be erased first, as a part without a bit that is set: where no mote of this layout lives, NVS has what another firmware has left,
   * which ours takes for corrupt (docs/boards.md, "Safe mode"). Undefined where there is nothing to erase.
   */
  private async blank(): Promise<ImagePart | undefined> {
    const { images, repartition = false } = this.#options;
    const end = Math.min(...images.partitions.filter(({ type }) => type === TYPE_APP).map(({ at }) => at));
    const bytes = new Uint8Array(end - NVS_AT_FIRST).fill(0xff);
    const part = {
      name: "nvs",
      path: `0x${NVS_AT_FIRST.toString(16)} to 0x${(end - 1).toString(16)}, erased`,
      offset: NVS_AT_FIRST,
      bytes,
    };
    if ((await this.livesHere()) || (await this.holds(part))) return undefined;
    if (this.#stub || repartition) return part;
    throw new CommandError(
      "the ROM alone cannot tell whether a mote of another layout lives on this board, whose key and records would be lost: leave --no-stub out, or say --repartition where none does",
    );
  }

  /** Whether a mote is there that finds its key again with these images. */
  private async livesHere(): Promise<boolean> {
    const { parts, partitions } = this.#options.images;
    const table = parts.find(({ name }) => name === "partition-table") as ImagePart;
    if (!this.#stub) return this.holds(table);
    const found = await this.#rom.table(table.offset);
    return found?.some(({ name }) => name === "journal") === true && movedPartition(found, partitions) === undefined;
  }

  private async holds(part: ImagePart): Promise<boolean> {
    return (await this.digest(part)) === createHash("md5").update(part.bytes).digest("hex");
  }

  private async write(part: ImagePart): Promise<void> {
    const { progress } = this.#options;
    const { name, path, offset, bytes } = part;
    this.#writing = name;
    const tell = (_: number, sent: number, all: number): void =>
      progress(path, { name, written: Math.round((bytes.length * sent) / Math.max(all, 1)), bytes: bytes.length });
    await this.#loader.writeFlash({
      fileArray: [{ data: bytes, address: offset }],
      ...{ flashMode: "keep", flashFreq: "keep", flashSize: "keep", eraseAll: false, reportProgress: tell },
      // esptool-js leaves the fifth word out of what begins a compressed write where some ROMs want it, and puts it into every
      // other where the ESP32's does not: so each ROM gets the kind of write that is right for it. The stub takes both.
      compress: this.#stub || CHIPS[this.#loader.chip.CHIP_NAME]?.fifthWord === false,
    });
    if (!(await this.holds(part)))
      throw new CommandError(`${path} reads back otherwise than it was written: its flash may be worn out`);
    this.#written.push(name);
    this.#writing = undefined;
  }

  /** The stub answers sixteen bytes, a ROM their hexadecimal digits. */
  private async digest({ offset, bytes }: ImagePart): Promise<string> {
    const timeoutMs = Math.max(MD5_MS_MIN, (MD5_MS_PER_MB * bytes.length) / 1e6);
    const length = this.#stub ? MD5_BYTES : MD5_HEX;
    const answer = await this.#loader.checkCommand(
      "read back",
      SPI_FLASH_MD5,
      words(offset, bytes.length, 0, 0),
      0,
      length,
      timeoutMs,
    );
    const digest = Buffer.from(answer as Uint8Array);
    return this.#stub ? digest.toString("hex") : digest.toString("latin1").toLowerCase();
  }
}

/** Why this board may not have these images. */
function securityFault({ secureBoot, flashEncryption, nvsKey }: ChipSecurity, { profile }: ImageFolder): string | undefined {
  if (flashEncryption !== "off")
    return `flash encryption is on in this board (${flashEncryption} mode): what is written now as plaintext would never start; update it over the air`;
  if (secureBoot && profile !== "production")
    return "secure boot is on in this board: it starts only images that its own key has signed, and these are of the profile dev";
  // Its first start closes the eFuses that a key is read-protected by: after that none can be burnt.
  if (profile === "production" && !nvsKey)
    return `this board has no key for NVS yet, and after its first start none can be burnt: espefuse --port PORT burn-key ${NVS_KEY_BLOCK} FILE HMAC_UP, FILE being 32 random bytes that nobody keeps`;
  return undefined;
}

/** Where NVS lay then. */
const NVS_AT_FIRST = 0x9000;
/** What a mote keeps. */
const KEPT = ["nvs", "journal"];

/** Of a mote's table, what it keeps that another table has at another place. */
function movedPartition(found: readonly TableEntry[], wanted: readonly TableEntry[]): string | undefined {
  if (!found.some(({ name }) => name === "journal")) return undefined;
  return KEPT.find((name) => {
    const [is, will] = [found, wanted].map((table) => table.find((row) => row.name === name));
    return is !== undefined && (is.at !== will?.at || is.bytes !== will.bytes);
  });
}
