// One read of a flash that is whole goes wrong: a bit, all bits, an exception; at every single read of a boot that seals,
// sends, trims and appends, in turn, and at two in a row. Nothing is lost, given up or called stored that is not. What goes
// wrong for longer is asked for again later, and nothing that may hold an unsent record is erased meanwhile.

import { hash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ByteBuffer, FlashPartition } from "../../../firmware/ports.js";
import { Journal } from "../../../firmware/record/journal.js";
import { DOUBTS_MAX } from "../../../firmware/record/journal-ring.js";
import { Outbox } from "../../../firmware/record/outbox.js";
import { Rejection } from "../../../firmware/rejection.js";
import { NorFlash, SECTOR_BYTES } from "../../../host-sim/hardware/flash.js";
import { seedOr } from "../../seed.js";

const SECTORS = 6;
/** Without FULL=1 one read in five is the one that goes wrong: from another on each time. */
const EACH = process.env.FULL === "1" ? 1 : 5;
const FIRST = 1 + (seedOr() % EACH);
const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(hash("sha256", Buffer.concat(parts), "buffer"));
const payloadOf = (seq: number): Uint8Array => Uint8Array.from({ length: 330 }, (_, i) => (seq * 37 + i * 5) & 0xff);
const signatureOf = (seq: number): Uint8Array => new Uint8Array(64).fill(seq);
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

type Fault = "bit" | "ones" | "exception";

/** A whole partition of which reads go wrong: those of the given numbers, or those that a test picks by their place. */
class Flaky implements FlashPartition {
  readonly flash: NorFlash;
  reads = 0;
  wrong: readonly number[] = [];
  fault: Fault = "bit";
  /** Whether a read of these bytes goes wrong. */
  wrongAt: (offset: number, length: number) => boolean = () => false;
  constructor(flash: NorFlash) {
    this.flash = flash;
  }
  status() {
    return this.flash.status();
  }
  read(byteLength: number, byteOffset: number): ArrayBuffer;
  read(buffer: ByteBuffer, byteOffset: number): number;
  read(into: number | ByteBuffer, offset: number): never {
    this.reads += 1;
    const bytes = into as Uint8Array;
    this.flash.read(bytes, offset);
    if (this.wrong.includes(this.reads) || this.wrongAt(offset, bytes.length)) {
      if (this.fault === "exception") throw new Error("read failed");
      if (this.fault === "ones") bytes.fill(0xff);
      else {
        const bit = (this.reads * 7919) % (bytes.length * 8);
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      }
    }
    return bytes.length as never;
  }
  write(buffer: ByteBuffer, byteOffset: number): void {
    this.flash.write(buffer, byteOffset);
  }
  eraseBlock(start: number, end?: number): void {
    this.flash.eraseBlock(start, end);
  }
  close(): void {}
}

function held<T>(value: T | Rejection | undefined, what: string): T {
  if (value instanceof Rejection || value === undefined) throw new Error(`${what}: ${value}`);
  return value;
}
const mount = (flash: FlashPartition): Journal => held(Journal.mount(flash, { engine: { sha256 } }), "mount");
function kept(refusal: Rejection | undefined, what: string): void {
  if (refusal !== undefined) throw new Error(`${what}: ${refusal}`);
}
function append(journal: Journal, seq: number): void {
  kept(journal.append(0, seq, payloadOf(seq)), `append ${seq}`);
  kept(journal.seal(seq, signatureOf(seq)), `seal ${seq}`);
}

/** What a collector has got. */
class Sink {
  readonly got = new Set<number>();
  readonly lost: number[] = [];
  outboxOf(journal: Journal): Outbox {
    return new Outbox({
      journal,
      encode: (payload, signature) => Buffer.concat([payload, signature]),
      digest: (payload) => sha256(payload),
      onLost: (seq) => this.lost.push(seq),
    });
  }
  /** Sends all that goes out at these times; receipts for all of it. */
  drain(outbox: Outbox, ...timesMs: number[]): void {
    for (const nowMs of timesMs)
      for (let out = outbox.next(nowMs); out !== undefined; out = outbox.next(nowMs)) {
        assert.equal(new Uint8Array(out.bytes), new Uint8Array(Buffer.concat([payloadOf(out.seq), signatureOf(out.seq)])));
        this.got.add(out.seq);
        outbox.acknowledged(out.packetId);
        outbox.receipt(out.seq, sha256(payloadOf(out.seq)));
      }
  }
}

/** A ring that has wrapped: records up to 20 are stored, 21 to 29 wait, 30 has no signature; it ended as `clean` says. */
function prepared(clean: boolean): NorFlash {
  const flash = new NorFlash({ sectors: SECTORS });
  const journal = mount(flash);
  for (const seq of range(1, 29)) {
    append(journal, seq);
    if (seq <= 20) journal.markStored(seq);
  }
  kept(journal.append(0, 30, payloadOf(30)), "append 30");
  if (clean) journal.close();
  return flash;
}

