// Watches what is believed about a chain for what nobody reports of its own accord: that nothing new comes, that the chain's
// time falls behind the clock, that what is trusted is too old to vouch for anything, that the chain has forked.
//
// Promises: one alarm at a time, the gravest; never lowered by anything but what it is about. A mote that is cut off from the
// honest chain hears no more headers, or for long only such as are behind its clock: both raise `STALE`. Never decides anything.

import type { Clock } from "../ports.js";
import type { Follower } from "./follower.js";

export const ALARM_NONE = 0;
/** Two blocks of one height have a quorum each: the head is frozen. */
export const ALARM_FORK = 1;
/** The trusting period is over: a new checkpoint is needed. */
export const ALARM_EXPIRED = 2;
/** No new header for too long, or the chain's time is too far behind the clock. */
export const ALARM_STALE = 3;

export type Alarm = typeof ALARM_NONE | typeof ALARM_FORK | typeof ALARM_EXPIRED | typeof ALARM_STALE;

export const ALARM_NAMES: readonly string[] = Object.freeze(["none", "fork", "checkpoint-expired", "stale"]);

/** Silence for so long is reported where the consensus does not say how long is too long, in seconds. */
const STALE_AFTER_S = 3_600;

type Watched = Pick<Follower, "head" | "fork"> & {
  readonly consensus: { readonly staleAfterS?: number; readonly trustingPeriodS?: number | undefined };
};

export class Vigil {
  readonly #follower: Watched;
  readonly #clock: Pick<Clock, "ticksMs">;
  #number: number;
  #movedMs: number;
  /** Since when the chain's time was never near the clock; whoever boots after a long sleep is behind for a moment. */
  #nearMs: number;

  constructor(follower: Watched, clock: Pick<Clock, "ticksMs">) {
    this.#follower = follower;
    this.#clock = clock;
    this.#number = follower.head.number;
    this.#movedMs = clock.ticksMs();
    this.#nearMs = this.#movedMs;
  }

  /** @param nowS the clock, or undefined where it is not known */
  look(nowS: number | undefined): Alarm {
    const { head, fork, consensus } = this.#follower;
    const { staleAfterS = STALE_AFTER_S, trustingPeriodS } = consensus;
    const ticksMs = this.#clock.ticksMs();
    if (head.number !== this.#number) {
      this.#number = head.number;
      this.#movedMs = ticksMs;
    }
    if (fork !== undefined) return ALARM_FORK;
    const behindS = nowS === undefined ? 0 : nowS - head.timeS;
    if (trustingPeriodS !== undefined && behindS > trustingPeriodS) return ALARM_EXPIRED;
    if (behindS <= staleAfterS) this.#nearMs = ticksMs;
    const sinceMs = Math.min(this.#movedMs, this.#nearMs);
    return ticksMs - sinceMs > staleAfterS * 1000 ? ALARM_STALE : ALARM_NONE;
  }
}
