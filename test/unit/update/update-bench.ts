// A whole mote that takes images, on virtual time: a broker's retained manifest, a server of parts, a collector, and a board
// whose flash has two places of images and a bootloader. An image's program is a word that says how it behaves:
//
//   v1, v2, …   as it should         crash  ends as soon as it boots     deaf   never reaches the broker
//   unfit       its mote cannot be opened     stuck  runs, and no record of it is stored
//
// The power can go at every write to store, flash and otadata, the bootloader's own among them.

import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import type { Device } from "../../../firmware/ports.js";
import { decodeSign1, digestOf } from "../../../firmware/record/cose.js";
import { encodeReceipt } from "../../../firmware/record/receipt.js";
import { decodeRecord } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import { provingOf } from "../../../firmware/update/proving.js";
import { encodeRelease, PROFILE_DEV, type Release } from "../../../firmware/update/release.js";
import { type ReleaseAuthority, type Updates, updatesOf } from "../../../firmware/update/updates.js";
import { decodePartRequest, decodeReport, encodePart, type UpdateReport, updateTopicsOf } from "../../../firmware/update/wire.js";
import { writeImage } from "../../../host-sim/hardware/esp-image.js";
import { type BoardStorage, memoryStorage } from "../../../host-sim/hardware/storage.js";
import type { Service } from "../../../host-sim/world/network.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import type { Scripted } from "../bus/scripted-client.js";
import type { LogLine } from "../hand-clock.js";
import { COLLECTOR, MoteBench, PoweredMote } from "../mote-bench.js";
import { Power, poweredBy } from "../power.js";
import { signed, type TestKey, testKey } from "../record/signing.js";

export const ADMIN = testKey("the admin of the fleet");
export const FLEET = { registry: new Uint8Array(20).fill(0xf1), chain: "eip155:1337" };
const BOARD = "esp32c3";
const SECTOR_BYTES = 4096;
export const SLOT_BYTES = 160 * 1024;
const TURN_MS = 1_000;
const CHIP = { partitions: { journal: 16 * SECTOR_BYTES, otadata: 2 * SECTOR_BYTES, ota_0: SLOT_BYTES, ota_1: SLOT_BYTES } };

export interface UpdateBenchOptions {
  readonly antiRollback?: boolean;
  readonly authority?: ReleaseAuthority;
  readonly sampleMs?: number;
  /** In place of the configuration's. */
  readonly update?: object;
  /** Without the power that can go at each step. */
  readonly steady?: boolean;
}

export class UpdateBench {
  readonly bench: MoteBench;
  readonly storage: BoardStorage;
  readonly power = new Power();
  readonly images = new Map<string, Uint8Array>();
  /** Every line of every boot, in order; a boot begins with {event: "power", image}. */
  readonly lines: LogLine[] = [];
  /** What the broker has retained. */
  manifest: Uint8Array | undefined;
  brokerUp = true;
  /** The collector has records up to this one. */
  collectsThrough = Number.POSITIVE_INFINITY;
  /** What the server of parts makes of an answer; undefined keeps it back. */
  bend: (part: Uint8Array, offset: number) => Uint8Array | undefined = (part) => part;
  /** Writes that the store refuses. */
  refuses: (key: string, value: Uint8Array) => boolean = () => false;
  report: UpdateReport | undefined;
  /** Before each boot, after the power has come. */
  beforeBoot: () => void = () => undefined;
  /** Services of the board's network besides the broker. */
  route: Readonly<Record<string, Service>> = {};
  updates: Updates | undefined;
  powered: PoweredMote | undefined;
  restarts = 0;
  boots = 0;
  requests = 0;
  #restarting = false;
  #client: Scripted | undefined;
  #served = 0;

  constructor(options: UpdateBenchOptions = {}) {
    this.storage = memoryStorage({ ...CHIP, antiRollback: options.antiRollback === true });
    const { update = options.authority === undefined ? { admin: `0x${toHex(ADMIN.address)}` } : {} } = options;
    this.bench = new MoteBench({
      storage: this.storage,
      sampleMs: options.sampleMs ?? 20_000,
      config: { update },
      featuresOn: (device, config) => {
        this.updates = updatesOf(device, config, { board: BOARD }, provingOf(device), options.authority);
        return this.updates === undefined ? [] : [this.updates];
      },
    });
    const { slots } = this.storage;
    if (slots !== undefined && options.steady !== true) slots.otadata.onOperation = () => this.power.step();
    this.power.onCut = () => this.bench.newest?.cut();
  }

