// TLS sessions of the firmware's C (host-sim/tls), over the bridge.

import * as tls from "../../modules/tls.js";
import { Handles, type Operations } from "./bridge.js";

export function tlsOperations(): Operations {
  const sessions = new Handles<object>();
  return {
    "tls.open"(ca, host, nowS) {
      const session = tls.open(ca as Uint8Array, host as string, nowS as number);
      return typeof session === "string" ? session : sessions.add(session);
    },
    "tls.close"(number) {
      const session = sessions.take(number);
      if (session !== undefined) tls.close(session);
      return undefined;
    },
    "tls.take"(number, count) {
      const bytes = tls.take(sessions.get(number), count as number);
      return bytes === undefined ? undefined : new Uint8Array(bytes);
    },
    "tls.read": (number, count) => new Uint8Array(tls.read(sessions.get(number), count as number) as ArrayBuffer),
    "tls.end"(number) {
      tls.end(sessions.get(number));
      return undefined;
    },
    "tls.feed"(number, bytes) {
      tls.feed(sessions.get(number), bytes as Uint8Array);
      return undefined;
    },
    "tls.status": (number) => tls.status(sessions.get(number)),
    "tls.fault": (number) => tls.fault(sessions.get(number)),
    "tls.room": (number) => tls.room(sessions.get(number)),
    "tls.readByte": (number) => tls.readByte(sessions.get(number)),
    "tls.fits": (number, socketRoom) => tls.fits(sessions.get(number), socketRoom as number),
    "tls.write": (number, bytes, from, more) =>
      tls.write(sessions.get(number), bytes as Uint8Array, from as number, more as boolean),
  };
}
