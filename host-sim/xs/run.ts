// Runs an image on an XS host: a Linux process (x64, m32), or QEMU with the engine on bare RISC-V (rv32).
//
// Promises: every run ends with the guest's own report (why, and the memory figures) or with an error that says why
// there is none; the process is gone then, and so are the socket and the files. The pipe is half-duplex (src/host.h):
// the guest asks, and waits; so requests and events are plain asynchronous functions here.
// Never: a process left behind when the time is up.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { Built } from "./build.js";

const FRAME_HEADER_BYTES = 5;
const FRAME_BYTES_MAX = 65_536;
const RUN_MS_MAX = 120_000;
const TEXT_LINES_MAX = 200;

/** How the guest ended, and what memory it needed; sizes in bytes. */
export interface Report {
  readonly code: number;
  readonly reason: string;
  readonly chunksPeakBytes: number;
  readonly slotsPeakBytes: number;
  readonly stackPeakBytes: number;
  readonly chunksReservedBytes: number;
  readonly slotsReservedBytes: number;
  readonly collections: number;
  readonly keys: number;
  readonly aliases: number;
  readonly nativeStackPeakBytes: number;
  /** Most of the board's one block that chunks, slots and stack had taken at once; 0 where the board has no block. */
  readonly blockPeakBytes: number;
  /** What the guest printed. */
  readonly lines: readonly string[];
  /** What it dumped. */
  readonly dump: Buffer;
}

export interface RunOptions {
  /** Answers a request of a simulated module. */
  readonly request?: (message: Buffer) => Buffer | Promise<Buffer>;
  /** Answers the native keys: noise and key store (src/keys.c). */
  readonly keys?: (message: Buffer) => Buffer | Promise<Buffer>;
  /** The next event for a guest that waits; undefined stops it. */
  readonly event?: () => Buffer | undefined | Promise<Buffer | undefined>;
  readonly line?: (text: string) => void;
  readonly timeoutMs?: number;
}

