// One serial port of an open board: a command that comes twice is done once, a message goes out whole or waits.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeFrame } from "../../../firmware/provision/frames.js";
import * as session from "../../../firmware/provision/session.js";
import { configuration, ProvisionBench, uint32 } from "./board.js";

test("a command that comes again is answered again, and done once", async () => {
  const bench = new ProvisionBench();
  const board = bench.boot();
  await board.send(configuration());
  const answers = [];
  for (let i = 0; i < 3; i += 1) answers.push(await board.ask(session.COMMAND_COMMIT, "", 200));
  assert.equal(answers, Array(3).fill({ state: "trying" }));
  const parts = new ProvisionBench().boot();
  await parts.ask(session.COMMAND_BEGIN, uint32(6));
  const part = Uint8Array.from([...uint32(0), 0x7b, 0x7d]);
  for (let i = 0; i < 3; i += 1) assert.equal(await parts.ask(session.COMMAND_PART, part, 201), { received: 2 });
  assert.is((await parts.ask(session.COMMAND_PART, part, 202)).code, "part-missing", "with another number it is another");
});

test("a message that the port has no room for waits, and comes whole", async () => {
  const board = new ProvisionBench().boot();
  board.room = 20;
  board.give(encodeFrame({ kind: session.COMMAND_HELLO, number: 1, payload: new Uint8Array(0) }));
  await board.pass(500);
  assert.is(board.frames.length, 0);
  board.room = 1_000;
  await board.pass(100);
  assert.is(board.frames.length, 1);
});

test("while one command is done another is passed over, and it comes when it comes again", async () => {
  const board = new ProvisionBench().boot();
  const frame = (kind: number, number: number) => encodeFrame({ kind, number, payload: new Uint8Array(0) });
  board.give(Uint8Array.from([...frame(session.COMMAND_HELLO, 1), ...frame(session.COMMAND_HELLO, 2)]));
  await board.pass(200);
  assert.equal(
    board.frames.map(({ number }) => number),
    [1],
  );
  board.give(frame(session.COMMAND_HELLO, 2));
  await board.pass(200);
  assert.equal(
    board.frames.map(({ number }) => number),
    [1, 2],
  );
});

test("an answer is no command, and a port that takes nothing keeps a few messages and no more", async () => {
  const board = new ProvisionBench().boot();
  board.give(encodeFrame({ kind: session.COMMAND_HELLO | session.ANSWER_BIT, number: 1, payload: new Uint8Array(0) }));
  board.room = 0;
  for (let number = 0; number < 50; number += 1) {
    board.give(encodeFrame({ kind: session.COMMAND_HELLO, number, payload: new Uint8Array(0) }));
    await board.pass(100);
  }
  board.room = 100_000;
  await board.pass(200);
  const numbers = board.frames.map(({ number }) => number);
  assert.ok(numbers.length <= 6 && numbers.at(-1) === 49, `${numbers}`);
});

test.run();
