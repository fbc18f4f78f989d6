// The two places of images of a chip, and its bootloader: what ESP-IDF 6.0 does with `otadata` at each reset
// (bootloader_utility.c) and when an application calls it (esp_ota_ops.c), by its own bytes, sector by sector, so that a cut of
// the power falls between erase and write.
//
// Promises: each reset is one `boot`, whatever has caused it; an image that was booted once and has not been marked valid is not
// booted again.
// Where `otadata` is blank, or points to an image that does not load, the next place is tried. A place that was never written
// stands for what was flashed over the wire: the firmware that the simulator was told to run.
// Never: changes a place but by the flash's own operations.

import { createHash } from "node:crypto";
import type { ImageSlot, ImageState, Slots } from "../../firmware/ports.js";
import { CHIP_IDS, type EspImage, readImage } from "./esp-image.js";
import { type NorFlash, SECTOR_BYTES } from "./flash.js";

/** What a board keeps of images: two sectors of `otadata`, two places, an eFuse. */
export interface SlotStorage {
  readonly otadata: NorFlash;
  /** Made when it is first asked for: a place is large. */
  slot(number: number): NorFlash;
  /** Whether it was made. */
  made(number: number): boolean;
  /** The eFuse; absent in a build without anti-rollback. */
  readonly fuse?: Fuse;
}

export interface Fuse {
  /** Never falls. */
  secureVersion: number;
}

const SLOTS = 2;
const NEW = 0;
const PENDING = 1;
const VALID = 2;
const INVALID = 3;
const ABORTED = 4;
const NAMES: readonly ImageState[] = ["new", "pending", "valid", "invalid", "aborted"];
const BLANK = 0xffff_ffff;
const ENTRY_BYTES = 32;

/** esp_ota_select_entry_t. */
interface Entry {
  readonly seq: number;
  readonly state: number;
  readonly whole: boolean;
}

export class ChipSlots implements Slots {
  readonly storage: SlotStorage;
  readonly #chip: number;
  #running = 0;

  /** @param chip its name */
  constructor(storage: SlotStorage, chip: string) {
    this.storage = storage;
    this.#chip = CHIP_IDS[chip] ?? 0xffff;
  }

  /** What the bootloader does at a reset. Answers the image that runs; undefined where it is what was flashed over the wire. */
  boot(): EspImage | undefined {
    const before = this.#entries();
    before.forEach((entry, i) => {
      if (entry.whole && entry.state === PENDING) this.#write(i, entry.seq, ABORTED);
    });
    const entries = this.#entries();
    const active = activeOf(entries);
    const entry = entries[active];
    if (entry?.state === NEW) this.#write(active, entry.seq, PENDING);
    const first = entry === undefined ? 0 : slotOf(entry.seq);
    for (const slot of [first, 1 - first]) {
      const image = this.#image(slot);
      if (image === "none") continue;
      this.#running = slot;
      // A chip whose `otadata` is blank notes which image it has booted.
      if (entries.every(({ seq, whole }) => seq === BLANK || !whole)) this.#write(0, slot + 1, VALID);
      return image;
    }
    throw new Error("no image that boots is in either slot");
  }

