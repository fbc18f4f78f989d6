// `embedded:io/digital` on the XS engine: the board's pins, over the bridge.

import type { Level } from "../../hardware/pins.js";
import type { DigitalConstructorOptions } from "../pins.js";
import { bind, call, type Target, unbind } from "./bridge.js";

export default class Digital implements Target {
  static readonly Input = 0;
  static readonly InputPullUp = 1;
  static readonly InputPullDown = 2;
  static readonly InputPullUpDown = 3;
  static readonly Output = 4;
  static readonly OutputOpenDrain = 5;
  static readonly Rising = 1;
  static readonly Falling = 2;
  readonly #number: number;
  readonly #onReadable: (() => void) | undefined;

  constructor({ pin, mode, edge, onReadable, initialValue }: DigitalConstructorOptions) {
    this.#onReadable = onReadable;
    this.#number = bind(this);
    call("digital.open", this.#number, pin, mode, edge, onReadable !== undefined, initialValue);
  }

  happened(): void {
    this.#onReadable?.call(this);
  }

  read(): Level {
    return call<number>("digital.read", this.#number) as Level;
  }

  write(value: number): void {
    call("digital.write", this.#number, value);
  }

  close(): void {
    call("digital.close", this.#number);
    unbind(this.#number);
  }
}
