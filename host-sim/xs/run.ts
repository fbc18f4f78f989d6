// Runs an image on an XS host: a Linux process (x64, m32), or QEMU with the engine on bare RISC-V (rv32).
//
// Promises: every run ends with the guest's own report (why, and the memory figures) or with an error that says why
// there is none; the process is gone then, and so are the socket and the files. The pipe is half-duplex (src/host.h):
// the guest asks, and waits; so requests and events are plain asynchronous functions here.
// Never: a process left behind when the time is up.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
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
  /** Answers a request of a program in the guest. */
  readonly request?: (message: Buffer) => Buffer | Promise<Buffer>;
  /** Answers the native keys: noise and key store (src/board-keys.c). */
  readonly keys?: (message: Buffer) => Buffer | Promise<Buffer>;
  /** Answers a call of a mirrored module over the bridge (src/bridge.c). */
  readonly call?: (message: Buffer) => Buffer;
  /** The next notice over the bridge, instead of events; undefined stops the guest. */
  readonly notice?: () => Promise<Buffer | undefined>;
  /** What the firmware traces: text, with its line ends. */
  readonly trace?: (text: string) => void;
  /** The next event for a guest that waits; undefined stops it. */
  readonly event?: () => Buffer | undefined | Promise<Buffer | undefined>;
  readonly line?: (text: string) => void;
  /** `Infinity` lets the guest run for as long as it likes. */
  readonly timeoutMs?: number;
  /** On rv32: guest time is this machine's, so that the guest is as fast as it can be; counts mean nothing then. */
  readonly realTime?: boolean;
  /** A folder of the caller's own for what a run needs; a temporary one where absent. */
  readonly folder?: string;
}

/** Runs `image` to its end. Rejects where the process ends without a report, or time is up. */
export async function runImage(built: Built, image: Buffer, options: RunOptions = {}): Promise<Report> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "chainmote-xs-")));
  const file = join(folder, "image");
  let child: ChildProcess | undefined;
  try {
    await writeFile(file, image);
    const [program, ...words] = commandOf(built, file, options.realTime === true);
    // Out of the terminal's group: Ctrl-C is its owner's to act on, who ends it in good order.
    child = spawn(program as string, words, { stdio: ["pipe", "pipe", "pipe"], detached: true });
    return await converse(child, options);
  } finally {
    if (child !== undefined && child.exitCode === null) child.kill("SIGKILL");
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** One instruction is one nanosecond of guest time, so that counts do not depend on this machine's speed. */
const COUNTING = ["-icount", "shift=0"];
const MACHINE = ["-machine", "virt", "-cpu", "rv32", "-m", "128M", "-bios", "none", "-nodefaults"];
const EMULATOR_FLAGS = [...MACHINE, ...COUNTING];
/** A guest would not notice that its owner was killed while it computes, an emulator never: so the kernel ends it then. */
const TIED = ["setpriv", "--pdeathsig", "KILL"];

/** Program and parameters; either way the pipe is its standard input and output. */
function commandOf(built: Built, image: string, realTime: boolean): string[] {
  const tied = built.tied ? TIED : [];
  if (built.emulator === undefined) return [...tied, built.file, image];
  return [
    ...tied,
    built.emulator,
    ...(realTime ? MACHINE : EMULATOR_FLAGS),
    ...["-display", "none", "-kernel", built.file],
    ...["-device", `loader,file=${image},addr=0x84000000,force-raw=on`],
    ...["-chardev", "stdio,id=uart,signal=off", "-serial", "chardev:uart"],
  ];
}

async function converse(child: ChildProcess, options: RunOptions): Promise<Report> {
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
    if (limitMs !== Number.POSITIVE_INFINITY)
      timer = setTimeout(() => reject(new Error(`the XS host did not end within ${limitMs} ms`)), limitMs);
  });
  try {
    const output = child.stdin as Writable;
    output.on("error", () => {}); // the guest has ended; `ended` says how
    const input = child.stdout as Readable;
    const listening = { waits: false };
    const report = readFrames({ input, output, listening }, options, errors);
    return await Promise.race([report, late, afterwards(ended, () => input.readableEnded || input.destroyed || listening.waits)]);
  } finally {
    clearTimeout(timer);
    ended.catch(() => {});
  }
}

/** The last frames may still be on their way when the process is gone: until all are `read`. */
async function afterwards(ended: Promise<never>, read: () => boolean): Promise<never> {
  try {
    return await ended;
  } catch (error) {
    do await new Promise((resolve) => setTimeout(resolve, 100));
    while (!read());
    throw error;
  }
}

interface Pipe {
  readonly input: Readable;
  readonly output: Writable;
  /** `waits`: the guest has asked for an event, so nothing comes from it before there is one. */
  readonly listening: { waits: boolean };
}

async function readFrames({ input, output, listening }: Pipe, options: RunOptions, errors: readonly string[]): Promise<Report> {
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
      } else if (type === "T") options.trace?.(payload.toString());
      else if (type === "D") dumps.push(Buffer.from(payload));
      else if (type === "Q") send(output, "R", await answer(options.request, payload, "request"));
      else if (type === "K") send(output, "R", await answer(options.keys, payload, "request of the native keys"));
      else if (type === "C") send(output, "R", await answer(options.call, payload, "call over the bridge"));
      else if (type === "W") {
        listening.waits = true;
        const event = options.notice === undefined ? await options.event?.() : await options.notice();
        listening.waits = false;
        const word = options.notice === undefined ? "E" : "N";
        send(output, event === undefined ? "S" : word, event ?? Buffer.alloc(0));
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
