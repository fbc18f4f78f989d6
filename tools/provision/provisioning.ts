// What `chainmote provision` does with a board on a port, step by step.
//
// Promises: each step that fails says what of it was done and what to do next, a pulled plug among them; nothing counts on the board before
// it has reached its broker by it. What the board signs is checked here. Never: shows a password; takes silence for success.

import { crc32, fromText } from "../../firmware/bytes.js";
import { addressOf } from "../../firmware/crypto/identity.js";
import { PAYLOAD_BYTES_MAX } from "../../firmware/provision/frames.js";
import {
  COMMAND_BEGIN,
  COMMAND_CHECK,
  COMMAND_COMMIT,
  COMMAND_ENROLMENT,
  COMMAND_KEY,
  COMMAND_PART,
  COMMAND_RESET,
  RESET_WORDS,
} from "../../firmware/provision/session.js";
import { TRIAL_MS } from "../../firmware/provision/stored.js";
import { verifySign1 } from "../../firmware/record/cose.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { CommandError, plainText } from "../terminal.js";
import { BoardLink, type LogLine, NoAnswer, PortGone, Refused } from "./board-link.js";
import { type OpenPort, openPort } from "./port.js";

export interface Enrolment {
  readonly enroller: string;
  readonly counter: number;
  readonly expiryBlock: number;
}

export interface BoardSaid {
  readonly board: string;
  readonly firmware: string;
  readonly address?: string;
  readonly configured: boolean;
  readonly wifi: boolean;
  readonly failure?: string;
}

/** What came of a configuration that the board was given. */
export type Outcome = "kept" | "refused" | "unknown";

const PROTOCOL = 1;
const HELLO_TRIES = 12;
const KEY_TRIES = 60;
const KEY_PAUSE_MS = 500;
const PART_BYTES = PAYLOAD_BYTES_MAX - 4;
/** A board that starts anew takes its USB port with it. */
const AWAY_MS_MAX = 30_000;
const AWAY_LOOK_MS = 250;
const BEGUN_MS_MAX = 10_000;
/** Beyond the trial: the board says it, or nobody does. */
const TRIAL_MORE_MS = 60_000;

const BUTTON = "its button (BOOT) is held for 5 s, from within 3 s after a reset on (docs/provisioning.md)";
const CLOSED = `the board runs, and listens to nobody, since it has its configuration: until ${BUTTON}`;
const SILENT = `nothing answers on this port; a board that has its configuration listens to nobody until ${BUTTON}, and one that was just plugged in may need a moment`;

export class Provisioning {
  readonly #path: string;
  readonly #onLog: (line: LogLine) => void;
  #link: BoardLink;

  private constructor(path: string, port: OpenPort, onLog: (line: LogLine) => void) {
    this.#path = path;
    this.#onLog = onLog;
    this.#link = new BoardLink(port, (line) => this.logged(line));
  }

  static async begin(path: string, onLog: (line: LogLine) => void): Promise<Provisioning> {
    return new Provisioning(path, await openPort(path), onLog);
  }

