// A NOR-flash partition as an ESP32 shows it through `embedded:storage/flash`, down to what its cells do when power goes.
//
// Faults it may cause: a write cut at any byte (the 32-byte unit under way keeps an arbitrary subset of its bits), an
// erase cut at any byte (the sector then reads differently from read to read until it is erased again), sectors that no
// longer erase or program, single bits that rot. All of them come from one seed.
// Modes: `plain`: erased reads 0xFF, and a write can only clear bits. `encrypted`: the cells hold ciphertext under a key
// of the chip and the address, so erased reads as noise, writes must be aligned to 16 bytes, and whatever is written
// twice, torn or flipped turns a whole 16-byte block into noise.
// Never: a fault that it was not asked for; a byte of a finished write that its backing has not got.

import type { ByteBuffer, FlashPartition } from "../../firmware/ports.js";
import { Prng } from "../world/prng.js";
import { BLOCK_BYTES, decryptBlock, encryptBlock } from "./flash-cipher.js";
import { readHalfErased, tearUnit } from "./flash-faults.js";
import type { FlashCounters, FlashImage, FlashOperation } from "./flash-state.js";

export type { FlashOperation } from "./flash-state.js";
export { SimulatedFlash } from "./flash-storage.js";

export const SECTOR_BYTES = 4096;
export const UNIT_BYTES = 32;

export type FlashMode = "plain" | "encrypted";

/** Thrown once power has gone, by the operation under way and by every one after it. */
export class PowerLost extends Error {
  constructor() {
    super("power lost");
  }
}

/** Where the cells are kept besides memory: every change reaches it before the operation returns. */
export interface FlashBacking {
  /** The whole image, or undefined where there is none yet. */
  load(byteLength: number): Uint8Array | undefined;
  store(bytes: Uint8Array, byteOffset: number): void;
}

export interface FlashOptions {
  sectors: number;
  mode?: FlashMode;
  /** Seeds the chip's key and every fault. */
  seed?: number;
  backing?: FlashBacking;
}

/** Changes of any partition: numbers their states, so that a copy knows which sectors it has already. */
let changes = 0;

export class NorFlash implements FlashPartition {
  readonly sectors: number;
  readonly mode: FlashMode;
  readonly counters: FlashCounters = { writes: 0, erases: 0, bytesWritten: 0, bytesRead: 0, rewrites: 0 };
  /** Erases per sector. */
  readonly eraseCounts: Uint32Array;
  /** Called before an operation changes anything. */
  onOperation: ((operation: FlashOperation) => void) | undefined;
  powered = true;
  /** The chip's cells: ciphertext in encrypted mode. */
  readonly #cells: Uint8Array;
  /** What a read gives where the sector is stable. */
  readonly #view: Uint8Array;
  readonly #blocks: DataView;
  /** 1 per unit that has been programmed since its erase. */
  readonly #written: Uint8Array;
  /** Per sector: 0 stable, else how far its interrupted erase had come, above 0 and up to 1. */
  readonly #unstable: Float64Array;
  /** Per sector: the change that made it what it is. */
  readonly #versions: Float64Array;
  readonly #failing = new Map<number, "erase" | "program">();
  readonly #backing: FlashBacking | undefined;
  readonly #key: number;
  #chance: Prng;
  /** Bytes that may still be programmed or erased before power goes. */
  #bytesLeft = Number.POSITIVE_INFINITY;

