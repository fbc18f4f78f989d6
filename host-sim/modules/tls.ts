// Mirror of `chainmote/tls`, the firmware's own native module: the very same C, in a program of this machine (host-sim/tls).
//
// Promises: one program for all boards of a process, which starts with their first session. Where this machine has no mbedTLS
// a session cannot be opened, and says which package brings it; nothing else stands in for it.

import type { Sessions } from "../../firmware/board/tls-socket.js";
import { buildTls } from "../tls/build.js";
import { TlsProgram } from "../tls/engine.js";

let program: TlsProgram | undefined;

export const open: Sessions["open"] = (ca, host, nowS) => {
  if (program === undefined) {
    const file = buildTls();
    if (typeof file !== "string") return file.missing;
    program = new TlsProgram(file);
  }
  return program.open(ca, host, nowS);
};

/** The program that opened the session. */
function opened(): TlsProgram {
  if (program === undefined) throw new TypeError("invalid host object");
  return program;
}

export const end: Sessions["end"] = (session) => opened().end(session);
export const close: Sessions["close"] = (session) => opened().close(session);
export const status: Sessions["status"] = (session) => opened().status(session);
export const fault: Sessions["fault"] = (session) => opened().fault(session);
export const room: Sessions["room"] = (session) => opened().room(session);
export const feed: Sessions["feed"] = (session, bytes) => opened().feed(session, bytes);
export const take: Sessions["take"] = (session, count) => opened().take(session, count);
export const read: Sessions["read"] = (session, into) => opened().read(session, into);
export const readByte: Sessions["readByte"] = (session) => opened().readByte(session);
export const fits: Sessions["fits"] = (session, socketRoom) => opened().fits(session, socketRoom);
export const write: Sessions["write"] = (session, bytes, from, more) => opened().write(session, bytes, from, more);
