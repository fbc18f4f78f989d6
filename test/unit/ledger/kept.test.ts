// What is kept in the key-value store: reads that go wrong, writes that are not there, and stores that refuse.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { equal } from "../../../firmware/bytes.js";
import { readKept, writeKept } from "../../../firmware/ledger/kept.js";
import type { KeyValueDomain } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";

const GOOD = Uint8Array.of(1, 2, 3);
const BAD = Uint8Array.of(1, 2, 2);
type Read = Uint8Array | "absent" | "exception";

/** Answers these reads in turn, the last one for ever. */
function answering(...reads: readonly Read[]): KeyValueDomain & { count: number } {
  return {
    count: 0,
    read() {
      const read = reads[Math.min(this.count, reads.length - 1)] as Read;
      this.count += 1;
      if (read === "exception") throw new Error("ESP_FAIL");
      return read === "absent" ? undefined : (read.slice().buffer as ArrayBuffer);
    },
    write: () => undefined,
    delete: () => undefined,
    close: () => undefined,
  };
}
const holds = (value: Uint8Array): boolean => equal(value, GOOD);
const said = (...reads: readonly Read[]): unknown => {
  const found = readKept(answering(...reads), "key", holds);
  return found instanceof Rejection ? found.code : found;
};

test("one read that goes wrong, or two, is neither an absence nor a value", () => {
  for (const wrong of ["absent", "exception", BAD] as const) {
    assert.equal(said(wrong, GOOD), GOOD);
    assert.equal(said(wrong, wrong, GOOD), GOOD);
    assert.equal(said(wrong, "absent", GOOD), GOOD);
  }
  const store = answering(GOOD);
  readKept(store, "key", holds);
  assert.is(store.count, 1, "what holds is not read again");
});

test("what is not there, what does not hold and what cannot be read are told apart", () => {
  assert.is(said("absent"), undefined);
  assert.equal(said(BAD), BAD);
  assert.is(said("exception"), "store-unreadable");
  assert.is(said("exception", "absent"), "store-unreadable", "it may be there");
});

test("what counts of a write is what the store gives back", () => {
  const writing = (reads: readonly Read[], write: () => void = () => undefined): string | undefined =>
    writeKept({ ...answering(...reads), write }, "key", GOOD);
  const refuse = (): void => {
    throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
  };
  assert.is(writing([GOOD]), undefined);
  assert.is(writing([BAD, "exception", GOOD]), undefined);
  assert.is(writing([GOOD], refuse), undefined, "it is there, whatever was thrown");
  assert.match(String(writing([BAD], refuse)), /NOT_ENOUGH_SPACE/);
  assert.match(String(writing(["absent"])), /differently/);
});

test.run();
