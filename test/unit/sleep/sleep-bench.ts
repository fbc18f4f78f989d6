// A mote that sleeps, on virtual time, through as many wakes as are asked for: a broker, a collector, a chain and a time server are there whenever
// it joins its network, and its chip keeps what RTC memory holds, loses it, spoils it, or gives back what it held before.
//
// What is held at every moment of every wake: nothing is written while the memory holds a snapshot, no number has two payloads, what was said to
// be kept comes to the collector, and what was believed and written of the chain is believed by the next start.

import * as assert from "uvu/assert";
import { decodeRequest, encodeReply } from "../../../firmware/bus/wire.js";
import { readUint, toHex } from "../../../firmware/bytes.js";
import type { FeatureType } from "../../../firmware/feature.js";
import type { Device, ResetReason } from "../../../firmware/ports.js";
import { decodeSign1, digestOf } from "../../../firmware/record/cose.js";
import { encodeReceipt } from "../../../firmware/record/receipt.js";
import { decodeRecord } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import type { SensorType } from "../../../firmware/sensor/sensor.js";
import { decodeSnapshot } from "../../../firmware/sleep/snapshot.js";
import { writeImage } from "../../../host-sim/hardware/esp-image.js";
import { type BoardStorage, memoryStorage } from "../../../host-sim/hardware/storage.js";
import { Prng } from "../../../host-sim/world/prng.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import type { BftBlock } from "../../chains/bft-generator.js";
import type { Scripted } from "../bus/scripted-client.js";
import type { LogLine } from "../hand-clock.js";
import { COLLECTOR, MoteBench, PoweredMote } from "../mote-bench.js";
import { Power, poweredBy } from "../power.js";
import { signed } from "../record/signing.js";

const SECTOR_BYTES = 4096;
/** Small, so that it has to be trimmed, and wraps, again and again. */
const SECTORS = 8;
const SLOT_BYTES = 2 * SECTOR_BYTES;
const CHIP = {
  partitions: { journal: SECTORS * SECTOR_BYTES, otadata: 2 * SECTOR_BYTES, ota_0: SLOT_BYTES, ota_1: SLOT_BYTES },
};
export const SAMPLE_MS = 60_000;
const TURN_MS = 100;
/** Longer than any wake takes. */
const AWAKE_MS_MAX = 300_000;

export interface SleepBenchOptions {
  readonly wifiEvery?: number;
  readonly seed?: number;
  readonly config?: object;
  readonly sensors?: readonly SensorType[];
  readonly features?: readonly FeatureType[];
}

/** What the chip does to its memory before the next start. */
export type Memory = "kept" | "lost" | "corrupted" | "stale";

export class SleepBench {
  readonly bench: MoteBench;
  readonly storage: BoardStorage;
  readonly power = new Power();
  readonly prng: Prng;
  /** Every line of every start, but those that came in numbers. */
  readonly wakes: LogLine[] = [];
  readonly lines: LogLine[] = [];
  /** Digest of each record that was said to be kept, and of each that the collector has. */
  readonly kept = new Map<number, string>();
  readonly collected = new Map<number, string>();
  /** What was ever signed under a seq of a stream. */
  readonly #signed = new Map<string, string>();
  /** What must not be, seen in the midst of the firmware's work: said once that is over. */
  readonly #faults: string[] = [];
  /** What RTC memory held before earlier sleeps. */
  readonly #older: Uint8Array[] = [];
  powered: PoweredMote | undefined;
  brokerUp = true;
  /** Told of each write of flash and store, in the order in which they come; of the memory as well. */
  onWrite: (what: string) => void = () => undefined;
  asleepMs: number | undefined;
  restarted = false;
  /** The head as it was when the trusted state was written last. */
  #writtenHead = 0;
  /** By their numbers. */
  readonly #blocks: BftBlock[];
  #image = 0;
  #client: Scripted | undefined;
  #served = 0;

  /** What else is done to a device before the mote has it. */
  bend: (device: Device) => Device = (device) => device;

