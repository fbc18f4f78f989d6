// Sequence numbers: none is ever given twice, whatever is lost, as far as either store still knows.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { crc32 } from "../../../firmware/bytes.js";
import type { ByteBuffer, KeyValueDomain } from "../../../firmware/ports.js";
import { RESERVED_SEQS, Sequence } from "../../../firmware/record/sequence.js";
import { Rejection } from "../../../firmware/rejection.js";

class Store implements KeyValueDomain {
  readonly values = new Map<string, Uint8Array>();
  writes = 0;
  failing = false;
  read(key: string): ArrayBuffer | undefined {
    return this.values.get(key)?.slice().buffer as ArrayBuffer | undefined;
  }
  write(key: string, value: ByteBuffer): void {
    assert.ok(key.length >= 1 && key.length <= 15);
    if (this.failing) throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
    this.values.set(key, new Uint8Array(value).slice());
    this.writes += 1;
  }
  delete(key: string): void {
    this.values.delete(key);
  }
  close(): void {}
  copy(): Store {
    const copy = new Store();
    for (const [key, value] of this.values) copy.values.set(key, value.slice());
    return copy;
  }
}

interface Newest {
  seq: number;
  stream: number;
  boot: number;
}

function open(store: Store, newest?: Newest, reserved?: number): Sequence {
  const sequence = Sequence.open(store, newest, reserved);
  if (sequence instanceof Rejection) throw new Error(String(sequence));
  return sequence;
}
function take(sequence: Sequence): Newest {
  const seq = sequence.reserve();
  if (seq instanceof Rejection) throw new Error(String(seq));
  assert.is(sequence.reserve(), seq, "the same again until it is used");
  sequence.use(seq, true);
  return { seq, stream: sequence.stream, boot: sequence.boot };
}

test("a read of the store that goes wrong once or twice changes nothing", () => {
  const whole = new Store();
  const first = open(whole);
  for (let i = 0; i < 5; i += 1) take(first);
  const newest = { seq: 5, stream: 0, boot: 1 };
  const sound = open(whole.copy(), newest);
  const faults: readonly ((value: ArrayBuffer | undefined) => ArrayBuffer | undefined)[] = [
    () => undefined,
    (value) => {
      const bytes = new Uint8Array(value as ArrayBuffer);
      bytes[7] = (bytes[7] as number) ^ 4;
      return value;
    },
    (value) => value?.slice(0, 9),
    () => {
      throw new Error("ESP_ERR_NVS_INVALID_STATE");
    },
  ];
  for (const fault of faults)
    for (const times of [1, 2]) {
      const store = whole.copy();
      const read = store.read.bind(store);
      let reads = 0;
      store.read = (key) => {
        reads += 1;
        const value = read(key);
        return reads <= times ? fault(value) : value;
      };
      const { origin, boot, stream, next } = open(store, newest);
      assert.equal([origin, boot, stream, next], [sound.origin, sound.boot, sound.stream, sound.next], `${fault}, ${times}`);
    }
});

test("begins with seq 1, stream 0, boot 1, and writes to the store once a block", () => {
  const store = new Store();
  const sequence = open(store);
  assert.is(sequence.origin, "first");
  assert.is(sequence.boot, 1);
  const writes = store.writes;
  for (let seq = 1; seq <= 10 * RESERVED_SEQS; seq += 1) assert.equal(take(sequence), { seq, stream: 0, boot: 1 });
  assert.is(store.writes - writes, 10);
});

test("a clean end leaves no number out; a loss of power at most a block", () => {
  const store = new Store();
  let sequence = open(store);
  let newest = take(sequence);
  sequence.close();
  sequence = open(store, newest);
  assert.is(sequence.origin, "continued");
  assert.is(sequence.boot, 2);
  newest = take(sequence);
  assert.is(newest.seq, 2);
  sequence = open(store, newest);
  assert.is(sequence.origin, "skipped");
  assert.is(sequence.stream, 0);
  assert.is(sequence.next, 2 + RESERVED_SEQS);
});

test("boots that use no number leave none out", () => {
  const store = new Store();
  const newest = take(open(store));
  const next = open(store, newest).next;
  for (let boot = 3; boot < 50; boot += 1) {
    const sequence = open(store, newest);
    assert.is(sequence.boot, boot);
    assert.is(sequence.next, next);
  }
});

