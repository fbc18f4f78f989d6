// The examples, each as it is flashed: its main module in a board's own process, and what comes of it.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { topicsOf } from "../../firmware/bus/topics.js";
import { decodeRequest, encodeReply } from "../../firmware/bus/wire.js";
import { Rejection } from "../../firmware/rejection.js";
import { type BoardEvent, type BoardFile, type BoardProcess, spawnBoard } from "../../host-sim/engine/node.js";
import { main as command } from "../../tools/cli.js";
import type { Output } from "../../tools/terminal.js";
import { bftCheckpointAt } from "../chains/bft-fixture.js";
import { BftChain } from "../chains/bft-generator.js";
import { accounts } from "../chains/clique-generator.js";
import { until } from "../patience.js";
import { startBroker, type TestBroker } from "../unit/ports/broker.js";

const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));
const LINES_MAX = 60;
/** How many times as fast as this machine's the boards' clocks run. */
const SPEED = 20;

const test = suite<{ directory: string; boards: BoardProcess[] }>("examples");
test.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), "chainmote-example-"));
  context.boards = [];
});
test.after.each(async ({ directory, boards }) => {
  for (const board of boards) await board.kill();
  rmSync(directory, { recursive: true, force: true });
});

interface Running {
  readonly board: BoardProcess;
  readonly events: readonly BoardEvent[];
  /** So many events that are as `is` says. */
  some(count: number, is: (event: BoardEvent) => boolean): Promise<readonly BoardEvent[]>;
}

function start({ directory, boards }: { directory: string; boards: BoardProcess[] }, example: string, file: BoardFile): Running {
  writeFileSync(join(directory, "board.json"), JSON.stringify(file));
  const events: BoardEvent[] = [];
  const text: string[] = [];
  const firmware = join(EXAMPLES, example, "main.ts");
  const board = spawnBoard({ directory, firmware, onEvent: (event) => events.push(event), onText: (line) => text.push(line) });
  boards.push(board);
  const some = async (count: number, is: (event: BoardEvent) => boolean): Promise<readonly BoardEvent[]> => {
    await until(
      () => JSON.stringify({ events: events.slice(-10), text: text.slice(-10) }),
      () => events.filter(is).length >= count,
    );
    return events.filter(is);
  };
  return { board, events, some };
}

const CHAIN = "eip155:1337";
const chain = new BftChain({ kind: "qbft", validators: accounts(4), periodS: 2, timeS: Math.floor(Date.now() / 1000) - 1000 });
const CONFIG = {
  ntp: { servers: ["time"] },
  mqtt: { host: "broker" },
  checkpoint: JSON.parse(JSON.stringify(bftCheckpointAt(chain, chain.genesis, { trustingPeriodS: 30 * 86_400 }))) as object,
  fleet: { registry: `0x${"f1".repeat(20)}`, chain: CHAIN },
  collector: `0x${"c0".repeat(20)}`,
  sampling: { intervalMs: 1000 },
};

function announce(broker: TestBroker, raw: Uint8Array): Promise<void> {
  return publish(broker, `chains/${CHAIN}/head`, raw);
}

function publish({ aedes }: TestBroker, topic: string, message: Uint8Array): Promise<void> {
  const packet = {
    cmd: "publish",
    topic,
    payload: Buffer.from(message),
    qos: 0,
    retain: false,
    dup: false,
  } as const;
  return new Promise((resolve) => aedes.publish(packet, () => resolve()));
}

