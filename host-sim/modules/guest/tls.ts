// `chainmote/tls` on the XS engine: the sessions of the firmware's C, over the bridge.

import type { ByteBuffer } from "../../../firmware/ports.js";
import { call } from "./bridge.js";

interface Session {
  readonly number: number;
}

export function open(ca: ByteBuffer, host: string, nowS: number): object | string {
  const opened = call<number | string>("tls.open", ca, host, nowS);
  return typeof opened === "string" ? opened : { number: opened };
}

export function end(session: Session): void {
  call("tls.end", session.number);
}

export function close(session: Session): void {
  call("tls.close", session.number);
}

export function status(session: Session): number {
  return call("tls.status", session.number);
}

export function fault(session: Session): string {
  return call("tls.fault", session.number);
}

export function room(session: Session): number {
  return call("tls.room", session.number);
}

export function feed(session: Session, bytes: ByteBuffer): void {
  call("tls.feed", session.number, bytes);
}

export function take(session: Session, count: number): ArrayBuffer | undefined {
  return call("tls.take", session.number, count);
}

export function read(session: Session, into: number | ByteBuffer): ArrayBuffer | number {
  if (typeof into === "number") return call<ArrayBuffer>("tls.read", session.number, into);
  const bytes = new Uint8Array(call<ArrayBuffer>("tls.read", session.number, into.byteLength));
  const whole = into instanceof ArrayBuffer;
  new Uint8Array(whole ? into : into.buffer, whole ? 0 : into.byteOffset, into.byteLength).set(bytes);
  return bytes.length;
}

export function readByte(session: Session): number {
  return call("tls.readByte", session.number);
}

export function fits(session: Session, socketRoom: number): number {
  return call("tls.fits", session.number, socketRoom);
}

export function write(session: Session, bytes: ByteBuffer, from: number, more: boolean): number {
  return call("tls.write", session.number, bytes, from, more);
}
