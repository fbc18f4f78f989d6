// Asks relays for headers and hands what they say to the follower. A relay is trusted in nothing: it can be silent,
// late, wrong or flooding, and costs the mote a bounded amount of memory, traffic and work (docs/threat-model.md).
//
// Promises: at most one request under way and one announcement kept (the newest); an answer counts only for the
// request it names; silence is met with backoff, and where several relays are named another is asked (relay-order.ts); with no announcement at all the mote still asks, so that a flood that
// drowns the honest head delays it and no more: as long as that brings news, it goes on asking. Never believes a number, a hash or a length: the follower decides.

import type { Follower, Outcome } from "../chain/follower.js";
import { bringsOn } from "../chain/outcome.js";
import type { Clock } from "../ports.js";
import { Rejection } from "../rejection.js";
import { RelayOrder } from "./relay-order.js";
import { decodeReply, encodeRequest, HEADERS_PER_REQUEST_MAX, type HeaderReply, MESSAGE_BYTES_MAX } from "./wire.js";

/** How long one request waits for its answer. */
const REPLY_TIMEOUT_MS = 5_000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 60_000;
/** After so long without progress the mote asks for the next header of its own accord. */
const POLL_MS = 10_000;

export interface RelayOptions {
  readonly clock: Clock;
  /** The mote's address, 20 bytes: where answers go. */
  readonly address: Uint8Array;
  readonly follower: Pick<Follower, "head" | "offer" | "wanted" | "answer" | "unanswered">;
  /** Seconds since the Unix epoch where a clock from outside the chain knows them. */
  readonly nowS: () => number | undefined;
  /** Names of those who may be asked, each judged by its answers; whoever listens on the common topic where absent. */
  readonly relays?: readonly string[];
  /** Publishes a request to `relay`, the empty name being the common topic; false where it cannot leave now. */
  readonly send: (request: Uint8Array, relay: string) => boolean;
  /** A fresh number from 1 to 2³²−1, hard to guess. */
  readonly requestId: () => number;
  /** What came of each header that was looked at. */
  readonly onOutcome: (outcome: Outcome | Rejection) => void;
  /** A reply was refused as a whole. */
  readonly onRefused: (rejection: Rejection) => void;
}

interface Request {
  readonly id: number;
  readonly from: number;
  readonly count: number;
  readonly sentMs: number;
  /** Asked for because nothing had come for long, not because the follower wanted it. */
  readonly poll: boolean;
}

