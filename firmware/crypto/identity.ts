// Who a mote is: the 20-byte Ethereum address of its public key.
//
// Promises: the address as the Yellow Paper defines it (the last 20 bytes of Keccak-256 over x ‖ y), its mixed-case
// form for people (EIP-55), and strict reading of either. Never: guesses at a text that is not exactly an address.

import { fromHex, toHex } from "../bytes.js";
import { assert, Rejection } from "../rejection.js";
import type { CryptoEngine } from "./engine.js";

export const ADDRESS_BYTES = 20;
const ADDRESS_CHARACTERS = 2 + 2 * ADDRESS_BYTES;

/**
 * @param publicKey uncompressed, 65 bytes: 0x04 ‖ x ‖ y, as `Keys.publicKey` and `Secp256k1.recover` give it
 * @returns 20 bytes
 */
export function addressOf(engine: CryptoEngine, publicKey: Uint8Array): Uint8Array {
  assert(publicKey.length === 65 && publicKey[0] === 4, "an uncompressed public key");
  return engine.keccak256(publicKey.subarray(1)).slice(-ADDRESS_BYTES);
}

/**
 * EIP-55: a letter is upper-case where the same digit of Keccak-256 over the lower-case text is 8 or more.
 * @param address 20 bytes
 * @returns 0x and 40 digits
 */
export function checksumAddress(engine: CryptoEngine, address: Uint8Array): string {
  assert(address.length === ADDRESS_BYTES, "an address of 20 bytes");
  const digits = toHex(address);
  const ascii = new Uint8Array(digits.length);
  for (let i = 0; i < digits.length; i += 1) ascii[i] = digits.charCodeAt(i);
  const hash = engine.keccak256(ascii);
  let text = "0x";
  for (let i = 0; i < digits.length; i += 1) {
    const nibble = ((hash[i >> 1] as number) >> (i % 2 === 0 ? 4 : 0)) & 15;
    text += nibble >= 8 ? digits.charAt(i).toUpperCase() : digits.charAt(i);
  }
  return text;
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