  constructor({ sectors, mode = "plain", seed = 1, backing }: FlashOptions) {
    this.sectors = sectors;
    this.mode = mode;
    this.#key = Math.imul(seed, 0x9e3779b1) >>> 0;
    this.#chance = new Prng(seed);
    this.eraseCounts = new Uint32Array(sectors);
    this.#written = new Uint8Array((sectors * SECTOR_BYTES) / UNIT_BYTES);
    this.#unstable = new Float64Array(sectors);
    this.#versions = new Float64Array(sectors);
    this.#changed(0, sectors);
    this.#backing = backing;
    const loaded = backing?.load(sectors * SECTOR_BYTES);
    this.#cells = loaded ?? new Uint8Array(sectors * SECTOR_BYTES).fill(0xff);
    this.#view = new Uint8Array(this.#cells.length);
    this.#blocks = new DataView(this.#view.buffer);
    this.#decrypt(0, this.#cells.length);
    if (loaded === undefined) backing?.store(this.#cells, 0);
    for (let unit = 0; unit < this.#written.length; unit += 1) {
      const cells = this.#cells.subarray(unit * UNIT_BYTES, (unit + 1) * UNIT_BYTES);
      if (cells.some((byte) => byte !== 0xff)) this.#written[unit] = 1;
    }
  }

  status(): { size: number; blockLength: number; blocks: number } {
    return { size: this.#cells.length, blockLength: SECTOR_BYTES, blocks: this.sectors };
  }

  read(byteLength: number, byteOffset: number): ArrayBuffer;
  read(buffer: ByteBuffer, byteOffset: number): number;
  read(into: number | ByteBuffer, byteOffset: number): ArrayBuffer | number {
    const bytes = typeof into === "number" ? new Uint8Array(into) : asBytes(into);
    this.#need(byteOffset, bytes.length, "read failed");
    bytes.set(this.#view.subarray(byteOffset, byteOffset + bytes.length));
    this.counters.bytesRead += bytes.length;
    const last = Math.floor((byteOffset + Math.max(bytes.length, 1) - 1) / SECTOR_BYTES);
    for (let sector = Math.floor(byteOffset / SECTOR_BYTES); sector <= last; sector += 1)
      if (this.#unstable[sector] !== 0) this.#readUnstable(sector, bytes, byteOffset);
    return typeof into === "number" ? (bytes.buffer as ArrayBuffer) : bytes.length;
  }

  write(buffer: ByteBuffer, byteOffset: number): void {
    const bytes = asBytes(buffer).slice();
    this.#need(byteOffset, bytes.length, "write failed");
    if (this.mode === "encrypted" && (byteOffset % BLOCK_BYTES !== 0 || bytes.length % BLOCK_BYTES !== 0))
      throw new Error("write failed");
    this.onOperation?.({ kind: "write", byteOffset, byteLength: bytes.length, bytes });
    this.counters.writes += 1;
    this.counters.bytesWritten += bytes.length;
    if (this.#bytesLeft < bytes.length) {
      this.#tearWrite(bytes, byteOffset, this.#bytesLeft);
      this.#losePower();
    }
    this.#bytesLeft -= bytes.length;
    const fails = this.#failing.get(Math.floor(byteOffset / SECTOR_BYTES)) === "program";
    this.#tearWrite(bytes, byteOffset, fails ? bytes.length >> 1 : bytes.length);
  }

  eraseBlock(start: number, end = start + 1): void {
    if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end > this.sectors || start >= end)
      throw new Error("erase failed");
    this.#need(0, 0, "erase failed");
    for (let sector = start; sector < end; sector += 1) {
      this.onOperation?.({ kind: "erase", byteOffset: sector * SECTOR_BYTES, byteLength: SECTOR_BYTES, bytes: undefined });
      this.counters.erases += 1;
      this.eraseCounts[sector] = (this.eraseCounts[sector] as number) + 1;
      if (this.#bytesLeft < SECTOR_BYTES) {
        this.#tearErase(sector, this.#bytesLeft);
        this.#losePower();
      }
      this.#bytesLeft -= SECTOR_BYTES;
      if (this.#failing.get(sector) === "erase") throw new Error("erase failed");
      this.#erase(sector);
    }
  }

  close(): void {
    this.onOperation = undefined;
  }

  /** Power goes after `bytes` more bytes of writes and erases: 0 cuts the next operation before it begins. */
  cutAfter(bytes: number): void {
    this.#bytesLeft = bytes;
  }

  /** Power is back; the cells are as they were left. */
  powerOn(): void {
    this.powered = true;
    this.#bytesLeft = Number.POSITIVE_INFINITY;
  }

  /** Leaves the cells as an operation leaves them that is cut after `atByte` of its bytes. Power stays on. */
  interrupt(operation: FlashOperation, atByte: number): void {
    if (operation.bytes !== undefined) this.#tearWrite(operation.bytes, operation.byteOffset, atByte);
    else this.#tearErase(operation.byteOffset / SECTOR_BYTES, atByte);
  }

  /** From now on the sector refuses to erase (an exception), or forgets half of what is programmed (silently). */
  wearOut(sector: number, how: "erase" | "program"): void {
    this.#failing.set(sector, how);
  }

  /** Flips one bit of the cells, as rot does. In encrypted mode a 16-byte block turns into noise. */
  flipBit(bit: number): void {
    const at = bit >> 3;
    this.#cells[at] = (this.#cells[at] as number) ^ (1 << (bit & 7));
    this.#settle(at, 1);
  }

  /** A copy of all there is. */
  snapshot(): FlashImage {
    return {
      cells: this.#cells.slice(),
      view: this.#view.slice(),
      written: this.#written.slice(),
      unstable: this.#unstable.slice(),
    };
  }

  /** Puts a snapshot back; power is on. The wear counters stay. */
  restore(image: FlashImage): void {
    this.#cells.set(image.cells);
    this.#view.set(image.view);
    this.#written.set(image.written);
    this.#unstable.set(image.unstable);
    this.#changed(0, this.sectors);
    this.#backing?.store(this.#cells, 0);
    this.powerOn();
  }

  /** Takes over the state of another partition of the same size, mode and key, and a seed for the faults to come. */
  copyFrom(other: NorFlash, seed: number): void {
    const units = SECTOR_BYTES / UNIT_BYTES;
    for (let sector = 0; sector < this.sectors; sector += 1) {
      if (this.#versions[sector] === other.#versions[sector]) continue;
      const [from, to] = [sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES];
      this.#cells.set(other.#cells.subarray(from, to), from);
      this.#view.set(other.#view.subarray(from, to), from);
      this.#written.set(other.#written.subarray(sector * units, (sector + 1) * units), sector * units);
      this.#unstable[sector] = other.#unstable[sector] as number;
      this.#versions[sector] = other.#versions[sector] as number;
    }
    this.#chance = new Prng(seed);
    this.powerOn();
  }

  /** What a dump of the partition gives after decryption: the raw image where the mode is plain. */
  dump(): Uint8Array {
    return this.#view.slice();
  }

  #need(byteOffset: number, byteLength: number, otherwise: string): void {
    if (!this.powered) throw new PowerLost();
    if (!Number.isInteger(byteOffset) || byteOffset < 0 || byteOffset + byteLength > this.#cells.length)
      throw new Error(otherwise);
  }

  #losePower(): never {
    this.powered = false;
    throw new PowerLost();
  }

  /** Programs the first `length` bytes: bits are cleared, never set. */
  #program(bytes: Uint8Array, byteOffset: number, length: number): void {
    if (length === 0) return;
    const cells = this.#encrypted(bytes, byteOffset);
    for (let i = 0; i < length; i += 1)
      this.#cells[byteOffset + i] = (this.#cells[byteOffset + i] as number) & (cells[i] as number);
    for (let unit = Math.floor(byteOffset / UNIT_BYTES); unit * UNIT_BYTES < byteOffset + length; unit += 1) {
      if (this.#written[unit] !== 0) this.counters.rewrites += 1;
      this.#written[unit] = 1;
    }
    this.#settle(byteOffset, length);
  }

  /** Whole units before byte `atByte` are programmed; the unit under way gets any subset of the bits it was to lose. */
  #tearWrite(bytes: Uint8Array, byteOffset: number, atByte: number): void {
    if (atByte >= bytes.length) {
      this.#program(bytes, byteOffset, bytes.length);
      return;
    }
    const from = Math.max(0, Math.floor((byteOffset + atByte) / UNIT_BYTES) * UNIT_BYTES - byteOffset);
    this.#program(bytes, byteOffset, from);
    if (atByte === 0) return;
    const cells = this.#encrypted(bytes, byteOffset);
    const to = Math.min(bytes.length, from + UNIT_BYTES - ((byteOffset + from) % UNIT_BYTES));
    const torn = this.#cells.subarray(byteOffset + from, byteOffset + to);
    const changed = tearUnit(torn, cells.subarray(from, to), atByte - from, this.#chance);
    if (changed) this.#written[Math.floor((byteOffset + from) / UNIT_BYTES)] = 1;
    this.#settle(byteOffset + from, to - from);
  }

  #erase(sector: number): void {
    this.#unstable[sector] = 0;
    this.#cells.fill(0xff, sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
    const units = SECTOR_BYTES / UNIT_BYTES;
    this.#written.fill(0, sector * units, (sector + 1) * units);
    this.#settle(sector * SECTOR_BYTES, SECTOR_BYTES);
  }

  #tearErase(sector: number, atByte: number): void {
    if (atByte >= SECTOR_BYTES) this.#erase(sector);
    else if (atByte > 0) {
      this.#unstable[sector] = atByte / SECTOR_BYTES;
      this.#changed(sector, sector + 1);
    }
  }

  /** Replaces what has been read of a half-erased sector, unit by unit, by what this very read gives. */
  #readUnstable(sector: number, bytes: Uint8Array, byteOffset: number): void {
    const from = Math.max(byteOffset, sector * SECTOR_BYTES);
    const to = Math.min(byteOffset + bytes.length, (sector + 1) * SECTOR_BYTES);
    for (let at = from; at < to; ) {
      const end = Math.min(to, (Math.floor(at / UNIT_BYTES) + 1) * UNIT_BYTES);
      readHalfErased(
        bytes.subarray(at - byteOffset, end - byteOffset),
        this.#unstable[sector] as number,
        this.mode,
        this.#chance,
      );
      at = end;
    }
  }

  #changed(from: number, to: number): void {
    changes += 1;
    this.#versions.fill(changes, from, to);
  }

