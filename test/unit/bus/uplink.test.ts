// The uplink over a client that does as it is told: what it asks of it, what it takes from it, when it gives it up.
// Against a real broker: uplink-broker.test.ts.

import fc from "fast-check";
import { generate } from "mqtt-packet";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SESSION_LASTED_MS, Uplink } from "../../../firmware/bus/uplink.js";
import { MESSAGE_BYTES_MAX } from "../../../firmware/bus/wire.js";
import type { MqttConfig } from "../../../firmware/config.js";
import { HandClock, LogBook } from "../hand-clock.js";
import { Scripted } from "./scripted-client.js";

const CONFIG: MqttConfig = { host: "broker", port: 1883, prefix: "", keepAliveMs: 30_000 };

function make(config: Partial<MqttConfig> = {}, id = "mote-1") {
  Scripted.made = [];
  Scripted.unmakable = false;
  const clock = new HandClock(500);
  const log = new LogBook();
  const heard = { messages: [] as [string, Uint8Array][], refused: [] as string[], acks: [] as number[], up: [] as boolean[] };
  const uplink = new Uplink({
    mqtt: { io: Scripted, marker: "builtin", socket: { io: "TCP" } },
    clock,
    log,
    config: { ...CONFIG, ...config },
    id,
    will: { topic: "health", message: Uint8Array.of(1, 2) },
    subscriptions: ["a", "b"],
    ...{
      received: (topic, message) => void heard.messages.push([topic, message]),
      refused: (rejection) => void heard.refused.push(String(rejection)),
      acknowledged: (packetId) => void heard.acks.push(packetId),
      linkChanged: (up) => void heard.up.push(up),
    },
    onWake: () => undefined,
  });
  const client = () => Scripted.made[Scripted.made.length - 1] as Scripted;
  const up = () => {
    uplink.step();
    client().accept();
    return client();
  };
  return { clock, log, uplink, heard, client, up };
}

test("connects with what is configured, a Last Will, and no credentials where there are none", () => {
  const { uplink, client } = make();
  uplink.step();
  const { onControl, onReadable, onWritable, onError, target, will, ...plain } = client().options;
  assert.equal(plain, {
    ...{ io: Scripted, marker: "builtin", socket: { io: "TCP" } },
    ...{ host: "broker", port: 1883, id: "mote-1", clean: true, keepAlive: 30_000 },
  });
  assert.instance(will?.message, ArrayBuffer, "a client of the SDK would send anything else as its text");
  assert.equal(new Uint8Array(will?.message as ArrayBuffer), Uint8Array.of(1, 2));
  assert.equal({ ...will, message: undefined }, { topic: "health", message: undefined, QoS: 1, retain: true });
  const secret = make({ user: "u", password: "p", ca: Uint8Array.of(0x30) });
  secret.uplink.step();
  const { user, password, socket } = secret.client().options;
  assert.equal(
    { user, password, socket },
    { user: "u", password: "p", socket: { io: "TCP", secure: { certificate: Uint8Array.of(0x30), serverName: "broker" } } },
  );
});

test("is up once the broker has granted the subscriptions, and says so once", () => {
  const { uplink, client, heard, log } = make();
  assert.is(uplink.step(), 40_000);
  client().control({ operation: Scripted.CONNACK, returnCode: 0 });
  client().options.onWritable?.call(client(), 5000);
  assert.not(uplink.up);
  assert.not(uplink.publish("t", Uint8Array.of(1), {}), "nothing is published before");
  assert.equal(client().writes, [
    {
      data: null,
      options: {
        operation: 8,
        id: 1,
        items: [
          { topic: "a", QoS: 1 },
          { topic: "b", QoS: 1 },
        ],
      },
    },
  ]);
  client().control({ operation: Scripted.SUBACK, id: 1, payload: [1, 0] });
  assert.ok(uplink.up);
  assert.is(uplink.step(), Number.POSITIVE_INFINITY);
  assert.equal(heard.up, [true]);
  assert.equal(log.of("link"), [{ event: "link", state: "up" }]);
});

test("a broker that refuses one subscription is left, and tried again later", () => {
  const { clock, uplink, client, heard } = make();
  uplink.step();
  client().accept([1, 0x80]);
  assert.not(uplink.up);
  assert.ok(client().closed);
  assert.equal(heard.up, [], "it never was up");
  clock.pass(uplink.step());
  uplink.step();
  assert.is(Scripted.made.length, 2);
});

