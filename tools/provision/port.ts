// A board's serial port, in the form that Web Serial gives it: what `chainmote provision` and Improv's client talk through.
//
// Promises: raw bytes at 115,200 baud, whatever the port was set to before; the socket of a simulated board is taken for one. What cannot be
// opened is one line that says what to do. Never: resets a board by opening its port on purpose (RTS and DTR stay as they are).

import { execFile } from "node:child_process";
import { once } from "node:events";
import { constants, openSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { ReadStream } from "node:tty";
import { promisify } from "node:util";
import { CommandError, plainText } from "../terminal.js";

/** As `SerialPort` of Web Serial, as far as it is used. */
export interface OpenPort {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  close(): Promise<void>;
}

const BAUD = 115_200;
const setTerminal = promisify(execFile);

/** @throws CommandError with what to do */
export async function openPort(path: string): Promise<OpenPort> {
  const shown = plainText(path, 100);
  const kind = statSync(path, { throwIfNoEntry: false });
  if (kind === undefined) throw new CommandError(`there is no port ${shown}: is the board plugged in?`);
  if (!kind.isSocket() && !kind.isCharacterDevice()) throw new CommandError(`${shown} is no serial port`);
  const stream = kind.isSocket() ? await connected(path) : await openTerminal(path, shown);
  // Told to whoever reads.
  stream.on("error", () => stream.destroy());
  const { readable, writable } = Duplex.toWeb(stream);
  return {
    readable: readable as unknown as ReadableStream<Uint8Array>,
    writable: writable as unknown as WritableStream<Uint8Array>,
    async close() {
      stream.destroy();
      if (!stream.closed) await once(stream, "close");
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

async function openTerminal(path: string, shown: string): Promise<Socket> {
  try {
    await setTerminal("stty", [process.platform === "darwin" ? "-f" : "-F", path, `${BAUD}`, "raw", "-echo", "clocal", "-hupcl"]);
    return new ReadStream(openSync(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY));
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    const isDenied = code === "EACCES" || /denied/i.test(stderr ?? "");
    if (isDenied)
      throw new CommandError(`${shown} may not be opened by you: on Debian, sudo usermod -aG dialout $USER, and log in again`);
    throw new CommandError(`${shown} cannot be opened: ${plainText(stderr?.trim() || String(error), 200)}`);
  }
}
