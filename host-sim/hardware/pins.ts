// The pins of one board and what is wired to them: contacts, voltages, pulses in; what the firmware drives out.
//
// Promises: a pin has one owner at a time, as on the SDK; a change of level reaches whoever watches it, once for each edge asked
// for. A pin with nothing wired to it reads low, by a pull-up high. Never: bounces by itself; whoever wants that sets the level often.

export type Level = 0 | 1;

/** What `board.json` may wire to a pin. */
export interface Wired {
  /** A contact's level. */
  readonly level?: Level;
  /** A voltage, as a share of the converter's full scale, 0 to 1. */
  readonly analog?: number;
  /** Pulses a second of something that turns. */
  readonly pulsesPerS?: number;
}

const PINS = 49;

export class Pins {
  readonly #nowMs: () => number;
  readonly #levels = new Map<number, Level>();
  readonly #analog = new Map<number, number>();
  /** Pulses so far, and from when on how many a second. */
  readonly #pulses = new Map<number, { count: number; perS: number; fromMs: number }>();
  readonly #owned = new Set<number>();
  readonly #watchers = new Map<number, (level: Level) => void>();

  constructor(nowMs: () => number, wired: Readonly<Record<string, Wired>> = {}) {
    this.#nowMs = nowMs;
    for (const [pin, what] of Object.entries(wired)) this.wire(Number(pin), what);
  }

  wire(pin: number, { level, analog, pulsesPerS }: Wired): void {
    if (level !== undefined) this.set(pin, level);
    if (analog !== undefined) this.#analog.set(pin, analog);
    if (pulsesPerS !== undefined) this.#pulses.set(pin, { count: this.pulses(pin), perS: pulsesPerS, fromMs: this.#nowMs() });
  }

  claim(pin: number): void {
    if (!Number.isInteger(pin) || pin < 0 || pin >= PINS) throw new RangeError("invalid pin");
    if (this.#owned.has(pin)) throw new RangeError("pin in use");
    this.#owned.add(pin);
  }

  release(pin: number): void {
    this.#owned.delete(pin);
    this.#watchers.delete(pin);
  }

  watch(pin: number, changed: (level: Level) => void): void {
    this.#watchers.set(pin, changed);
  }

  /** From outside, or by the firmware. */
  set(pin: number, level: Level): void {
    if (this.level(pin) === level) return;
    this.#levels.set(pin, level);
    this.#watchers.get(pin)?.(level);
  }

  /** High, where nothing was ever wired to it. */
  pullUp(pin: number): void {
    if (!this.#levels.has(pin)) this.#levels.set(pin, 1);
  }

  level(pin: number): Level {
    return this.#levels.get(pin) ?? 0;
  }

  /** A share of full scale, 0 to 1. */
  analog(pin: number): number {
    return this.#analog.get(pin) ?? 0;
  }

  /** Whole pulses so far. */
  pulses(pin: number): number {
    const pulses = this.#pulses.get(pin);
    if (pulses === undefined) return 0;
    return Math.floor(pulses.count + (pulses.perS * (this.#nowMs() - pulses.fromMs)) / 1000);
  }
}
