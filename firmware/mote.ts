// The runtime: joins the board, the chain, the records and the link into one resumable machine.
//
// Promises: `step()` does whatever is due and answers when it wants to be called again; it never waits for hardware or a
// network; input from outside is kept in mailboxes of bounded size until a step looks at it. Never: knows which board it
// runs on, or signs before it has looked for its own newest record (docs/design.md, "The life of a mote").

import { Bus, type BusOptions, type BusUser } from "./bus/bus.js";
import { topicsOf } from "./bus/topics.js";
import { encodeHealth } from "./bus/wire.js";
import { toHex } from "./bytes.js";
import { openChain } from "./chain/checkpoint.js";
import type { Trusted } from "./chain/consensus.js";
import { Follower } from "./chain/follow/follower.js";
import { movesHead, type Outcome } from "./chain/follow/outcome.js";
import { ALARM_NAMES, ALARM_NONE, type Alarm, Vigil } from "./chain/follow/vigil.js";
import type { MoteConfig } from "./config.js";
import type { CryptoEngine } from "./crypto/engine.js";
import { Delivery, type DeliveryOptions } from "./delivery.js";
import { openDeviceKey } from "./device-key.js";
import type { MoteEvent } from "./events.js";
import type { Feature, FeatureOwner, FeatureType, Settings, Statement } from "./feature.js";
import { Association, type AssociationOptions } from "./link/association.js";
import { RelayClient, type RelayOptions } from "./link/relay.js";
import { Pacer } from "./pacer.js";
import { Persistence } from "./persistence.js";
import type { Device, KeyHandle, KeyValueDomain } from "./ports.js";
import { Readiness } from "./readiness.js";
import { Author, openSequence, type RecordInput, type Written } from "./record/author.js";
import { Journal } from "./record/journal.js";
import { Ownership } from "./record/ownership.js";
import { PAYLOAD_TYPE_RECORD } from "./record/payload.js";
import { type RecordHead, typeOf } from "./record/record.js";
import { countFitting, entriesFault, packOf, type Sample, valuesOf } from "./record/sample.js";
import type { Entry } from "./record/senml.js";
import type { Sequence } from "./record/sequence.js";
import { RefusalLog } from "./refusal-log.js";
import { Rejection } from "./rejection.js";
import { Sampler } from "./sampler.js";
import { type Planned, planSensors } from "./sensor/plan.js";
import type { SensorType } from "./sensor/sensor.js";
import type { Sleep, Sleeper } from "./sleep/sleep.js";
import { tellMemory } from "./start/told.js";
import { Teller } from "./teller.js";
import { Timekeeper, type TimekeeperOptions } from "./timekeeper.js";

/** The domain of the key-value store that holds counters and the trusted state. */
const STORE_DOMAIN = "mote";
/** A key that could not be opened, made or asked for a signature is tried again after so long. */
const KEY_RETRY_MS = 10_000;
/** What claims to be the newest record is looked at so often on one connection where signatures turn out not to hold. */
const LATEST_FAILED_MAX = 8;
/** A step is wanted at least so often, whatever is due. */
const STEP_INTERVAL_MAX_MS = 60_000;

/** What exists once the key does. */
interface Identity {
  /** 20 bytes. */
  readonly address: Uint8Array;
  readonly ownership: Ownership;
  readonly author: Author;
  readonly bus: Bus;
  readonly delivery: Delivery;
  readonly relay: RelayClient;
  readonly key: KeyHandle;
  /** Those of the application; undefined where it has none. */
  features: readonly Feature[] | undefined;
}

