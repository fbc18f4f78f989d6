// Checks the signatures of records in threads beside this one, a batch at a time, and hands the records on in their order.
//
// Promises: the order of the input; the same verdicts as by `verifySign1` here; at most a few batches under way, however long the input
// is; a thread that ends is a `CommandError`, never a record left out or taken for valid. All threads are gone when it ends, however
// it does.

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { Rejection } from "../../firmware/rejection.js";
import { BUILT } from "../../host-sim/place.js";
import { engine } from "../crypto/engine.js";
import { CommandError, plainText, plural } from "../terminal.js";
import { ended } from "../threads.js";
import { type Batch, type BatchAnswer, Checker, DIGEST_BYTES } from "./checker.js";
import type { Signed } from "./judge.js";
import type { Piece } from "./sequence.js";

/** A piece of the input, and what its signature is worth; undefined where it is broken. */
export interface Checked {
  readonly piece: Piece;
  readonly signed: Signed | undefined;
}

export interface CheckingOptions {
  /** How many besides this one; none checks here. By size and machine where absent. */
  readonly threads?: number;
  /** Of the input, in bytes. */
  readonly length: number;
  /** What a thread runs. */
  readonly thread?: URL;
}

export const THREADS_MAX = 64;
const BATCH_RECORDS_MAX = 256;
/** Batches per thread that wait or are worked on: one to begin with at once when the last is done. */
const BATCHES_PER_THREAD = 2;
/** A thread takes some third of a second to start; what this one checks in twice that is not worth it. */
const THREADS_FROM_BYTES = 2 * 1024 * 1024;
const THREAD = new URL(BUILT ? "check-thread.js" : "check-thread.mjs", import.meta.url);

export async function* checked(input: Iterable<Piece>, options: CheckingOptions): AsyncGenerator<Checked> {
  const { length, thread = THREAD } = options;
  const threads = options.threads ?? (length < THREADS_FROM_BYTES ? 0 : processors());
  if (threads === 0) {
    const checker = new Checker(engine);
    for (const piece of input)
      yield { piece, signed: piece.parts instanceof Rejection ? undefined : checker.verify(piece.bytes) };
    return;
  }
  const pool = new Pool(threads, thread);
  try {
    const underWay: Promise<readonly Checked[]>[] = [];
    for (const batch of batches(input)) {
      const answers = pool.check(batch);
      answers.catch(() => undefined); // it is told when its turn comes
      underWay.push(answers);
      if (underWay.length >= threads * BATCHES_PER_THREAD) yield* await (underWay.shift() as Promise<readonly Checked[]>);
    }
    for (const answers of underWay) yield* await answers;
  } finally {
    await pool.end();
  }
}

/** One alone gains nothing by a second thread. */
function processors(): number {
  const count = Math.min(availableParallelism(), THREADS_MAX);
  return count < 2 ? 0 : count;
}

function* batches(input: Iterable<Piece>): Generator<readonly Piece[]> {
  let batch: Piece[] = [];
  for (const piece of input) {
    batch.push(piece);
    if (batch.length < BATCH_RECORDS_MAX) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

interface Waiting {
  resolve(answer: BatchAnswer): void;
  reject(error: Error): void;
}

class Pool {
  readonly #threads: readonly Worker[];
  /** By thread: who waits for its answers, which come in order. */
  readonly #waiting: readonly Waiting[][];
  #ended: Error | undefined;
  #next = 0;

  constructor(count: number, file: URL) {
    // Nothing of this process's own preparation concerns a thread: it makes its own.
    this.#threads = Array.from({ length: count }, () => new Worker(file, { execArgv: [] }));
    this.#waiting = this.#threads.map(() => []);
    for (const [number, thread] of this.#threads.entries()) {
      thread.on("message", (answer: BatchAnswer) => this.#waiting[number]?.shift()?.resolve(answer));
      thread.on("error", (error) => this.#fail(plainText(String(error))));
      thread.on("exit", (code) => this.#fail(`it ended with code ${code}`));
    }
  }

  /** The pieces with what their signatures are worth. */
  async check(pieces: readonly Piece[]): Promise<readonly Checked[]> {
    const whole = pieces.filter(({ parts }) => !(parts instanceof Rejection));
    const answer = await this.#ask({ bytes: joined(whole), lengths: whole.map(({ bytes }) => bytes.length) });
    const faults = new Map(answer.faults.map(({ at, code, detail }) => [at, new Rejection(code, detail)]));
    let at = 0;
    return pieces.map((piece) => {
      if (piece.parts instanceof Rejection) return { piece, signed: undefined };
      const digest = answer.digests.subarray(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES);
      const signed = faults.get(at) ?? { digest };
      at += 1;
      return { piece, signed };
    });
  }

  async end(): Promise<void> {
    this.#ended ??= new Error("ended");
    await Promise.all(this.#threads.map(ended));
  }

  #ask(batch: Batch): Promise<BatchAnswer> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const number = this.#next;
    this.#next = (number + 1) % this.#threads.length;
    return new Promise((resolve, reject) => {
      this.#waiting[number]?.push({ resolve, reject });
      this.#threads[number]?.postMessage(batch, [batch.bytes.buffer as ArrayBuffer]);
    });
  }

  #fail(reason: string): void {
    this.#ended ??= new CommandError(
      `one of ${plural(this.#threads.length, "thread")} that check signatures is gone: ${reason}; nothing is known of the records it had ` +
        "(--threads 0 checks without any)",
    );
    for (const waiting of this.#waiting) for (const { reject } of waiting.splice(0)) reject(this.#ended);
  }
}

/** The bytes of all in a buffer of its own, which can be given away. */
function joined(pieces: readonly Piece[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.bytes.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece.bytes, at);
    at += piece.bytes.length;
  }
  return bytes;
}