export class RelayClient {
  readonly #options: RelayOptions;
  readonly #order: RelayOrder;
  #announced: Uint8Array | undefined;
  #request: Request | undefined;
  /** The answer to `#request`, until a step looks at it. */
  #answer: HeaderReply | undefined;
  #backoffMs = BACKOFF_FIRST_MS;
  #nextRequestMs = 0;
  /** When to ask unprompted. */
  #pollMs: number;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#order = new RelayOrder(options.relays ?? [""]);
    this.#pollMs = options.clock.ticksMs() + POLL_MS;
  }

  /** A raw header came on the head topic; it replaces one that was not looked at yet. */
  announced(raw: Uint8Array): void {
    this.#announced = raw;
  }

  /** A message came on the replies topic. */
  replied(message: Uint8Array): void {
    const request = this.#request;
    // Cheap first: with nothing asked, or an answer still to be looked at, a reply is not even decoded.
    if (request === undefined || this.#answer !== undefined) return;
    const reply = decodeReply(message);
    const wrong = reply instanceof Rejection ? reply : mismatch(request, reply);
    if (wrong === undefined) this.#answer = reply as HeaderReply;
    else this.#options.onRefused(wrong);
  }

  /** The connection was lost: nothing asked on it will be answered. */
  reset(): void {
    this.#request = undefined;
    this.#answer = undefined;
    this.#nextRequestMs = 0;
    this.#backoffMs = BACKOFF_FIRST_MS;
  }

  /** Does what is due. Answers the milliseconds until it wants to be called again. */
  step(up: boolean): number {
    this.look();
    const nowMs = this.#options.clock.ticksMs();
    const request = this.#request;
    if (request !== undefined) {
      const leftMs = request.sentMs + REPLY_TIMEOUT_MS - nowMs;
      if (leftMs > 0) return leftMs;
      this.silent(request);
    }
    return up ? this.ask(nowMs) : Number.POSITIVE_INFINITY;
  }

  /** Looks at one answer and one announcement at the most: a sample must not wait for a talkative relay. */
  private look(): void {
    const { follower, nowS } = this.#options;
    const request = this.#request;
    const answer = this.#answer;
    if (request !== undefined && answer !== undefined) {
      this.#answer = undefined;
      this.#request = undefined;
      if (answer.headers.length === 0) this.silent(request);
      else if (request.poll) this.polled(answer.headers[0] as Uint8Array);
      else {
        const outcomes = follower.answer(answer.from, answer.headers, nowS());
        this.#order.judge(outcomes);
        this.progress(outcomes);
      }
    }
    const announced = this.#announced;
    this.#announced = undefined;
    if (announced !== undefined) this.progress([follower.offer(announced, nowS())]);
  }

  /** A poll that moved the head is followed by another at once; one that did not, after the usual time. */
  private polled(raw: Uint8Array): void {
    const nowMs = this.#options.clock.ticksMs();
    this.#pollMs = nowMs + POLL_MS;
    const outcome = this.#options.follower.offer(raw, this.#options.nowS());
    this.#order.judge([outcome]);
    if (this.progress([outcome])) this.#pollMs = nowMs;
  }

  /** Whether any of them brought the mote on. */
  private progress(outcomes: readonly (Outcome | Rejection)[]): boolean {
    let moved = false;
    for (const outcome of outcomes) {
      if (!(outcome instanceof Rejection) && bringsOn(outcome)) moved = true;
      this.#options.onOutcome(outcome);
    }
    if (moved) {
      this.#pollMs = this.#options.clock.ticksMs() + POLL_MS;
      this.#backoffMs = BACKOFF_FIRST_MS;
      this.#nextRequestMs = 0;
    }
    return moved;
  }

  private ask(nowMs: number): number {
    const { follower, send, requestId, address } = this.#options;
    const pollInMs = this.#pollMs - nowMs;
    const wanted = follower.wanted();
    if (wanted === undefined && pollInMs > 0) return pollInMs;
    if (nowMs < this.#nextRequestMs) return this.#nextRequestMs - nowMs;
    const from = wanted?.from ?? follower.head.number + 1;
    const count = Math.min(wanted?.count ?? 1, HEADERS_PER_REQUEST_MAX);
    const id = requestId();
    if (!send(encodeRequest({ id, to: address, from, count, bytesMax: MESSAGE_BYTES_MAX }), this.#order.next)) {
      this.#nextRequestMs = nowMs + BACKOFF_FIRST_MS;
      return BACKOFF_FIRST_MS;
    }
    this.#request = { id, from, count, sentMs: nowMs, poll: wanted === undefined };
    // An answer that brings no progress must not be asked for again at once; progress sets this back to 0.
    this.#nextRequestMs = nowMs + this.#backoffMs;
    return REPLY_TIMEOUT_MS;
  }

  /** No answer, or an empty one. */
  private silent(request: Request): void {
    const nowMs = this.#options.clock.ticksMs();
    this.#request = undefined;
    this.#pollMs = nowMs + POLL_MS;
    // One that says nothing to a poll has nothing new, as a rule; nobody can tell it from one that keeps it to itself.
    this.#order.silent();
    if (!request.poll) this.#options.follower.unanswered();
    this.#nextRequestMs = nowMs + this.#backoffMs;
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MAX_MS);
  }
}

function mismatch(request: Request, reply: HeaderReply): Rejection | undefined {
  if (reply.id !== request.id) return new Rejection("reply-unasked", `answers request ${reply.id}; ${request.id} is under way`);
  if (reply.from !== request.from || reply.headers.length > request.count)
    return new Rejection(
      "reply-unasked",
      `${reply.headers.length} headers from ${reply.from}; asked were ${request.count} from ${request.from}`,
    );
  return undefined;
}
