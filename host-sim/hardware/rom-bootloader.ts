// An ESP32 whose serial port is connected: the ROM's bootloader, esptool's stub once one was loaded, and a console where it starts from
// flash. Written from Espressif's page "Serial Protocol" of esptool's documentation, and its "Boot Mode Selection".
//
// Promises: answers what the page says, and refuses what is wrong in it by the page's error codes: lengths, sequence, checksums, what the chip's
// ROM does not know, writes to flash that is not erased. Its flash keeps what was written, whenever the cable goes. Never: runs a byte that it
// was sent; a stub is believed from its entry point on.

import { createHash } from "node:crypto";
import { constants, inflateSync } from "node:zlib";

/** What differs between the chips. */
interface RomChip {
  /** GET_SECURITY_INFO's number of the chip; the ESP32 knows no such command. */
  readonly id?: number;
  /** What lies at 0x40001000 in its ROM. */
  readonly magic: number;
  /** Where its eFuses are read: the counter of flash encryption, secure boot, and the lock on encrypted writes. */
  readonly efuses: {
    readonly crypt: Field;
    readonly secureBoot: Field;
    readonly noManualEncrypt: Field;
    readonly purpose5?: Field;
  };
  /** The controller that burns eFuses, by its base; the ESP32's is another kind, and is not mirrored. */
  readonly burner?: number;
  /** Registers of the MAC, the lower word first. */
  readonly mac: readonly [number, number];
  readonly spi: number;
  readonly spiOffsets: { readonly usr2: number; readonly w0: number };
}
interface Field {
  readonly address: number;
  readonly shift: number;
}

const later = (id: number, magic: number, base: number, spi: number): RomChip => ({
  ...{ id, magic, burner: base, mac: [base + 0x44, base + 0x48], spi, spiOffsets: { usr2: 0x20, w0: 0x58 } },
  efuses: {
    crypt: { address: base + 0x34, shift: 18 },
    secureBoot: { address: base + 0x38, shift: 20 },
    noManualEncrypt: { address: base + 0x30, shift: 20 },
    purpose5: { address: base + 0x38, shift: 12 },
  },
});
const CHIPS: Readonly<Record<string, RomChip>> = {
  esp32: {
    ...{ magic: 0x00f01d83, mac: [0x3ff5a004, 0x3ff5a008], spi: 0x3ff42000, spiOffsets: { usr2: 0x24, w0: 0x80 } },
    efuses: {
      crypt: { address: 0x3ff5a000, shift: 20 },
      secureBoot: { address: 0x3ff5a018, shift: 5 },
      noManualEncrypt: { address: 0x3ff5a018, shift: 7 },
    },
  },
  esp32c3: later(5, 0x1b31506f, 0x60008800, 0x60002000),
  esp32c6: later(13, 0x2ce0806f, 0x600b0800, 0x60003000),
  esp32s3: later(9, 0x09, 0x60007000, 0x60002000),
};

export interface RomBoardOptions {
  readonly chip: string;
  readonly flashBytes?: number;
  readonly mac?: readonly number[];
  /** Bits of the eFuses. */
  readonly cryptCount?: number;
  readonly secureBoot?: boolean;
  readonly noManualEncrypt?: boolean;
  readonly secureDownload?: boolean;
  /** Key block 5 holds one for HMAC, for NVS. */
  readonly nvsKey?: boolean;
  /** Somebody holds its BOOT button: each reset, and the first start, is one into the bootloader. */
  readonly bootHeld?: boolean;
  /** Cells that no longer take a write: from this address on. */
  readonly wornFrom?: number;
  /** To the host. */
  send(bytes: Uint8Array): void;
  /** Before a command is done; an exception that it throws is the cable's end. */
  onCommand?(operation: number, count: number): void;
  /** It starts from its flash. */
  onStart?(): void;
}

