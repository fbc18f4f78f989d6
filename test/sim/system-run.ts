// `chainmote start` as a user runs it: a process of its own, its events read from --json, its parts found by their command
// lines so that a test can pull the plug of one of them.
//
// Promises: `endAll` leaves no process, however a test ended, and neither does a test that is killed: every program is tied to
// the life of this process. Never: reaches into the system in another way than a user could.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { pause, WAIT_MS_MAX } from "../patience.js";

const COMMAND = fileURLToPath(new URL("../../tools/chainmote.mjs", import.meta.url));
const TIED = new URL("../../tools/processes/tied.mjs", import.meta.url).href;

export interface SystemLine {
  /** "mote 1", "collector", "relay", "node", "start" */
  readonly source: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

/** The parts of a system that are processes of their own. */
export type Part = "board" | "collector" | "node";

const MARKS: Readonly<Record<Part, RegExp>> = {
  board: /engine\/board\.mjs/,
  collector: /chainmote\.mjs collect/,
  node: /ethereumjs\/client/,
};

const running = new Set<Program>();

/** One command of ours that runs until it ends or is ended. */
export class Program {
  readonly child: ChildProcess;
  readonly events: SystemLine[] = [];
  readonly errors: string[] = [];
  /** The exit code, or 128 and more for a signal. */
  readonly ended: Promise<number>;

  constructor(words: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, ["--import", TIED, COMMAND, ...words], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...process.env, ...environment },
    });
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error("a child process without its pipes");
    createInterface({ input: stdout }).on("line", (line) => this.events.push(JSON.parse(line) as SystemLine));
    createInterface({ input: stderr }).on("line", (line) => this.errors.push(line));
    running.add(this);
    this.ended = once(this.child, "close").then(([code, signal]) => {
      running.delete(this);
      return code ?? (signal === "SIGKILL" ? 137 : 128);
    });
  }

  of(event: string, source = ""): SystemLine[] {
    return this.events.filter((line) => line.event === event && line.source.startsWith(source));
  }

  /** Process ids of a part, found below this process. */
  pids(part: Part): number[] {
    const rows = execFileSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8", maxBuffer: 1 << 24 }).split("\n");
    return rows
      .map((row) => /^ *(\d+) +(\d+) (.*)$/.exec(row))
      .filter((match) => match !== null && Number(match[2]) === this.child.pid && MARKS[part].test(match[3] as string))
      .map((match) => Number((match as RegExpExecArray)[1]));
  }

  /** Pulls the plug of one part; whether there was one. */
  killPart(part: Part): boolean {
    const pids = this.pids(part);
    for (const pid of pids) process.kill(pid, "SIGKILL");
    return pids.length > 0;
  }

  /** Pulls the plug of all of it. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  /** As Ctrl-C does; answers the exit code. */
  async stop(): Promise<number> {
    this.child.kill("SIGINT");
    return this.ended;
  }

  /** Waits until `condition` holds, and fails with this program's last words where it does not. */
  async until(what: string, condition: () => boolean, pollMs = 20): Promise<void> {
    const endMs = performance.now() + WAIT_MS_MAX;
    while (!condition()) {
      if (this.child.exitCode !== null || performance.now() > endMs) {
        const why = this.child.exitCode === null ? `not within ${WAIT_MS_MAX / 1000} s` : `ended with ${this.child.exitCode}`;
        throw new Error(`${what}: ${why}; ${JSON.stringify(this.events.slice(-6))} ${this.errors.join(" / ")}`);
      }
      await pause(pollMs);
    }
  }
}

/** Ends every program that a test left running. */
export async function endAll(): Promise<void> {
  for (const program of [...running]) await program.kill();
}

/** A broker in a process of its own. */
export async function startBroker(port = 0): Promise<{ program: Program; url: string; port: number }> {
  const program = new Program(["broker", "--port", String(port), "--json"]);
  await program.until("the broker listens", () => program.events.length > 0);
  const url = String(program.events[0]?.url);
  return { program, url, port: Number(new URL(url).port) };
}
