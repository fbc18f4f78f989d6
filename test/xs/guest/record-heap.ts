// How much heap records need on the XS engine, beyond the firmware's code and what a caller holds anyway: codec, journal,
// numbers, author and outbox together, from the sample's values to the receipt. Prints a line of JSON at each of STOPS.
//
// `live`: the most that is in use at any access of the flash, garbage collected at each (in WATCHED records before each
// stop: it costs time). `peak`: the most that the engine ever had in use since the beginning, garbage included.

import { equal } from "../../../firmware/bytes.js";
import { nativeEngine as engine } from "../../../firmware/crypto/engine-native.js";
import { addressOf } from "../../../firmware/crypto/identity.js";
import { NativeKeys } from "../../../firmware/crypto/native-keys.js";
import type { ByteBuffer, FlashPartition, KeyHandle } from "../../../firmware/ports.js";
import { Author, openSequence } from "../../../firmware/record/author.js";
import { digestOf, encodeSign1 } from "../../../firmware/record/cose.js";
import { decimal } from "../../../firmware/record/decimal.js";
import { Journal } from "../../../firmware/record/journal.js";
import { Outbox } from "../../../firmware/record/outbox.js";
import { decodeRecord } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import { GuestFlash, GuestValues } from "../../../host-sim/xs/guest/board.js";
import { collect, MEMORY_BYTES, memory, print, resetPeaks, wordOf } from "../../../host-sim/xs/guest/host.js";

const STOPS = [200, 1_000, 2_000, 10_000];
const WATCHED = 60;
/** Records that no receipt has come for yet. */
const LAG = 20;
const words = new Uint8Array(MEMORY_BYTES);

function inUse(): number {
  collect();
  memory(words);
  return wordOf(words, "chunks") + wordOf(words, "slots");
}

/** The guest's flash, under whose every access the heap is looked at while `watching`. */
class WatchedFlash implements FlashPartition {
  readonly #flash = new GuestFlash();
  watching = false;
  live = 0;

  status() {
    return this.#flash.status();
  }
  read(byteLength: number, byteOffset: number): ArrayBuffer;
  read(buffer: ByteBuffer, byteOffset: number): number;
  read(into: number | ByteBuffer, byteOffset: number): never {
    if (this.watching) this.live = Math.max(this.live, inUse());
    return this.#flash.read(into as never, byteOffset) as never;
  }
  write(buffer: ByteBuffer, byteOffset: number): void {
    if (this.watching) this.live = Math.max(this.live, inUse());
    this.#flash.write(buffer, byteOffset);
  }
  eraseBlock(start: number, end?: number): void {
    this.#flash.eraseBlock(start, end);
  }
  close(): void {}
}

function sure<T>(value: T | Rejection | undefined): T {
  if (value === undefined) throw new Error("nothing");
  if (value instanceof Rejection) throw new Error(`${value.code}: ${value.detail}`);
  return value;
}

async function main(): Promise<void> {
  const keys = new NativeKeys();
  const key = keys.create("device") as KeyHandle;
  const address = addressOf(engine, keys.publicKey(key));
  const fleet = { registry: address, chain: "eip155:1337" };
  const head = { chain: fleet.chain, number: 19_000_000, hash: engine.sha256(address) };
  const flash = new WatchedFlash();
  const values = new GuestValues();
  const before = inUse();
  resetPeaks();

  const journal = sure(Journal.mount(flash, { engine }));
  const author = new Author({ engine, keys, key, address, fleet, journal, sequence: sure(openSequence(values, journal)) });
  const outbox = new Outbox({
    journal,
    encode: (payload, signature) => encodeSign1(address, payload, signature),
    digest: (payload) => digestOf(engine, address, payload),
    onLost(seq) {
      throw new Error(`record ${seq} is lost`);
    },
  });
  for (let made = 1; made <= (STOPS[STOPS.length - 1] as number); made += 1) {
    flash.watching = STOPS.some((stop) => made <= stop && made > stop - WATCHED);
    const measurements = [
      { n: "temperature", u: "Cel", v: decimal(2137 + (made % 100), -2) },
      { n: "humidity", u: "%RH", v: decimal(4821, -2) },
    ];
    const { seq, digest } = sure(await author.write({ time: 1_700_000_000 + made, timeQuality: 2, head, measurements }, 1));
    const kept = sure(journal.read(seq));
    if (sure(decodeRecord(kept.payload)).seq !== seq || !equal(digestOf(engine, address, kept.payload), digest))
      throw new Error(`record ${seq} is another one`);
    for (let out = outbox.next(made); out !== undefined; out = outbox.next(made)) outbox.acknowledged(out.packetId);
    const due = made > LAG ? journal.after(seq - LAG - 1) : undefined;
    if (due !== undefined) outbox.receipt(due, digestOf(engine, address, sure(journal.read(due)).payload));
    if (!STOPS.includes(made)) continue;
    memory(words);
    const peak = wordOf(words, "chunksPeak") + wordOf(words, "slotsPeak");
    const after = inUse() - before;
    print(JSON.stringify({ records: made, live: flash.live - before, after, peak, before, stored: journal.storedThrough }));
  }
}

main().catch((error: unknown) => {
  print(String(error));
  throw error;
});
