// Sockets and the resolver on the XS engine: names that firmware hands to the MQTT and NTP clients, no more.
//
// Those clients run on the other side of the bridge (mqtt-client.ts, ntp-client.ts) over the mirrors' own sockets and
// resolver. Firmware that would open one itself is told so.

/** What a class of these says of itself to the client that it is handed to. */
export type Transport = "tcp";

class Name {
  constructor() {
    throw new Error("on this engine sockets are the clients' own, across the bridge");
  }
}

export class TCP extends Name {
  static readonly transport: Transport = "tcp";
}

export class UDP extends Name {}

export class Resolver extends Name {
  resolve(_request: object): void {}
}
