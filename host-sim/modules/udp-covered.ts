// The UDP mirror with the edge covered that firmware/board/sockets.ts covers on a board: what the NTP client and the
// resolver throw at a datagram that they cannot read, or that cannot be sent, costs that datagram and not the board.

import type { Board } from "../hardware/board.js";
import { type UDPOptions, udpFor } from "./udp.js";

export function coveredUdpFor(board: () => Board) {
  return class CoveredUDP extends udpFor(board) {
    constructor(options: UDPOptions = {}) {
      super({
        ...options,
        onReadable(this: unknown, count: number) {
          try {
            options.onReadable?.call(this, count);
          } catch {
            // that datagram is lost
          }
        },
      });
    }

    override write(...parameters: Parameters<InstanceType<ReturnType<typeof udpFor>>["write"]>): void {
      try {
        super.write(...parameters);
      } catch {
        // as one that is lost on its way
      }
    }
  };
}
