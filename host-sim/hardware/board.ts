// One simulated board: its parts wired together, as one chip and what is soldered to it.
//
// Promises: everything that is chance comes from the board's seed; what lasts through a power cut is only `storage`.
// Never knows which firmware runs on it.

import { createHash } from "node:crypto";
import type { ResetReason } from "../../firmware/ports.js";
import { boardOf, DEFAULT_BOARD, partitionBytes, serviceOf } from "../boards.js";
import type { WorldClock } from "../world/clock.js";
import { RealClock } from "../world/clock.js";
import { Network, type Service } from "../world/network.js";
import { Prng } from "../world/prng.js";
import { Bme280, type Bme280Faults } from "./bme280.js";
import { BoardClock, type BoardClockOptions } from "./board-clock.js";
import { Cable } from "./cable.js";
import { type ChipOptions, SimulatedChip } from "./chip.js";
import { type EntropyOptions, EntropySource, type RtcMemory } from "./entropy.js";
import type { EspImage } from "./esp-image.js";
import { I2CBus } from "./i2c.js";
import { KeyValuePartition } from "./key-value.js";
import { Pins, type Wired } from "./pins.js";
import { type BoardAborted, PoweredClock } from "./power.js";
import { Radio, type RadioOptions } from "./radio.js";
import { type Climate, generatedTrace, recordedTrace, Sht3x, type Sht3xFaults } from "./sht3x.js";
import { ChipSlots } from "./slots.js";
import type { BoardStorage } from "./storage.js";

export interface BoardOptions {
  /** Which of firmware/boards it is, and so where its bus is; the default one where absent. */
  readonly board?: string;
  /** What a power cut leaves. */
  readonly storage: BoardStorage;
  /** Why it starts; with its power where absent. */
  readonly reset?: ResetReason;
  /** What its eFuses say, and what its image was built to be; a new chip with an image of the profile dev where absent. */
  readonly chip?: ChipOptions;
  /** What a software reset leaves: given, this start is one; absent, the power has just come on. */
  readonly rtc?: RtcMemory;
  /** What `mc/config` exports. */
  readonly config?: unknown;
  readonly seed?: string;
  readonly clock?: WorldClock;
  /** Simulated `host:port` to `host:port` of this machine, or to a service of this process. */
  readonly network?: Readonly<Record<string, string | Service>>;
  readonly segments?: "even" | "ragged";
  readonly datagramLoss?: number;
  readonly entropy?: EntropyOptions;
  readonly clocks?: BoardClockOptions;
  readonly radio?: RadioOptions;
  readonly sensor?: SensorOptions;
  /** A second part on the bus, in the same room. */
  readonly bme280?: AirOptions;
  /** What is wired to which pin. */
  readonly pins?: Readonly<Record<string, Wired>>;
  /** The firmware let an exception out of a callback, and the board has ended. Thrown to whoever turns the world where absent. */
  readonly onAbort?: (reason: BoardAborted) => void;
  /** The firmware asked for an orderly restart, and the board has ended. */
  readonly onRestart?: () => void;
  /** The firmware has gone to deep sleep, for so many milliseconds, and the board has ended: it starts again after them, by a reset `deep-sleep`. */
  readonly onSleep?: (ms: number) => void;
}

export interface SensorOptions {
  /** 7-bit address, 0x44 where absent. */
  readonly address?: number;
  /** Points `[seconds, °C, %]`; generated from the seed where absent. */
  readonly trace?: readonly (readonly [number, number, number])[];
  readonly faults?: Sht3xFaults;
}

export interface AirOptions {
  /** 7-bit address, 0x76 where absent. */
  readonly address?: number;
  /** A BMP280 where false. */
  readonly humid?: boolean;
  /** Pascal; the standard atmosphere where absent. */
  readonly pressure?: number;
  readonly faults?: Bme280Faults;
}

const PRESSURE_PA = 101_325;

export class Board {
  readonly config: unknown;
  readonly world: PoweredClock;
  readonly clock: BoardClock;
  readonly network: Network;
  readonly radio: Radio;
  readonly entropy: EntropySource;
  readonly i2c: I2CBus;
  readonly sensor: Sht3x;
  readonly bme280: Bme280 | undefined;
  readonly pins: Pins;
  /** At its serial port. */
  readonly cable: Cable;
  readonly keyValue: KeyValuePartition;
  readonly storage: BoardStorage;
  readonly rtc: RtcMemory;
  readonly chip: SimulatedChip;
  readonly #onRestart: (() => void) | undefined;
  readonly #onSleep: ((ms: number) => void) | undefined;
  /** Places of images; absent where the flash has none. */
  readonly slots: ChipSlots | undefined;
  /** The image that the bootloader has chosen; undefined for what was flashed over the wire. */
  readonly image: EspImage | undefined;

