// Broker, collector and relay of the long run on the XS engine, and its judge. The guest (runtime-main.ts) asks over the
// pipe; host-sim/xs/guest/link.ts has the form of each request.
//
// Promises: every record that arrives is verified (form, signature, payload, seq, hash chain) and answered by a PUBACK and
// a signed receipt; after each one the next header of a third party's Clique chain is announced, but for those that the
// mote then has to ask for; whatever the mote refuses, reports as an error or loses is a fault of the run.

import { instantiateSecp256k1 } from "@bitauth/libauth/build/lib/crypto/secp256k1.js";
import { concat, toHex } from "../../firmware/bytes.js";
import { cliqueCheckpointFromGenesis } from "../../firmware/chain/clique-checkpoint.js";
import { addressOf } from "../../firmware/crypto/identity.js";
import { decodeRequest, encodeReply, REPLY_OVERHEAD_BYTES, REPLY_OVERHEAD_PER_HEADER_BYTES } from "../../firmware/link/wire.js";
import { decodeSign1, digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../../tools/crypto/engine.js";
import { Judge } from "../../tools/verify/judge.js";
import { account, accounts, type Block, bytesOf, CliqueChain, type Sealer } from "../chains/clique-generator.js";

const SIGNERS = 5;
const PERIOD_S = 15;
const EPOCH = 256;
const CHAIN = "eip155:1337";
/** Every so many blocks a signer votes for an account that never gets its majority. */
const VOTE_BLOCKS = 40;
/** Every so many headers one is not announced: the mote finds out with the next, and asks. */
const UNANNOUNCED_HEADERS = 50;
/** Every so many headers the relay was away for the last few: the mote catches up by the longest answers. */
const OUTAGE_EVERY_HEADERS = 400;
const OUTAGE_HEADERS = 20;
/** What a socket of a board has at once, of a longer message: lwIP's smallest segment. */
const PART_BYTES_MAX = 536;
const SENSOR_ADDRESS = 0x44;
const REGISTRY = new Uint8Array(20).fill(0x11);
const EVENTS_OF_FAULT = new Set(["refused", "error", "gap", "sensor", "reorg"]);
const FAULTS_KEPT_MAX = 5;

const libsecp256k1 = await instantiateSecp256k1();
const collectorKey = account("collector");

/** libsecp256k1 instead of the generator's own reference, which would take a minute for a long chain. */
const sealer: Sealer = (digest, signer) => {
  const signed = libsecp256k1.signMessageHashRecoverableCompact(signer.secret, digest);
  if (typeof signed === "string") throw new Error(signed);
  return Uint8Array.from([...signed.signature, signed.recoveryId]);
};

export interface RuntimeSample {
  /** Records that were acknowledged by then. */
  readonly records: number;
  readonly collections: number;
  /** Most of the board's block that chunks, slots and stack had taken at once so far. */
  readonly takenPeakBytes: number;
  /** What a collection leaves. */
  readonly liveChunkBytes: number;
  readonly liveSlotBytes: number;
  readonly stackPeakBytes: number;
  readonly nativeStackPeakBytes: number;
}

export class RuntimeWorld {
  readonly samples: RuntimeSample[] = [];
  /** What went wrong, the first few; empty where nothing did. */
  readonly faults: string[] = [];
  /** Headers that the mote said it had verified. */
  headers = 0;
  records = 0;
  readonly #wanted: number;
  readonly #chain = new CliqueChain({
    signers: accounts(SIGNERS, "runtime"),
    periodS: PERIOD_S,
    epoch: EPOCH,
    londonBlock: 0,
    sealer,
  });
  readonly #blocks: Block[];
  readonly #judge = new Judge(engine);
  readonly #inbound: Buffer[] = [];
  /** Bytes of records, the offset of the next in their file as the judge counts it. */
  #offset = 0;
  /** Height of the newest block that exists, and of the newest that the relay knows. */
  #tip = 0;
  #relayed = 0;

  /** @param records how many records, and headers, the run is long */
  constructor(records: number) {
    this.#wanted = records;
    this.#blocks = [this.#chain.genesis];
  }

  /** The module `bench/configuration` of the guest. */
  configuration(sampleRecords: number): string {
    const rules = { chain: CHAIN, periodS: PERIOD_S, epoch: EPOCH, londonBlock: 0 };
    const checkpoint = cliqueCheckpointFromGenesis(engine, this.#chain.genesis.raw, rules);
    if (checkpoint instanceof Rejection) throw new Error(checkpoint.detail);
    const mote = {
      wifi: { ssid: "bench" },
      ntp: { servers: ["time"] },
      mqtt: { host: "broker", prefix: "bench/" },
      checkpoint,
      fleet: { registry: toHex(REGISTRY), chain: CHAIN },
      collector: toHex(addressOf(engine, collectorKey.publicKey)),
      sensor: { address: SENSOR_ADDRESS },
      sampling: { intervalMs: PERIOD_S * 1000 },
    };
    const startMs = (this.#chain.genesis.timeS + 4 * PERIOD_S) * 1000;
    return `export default ${JSON.stringify({ startMs, sampleRecords, mote })};`;
  }

  /** Answers a request of the guest. */
  answer(request: Buffer): Buffer {
    if (request[0] === 0x50) {
      const from = 5 + (request[1] as number);
      this.#published(request.toString("latin1", 5, from), request.readUInt16BE(3), new Uint8Array(request.subarray(from)));
      return Buffer.alloc(0);
    }
    const next = this.#inbound.shift();
    if (next !== undefined) return next;
    return this.records >= this.#wanted && this.headers >= this.#wanted ? Buffer.from("E") : Buffer.alloc(0);
  }

  /** Reads what the guest printed. */
  line(text: string): void {
    const said = text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : { event: "error", text };
    if (said.records !== undefined) this.samples.push(said as unknown as RuntimeSample);
    if (said.event === "head") this.headers = Number(said.number);
    if (EVENTS_OF_FAULT.has(String(said.event))) this.#fault(text);
  }

  #published(topic: string, packetId: number, message: Uint8Array): void {
    if (topic.endsWith("/records")) this.#record(topic, packetId, message);
    else if (topic.endsWith("/requests")) this.#request(message);
  }

  #record(topic: string, packetId: number, message: Uint8Array): void {
    const parts = decodeSign1(message);
    const verdict = this.#judge.judge({ offset: this.#offset, bytes: message, parts });
    this.#offset += message.length;
    const { fault, fields } = verdict;
    if (fault !== undefined || fields === undefined || parts instanceof Rejection) {
      this.#fault(`record ${verdict.index}: ${fault?.code}: ${fault?.detail}`);
      return;
    }
    if (fields.gap !== undefined) this.#fault(`record ${fields.seq} has a gap of ${fields.gap}`);
    this.records += 1;
    this.#inbound.push(Buffer.from([0x41, packetId >> 8, packetId & 255]));
    const digest = digestOf(engine, parts.kid, parts.payload);
    const receipt = encodeReceipt({ seq: fields.seq, digest, mote: parts.kid, stream: fields.stream });
    const collector = addressOf(engine, collectorKey.publicKey);
    const signature = libsecp256k1.signMessageHashCompact(collectorKey.secret, digestOf(engine, collector, receipt));
    if (typeof signature === "string") throw new Error(signature);
    this.#send(topic.replace(/records$/, "receipts"), encodeSign1(collector, receipt, signature));
    this.#seal();
  }

  /** The chain grows by a block, which is announced. */
  #seal(): void {
    const parent = this.#blocks[this.#tip] as Block;
    const vote = parent.number % VOTE_BLOCKS === 1 ? { vote: { account: bytesOf(`0x${"77".repeat(20)}`), authorize: true } } : {};
    const block = this.#chain.child(parent, undefined, vote);
    this.#blocks.push(block);
    this.#tip += 1;
    const away = block.number % OUTAGE_EVERY_HEADERS > OUTAGE_EVERY_HEADERS - OUTAGE_HEADERS && block.number < this.#wanted;
    if (away) return;
    this.#relayed = block.number;
    if (block.number % UNANNOUNCED_HEADERS !== 1) this.#send(`bench/chains/${CHAIN}/head`, block.raw);
  }

  #request(message: Uint8Array): void {
    const asked = decodeRequest(message);
    if (asked instanceof Rejection) {
      this.#fault(`a request: ${asked.detail}`);
      return;
    }
    const headers: Uint8Array[] = [];
    let bytes = REPLY_OVERHEAD_BYTES;
    for (let number = asked.from; number < asked.from + asked.count && number <= this.#relayed; number += 1) {
      const { raw } = this.#blocks[number] as Block;
      bytes += raw.length + REPLY_OVERHEAD_PER_HEADER_BYTES;
      if (bytes > asked.bytesMax) break;
      headers.push(raw);
    }
    this.#send(`bench/motes/0x${toHex(asked.to)}/replies`, encodeReply({ id: asked.id, from: asked.from, headers }));
  }

  /** A message, in parts as a socket would bring them. */
  #send(topic: string, message: Uint8Array): void {
    const head = Uint8Array.of(0x4d, message.length >> 8, message.length & 255, topic.length);
    this.#inbound.push(Buffer.from(concat(head, Buffer.from(topic), message.subarray(0, PART_BYTES_MAX))));
    for (let at = PART_BYTES_MAX; at < message.length; at += PART_BYTES_MAX)
      this.#inbound.push(Buffer.from(concat(Uint8Array.of(0x43), message.subarray(at, at + PART_BYTES_MAX))));
  }

  #fault(text: string): void {
    if (this.faults.length < FAULTS_KEPT_MAX) this.faults.push(text);
  }
}