export const OPERATION = {
  flashBegin: 0x02,
  flashData: 0x03,
  flashEnd: 0x04,
  memBegin: 0x05,
  memEnd: 0x06,
  memData: 0x07,
  sync: 0x08,
  writeReg: 0x09,
  readReg: 0x0a,
  spiSetParams: 0x0b,
  spiAttach: 0x0d,
  changeBaud: 0x0f,
  deflBegin: 0x10,
  deflData: 0x11,
  deflEnd: 0x12,
  md5: 0x13,
  securityInfo: 0x14,
  eraseFlash: 0xd0,
  eraseRegion: 0xd1,
  readFlash: 0xd2,
  runUserCode: 0xd3,
} as const;

const END = 0xc0;
const ESCAPE = 0xdb;
const ESCAPED_END = 0xdc;
const ESCAPED_ESCAPE = 0xdd;
const HEADER_BYTES = 8;
const PACKET_BYTES_MAX = 0x10000 + 64;
const CHECKSUM_SEED = 0xef;
const SYNC_ANSWERS = 8;
const REPEATED_REFUSALS = 8;
const ROM_BLOCK_BYTES_MAX = 0x400;
const STUB_BLOCK_BYTES_MAX = 0x4000;
const SECTOR_BYTES = 0x1000;
const MAGIC_AT = 0x40001000;
const SPI_RUN = 1 << 18;
const READ_ID = 0x9f;
/** A chip of Winbond; the third byte is the exponent of its size. */
const FLASH_MAKER = 0xef;
const FLASH_KIND = 0x40;
const SECURE_DOWNLOAD = 1 << 2;
const SECURE_BOOT = 1;
const PURPOSE_HMAC_UP = 8;
/** Of the eFuse controller, from its base. */
const BURN_COMMAND_AT = 0x1d4;
const BURN_PROGRAM = 1 << 1;
const BURN_BLOCK_SHIFT = 2;
const BLOCK0_AT = 0x2c;
const BLOCK1_AT = 0x44;
const BLOCK0_WORDS = 6;
const BLOCK_WORDS = 8;
const KEY_BLOCK_FIRST = 4;
const KEY_BLOCKS = 6;
/** From block 2 on each takes eight words. */
const blockAt = (block: number): number => 0x5c + 4 * BLOCK_WORDS * (block - 2);
const OHAI = [0x4f, 0x48, 0x41, 0x49];
const MAC = [0x7c, 0xdf, 0xa1, 0x00, 0x00, 0x01];

/** The page's "ROM Loader Errors", and a stub's for what it does not know. */
const INVALID = 0x05;
const FAILED = 0x06;
const BAD_CHECKSUM = 0x07;
const WRITE_FAILED = 0x08;
const BAD_DEFLATE = 0x0b;
const STUB_UNKNOWN = 0xff;

class Refusal extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`error ${code}`);
    this.code = code;
  }
}

/** A write under way. */
interface Download {
  readonly compressed: boolean;
  readonly blocks: number;
  readonly blockBytes: number;
  /** Where the next byte goes. */
  at: number;
  next: number;
  /** Bytes that may still be written. */
  left: number;
  readonly deflated: Uint8Array[];
  inflated: number;
}

export class RomBoard {
  readonly flash: Uint8Array;
  readonly #options: RomBoardOptions;
  readonly #chip: RomChip;
  readonly #registers = new Map<number, number>();
  #packet: number[] | undefined;
  #escaping = false;
  #inBootloader: boolean;
  #stub = false;
  #attached = false;
  #download: Download | undefined;
  #memory: { left: number; next: number } | undefined;
  #commands = 0;
  #held = false;
  /** A read of the flash under way; the host acknowledges each packet, and gets their MD5 last. */
  #reading: { readonly from: number; at: number; readonly end: number; readonly packet: number } | undefined;