test("publishes with the id, the QoS and the flags that it was given", () => {
  const { uplink, up } = make();
  const client = up();
  assert.ok(uplink.publish("t", Uint8Array.of(7), { QoS: 1, packetId: 9, duplicate: true }));
  assert.ok(uplink.publish("h", Uint8Array.of(8), { retain: true }));
  const [, record, health] = client.writes;
  assert.equal(record, {
    data: Uint8Array.of(7),
    options: { operation: 3, topic: "t", QoS: 1, retain: false, duplicate: true, id: 9 },
  });
  assert.equal({ ...health?.options, id: 0 }, { operation: 3, topic: "h", QoS: 0, retain: true, duplicate: false, id: 0 });
  assert.ok(Number(health?.options.id) > 0, "never 0, which would make the client count by itself");
});

test("a publish without room does not happen, and what room there is follows the client", () => {
  const { uplink, up } = make();
  const client = up();
  const writes = client.writes.length;
  client.options.onWritable?.call(client, 29);
  assert.ok(uplink.hasRoomFor("topic", 15));
  assert.not(uplink.hasRoomFor("topic", 16));
  assert.not(uplink.publish("topic", new Uint8Array(16), {}));
  assert.is(client.writes.length, writes);
  assert.ok(uplink.up, "and the connection is none the worse");
  client.room = 109;
  assert.ok(uplink.publish("topic", new Uint8Array(15), {}));
  assert.not(uplink.hasRoomFor("", 1), "write said that 9 bytes are left");
});

test("what counts as room holds the packet whole, whatever its length", () => {
  const { uplink, up } = make();
  const client = up();
  fc.assert(
    fc.property(fc.nat(4096), fc.string({ maxLength: 120, unit: "grapheme-ascii" }), (length, topic) => {
      const name = `t${topic}`.replaceAll(/[+#]/g, "x");
      const packet = generate({
        cmd: "publish",
        topic: name,
        payload: Buffer.alloc(length),
        qos: 1,
        messageId: 1,
        dup: false,
        retain: false,
      });
      client.options.onWritable?.call(client, packet.length - 1);
      assert.not(uplink.hasRoomFor(name, length));
    }),
  );
});

test("a connection that breaks while writing is given up, and the publish did not happen", () => {
  const { uplink, up, heard } = make();
  const client = up();
  client.broken = true;
  assert.not(uplink.publish("t", Uint8Array.of(1), { QoS: 1, packetId: 2 }));
  assert.ok(client.closed);
  assert.not(uplink.up);
  assert.equal(heard.up, [true, false]);
});

test("a message is handed on whole, in whatever parts it comes, in a buffer of its own", () => {
  const { up, heard } = make();
  const client = up();
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: MESSAGE_BYTES_MAX }),
      fc.integer({ min: 1, max: 1500 }),
      (bytes, part) => {
        heard.messages.length = 0;
        client.message("a", bytes, Math.max(part, bytes.length >> 5));
        client.message("b", bytes, 1500);
        assert.equal(heard.messages, [
          ["a", bytes],
          ["b", bytes],
        ]);
        assert.is.not(heard.messages[0]?.[1].buffer, heard.messages[1]?.[1].buffer);
      },
    ),
    { numRuns: 50 },
  );
  assert.equal(heard.refused, []);
});

test("a message that is too long is refused by its announced length, read past, and the next one arrives", () => {
  const { up, heard } = make();
  const client = up();
  client.message("a", new Uint8Array(MESSAGE_BYTES_MAX).fill(1));
  client.message(`a/${"x".repeat(500)}`, new Uint8Array(MESSAGE_BYTES_MAX + 1).fill(2));
  client.part(new Uint8Array(1000), true, { topic: "a", byteLength: 2 ** 28 });
  for (let i = 0; i < 200; i += 1) client.part(new Uint8Array(1000), i < 199);
  client.message("b", Uint8Array.of(3));
  assert.equal(heard.messages, [
    ["a", new Uint8Array(MESSAGE_BYTES_MAX).fill(1)],
    ["b", Uint8Array.of(3)],
  ]);
  assert.is(heard.refused.length, 2);
  assert.match(heard.refused[0] as string, /^message-too-long: 4097 bytes on a\/x{78}$/);
  assert.match(heard.refused[1] as string, `${2 ** 28} bytes`);
});

