// Whole motes on virtual time, for tests that turn the clock: a simulated board, a scripted MQTT client and scripted time
// servers, a generated QBFT chain. What travels over real sockets is for test/sim.

import { type MoteConfig, parseConfig } from "../../firmware/config.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { SoftwareKeys } from "../../firmware/crypto/software-keys.js";
import type { MoteEvent } from "../../firmware/events.js";
import type { FeatureType } from "../../firmware/feature.js";
import { Mote } from "../../firmware/mote.js";
import type { Device, Keys, NtpClient, NtpClientOptions, ResetReason } from "../../firmware/ports.js";
import { decodeSign1, digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { Rejection } from "../../firmware/rejection.js";
import type { SensorType } from "../../firmware/sensor/sensor.js";
import { sht3x } from "../../firmware/sensor/sht3x/sht3x.js";
import { sleepOf } from "../../firmware/sleep/sleep.js";
import { createBoard, type SimulatedDevice } from "../../host-sim/device.js";
import type { EntropyFault, RtcMemory } from "../../host-sim/hardware/entropy.js";
import { type BoardStorage, memoryStorage } from "../../host-sim/hardware/storage.js";
import { VirtualClock } from "../../host-sim/world/clock.js";
import { fastEngine } from "../../tools/crypto/engine-fast.js";
import { bftCheckpointAt } from "../chains/bft-fixture.js";
import { BftChain } from "../chains/bft-generator.js";
import { accounts } from "../chains/clique-generator.js";
import { Scripted } from "./bus/scripted-client.js";
import { LogBook, type LogLine } from "./hand-clock.js";
import { type TestKey, testKey } from "./record/signing.js";

export const T = 1_800_000_000;
export const COLLECTOR = testKey("the collector");
const CHAIN = "eip155:1337";

/** A fast engine that counts what costs a board the most. */
class CountingEngine implements CryptoEngine {
  readonly name = "counting";
  readonly sha256 = fastEngine.sha256;
  readonly hmacSha256 = fastEngine.hmacSha256;
  readonly keccak256 = fastEngine.keccak256;
  recovered = 0;
  verified = 0;
  readonly secp256k1: CryptoEngine["secp256k1"] = {
    verify: (...parameters) => {
      this.verified += 1;
      return fastEngine.secp256k1.verify(...parameters);
    },
    recover: (...parameters) => {
      this.recovered += 1;
      return fastEngine.secp256k1.recover(...parameters);
    },
  };
}

export interface BenchOptions {
  readonly servers?: readonly string[];
  readonly sampleMs?: number;
  readonly trustingPeriodS?: number;
  /** A board that has not been told its network. */
  readonly unprovisioned?: boolean;
  /** Types of sensor that the application includes; an SHT3x where absent. */
  readonly sensors?: readonly SensorType[];
  /** More of the configuration. */
  readonly config?: object;
  readonly features?: readonly FeatureType[];
  /** Those of one board, which need it. */
  readonly featuresOn?: (device: Device, config: MoteConfig) => readonly FeatureType[];
  readonly onEvent?: (event: MoteEvent) => void;
  /** Those of the default board where absent. */
  readonly storage?: BoardStorage;
  /** The application includes deep sleep. */
  readonly sleeps?: boolean;
}

export class MoteBench {
  readonly world = new VirtualClock(T * 1000);
  readonly chain = new BftChain({ kind: "qbft", validators: accounts(4), periodS: 2, timeS: T - 1000 });
  readonly storage: BoardStorage;
  readonly engine = new CountingEngine();
  /** What each time server says, in seconds beside the true time; undefined is silence. */
  times: Record<string, number | undefined> = {};
  /** The noise source of the next board. */
  noise: EntropyFault = "none";
  /** What a software reset leaves: where set, the next start is one. */
  rtc: RtcMemory | undefined;
  readonly options: BenchOptions;
  /** Why the next board starts. */
  reset: ResetReason = "power-on";
  /** A board has gone to deep sleep. */
  onSleep: (ms: number) => void = () => undefined;
  /** How far the slow oscillator is off, in parts per million. */
  sleepDriftPpm = 0;
  /** The board that was switched on last, whether or not its link came up. */
  newest: PoweredMote | undefined;

  constructor(options: BenchOptions = {}) {
    this.options = options;
    this.storage = options.storage ?? memoryStorage();
  }

  config(): MoteConfig {
    const { servers = ["time.lab"], sampleMs = 1000, trustingPeriodS = 30 * 86_400, unprovisioned } = this.options;
    const config = parseConfig({
      ...(unprovisioned ? {} : { wifi: { ssid: "lab" } }),
      ntp: { servers },
      mqtt: { host: "broker.lab" },
      checkpoint: JSON.parse(JSON.stringify(bftCheckpointAt(this.chain, this.chain.genesis, { trustingPeriodS }))),
      fleet: { registry: `0x${"f1".repeat(20)}`, chain: CHAIN },
      collector: `0x${Buffer.from(COLLECTOR.address).toString("hex")}`,
      sampling: { intervalMs: sampleMs },
      ...this.options.config,
    });
    if (config instanceof Rejection) throw new Error(config.toString());
    return config;
  }

  /** Switches a board on that has this bench's storage; runs until the mote's link is up. */
  async boot(bend: (device: Device) => Device = (device) => device): Promise<PoweredMote> {
    const powered = new PoweredMote(this, bend);
    await powered.connect();
    return powered;
  }
}

export class PoweredMote {
  readonly mote: Mote;
  readonly board: SimulatedDevice;
  readonly log = new LogBook();
  readonly #bench: MoteBench;

  constructor(bench: MoteBench, bend: (device: Device) => Device) {
    this.#bench = bench;
    Scripted.made = [];
    Scripted.unmakable = false;
    this.board = createBoard({
      clock: bench.world,
      storage: bench.storage,
      ...(bench.rtc === undefined ? {} : { rtc: bench.rtc }),
      reset: bench.reset,
      clocks: { sleepDriftPpm: bench.sleepDriftPpm },
      onSleep: (ms) => bench.onSleep(ms),
      entropy: { fault: bench.noise },
      onLog: (event, fields) => this.log.write(event, fields),
    });
    bench.newest = this;
    const { device } = this.board;
    const keys: Keys = new SoftwareKeys(device);
    const network: Device["network"] = {
      ...device.network,
      mqtt: { io: Scripted },
      ntp: { client: { io: timeServers(bench), servers: [] } },
    };
    const { sensors = [sht3x], featuresOn, onEvent } = bench.options;
    const opened = { device: bend({ ...device, keys, network }), engine: bench.engine, config: bench.config(), sensors };
    const features = featuresOn?.(opened.device, opened.config) ?? bench.options.features;
    const sleep = bench.options.sleeps === true ? sleepOf(opened.device) : undefined;
    const mote = Mote.open({
      ...opened,
      ...(sleep === undefined ? {} : { sleep }),
      ...(features === undefined ? {} : { features }),
      ...(onEvent === undefined ? {} : { onEvent }),
    });
    if (mote instanceof Rejection) throw new Error(mote.toString());
    this.mote = mote;
    mote.run();
  }

  get client(): Scripted {
    return Scripted.made[Scripted.made.length - 1] as Scripted;
  }

  async connect(): Promise<void> {
    for (let waited = 0; this.client === undefined; waited += 100) {
      if (waited > 60_000) throw new Error("no connection was tried");
      await this.pass(100);
    }
    this.client.room = 1e9;
    this.client.accept([1, 1, 1, 1]);
    await this.pass(100);
  }

  pass(durationMs: number): Promise<void> {
    return this.#bench.world.advance(durationMs);
  }

  of(event: string): LogLine[] {
    return this.log.of(event);
  }

  get address(): string {
    return String(this.of("key")[0]?.address).toLowerCase();
  }

  get addressBytes(): Uint8Array {
    return new Uint8Array(Buffer.from(this.address.slice(2), "hex"));
  }

  announce(raw: Uint8Array): void {
    this.client.message(`chains/${CHAIN}/head`, raw);
  }

  /** A message on one of the mote's own topics. */
  give(topic: "receipts" | "latest" | "replies" | "notes", bytes: Uint8Array): void {
    this.client.message(`motes/${this.address}/${topic}`, bytes);
  }

  /** What the mote has published on one of its own topics over the present connection, each message as often as it left. */
  published(topic: "records" | "health"): Uint8Array[] {
    return this.client.writes
      .filter(({ options }) => options.topic === `motes/${this.address}/${topic}`)
      .map(({ data }) => new Uint8Array(data as Uint8Array));
  }

  /** The broker has taken all that was sent. */
  acknowledge(): void {
    for (const { options } of this.client.writes)
      if (options.QoS === 1 && options.id !== undefined) this.client.control({ operation: Scripted.PUBACK, id: options.id });
  }

  /** A receipt for a record that the mote has published, by the collector or by whoever only claims to be. */
  receiptFor(record: Uint8Array, by: TestKey = COLLECTOR, salt = 0): Uint8Array {
    const parts = decodeSign1(record);
    if (parts instanceof Rejection) throw new Error(String(parts));
    const digest = digestOf(fastEngine, parts.kid, parts.payload);
    const seq = this.of("record").find((line) => line.digest === Buffer.from(digest).toString("hex"))?.seq;
    const payload = encodeReceipt({ seq: Number(seq), digest, mote: parts.kid, stream: 0 });
    const signature = by.sign(digestOf(fastEngine, COLLECTOR.address, payload));
    signature[8] = (signature[8] as number) ^ (salt & 255);
    signature[9] = (signature[9] as number) ^ (salt >> 8);
    return encodeSign1(COLLECTOR.address, payload, signature);
  }

  /** The power goes. */
  cut(): void {
    this.board.close();
  }
}

function timeServers(bench: MoteBench): new (options: NtpClientOptions) => NtpClient {
  return class implements NtpClient {
    readonly #server: string;
    #closed = false;
    constructor(options: NtpClientOptions) {
      this.#server = options.servers[0] as string;
    }
    getTime(callback: (error: Error | null, timeMs?: number) => void): void {
      const offS = bench.times[this.#server];
      bench.world.schedule(() => {
        if (this.#closed) return;
        if (offS === undefined) callback(new Error("silence"));
        else callback(null, bench.world.epochMs() + offS * 1000);
      }, 50);
    }
    close(): void {
      this.#closed = true;
    }
  };
}
