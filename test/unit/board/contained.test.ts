// What the SDK's clients throw at datagrams: with their sockets as they are it ends the board, with ours it costs a datagram.

import { createSocket } from "node:dgram";
import type { AddressInfo } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { contain, contained, type DatagramClass } from "../../../firmware/board/contained.js";
import { Board } from "../../../host-sim/hardware/board.js";
import type { BoardAborted } from "../../../host-sim/hardware/power.js";
import { memoryStorage } from "../../../host-sim/hardware/storage.js";
import { resolverFor } from "../../../host-sim/modules/dns.js";
import { type NTPOptions, ntpFor } from "../../../host-sim/modules/ntp-client.js";
import { udpFor } from "../../../host-sim/modules/udp.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { pause } from "../../patience.js";
import { LogBook } from "../hand-clock.js";

/** A board that asks a time server, which answers `answer` to everything. */
async function asking(answer: Uint8Array, cover: boolean) {
  const server = createSocket("udp4");
  server.on("message", (_message, from) => server.send(answer, from.port, from.address));
  await new Promise<void>((resolve) => server.bind(0, "127.0.0.1", resolve));
  const reasons: BoardAborted[] = [];
  const clock = new VirtualClock();
  const network = { "time:123": `127.0.0.1:${(server.address() as AddressInfo).port}` };
  const made = new Board({
    clock,
    storage: memoryStorage({ partitions: {} }),
    network,
    onAbort: (reason) => reasons.push(reason),
  });
  const board = () => made;
  made.radio.start();
  made.radio.connect("lab", undefined);
  await clock.advance(100);
  const log = new LogBook();
  const UDP = udpFor(board);
  const io = cover ? contained(UDP as unknown as DatagramClass, log) : UDP;
  const answers: unknown[] = [];
  const client = new (ntpFor(board))({
    servers: ["time"],
    dns: { io: resolverFor(board), servers: ["10.0.0.1"] },
    socket: { io },
  } as unknown as NTPOptions);
  client.getTime((error, timeMs) => answers.push(error ?? timeMs));
  const pass = async (durationMs: number) => {
    for (let passed = 0; passed < durationMs; passed += 100) {
      await clock.advance(100);
      await pause(2);
    }
  };
  const close = () => {
    client.close();
    made.stop();
    server.close();
  };
  return { board: made, reasons, log, answers, pass, close };
}

test("a datagram too short to be an answer: the board ends with the socket as it is, and goes on with ours", async () => {
  const bare = await asking(new Uint8Array(10), false);
  await bare.pass(500);
  assert.match(String(bare.reasons[0]?.message), /^unhandled exception in a callback of a UDP socket/);
  bare.close();
  const ours = await asking(new Uint8Array(10), true);
  await ours.pass(500);
  assert.equal(ours.reasons, []);
  assert.equal(
    ours.log.lines.map(({ what }) => what),
    ["datagram"],
  );
  ours.close();
});

test("a network that goes while the server is asked: the same", async () => {
  for (const cover of [false, true]) {
    const { board, reasons, log, answers, pass, close } = await asking(new Uint8Array(0), cover);
    await pass(100);
    board.network.link = "down";
    await pass(15_000);
    assert.is(reasons.length, cover ? 0 : 1);
    if (cover) assert.instance(answers[0], Error, "the client says so in the end");
    assert.is(log.lines.length <= 1, true, "one line of each socket");
    close();
  }
});

test("what is contained is said, and nothing comes out", () => {
  const log = new LogBook();
  contain(
    log,
    "timer",
    () => {
      throw new RangeError("too far");
    },
    undefined,
  );
  contain(log, "wifi", undefined, "address");
  assert.equal(log.lines, [{ event: "error", what: "timer", detail: "RangeError: too far" }]);
});

test.run();