test("power that goes again and again between a number's mark and its record: the stream stays", () => {
  const store = new Store();
  let newest = take(open(store));
  for (let boot = 2; boot < 40; boot += 1) {
    const sequence = open(store, newest);
    assert.equal([sequence.origin, sequence.stream], ["skipped", 0], `boot ${boot}`);
    sequence.reserve();
    // One in ten leaves a record, by which the next one is known to be no older.
    if (boot % 10 === 0) newest = take(sequence);
  }
  // An image from before that record is older, however few numbers were used since.
  const old = open(store, { seq: 1, stream: 0, boot: 1 });
  assert.equal([old.origin, old.stream], ["restored", 1]);
});

test("numbers that the flash has used up are no records that it held", () => {
  const store = new Store();
  const sequence = open(store);
  const newest = take(sequence);
  for (let i = 0; i < 3 * RESERVED_SEQS; i += 1) sequence.use(sequence.reserve() as number, false);
  assert.equal([open(store, newest).origin, open(store, newest).stream], ["skipped", 0]);
});

test("a state of version 1, which does not say what the journal held, is judged by the block alone", () => {
  const state = (mark: number): Store => {
    const bytes = new Uint8Array(17);
    const view = new DataView(bytes.buffer);
    bytes[0] = 1;
    view.setUint32(1, 7);
    view.setUint32(5, 3);
    view.setUint32(9, mark);
    view.setUint32(13, crc32(bytes.subarray(0, 13)));
    const store = new Store();
    store.write("sequence", bytes);
    return store;
  };
  const newest = { seq: 100, stream: 3, boot: 7 };
  const read = (mark: number): unknown[] => {
    const { origin, boot, stream, next } = open(state(mark), newest);
    return [origin, boot, stream, next];
  };
  assert.equal(read(101), ["continued", 8, 3, 101]);
  assert.equal(read(101 + RESERVED_SEQS), ["skipped", 8, 3, 101 + RESERVED_SEQS]);
  assert.equal(read(102 + RESERVED_SEQS), ["restored", 8, 4, 102 + RESERVED_SEQS]);
});

test("with blocks of one, a loss of power leaves no number out", () => {
  const store = new Store();
  let newest = take(open(store, undefined, 1));
  for (let seq = 2; seq < 20; seq += 1) {
    const sequence = open(store, newest, 1);
    assert.is(sequence.origin, "continued");
    newest = take(sequence);
    assert.is(newest.seq, seq);
  }
});

test("an erased journal: above the mark, as a new stream", () => {
  const store = new Store();
  const sequence = open(store);
  for (let i = 0; i < 100; i += 1) take(sequence);
  const again = open(store);
  assert.is(again.origin, "erased");
  assert.is(again.stream, 1);
  assert.ok(again.next > 100);
});

test("an old image of the journal: above the mark; as a new stream where it is older than a block", () => {
  const store = new Store();
  const sequence = open(store);
  const taken: Newest[] = [];
  for (let i = 0; i < 100; i += 1) taken.push(take(sequence));
  for (const old of taken) {
    const again = open(store.copy(), old);
    assert.ok(again.next > 100, `${again.next} after an image that ends with ${old.seq}`);
    if (old.seq < 100 - RESERVED_SEQS) {
      assert.is(again.origin, "restored");
      assert.is(again.stream, 1);
    }
  }
});

test("a key-value store that was erased, or is older than the journal: above the journal, as a new stream", () => {
  const store = new Store();
  let sequence = open(store);
  for (let i = 0; i < 10; i += 1) take(sequence);
  const old = store.copy();
  let newest = take(sequence);
  for (let i = 0; i < 100; i += 1) newest = take(sequence);
  sequence = open(new Store(), newest);
  assert.is(sequence.origin, "forgotten");
  assert.equal([sequence.stream, sequence.next, sequence.boot], [1, newest.seq + 1, 2]);
  sequence = open(old, newest);
  assert.is(sequence.origin, "forgotten");
  assert.equal([sequence.stream, sequence.next, sequence.boot], [1, newest.seq + 1, 2]);
  // The new stream is kept although no record of it has been written yet.
  assert.is(open(old, newest).stream, 1);
  assert.is(open(old, newest).boot, 4);
});

test("resumes above a record that someone else still holds", () => {
  const store = new Store();
  const sequence = open(store);
  take(sequence);
  assert.not.ok(sequence.resumeAbove(0, 1));
  assert.ok(sequence.resumeAbove(0, 500));
  assert.is(sequence.next, 501);
  assert.ok(sequence.resumeAbove(4, 3), "a newer stream");
  assert.equal([sequence.stream, sequence.next], [4, 501]);
  assert.not.ok(sequence.resumeAbove(3, 9_000), "an older one");
  const again = open(store, { seq: 1, stream: 0, boot: 1 });
  assert.ok(again.next >= 501 && again.stream >= 4);
  again.beginStream();
  assert.is(open(store).stream, again.stream + 1);
});

