// What time it is, and how well the mote knows it: its own clock, NTP, the lower bound that a verified header gives, and the
// last time that it knew before it was switched off. SNTP: RFC 4330.
//
// Promises: never answers a time before the newest verified header's less the chain's drift, nor, after a boot, before the
// last one it trusted; says by `timeQuality` where the time came from (record key 5). One server alone moves the clock by
// `STEP_S_MAX` at the most; a longer step takes two that agree, or the chain's own time nearby, or a first answer where but one
// server is configured and it leads forward, or one and the same answer for `LONE_MS` from the only server that answers.
// A board that sleeps deeply has a clock that is known less and less, by what its oscillator may drift: one that may be off by more than
// `STEP_S_MAX` counts as the mote's own guess, not as one that tells a chain's rules the time, until NTP has set it anew.
// Never: believes NTP below the chain's bound, or moves that back. Whatever else an answer did the next ones can undo, so that
// a spoofed time far ahead is not for ever.
//
// Format under its key: version (1), seconds since the Unix epoch (4), CRC-32 of these (4).

import { crc32, readUint, writeUint } from "./bytes.js";
import type { MoteConfig } from "./config.js";
import type { TimeQuality } from "./events.js";
import { type Persistent, SAVE_DUE, SAVED } from "./persistence.js";
import type { Device, KeyValueDomain, NtpClient } from "./ports.js";
import { TIME_BOUNDED_BY_HEADER, TIME_NONE, TIME_NTP, TIME_OWN_CLOCK } from "./record/record.js";

const NTP_INTERVAL_MS = 3_600_000;
const NTP_FRESH_MS = 3 * NTP_INTERVAL_MS;
const NTP_RETRY_FIRST_MS = 5_000;
const NTP_RETRY_MAX_MS = 600_000;
/** What `Clock.set` takes: the board's clock has 32 bits. 0 is no time (record key 4). */
const TIME_S_MAX = 0xffffffff;
/** A client tries its server five times, two seconds apart; one that says nothing for this long is given up. */
const NTP_TIMEOUT_MS = 60_000;
/** NTP counts 32 bits of seconds from 1900 on, and from 2036-02-07T06:28:16Z on anew (RFC 4330 §3). */
const NTP_ERA_S = 0x1_0000_0000;
/** What a timestamp of 0, which is none (RFC 4330 §3), becomes in the SDK's client. */
const NTP_NO_TIME_S = -2_208_988_800;
/** How far one server alone moves a clock that is set: a crystal's hour, whole seconds, a slow network. */
export const STEP_S_MAX = 10;
/** Two servers agree within so much. */
const AGREE_S = 5;
/** So far after the bound that runs on, one of several servers alone is believed for a clock that is not set. */
export const NEAR_S = 14_400;
/** For so long the only server that answers has to say the same before a longer step is believed. */
export const LONE_MS = 6 * NTP_INTERVAL_MS;
/** Of what has passed by the mote's own crystal, so many 64ths count as having passed for certain. */
const CERTAIN_64THS = 63;
/** The last trusted time is written so often, some nine thousand times a year; and when the clock was set anew. */
export const SAVE_INTERVAL_MS = 3_600_000;
const KEY = "time";
const VERSION = 1;
const VALUE_BYTES = 9;

export interface Now {
  /** Seconds since the Unix epoch; 0 where there is none. */
  readonly timeS: number;
  readonly timeQuality: TimeQuality;
}

/** Its functions are called as its methods: what implements it spares a board a closure for each. */
export interface TimekeeperOptions {
  readonly device: Pick<Device, "clock" | "log" | "network">;
  readonly config: Pick<MoteConfig, "ntpServers">;
  /** Holds the last trusted time under a key of its own. */
  readonly store: KeyValueDomain;
  /** How far the clock may be off because the board was asleep since it was set; 0 for a board that does not sleep. */
  readonly uncertainMs?: number;
  onWake(): void;
  /** NTP has set the clock. */
  onClockSet?(): void;
}

/** What a board that falls asleep has to know of the time again. */
export interface TimeState {
  /** It is at least so late. */
  readonly atLeastS: number;
  /** How long ago NTP set the clock; undefined where it is not set. */
  readonly setAgoMs: number | undefined;
}

