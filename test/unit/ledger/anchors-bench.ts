// A mote's anchors over a real journal, with a collector's tree and a contract's slots that the test has whole, and a prover that answers
// where the test lets it.

import type { CryptoEngine } from "../../../firmware/crypto/engine.js";
import type { FeatureOwner } from "../../../firmware/feature.js";
import { anchorTopicsOf, encodeAnchorMessage } from "../../../firmware/ledger/anchor-wire.js";
import { Anchors, anchorSlot } from "../../../firmware/ledger/anchors.js";
import type { Proof, Question } from "../../../firmware/ledger/prover.js";
import { anchorDigest, encodeAnchorReceipt } from "../../../firmware/record/anchor-receipt.js";
import { digestOf } from "../../../firmware/record/cose.js";
import { decimal } from "../../../firmware/record/decimal.js";
import type { JournalOptions } from "../../../firmware/record/journal.js";
import { encodeRecord } from "../../../firmware/record/record.js";
import { RefusalLog } from "../../../firmware/refusal-log.js";
import { Rejection } from "../../../firmware/rejection.js";
import { NorFlash } from "../../../host-sim/hardware/flash.js";
import { fastEngine as engine } from "../../../tools/crypto/engine-fast.js";
import { MerkleTree } from "../../../tools/merkle/tree.js";
import { HandClock, LogBook } from "../hand-clock.js";
import { mount } from "../record/journal-bench.js";
import { type TestKey, testKey } from "../record/signing.js";

export const MOTE = testKey("a mote that waits for its anchors");
export const COLLECTOR = testKey("a collector that anchors");
const CONTRACT = new Uint8Array(20).fill(0xac);
export const ANCHORED_S = 1_800_000_000;
const INTERVAL_MS = 60_000;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
export const topics = anchorTopicsOf("", MOTE.address);

/** A collector's tree: it begins with a leaf of its own. */
export class Tree {
  readonly key: TestKey;
  readonly tree = new MerkleTree(engine);
  readonly #leaves = new Map<string, number>();

  constructor(key: TestKey = COLLECTOR) {
    this.key = key;
    this.tree.append(key.address);
  }

  add(digest: Uint8Array): this {
    this.#leaves.set(hex(digest), this.tree.size);
    this.tree.append(digest);
    return this;
  }

  receipt(digest: Uint8Array, size = this.tree.size): Uint8Array {
    const index = this.#leaves.get(hex(digest)) as number;
    const signature = this.key.sign(anchorDigest(engine, this.key.address, this.tree.root(size)));
    return encodeAnchorReceipt({ kid: this.key.address, size, index, path: this.tree.inclusionProof(index, size), signature });
  }
}

export class AnchorBench {
  readonly clock = new HandClock(1_000);
  readonly log = new LogBook();
  readonly flash: NorFlash;
  readonly safe: "stored" | "anchored";
  /** Digests by seq. */
  readonly digests = new Map<number, Uint8Array>();
  /** Public-key operations of the mote. */
  recovered = 0;
  readonly published: { topic: string; message: Uint8Array }[] = [];
  /** Slots of the contract: the block of an anchor. */
  readonly slots = new Map<string, number>();
  /** What the prover is asked and has not answered. */
  asked: Question | undefined;
  up = true;
  /** Number of the mote's newest settled block. */
  settled = 100;
  journal;
  anchors: Anchors;
  #prev: Uint8Array = new Uint8Array(32);
  #seq = 0;
  #stream = 0;

  constructor(sectors = 16, safe: JournalOptions["safe"] = "anchored") {
    this.flash = new NorFlash({ sectors });
    this.safe = safe ?? "stored";
    this.journal = mount(this.flash, { safe: this.safe });
    this.anchors = this.opened();
  }

  /** The power comes back. */
  boot(): void {
    this.journal = mount(this.flash, { safe: this.safe });
    this.asked = undefined;
    this.anchors = this.opened();
  }

  private opened(): Anchors {
    const prover = {
      ask: (question: Question): boolean => {
        this.asked = question;
        return true;
      },
      drop: (): void => {
        this.asked = undefined;
      },
    };
    const anchors = new Anchors({ prover });
    const config = {
      collector: COLLECTOR.address,
      mqtt: { prefix: "" },
      ledger: { anchor: `0x${hex(CONTRACT)}`, intervalMs: INTERVAL_MS },
    };
    const fault = anchors.fault(config as never);
    if (fault !== undefined) throw new Error(String(fault));
    const bench = this;
    const owner = {
      ...{ engine: this.counting(), config, own: MOTE.address, journal: this.journal },
      device: { clock: this.clock, log: this.log },
      refusals: new RefusalLog(this.clock, this.log),
      bus: {
        get up() {
          return bench.up;
        },
        publish(topic: string, message: Uint8Array) {
          bench.published.push({ topic, message });
          return true;
        },
      },
      onWake() {},
    };
    anchors.open(owner as unknown as FeatureOwner);
    return anchors;
  }

