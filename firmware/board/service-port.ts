// The board's ports for a person with a cable, and its button: UART 0 by the SDK's `embedded:io/serial`, the chip's own USB port by ours
// (chainmote/serial-link), in one form (`SerialPort` of ports.ts). What takes no configuration over them includes this not.
//
// Promises: nothing is opened before somebody asks; a port that cannot be opened is said on the log, and is one that nothing comes from. Pins
// are those of the board's file (firmware/boards), which the manifest puts into `config.service`.

import Digital from "embedded:io/digital";
import Serial from "embedded:io/serial";
import { close, open as openUsb, read, write } from "chainmote/serial-link";
import config from "mc/config";
import type { ButtonPort, Bytes, Device, SerialLink, SerialPort } from "../ports.js";
import { contain } from "./contained.js";
import { log, timer } from "./local.js";

/** `config.service`, which `npm run boards` writes. */
interface Wiring {
  readonly board: string;
  /** GPIOs. */
  readonly button: number;
  readonly transmit: number;
  readonly receive: number;
  /** Whether the chip has a USB port of its own. */
  readonly usb: boolean;
}

const BAUD = 115_200;
/** The driver of the USB port tells nobody that something came. */
const LOOK_MS = 20;
const READ_BYTES_MAX = 256;

/** What a board's device has besides, where its image takes a configuration over the serial port. */
export function servicePorts(): Pick<Device, "serial" | "button"> {
  return wiring() === undefined ? {} : { serial: SERIAL, button: BUTTON };
}

function wiring(): Wiring {
  return (config as { readonly service?: Wiring }).service as Wiring;
}

// Frozen, for what a preloaded module holds lies in flash: a board that nobody speaks to has none of it on its heap.
const UART: SerialPort = Object.freeze({
  open: (onReadable: () => void) => opened("UART 0", () => new Uart(wiring(), onReadable)),
});
const USB: SerialPort = Object.freeze({ open: (onReadable: () => void) => opened("USB", () => new Usb(onReadable)) });
const UART_ALONE: readonly SerialPort[] = Object.freeze([UART]);
const BOTH: readonly SerialPort[] = Object.freeze([UART, USB]);
const SERIAL: NonNullable<Device["serial"]> = Object.freeze({
  get board() {
    return wiring().board;
  },
  get ports() {
    return wiring().usb ? BOTH : UART_ALONE;
  },
});
const BUTTON: ButtonPort = Object.freeze({ open: () => new Button(wiring().button) });

function opened(what: string, open: () => SerialLink): SerialLink {
  try {
    return open();
  } catch (error) {
    log.write("error", { what, detail: String(error) });
    return NOTHING;
  }
}

const NOTHING: SerialLink = Object.freeze({ read: () => undefined, write: () => true, close: () => undefined });

class Uart implements SerialLink {
  readonly #serial: Serial;

  constructor({ transmit, receive }: Wiring, onReadable: () => void) {
    const tell = (): void => contain(log, "serial", onReadable, undefined);
    this.#serial = new Serial({ transmit, receive, baud: BAUD, port: 0, format: "buffer", onReadable: tell });
  }

  /** All that is there, which is no more than the UART keeps: 128 bytes. */
  read(): Bytes | undefined {
    const bytes = this.#serial.read() as ArrayBuffer | undefined;
    return bytes === undefined ? undefined : new Uint8Array(bytes);
  }

  write(bytes: Bytes): boolean {
    try {
      this.#serial.write(bytes);
      return true;
    } catch {
      return false; // "output full"
    }
  }

  close(): void {
    this.#serial.close();
  }
}

class Usb implements SerialLink {
  readonly #onReadable: () => void;
  #waiting: Bytes | undefined;
  #handle: object | undefined;

  constructor(onReadable: () => void) {
    openUsb();
    this.#onReadable = onReadable;
    this.look();
  }

  read(countMax: number): Bytes | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) return waiting;
    const bytes = read(countMax);
    return bytes === undefined ? undefined : new Uint8Array(bytes);
  }

  write(bytes: Bytes): boolean {
    return write(bytes);
  }

  close(): void {
    timer.clear(this.#handle);
    close();
  }

  private look(): void {
    this.#handle = timer.set(() => this.looked(), LOOK_MS);
  }

  private looked(): void {
    this.look();
    this.#waiting = this.read(READ_BYTES_MAX);
    if (this.#waiting !== undefined) this.#onReadable();
  }
}

/** It connects the pin to ground. */
class Button {
  readonly #pin: Digital;

  constructor(pin: number) {
    this.#pin = new Digital({ pin, mode: Digital.InputPullUp });
  }

  pressed(): boolean {
    return this.#pin.read() === 0;
  }

  close(): void {
    this.#pin.close();
  }
}
