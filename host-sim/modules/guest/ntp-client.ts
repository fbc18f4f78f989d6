// `embedded:network/ntp/client` on the XS engine. The client itself, which on a board is JavaScript on this heap, runs on
// the other side of the bridge with its sockets: what it takes is not counted here (docs/design.md, "The hardware bridge").

import { type Answer, bind, call, type Target, unbind } from "./bridge.js";

type TimeCallback = (error: Error | null, timeMs?: number) => void;

export default class NTP implements Target {
  readonly target: unknown;
  readonly #number: number;
  #callback: TimeCallback | undefined;

  constructor(options: { servers: readonly string[]; target?: unknown }) {
    this.target = options.target;
    this.#number = bind(this);
    try {
      call("ntp.open", this.#number, ...options.servers);
    } catch (error) {
      unbind(this.#number);
      throw error;
    }
  }

  getTime(callback: TimeCallback): void {
    call("ntp.getTime", this.#number);
    this.#callback = callback;
  }

  happened(_what: string, error: Answer, timeMs: Answer): void {
    const callback = this.#callback;
    this.#callback = undefined;
    if (error === null) callback?.(null, timeMs as number);
    else callback?.(new Error(error as string));
  }

  close(): void {
    call("ntp.close", this.#number);
    unbind(this.#number);
  }
}
