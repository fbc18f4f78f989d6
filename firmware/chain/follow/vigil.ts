// Watches what is believed about a chain for what nobody reports of its own accord: that nothing new comes, that the chain's
// time falls behind the clock, that what is trusted is too old to vouch for anything, that the chain has forked, that it left
// blocks which had counted as settled.
//
// Promises: one alarm at a time, the gravest; never lowered by anything but what it is about. A mote that is cut off from the
// honest chain hears no more headers, or for long only such as are behind its clock: both raise `STALE`. Never decides anything.

import type { Clock } from "../../ports.js";
import type { Follower } from "./follower.js";

export const ALARM_NONE = 0;
/** Two blocks of one height have a quorum each: the head is frozen. */
export const ALARM_FORK = 1;
/** The trusting period is over: a new checkpoint is needed. */
export const ALARM_EXPIRED = 2;
/** No new header for too long, or the chain's time is too far behind the clock. */
export const ALARM_STALE = 3;

/** The chain left blocks that had counted as settled, within the last `REVOKED_BLOCKS`. */
export const ALARM_REVOKED = 4;

export type Alarm = typeof ALARM_NONE | typeof ALARM_FORK | typeof ALARM_EXPIRED | typeof ALARM_STALE | typeof ALARM_REVOKED;

export const ALARM_NAMES: readonly string[] = Object.freeze(["none", "fork", "checkpoint-expired", "stale", "revoked"]);

/** Silence for so long is reported where the consensus does not say how long is too long, in seconds. */
const STALE_AFTER_S = 3_600;

/** For so many blocks after it did it is reported that the chain left blocks that had counted as settled. */
export const REVOKED_BLOCKS = 256;

type Watched = Pick<Follower, "head" | "fork"> & {
  readonly revokedAt?: number | undefined;
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
    const { head, fork, consensus, revokedAt } = this.#follower;
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
    if (ticksMs - sinceMs > staleAfterS * 1000) return ALARM_STALE;
    return revokedAt !== undefined && head.number < revokedAt + REVOKED_BLOCKS ? ALARM_REVOKED : ALARM_NONE;
  }
}