export class Timekeeper implements Persistent {
  readonly #options: TimekeeperOptions;
  #client: NtpClient | undefined;
  /** When the next server is asked; while one is, when it is given up. */
  #nextMs = 0;
  #retryMs = NTP_RETRY_FIRST_MS;
  #setAtMs: number | undefined;
  /** The latest bound; what NTP and the clock are measured by. */
  #boundS = 0;
  /** From when the time runs on where there is nothing better, and when that was known. */
  #runS = 0;
  #runFromMs: number;
  /** The server that is asked next, and how many this round has still to ask. */
  #turn = 0;
  #left: number;
  /** What the servers of this round said that was not believed: seconds that the time is ahead of the counter. */
  #heard: number[] | undefined;
  /** What the only server that answers has been saying, and since when. */
  #lone = 0;
  #loneMs = 0;
  #saveMs: number;

  constructor(options: TimekeeperOptions) {
    this.#options = options;
    this.#left = options.config.ntpServers.length;
    this.#runFromMs = options.device.clock.ticksMs();
    this.#saveMs = this.#runFromMs + SAVE_INTERVAL_MS;
    this.restore();
  }

  /** A verified header says that it is at least this late. An older bound changes nothing. */
  bound(floorS: number): void {
    this.#boundS = Math.max(this.#boundS, floorS);
    // A clock that was behind once is wrong for good, even when it has caught up with what it was measured by.
    if (this.#options.device.clock.nowMs() < this.#boundS * 1000) this.#setAtMs = undefined;
    if (floorS > this.runningS(this.#options.device.clock.ticksMs())) this.runFrom(floorS);
  }

  /** What a wake needs of it. */
  state(): TimeState {
    const ticksMs = this.#options.device.clock.ticksMs();
    return { atLeastS: this.atLeastS(), setAgoMs: this.#setAtMs === undefined ? undefined : ticksMs - this.#setAtMs };
  }

  /**
   * Goes on with what was known when the board fell asleep.
   * @param passedMs since then, by the board's own clock @param certainMs what of it has passed for certain
   */
  resume({ atLeastS, setAgoMs }: TimeState, passedMs: number, certainMs: number): void {
    const ticksMs = this.#options.device.clock.ticksMs();
    if (atLeastS > 0) this.runFrom(Math.max(this.runningS(ticksMs), atLeastS + Math.floor(certainMs / 1000)));
    if (setAgoMs !== undefined) this.#setAtMs = ticksMs - passedMs - setAgoMs;
    this.bound(this.#boundS);
  }

  now(): Now {
    const { clock } = this.#options.device;
    const ticksMs = clock.ticksMs();
    if (this.#setAtMs !== undefined) {
      const fresh = ticksMs - this.#setAtMs <= NTP_FRESH_MS && !this.isUncertain;
      const timeQuality = fresh ? TIME_NTP : TIME_OWN_CLOCK;
      return { timeS: Math.floor(clock.nowMs() / 1000), timeQuality };
    }
    const timeS = this.runningS(ticksMs);
    return { timeS, timeQuality: timeS > 0 ? TIME_BOUNDED_BY_HEADER : TIME_NONE };
  }

  /** Whether a sleep has left the clock too uncertain to be measured by. */
  private get isUncertain(): boolean {
    return (this.#options.uncertainMs ?? 0) > STEP_S_MAX * 1000;
  }

  /** A server is being asked. */
  get asking(): boolean {
    return this.#client !== undefined;
  }

  /** Seconds since the epoch where NTP set the clock, and no sleep has left it uncertain; else undefined. */
  trustedNowS(): number | undefined {
    if (this.isUncertain) return undefined;
    return this.clockS();
  }

  private clockS(): number | undefined {
    const { timeS, timeQuality } = this.now();
    return timeQuality === TIME_NTP || timeQuality === TIME_OWN_CLOCK ? timeS : undefined;
  }

  /**
   * The clock for the rules of a chain; undefined where it is not known. Where what is certain already lies after `expiryS`,
   * the end of the trusting period, that is enough: a clock that is lost, or set back, makes no former validator's key good again.
   */
  nowS(expiryS: number): number | undefined {
    const nowS = this.trustedNowS();
    const atLeastS = this.atLeastS();
    return nowS === undefined && atLeastS > expiryS ? atLeastS : nowS;
  }

  /** It is at least so late, by the chain, by what was trusted last, and by what has certainly passed since. */
  atLeastS(): number {
    const passedMs = this.#options.device.clock.ticksMs() - this.#runFromMs;
    return Math.max(this.#boundS, this.#runS === 0 ? 0 : this.#runS + Math.floor((passedMs * CERTAIN_64THS) / 64_000));
  }

  /** Asks NTP where that is due and `online`. Answers the milliseconds until it wants to be called again. */
  step(online: boolean): number {
    const nowMs = this.#options.device.clock.ticksMs();
    if (this.#client !== undefined) {
      if (nowMs < this.#nextMs) return this.#nextMs - nowMs;
      this.passed(nowMs, "no answer");
    }
    if (!online) return Number.POSITIVE_INFINITY;
    if (nowMs < this.#nextMs) return this.#nextMs - nowMs;
    this.ask(nowMs);
    return Math.max(0, this.#nextMs - nowMs);
  }

  get written(): string {
    return "last trusted time";
  }

  unsaved(): typeof SAVED | typeof SAVE_DUE {
    return this.#options.device.clock.ticksMs() >= this.#saveMs && this.atLeastS() > 0 ? SAVE_DUE : SAVED;
  }

  /** Writes the last trusted time, where there is one. Throws what the store throws; nothing is lost then. */
  persist(): void {
    const { device, store } = this.#options;
    const { clock } = device;
    const timeS = this.atLeastS();
    if (timeS === 0) return;
    const bytes = new Uint8Array(VALUE_BYTES);
    bytes[0] = VERSION;
    writeUint(bytes, Math.min(timeS, TIME_S_MAX), 1, 4);
    writeUint(bytes, crc32(bytes.subarray(0, 5)), 5, 4);
    store.write(KEY, bytes);
    this.#saveMs = clock.ticksMs() + SAVE_INTERVAL_MS;
  }

  close(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.close();
  }

  private restore(): void {
    const value = this.#options.store.read(KEY);
    if (value === undefined) return;
    const bytes = new Uint8Array(value);
    if (bytes.length === VALUE_BYTES && bytes[0] === VERSION && crc32(bytes.subarray(0, 5)) === readUint(bytes, 5, 4))
      this.#runS = readUint(bytes, 1, 4);
    else this.refused("time-malformed", `key ${KEY} holds ${bytes.length} bytes that are no time of version ${VERSION}`);
  }

  private runningS(ticksMs: number): number {
    return this.#runS === 0 ? 0 : this.#runS + Math.floor((ticksMs - this.#runFromMs) / 1000);
  }

  private runFrom(timeS: number): void {
    this.#runS = timeS;
    this.#runFromMs = this.#options.device.clock.ticksMs();
  }

  /** Asks one server: with several in one client nobody could tell whose answer came. */
  private ask(nowMs: number): void {
    const { config, device } = this.#options;
    const servers = config.ntpServers;
    const ntp = device.network.ntp.client;
    this.#nextMs = nowMs + NTP_TIMEOUT_MS;
    const server = servers[this.#turn] as string;
    this.#turn = (this.#turn + 1) % servers.length;
    this.#left -= 1;
    try {
      const client = new ntp.io({ ...ntp, servers: [server] });
      this.#client = client;
      client.getTime((error, timeMs) => {
        if (this.#client === client) this.called(error, timeMs);
      });
    } catch (error) {
      this.passed(nowMs, error instanceof Error ? error.message : String(error));
    }
  }

  /** What the client calls back with. Nothing leaves this: on a board it would be a restart. */
  private called(error: Error | null, timeMs?: number): void {
    try {
      const ticksMs = this.#options.device.clock.ticksMs();
      if (error !== null || timeMs === undefined) this.passed(ticksMs, "no server answered");
      else this.answered(Math.floor(timeMs / 1000), ticksMs);
      this.#options.onWake();
    } catch (failure) {
      this.end();
      this.refused("time-failed", String(failure));
    }
  }

  /** @param saidS seconds since the Unix epoch as the SDK's client takes them: below 0 in the second era of NTP */
  private answered(saidS: number, ticksMs: number): void {
    const timeS = saidS < 0 && saidS > NTP_NO_TIME_S ? saidS + NTP_ERA_S : saidS;
    if (!(timeS >= 1 && timeS <= TIME_S_MAX)) {
      this.refused("time-out-of-range", `NTP says ${saidS}`);
      this.passed(ticksMs, "an answer that is no time");
    } else if (timeS < this.#boundS) {
      this.refused("time-behind-header", `NTP says ${timeS}, a verified header at least ${this.#boundS}`);
      this.passed(ticksMs, "an answer behind a verified header");
    } else if (this.isNear(timeS, ticksMs) || this.isAgreed(timeS, ticksMs)) this.set(timeS, ticksMs);
    else {
      this.#heard = [...(this.#heard ?? []), timeS - ticksMs / 1000];
      this.refused("time-alone", `NTP says ${timeS}, and nothing else does; it is ${this.now().timeS} here`);
      this.passed(ticksMs, "an answer that nothing bears out");
    }
  }

  /** Whether one server is enough for this. */
  private isNear(timeS: number, ticksMs: number): boolean {
    const nowS = this.clockS();
    const uncertainS = Math.ceil((this.#options.uncertainMs ?? 0) / 1000);
    if (nowS !== undefined) return Math.abs(timeS - nowS) <= STEP_S_MAX + uncertainS;
    if (timeS < this.atLeastS() - STEP_S_MAX) return false;
    return this.#options.config.ntpServers.length === 1 || timeS <= this.runningS(ticksMs) + NEAR_S;
  }

  private isAgreed(timeS: number, ticksMs: number): boolean {
    return this.#heard?.some((ahead) => Math.abs(ahead + ticksMs / 1000 - timeS) <= AGREE_S) === true;
  }

  private set(timeS: number, ticksMs: number): void {
    const { clock, log } = this.#options.device;
    this.end();
    const uncertainS = Math.ceil((this.#options.uncertainMs ?? 0) / 1000);
    if (Math.abs(timeS - (this.clockS() ?? 0)) > STEP_S_MAX + uncertainS) this.#saveMs = ticksMs;
    this.#options.onClockSet?.();
    clock.set(timeS);
    this.#setAtMs = ticksMs;
    this.runFrom(timeS);
    this.#loneMs = 0;
    this.#retryMs = NTP_RETRY_FIRST_MS;
    this.beginRound(ticksMs + NTP_INTERVAL_MS);
    log.write("time", { timeS, timeQuality: TIME_NTP });
  }

  /** The server that was asked has led nowhere: the next one is asked, or this round is over. */
  private passed(nowMs: number, why: string): void {
    this.end();
    if (this.#left > 0) {
      this.#nextMs = nowMs;
      return;
    }
    const ahead = this.#heard?.length === 1 ? this.#heard[0] : undefined;
    if (ahead !== undefined && this.isSteady(ahead, nowMs)) {
      this.set(Math.floor(ahead + nowMs / 1000), nowMs);
      return;
    }
    this.beginRound(nowMs + this.#retryMs);
    this.#options.device.log.write("time", {
      timeQuality: this.now().timeQuality,
      reason: `NTP: ${why}`,
      retryMs: this.#retryMs,
    });
    this.#retryMs = Math.min(this.#retryMs * 2, NTP_RETRY_MAX_MS);
  }

  /** Whether the only server that answers has said the same for long enough. */
  private isSteady(ahead: number, nowMs: number): boolean {
    if (this.#loneMs === 0 || Math.abs(ahead - this.#lone) > STEP_S_MAX) {
      this.#lone = ahead;
      this.#loneMs = nowMs;
    }
    return nowMs - this.#loneMs >= LONE_MS;
  }

  private beginRound(atMs: number): void {
    this.#heard = undefined;
    this.#left = this.#options.config.ntpServers.length;
    this.#nextMs = atMs;
  }

  /** The client is gone whatever it says to that. */
  private end(): void {
    try {
      this.close();
    } catch (error) {
      this.refused("time-client", String(error));
    }
  }

  private refused(code: string, detail: string): void {
    this.#options.device.log.write("refused", { what: "time", code, detail });
  }
}
