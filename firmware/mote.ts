// The runtime: joins the board, the chain, the records and the link into one resumable machine.
//
// Promises: `step()` does whatever is due and answers when it wants to be called again; it never waits for hardware or a
// network; input from outside is kept in mailboxes of bounded size until a step looks at it. Never: knows which board it
// runs on, or signs before it has looked for its own newest record (docs/design.md, "The life of a mote").

import { readUint, toHex } from "./bytes.js";
import { openChain } from "./chain/checkpoint.js";
import { Follower, type Outcome } from "./chain/follower.js";
import { movesHead } from "./chain/outcome.js";
import { ALARM_NAMES, ALARM_NONE, type Alarm, Vigil } from "./chain/vigil.js";
import type { MoteConfig } from "./config.js";
import type { CryptoEngine } from "./crypto/engine.js";
import { addressOf, checksumAddress } from "./crypto/identity.js";
import { Delivery } from "./delivery.js";
import { Association } from "./link/association.js";
import { RelayClient } from "./link/relay.js";
import { topicsOf } from "./link/wire.js";
import { Pacer } from "./pacer.js";
import type { Device, KeyHandle } from "./ports.js";
import { Readiness } from "./readiness.js";
import { Author, type Content, openSequence, type Written } from "./record/author.js";
import { Journal } from "./record/journal.js";
import { measurementsOf, type TakenSample } from "./record/measurement.js";
import type { Sequence } from "./record/sequence.js";
import { RefusalLog } from "./refusal-log.js";
import { Rejection } from "./rejection.js";
import { Sampler } from "./sampler.js";
import { Sht3x } from "./sensor/sht3x.js";
import { Timekeeper } from "./timekeeper.js";

/** The slot of the key store that holds the device key. */
const KEY_SLOT = "device";
/** The domain of the key-value store that holds counters and the trusted state. */
const STORE_DOMAIN = "mote";
/** What could not begin is tried again after so long. */
const RETRY_MS = 10_000;
/** The trusted state is written after so long, where it changed (and by the follower after many blocks). */
const PERSIST_INTERVAL_MS = 30_000;
/** A step is wanted at least so often, whatever is due. */
const STEP_INTERVAL_MAX_MS = 60_000;

/** What exists once the key does. */
interface Identity {
  readonly author: Author;
  readonly delivery: Delivery;
  readonly relay: RelayClient;
}

export interface MoteOptions {
  readonly device: Device;
  readonly engine: CryptoEngine;
  readonly config: MoteConfig;
}

export class Mote {
  readonly #options: MoteOptions;
  readonly #follower: Follower;
  readonly #vigil: Vigil;
  #alarm: Alarm = ALARM_NONE;
  readonly #journal: Journal;
  readonly #sequence: Sequence;
  readonly #association: Association;
  readonly #timekeeper: Timekeeper;
  readonly #sampler: Sampler;
  readonly #refusals: RefusalLog;
  readonly #pacer: Pacer;
  readonly #readiness: Readiness;
  #identity: Identity | undefined;
  #identityDueMs = 0;
  #samples: TakenSample[] = [];
  /** The mote's own newest record as the collector keeps it, until a step looks at it. */
  #latest: Uint8Array | undefined;
  #healthDueMs = 0;
  #persistedMs = 0;
  #verifiedHeaders = 0;