  private counting(): CryptoEngine {
    const { sha256, hmacSha256, keccak256, secp256k1 } = engine;
    const recover: typeof secp256k1.recover = (...parameters) => {
      this.recovered += 1;
      return secp256k1.recover(...parameters);
    };
    return { name: "counting", sha256, hmacSha256, keccak256, secp256k1: { verify: secp256k1.verify, recover } };
  }

  /** One more record, signed and stored at the collector. Answers its digest, or the journal's refusal. */
  record(options: { stream?: number; skip?: number; prev?: Uint8Array; bytes?: number } = {}): Uint8Array | Rejection {
    if (options.stream !== undefined) {
      this.#stream = options.stream;
      this.#prev = new Uint8Array(32);
    }
    const seq = this.#seq + 1 + (options.skip ?? 0);
    const payload = encodeRecord({
      ...{ stream: this.#stream, seq, prev: options.prev ?? this.#prev, boot: 1, time: ANCHORED_S, timeQuality: 2 },
      head: { chain: "eip155:1337", number: 1_000_000, hash: new Uint8Array(32).fill(9) },
      measurements: [
        { n: "temperature", u: "Cel", v: decimal(2134, -2) },
        { n: "humidity", u: "%RH", v: decimal(4512, -2) },
      ],
      fleet: { registry: new Uint8Array(20).fill(5), chain: "eip155:1337" },
    });
    const refusal = this.journal.append(this.#stream, seq, payload);
    if (refusal !== undefined) return refusal;
    const digest = digestOf(engine, MOTE.address, payload);
    this.journal.seal(seq, MOTE.sign(digest));
    this.#seq = seq;
    this.#prev = digest;
    this.digests.set(seq, digest);
    this.journal.markStored(seq);
    return digest;
  }

  records(count: number): void {
    for (let i = 0; i < count; i += 1) {
      const made = this.record();
      if (made instanceof Rejection) throw new Error(String(made));
    }
  }

  get seq(): number {
    return this.#seq;
  }

  digest(seq: number): Uint8Array {
    return this.digests.get(seq) as Uint8Array;
  }

  /** The contract has the tree's root, since `block`. */
  anchor({ key, tree }: Tree, block = 90, size = tree.size): void {
    this.slots.set(hex(anchorSlot(engine, key.address, size, tree.root(size))), block);
  }

  give(seq: number, receipt: Uint8Array, stream = 0): void {
    this.giveBytes(encodeAnchorMessage({ stream, seq, receipt }));
  }

  giveBytes(message: Uint8Array): void {
    this.anchors.received(topics.receipts, message);
  }

  /** Steps and answers until nothing moves. */
  run(answer: (question: Question) => Proof | Rejection | undefined = (question) => this.proof(question)): void {
    for (let i = 0; i < 200; i += 1) {
      const waitMs = this.anchors.step();
      const question = this.asked;
      const proof = question === undefined ? undefined : answer(question);
      if (question !== undefined && proof !== undefined) {
        this.asked = undefined;
        question.answered(proof);
      } else if (waitMs > 0) return;
    }
  }

  /** What the state of the mote's newest settled block shows. */
  proof(question: Question): Proof {
    const value = new Uint8Array(32);
    const block = this.slots.get(hex(question.slot as Uint8Array)) ?? 0;
    if (block > 0 && block <= this.settled) {
      new DataView(value.buffer).setUint32(28, block);
      new DataView(value.buffer).setUint32(22, ANCHORED_S + block);
    }
    return {
      number: this.settled,
      hash: new Uint8Array(32),
      timeS: ANCHORED_S,
      value,
      baseFeePerGas: undefined,
      knownMs: 0,
      era: 0,
    };
  }

  get through(): number {
    return this.journal.anchoredThrough;
  }

  get refused(): unknown[] {
    return this.log.of("refused").map(({ code }) => code);
  }

  get questions(): string[] {
    return this.published.filter(({ topic }) => topic === topics.questions).map(({ message }) => hex(message));
  }
}
