// Noise sources for tests: seeded, so that a failure repeats itself.

import { createCipheriv, createHash } from "node:crypto";
import type { Entropy } from "../../../firmware/ports.js";

/** A source that is read by this, on a board whose power has just come on. */
export function sourceOf(read: Entropy["read"]): Entropy {
  let failed = false;
  return {
    read,
    failed: () => failed,
    fail() {
      failed = true;
    },
  };
}

/** AES-256 in counter mode: as good as noise gets, and the same for the same seed. */
export function goodNoise(seed: string | number): Entropy {
  const cipher = createCipheriv("aes-256-ctr", createHash("sha256").update(`noise ${seed}`).digest(), Buffer.alloc(16));
  return sourceOf((buffer) => {
    buffer.set(cipher.update(Buffer.alloc(buffer.length)));
  });
}

/** Bytes that `next` gives one by one. */
export function noiseOf(next: () => number): Entropy {
  return sourceOf((buffer) => {
    for (let i = 0; i < buffer.length; i += 1) buffer[i] = next();
  });
}

/** Bits that are independent of each other and one with this probability, most significant bit first. */
export function biasedNoise(seed: string | number, ones: number): Entropy {
  const source = goodNoise(seed);
  const limit = Math.round(ones * 0x10000);
  const raw = new Uint8Array(16);
  return noiseOf(() => {
    source.read(raw);
    let byte = 0;
    for (let bit = 0; bit < 8; bit += 1)
      byte = byte * 2 + ((raw[2 * bit] as number) * 256 + (raw[2 * bit + 1] as number) < limit ? 1 : 0);
    return byte;
  });
}

/** `source` with one bit of each byte replaced. */
export function withBit(source: Entropy, position: number, bit: (index: number) => number): Entropy {
  let index = 0;
  return sourceOf((buffer) => {
    source.read(buffer);
    for (let i = 0; i < buffer.length; i += 1, index += 1)
      buffer[i] = ((buffer[i] as number) & ~(1 << position)) | (bit(index) << position);
  });
}

/** The first `period` bytes of `source`, for ever. */
export function cyclicNoise(source: Entropy, period: number): Entropy {
  const cycle = new Uint8Array(period);
  source.read(cycle);
  let index = 0;
  return noiseOf(() => cycle[index++ % period] as number);
}

/** `first` for so many bytes, and `then` after them. */
export function turningNoise(first: Entropy, bytes: number, then: Entropy): Entropy {
  let left = bytes;
  const one = new Uint8Array(1);
  return noiseOf(() => {
    (left > 0 ? first : then).read(one);
    left -= 1;
    return one[0] as number;
  });
}
