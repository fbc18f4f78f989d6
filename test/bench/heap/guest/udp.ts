// `embedded:io/socket/udp` on the XS engine, as the SDK's own clients use it: the simulated board's socket, over the bridge.

import type { ByteBuffer } from "../../../../firmware/ports.js";
import { type Answer, bind, call, type Target, unbind } from "../../../../host-sim/modules/guest/bridge.js";

interface UDPOptions {
  target?: unknown;
  onReadable?: (count: number) => void;
}

type Packet = ArrayBuffer & { address?: string; port?: number };

export default class UDP implements Target {
  target?: unknown;
  number: number;
  readonly onReadable: UDPOptions["onReadable"];

  constructor(options: UDPOptions) {
    if (options.target !== undefined) this.target = options.target;
    this.onReadable = options.onReadable;
    this.number = bind(this);
    call("udp.open", this.number);
  }

  read(): Packet | undefined {
    const packet = call<ArrayBuffer | undefined>("udp.read", this.number) as Packet | undefined;
    if (packet === undefined) return undefined;
    packet.address = call<string>("udp.address", this.number);
    packet.port = call<number>("udp.port", this.number);
    return packet;
  }

  write(data: ByteBuffer, address: string, port: number): void {
    call("udp.write", this.number, data, address, port);
  }

  happened(_what: string, count: Answer): void {
    if (count !== 0) this.onReadable?.call(this, count as number);
  }

  close(): void {
    if (this.number === 0) return;
    call("udp.close", this.number);
    unbind(this.number);
    this.number = 0;
  }

  get format(): "buffer" {
    return "buffer";
  }
}
