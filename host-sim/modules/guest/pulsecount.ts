// `embedded:io/pulsecount` on the XS engine: the board's counter, over the bridge.

import { call } from "./bridge.js";

export default class PulseCount {
  readonly #number: number;

  constructor({ signal }: { signal: number }) {
    this.#number = call<number>("pulsecount.open", signal);
  }

  read(): number {
    return call<number>("pulsecount.read", this.#number);
  }

  write(count: number): void {
    call("pulsecount.write", this.#number, count);
  }

  close(): void {
    call("pulsecount.close", this.#number);
  }
}
