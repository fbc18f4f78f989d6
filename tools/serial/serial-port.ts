// A board's serial port in the shape of Web Serial (a WICG specification: `readable`, `writable`, `setSignals`, `getInfo`), over the npm
// package serialport: a USB bridge, a chip's own USB port, or a pseudo-terminal.
//
// Promises: a port that has gone ends what reads and writes it with an error that says so, and `lost` tells of it; a port without control
// lines (a pseudo-terminal) is said to have none and is no error. Never: more of a port than a person named.

import { existsSync } from "node:fs";
import { needPackages, SERIAL_PORT } from "../optional.js";
import { pause } from "../processes/backoff.js";
import { CommandError, plainText } from "../terminal.js";

/** Signals that the host sets. True: the line is asserted. */
export interface Signals {
  readonly dataTerminalReady?: boolean;
  readonly requestToSend?: boolean;
  readonly break?: boolean;
}

export interface SerialPort {
  /** Undelivered bytes wait in it; null once the port has gone or is closed. */
  readonly readable: ReadableStream<Uint8Array> | null;
  readonly writable: WritableStream<Uint8Array> | null;
  open(options: { readonly baudRate: number }): Promise<void>;
  setSignals(signals: Signals): Promise<void>;
  setBaudRate(baudRate: number): Promise<void>;
  getInfo(): { readonly usbVendorId?: number; readonly usbProductId?: number };
  close(): Promise<void>;
  /** Resolves with why, once the port has gone without having been closed. */
  readonly lost: Promise<string>;
  /** False where the port has no control lines, so that nothing of ours can reset the board. */
  readonly controlled: boolean;
}

/** The class of the package serialport, as far as it is used. */
interface Native {
  open(callback: (error: Error | null) => void): void;
  on(event: "data", listener: (data: Buffer) => void): void;
  on(event: "close" | "error", listener: (error?: Error) => void): void;
  write(data: Buffer, callback: (error?: Error | null) => void): void;
  drain(callback: (error?: Error | null) => void): void;
  set(signals: { dtr: boolean; rts: boolean; brk: boolean }, callback: (error?: Error | null) => void): void;
  update(options: { baudRate: number }, callback: (error?: Error | null) => void): void;
  close(callback: (error?: Error | null) => void): void;
  readonly isOpen: boolean;
}
interface NativeClass {
  new (options: { path: string; baudRate: number; autoOpen: false; hupcl: false }): Native;
  list(): Promise<readonly PortInfo[]>;
}
interface PortInfo {
  readonly path: string;
  readonly manufacturer?: string;
  readonly vendorId?: string;
  readonly productId?: string;
}

/** How often its device is looked for: serialport reads a port that was hung up without end where that came between two reads. */
const LOOK_MS = 500;
/** What serialport's calls say of a device that is not there any more. */
const HAS_GONE = /input\/output error|bad file descriptor|no such (device|file)|device not configured|port is not open/i;
const GONE = "the port has gone: is the board still plugged in?";
/** A port that somebody has open. */
const IS_BUSY = /lock|busy/i;
const BUSY_LOOKS = 20;
const BUSY_LOOK_MS = 100;

async function nativeClass(): Promise<NativeClass> {
  needPackages([SERIAL_PORT]);
  const module: string = SERIAL_PORT;
  return ((await import(module)) as { SerialPort: NativeClass }).SerialPort;
}

/** Ports with a USB device behind them; those of the mainboard are none of a board's. */
async function listPorts(): Promise<readonly PortInfo[]> {
  return (await (await nativeClass()).list()).filter(({ vendorId }) => vendorId !== undefined);
}

/** The port that was named, or the only one that there is. Not yet open. @throws CommandError */
export async function findPort(named: string | undefined): Promise<SerialPort & { readonly path: string }> {
  const Native = await nativeClass();
  if (named !== undefined) {
    if (process.platform !== "win32" && !existsSync(named))
      throw new CommandError(`there is no port ${plainText(named, 100)}${await otherPorts()}`);
    return new NodePort(Native, named, {});
  }
  const ports = await listPorts();
  const [only] = ports;
  if (only === undefined)
    throw new CommandError("no board is plugged in that has a serial port over USB; else name it by --port");
  if (ports.length > 1) throw new CommandError(`there are ${ports.length} ports, name one by --port${await otherPorts()}`);
  return new NodePort(Native, only.path, only);
}

async function otherPorts(): Promise<string> {
  const ports = await listPorts().catch(() => []);
  return ports.length === 0
    ? ": is the board plugged in?"
    : `: ${ports.map(({ path, manufacturer = "" }) => plainText(`${path} ${manufacturer}`, 60)).join(", ")}`;
}

class NodePort implements SerialPort {
  readonly path: string;
  readonly lost: Promise<string>;
  readonly #Native: NativeClass;
  readonly #info: Partial<PortInfo>;
  #port: Native | undefined;
  #readable: ReadableStream<Uint8Array> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;
  #into: ReadableStreamDefaultController<Uint8Array> | undefined;
  #signals = { dtr: true, rts: true, brk: false };
  #controlled = true;
  #closing = false;
  #looking: NodeJS.Timeout | undefined;
  /** Calls that are under way: those that are when the port goes get no answer of its own. */
  readonly #waiting = new Set<(error: Error) => void>();
  #tellLost: (why: string) => void = () => undefined;

