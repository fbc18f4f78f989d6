// Commands to this mote, as a feature: takes them in, has their commanders proven, does each at most once, and answers with a signed record
// (docs/ledger.md, "Commands"; record-format.md, types 7 and 8).
//
// Promises: nothing is done but for a signature of a key that the registry is proven, freshly, to name; for this mote and this fleet, within
// the command's blocks, with a counter above all that came from it. Counter and intent are stored before anything is done; what a loss of
// power has interrupted is answered as `interrupted` and never done again. A command that comes twice changes nothing and is answered once.
// What cannot be said yet (a mandate that nobody proves, a head that is behind) is waited for, within the command's blocks: never a yes, and
// never a no. Every list is bounded, by name. Never: believes a topic, looks at a body whose command it does not know, or takes any command
// on a chain on which nothing can be proven of a commander.
//
// Configuration: `ledger.recovery`, the address whose checkpoint is taken where nothing can be proven any more.

import { equal, fromText, toHex, toText } from "../bytes.js";
import { openChain } from "../chain/checkpoint.js";
import type { Consensus } from "../chain/consensus.js";
import type { MoteConfig } from "../config.js";
import type { CryptoEngine } from "../crypto/engine.js";
import type { Feature, FeatureOwner, FeatureType, Settings, Statement } from "../feature.js";
import { readKept, writeKept } from "../ledger/kept.js";
import type { Registry } from "../ledger/registry.js";
import { ACTIVE, GIVEN } from "../ledger/registry-slots.js";
import { ledgerFault } from "../ledger/state-proofs.js";
import type { KeyValueDomain } from "../ports.js";
import type { Written } from "../record/author.js";
import { decodeSign1, KID_BYTES, SIGN1_BYTES_MAX, verifySign1 } from "../record/cose.js";
import { type AnswerFields, decodeRecord } from "../record/record.js";
import { packOf, type Sample } from "../record/sample.js";
import { Rejection } from "../rejection.js";
import { SENSORS_MAX } from "../sensor/plan.js";
import { type Intent, Marks } from "./marks.js";
import {
  ACTION_CHECKPOINT,
  ACTION_POLICY,
  ACTION_READ,
  ACTION_REBOOT,
  ACTIONS,
  BODY_HASH_BYTES,
  type Command,
  type CommandTopics,
  commandTopicsOf,
  decodeCommand,
  decodePart,
  type Order,
} from "./message.js";
import { type Asker, allows, decodePolicy, MAY_COMMAND, MAY_READ } from "./policy.js";
import { changedBy, readSettings, writeSettings } from "./settings.js";

/** Done. */
const OUTCOME_DONE = 0;
/** Not done, for the reason beside it. */
const OUTCOME_REFUSED = 1;
/** The power went while it was under way: it may be done or not. */
const OUTCOME_INTERRUPTED = 2;
/** Its last block came before what it needed was there. */
const OUTCOME_EXPIRED = 3;
/** In words, by number. */
export const OUTCOMES: readonly string[] = Object.freeze(["done", "refused", "interrupted", "expired"]);

const REASON_NONE = 0;
/** The policy in force does not allow it, or it is for the recovery key alone. */
const REASON_NOT_ALLOWED = 1;
/** The registry names another policy for this mote, or none. */
const REASON_OTHER_POLICY = 2;
/** The body is no policy, or no checkpoint. */
const REASON_BODY = 3;
/** There is no such sensor, or no sample of it yet; or the sample is too long for an answer. */
const REASON_NO_SAMPLE = 4;
/** The checkpoint is of another chain. */
const REASON_OTHER_CHAIN = 5;
/** The checkpoint is below what this mote holds for settled. */
const REASON_BELOW_SETTLED = 6;
/** The chain is alive: its state is proven freshly. */
const REASON_ALIVE = 7;
/** The key-value store does not keep it. */
const REASON_NOT_STORED = 8;
/** This board cannot start anew by itself. */
const REASON_UNABLE = 9;
/** The image that runs has still to prove itself: a reset now would be its end. */
const REASON_PROVING = 10;
/** In words, by number. */
export const REASONS: readonly string[] = Object.freeze([
  "none",
  "not-allowed",
  "other-policy",
  "body",
  "no-sample",
  "other-chain",
  "below-settled",
  "alive",
  "not-stored",
  "unable",
  "proving",
]);