  constructor(options: RomBoardOptions) {
    const chip = CHIPS[options.chip];
    if (chip === undefined) throw new RangeError(`no chip ${options.chip}`);
    this.#options = options;
    this.#chip = chip;
    this.#inBootloader = options.bootHeld === true;
    this.flash = new Uint8Array(options.flashBytes ?? 4 << 20).fill(0xff);
    const mac = options.mac ?? MAC;
    const word = (from: number): number => mac.slice(from, from + 4).reduce((value, byte) => value * 256 + byte, 0);
    this.#registers.set(chip.mac[0], word(2));
    this.#registers.set(chip.mac[1], ((mac[0] as number) << 8) | (mac[1] as number));
    this.#registers.set(MAGIC_AT, chip.magic);
    this.setBits(chip.efuses.crypt, options.cryptCount ?? 0);
    this.setBits(chip.efuses.secureBoot, options.secureBoot === true ? 1 : 0);
    this.setBits(chip.efuses.noManualEncrypt, options.noManualEncrypt === true ? 1 : 0);
    if (chip.efuses.purpose5 !== undefined) this.setBits(chip.efuses.purpose5, options.nvsKey === true ? PURPOSE_HMAC_UP : 0);
  }

  get inBootloader(): boolean {
    return this.#inBootloader;
  }

  /** Commands so far. */
  get commands(): number {
    return this.#commands;
  }