/** Signs what waits, sends all but the newest few, writes records that need other sectors, sends the rest, ends. */
function life(flash: FlashPartition, sink: Sink, clean: boolean): Journal {
  const journal = mount(flash);
  assert.is(journal.lastSeq, 30, "the newest record");
  for (const seq of journal.unsealed()) {
    const found = journal.read(seq);
    assert.not.instance(found, Rejection, `record ${seq} is there to be signed`);
    kept(journal.seal(seq, signatureOf(seq)), `seal ${seq}`);
  }
  append(journal, 31);
  const outbox = sink.outboxOf(journal);
  sink.drain(outbox, 0);
  for (const seq of range(32, 44)) append(journal, seq);
  sink.drain(outbox, 1_000, 3_000, 7_000, 20_000);
  if (clean) journal.close();
  return journal;
}

for (const clean of [true, false])
  for (const fault of ["bit", "ones", "exception"] as const)
    for (const times of fault === "bit" ? [1, 2] : [1])
      test(`${fault}, ${times} in a row, at each read of a boot after ${clean ? "a clean" : "an unclean"} end`, () => {
        const whole = prepared(clean);
        const flash = new NorFlash({ sectors: SECTORS });
        flash.copyFrom(whole, 1);
        const sound = new Flaky(flash);
        life(sound, new Sink(), clean);
        assert.ok(sound.reads > 300, `${sound.reads} reads`);
        for (let k = FIRST; k <= sound.reads; k += EACH) {
          flash.copyFrom(whole, 1);
          const flaky = new Flaky(flash);
          flaky.fault = fault;
          flaky.wrong = range(k, k + times - 1);
          const sink = new Sink();
          const where = `read ${k} of ${sound.reads}`;
          try {
            const journal = life(flaky, sink, clean);
            assert.is(journal.retiredSectors, 0);
            assert.is(journal.takeOverwritten(), 0);
            const after = mount(flash);
            sink.drain(sink.outboxOf(after), 0);
            assert.equal(
              [...sink.got].sort((a, b) => a - b).filter((seq) => seq > 20),
              range(21, 44),
            );
            assert.equal(sink.lost, []);
            assert.is(after.storedThrough, 44);
            assert.is(after.pendingCount, 0);
          } catch (error) {
            throw new Error(`${where}: ${error}`);
          }
        }
      });

/** The sector in which the payload of a record lies. */
function sectorOf(flash: NorFlash, seq: number): number {
  const at = Buffer.from(flash.dump()).indexOf(payloadOf(seq));
  assert.ok(at > 0, `record ${seq} is on the flash`);
  return Math.floor(at / SECTOR_BYTES);
}

/** A journal of 20 records, none of them stored, and its newest sector. */
function waiting(): { flash: NorFlash; flaky: Flaky; newest: number } {
  const flash = new NorFlash({ sectors: 8 });
  const journal = mount(flash);
  for (const seq of range(1, 20)) append(journal, seq);
  return { flash, flaky: new Flaky(flash), newest: sectorOf(flash, 20) };
}

test("the header of the newest sector does not read at a boot, however often: it is found before anything is erased", () => {
  const { flash, flaky, newest } = waiting();
  flaky.wrongAt = (offset) => offset === newest * SECTOR_BYTES;
  const journal = mount(flaky);
  assert.ok((journal.lastSeq ?? 0) < 20);
  flaky.wrongAt = () => false;
  const refusal = journal.append(0, 40, payloadOf(40));
  assert.is((refusal as Rejection).code, "journal-found");
  assert.is(journal.lastSeq, 20);
  append(journal, 40);
  const sink = new Sink();
  sink.drain(sink.outboxOf(mount(flash)), 0, 1);
  for (const seq of [...range(1, 20), 40]) assert.ok(sink.got.has(seq), `record ${seq}`);
});

test("the header of the oldest sector does not read at a boot: its records are not passed over, and not erased", () => {
  const { flash, flaky } = waiting();
  const oldest = sectorOf(flash, 1);
  flaky.wrongAt = (offset) => offset === oldest * SECTOR_BYTES;
  const journal = mount(flaky);
  const sink = new Sink();
  const outbox = sink.outboxOf(journal);
  sink.drain(outbox, 0);
  assert.equal([...sink.got], [], "what comes after them waits");
  assert.is(journal.storedThrough, 0);
  flaky.wrongAt = () => false;
  sink.drain(outbox, 1_000);
  assert.equal([...sink.got], range(1, 20));
  assert.is(journal.storedThrough, 20);
  assert.is(journal.pendingCount, 0);
  assert.equal(sink.lost, []);
});

test("the header of the oldest sector does not read until the first erase of the boot: then it does, and all is kept", () => {
  const { flash, flaky } = waiting();
  const oldest = sectorOf(flash, 1);
  flaky.wrongAt = (offset) => offset === oldest * SECTOR_BYTES;
  const journal = mount(flaky);
  flaky.wrongAt = () => false;
  append(journal, 21);
  for (let seq = 22; ; seq += 1) if (journal.append(0, seq, payloadOf(seq)) !== undefined) break;
  const again = mount(flash);
  for (const seq of range(1, 21)) assert.not.instance(again.read(seq), Rejection, `record ${seq}`);
  assert.is(again.after(0), 1);
});