/** How many blocks ahead of the head a command's expiry may lie. */
export const COMMAND_BLOCKS_AHEAD_MAX = 256;
/** Messages that nobody has looked at yet. */
export const INBOX_MAX = 4;
/** Commands, their signatures verified, that wait for a proof or a body. */
export const WAITING_MAX = 4;
/** Signatures that are looked at in a minute; each takes a board tens of milliseconds. */
export const SIGNATURES_PER_MINUTE_MAX = 30;
/** Records after the intent that are looked at for its answer. */
const ANSWER_READS_MAX = 64;
const LOOK_MS = 1_000;
const RETRY_MS = 10_000;
const MINUTE_MS = 60_000;
const KEY_POLICY = "policy";
const KEY_CHECKPOINT = "checkpoint";

/** What is proven of the registry; to ask for what is not is to wish it proven. */
export type Authority = Pick<Registry, "own" | "mandateOf" | "moteOf" | "policyHash" | "isFresh" | "lookAgain">;

/** A command whose signature holds. */
interface Waiting {
  readonly commander: Uint8Array;
  readonly command: Command;
  /** Of the body that it names, once a part came. */
  body: Uint8Array | undefined;
  /** How many bytes of it are there. */
  got: number;
}

/** An answer that is to be written. */
interface Answer {
  readonly intent: Intent;
  readonly outcome: number;
  readonly reason: number;
  readonly sample: Sample | undefined;
  /** Handed to the mote, which has not written it yet. */
  stated: boolean;
  dueMs: number;
}

export class Commands implements FeatureType, Feature {
  readonly #authority: Authority;
  #recovery: Uint8Array | undefined;
  #owner: FeatureOwner | undefined;
  #topics: CommandTopics | undefined;
  #marks: Marks | undefined;
  /** The document in force, read anew for each command: its rules as objects would take nine times as much. */
  #policy: Uint8Array | undefined;
  #settings: Settings = {};
  readonly #inbox: Uint8Array[] = [];
  readonly #waiting: Waiting[] = [];
  /** The newest of each sensor, by its name. */
  readonly #samples = new Map<string, Sample>();
  #answer: Answer | undefined;
  #restarting = false;
  #signatures = 0;
  #minuteMs = 0;
  /** What the store refused is tried again then. */
  #retryMs = 0;

  /** @param authority what has the registry proven; it comes before this among the features */
  constructor(authority: Authority) {
    this.#authority = authority;
  }

  fault(config: MoteConfig): Rejection | undefined {
    const { consensus } = (config.checkpoint ?? {}) as { readonly consensus?: unknown };
    if (consensus === "bitcoin")
      return new Rejection(
        "config-invalid",
        "checkpoint: a mote on Bitcoin takes no commands, since nothing there proves a commander",
      );
    return ledgerFault(config, (ledger) => {
      this.#recovery = ledger.has("recovery") ? ledger.bytes("recovery", KID_BYTES, KID_BYTES) : undefined;
    });
  }

  /** The chain from a checkpoint on that the recovery key has sent, where it is of the same chain and later than the configuration's. */
  chain(engine: CryptoEngine, store: KeyValueDomain, configured: Consensus): Consensus | undefined {
    const body = readKept(store, KEY_CHECKPOINT, (bytes) => consensusOf(engine, bytes) !== undefined);
    const sent = body instanceof Uint8Array ? consensusOf(engine, body) : undefined;
    if (sent === undefined || !isSameChain(sent, configured)) return undefined;
    return sent.checkpoint.number > configured.checkpoint.number ? sent : undefined;
  }

