// What must not leave a callback on a board: an exception there ends the machine, and the chip restarts.
//
// Promises: `contain` lets nothing out, and says on the log what there was. The sockets of `contained` hand datagrams on to
// the SDK's own clients, which let exceptions out where a datagram is too short to be read, or cannot be sent because the
// network has gone in the meantime: such a datagram is lost, as datagrams are, and one line of each socket says so.
// Imports nothing of the SDK, holds nothing that lives, so that its classes can lie in flash.

import type { Log } from "../ports.js";

/** `embedded:io/socket/udp`, as far as the SDK's clients use it. */
export interface Datagrams {
  write(...parameters: unknown[]): unknown;
}

export interface DatagramOptions {
  readonly onReadable?: (count: number) => void;
  readonly [other: string]: unknown;
}

export type DatagramClass = new (options: DatagramOptions) => Datagrams;

export function contain<Value>(log: Log, what: string, callback: ((value: Value) => void) | undefined, value: Value): void {
  try {
    callback?.(value);
  } catch (error) {
    log.write("error", { what, detail: String(error) });
  }
}

export function contained(UDP: DatagramClass, log: Log): DatagramClass {
  return class extends UDP {
    #said = false;

    constructor(options: DatagramOptions) {
      super({
        ...options,
        onReadable(this: Datagrams, count: number) {
          try {
            options.onReadable?.call(this, count);
          } catch (error) {
            (this as { said?(error: unknown): void }).said?.(error);
          }
        },
      });
    }

    override write(...parameters: unknown[]): unknown {
      try {
        return super.write(...parameters);
      } catch (error) {
        this.said(error);
        return undefined;
      }
    }

    said(error: unknown): void {
      if (this.#said) return;
      this.#said = true;
      log.write("error", { what: "datagram", detail: String(error) });
    }
  };
}
