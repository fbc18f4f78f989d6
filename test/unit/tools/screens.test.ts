// A webhook over a real server and store: CloudEvents as an SDK of others reads them, one at a time, in their order, none lost whatever the receiver
// does; and the faces of a collector together, with a real broker and records that come over it.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../../firmware/bytes.js";
import type { RecordFields } from "../../../firmware/record/record.js";
import { Collector } from "../../../tools/collector/collector.js";
import { openPglite } from "../../../tools/collector/database.js";
import { checkRecord } from "../../../tools/collector/intake.js";
import { HEAD_KNOWN } from "../../../tools/collector/schema.js";
import { type CheckedRecord, RecordStore } from "../../../tools/collector/store.js";
import { engine } from "../../../tools/crypto/engine.js";
import { KeyFile } from "../../../tools/crypto/key-file.js";
import { readScreens, SCREEN_WORDS, type ScreenEvent, Screens, screenText } from "../../../tools/exports/screens.js";
import { Webhook, type WebhookEvent, type WebhookOptions } from "../../../tools/exports/webhook.js";
import { LocalBroker } from "../../../tools/mqtt/broker.js";
import { readWords } from "../../../tools/options.js";
import { pythonWith } from "../../python.js";
import { eventually } from "./eventually.js";
import { FakeNode } from "./fake-node.js";
import { FLEET, TestMote, type TestRecord } from "./records.js";

const CHAIN = "eip155:31337";
const folder = mkdtempSync(join(tmpdir(), "chainmote-screens-"));
let store: RecordStore;

/** What a receiver was sent, and how it answers: 204 where it is not told otherwise. */
class Receiver {
  readonly posts: { url: string; headers: IncomingHttpHeaders; body: string }[] = [];
  readonly answers: ((response: ServerResponse) => void)[] = [];
  atOnce = 0;
  atOnceMax = 0;
  readonly #server: Server = createServer((request, response) => void this.#take(request, response));

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  port = 0;

