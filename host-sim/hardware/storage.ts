// What a board keeps through a power cut: its flash chip's partitions and its non-volatile storage. And its RTC memory, which
// lasts through resets alone.
//
// Promises: in a folder, a partition's image appears whole or not at all, however the process that makes it dies.

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { FlashStorage, ResetReason } from "../../firmware/ports.js";
import { boardOf, DEFAULT_BOARD, dataPartitions } from "../boards.js";
import type { RtcMemory } from "./entropy.js";
import { type FlashMode, NorFlash, SECTOR_BYTES, SimulatedFlash } from "./flash.js";
import { FlashFile } from "./flash-file.js";
import { FileNvs, MemoryNvs, type NvsStore } from "./key-value.js";
import type { Fuse, SlotStorage } from "./slots.js";

export interface BoardStorage {
  readonly nvs: NvsStore;
  readonly flash: FlashStorage;
  /** The partitions themselves, for their faults. */
  readonly partitions: Readonly<Record<string, NorFlash>>;
  /** Places of images; absent where the chip's table has none. */
  readonly slots?: SlotStorage;
}

export interface FlashChip {
  /** Partitions by name, each with its bytes: a multiple of 4,096. Those of the default board where absent. */
  readonly partitions?: Readonly<Record<string, number>>;
  /** With flash encryption or without. */
  readonly mode?: FlashMode;
  /** Seeds the chip's key and faults. */
  readonly seed?: number;
  /** Whether the bootloader looks at the eFuse's secure version. */
  readonly antiRollback?: boolean;
}

/** Partitions of images, by the names that ESP-IDF's tables give them. */
const OF_IMAGES: readonly string[] = ["otadata", "ota_0", "ota_1"];

/** In a folder: `nvs/` and `flash/`. @param nvsEncrypted whether NVS is */
export function fileStorage(folder: string, chip: FlashChip = {}, nvsEncrypted = false): BoardStorage {
  const images = join(folder, "flash");
  mkdirSync(images, { recursive: true, mode: 0o700 });
  return assemble(
    new FileNvs(join(folder, "nvs"), nvsEncrypted),
    chip,
    (name, byteLength) => {
      const path = join(images, `${name}.bin`);
      if (!existsSync(path)) createImage(path, byteLength);
      return new FlashFile(path);
    },
    new FileFuse(folder),
    (name) => existsSync(join(images, `${name}.bin`)),
  );
}

/** In memory: lasts as long as the object, through as many boards as are built on it. */
export function memoryStorage(chip: FlashChip = {}): BoardStorage {
  return assemble(new MemoryNvs(), chip, () => undefined, { secureVersion: 0 });
}

function assemble(
  nvs: NvsStore,
  chip: FlashChip,
  backingOf: (name: string, byteLength: number) => FlashFile | undefined,
  fuse: Fuse,
  isThere: (name: string) => boolean = () => false,
): BoardStorage {
  const partitions: Record<string, NorFlash> = {};
  const sizes = chip.partitions ?? dataPartitions(boardOf(DEFAULT_BOARD));
  const make = (name: string): NorFlash => {
    const byteLength = sizes[name] as number;
    if (!(byteLength > 0) || byteLength % SECTOR_BYTES !== 0) throw new RangeError(`partition ${name}: ${byteLength} bytes`);
    const backing = backingOf(name, byteLength);
    return new NorFlash({
      sectors: byteLength / SECTOR_BYTES,
      mode: chip.mode ?? "plain",
      seed: chip.seed ?? 1,
      ...(backing === undefined ? {} : { backing }),
    });
  };
  for (const name of Object.keys(sizes)) {
    if (!/^[a-z0-9_]{1,15}$/.test(name)) throw new RangeError(`no name of a partition: ${name}`);
    if (!OF_IMAGES.includes(name)) partitions[name] = make(name);
  }
  const whole = { nvs, flash: new SimulatedFlash(partitions), partitions };
  if (!OF_IMAGES.every((name) => name in sizes)) return whole;
  const places = new Map<number, NorFlash>();
  const slot = (number: number): NorFlash => {
    const place = places.get(number) ?? make(`ota_${number}`);
    places.set(number, place);
    return place;
  };
  const made = (number: number): boolean => places.has(number) || isThere(`ota_${number}`);
  return { ...whole, slots: { otadata: make("otadata"), slot, made, ...(chip.antiRollback === true ? { fuse } : {}) } };
}

/** An eFuse in a folder. */
class FileFuse implements Fuse {
  readonly #path: string;

  constructor(folder: string) {
    this.#path = join(folder, "secure-version");
  }

  get secureVersion(): number {
    return existsSync(this.#path) ? Number(readFileSync(this.#path, "utf8")) : 0;
  }

  set secureVersion(version: number) {
    writeFileSync(this.#path, `${version}`, { mode: 0o600 });
  }
}

/** RTC memory in a folder, since a board's process ends with each reset: files, there or not. Power that comes on clears them. */
export class FileRtc implements RtcMemory {
  readonly #failed: string;
  readonly #memory: string;
  readonly #asleep: string;

  constructor(folder: string, reset: ResetReason) {
    this.#failed = join(folder, "rtc-noise-failed");
    this.#memory = join(folder, "rtc-memory");
    this.#asleep = join(folder, "rtc-asleep.json");
    if (reset === "power-on") for (const path of [this.#failed, this.#memory, this.#asleep]) rmSync(path, { force: true });
  }

  get memory(): Uint8Array | undefined {
    return existsSync(this.#memory) ? new Uint8Array(readFileSync(this.#memory)) : undefined;
  }

  set memory(bytes: Uint8Array | undefined) {
    if (bytes === undefined) rmSync(this.#memory, { force: true });
    else writeFileSync(this.#memory, bytes, { mode: 0o600 });
  }

  get asleep(): RtcMemory["asleep"] {
    return existsSync(this.#asleep) ? (JSON.parse(readFileSync(this.#asleep, "utf8")) as RtcMemory["asleep"]) : undefined;
  }

  set asleep(since: RtcMemory["asleep"]) {
    if (since === undefined) rmSync(this.#asleep, { force: true });
    else writeFileSync(this.#asleep, JSON.stringify(since), { mode: 0o600 });
  }

  get noiseFailed(): boolean {
    return existsSync(this.#failed);
  }

  set noiseFailed(failed: boolean) {
    if (failed) closeSync(openSync(this.#failed, "w", 0o600));
    else rmSync(this.#failed, { force: true });
  }
}

/** Erased flash, under a temporary name until all of it is there. */
function createImage(path: string, byteLength: number): void {
  const file = openSync(`${path}.new`, "w", 0o600);
  const erased = new Uint8Array(byteLength).fill(0xff);
  for (let at = 0; at < byteLength; ) at += writeSync(file, erased, at);
  fsyncSync(file);
  closeSync(file);
  renameSync(`${path}.new`, path);
}
