// Provisioning while it is open: the board's serial ports, their commands and Improv, and the radio as far as these need it
// (docs/provisioning.md).
//
// Promises: open for `OPEN_MS` at most after the last sign of a person where the board has a configuration; for as long as it has none where
// it has none. Wi-Fi that Improv brings is joined before it is kept. Never: a password on the log, on the port or in an error.

import type { MoteConfig } from "../config.js";
import { parseConfig } from "../config.js";
import type { CryptoEngine } from "../crypto/engine.js";
import type { EventName, Events } from "../events.js";
import { Association } from "../link/association.js";
import type { Device, Log } from "../ports.js";
import { Rejection } from "../rejection.js";
import { FIRMWARE_VERSION } from "../start/told.js";
import { Channel } from "./channel.js";
import { laidOver } from "./document.js";
import {
  IMPROV_GET_INFO,
  IMPROV_GET_STATE,
  IMPROV_INVALID,
  IMPROV_NO_ERROR,
  IMPROV_PROVISIONED,
  IMPROV_PROVISIONING,
  IMPROV_READY,
  IMPROV_SET_WIFI,
  IMPROV_UNABLE_TO_CONNECT,
  type ImprovCall,
  improvError,
  improvResult,
  improvState,
} from "./improv.js";
import { Session } from "./session.js";
import type { StoredConfiguration } from "./stored.js";

const FIRMWARE_NAME = "chainmote";
const TICK_MS = 50;
/** For the answer to be out before the board starts anew. */
const END_MS = 500;
/** A board that has a configuration goes back to its work after so long. */
export const OPEN_MS = 900_000;
/** Improv's client waits half a minute. */
const JOIN_MS = 28_000;
/** So many attempts that were turned down are enough. */
const JOIN_FAILURES_MAX = 2;

type Wifi = NonNullable<MoteConfig["wifi"]>;

export interface ProvisionerOptions {
  readonly device: Device;
  readonly engine: CryptoEngine;
  readonly image: unknown;
  readonly stored: StoredConfiguration;
  /** Ends whatever runs besides, and starts the board anew. */
  restart(): void;
}

export class Provisioner {
  readonly #options: ProvisionerOptions;
  readonly #channels: readonly Channel[];
  readonly #bounded: boolean;
  #heardMs: number;
  #endMs: number | undefined;
  #radio: Association | undefined;
  /** What Improv has told to join, and until when it may take. */
  #joining: { readonly wifi: Wifi; readonly untilMs: number; readonly channel: Channel } | undefined;
  #provisioned = false;
  /** Attempts to join that failed. */
  #failures = 0;

