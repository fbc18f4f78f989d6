// An author over a simulated flash chip and key-value store that outlive it, and a signer that watches: whatever is offered
// to be signed is held against everything that was ever signed before.

import * as assert from "uvu/assert";
import { equal, toHex } from "../../../firmware/bytes.js";
import type { CryptoEngine } from "../../../firmware/crypto/engine.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import type { KeyHandle, Keys } from "../../../firmware/ports.js";
import { Author, openSequence, type RecordInput, type Written } from "../../../firmware/record/author.js";
import { digestOf } from "../../../firmware/record/cose.js";
import { decimal } from "../../../firmware/record/decimal.js";
import { Journal, type KeptRecord } from "../../../firmware/record/journal.js";
import { decodeRecord, type RecordFields } from "../../../firmware/record/record.js";
import type { Sequence } from "../../../firmware/record/sequence.js";
import { Rejection } from "../../../firmware/rejection.js";
import { createBoard, type SimulatedDevice } from "../../../host-sim/device.js";
import type { FlashMode, NorFlash } from "../../../host-sim/hardware/flash.js";
import { type BoardStorage, memoryStorage } from "../../../host-sim/hardware/storage.js";
import { testKey } from "./signing.js";

export const KEY = testKey("author");
export const FLEET: RecordFields["fleet"] = { registry: new Uint8Array(20).fill(0xf1), chain: "eip155:1337" };

/** How the signer behaves; `fast` signs without elliptic curves, which the journal does not mind. */
export type Signing = "real" | "fast" | "throws" | "rejects" | "later";

class Signer implements Keys {
  signing: Signing;
  /** Digest signed, by stream and seq. */
  readonly signed = new Map<string, string>();
  /** Lowest and highest boot of each stream: a lower stream with a higher boot is evidence against a mote (docs/ledger.md). */
  readonly #boots = new Map<number, [number, number]>();
  readonly #payloads = new Map<string, Uint8Array>();
  #waiting: (() => void)[] = [];

  constructor(signing: Signing) {
    this.signing = signing;
  }

  /** Remembers which payload a digest is of. */
  readonly engine: CryptoEngine = {
    ...nobleEngine,
    sha256: (...parts) => {
      const digest = nobleEngine.sha256(...parts);
      if (parts.length === 2) this.#payloads.set(toHex(digest), (parts[1] as Uint8Array).slice());
      return digest;
    },
  };

  open(): KeyHandle | undefined {
    throw new Error("an author opens no key");
  }
  create(): KeyHandle {
    throw new Error("an author makes no key");
  }
  publicKey(): Uint8Array {
    return KEY.publicKey;
  }
  close(): void {}

  sign(_key: KeyHandle, digest: Uint8Array): Uint8Array | Promise<Uint8Array> {
    this.#watch(digest);
    if (this.signing === "throws") throw new Error("the secure element does not answer");
    if (this.signing === "rejects") return Promise.reject(new Error("the secure element does not answer"));
    if (this.signing === "later")
      return new Promise((resolve) => {
        this.#waiting.push(() => resolve(this.#signature(digest)));
      });
    return this.#signature(digest);
  }

  /** Lets the signer that answers later answer. */
  release(): void {
    for (const answer of this.#waiting.splice(0)) answer();
  }

  #signature(digest: Uint8Array): Uint8Array {
    if (this.signing !== "fast") return KEY.sign(digest);
    const signature = new Uint8Array(64);
    signature.set(nobleEngine.sha256(digest), 0);
    signature.set(nobleEngine.sha256(signature.subarray(0, 32)), 32);
    return signature;
  }

  #watch(digest: Uint8Array): void {
    const payload = this.#payloads.get(toHex(digest));
    if (payload === undefined) throw new Error("asked to sign what is no digest of a payload");
    const { stream, seq, boot } = held(decodeRecord(payload));
    const place = `${stream}/${seq}`;
    const before = this.signed.get(place);
    if (before !== undefined && before !== toHex(digest)) throw new Error(`equivocation at ${place}`);
    this.signed.set(place, toHex(digest));
    for (const [other, [lowest, highest]] of this.#boots)
      if (other < stream ? highest > boot : other > stream && lowest < boot)
        throw new Error(`evidence: boot ${boot} in stream ${stream}, boots ${lowest} to ${highest} in stream ${other}`);
    const [lowest, highest] = this.#boots.get(stream) ?? [boot, boot];
    this.#boots.set(stream, [Math.min(lowest, boot), Math.max(highest, boot)]);
  }
}