  get ids(): string[] {
    return this.posts.map(({ body }) => JSON.parse(body).id);
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.atOnce += 1;
    this.atOnceMax = Math.max(this.atOnceMax, this.atOnce);
    response.on("close", () => {
      this.atOnce -= 1;
    });
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    this.posts.push({ url: request.url ?? "", headers: request.headers, body: Buffer.concat(parts).toString() });
    const answer = this.answers.shift();
    if (answer === undefined) response.writeHead(204).end();
    else answer(response);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

async function stored(...records: readonly TestRecord[]): Promise<void> {
  for (const { sign1 } of records) await store.add([checkRecord(engine, sign1) as CheckedRecord]);
}
async function judged(head: RecordFields["head"]): Promise<void> {
  await store.verdicts.note(head as never, { state: HEAD_KNOWN, settled: true, due: 0 });
}
const digestOf = ({ digest }: TestRecord): string => toHex(digest);
const headAt = (number: number) => ({ chain: CHAIN, number, hash: new Uint8Array(32).fill(number) });

function begin(receiver: Receiver, more: Partial<WebhookOptions> = {}): { webhook: Webhook; events: WebhookEvent[] } {
  const events: WebhookEvent[] = [];
  const webhook = new Webhook({
    ...{ shown: store.shown, url: `http://127.0.0.1:${receiver.port}/hook`, retry: { firstMs: 1, maxMs: 5 } },
    ...{ onEvent: (event: WebhookEvent) => events.push(event), ...more },
  });
  return { webhook, events };
}
/** Ends once the store knows that all were taken: what a receiver took just as the webhook ended is told once more. */
async function finished(webhook: Webhook): Promise<void> {
  await eventually("all noted", async () => (await store.shown.untold(1)).length === 0);
  await webhook.close();
}
const ring = (webhook: Webhook): void => webhook.take({ event: "verified", mote: "", stream: 0, seq: 0, digest: "" });

test.before(async () => {
  store = await RecordStore.open(await openPglite());
});
test.after(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

test("the first start begins with what is stored from then on", async () => {
  const mote = new TestMote();
  const before = mote.next({ head: headAt(1) });
  await stored(before);
  await judged(headAt(1));
  const receiver = await new Receiver().start();
  const { webhook } = begin(receiver);
  await store.shown.beginTelling(); // as the webhook itself does, so that it is done before the next one comes
  const after = mote.next({ head: headAt(1) });
  await stored(after);
  await judged(headAt(1));
  ring(webhook);
  await eventually("the event", () => receiver.posts.length > 0);
  assert.equal(receiver.ids, [digestOf(after)]);
  await finished(webhook);
  await receiver.close();
});

test("what is verified is told one at a time in its order, each until it is taken, whatever the receiver does", async () => {
  const mote = new TestMote();
  const records = Array.from({ length: 5 }, () => mote.next({ head: headAt(2) }));
  const receiver = await new Receiver().start();
  const elsewhere = await new Receiver().start();
  receiver.answers.push(
    (response) => response.writeHead(500).end("no"),
    (response) => response.writeHead(302, { location: `http://127.0.0.1:${elsewhere.port}/` }).end(),
    (response) => response.destroy(),
    (response) => response.writeHead(429, { "retry-after": "0" }).end("x".repeat(1_000_000)),
    (response) => response.writeHead(400).end(),
    (response) => response.writeHead(202).end(),
    (response) => response.writeHead(410).end(),
  );
  const { webhook, events } = begin(receiver);
  await stored(...records);
  ring(webhook);
  await judged(headAt(2));
  ring(webhook);
  await eventually("all of them", () => new Set(receiver.ids).size === 5 && receiver.ids.length >= 11);
  const [first, second, ...rest] = records.map(digestOf);
  assert.equal(receiver.ids, [...Array<string | undefined>(6).fill(first), second, second, ...rest]);
  assert.equal([elsewhere.posts.length, receiver.atOnceMax], [0, 1]);
  assert.equal(
    events.map(({ event }) => event),
    ["lost", "back", "lost", "back"],
    "each trouble once",
  );
  await finished(webhook);
  await receiver.close();
  await elsewhere.close();
});

test("a receiver that does not answer holds up nothing for ever", async () => {
  const record = new TestMote().next({ head: headAt(5) });
  const receiver = await new Receiver().start();
  receiver.answers.push(() => undefined);
  const { webhook, events } = begin(receiver, { timeoutMs: 200 });
  await stored(record);
  await judged(headAt(5));
  ring(webhook);
  await eventually("once more", () => receiver.posts.length >= 2);
  assert.equal(new Set(receiver.ids), new Set([digestOf(record)]));
  assert.match(JSON.stringify(events[0]), /no answer in time/);
  await finished(webhook);
  await receiver.close();
});

test("who ends in the middle goes on there, and what is not verified, or contradicted, is never told", async () => {
  const [mote, liar, waiting] = [new TestMote(), new TestMote(), new TestMote()];
  const records = [mote.next({ head: headAt(3) }), mote.next({ head: headAt(3) })] as const;
  const twins = [
    liar.next({ head: headAt(3) }),
    liar.make({ seq: 0, prev: new Uint8Array(32), head: headAt(3), time: 1_900_000_000 }),
  ];
  await stored(...records, ...twins, waiting.next({ head: headAt(99) }));
  await judged(headAt(3));
  const away = await new Receiver().start();
  await away.close();
  const first = begin(away, { url: `http://user:sesame-sesame@127.0.0.1:${away.port}/secret-path` });
  const lost = await eventually("the loss", () => first.events.find(({ event }) => event === "lost"));
  assert.not.match(JSON.stringify(lost), /sesame|secret-path/);
  await first.webhook.close();
  const receiver = await new Receiver().start();
  const second = begin(receiver, { url: `http://user:sesame-sesame@127.0.0.1:${receiver.port}/` });
  await eventually("both", () => receiver.posts.length >= 2);
  await finished(second.webhook);
  assert.equal(receiver.ids, records.map(digestOf));
  assert.is(receiver.posts[0]?.headers.authorization, `Basic ${Buffer.from("user:sesame-sesame").toString("base64")}`);
  const third = begin(receiver);
  ring(third.webhook);
  await third.webhook.close();
  assert.is(receiver.posts.length, 2, "told once");
  await receiver.close();
});

const python = pythonWith("cloudevents.v1.http");
const onPython = python === undefined ? test.skip : test;
onPython("an SDK of CloudEvents reads each event as one, with the record's digest as its id", async () => {
  const mote = new TestMote();
  const records = [
    mote.next({ head: headAt(4) }),
    mote.next({ head: headAt(4), measurements: [{ n: "x", u: '=1+1|",', v: 3 }] }),
    mote.next({ head: headAt(4), time: 0, timeQuality: 0 }),
  ];
  const receiver = await new Receiver().start();
  const { webhook } = begin(receiver);
  await stored(...records);
  await judged(headAt(4));
  ring(webhook);
  await eventually("three", () => receiver.posts.length >= 3);
  await finished(webhook);
  await receiver.close();
  const path = join(folder, "events.json");
  writeFileSync(path, JSON.stringify(receiver.posts));
  const program = `
import json, sys
from cloudevents.v1.http import from_http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
for post in json.load(open(sys.argv[1])):
    event = from_http(post["headers"], post["body"])
    strict = JSONFormat().read(CloudEvent, post["body"])
    assert strict.get_id() == event["id"] and strict.get_source() == event["source"]
    print(json.dumps([dict(event.get_attributes()), event.data]))`;
  const result = python?.("-c", program, path);
  assert.is(result?.status, 0, result?.stderr);
  const events = (result?.stdout ?? "")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const [attributes, data] = events[0];
  const address = `0x${toHex(mote.address)}`;
  assert.equal(attributes, {
    ...{ specversion: "1.0", id: digestOf(records[0] as TestRecord), source: `did:pkh:${CHAIN}:${address}` },
    ...{ type: "chainmote.record.verified", subject: "0/0", time: "2027-01-15T08:00:00Z", datacontenttype: "application/json" },
  });
  assert.equal(data.values[0], { value: 21.3, name: "mote/temperature", unit: "Cel", time: "2027-01-15T08:00:00Z" });
  assert.equal(
    [data.mote, data.digest, data.verified, data.bounded, data.anchored, data.after_block],
    [address, attributes.id, true, true, false, 4],
  );
  assert.is(events[1][1].values[0].unit, '=1+1|",');
  // The SDK gives an event without a time that of its arrival; it is not in what was sent.
  assert.not.ok(Object.hasOwn(JSON.parse(receiver.posts[2]?.body ?? ""), "time"));
  assert.equal([events[2][1].time, events[2][1].values[0].time], [null, null]);
});

test("all faces of a collector: a record that comes over the broker is counted, shown and told once it is verified", async () => {
  const node = new FakeNode(20);
  await node.up();
  const broker = await LocalBroker.start();
  const receiver = await new Receiver().start();
  const words = [
    "--metrics",
    "0",
    "--home-assistant",
    "--expire-after",
    "900",
    "--webhook",
    `http://127.0.0.1:${receiver.port}/`,
  ];
  const events: ScreenEvent[] = [];
  const screens = await Screens.open({
    ...{
      settings: readScreens(readWords(words, SCREEN_WORDS)),
      store,
      rpc: node.url,
      chain: CHAIN,
      mqtt: broker.url,
      ca: undefined,
    },
    ...{ prefix: "", version: "0.1.0", onEvent: (event: ScreenEvent) => events.push(event) },
  });
  const key = KeyFile.openOrCreate(join(folder, "collector.key"));
  const collector = new Collector({
    ...{ store, key, engine, mqtt: broker.url, rpc: node.url, chain: CHAIN, fleet: FLEET },
    onChecked: (seconds) => screens.checked(seconds),
    onEvent: (event) => screens.take(event),
  });
  const client = mqtt.connect(broker.url);
  const states = new Map<string, string>();
  client.on("message", (topic, payload) => states.set(topic, payload.toString()));
  await client.subscribeAsync("motes/+/values/+", { qos: 1 });
  await eventually("the collector", () => collector.connected);
  const mote = new TestMote();
  const hash = fromHex(node.blocks[5]?.hash ?? "") as Uint8Array;
  const record = mote.next({ head: { chain: CHAIN, number: 5, hash }, time: Math.floor(Date.now() / 1000) });
  const address = `0x${toHex(mote.address)}`;
  await client.publishAsync(`motes/${address}/records`, Buffer.from("no record"), { qos: 1 });
  await client.publishAsync(`motes/${address}/records`, Buffer.from(record.sign1), { qos: 1 });
  await eventually("the webhook", () => receiver.ids.includes(digestOf(record)));
  const state = await eventually("the state", () => states.get(`motes/${address}/values/mote_2ftemperature`));
  assert.equal([JSON.parse(state).value, JSON.parse(state).digest], [21.3, digestOf(record)]);
  const told = events.find((event) => event.event === "metrics");
  assert.ok(told?.event === "metrics");
  assert.match(screenText(told), /^metrics at http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  const text = await eventually("the head's age", async () => {
    const page = await (await fetch(told.url)).text();
    return page.includes(`chainmote_mote_head_age_seconds{mote="${address}"} `) ? page : undefined;
  });
  for (const line of [
    /^chainmote_records_stored_total 1$/m,
    /^chainmote_records_refused_total\{code="cose-malformed"\} 1$/m,
    /^chainmote_record_verification_seconds_count 2$/m,
  ])
    assert.match(text, line);
  await collector.close();
  await screens.close();
  await client.endAsync(true);
  await Promise.all([broker.close(), receiver.close(), node.down()]);
});

test("a mistake in the options is one clear line", () => {
  for (const [words, told] of [
    [["--metrics", "http://x"], /--metrics takes a port/],
    [["--metrics", "70000"], /--metrics takes a port/],
    [["--metrics", "a b:1"], /--metrics takes a port/],
    [["--expire-after", "5"], /needs --home-assistant/],
    [["--webhook", "ftp://x"], /--webhook takes a URL that begins with http/],
  ] as const)
    assert.throws(() => readScreens(readWords(words, SCREEN_WORDS)), told);
  assert.equal(readScreens(readWords(["--metrics", "[::1]:9464"], SCREEN_WORDS)).metrics, { host: "::1", port: 9464 });
});

test("what the environment says is checked as what the command line does, and not repeated", () => {
  const read = () => readScreens(readWords([], SCREEN_WORDS));
  for (const [name, value, told] of [
    ["WEBHOOK_URL", "file:///secret", /^WEBHOOK_URL takes a URL that begins with https?:/],
    ["WEBHOOK_URL", "http://secret%zz@host.example/", /^WEBHOOK_URL: "%" in a user or a password is written as %25$/],
    ["WEBHOOK_AUTHORIZATION", "Bearer secret\n", /^WEBHOOK_AUTHORIZATION takes the value of a header/],
    ["WEBHOOK_AUTHORIZATION", "Bearer secreté", /^WEBHOOK_AUTHORIZATION takes the value of a header/],
    ["WEBHOOK_AUTHORIZATION", `secret${"x".repeat(4096)}`, /^WEBHOOK_AUTHORIZATION takes the value of a header/],
  ] as const) {
    process.env[name] = value;
    try {
      assert.throws(read, (error: Error) => told.test(error.message) && !error.message.includes("secret"), name);
    } finally {
      delete process.env[name];
    }
  }
  assert.is(read().webhook, undefined);
});

test.run();