  open(owner: FeatureOwner): Feature {
    this.#owner = owner;
    const { store, refusals, config, own } = owner;
    this.#topics = commandTopicsOf(config.mqtt.prefix, own);
    const marks = Marks.open(store, this.#recovery);
    if (marks instanceof Rejection) refusals.write("command", marks);
    else this.#marks = marks;
    const settings = readSettings(store);
    if (settings instanceof Rejection) refusals.write("settings", settings);
    else this.#settings = settings;
    owner.change(this.#settings);
    const document = readKept(store, KEY_POLICY, (bytes) => !(decodePolicy(bytes) instanceof Rejection));
    const policy = document instanceof Uint8Array ? decodePolicy(document) : document;
    this.#policy = document instanceof Rejection ? new Uint8Array(0) : document;
    // One that cannot be read allows nothing, until it is applied again.
    if (policy instanceof Rejection) refusals.write("policy", policy);
    this.resume();
    return this;
  }

  get subscriptions(): readonly string[] {
    const { commands, bodies } = this.topics;
    return [commands, bodies];
  }

  received(topic: string, message: Uint8Array): boolean {
    const { commands, bodies } = this.topics;
    if (topic === bodies) this.takePart(message);
    else if (topic === commands) this.takeMessage(message);
    else return false;
    return true;
  }

  linkChanged(): void {}

  onSample(sample: Sample): void {
    if (this.#samples.has(sample.name) || this.#samples.size < SENSORS_MAX) this.#samples.set(sample.name, sample);
  }

  step(): number {
    const marks = this.#marks;
    if (marks === undefined || this.#restarting) return Number.POSITIVE_INFINITY;
    const nowMs = this.nowMs();
    if (this.#answer !== undefined) return this.state(this.#answer, nowMs);
    // The store did not keep that it was answered.
    if (marks.intent !== undefined) this.end(marks);
    if (nowMs < this.#retryMs) return this.#retryMs - nowMs;
    this.admit(marks, nowMs);
    this.decide(marks);
    if (this.#answer !== undefined || this.#inbox.length > 0) return 0;
    return this.#waiting.length > 0 ? LOOK_MS : Number.POSITIVE_INFINITY;
  }

  /** What the loss of power has left: answered already, or to be answered now. */
  private resume(): void {
    const intent = this.#marks?.intent;
    if (intent === undefined || this.isAnswered(intent)) return;
    const { action, hash } = intent;
    const isDone = action === ACTION_REBOOT || (action === ACTION_CHECKPOINT && this.hasCheckpoint(hash));
    this.answer(intent, isDone ? OUTCOME_DONE : OUTCOME_INTERRUPTED, REASON_NONE);
  }

  private isAnswered({ commander, counter, seq: from }: Intent): boolean {
    const { journal } = this.owner;
    let seq = journal.after(from);
    for (let read = 0; seq !== undefined && read < ANSWER_READS_MAX; read += 1) {
      const kept = journal.read(seq);
      const record = kept instanceof Rejection ? kept : decodeRecord(kept.payload);
      const answer = record instanceof Rejection ? undefined : record.answer;
      if (answer !== undefined && answer.counter === counter && equal(answer.commander, commander)) return true;
      seq = journal.after(seq);
    }
    return false;
  }

  private hasCheckpoint(hash: Uint8Array): boolean {
    const { engine, store } = this.owner;
    const isIt = (bytes: Uint8Array): boolean => equal(engine.keccak256(bytes), hash);
    const body = readKept(store, KEY_CHECKPOINT, isIt);
    return body instanceof Uint8Array && isIt(body);
  }

  private takeMessage(message: Uint8Array): void {
    if (message.length > SIGN1_BYTES_MAX) this.refuse("command-too-long", `${message.length} bytes, at most ${SIGN1_BYTES_MAX}`);
    else if (this.#inbox.length >= INBOX_MAX) this.refuse("command-crowded", `${INBOX_MAX} messages wait already`);
    else this.#inbox.push(message);
  }

  /** A part of a body: taken where a waiting command names its hash and it is the next one. */
  private takePart(message: Uint8Array): void {
    const part = decodePart(message);
    if (part instanceof Rejection) {
      this.owner.refusals.write("body", part);
      return;
    }
    const { hash, offset, bytes } = part;
    const waiting = this.#waiting.find(({ command }) => equal(bodyOf(command.order).hash, hash));
    if (waiting === undefined) return;
    const { bytes: length } = bodyOf(waiting.command.order);
    if (offset !== waiting.got || offset + bytes.length > length) return;
    waiting.body ??= new Uint8Array(length);
    waiting.body.set(bytes, offset);
    waiting.got += bytes.length;
    if (waiting.got < length || equal(this.owner.engine.keccak256(waiting.body), hash)) return;
    waiting.got = 0;
    this.refuse("body-wrong", "the parts together have another hash than the command names");
  }

  /** Looks at one message: cheap first, its signature last. */
  private admit(marks: Marks, nowMs: number): void {
    const message = this.#inbox[0];
    if (message === undefined) return;
    if (nowMs - this.#minuteMs >= MINUTE_MS) {
      this.#minuteMs = nowMs;
      this.#signatures = 0;
    }
    this.#inbox.shift();
    const claimed = decodeSign1(message);
    const command = claimed instanceof Rejection ? claimed : decodeCommand(claimed.payload);
    const fault =
      claimed instanceof Rejection ? claimed : command instanceof Rejection ? command : this.faultOf(command, claimed.kid, marks);
    if (fault !== undefined || claimed instanceof Rejection || command instanceof Rejection) {
      if (fault !== undefined) this.owner.refusals.write("command", fault);
      return;
    }
    if (this.#signatures >= SIGNATURES_PER_MINUTE_MAX) {
      this.refuse("command-crowded", `${SIGNATURES_PER_MINUTE_MAX} signatures were looked at in this minute`);
      return;
    }
    this.#signatures += 1;
    const signed = verifySign1(this.owner.engine, message);
    if (signed instanceof Rejection) this.owner.refusals.write("command", signed);
    else this.wait({ commander: signed.kid, command, body: undefined, got: 0 }, marks);
  }

  /** Why a command is not looked at any further; nothing of that is remembered, so that it is no answer for good. */
  private faultOf(
    { counter, mote, expiryBlock, fleet, order }: Command,
    commander: Uint8Array,
    marks: Marks,
  ): Rejection | undefined {
    const { config, own, follower } = this.owner;
    if (!equal(mote, own)) return new Rejection("command-foreign", `it is for the mote 0x${toHex(mote)}`);
    if (!equal(fleet.registry, config.fleet.registry) || fleet.chain !== config.fleet.chain)
      return new Rejection("command-fleet", "it is for another fleet");
    const known = marks.counterOf(commander) ?? 0;
    if (counter <= known) return new Rejection("command-repeated", `counter ${counter}, and ${known} was taken already`);
    if (this.#waiting.some((other) => other.command.counter === counter && equal(other.commander, commander)))
      return new Rejection("command-repeated", `counter ${counter} waits already`);
    const head = follower.head.number;
    // Of a commander that was proven before it is answered as late; of anybody else it is nothing.
    if (expiryBlock <= head && known === 0)
      return new Rejection("command-expired", `good before block ${expiryBlock}, and the head is ${head}`);
    // A chain that stands still is behind whatever the checkpoint's sender sees.
    if (expiryBlock > head + COMMAND_BLOCKS_AHEAD_MAX && order.action !== ACTION_CHECKPOINT)
      return new Rejection(
        "command-too-far-ahead",
        `good before block ${expiryBlock}; at most ${COMMAND_BLOCKS_AHEAD_MAX} blocks above the head ${head} are taken`,
      );
    return undefined;
  }

  /** Puts a command among those that wait: whoever was proven before comes before those that nobody knows. */
  private wait(waiting: Waiting, marks: Marks): void {
    const all = this.#waiting;
    if (all.length >= WAITING_MAX) {
      const isKnown = ({ commander }: Waiting) => this.isRecovery(commander) || marks.counterOf(commander) !== undefined;
      const stranger = isKnown(waiting) ? all.findIndex((other) => !isKnown(other)) : -1;
      if (stranger < 0) {
        this.refuse("command-crowded", `${WAITING_MAX} commands wait already`);
        return;
      }
      all.splice(stranger, 1);
    }
    all.push(waiting);
  }

  /** Does the first that can be done, and lets go of those that never can. */
  private decide(marks: Marks): void {
    const all = this.#waiting;
    const { number } = this.owner.follower.head;
    const ready: Waiting[] = [];
    for (let i = 0; i < all.length; i += 1) {
      const waiting = all[i] as Waiting;
      const { commander, command } = waiting;
      const { counter, expiryBlock } = command;
      const isLate = expiryBlock <= number;
      const asker = this.isRecoverys(waiting) ? { address: commander, commander: true } : this.askerOf(commander);
      if (counter <= (marks.counterOf(commander) ?? 0) || asker === false || (isLate && asker === undefined)) {
        all.splice(i, 1);
        i -= 1;
        this.refuse(asker === false ? "command-stranger" : "command-expired", `0x${toHex(commander)}, counter ${counter}`);
      } else if (asker !== undefined && (isLate || this.isWhole(waiting))) ready.push(waiting);
    }
    let [next] = ready;
    // Of one commander in the order of its counters.
    for (const other of ready)
      if (next !== undefined && equal(other.commander, next.commander) && other.command.counter < next.command.counter)
        next = other;
    if (next !== undefined) this.begin(marks, next, next.command.expiryBlock <= number);
  }

  /** Who that is, by what is proven freshly; false for nobody whom the registry names, undefined where that cannot be said. */
  private askerOf(address: Uint8Array): Asker | false | undefined {
    const mandate = this.#authority.mandateOf(address);
    if (mandate === undefined) return undefined;
    if (mandate.status === GIVEN && mandate.expiryBlock >= this.owner.follower.head.number) return { address, commander: true };
    // Only a policy lets anybody else in.
    if (this.#policy === undefined) return false;
    const peer = this.#authority.moteOf(address);
    return peer === undefined ? undefined : peer.status === ACTIVE && { address, commander: false, role: peer.role };
  }

  /** Keccak-256 of the policy that the registry names for this mote; zeros for none, undefined where that is not proven freshly. */
  private policyHash(): Uint8Array | undefined {
    const authority = this.#authority;
    const { own } = authority;
    if (own === undefined || !authority.isFresh(own)) {
      authority.lookAgain();
      return undefined;
    }
    return own.policyId === 0n ? new Uint8Array(BODY_HASH_BYTES) : authority.policyHash(own.policyId);
  }

  /** Whether all is there that it needs: the body, and what the registry says of that. */
  private isWhole({ command: { order }, got }: Waiting): boolean {
    if (got < bodyOf(order).bytes) return false;
    return order.action !== ACTION_POLICY || this.policyHash() !== undefined;
  }

  private begin(marks: Marks, waiting: Waiting, isLate: boolean): void {
    const { commander, command } = waiting;
    const { counter, order, expiryBlock } = command;
    const { journal, follower, refusals } = this.owner;
    const reason = isLate ? REASON_NONE : this.reasonAgainst(waiting);
    const { hash } = bodyOf(order);
    const intent: Intent = {
      commander: commander.slice(),
      counter,
      skipped: counter - (marks.counterOf(commander) ?? 0) - 1,
      action: order.action,
      seq: journal.lastSeq ?? 0,
      hash: hash.length === 0 ? new Uint8Array(BODY_HASH_BYTES) : hash.slice(),
    };
    const fault = marks.begin(intent, expiryBlock, follower.settled);
    if (fault !== undefined) {
      // Nothing was done: it waits.
      refusals.write("command", fault);
      this.#retryMs = this.nowMs() + RETRY_MS;
      return;
    }
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
    if (isLate) this.answer(intent, OUTCOME_EXPIRED, REASON_NONE);
    else if (reason !== REASON_NONE) this.answer(intent, OUTCOME_REFUSED, reason);
    else this.perform(intent, waiting);
  }

  /** Why a command of a proven commander is not done, before anything is stored of it. */
  private reasonAgainst({ commander, command: { order }, body }: Waiting): number {
    const { engine, follower, device } = this.owner;
    if (order.action === ACTION_CHECKPOINT) {
      if (!this.isRecovery(commander)) return REASON_NOT_ALLOWED;
      if (this.isAlive() && follower.fork === undefined) return REASON_ALIVE;
      const sent = consensusOf(engine, body as Uint8Array);
      if (sent === undefined) return REASON_BODY;
      if (!isSameChain(sent, follower.consensus)) return REASON_OTHER_CHAIN;
      if (sent.checkpoint.number < follower.settled) return REASON_BELOW_SETTLED;
    } else if (order.action === ACTION_POLICY) {
      // Which policy counts is the registry's to say: no policy keeps its successor out.
      if (!equal(this.policyHash() as Uint8Array, order.hash)) return REASON_OTHER_POLICY;
      return decodePolicy(body as Uint8Array) instanceof Rejection ? REASON_BODY : REASON_NONE;
    } else if (!this.isAllowed(commander, order)) return REASON_NOT_ALLOWED;
    if (order.action === ACTION_READ && !this.#samples.has(order.sensor)) return REASON_NO_SAMPLE;
    const restarts = order.action === ACTION_CHECKPOINT || order.action === ACTION_REBOOT;
    if (!restarts) return REASON_NONE;
    if (device.restart === undefined) return REASON_UNABLE;
    return device.slots?.running().state === "pending" ? REASON_PROVING : REASON_NONE;
  }

  /** Whether something is proven freshly still. */
  private isAlive(): boolean {
    const { own } = this.#authority;
    return own !== undefined && this.#authority.isFresh(own);
  }

  private isAllowed(commander: Uint8Array, order: Order): boolean {
    const asker = this.askerOf(commander);
    if (this.#policy === undefined || asker === undefined || asker === false) return this.#policy === undefined;
    const policy = decodePolicy(this.#policy);
    if (policy instanceof Rejection) return false;
    if (order.action === ACTION_READ) return allows(policy, asker, MAY_READ, order.sensor);
    return allows(policy, asker, MAY_COMMAND, ACTIONS[order.action - 1] as string);
  }

  /** Does it: its intent is stored. */
  private perform(intent: Intent, { command: { order }, body }: Waiting): void {
    const { store } = this.owner;
    let kept = true;
    if (order.action === ACTION_REBOOT) {
      this.restart();
      return;
    }
    if (order.action === ACTION_READ) {
      this.answer(intent, OUTCOME_DONE, REASON_NONE, this.#samples.get(order.sensor));
      return;
    }
    if (order.action === ACTION_CHECKPOINT) {
      if (writeKept(store, KEY_CHECKPOINT, body as Uint8Array) === undefined) {
        this.restart();
        return;
      }
      kept = false;
    } else if (order.action === ACTION_POLICY) {
      kept = writeKept(store, KEY_POLICY, body as Uint8Array) === undefined;
      if (kept) this.#policy = body as Uint8Array;
    } else {
      const settings = changedBy(this.#settings, order);
      kept = writeSettings(store, settings);
      if (kept) {
        this.#settings = settings;
        this.owner.change(settings);
      }
    }
    this.answer(intent, kept ? OUTCOME_DONE : OUTCOME_REFUSED, kept ? REASON_NONE : REASON_NOT_STORED);
  }

  /** The answer is written at the next start. */
  private restart(): void {
    this.#restarting = true;
    this.owner.restart();
  }

  private answer(intent: Intent, outcome: number, reason: number, sample?: Sample): void {
    this.#answer = { intent, outcome, reason, sample, stated: false, dueMs: 0 };
  }

  /** Has the mote write the answer, again where it could not. */
  private state(answer: Answer, nowMs: number): number {
    if (answer.stated) return Number.POSITIVE_INFINITY;
    if (nowMs < answer.dueMs) return answer.dueMs - nowMs;
    const { intent, outcome, reason, sample } = answer;
    const { commander, counter, skipped } = intent;
    const fields: AnswerFields = { commander, counter, outcome, reason, skipped };
    const measured = sample === undefined ? {} : { measurements: packOf([sample], nowMs) };
    const statement: Statement = { answer: fields, ...measured, written: (result) => this.written(answer, result) };
    answer.stated = this.owner.state(statement);
    if (answer.stated) return Number.POSITIVE_INFINITY;
    answer.dueMs = nowMs + LOOK_MS;
    return LOOK_MS;
  }

  private written(answer: Answer, result: Written | Rejection): void {
    answer.stated = false;
    const { intent, outcome, reason } = answer;
    if (result instanceof Rejection && result.code !== "signature-failed") {
      // Beside all that an answer says there may be no room for the sample.
      if (result.code === "cbor-too-long" && answer.sample !== undefined) this.answer(intent, OUTCOME_REFUSED, REASON_NO_SAMPLE);
      else answer.dueMs = this.nowMs() + RETRY_MS;
      return;
    }
    const { commander, counter, skipped, action } = intent;
    this.owner.device.log.write("command", {
      commander: `0x${toHex(commander)}`,
      counter,
      action: ACTIONS[action - 1] as string,
      outcome: OUTCOMES[outcome] as string,
      ...(reason === REASON_NONE ? {} : { reason: REASONS[reason] as string }),
      ...(skipped === 0 ? {} : { skipped }),
    });
    this.#answer = undefined;
    this.end(this.#marks as Marks);
    this.owner.onWake();
  }

  private end(marks: Marks): void {
    const fault = marks.end();
    if (fault === undefined) return;
    this.owner.refusals.write("command", fault);
    this.#retryMs = this.nowMs() + RETRY_MS;
  }

  /** A checkpoint of the recovery key, which needs no proof of anything. */
  private isRecoverys({ commander, command }: Waiting): boolean {
    return command.order.action === ACTION_CHECKPOINT && this.isRecovery(commander);
  }

  private isRecovery(commander: Uint8Array): boolean {
    return this.#recovery !== undefined && equal(commander, this.#recovery);
  }

  private refuse(code: string, detail: string): void {
    this.owner.refusals.write("command", new Rejection(code, detail));
  }

  private nowMs(): number {
    return this.owner.device.clock.ticksMs();
  }

  private get owner(): FeatureOwner {
    return this.#owner as FeatureOwner;
  }

  private get topics(): CommandTopics {
    return this.#topics as CommandTopics;
  }
}

/** What an order names of a body; of length 0 where it needs none. */
function bodyOf(order: Order): { readonly hash: Uint8Array; readonly bytes: number } {
  return order.action === ACTION_POLICY || order.action === ACTION_CHECKPOINT ? order : { hash: fromText(""), bytes: 0 };
}

/** The chain that a body's checkpoint begins; undefined where it is none. */
function consensusOf(engine: CryptoEngine, body: Uint8Array): Consensus | undefined {
  const text = toText(body);
  if (text instanceof Rejection) return undefined;
  try {
    const consensus = openChain(engine, JSON.parse(text));
    return consensus instanceof Rejection ? undefined : consensus;
  } catch {
    return undefined;
  }
}

function isSameChain(a: Consensus, b: Consensus): boolean {
  return a.chain === b.chain && a.name === b.name && equal(a.rules, b.rules);
}
