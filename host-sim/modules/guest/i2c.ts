// `embedded:io/i2c` on the XS engine: the board's bus, over the bridge.

import type { ByteBuffer } from "../../../firmware/ports.js";
import type { I2CConstructorOptions } from "../i2c.js";
import { call, fill } from "./bridge.js";

export default class I2C {
  readonly target: unknown;
  readonly #number: number;

  constructor({ data, clock, hz, address, timeout, format, target }: I2CConstructorOptions) {
    this.target = target;
    this.#number = call<number>("i2c.open", data, clock, hz, address, timeout, format);
  }

  write(buffer: ByteBuffer, stop?: boolean): number | undefined {
    return call<number | undefined>("i2c.write", this.#number, buffer, stop);
  }

  read(byteLength: number, stop?: boolean): ArrayBuffer;
  read(buffer: ByteBuffer, stop?: boolean): number;
  read(into: number | ByteBuffer, stop?: boolean): ArrayBuffer | number {
    if (typeof into === "object") return fill(into, "i2c.read", this.#number, stop);
    return call<ArrayBuffer>("i2c.read", into, this.#number, stop);
  }

  close(): void {
    call("i2c.close", this.#number);
  }

  get format(): "buffer" {
    return "buffer";
  }
}
