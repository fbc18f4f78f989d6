// Frames on a line that carries the log as well: each comes back whole from between whatever text, and what is damaged comes not at all.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeFrame, FRAME_BYTES_MAX, type Frame, FrameReader, PAYLOAD_BYTES_MAX } from "../../../firmware/provision/frames.js";

const byte = fc.integer({ min: 0, max: 255 });
const payload = fc.uint8Array({ maxLength: PAYLOAD_BYTES_MAX });
const frame: fc.Arbitrary<Frame> = fc.record({ kind: byte, number: byte, payload }, { noNullPrototype: true });
const text = fc
  .string({ unit: "grapheme", maxLength: 60 })
  .map((line) => new TextEncoder().encode(`${line.replaceAll("\0", "")}\n`));

function framesIn(parts: readonly Uint8Array[], reader = new FrameReader()): Frame[] {
  const found: Frame[] = [];
  for (const part of parts)
    for (const byte of part) {
      const one = reader.take(byte);
      if (one !== undefined) found.push(one);
    }
  return found;
}

test("frames between lines of a log come back, all of them, in order", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(text, frame), { maxLength: 6 }), (parts) => {
      const line = parts.flatMap(([before, one]) => [before, encodeFrame(one)]);
      assert.equal(
        framesIn(line),
        parts.map(([, one]) => one),
      );
    }),
  );
});

test("a frame has one zero at each end and none within, and fits a UART's buffer", () => {
  fc.assert(
    fc.property(frame, (one) => {
      const wire = encodeFrame(one);
      assert.ok(wire.length <= FRAME_BYTES_MAX && wire[0] === 0 && wire.at(-1) === 0);
      assert.not(wire.subarray(1, -1).includes(0));
    }),
  );
  assert.is(encodeFrame({ kind: 1, number: 2, payload: new Uint8Array(PAYLOAD_BYTES_MAX) }).length, FRAME_BYTES_MAX);
});

test("one changed byte, one lost byte or a line within leaves nothing of a frame, and the next one comes", () => {
  fc.assert(
    fc.property(frame, frame, fc.nat(), fc.integer({ min: 1, max: 255 }), (first, second, at, by) => {
      const wire = encodeFrame(first);
      const place = 1 + (at % (wire.length - 2));
      const changed = wire.slice();
      changed[place] = (changed[place] as number) ^ by;
      const lost = Uint8Array.from([...wire.subarray(0, place), ...wire.subarray(place + 1)]);
      const within = Uint8Array.from([...wire.subarray(0, place), 0x68, 0x0a, ...wire.subarray(place)]);
      for (const damaged of [changed, lost, within]) assert.equal(framesIn([damaged, encodeFrame(second)]), [second]);
    }),
  );
});

test("random bytes are no frame, and what is longer than one is passed over", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 1000 }), (bytes) => assert.equal(framesIn([bytes, Uint8Array.of(0)]), [])));
  const one = { kind: 1, number: 1, payload: Uint8Array.of(7) };
  assert.equal(framesIn([new Uint8Array(100_000).fill(0x41), encodeFrame(one)]), [one]);
});

test("a whole frame with more behind it is none", () => {
  const wire = encodeFrame({ kind: 1, number: 1, payload: new Uint8Array(PAYLOAD_BYTES_MAX).fill(7) });
  for (const more of [[1], [1, 1, 1], [5, 5, 5, 5, 5, 5]])
    assert.equal(framesIn([Uint8Array.from([...wire.subarray(0, -1), ...more, 0])]), []);
});

test("another version is none", () => {
  const wire = encodeFrame({ kind: 1, number: 1, payload: new Uint8Array(0) });
  const other = wire.slice();
  other[2] = 2;
  assert.equal(framesIn([other]), []);
});

test.run();
