// A stage for whole motes in this process: a real broker, a generated Clique chain, an honest relay, simulated boards.
//
// Promises: everything runs on loopback and ends with `close`; the relay and the chain are third-party code
// (test/chains), never the firmware's codec. Faults are the tests' own.

import mqtt, { type MqttClient } from "mqtt";
import { type NetworkModules, networkOver } from "../../firmware/board/network.js";
import { decodeRequest, encodeReply, type HeaderRequest } from "../../firmware/bus/wire.js";
import { cliqueCheckpointFromGenesis } from "../../firmware/chain/clique/checkpoint.js";
import { type MoteConfig, parseConfig } from "../../firmware/config.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { SoftwareKeys } from "../../firmware/crypto/software-keys.js";
import { Mote } from "../../firmware/mote.js";
import type { Keys } from "../../firmware/ports.js";
import { Rejection } from "../../firmware/rejection.js";
import { sht3x } from "../../firmware/sensor/sht3x/sht3x.js";
import type { LogValue } from "../../host-sim/device.js";
import { createBoard, type DeviceOptions, type SimulatedDevice } from "../../host-sim/device.js";
import type { Board } from "../../host-sim/hardware/board.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { LocalBroker } from "../../tools/mqtt/broker.js";
import { accounts, type Block, CliqueChain } from "../chains/clique-generator.js";

export const CHAIN = "eip155:1337";
export const HEAD_TOPIC = `chains/${CHAIN}/head`;
const REQUESTS_TOPIC = `chains/${CHAIN}/requests`;

export interface LoggedEvent {
  readonly event: string;
  readonly [field: string]: LogValue;
}

/** One mote on its simulated board. */
export interface Actor {
  readonly mote: Mote;
  readonly board: SimulatedDevice;
  readonly events: LoggedEvent[];
  readonly of: (event: string) => LoggedEvent[];
  readonly address: () => string;
  readonly head: () => number;
}

export interface ActorOptions extends DeviceOptions {
  /** The firmware's own network over these modules (firmware/board/network.ts), in place of the simulated device's. */
  readonly modules?: (board: () => Board) => NetworkModules;
  readonly engine?: CryptoEngine;
  /** Told each digest before it is signed. */
  readonly onSign?: (digest: Uint8Array) => void;
}

export interface SceneOptions {
  readonly signers?: number;
  /** Where the journal runs out of room (`journal.full`). */
  readonly full?: "stop" | "thin";
  readonly sampleIntervalMs?: number;
  readonly collector?: string;
  /** More of the configuration's `mqtt`: credentials, a certificate authority. */
  readonly mqtt?: Readonly<Record<string, unknown>>;
  /** What the time server takes for the true time, in milliseconds since the Unix epoch; the machine's clock where absent. */
  readonly epochMs?: () => number;
}

const open = new Set<Scene>();

export class Scene {
  readonly chain: CliqueChain;
  readonly blocks: Block[];
  readonly sntp: SntpServer;
  readonly options: SceneOptions;
  broker: LocalBroker;
  /** Where the boards believe the broker to be; stays while the broker goes and comes. */
  port: number;
  #clients: MqttClient[] = [];
  #actors: Actor[] = [];

  private constructor(broker: LocalBroker, sntp: SntpServer, options: SceneOptions) {
    this.broker = broker;
    this.port = broker.port;
    this.sntp = sntp;
    this.options = options;
    const timeS = Math.floor(Date.now() / 1000) - 1000;
    this.chain = new CliqueChain({ signers: accounts(options.signers ?? 3), periodS: 1, londonBlock: 0, timeS });
    this.blocks = [this.chain.genesis];
  }

  static async open(options: SceneOptions = {}): Promise<Scene> {
    const { epochMs } = options;
    const sntp = await SntpServer.start(epochMs === undefined ? {} : { epochMs });
    const scene = new Scene(await LocalBroker.start(), sntp, options);
    open.add(scene);
    return scene;
  }

  /** Ends every scene that a test left open, however it ended. */
  static async closeAll(): Promise<void> {
    for (const scene of open) await scene.close();
  }

  get tip(): Block {
    return this.blocks[this.blocks.length - 1] as Block;
  }

  /** Seals `count` more blocks on the honest chain. */
  seal(count = 1): Block {
    this.blocks.push(...this.chain.grow(this.tip, count));
    return this.tip;
  }

