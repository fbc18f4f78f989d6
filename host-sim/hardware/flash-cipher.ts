// The flash encryption of the simulated chip. It keeps no secret; it only has to spread a flipped bit over its block, as
// the AES of a real chip does: a keyed permutation of 16-byte blocks, tweaked by their address, as a Feistel network.

export const BLOCK_BYTES = 16;
const ROUNDS = 8;

/** Encrypts the block at `at` in place; `tweak` is its address in the partition. */
export function encryptBlock(block: DataView, at: number, key: number, tweak: number): void {
  for (let round = 0; round < ROUNDS; round += 1)
    mixRound(block, at + ((round & 1) === 0 ? 8 : 0), at + ((round & 1) === 0 ? 0 : 8), key + round, tweak);
}

/** Undoes `encryptBlock`. */
export function decryptBlock(block: DataView, at: number, key: number, tweak: number): void {
  for (let round = ROUNDS - 1; round >= 0; round -= 1)
    mixRound(block, at + ((round & 1) === 0 ? 8 : 0), at + ((round & 1) === 0 ? 0 : 8), key + round, tweak);
}

/** XORs a mixture of the 8 bytes at `from` into the 8 bytes at `into`. */
function mixRound(block: DataView, from: number, into: number, key: number, tweak: number): void {
  let a = block.getUint32(from) ^ Math.imul(key, 0x85ebca6b);
  let b = block.getUint32(from + 4) ^ tweak;
  a = Math.imul(a ^ (a >>> 15) ^ b, 0x2c1b3c6d);
  b = Math.imul(b ^ (b >>> 13) ^ a, 0x297a2d39);
  a = Math.imul(a ^ (a >>> 12) ^ b, 0xc2b2ae35);
  b ^= Math.imul(a ^ (a >>> 16), 0x27d4eb2f);
  block.setUint32(into, block.getUint32(into) ^ a ^ (a >>> 14));
  block.setUint32(into + 4, block.getUint32(into + 4) ^ b ^ (b >>> 16));
}
