// A captive portal: the board has joined and has an address, every name and every connection leads to the portal, and what
// answers speaks no MQTT. With the mirror's MQTT client, and where MODDABLE names an SDK with the SDK's own.

import { type AddressInfo, createServer, type Socket } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { networkOver } from "../../../firmware/board/network.js";
import { Uplink } from "../../../firmware/bus/uplink.js";
import { createBoard } from "../../../host-sim/device.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { pause, until } from "../../patience.js";
import { networkModules, SOURCES, type Source } from "../../sdk/network.js";
import { LogBook } from "../hand-clock.js";
import { startBroker } from "../ports/broker.js";

const REDIRECT = "HTTP/1.1 302 Found\r\nLocation: http://portal.example/login\r\nContent-Length: 0\r\n\r\n";

/** How a portal answers the first bytes of a connection. */
const ANSWERS: Readonly<Record<string, (socket: Socket) => void>> = {
  "answers in HTTP and closes": (socket) => socket.end(`${REDIRECT}<html>${"login ".repeat(2000)}</html>`),
  "answers in HTTP and stays": (socket) => socket.write(REDIRECT),
  "closes at once": (socket) => socket.destroy(),
  "says nothing": () => undefined,
};

async function make(source: Source, answer: (socket: Socket) => void) {
  const broker = await startBroker();
  let connections = 0;
  const sockets = new Set<Socket>();
  const portal = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("data", () => answer(socket));
  });
  await new Promise<void>((resolve) => portal.listen(0, "127.0.0.1", resolve));
  const world = new VirtualClock();
  const { device, board, close } = createBoard({ clock: world, network: { "broker:1883": broker.endpoint } });
  board.radio.start();
  board.radio.connect("lab", undefined);
  await world.advance(100);
  board.network.portal = { host: "127.0.0.1", port: (portal.address() as AddressInfo).port };
  const { clock } = device;
  const log = new LogBook();
  let dueMs = 0;
  const ours = networkOver(
    await networkModules(source, () => board),
    () => ["10.0.1.1"],
    () => undefined,
    device,
  ).mqtt;
  const uplink = new Uplink({
    mqtt: ours,
    clock,
    log,
    config: { host: "broker", port: 1883, prefix: "", keepAliveMs: 30_000 },
    id: "mote-1",
    will: { topic: "health", message: Uint8Array.of(1) },
    subscriptions: ["to/me"],
    ...{ received() {}, refused() {}, acknowledged() {}, linkChanged() {} },
    onWake: () => {
      dueMs = 0;
    },
  });
  /** Lets virtual time pass; after each tenth of a second the machine's sockets have a moment. */
  const pass = async (durationMs: number, done?: () => boolean) => {
    for (const endMs = world.nowMs() + durationMs; world.nowMs() < endMs && done?.() !== true; dueMs -= 100) {
      if (dueMs <= 0) dueMs = uplink.step();
      await world.advance(100, 3);
      if (Math.floor(world.nowMs() / 100) % 10 === 0) await pause(1);
    }
  };
  const end = async () => {
    uplink.close();
    close();
    for (const socket of sockets) socket.destroy();
    portal.close();
    await broker.close();
  };
  return { uplink, log, board, pass, connections: () => connections, end };
}

for (const source of SOURCES) {
  const test = suite(`captive portal, ${source}`);
  for (const [name, answer] of Object.entries(ANSWERS))
    test(`one that ${name}: one line for each attempt, waits that grow, and the broker once it lets through`, async () => {
      const { uplink, log, board, pass, connections, end } = await make(source, answer);
      await pass(300_000, () => log.of("link").length >= 4);
      assert.ok(board.world.on, "the board goes on");
      assert.not.ok(uplink.up);
      const lines = log.of("link");
      assert.ok(lines.length >= 4);
      for (const line of lines) {
        assert.is(line.state, "down");
        assert.match(String(line.reason), /a network that asks for a login$|no answer from the broker in time/);
      }
      const waits = lines.map(({ retryMs }) => Number(retryMs));
      for (let i = 1; i < waits.length; i += 1) assert.ok((waits[i] as number) >= 1.5 * (waits[i - 1] as number), `${waits}`);
      assert.is(connections() <= lines.length + 1, true, "one connection for each attempt");
      board.network.portal = undefined;
      await pass(200_000, () => uplink.up);
      await until("the broker", () => uplink.up);
      await end();
    });
  test.run();
}
