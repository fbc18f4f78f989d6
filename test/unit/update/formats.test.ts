// What an image finds that a newer one has written, before it came back: bytes of a made-up next version of every stored format,
// with checks that hold. What cannot be made again is refused by name and left as it is; what can be is passed over.
// docs/update.md, "Formats".

import { test } from "uvu";
import * as assert from "uvu/assert";
import { crc32, writeUint } from "../../../firmware/bytes.js";
import { Marks } from "../../../firmware/command/marks.js";
import { CallStore } from "../../../firmware/ledger/call-store.js";
import { Sequence } from "../../../firmware/record/sequence.js";
import { Rejection } from "../../../firmware/rejection.js";
import { type BoardStorage, memoryStorage } from "../../../host-sim/hardware/storage.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { MoteBench } from "../mote-bench.js";

const SECTOR_BYTES = 4096;
const JOURNAL_BYTES = 16 * SECTOR_BYTES;

/** A mote that has kept records, and a state of its chain. */
async function lived(): Promise<MoteBench> {
  const bench = new MoteBench({ storage: memoryStorage({ partitions: { journal: JOURNAL_BYTES } }) });
  const powered = await bench.boot();
  const [block] = bench.chain.grow(bench.chain.genesis, 1);
  powered.announce((block as { raw: Uint8Array }).raw);
  await powered.pass(700_000);
  powered.mote.close();
  await powered.pass(10);
  powered.cut();
  return bench;
}

/** Key of boot, stream and seq (record/sequence.ts). */
const COUNTERS = "sequence";

/** The value under a key with another version in its first byte, and a CRC-32 at its end that holds. */
function ofNext(value: Uint8Array): Uint8Array {
  const next = value.slice();
  next[0] = (next[0] as number) + 1;
  writeUint(next, crc32(next.subarray(0, -4)), next.length - 4, 4);
  return next;
}

function everything({ nvs, partitions }: BoardStorage): string {
  const values = [...nvs.sizes().keys()].sort().map((path) => {
    const [namespace, key] = path.split("/") as [string, string];
    return `${path} ${Buffer.from(nvs.get(namespace, key) as Uint8Array).toString("hex")}`;
  });
  return [...values, Buffer.from(partitions.journal?.dump() as Uint8Array).toString("base64")].join("\n");
}

function refusal(bench: MoteBench): Promise<string> {
  return bench.boot().then(
    () => "opened",
    (error: Error) => error.message,
  );
}

test("counters of the next version: the mote is not opened, and nothing is written", async () => {
  const bench = await lived();
  const { nvs } = bench.storage;
  nvs.set("mote", COUNTERS, ofNext(nvs.get("mote", COUNTERS) as Uint8Array));
  const before = everything(bench.storage);
  assert.match(await refusal(bench), /sequence-malformed/);
  assert.is(everything(bench.storage), before);
});

test("counters of version 1 are taken over in one write; a cut of the power before it or after it leaves them whole, and no number is used twice", () => {
  const value = new Uint8Array(17);
  value[0] = 1;
  writeUint(value, 4, 1, 4);
  writeUint(value, 2, 5, 4);
  writeUint(value, 65, 9, 4);
  writeUint(value, crc32(value.subarray(0, 13)), 13, 4);
  for (const cut of ["before", "after", "never"] as const) {
    let kept = value.slice();
    let on = true;
    const domain = {
      read: () => kept.slice().buffer as ArrayBuffer,
      write(_: string, bytes: Uint8Array | ArrayBuffer) {
        if (cut === "before" || !on) throw new Error("no power");
        kept = new Uint8Array(bytes).slice();
        on = cut !== "after";
      },
      delete: () => assert.unreachable("nothing is erased"),
      close: () => undefined,
    };
    const newest = { seq: 64, stream: 2, boot: 4 };
    const first = Sequence.open(domain, newest);
    if (first instanceof Rejection) throw new Error(first.detail);
    assert.equal([first.boot, first.stream, first.next, first.origin], [5, 2, 65, "continued"], cut);
    assert.equal([kept.length, kept[0]], cut === "before" ? [17, 1] : [21, 2], cut);
    on = true;
    const again = Sequence.open(domain, newest);
    if (again instanceof Rejection) throw new Error(again.detail);
    assert.equal([again.boot, again.stream, again.next], [cut === "before" ? 5 : 6, 2, 65], cut);
  }
});