  /** @param bounded whether there is a configuration to go back to */
  constructor(options: ProvisionerOptions, bounded: boolean) {
    const { device, engine, image, stored } = options;
    this.#options = options;
    this.#bounded = bounded;
    this.#heardMs = device.clock.ticksMs();
    const session = new Session({
      device,
      engine,
      image,
      stored,
      firmware: FIRMWARE_VERSION,
      board: device.serial?.board ?? "",
      noisy: () => this.noisy(),
      heard: () => this.heard(),
      ended: () => {
        this.#endMs = device.clock.ticksMs() + END_MS;
      },
    });
    this.#channels = (device.serial?.ports ?? []).map(
      (port) => new Channel(port, session, (channel, call) => this.improv(channel, call)),
    );
    device.log.write("configuration", { state: "open" });
    this.tick();
  }

  private tick(): void {
    const { device, restart } = this.#options;
    const nowMs = device.clock.ticksMs();
    for (const channel of this.#channels) channel.flush();
    this.join(nowMs);
    const isOver = this.#bounded && nowMs - this.#heardMs > OPEN_MS;
    if (isOver || (this.#endMs !== undefined && nowMs >= this.#endMs)) {
      for (const channel of this.#channels) channel.close();
      this.#radio?.close();
      restart();
      return;
    }
    device.timer.set(() => this.tick(), TICK_MS);
  }

  private heard(): void {
    this.#heardMs = this.#options.device.clock.ticksMs();
  }

  private noisy(): boolean {
    this.#radio ??= this.association(undefined);
    this.#radio.step();
    return this.#radio.started;
  }

  private association(wifi: Wifi | undefined): Association {
    const { device } = this.#options;
    const log: Log = { write: (event, fields) => this.told(event, fields) };
    const given = { clock: device.clock, network: device.network, log };
    return new Association({ device: given, config: wifi === undefined ? {} : { wifi }, onWake: () => undefined });
  }

  private told<Name extends EventName>(event: Name, fields: Readonly<Events[Name]>): void {
    this.#options.device.log.write(event, fields);
    if (event === "wifi" && (fields as { readonly state?: unknown }).state === "failed") this.#failures += 1;
  }

  private improv(channel: Channel, call: ImprovCall | number): void {
    const { device } = this.#options;
    this.heard();
    if (typeof call === "number") {
      channel.send(improvError(call));
      return;
    }
    switch (call.command) {
      case IMPROV_GET_STATE:
        channel.send(improvState(this.state));
        if (this.#provisioned) channel.send(improvResult(call.command, [""]));
        break;
      case IMPROV_GET_INFO: {
        const board = device.serial?.board ?? "";
        channel.send(improvResult(call.command, [FIRMWARE_NAME, FIRMWARE_VERSION, board, FIRMWARE_NAME]));
        break;
      }
      case IMPROV_SET_WIFI:
        this.beginToJoin(channel, call.wifi as Wifi);
        break;
      default:
        channel.send(improvError(IMPROV_INVALID));
    }
  }

  private get state(): number {
    if (this.#joining !== undefined) return IMPROV_PROVISIONING;
    return this.#provisioned ? IMPROV_PROVISIONED : IMPROV_READY;
  }

  private beginToJoin(channel: Channel, wifi: Wifi): void {
    const nowMs = this.#options.device.clock.ticksMs();
    this.#radio?.close();
    this.#radio = this.association(wifi);
    this.#failures = 0;
    this.#joining = { wifi, untilMs: nowMs + JOIN_MS, channel };
    channel.send(improvState(IMPROV_PROVISIONING));
  }

  private join(nowMs: number): void {
    const joining = this.#joining;
    if (joining === undefined) return;
    const { channel, wifi, untilMs } = joining;
    this.#radio?.step();
    const isJoined = this.#radio?.online === true;
    if (!isJoined && nowMs < untilMs && this.#failures < JOIN_FAILURES_MAX) return;
    this.#joining = undefined;
    const fault = isJoined ? this.keep(wifi) : undefined;
    if (fault !== undefined) this.#options.device.log.write("error", { what: "configuration", ...fault });
    this.#provisioned = isJoined && fault === undefined;
    channel.send(improvError(this.#provisioned ? IMPROV_NO_ERROR : IMPROV_UNABLE_TO_CONNECT));
    channel.send(improvState(this.state));
    if (this.#provisioned) channel.send(improvResult(IMPROV_SET_WIFI, [""]));
    else {
      this.#radio?.close();
      this.#radio = undefined;
    }
  }

  /** Keeps the Wi-Fi beside whatever else is kept; the board starts anew where that makes a whole configuration. */
  private keep(wifi: Wifi): Rejection | undefined {
    const { stored, image, device } = this.#options;
    const kept = stored.document();
    if (kept instanceof Rejection) return kept;
    const document = { ...kept, wifi };
    const fault = stored.keep(document);
    if (fault !== undefined) return fault;
    device.log.write("configuration", { state: "kept" });
    if (!(parseConfig(laidOver(image, document)) instanceof Rejection)) this.#endMs = device.clock.ticksMs() + 4 * END_MS;
    return undefined;
  }
}
