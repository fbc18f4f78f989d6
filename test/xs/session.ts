// The native engine and keys on a real XS engine, as if they were here: synchronous, so that every suite that is written
// for a `CryptoEngine` or for `Keys` runs on them as it is.
//
// A process of ours (session-process.ts) runs the guest; between it and this thread, which may block, go two pipes with a
// line of JSON for each order and each answer. That process ends with this one.

import { execFileSync, spawn } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromHex, toHex } from "../../firmware/bytes.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import type { KeyHandle, KeyRefusal, Keys } from "../../firmware/ports.js";
import { Rejection } from "../../firmware/rejection.js";
import type { Target } from "../../host-sim/xs/toolchain.js";
import type { Job } from "./guest/oracle.js";

export type ToProcess =
  | { readonly jobs: readonly Job[] }
  | { readonly noise: string }
  | { readonly powerCut: true }
  | { readonly slot: string; readonly value?: string }
  | { readonly stop: true };

export interface FromProcess {
  readonly missing?: string;
  readonly results?: readonly { value?: unknown; error?: string }[];
  /** What the key store holds, hexadecimal. */
  readonly slots?: Readonly<Record<string, string>>;
  readonly report?: { readonly code: number; readonly reason: string; readonly lines: readonly string[] };
  readonly dump?: string;
}

/** Characters of one message: what the guest's heap bears beside its own work. */
const MESSAGE_CHARACTERS_MAX = 3_000;
const PROCESS = fileURLToPath(new URL("session-process.ts", import.meta.url));

export class Session {
  readonly #orders: number;
  readonly #answers: number;
  #rest = "";
  /** What the guest has printed in its life, once it has ended. */
  lines: readonly string[] = [];

  private constructor(orders: number, answers: number) {
    this.#orders = orders;
    this.#answers = answers;
  }

