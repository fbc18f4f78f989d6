// How much each mote may ask of a relay: a token bucket per mote, and a bound on how many motes are remembered.
//
// Promises: within any time t one mote gets at most `burst + perSecond × t`; memory for at most `motesMax` motes. A mote
// that was forgotten begins with a full bucket, so a flood of addresses can only make others be forgotten: what protects
// the relay then is its bucket for all of them together.

export interface BucketLimits {
  readonly burst: number;
  readonly perSecond: number;
}

export class TokenBucket {
  readonly #limits: BucketLimits;
  #tokens: number;
  #atMs: number;

  constructor(limits: BucketLimits, nowMs: number) {
    this.#limits = limits;
    this.#tokens = limits.burst;
    this.#atMs = nowMs;
  }

  /** Takes up to `wanted` tokens and answers how many it got. */
  take(wanted: number, nowMs: number): number {
    const elapsedS = Math.max(0, nowMs - this.#atMs) / 1000;
    this.#tokens = Math.min(this.#limits.burst, this.#tokens + elapsedS * this.#limits.perSecond);
    this.#atMs = nowMs;
    const got = Math.min(wanted, Math.floor(this.#tokens));
    this.#tokens -= got;
    return got;
  }
}

export class Buckets {
  readonly #limits: BucketLimits;
  readonly #motesMax: number;
  /** In the order of last use. */
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(limits: BucketLimits, motesMax: number) {
    this.#limits = limits;
    this.#motesMax = motesMax;
  }

  get size(): number {
    return this.#buckets.size;
  }

  take(mote: string, wanted: number, nowMs: number): number {
    const bucket = this.#buckets.get(mote) ?? new TokenBucket(this.#limits, nowMs);
    this.#buckets.delete(mote);
    this.#buckets.set(mote, bucket);
    if (this.#buckets.size > this.#motesMax) {
      const oldest = this.#buckets.keys().next();
      if (oldest.done !== true) this.#buckets.delete(oldest.value);
    }
    return bucket.take(wanted, nowMs);
  }
}
