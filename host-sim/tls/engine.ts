// The module `chainmote/tls` on a host: the firmware's own C (firmware/board/native/tls-engine.c) in a program of its own
// (program.c), asked over two pipes, a question and its answer at a time.
//
// Promises: the program starts with the first session and ends with this process, however that ends; each call waits for its
// answer, as a call of C does on a board. Never: a session in a process that has none; a key or plaintext anywhere but in the
// program and with the caller.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, constants as opening, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sessions } from "../../firmware/board/tls-socket.js";
import type { ByteBuffer } from "../../firmware/ports.js";
import { bytesOf } from "../modules/buffer.js";

/** What the allocator of the program counted, in bytes; a peak is since it was last asked. */
export interface TlsMemory {
  readonly bits: number;
  readonly liveBytes: number;
  readonly peakBytes: number;
  readonly stackPeakBytes: number;
}

const REQUEST_BYTES = 10;
const REPLY_BYTES = 8;
const NOTHING = new Uint8Array(0);

interface Numbered {
  readonly number: number;
}

/** A program (build.ts) as the board's module. */
export class TlsProgram implements Sessions {
  readonly #file: string;
  #child: ChildProcess | undefined;
  #requests = -1;
  #replies = -1;

  constructor(file: string) {
    this.#file = file;
  }

  open(ca: ByteBuffer, host: string, nowS: number): object | string {
    const name = Buffer.from(host, "utf8");
    if (name.length > 255) return "the host name is empty or longer than 253 bytes";
    const head = Buffer.alloc(9);
    head.writeBigInt64LE(BigInt(nowS), 0);
    head[8] = name.length;
    const { number, bytes } = this.ask("o", 0, 0, Buffer.concat([head, name, bytesOf(ca)]));
    return number > 0 ? { number } : bytes.toString("utf8");
  }

  end(session: object): void {
    this.ask("e", session);
  }

  close(session: object): void {
    this.ask("c", session);
  }

  status(session: object): number {
    return this.ask("s", session).number;
  }

  fault(session: object): string {
    return this.ask("x", session).bytes.toString("utf8");
  }

  room(session: object): number {
    return this.ask("m", session).number;
  }

  feed(session: object, bytes: ByteBuffer): void {
    this.ask("f", session, 0, bytesOf(bytes));
  }

  take(session: object, count: number): ArrayBuffer | undefined {
    const { bytes } = this.ask("t", session, count);
    return bytes.length === 0 ? undefined : bytes.buffer;
  }

  read(session: object, into: number | ByteBuffer): ArrayBuffer | number {
    const { bytes } = this.ask("r", session, typeof into === "number" ? into : into.byteLength);
    if (typeof into === "number") return bytes.buffer;
    bytesOf(into).set(bytes);
    return bytes.length;
  }

  readByte(session: object): number {
    return this.ask("r", session, 1).bytes[0] ?? -1;
  }

  fits(session: object, socketRoom: number): number {
    return this.ask("i", session, socketRoom).number;
  }

  write(session: object, bytes: ByteBuffer, from: number, more: boolean): number {
    return this.ask("w", session, more ? 1 : 0, bytesOf(bytes).subarray(from)).number;
  }

  /** Of the linked library. */
  version(): string {
    return this.ask("v", 0).bytes.toString("utf8");
  }

  memory(): TlsMemory {
    const { number, bytes } = this.ask("p", 0);
    const [liveBytes, peakBytes, stackPeakBytes] = [0, 4, 8].map((at) => bytes.readUInt32LE(at)) as [number, number, number];
    return { bits: number, liveBytes, peakBytes, stackPeakBytes };
  }

  /** Ends the program; its sessions are gone. */
  stop(): void {
    if (this.#child === undefined) return;
    closeSync(this.#requests);
    closeSync(this.#replies);
    this.#child = undefined;
  }

  private ask(
    operation: string,
    session: object | 0,
    number = 0,
    payload: Uint8Array = NOTHING,
  ): { number: number; bytes: Buffer & { buffer: ArrayBuffer } } {
    if (this.#child === undefined) this.start();
    const request = Buffer.alloc(REQUEST_BYTES + payload.length);
    request[0] = operation.charCodeAt(0);
    request[1] = session === 0 ? 0 : (session as Numbered).number;
    request.writeUInt32LE(number, 2);
    request.writeUInt32LE(payload.length, 6);
    request.set(payload, REQUEST_BYTES);
    for (let at = 0; at < request.length; ) at += writeSync(this.#requests, request, at);
    const reply = this.receive(REPLY_BYTES);
    return { number: reply.readUInt32LE(0), bytes: this.receive(reply.readUInt32LE(4)) };
  }

  private receive(byteLength: number): Buffer & { buffer: ArrayBuffer } {
    const bytes = Buffer.from(new ArrayBuffer(byteLength));
    for (let at = 0; at < byteLength; ) {
      const count = readSync(this.#replies, bytes, at, byteLength - at, null);
      if (count === 0) throw new Error("the program of the firmware's TLS has ended");
      at += count;
    }
    return bytes as Buffer & { buffer: ArrayBuffer };
  }

  /** Named pipes, since those that Node makes for a child answer nothing while this thread waits. */
  private start(): void {
    const folder = mkdtempSync(join(tmpdir(), "chainmote-tls-"));
    try {
      const [down, up] = [join(folder, "requests"), join(folder, "replies")];
      execFileSync("mkfifo", ["-m", "600", down, up]);
      // Both ways at first, or opening one end would wait for the other; each side keeps its own end alone, and sees it close.
      const both = [openSync(down, opening.O_RDWR), openSync(up, opening.O_RDWR)];
      const [childIn, childOut] = [openSync(down, opening.O_RDONLY), openSync(up, opening.O_WRONLY)];
      this.#requests = openSync(down, opening.O_WRONLY);
      this.#replies = openSync(up, opening.O_RDONLY);
      this.#child = spawn(this.#file, [], { stdio: [childIn, childOut, "ignore"] });
      this.#child.unref();
      for (const end of [...both, childIn, childOut]) closeSync(end);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
