// The guest's end of the hardware bridge: how a mirrored module on the XS engine asks the process that owns its board, and
// how that process's notices reach it (host-sim/xs/src/bridge.c; the other end is host-sim/engine/bridge/bridge.ts).
//
// Promises: nothing native before a function is called, so that every module here can be preloaded; an error of the board
// is thrown here as it was thrown there, with its class and message. Never: a copy on the XS heap of what a call carries.

import type { ByteBuffer } from "../../../firmware/ports.js";

export type Parameter = undefined | null | boolean | number | string | ByteBuffer;
export type Answer = undefined | null | boolean | number | string | ArrayBuffer;

/** Asks the board; `operation` is a name in host-sim/engine/bridge/operations.ts. At most 64 KiB each way. */
export function call<Result extends Answer>(this: unknown, operation: string, ...parameters: Parameter[]): Result {
  return native<Result>("xs_host_call").call(this, operation, ...parameters);
}

/** Asks for as many bytes as `buffer` has, and puts them there; answers how many. The length comes before `parameters`. */
export function fill(this: unknown, buffer: ByteBuffer, operation: string, ...parameters: Parameter[]): number {
  return native<number>("xs_host_fill").call(this, buffer, operation, ...parameters);
}

/** What notices come to. Four values are enough for every module; a list of them would be garbage at each notice. */
export interface Target {
  happened(what: string, a: Answer, b: Answer, c: Answer, d: Answer): void;
}

/** Answers the number under which the board's notices reach `target`, which is kept alive until it is let go. */
export function bind(this: unknown, target: Target): number {
  return native<number>("xs_host_bind").call(this, target);
}

export function unbind(this: unknown, number: number): undefined {
  return native<undefined>("xs_host_unbind").call(this, number);
}

/** The SDK's global. */
export function trace(this: unknown, ...parts: unknown[]): undefined {
  return native<undefined>("xs_host_trace").call(this, ...parts);
}

/** What the host calls for each notice. */
export function deliver(target: Target, what: string, a: Answer, b: Answer, c: Answer, d: Answer): void {
  target.happened(what, a, b, c, d);
}
