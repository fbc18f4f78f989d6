// Raw headers one after another, out of a file of any size or a running node.
//
// Promises: memory for one chunk and one batch, whatever the length; a file is bytes as the chain has them, one header after
// another, or hexadecimal (which of the two, its first bytes say; see hex-text.ts); where it ends in the middle of a header, that is said.
// Never: judges a header.

import { createReadStream } from "node:fs";
import { Rejection } from "../../firmware/rejection.js";
import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import type { RawHeaders } from "../rpc/chain.js";
import { RpcError } from "../rpc/json-rpc.js";
import { CommandError } from "../terminal.js";
import { HexText, textEncoding } from "./hex-text.js";

/** The longest header that is read. */
const HEADER_BYTES_MAX = 65_536;
const CHUNK_BYTES = 256 * 1024;
/** Requests that a node is asked at once. */
const REQUESTS_AT_ONCE = 16;
const HOLE_RETRY: BackoffLimits = { firstMs: 500, maxMs: 10_000 };
/** How often in a row a block may be missing below the head that the node tells. */
const HOLES_MAX = 10;

/** How long the header is that begins `bytes`, or undefined where they are too few to tell; throws where they begin none. */
export type Measure = (bytes: Uint8Array) => number | undefined;

/** Bitcoin's headers have 80 bytes each. */
export const measureBitcoin: Measure = () => 80;

/**
 * Ethereum's are RLP lists, which say how long they are (Yellow Paper appendix B). Zeros, which a file may be filled with where
 * nothing was written, are one piece as far as they go: no header, which is for who verifies to say.
 */
export const measureRlp: Measure = (bytes) => {
  const lead = bytes[0];
  if (lead === undefined) return undefined;
  if (lead === 0) {
    const end = bytes.findIndex((byte) => byte !== 0);
    return end < 0 ? bytes.length : end;
  }
  if (lead < 0xc0) throw new Rejection("header-malformed", "no RLP list");
  if (lead < 0xf8) return 1 + lead - 0xc0;
  const lengthBytes = lead - 0xf7;
  if (bytes.length < 1 + lengthBytes) return undefined;
  let length = 0;
  for (let i = 1; i <= lengthBytes; i += 1) length = length * 256 + (bytes[i] as number);
  return 1 + lengthBytes + length;
};

/**
 * The headers of a file in lists, one for each chunk that was read. What stands before a fault is given before it is thrown.
 * @param onRead told how many bytes of the file have been read
 */
export async function* headersOfFile(
  path: string,
  measure: Measure,
  onRead: (bytes: number) => void = () => undefined,
): AsyncGenerator<Uint8Array[]> {
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  let cut: Cutter | undefined;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      cut ??= cutterFor(chunk, measure);
      onRead(stream.bytesRead);
      yield* given(cut.take(new Uint8Array(chunk), false));
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (typeof code === "string" && !(error instanceof Rejection)) throw new CommandError(`${path}: ${reason(code)}`);
    throw error;
  }
  if (cut === undefined) throw new CommandError(`${path}: it is empty`);
  yield* given(cut.take(new Uint8Array(0), true));
}

/** What a chunk gave: whole headers, and the fault that they end at. */
interface Cut {
  readonly headers: readonly Uint8Array[];
  readonly fault: Rejection | undefined;
}

interface Cutter {
  take(chunk: Uint8Array, isLast: boolean): Cut;
}

function* given({ headers, fault }: Cut): Generator<Uint8Array[]> {
  if (headers.length > 0) yield [...headers];
  if (fault !== undefined) throw fault;
}

function cutterFor(beginning: Uint8Array, measure: Measure): Cutter {
  const text = textEncoding(beginning);
  return text === undefined ? new ByteCutter(measure) : new TextCutter(measure, text.encoding, text.markBytes);
}

/** Headers one after another. */
class ByteCutter implements Cutter {
  readonly #measure: Measure;
  /** Of the header that is not whole yet. */
  rest: Uint8Array = new Uint8Array(0);

  constructor(measure: Measure) {
    this.#measure = measure;
  }

