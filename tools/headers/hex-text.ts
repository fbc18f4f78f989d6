// Hexadecimal text as bytes, as tools of every chain write it: a line for each header, all of them in one line (REST interface of
// Bitcoin Core, Electrum's blockchain.block.headers), or wrapped anywhere.
//
// Promises: takes a byte order mark, CRLF, "0x" before a line, and UTF-16, which some shells write; memory for one chunk. Where the
// first line holds whole headers, every line has to, so that a short one is found where it is. Never: judges a header.

import { Rejection } from "../../firmware/rejection.js";

/** What tells text from bytes. */
const HEAD_BYTES = 240;

type Encoding = "latin1" | "utf-16le" | "utf-16be";

/** How the text is encoded that begins with `bytes`, or undefined where they are no text. */
export function textEncoding(bytes: Uint8Array): { readonly encoding: Encoding; readonly markBytes: number } | undefined {
  const [a, b, c] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf && isHex(bytes, 3, "latin1")) return { encoding: "latin1", markBytes: 3 };
  if (a === 0xff && b === 0xfe && isHex(bytes, 2, "utf-16le")) return { encoding: "utf-16le", markBytes: 2 };
  if (a === 0xfe && b === 0xff && isHex(bytes, 2, "utf-16be")) return { encoding: "utf-16be", markBytes: 2 };
  return isHex(bytes, 0, "latin1") ? { encoding: "latin1", markBytes: 0 } : undefined;
}

/** A Bitcoin header begins with its version, an Ethereum one with a byte from 0xc0 on: neither with digits and line ends alone. */
function isHex(bytes: Uint8Array, from: number, encoding: Encoding): boolean {
  const text = new TextDecoder(encoding).decode(bytes.subarray(from, from + HEAD_BYTES - (HEAD_BYTES % 2)));
  return text.length > 0 && /^[0-9a-fA-FxX\s]+$/.test(text);
}

export interface Line {
  /** The bytes of a line, or of a part of one. */
  readonly bytes: Uint8Array;
  /** Whether the line ends here. */
  readonly ends: boolean;
}

/** Turns chunks of text into the bytes of its lines. */
export class HexText {
  readonly #decoder: { decode(bytes: Uint8Array, options: { stream: boolean }): string };
  /** Of the line that is not whole yet: a digit without its fellow, or the "0" of a "0x". */
  #rest = "";
  #begins = true;
  #line = 1;

  constructor(encoding: Encoding) {
    this.#decoder = new TextDecoder(encoding);
  }

  /** Of the line that is read now, from 1. */
  get line(): number {
    return this.#line;
  }

  /** @param isLast no text comes after it */
  *take(chunk: Uint8Array, isLast: boolean): Generator<Line> {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: !isLast }) + (isLast ? "\n" : "");
    this.#rest = "";
    for (let at = 0; at < text.length; ) {
      const end = text.indexOf("\n", at);
      const part = text.slice(at, end < 0 ? text.length : end);
      yield this.#part(part, end >= 0);
      if (end < 0) return;
      at = end + 1;
      this.#line += 1;
      this.#begins = true;
    }
  }

  #part(text: string, ends: boolean): Line {
    let digits = text.replace(/\s+/g, "");
    // Two digits tell whether a line begins with 0x.
    if (!ends && ((this.#begins && digits.length < 2) || digits.length % 2 === 1)) {
      const keep = this.#begins && digits.length < 2 ? digits.length : 1;
      this.#rest = digits.slice(digits.length - keep);
      digits = digits.slice(0, digits.length - keep);
    }
    if (this.#begins) digits = digits.replace(/^0[xX]/, "");
    if (digits !== "") this.#begins = false;
    if (digits.length % 2 === 1 || !/^[0-9a-fA-F]*$/.test(digits))
      throw new Rejection("hex-malformed", `line ${this.#line} is not hexadecimal`);
    return { bytes: new Uint8Array(Buffer.from(digits, "hex")), ends };
  }
}
