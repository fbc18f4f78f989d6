// `embedded:io/analog` on the XS engine: the board's converter, over the bridge.

import { call } from "./bridge.js";

export default class Analog {
  readonly #number: number;

  constructor({ pin }: { pin: number }) {
    this.#number = call<number>("analog.open", pin);
  }

  get resolution(): number {
    return call<number>("analog.resolution", this.#number);
  }

  read(): number {
    return call<number>("analog.read", this.#number);
  }

  close(): void {
    call("analog.close", this.#number);
  }
}
