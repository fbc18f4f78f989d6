// A serial port wired to a simulated board without a machine's port between: bytes go over at once, lines too, and the cable can be pulled
// at any command.

import { RomBoard, type RomBoardOptions } from "../../../../host-sim/hardware/rom-bootloader.js";
import type { SerialPort, Signals } from "../../../../tools/serial/serial-port.js";

const PULLED = "the port has gone: is the board still plugged in?";

export class WiredPort implements SerialPort {
  readonly board: RomBoard;
  readonly lost: Promise<string>;
  readonly controlled: boolean = true;
  readonly bauds: number[] = [];
  #open = false;
  #gone = false;
  #into: ReadableStreamDefaultController<Uint8Array> | undefined;
  #readable: ReadableStream<Uint8Array> | null = null;
  #lines = { dtr: true, rts: true };
  #tellLost: (why: string) => void = () => undefined;

  /** @param pullAt the command at which the cable is pulled, before the board has done it */
  constructor(options: Omit<RomBoardOptions, "send">, pullAt = Number.POSITIVE_INFINITY) {
    this.lost = new Promise((resolve) => {
      this.#tellLost = resolve;
    });
    this.board = new RomBoard({
      ...options,
      send: (bytes) => {
        if (this.#open) this.#into?.enqueue(bytes);
      },
      onCommand: (operation, count) => {
        options.onCommand?.(operation, count);
        if (count < pullAt) return;
        this.pull();
        throw new Error(PULLED);
      },
    });
  }

  /** What the firmware on the board writes to its console. */
  say(text: string): void {
    if (this.#open) this.#into?.enqueue(Buffer.from(text, "utf8"));
  }

  pull(): void {
    this.#gone = true;
    this.#open = false;
    this.#into?.error(new Error(PULLED));
    this.#into = undefined;
    this.#readable = null;
    this.#tellLost(PULLED);
  }

  open({ baudRate }: { readonly baudRate: number }): Promise<void> {
    if (this.#gone) return Promise.reject(new Error(PULLED));
    this.bauds.push(baudRate);
    this.#open = true;
    return Promise.resolve();
  }

  get readable(): ReadableStream<Uint8Array> | null {
    if (!this.#open) return null;
    this.#readable ??= new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#into = controller;
      },
      cancel: () => {
        this.#readable = null;
        this.#into = undefined;
      },
    });
    return this.#readable;
  }

  get writable(): WritableStream<Uint8Array> | null {
    return this.#open ? new WritableStream({ write: (bytes) => this.board.receive(bytes) }) : null;
  }

  getInfo(): Record<string, never> {
    return {};
  }

  setSignals({ dataTerminalReady = this.#lines.dtr, requestToSend = this.#lines.rts }: Signals): Promise<void> {
    this.#lines = { dtr: dataTerminalReady, rts: requestToSend };
    if (this.#open) this.board.setLines(this.#lines);
    return Promise.resolve();
  }

  setBaudRate(baudRate: number): Promise<void> {
    this.bauds.push(baudRate);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#open = false;
    this.#readable = null;
    try {
      this.#into?.close();
    } catch {} // it is read no more
    return Promise.resolve();
  }
}