  private constructor(options: MoteOptions, follower: Follower, journal: Journal, sequence: Sequence) {
    const { device, config } = options;
    const { clock, log, io, network } = device;
    const { wifi, sensor, sampling } = config;
    this.#options = options;
    this.#follower = follower;
    this.#vigil = new Vigil(follower, options.device.clock);
    this.#journal = journal;
    this.#sequence = sequence;
    this.#readiness = new Readiness(clock.ticksMs());
    this.#pacer = new Pacer(device.timer, log, () => this.step());
    const onWake = () => this.#pacer.wake();
    this.#refusals = new RefusalLog(clock, log);
    this.#association = new Association({ clock, log, wifi: network.wifi, ssid: wifi.ssid, password: wifi.password, onWake });
    this.#timekeeper = new Timekeeper({ clock, log, ntp: network.ntp.client, servers: config.ntpServers, onWake });
    this.#sampler = new Sampler({
      clock,
      log,
      intervalMs: sampling.intervalMs,
      open: () => new Sht3x({ sensor: { ...io.i2c, address: sensor.address }, clockStretching: sensor.clockStretching, clock }),
    });
    this.#timekeeper.bound(follower.timeFloorS);
  }

  /** Mounts what survived, and counts the boot. Refused where the configuration or the flash is not fit to begin with. */
  static open(options: MoteOptions): Mote | Rejection {
    const { device, engine, config } = options;
    const { log, clock } = device;
    const consensus = openChain(engine, config.checkpoint);
    if (consensus instanceof Rejection) return consensus;
    const store = device.store.open({ path: STORE_DOMAIN, format: "buffer" });
    const follower = new Follower({ consensus, engine, store, clock });
    if (follower.refusedState !== undefined) new RefusalLog(clock, log).write("trusted state", follower.refusedState);
    const { partition, full } = config.journal;
    const journal = Journal.mount(device.flash.open({ path: partition, mode: "r+" }), { engine, full });
    if (journal instanceof Rejection) return journal;
    const sequence = openSequence(store, journal);
    if (sequence instanceof Rejection) return sequence;
    const { boot, origin, stream, next } = sequence;
    const head = follower.head;
    const { chain } = consensus;
    const pending = journal.pendingCount;
    log.write("boot", { boot, origin, stream, nextSeq: next, pending, chain, head: head.number });
    return new Mote(options, follower, journal, sequence);
  }

  /** Steps for ever, each time when it is due or when something arrives. */
  run(): void {
    this.#pacer.run();
  }

  /** Ends in good order: what is believed is written, the broker is told, the journal is closed. A power cut does as well. */
  close(): void {
    this.#pacer.stop();
    this.publishHealth(false);
    this.#identity?.delivery.close();
    this.#sampler.close();
    this.#timekeeper.close();
    this.#association.close();
    this.#follower.persist();
    this.#sequence.close();
    this.#journal.close();
  }

  /** Does whatever is due, once. Answers after how many milliseconds it wants to be called again. */
  async step(): Promise<number> {
    const nowMs = this.#options.device.clock.ticksMs();
    const associationMs = this.#association.step();
    const online = this.#association.online;
    let dueMs = Math.min(STEP_INTERVAL_MAX_MS, associationMs, this.#timekeeper.step(online));
    this.#identity ??= this.begin(nowMs, online);
    const identity = this.#identity;
    if (identity === undefined) return Math.min(dueMs, RETRY_MS);
    const { author, delivery, relay } = identity;
    dueMs = Math.min(dueMs, relay.step(delivery.up), this.becomeReady(author, nowMs));
    this.afterHeaders(nowMs);
    if (this.#journal.unsealed().length > 0) await author.recover();
    if (this.#readiness.ready) dueMs = Math.min(dueMs, this.sample(author));
    const samples = this.#samples;
    if (samples.length >= this.#options.config.sampling.samplesPerRecord) {
      this.#samples = [];
      const content = this.contentOf(samples);
      this.recorded(content, samples, await author.write(content, samples.length));
      dueMs = 0;
    }
    if (online) dueMs = Math.min(dueMs, delivery.step());
    return Math.max(0, Math.min(dueMs, this.health(nowMs)));
  }

  /** Opens the device key, or makes it once the radio is on, and all that needs an address. */
  private begin(nowMs: number, online: boolean): Identity | undefined {
    const { device, engine } = this.#options;
    const { keys, log } = device;
    if (nowMs < this.#identityDueMs) return undefined;
    let key: KeyHandle | undefined = keys.open(KEY_SLOT);
    const created = key === undefined;
    if (key === undefined) {
      if (!online) return undefined;
      const made = keys.create(KEY_SLOT);
      if ("code" in made) {
        this.#identityDueMs = nowMs + RETRY_MS;
        log.write("refused", { what: "key", code: made.code, detail: made.detail });
        return undefined;
      }
      key = made;
    }
    const address = addressOf(engine, keys.publicKey(key));
    log.write("key", { address: checksumAddress(engine, address), created });
    return this.identify(key, address);
  }

  private identify(key: KeyHandle, address: Uint8Array): Identity {
    const { device, engine, config } = this.#options;
    const { keys, clock, entropy } = device;
    const journal = this.#journal;
    const author = new Author({ engine, keys, key, address, fleet: config.fleet, journal, sequence: this.#sequence });
    const delivery: Delivery = new Delivery({
      device,
      engine,
      mqtt: config.mqtt,
      address,
      collector: config.collector,
      topics: topicsOf(config.mqtt.prefix, address, this.#follower.chain),
      journal,
      refusals: this.#refusals,
      onHead: (raw) => relay.announced(raw),
      onReply: (message) => relay.replied(message),
      onLatest: (message) => {
        this.#latest = message;
      },
      onChanged: (up) => {
        this.#readiness.linkChanged(up, clock.ticksMs());
        if (up) this.#healthDueMs = 0;
        else relay.reset();
      },
      onWake: () => this.#pacer.wake(),
    });
    const relay: RelayClient = new RelayClient({
      clock,
      address,
      follower: this.#follower,
      nowS: () => this.#timekeeper.trustedNowS(),
      ...(config.relays === undefined ? {} : { relays: config.relays }),
      send: (request, name) => delivery.request(request, name),
      requestId: () => {
        const bytes = new Uint8Array(4);
        entropy.read(bytes);
        return readUint(bytes) || 1;
      },
      onOutcome: (outcome) => this.headerLookedAt(outcome),
      onRefused: (rejection) => this.#refusals.write("reply", rejection),
    });
    return { author, delivery, relay };
  }

  private headerLookedAt(outcome: Outcome | Rejection): void {
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
    if (outcome.kind === "jumped") log.write("jump", { number: outcome.number, blocks: outcome.blocks });
    if (movesHead(outcome)) this.#verifiedHeaders += 1;
  }

  private afterHeaders(nowMs: number): void {
    const alarm = this.#vigil.look(this.#timekeeper.trustedNowS());
    if (alarm !== this.#alarm) {
      this.#alarm = alarm;
      this.#healthDueMs = 0;
      this.#options.device.log.write("alarm", { alarm: ALARM_NAMES[alarm] as string, head: this.#follower.head.number });
    }
    if (this.#verifiedHeaders === 0) return;
    const { head, settled, timeFloorS } = this.#follower;
    this.#timekeeper.bound(timeFloorS);
    const { log } = this.#options.device;
    log.write("head", {
      number: head.number,
      hash: toHex(head.hash),
      timeS: head.timeS,
      settled,
      verified: this.#verifiedHeaders,
    });
    this.#verifiedHeaders = 0;
    if (nowMs - this.#persistedMs < PERSIST_INTERVAL_MS) return;
    this.#persistedMs = nowMs;
    this.#follower.persist();
  }

  /** Takes the mote's own newest record, as the collector holds it, before the first signature after a boot. */
  private becomeReady(author: Author, nowMs: number): number {
    const latest = this.#latest;
    this.#latest = undefined;
    if (latest !== undefined) {
      this.#readiness.latestSeen();
      const adopted = author.adopt(latest);
      if (adopted instanceof Rejection) this.#refusals.write("latest", adopted);
      else if (adopted)
        this.#options.device.log.write("gap", { reason: "the collector holds a newer record", nextSeq: this.#sequence.next });
    }
    return this.#readiness.step(nowMs, this.#follower.wanted() !== undefined);
  }

  private sample(author: Author): number {
    const { device } = this.#options;
    const dueMs = this.#sampler.step();
    const lost = this.#sampler.takeLost();
    if (lost > 0) {
      author.lose(lost);
      device.log.write("gap", { reason: "samples that could not be taken", samples: lost });
    }
    const sample = this.#sampler.takeSample();
    if (sample === undefined) return dueMs;
    this.#samples.push({ sample, takenMs: device.clock.ticksMs() });
    return 0;
  }

  private contentOf(samples: readonly TakenSample[]): Content {
    const { timeS, quality } = this.#timekeeper.now();
    const { number, hash } = this.#follower.head;
    const measurements = measurementsOf(samples, this.#options.device.clock.ticksMs());
    return { time: timeS, timeQuality: quality, head: { chain: this.#follower.chain, number, hash }, measurements };
  }

  private recorded(content: Content, samples: readonly TakenSample[], written: Written | Rejection): void {
    if (written instanceof Rejection) {
      this.#refusals.write("record", written);
      return;
    }
    const { seq, stream, digest, payloadBytes } = written;
    const { sample } = samples[samples.length - 1] as TakenSample;
    this.#options.device.log.write("record", {
      seq,
      stream,
      digest: toHex(digest),
      head: content.head.number,
      timeS: content.time,
      quality: content.timeQuality,
      bytes: payloadBytes,
      ...(sample.thermometer === undefined ? {} : { temperatureC: Math.round(sample.thermometer.temperature * 100) / 100 }),
      ...(sample.hygrometer === undefined ? {} : { humidityPercent: Math.round(sample.hygrometer.humidity * 10_000) / 100 }),
    });
  }

  private health(nowMs: number): number {
    if (this.#identity?.delivery.up !== true) return Number.POSITIVE_INFINITY;
    if (nowMs < this.#healthDueMs) return this.#healthDueMs - nowMs;
    this.#healthDueMs = nowMs + this.#options.config.healthIntervalMs;
    this.publishHealth(true);
    return this.#options.config.healthIntervalMs;
  }

  private publishHealth(online: boolean): void {
    this.#identity?.delivery.health({
      online,
      boot: this.#sequence.boot,
      headNumber: this.#follower.head.number,
      nextSeq: this.#sequence.next,
      pending: this.#journal.pendingCount,
      timeS: this.#timekeeper.now().timeS,
      alarm: this.#alarm,
    });
  }
}
