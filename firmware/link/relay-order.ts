// Which relay to ask next. None is trusted; each is judged by what came of asking it.
//
// Promises: one that was silent is followed by the next; one whose headers did not hold is put last, behind the silent ones, and
// stays there until it has helped again. Whoever helped is asked again. Never gives up on any: the last one may be the honest one.

import { assert, Rejection } from "../rejection.js";

/** What says nothing about whoever sent the header: our own clock, our own limits, a step of a search. */
const INNOCENT: readonly string[] = Object.freeze([
  "work-limit",
  "clock-unknown",
  "checkpoint-expired",
  "time-in-future",
  "head-frozen",
  "stale",
  "link-absent",
  "side-too-long",
]);

interface Relay {
  readonly name: string;
  lied: boolean;
}

export class RelayOrder {
  /** The next to ask first; liars at the end. */
  readonly #relays: Relay[];

  /** @param names as topics have them; the empty one stands for whoever listens on the common topic */
  constructor(names: readonly string[]) {
    assert(names.length > 0, "somebody to ask");
    this.#relays = names.map((name) => ({ name, lied: false }));
  }

  get next(): string {
    return (this.#relays[0] as Relay).name;
  }

  /** What came of asking `next`. */
  judge(outcomes: readonly (object | Rejection)[]): void {
    const refused = outcomes.some((outcome) => outcome instanceof Rejection && !INNOCENT.includes(outcome.code));
    if (refused) this.putBack(true);
    else (this.#relays[0] as Relay).lied = false;
  }

  silent(): void {
    this.putBack((this.#relays[0] as Relay).lied);
  }

  private putBack(lied: boolean): void {
    const relay = this.#relays.shift() as Relay;
    relay.lied = lied;
    const firstLiar = lied ? -1 : this.#relays.findIndex((other) => other.lied);
    // Where all others have lied they have their turn again: whoever is silent now may be gone for good.
    this.#relays.splice(firstLiar <= 0 ? this.#relays.length : firstLiar, 0, relay);
  }
}