  constructor({ wifiEvery = 3, seed = 1, config = {}, ...parts }: SleepBenchOptions = {}) {
    this.storage = memoryStorage(CHIP);
    this.prng = new Prng(seed);
    const sleep = { wifiEvery, awakeMs: 30_000 };
    this.bench = new MoteBench({
      storage: this.storage,
      sampleMs: SAMPLE_MS,
      sleeps: true,
      config: { sleep, ...config },
      ...parts,
    });
    this.bench.rtc = { noiseFailed: false };
    this.bench.onSleep = (ms) => {
      this.asleepMs = ms;
    };
    this.#blocks = [this.bench.chain.genesis];
    this.bench.times = { "time.lab": 0 };
    this.power.onCut = () => this.cut();
  }

  get rtc(): NonNullable<MoteBench["rtc"]> {
    return this.bench.rtc as NonNullable<MoteBench["rtc"]>;
  }

  /** Whether the memory holds what would count. */
  get holdsSnapshot(): boolean {
    const { memory } = this.rtc;
    return memory !== undefined && !(decodeSnapshot(memory) instanceof Rejection);
  }

  /** A start for this reason; false where the power went meanwhile. */
  boot(reset: ResetReason): boolean {
    this.powered?.cut();
    this.power.on = true;
    this.bench.reset = reset;
    this.asleepMs = undefined;
    this.restarted = false;
    this.#client = undefined;
    try {
      this.powered = new PoweredMote(this.bench, (device) => this.device(device));
    } catch (error) {
      if (this.power.on) throw error;
      this.powered = undefined;
      return false;
    }
    const { mote } = this.powered;
    assert.ok(mote.head.number >= this.#writtenHead, `the head is ${mote.head.number}, ${this.#writtenHead} was written`);
    this.note();
    return true;
  }

  private device(device: Device): Device {
    const powered = poweredBy(this.power, device, {
      onWrite: (key, value) => {
        this.written(`store ${key}`);
        // What was known to have passed had passed.
        if (key === "time" && readUint(value, 1, 4) * 1000 > this.bench.world.epochMs())
          this.#faults.push("a bound ahead of the time");
        if (key === "trusted") this.#writtenHead = this.powered?.mote.head.number ?? this.#writtenHead;
      },
      onRestart: () => {
        this.restarted = true;
        this.cut();
      },
      onSign: () => this.written("signature"),
    });
    const { sleep } = powered;
    if (sleep === undefined) throw new Error("a board without its memory");
    const flash: Device["flash"] = {
      open: (options) => {
        const partition = powered.flash.open(options);
        return {
          ...partition,
          status: () => partition.status(),
          read: partition.read.bind(partition),
          write: (buffer, offset) => {
            this.written("flash");
            partition.write(buffer, offset);
          },
          eraseBlock: (start, end) => {
            this.written("flash");
            partition.eraseBlock(start, end);
          },
          close: () => partition.close(),
        };
      },
    };
    const port: Device["sleep"] = {
      ...sleep,
      write: (bytes) => {
        this.power.guarded(() => sleep.write(bytes))();
        this.onWrite(bytes.length === 0 ? "memory erased" : "memory");
      },
      deepSleep: (ms) => this.power.guarded(() => sleep.deepSleep(ms))(),
    };
    return this.bend({ ...powered, flash, sleep: port });
  }

  private written(what: string): void {
    if (!this.power.on) return;
    if (this.holdsSnapshot) this.#faults.push(`${what} while the memory holds a snapshot`);
    this.onWrite(what);
  }

  private cut(): void {
    const client = this.powered?.client;
    if (client !== undefined) client.broken = true;
    this.bench.newest?.cut();
  }

  /** Until the board sleeps, has no power, or has restarted itself; what it said by then is looked at. */
  async live(msMax = AWAKE_MS_MAX): Promise<void> {
    for (let passed = 0; this.asleepMs === undefined && this.power.on && !this.restarted && passed < msMax; passed += TURN_MS) {
      try {
        await this.bench.world.advance(TURN_MS);
        this.broker();
      } catch (error) {
        if (this.power.on) throw error;
      }
    }
    this.note();
  }

  /** As many wakes as that, nothing amiss with any. */
  async wake(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      await this.sleepOn();
      this.boot("deep-sleep");
      await this.live();
    }
  }

