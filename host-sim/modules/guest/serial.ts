// `embedded:io/serial` on the XS engine: the board's UART 0, over the bridge.

import type { SerialConstructorOptions } from "../serial.js";
import { bind, call, type Target, unbind } from "./bridge.js";

export default class Serial implements Target {
  readonly #number: number;
  readonly #onReadable: ((count: number) => void) | undefined;

  constructor({ transmit, receive, baud, port, format, onReadable }: SerialConstructorOptions) {
    this.#onReadable = onReadable;
    this.#number = bind(this);
    call("serial.open", this.#number, transmit, receive, baud, port, format, onReadable !== undefined);
  }

  happened(_what: string, count: unknown): void {
    this.#onReadable?.call(this, count as number);
  }

  read(): ArrayBuffer | undefined {
    return call<ArrayBuffer | undefined>("serial.read", this.#number);
  }

  write(bytes: ArrayBuffer | Uint8Array): void {
    call("serial.write", this.#number, bytes);
  }

  close(): void {
    call("serial.close", this.#number);
    unbind(this.#number);
  }
}
