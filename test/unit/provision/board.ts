// A board whose firmware starts by firmware/provision, on virtual time: simulated parts, a serial port that a test holds by hand, a button,
// and in the place of a mote whatever the test makes of its configuration.

import * as assert from "uvu/assert";
import type { MoteConfig } from "../../../firmware/config.js";
import { SoftwareKeys } from "../../../firmware/crypto/software-keys.js";
import type { Device, ImageState, ResetReason } from "../../../firmware/ports.js";
import { HELD_MS } from "../../../firmware/provision/button.js";
import { encodeFrame, type Frame, FrameReader } from "../../../firmware/provision/frames.js";
import {
  ANSWER_BIT,
  COMMAND_BEGIN,
  COMMAND_CHECK,
  COMMAND_COMMIT,
  COMMAND_MORE,
  COMMAND_PART,
} from "../../../firmware/provision/session.js";
import { type Running, start } from "../../../firmware/provision/start.js";
import type { Rejection } from "../../../firmware/rejection.js";
import { createBoard, type DeviceOptions, type SimulatedDevice } from "../../../host-sim/device.js";
import { type BoardStorage, memoryStorage } from "../../../host-sim/hardware/storage.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { bftCheckpointAt } from "../../chains/bft-fixture.js";
import { BftChain } from "../../chains/bft-generator.js";
import { accounts } from "../../chains/clique-generator.js";
import { LogBook } from "../hand-clock.js";
import { type Power, poweredBy } from "../power.js";

const PART_BYTES = 90;
const chain = new BftChain({ kind: "qbft", validators: accounts(4), periodS: 2, timeS: 1_700_000_000 });

/** A whole configuration, as JSON. */
export function configuration(more: object = {}): Readonly<Record<string, unknown>> {
  return {
    wifi: { ssid: "lab", password: "secret word" },
    ntp: { servers: ["time.lab"] },
    mqtt: { host: "broker.lab", password: "secret too" },
    checkpoint: JSON.parse(JSON.stringify(bftCheckpointAt(chain, chain.genesis, { trustingPeriodS: 86_400 }))),
    fleet: { registry: `0x${"f1".repeat(20)}`, chain: "eip155:1337" },
    collector: `0x${"c0".repeat(20)}`,
    ...more,
  };
}

export class ProvisionBench {
  readonly world = new VirtualClock(1_800_000_000_000);
  readonly storage: BoardStorage = memoryStorage();
  image: unknown = {};
  /** What a configuration makes run; where absent something that does nothing. */
  open: ((config: MoteConfig, device: Device) => Running | Rejection) | undefined;
  /** What the bootloader has of the image that runs; absent: an image without updates. */
  slots: ImageState | undefined;

  /** @param bend before the firmware begins */
  boot(
    power?: Power,
    bend?: (simulated: SimulatedDevice) => void,
    reset: ResetReason = "power-on",
    chip: DeviceOptions["chip"] = {},
  ): BootedBoard {
    return new BootedBoard(this, power, bend, { reset, chip });
  }
}

export class BootedBoard {
  readonly log = new LogBook();
  readonly simulated: SimulatedDevice;
  device: Device;
  /** Every configuration that was opened, and how often what it made was closed. */
  readonly configs: MoteConfig[] = [];
  /** What an image that sleeps is held awake by. */
  readonly sleep = { held: false };
  closed = 0;
  restarts = 0;
  portsOpen = 0;
  pressed = false;
  buttonOpen = false;
  /** The log of the device that the mote got. */
  moteLog: Device["log"] | undefined;
  readonly written: number[] = [];
  /** What the port takes at once; further messages wait. */
  room = Number.POSITIVE_INFINITY;
  #incoming: number[] = [];
  #onReadable: (() => void) | undefined;
  #number = 0;

  readonly bench: ProvisionBench;

  /** Of each that safe mode has begun with. */
  readonly safeConfigs: { readonly host: string; readonly update: unknown }[] = [];

