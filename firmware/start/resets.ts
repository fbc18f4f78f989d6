// Counts the resets that nobody wanted: a panic, an exception that nobody caught, a watchdog, too little voltage.
//
// The rule: five of them within ten minutes of running end in safe mode. There is no clock that lasts through a reset, so what is kept of
// each is for how many whole minutes the board has run since (NVS, namespace `boots`, key `resets`, a byte each, oldest first). It is
// counted on while the board runs, each minute, until the last of them is ten minutes old; what a reset cuts off of a minute is not counted.
// So five are taken together that lie within ten to fifteen minutes, and a board that crashes faster is always caught. A start with the power,
// or by the reset button, is a person's doing, and forgets them all; so does an orderly restart, after an update.
//
// Promises: nothing is written where nothing was counted. Never: catches what NVS throws; who asks for the count has to.

import type { Device, KeyValueStorage, ResetReason, TimerHandle } from "../ports.js";

const DOMAIN = "boots";
const KEY = "resets";
export const RESETS_MAX = 5;
const WINDOW_MINUTES = 10;
const MINUTE_MS = 60_000;

function isAbnormal(reason: ResetReason): boolean {
  return reason !== "power-on" && reason !== "software" && reason !== "deep-sleep" && reason !== "external";
}

/** Counts this start. Answers how many resets lie within the window, this one among them; throws where NVS refuses. */
export function countReset(store: KeyValueStorage, reason: ResetReason): number {
  const domain = store.open({ path: DOMAIN, format: "buffer" });
  try {
    const kept = new Uint8Array(domain.read(KEY) ?? new ArrayBuffer(0));
    // A wake goes on with what ran before.
    if (reason === "deep-sleep") return countWithin(kept);
    if (isAbnormal(reason)) {
      const minutes = Uint8Array.of(...kept.subarray(-(RESETS_MAX - 1)), 0);
      domain.write(KEY, minutes);
      return countWithin(minutes);
    }
    if (kept.length > 0) domain.delete(KEY);
    return 0;
  } finally {
    domain.close();
  }
}

function countWithin(minutes: Uint8Array): number {
  let count = 0;
  for (const age of minutes) if (age < WINDOW_MINUTES) count += 1;
  return count;
}

/**
 * So many minutes have passed: by one while the board runs, by whatever it has slept before it wakes. Throws where NVS refuses.
 * @returns whether any of the resets still counts
 */
export function ageBy(store: KeyValueStorage, passedMinutes: number): boolean {
  const domain = store.open({ path: DOMAIN, format: "buffer" });
  try {
    const minutes = new Uint8Array(domain.read(KEY) ?? new ArrayBuffer(0));
    if (minutes.length === 0) return false;
    for (let i = 0; i < minutes.length; i += 1) minutes[i] = Math.min(WINDOW_MINUTES, (minutes[i] as number) + passedMinutes);
    const waiting = countWithin(minutes) > 0;
    if (waiting) domain.write(KEY, minutes);
    else domain.delete(KEY);
    return waiting;
  } finally {
    domain.close();
  }
}

/** Counts the minutes on, until none of the resets counts any more: then nothing of it is left running. */
export function ageResets({ store, timer, log }: Pick<Device, "store" | "timer" | "log">): void {
  const due = (): TimerHandle => timer.set(age, MINUTE_MS);
  const age = (): void => {
    let waiting = true;
    try {
      waiting = ageBy(store, 1);
    } catch (error) {
      log.write("store", { what: "resets", state: "failed", reason: String(error) });
    }
    if (waiting) due();
  };
  due();
}
