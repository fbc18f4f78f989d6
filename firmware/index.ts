// The face of the runtime: what an application imports. docs/api.md.
//
// Promises: what is here stays; the rooms behind it may change. Never: more of the runtime than an application needs.

import type { MoteConfig } from "./config.js";
import type { CryptoEngine } from "./crypto/engine.js";
import type { MoteEvent } from "./events.js";
import type { FeatureType } from "./feature.js";
import { Mote as Runtime } from "./mote.js";
import type { Device } from "./ports.js";
import type { Entry } from "./record/senml.js";
import type { Rejection } from "./rejection.js";
import type { SensorType } from "./sensor/sensor.js";
import type { Sleep } from "./sleep/sleep.js";

export { type MoteConfig, parseConfig } from "./config.js";
export type { CryptoEngine } from "./crypto/engine.js";
export type { EventName, Events, MoteEvent } from "./events.js";
export type { Feature, FeatureOwner, FeatureType } from "./feature.js";
export type { Fields } from "./fields.js";
export type { Device } from "./ports.js";
export { type Decimal, decimal, fraction, type Numeric } from "./record/decimal.js";
export type { Entry } from "./record/senml.js";
export { Rejection } from "./rejection.js";
export type { Part, Sensor, SensorType } from "./sensor/sensor.js";
export { start } from "./start/start.js";

export interface MoteOptions {
  /** The board: `createDevice()` of `board/provider`. */
  readonly device: Device;
  /** The engine of `chainmote/crypto`. */
  readonly engine: CryptoEngine;
  /** What `parseConfig` made of the board's configuration. */
  readonly config: MoteConfig;
  /** The types of sensor that the application includes; the configuration says which parts there are of them. */
  readonly sensors?: readonly SensorType[];
  /** What the application adds: what the chain's state decides, commands, anchors. */
  readonly features?: readonly FeatureType[];
  /** Deep sleep between samples: what `sleepOf` of `sleep/sleep` has begun. Nothing of it where `sleep` is not configured. */
  readonly sleep?: Sleep | undefined;
  /** Called with each event once it is on the log. What it throws is said on the log, and stops nothing. */
  readonly onEvent?: (event: MoteEvent) => void;
}

/** A block that the mote has verified. */
export interface Head {
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  /** Time of the block, in seconds since the Unix epoch. */
  readonly timeS: number;
  /** Height of the newest block that counts as settled by the chain's own measure. */
  readonly settled: number;
}

export interface Mote {
  /** The mote's address, 20 bytes; undefined until its key is there. */
  readonly address: Uint8Array | undefined;
  /** The newest block that the mote has verified itself, or its checkpoint. */
  readonly head: Head;
  /**
   * Makes a record of what the application has measured or decided itself, in the next step that may make one.
   * @param entries 1 to 32; they are copied
   * @returns why there will be none (`senml-malformed`, `senml-too-long`, `records-waiting`): that is on the log, and counted in the
   *   next record's `gap`
   */
  record(entries: readonly Entry[]): Rejection | undefined;
  /** Steps for ever, each time when it is due or when something arrives. */
  run(): void;
  /** Does whatever is due, once, where the application has a loop of its own. Answers after how many milliseconds it wants to be called again. */
  step(): number | Promise<number>;
  /** Ends in good order. A power cut does as well. */
  close(): void;
}

export const Mote: {
  /** Mounts what survived a power cut, and counts the boot. Refused where the configuration or the flash is not fit to begin with. */
  open(options: MoteOptions): Mote | Rejection;
} = Runtime;