  constructor(Native: NativeClass, path: string, info: Partial<PortInfo>) {
    this.#Native = Native;
    this.path = path;
    this.#info = info;
    this.lost = new Promise((resolve) => {
      this.#tellLost = resolve;
    });
  }

  get controlled(): boolean {
    return this.#controlled;
  }

  async open({ baudRate }: { readonly baudRate: number }): Promise<void> {
    const port = new this.#Native({ path: this.path, baudRate, autoOpen: false, hupcl: false });
    for (let looks = 1; ; looks += 1) {
      const error = await new Promise<Error | null | undefined>((resolve) => port.open(resolve));
      if (error === null || error === undefined) break;
      // Who has just closed it, this port before among them, may hold it for a moment longer.
      if (!IS_BUSY.test(error.message) || looks === BUSY_LOOKS) throw openFault(this.path, error);
      await pause(BUSY_LOOK_MS);
    }
    this.#port = port;
    this.#closing = false;
    port.on("data", (data) => this.#into?.enqueue(new Uint8Array(data)));
    port.on("close", () => this.gone(port));
    port.on("error", () => this.gone(port));
    if (process.platform !== "win32") {
      this.#looking = setInterval(() => void (existsSync(this.path) || this.gone(port)), LOOK_MS);
      this.#looking.unref();
    }
    this.#writable = new WritableStream({ write: (bytes) => this.write(bytes) });
  }

  /** One whose reader was cancelled is followed by another, as Web Serial has it. */
  get readable(): ReadableStream<Uint8Array> | null {
    if (this.#port === undefined) return null;
    this.#readable ??= new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#into = controller;
      },
      cancel: () => {
        this.#into = undefined;
        this.#readable = null;
      },
    });
    return this.#readable;
  }

  get writable(): WritableStream<Uint8Array> | null {
    return this.#writable;
  }

  getInfo(): { usbVendorId?: number; usbProductId?: number } {
    const { vendorId, productId } = this.#info;
    const id = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number.parseInt(text, 16));
    const [usbVendorId, usbProductId] = [id(vendorId), id(productId)];
    return usbVendorId === undefined || usbProductId === undefined ? {} : { usbVendorId, usbProductId };
  }

  async setSignals({ dataTerminalReady, requestToSend, break: brk }: Signals): Promise<void> {
    const { dtr, rts } = this.#signals;
    this.#signals = { dtr: dataTerminalReady ?? dtr, rts: requestToSend ?? rts, brk: brk ?? false };
    if (!this.#controlled) return;
    try {
      await this.call((port, done) => port.set(this.#signals, done));
    } catch (error) {
      if (!/inappropriate ioctl|invalid argument/i.test((error as Error).message)) throw error;
      this.#controlled = false; // a pseudo-terminal
    }
  }

  setBaudRate(baudRate: number): Promise<void> {
    return this.call((port, done) => port.update({ baudRate }, done));
  }

  async close(): Promise<void> {
    const port = this.#port;
    this.#closing = true;
    this.end(undefined);
    if (port?.isOpen === true) await new Promise<void>((resolve) => port.close(() => resolve()));
  }

  private async write(bytes: Uint8Array): Promise<void> {
    await this.call((port, done) => port.write(Buffer.from(bytes), done));
    await this.call((port, done) => port.drain(done));
  }

  private call(start: (port: Native, done: (error?: Error | null) => void) => void): Promise<void> {
    const port = this.#port;
    if (port === undefined) return Promise.reject(new CommandError(GONE));
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      start(port, (error) => {
        this.#waiting.delete(reject);
        if (error === null || error === undefined) return resolve();
        const hasGone = HAS_GONE.test(error.message);
        if (hasGone) this.gone(port);
        reject(hasGone ? new CommandError(GONE) : error);
      });
    });
  }

  private gone(port: Native): void {
    if (this.#port !== port || this.#closing) return;
    this.end(new CommandError(GONE));
    this.#tellLost(GONE);
    if (port.isOpen) port.close(() => undefined);
  }

  private end(error: Error | undefined): void {
    const into = this.#into;
    clearInterval(this.#looking);
    for (const reject of this.#waiting) reject(error ?? new CommandError("the port was closed"));
    this.#waiting.clear();
    this.#port = undefined;
    this.#readable = null;
    this.#writable = null;
    this.#into = undefined;
    try {
      if (error === undefined) into?.close();
      else into?.error(error);
    } catch {} // it was cancelled already
  }
}

function openFault(path: string, error: Error): CommandError {
  const { message } = error;
  const shown = plainText(path, 100);
  if (/permission denied|access denied/i.test(message))
    return new CommandError(`${shown} may not be opened: on Linux, sudo usermod -aG dialout $USER, and log in again`);
  if (IS_BUSY.test(message)) return new CommandError(`${shown} is in use: another monitor has it open`);
  return new CommandError(`${shown} cannot be opened: ${plainText(message, 150)}`);
}
