// Raw headers one after another, out of a file of any size or a running node.
//
// Promises: memory for one chunk and one batch, whatever the length; a file is bytes as the chain has them, one header after
// another, or lines of hexadecimal (which of the two, its first bytes say); where it ends in the middle of a header, that is said.
// Never: judges a header.

import { createReadStream } from "node:fs";
import { Rejection } from "../../firmware/rejection.js";
import type { RawHeaders } from "../rpc/chain.js";
import { CommandError } from "../terminal.js";

/** The longest header or line that is read. */
const HEADER_BYTES_MAX = 65_536;
const CHUNK_BYTES = 256 * 1024;
/** Requests that a node is asked at once. */
const REQUESTS_AT_ONCE = 16;

/** How long the header is that begins `bytes`, or undefined where they are too few to tell; throws where they begin none. */
export type Measure = (bytes: Uint8Array) => number | undefined;

/** Bitcoin's headers have 80 bytes each. */
export const measureBitcoin: Measure = () => 80;

/** Ethereum's are RLP lists, which say how long they are (Yellow Paper appendix B). */
export const measureRlp: Measure = (bytes) => {
  const lead = bytes[0];
  if (lead === undefined) return undefined;
  if (lead < 0xc0) throw new Rejection("header-malformed", "no RLP list");
  if (lead < 0xf8) return 1 + lead - 0xc0;
  const lengthBytes = lead - 0xf7;
  if (bytes.length < 1 + lengthBytes) return undefined;
  let length = 0;
  for (let i = 1; i <= lengthBytes; i += 1) length = length * 256 + (bytes[i] as number);
  return 1 + lengthBytes + length;
};

/** The headers of a file in lists, one for each chunk that was read. */
export async function* headersOfFile(path: string, measure: Measure): AsyncGenerator<Uint8Array[]> {
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  let split: ((bytes: Uint8Array) => Split) | undefined;
  let rest: Uint8Array = new Uint8Array(0);
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const bytes = rest.length === 0 ? new Uint8Array(chunk) : new Uint8Array(Buffer.concat([rest, chunk]));
      split ??= isText(bytes) ? splitLines : (all) => splitBytes(all, measure);
      const { headers, used } = split(bytes);
      rest = bytes.slice(used);
      if (rest.length > HEADER_BYTES_MAX) throw new Rejection("header-too-long", `more than ${HEADER_BYTES_MAX} bytes`);
      if (headers.length > 0) yield headers;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (typeof code === "string" && !(error instanceof Rejection)) throw new CommandError(`${path}: ${reason(code)}`);
    throw error;
  }
  if (rest.length === 0) return;
  const last = split === splitLines ? splitLines(new Uint8Array([...rest, 10])).headers : [];
  if (last.length === 0) throw new Rejection("header-malformed", `the file ends ${rest.length} bytes into a header`);
  yield last;
}

interface Split {
  readonly headers: Uint8Array[];
  readonly used: number;
}

function splitBytes(bytes: Uint8Array, measure: Measure): Split {
  const headers: Uint8Array[] = [];
  let used = 0;
  while (used < bytes.length) {
    const length = measure(bytes.subarray(used));
    if (length === undefined || used + length > bytes.length) break;
    headers.push(bytes.subarray(used, used + length));
    used += length;
  }
  return { headers, used };
}

function splitLines(bytes: Uint8Array): Split {
  const headers: Uint8Array[] = [];
  let used = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, used)) {
    const line = Buffer.from(bytes.subarray(used, end)).toString("latin1").trim().replace(/^0x/, "");
    used = end + 1;
    if (line === "") continue;
    if (line.length % 2 === 1 || !/^[0-9a-fA-F]+$/.test(line)) throw new Rejection("hex-malformed", "a line is not hexadecimal");
    headers.push(new Uint8Array(Buffer.from(line, "hex")));
  }
  return { headers, used };
}

/** A Bitcoin header begins with its version, an Ethereum one with a byte from 0xc0 on: neither with digits and line ends alone. */
function isText(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.subarray(0, 120)).toString("latin1");
  return head.length > 0 && /^[0-9a-fA-FxX\s]+$/.test(head);
}

/** The headers of a node from height `from` to its head as it is when that is reached. */
export async function* headersOfNode(source: RawHeaders, from: number): AsyncGenerator<Uint8Array[]> {
  for (let number = from; ; number += REQUESTS_AT_ONCE) {
    const numbers = Array.from({ length: REQUESTS_AT_ONCE }, (_, i) => number + i);
    const found = await Promise.all(numbers.map((at) => source.header(at)));
    const end = found.indexOf(undefined);
    const headers = found.slice(0, end < 0 ? found.length : end).map((header) => (header as { raw: Uint8Array }).raw);
    if (headers.length > 0) yield headers;
    if (end >= 0) return;
  }
}

function reason(code: string): string {
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a folder";
  return code === "EACCES" || code === "EPERM" ? "it may not be read" : code;
}
