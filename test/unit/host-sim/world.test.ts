// The world's own parts: chance, time, names, the time server.

import { createSocket } from "node:dgram";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { Network } from "../../../host-sim/world/network.js";
import { Prng } from "../../../host-sim/world/prng.js";
import { SntpServer } from "../../../host-sim/world/sntp-server.js";

test("the same seed gives the same numbers; other seeds and other labels give others", () => {
  const draw = (prng: Prng): number[] => Array.from({ length: 8 }, () => prng.uint32());
  assert.equal(draw(new Prng("a")), draw(new Prng("a")));
  assert.not.equal(draw(new Prng("a")), draw(new Prng("b")));
  const parent = new Prng("a");
  const fork = draw(parent.fork("x"));
  assert.not.equal(fork, draw(parent.fork("y")));
  assert.equal(draw(parent), draw(new Prng("a")), "a fork takes nothing from its parent");
});

test("numbers are spread evenly, about normally where asked for", () => {
  const prng = new Prng("spread");
  const counts = new Array<number>(16).fill(0);
  for (let i = 0; i < 16_000; i += 1) {
    const at = prng.below(16);
    counts[at] = (counts[at] as number) + 1;
  }
  const normals = Array.from({ length: 10_000 }, () => prng.normal());
  const mean = normals.reduce((sum, x) => sum + x, 0) / normals.length;
  const variance = normals.reduce((sum, x) => sum + (x - mean) ** 2, 0) / normals.length;
  assert.ok(Math.abs(mean) < 0.05 && Math.abs(variance - 1) < 0.1, `mean ${mean}, variance ${variance}`);
  assert.ok(Math.min(...counts) > 700, `the rarest of 16 came ${Math.min(...counts)} times`);
});

test("virtual time passes only when told to, in the order of due times", async () => {
  const clock = new VirtualClock(1_000_000);
  const order: string[] = [];
  clock.schedule(() => order.push(`b${clock.nowMs()}`), 20);
  clock.schedule(() => order.push(`a${clock.nowMs()}`), 10);
  clock.schedule(() => order.push(`c${clock.nowMs()}`), 20);
  const cancelled = clock.schedule(() => order.push("never"), 15);
  clock.cancel(cancelled);
  await clock.advance(15);
  assert.equal(order, ["a10"]);
  assert.is(clock.nowMs(), 15);
  clock.block(100);
  assert.equal(order, ["a10"], "blocking runs nothing");
  await clock.advance(0);
  assert.equal(order, ["a10", "b115", "c115"]);
  assert.is(clock.epochMs(), 1_000_115);
  assert.is(clock.waiting, 0);
});

test("virtual time against a plain list: any order of scheduling, cancelling, passing and blocking", async () => {
  const delays = fc.oneof(fc.nat({ max: 20 }), fc.constantFrom(-5, 0.5, Number.POSITIVE_INFINITY));
  const step = fc.tuple(fc.constantFrom("set", "set", "set", "cancel", "pass", "block", "again"), delays, fc.nat());
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 400 }), async (steps) => {
      const clock = new VirtualClock();
      const called: string[] = [];
      const handles: { handle: { dueMs: number }; name: number }[] = [];
      let list: { dueMs: number; name: number }[] = [];
      const expected: string[] = [];
      let nowMs = 0;
      for (const [name, [what, number, index]] of steps.entries()) {
        const finite = Math.min(Math.max(number, 0), 20);
        if (what === "set" || what === "again") {
          const handle = clock.schedule(() => called.push(`${name} at ${clock.nowMs()}`), number);
          handles.push({ handle, name });
          list.push({ dueMs: nowMs + Math.max(number, 0), name });
          if (what === "again")
            for (let i = 0; i < 90; i += 1) clock.cancel(clock.schedule(() => called.push("cancelled"), number));
        } else if (what === "cancel" && handles.length > 0) {
          const chosen = handles[index % handles.length] as (typeof handles)[number];
          clock.cancel(chosen.handle);
          list = list.filter((entry) => entry.name !== chosen.name);
        } else if (what === "block") {
          clock.block(finite);
          nowMs += finite;
        } else if (what === "pass") {
          const endMs = nowMs + finite;
          const due = list.filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs || a.name - b.name);
          for (const entry of due) {
            nowMs = Math.max(nowMs, entry.dueMs);
            expected.push(`${entry.name} at ${nowMs}`);
          }
          list = list.filter((entry) => !due.includes(entry));
          await clock.advance(finite, 0);
          nowMs = Math.max(nowMs, endMs);
        }
        assert.is(clock.waiting, list.length);
        const next = list.map(({ dueMs }) => dueMs).sort((a, b) => a - b)[0];
        assert.is(clock.untilNextMs, next === undefined ? undefined : Math.max(0, next - nowMs));
      }
      assert.equal(called, expected);
    }),
    { numRuns: 150 },
  );
});