test("each is short, and says what it is", () => {
  for (const name of readdirSync(EXAMPLES, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    const sources = readdirSync(join(EXAMPLES, name.name)).filter((file) => /\.[jt]s$/.test(file));
    assert.ok(sources.length > 0, name.name);
    for (const file of sources) {
      const source = readFileSync(join(EXAMPLES, name.name, file), "utf8");
      assert.ok(source.split("\n").length <= LINES_MAX, `${name.name}/${file}`);
      assert.match(source, /^\/\/ /);
    }
  }
});

test("own sensor: its values in signed records; unplugged, a line and a gap each time", async (context) => {
  const config = { ...CONFIG, sensor: { pin: 3, divider: 2 } };
  const { board, some } = start(context, "own-sensor", { config, speed: SPEED, pins: { 3: { analog: 0.6 } } });
  const [record] = await some(1, ({ event }) => event === "record");
  assert.equal(record?.values, ["battery 3.72 V"]);
  board.change({ pin: [3, { analog: 0 }] });
  const [lost] = await some(2, ({ event }) => event === "sensor");
  assert.is(lost?.code, "battery-absent");
  assert.ok((await some(2, ({ event }) => event === "gap")).every(({ samples }) => Number(samples) >= 1));
});

test("own sensor: a pin that is not configured is said, and nothing is begun", async (context) => {
  const { some } = start(context, "own-sensor", { config: CONFIG, speed: SPEED });
  const [error] = await some(1, ({ event }) => event === "error");
  assert.match(String(error?.detail), /^sensor\.pin: expected a whole number from 0 to 48; it is absent/);
});

test("light client: the lamp shows what each verified head says, and a forged one changes nothing", async (context) => {
  const broker = await startBroker();
  try {
    const config = { ...CONFIG, wifi: { ssid: "lab" } };
    const { events, some } = start(context, "light-client", { config, network: { "broker:1883": broker.endpoint } });
    await some(1, ({ event, state }) => event === "link" && state === "up");
    const [forged] = chain.grow(chain.genesis, 1, () => ({
      bendSeals: (seals) => seals.map((seal) => seal.map((byte) => byte ^ 1)),
    }));
    let tip = chain.genesis;
    await announce(broker, forged?.raw as Uint8Array);
    const [refused] = await some(1, ({ event }) => event === "refused");
    assert.match(String(refused?.code), /^seal-/);
    for (let number = 1; number <= 4; number += 1) {
      tip = chain.child(tip);
      await announce(broker, tip.raw);
      const [shown] = await some(1, ({ event, number: at }) => event === "app" && at === number);
      assert.is(shown?.lamp, ((tip.hash[31] as number) & 1) === 0, `block ${number}`);
    }
    // One that it has not heard of lies between: it asks, and believes the answer as little as the rest.
    const missed = chain.child(tip);
    const next = chain.child(missed);
    const answers: Promise<void>[] = [];
    broker.aedes.on("publish", ({ topic, payload }) => {
      if (topic !== `chains/${CHAIN}/requests`) return;
      const request = decodeRequest(new Uint8Array(payload as Buffer));
      if (request instanceof Rejection) throw request;
      const headers = [missed, next].filter(({ number }) => number >= request.from && number < request.from + request.count);
      const reply = encodeReply({ id: request.id, from: request.from, headers: headers.map(({ raw }) => raw) });
      answers.push(publish(broker, topicsOf("", request.to, CHAIN).replies, reply));
    });
    await announce(broker, next.raw);
    const [caughtUp] = await some(1, ({ event, number }) => event === "app" && number === next.number);
    await Promise.all(answers);
    assert.ok(answers.length > 0);
    assert.is(caughtUp?.lamp, ((next.hash[31] as number) & 1) === 0);
    assert.is(events.filter(({ event }) => event === "record").length, 0, "it follows, and records nothing");
  } finally {
    await broker.close();
  }
});

test("data logger: signs without a network, goes on after a power cut, and its flash image verifies", async (context) => {
  const first = start(context, "data-logger", { speed: SPEED });
  await first.some(3, ({ event }) => event === "app");
  await first.board.kill();
  const second = start(context, "data-logger", { speed: SPEED });
  const logged = await second.some(2, ({ event }) => event === "app");
  await second.board.kill();
  assert.is(
    second.events.find(({ event }) => event === "key")?.address,
    first.events.find(({ event }) => event === "key")?.address,
  );
  assert.ok(Number(logged[0]?.seq) > 3);
  const lines: string[] = [];
  const output: Output = {
    line: (text = "") => void lines.push(text),
    error: (text) => void lines.push(text),
    style: (_, text) => text,
  };
  const records = join(context.directory, "records.cborseq");
  const mote = String(first.events.find(({ event }) => event === "key")?.address);
  const image = join(context.directory, "flash/journal.bin");
  assert.is(await command(["journal", "dump", image, "--records", records, "--mote", mote], output), 0, lines.join("\n"));
  lines.length = 0;
  assert.is(await command(["verify", records], output), 0, lines.join("\n"));
  assert.match(lines.join("\n"), /record/);
});

test.run();