test("and so is a record without a signature", () => {
  const { flash, flaky } = waiting();
  kept(mount(flash).append(0, 21, payloadOf(21)), "append 21");
  const oldest = sectorOf(flash, 1);
  flaky.wrongAt = (offset) => offset === oldest * SECTOR_BYTES;
  const journal = mount(flaky);
  flaky.wrongAt = () => false;
  assert.equal(journal.unsealed(), [21]);
  kept(journal.seal(21, signatureOf(21)), "seal 21");
  assert.is(journal.pendingCount, 21);
  const again = mount(flash);
  assert.equal(again.unsealed(), []);
  assert.is(again.pendingCount, 21);
});

test("the header of a sector between does not read: its records are asked for again, none is passed over", () => {
  const { flash, flaky } = waiting();
  const middle = sectorOf(flash, 9);
  const journal = mount(flaky);
  flaky.wrongAt = (offset) => offset === middle * SECTOR_BYTES;
  const sink = new Sink();
  const outbox = sink.outboxOf(journal);
  sink.drain(outbox, 0, 1_000);
  assert.ok(!sink.got.has(9) && sink.got.has(1));
  flaky.wrongAt = () => false;
  sink.drain(outbox, 5_000);
  assert.equal([...sink.got], range(1, 20));
  assert.equal(sink.lost, []);
});

test("a sector whose header has rotted costs its records, and that is said; nothing of it counts as stored", () => {
  const { flash, flaky } = waiting();
  flash.flipBit((sectorOf(flash, 9) * SECTOR_BYTES + 40) * 8);
  const journal = mount(flaky);
  const sink = new Sink();
  const outbox = sink.outboxOf(journal);
  sink.drain(outbox, 0, 1_000, 3_000, 7_000, 8_000);
  assert.is(sink.lost.length, 1, "once, for all of them");
  assert.ok(sink.got.has(20));
  const stored = journal.storedThrough;
  assert.ok(stored > 0 && stored < 9 && sink.got.has(stored), `stored through ${stored}`);
  assert.is(journal.passedThrough, 20);
  assert.is(journal.pendingCount, 0);
});

test("a sector that does not read for good costs a few refusals, then what it held is counted as overwritten", () => {
  const { flash, flaky } = waiting();
  const oldest = sectorOf(flash, 1);
  const held = range(1, 20).filter((seq) => sectorOf(flash, seq) === oldest).length;
  flaky.wrongAt = (offset) => offset === oldest * SECTOR_BYTES;
  const journal = mount(flaky);
  for (let doubt = 0; doubt < DOUBTS_MAX; doubt += 1)
    assert.is((journal.append(0, 21, payloadOf(21)) as Rejection).code, "journal-unreadable");
  assert.is(journal.takeOverwritten(), 0);
  append(journal, 21);
  assert.is(journal.takeOverwritten(), held);
  assert.is(journal.storedThrough, 0);
});

test("while the oldest sector does not read, opening another is refused a few times; then its records are given up, and counted", () => {
  const flash = new NorFlash({ sectors: 4 });
  const flaky = new Flaky(flash);
  const journal = mount(flaky);
  let seq = 1;
  for (; journal.append(0, seq, payloadOf(seq)) === undefined; seq += 1) kept(journal.seal(seq, signatureOf(seq)), "seal");
  const oldest = sectorOf(flash, 1);
  flaky.wrongAt = (offset) => offset === oldest * SECTOR_BYTES;
  for (let doubt = 0; doubt < DOUBTS_MAX; doubt += 1) {
    const refusal = journal.append(0, seq, payloadOf(seq));
    assert.is((refusal as Rejection).code, "journal-unreadable", `${refusal}`);
  }
  assert.is(journal.takeOverwritten(), 0);
  const first = sectorOf(flash, 1);
  assert.is(first, oldest, "it is still there");
  // Whatever comes now, what goes without being stored is counted.
  const refusal = journal.append(0, seq, payloadOf(seq));
  if (refusal === undefined) assert.ok(journal.takeOverwritten() > 0);
  else assert.is(refusal.code, "journal-full");
});

test("a payload that waits for its signature is not given up for one boot's misread", () => {
  const flash = new NorFlash({ sectors: 8 });
  const flaky = new Flaky(flash);
  kept(mount(flaky).append(0, 1, payloadOf(1)), "append");
  const journal = mount(flaky);
  const at = Buffer.from(flash.dump()).indexOf(payloadOf(1));
  flaky.wrongAt = (offset, length) => offset <= at && at < offset + length && length > 96;
  for (let i = 0; i < 3; i += 1) assert.instance(journal.read(1), Rejection);
  assert.equal(journal.unsealed(), [1]);
  flaky.wrongAt = () => false;
  assert.not.instance(journal.read(1), Rejection);
  kept(journal.seal(1, signatureOf(1)), "seal");
});

test.run();
