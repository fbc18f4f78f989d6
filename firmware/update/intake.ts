// An image on its way into the other slot: asks for one part after another, writes each, and keeps how far that is.
//
// Promises: one request under way, one part kept; a sector is erased just before its first byte is written; what was kept of the
// progress is in the flash, and what is begun again is erased again. A part that is none, or does not come, is asked for again
// after waits that double up to a minute, for ever: that somebody does not answer is no end. The digest is taken over what the
// flash gives back.
// Never: believes a part, selects a slot, or decides what a wrong digest means.
// Codes: release-part, release-flash.

import { equal } from "../bytes.js";
import type { Device, FlashPartition, Slots } from "../ports.js";
import { Rejection } from "../rejection.js";
import type { UpdateState } from "./state.js";
import { PART_BYTES, partIn } from "./wire.js";

/** Of a sector of the flash. */
const SECTOR_BYTES = 4096;
/** Progress is kept so often: 28 times in the largest image of a board with 4 MB. */
const KEPT_EVERY_BYTES = 65_536;
/** What encrypted flash is written in, at most; a last part that is shorter is filled up. */
const WRITE_ALIGN_BYTES = 32;
const ERASED = 0xff;
const REPLY_TIMEOUT_MS = 5_000;
const WAIT_FIRST_MS = 500;
const WAIT_MAX_MS = 60_000;

/** ESP-IDF's: esp_image_header_t and a segment's header come first, then esp_app_desc_t. */
const IMAGE_MAGIC = 0xe9;
const DESCRIPTION_AT = 32;
const DESCRIPTION_MAGIC = 0xabcd5432;

/** Its functions are called as its methods. */
export interface IntakeOptions {
  readonly device: Pick<Device, "clock" | "flash">;
  readonly slots: Slots;
  /** Asks for a part of the image; false where the request cannot leave now. */
  ask(id: number, offset: number, bytes: number): boolean;
  /** A fresh number from 1 to 2³²−1, hard to guess. */
  requestId(): number;
  /** Keeps how many of the image's bytes are in the slot; false where that cannot be kept now. */
  reached(offset: number): boolean;
  /** What came was refused, or the flash has refused. */
  refused(rejection: Rejection): void;
}

export class Intake {
  readonly #options: IntakeOptions;
  readonly #state: UpdateState;
  readonly #partition: FlashPartition;
  #offset: number;
  /** The request under way; 0 where there is none. */
  #id = 0;
  #sentMs = 0;
  #waitMs = WAIT_FIRST_MS;
  #nextMs = 0;
  #message: Uint8Array | undefined;

  /** @param state `offset` is where to go on, a multiple of a sector */
  constructor(options: IntakeOptions, state: UpdateState) {
    this.#options = options;
    this.#state = state;
    this.#offset = state.offset;
    this.#partition = options.device.flash.open({ path: "nextota", mode: "r+" });
  }

  /** How many bytes are in the slot. */
  get offset(): number {
    return this.#offset;
  }

  get complete(): boolean {
    return this.#offset >= this.#state.size;
  }

  /** A part came: the last one counts. */
  received(message: Uint8Array): void {
    this.#message = message;
  }

  /** The link came or went: what was asked for is asked for again. */
  reset(): void {
    this.#id = 0;
    this.#message = undefined;
    this.#waitMs = WAIT_FIRST_MS;
    this.#nextMs = 0;
  }

  /** Asks for nothing before then. */
  wait(untilMs: number): void {
    this.#nextMs = untilMs;
  }

  /** Does what is due. Answers the milliseconds until it wants to be called again. */
  step(): number {
    const nowMs = this.#options.device.clock.ticksMs();
    this.take(nowMs);
    if (this.complete) return 0;
    if (this.#id !== 0) {
      const leftMs = this.#sentMs + REPLY_TIMEOUT_MS - nowMs;
      if (leftMs > 0) return leftMs;
      this.later(nowMs);
    }
    if (nowMs < this.#nextMs) return this.#nextMs - nowMs;
    const id = this.#options.requestId();
    if (!this.#options.ask(id, this.#offset, this.partBytes)) return WAIT_FIRST_MS;
    this.#id = id;
    this.#sentMs = nowMs;
    return REPLY_TIMEOUT_MS;
  }

  /** Whether the slot's bytes, as the flash gives them now, are the image. Throws what the flash throws. */
  holds(): boolean {
    const { digest, size } = this.#state;
    return equal(new Uint8Array(this.#options.slots.digest(size)), digest);
  }

  /** The secure version in the image's description; undefined where the bytes are no image of ESP-IDF's. */
  secureVersion(): number | undefined {
    const head = new DataView(this.#partition.read(DESCRIPTION_AT + 8, 0));
    if (head.getUint8(0) !== IMAGE_MAGIC || head.getUint32(DESCRIPTION_AT, true) !== DESCRIPTION_MAGIC) return undefined;
    return head.getUint32(DESCRIPTION_AT + 4, true);
  }

  close(): void {
    this.#partition.close();
  }

  private get partBytes(): number {
    return Math.min(PART_BYTES, this.#state.size - this.#offset);
  }

  /** Writes the part that came, where it is the one that was asked for. */
  private take(nowMs: number): void {
    const message = this.#message;
    this.#message = undefined;
    if (message === undefined || this.#id === 0) return;
    const part = partIn(message, this.#id, this.#offset, this.partBytes);
    if (part === undefined) return;
    const fault = part instanceof Rejection ? part : this.write(part);
    if (fault === undefined) {
      this.#id = 0;
      this.#waitMs = WAIT_FIRST_MS;
      return;
    }
    this.#options.refused(fault);
    this.later(nowMs);
  }

  /** Nothing has come of it: the next request waits, twice as long as the one before. */
  private later(nowMs: number): void {
    this.#id = 0;
    this.#nextMs = nowMs + this.#waitMs;
    this.#waitMs = Math.min(this.#waitMs * 2, WAIT_MAX_MS);
  }

  private write(part: Uint8Array): Rejection | undefined {
    const at = this.#offset;
    try {
      if (at % SECTOR_BYTES === 0) this.#partition.eraseBlock(at / SECTOR_BYTES);
      this.#partition.write(filledUp(part), at);
    } catch (error) {
      // The sector is begun again.
      this.#offset = at - (at % SECTOR_BYTES);
      return new Rejection("release-flash", `at ${at}: ${String(error)}`);
    }
    this.#offset = at + part.length;
    if (this.#offset % KEPT_EVERY_BYTES !== 0 || this.complete || this.#options.reached(this.#offset)) return undefined;
    this.#offset -= SECTOR_BYTES;
    return new Rejection("release-flash", `at ${at}: how far the image is could not be kept`);
  }
}

function filledUp(part: Uint8Array): Uint8Array {
  const over = part.length % WRITE_ALIGN_BYTES;
  if (over === 0) return part;
  const filled = new Uint8Array(part.length - over + WRITE_ALIGN_BYTES).fill(ERASED);
  filled.set(part);
  return filled;
}
