// Broker, collector and relay of the long run on the XS engine, and its judge. The guest (runtime-main.ts) asks over the
// pipe; host-sim/xs/guest/link.ts has the form of each request.
//
// Promises: every record that arrives is verified (form, signature, payload, seq, hash chain) and answered by a PUBACK and
// a signed receipt; after each one the next header of a third party's chain (runtime-chains.ts) is announced, but for those that
// the mote then has to ask for; whatever the mote refuses, reports as an error or loses is a fault of the run, and so is a
// jump that was not due, one that was and did not come, or one that was not linked by hash.

import { instantiateSecp256k1 } from "@bitauth/libauth/build/lib/crypto/secp256k1.js";
import { decodeRequest, encodeReply } from "../../firmware/bus/wire.js";
import { concat, toHex } from "../../firmware/bytes.js";
import { SKIP_BLOCKS_MIN } from "../../firmware/chain/follow/skipping.js";
import { addressOf } from "../../firmware/crypto/identity.js";
import { decodeSign1, digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { Rejection } from "../../firmware/rejection.js";
import type { RuntimeName } from "../../tools/bench/report.js";
import { engine } from "../../tools/crypto/engine.js";
import { Judge } from "../../tools/verify/judge.js";
import { account } from "../chains/clique-generator.js";
import { fitting, type LedgerCounts, LedgerWorld } from "./ledger-world.js";
import { type ChainBlock, PERIOD_S, type RuntimeChain, runtimeChain } from "./runtime-chains.js";

/** Every so many headers one is not announced: the mote finds out with the next, and asks. */
const UNANNOUNCED_HEADERS = 50;
/**
 * Every so many headers the relay was away for the last few: the mote catches up by the longest answers. Where a chain lets it
 * jump, it is away for as long as makes it jump, and the next time for a little less, so that it walks.
 */
const OUTAGE_EVERY_HEADERS = 400;
const OUTAGE_HEADERS = 20;
const OUTAGE_WALKED_HEADERS = SKIP_BLOCKS_MIN - 1;
/** What a socket of a board has at once, of a longer message: lwIP's smallest segment. */
const PART_BYTES_MAX = 536;
const SENSOR_ADDRESS = 0x44;
const FLEET = { registry: new Uint8Array(20).fill(0x11), chain: "eip155:1337" };
const EVENTS_OF_FAULT = new Set(["refused", "error", "gap", "sensor", "reorg"]);
/** An outage is long enough for the alarm `stale`, which is right; the others are not. */
const ALARMS_OF_FAULT = new Set(["fork", "checkpoint-expired"]);
const FAULTS_KEPT_MAX = 5;

const libsecp256k1 = await instantiateSecp256k1();
const collectorKey = account("collector");

export interface RuntimeSample {
  /** Records that were acknowledged by then. */
  readonly records: number;
  /** Since the start, where that is counted; 0 instructions where the machine cannot tell. */
  readonly instructions?: number;
  readonly microseconds?: number;
  readonly collections: number;
  /** Most of the board's block that chunks, slots and stack had taken at once so far. */
  readonly takenPeakBytes: number;
  /** What a collection leaves; where what is alive is not asked for, what is in use. */
  readonly liveChunkBytes: number;
  readonly liveSlotBytes: number;
  readonly stackPeakBytes: number;
  readonly nativeStackPeakBytes: number;
}

/** A function of the guest as host-sim/xs/src/profile.c prints it. */
export interface Profiled {
  /** Its module; empty for one of the engine, or in C. */
  readonly profile: string;
  readonly name: string;
  /** Of `looks`: at how many it ran itself, and at how many it was on the stack. */
  readonly self: number;
  readonly total: number;
  readonly looks: number;
}

/** What a module has alive, as host-sim/xs/src/heap.c prints it. */
export interface HeapPart {
  readonly part: string;
  readonly slotBytes: number;
  readonly chunkBytes: number;
  readonly objects: number;
  /** The most of slots and chunks together that it had alive after any collection. */
  readonly peakBytes: number;
}

export interface WorldOptions {
  /** After half of the records the chain leaves so many blocks for others. */
  readonly leftBlocks?: number;
  /** Every header is announced, and the relay is never away. */
  readonly steady?: boolean;
  /** Takes what collector and relay publish, where a broker stands between them and the mote; the guest asks for it else. */
  readonly deliver?: (topic: string, message: Uint8Array) => void;
}

export class RuntimeWorld {
  readonly samples: RuntimeSample[] = [];
  readonly profile: Profiled[] = [];
  readonly parts: HeapPart[] = [];
  /** What went wrong, the first few; empty where nothing did. */
  readonly faults: string[] = [];
  /** Headers that the mote said it had verified; those that it jumped over are none of them. */
  headers = 0;
  /** Jumps, and how often there was one to make. */
  jumps = 0;
  jumpsDue = 0;
  records = 0;
  /** Reorganisations that the mote reported, by the number of blocks it left. */
  readonly reorganised: number[] = [];
  readonly #wanted: number;
  readonly #leftBlocks: number;
  readonly #steady: boolean;
  readonly #chain: RuntimeChain;
  readonly #ledger: LedgerWorld | undefined;
  readonly #judge = new Judge(engine);
  readonly #inbound: Buffer[] = [];
  readonly #deliver: ((topic: string, message: Uint8Array) => void) | undefined;
  /** Bytes of records, the offset of the next in their file as the judge counts it. */
  #offset = 0;
  #left = false;
  /** Height of the newest block that the relay knows. */
  #relayed = 0;

  /** @param records how many records, and headers, the run is long */
  constructor(records: number, name: RuntimeName, { leftBlocks = 0, steady = false, deliver }: WorldOptions = {}) {
    this.#deliver = deliver;
    this.#wanted = records;
    this.#leftBlocks = leftBlocks;
    this.#steady = steady;
    this.#chain = runtimeChain(name === "ledger" ? "clique" : name);
    if (name === "ledger") this.#ledger = new LedgerWorld(FLEET, (topic, message) => this.#send(topic, message));
  }

  /**
   * The module `bench/configuration` of the guest.
   * @param live whether each sample tells what is alive
   * @param profiled from which of its samples on it is looked at what runs
   */
  configuration(sampleRecords: number, live = true, profiled?: number): string {
    return `export default ${JSON.stringify({ startMs: this.startMs, sampleRecords, live, profiled, mote: this.mote })};`;
  }

  /** When the run begins, in milliseconds since the Unix epoch. */
  get startMs(): number {
    return (this.#chain.genesisTimeS + 4 * PERIOD_S) * 1000;
  }

  /** The mote's configuration. */
  get mote(): Readonly<Record<string, unknown>> {
    const { checkpoint } = this.#chain;
    return {
      wifi: { ssid: "bench" },
      ntp: { servers: ["time"] },
      mqtt: { host: "broker", prefix: "bench/" },
      checkpoint,
      fleet: { registry: toHex(FLEET.registry), chain: FLEET.chain },
      collector: toHex(addressOf(engine, collectorKey.publicKey)),
      sensor: { address: SENSOR_ADDRESS },
      sampling: { intervalMs: PERIOD_S * 1000 },
      ...this.#ledger?.mote,
    };
  }

  /** All records and headers that the run is long have come. */
  get over(): boolean {
    return this.records >= this.#wanted && this.headers >= this.#wanted;
  }

  /** What the run as a whole lacks, in words, once it is over. */
  faultAtEnd(): string | undefined {
    return this.jumps === this.jumpsDue ? this.#ledger?.lacking : `${this.jumps} jumps, ${this.jumpsDue} were due`;
  }

  /** What of the ledger came to its end; undefined where the mote has none. */
  get ledger(): LedgerCounts | undefined {
    return this.#ledger?.counts;
  }

  /** Answers a request of the guest. */
  answer(request: Buffer): Buffer {
    if (request[0] === 0x50) {
      const from = 5 + (request[1] as number);
      const packetId = request.readUInt16BE(3);
      this.published(request.toString("latin1", 5, from), new Uint8Array(request.subarray(from)), packetId);
      return Buffer.alloc(0);
    }
    const next = this.#inbound.shift();
    if (next !== undefined) return next;
    return this.over ? Buffer.from("E") : Buffer.alloc(0);
  }

  /** Reads what the guest printed. */
  line(text: string): void {
    const said = text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : { event: "error", text };
    if (said.part !== undefined) this.parts.push(said as unknown as HeapPart);
    else if (said.profile !== undefined) this.profile.push(said as unknown as Profiled);
    else if (said.records !== undefined) this.samples.push(said as unknown as RuntimeSample);
    this.#ledger?.said(said);
    if (said.event === "head") this.headers += Number(said.verified);
    if (said.event === "jump") this.jumps += 1;
    if (said.event === "reorg" && this.#leftBlocks > 0) {
      this.reorganised.push(Number(said.depth));
      return;
    }
    if (said.event === "jump" && said.linked !== true) this.#fault(text);
    if (this.#ledger?.forgives(said) === true) return;
    if (EVENTS_OF_FAULT.has(String(said.event)) || ALARMS_OF_FAULT.has(String(said.alarm))) this.#fault(text);
  }

  /**
   * What the mote has published.
   * @param packetId to be acknowledged, where no broker does
   */
  published(topic: string, message: Uint8Array, packetId?: number): void {
    this.#ledger?.see(topic);
    if (topic.endsWith("/records")) this.#record(topic, packetId, message);
    else if (topic.endsWith("/requests")) this.#request(message);
    else this.#ledger?.published(topic, message);
  }

  #record(topic: string, packetId: number | undefined, message: Uint8Array): void {
    const parts = decodeSign1(message);
    const verdict = this.#judge.judge({ offset: this.#offset, length: message.length, bytes: message, parts });
    this.#offset += message.length;
    const { fault, fields } = verdict;
    if (fault !== undefined || fields === undefined || parts instanceof Rejection) {
      this.#fault(`record ${verdict.index}: ${fault?.code}: ${fault?.detail}`);
      return;
    }
    if (fields.gap !== undefined) this.#fault(`record ${fields.seq} has a gap of ${fields.gap}`);
    this.records += 1;
    if (packetId !== undefined) this.#inbound.push(Buffer.from([0x41, packetId >> 8, packetId & 255]));
    const digest = digestOf(engine, parts.kid, parts.payload);
    const receipt = encodeReceipt({ seq: fields.seq, digest, mote: parts.kid, stream: fields.stream });
    const collector = addressOf(engine, collectorKey.publicKey);
    const signature = libsecp256k1.signMessageHashCompact(collectorKey.secret, digestOf(engine, collector, receipt));
    if (typeof signature === "string") throw new Error(signature);
    this.#send(topic.replace(/records$/, "receipts"), encodeSign1(collector, receipt, signature));
    this.#ledger?.recorded(fields, digest);
    // A block for each sample: what is said between them takes no time.
    if (fields.answer === undefined) this.#seal();
  }

  /** The chain grows by a block, which is announced. */
  #seal(): void {
    const due = this.#leftBlocks > 0 && !this.#left && this.#relayed >= this.#wanted >> 1;
    if (due) this.#left = true;
    const { raw, number } = this.#grow(due);
    const outage = this.#steady ? 0 : this.#outageBefore(number);
    if (number % OUTAGE_EVERY_HEADERS > OUTAGE_EVERY_HEADERS - outage && number < this.#wanted) return;
    if (number - this.#relayed > SKIP_BLOCKS_MIN && this.#chain.jumps) this.jumpsDue += 1;
    this.#relayed = number;
    if (this.#steady || number % UNANNOUNCED_HEADERS !== 1) this.#send(`bench/chains/${this.#chain.chain}/head`, raw);
    this.#ledger?.act();
  }

  /** The next block; where others take the place of the newest, the newest of those. */
  #grow(leaves: boolean): ChainBlock {
    const stateRoot = this.#ledger?.stateRoot;
    const left = leaves ? this.#chain.leave?.(this.#leftBlocks, stateRoot) : undefined;
    const block = left ?? this.#chain.grow(stateRoot);
    if (this.#ledger === undefined) return block;
    for (let number = left === undefined ? block.number : block.number - this.#leftBlocks; number <= block.number; number += 1)
      this.#ledger.sealed(this.#chain.at(number));
    return block;
  }

  /** For how many blocks the relay is away before the next multiple of `OUTAGE_EVERY_HEADERS`. */
  #outageBefore(number: number): number {
    const odd = Math.floor(number / OUTAGE_EVERY_HEADERS) % 2 === 1;
    return this.#chain.jumps && odd ? OUTAGE_WALKED_HEADERS : OUTAGE_HEADERS;
  }

  #request(message: Uint8Array): void {
    const asked = decodeRequest(message);
    if (asked instanceof Rejection) {
      this.#fault(`a request: ${asked.detail}`);
      return;
    }
    const all: Uint8Array[] = [];
    for (let number = asked.from; number < asked.from + asked.count && number <= this.#relayed; number += 1)
      all.push(this.#chain.at(number).raw);
    const headers = fitting(all, asked.bytesMax);
    this.#send(`bench/motes/0x${toHex(asked.to)}/replies`, encodeReply({ id: asked.id, from: asked.from, headers }));
  }

  /** A message; without a broker in parts, as a socket would bring them. */
  #send(topic: string, message: Uint8Array): void {
    if (this.#deliver !== undefined) {
      this.#deliver(topic, message);
      return;
    }
    const head = Uint8Array.of(0x4d, message.length >> 8, message.length & 255, topic.length);
    this.#inbound.push(Buffer.from(concat(head, Buffer.from(topic), message.subarray(0, PART_BYTES_MAX))));
    for (let at = PART_BYTES_MAX; at < message.length; at += PART_BYTES_MAX)
      this.#inbound.push(Buffer.from(concat(Uint8Array.of(0x43), message.subarray(at, at + PART_BYTES_MAX))));
  }

  #fault(text: string): void {
    if (this.faults.length < FAULTS_KEPT_MAX) this.faults.push(text);
  }
}
