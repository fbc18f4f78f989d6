// Who a mote is: the 20-byte Ethereum address of its public key.
//
// Promises: the address as the Yellow Paper defines it (the last 20 bytes of Keccak-256 over x ‖ y), its mixed-case
// form for people (EIP-55), and strict reading of either. Never: guesses at a text that is not exactly an address.

import { fromHex } from "../bytes.js";
import { assert, Rejection } from "../rejection.js";
import type { CryptoEngine } from "./engine.js";

export const ADDRESS_BYTES = 20;
const SIGNATURE_BYTES = 64;
const ADDRESS_CHARACTERS = 2 + 2 * ADDRESS_BYTES;
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

/**
 * @param text 0x and 40 hexadecimal digits, of either case
 * @param engine where given, a text that mixes the cases must hold its EIP-55 checksum
 * @returns 20 bytes, or `address-malformed`, `address-checksum`
 */
export function parseAddress(text: string, engine?: CryptoEngine): Uint8Array | Rejection {
  if (typeof text !== "string" || text.length !== ADDRESS_CHARACTERS || !text.startsWith("0x"))
    return new Rejection("address-malformed", `an address is 0x and ${2 * ADDRESS_BYTES} hexadecimal digits`);
  const address = fromHex(text);
  if (address instanceof Rejection) return new Rejection("address-malformed", address.detail);
  if (engine !== undefined && isMixedCase(text) && checksumAddress(engine, address) !== text)
    return new Rejection("address-checksum", `the case of ${text} does not fit its EIP-55 checksum`);
  return address;
}

function isMixedCase(text: string): boolean {
  const digits = text.slice(2);
  return digits !== digits.toLowerCase() && digits !== digits.toUpperCase();
}