test("PUBACKs are told by their packet id", () => {
  const { up, heard } = make();
  const client = up();
  client.control({ operation: Scripted.PUBACK, id: 17 });
  client.control({ operation: Scripted.PUBACK });
  client.control({ operation: 13 });
  assert.equal(heard.acks, [17]);
});

test("attempts wait twice as long each time up to a minute, a quarter more by the client's name; a session that lasted sets it back", () => {
  const waitsOf = (id: string) => {
    const made = make({}, id);
    const waits: number[] = [];
    for (let i = 0; i < 9; i += 1) {
      made.uplink.step();
      assert.is(Scripted.made.length, i + 1);
      made.client().options.onError?.call(made.client());
      const waitMs = made.uplink.step();
      waits.push(waitMs);
      made.clock.pass(waitMs - 1);
      assert.is(made.uplink.step(), 1);
      made.clock.pass(1);
    }
    return { ...made, waits };
  };
  const nominal = [1, 2, 4, 8, 16, 32, 60, 60, 60].map((s) => s * 1000);
  const spreads = new Set<number>();
  for (const id of ["mote-1", "mote-2", "mote-3", "mote-4"]) {
    const { waits, up, uplink, client, heard, clock } = waitsOf(id);
    waits.forEach((waitMs, i) => {
      const least = nominal[i] as number;
      assert.ok(waitMs >= least && waitMs <= least * 1.25, `${waitMs} ms where ${least} to ${least * 1.25} are right`);
    });
    spreads.add(waits[8] as number);
    assert.equal(heard.up, []);
    up();
    clock.pass(SESSION_LASTED_MS);
    client().options.onError?.call(client());
    assert.ok(uplink.step() <= 1250);
    assert.equal(heard.up, [true, false]);
  }
  assert.is(spreads.size, 4, "four boards do not come back at once");
});

test("a broker that lets in and then kicks is asked ever more rarely; only a session that lasted begins anew", () => {
  const { clock, uplink, up, client, log } = make();
  const waits: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    up();
    clock.pass(i % 2 === 0 ? 20 : SESSION_LASTED_MS - 1);
    client().options.onError?.call(client());
    const waitMs = uplink.step();
    waits.push(Math.floor(waitMs / 1250 + 0.5));
    clock.pass(waitMs);
  }
  assert.ok(
    waits.every((wait, i) => i === 0 || wait > (waits[i - 1] as number) || wait >= 48),
    waits.join(" "),
  );
  assert.ok((waits[7] as number) >= 48, waits.join(" "));
  assert.equal(
    log
      .of("link")
      .filter(({ state }) => state === "down")
      .map(({ lastedMs }) => lastedMs),
    [20, 119_999, 20, 119_999, 20, 119_999, 20, 119_999],
  );
  up();
  clock.pass(SESSION_LASTED_MS);
  client().options.onError?.call(client());
  assert.ok(uplink.step() <= 1250);
});

test("a subscription that the broker refuses is named, and its waits grow", () => {
  const { clock, uplink, client, log } = make();
  for (let i = 0; i < 3; i += 1) {
    uplink.step();
    client().accept([1, 0x80]);
    clock.pass(uplink.step());
  }
  const reasons = log.of("link").map(({ reason }) => String(reason));
  assert.is(reasons.length, 3);
  for (const reason of reasons) assert.match(reason, "the subscription to b");
  const retries = log.of("link").map(({ retryMs }) => Number(retryMs));
  assert.ok((retries[2] as number) >= 4000, retries.join(" "));
});

test("a client that throws when it is closed is left all the same", () => {
  const { uplink, up, client, clock } = make();
  const first = up();
  first.close = () => {
    throw new Error("no socket");
  };
  first.options.onError?.call(first);
  assert.not(uplink.up);
  clock.pass(uplink.step());
  uplink.step();
  assert.is.not(client(), first);
});

