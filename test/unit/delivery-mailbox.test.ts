// What waits in the mote's mailboxes is bounded: what comes in one go beyond that is dropped, and asked for again.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { Delivery } from "../../firmware/delivery.js";
import { topicsOf } from "../../firmware/link/wire.js";
import type { Device } from "../../firmware/ports.js";
import { Journal } from "../../firmware/record/journal.js";
import { Ownership } from "../../firmware/record/ownership.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { Sequence } from "../../firmware/record/sequence.js";
import { RefusalLog } from "../../firmware/refusal-log.js";
import { Rejection } from "../../firmware/rejection.js";
import { createBoard } from "../../host-sim/device.js";
import { NorFlash } from "../../host-sim/hardware/flash.js";
import { HandClock, LogBook } from "./hand-clock.js";
import { Scripted } from "./link/scripted-client.js";
import { signed, testKey } from "./record/signing.js";

const MOTE = testKey("a mote");
const COLLECTOR = testKey("the collector");
const OTHER = testKey("somebody else");
/** As delivery.ts has it. */
const RECEIPTS_WAITING_MAX = 32;

function sure<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw new Error(String(value));
  return value;
}

test("receipts that come in one go: as many as wait at most are looked at, the others are dropped", () => {
  Scripted.made = [];
  const clock = new HandClock(500);
  const log = new LogBook();
  const looked: string[] = [];
  class Counting extends RefusalLog {
    override write(what: string, rejection: Rejection): void {
      looked.push(`${what}: ${rejection.code}`);
    }
  }
  const { address } = MOTE;
  const topics = topicsOf("", address, "eip155:1");
  const journal = sure(Journal.mount(new NorFlash({ sectors: 4 }), { engine: nobleEngine }));
  const board = createBoard();
  const store = board.device.store.open({ path: "mote", format: "buffer" });
  const fleet = { registry: address, chain: "eip155:1" };
  const own = { engine: nobleEngine, address, fleet, journal, sequence: sure(Sequence.open(store, undefined)) };
  const device = { ...board.device, clock, log, network: { mqtt: { io: Scripted } } } as unknown as Device;
  const delivery = new Delivery({
    ...{ device, engine: nobleEngine, own: address, topics, journal, ownership: new Ownership(own, false) },
    mqtt: { host: "broker", port: 1883, prefix: "", keepAliveMs: 30_000 },
    collector: COLLECTOR.address,
    refusals: new Counting(clock, log),
    onHead: () => undefined,
    onReply: () => undefined,
    onLatest: () => undefined,
    onChanged: () => undefined,
    onWake: () => undefined,
  });
  delivery.step();
  const client = Scripted.made[0] as Scripted;
  client.accept([1, 1, 1, 1]);
  assert.ok(delivery.up);
  const foreign = signed(OTHER, encodeReceipt({ seq: 1, stream: 0, digest: new Uint8Array(32), mote: address }));
  for (const count of [1, RECEIPTS_WAITING_MAX, RECEIPTS_WAITING_MAX + 1, 500]) {
    looked.length = 0;
    for (let i = 0; i < count; i += 1) client.message(topics.receipts, foreign);
    delivery.step();
    assert.is(looked.length, Math.min(count, RECEIPTS_WAITING_MAX), `of ${count}`);
    assert.ok(looked.every((line) => line === "receipt: receipt-foreign"));
    delivery.step();
    assert.is(looked.length, Math.min(count, RECEIPTS_WAITING_MAX), "nothing is left of them");
  }
  delivery.close();
  board.close();
});

test.run();
