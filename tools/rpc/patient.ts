// A node that says "not now" is asked again: for long runs, which one refused call must not end.
//
// Promises: a call that a node did not answer, or put off (HTTP 429, 503 and their like, Bitcoin Core's -28 while it starts), is
// made again after growing waits, or when the node's `Retry-After` says; fewer calls are under way at once after each 429. All of it
// is told, and bounded: without one answer for `PATIENCE_MS` the last error is thrown, as is what no waiting changes (a wrong
// password, an unknown method), and a node that refuses connections before it ever answered. Never: judges an answer.

import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import { type JsonRpc, RpcError } from "./json-rpc.js";

/** How long a node may go without any answer. */
export const PATIENCE_MS = 300_000;
const RETRY: BackoffLimits = { firstMs: 500, maxMs: 30_000 };
export const CALLS_AT_ONCE_MAX = 16;
/** So many answers bring one more call at once back. */
const ANSWERS_PER_CALL = 64;
/** Somebody is there, and broke off; where anything else is the first that is heard of a node, its URL is wrong. */
const BROKE_OFF = /ECONNRESET|EPIPE|ETIMEDOUT|UND_ERR|terminated|no answer in time/;

export interface PatientOptions {
  /** Told before each wait. */
  readonly onWait: (reason: string, waitMs: number) => void;
  /** For tests: another clock. */
  readonly pause?: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly nowMs?: () => number;
  /** Ends all waiting. */
  readonly signal?: AbortSignal;
}

export class PatientRpc implements Pick<JsonRpc, "call"> {
  readonly #rpc: Pick<JsonRpc, "call">;
  readonly #options: PatientOptions;
  readonly #backoff = new Backoff(RETRY);
  readonly #pause: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly #nowMs: () => number;
  #answeredMs: number;
  #hasAnswered = false;
  #answers = 0;
  #atOnce = CALLS_AT_ONCE_MAX;
  #underWay = 0;
  #waiting: (() => void)[] = [];
  /** Whoever met the first failure waits for all. */
  #resting: Promise<void> | undefined;

  constructor(rpc: Pick<JsonRpc, "call">, options: PatientOptions) {
    this.#rpc = rpc;
    this.#options = options;
    this.#pause = options.pause ?? pause;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#answeredMs = this.#nowMs();
  }

  async call(method: string, ...params: readonly unknown[]): Promise<unknown> {
    for (;;) {
      await this.#turn();
      try {
        const answer = await this.#rpc.call(method, ...params);
        this.#answered();
        return answer;
      } catch (error) {
        if (!(error instanceof RpcError) || this.#options.signal?.aborted === true) throw error;
        // A node that says no has answered.
        if (!error.passing) {
          if (error.code !== undefined) this.#answered();
          throw error;
        }
        this.#putOff(error);
      } finally {
        this.#underWay -= 1;
        this.#wake();
      }
    }
  }

  async #turn(): Promise<void> {
    while (this.#resting !== undefined || this.#underWay >= this.#atOnce) {
      if (this.#resting !== undefined) await this.#resting;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#underWay += 1;
  }

  #wake(): void {
    for (const go of this.#waiting.splice(0)) go();
  }

  #answered(): void {
    this.#hasAnswered = true;
    this.#answeredMs = this.#nowMs();
    this.#backoff.succeeded();
    this.#answers += 1;
    if (this.#answers % ANSWERS_PER_CALL === 0 && this.#atOnce < CALLS_AT_ONCE_MAX) this.#atOnce += 1;
  }

  /** Lets all calls rest; throws where there was patience enough. */
  #putOff(error: RpcError): void {
    if (this.#resting !== undefined) return; // one of those that were under way with the first
    const isSilent = error.code === undefined && error.http === undefined;
    if (!this.#hasAnswered && isSilent && !BROKE_OFF.test(error.message)) throw error;
    if (error.http?.status === 429) this.#atOnce = Math.max(1, this.#atOnce >> 1);
    const waitMs = Math.max(this.#backoff.next(), error.http?.retryAfterMs ?? 0);
    if (this.#nowMs() + waitMs - this.#answeredMs > PATIENCE_MS) throw error;
    this.#options.onWait(error.message, waitMs);
    this.#resting = this.#pause(waitMs, this.#options.signal).then(() => {
      this.#resting = undefined;
    });
  }
}
