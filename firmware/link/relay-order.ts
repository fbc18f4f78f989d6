// Which relay to ask next. None is trusted; each is judged by what came of asking it.
//
// Promises: one that was silent, or had nothing, is followed by the next; one whose headers did not hold is put last, behind the
// silent ones, and stays there until it has helped again; one that brings nothing on, whatever it says, or little each time, is
// followed by the next after a few answers, without blame. Whoever helped is asked again. Never gives up on any: the last one may
// be the honest one.

import { bringsOn, type Outcome } from "../chain/follow/outcome.js";
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

/** So much is borne of one relay before the next is asked, and what each kind of answer adds to it. */
const BORNE_MAX = 12;
/** Three in a row that bring nothing. */
const NOTHING = 4;
/** Four that bring less than there was room for, or late: it may be that there was no more, or that nobody is to get on. */
const LITTLE = 3;
/** Twelve about a branch that does not win: one that is as long as a branch can be takes no more. */
const ASIDE = 1;

interface Relay {
  readonly name: string;
  lied: boolean;
}

export class RelayOrder {
  /** The next to ask first; liars at the end. */
  readonly #relays: Relay[];
  /** What the first was borne with since it helped. */
  #borne = 0;

  /** @param names as topics have them; the empty one stands for whoever listens on the common topic */
  constructor(names: readonly string[]) {
    assert(names.length > 0, "somebody to ask");
    this.#relays = names.map((name) => ({ name, lied: false }));
  }

  get next(): string {
    return (this.#relays[0] as Relay).name;
  }

  /**
   * What came of asking `next`.
   * @param little whether it brought less than there was room for, or late
   */
  judge(outcomes: readonly (Outcome | Rejection)[], little = false): void {
    let weight = NOTHING;
    let some = 0;
    for (const outcome of outcomes) {
      if (outcome instanceof Rejection) {
        // Nobody's fault, but what came after it was of no use either.
        some = LITTLE;
        if (INNOCENT.includes(outcome.code)) continue;
        this.putBack(true);
        return;
      }
      if (bringsOn(outcome)) weight = Math.min(weight, little ? LITTLE : 0);
      else if (outcome.kind === "side") weight = Math.min(weight, ASIDE);
    }
    weight = Math.max(weight, some);
    if (weight < NOTHING) (this.#relays[0] as Relay).lied = false;
    this.#borne = weight === 0 ? 0 : this.#borne + weight;
    if (this.#borne >= BORNE_MAX) this.putBack((this.#relays[0] as Relay).lied);
  }

  /** It did not answer, or had nothing. */
  silent(): void {
    this.putBack((this.#relays[0] as Relay).lied);
  }

  private putBack(lied: boolean): void {
    const relay = this.#relays.shift() as Relay;
    relay.lied = lied;
    this.#borne = 0;
    const firstLiar = lied ? -1 : this.#relays.findIndex((other) => other.lied);
    // Where all others have lied they have their turn again: whoever is silent now may be gone for good.
    this.#relays.splice(firstLiar <= 0 ? this.#relays.length : firstLiar, 0, relay);
  }
}
