// The mirror of the SDK's Wi-Fi class, in what the port does not promise: its quirks, and the order of its events.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Board } from "../../../host-sim/hardware/board.js";
import type { BoardAborted } from "../../../host-sim/hardware/power.js";
import type { RadioOptions } from "../../../host-sim/hardware/radio.js";
import { memoryStorage } from "../../../host-sim/hardware/storage.js";
import { wifiFor } from "../../../host-sim/modules/wifi.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";

function make(radio: RadioOptions = {}) {
  const clock = new VirtualClock();
  const reasons: BoardAborted[] = [];
  const board = new Board({
    clock,
    radio,
    storage: memoryStorage({ partitions: {} }),
    onAbort: (reason) => reasons.push(reason),
  });
  const heard: [string, number][] = [];
  const WiFi = wifiFor(() => board);
  const wifi = new WiFi({ onChanged: (property) => heard.push([property, wifi.connection]) });
  return { clock, board, reasons, heard, wifi, WiFi };
}

test("joined without an address, a second connect is taken, tells nothing, and leaves it connecting until disconnect", async () => {
  const { clock, wifi, heard, board } = make({ addressMs: Number.POSITIVE_INFINITY });
  wifi.connect({ SSID: "lab" });
  await clock.advance(500);
  assert.equal(heard, [["connection", 400]]);
  wifi.connect({ SSID: "lab" });
  for (let i = 0; i < 3; i += 1) {
    await clock.advance(60_000);
    assert.throws(() => wifi.connect({ SSID: "lab" }), /^already connecting$/);
  }
  assert.is(heard.length, 1);
  wifi.disconnect();
  await clock.advance(100);
  board.radio.addressMs = 10;
  wifi.connect({ SSID: "lab" });
  await clock.advance(500);
  assert.is(wifi.connection, 500);
});

test("the news of a disconnect comes after a connect that follows at once, and undoes its mark", async () => {
  const { clock, wifi, heard } = make();
  wifi.connect({ SSID: "lab" });
  await clock.advance(500);
  heard.length = 0;
  wifi.disconnect();
  wifi.connect({ SSID: "lab" });
  assert.is(wifi.connection, 300);
  await clock.advance(1);
  assert.equal(heard, [["connection", 200]]);
  await clock.advance(500);
  assert.is(wifi.connection, 500, "and the attempt goes on all the same");
});

test("the address is told only with both addresses, is there with the first, and its loss is not told", async () => {
  const { clock, wifi, heard, board } = make({ addressMs: 50, linkLocalMs: 1000 });
  wifi.connect({ SSID: "lab" });
  await clock.advance(500);
  assert.equal([wifi.connection, wifi.address], [400, "10.0.1.2"]);
  await clock.advance(1000);
  assert.equal(heard, [
    ["connection", 400],
    ["connection", 500],
    ["address", 500],
  ]);
  board.radio.loseAddress();
  await clock.advance(1000);
  assert.equal([heard.length, wifi.address], [3, "fe80::1"]);
});

test("limits are counted in bytes; an empty name, and an attempt while another instance's is under way, fail", () => {
  const { wifi, WiFi } = make();
  assert.throws(() => wifi.connect({ SSID: "ü".repeat(17) }), /cannot buffer string/);
  assert.throws(() => wifi.connect({ SSID: "lab", password: "ü".repeat(33) }), /cannot buffer string/);
  assert.throws(() => wifi.connect({ SSID: "lab", channel: 14 }), /invalid channel/);
  assert.throws(() => wifi.connect({ SSID: "" }), /connect failed/);
  assert.is(wifi.connection, 200);
  wifi.connect({ SSID: "lab" });
  assert.throws(() => new WiFi().connect({ SSID: "lab" }), /connect failed/);
});

test("an exception in its callback ends the board by name", async () => {
  const { clock, WiFi, reasons } = make();
  const wifi = new WiFi({
    onChanged() {
      throw new Error("nobody catches this");
    },
  });
  wifi.connect({ SSID: "lab" });
  await clock.advance(500);
  assert.equal(
    reasons.map(({ message }) => message),
    ["unhandled exception in a callback of Wi-Fi: nobody catches this"],
  );
});

test.run();
