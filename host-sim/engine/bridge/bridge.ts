// The board's end of the hardware bridge: answers what the mirrored modules of a guest ask (host-sim/modules/guest), out of
// the very mirrors and parts that the Node engine gives to firmware, and sends them notices.
//
// Promises: an operation answers at once; what a mirror throws is thrown in the guest. Notices come in the order in which
// they happened, one for each wait of the guest; none comes to an object that the guest has let go. Never: knows the
// firmware, or which engine the guest runs on.

import { decodeValues, encodeError, encodeValues, Target, type Value } from "../../xs/wire.js";

export type Operation = (...parameters: readonly Value[]) => Value;
export type Operations = Readonly<Record<string, Operation>>;

/** The rest of a notice, asked for when it is sent; undefined drops it. */
export type Content = () => readonly Value[] | undefined;

interface Notice {
  readonly target: number;
  readonly what: string;
  readonly content: Content;
}

/** More cannot be on their way: each object of the guest has a few at most. */
const NOTICES_MAX = 4096;

/** What happened on the board, and is to be told to the guest. */
export class Notices {
  readonly #waiting: Notice[] = [];
  #wake: (() => void) | undefined;
  #stopped = false;

  /** @param target the number of an object of the guest */
  post(target: number, what: string, content: Content = () => []): void {
    if (this.#waiting.length >= NOTICES_MAX) throw new Error("the guest does not take its notices");
    this.#waiting.push({ target, what, content });
    this.#wake?.();
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The guest has let go of the object. */
  forget(target: number): void {
    for (let i = this.#waiting.length - 1; i >= 0; i -= 1) if (this.#waiting[i]?.target === target) this.#waiting.splice(i, 1);
  }

  /** Tells the guest, when it next waits, to end. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /** The next notice, once there is one; undefined once it is to end. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#stopped) return undefined;
      const notice = this.#waiting.shift();
      const content = notice?.content();
      if (notice !== undefined && content !== undefined)
        return encodeValues([new Target(notice.target), notice.what, ...content]);
      if (notice === undefined)
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

/** Answers one call of the guest: the bytes of the value, or of the error. */
export function answerCall(operations: Operations, message: Buffer): Buffer {
  try {
    const [name, ...parameters] = decodeValues(message);
    const operation = typeof name === "string" && Object.hasOwn(operations, name) ? operations[name] : undefined;
    if (operation === undefined) throw new Error(`no operation ${String(name)} on this board`);
    return encodeValues([operation(...parameters)]);
  } catch (error) {
    return encodeError(error);
  }
}

/** Objects of the board that the guest knows by number. */
export class Handles<T> {
  readonly #objects = new Map<number, T>();
  #last = 0;

  add(object: T): number {
    this.#last += 1;
    this.#objects.set(this.#last, object);
    return this.#last;
  }

  /** Throws where there is none, as XS does for a host object that is closed. */
  get(number: Value): T {
    const object = this.#objects.get(number as number);
    if (object === undefined) throw new TypeError("invalid host object");
    return object;
  }

  /** Puts `object` under the guest's own number. */
  set(number: number, object: T): void {
    this.#objects.set(number, object);
  }

  take(number: Value): T | undefined {
    const object = this.#objects.get(number as number);
    this.#objects.delete(number as number);
    return object;
  }
}
