// The world's chance: one seed, and streams of numbers that do not disturb each other.
//
// Promises: the same seed and label give the same numbers on every machine; a fork takes nothing from its parent, so
// adding a consumer changes no other's numbers. Never for keys: this is a simulation's noise, not entropy.
// Algorithm: xorshift128 (Marsaglia, "Xorshift RNGs", 2003, §3.1), its state spread by FNV-1a and a 32-bit finaliser.

export class Prng {
  readonly #seed: string;
  #x: number;
  #y: number;
  #z: number;
  #w: number;

  constructor(seed: string | number) {
    this.#seed = String(seed);
    this.#x = spread(this.#seed, 1);
    this.#y = spread(this.#seed, 2);
    this.#z = spread(this.#seed, 3);
    this.#w = spread(this.#seed, 4) | 1; // the state must not be all zero
  }

  /** A stream of its own, named within this one. */
  fork(label: string): Prng {
    return new Prng(`${this.#seed}/${label}`);
  }

  /** 0 to 2³²−1. */
  uint32(): number {
    const t = this.#x ^ (this.#x << 11);
    this.#x = this.#y;
    this.#y = this.#z;
    this.#z = this.#w;
    this.#w = this.#w ^ (this.#w >>> 19) ^ t ^ (t >>> 8);
    return this.#w >>> 0;
  }

  /** 0 ≤ x < 1. */
  real(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** 0 to `bound` − 1. */
  below(bound: number): number {
    return Math.floor(this.real() * bound);
  }

  /** True once in `1 / probability` calls. */
  chance(probability: number): boolean {
    return probability > 0 && this.real() < probability;
  }

  /** About normal, mean 0, deviation 1 (Irwin–Hall, twelve terms: never beyond ±6). */
  normal(): number {
    let sum = -6;
    for (let i = 0; i < 12; i += 1) sum += this.real();
    return sum;
  }

  fill(buffer: Uint8Array): void {
    for (let i = 0; i < buffer.length; i += 1) buffer[i] = this.uint32() >>> 24;
  }
}

/** FNV-1a over the text and a lane number, then the finaliser of MurmurHash3. */
function spread(text: string, lane: number): number {
  let hash = 0x811c9dc5 ^ Math.imul(lane, 0x9e3779b1);
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
