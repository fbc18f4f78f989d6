// How a board comes to its work: by the configuration that it keeps, laid over the image's own, or by being given one.
//
// Promises: what speaks for safe mode comes first (start/start.ts), and then nothing of the configuration is written but by the button; a mote
// that is refused or that NVS refuses, a configuration that cannot be read and a trial that cannot be counted end there as well, as far as a
// configuration holds. A stored configuration goes before the image's; one on trial that does not reach its broker gives way to the one before,
// in bounded time; provisioning is open where the board knows no network yet, and else only after the button was held, in safe mode too. While an
// image has still to prove itself nothing here starts the board anew: that would be its end. Never: takes a store that
// cannot be read for an empty one; begins anything with a configuration that does not hold.
// docs/provisioning.md, "From the start".

import { type MoteConfig, parseConfig } from "../config.js";
import type { CryptoEngine } from "../crypto/engine.js";
import type { EventName, Events } from "../events.js";
import { isObject } from "../fields.js";
import type { Device, Log } from "../ports.js";
import { Rejection } from "../rejection.js";
import { type SafeCause, SafeMode, type SafePartType } from "../start/safe-mode.js";
import { causeIn, causeOf, isProving } from "../start/start.js";
import { watchButton } from "./button.js";
import { type Document, isWifiAlone, laidOver } from "./document.js";
import { Provisioner } from "./provisioner.js";
import { finishReset } from "./reset.js";
import { type Failure, StoredConfiguration, TRIAL_MS } from "./stored.js";

/** A store that could not be read is read again after so long, and so often before that is taken for its state. */
const RETRY_MS = 10_000;
const READS_MAX = 4;

/** What a configuration makes run: a mote. */
export interface Running {
  run(): void;
  close?(): void;
}

export interface StartOptions {
  readonly device: Device;
  readonly engine: CryptoEngine;
  /** The image's own configuration, as it is. */
  readonly configuration: unknown;
  /** Opens what the image is for; `device` is to be its device. */
  open(config: MoteConfig, device: Device): Running | Rejection;
  /** What safe mode has besides, in an image that takes updates. */
  readonly updates?: SafePartType | undefined;
  /** Of an image that sleeps: it stays awake while it is given a configuration, or tries one (sleep/sleep.ts). */
  readonly sleep?: { held: boolean } | undefined;
  /** Of an image that has still to prove itself: that with it no mote is opened (update/proving.ts). */
  readonly proving?: { unfit(): void } | undefined;
}

export function start(options: StartOptions): void {
  const cause = causeOf(options.device);
  if (cause === undefined) go(options, 1);
  else beSafe(options, cause);
}

/** Safe mode, where no mote was tried. */
function beSafe(options: StartOptions, cause: SafeCause): void {
  const { device, updates } = options;
  onButton(device, () => openNext(device));
  new SafeMode(device, parseConfig(knownConfiguration(options)), cause, updates).run();
}

/** Opens provisioning for the next start, where no configuration is held. */
function openNext(device: Device): void {
  try {
    const stored = StoredConfiguration.open(device.store);
    if (!(stored instanceof Rejection)) stored.openNext();
    else if (stored.code === "configuration-corrupt") StoredConfiguration.renew(device.store);
    else throw stored;
    restartOnceKept(device);
  } catch (error) {
    device.log.write("store", { what: "configuration", state: "failed", reason: String(error) });
  }
}

/**
 * The configuration as far as it can be read, for a board in safe mode: nothing is written for it. Whom it takes releases of may be what cannot
 * be read: then it takes none.
 */
function knownConfiguration({ device, configuration }: StartOptions): unknown {
  const stored = StoredConfiguration.open(device.store);
  if (stored instanceof Rejection) return device.chip?.storage() === undefined ? withoutUpdates(configuration) : configuration;
  const document = stored.document();
  stored.close();
  return document instanceof Rejection ? withoutUpdates(configuration) : laidOver(configuration, document);
}

