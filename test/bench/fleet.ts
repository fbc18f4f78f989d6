// A fleet of whole motes in one process on virtual time: simulated boards, a real broker, a relay that tells the truth, a collector that
// checks every record and signs its receipt. One record and one header a minute for each board.
//
// Promises: nothing is counted that was not verified: a run in which a record or a header is missing, or anything is refused, throws.

import { randomUUID } from "node:crypto";
import { topicsOf } from "../../firmware/bus/topics.js";
import { decodeRequest, encodeReply } from "../../firmware/bus/wire.js";
import { cliqueCheckpointFromGenesis } from "../../firmware/chain/clique/checkpoint.js";
import { type MoteConfig, parseConfig } from "../../firmware/config.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { addressOf } from "../../firmware/crypto/identity.js";
import { nobleArithmetic, type SecretArithmetic, SoftwareKeys } from "../../firmware/crypto/software-keys.js";
import { Mote } from "../../firmware/mote.js";
import type { Device, NtpClient, NtpClientOptions } from "../../firmware/ports.js";
import { digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { Rejection } from "../../firmware/rejection.js";
import { sht3x } from "../../firmware/sensor/sht3x/sht3x.js";
import { curve, fastEngine } from "../../host-sim/crypto/engine-fast.js";
import { sharedEngine } from "../../host-sim/crypto/shared-engine.js";
import { createBoard, type SimulatedDevice } from "../../host-sim/device.js";
import { VirtualClock } from "../../host-sim/world/clock.js";
import { addressOfTopic, checkRecord } from "../../tools/collector/intake.js";
import { LocalBroker } from "../../tools/mqtt/broker.js";
import { accounts, type Block, CliqueChain, type Sealer } from "../chains/clique-generator.js";

const CHAIN = "eip155:1337";
const MINUTE_MS = 60_000;
const STEP_MS = 1000;
const T = 1_800_000_000;
/** For keys, connections and the first header. */
const WARM_UP_MINUTES = 3;
/** Records that may be under way when the run ends, for each board. */
const UNDER_WAY_MAX = 1;

export interface FleetOptions {
  readonly boards: number;
  readonly crypto: "noble" | "fast";
  /** Boards that are shown the same header recover its signer once. */
  readonly shared: boolean;
  /** What lies between boards and broker. */
  readonly link: "sockets" | "process";
}

interface Member {
  readonly board: SimulatedDevice;
  readonly mote: Mote;
  stored: number;
  heads: number;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #clock = new VirtualClock(T * 1000);
  readonly #chain: CliqueChain;
  readonly #blocks: Block[];
  readonly #engine: CryptoEngine;
  readonly #broker: LocalBroker;
  /** What signs receipts and checks records. */
  readonly #tool: CryptoEngine;
  readonly #arithmetic: SecretArithmetic;
  readonly #collector = new Uint8Array(32).fill(7);
  readonly #collectorAddress: Uint8Array;
  readonly #members: Member[] = [];
  readonly #faults: string[] = [];
  #checked = 0;

  /** Powers every board on and lets the first minutes pass. */
  static async open(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options, await LocalBroker.start());
    await fleet.#listen();
    for (let number = 0; number < options.boards; number += 1) fleet.#powerOn(number);
    await fleet.run(WARM_UP_MINUTES, false);
    return fleet;
  }

  private constructor(options: FleetOptions, broker: LocalBroker) {
    this.#options = options;
    this.#broker = broker;
    const isNoble = options.crypto === "noble";
    this.#tool = isNoble ? nobleEngine : fastEngine;
    this.#engine = options.shared ? sharedEngine(this.#tool) : this.#tool;
    this.#arithmetic = isNoble ? nobleArithmetic() : curve;
    this.#collectorAddress = addressOf(this.#tool, this.#arithmetic.publicKey(this.#collector));
    const sealer: Sealer = (digest, { secret, publicKey }) => {
      const signature = curve.sign(digest, secret);
      const id = [0, 1].find((id) => Buffer.compare(curve.recover(signature, id, digest) ?? digest, publicKey) === 0) ?? 0;
      return Uint8Array.from([...signature, id]);
    };
    this.#chain = new CliqueChain({ signers: accounts(3), periodS: 60, londonBlock: 0, timeS: T - 1000, sealer });
    this.#blocks = [this.#chain.genesis];
  }

  /** Throws where a board lacks a record or a header of these minutes, or anything was refused. */
  async run(minutes: number, judged = true): Promise<void> {
    const before = this.#members.map(({ stored, heads }) => ({ stored, heads }));
    for (let minute = 0; minute < minutes; minute += 1) {
      const tip = this.#blocks[this.#blocks.length - 1] as Block;
      const block = this.#chain.child(tip);
      this.#blocks.push(block);
      await this.#broker.publish(topicsOf("", new Uint8Array(20), CHAIN).head, block.raw, true);
      for (let ms = 0; ms < MINUTE_MS; ms += STEP_MS) await this.#clock.advance(STEP_MS);
    }
    if (this.#faults.length > 0) throw new Error(`the fleet: ${this.#faults.slice(0, 3).join("; ")}`);
    for (const [number, { stored, heads }] of judged ? this.#members.entries() : []) {
      const was = before[number] as { stored: number; heads: number };
      const lacking = minutes - UNDER_WAY_MAX;
      if (stored - was.stored < lacking || heads - was.heads < lacking)
        throw new Error(`board ${number}: ${stored - was.stored} records and ${heads - was.heads} headers in ${minutes} minutes`);
    }
  }

  /** Records that the collector has checked. */
  get checked(): number {
    return this.#checked;
  }

  async close(): Promise<void> {
    for (const { mote, board } of this.#members) {
      mote.close();
      board.close();
    }
    await this.#broker.close();
  }

  async #listen(): Promise<void> {
    await this.#broker.subscribe("motes/+/records", (topic, message) => this.#collect(topic, message));
    await this.#broker.subscribe(topicsOf("", new Uint8Array(20), CHAIN).requests, (_topic, message) => {
      const request = decodeRequest(message);
      if (request instanceof Rejection) throw new Error(request.toString());
      const { id, to, from, count } = request;
      const headers = this.#blocks.slice(from, from + Math.min(count, 5)).map(({ raw }) => raw);
      void this.#broker.publish(topicsOf("", to, CHAIN).replies, encodeReply({ id, from, headers }));
    });
  }

  #collect(topic: string, message: Uint8Array): void {
    const address = addressOfTopic(topic);
    const record = checkRecord(this.#tool, message, address);
    if (record instanceof Rejection || address === undefined) {
      this.#faults.push(String(record));
      return;
    }
    this.#checked += 1;
    const { seq, stream } = record.fields;
    const own = this.#collectorAddress;
    const payload = encodeReceipt({ seq, stream, digest: record.digest, mote: address });
    const signature = this.#arithmetic.sign(digestOf(this.#tool, own, payload), this.#collector);
    void this.#broker.publish(topicsOf("", address, CHAIN).receipts, encodeSign1(own, payload, signature));
  }

  #powerOn(number: number): void {
    const member = { stored: 0, heads: 0 } as { -readonly [name in keyof Member]: Member[name] };
    const broker = this.#options.link === "sockets" ? `127.0.0.1:${this.#broker.port}` : this.#broker.accept.bind(this.#broker);
    const board = createBoard({
      clock: this.#clock,
      seed: `board ${number} ${randomUUID()}`,
      network: { "broker.lab:1883": broker },
      onLog: (event, fields) => {
        if (event === "stored") member.stored += 1;
        else if (event === "head") member.heads += Number(fields.verified);
        else if (event === "refused" || event === "error") this.#faults.push(`${event} ${JSON.stringify(fields)}`);
      },
    });
    const { entropy, store, network } = board.device;
    const device: Device = {
      ...board.device,
      network: { ...network, ntp: { client: { io: timeServer(this.#clock), servers: [] } } },
      keys: new SoftwareKeys({ entropy, store, arithmetic: this.#arithmetic }),
    };
    const mote = Mote.open({ device, engine: this.#engine, config: this.#config(), sensors: [sht3x] });
    if (mote instanceof Rejection) throw new Error(mote.toString());
    Object.assign(member, { board, mote });
    this.#members.push(member);
    mote.run();
  }

  #config(): MoteConfig {
    const options = { chain: CHAIN, periodS: 60, epoch: 30_000, londonBlock: 0 };
    const config = parseConfig({
      wifi: { ssid: "lab" },
      ntp: { servers: ["time.lab"] },
      mqtt: { host: "broker.lab" },
      checkpoint: cliqueCheckpointFromGenesis(this.#engine, this.#chain.genesis.raw, options),
      fleet: { registry: `0x${"f1".repeat(20)}`, chain: CHAIN },
      collector: `0x${Buffer.from(this.#collectorAddress).toString("hex")}`,
      sampling: { intervalMs: MINUTE_MS },
    });
    if (config instanceof Rejection) throw new Error(config.toString());
    return config;
  }
}

/** Always right, and answers at once. */
function timeServer(clock: VirtualClock): new (options: NtpClientOptions) => NtpClient {
  return class implements NtpClient {
    getTime(callback: (error: Error | null, timeMs?: number) => void): void {
      clock.schedule(() => callback(null, clock.epochMs()), 50);
    }
    close(): void {}
  };
}