  async client(): Promise<MqttClient> {
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${this.port}`, { reconnectPeriod: 100 });
    client.on("error", () => undefined); // the broker may be down on purpose; it reconnects
    this.#clients.push(client);
    return client;
  }

  /** A relay that tells the truth about `blocks`. `announce` publishes the tip. */
  async honestRelay(answers = true): Promise<{ client: MqttClient; announce: () => void; requests: HeaderRequest[] }> {
    const client = await this.client();
    const requests: HeaderRequest[] = [];
    client.on("message", (topic, message) => {
      if (topic !== REQUESTS_TOPIC) return;
      const request = decodeRequest(new Uint8Array(message));
      if (request instanceof Rejection) throw new Error(request.toString());
      requests.push(request);
      if (!answers) return;
      const { id, to, from, count } = request;
      const headers = this.blocks.slice(from, from + Math.min(count, 5)).map((block) => block.raw);
      client.publish(`motes/0x${Buffer.from(to).toString("hex")}/replies`, Buffer.from(encodeReply({ id, from, headers })), {
        qos: 1,
      });
    });
    await client.subscribeAsync(REQUESTS_TOPIC);
    const announce = () => client.publish(HEAD_TOPIC, Buffer.from(this.tip.raw), { qos: 1, retain: true });
    return { client, announce, requests };
  }

  /** What a board of this scene has as `mc/config`: the configuration as a manifest has it, JSON. */
  configuration(): Readonly<Record<string, unknown>> {
    const checkpoint = cliqueCheckpointFromGenesis(nobleEngine, this.chain.genesis.raw, {
      chain: CHAIN,
      periodS: 1,
      epoch: 30_000,
      londonBlock: 0,
    });
    return {
      wifi: { ssid: "stage" },
      ntp: { servers: ["time.stage"] },
      mqtt: { host: "broker.stage", port: 1883, keepAliveMs: 2000, ...this.options.mqtt },
      checkpoint,
      fleet: { registry: `0x${"f1".repeat(20)}`, chain: CHAIN },
      collector: this.options.collector ?? `0x${"c0".repeat(20)}`,
      sampling: { intervalMs: this.options.sampleIntervalMs ?? 200 },
      journal: { full: this.options.full ?? "stop" },
    };
  }

  config(): MoteConfig {
    const config = parseConfig(this.configuration());
    if (config instanceof Rejection) throw new Error(config.toString());
    return config;
  }

  /** Powers on a board; `storage` of an earlier one continues its life. */
  mote({ engine = nobleEngine, onSign, modules, ...options }: ActorOptions = {}): Actor {
    const events: LoggedEvent[] = [];
    const board = createBoard({
      network: { "broker.stage:1883": `127.0.0.1:${this.port}`, "time.stage:123": this.sntp.endpoint },
      onLog: (event, fields) => events.push({ event, ...fields }),
      ...options,
    });
    const { entropy, store, log } = board.device;
    const report = (error: unknown): void => log.write("link", { state: "error", reason: String(error) });
    const own =
      modules === undefined
        ? {}
        : networkOver(
            modules(() => board.board),
            () => ["10.0.1.1"],
            report,
            { ...board.device, nowMs: () => board.board.clock.nowMs() },
          );
    const network = { ...board.device.network, ...own };
    const device = { ...board.device, network, keys: watched(new SoftwareKeys({ entropy, store }), onSign) };
    const mote = Mote.open({ device, engine, config: this.config(), sensors: [sht3x] });
    if (mote instanceof Rejection) throw new Error(mote.toString());
    mote.run();
    const of = (event: string) => events.filter((one) => one.event === event);
    const actor: Actor = {
      mote,
      board,
      events,
      of,
      address: () => String(of("key")[0]?.address).toLowerCase(),
      head: () => Number(of("head").at(-1)?.number ?? 0),
    };
    this.#actors.push(actor);
    return actor;
  }

  async close(): Promise<void> {
    open.delete(this);
    for (const actor of this.#actors) {
      actor.mote.close();
      actor.board.close();
    }
    for (const client of this.#clients) await client.endAsync(true);
    await this.broker.close();
    await this.sntp.close();
  }
}

function watched(keys: Keys, onSign: (digest: Uint8Array) => void = () => undefined): Keys {
  return {
    open: (slot) => keys.open(slot),
    create: (slot) => keys.create(slot),
    publicKey: (key) => keys.publicKey(key),
    close: (key) => keys.close(key),
    sign(key, digest) {
      onSign(digest);
      return keys.sign(key, digest);
    },
  };
}