  /**
   * The host's two lines, through the two transistors of most boards: RTS alone holds the chip in reset, DTR alone its BOOT pin low. With
   * both it is let go, and takes a while to begin, for a capacitor: until then it counts as held.
   */
  setLines({ dtr, rts }: { readonly dtr: boolean; readonly rts: boolean }): void {
    if (rts && !dtr) this.#held = true;
    if (!this.#held || rts) return;
    this.#held = false;
    this.reset(this.#options.bootHeld === true || dtr);
  }

  receive(bytes: Uint8Array): void {
    if (this.#inBootloader) for (const byte of bytes) this.take(byte);
  }

  private reset(intoBootloader: boolean): void {
    this.#inBootloader = intoBootloader;
    this.#stub = false;
    this.#attached = false;
    this.#download = undefined;
    this.#memory = undefined;
    this.#packet = undefined;
    if (intoBootloader)
      this.#options.send(Buffer.from("ESP-ROM:simulated\r\nboot:0x4 (DOWNLOAD)\r\nwaiting for download\r\n", "latin1"));
    else this.#options.onStart?.();
  }

  private take(byte: number): void {
    if (byte === END) {
      const packet = this.#packet;
      this.#packet = packet === undefined || packet.length === 0 ? [] : undefined;
      if (packet !== undefined && packet.length > 0) this.packet(Uint8Array.from(packet));
      return;
    }
    if (this.#packet === undefined) return;
    if (byte === ESCAPE) {
      this.#escaping = true;
      return;
    }
    const plain = this.#escaping ? ({ [ESCAPED_END]: END, [ESCAPED_ESCAPE]: ESCAPE }[byte] ?? byte) : byte;
    this.#escaping = false;
    if (this.#packet.length < PACKET_BYTES_MAX) this.#packet.push(plain);
  }

  private packet(bytes: Uint8Array): void {
    if (this.#reading !== undefined && bytes.length === 4) {
      this.acknowledged();
      return;
    }
    if (bytes.length < HEADER_BYTES || bytes[0] !== 0) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const [operation, size, check] = [view.getUint8(1), view.getUint16(2, true), view.getUint32(4, true)];
    const data = bytes.subarray(HEADER_BYTES);
    this.#commands += 1;
    this.#options.onCommand?.(operation, this.#commands);
    try {
      if (data.length !== size) throw new Refusal(INVALID);
      this.run(operation, data, check);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.answer(operation, 0, [], error.code);
    }
  }

  private run(operation: number, data: Uint8Array, check: number): void {
    if (!this.knows(operation)) {
      this.unknown(operation);
      return;
    }
    switch (operation) {
      case OPERATION.sync:
        this.sync();
        return;
      case OPERATION.readReg:
        this.answer(operation, this.#registers.get(word(data, 0)) ?? 0, []);
        return;
      case OPERATION.writeReg:
        this.writeRegister(word(data, 0), word(data, 1), word(data, 2));
        break;
      case OPERATION.spiAttach:
        if (!this.#stub && data.length !== 8) throw new Refusal(INVALID);
        this.#attached = true;
        break;
      case OPERATION.spiSetParams:
        if (data.length !== 24) throw new Refusal(INVALID);
        break;
      case OPERATION.changeBaud:
        if (data.length !== 8) throw new Refusal(INVALID);
        break;
      case OPERATION.memBegin:
        this.#memory = { left: word(data, 0), next: 0 };
        break;
      case OPERATION.memData:
        this.memoryData(data, check);
        break;
      case OPERATION.memEnd:
        this.answer(operation, 0, []);
        this.startStub(word(data, 0) === 0 && word(data, 1) !== 0);
        return;
      case OPERATION.flashBegin:
      case OPERATION.deflBegin:
        this.begin(operation === OPERATION.deflBegin, data);
        break;
      case OPERATION.flashData:
      case OPERATION.deflData:
        this.flashData(operation === OPERATION.deflData, data, check);
        break;
      case OPERATION.flashEnd:
      case OPERATION.deflEnd:
        this.answer(operation, 0, []);
        this.#download = undefined;
        if (word(data, 0) === 0) this.reset(false);
        return;
      case OPERATION.md5:
        this.md5(operation, word(data, 0), word(data, 1));
        return;
      case OPERATION.securityInfo:
        this.securityInfo(operation);
        return;
      case OPERATION.eraseFlash:
        this.flash.fill(0xff);
        break;
      case OPERATION.eraseRegion:
        this.erase(word(data, 0), word(data, 1));
        break;
      case OPERATION.readFlash:
        this.answer(operation, 0, []);
        this.#reading = { from: word(data, 0), at: word(data, 0), end: word(data, 0) + word(data, 1), packet: word(data, 2) };
        this.sendFlash();
        return;
      default:
        this.unknown(operation);
        return;
    }
    this.answer(operation, 0, []);
  }

  /** Whether the ROM, or the stub, knows the command; a locked download mode knows a few. */
  private knows(operation: number): boolean {
    const {
      sync,
      securityInfo,
      flashBegin,
      flashData,
      flashEnd,
      deflBegin,
      deflData,
      deflEnd,
      spiAttach,
      spiSetParams,
      changeBaud,
    } = OPERATION;
    const writes: readonly number[] = [flashBegin, flashData, flashEnd, deflBegin, deflData, deflEnd];
    const locked: readonly number[] = [sync, securityInfo, spiAttach, spiSetParams, changeBaud, ...writes];
    if (this.#options.secureDownload === true) return locked.includes(operation);
    if (operation === securityInfo) return this.#chip.id !== undefined;
    return this.#stub || operation < OPERATION.eraseFlash;
  }

  private unknown(operation: number): void {
    if (this.#stub) {
      this.answer(operation, 0, [], STUB_UNKNOWN);
      return;
    }
    for (let i = 0; i < REPEATED_REFUSALS; i += 1) this.answer(0, 0, [], INVALID);
  }

  private sync(): void {
    if (this.#stub) {
      this.answer(OPERATION.sync, 0, []);
      return;
    }
    for (let i = 0; i < SYNC_ANSWERS; i += 1) this.answer(OPERATION.sync, 0x20120707, []);
  }

  /** Four bytes of status by the ROM, two by the stub. */
  private answer(operation: number, value: number, data: ArrayLike<number>, error?: number): void {
    const status = [error === undefined ? 0 : 1, error ?? 0, ...(this.#stub ? [] : [0, 0])];
    const bytes = Buffer.alloc(HEADER_BYTES + data.length + status.length);
    bytes.set([1, operation]);
    bytes.writeUInt16LE(data.length + status.length, 2);
    bytes.writeUInt32LE(value >>> 0, 4);
    bytes.set(Array.from(data), HEADER_BYTES);
    bytes.set(status, HEADER_BYTES + data.length);
    this.sendPacket(bytes);
  }

  private sendPacket(bytes: Uint8Array): void {
    const escaped = [...bytes].flatMap((byte) =>
      byte === END ? [ESCAPE, ESCAPED_END] : byte === ESCAPE ? [ESCAPE, ESCAPED_ESCAPE] : [byte],
    );
    this.#options.send(Uint8Array.from([END, ...escaped, END]));
  }

  /** The devices behind registers: the SPI controller, which asks the flash who it is, and that of the eFuses. */
  private writeRegister(address: number, value: number, mask: number): void {
    const before = this.#registers.get(address) ?? 0;
    this.#registers.set(address, ((before & ~mask) | (value & mask)) >>> 0);
    const { spi, spiOffsets, burner } = this.#chip;
    if (burner !== undefined && address === burner + BURN_COMMAND_AT) this.burn(burner, value);
    if (address !== spi || (value & SPI_RUN) === 0) return;
    const command = (this.#registers.get(spi + spiOffsets.usr2) ?? 0) & 0xffff;
    const size = Math.log2(this.flash.length);
    const answers = this.#attached && command === READ_ID;
    this.#registers.set(spi + spiOffsets.w0, answers ? (size << 16) | (FLASH_KIND << 8) | FLASH_MAKER : 0);
    this.#registers.set(spi, 0);
  }

  /**
   * Burns what lies in the controller's data registers into a block (technical reference manual, "eFuse Controller"): bits are set, and
   * never cleared. A key block whose bit of RD_DIS is set reads as zeros.
   */
  private burn(base: number, command: number): void {
    this.#registers.set(base + BURN_COMMAND_AT, 0);
    if ((command & BURN_PROGRAM) === 0) return;
    const block = (command >> BURN_BLOCK_SHIFT) & 0xf;
    const [at, words] =
      block === 0 ? [BLOCK0_AT, BLOCK0_WORDS] : block === 1 ? [BLOCK1_AT, BLOCK0_WORDS] : [blockAt(block), BLOCK_WORDS];
    for (let i = 0; i < words; i += 1) {
      const bits = this.#registers.get(base + 4 * i) ?? 0;
      this.#registers.set(base + at + 4 * i, ((this.#registers.get(base + at + 4 * i) ?? 0) | bits) >>> 0);
    }
    const hidden = this.#registers.get(base + BLOCK0_AT + 4) ?? 0;
    for (let key = 0; key < KEY_BLOCKS; key += 1)
      if ((hidden & (1 << key)) !== 0)
        for (let i = 0; i < BLOCK_WORDS; i += 1) this.#registers.set(base + blockAt(KEY_BLOCK_FIRST + key) + 4 * i, 0);
  }

  /** The bits of a register: for tests. */
  register(address: number): number {
    return this.#registers.get(address) ?? 0;
  }

  private memoryData(data: Uint8Array, check: number): void {
    const memory = this.#memory;
    const block = payload(data, check);
    if (memory === undefined || word(data, 1) !== memory.next || block.length > memory.left) throw new Refusal(FAILED);
    memory.left -= block.length;
    memory.next += 1;
  }

  private startStub(runs: boolean): void {
    if (!runs) return;
    this.#stub = true;
    this.#attached = true;
    this.sendPacket(Uint8Array.from(OHAI));
  }

  private begin(compressed: boolean, data: Uint8Array): void {
    // A fifth word, "encrypted": each later ROM wants it, the ESP32's has none, and a stub takes both.
    const lengths = this.#stub ? [16, 20] : [this.#chip.id === undefined ? 16 : 20];
    if (!lengths.includes(data.length)) throw new Refusal(INVALID);
    if (!this.#attached) throw new Refusal(FAILED);
    const [bytes, blocks, blockBytes, at] = [word(data, 0), word(data, 1), word(data, 2), word(data, 3)];
    if (blockBytes > (this.#stub ? STUB_BLOCK_BYTES_MAX : ROM_BLOCK_BYTES_MAX)) throw new Refusal(INVALID);
    const left = compressed ? bytes : blocks * blockBytes;
    if (at % SECTOR_BYTES !== 0 || at + bytes > this.flash.length) throw new Refusal(FAILED);
    // The stub erases as it writes; nobody sees the difference but in time.
    this.erase(at, bytes);
    this.#download = { compressed, blocks, blockBytes, at, next: 0, left, deflated: [], inflated: 0 };
  }

  private erase(at: number, bytes: number): void {
    this.flash.fill(0xff, at, Math.ceil((at + bytes) / SECTOR_BYTES) * SECTOR_BYTES);
  }

  private flashData(compressed: boolean, data: Uint8Array, check: number): void {
    const download = this.#download;
    const block = payload(data, check);
    if (download === undefined || download.compressed !== compressed) throw new Refusal(FAILED);
    if (word(data, 1) !== download.next || download.next >= download.blocks || block.length > download.blockBytes)
      throw new Refusal(INVALID);
    const { at, left } = download;
    try {
      this.program(download, compressed ? inflate(download, block) : block);
    } catch (error) {
      Object.assign(download, { at, left }); // the host may send the block once more
      throw error;
    }
    download.next += 1;
  }

  /** What a write can do to cells: clear bits. */
  private program(download: Download, bytes: Uint8Array): void {
    const { wornFrom = Number.POSITIVE_INFINITY } = this.#options;
    if (bytes.length > download.left) throw new Refusal(INVALID);
    for (const byte of bytes) {
      if (download.at >= this.flash.length) break; // the padding of the last block
      if (download.at < wornFrom) this.flash[download.at] = (this.flash[download.at] as number) & byte;
      // The ROM reads back what it wrote; the stub leaves that to the host.
      if (this.flash[download.at] !== byte && !this.#stub) throw new Refusal(WRITE_FAILED);
      download.at += 1;
    }
    download.left -= bytes.length;
  }

  private md5(operation: number, at: number, bytes: number): void {
    const digest = createHash("md5")
      .update(this.flash.subarray(at, at + bytes))
      .digest();
    this.answer(operation, 0, this.#stub ? digest : Buffer.from(digest.toString("hex"), "latin1"));
  }

  private securityInfo(operation: number): void {
    const { secureDownload, secureBoot, cryptCount = 0 } = this.#options;
    const info = Buffer.alloc(20);
    info.writeUInt32LE((secureDownload === true ? SECURE_DOWNLOAD : 0) | (secureBoot === true ? SECURE_BOOT : 0), 0);
    info[4] = cryptCount;
    info.writeUInt32LE(this.#chip.id as number, 12);
    this.answer(operation, 0, info);
  }

  private sendFlash(): void {
    const reading = this.#reading;
    if (reading === undefined) return;
    const bytes = this.flash.subarray(reading.at, Math.min(reading.at + reading.packet, reading.end));
    reading.at += bytes.length;
    this.sendPacket(bytes);
  }

  private acknowledged(): void {
    const { from, at, end } = this.#reading ?? { from: 0, at: 0, end: 0 };
    if (at < end) {
      this.sendFlash();
      return;
    }
    this.#reading = undefined;
    this.sendPacket(createHash("md5").update(this.flash.subarray(from, end)).digest());
  }

  private setBits({ address, shift }: Field, value: number): void {
    this.#registers.set(address, ((this.#registers.get(address) ?? 0) | (value << shift)) >>> 0);
  }
}

function word(data: Uint8Array, index: number): number {
  if (data.length < 4 * index + 4) throw new Refusal(INVALID);
  return new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(4 * index, true);
}

/** What a data command carries, its length and checksum held. */
function payload(data: Uint8Array, check: number): Uint8Array {
  const block = data.subarray(16);
  if (word(data, 0) !== block.length) throw new Refusal(INVALID);
  if (block.reduce((sum, byte) => sum ^ byte, CHECKSUM_SEED) !== (check & 0xff)) throw new Refusal(BAD_CHECKSUM);
  return block;
}

/** What one more block brings out. */
function inflate(download: Download, block: Uint8Array): Uint8Array {
  download.deflated.push(block);
  try {
    const all = inflateSync(Buffer.concat(download.deflated), { finishFlush: constants.Z_SYNC_FLUSH });
    const fresh = all.subarray(download.inflated);
    download.inflated = all.length;
    return fresh;
  } catch {
    throw new Refusal(BAD_DEFLATE);
  }
}