  constructor(options: BoardOptions) {
    const prng = new Prng(options.seed ?? "chainmote");
    const kind = boardOf(options.board ?? DEFAULT_BOARD);
    // The manifest says for each board which one it is.
    this.config = deepFreeze({ board: kind.name, service: serviceOf(kind), ...structuredClone(options.config ?? {}) });
    this.cable = new Cable(kind.chip.usbConsole ? "usb" : "uart");
    this.world = new PoweredClock(options.clock ?? new RealClock(), (reason) => {
      this.stop();
      if (options.onAbort === undefined) throw reason;
      options.onAbort(reason);
    });
    this.rtc = options.rtc ?? { noiseFailed: false };
    this.clock = new BoardClock(this.world, options.clocks, options.reset === "deep-sleep" ? this.rtc.asleep : undefined);
    this.network = new Network({
      prng: prng.fork("network"),
      ...(options.network === undefined ? {} : { map: options.network }),
      ...(options.segments === undefined ? {} : { segments: options.segments }),
      ...(options.datagramLoss === undefined ? {} : { datagramLoss: options.datagramLoss }),
    });
    this.radio = new Radio(this.world, this.network, options.radio);
    this.entropy = new EntropySource(() => this.radio.on, this.rtc, options.entropy);
    this.i2c = new I2CBus(this.world, kind.pins.i2c);
    const room = climate(options.sensor?.trace, this.world, prng.fork("climate"));
    const { address, faults } = options.sensor ?? {};
    this.sensor = new Sht3x(this.world, prng.fork("sensor"), room, address, { ...faults }, options.reset !== "deep-sleep");
    this.i2c.attach(this.sensor);
    const { bme280 } = options;
    if (bme280 !== undefined) {
      const air = () => ({ ...room(), pressure: bme280.pressure ?? PRESSURE_PA });
      this.bme280 = new Bme280(this.world, air, bme280.address, bme280.humid, { ...bme280.faults });
      this.i2c.attach(this.bme280);
    }
    this.pins = new Pins(() => this.world.nowMs(), options.pins);
    this.storage = options.storage;
    const { chip = {}, reset = "power-on", storage, seed = "chainmote" } = options;
    this.chip = new SimulatedChip(chip, reset, seed, storage.nvs.fault);
    this.#onRestart = options.onRestart;
    this.#onSleep = options.onSleep;
    this.keyValue = new KeyValuePartition(storage.nvs, partitionBytes(kind, "nvs"), this.chip.storage());
    const { slots } = storage;
    this.slots = slots && new ChipSlots(slots, kind.chip.name);
    this.image = this.slots?.boot();
  }

  /** The orderly restart: this board ends, and whoever keeps it running starts it anew. */
  restart(): void {
    this.stop();
    this.#onRestart?.();
  }

  /** Deep sleep: this board ends as at a loss of power, but for what `rtc` holds. */
  sleep(ms: number): void {
    this.rtc.asleep = { wallMs: this.clock.nowMs(), epochMs: this.world.epochMs(), sleepMs: ms };
    this.stop();
    this.#onSleep?.(ms);
  }

  /** SHA-256 of the image that runs, as its build knows it. */
  imageDigest(): Uint8Array {
    const { image } = this;
    const named = image === undefined ? "flashed over the wire" : `${image.version} ${image.program?.firmware ?? ""}`;
    return new Uint8Array(createHash("sha256").update(named).digest());
  }

  /** Power off: the radio goes and every connection with it, and nothing of this board runs any more. */
  stop(): void {
    this.world.cut();
    this.radio.stop();
  }
}

/** A recorded trace begins with the world; a generated one goes on through power cuts. */
function climate(points: SensorOptions["trace"], world: WorldClock, prng: Prng): () => Climate {
  if (points !== undefined) {
    const recorded = recordedTrace(points);
    return () => recorded(world.nowMs() / 1000);
  }
  const generated = generatedTrace(prng);
  return () => generated(world.epochMs() / 1000);
}

/** `mc/config` is frozen on a board. */
function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) for (const part of Object.values(Object.freeze(value))) deepFreeze(part);
  return value;
}