function withoutUpdates(configuration: unknown): unknown {
  return isObject(configuration) ? { ...configuration, update: undefined } : configuration;
}

/** @param reads how often the store was read, this time among them */
function go(options: StartOptions, reads: number): void {
  const { device } = options;
  const state = stateOf(options);
  if (state === undefined) return;
  if ("stored" in state) begin(options, state);
  else if (!(state instanceof Rejection)) beSafe(options, state);
  else {
    refuse(device, state);
    if (state.code === "configuration-unreadable" && reads < READS_MAX) device.timer.set(() => go(options, reads + 1), RETRY_MS);
    else beSafe(options, { code: "start", detail: state.code, resets: 0 });
  }
}

/** What is kept says of this boot. */
interface BootState {
  readonly stored: StoredConfiguration;
  readonly document: Document | undefined | Rejection;
  /** Somebody has pressed the button. */
  readonly isOpened: boolean;
  readonly isTrial: boolean;
}

/** Undefined where a factory reset goes on, which restarts the board; a cause of safe mode where NVS refuses what is to be written of this boot. */
function stateOf({ device }: StartOptions): BootState | SafeCause | Rejection | undefined {
  try {
    const stored = StoredConfiguration.open(device.store);
    if (stored instanceof Rejection) return stored;
    if (stored.resetting) {
      device.log.write("configuration", { state: "resetting" });
      finishReset(device, stored, () => device.restart?.());
      return undefined;
    }
    // Whoever has pressed the button is waited for once the image is kept: without a mote it could not prove itself.
    const isOpened = !isProving(device) && stored.takeOpened();
    const isTrial = !isOpened && stored.beginTrial();
    return { stored, document: stored.document(), isOpened, isTrial };
  } catch (error) {
    return causeIn(error) ?? new Rejection("configuration-unreadable", String(error));
  }
}

function begin(options: StartOptions, { stored, document, isOpened, isTrial }: BootState): void {
  const { device, engine, configuration: image, proving } = options;
  const config = document instanceof Rejection ? document : parseConfig(laidOver(image, document));
  const isOpen = isOpened || (!isTrial && knowsNoNetwork(document, config));
  hold(options, isOpen || isTrial);
  let mote: Running | Rejection | undefined;
  if (config instanceof Rejection) mote = config;
  // Whoever has pressed the button wants the board for himself; one that knows no network may measure meanwhile.
  else if (!isOpened) mote = isTrial ? tried(options, stored, config) : opened(options, config, device);
  const isServed = isOpen && device.serial !== undefined;
  // A board that was given nothing yet is no mistake.
  if (mote instanceof Rejection && !(isServed && document === undefined && isBlank(image))) refuse(device, mote);
  if (mote instanceof Rejection) proving?.unfit();
  const running = mote instanceof Rejection ? (isServed || isTrial ? undefined : inSafety(options, config, mote)) : mote;
  const end = (): void => restartOnceKept(device, running);
  if (isServed) new Provisioner({ device, engine, image, stored, restart: end }, isOpened && !(config instanceof Rejection));
  if (isTrial && mote instanceof Rejection) giveUp(device, stored, "start", end);
  else if (!isOpen && (!isTrial || mote instanceof SafeMode))
    onButton(device, () => {
      stored.openNext();
      end();
    });
  running?.run();
}

function hold({ sleep }: StartOptions, held: boolean): void {
  if (sleep !== undefined) sleep.held = held;
}

/** What is left of a board whose mote was refused: safe mode, by which another image may come. Undefined where no configuration holds. */
function inSafety(options: StartOptions, config: MoteConfig | Rejection, { code }: Rejection): Running | undefined {
  const known = config instanceof Rejection ? parseConfig(knownConfiguration(options)) : config;
  if (known instanceof Rejection) return undefined;
  return new SafeMode(options.device, known, { code: "start", detail: code, resets: 0 }, options.updates);
}

