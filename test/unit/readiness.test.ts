// When a mote may sign after a boot: what it waits for, and for how long at the most.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { HEAD_WAIT_MS, LATEST_WAIT_MS, LINK_WAIT_MS, Readiness } from "../../firmware/readiness.js";

const BOOT_MS = 1000;
const UP_MS = 4000;

function up(): Readiness {
  const readiness = new Readiness(BOOT_MS);
  readiness.linkChanged(true, UP_MS);
  return readiness;
}

test("without a link it waits a while, and then goes on alone", () => {
  const readiness = new Readiness(BOOT_MS);
  assert.is(readiness.step(BOOT_MS, false), LINK_WAIT_MS);
  assert.not(readiness.ready);
  assert.is(readiness.step(BOOT_MS + LINK_WAIT_MS - 1, false), 1);
  readiness.step(BOOT_MS + LINK_WAIT_MS, false);
  assert.ok(readiness.ready);
});

test("with the newest record and the present head it is ready at once", () => {
  const readiness = up();
  readiness.latestSeen();
  readiness.headerSeen();
  assert.is(readiness.step(UP_MS, true), HEAD_WAIT_MS, "headers are still wanted");
  readiness.step(UP_MS + 1, false);
  assert.ok(readiness.ready);
});

test("each of the two is waited for, and neither for ever", () => {
  const noLatest = up();
  noLatest.headerSeen();
  assert.is(noLatest.step(UP_MS, false), LATEST_WAIT_MS);
  noLatest.step(UP_MS + LATEST_WAIT_MS, false);
  assert.ok(noLatest.ready);
  const noHead = up();
  noHead.latestSeen();
  noHead.step(UP_MS + HEAD_WAIT_MS - 1, true);
  assert.not(noHead.ready);
  noHead.step(UP_MS + HEAD_WAIT_MS, true);
  assert.ok(noHead.ready);
});

test("a link that goes down takes its time with it; what is ready stays so", () => {
  const readiness = up();
  readiness.linkChanged(false, UP_MS + 100);
  readiness.step(UP_MS + HEAD_WAIT_MS, false);
  assert.not(readiness.ready);
  readiness.step(BOOT_MS + LINK_WAIT_MS, false);
  assert.ok(readiness.ready);
  readiness.linkChanged(true, 100_000);
  assert.is(readiness.step(100_000, true), Number.POSITIVE_INFINITY);
  assert.ok(readiness.ready);
});

test.run();
