// Improv Wi-Fi over serial, version 1, as https://www.improv-wifi.com/serial/ has it: "IMPROV", version, type, length, data, checksum (the
// sum of all before, modulo 256). It is how a browser tells a board its Wi-Fi.
//
// Promises: bounded; what is no packet is passed over, what is a packet and wrong is said to be so by the protocol's own error. Each packet
// of ours stands on a line of its own, for readers that look for it at the beginnings of lines. Never: repeats a password.

import { fromText, toText } from "../bytes.js";
import { Rejection } from "../rejection.js";

const HEADER = "IMPROV";
const VERSION = 1;
const TYPE_STATE = 1;
const TYPE_ERROR = 2;
const TYPE_RPC = 3;
const TYPE_RESULT = 4;
const AT_TYPE = 7;
const AT_LENGTH = 8;
const HEAD_BYTES = 9;
const NEWLINE = 10;
/** Wi-Fi settings are the longest: command, length, a name of 32 bytes and a password of 64 with their lengths. */
const DATA_BYTES_MAX = 2 + 1 + 32 + 1 + 64;
const SSID_BYTES_MAX = 32;
const PASSWORD_BYTES_MAX = 64;
const TEXT_BYTES_MAX = 20;

export const IMPROV_READY = 2;
export const IMPROV_PROVISIONING = 3;
export const IMPROV_PROVISIONED = 4;

export const IMPROV_NO_ERROR = 0;
export const IMPROV_INVALID = 1;
export const IMPROV_UNKNOWN = 2;
export const IMPROV_UNABLE_TO_CONNECT = 3;

export const IMPROV_SET_WIFI = 1;
export const IMPROV_GET_STATE = 2;
export const IMPROV_GET_INFO = 3;

export interface ImprovCall {
  readonly command: number;
  /** Of `IMPROV_SET_WIFI` alone. */
  readonly wifi?: { readonly ssid: string; readonly password?: string };
}

/** Finds packets in whatever comes. */
export class ImprovReader {
  readonly #bytes = new Uint8Array(HEAD_BYTES + DATA_BYTES_MAX + 1);
  #length = 0;

  /** The call whose last byte this was, or one of the errors above; undefined where it was neither. */
  take(byte: number): ImprovCall | number | undefined {
    const at = this.#length;
    this.#bytes[at] = byte;
    this.#length += 1;
    if (at < HEADER.length) {
      if (byte !== HEADER.charCodeAt(at)) this.#length = byte === HEADER.charCodeAt(0) ? 1 : 0;
      if (this.#length === 1) this.#bytes[0] = byte;
      return undefined;
    }
    if (at < HEAD_BYTES - 1) {
      if ((at === HEADER.length && byte !== VERSION) || (at === AT_TYPE && byte !== TYPE_RPC)) this.#length = 0;
      return undefined;
    }
    const length = this.#bytes[AT_LENGTH] as number;
    if (length > DATA_BYTES_MAX) {
      this.#length = 0;
      return IMPROV_INVALID;
    }
    if (at < HEAD_BYTES + length) return undefined;
    this.#length = 0;
    return sum(this.#bytes, at) === byte ? callOf(this.#bytes.subarray(HEAD_BYTES, at)) : IMPROV_INVALID;
  }
}

function callOf(data: Uint8Array): ImprovCall | number {
  if (data.length < 2 || data[1] !== data.length - 2) return IMPROV_INVALID;
  const command = data[0] as number;
  if (command !== IMPROV_SET_WIFI)
    return command >= IMPROV_GET_STATE && command <= IMPROV_GET_INFO ? { command } : IMPROV_UNKNOWN;
  const ssid = textAt(data, 2, SSID_BYTES_MAX);
  if (ssid === undefined || ssid === "") return IMPROV_INVALID;
  const at = 3 + (data[2] as number);
  const password = textAt(data, at, PASSWORD_BYTES_MAX);
  if (password === undefined || at + 1 + (data[at] as number) !== data.length) return IMPROV_INVALID;
  return { command, wifi: password === "" ? { ssid } : { ssid, password } };
}

/** A length and as many bytes of UTF-8. */
function textAt(data: Uint8Array, at: number, bytesMax: number): string | undefined {
  const length = data[at] ?? bytesMax + 1;
  if (length > bytesMax || at + 1 + length > data.length) return undefined;
  const text = toText(data.subarray(at + 1, at + 1 + length));
  return text instanceof Rejection ? undefined : text;
}

export const improvState = (state: number): Uint8Array => packet(TYPE_STATE, [state]);
export const improvError = (error: number): Uint8Array => packet(TYPE_ERROR, [error]);

/** @param texts of ASCII, cut to `TEXT_BYTES_MAX` */
export function improvResult(command: number, texts: readonly string[]): Uint8Array {
  const data = [command, 0];
  for (const text of texts) {
    const bytes = fromText(text.slice(0, TEXT_BYTES_MAX));
    data.push(bytes.length);
    for (let i = 0; i < bytes.length; i += 1) data.push(bytes[i] as number);
  }
  data[1] = data.length - 2;
  return packet(TYPE_RESULT, data);
}

function packet(type: number, data: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(1 + HEAD_BYTES + data.length + 2);
  bytes[0] = NEWLINE;
  const inner = bytes.subarray(1);
  for (let i = 0; i < HEADER.length; i += 1) inner[i] = HEADER.charCodeAt(i);
  inner[HEADER.length] = VERSION;
  inner[AT_TYPE] = type;
  inner[AT_LENGTH] = data.length;
  inner.set(data, HEAD_BYTES);
  inner[HEAD_BYTES + data.length] = sum(inner, HEAD_BYTES + data.length);
  inner[HEAD_BYTES + data.length + 1] = NEWLINE;
  return bytes;
}

function sum(bytes: Uint8Array, length: number): number {
  let total = 0;
  for (let i = 0; i < length; i += 1) total += bytes[i] as number;
  return total & 0xff;
}
