// Who a mote is: the 20-byte Ethereum address of its public key.
//
// Promises: the address as the Yellow Paper defines it (the last 20 bytes of Keccak-256 over x ‖ y), its mixed-case
// form for people (EIP-55). Never: reads such a text.

import { assert } from "../rejection.js";
import type { CryptoEngine } from "./engine.js";

export const ADDRESS_BYTES = 20;
const SIGNATURE_BYTES = 64;
const ASCII_0 = 48;
const ASCII_A = 97;
const ASCII_A_TO_UPPER = 32;

/**
 * @param publicKey uncompressed, 65 bytes: 0x04 ‖ x ‖ y, as `Keys.publicKey` and `Secp256k1.recover` give it
 * @returns 20 bytes
 */
export function addressOf(engine: CryptoEngine, publicKey: Uint8Array): Uint8Array {
  assert(publicKey.length === 65 && publicKey[0] === 4, "an uncompressed public key");
  return engine.keccak256(publicKey.subarray(1)).slice(-ADDRESS_BYTES);
}

/**
 * Whose seal it is: 20 bytes, or undefined where no public key gives it.
 * @param seal r ‖ s ‖ recovery, 65 bytes
 * @param digest 32 bytes
 */
export function sealerOf(engine: CryptoEngine, seal: Uint8Array, digest: Uint8Array): Uint8Array | undefined {
  const { secp256k1 } = engine;
  if (secp256k1.recoverAddress !== undefined) return secp256k1.recoverAddress(seal, digest);
  const key = secp256k1.recover(seal.subarray(0, SIGNATURE_BYTES), seal[SIGNATURE_BYTES] as number, digest);
  return key === undefined ? undefined : addressOf(engine, key);
}

/** The form for people: 0x and the 40 digits of `checksumDigits`. */
export function checksumAddress(engine: CryptoEngine, address: Uint8Array): string {
  const ascii = checksumDigits(engine, address);
  let text = "0x";
  for (let i = 0; i < ascii.length; i += 1) text += String.fromCharCode(ascii[i] as number);
  return text;
}

/**
 * EIP-55: a letter is upper-case where the same digit of Keccak-256 over the lower-case text is 8 or more.
 * @param address 20 bytes
 * @returns the 40 digits in ASCII, without 0x
 */
export function checksumDigits(engine: CryptoEngine, address: Uint8Array): Uint8Array {
  assert(address.length === ADDRESS_BYTES, "an address of 20 bytes");
  const ascii = new Uint8Array(2 * ADDRESS_BYTES);
  for (let i = 0; i < ascii.length; i += 1) {
    const digit = nibbleOf(address, i);
    ascii[i] = digit < 10 ? ASCII_0 + digit : ASCII_A + digit - 10;
  }
  const hash = engine.keccak256(ascii);
  for (let i = 0; i < ascii.length; i += 1) {
    const character = ascii[i] as number;
    if (character >= ASCII_A && nibbleOf(hash, i) >= 8) ascii[i] = character - ASCII_A_TO_UPPER;
  }
  return ascii;
}

function nibbleOf(bytes: Uint8Array, index: number): number {
  return ((bytes[index >> 1] as number) >> (index % 2 === 0 ? 4 : 0)) & 15;
}
