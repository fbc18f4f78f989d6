// The world's time: one clock that everything simulated waits on, either the machine's own or one that a test turns.
//
// Promises: callbacks come in order of their due time, never before it, and never from inside `schedule`; on the virtual
// clock no time passes but by `advance` and `block`. Never: a board's own clocks, which may drift and be wrong
// (hardware/board-clock.ts).

export interface Scheduled {
  readonly dueMs: number;
}

export interface WorldClock {
  /** Milliseconds since the world began; never goes back. */
  nowMs(): number;
  /** True time, in milliseconds since the Unix epoch. */
  epochMs(): number;
  schedule(callback: () => void, delayMs: number): Scheduled;
  cancel(scheduled: Scheduled): void;
  /** A processor that waits: time passes, and nothing of this process runs meanwhile. */
  block(durationMs: number): void;
}

// Taken before an engine lets the firmware's wall clock stand in for `Date.now`.
const hostEpochMs = Date.now.bind(Date);
const DELAY_MS_MAX = 0x7fffffff;
/** Cancelled entries that may lie about, besides as many as wait. */
const CANCELLED_MAX = 64;

/** The machine's clock, or one that runs so many times as fast from the same beginning. */
export class RealClock implements WorldClock {
  readonly #beginMs = performance.now();
  readonly #beginEpochMs = hostEpochMs();
  readonly #speed: number;

  constructor(speed = 1) {
    this.#speed = speed;
  }

  nowMs(): number {
    return (performance.now() - this.#beginMs) * this.#speed;
  }

  epochMs(): number {
    return this.#speed === 1 ? hostEpochMs() : this.#beginEpochMs + this.nowMs();
  }

  schedule(callback: () => void, delayMs: number): Scheduled {
    const delay = Math.min(Math.max(delayMs, 0), DELAY_MS_MAX);
    const entry: RealEntry = { dueMs: this.nowMs() + delay, timeout: setTimeout(callback, delay / this.#speed) };
    return entry;
  }

  cancel(scheduled: Scheduled): void {
    clearTimeout((scheduled as RealEntry).timeout);
  }

  block(durationMs: number): void {
    if (durationMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs / this.#speed);
  }
}

interface RealEntry extends Scheduled {
  readonly timeout: ReturnType<typeof setTimeout>;
}

/** A clock that only a test moves. Sockets stay real: between two callbacks the machine's I/O gets its turn. */
export class VirtualClock implements WorldClock {
  readonly #originMs: number;
  #nowMs = 0;
  #order = 0;
  readonly #waiting = new Set<VirtualEntry>();
  /** All that wait, and some that were cancelled. */
  #queue = new DueQueue();

  /** @param originMs true time at the beginning, in milliseconds since the Unix epoch */
  constructor(originMs = Date.UTC(2025, 0, 1)) {
    this.#originMs = originMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  epochMs(): number {
    return this.#originMs + this.#nowMs;
  }

  schedule(callback: () => void, delayMs: number): Scheduled {
    this.#order += 1;
    const entry = { dueMs: this.#nowMs + Math.max(delayMs, 0), order: this.#order, callback };
    this.#waiting.add(entry);
    this.#queue.push(entry);
    return entry;
  }

  cancel(scheduled: Scheduled): void {
    this.#waiting.delete(scheduled as VirtualEntry);
    if (this.#queue.size <= 2 * this.#waiting.size + CANCELLED_MAX) return;
    this.#queue = new DueQueue();
    for (const entry of this.#waiting) this.#queue.push(entry);
  }

  block(durationMs: number): void {
    this.#nowMs += Math.max(durationMs, 0);
  }

  /** How many callbacks wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** How long until the first of them is due, in milliseconds; undefined where none waits. */
  get untilNextMs(): number | undefined {
    const next = this.#first(Number.POSITIVE_INFINITY);
    return next === undefined ? undefined : Math.max(0, next.dueMs - this.#nowMs);
  }

  /**
   * Lets `durationMs` milliseconds pass and runs what falls due.
   * @param ioTurns turns of the machine's event loop after each callback, for real sockets to answer in
   */
  async advance(durationMs: number, ioTurns = 2): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    for (let next = this.#first(endMs); next !== undefined; next = this.#first(endMs)) {
      this.#waiting.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.callback();
      await turns(ioTurns);
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
    await turns(ioTurns);
  }

  #first(endMs: number): VirtualEntry | undefined {
    let first = this.#queue.first;
    while (first !== undefined && !this.#waiting.has(first)) {
      this.#queue.shift();
      first = this.#queue.first;
    }
    return first !== undefined && first.dueMs <= endMs ? first : undefined;
  }
}

interface VirtualEntry extends Scheduled {
  readonly order: number;
  readonly callback: () => void;
}

/** Entries by their due time, and those of one time in the order in which they came: a binary heap. */
class DueQueue {
  readonly #entries: VirtualEntry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  get first(): VirtualEntry | undefined {
    return this.#entries[0];
  }

  push(entry: VirtualEntry): void {
    const entries = this.#entries;
    let at = entries.length;
    for (let parent = (at - 1) >> 1; at > 0 && isBefore(entry, entries[parent] as VirtualEntry); parent = (at - 1) >> 1) {
      entries[at] = entries[parent] as VirtualEntry;
      at = parent;
    }
    entries[at] = entry;
  }

  /** Takes the first away. */
  shift(): void {
    const entries = this.#entries;
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < entries.length && isBefore(entries[child + 1] as VirtualEntry, entries[child] as VirtualEntry)) child += 1;
      if (child >= entries.length || !isBefore(entries[child] as VirtualEntry, last)) break;
      entries[at] = entries[child] as VirtualEntry;
      at = child;
    }
    entries[at] = last;
  }
}

function isBefore(a: VirtualEntry, b: VirtualEntry): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
