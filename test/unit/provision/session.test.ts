// What a person's machine may ask of an open board: each command, each command again, out of turn, malformed and damaged; hostile frames; and
// Improv beside it. Nothing that was sent is ever said back.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DOCUMENT_BYTES_MAX } from "../../../firmware/provision/document.js";
import { encodeFrame, PAYLOAD_BYTES_MAX } from "../../../firmware/provision/frames.js";
import { improvError, improvState } from "../../../firmware/provision/improv.js";
import * as session from "../../../firmware/provision/session.js";
import { decodeSign1, verifySign1 } from "../../../firmware/record/cose.js";
import { decodeEnrolment } from "../../../firmware/record/enrolment.js";
import { Rejection } from "../../../firmware/rejection.js";
import { FIRMWARE_VERSION } from "../../../firmware/start/told.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { type BootedBoard, configuration, ProvisionBench, uint32 } from "./board.js";

/** The board's key, once its radio is on. */
async function keyOf(board: BootedBoard): Promise<string> {
  for (let i = 0; i < 40; i += 1) {
    const { address, code } = await board.ask(session.COMMAND_KEY);
    if (address !== undefined) return String(address);
    assert.is(code, "key-not-yet");
    await board.pass(500);
  }
  throw new Error("no key");
}

const ENROLMENT = JSON.stringify({ enroller: `0x${"e1".repeat(20)}`, counter: 7, expiryBlock: 900 });

test("the version that it says is this one's", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  assert.is(FIRMWARE_VERSION, version);
});

test("hello says what the board is, and nothing of what it keeps", async () => {
  const board = new ProvisionBench().boot();
  assert.equal(await board.ask(session.COMMAND_HELLO), {
    ...{ protocol: 1, firmware: FIRMWARE_VERSION, board: "esp32c3", configured: false, wifi: false },
    documentBytesMax: DOCUMENT_BYTES_MAX,
  });
});

test("the key is made on the board, once, and its address is the same at each question", async () => {
  const board = new ProvisionBench().boot();
  const address = await keyOf(board);
  assert.is(await keyOf(board), address);
  assert.is((await board.ask(session.COMMAND_HELLO)).address, address);
  assert.equal(
    board.log.of("key").map(({ created }) => created),
    [true],
  );
});

test("an enrolment is of the configuration that was checked, and of no other", async () => {
  const board = new ProvisionBench().boot();
  const address = await keyOf(board);
  assert.is((await board.ask(session.COMMAND_ENROLMENT, ENROLMENT)).code, "nothing-checked");
  await board.send(configuration());
  const { enrolment } = await board.ask(session.COMMAND_ENROLMENT, ENROLMENT);
  const message = new Uint8Array(Buffer.from(String(enrolment), "hex"));
  assert.not(verifySign1(fastEngine, message) instanceof Rejection);
  const signed = decodeSign1(message);
  if (signed instanceof Rejection) throw new Error(String(signed));
  assert.is(`0x${Buffer.from(signed.kid).toString("hex")}`, address.toLowerCase());
  const fields = decodeEnrolment(signed.payload);
  if (fields instanceof Rejection) throw new Error(String(fields));
  assert.equal([fields.counter, fields.expiryBlock, fields.fleet.chain], [7, 900, "eip155:1337"]);
  for (const asked of ["", "{}", '{"enroller":5,"expiryBlock":9}', ENROLMENT.replace("7", "0"), ENROLMENT.replace("900", "-1")])
    assert.ok((await board.ask(session.COMMAND_ENROLMENT, asked)).code, asked);
});

test("what is committed is what was checked; the board ends, and nothing was written before", async () => {
  const bench = new ProvisionBench();
  const board = bench.boot();
  assert.is((await board.ask(session.COMMAND_COMMIT)).code, "nothing-checked");
  assert.equal(await board.send(configuration()), { chain: "eip155:1337", keepsWifi: false });
  assert.is(bench.storage.nvs.get("config", "state"), undefined);
  assert.equal(await board.ask(session.COMMAND_COMMIT), { state: "trying" });
  await board.pass(1_000);
  assert.equal([board.restarts, board.portsOpen], [1, 0]);
  assert.is(bench.boot().configs[0]?.mqtt.host, "broker.lab");
});

test("parts that are missing, too many, out of turn or damaged", async () => {
  const board = new ProvisionBench().boot();
  const code = async (...words: Parameters<BootedBoard["ask"]>): Promise<unknown> => (await board.ask(...words)).code;
  assert.is(await code(session.COMMAND_PART, Uint8Array.from([...uint32(0), 1])), "part-missing");
  assert.is(await code(session.COMMAND_CHECK, uint32(0)), "part-missing");
  for (const bytes of [0, 1, DOCUMENT_BYTES_MAX + 1, 0xffffffff])
    assert.is(await code(session.COMMAND_BEGIN, uint32(bytes)), "document-too-long");
  assert.is(await code(session.COMMAND_BEGIN, Uint8Array.of(1)), "command-malformed");
  await board.ask(session.COMMAND_BEGIN, uint32(4));
  assert.is(await code(session.COMMAND_PART, Uint8Array.from([...uint32(2), 1])), "part-missing");
  assert.is(await code(session.COMMAND_PART, Uint8Array.from([...uint32(0), 1, 2, 3, 4, 5])), "part-missing");
  assert.is(await code(session.COMMAND_PART, uint32(0)), "command-malformed");
  assert.is(await code(session.COMMAND_CHECK, uint32(0)), "part-missing");
  await board.ask(session.COMMAND_PART, Uint8Array.from([...uint32(0), 0x7b, 0x20, 0x20, 0x7d]));
  assert.is(await code(session.COMMAND_CHECK, uint32(1)), "document-damaged");
  assert.is(await code(99), "command-unknown");
  assert.is(await code(session.COMMAND_RESET, "erase"), "command-malformed");
  assert.is(board.restarts, 0);
});