test("what was cancelled is not kept until it would have been due", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const clock = new VirtualClock();
  const usedAfter = (count: number): number => {
    for (let i = 0; i < count; i += 1)
      clock.cancel(clock.schedule(() => assert.unreachable(String(i)), Number.POSITIVE_INFINITY));
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = usedAfter(1000);
  const grown = usedAfter(100_000) - before;
  assert.ok(grown < 2_000_000, `${grown} bytes`);
});

test("names have addresses, addresses and ports lead to endpoints, and nothing else leads anywhere", () => {
  const network = new Network({ prng: new Prng("n"), map: { "broker:1883": "127.0.0.1:5001", "broker:8883": "127.0.0.1:5002" } });
  const address = network.addressOf("broker") as string;
  assert.equal(network.endpointOf(address, 1883), { host: "127.0.0.1", port: 5001 });
  assert.equal(network.endpointOf(address, 8883), { host: "127.0.0.1", port: 5002 });
  assert.is(network.endpointOf(address, 80), undefined);
  assert.is(network.addressOf("nobody"), undefined);
  assert.is(network.addressOf("192.0.2.7"), "192.0.2.7");
  assert.is(network.endpointOf("192.0.2.7", 1883), undefined);
  assert.equal(network.endpointOf("127.0.0.1", 9999), { host: "127.0.0.1", port: 9999 });
  network.route("broker:1883", "127.0.0.1:6001");
  assert.is(network.addressOf("broker"), address);
  assert.equal(network.endpointOf(address, 1883), { host: "127.0.0.1", port: 6001 });
  assert.equal(network.sourceOf({ host: "127.0.0.1", port: 6001 }), { address, port: 1883 });
  for (const wrong of ["broker", ":1", "broker:0", "broker:65536", "broker:x"])
    assert.throws(() => network.route(wrong, "127.0.0.1:1"), /host:port/);
});

test("pieces of a stream are 1,024 bytes, or 1 to 1,436 where ragged", () => {
  const even = new Network({ prng: new Prng("e") });
  assert.is(even.segmentBytes(), 1024);
  const ragged = new Network({ prng: new Prng("r"), segments: "ragged" });
  const sizes = Array.from({ length: 20_000 }, () => ragged.segmentBytes());
  assert.is(Math.min(...sizes), 1);
  assert.is(Math.max(...sizes), 1436);
});

test("the link tells its listeners each change once", () => {
  const network = new Network({ prng: new Prng("l") });
  const heard: string[] = [];
  const stop = network.onLink((state) => heard.push(state));
  network.link = "down";
  network.link = "down";
  network.link = "stalled";
  stop();
  network.link = "up";
  assert.equal(heard, ["down", "stalled"]);
});

async function exchange(server: SntpServer, request: Uint8Array): Promise<Uint8Array | undefined> {
  const socket = createSocket("udp4");
  const answer = new Promise<Uint8Array | undefined>((resolve) => {
    socket.on("message", (message) => resolve(new Uint8Array(message)));
    setTimeout(() => resolve(undefined), 100);
  });
  socket.send(request, Number(server.endpoint.split(":")[1]), "127.0.0.1");
  const message = await answer;
  socket.close();
  return message;
}

test("the time server answers as RFC 4330 says, and lies only where told to", async () => {
  const server = await SntpServer.start({ epochMs: () => 1_700_000_000_500 });
  const request = new Uint8Array(48);
  request[0] = 0x23;
  request.set([1, 2, 3, 4, 5, 6, 7, 8], 40);
  const answer = (await exchange(server, request)) as Uint8Array;
  const view = new DataView(answer.buffer);
  assert.is(answer.length, 48);
  assert.is(answer[0], 0x24, "no leap, version 4, mode server");
  assert.is(answer[1], 2);
  assert.equal([...answer.subarray(24, 32)], [1, 2, 3, 4, 5, 6, 7, 8], "the client's transmit time comes back");
  assert.is(view.getUint32(40) - 2_208_988_800, 1_700_000_000);
  assert.is(view.getUint32(44), 0x8000_0000);
  server.offsetMs = 3_600_000;
  assert.is(new DataView(((await exchange(server, request)) as Uint8Array).buffer).getUint32(40) - 2_208_988_800, 1_700_003_600);
  server.fault = "truncated";
  assert.is((await exchange(server, request))?.length, 20);
  server.fault = "kiss-of-death";
  const kiss = (await exchange(server, request)) as Uint8Array;
  assert.is(kiss[1], 0);
  assert.is(String.fromCharCode(...kiss.subarray(12, 16)), "DENY");
  server.fault = "silent";
  assert.is(await exchange(server, request), undefined);
  server.fault = "none";
  assert.is(await exchange(server, new Uint8Array(47)), undefined, "what is no request gets no answer");
  assert.is(server.requests, 6);
  await server.close();
});

test.run();
