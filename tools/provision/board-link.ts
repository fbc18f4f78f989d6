// The other end of a board's provisioning: sends a command, again where its answer does not come, and hands on the lines of the log between
// the answers (docs/provisioning.md, "Frames").
//
// Promises: a command is done by the board once, however often it is sent; an answer is whole, or an error says why there is none. Never:
// shows or keeps what a command carried.

import { encodeFrame, type Frame, FrameReader } from "../../firmware/provision/frames.js";
import { ANSWER_BIT, COMMAND_HELLO, COMMAND_MORE } from "../../firmware/provision/session.js";
import type { OpenPort } from "./port.js";

/** A board's own refusal. */
export class Refused extends Error {
  readonly code: string;
  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

/** The port is gone: unplugged, or the board started anew. */
export class PortGone extends Error {}

/** Nobody answers. */
export class NoAnswer extends Error {}

export interface LogLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

const ANSWER_MS_MAX = 1_500;
const TRIES = 8;
const LINE_BYTES_MAX = 4_096;
const NEWLINE = 10;
const ANSWER_HEAD_BYTES = 3;

export class BoardLink {
  readonly #port: OpenPort;
  readonly #onLog: (line: LogLine) => void;
  readonly #frames = new FrameReader();
  #line: number[] = [];
  #number = Math.floor(Math.random() * 256);
  #awaited: ((frame: Frame) => void) | undefined;
  readonly #gone: Promise<void>;
  #isGone = false;
  #closed = false;

  constructor(port: OpenPort, onLog: (line: LogLine) => void) {
    this.#port = port;
    this.#onLog = onLog;
    this.#gone = this.read();
  }

  /** Resolves when the port is gone. */
  get gone(): Promise<void> {
    return this.#gone;
  }

  /** The answer's JSON; throws `Refused`, `PortGone` or `NoAnswer`. */
  async ask(command: number, payload: Uint8Array = new Uint8Array(0), tries = TRIES): Promise<Readonly<Record<string, unknown>>> {
    this.#number = (this.#number + 1) & 0xff;
    const first = await this.answer(command, this.#number, payload, tries);
    const isRefused = first[0] !== 0;
    const length = ((first[1] as number) << 8) | (first[2] as number);
    const body = Buffer.alloc(length);
    let at = Buffer.from(first.subarray(ANSWER_HEAD_BYTES)).copy(body);
    while (at < length) {
      this.#number = (this.#number + 1) & 0xff;
      const more = await this.answer(COMMAND_MORE, this.#number, Uint8Array.of(at >> 8, at & 0xff), tries);
      const count = Buffer.from(more.subarray(ANSWER_HEAD_BYTES)).copy(body, at);
      if (count === 0) throw new NoAnswer("the board's answer has no end");
      at += count;
    }
    const said = JSON.parse(body.toString("utf8")) as Record<string, unknown>;
    if (isRefused) throw new Refused(String(said.code), String(said.detail));
    return said;
  }

  /** Waits for a board that may still be starting. */
  async hello(tries: number): Promise<Readonly<Record<string, unknown>>> {
    return await this.ask(COMMAND_HELLO, new Uint8Array(0), tries);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#port.close();
    await this.#gone;
  }

  private async answer(kind: number, number: number, payload: Uint8Array, tries: number): Promise<Uint8Array> {
    const writer = this.#port.writable.getWriter();
    try {
      for (let i = 0; i < tries; i += 1) {
        if (this.#isGone) break;
        const frame = await Promise.race([
          this.next(kind, number),
          writer.write(encodeFrame({ kind, number, payload })).then(() => pause(ANSWER_MS_MAX)),
          this.#gone,
        ]);
        if (frame !== undefined) return frame.payload;
      }
    } catch {
      this.#isGone = true; // a write to a port that is gone
    } finally {
      this.#awaited = undefined;
      writer.releaseLock();
    }
    if (this.#isGone) throw new PortGone("the port is gone");
    throw new NoAnswer("the board does not answer");
  }

  private next(kind: number, number: number): Promise<Frame> {
    return new Promise((resolve) => {
      this.#awaited = (frame) => {
        if (frame.kind === (kind | ANSWER_BIT) && frame.number === number && frame.payload.length >= ANSWER_HEAD_BYTES)
          resolve(frame);
      };
    });
  }

  private async read(): Promise<void> {
    const reader = this.#port.readable.getReader();
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        for (const byte of value) this.take(byte);
      }
    } catch {
      // A port that is pulled.
    }
    this.#isGone = true;
  }

  private take(byte: number): void {
    const frame = this.#frames.take(byte);
    if (frame !== undefined) this.#awaited?.(frame);
    if (byte === 0 || byte === NEWLINE) {
      if (byte === NEWLINE && !this.#closed) this.logged();
      this.#line = [];
    } else if (this.#line.length < LINE_BYTES_MAX) this.#line.push(byte);
  }

  private logged(): void {
    const text = Buffer.from(this.#line).toString("utf8");
    // A console may put words and colours around.
    const from = text.indexOf('{"event":');
    if (from < 0) return;
    try {
      const line = JSON.parse(text.slice(from, text.lastIndexOf("}") + 1)) as LogLine;
      if (typeof line.event === "string") this.#onLog(line);
    } catch {
      // Half a line, as after plugging in.
    }
  }
}

function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined).unref());
}
