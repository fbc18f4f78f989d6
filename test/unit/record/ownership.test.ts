// A journal that outlives its key or its fleet: what was made with another key, or for another fleet, is set aside one by
// one, never signed, linked to or sent; what is new goes its way; the ring takes back the room of what was set aside, and
// says so. And a journal of an earlier firmware, whose records are all good, goes on as it was.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { equal, toHex } from "../../../firmware/bytes.js";
import type { KeyHandle, Keys, KeyValueDomain } from "../../../firmware/ports.js";
import { Author, openSequence } from "../../../firmware/record/author.js";
import { digestOf, encodeSign1, verifySign1 } from "../../../firmware/record/cose.js";
import { Journal } from "../../../firmware/record/journal.js";
import { Outbox } from "../../../firmware/record/outbox.js";
import { Ownership } from "../../../firmware/record/ownership.js";
import { decodeRecord, namesFleet, type RecordFields } from "../../../firmware/record/record.js";
import { NorFlash } from "../../../host-sim/hardware/flash.js";
import { MemoryNvs } from "../../../host-sim/hardware/key-value.js";
import { fastEngine as engine } from "../../../tools/crypto/engine-fast.js";
import { FLEET, held, inputOf, write } from "./author-bench.js";
import { type TestKey, testKey } from "./signing.js";

const [OLD, NEW] = [testKey("the key that was lost"), testKey("the key after it")];
const OTHER_FLEET: RecordFields["fleet"] = { ...FLEET, registry: new Uint8Array(20).fill(0xee) };
const OTHER_CHAIN: RecordFields["fleet"] = { ...FLEET, chain: "eip155:1338" };

function keysOf(key: TestKey): Keys {
  const none = (): never => {
    throw new Error("not asked for here");
  };
  return {
    open: none,
    create: none,
    publicKey: () => key.publicKey,
    close: none,
    sign: (_: KeyHandle, digest) => key.sign(digest),
  };
}

function domainOf(nvs: MemoryNvs): KeyValueDomain {
  return {
    read: (key) => nvs.get("mote", key)?.buffer as ArrayBuffer | undefined,
    write: (key, value) => nvs.set("mote", key, new Uint8Array(value)),
    delete: (key) => nvs.delete("mote", key),
    close: () => undefined,
  };
}

function noSignature(): never {
  throw new Error("power is gone");
}

interface Life {
  readonly journal: Journal;
  readonly author: Author;
  readonly outbox: Outbox;
  /** What was passed over: code by seq. */
  readonly passed: Map<number, string>;
}

interface Who {
  readonly key?: TestKey;
  readonly fleet?: RecordFields["fleet"];
  readonly created?: boolean;
  /** The key does not sign. */
  readonly silent?: boolean;
}

/** A board's flash and its key-value store, over boots under changing keys and fleets. */
class Board {
  readonly flash: NorFlash;
  nvs = new MemoryNvs();
  constructor(sectors = 16) {
    this.flash = new NorFlash({ sectors });
  }
  boot({ key = OLD, fleet = FLEET, created = false, silent = false }: Who = {}): Life {
    const journal = held(Journal.mount(this.flash, { engine }));
    const store = domainOf(this.nvs);
    const sequence = held(openSequence(store, journal));
    const own = {
      engine,
      keys: silent ? keysOf({ ...key, sign: noSignature }) : keysOf(key),
      key: { slot: "device" },
      address: key.address,
      fleet,
      journal,
      sequence,
    };
    const ownership = new Ownership(own, created);
    const author = new Author(own, ownership);
    const passed = new Map<number, string>();
    const outbox = new Outbox({
      journal,
      encode: (payload, signature) => encodeSign1(key.address, payload, signature),
      digest: (payload) => digestOf(engine, key.address, payload),
      onLost: (seq, { code }) => passed.set(seq, code),
      foreign: (seq, kept) => ownership.foreign(seq, kept),
    });
    return { journal, author, outbox, passed };
  }
}

/** Sends all that goes out and checks each message as a collector of that fleet does; answers the seqs, all receipted. */
function deliver({ outbox }: Life, { key = OLD, fleet = FLEET }: Who = {}): number[] {
  const seqs: number[] = [];
  let idle = 0;
  while (idle < 2) {
    const out = outbox.next(0);
    if (out === undefined) {
      if (!outbox.more) idle += 1;
      continue;
    }
    const signed = held(verifySign1(engine, out.bytes));
    assert.ok(equal(signed.kid, key.address), `record ${out.seq} is of another key`);
    const record = held(decodeRecord(signed.payload));
    assert.equal([toHex(record.fleet.registry), record.fleet.chain], [toHex(fleet.registry), fleet.chain]);
    outbox.acknowledged(out.packetId);
    assert.ok(outbox.receipt(out.seq, signed.digest));
    seqs.push(out.seq);
  }
  return seqs;
}