  running(): ImageSlot {
    return { slot: this.#running, state: this.#stateOf(this.#running) };
  }

  other(): ImageSlot {
    return { slot: 1 - this.#running, state: this.#stateOf(1 - this.#running) };
  }

  /** The flash of the place that runs, or of the other one. */
  partition(which: "running" | "nextota"): NorFlash {
    return this.storage.slot(which === "running" ? this.#running : 1 - this.#running);
  }

  digest(byteLength: number): ArrayBuffer {
    const flash = this.partition("nextota");
    if (!(byteLength >= 1 && byteLength <= flash.status().size)) throw new RangeError("no length of an image");
    const hash = createHash("sha256")
      .update(new Uint8Array(flash.read(byteLength, 0)))
      .digest();
    return Uint8Array.from(hash).buffer as ArrayBuffer;
  }

  select(slot: number): void {
    if (slot !== 0 && slot !== 1) throw new RangeError("no slot");
    const image = this.#image(slot);
    if (image === "none") throw new Error("image invalid");
    const entries = this.#entries();
    const active = activeOf(entries);
    const seq = entries[active]?.seq;
    if (seq === undefined) this.#write(0, slot + 1, NEW);
    else if (slotOf(seq) === slot) this.#write(active, seq, NEW);
    else this.#write(1 - active, seq + 1, NEW);
  }

  markValid(): void {
    const entries = this.#entries();
    const active = activeOf(entries);
    const entry = entries[active];
    if (entry === undefined || entry.state === VALID) return;
    this.#write(active, entry.seq, VALID);
    const image = this.#image(slotOf(entry.seq));
    const { fuse } = this.storage;
    if (fuse !== undefined && typeof image === "object") fuse.secureVersion = Math.max(fuse.secureVersion, image.secureVersion);
  }

  rollback(): void {
    const entries = this.#entries();
    const active = activeOf(entries);
    const [entry, before] = [entries[active], entries[1 - active]];
    if (entry === undefined) throw new Error("mark failed");
    if (before === undefined || !isBootable(before) || this.#image(slotOf(before.seq)) === "none")
      throw new Error("no other image");
    this.#write(active, entry.seq, INVALID);
  }

  secureVersion(): number {
    return this.storage.fuse?.secureVersion ?? 0;
  }

  /** What is in a place: an image that loads; undefined for one that was never written; "none" for whatever does not load. */
  #image(slot: number): EspImage | undefined | "none" {
    if (!this.storage.made(slot)) return slot === 0 ? undefined : "none";
    const flash = this.storage.slot(slot);
    const bytes = new Uint8Array(flash.read(flash.status().size, 0));
    if (bytes.every((byte) => byte === 0xff)) return slot === 0 ? undefined : "none";
    const image = readImage(bytes);
    if ("fault" in image || image.chip !== this.#chip) return "none";
    return image.secureVersion < this.secureVersion() ? "none" : image;
  }

  #stateOf(slot: number): ImageState {
    const entry = this.#entries().find(({ seq, whole }) => whole && slotOf(seq) === slot);
    return NAMES[entry?.state ?? -1] ?? "undefined";
  }

  #entries(): readonly Entry[] {
    return [0, 1].map((i) => {
      const bytes = this.storage.otadata.read(ENTRY_BYTES, i * SECTOR_BYTES);
      const view = new DataView(bytes);
      const seq = view.getUint32(0, true);
      return { seq, state: view.getUint32(24, true), whole: seq !== BLANK && view.getUint32(28, true) === crcOf(seq) };
    });
  }

  #write(i: number, seq: number, state: number): void {
    const bytes = new Uint8Array(ENTRY_BYTES).fill(0xff);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, seq, true);
    view.setUint32(24, state, true);
    view.setUint32(28, crcOf(seq), true);
    this.storage.otadata.eraseBlock(i);
    this.storage.otadata.write(bytes, i * SECTOR_BYTES);
  }
}

function slotOf(seq: number): number {
  return (seq - 1) % SLOTS;
}

function isBootable({ state, whole }: Entry): boolean {
  return whole && state !== INVALID && state !== ABORTED;
}

/** The entry that counts; −1 where none does. */
function activeOf(entries: readonly Entry[]): number {
  let active = -1;
  entries.forEach((entry, i) => {
    if (isBootable(entry) && (active < 0 || entry.seq > (entries[active] as Entry).seq)) active = i;
  });
  return active;
}

/** CRC-32 of the sequence as ESP-IDF begins it: esp_rom_crc32_le(UINT32_MAX, …). */
function crcOf(seq: number): number {
  let crc = 0;
  for (let i = 0; i < 4; i += 1) {
    crc ^= (seq >>> (8 * i)) & 0xff;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : 0xedb8_8320);
  }
  return ~crc >>> 0;
}