export interface MoteOptions {
  readonly device: Device;
  readonly engine: CryptoEngine;
  readonly config: MoteConfig;
  /** The types of sensor that the application includes; the configuration says which parts there are of them. */
  readonly sensors?: readonly SensorType[];
  /** What the application adds (feature.ts): what the chain's state decides, commands, anchors. */
  readonly features?: readonly FeatureType[];
  /** Deep sleep between samples, of an application that includes it (`sleepOf`); nothing of it where `sleep` is not configured. */
  readonly sleep?: Sleep | undefined;
  /** Called with each event once it is on the log. What it throws is said on the log, and stops nothing. */
  readonly onEvent?: (event: MoteEvent) => void;
}

/** Records of the application that wait for a step; one more is refused, and counted. */
const OWN_RECORDS_WAITING_MAX = 4;
/** Records that features state and that wait for a step. */
const STATEMENTS_WAITING_MAX = 4;

/** What the application has recorded, and what features state. */
interface Own {
  readonly waiting: Sample[];
  readonly statements: Statement[];
  /** Those that were refused and are in no record's gap yet. */
  lost: number;
}

/**
 * It is what its parts ask of their owner: an object of options for each, and a closure for each function in it, would take a tenth of what
 * lives on a board's heap.
 */
export class Mote
  implements AssociationOptions, TimekeeperOptions, BusOptions, DeliveryOptions, RelayOptions, BusUser, FeatureOwner, Sleeper
{
  #options: MoteOptions;
  readonly #follower: Follower;
  readonly #vigil: Vigil;
  #alarm: Alarm = ALARM_NONE;
  readonly #journal: Journal;
  readonly #sequence: Sequence;
  readonly #store: KeyValueDomain;
  readonly #association: Association;
  readonly #timekeeper: Timekeeper;
  readonly #samplers: readonly Sampler[];
  readonly #refusals: RefusalLog;
  readonly #pacer: Pacer;
  readonly #readiness: Readiness;
  readonly #persistence: Persistence;
  /** When something is to be asked of the key again, which failed. */
  #keyDueMs = 0;
  #identity: Identity | undefined;
  /** Samples that the next record will hold. */
  #samples: Sample[] = [];
  #own: Own | undefined;
  /** The mote's own newest record as the collector keeps it, until a step looks at it. */
  #latest: Uint8Array | undefined;
  /** How many on this connection had a signature that did not hold. */
  #latestFailed = 0;
  #healthDueMs = 0;
  #verifiedHeaders = 0;

  private constructor(
    options: MoteOptions,
    planned: readonly Planned[],
    store: KeyValueDomain,
    follower: Follower,
    journal: Journal,
    sequence: Sequence,
  ) {
    const { clock, log, timer } = options.device;
    this.#options = options;
    this.#follower = follower;
    this.#store = store;
    this.#vigil = new Vigil(follower, clock);
    this.#journal = journal;
    this.#sequence = sequence;
    this.#readiness = new Readiness(clock.ticksMs());
    this.#pacer = new Pacer(timer, log, this);
    this.#refusals = new RefusalLog(clock, log);
    this.#association = new Association(this);
    this.#timekeeper = new Timekeeper(this);
    this.#persistence = new Persistence(log, follower, this.#timekeeper);
    this.#samplers = planned.map((plan) => new Sampler(options.device, plan));
    this.#timekeeper.bound(follower.timeFloorS);
    if (options.sleep !== undefined) this.wakeUp(options.sleep);
  }

  /** Goes on where the board fell asleep, where it may. */
  private wakeUp(sleep: Sleep): void {
    const snapshot = sleep.woken(this.#sequence.boot, this.#sequence.next, this.#journal.pendingCount);
    if (snapshot === undefined) return;
    this.#readiness.resume();
    this.#timekeeper.resume(snapshot.time, sleep.passedMs, sleep.certainMs);
    this.#samplers.forEach((sampler, i) => {
      const restMs = snapshot.rests[i];
      if (restMs !== undefined) sampler.resume(restMs - sleep.passedMs);
    });
  }

  /** Mounts what survived, and counts the boot. Refused where the configuration or the flash is not fit to begin with. */
  static open(options: MoteOptions): Mote | Rejection {
    const { sensors = [], onEvent } = options;
    if (onEvent === undefined) return Mote.openWith(options, sensors);
    const { device } = options;
    return Mote.openWith({ ...options, device: { ...device, log: new Teller(device.log, onEvent) } }, sensors);
  }

  private static openWith(options: MoteOptions, types: readonly SensorType[]): Mote | Rejection {
    const { device, engine, config, features } = options;
    const { log, clock } = device;
    let anchors = false;
    for (const type of features ?? []) {
      const fault = type.fault(config);
      if (fault !== undefined) return fault;
      anchors ||= type.anchors === true;
    }
    const sleep = config.sleep === undefined ? undefined : options.sleep;
    const unslept = sleepFault(config, sleep);
    if (unslept !== undefined) return unslept;
    const { partition, full, keep } = config.journal;
    if (keep === "anchored" && !anchors)
      return new Rejection("config-invalid", 'journal.keep: expected "stored", since this application anchors nothing');
    const planned = planSensors(config.sensors, types, config.sampling.intervalMs);
    if (planned instanceof Rejection) return planned;
    if (sleep !== undefined && planned.some(({ part }) => part.needsWaking === true))
      return new Rejection("config-invalid", "sleep: expected none, since a sensor counts between its samples");
    const configured = openChain(engine, config.checkpoint);
    if (configured instanceof Rejection) return configured;
    const store = device.store.open({ path: STORE_DOMAIN, format: "buffer" });
    let consensus = configured;
    for (const type of features ?? []) consensus = type.chain?.(engine, store, configured) ?? consensus;
    const follower = new Follower({ consensus, engine, store, clock });
    if (follower.refusedState !== undefined) new RefusalLog(clock, log).write("trusted state", follower.refusedState);
    const flash = device.flash.open({ path: partition, mode: "r+" });
    const kept = { engine, full, safe: keep };
    const journal = sleep?.journal(flash, kept) ?? Journal.mount(flash, kept);
    if (journal instanceof Rejection) return journal;
    const resumed = sleep?.sequence(store, journal);
    const sequence = resumed ?? openSequence(store, journal);
    if (sequence instanceof Rejection) return sequence;
    const { boot, origin, stream, next } = sequence;
    const head = follower.head;
    const { chain } = consensus;
    const { pendingCount: pending, passedCount: passed } = journal;
    if (resumed === undefined)
      log.write("boot", { boot, origin, stream, nextSeq: next, pending, passed, chain, head: head.number });
    const own = features === undefined ? { device, engine, config } : { device, engine, config, features };
    return new Mote(sleep === undefined ? own : { ...own, sleep }, planned, store, follower, journal, sequence);
  }

  /** Steps for ever, each time when it is due or when something arrives. */
  run(): void {
    this.#pacer.run();
  }

  /**
   * Ends in good order: what is believed is written, the broker is told, the journal is closed. What fails of that is said,
   * and the rest is done all the same. A power cut does as well.
   */
  close(): void {
    const { log, timer } = this.#options.device;
    // From within `onEvent` a step may be under way.
    if (log instanceof Teller && log.telling) {
      timer.set(() => this.close(), 0);
      return;
    }
    this.#pacer.stop();
    this.endParts();
    this.#persistence.flush(this.#options.device.clock.ticksMs());
    for (const part of [this.#sequence, this.#journal]) this.closing(() => part.close());
  }

  private endParts(): void {
    this.closing(() => this.publishHealth(false));
    for (const feature of this.#identity?.features ?? []) this.closing(() => feature.close?.());
    this.closing(() => this.#identity?.bus.close());
    for (const part of [...this.#samplers, this.#timekeeper, this.#association]) this.closing(() => part.close());
  }

  private closing(end: () => void): void {
    try {
      end();
    } catch (error) {
      this.#options.device.log.write("error", { what: "close", detail: String(error) });
    }
  }

  /** Does whatever is due, once. Answers after how many milliseconds it wants to be called again. */
  step(): number | Promise<number> {
    const nowMs = this.#options.device.clock.ticksMs();
    const associationMs = this.#options.sleep?.offline === true ? Number.POSITIVE_INFINITY : this.#association.step();
    const online = this.#association.online;
    let dueMs = Math.min(STEP_INTERVAL_MAX_MS, associationMs, this.#timekeeper.step(online));
    const identity = this.#identity ?? this.begin(nowMs);
    if (identity === undefined) {
      if (this.#options.sleep?.offline !== true) return Math.min(dueMs, KEY_RETRY_MS);
      // A key that has to be made wants the radio.
      this.#options.sleep.goOnline();
      return 0;
    }
    const { author, bus, delivery, relay } = identity;
    dueMs = Math.min(dueMs, relay.step(bus.up), this.becomeReady(author, nowMs));
    this.afterHeaders();
    this.#persistence.step(nowMs);
    for (const feature of identity.features ?? []) dueMs = Math.min(dueMs, feature.step());
    if (nowMs >= this.#keyDueMs && this.#journal.unsealedCount > 0) return this.recover(author, nowMs);
    if (this.#readiness.ready) {
      const statement = this.#own?.statements.shift();
      if (statement !== undefined) return this.makeStatement(author, statement);
    }
    if (this.#readiness.ready && !this.withholds) {
      const waiting = this.#samples.length;
      if (waiting < this.#options.config.sampling.samplesPerRecord) dueMs = Math.min(dueMs, this.sample(author));
      const batch = this.dueBatch(waiting) ?? this.ownBatch(author);
      if (batch !== undefined) {
        dueMs = 0;
        const input = this.inputOf(batch);
        const written = author.write(input, batch.length);
        if (written instanceof Promise) return this.recordLater(input, batch, written);
        this.recorded(input, batch, written);
      }
    }
    if (online) dueMs = Math.min(dueMs, bus.step(), delivery.step());
    dueMs = Math.max(0, Math.min(dueMs, this.health(nowMs)));
    return this.#options.sleep === undefined ? dueMs : this.stepOrSleep(this.#options.sleep, dueMs);
  }

  /** Sleeps where it may; answers when to look again. */
  private stepOrSleep(sleep: Sleep, dueMs: number): number {
    const { clock, timer } = this.#options.device;
    if (dueMs === 0 || !sleep.isDue(this, clock.ticksMs())) return Math.min(dueMs, sleep.lookMs);
    // From within a step: it is to end first.
    this.#pacer.stop();
    timer.set(() => this.fallAsleep(sleep), 0);
    return dueMs;
  }

  /** As `close`, but that the numbers which are reserved stay so, and that it goes on after it. */
  private fallAsleep(sleep: Sleep): void {
    const nowMs = this.#options.device.clock.ticksMs();
    this.endParts();
    if (this.#persistence.rest(nowMs, sleep.unsavedMs(nowMs))) sleep.saved(nowMs);
    const reserved = this.#sequence.reserve();
    const position = this.#journal.leave();
    const journal = reserved instanceof Rejection ? undefined : position;
    const rests = this.#samplers.map((sampler) => sampler.restMs(nowMs) ?? 0);
    const { boot, stream, next } = this.#sequence;
    const asleep = journal && {
      journal,
      sequence: { boot, stream, next },
      time: this.#timekeeper.state(),
      lost: this.#identity?.author.lost ?? 0,
      rests,
    };
    sleep.sleep(asleep, this.restMs(nowMs) ?? 0, this.#journal.pendingCount);
  }

  get idle(): boolean {
    const own = this.#own;
    if (this.#samples.length > 0 || this.#journal.unsealedCount > 0) return false;
    if (own !== undefined && own.waiting.length + own.statements.length > 0) return false;
    for (const feature of this.#identity?.features ?? []) if (feature.busy === true) return false;
    return true;
  }

  restMs(nowMs: number): number | undefined {
    let restMs: number | undefined;
    for (const sampler of this.#samplers) {
      const ownMs = sampler.restMs(nowMs);
      if (ownMs === undefined) return undefined;
      restMs = Math.min(restMs ?? ownMs, ownMs);
    }
    return restMs ?? this.#options.config.sampling.intervalMs;
  }

  isSettled(nowMs: number): boolean {
    const wanted = this.#follower.wanted() !== undefined;
    return !this.#timekeeper.asking && this.#journal.pendingCount === 0 && this.#readiness.isSettled(nowMs, wanted);
  }

  get uncertainMs(): number {
    return this.#options.sleep?.uncertainMs ?? 0;
  }

  onClockSet(): void {
    this.#options.sleep?.clockSet();
  }

  /** Signs what waits for it; the rest of the step follows at once. */
  private async recover(author: Author, nowMs: number): Promise<number> {
    if ((await author.recover()) === 0) this.#keyDueMs = nowMs + KEY_RETRY_MS;
    return 0;
  }

  /** Where the key takes its time to sign; the rest of the step follows at once. */
  private async recordLater(
    input: RecordInput,
    batch: readonly Sample[],
    written: Promise<Written | Rejection>,
  ): Promise<number> {
    this.recorded(input, batch, await written);
    return 0;
  }

  /** The rest of the step follows at once. */
  private makeStatement(author: Author, statement: Statement): number | Promise<number> {
    const input = { ...this.inputOf([]), ...statement };
    const written = author.write(input, 0);
    if (!(written instanceof Promise)) return this.stated(input, statement, written);
    return written.then((result) => this.stated(input, statement, result));
  }

  private stated(input: RecordInput, statement: Statement, written: Written | Rejection): number {
    this.recorded(input, [], written);
    statement.written(written);
    return 0;
  }

  private get withholds(): boolean {
    const features = this.#identity?.features;
    if (features === undefined) return false;
    for (const feature of features) if (feature.withholds === true) return true;
    return false;
  }

  private begin(nowMs: number): Identity | undefined {
    if (nowMs < this.#keyDueMs) return undefined;
    const { device, engine } = this.#options;
    const opened = openDeviceKey(device, engine, this.#association.started);
    if (!(opened instanceof Rejection)) return opened && this.identify(opened.key, opened.address, opened.created);
    this.#keyDueMs = nowMs + KEY_RETRY_MS;
    this.#refusals.write("key", opened);
    return undefined;
  }

  private identify(key: KeyHandle, address: Uint8Array, created: boolean): Identity {
    const { device, engine, config } = this.#options;
    const { fleet, mqtt } = config;
    const own = { engine, keys: device.keys, key, address, fleet, journal: this.#journal, sequence: this.#sequence };
    const ownership = new Ownership(own, created);
    const author = new Author(own, ownership);
    const bus = new Bus(this, topicsOf(mqtt.prefix, address, this.#follower.chain));
    const delivery = new Delivery(this);
    const relay = new RelayClient(this);
    for (const user of [delivery, relay, this]) bus.join(user);
    author.lose(this.#options.sleep?.takeLost() ?? 0);
    const identity: Identity = { address, ownership, author, bus, delivery, relay, key, features: undefined };
    // A feature may ask its owner for all of that.
    this.#identity = identity;
    identity.features = this.#options.features?.map((type) => type.open(this));
    for (const feature of identity.features ?? []) bus.join(feature);
    return identity;
  }

  /**
   * Makes a record of what the application has measured or decided itself, in the next step that may make one.
   * @param entries 1 to 32, as `Entry` says; they are copied
   * @returns why there will be none: entries that no record can hold, or too many records that wait. It is on the log, and counted in
   *   the `gap` of the next record
   */
  record(entries: readonly Entry[]): Rejection | undefined {
    const own = this.ownRecords();
    const fault =
      entriesFault(entries) ??
      (this.withholds ? new Rejection("records-withheld", "this mote's key has no place in its fleet any more") : undefined) ??
      (own.waiting.length < OWN_RECORDS_WAITING_MAX
        ? undefined
        : new Rejection(
            "records-waiting",
            `${OWN_RECORDS_WAITING_MAX} records wait already: record more slowly, or several entries at once`,
          ));
    if (fault !== undefined) {
      own.lost += 1;
      this.#refusals.write("record", fault);
    } else
      own.waiting.push({
        name: "",
        entries: entries.map((entry) => ({ ...entry })),
        takenMs: this.#options.device.clock.ticksMs(),
      });
    this.onWake();
    return fault;
  }

  state(statement: Statement): boolean {
    const { statements } = this.ownRecords();
    if (statements.length >= STATEMENTS_WAITING_MAX) return false;
    statements.push(statement);
    this.onWake();
    return true;
  }

  change({ intervalMs, samplesPerRecord, relays }: Settings): void {
    const { config } = this.#options;
    const sampling = { ...config.sampling, ...(samplesPerRecord === undefined ? {} : { samplesPerRecord }) };
    if (samplesPerRecord !== undefined) this.#options = { ...this.#options, config: { ...config, sampling } };
    if (intervalMs !== undefined) for (const sampler of this.#samplers) sampler.takeEvery(intervalMs);
    if (relays === undefined) return;
    const { relays: _, ...rest } = this.#options.config;
    this.#options = { ...this.#options, config: relays.length === 0 ? rest : { ...rest, relays } };
    this.#identity?.relay.onRelays();
    for (const feature of this.#identity?.features ?? []) feature.onRelays?.();
  }

  restart(): void {
    // From within a step: it is to end first.
    this.#options.device.timer.set(() => void this.restartNow(), 0);
  }

  /**
   * What was measured and is in no record yet becomes one before the end. Where that cannot be kept, the log alone says so: the next start
   * does not count it as lost. Nothing is measured meanwhile, which a key that takes its time to sign would leave room for.
   */
  private async restartNow(): Promise<void> {
    this.#pacer.stop();
    const author = this.#identity?.author;
    try {
      for (let batch = author && this.rest(author); author && batch !== undefined; batch = this.rest(author)) {
        const input = this.inputOf(batch);
        this.recorded(input, batch, await author.write(input, batch.length));
      }
    } catch (error) {
      this.#options.device.log.write("error", { what: "close", detail: String(error) });
    }
    this.close();
    this.#options.device.restart?.();
  }

  private ownRecords(): Own {
    this.#own ??= { waiting: [], statements: [], lost: 0 };
    return this.#own;
  }

  get device(): Device {
    return this.#options.device;
  }

  get engine(): CryptoEngine {
    return this.#options.engine;
  }

  get config(): MoteConfig {
    return this.#options.config;
  }

  get store(): KeyValueDomain {
    return this.#store;
  }

  get journal(): Journal {
    return this.#journal;
  }

  get follower(): Follower {
    return this.#follower;
  }

  get refusals(): RefusalLog {
    return this.#refusals;
  }

  /** The mote's address, 20 bytes; undefined until its key is there. */
  get address(): Uint8Array | undefined {
    return this.#identity?.address;
  }

  /** The newest header that the mote has verified itself, or its checkpoint. */
  get head(): Trusted {
    return this.#follower.head;
  }

  get own(): Uint8Array {
    return (this.#identity as Identity).address;
  }

  get bus(): Bus {
    return (this.#identity as Identity).bus;
  }

  get author(): Author {
    return (this.#identity as Identity).author;
  }

  get key(): KeyHandle {
    return (this.#identity as Identity).key;
  }

  get ownership(): Ownership {
    return (this.#identity as Identity).ownership;
  }

  onWake(): void {
    this.#pacer.wake();
  }

  onStored(seq: number): void {
    for (const feature of this.#identity?.features ?? []) feature.onStored?.(seq);
  }

  /** The mote's own newest record, as the collector keeps it. */
  get subscriptions(): readonly string[] {
    return [this.bus.topics.latest];
  }

  received(topic: string, message: Uint8Array): boolean {
    if (topic !== this.bus.topics.latest) return false;
    this.#latest = message;
    return true;
  }

  linkChanged(up: boolean): void {
    this.#readiness.linkChanged(up, this.#options.device.clock.ticksMs());
    this.#latestFailed = 0;
    if (up) this.#healthDueMs = 0;
  }

  /** The clock for the rules of the chain. */
  nowS(): number | undefined {
    const { head, consensus } = this.#follower;
    const { trustingPeriodS = Number.POSITIVE_INFINITY } = consensus as { readonly trustingPeriodS?: number | undefined };
    return this.#timekeeper.nowS(head.timeS + trustingPeriodS);
  }

  onOutcome(outcome: Outcome | Rejection): void {
    if (outcome instanceof Rejection) {
      this.#refusals.write("header", outcome);
      return;
    }
    this.#readiness.headerSeen();
    const { log } = this.#options.device;
    if (outcome.kind === "reorg") {
      const { number, depth, revoked } = outcome;
      log.write("reorg", revoked === 0 ? { number, depth } : { number, depth, revoked });
    }
    if (outcome.kind === "jumped") log.write("jump", { number: outcome.number, blocks: outcome.blocks, linked: outcome.linked });
    if (movesHead(outcome)) this.#verifiedHeaders += 1;
    for (const feature of this.#identity?.features ?? []) feature.onOutcome?.(outcome);
  }

  private afterHeaders(): void {
    const alarm = this.#vigil.look(this.nowS());
    if (alarm !== this.#alarm) {
      this.#alarm = alarm;
      this.#healthDueMs = 0;
      this.#options.device.log.write("alarm", { alarm: ALARM_NAMES[alarm] as string, head: this.#follower.head.number });
    }
    if (this.#verifiedHeaders === 0) return;
    const { settled, timeFloorS } = this.#follower;
    const { number, hash, timeS } = this.#follower.head;
    this.#timekeeper.bound(timeFloorS);
    this.#options.device.log.write("head", { number, hash: toHex(hash), timeS, settled, verified: this.#verifiedHeaders });
    this.#verifiedHeaders = 0;
  }

  /** Takes the mote's own newest record, as the collector holds it, before the first signature after a boot. */
  private becomeReady(author: Author, nowMs: number): number {
    const latest = this.#latest;
    this.#latest = undefined;
    if (latest !== undefined && this.#latestFailed < LATEST_FAILED_MAX) {
      const adopted = author.adopt(latest);
      if (adopted instanceof Rejection) {
        this.#refusals.write("latest", adopted);
        if (adopted.code === "signature-invalid") this.#latestFailed += 1;
      } else this.#readiness.latestSeen();
      if (adopted === true)
        this.#options.device.log.write("gap", { reason: "the collector holds a newer record", nextSeq: this.#sequence.next });
    }
    return this.#readiness.step(nowMs, this.#follower.wanted() !== undefined);
  }

  private sample(author: Author): number {
    const samplers = this.#samplers;
    let dueMs = Number.POSITIVE_INFINITY;
    let lost = 0;
    for (let i = 0; i < samplers.length; i += 1) {
      const sampler = samplers[i] as Sampler;
      dueMs = Math.min(dueMs, sampler.step());
      lost += sampler.takeLost();
      const taken = sampler.takeSample();
      if (taken === undefined) continue;
      this.#samples.push(taken);
      for (const feature of this.#identity?.features ?? []) feature.onSample?.(taken);
    }
    if (lost > 0) this.lose(author, lost, "samples that could not be taken");
    return dueMs;
  }

  /**
   * The samples of the next record, once there are enough of them or no more fit.
   * @param before how many there were before this step
   */
  private dueBatch(before: number): readonly Sample[] | undefined {
    const samples = this.#samples;
    const { length } = samples;
    const most = this.#options.config.sampling.samplesPerRecord;
    if (length < most && length === before) return undefined;
    const count = length === 1 ? 1 : countFitting(samples, most);
    if (count === length && count < most) return undefined;
    this.#samples = samples.slice(count);
    return count === length ? samples : samples.slice(0, count);
  }

  /** What the application has recorded first of what waits. */
  private ownBatch(author: Author): readonly Sample[] | undefined {
    const own = this.#own;
    if (own === undefined) return undefined;
    const { lost } = own;
    own.lost = 0;
    if (lost > 0) this.lose(author, lost, "records of the application that were refused");
    const taken = own.waiting.shift();
    return taken && [taken];
  }

  /** The next record's, however few; a mote that withholds its records has none. */
  private rest(author: Author): readonly Sample[] | undefined {
    if (this.withholds) return undefined;
    const samples = this.#samples;
    if (samples.length === 0) return this.ownBatch(author);
    const count = countFitting(samples, samples.length);
    this.#samples = samples.slice(count);
    return samples.slice(0, count);
  }

  private lose(author: Author, samples: number, reason: string): void {
    author.lose(samples);
    this.#options.device.log.write("gap", { reason, samples });
  }
  private inputOf(batch: readonly Sample[]): RecordInput {
    const { timeS: time, timeQuality } = this.#timekeeper.now();
    const { number, hash } = this.#follower.head;
    const measurements = packOf(batch, this.#options.device.clock.ticksMs());
    return { time, timeQuality, head: { chain: this.#follower.chain, number, hash }, measurements };
  }

  private recorded(input: RecordInput, batch: readonly Sample[], written: Written | Rejection): void {
    const { log } = this.#options.device;
    const overwritten = this.#journal.takeOverwritten();
    if (overwritten > 0) log.write("overwritten", { records: overwritten });
    if (written instanceof Rejection) {
      this.#refusals.write("record", written);
      return;
    }
    const { seq, stream, digest, payloadBytes: bytes } = written;
    const { time: timeS, timeQuality, head } = input;
    const values = valuesOf(batch);
    const type = typeOf(input);
    const said = {
      seq,
      stream,
      digest: toHex(digest),
      head: (head as RecordHead).number,
      timeS,
      timeQuality,
      bytes,
      values,
    };
    log.write("record", type === PAYLOAD_TYPE_RECORD ? said : { ...said, type });
  }

  private health(nowMs: number): number {
    if (this.#identity?.bus.up !== true) return Number.POSITIVE_INFINITY;
    if (nowMs < this.#healthDueMs) return this.#healthDueMs - nowMs;
    this.#healthDueMs = nowMs + this.#options.config.healthIntervalMs;
    this.publishHealth(true);
    tellMemory(this.#options.device.log, this.#options.device.chip?.memory());
    return this.#options.config.healthIntervalMs;
  }

  private publishHealth(online: boolean): void {
    const bus = this.#identity?.bus;
    const health = {
      online,
      boot: this.#sequence.boot,
      headNumber: this.#follower.head.number,
      nextSeq: this.#sequence.next,
      pending: this.#journal.pendingCount,
      timeS: this.#timekeeper.now().timeS,
      alarm: this.#alarm,
    };
    bus?.publish(bus.topics.health, encodeHealth(health), { retain: true });
  }
}

/** A configuration that wants sleep of an image that has none would run the battery down, and say nothing. */
function sleepFault(config: MoteConfig, sleep: Sleep | undefined): Rejection | undefined {
  if (config.sleep === undefined || sleep !== undefined) return sleep?.configure(config);
  return new Rejection("config-invalid", "sleep: expected none, since this image does not sleep");
}