  /** A guest on `target`, or the line that says what is missing here. Builds the host where it must. */
  static open(target: Target, seed = "session"): Session | { readonly missing: string } {
    const folder = mkdtempSync(join(tmpdir(), "chainmote-session-"));
    try {
      const orders = pipe(join(folder, "orders"));
      const answers = pipe(join(folder, "answers"));
      const child = spawn(process.execPath, ["--import", process.env.CHAINMOTE_LOADER ?? "tsx", PROCESS, target, seed], {
        stdio: ["ignore", "inherit", "inherit", orders.read, answers.write],
      });
      child.unref();
      closeSync(orders.read); // only the child has these ends now, so its end is the pipe's end
      closeSync(answers.write);
      const session = new Session(orders.write, answers.read);
      const { missing } = session.#receive();
      return missing === undefined ? session : { missing };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** Does one job; throws what the guest threw. */
  do(...job: Job): unknown {
    return this.doAll([job])[0];
  }

  /** Does jobs in as few messages as they fit. */
  doAll(jobs: readonly Job[]): unknown[] {
    const results: unknown[] = [];
    let batch: Job[] = [];
    let characters = 0;
    const flush = (): void => {
      if (batch.length > 0) results.push(...this.#exchange(batch));
      batch = [];
      characters = 0;
    };
    for (const job of jobs) {
      const length = JSON.stringify(job).length;
      if (characters + length > MESSAGE_CHARACTERS_MAX) flush();
      batch.push(job);
      characters += length;
    }
    flush();
    return results;
  }

  setNoise(noise: string): void {
    this.#send({ noise });
    this.#receive();
  }

  /** RTC memory forgets; the guest, which keeps nothing of it, runs on. */
  powerCut(): void {
    this.#send({ powerCut: true });
    this.#receive();
  }

  putSlot(slot: string, value: Uint8Array | undefined): void {
    this.#send(value === undefined ? { slot } : { slot, value: toHex(value) });
    this.#receive();
  }

  /** What the board's key store holds, by slot, hexadecimal. */
  slots(): Readonly<Record<string, string>> {
    this.#send({ slot: "" });
    return this.#receive().slots ?? {};
  }

  /** Ends the guest; answers what it dumped in its life. Throws where it did not end well. */
  end(): Uint8Array {
    this.#send({ stop: true });
    const { report, dump } = this.#receive();
    closeSync(this.#orders);
    closeSync(this.#answers);
    this.lines = report?.lines ?? [];
    if (report === undefined || report.code !== 0) throw new Error(`the guest: ${report?.reason ?? "no report"}`);
    return new Uint8Array(Buffer.from(dump ?? "", "base64"));
  }

  #exchange(jobs: readonly Job[]): unknown[] {
    this.#send({ jobs });
    const message = this.#receive();
    if (message.results === undefined) throw new Error(`the guest ended: ${message.report?.reason}`);
    return message.results.map(({ value, error }) => {
      if (error !== undefined) throw new Error(error);
      return value;
    });
  }

  #send(order: ToProcess): void {
    const line = Buffer.from(`${JSON.stringify(order)}\n`);
    for (let at = 0; at < line.length; ) at += writeSync(this.#orders, line, at);
  }

  #receive(): FromProcess {
    const chunk = Buffer.alloc(65_536);
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return JSON.parse(line) as FromProcess;
      }
      const count = readSync(this.#answers, chunk);
      if (count === 0) throw new Error("the guest's process has ended");
      this.#rest += chunk.toString("latin1", 0, count);
    }
  }
}

/** Both ends of a new named pipe, blocking. A first reader that does not block lets the writer open without waiting. */
function pipe(path: string): { read: number; write: number } {
  execFileSync("mkfifo", [path]);
  const first = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const write = openSync(path, constants.O_WRONLY);
  const read = openSync(path, constants.O_RDONLY);
  closeSync(first);
  return { read, write };
}

function bytes(hex: unknown): Uint8Array {
  const decoded = fromHex(String(hex));
  if (decoded instanceof Rejection) throw new Error(decoded.detail);
  return decoded;
}

/** The native engine of a guest. */
export function engineOf(session: Session, name: string): CryptoEngine {
  return {
    name,
    sha256: (...parts) => bytes(session.do("sha256", parts.map(toHex))),
    hmacSha256: (key, ...parts) => bytes(session.do("hmac", toHex(key), parts.map(toHex))),
    keccak256: (...parts) => bytes(session.do("keccak256", parts.map(toHex))),
    secp256k1: {
      verify: (signature, digest, key, highS) =>
        session.do("verify", toHex(signature), toHex(digest), toHex(key), highS === true) === true,
      recover(signature, recovery, digest) {
        const key = session.do("recover", toHex(signature), recovery, toHex(digest));
        return key === undefined ? undefined : bytes(key);
      },
      recoverAddress(seal, digest) {
        const address = session.do("recoverAddress", toHex(seal), toHex(digest));
        return address === undefined ? undefined : bytes(address);
      },
    },
  };
}

/** Where in the guest a handle is; one table for all rings, for each of them must refuse the others' by itself. */
const indexes = new WeakMap<KeyHandle, number>();
const NOWHERE = -1;

function handleOf(slot: string, index: number): KeyHandle {
  const handle = Object.freeze({ slot });
  indexes.set(handle, index);
  return handle;
}

/** A new `NativeKeys` in a guest. */
export function keysOf(session: Session): Keys {
  const ring = session.do("boot") as number;
  const indexOf = (key: KeyHandle): number => indexes.get(key) ?? NOWHERE;
  return {
    open(slot) {
      const index = session.do("open", ring, slot);
      return index === undefined ? undefined : handleOf(slot, index as number);
    },
    create(slot) {
      const made = session.do("create", ring, slot);
      return typeof made === "number" ? handleOf(slot, made) : (made as KeyRefusal);
    },
    publicKey: (key) => bytes(session.do("public", ring, indexOf(key))),
    sign: (key, digest) =>
      digest instanceof Uint8Array
        ? bytes(session.do("sign", ring, indexOf(key), toHex(digest)))
        : bytes(session.do("signText", ring, indexOf(key), String(digest))),
    close: (key) => {
      session.do("close", ring, indexOf(key));
    },
  };
}
