// `embedded:storage/key-value` on the XS engine: the board's non-volatile storage, over the bridge; values as buffers only.

import type { ByteBuffer, KeyValueDomain } from "../../../firmware/ports.js";
import { call } from "./bridge.js";

class Domain implements KeyValueDomain {
  readonly #number: number;

  constructor(number: number) {
    this.#number = number;
  }

  read(key: string): ArrayBuffer | undefined {
    return call<ArrayBuffer | undefined>("value.read", this.#number, key);
  }

  write(key: string, value: ByteBuffer): void {
    call("value.write", this.#number, key, value);
  }

  delete(key: string): void {
    call("value.delete", this.#number, key);
  }

  [Symbol.iterator](): Iterator<string> {
    const keys = call<string>("value.keys", this.#number);
    return (keys === "" ? [] : keys.split("\n"))[Symbol.iterator]();
  }

  close(): void {
    call("value.close", this.#number);
  }
}

export default Object.freeze({
  open: ({ path, format, mode }: { path: string; format?: string; mode?: string }): KeyValueDomain =>
    new Domain(call<number>("value.open", path, format, mode)),
});