test("a broker that never answers is given up after 40 seconds, before CONNACK and before SUBACK", () => {
  for (const connacked of [false, true]) {
    const { clock, uplink, client, log } = make();
    uplink.step();
    if (connacked) client().control({ operation: Scripted.CONNACK, returnCode: 0 });
    clock.pass(39_999);
    uplink.step();
    assert.not(client().closed);
    clock.pass(1);
    const waitMs = uplink.step();
    assert.ok(client().closed);
    assert.ok(waitMs >= 1000 && waitMs <= 1250);
    assert.is(log.of("link")[0]?.state, "down");
  }
});

test("nothing that a given-up client still says touches its successor", () => {
  const { clock, uplink, up, heard, log } = make();
  const old = up();
  old.part(new Uint8Array(10), true, { topic: "a", byteLength: 20 });
  old.options.onError?.call(old);
  clock.pass(2000);
  const next = up();
  const before = { up: [...heard.up], lines: log.lines.length, writes: next.writes.length };
  old.accept();
  old.options.onWritable?.call(old, 1);
  old.control({ operation: Scripted.PUBACK, id: 5 });
  old.options.onReadable?.call(old, 10, { more: false });
  old.options.onReadable?.call(old, 10, { more: false, topic: "a", byteLength: 10 });
  old.options.onError?.call(old);
  assert.ok(uplink.up);
  assert.ok(uplink.hasRoomFor("t", 1000));
  assert.equal({ up: heard.up, lines: log.lines.length, writes: next.writes.length }, before);
  assert.equal(heard.acks, []);
  assert.equal(heard.messages, []);
  next.message("b", Uint8Array.of(1));
  assert.equal(heard.messages, [["b", Uint8Array.of(1)]], "half a message of the old connection is forgotten");
});

test("a client that cannot be made is a lost attempt", () => {
  const { clock, uplink, log } = make();
  Scripted.unmakable = true;
  const waitMs = uplink.step();
  assert.ok(waitMs >= 1000 && waitMs <= 1250, `due in ${waitMs} ms`);
  assert.is(log.of("link")[0]?.reason, "no sockets left");
  Scripted.unmakable = false;
  clock.pass(waitMs);
  assert.is(uplink.step(), 40_000);
  assert.is(Scripted.made.length, 1);
});

test("close says goodbye to the broker and never connects again; it does not mind a broken connection", () => {
  for (const broken of [false, true]) {
    const { clock, uplink, up } = make();
    const client = up();
    client.broken = broken;
    uplink.close();
    assert.is(client.writes[client.writes.length - 1]?.options.operation, broken ? 8 : 14);
    assert.ok(client.closed);
    clock.pass(3_600_000);
    assert.is(uplink.step(), Number.POSITIVE_INFINITY);
    assert.is(Scripted.made.length, 1);
    assert.not(uplink.publish("t", Uint8Array.of(1), {}));
  }
});

test("what is thrown in a callback of the client ends that session, is said, and goes no further", () => {
  const throws = (): never => {
    throw new RangeError("boom");
  };
  const callbacks: Readonly<Record<string, (made: ReturnType<typeof make>) => void>> = {
    onReadable: ({ client }) => {
      client().read = throws;
      client().part(Uint8Array.of(1), false, { topic: "a", byteLength: 1 });
    },
    "a part too long": ({ client }) => client().part(new Uint8Array(9), false, { topic: "a", byteLength: 1 }),
    onControl: ({ client, heard }) => {
      heard.acks.push = throws;
      client().control({ operation: Scripted.PUBACK, id: 7 });
    },
    onError: ({ client, heard }) => {
      heard.up.push = throws;
      client().options.onError?.call(client());
    },
  };
  for (const [name, happen] of Object.entries(callbacks)) {
    const made = make();
    made.up();
    happen(made);
    assert.not(made.uplink.up, name);
    assert.ok(made.client().closed, name);
    assert.match(String(made.log.of("link").pop()?.reason), /boom|add up|connection was lost/);
    made.clock.pass(made.uplink.step());
    made.uplink.step();
    assert.is(Scripted.made.length, 2, `${name}: it comes back`);
  }
});

test("turned down before the session began: what may be the reason is said", () => {
  const { uplink, client, log } = make();
  uplink.step();
  client().options.onError?.call(client());
  assert.match(String(log.lines[0]?.reason), /^broker:1883 let nobody in: .* a network that asks for a login$/);
});

test.run();
