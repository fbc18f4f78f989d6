// What `chainmote provision` and Improv's client talk through, in the form that Web Serial gives it: a board's serial port (serial/serial-port.ts),
// or the socket of a simulated board, which is taken for one.
//
// Promises: raw bytes at 115,200 baud; what cannot be opened is one line that says what to do. Never: resets a board on purpose.

import { once } from "node:events";
import { statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { findPort } from "../serial/serial-port.js";
import { CommandError, plainText } from "../terminal.js";

/** As `SerialPort` of Web Serial once it is open, as far as it is used. */
export interface OpenPort {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  close(): Promise<void>;
}

const BAUD = 115_200;

/** @throws CommandError with what to do */
export async function openPort(path: string): Promise<OpenPort> {
  const kind = statSync(path, { throwIfNoEntry: false });
  if (kind?.isSocket() === true) return overSocket(await connected(path));
  if (kind !== undefined && !kind.isCharacterDevice()) throw new CommandError(`${plainText(path, 100)} is no serial port`);
  const port = await findPort(path);
  await port.open({ baudRate: BAUD });
  const { readable, writable } = port;
  if (readable === null || writable === null) throw new CommandError("the port has gone: is the board still plugged in?");
  return { readable, writable, close: () => port.close() };
}

function overSocket(socket: Socket): OpenPort {
  // Told to whoever reads.
  socket.on("error", () => socket.destroy());
  const { readable, writable } = Duplex.toWeb(socket);
  return {
    readable: readable as unknown as ReadableStream<Uint8Array>,
    writable: writable as unknown as WritableStream<Uint8Array>,
    async close() {
      socket.destroy();
      if (!socket.closed) await once(socket, "close");
    },
  };
}

async function connected(path: string): Promise<Socket> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return socket;
  } catch (error) {
    throw new CommandError(`the simulated board's port does not answer (${(error as NodeJS.ErrnoException).code})`);
  }
}