  /** The time of a sleep, and what becomes of the memory meanwhile. Answers whether the memory is as it was. */
  async sleepOn(memory: Memory = "kept"): Promise<void> {
    const ms = this.asleepMs ?? 1_000;
    await this.bench.world.advance(Math.round(ms / (1 + this.bench.sleepDriftPpm / 1_000_000)));
    const { rtc } = this;
    const held = rtc.memory;
    if (memory === "lost") rtc.memory = undefined;
    if (held === undefined) return;
    if (memory === "corrupted") {
      const bent = held.slice();
      const bit = this.prng.below(176 * 8);
      bent[bit >> 3] = (bent[bit >> 3] as number) ^ (1 << (bit & 7));
      rtc.memory = bent;
    }
    if (memory === "stale" && this.#older.length > 0) rtc.memory = this.#older[this.prng.below(this.#older.length)];
    if (this.#older.length < 40) this.#older.push(held);
    else this.#older[this.prng.below(40)] = held;
  }

  /** Another image in the other slot, which boots next. */
  update(): string {
    const { slots } = (this.powered as PoweredMote).board.device;
    this.#image += 1;
    const version = `v${this.#image}`;
    const place = this.powered?.board.board.slots?.partition("nextota");
    const image = writeImage({ chip: "esp32c3", version, bytes: 1_500, program: { firmware: version } });
    place?.eraseBlock(0, SLOT_BYTES / SECTOR_BYTES);
    place?.write(image, 0);
    slots?.select(slots.other().slot);
    return version;
  }

  private note(): void {
    const { powered } = this;
    assert.equal(this.#faults, []);
    if (powered === undefined) return;
    for (const line of powered.log.lines) {
      if (line.event === "record") {
        const [seq, digest] = [Number(line.seq), String(line.digest)];
        this.once(`${line.stream}/${seq}`, digest);
        this.kept.set(seq, digest);
      }
      assert.not.ok(line.event === "refused" && line.what === "trusted state", JSON.stringify(line));
      assert.not.ok(line.event === "error" && this.power.on, JSON.stringify(line));

      if (line.event === "wake") this.wakes.push(line);
      if (line.event === "wake" || line.event === "boot" || line.event === "sleep") this.lines.push(line);
    }
    powered.log.lines.length = 0;
    if (this.lines.length > 400) this.lines.splice(0, 200);
  }

  private once(place: string, digest: string): void {
    const before = this.#signed.get(place);
    assert.is(before ?? digest, digest, `two records ${place}; ${JSON.stringify(this.lines.slice(-8))}`);
    this.#signed.set(place, digest);
  }

  private broker(): void {
    const { powered } = this;
    const client = powered?.client;
    if (powered === undefined || client === undefined || powered !== this.bench.newest) return;
    if (!this.brokerUp || this.asleepMs !== undefined) return;
    if (client !== this.#client && !client.closed) {
      this.#client = client;
      this.#served = 0;
      client.room = 1e9;
      client.accept([1, 1, 1, 1]);
      const tip = this.#blocks[this.#blocks.length - 1] as BftBlock;
      const afterS = Math.max(2, Math.floor(this.bench.world.epochMs() / 1000) - tip.timeS);
      const next = this.bench.chain.child(tip, { afterS });
      this.#blocks.push(next);
      powered.announce(next.raw);
    }
    for (; this.#served < client.writes.length; this.#served += 1) {
      const { data, options } = client.writes[this.#served] as Scripted["writes"][number];
      if (options.topic?.endsWith("/requests") === true) this.relay(powered, new Uint8Array(data as Uint8Array));
      if (options.QoS !== 1 || options.id === undefined) continue;
      client.control({ operation: (client.constructor as typeof Scripted).PUBACK, id: options.id });
      if (options.topic?.endsWith("/records") === true) this.collect(powered, new Uint8Array(data as Uint8Array), options.topic);
    }
  }

  private relay(powered: PoweredMote, message: Uint8Array): void {
    const request = decodeRequest(message);
    if (request instanceof Rejection) throw new Error(String(request));
    const { id, from, count } = request;
    const headers = this.#blocks.slice(from, from + count).map(({ raw }) => raw);
    powered.give("replies", encodeReply({ id, from, headers }));
  }

  /** As a collector takes a record, whichever start it is of. */
  private collect(powered: PoweredMote, message: Uint8Array, topic: string): void {
    const parts = decodeSign1(message);
    const record = parts instanceof Rejection ? parts : decodeRecord(parts.payload);
    if (parts instanceof Rejection || record instanceof Rejection) throw new Error(String(record));
    const digest = digestOf(fastEngine, parts.kid, parts.payload);
    const { seq, stream } = record;
    this.once(`${stream}/${seq}`, toHex(digest));
    this.collected.set(seq, toHex(digest));
    const receipt = signed(COLLECTOR, encodeReceipt({ seq, stream, digest, mote: parts.kid }));
    powered.client.message(topic.replace(/records$/, "receipts"), receipt);
  }

  /** Every record that was said to be kept has come to the collector, byte for byte. */
  lost(): number[] {
    return [...this.kept].filter(([seq, digest]) => this.collected.get(seq) !== digest).map(([seq]) => seq);
  }

  /** How often starts resumed, and why others did not. */
  reasons(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { resumed, reason } of this.wakes) {
      const name = resumed === true ? "resumed" : String(reason);
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  }
}

/** How often each of what may happen to a sleeping board happens, in hundredths. */
const FAULTS: readonly (readonly [string, number])[] = [
  ["kept", 62],
  ["lost", 5],
  ["corrupted", 5],
  ["stale", 5],
  ["panic", 5],
  ["brown-out", 4],
  ["power", 4],
  ["cut", 8],
  ["update", 2],
];

export interface LifeResult {
  readonly wakes: number;
  readonly resumed: number;
  readonly cuts: number;
  readonly updates: number;
  readonly records: number;
  readonly reasons: Readonly<Record<string, number>>;
}

/** So many wakes, each of them with a fault or none; at the end all that was ever kept has come to the collector. */
export async function sleepThrough(seed: number, wakes: number): Promise<LifeResult> {
  const bench = new SleepBench({ seed });
  const { prng, bench: board } = bench;
  board.sleepDriftPpm = prng.below(100_000) - 50_000;
  let [cuts, updates] = [0, 0];
  await start(bench, "power-on");
  for (let wake = 0; wake < wakes; wake += 1) {
    bench.brokerUp = prng.below(10) !== 0;
    const fault = drawn(prng);
    if (fault === "update") {
      updates += 1;
      await bench.sleepOn();
      await update(bench);
      continue;
    }
    const memory = fault === "lost" || fault === "corrupted" || fault === "stale" ? fault : "kept";
    await bench.sleepOn(fault === "power" ? "lost" : memory);
    const isCut = fault === "cut";
    if (isCut) {
      cuts += 1;
      bench.power.cutAt = bench.power.steps + prng.below(24);
    }
    const reset = fault === "panic" || fault === "brown-out" ? fault : fault === "power" ? "power-on" : "deep-sleep";
    await start(bench, reset);

    // What came of the cut is for the start after it to see: the memory is as the wake left it.
    if (!bench.power.on) await start(bench, prng.below(2) === 0 ? "brown-out" : "panic");
  }
  bench.brokerUp = true;
  // The last of them comes with the next connection.
  for (let i = 0; i < 8 && (i < 4 || bench.lost().length > 0); i += 1) {
    await bench.sleepOn();
    await start(bench, "deep-sleep");
  }
  assert.equal(bench.lost(), [], "records that were kept and never came");
  const reasons = bench.reasons();
  return { wakes, resumed: reasons.resumed ?? 0, cuts, updates, records: bench.kept.size, reasons };
}

async function start(bench: SleepBench, reset: ResetReason): Promise<void> {
  bench.boot(reset);
  bench.power.cutAt = bench.power.on ? bench.power.cutAt : -1;
  if (bench.power.on) await bench.live();
  bench.power.cutAt = -1;
}

/** A new image: it never sleeps before it has proven itself; then it does, or an unlucky reset brings the old one back. */
async function update(bench: SleepBench): Promise<void> {
  await start(bench, "deep-sleep");
  bench.update();
  bench.boot("software");
  await bench.live(3 * SAMPLE_MS);
  assert.is(bench.asleepMs, undefined, "it slept while its image was pending");
  if (bench.prng.below(3) === 0) {
    await start(bench, "panic");
    return;
  }
  bench.powered?.board.device.slots?.markValid();
  await bench.live();
  assert.ok(bench.asleepMs !== undefined, "it sleeps again");
}

function drawn(prng: Prng): string {
  let left = prng.below(100);
  for (const [fault, share] of FAULTS) {
    left -= share;
    if (left < 0) return fault;
  }
  return "kept";
}
