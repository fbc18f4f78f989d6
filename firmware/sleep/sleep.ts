// Deep sleep between two samples: what of the mote lasts through it, when a board may sleep, and which wakes join the network.
//
// Promises: what the memory holds is taken, and erased, before anything is written in this start; it counts only after a reset by deep sleep,
// whole, from the very image that runs, while the board's clock agrees, the journal stands on the flash where it stood then, and the mark in
// the key-value store is above the next number. Whatever speaks against it, the mote starts as after any other reset. It is written as the last
// thing before the board sleeps. Between two wakes nothing is kept but on flash, in the key-value store and there.
// Never: sleeps while an image has still to prove itself (any reset is its end), while somebody gives the board a configuration, while a
// feature is busy, or while anything measured is in no record yet; lets the memory decide what is signed.
// docs/sleep.md.

import { equal } from "../bytes.js";
import type { MoteConfig } from "../config.js";
import { Fields } from "../fields.js";
import type { DeepSleep, Device, FlashPartition, KeyValueDomain } from "../ports.js";
import { Journal, type JournalOptions } from "../record/journal.js";
import { Sequence } from "../record/sequence.js";
import { Rejection } from "../rejection.js";
import { ageBy } from "../start/resets.js";
import { decodeSnapshot, encodeSnapshot, type Snapshot } from "./snapshot.js";

/**
 * How far the slow oscillator, by which the chip counts while it sleeps, may be off. Espressif's datasheets give it no tolerance; its ESP-IDF 6.0 gives
 * the fast RC oscillator of the same chips ± 7 % (its definitions of the clock tree), and says of the slow one that its time drifts with
 * the temperature (docs, "System Time"). It is measured against the crystal at each start, so what is left is less.
 */
export const SLEEP_DRIFT_PERCENT = 7;
/** Less is not worth a start. */
const SLEEP_MS_MIN = 2_000;
/** The longest interval of a sensor. */
const SLEEP_MS_MAX = 86_400_000;
/** A start that goes on with nothing stays awake so long: a button can be held then, and a cable is answered. */
export const AWAKE_AFTER_START_MS = 10_000;
/** Awake, it looks so often whether it may sleep. */
const LOOK_MS = 200;
/** A wake takes longer than the sleep was meant to, by starting alone. */
const START_MS_MAX = 60_000;
const MINUTE_MS = 60_000;
const WIFI_EVERY_MAX = 10_000;
const AWAKE_MS_MIN = 5_000;
const AWAKE_MS_MAX = 3_600_000;
const AWAKE_MS = 60_000;

/** What a mote tells of whether it could sleep now. */
export interface Sleeper {
  /** Nothing waits to become a record, to be signed or to be stated, and no feature is busy. */
  readonly idle: boolean;
  /** Milliseconds until the next sample; undefined while one is being taken. */
  restMs(nowMs: number): number | undefined;
  /** What a connection brings has come or is waited for no more, and every record is stored. */
  isSettled(nowMs: number): boolean;
}

/** What a mote that falls asleep knows and cannot find again. */
export type Asleep = Pick<Snapshot, "journal" | "sequence" | "time" | "lost" | "rests">;

/**
 * Takes what the memory holds. To be called before all else, since from here on nothing is there that could count a second time.
 * @returns undefined on a board whose image does not sleep
 */
export function sleepOf(device: Device): Sleep | undefined {
  return device.sleep === undefined ? undefined : new Sleep(device, device.sleep);
}

export class Sleep {
  /** Somebody gives the board a configuration, or tries one: it stays awake. */
  held = false;
  /** How far the clock may be off. */
  uncertainMs = 0;
  readonly #device: Device;
  readonly #port: DeepSleep;
  readonly #beganMs: number;
  /** Whether a sleep has ended: else nothing is said of it. */
  readonly #slept: boolean;
  #snapshot: Snapshot | undefined;
  #refused: string | undefined;
  #resumed = false;
  #passedMs = 0;
  #offline = false;
  #wifiEvery = 1;
  #awakeMs = AWAKE_MS;
  #unsavedMs = 0;

