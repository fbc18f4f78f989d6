// When to ask a node for its newest block again: by need, since many nodes count what they are asked.
//
// Promises: learns how often blocks come; asks shortly before one is due and a few times around it, then ever more seldom, a
// handful of times a block. Never: asks faster than `POLL_MIN_MS`, waits longer than `POLL_MAX_MS`.

const POLL_MIN_MS = 250;
const POLL_MAX_MS = 5000;
/** While it is not known how often blocks come. */
const POLL_FIRST_MS = 500;
/** Of a period: when the first question after a block is worth it, and how far apart the next ones are. */
const FIRST_SHARE = 0.75;
const NEXT_SHARE = 0.25;
const SLOWER = 1.5;

export class PollPace {
  readonly #fixedMs: number | undefined;
  #periodMs: number | undefined;
  #nextMs = POLL_FIRST_MS;
  #last: { readonly number: number; readonly timeS: number } | undefined;

  /** @param fixedMs asks this often instead, whatever the blocks do */
  constructor(fixedMs?: number) {
    this.#fixedMs = fixedMs;
  }

  /** A new head: how long to wait before the node is asked again, in milliseconds. */
  changed(number: number, timeS: number): number {
    const last = this.#last;
    this.#last = { number, timeS };
    if (last !== undefined && number > last.number && timeS >= last.timeS)
      this.#periodMs = ((timeS - last.timeS) * 1000) / (number - last.number);
    if (this.#periodMs === undefined) return this.#fixedMs ?? this.#nextMs;
    this.#nextMs = bounded(this.#periodMs * NEXT_SHARE);
    return this.#fixedMs ?? bounded(this.#periodMs * FIRST_SHARE);
  }

  /** The same head as before: the same. */
  unchanged(): number {
    const wait = this.#nextMs;
    this.#nextMs = Math.min(bounded(this.#nextMs * SLOWER), Math.max(bounded(this.#periodMs ?? POLL_FIRST_MS), POLL_MIN_MS));
    return this.#fixedMs ?? wait;
  }
}

function bounded(ms: number): number {
  return Math.min(POLL_MAX_MS, Math.max(POLL_MIN_MS, ms));
}
