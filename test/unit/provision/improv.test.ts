// Improv's packets, byte by byte as its page has them, and whatever else may come in their place.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  IMPROV_GET_INFO,
  IMPROV_INVALID,
  IMPROV_SET_WIFI,
  IMPROV_UNKNOWN,
  type ImprovCall,
  ImprovReader,
  improvError,
  improvResult,
  improvState,
} from "../../../firmware/provision/improv.js";

const encoder = new TextEncoder();

function packet(data: readonly number[], { type = 3, version = 1, length = data.length, sum = 0 } = {}): Uint8Array {
  const bytes = [...encoder.encode("IMPROV"), version, type, length, ...data];
  return Uint8Array.from([...bytes, (bytes.reduce((total, byte) => total + byte, 0) + sum) & 0xff, 10]);
}

function wifi(ssid: string, password: string): number[] {
  const [name, secret] = [encoder.encode(ssid), encoder.encode(password)];
  const data = [name.length, ...name, secret.length, ...secret];
  return [IMPROV_SET_WIFI, data.length, ...data];
}

function taken(...parts: readonly Uint8Array[]): (ImprovCall | number)[] {
  const reader = new ImprovReader();
  const found: (ImprovCall | number)[] = [];
  for (const part of parts)
    for (const byte of part) {
      const call = reader.take(byte);
      if (call !== undefined) found.push(call);
    }
  return found;
}

test("the calls of the protocol", () => {
  assert.equal(taken(packet(wifi("lab", "pass"))), [{ command: 1, wifi: { ssid: "lab", password: "pass" } }]);
  assert.equal(taken(packet(wifi("Café", ""))), [{ command: 1, wifi: { ssid: "Café" } }]);
  assert.equal(taken(packet([2, 0]), packet([3, 0])), [{ command: 2 }, { command: 3 }]);
  assert.equal(taken(packet(wifi("s".repeat(32), "p".repeat(64)))), [
    { command: 1, wifi: { ssid: "s".repeat(32), password: "p".repeat(64) } },
  ]);
});

test("the bytes of ours, as the page has them", () => {
  const line = (...bytes: number[]) => {
    const front = [...encoder.encode("IMPROV"), 1, ...bytes];
    return Uint8Array.from([10, ...front, front.reduce((total, byte) => total + byte, 0) & 0xff, 10]);
  };
  assert.equal(improvState(2), line(1, 1, 2));
  assert.equal(improvError(3), line(2, 1, 3));
  assert.equal(improvResult(IMPROV_GET_INFO, ["ab", ""]), line(4, 6, 3, 4, 2, 0x61, 0x62, 0));
});

test("a wrong checksum, lengths that do not meet, texts that are none and names that are too long are invalid", () => {
  const invalid = [
    packet([2, 0], { sum: 1 }),
    packet([2, 1]),
    packet([2]),
    packet([]),
    packet(wifi("", "x")),
    packet(wifi("s".repeat(33), "")),
    packet(wifi("s", "p".repeat(65))),
    packet([...wifi("a", "b"), 0]),
    packet([1, 3, 200, 1, 1]),
    packet([1, 3, 1, 0xff, 0]),
    packet([], { length: 255 }),
  ];
  for (const one of invalid) assert.equal(taken(one)[0], IMPROV_INVALID, `${one}`);
  for (const command of [4, 5, 6, 7, 255]) assert.equal(taken(packet([command, 0])), [IMPROV_UNKNOWN]);
});

test("another version, another type and what only begins like a packet are passed over, and the next one comes", () => {
  const next = packet([2, 0]);
  for (const bytes of [
    packet([2, 0], { version: 2 }),
    packet([2], { type: 1 }),
    encoder.encode("IMPROIMPRIIMPRO"),
    encoder.encode("III"),
  ])
    assert.equal(taken(bytes, next), [{ command: 2 }]);
});

test("whatever comes is answered by a call, an error or nothing, and nothing throws", () => {
  const head = encoder.encode("IMPROV\x01\x03");
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ maxLength: 120 }).map((data) => Uint8Array.from([...head, ...data])),
    fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 100 }).map((data) => packet(data)),
  );
  fc.assert(
    fc.property(fc.array(hostile, { maxLength: 5 }), (parts) => {
      for (const call of taken(...parts)) {
        if (typeof call === "number") continue;
        assert.ok(call.command >= 1 && call.command <= 3);
        if (call.command === 1) assert.ok(call.wifi !== undefined && call.wifi.ssid !== "");
      }
    }),
    { numRuns: 1000 },
  );
});

test.run();