test("the image before a newer one that keeps its numbers under a key of its own: it goes on, and gives none twice", async () => {
  const bench = new MoteBench({ storage: memoryStorage({ partitions: { journal: JOURNAL_BYTES } }) });
  const { nvs } = bench.storage;
  const numbers: string[] = [];
  const run = async (): Promise<void> => {
    const powered = await bench.boot();
    await powered.pass(60_000);
    for (const { stream, seq } of powered.of("record")) numbers.push(`${stream}/${seq}`);
    powered.cut();
  };
  await run();
  const before = nvs.get("mote", COUNTERS) as Uint8Array;
  await run();
  const { length } = numbers;
  // What the newer one has left under the older key.
  nvs.set("mote", COUNTERS, before);
  await run();
  assert.ok(length > 0 && numbers.length > length, `${length}, ${numbers.length}`);
  assert.is(new Set(numbers).size, numbers.length, numbers.join());
});

test("a journal of the next version: refused, and nothing erased", async () => {
  const bench = await lived();
  const journal = bench.storage.partitions.journal as NonNullable<BoardStorage["partitions"]["journal"]>;
  const header = new Uint8Array(journal.read(96, 0));
  header[4] = 2;
  header.set(fastEngine.sha256(header.subarray(0, 24)).subarray(0, 8), 24);
  const rest = new Uint8Array(journal.read(SECTOR_BYTES - 96, 96));
  journal.eraseBlock(0);
  journal.write(header, 0);
  journal.write(rest, 96);
  const before = everything(bench.storage);
  assert.match(await refusal(bench), /journal-version/);
  assert.is(everything(bench.storage), before);
});

test("a key that is another's form: not opened, not made anew", async () => {
  const bench = await lived();
  const { nvs } = bench.storage;
  const [path] = [...nvs.sizes().keys()].filter((path) => path.startsWith("keys/"));
  const slot = (path as string).slice("keys/".length);
  const next = Uint8Array.from([2, ...(nvs.get("keys", slot) as Uint8Array)]);
  nvs.set("keys", slot, next);
  const refused = await bench.boot().catch((error: Error) => error.message);
  assert.match(String(refused), /no connection was tried/);
  assert.equal(nvs.get("keys", slot), next);
});

test("commands, calls and numbers of the next version are refused by their own readers", () => {
  const next = new Uint8Array(64).fill(1);
  next[0] = 2;
  writeUint(next, crc32(next.subarray(0, -4)), 60, 4);
  const writes: string[] = [];
  const domain = {
    read: () => next.slice().buffer as ArrayBuffer,
    write: (key: string) => void writes.push(key),
    delete: (key: string) => void writes.push(key),
    close: () => undefined,
  };
  const code = (result: unknown): string => (result instanceof Rejection ? result.code : "taken");
  assert.equal(
    [Marks.open(domain, undefined), CallStore.open(domain, 1337, new Uint8Array(20)), Sequence.open(domain, undefined)].map(code),
    ["command-malformed", "call-malformed", "sequence-malformed"],
  );
  assert.equal(writes, []);
});

test("what a newer image keeps under keys of its own stays, while the older one runs, and so does what both know", async () => {
  const bench = await lived();
  const { nvs } = bench.storage;
  const mine = ["mote/state2", "mote/time2", "update/state2"];
  for (const path of mine) {
    const [namespace, key] = path.split("/") as [string, string];
    nvs.set(namespace, key, new Uint8Array(40).fill(9));
  }
  const powered = await bench.boot();
  await powered.pass(1_300_000);
  for (const path of mine) {
    const [namespace, key] = path.split("/") as [string, string];
    assert.equal(nvs.get(namespace, key), new Uint8Array(40).fill(9), path);
  }
  assert.is(powered.of("boot")[0]?.boot, 2);
});

test("what can be made again (the chain's state, the last time) is passed over in another version, and said", async () => {
  const bench = await lived();
  const { nvs } = bench.storage;
  let bent = 0;
  for (const path of nvs.sizes().keys()) {
    const key = path.slice("mote/".length);
    const value = nvs.get("mote", key);
    if (!path.startsWith("mote/") || value === undefined || key === COUNTERS) continue;
    nvs.set("mote", key, ofNext(value));
    bent += 1;
  }
  assert.ok(bent >= 2, `${bent} values`);
  const powered = await bench.boot();
  const said = powered.of("refused").map(({ what, code }) => `${what} ${code}`);
  assert.ok(said.includes("trusted state state-version"), `${said}`);
  assert.is(powered.of("boot")[0]?.boot, 2, "the counters go on");
  assert.is(powered.of("boot")[0]?.head, 0, "from the checkpoint");
});

test.run();
