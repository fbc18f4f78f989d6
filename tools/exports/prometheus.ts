// Metrics in the text format of Prometheus (version 0.0.4): counters, gauges and histograms.
//
// Promises: one HELP and one TYPE line for each family, in front of its samples; label values are escaped; at most `SERIES_MAX` series of a
// family, and one more, `other`, for what is beyond. Never: takes a name of a label or of a metric from outside.

const SERIES_MAX = 1024;
const OTHER = "other";

type Kind = "counter" | "gauge" | "histogram";

abstract class Family {
  readonly name: string;
  readonly #help: string;
  readonly #kind: Kind;

  constructor(name: string, help: string, kind: Kind) {
    this.name = name;
    this.#help = help;
    this.#kind = kind;
  }

  /** Lines, each with its end. */
  text(): string {
    return `# HELP ${this.name} ${this.#help}\n# TYPE ${this.name} ${this.#kind}\n${this.samples()}`;
  }

  protected abstract samples(): string;
}

/** A counter or a gauge, with at most one label. */
export class Metric extends Family {
  readonly #label: string | undefined;
  /** By the label's value. */
  readonly #values = new Map<string, number>();

  /** @param label name of its label; without one it has one series, which begins with 0 */
  constructor(name: string, help: string, kind: "counter" | "gauge", label?: string) {
    super(name, help, kind);
    this.#label = label;
    if (label === undefined) this.#values.set("", 0);
  }

  add(by = 1, value = ""): void {
    const key = this.#key(value);
    this.#values.set(key, (this.#values.get(key) ?? 0) + by);
  }

  set(to: number, value = ""): void {
    const key = this.#key(value);
    if (key !== OTHER || value === OTHER) this.#values.set(key, to);
  }

  #key(value: string): string {
    return this.#values.has(value) || this.#values.size < SERIES_MAX ? value : OTHER;
  }

  protected override samples(): string {
    const label = (value: string): string => (this.#label === undefined ? "" : `{${this.#label}="${escaped(value)}"}`);
    return [...this.#values].map(([value, number]) => `${this.name}${label(value)} ${number}\n`).join("");
  }
}

/** How long something takes, in seconds, without labels. */
export class Histogram extends Family {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  /** @param bounds of the buckets, rising, without infinity */
  constructor(name: string, help: string, bounds: readonly number[]) {
    super(name, help, "histogram");
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count += 1;
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    if (bucket >= 0) this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
  }

  protected override samples(): string {
    let below = 0;
    const buckets = this.#bounds.map((bound, i) => {
      below += this.#counts[i] as number;
      return `${this.name}_bucket{le="${bound}"} ${below}\n`;
    });
    const { name } = this;
    return `${buckets.join("")}${name}_bucket{le="+Inf"} ${this.#count}\n${name}_sum ${this.#sum}\n${name}_count ${this.#count}\n`;
  }
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