async function records(life: Life, count: number): Promise<number[]> {
  const seqs: number[] = [];
  for (let i = 0; i < count; i += 1) seqs.push((await write(life.author, i)).seq);
  return seqs;
}

const fieldsOf = (journal: Journal, seq: number): RecordFields => held(decodeRecord(held(journal.read(seq)).payload));
const NOTHING = "00".repeat(32);

const changes: readonly (readonly [what: string, before: Who, after: Who, code: string, wipes: boolean])[] = [
  ["the key was lost with all counters, and a new one made", {}, { key: NEW, created: true }, "key-foreign", true],
  ["the key was lost with all counters; this is a later boot", {}, { key: NEW }, "key-foreign", true],
  ["the key alone was lost", {}, { key: NEW, created: true }, "key-foreign", false],
  ["the flash is another board's", {}, { key: NEW }, "key-foreign", false],
  ["the fleet has another registry", {}, { fleet: OTHER_FLEET }, "fleet-foreign", false],
  ["the fleet has another chain", { fleet: OTHER_CHAIN }, {}, "fleet-foreign", false],
  ["key and fleet are new", {}, { key: NEW, fleet: OTHER_FLEET, created: true }, "fleet-foreign", true],
];
for (const [what, before, after, code, wipes] of changes)
  test(`${what}: the old records are set aside, a new stream begins, and all that is new is delivered`, async () => {
    const board = new Board();
    const old = await records(board.boot(before), 20);
    if (wipes) board.nvs = new MemoryNvs();
    const life = board.boot(after);
    const [first, ...others] = await records(life, 5);
    assert.equal(deliver(life, after), [first, ...others]);
    assert.equal(
      [...life.passed],
      old.map((seq) => [seq, code]),
    );
    const { stream, prev } = fieldsOf(life.journal, first as number);
    assert.is(toHex(prev), NOTHING, "the first of the new stream follows nothing");
    assert.ok(stream > fieldsOf(life.journal, old[0] as number).stream);
    assert.is(life.journal.storedThrough, 0, "what was set aside is not called stored");
    assert.is(life.journal.passedThrough, others.at(-1));
    assert.is(life.journal.pendingCount, 0);
    assert.is(life.journal.passedCount, 25);
    for (const seq of old) assert.ok(held(life.journal.read(seq)).signature, "it is still there");

    life.journal.close();
    const again = board.boot({ ...after, created: false });
    const [next] = await records(again, 1);
    assert.is(fieldsOf(again.journal, next as number).stream, stream, "and goes on");
    assert.is(toHex(fieldsOf(again.journal, next as number).prev) === NOTHING, false);
    assert.ok(deliver(again, after).includes(next as number));
  });

test("records set aside fill neither the window nor the flash; what is overwritten of them is counted", async () => {
  const board = new Board(8);
  const before = board.boot();
  let old = 0;
  while (before.journal.freeRecords > 0) old = (await write(before.author, 1)).seq;
  board.nvs = new MemoryNvs();
  const life = board.boot({ key: NEW, created: true });
  deliver(life, { key: NEW });
  assert.is(life.passed.size, old);
  let overwritten = 0;
  for (let round = 0; round < 3 * old; round += 1) {
    await records(life, 1);
    assert.is(deliver(life, { key: NEW }).length, 1);
    overwritten += life.journal.takeOverwritten();
  }
  assert.ok(overwritten >= old, `${overwritten} of ${old} are said to be gone`);
  const reboot = board.boot({ key: NEW });
  const [next] = await records(reboot, 1);
  assert.ok(deliver(reboot, { key: NEW }).includes(next as number));
});

test("what waits for nobody any more is remembered over boots, and few of it are looked at again", async () => {
  const board = new Board();
  await records(board.boot(), 60);
  board.nvs = new MemoryNvs();
  const life = board.boot({ key: NEW, created: true });
  await records(life, 10);
  deliver(life, { key: NEW });
  for (const clean of [true, false]) {
    if (clean) life.journal.close();
    const again = board.boot({ key: NEW });
    assert.ok(again.journal.passedCount >= 60, `${again.journal.passedCount}`);
    const [next] = await records(again, 1);
    assert.ok(deliver(again, { key: NEW }).includes(next as number));
    assert.ok(again.passed.size <= 32, `${again.passed.size} looked at again`);
  }
});

/** Writes a record and loses power before it is signed. */
async function unsigned({ author }: Life): Promise<void> {
  try {
    await author.write(inputOf(1), 1);
  } catch {
    // the signer is gone, and with it the signature
  }
}

