// The serial ports of a simulated board as their parts have them: what a UART loses and USB makes wait, what the SDK's class refuses, and one
// cable that is at one port.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Board } from "../../../host-sim/hardware/board.js";
import { memoryStorage } from "../../../host-sim/hardware/storage.js";
import { serialFor } from "../../../host-sim/modules/serial.js";
import { serialLinkFor } from "../../../host-sim/modules/serial-link.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";

function boardOf(kind: string) {
  const clock = new VirtualClock();
  const board = new Board({ storage: memoryStorage(), board: kind, clock });
  const out: number[] = [];
  board.cable.plug({ write: (bytes) => void out.push(...bytes) });
  return { board, clock, out, Serial: serialFor(() => board), usb: serialLinkFor(() => board) };
}

const counted = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => i & 0xff);
const UART = { transmit: 1, receive: 3, baud: 115_200, port: 0, format: "buffer" };

test("a UART keeps 128 bytes, tells that there is something, and loses the rest", async () => {
  const { board, clock, Serial } = boardOf("esp32");
  let told = 0;
  const onReadable = (): void => {
    told += 1;
  };
  const serial = new Serial({ ...UART, onReadable });
  board.cable.receive(counted(200));
  assert.is(told, 0, "as a message to the machine");
  await clock.advance(1);
  assert.is(told, 1);
  assert.equal(new Uint8Array(serial.read() as ArrayBuffer), counted(128));
  assert.is(serial.read(), undefined);
});

test("what has no room is refused, whole; a closed one is no serial port any more", () => {
  const { out, Serial } = boardOf("esp32");
  const serial = new Serial(UART);
  assert.throws(() => serial.write(counted(129)), /output full/);
  serial.write(counted(128));
  assert.equal(Uint8Array.from(out), counted(128));
  serial.close();
  assert.throws(() => serial.read(), /invalid host object/);
  for (const wrong of [{ baud: 0 }, { port: 1 }, { format: "number" }]) assert.throws(() => new Serial({ ...UART, ...wrong }));
  assert.throws(() => new Serial({ baud: 9600 }), /invalid/);
});

test("USB keeps all, in order, a part at a time", () => {
  const { board, usb } = boardOf("esp32c3");
  usb.open();
  board.cable.receive(counted(1_000));
  const got: number[] = [];
  for (let bytes = usb.read(256); bytes !== undefined; bytes = usb.read(1_000)) {
    assert.ok(bytes.byteLength <= 256);
    got.push(...new Uint8Array(bytes));
  }
  assert.equal(Uint8Array.from(got), counted(1_000));
  assert.throws(() => usb.write(counted(129)), /at most 128/);
});

test("the cable is at the chip's own USB port where there is one, and nowhere else", () => {
  const c3 = boardOf("esp32c3");
  const uart = new c3.Serial(UART);
  c3.usb.open();
  uart.write(counted(5));
  assert.equal(c3.out, []);
  c3.usb.write(counted(3));
  assert.equal(c3.out, [0, 1, 2]);
  assert.throws(() => boardOf("esp32").usb.open(), /no USB port of its own/);
  c3.board.cable.plug(undefined);
  assert.is(c3.usb.write(counted(3)), true, "a cable that is out takes whatever is written");
});

test.run();
