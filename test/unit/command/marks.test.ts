// Counters and intents in the key-value store: what is kept, what is refused, whom a full store forgets, and stores that fail.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { COMMANDERS_MAX, type Intent, Marks } from "../../../firmware/command/marks.js";
import type { ByteBuffer, KeyValueDomain } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";

class Store implements KeyValueDomain {
  value: Uint8Array | undefined;
  failing: "" | "refuses" | "throws after" | "tears" | "refuses reads" = "";
  read(): ArrayBuffer | undefined {
    if (this.failing === "refuses reads") throw new Error("ESP_ERR_FLASH_OP_FAIL");
    return this.value?.slice().buffer as ArrayBuffer | undefined;
  }
  write(_key: string, value: ByteBuffer): void {
    if (this.failing === "refuses") throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
    this.value = new Uint8Array(value).slice();
    if (this.failing === "tears") this.value[3] = (this.value[3] as number) ^ 1;
    if (this.failing === "throws after") throw new Error("ESP_ERR_FLASH_OP_FAIL");
  }
  delete(): void {
    throw new Error("marks delete nothing");
  }
  close(): void {}
}

const who = (i: number): Uint8Array => new Uint8Array(20).fill(i);
const RECOVERY = who(0xee);
const intent = (commander: Uint8Array, counter: number): Intent => ({
  ...{ commander, counter, skipped: 0, action: 1, seq: 7 },
  hash: new Uint8Array(32).fill(9),
});

function open(store: Store, recovery: Uint8Array | undefined = RECOVERY): Marks {
  const marks = Marks.open(store, recovery);
  if (marks instanceof Rejection) throw new Error(marks.toString());
  return marks;
}

/** Begins and ends one command. */
function one(marks: Marks, commander: Uint8Array, counter: number, expiryBlock = 100, settled = 0): Rejection | undefined {
  const refused = marks.begin(intent(commander, counter), expiryBlock, settled);
  return refused ?? marks.end();
}

test("a counter and its intent are one value, and are there after a restart", () => {
  const store = new Store();
  const marks = open(store);
  assert.is(marks.counterOf(who(1)), undefined);
  assert.is(marks.begin(intent(who(1), 5), 100, 0), undefined);
  const again = open(store);
  assert.equal(again.intent, intent(who(1), 5));
  assert.is(again.counterOf(who(1)), 5);
  assert.is(again.end(), undefined);
  assert.is(open(store).intent, undefined);
  assert.is(open(store).counterOf(who(1)), 5);
});

test("a counter at or below the one that is kept, and a second command under way, are our own mistakes", () => {
  const marks = open(new Store());
  one(marks, who(1), 5);
  assert.throws(() => marks.begin(intent(who(1), 5), 100, 0), /rises/);
  marks.begin(intent(who(1), 6), 100, 0);
  assert.throws(() => marks.begin(intent(who(2), 1), 100, 0), /no command under way/);
});

test("so many commanders are remembered; a new one takes the place of one none of whose commands is good any more, or waits", () => {
  const store = new Store();
  const marks = open(store);
  for (let i = 1; i <= COMMANDERS_MAX; i += 1) assert.is(one(marks, who(i), i, 100 + i), undefined);
  assert.is((one(marks, who(99), 1, 200, 100) as Rejection).code, "commanders-full");
  assert.is(marks.counterOf(who(1)), 1, "nobody was forgotten for it");
  // There is always room for the recovery key, and nobody takes its place.
  assert.is(one(marks, RECOVERY, 1, 10), undefined);
  assert.is(one(marks, who(99), 1, 200, 101), undefined);
  assert.is(marks.counterOf(who(1)), undefined);
  assert.is(marks.counterOf(RECOVERY), 1);
  assert.is(marks.counterOf(who(2)), 2);
  assert.is(open(store).counterOf(who(99)), 1);
});

test("the block from which on a commander may be forgotten is that of its latest command", () => {
  const marks = open(new Store());
  for (let i = 1; i <= COMMANDERS_MAX; i += 1) one(marks, who(i), 1, 100);
  one(marks, who(1), 2, 50);
  assert.is((one(marks, who(99), 1, 200, 99) as Rejection).code, "commanders-full");
  assert.is(one(marks, who(99), 1, 200, 100), undefined);
});

test("a store that refuses leaves what was there; one that throws after it has kept has kept", () => {
  const store = new Store();
  const marks = open(store);
  one(marks, who(1), 1);
  store.failing = "refuses";
  assert.is((marks.begin(intent(who(1), 2), 100, 0) as Rejection).code, "command-not-stored");
  assert.is(marks.counterOf(who(1)), 1);
  assert.is(marks.intent, undefined);
  store.failing = "throws after";
  assert.is(marks.begin(intent(who(1), 2), 100, 0), undefined);
  assert.is(marks.counterOf(who(1)), 2);
});

test("a store that gives back neither the old nor the new ends all commands until a restart finds what it holds", () => {
  const store = new Store();
  const marks = open(store);
  one(marks, who(1), 1);
  const before = store.value;
  store.failing = "tears";
  assert.is((marks.begin(intent(who(1), 2), 100, 0) as Rejection).code, "command-store-lost");
  store.failing = "";
  assert.is((marks.begin(intent(who(1), 2), 100, 0) as Rejection).code, "command-store-lost");
  assert.is((Marks.open(store, RECOVERY) as Rejection).code, "command-malformed");
  store.value = before;
  assert.is(open(store).counterOf(who(1)), 1);
});

test("what is no state of ours is not taken for one, byte by byte; a store that cannot be read is no empty one", () => {
  const store = new Store();
  one(open(store), who(1), 1);
  const value = store.value as Uint8Array;
  for (let at = 0; at < value.length; at += 1) {
    store.value = value.map((byte, i) => (i === at ? byte ^ 0x10 : byte));
    assert.is((Marks.open(store, RECOVERY) as Rejection).code, "command-malformed", `byte ${at}`);
  }
  for (const length of [0, 1, 5, value.length - 1]) {
    store.value = value.slice(0, length);
    assert.is((Marks.open(store, RECOVERY) as Rejection).code, "command-malformed", `${length} bytes`);
  }
  store.value = value;
  store.failing = "refuses reads";
  assert.is((Marks.open(store, RECOVERY) as Rejection).code, "command-store-lost");
});

test.run();
