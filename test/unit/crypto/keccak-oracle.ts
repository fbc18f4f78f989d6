// A sponge over Keccak-f[1600] with 64-bit BigInt lanes, from FIPS 202 §3.2 and §3.3 alone: slow, plain, and only an oracle.

const MASK = (1n << 64n) - 1n;
const RATE_BYTES = 136;
const ROUNDS = 24;

function rotate(lane: bigint, by: number): bigint {
  const n = BigInt(by % 64);
  return ((lane << n) | (lane >> (64n - n))) & MASK;
}

/** §3.2.5: bit t of the linear feedback shift register. */
function roundBit(t: number): number {
  let register = 1;
  for (let i = 0; i < t % 255; i += 1) {
    register <<= 1;
    if (register & 0x100) register ^= 0x171;
  }
  return register & 1;
}

function at(lanes: readonly bigint[], x: number, y: number): bigint {
  return lanes[(x % 5) + 5 * (y % 5)] as bigint;
}

function permute(start: readonly bigint[]): bigint[] {
  let a = [...start];
  for (let round = 0; round < ROUNDS; round += 1) {
    // θ
    const parity = [0, 1, 2, 3, 4].map((x) => at(a, x, 0) ^ at(a, x, 1) ^ at(a, x, 2) ^ at(a, x, 3) ^ at(a, x, 4));
    a = a.map((lane, i) => lane ^ (parity[((i % 5) + 4) % 5] as bigint) ^ rotate(parity[((i % 5) + 1) % 5] as bigint, 1));
    // ρ and π
    const moved = [...a];
    let x = 1;
    let y = 0;
    for (let t = 0; t < ROUNDS; t += 1) {
      const rotated = rotate(at(a, x, y), ((t + 1) * (t + 2)) / 2);
      [x, y] = [y, (2 * x + 3 * y) % 5];
      moved[x + 5 * y] = rotated;
    }
    // χ
    a = moved.map((lane, i) => {
      const row = Math.floor(i / 5);
      return lane ^ ((at(moved, i + 1 - 5 * row, row) ^ MASK) & at(moved, i + 2 - 5 * row, row));
    });
    // ι
    let constant = 0n;
    for (let j = 0; j <= 6; j += 1) if (roundBit(j + 7 * round)) constant |= 1n << BigInt(2 ** j - 1);
    a[0] = (a[0] as bigint) ^ constant;
  }
  return a;
}

/**
 * 32 bytes with a rate of 136.
 * @param suffix the domain bits and the first padding bit: 0x06 for SHA3-256, 0x01 for Keccak-256
 */
export function sponge(message: Uint8Array, suffix: number): Uint8Array {
  const blocks = Math.floor(message.length / RATE_BYTES) + 1;
  const padded = new Uint8Array(blocks * RATE_BYTES);
  padded.set(message);
  padded[message.length] = suffix;
  padded[padded.length - 1] = (padded[padded.length - 1] as number) | 0x80;
  let state: bigint[] = Array.from({ length: 25 }, () => 0n);
  const view = new DataView(padded.buffer);
  for (let block = 0; block < padded.length; block += RATE_BYTES) {
    state = state.map((lane, i) => (i < RATE_BYTES / 8 ? lane ^ view.getBigUint64(block + 8 * i, true) : lane));
    state = permute(state);
  }
  const digest = new DataView(new ArrayBuffer(32));
  for (let i = 0; i < 4; i += 1) digest.setBigUint64(8 * i, state[i] as bigint, true);
  return new Uint8Array(digest.buffer);
}
