// The board's end of the sockets of a guest whose heap is measured (guest/tcp.ts, guest/udp.ts), over the mirrors of the Node
// engine, and the name server of the simulated network.
//
// Promises: a socket has one notice of a kind on its way at most, and that tells what waits when it comes, as lwIP's callbacks do.

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { Handles, type Notices, type Operations } from "../../../host-sim/engine/bridge/bridge.js";
import type { Board } from "../../../host-sim/hardware/board.js";
import { tcpFor } from "../../../host-sim/modules/tcp.js";
import { type Packet, udpFor } from "../../../host-sim/modules/udp.js";

const DNS_HEADER_BYTES = 12;
const DNS_QUESTION_TAIL_BYTES = 4;
const DNS_TTL_S = 60;

/** What waits of a kind, and whether the guest is about to be told. */
class Waiting {
  count = 0;
  readonly #post: (content: () => readonly [number]) => void;
  #posted = false;

  constructor(post: (content: () => readonly [number]) => void) {
    this.#post = post;
  }

  tell(count: number): void {
    this.count = count;
    if (this.#posted) return;
    this.#posted = true;
    this.#post(() => {
      this.#posted = false;
      return [this.count];
    });
  }
}

interface Connection {
  readonly io: InstanceType<ReturnType<typeof tcpFor>>;
  readonly readable: Waiting;
}

interface Datagrams {
  readonly io: InstanceType<ReturnType<typeof udpFor>>;
  readonly readable: Waiting;
  last?: Packet;
}

export function socketOperations(board: Board, notices: Notices): Operations {
  return { ...tcpOperations(board, notices), ...udpOperations(board, notices) };
}

/** Bytes that wait. */
function take({ io, readable }: Connection, count: number): Uint8Array {
  const bytes = io.read(count) as ArrayBuffer;
  readable.count -= bytes.byteLength;
  return new Uint8Array(bytes);
}

function tcpOperations(board: Board, notices: Notices): Operations {
  const TCP = tcpFor(() => board);
  const connections = new Handles<Connection>();
  return {
    "tcp.open"(number, address, port) {
      const target = number as number;
      const readable = new Waiting((content) => notices.post(target, "readable", content));
      const writable = new Waiting((content) => notices.post(target, "writable", content));
      const io = new TCP({
        address: address as string,
        port: port as number,
        onReadable: (count) => readable.tell(count),
        onWritable: (count) => writable.tell(count),
        onError: () => notices.post(target, "error"),
      });
      connections.set(target, { io, readable });
      return undefined;
    },
    "tcp.read": (count, number) => take(connections.get(number), count as number),
    "tcp.take": (number, countMax) => {
      const connection = connections.get(number);
      const count = Math.min(connection.readable.count, countMax as number);
      return count === 0 ? undefined : take(connection, count);
    },
    "tcp.write": (number, bytes) => connections.get(number).io.write(bytes as Uint8Array),
    "tcp.close"(number) {
      connections.take(number)?.io.close();
      notices.forget(number as number);
      return undefined;
    },
  };
}

function udpOperations(board: Board, notices: Notices): Operations {
  const UDP = udpFor(() => board);
  const sockets = new Handles<Datagrams>();
  return {
    "udp.open"(number) {
      const readable = new Waiting((content) => notices.post(number as number, "readable", content));
      sockets.set(number as number, { io: new UDP({ onReadable: (count) => readable.tell(count) }), readable });
      return undefined;
    },
    "udp.read"(number) {
      const socket = sockets.get(number);
      const packet = socket.io.read();
      if (packet === undefined) return undefined;
      socket.readable.count -= 1;
      socket.last = packet;
      return new Uint8Array(packet);
    },
    "udp.address": (number) => sockets.get(number).last?.address,
    "udp.port": (number) => sockets.get(number).last?.port,
    "udp.write"(number, bytes, address, port) {
      sockets.get(number).io.write(bytes as Uint8Array, address as string, port as number);
      return undefined;
    },
    "udp.close"(number) {
      sockets.take(number)?.io.close();
      notices.forget(number as number);
      return undefined;
    },
  };
}

/** A name server on loopback: answers questions of type A (RFC 1035 §4.1) with what `addressOf` knows. */
export async function startNameServer(addressOf: (host: string) => string | undefined): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.on("message", (message, from) => {
    let end = DNS_HEADER_BYTES;
    const labels: string[] = [];
    for (let length = message[end]; length !== undefined && length > 0; length = message[end]) {
      labels.push(message.toString("latin1", end + 1, end + 1 + length));
      end += 1 + length;
    }
    end += 1 + DNS_QUESTION_TAIL_BYTES;
    const address = addressOf(labels.join("."));
    const header = Buffer.from(message.subarray(0, DNS_HEADER_BYTES));
    header[2] = 0x81; // an answer, recursion desired
    header[3] = address === undefined ? 0x83 : 0x80; // recursion available; 3: no such name
    header[7] = address === undefined ? 0 : 1;
    // The name by a pointer to the question, type A, class IN, seconds to live, four bytes.
    const answer =
      address === undefined
        ? []
        : [0xc0, DNS_HEADER_BYTES, 0, 1, 0, 1, 0, 0, 0, DNS_TTL_S, 0, 4, ...address.split(".").map(Number)];
    socket.send(Buffer.concat([header, message.subarray(DNS_HEADER_BYTES, end), Buffer.from(answer)]), from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}