/** Features look at the configuration themselves, and may throw what is wrong with it. */
function opened({ open, updates }: StartOptions, config: MoteConfig, device: Device): Running | Rejection {
  try {
    return open(config, device);
  } catch (error) {
    if (error instanceof Rejection) return error;
    const cause = causeIn(error);
    if (cause === undefined) throw error;
    return new SafeMode(device, config, cause, updates);
  }
}

/** An image without a mote's configuration. */
function isBlank(image: unknown): boolean {
  return !isObject(image) || image.mqtt === undefined;
}

/** Nobody has told it a network: neither the image nor anybody at its port. What is kept and does not hold is another matter. */
function knowsNoNetwork(document: Document | undefined | Rejection, config: MoteConfig | Rejection): boolean {
  if (document instanceof Rejection) return false;
  if (config instanceof Rejection) return document === undefined || isWifiAlone(document);
  return document === undefined && config.wifi === undefined;
}

/** What a configuration on trial makes run, on a log that tells when the broker is reached. */
function tried(options: StartOptions, stored: StoredConfiguration, config: MoteConfig): Running | Rejection {
  const { device } = options;
  let mote: Running | Rejection | undefined;
  const trial = new Trial(device.log, () => {
    device.timer.clear(handle);
    persistently(device, () => {
      stored.succeed();
      device.log.write("configuration", { state: "kept" });
      hold(options, false);
    });
  });
  const handle = device.timer.set(() => {
    const restart = (): void => restartOnceKept(device, mote instanceof Rejection ? undefined : mote);
    giveUp(device, stored, trial.wasOnline ? "broker" : "wifi", restart);
  }, TRIAL_MS);
  device.log.write("configuration", { state: "trying" });
  mote = opened(options, config, { ...device, log: trial });
  if (mote instanceof Rejection || mote instanceof SafeMode) device.timer.clear(handle);
  return mote;
}

/** The log, until the broker is reached. */
class Trial implements Log {
  readonly #log: Log;
  #onJoined: (() => void) | undefined;
  wasOnline = false;

  constructor(log: Log, onJoined: () => void) {
    this.#log = log;
    this.#onJoined = onJoined;
  }

  write<Name extends EventName>(event: Name, fields: Readonly<Events[Name]>): void {
    this.#log.write(event, fields);
    if (this.#onJoined === undefined) return;
    const { state } = fields as { readonly state?: unknown };
    if (event === "wifi" && state === "up") this.wasOnline = true;
    if (event !== "link" || state !== "up") return;
    const joined = this.#onJoined;
    this.#onJoined = undefined;
    joined();
  }
}

function giveUp(device: Device, stored: StoredConfiguration, failure: Failure, restart: () => void): void {
  persistently(device, () => {
    stored.fail(failure);
    device.log.write("configuration", { state: "refused", reason: failure });
    restart();
  });
}

/** What begins by a write that the store may refuse: then it is said, and tried again. */
function persistently(device: Device, work: () => void): void {
  try {
    work();
  } catch (error) {
    device.log.write("store", { what: "configuration", state: "failed", reason: String(error) });
    device.timer.set(() => persistently(device, work), RETRY_MS);
  }
}

/**
 * Ends the mote in good order and starts the board anew, once its image need not prove itself any more: any reset before would be that image's
 * end. One that is not kept starts the board itself.
 */
function restartOnceKept(device: Device, mote?: Running): void {
  if (isProving(device)) {
    device.timer.set(() => restartOnceKept(device, mote), RETRY_MS);
    return;
  }
  mote?.close?.();
  device.restart?.();
}

function onButton({ button, clock, timer, log }: Device, held: () => void): void {
  if (button === undefined) return;
  try {
    watchButton(button, clock, timer, () => {
      log.write("configuration", { state: "opening" });
      held();
    });
  } catch (error) {
    // Its pin is somebody else's.
    log.write("error", { what: "button", detail: String(error) });
  }
}

function refuse(device: Device, { code, detail }: Rejection): void {
  device.log.write("error", { what: "start", code, detail });
}
