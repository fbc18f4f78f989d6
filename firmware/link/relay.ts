// Asks relays for headers and hands what they say to the follower. A relay is trusted in nothing: it can be silent,
// late, wrong or flooding, and costs the mote a bounded amount of memory, traffic and work (docs/threat-model.md).
//
// Promises: at most one request under way and one announcement kept (the newest); an answer counts only for the request it names;
// silence is met with longer waits, and where several relays are named another is asked (relay-order.ts). What the follower wants
// and what is asked for unprompted have waits of their own: whatever is announced, the mote asks every `POLL_MS` what comes after
// its head, and goes on asking as long as that brings news, so that a flood that drowns the honest head delays it by that and no
// more; where nothing is announced and nothing comes it asks less often, until the next announcement. Never believes a number, a
// hash or a length: the follower decides.

import { type Bus, type BusUser, drawRequestId } from "../bus/bus.js";
import { requestTopic } from "../bus/topics.js";
import {
  decodeReply,
  encodeRequest,
  HEADERS_PER_REQUEST_MAX,
  type HeaderReply,
  MESSAGE_BYTES_MAX,
  REPLY_OVERHEAD_BYTES,
  REPLY_OVERHEAD_PER_HEADER_BYTES,
  RUN_BYTES_MAX,
} from "../bus/wire.js";
import type { Follower } from "../chain/follow/follower.js";
import { bringsOn, type Outcome } from "../chain/follow/outcome.js";
import type { MoteConfig } from "../config.js";
import type { Device } from "../ports.js";
import type { RefusalLog } from "../refusal-log.js";
import { Rejection } from "../rejection.js";
import { RelayOrder } from "./relay-order.js";

/** How long one request waits for its answer. */
const REPLY_TIMEOUT_MS = 5_000;
/** A relay that takes so long has no more than a little to give. */
const REPLY_LATE_MS = 2_500;
const WAIT_FIRST_MS = 500;
const WAIT_MAX_MS = 8_000;
/** After so long without progress the mote asks of its own accord for what comes after its head. */
const POLL_MS = 10_000;
/** And after so long at the most, where neither that nor an announcement brings anything. */
const POLL_MAX_MS = 60_000;

/** Its functions are called as its methods: what implements it spares a board a closure for each. */
export interface RelayOptions {
  readonly device: Pick<Device, "clock" | "entropy">;
  /** Whose `relays` are the names of those who may be asked, each judged by its answers; whoever listens on the common topic where absent. */
  readonly config: Pick<MoteConfig, "relays">;
  readonly bus: Pick<Bus, "topics" | "publish">;
  readonly refusals: Pick<RefusalLog, "write">;
  /** The mote's address, 20 bytes: where answers go. */
  readonly own: Uint8Array;
  readonly follower: Pick<Follower, "head" | "offer" | "wanted" | "answer" | "polled" | "unanswered">;
  /** Seconds since the Unix epoch where a clock from outside the chain knows them. */
  nowS(): number | undefined;
  /** What came of each header that was looked at. */
  onOutcome(outcome: Outcome | Rejection): void;
}

interface Request {
  readonly id: number;
  readonly from: number;
  readonly count: number;
  /** As many were of use. */
  readonly most: number;
  /** Room for less than the longest header: an empty answer may mean that the next one does not fit. */
  readonly narrow: boolean;
  readonly sentMs: number;
  /** Of no use but all in one answer. */
  readonly whole: boolean;
  /** Asked for because nothing had come for long, not because the follower wanted it. */
  readonly poll: boolean;
}