test("what does not hold is refused as config.ts refuses it, and a kept Wi-Fi stays where the new one has none", async () => {
  const bench = new ProvisionBench();
  const board = bench.boot();
  for (const [document, said] of [
    [configuration({ collector: "secret word" }), /^collector: /],
    [configuration({ wifi: { ssid: "lab", password: 5 } }), /^wifi\.password: /],
    [configuration({ checkpoint: { consensus: "secret" } }), /^consensus: /],
    [{ wifi: { ssid: "lab" } }, /^ntp: |^mqtt: /],
    [configuration({ fleet: { registry: `0x${"f1".repeat(20)}`, chain: "eip155:1" } }), /^the checkpoint is of eip155:1337/],
  ] as const) {
    const { code, detail } = await board.send(document);
    assert.ok(code);
    assert.match(String(detail), said);
    assert.not.match(String(detail), /secret word/);
  }
  const { wifi, ...rest } = configuration();
  await board.send(configuration());
  await board.ask(session.COMMAND_COMMIT);
  await board.pass(1_000);
  const trial = bench.boot();
  trial.moteLog?.write("link", { state: "up" });
  trial.cut();
  const held = bench.boot();
  held.pressed = true;
  await held.pass(6_000);
  const open = bench.boot();
  assert.equal(await open.send(rest), { chain: "eip155:1337", keepsWifi: true });
  await open.ask(session.COMMAND_COMMIT);
  await open.pass(1_000);
  assert.equal(bench.boot().configs[0]?.wifi, wifi);
});

const bytesOf = (data: readonly number[]): Uint8Array => {
  const line = [...new TextEncoder().encode("IMPROV"), 1, 3, data.length, ...data];
  return Uint8Array.from([...line, line.reduce((sum, byte) => sum + byte, 0) & 0xff, 10]);
};
const wifiCall = (ssid: string, password: string): Uint8Array => {
  const data = [ssid.length, ...Buffer.from(ssid), password.length, ...Buffer.from(password)];
  return bytesOf([1, data.length, ...data]);
};
const has = (board: BootedBoard, message: Uint8Array): boolean => Buffer.from(board.written).includes(Buffer.from(message));
const written = (board: BootedBoard): string => Buffer.from(board.written).toString("latin1");

test("Wi-Fi that Improv brings is joined before it is kept", async () => {
  const bench = new ProvisionBench();
  const { wifi, ...image } = configuration();
  bench.image = image;
  const board = bench.boot();
  board.give(wifiCall("lab", "secret wrong"));
  await board.pass(10_000);
  assert.ok(has(board, improvState(3)), "provisioning");
  assert.ok(has(board, improvError(3)), "unable to connect");
  assert.is(bench.storage.nvs.get("config", "a"), undefined);
  board.give(wifiCall("lab", "secret word"));
  await board.pass(20_000);
  assert.ok(has(board, improvState(4)), "provisioned");
  assert.equal([board.restarts, board.states().at(-1)], [1, "kept"]);
  const next = bench.boot();
  assert.equal([next.configs[0]?.wifi, next.portsOpen], [wifi, 0]);
  assert.not.match(written(board) + JSON.stringify(board.log.lines), /secret/);
});

test("a blank board that Improv gave its Wi-Fi still waits for the rest", async () => {
  const bench = new ProvisionBench();
  const board = bench.boot();
  board.give(wifiCall("lab", "secret word"));
  await board.pass(20_000);
  assert.is(board.restarts, 0);
  board.cut();
  const next = bench.boot();
  const { wifi, ...rest } = configuration();
  assert.equal([next.portsOpen, (await next.ask(session.COMMAND_HELLO)).wifi], [1, true]);
  assert.equal(await next.send(rest), { chain: "eip155:1337", keepsWifi: true });
  assert.is((wifi as { ssid: string }).ssid, "lab");
});

test("hostile frames and bytes: each is answered or passed over, the board goes on, nothing is kept and nothing is said back", async () => {
  const bench = new ProvisionBench();
  const board = bench.boot();
  await keyOf(board);
  const kind = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(1, 3, 4, 5, 6, 9));
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: PAYLOAD_BYTES_MAX }),
    fc
      .tuple(fc.integer({ min: 0, max: 300 }), fc.uint8Array({ maxLength: 90 }))
      .map(([at, bytes]) => Uint8Array.from([...uint32(at), ...bytes])),
    fc.json({ maxDepth: 3 }).map((text) => new TextEncoder().encode(text).slice(0, PAYLOAD_BYTES_MAX)),
  );
  const frame = fc
    .tuple(kind, fc.integer({ min: 0, max: 255 }), payload)
    .filter(([kind]) => kind !== session.COMMAND_COMMIT && kind !== session.COMMAND_RESET)
    .map(([kind, number, payload]) => encodeFrame({ kind, number, payload }));
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 100 }).map((data) => bytesOf([...data])),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(frame, noise), { maxLength: 12 }), async (parts) => {
      for (const part of parts) board.give(part);
      await board.pass(100);
    }),
    { numRuns: 150 },
  );
  board.give(Uint8Array.of(0));
  assert.equal([board.restarts, board.portsOpen], [0, 1]);
  assert.is((await board.ask(session.COMMAND_HELLO)).board, "esp32c3");
  assert.is(bench.storage.nvs.get("config", "state"), undefined);
});

test.run();
