// An image that boots for the first time and has to prove itself: its key loads, its journal mounts, the broker is reached, and a
// record of its own is stored. Only then is it kept; else the one before it comes back.
//
// Promises: it begins with the boot, before the configuration is read, and ends by a timer of its own, so that a mote that never
// opens, or whose key never does, ends as well. Why it ends is kept before the bootloader is told, for the image that comes back
// to say.
// Any reset before the end is an end, whatever causes it (ESP-IDF: the bootloader gives a pending image one boot): whoever would
// have the chip sleep looks at `slots.running()` first. Where there is no other image to go back to, this one is kept.
// Never: takes "not yet" for a no before `PROVING_MS` have passed.

import type { Device, Slots, TimerHandle } from "../ports.js";
import { Rejection } from "../rejection.js";
import {
  FAILED,
  PROOFS,
  REASON_START,
  REASON_UNPROVEN,
  reasonText,
  SELECTED,
  type UpdateState,
  UpdateStore,
  VALID,
} from "./state.js";

/** From the boot on. */
export const PROVING_MS = 15 * 60_000;
/** For the last lines of the log, and a mote that closes in good order. */
const RESTART_MS = 1_000;
const RETRY_MS = 60_000;
/** As `Slots.rollback` throws it. */
const NO_OTHER_IMAGE = "no other image";

/** Begun where the image that runs has still to prove itself: to be asked before all else, since the time runs from here. */
export function provingOf(device: Device): Proving | undefined {
  const { slots } = device;
  return slots?.running().state === "pending" ? new Proving(device, slots) : undefined;
}

export class Proving {
  readonly #device: Device;
  readonly #slots: Slots;
  readonly #store: UpdateStore;
  #timer: TimerHandle;
  #missing = PROOFS;
  #ended = false;
  #kept = false;
  /** Ends the mote in good order and starts anew; the device alone where there is no mote yet. */
  restart: (() => void) | undefined;
  /** The image is kept. */
  onKept: (() => void) | undefined;

  constructor(device: Device, slots: Slots) {
    this.#device = device;
    this.#slots = slots;
    this.#store = new UpdateStore(device.store);
    this.#timer = device.timer.set(() => this.end(REASON_UNPROVEN), PROVING_MS);
    device.log.write("update", { state: "proving", sequence: this.state?.sequence ?? 0 });
  }

  /** Whether the image is kept: only then may another one take the other slot. */
  get kept(): boolean {
    return this.#kept;
  }

  /** One or more of the bits of `PROOFS`. */
  shown(proof: number): void {
    if (this.#ended || (this.#missing & proof) === 0) return;
    this.#missing &= ~proof;
    if (this.#missing === 0) this.keep("valid");
  }

  /** The mote cannot be opened with this image. */
  unfit(): void {
    this.end(REASON_START);
  }

  /** The image will not do: what came before it comes back. */
  end(reason: number): void {
    if (this.#ended) return;
    this.stop();
    const { log, timer } = this.#device;
    const state = this.state;
    const ended = { reason, missing: this.#missing };
    // Where it cannot be kept, the image that comes back takes the end for a reset.
    if (state !== undefined) this.#store.write({ ...state, phase: FAILED, ...ended });
    try {
      this.#slots.rollback();
    } catch (error) {
      log.write("error", { what: "update", detail: String(error) });
      if (String(error).includes(NO_OTHER_IMAGE)) this.keep("kept", reasonText(ended));
      else this.again(() => this.end(reason));
      return;
    }
    log.write("update", { state: "rolling-back", sequence: state?.sequence ?? 0, reason: reasonText(ended) });
    timer.set(() => (this.restart ?? this.#device.restart)?.(), RESTART_MS);
  }

  private get state(): UpdateState | undefined {
    const state = this.#store.read();
    if (!(state instanceof Rejection)) return state;
    this.#device.log.write("error", { what: "update", code: state.code, detail: state.detail });
    return undefined;
  }

  private stop(): void {
    this.#ended = true;
    this.#device.timer.clear(this.#timer);
  }

  /** The flash has refused what the bootloader was to be told. */
  private again(work: () => void): void {
    this.#ended = false;
    this.#timer = this.#device.timer.set(work, RETRY_MS);
  }

  /** The bootloader first: a cut in between leaves an image that is kept, and a state that says so at the next boot. */
  private keep(word: string, reason?: string): void {
    this.stop();
    const { log } = this.#device;
    try {
      this.#slots.markValid();
    } catch (error) {
      log.write("error", { what: "update", detail: String(error) });
      this.again(() => this.keep(word, reason));
      return;
    }
    this.#kept = true;
    const state = this.state;
    if (state?.phase === SELECTED || state?.phase === FAILED)
      this.#store.write({ ...state, phase: VALID, reason: 0, missing: 0 });
    log.write("update", { state: word, sequence: state?.sequence ?? 0, ...(reason === undefined ? {} : { reason }) });
    this.onKept?.();
  }
}
