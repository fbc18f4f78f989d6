// Looks up the heads that records name, round after round, and judges them again where the chain went another way.
//
// Promises: no mote waits for another's heads: each round takes a few of each mote in turn, those that one question about a
// height answers before those that need another one; a head above the node's is not asked for; one that the node cannot judge
// is asked for ever more seldom and holds nothing up; a verdict is provisional until it is settled (heads.ts: how deep), a "no" until
// it was heard twice, and after a reorganisation all verdicts above the fork are open again. Never: holds up the storing
// of records, or asks for the newest block more often than `PollPace` says.

import { Rejection } from "../../firmware/rejection.js";
import { BitcoinHeaderSource } from "../bitcoin/raw-header.js";
import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import { Bell } from "../processes/bell.js";
import { hashText, isBitcoin } from "../rpc/chain.js";
import { JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { PollPace } from "../rpc/pace.js";
import { type PlaceText, placeText } from "./events.js";
import { canonicalHash, headStateAt, nodeHead } from "./heads.js";
import { HEAD_FOREIGN, HEAD_KNOWN, HEAD_ORPHANED, HEAD_STATE_NAMES, HEAD_UNKNOWN } from "./schema.js";
import { Trail } from "./trail.js";
import { isVerdict, type NamedHead, type OpenHead, type Verdict, type Verdicts } from "./verdicts.js";

const NODE_RETRY: BackoffLimits = { firstMs: 250, maxMs: 10_000 };
/** How long a head that the node could not judge is left alone. */
const UNKNOWN_RETRY: BackoffLimits = { firstMs: 1000, maxMs: 600_000 };
/** Blocks after which one that had a verdict is asked for again, at most, where the node cannot say any more. */
const UNSURE_BLOCKS_MAX = 64;
/** The newest block is asked for this often where no head waits. */
const IDLE_MS = 15_000;
const BY_HASH_TIMEOUT_MS = 3000;
const MOTES_PER_TURN_MAX = 64;
/** Different heads of one mote in one turn. */
const HEADS_PER_MOTE_MAX = 4;
const RETRIES_PER_TURN_MAX = 16;
const ELSEWHERE_PER_TURN_MAX = 64;
/** Heads this far above the node's count as about to come. */
const NEAR_BLOCKS = 16;

export type HeadEvent =
  | { readonly event: "lost"; readonly to: "node" | "store"; readonly reason: string; readonly retryMs: number }
  | { readonly event: "back"; readonly to: "node" }
  /** Linked, and the node's chain has the head; not settled: it may still be replaced, and is looked at again. */
  | ({ readonly event: "verified"; readonly settled?: boolean } & PlaceText)
  | {
      readonly event: "head-foreign" | "head-orphaned" | "head-unknown";
      readonly number: number;
      readonly hash: string;
      readonly detail: string;
      readonly settled: boolean;
    }
  /** What was said of a record's head before does not hold any more. */
  | ({ readonly event: "rejudged"; readonly from: string; readonly to: string; readonly settled: boolean } & PlaceText)
  | { readonly event: "reorganised"; readonly number: number; readonly hash: string; readonly above: number };

export interface HeadWatchOptions {
  readonly verdicts: Verdicts;
  readonly rpc: string | (() => string);
  /** CAIP-2 of the node's chain. */
  readonly chain: string;
  /** By which this collector's memory of its node's chain is told from another's in the same store. */
  readonly collector: string;
  /** Blocks after which a verdict is settled; by the kind of chain where absent. */
  readonly settledDepth?: number | undefined;
  /** How often the node's newest block is asked for; by need where absent. */
  readonly pollMs?: number | undefined;
  /** How long a head that the node could not judge is left alone, and blocks by their hash after one that it did not find in time. */
  readonly unknownRetry?: BackoffLimits | undefined;
  /** How long the node may look for a block by its hash, in milliseconds. */
  readonly byHashTimeoutMs?: number | undefined;
  readonly onEvent: (event: HeadEvent) => void;
}

export class HeadWatch {
  readonly #options: HeadWatchOptions;
  readonly #rpc: JsonRpc;
  /** Asks for blocks by their hash: where that takes long, others wait. */
  readonly #aside: JsonRpc;
  readonly #bitcoin: BitcoinHeaderSource | undefined;
  readonly #pace: PollPace;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** Where the next turn begins. */
  #after: Uint8Array = new Uint8Array(0);
  #trail: Trail | undefined;
  #askHeadAtMs = 0;
  /** Blocks are not asked for by their hash before. */
  #byHashAfterMs = 0;
  readonly #unknownRetry: BackoffLimits;
  readonly #byHashBackoff: Backoff;
  /** Rings when records were stored, and at the end. */
  readonly #bell = new Bell();
  /** Whether the node could tell where its chain went. */
  #certain = false;

  constructor(options: HeadWatchOptions) {
    this.#options = options;
    this.#rpc = new JsonRpc(options.rpc);
    this.#aside = new JsonRpc(options.rpc, { timeoutMs: options.byHashTimeoutMs ?? BY_HASH_TIMEOUT_MS });
    this.#unknownRetry = options.unknownRetry ?? UNKNOWN_RETRY;
    this.#byHashBackoff = new Backoff(this.#unknownRetry);
    this.#bitcoin = isBitcoin(options.chain) ? new BitcoinHeaderSource(this.#rpc) : undefined;
    this.#pace = new PollPace(options.pollMs);
    this.#running = this.#run();
  }

  /** Records were stored. */
  due(): void {
    this.#bell.ring();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#bell.ring();
    await this.#running;
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(NODE_RETRY);
    let lost = false;
    while (!this.#stop.signal.aborted) {
      try {
        const waitMs = await this.#round();
        if (lost) this.#options.onEvent({ event: "back", to: "node" });
        lost = false;
        backoff.succeeded();
        await this.#bell.wait(waitMs);
      } catch (error) {
        const asked = error instanceof RpcError ? (error.http?.retryAfterMs ?? 0) : 0;
        const retryMs = Math.max(backoff.next(), asked);
        const reason = error instanceof Rejection ? error.toString() : error instanceof Error ? error.message : String(error);
        const to = error instanceof RpcError || error instanceof Rejection ? "node" : "store";
        if (!lost) this.#options.onEvent({ event: "lost", to, reason, retryMs });
        lost = true;
        await pause(retryMs, this.#stop.signal);
      }
    }
  }

  /** One turn of all motes that have open heads; answers how long to wait for the next, in milliseconds. */
  async #round(): Promise<number> {
    const { verdicts, chain } = this.#options;
    for (const head of await verdicts.elsewhere(chain, ELSEWHERE_PER_TURN_MAX))
      await this.#note(head, { state: HEAD_FOREIGN, settled: true, due: 0 });
    const certain = await this.#look();
    const head = this.#trail?.head;
    if (head === undefined) return this.#askHeadAtMs - performance.now();
    const begun = this.#after.length > 0;
    const turn = await verdicts.open(chain, head.number, this.#after, MOTES_PER_TURN_MAX, HEADS_PER_MOTE_MAX);
    this.#after = turn.last ?? new Uint8Array(0);
    const again = await verdicts.retried(chain, head.number, Date.now(), RETRIES_PER_TURN_MAX);
    await this.#judgeAll([...turn.heads, ...again], certain);
    // Those behind the last mote of this turn are next, and then those before it.
    if (turn.last !== undefined || begun) return 0;
    const waiting = await verdicts.waiting(chain, head.number + NEAR_BLOCKS);
    return Math.max(0, Math.min(waiting ? Number.POSITIVE_INFINITY : IDLE_MS, this.#askHeadAtMs - performance.now()));
  }

  /** Asks for the newest block, where it is time to; false where the node could not tell where its chain went. */
  async #look(): Promise<boolean> {
    const { verdicts, chain, collector, settledDepth } = this.#options;
    const ask = (number: number): Promise<Uint8Array | undefined> => canonicalHash(this.#rpc, chain, number);
    this.#trail ??= new Trail(await verdicts.trail(collector, chain), ask);
    if (performance.now() < this.#askHeadAtMs && this.#trail.head !== undefined) return this.#certain;
    const node = await nodeHead(this.#rpc, this.#bitcoin);
    const head = settledDepth === undefined ? node : { ...node, settledDepth };
    const step = await this.#trail.step(head);
    if (step.replacedAbove !== undefined) {
      // First the verdicts, then the memory of the chain: whoever ends in between finds out again.
      await verdicts.reopen(chain, step.replacedAbove);
      const hash = hashText(chain, head.hash);
      this.#options.onEvent({ event: "reorganised", number: head.number, hash, above: step.replacedAbove });
    }
    this.#trail.take(head, step);
    const floor = step.replacedAbove ?? Number.MAX_SAFE_INTEGER;
    if (!step.same && step.certain) await verdicts.extendTrail(collector, chain, head, floor, this.#trail.lowest);
    this.#certain = step.same ? this.#certain : step.certain;
    this.#askHeadAtMs = performance.now() + (step.same ? this.#pace.unchanged() : this.#pace.changed(head.number, head.timeS));
    return this.#certain;
  }

  /** First all that one question about a height answers, then those whose block has to be looked for. */
  async #judgeAll(heads: readonly OpenHead[], certain: boolean): Promise<void> {
    const others: { head: OpenHead; there: Uint8Array }[] = [];
    let failed: RpcError | undefined;
    for (const head of heads) {
      if (this.#stop.signal.aborted) return;
      const there = await this.#trail?.hashAt(head.number).catch(oneHeight);
      if (there instanceof RpcError) {
        // One height that the node fails at holds up nobody else; two in a row, and it is the node.
        await this.#noteUnknown(head, there.message);
        if (failed !== undefined) throw there;
        failed = there;
        continue;
      }
      failed = undefined;
      if (there === undefined) await this.#noteUnknown(head, "the node does not show its block at that height");
      else if (Buffer.compare(there, head.hash) === 0) await this.#noteState(head, HEAD_KNOWN, certain);
      else others.push({ head, there });
    }
    for (const { head, there } of others) {
      if (this.#stop.signal.aborted) return;
      const state = await this.#stateOf(head, there);
      if (state === undefined)
        await this.#noteUnknown(head, "the node has another block there and cannot say whether it knows this one");
      else await this.#noteState(head, state, certain);
    }
  }

  /** A node that fails to look for blocks by their hash goes on being asked for heights. */
  async #stateOf(head: OpenHead, there: Uint8Array): Promise<number | undefined> {
    if (performance.now() < this.#byHashAfterMs) return undefined;
    try {
      const state = await headStateAt(this.#aside, this.#options.chain, head, there);
      this.#byHashBackoff.succeeded();
      return state;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      this.#byHashAfterMs = performance.now() + Math.max(this.#byHashBackoff.next(), error.http?.retryAfterMs ?? 0);
      return undefined;
    }
  }

  async #noteState(head: OpenHead, state: number, certain: boolean): Promise<void> {
    const node = this.#trail?.head;
    if (node === undefined) return;
    const deep = certain && node.number - head.number >= node.settledDepth;
    // A "no" counts once it was heard twice, with a block in between.
    const settled = deep && (state === HEAD_KNOWN || head.state === state);
    const due = Math.max(node.number + 1, head.number + node.settledDepth);
    await this.#note(head, { state, settled, due });
  }

  /** Not judged: what was said before stays, and it is asked for again, later each time. */
  async #noteUnknown(head: OpenHead, detail: string): Promise<void> {
    const tries = Math.min(head.tries + 1, 30);
    const node = this.#trail?.head?.number ?? head.number;
    if (isVerdict(head.state)) {
      await this.#note(head, { state: head.state, settled: false, due: node + Math.min(2 ** tries, UNSURE_BLOCKS_MAX), tries });
      return;
    }
    const retryMs = Date.now() + Math.min(this.#unknownRetry.maxMs, this.#unknownRetry.firstMs * 2 ** (tries - 1));
    await this.#note(head, { state: HEAD_UNKNOWN, settled: false, due: head.number, retryMs, tries }, detail);
  }

  async #note(head: NamedHead, verdict: Verdict, detail?: string): Promise<void> {
    const { state, settled } = verdict;
    const judged = await this.#options.verdicts.note(head, verdict);
    if (judged.length > 0 && judged.some(({ was }) => was !== state)) this.#tell(head, verdict, detail);
    for (const record of judged) {
      const place = placeText(record);
      const changed = record.was !== state;
      if (changed && isVerdict(record.was) && isVerdict(state)) {
        const names = { from: HEAD_STATE_NAMES[record.was] as string, to: HEAD_STATE_NAMES[state] as string };
        this.#options.onEvent({ event: "rejudged", ...names, settled, ...place });
      }
      if (changed && state === HEAD_KNOWN && record.linked) this.#options.onEvent({ event: "verified", settled, ...place });
    }
  }

  /** What is said of the head itself, whoever names it. */
  #tell({ chain, number, hash }: NamedHead, { state, settled }: Verdict, detail = ""): void {
    const ours = this.#options.chain;
    const named = { number, hash: hashText(chain, hash), settled };
    if (state === HEAD_UNKNOWN) this.#options.onEvent({ event: "head-unknown", ...named, detail });
    if (state === HEAD_ORPHANED)
      this.#options.onEvent({
        ...{ event: "head-orphaned", ...named },
        detail: "the node knows the block, but its chain has another one there",
      });
    if (state === HEAD_FOREIGN)
      this.#options.onEvent({
        ...{ event: "head-foreign", ...named },
        detail:
          chain === ours
            ? "the node has another block there and does not know this one"
            : `it is of ${chain}; the node follows ${ours}`,
      });
  }
}

/** A node that wants to be left alone is not asked for the next height either. */
function oneHeight(error: unknown): RpcError | undefined {
  if (error instanceof Rejection) return undefined;
  if (error instanceof RpcError && !error.limited) return error;
  throw error;
}
