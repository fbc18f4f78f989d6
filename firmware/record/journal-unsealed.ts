// The few records whose payload is stored and whose signature is not: docs/journal-format.md, "Sealing".
//
// Promises: at most UNSEALED_MAX, rising. Never: an allocation after construction.

export const UNSEALED_MAX = 4;

export class Unsealed {
  readonly #seqs = new Uint32Array(UNSEALED_MAX);
  readonly #epochs = new Uint32Array(UNSEALED_MAX);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The smallest seq, or 0. */
  get oldest(): number {
    return this.#count === 0 ? 0 : (this.#seqs[0] as number);
  }

  /** `epoch` is that of the sector that holds the payload. False where there is no room. */
  add(seq: number, epoch: number): boolean {
    if (this.#count === UNSEALED_MAX || this.indexOf(seq) >= 0) return false;
    this.#seqs[this.#count] = seq;
    this.#epochs[this.#count] = epoch;
    this.#count += 1;
    return true;
  }

  clear(): void {
    this.#count = 0;
  }

  delete(seq: number): void {
    const at = this.indexOf(seq);
    if (at < 0) return;
    this.#seqs.copyWithin(at, at + 1, this.#count);
    this.#epochs.copyWithin(at, at + 1, this.#count);
    this.#count -= 1;
  }

  /** The epoch that `add` was told, or undefined where `seq` is not among them. */
  epochOf(seq: number): number | undefined {
    const at = this.indexOf(seq);
    return at < 0 ? undefined : this.#epochs[at];
  }

  /** How many lie in the sector of that epoch. */
  countIn(epoch: number): number {
    let count = 0;
    for (let i = 0; i < this.#count; i += 1) if (this.#epochs[i] === epoch) count += 1;
    return count;
  }

  list(): number[] {
    return Array.from(this.#seqs.subarray(0, this.#count));
  }

  private indexOf(seq: number): number {
    for (let i = 0; i < this.#count; i += 1) if (this.#seqs[i] === seq) return i;
    return -1;
  }
}