  take(chunk: Uint8Array, isLast: boolean): Cut {
    const headers: Uint8Array[] = [];
    const fault = faultOf(() => {
      this.add(chunk, headers);
      if (isLast && this.rest.length > 0)
        throw new Rejection("header-malformed", `the file ends ${this.rest.length} bytes into a header`);
    });
    return { headers, fault };
  }

  /** Throws a Rejection where what comes begins no header. */
  add(chunk: Uint8Array, headers: Uint8Array[]): void {
    const bytes = this.rest.length === 0 ? chunk : new Uint8Array(Buffer.concat([this.rest, chunk]));
    let used = 0;
    while (used < bytes.length) {
      const length = this.#measure(bytes.subarray(used));
      if (length !== undefined && length > HEADER_BYTES_MAX && bytes[used] !== 0) throw tooLong();
      if (length === undefined || used + length > bytes.length) break;
      headers.push(bytes.subarray(used, used + length));
      used += length;
    }
    this.rest = bytes.slice(used);
  }
}

/** Hexadecimal: a line for each header, all in one line, or wrapped. */
class TextCutter implements Cutter {
  readonly #text: HexText;
  readonly #bytes: ByteCutter;
  #markBytes: number;
  /** Whether every line has to hold whole headers; the first one tells. */
  #whole: boolean | undefined;

  constructor(measure: Measure, encoding: ConstructorParameters<typeof HexText>[0], markBytes: number) {
    this.#bytes = new ByteCutter(measure);
    this.#text = new HexText(encoding);
    this.#markBytes = markBytes;
  }

  take(chunk: Uint8Array, isLast: boolean): Cut {
    const headers: Uint8Array[] = [];
    const fault = faultOf(() => {
      for (const { bytes, ends } of this.#text.take(chunk.subarray(this.#markBytes), isLast)) {
        this.#bytes.add(bytes, headers);
        if (ends) this.#endLine(headers.length > 0 || bytes.length > 0, isLast);
      }
    });
    this.#markBytes = 0;
    return { headers, fault };
  }

  #endLine(held: boolean, isLast: boolean): void {
    const { length } = this.#bytes.rest;
    if (this.#whole === undefined && held) this.#whole = length === 0;
    if (length > 0 && (this.#whole === true || isLast)) {
      const where = this.#whole === true ? `line ${this.#text.line}` : "the file";
      throw new Rejection("header-malformed", `${where} ends ${length} bytes into a header`);
    }
  }
}

function faultOf(work: () => void): Rejection | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

function tooLong(): Rejection {
  return new Rejection("header-too-long", `more than ${HEADER_BYTES_MAX} bytes`);
}

/**
 * The headers of a node from height `from` to its head as it is when that is reached.
 * @param rest waits before a block is asked for again that a node has not got though it tells a higher head
 */
export async function* headersOfNode(
  source: RawHeaders,
  from: number,
  rest: (ms: number) => Promise<void> = pause,
): AsyncGenerator<Uint8Array[]> {
  const backoff = new Backoff(HOLE_RETRY);
  let holes = 0;
  for (let number = from; ; ) {
    const numbers = Array.from({ length: REQUESTS_AT_ONCE }, (_, i) => number + i);
    const found = await Promise.all(numbers.map((at) => source.header(at)));
    const end = found.indexOf(undefined);
    const headers = found.slice(0, end < 0 ? found.length : end).map((header) => (header as { raw: Uint8Array }).raw);
    if (headers.length > 0) {
      yield headers;
      holes = 0;
      backoff.succeeded();
    }
    number += headers.length;
    if (end < 0) continue;
    const head = await source.header("latest");
    if (head === undefined || head.number < number) return;
    // One of several servers behind one address may be behind the others; "none" of one is not the end of the chain.
    holes += 1;
    if (holes > HOLES_MAX) throw new RpcError(`it has no block ${number}, and says that its head is #${head.number}`);
    await rest(backoff.next());
  }
}

function reason(code: string): string {
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a folder";
  return code === "EACCES" || code === "EPERM" ? "it may not be read" : code;
}