  async hello(): Promise<BoardSaid> {
    const said = await this.step("nothing was changed on the board", () => this.#link.hello(HELLO_TRIES));
    if (said.protocol !== PROTOCOL)
      throw new CommandError(
        `the board's firmware speaks protocol ${plainText(String(said.protocol), 20)}, this tool ${PROTOCOL}`,
      );
    return said as unknown as BoardSaid;
  }

  /** The board's address, with its checksum; the key is made where there is none. */
  async key(): Promise<string> {
    for (let i = 0; ; i += 1) {
      try {
        const { address } = await this.step(
          "the board may have made its key, which stays with it; no configuration was sent",
          () => this.#link.ask(COMMAND_KEY),
          "key-not-yet",
        );
        return String(address);
      } catch (error) {
        if (!(error instanceof Refused) || i >= KEY_TRIES) throw error;
        await pause(KEY_PAUSE_MS);
      }
    }
  }

  /** Sends it and has it checked; the board keeps nothing of it yet. */
  async send(document: object): Promise<{ readonly chain: string; readonly keepsWifi: boolean }> {
    const bytes = fromText(JSON.stringify(document));
    const unkept = "the board has kept nothing of the configuration";
    await this.step(unkept, () => this.#link.ask(COMMAND_BEGIN, uint32(bytes.length)));
    for (let at = 0; at < bytes.length; at += PART_BYTES) {
      const part = Buffer.concat([uint32(at), bytes.subarray(at, at + PART_BYTES)]);
      await this.step(unkept, () => this.#link.ask(COMMAND_PART, new Uint8Array(part)));
    }
    const said = await this.step(unkept, () => this.#link.ask(COMMAND_CHECK, uint32(crc32(bytes) >>> 0)));
    return said as unknown as { chain: string; keepsWifi: boolean };
  }

  /** A COSE_Sign1 of the board's own key, checked. */
  async enrolment(asked: Enrolment, address: string): Promise<string> {
    const said = await this.step("the board has kept nothing of the configuration", () =>
      this.#link.ask(COMMAND_ENROLMENT, fromText(JSON.stringify(asked))),
    );
    const message = new Uint8Array(Buffer.from(String(said.enrolment), "hex"));
    const verified = verifySign1(engine, message);
    const signer = verified instanceof Rejection ? "" : Buffer.from(addressOf(engine, verified.publicKey)).toString("hex");
    if (`0x${signer}` !== address.toLowerCase())
      throw new CommandError("the enrolment that came is not signed by the board's key");
    return String(said.enrolment);
  }

  /** Has the board try the configuration, and waits for what comes of it. */
  async commit(): Promise<Outcome> {
    const outcome = this.untilTold();
    try {
      await this.step(
        "whether the board has taken the configuration is not known: it tries it by itself now, or has the one before. Plug it in, and run this with --info",
        () => Promise.race([this.#link.ask(COMMAND_COMMIT), this.#begun]),
      );
    } catch (error) {
      // The answer may be lost with a port that goes when the board starts anew; then its log tells.
      const isBegun = await Promise.race([this.#begun.then(() => true), pause(BEGUN_MS_MAX)]);
      if (isBegun !== true) throw error;
    }
    return await outcome;
  }

  /** Key, counters, records and configuration of the board are gone after this. */
  async reset(): Promise<void> {
    await this.step("whether the factory reset has begun is not known; once begun the board finishes it by itself", () =>
      this.#link.ask(COMMAND_RESET, fromText(RESET_WORDS)),
    );
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.#link.close();
  }

  #told: (outcome: Outcome) => void = () => undefined;
  #isOver = false;
  /** Lines of its log have come. */
  #isHeard = false;
  #begin: () => void = () => undefined;
  /** The board has begun to try what it was given. */
  readonly #begun = new Promise<void>((resolve) => {
    this.#begin = resolve;
  });

  private logged(line: LogLine): void {
    this.#isHeard = true;
    this.#onLog(line);
    if (line.event === "configuration" && line.state === "trying") this.#begin();
    if (line.event === "configuration" && (line.state === "kept" || line.state === "refused")) this.#told(line.state);
  }

  /** Follows the log over the board's start, during which its port may be away. */
  private async untilTold(): Promise<Outcome> {
    const timer = new Promise<Outcome>((resolve) => {
      this.#told = resolve;
      setTimeout(resolve, TRIAL_MS + TRIAL_MORE_MS, "unknown").unref();
    });
    const outcome = await Promise.race([timer, this.follow()]);
    this.#isOver = true;
    return outcome;
  }

  private async follow(): Promise<Outcome> {
    for (;;) {
      await this.#link.gone;
      const untilMs = Date.now() + AWAY_MS_MAX;
      for (;;) {
        if (this.#isOver) return "unknown";
        const port = await openPort(this.#path).catch(() => undefined);
        if (port !== undefined) {
          this.#link = new BoardLink(port, (line) => this.logged(line));
          break;
        }
        if (Date.now() > untilMs) return "unknown";
        await pause(AWAY_LOOK_MS);
      }
    }
  }

  /**
   * @param state what of the board's state is to be said where the step is cut off
   * @param passed a code that is handed on as it is
   */
  private async step<T>(state: string, work: () => Promise<T>, passed?: string): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof PortGone) throw new CommandError(`the port is gone (unplugged?): ${state}`);
      if (error instanceof NoAnswer)
        throw new CommandError(
          state.startsWith("nothing was") ? (this.#isHeard ? CLOSED : SILENT) : `the board answers no more: ${state}`,
        );
      if (error instanceof Refused && error.code !== passed)
        throw new CommandError(`the board refuses: ${plainText(error.message, 300)} (${plainText(error.code, 40)})`);
      throw error;
    }
  }
}

function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined).unref());
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
