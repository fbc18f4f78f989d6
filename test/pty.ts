// A pseudo-terminal for a test: what a program opens as a board's port, and the board behind it.
//
// Promises: no other one gets its path while this process lives, closed or not: a program that looks for its board again does not find that of
// another test.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { constants, openSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Why there is none on this machine, in one line. */
export function ptyFault(): string | undefined {
  const { error, status } = spawnSync("python3", ["-c", "import os; os.openpty()"]);
  return error === undefined && status === 0 ? undefined : "no python3 with pseudo-terminals (apt install python3)";
}

export class Pty {
  readonly path: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(child: ChildProcess, path: string) {
    this.#child = child;
    this.path = path;
    this.#ended = new Promise((resolve) => child.once("close", () => resolve()));
  }

  /** @param receive gets what a program writes to the port */
  static async open(receive: (bytes: Uint8Array) => void): Promise<Pty> {
    const child = spawn("python3", [fileURLToPath(new URL("pty.py", import.meta.url))], { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin?.on("error", () => undefined); // it was unplugged
    let head: Buffer | undefined = Buffer.alloc(0);
    const path = await new Promise<string>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", () => reject(new Error("no pseudo-terminal")));
      child.stdout?.on("data", (data: Buffer) => {
        if (head === undefined) return receive(data);
        head = Buffer.concat([head, data]);
        const end = head.indexOf(0x0a);
        if (end < 0) return;
        resolve(head.subarray(0, end).toString());
        head = undefined;
      });
    });
    return new Pty(child, path);
  }

  send(bytes: Uint8Array): void {
    this.#child.stdin?.write(bytes);
  }

  /** As if the cable were pulled. */
  async close(): Promise<void> {
    // The kernel gives a number away again only once nobody has its terminal open.
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      openSync(this.path, constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