/** Runs `image` to its end. Rejects where the process ends without a report, or time is up. */
export async function runImage(built: Built, image: Buffer, options: RunOptions = {}): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), "chainmote-xs-"));
  const file = join(folder, "image");
  let server: Server | undefined;
  let child: ChildProcess | undefined;
  const sockets: Socket[] = [];
  try {
    await writeFile(file, image);
    const guest = built.target === "rv32" ? await emulator(join(folder, "uart"), sockets) : undefined;
    server = guest?.server;
    child =
      guest === undefined
        ? spawn(built.file, [file], { stdio: ["pipe", "pipe", "pipe"] })
        : spawn(built.emulator as string, emulatorArguments(built.file, file, guest.path), { stdio: ["ignore", "pipe", "pipe"] });
    return await converse(child, guest?.socket, options);
  } finally {
    if (child !== undefined && child.exitCode === null) child.kill("SIGKILL");
    for (const socket of sockets) socket.destroy();
    server?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function emulator(path: string, sockets: Socket[]): Promise<{ server: Server; path: string; socket: Promise<Socket> }> {
  const server = createServer();
  const socket = new Promise<Socket>((resolve) => {
    server.once("connection", (connection) => {
      sockets.push(connection);
      resolve(connection);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  return { server, path, socket };
}

/** One instruction is one nanosecond of guest time, so that counts do not depend on this machine's speed. */
export const EMULATOR_FLAGS = [
  "-machine",
  "virt",
  "-cpu",
  "rv32",
  "-m",
  "128M",
  "-bios",
  "none",
  "-icount",
  "shift=0",
  "-nodefaults",
];

function emulatorArguments(host: string, image: string, uart: string): string[] {
  return [
    ...EMULATOR_FLAGS,
    "-display",
    "none",
    "-kernel",
    host,
    "-device",
    `loader,file=${image},addr=0x84000000,force-raw=on`,
    "-chardev",
    `socket,id=uart,path=${uart},server=off`,
    "-serial",
    "chardev:uart",
  ];
}

async function converse(child: ChildProcess, socket: Promise<Socket> | undefined, options: RunOptions): Promise<Report> {
  const errors: string[] = [];
  child.stderr?.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  const ended = new Promise<never>((_, reject) => {
    child.once("error", (error) => reject(new Error(`the XS host does not start: ${error.message}`)));
    child.once("close", (code, signal) => {
      reject(
        new Error(
          `the XS host ended without a report (${signal ?? code})${errors.length > 0 ? `: ${errors.join("").trim()}` : ""}`,
        ),
      );
    });
  });
  const limitMs = options.timeoutMs ?? RUN_MS_MAX;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the XS host did not end within ${limitMs} ms`)), limitMs);
  });
  try {
    const pipe = socket === undefined ? undefined : await Promise.race([socket, ended, late]);
    const input = (pipe ?? child.stdout) as Readable;
    const output = (pipe ?? child.stdin) as Writable;
    output.on("error", () => {}); // the guest has ended; `ended` says how
    return await Promise.race([readFrames(input, output, options, errors), late, afterwards(ended)]);
  } finally {
    clearTimeout(timer);
    ended.catch(() => {});
  }
}

/** The last frames may still be on their way when the process is gone. */
async function afterwards(ended: Promise<never>): Promise<never> {
  try {
    return await ended;
  } catch (error) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    throw error;
  }
}

async function readFrames(input: Readable, output: Writable, options: RunOptions, errors: readonly string[]): Promise<Report> {
  const lines: string[] = [];
  const dumps: Buffer[] = [];
  let pending: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input as AsyncIterable<Buffer>) {
    pending.push(chunk);
    bytes += chunk.length;
    while (bytes >= FRAME_HEADER_BYTES) {
      const joined = pending.length === 1 ? (pending[0] as Buffer) : Buffer.concat(pending);
      pending = [joined];
      const length = joined.readUInt32LE(1);
      if (length > FRAME_BYTES_MAX) throw new Error("the XS host sent a frame beyond its bound");
      if (bytes < FRAME_HEADER_BYTES + length) break;
      const type = String.fromCharCode(joined[0] as number);
      const payload = joined.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + length);
      pending = [joined.subarray(FRAME_HEADER_BYTES + length)];
      bytes -= FRAME_HEADER_BYTES + length;
      if (type === "P") {
        const text = payload.toString();
        options.line?.(text);
        lines.push(text);
        if (lines.length > TEXT_LINES_MAX) lines.shift();
      } else if (type === "D") dumps.push(Buffer.from(payload));
      else if (type === "Q") send(output, "R", await answer(options.request, payload, "request"));
      else if (type === "K") send(output, "R", await answer(options.keys, payload, "request of the native keys"));
      else if (type === "W") {
        const event = await options.event?.();
        send(output, event === undefined ? "S" : "E", event ?? Buffer.alloc(0));
      } else if (type === "X") {
        const report = JSON.parse(payload.toString()) as Omit<Report, "lines" | "dump">;
        return { ...report, lines: [...lines, ...errors.map((text) => text.trim())], dump: Buffer.concat(dumps) };
      } else throw new Error(`the XS host sent a frame of the unknown type ${JSON.stringify(type)}`);
    }
  }
  return new Promise<never>(() => {}); // the pipe ended first; how the process ends is for `ended` to say
}

async function answer(handler: RunOptions["request"], message: Buffer, what: string): Promise<Buffer> {
  if (handler === undefined) throw new Error(`the guest makes a ${what}, and nobody answers here`);
  return handler(message);
}

function send(output: Writable, type: string, payload: Buffer): void {
  if (payload.length > FRAME_BYTES_MAX) throw new Error("an answer to the guest beyond the frame's bound");
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.write(type, "latin1");
  header.writeUInt32LE(payload.length, 1);
  output.write(Buffer.concat([header, payload]));
}