test("a store that cannot be written gives no number, and costs nothing that a later write could not bring", () => {
  const store = new Store();
  const before = open(store);
  take(before);
  store.failing = true;
  const sequence = open(store, { seq: 1, stream: 0, boot: 1 });
  assert.is(sequence.boot, 2);
  assert.match(String(sequence.reserve()), /^sequence-write: /);
  assert.match(String(sequence.reserve()), /^sequence-write: /, "a mark that was not written is no mark");
  assert.ok(sequence.resumeAbove(3, 40));
  sequence.countBootAfter(7);
  sequence.beginStream();
  assert.equal([sequence.next, sequence.stream, sequence.boot], [41, 4, 8]);
  assert.instance(sequence.reserve(), Rejection);
  assert.throws(() => sequence.close());
  store.failing = false;
  assert.equal(take(sequence), { seq: 41, stream: 4, boot: 8 });
  const after = open(store, { seq: 41, stream: 4, boot: 8 });
  assert.equal([after.boot, after.stream], [9, 4], "stream and boot went with the number that was reserved");
  assert.ok(after.next > 41);
});

test("a stream that could not be written is written before the next number, though numbers are reserved", () => {
  const store = new Store();
  const sequence = open(store);
  take(sequence);
  store.failing = true;
  assert.ok(sequence.resumeAbove(5, 0));
  assert.instance(sequence.reserve(), Rejection);
  store.failing = false;
  assert.equal(take(sequence), { seq: 2, stream: 5, boot: 1 });
  assert.is(open(store, { seq: 2, stream: 5, boot: 1 }).stream, 5);
});

test("refuses a store that holds something else under its key", () => {
  const store = new Store();
  open(store);
  const value = store.values.get("sequence") as Uint8Array;
  for (let bit = 0; bit < value.length * 8; bit += 1) {
    const copy = store.copy();
    const bytes = value.slice();
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    copy.values.set("sequence", bytes);
    const sequence = Sequence.open(copy, undefined);
    assert.ok(sequence instanceof Rejection && sequence.code === "sequence-malformed");
  }
  store.values.set("sequence", new Uint8Array(3));
  assert.instance(Sequence.open(store, undefined), Rejection);
});

test("no (stream, seq) is used twice, whatever happens to one of the two stores", () => {
  const event = fc.constantFrom(
    "take",
    "take",
    "take",
    "copy",
    "power",
    "clean",
    "journal erased",
    "journal restored",
    "store erased",
    "store restored",
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), (events, reserved) => {
      let store = new Store();
      let journal: Newest[] = [];
      let sequence = open(store, undefined, reserved);
      const used = new Set<string>();
      const boots = new Set<number>([sequence.boot]);
      let copyOfJournal: Newest[] = [];
      let copyOfStore = store.copy();
      let damaged: "journal" | "store" | undefined;
      for (const one of events) {
        if (one === "take") {
          const taken = take(sequence);
          const name = `${taken.stream}/${taken.seq}`;
          assert.not.ok(used.has(name), `${name} was used before`);
          used.add(name);
          journal.push(taken);
          continue;
        }
        if (one === "copy") {
          copyOfJournal = journal.slice();
          copyOfStore = store.copy();
          continue;
        }
        // One of the two stays whole in each run: what cannot be known is not asked for.
        const which = one.startsWith("journal") ? "journal" : one.startsWith("store") ? "store" : undefined;
        if (which !== undefined && damaged !== undefined && damaged !== which) continue;
        // A second loss of the key-value store could repeat a stream only if the journal had no record of it: it has.
        if (which === "store" && journal.at(-1)?.stream !== sequence.stream) continue;
        damaged = which ?? damaged;
        if (one === "clean") sequence.close();
        if (one === "journal erased") journal = [];
        if (one === "journal restored") journal = copyOfJournal.slice();
        if (one === "store erased") store = new Store();
        if (one === "store restored") store = copyOfStore.copy();
        sequence = open(store, journal.at(-1), reserved);
        if (damaged !== "store") {
          assert.not.ok(boots.has(sequence.boot), `boot ${sequence.boot} came before`);
          boots.add(sequence.boot);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

test.run();