export class RelayClient implements BusUser {
  readonly #options: RelayOptions;
  #order: RelayOrder;
  #announced: Uint8Array | undefined;
  #request: Request | undefined;
  /** The answer to `#request`, until a step looks at it. */
  #answer: HeaderReply | undefined;
  /** How many headers a run holds that are as long as the last; of one alone, which may be longer, all is asked for. */
  #fit = HEADERS_PER_REQUEST_MAX;
  /** How long to wait after the next silence before the follower's next wish is asked for, and until when it waits now. */
  #waitMs = WAIT_FIRST_MS;
  #nextRequestMs = 0;
  /** When to ask unprompted, and how long to wait after that. */
  #pollMs: number;
  #pollWaitMs = POLL_MS;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#order = new RelayOrder(options.config.relays ?? [""]);
    this.#pollMs = options.device.clock.ticksMs() + POLL_MS;
  }

  get subscriptions(): readonly string[] {
    const { head, replies } = this.#options.bus.topics;
    return [head, replies];
  }

  received(topic: string, message: Uint8Array): boolean {
    const { head, replies } = this.#options.bus.topics;
    if (topic === head) this.announced(message);
    else if (topic === replies) this.replied(message);
    else return false;
    return true;
  }

  /** Others may be asked from now on; of who was asked before nothing is known any more. */
  onRelays(): void {
    this.#order = new RelayOrder(this.#options.config.relays ?? [""]);
    this.reset();
  }

  linkChanged(up: boolean): void {
    if (!up) this.reset();
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
    else this.#options.refusals.write("reply", wrong);
  }

  /** The connection was lost: nothing asked on it will be answered. */
  reset(): void {
    this.#request = undefined;
    this.#answer = undefined;
    this.#nextRequestMs = 0;
    this.#waitMs = WAIT_FIRST_MS;
    this.#pollWaitMs = POLL_MS;
  }

  /** Does what is due. Answers the milliseconds until it wants to be called again. */
  step(up: boolean): number {
    this.look();
    const nowMs = this.#options.device.clock.ticksMs();
    const request = this.#request;
    if (request !== undefined) {
      const leftMs = request.sentMs + REPLY_TIMEOUT_MS - nowMs;
      if (leftMs > 0) return leftMs;
      this.silent(request, false);
    }
    return up ? this.ask(nowMs) : Number.POSITIVE_INFINITY;
  }

  /** Looks at one answer and one announcement at the most: a sample must not wait for a talkative relay. */
  private look(): void {
    const request = this.#request;
    const answer = this.#answer;
    if (request !== undefined && answer !== undefined) {
      this.#answer = undefined;
      this.#request = undefined;
      this.#waitMs = WAIT_FIRST_MS;
      this.#fit = 1;
      const short = request.whole && request.narrow && answer.headers.length < request.count;
      if (answer.headers.length > 0 && !short) this.answered(request, answer);
      else if (!request.narrow) this.silent(request, true);
      // It may be that the first does not fit, or not all that are of use together: asked for at once in all the room there is.
      else if (request.poll) this.#pollMs = 0;
      else this.#nextRequestMs = 0;
    }
    const announced = this.#announced;
    this.#announced = undefined;
    if (announced !== undefined) this.heard(announced);
  }

  private heard(announced: Uint8Array): void {
    const { follower, device } = this.#options;
    const outcome = follower.offer(announced, this.#options.nowS());
    this.progress([outcome]);
    if (!(outcome instanceof Rejection) && outcome.kind === "known") return;
    // Somebody has something to say, or hides what others have: time to look more often again.
    this.#pollWaitMs = POLL_MS;
    this.#pollMs = Math.min(this.#pollMs, device.clock.ticksMs() + POLL_MS);
  }

  private answered(request: Request, { from, headers }: HeaderReply): void {
    const { follower, device } = this.#options;
    const nowS = this.#options.nowS();
    const nowMs = device.clock.ticksMs();
    // An announcement may have brought what was asked for in the meantime: then the answer is one more poll's.
    const asked = !request.poll && follower.wanted()?.from === from;
    const outcomes = asked ? follower.answer(from, headers, nowS) : follower.polled(from, headers, nowS);
    // From whoever lies no more than one is asked for.
    if (!(outcomes[0] instanceof Rejection)) this.#fit = fitOf(headers);
    // Where one was asked for since nothing fitted, or what came was a lie, the rest is not yet shown to be there.
    const little = headers.length < Math.min(request.most, this.#fit);
    const short = headers.length < Math.min(request.count, this.#fit);
    this.#order.judge(outcomes, little || nowMs - request.sentMs >= REPLY_LATE_MS);
    const moved = this.progress(outcomes);
    if (!moved && request.poll) this.pollLater(nowMs);
    // More at once, unless there was no more or there is something to ask for that may lead further.
    if (moved && !short && follower.wanted() === undefined) this.#pollMs = nowMs;
  }

  /** Whether any of them brought the mote on. */
  private progress(outcomes: readonly (Outcome | Rejection)[]): boolean {
    let moved = false;
    for (const outcome of outcomes) {
      if (!(outcome instanceof Rejection) && bringsOn(outcome)) moved = true;
      this.#options.onOutcome(outcome);
    }
    if (moved) {
      this.#pollWaitMs = POLL_MS;
      this.#pollMs = this.#options.device.clock.ticksMs() + POLL_MS;
      this.#waitMs = WAIT_FIRST_MS;
      this.#nextRequestMs = 0;
    }
    return moved;
  }

  private ask(nowMs: number): number {
    const options = this.#options;
    const { follower } = options;
    const poll = nowMs >= this.#pollMs;
    const wanted = poll ? undefined : follower.wanted();
    if (!poll && wanted === undefined) return this.#pollMs - nowMs;
    if (!poll && nowMs < this.#nextRequestMs) return Math.min(this.#nextRequestMs, this.#pollMs) - nowMs;
    const from = wanted?.from ?? follower.head.number + 1;
    const whole = wanted?.whole === true;
    const most = wanted?.count ?? HEADERS_PER_REQUEST_MAX;
    const count = Math.min(most, whole ? HEADERS_PER_REQUEST_MAX : this.#fit);
    // What is of no use but whole is asked for in less room first, too: it mostly fits, and the wider answer is a third of a small heap.
    const narrow = count > 1 && (!whole || this.#fit > 1);
    const bytesMax = narrow ? RUN_BYTES_MAX : MESSAGE_BYTES_MAX;
    const id = drawRequestId(options.device, options.refusals);
    const topic = requestTopic(options.bus.topics, this.#order.next);
    if (!options.bus.publish(topic, encodeRequest({ id, to: options.own, from, count, bytesMax }), {})) {
      this.#nextRequestMs = nowMs + WAIT_FIRST_MS;
      this.#pollMs = Math.max(this.#pollMs, this.#nextRequestMs);
      return WAIT_FIRST_MS;
    }
    this.#request = { id, from, count, most, narrow, whole, sentMs: nowMs, poll };
    // An answer that brings no progress must not be asked for again at once; progress sets this back to 0.
    if (!poll) this.#nextRequestMs = nowMs + WAIT_FIRST_MS;
    return REPLY_TIMEOUT_MS;
  }

  /** 1 to 2³²−1. Hard to guess; without noise it can be guessed: a forged answer costs a request, while headers must go on coming. */
  /** No answer, or an empty one. */
  private silent(request: Request, absent: boolean): void {
    const nowMs = this.#options.device.clock.ticksMs();
    this.#request = undefined;
    // One that says nothing to a poll has nothing new, as a rule; nobody can tell it from one that keeps it to itself.
    this.#order.silent();
    if (request.poll) {
      this.pollLater(nowMs);
      return;
    }
    this.#options.follower.unanswered(absent);
    if (absent) return;
    this.#nextRequestMs = nowMs + this.#waitMs;
    this.#waitMs = Math.min(this.#waitMs * 2, WAIT_MAX_MS);
  }

  private pollLater(nowMs: number): void {
    this.#pollMs = nowMs + this.#pollWaitMs;
    this.#pollWaitMs = Math.min(this.#pollWaitMs * 2, POLL_MAX_MS);
  }
}

/** How many headers as long as the longest of these fit a run, one at least. */
function fitOf(headers: readonly Uint8Array[]): number {
  let longest = 1;
  for (const { length } of headers) longest = Math.max(longest, length);
  const fit = Math.floor((RUN_BYTES_MAX - REPLY_OVERHEAD_BYTES) / (longest + REPLY_OVERHEAD_PER_HEADER_BYTES));
  return Math.min(HEADERS_PER_REQUEST_MAX, Math.max(1, fit));
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