  /** An image of this program, and what the server has from now on. */
  image(program: string, { bytes = 70_000, secureVersion = 0, chip = "esp32c3" } = {}): Uint8Array {
    const image = writeImage({ chip, version: program, secureVersion, bytes, program: { firmware: program } });
    this.images.set(toHex(fastEngine.sha256(image)), image);
    return image;
  }

  /** A manifest of the image, retained from now on and sent at once. */
  release(image: Uint8Array, fields: Partial<Release> = {}, by: TestKey = ADMIN): Uint8Array {
    const usual = { sequence: 1, digest: fastEngine.sha256(image), size: image.length, boardClass: BOARD, profile: PROFILE_DEV };
    this.publish(signed(by, encodeRelease({ ...usual, fleet: FLEET, ...fields })));
    return this.manifest as Uint8Array;
  }

  publish(manifest: Uint8Array): void {
    this.manifest = manifest;
    if (this.#client !== undefined && !this.#client.closed) this.give(manifest);
  }

  give(manifest: Uint8Array): void {
    this.powered?.client.message(this.topics.manifest, manifest);
  }

  get topics(): ReturnType<typeof updateTopicsOf> {
    return updateTopicsOf("", (this.powered as PoweredMote).addressBytes, FLEET, BOARD, PROFILE_DEV);
  }

  /** What the bootloader has chosen. */
  get running(): string {
    return this.bench.newest?.board.board.image?.program?.firmware ?? "v1";
  }

  /** Power on, as after any reset; while images crash, again. */
  async boot(): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      assert.ok(tries < 5, "it does not come to an end of booting");
      this.powered?.cut();
      this.#client = undefined;
      this.#restarting = false;
      this.power.on = true;
      this.boots += 1;
      this.beforeBoot();
      if (await this.attempt()) return;
      if (!this.power.on) return;
    }
  }

  /** False where the image has crashed. */
  private async attempt(): Promise<boolean> {
    try {
      this.powered = new PoweredMote(this.bench, (device) => this.device(device));
    } catch (error) {
      if (!this.power.on) return true;
      if (error instanceof Crash) return false;
      this.powered = undefined;
      if (error instanceof Unfit) return true;
      throw error;
    }
    return true;
  }

  private device(device: Device): Device {
    const image = this.running;
    const { log } = device;
    this.lines.push({ event: "power", image });
    const write = (event: string, fields: object): void => {
      this.lines.push({ ...fields, event } as LogLine);
      log.write(event as "app", fields as never);
    };
    if (image === "crash") {
      this.bench.newest?.cut();
      throw new Crash();
    }
    const whole = { ...device, ...this.routed(device), log: { ...log, write } } as Device;
    const powered = poweredBy(this.power, whole, {
      onRestart: () => this.restarted(),
      onWrite: (key, value) => {
        if (this.refuses(key, value)) throw new Error("ESP_ERR_FLASH_OP_FAIL");
      },
    });
    if (image !== "unfit") return powered;
    provingOf(powered)?.unfit();
    throw new Unfit();
  }

  /** The sockets that MQTT has on a board; the scripted client needs none. */
  private routed({ network }: Device): Pick<Device, "network"> {
    const board = (this.bench.newest as PoweredMote).board;
    for (const [name, service] of Object.entries(this.route)) board.board.network.route(name, service);
    const { dns, socket } = board.device.network.mqtt;
    return { network: { ...network, mqtt: { dns, socket, ...network.mqtt } } };
  }

  private restarted(): void {
    this.restarts += 1;
    this.#restarting = true;
    this.bench.newest?.cut();
  }

  /** So much time passes, with all that a broker, a server of parts and a collector do meanwhile; ends when the power is gone. */
  async live(seconds: number): Promise<void> {
    for (let turn = 0; turn < seconds && this.power.on; turn += 1) {
      try {
        await this.bench.world.advance(TURN_MS);
        this.broker();
      } catch (error) {
        if (this.power.on) throw error;
        return;
      }
      if (this.#restarting && this.power.on) await this.boot();
    }
  }

  /** Until it holds; for an hour at most. */
  async until(what: string, condition: () => boolean, secondsMax = 3600): Promise<void> {
    for (let waited = 0; !condition() && this.power.on; waited += 1) {
      assert.ok(waited < secondsMax, `${what}; ${JSON.stringify(this.lines.slice(-12))}`);
      await this.live(1);
    }
  }

  private broker(): void {
    const { powered } = this;
    const client = powered?.client;
    if (powered === undefined || client === undefined || powered !== this.bench.newest) return;
    if (!this.brokerUp || this.running === "deaf") {
      if (!client.closed) client.options.onError?.call(client);
      client.closed = true;
      return;
    }
    if (client !== this.#client && !client.closed) {
      this.#client = client;
      this.#served = 0;
      client.room = 1e9;
      client.accept([1, 1, 1, 1, 1, 1]);
      if (this.manifest !== undefined) this.give(this.manifest);
    }
    // Each request is answered at once, and what comes of it within this turn.
    for (; this.#served < client.writes.length; this.#served += 1) this.serve(powered, client);
  }

  private serve(powered: PoweredMote, client: Scripted): void {
    const { data, options } = client.writes[this.#served] as Scripted["writes"][number];
    const bytes = data === null ? new Uint8Array(0) : new Uint8Array(data as Uint8Array);
    if (options.topic === this.topics.requests) {
      const request = decodePartRequest(bytes);
      if (request instanceof Rejection) throw new Error(String(request));
      this.requests += 1;
      const image = this.images.get(toHex(request.digest));
      const part = image && this.bend(image.slice(request.offset, request.offset + request.bytes), request.offset);
      if (part !== undefined) client.message(this.topics.parts, encodePart(request.id, request.offset, part));
    } else if (options.topic === this.topics.report) {
      const report = decodeReport(bytes);
      if (report instanceof Rejection) throw new Error(String(report));
      this.report = report;
    } else if (options.QoS === 1 && options.id !== undefined) {
      client.control({ operation: (client.constructor as typeof Scripted).PUBACK, id: options.id });
      const receipt = options.topic?.endsWith("/records") === true ? receiptFor(bytes) : undefined;
      if (receipt !== undefined && receipt.seq <= this.collectsThrough && this.running !== "stuck")
        powered.give("receipts", receipt.message);
    }
  }

  /** The states of updates that were said, each with its reason. */
  said(): string[] {
    return this.lines
      .filter(({ event }) => event === "update")
      .map(({ state, reason }) => (reason === undefined ? String(state) : `${state} (${reason})`));
  }

  /** The words that an update ended with. */
  ends(): string[] {
    return this.said().filter((word) => /^(valid|failed|rolled-back|kept)/.test(word));
  }

  /**
   * What holds whatever has come of an update: an image runs that the next reset does not end, by one key, the journal goes on from what it had,
   * and no number was used twice; one event each says why what ended has ended.
   */
  whole(image: string, ends: readonly string[]): void {
    assert.is(this.running, image);
    const state = this.powered?.board.board.slots?.running().state;
    assert.ok(state === "valid" || state === "undefined", state);
    const of = (event: string): LogLine[] => this.lines.filter((line) => line.event === event);
    assert.is(new Set(of("key").map(({ address }) => address)).size, 1, "one key");
    const boots = of("boot");
    const origins = new Set(boots.map(({ origin }) => String(origin)));
    for (const origin of origins) assert.ok(["first", "continued", "skipped"].includes(origin), origin);
    assert.is(new Set(boots.map(({ stream }) => stream)).size, 1, "the journal is the same");
    const digests = new Map<unknown, unknown>();
    for (const { seq, digest } of of("record")) {
      assert.is(digests.get(seq) ?? digest, digest, `two records ${seq}`);
      digests.set(seq, digest);
    }
    assert.equal(this.ends(), ends, "one event says why");
  }

  refusals(): string[] {
    return this.lines.filter(({ event, what }) => event === "refused" && what === "release").map(({ code }) => String(code));
  }

  stored(): number[] {
    return this.lines.filter(({ event }) => event === "stored").map(({ seq }) => Number(seq));
  }
}

/** As a collector signs it, whichever boot the record is of. */
function receiptFor(message: Uint8Array): { readonly seq: number; readonly message: Uint8Array } {
  const parts = decodeSign1(message);
  if (parts instanceof Rejection) throw new Error(String(parts));
  const record = decodeRecord(parts.payload);
  if (record instanceof Rejection) throw new Error(String(record));
  const digest = digestOf(fastEngine, parts.kid, parts.payload);
  const { seq, stream } = record;
  return { seq, message: signed(COLLECTOR, encodeReceipt({ seq, stream, digest, mote: parts.kid })) };
}

class Crash extends Error {}
class Unfit extends Error {}
