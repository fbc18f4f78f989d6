// Writes what a mote believes and could do without: the follower's state with its evidence, and the last trusted time.
//
// Promises: a write that the store refuses stops nothing else and loses nothing; it is said once, tried again after waits that
// double up to ten minutes, and once it works that is said, too. One part's failure delays no other part. What changes all the
// time is written every `INTERVAL_MS` at the most: flash wears. Never: throws.

import type { Log } from "./ports.js";

/**
 * What is written at leisure is written so often at the most: ten minutes. Whoever loses power before walks the headers since then
 * once more, and no more than a follower calls due by their number (`PERSIST_BLOCKS`).
 */
const INTERVAL_MS = 600_000;
/** A board that sleeps writes the time that it knows so often, though nothing else is new: as often as one that is awake. */
const REST_INTERVAL_MS = 3_600_000;
const RETRY_FIRST_MS = 10_000;
const RETRY_MAX_MS = 600_000;

export const SAVED = 0;
/** Something is to be written, when `INTERVAL_MS` have passed since the last time. */
export const UNSAVED = 1;
/** Something is to be written now. */
export const SAVE_DUE = 2;

/** Something that has a state worth writing. */
export interface Persistent {
  /** What is written, in words. */
  readonly written: string;
  unsaved(): typeof SAVED | typeof UNSAVED | typeof SAVE_DUE;
  /** Writes whatever is not written yet. May throw; nothing is lost then. */
  persist(): void;
}

export class Persistence {
  readonly #log: Log;
  readonly #first: Persistent;
  readonly #second: Persistent;
  /** When something was written last, or tried again. */
  #triedMs = 0;
  /** One bit for each part whose last write failed, and after how long they are tried again. */
  #failing = 0;
  #retryMs = 0;

  constructor(log: Log, first: Persistent, second: Persistent) {
    this.#log = log;
    this.#first = first;
    this.#second = second;
  }

  /** Writes what is due. */
  step(nowMs: number): void {
    const passedMs = nowMs - this.#triedMs;
    const enough = passedMs >= INTERVAL_MS ? UNSAVED : SAVE_DUE;
    const retries = this.#failing !== 0 && passedMs >= this.#retryMs;
    const failing = this.#failing;
    if ((failing & 1) === 0 ? this.#first.unsaved() >= enough : retries) this.write(this.#first, 1, nowMs);
    if ((failing & 2) === 0 ? this.#second.unsaved() >= enough : retries) this.write(this.#second, 2, nowMs);
    if (failing === 0) this.#retryMs = RETRY_FIRST_MS;
    else if (retries) this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }

  /**
   * Before a sleep: writes everything where there is anything new, since a wake has nothing else to go on with, or where nothing was written for an hour.
   * @param sinceMs since it was written last, sleep included
   * @returns whether it was written
   */
  rest(nowMs: number, sinceMs: number): boolean {
    const isSaved = this.#first.unsaved() === SAVED && this.#second.unsaved() === SAVED;
    if (isSaved && sinceMs < REST_INTERVAL_MS) return false;
    this.flush(nowMs);
    return true;
  }

  /** Writes everything now, due or not: before an orderly end. */
  flush(nowMs: number): void {
    this.write(this.#first, 1, nowMs);
    this.write(this.#second, 2, nowMs);
  }

  private write(part: Persistent, bit: number, nowMs: number): void {
    const failed = (this.#failing & bit) !== 0;
    // Another part's writes must not put off those that failed.
    if (this.#failing === 0 || failed) this.#triedMs = nowMs;
    try {
      part.persist();
      this.#failing &= ~bit;
      if (failed) this.#log.write("store", { what: part.written, state: "up" });
    } catch (error) {
      this.#failing |= bit;
      if (!failed) this.#log.write("store", { what: part.written, state: "failed", reason: String(error) });
    }
  }
}
