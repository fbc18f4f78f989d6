// A cable between a real pseudo-terminal of this machine and the serial port of a simulated board, over which it is pulled and its plug is
// watched: util-linux's `script` holds the terminal, so that a tool opens a port as it opens a board's.

import { type ChildProcess, spawn } from "node:child_process";
import { connect, type Socket } from "node:net";
import { type Frame, FrameReader } from "../../firmware/provision/frames.js";
import { pause } from "../patience.js";

const AGAIN_MS = 50;

export class SerialCable {
  /** Of the terminal that a tool opens. */
  readonly path: string;
  /** Told of each command on its way to the board, before the board gets it; false pulls the plug then. */
  onCommand: (frame: Frame) => boolean = () => true;
  readonly #script: ChildProcess;
  readonly #reader = new FrameReader();
  #board: Socket | undefined;
  #isOut = false;

  private constructor(path: string, script: ChildProcess, socket: string) {
    this.path = path;
    this.#script = script;
    script.stdout?.on("data", (bytes: Buffer) => this.#toBoard(bytes));
    void this.#plugIn(socket);
  }

  /** @param socket of the simulated board, which may come and go */
  static async lay(socket: string): Promise<SerialCable> {
    const script = spawn("script", ["-qfec", "stty raw -echo; tty; exec sleep 100000", "/dev/null"], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    const path = await new Promise<string>((resolve, reject) => {
      script.on("error", reject);
      script.stdout?.once("data", (bytes: Buffer) => resolve(bytes.toString("latin1").trim()));
    });
    return new SerialCable(path, script, socket);
  }

  pull(): void {
    this.#isOut = true;
    this.#board?.destroy();
    this.#script.kill("SIGKILL");
  }

  #toBoard(bytes: Buffer): void {
    for (const byte of bytes) {
      const frame = this.#reader.take(byte);
      if (frame === undefined || this.onCommand(frame)) continue;
      this.pull();
      return;
    }
    this.#board?.write(bytes);
  }

  async #plugIn(socket: string): Promise<void> {
    while (!this.#isOut) {
      const board = connect(socket);
      await new Promise<void>((resolve) => {
        board.on("connect", () => {
          this.#board = board;
        });
        board.on("data", (bytes) => void this.#script.stdin?.write(bytes));
        board.on("error", () => undefined);
        board.on("close", () => resolve());
      });
      this.#board = undefined;
      await pause(AGAIN_MS);
    }
  }
}