test("a payload that another key was to sign is never signed", async () => {
  for (const [created, wipes, older] of [
    [true, true, 3],
    [false, true, 3],
    [false, false, 3],
    [true, false, 3],
    [true, false, 0],
    [true, true, 0],
  ] as const) {
    const board = new Board();
    await records(board.boot(), older);
    const last = board.boot({ silent: true });
    await unsigned(last);
    assert.equal(last.journal.unsealed().length, 1);
    if (wipes) board.nvs = new MemoryNvs();
    const life = board.boot({ key: NEW, created });
    assert.is(await life.author.recover(), 0);
    assert.equal(life.journal.unsealed(), []);
    const made = await records(life, 2);
    assert.equal(deliver(life, { key: NEW }), made);
  }
});

test("a payload of our own that lost its signature to a power cut is signed, whatever became of the counters", async () => {
  for (const wipes of [true, false]) {
    const board = new Board();
    await records(board.boot(), 3);
    const last = board.boot({ silent: true });
    await unsigned(last);
    const [seq] = last.journal.unsealed();
    if (wipes) board.nvs = new MemoryNvs();
    const life = board.boot();
    assert.is(await life.author.recover(), 1);
    assert.ok(held(life.journal.read(seq as number)).signature);
  }
});

test("a key that comes back sends its own records, and those alone", async () => {
  const board = new Board();
  const kept = await records(board.boot(), 5);
  const nvs = board.nvs;
  board.nvs = new MemoryNvs();
  const between = await records(board.boot({ key: NEW, created: true }), 5);
  board.nvs = nvs;
  const life = board.boot();
  const made = await records(life, 3);
  assert.equal(deliver(life), [...kept, ...made]);
  assert.equal([...life.passed.keys()], between);
});

test("a journal of earlier boots, whose records are all ours, is sent whole; one signature is looked at", async () => {
  const board = new Board();
  const kept = await records(board.boot(), 30);
  let checks = 0;
  const counting = {
    ...engine,
    secp256k1: {
      ...engine.secp256k1,
      recover: (...args: Parameters<typeof engine.secp256k1.recover>) => {
        checks += 1;
        return engine.secp256k1.recover(...args);
      },
    },
  };
  const journal = held(Journal.mount(board.flash, { engine }));
  const store = domainOf(board.nvs);
  const sequence = held(openSequence(store, journal));
  const own = {
    engine: counting,
    keys: keysOf(OLD),
    key: { slot: "device" },
    address: OLD.address,
    fleet: FLEET,
    journal,
    sequence,
  };
  const ownership = new Ownership(own, false);
  new Author(own, ownership);
  for (const seq of kept) assert.is(ownership.foreign(seq, held(journal.read(seq))), undefined);
  assert.ok(checks >= 1 && checks <= 2, `${checks} recoveries`);
});

test("a payload's fleet is told without decoding it, whatever the length of chain and stream", async () => {
  const { encodeRecord } = await import("../../../firmware/record/record.js");
  const chains = ["eip155:1", "bip122:000000000019d6689c085ae165831e93", "cosmos:abcdefghijklmnop", "abc:defghijklmnopqrstuvw"];
  for (const chain of chains)
    for (const stream of [0, 23, 24, 255, 256, 65_535, 65_536, 4_294_967_295]) {
      const fleet = { registry: FLEET.registry, chain };
      const { time, timeQuality, head, measurements } = inputOf(1);
      const payload = encodeRecord({
        seq: 1,
        stream,
        prev: new Uint8Array(32),
        boot: 1,
        time,
        timeQuality,
        head,
        measurements,
        fleet,
      });
      assert.ok(namesFleet(payload, stream, fleet));
      assert.not.ok(namesFleet(payload, stream, { ...fleet, registry: OTHER_FLEET.registry }));
      assert.not.ok(namesFleet(payload, stream, { ...fleet, chain: `${chain}x` }));
      assert.not.ok(namesFleet(payload, stream, { ...fleet, chain: chain.slice(0, -1) }));
      for (const other of chains) if (other !== chain) assert.not.ok(namesFleet(payload, stream, { ...fleet, chain: other }));
    }
  assert.not.ok(namesFleet(new Uint8Array(10), 0, FLEET));
  const status = { status: 5, block: 42, hash: new Uint8Array(32) };
  const said = { stream: 7, seq: 1, prev: new Uint8Array(32), boot: 1, time: 0, timeQuality: 0 } as const;
  const stated = encodeRecord({ ...said, measurements: [], fleet: FLEET, status });
  assert.ok(namesFleet(stated, 7, FLEET));
  for (const other of [OTHER_FLEET, OTHER_CHAIN]) assert.not.ok(namesFleet(stated, 7, other));
});

test.run();