export function held<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw new Error(String(value));
  return value;
}

/** What lasts through restarts: flash, key-value store, signer. */
export class Bench {
  readonly storage: BoardStorage;
  readonly flash: NorFlash;
  readonly signer: Signer;
  readonly board: SimulatedDevice;

  constructor(signing: Signing = "real", mode: FlashMode = "plain", sectors = 16) {
    this.storage = memoryStorage({ partitions: { journal: sectors * 4096 }, mode });
    this.flash = this.storage.partitions.journal as NorFlash;
    this.signer = new Signer(signing);
    this.board = createBoard({ storage: this.storage });
  }

  /** Power on: mounts, counts the boot, and makes an author; `mounted` happens in front of that. */
  boot(mounted: () => void = () => undefined): Booted {
    this.flash.powerOn();
    const { store, flash } = this.board.device;
    const journal = held(Journal.mount(flash.open({ path: "journal", mode: "r+" }), { engine: nobleEngine }));
    const sequence = held(openSequence(store.open({ path: "mote", format: "buffer" }), journal));
    const { signer } = this;
    mounted();
    const author = new Author({
      engine: signer.engine,
      keys: signer,
      key: { slot: "device" },
      address: KEY.address,
      fleet: FLEET,
      journal,
      sequence,
    });
    return { journal, sequence, author };
  }

  /** One bit of a payload rots. */
  rot(payload: Uint8Array): void {
    const at = Buffer.from(this.flash.dump()).indexOf(payload);
    assert.ok(at > 0, "the payload is on the flash");
    this.flash.flipBit(8 * (at + 40));
  }

  /** The flash forgets all it held. */
  erase(): void {
    this.flash.eraseBlock(0, this.flash.sectors);
  }
}

export interface Booted {
  readonly journal: Journal;
  readonly sequence: Sequence;
  readonly author: Author;
}

/** What a record says, by `value`. */
export function inputOf(value: number): RecordInput {
  return {
    time: 1_800_000_000 + value,
    timeQuality: 2,
    head: { chain: "eip155:1337", number: value, hash: new Uint8Array(32).fill(value) },
    measurements: [{ n: "temperature", u: "Cel", v: decimal(value, -2) }],
  };
}

export async function write(author: Author, value: number, samples = 1): Promise<Written> {
  return held(await author.write(inputOf(value), samples));
}

export interface ReadRecord {
  readonly fields: RecordFields;
  readonly kept: KeptRecord;
  readonly digest: Uint8Array;
}

/** Everything that the journal keeps after `from`, in order; whatever it cannot read fails the test. */
export function recordsOf(journal: Journal, from = 0): ReadRecord[] {
  const found: ReadRecord[] = [];
  for (let seq = journal.after(from); seq !== undefined; seq = journal.after(seq)) {
    const kept = held(journal.read(seq));
    found.push({ kept, fields: held(decodeRecord(kept.payload)), digest: digestOf(nobleEngine, KEY.address, kept.payload) });
  }
  return found;
}

/** Each record names the one before it, or begins a stream. */
export function assertLinked(records: readonly ReadRecord[]): void {
  records.forEach(({ fields }, i) => {
    const before = records[i - 1];
    if (before === undefined || before.fields.stream !== fields.stream) {
      assert.ok(
        fields.prev.every((byte) => byte === 0),
        "the first of a stream has no record before it",
      );
      if (before !== undefined) assert.ok(fields.stream > before.fields.stream, "streams rise");
    } else assert.ok(equal(fields.prev, before.digest), `record ${fields.seq} is linked to the one before it`);
    if (before !== undefined) assert.ok(fields.seq > before.fields.seq, "numbers rise");
    if (before !== undefined) assert.ok(fields.boot >= before.fields.boot, "boots rise");
  });
}