  /** Brings the view up to the cells, and the backing too. */
  #settle(byteOffset: number, byteLength: number): void {
    if (byteLength === 0) return;
    this.#changed(Math.floor(byteOffset / SECTOR_BYTES), Math.floor((byteOffset + byteLength - 1) / SECTOR_BYTES) + 1);
    const start = Math.floor(byteOffset / BLOCK_BYTES) * BLOCK_BYTES;
    const end = Math.ceil((byteOffset + byteLength) / BLOCK_BYTES) * BLOCK_BYTES;
    this.#decrypt(start, end);
    this.#backing?.store(this.#cells.subarray(start, end), start);
  }

  #decrypt(start: number, end: number): void {
    this.#view.set(this.#cells.subarray(start, end), start);
    if (this.mode === "plain") return;
    for (let at = start; at < end; at += BLOCK_BYTES) decryptBlock(this.#blocks, at, this.#key, at);
  }

  #encrypted(bytes: Uint8Array, byteOffset: number): Uint8Array {
    if (this.mode === "plain") return bytes;
    const cells = bytes.slice();
    const blocks = new DataView(cells.buffer);
    for (let at = 0; at < cells.length; at += BLOCK_BYTES) encryptBlock(blocks, at, this.#key, byteOffset + at);
    return cells;
  }
}

function asBytes(buffer: ByteBuffer): Uint8Array {
  if (ArrayBuffer.isView(buffer)) return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  if (!(buffer instanceof ArrayBuffer)) throw new TypeError("no buffer");
  return new Uint8Array(buffer);
}
