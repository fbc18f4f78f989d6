// The SDK's resolver and NTP client over our sockets, as they are and as the firmware has them (firmware/board/network.ts): the same
// for the SDK's own files, where MODDABLE names an SDK, and for their mirrors. The MQTT client has mqtt-client.test.ts.

import { createSocket, type Socket } from "node:dgram";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { networkOver } from "../../../firmware/board/network.js";
import type { BoardNetwork } from "../../../firmware/ports.js";
import { createBoard } from "../../../host-sim/device.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { answerQuestion } from "../../../host-sim/world/dns-message.js";
import { SntpServer } from "../../../host-sim/world/sntp-server.js";
import { pause, until } from "../../patience.js";
import { networkModules, SOURCES, type Source } from "../../sdk/network.js";
import { mqttContract } from "../ports/mqtt.contract.js";
import { ntpContract } from "../ports/ntp.contract.js";

interface ResolveRequest {
  host: string;
  onResolved?: (host: string, address: string) => void;
  onError?: (host: string) => void;
}
type ResolverClass = new (options: object) => { resolve(request: ResolveRequest): void; close(): void };
type NtpClass = new (
  options: object,
) => { getTime(callback: (error: Error | null, timeMs?: number) => void): void; close(): void };

/** A server of datagrams on loopback, whose answers are the test's; every request that came. */
async function server(answer: (request: Uint8Array) => readonly (Uint8Array | undefined)[]) {
  const requests: Uint8Array[] = [];
  const socket: Socket = createSocket("udp4");
  socket.on("message", (request, from) => {
    requests.push(new Uint8Array(request));
    for (const one of answer(request)) if (one !== undefined) socket.send(one, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", () => resolve()));
  return { endpoint: `127.0.0.1:${socket.address().port}`, requests, close: () => socket.close() };
}

/** A board that is online, on virtual time, and what its modules throw where nobody catches. */
async function make(source: Source, network: Readonly<Record<string, string>>) {
  const clock = new VirtualClock();
  const { device, board, close } = createBoard({ clock, network });
  board.radio.start();
  board.radio.connect("lab", undefined);
  await clock.advance(200);
  const modules = await networkModules(source, () => board);
  const reported: unknown[] = [];
  const servers: string[] = ["10.0.1.1"];
  const ours = networkOver(
    modules,
    () => servers,
    (error) => reported.push(error),
    device,
  );
  const escaped: unknown[] = [];
  const note = (error: unknown): void => void escaped.push(error);
  process.on("uncaughtException", note);
  /** Lets time pass, and datagrams travel. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      await clock.advance(500).catch(note);
      await pause(3);
    }
  };
  /** The end of a board that has ended by an exception: it leaves what it had. */
  const cut = (): void => {
    process.off("uncaughtException", note);
    close();
  };
  const raw = { dns: { io: modules.Resolver, servers, socket: { io: modules.UDP } }, socket: { io: modules.UDP } };
  return {
    ...{ clock, device, board, modules, ours, raw, servers, reported, escaped, pass },
    end() {
      cut();
      assert.equal({ ...board.network.sockets, timers: board.world.waiting }, { tcp: 0, udp: 0, timers: 0 });
    },
    cut,
  };
}

function ask(Resolver: unknown, options: object, host: string) {
  const answers: (string | null)[] = [];
  const resolver = new (Resolver as ResolverClass)(options);
  resolver.resolve({ host, onResolved: (_host, address) => answers.push(address), onError: () => answers.push(null) });
  return { resolver, answers };
}

for (const source of SOURCES) {
  test(`resolver: a name, an address, a name that nobody knows; each once, never from inside resolve (${source})`, async () => {
    const { modules, raw, pass, escaped, board, end } = await make(source, { "peer:7": "127.0.0.1:9" });
    for (const [host, expected] of [
      ["peer", board.network.addressOf("peer")],
      ["192.0.2.7", "192.0.2.7"],
      ["localhost", "127.0.0.1"],
      ["nobody.example", null],
    ] as const) {
      const { answers } = ask(modules.Resolver, raw.dns, host);
      assert.equal(answers, []);
      await pass(1000);
      assert.equal(answers, [expected], host);
    }
    assert.equal(escaped, []);
    end();
  });

  test(`resolver: silent servers are asked in turn, once a second, and given up; so is a network that is not there (${source})`, async () => {
    const silent = [await server(() => []), await server(() => [])] as const;
    const network = { "10.0.1.1:53": silent[0].endpoint, "10.0.1.2:53": silent[1].endpoint };
    const { modules, raw, servers, clock, pass, board, end } = await make(source, network);
    servers.push("10.0.1.2");
    const { answers } = ask(modules.Resolver, { ...raw.dns }, "peer");
    await pass(8500);
    assert.equal(answers, []);
    await pass(1000);
    assert.equal(answers, [null]);
    await until("the requests", () => silent[0].requests.length === 4 && silent[1].requests.length === 5);
    servers.pop();
    board.network.link = "down";
    await clock.advance(10);
    const offline = ask(modules.Resolver, raw.dns, "peer");
    await pass(3500);
    assert.equal(offline.answers, []);
    await pass(1000);
    assert.equal(offline.answers, [null]);
    for (const one of silent) one.close();
    end();
  });

  test(`resolver: without servers it asks for ever; closed, it is silent and leaves nothing; what it refuses (${source})`, async () => {
    const { modules, raw, pass, end } = await make(source, {});
    const { resolver, answers } = ask(modules.Resolver, { ...raw.dns, servers: [] }, "peer");
    await pass(60_000);
    assert.equal(answers, []);
    assert.throws(() => resolver.resolve({ host: "", onError: () => undefined }));
    assert.throws(() => resolver.resolve({ host: "peer" }));
    resolver.close();
    assert.throws(() => resolver.resolve({ host: "peer", onError: () => undefined }));
    resolver.close();
    end();
  });

  const known = (): string => "192.0.2.9";
  const HOSTILE: Readonly<Record<string, (question: Uint8Array) => readonly (Uint8Array | undefined)[]>> = {
    "two answers at once": (question) => [answerQuestion(question, known), answerQuestion(question, known)],
    "an answer that is cut short": (question) => [answerQuestion(question, known)?.subarray(0, -6)],
    "a name that does not end": (question) => [
      Uint8Array.from([...question.subarray(0, 2), 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 63, 1, 0, 0, 0, 0]),
    ],
  };
  for (const [what, answer] of Object.entries(HOSTILE))
    test(`resolver: ${what} restarts a board with the SDK's class, not with ours (${source})`, async () => {
      const names = await server(answer);
      const bare = await make(source, { "10.0.1.1:53": names.endpoint });
      ask(bare.modules.Resolver, bare.raw.dns, "peer");
      await bare.pass(8000);
      assert.ok(bare.escaped.length > 0, "the SDK's class lets an error escape");
      assert.not.ok(bare.board.world.on, "and that ends the board");
      bare.cut();
      const { modules, ours, pass, escaped, end } = await make(source, { "10.0.1.1:53": names.endpoint });
      const { answers } = ask(modules.Resolver, ours.mqtt.dns as object, "peer");
      await pass(8000);
      assert.equal(escaped, []);
      assert.equal(answers, [what === "two answers at once" ? "192.0.2.9" : null]);
      names.close();
      end();
    });

  test(`NTP: an answer that is too short, and a network that goes while it asks (${source})`, async () => {
    const short = await server(() => [new Uint8Array(40)]);
    const silent = await server(() => []);
    const run = async (whose: "raw" | "ours", host: string, goes: boolean) => {
      const made = await make(source, { "short:123": short.endpoint, "silent:123": silent.endpoint });
      const { client } = made.ours.ntp;
      const answers: unknown[] = [];
      const one = new (client.io as unknown as NtpClass)({ ...(whose === "raw" ? made.raw : client), servers: [host] });
      one.getTime((error) => answers.push(error));
      await made.pass(1000);
      if (goes) made.board.network.link = "down";
      await made.pass(20_000);
      if (whose === "raw") made.cut();
      else {
        one.close();
        made.end();
      }
      return { answers, escaped: made.escaped, reported: made.reported };
    };
    for (const [host, goes] of [
      ["short", false],
      ["silent", true],
    ] as const)
      assert.ok((await run("raw", host, goes)).escaped.length > 0, "the SDK's class lets an error escape");
    const cut = await run("ours", "short", false);
    assert.equal(cut.answers, [], "no answer: the timekeeper gives it up");
    assert.equal([cut.escaped, cut.reported.length], [[], 1]);
    const gone = await run("ours", "silent", true);
    assert.instance(gone.answers[0], Error);
    assert.equal(gone.escaped, []);
    short.close();
    silent.close();
  });

  ntpContract(`the firmware's network over the ${source}`, async () => {
    const good = await SntpServer.start({ epochMs: () => world.clock.epochMs() });
    const silent = await server(() => []);
    const world = await make(source, { "good:123": good.endpoint, "silent:123": silent.endpoint });
    return {
      ntp: world.ours.ntp as BoardNetwork["ntp"],
      names: { good: "good", silent: "silent", unknown: "unknown" },
      trueMs: () => world.clock.epochMs(),
      async pass(durationMs, done) {
        for (let passed = 0; passed < durationMs && done?.() !== true; passed += 500) await world.pass(500);
      },
      async close() {
        world.end();
        silent.close();
        await good.close();
      },
    };
  });

  mqttContract(`the firmware's network over the ${source}`, async (broker) => {
    const { device, board, close } = createBoard({
      network: { "broker:1883": broker.endpoint },
      radio: { associationMs: 1, addressMs: 1 },
    });
    new device.network.wifi.io({}).connect({ SSID: "lab" });
    await until("an address", () => board.radio.online);
    const { mqtt } = networkOver(
      await networkModules(source, () => board),
      () => ["10.0.1.1"],
      () => undefined,
      device,
    );
    return { mqtt, host: "broker", close };
  });
}

test.run();
