// What time it is, and how well the mote knows it: its own clock, NTP, and the lower bound that a verified header gives.
//
// Promises: never answers a time before the newest verified header's less the chain's drift; says by `quality` where
// the time came from (record key 5). Never: believes NTP below that bound, or moves the bound back. An NTP answer can
// be corrected by the next one, and so can what the mote's own crystal made of a bound; only the bound is for ever.

import type { Clock, Log, NtpClient, NtpClientOptions } from "./ports.js";

export const QUALITY_NONE = 0;
/** Set by NTP more than `NTP_FRESH_MS` ago and running on alone since. */
export const QUALITY_OWN_CLOCK = 1;
export const QUALITY_NTP = 2;
/** The clock was unset or behind: this is the bound of a verified header, and what has passed since. */
export const QUALITY_HEADER = 3;

const NTP_INTERVAL_MS = 3_600_000;
const NTP_FRESH_MS = 3 * NTP_INTERVAL_MS;
const NTP_RETRY_FIRST_MS = 5_000;
const NTP_RETRY_MAX_MS = 600_000;
/** What `Clock.set` takes: the board's clock has 32 bits. 0 is no time (record key 4). */
const NTP_TIME_S_MAX = 0xffffffff;
/** The client tries each server five times, two seconds apart; one that says nothing for this long is given up. */
const NTP_TIMEOUT_MS = 60_000;

export interface Now {
  /** Seconds since the Unix epoch; 0 where quality is 0. */
  readonly timeS: number;
  readonly quality: number;
}

export interface TimekeeperOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly ntp: NtpClientOptions & { readonly io: new (options: NtpClientOptions) => NtpClient };
  readonly servers: readonly string[];
  readonly onWake: () => void;
}

export class Timekeeper {
  readonly #options: TimekeeperOptions;
  #client: NtpClient | undefined;
  #askedMs = 0;
  #nextMs = 0;
  #retryMs = NTP_RETRY_FIRST_MS;
  #setAtMs: number | undefined;
  /** The latest bound; what NTP and the clock are measured by. */
  #boundS = 0;
  /** The bound from which the time runs on where there is nothing better, and when it was told. */
  #runS = 0;
  #runFromMs = 0;

  constructor(options: TimekeeperOptions) {
    this.#options = options;
  }

  /** A verified header says that it is at least this late. An older bound changes nothing. */
  bound(floorS: number): void {
    this.#boundS = Math.max(this.#boundS, floorS);
    const nowMs = this.#options.clock.ticksMs();
    if (floorS <= this.runningS(nowMs)) return;
    this.#runS = floorS;
    this.#runFromMs = nowMs;
  }

  now(): Now {
    const { clock } = this.#options;
    const ticksMs = clock.ticksMs();
    if (this.#setAtMs !== undefined) {
      const clockS = Math.floor(clock.nowMs() / 1000);
      if (clockS >= this.#boundS)
        return { timeS: clockS, quality: ticksMs - this.#setAtMs <= NTP_FRESH_MS ? QUALITY_NTP : QUALITY_OWN_CLOCK };
    }
    const timeS = this.runningS(ticksMs);
    return { timeS, quality: timeS > 0 ? QUALITY_HEADER : QUALITY_NONE };
  }

  /** Seconds since the epoch where NTP set the clock, for rules that need one from outside the chain; else undefined. */
  trustedNowS(): number | undefined {
    const { timeS, quality } = this.now();
    return quality === QUALITY_NTP || quality === QUALITY_OWN_CLOCK ? timeS : undefined;
  }

  /** Asks NTP where that is due and `online`. Answers the milliseconds until it wants to be called again. */
  step(online: boolean): number {
    const nowMs = this.#options.clock.ticksMs();
    if (this.#client !== undefined) {
      if (nowMs - this.#askedMs >= NTP_TIMEOUT_MS) this.failed(nowMs, "no answer");
      else return NTP_TIMEOUT_MS - (nowMs - this.#askedMs);
    }
    if (!online) return Number.POSITIVE_INFINITY;
    if (nowMs < this.#nextMs) return this.#nextMs - nowMs;
    this.ask(nowMs);
    return NTP_TIMEOUT_MS;
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  private runningS(ticksMs: number): number {
    return this.#runS === 0 ? 0 : this.#runS + Math.floor((ticksMs - this.#runFromMs) / 1000);
  }

  private ask(nowMs: number): void {
    const { ntp, servers } = this.#options;
    this.#askedMs = nowMs;
    try {
      const client = new ntp.io({ ...ntp, servers });
      this.#client = client;
      client.getTime((error, timeMs) => {
        if (this.#client !== client) return;
        if (error !== null || timeMs === undefined) this.failed(this.#options.clock.ticksMs(), "no server answered");
        else this.answered(timeMs);
        this.#options.onWake();
      });
    } catch (error) {
      this.failed(nowMs, error instanceof Error ? error.message : String(error));
    }
  }

  private answered(timeMs: number): void {
    const { clock, log } = this.#options;
    this.close();
    const ticksMs = clock.ticksMs();
    const timeS = Math.floor(timeMs / 1000);
    if (!(timeS >= 1 && timeS <= NTP_TIME_S_MAX)) {
      log.write("refused", { what: "time", code: "time-out-of-range", detail: `NTP says ${timeS}` });
      this.failed(ticksMs, "an answer that is no time");
      return;
    }
    if (timeS < this.#boundS) {
      log.write("refused", {
        what: "time",
        code: "time-behind-header",
        detail: `NTP says ${timeS}, a verified header at least ${this.#boundS}`,
      });
      this.failed(ticksMs, "an answer behind a verified header");
      return;
    }
    clock.set(timeS);
    this.#setAtMs = ticksMs;
    this.#retryMs = NTP_RETRY_FIRST_MS;
    this.#nextMs = ticksMs + NTP_INTERVAL_MS;
    log.write("time", { timeS, quality: QUALITY_NTP });
  }

  private failed(nowMs: number, why: string): void {
    this.close();
    this.#nextMs = nowMs + this.#retryMs;
    this.#options.log.write("time", { quality: this.now().quality, reason: `NTP: ${why}`, retryMs: this.#retryMs });
    this.#retryMs = Math.min(this.#retryMs * 2, NTP_RETRY_MAX_MS);
  }
}