  constructor(
    bench: ProvisionBench,
    power: Power | undefined,
    bend: ((simulated: SimulatedDevice) => void) | undefined,
    options: DeviceOptions,
  ) {
    this.bench = bench;
    this.simulated = createBoard({
      ...options,
      clock: bench.world,
      storage: bench.storage,
      radio: { accessPoints: { lab: { password: "secret word" } } },
      onLog: (event, fields) => this.log.write(event, fields),
      onAbort: () => undefined,
    });
    bend?.(this.simulated);
    const { device } = this.simulated;
    const keys = new SoftwareKeys(device);
    const slots = bench.slots === undefined ? undefined : { running: () => ({ slot: 0, state: bench.slots }) };
    const whole = {
      ...{ ...device, keys, slots },
      restart: () => {
        this.restarts += 1;
        this.simulated.close();
      },
      serial: { board: "esp32c3", ports: [{ open: (onReadable: () => void) => this.#open(onReadable) }] },
      button: {
        open: () => {
          this.buttonOpen = true;
          return {
            pressed: () => this.pressed,
            close: () => {
              this.buttonOpen = false;
            },
          };
        },
      },
    } as unknown as Device;
    this.device = power === undefined ? whole : { ...whole, ...guarded(power, whole) };
    start({
      ...{ device: this.device, engine: fastEngine, configuration: bench.image, sleep: this.sleep },
      updates: ({ config }) => {
        this.safeConfigs.push({ host: config.mqtt.host, update: config.update });
        return undefined;
      },
      open: (config, given) => {
        this.configs.push(config);
        this.moteLog = given.log;
        const running = bench.open?.(config, given);
        return running ?? { run: () => undefined, close: () => this.#closes() };
      },
    });
  }

  #closes(): void {
    this.closed += 1;
  }

  #next(): number {
    this.#number += 1;
    return this.#number;
  }

  #open(onReadable: () => void) {
    this.portsOpen += 1;
    this.#onReadable = onReadable;
    return {
      read: (countMax: number) => {
        const bytes = this.#incoming.splice(0, countMax);
        return bytes.length === 0 ? undefined : Uint8Array.from(bytes);
      },
      write: (bytes: Uint8Array) => {
        if (bytes.length > this.room) return false;
        this.room -= bytes.length;
        this.written.push(...bytes);
        return true;
      },
      close: () => {
        this.portsOpen -= 1;
      },
    };
  }

  /** Bytes from the other side. */
  give(bytes: Uint8Array): void {
    this.#incoming.push(...bytes);
    while (this.#incoming.length > 0 && this.portsOpen > 0) this.#onReadable?.();
  }

  pass(durationMs: number): Promise<void> {
    return this.bench.world.advance(durationMs);
  }

  /** The frames that came so far. */
  get frames(): Frame[] {
    const reader = new FrameReader();
    return this.written.flatMap((byte) => reader.take(byte) ?? []);
  }

  /** One command; with `number` as that of one before. */
  async ask(
    kind: number,
    payload: Uint8Array | string = new Uint8Array(0),
    number = this.#next(),
  ): Promise<Record<string, unknown>> {
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    let body = Buffer.alloc(0);
    let length = 1;
    for (let turn = 0; body.length < length; turn += 1) {
      const before = this.frames.length;
      const at = Uint8Array.of(body.length >> 8, body.length & 0xff);
      this.give(encodeFrame(turn === 0 ? { kind, number, payload: bytes } : { kind: COMMAND_MORE, number: 255, payload: at }));
      await this.pass(60);
      const answer = this.frames[before];
      if (answer === undefined || (answer.kind & ANSWER_BIT) === 0) throw new Error(`no answer to ${kind}`);
      length = ((answer.payload[1] as number) << 8) | (answer.payload[2] as number);
      body = Buffer.concat([body, answer.payload.subarray(3)]);
    }
    return JSON.parse(body.toString("utf8"));
  }

  /** Sends a configuration and has it checked. */
  async send(document: object): Promise<Record<string, unknown>> {
    const bytes = new TextEncoder().encode(JSON.stringify(document));
    await this.ask(COMMAND_BEGIN, uint32(bytes.length));
    for (let at = 0; at < bytes.length; at += PART_BYTES)
      await this.ask(COMMAND_PART, Uint8Array.from([...uint32(at), ...bytes.subarray(at, at + PART_BYTES)]));
    return await this.ask(COMMAND_CHECK, uint32(crc(bytes)));
  }

  states(): unknown[] {
    return this.log.of("configuration").map(({ state, reason }) => (reason === undefined ? state : `${state}: ${reason}`));
  }

  /** The power goes. */
  cut(): void {
    this.simulated.close();
  }
}

/** A board that keeps a configuration. */
export async function kept(bench = new ProvisionBench()): Promise<ProvisionBench> {
  const first = bench.boot();
  await first.send(configuration());
  await first.ask(COMMAND_COMMIT);
  await first.pass(1_000);
  assert.is(first.restarts, 1);
  const trial = bench.boot();
  trial.moteLog?.write("link", { state: "up" });
  assert.equal(trial.states(), ["trying", "kept"]);
  trial.cut();
  return bench;
}

/** Gives a board that keeps a configuration another one to try, by the button. */
export async function given(bench: ProvisionBench, document = configuration({ mqtt: { host: "new.lab" } })): Promise<void> {
  const board = await pressed(bench);
  await board.send(document);
  await board.ask(COMMAND_COMMIT);
  await board.pass(1_000);
  assert.is(board.restarts, 1);
}

/** Holds the button at a start, and answers the board of the next one. */
export async function pressed(bench: ProvisionBench): Promise<BootedBoard> {
  const board = bench.boot();
  board.pressed = true;
  await board.pass(HELD_MS + 200);
  assert.is(board.restarts, 1);
  return bench.boot();
}

/** Store, flash and restart of the device on this power; deleting counts as writing does. */
function guarded(power: Power, device: Device): Partial<Device> {
  const powered = poweredBy(power, device, { onRestart: () => device.restart?.() });
  return {
    ...powered,
    store: {
      open: (options) => {
        const domain = device.store.open(options);
        return Object.assign(Object.create(domain), {
          read: domain.read.bind(domain),
          write: power.guarded(domain.write.bind(domain)),
          delete: power.guarded(domain.delete.bind(domain)),
          close: domain.close.bind(domain),
          [Symbol.iterator]: (domain[Symbol.iterator] as () => Iterator<string>).bind(domain),
        });
      },
    },
  };
}

export function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** CRC-32, bit by bit, as its definition has it. */
function crc(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let i = 0; i < 8; i += 1) value = (value & 1) === 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return ~value >>> 0;
}