  constructor(device: Device, port: DeepSleep) {
    this.#device = device;
    this.#port = port;
    this.#beganMs = device.clock.ticksMs();
    const memory = new Uint8Array(port.read());
    port.write(new Uint8Array(0));
    const slept = device.chip?.resetReason() === "deep-sleep";
    const snapshot = decodeSnapshot(memory);
    const found = !(snapshot instanceof Rejection);
    this.#slept = slept || found;
    if (snapshot instanceof Rejection) this.#refused = snapshot.code === "snapshot-absent" ? "absent" : "malformed";
    else if (!slept) this.#refused = "reset";
    else if (!equal(snapshot.image, new Uint8Array(port.image()))) this.#refused = "image";
    else {
      this.#passedMs = device.clock.nowMs() - snapshot.wallMs;
      if (this.#passedMs < 0 || this.#passedMs > 2 * snapshot.sleepMs + START_MS_MAX) this.#refused = "clock";
      else this.#snapshot = snapshot;
    }
  }

  /** Reads the section `sleep`; why it does not do, or undefined. */
  configure({ sleep, sampling }: MoteConfig): Rejection | undefined {
    try {
      const fields = new Fields(sleep, "sleep");
      this.#wifiEvery = fields.uint("wifiEvery", 1, WIFI_EVERY_MAX, 1);
      this.#awakeMs = fields.uint("awakeMs", AWAKE_MS_MIN, AWAKE_MS_MAX, AWAKE_MS);
      if (sampling.samplesPerRecord === 1) return undefined;
      return new Rejection("config-invalid", "sampling.samplesPerRecord: expected 1, since a board that sleeps keeps no samples");
    } catch (error) {
      if (error instanceof Rejection) return error;
      throw error;
    }
  }

  /** The journal as it was left; undefined where it has to be mounted. */
  journal(partition: FlashPartition, options: JournalOptions): Journal | undefined {
    const snapshot = this.#snapshot;
    const journal = snapshot && Journal.resume(partition, options, snapshot.journal);
    if (journal === undefined) this.refuse("position");
    return journal;
  }

  /** The numbers as they were left; undefined where they have to be opened, and this boot counted. */
  sequence(store: KeyValueDomain, journal: Journal): Sequence | undefined {
    const snapshot = this.#snapshot;
    const sequence = snapshot && Sequence.resume(store, snapshot.sequence, journal.lastSeq ?? 0);
    if (snapshot === undefined || sequence === undefined) {
      this.refuse("mark");
      return undefined;
    }
    this.#resumed = true;
    this.#offline = snapshot.wakes + 1 < this.#wifiEvery;
    this.#unsavedMs = snapshot.unsavedMs + this.#passedMs;
    // Of an oscillator that is too slow the time that has passed is more than what it counted.
    this.uncertainMs = snapshot.uncertainMs + Math.ceil((this.#passedMs * SLEEP_DRIFT_PERCENT) / (100 - SLEEP_DRIFT_PERCENT));
    return sequence;
  }

  private refuse(reason: string): void {
    if (this.#snapshot === undefined) return;
    this.#snapshot = undefined;
    this.#refused = reason;
  }

  /** What to go on with; undefined where the mote starts as after any reset. Says which. */
  woken(boot: number, nextSeq: number, pending: number): Snapshot | undefined {
    const { log } = this.#device;
    if (this.#resumed) log.write("wake", { resumed: true, sleptMs: this.#passedMs, boot, nextSeq, pending });
    else if (this.#slept) log.write("wake", { resumed: false, reason: this.#refused ?? "absent" });
    return this.#resumed ? this.#snapshot : undefined;
  }

  /** Since the board fell asleep, by its own clock. */
  get passedMs(): number {
    return this.#passedMs;
  }

  /** What of that has passed however far the oscillator was off. */
  get certainMs(): number {
    return Math.floor((this.#passedMs * (100 - SLEEP_DRIFT_PERCENT)) / 100);
  }

  /** Whether this wake leaves the radio off. */
  get offline(): boolean {
    return this.#offline;
  }

  /** It cannot do without the network after all. */
  goOnline(): void {
    this.#offline = false;
  }

  /** Samples that were lost before the board fell asleep, and that no record says yet; once. */
  takeLost(): number {
    return this.#resumed ? (this.#snapshot?.lost ?? 0) : 0;
  }

  /** NTP has set the clock: whatever it was off by is over. */
  clockSet(): void {
    this.uncertainMs = 0;
  }

  /** Since when nothing was written of what may be written later. */
  unsavedMs(nowMs: number): number {
    return this.#unsavedMs + nowMs - this.#beganMs;
  }

  saved(nowMs: number): void {
    this.#unsavedMs = this.#beganMs - nowMs;
  }

  /** Whether it is time to sleep. */
  isDue(sleeper: Sleeper, nowMs: number): boolean {
    if (this.held || !sleeper.idle) return false;
    const restMs = sleeper.restMs(nowMs);
    if (restMs === undefined || restMs < SLEEP_MS_MIN) return false;
    if (this.#device.slots?.running().state === "pending") return false;
    const awakeMs = nowMs - this.#beganMs;
    if (!this.#resumed && awakeMs < AWAKE_AFTER_START_MS) return false;
    return this.#offline || awakeMs >= this.#awakeMs || sleeper.isSettled(nowMs);
  }

  /** When to ask again. */
  get lookMs(): number {
    return LOOK_MS;
  }

  /**
   * Sleeps until `restMs` have passed. Everything else that is to be written was written.
   * @param asleep undefined where the next wake has to start as after any reset
   */
  sleep(asleep: Asleep | undefined, restMs: number, pending: number): void {
    const { clock, log, restart } = this.#device;
    const ms = Math.max(1, Math.min(Math.floor(restMs), SLEEP_MS_MAX));
    const nowMs = clock.ticksMs();
    const wakes = this.#offline ? (this.#snapshot?.wakes ?? 0) + 1 : 0;
    const unagedMs = this.age(nowMs, ms);
    log.write("sleep", { ms, pending, wifi: asleep === undefined || wakes + 1 >= this.#wifiEvery });
    try {
      if (asleep !== undefined) {
        const { uncertainMs } = this;
        const image = new Uint8Array(this.#port.image());
        const unsavedMs = this.unsavedMs(nowMs);
        const wallMs = clock.nowMs();
        this.#port.write(encodeSnapshot({ ...asleep, image, wakes, wallMs, sleepMs: ms, uncertainMs, unsavedMs, unagedMs }));
      }
      this.#port.deepSleep(ms);
    } catch (error) {
      log.write("error", { what: "sleep", detail: String(error) });
      restart?.();
    }
  }

  /** Resets that nobody wanted grow old while the board sleeps, too. Answers what is not a whole minute yet. */
  private age(nowMs: number, sleepMs: number): number {
    // What was awake for a minute has counted that itself.
    const awakeMs = (nowMs - this.#beganMs) % MINUTE_MS;
    const passedMs = (this.#snapshot?.unagedMs ?? 0) + awakeMs + sleepMs;
    const minutes = Math.floor(passedMs / MINUTE_MS);
    try {
      if (minutes > 0) ageBy(this.#device.store, minutes);
    } catch (error) {
      this.#device.log.write("store", { what: "resets", state: "failed", reason: String(error) });
    }
    return passedMs - minutes * MINUTE_MS;
  }
}
