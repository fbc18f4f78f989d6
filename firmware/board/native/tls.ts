// The module `chainmote/tls` of a board: TLS sessions in C (tls.c over tls-engine.c), as ESP-IDF's mbedTLS has them.
//
// Never: touches a socket. firmware/board/tls-socket.ts carries the bytes.

import type { ByteBuffer } from "chainmote/ports";

/** The object of C that owns a session; opaque here. */
export type Session = object;

/** A session, or what is amiss. `ca` is the pinned certificate, DER. */
export function open(this: unknown, ca: ByteBuffer, host: string, nowS: number): Session | string {
  return native<Session | string>("xs_tls_open").call(this, ca, host, nowS);
}

/** Puts the closing alert where `take` finds it. */
export function end(this: unknown, session: Session): undefined {
  return native<undefined>("xs_tls_end").call(this, session);
}

/** Frees the session. */
export function close(this: unknown, session: Session): undefined {
  return native<undefined>("xs_tls_close").call(this, session);
}

/** Four times the bytes that can be read, and the state: 0 handshake, 1 open, 2 ended, 3 failed. */
export function status(this: unknown, session: Session): number {
  return native<number>("xs_tls_status").call(this, session);
}

/** Why it failed. */
export function fault(this: unknown, session: Session): string {
  return native<string>("xs_tls_fault").call(this, session);
}

/** How many bytes of the broker's `feed` takes now. */
export function room(this: unknown, session: Session): number {
  return native<number>("xs_tls_room").call(this, session);
}

export function feed(this: unknown, session: Session, bytes: ByteBuffer): undefined {
  return native<undefined>("xs_tls_feed").call(this, session, bytes);
}

/** Up to `count` bytes for the broker; undefined where none wait. */
export function take(this: unknown, session: Session, count: number): ArrayBuffer | undefined {
  return native<ArrayBuffer | undefined>("xs_tls_take").call(this, session, count);
}

/** Plaintext: so many bytes, or as many as the buffer has. */
export function read(this: unknown, session: Session, into: number | ByteBuffer): ArrayBuffer | number {
  return native<ArrayBuffer | number>("xs_tls_read").call(this, session, into);
}

/** One byte of plaintext, -1 where there is none. */
export function readByte(this: unknown, session: Session): number {
  return native<number>("xs_tls_read_byte").call(this, session);
}

/** How much plaintext may be written where the socket has so much room. */
export function fits(this: unknown, session: Session, socketRoom: number): number {
  return native<number>("xs_tls_fits").call(this, session, socketRoom);
}

/** Takes plaintext for one record, from the offset `from` on; answers how much. Nothing while ciphertext waits. */
export function write(this: unknown, session: Session, bytes: ByteBuffer, from: number, more: boolean): number {
  return native<number>("xs_tls_write").call(this, session, bytes, from, more);
}
