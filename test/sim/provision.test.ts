// `chainmote provision` over a real pseudo-terminal with the standard firmware on a simulated board in a process of its own, and a real
// broker: the whole way, the plug pulled at each step, a configuration that leads nowhere, the button, a factory reset; and Improv by its
// published client.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DOCUMENT_BYTES_MAX } from "../../firmware/provision/document.js";
import * as session from "../../firmware/provision/session.js";
import { decodeSign1 } from "../../firmware/record/cose.js";
import { decodeEnrolment } from "../../firmware/record/enrolment.js";
import { Rejection } from "../../firmware/rejection.js";
import { boardOf } from "../../host-sim/boards.js";
import type { GuestEngine } from "../../host-sim/engine/engines.js";
import { type BoardEvent, type BoardFile, type BoardProcess, spawnBoard } from "../../host-sim/engine/node.js";
import { SERIAL_SOCKET } from "../../host-sim/hardware/cable.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { findToolchain } from "../../host-sim/xs/toolchain.js";
import { run } from "../../tools/commands/provision.js";
import { builtEngine } from "../../tools/start/engine-choice.js";
import type { CommandError } from "../../tools/terminal.js";
import { bftCheckpointAt } from "../chains/bft-fixture.js";
import { BftChain } from "../chains/bft-generator.js";
import { accounts } from "../chains/clique-generator.js";
import { until } from "../patience.js";
import { startBroker, type TestBroker } from "../unit/ports/broker.js";
import { SerialCable } from "./serial-cable.js";

const PASSWORD = "a very secret word of the Wi-Fi";
const BROKER_PASSWORD = "another one of the broker";
const ENROLLER = `0x${"e1".repeat(20)}`;
const BUTTON = boardOf("esp32c3").pins.button;

/** A board that is kept running, as one with power is. */
class Powered {
  readonly events: BoardEvent[] = [];
  readonly text: string[] = [];
  process: BoardProcess;
  #isOff = false;
  readonly #directory: string;
  readonly #engine: GuestEngine | undefined;

  constructor(directory: string, engine?: GuestEngine) {
    this.#directory = directory;
    this.#engine = engine;
    this.process = this.#start("power-on");
  }

  /** Waits for an event that `holds` takes, after those that were there when this was last reset. */
  async seen(what: string, holds: (event: BoardEvent) => boolean): Promise<BoardEvent> {
    await until(
      () => `${what}; ${JSON.stringify(this.events.slice(-20))} ${this.text.slice(-5)}`,
      () => this.events.some(holds),
    );
    return this.events.find(holds) as BoardEvent;
  }

  async off(): Promise<void> {
    this.#isOff = true;
    await this.process.stop();
  }

  #start(reset: "power-on" | "software"): BoardProcess {
    const board = spawnBoard({
      directory: this.#directory,
      reset,
      ...(this.#engine === undefined ? {} : { engine: this.#engine }),
      onEvent: (event) => this.events.push(event),
      onText: (line) => this.text.push(line),
    });
    void board.exited.then(() => {
      if (!this.#isOff) this.process = this.#start("software");
    });
    return board;
  }
}

interface Context {
  directory: string;
  broker: TestBroker;
  sntp: SntpServer;
  board: Powered;
  cables: SerialCable[];
}

const test = suite<Context>("provision");

test.before.each(async (context) => {
  context.directory = mkdtempSync(join(tmpdir(), "chainmote-provision-"));
  context.broker = await startBroker();
  context.sntp = await SntpServer.start();
  context.cables = [];
});
test.after.each(async (context) => {
  for (const cable of context.cables) cable.pull();
  await context.board.off();
  await context.broker.close();
  await context.sntp.close();
  rmSync(context.directory, { recursive: true, force: true });
});

/** Switches the board on; its image is blank, where `board` says nothing else. */
async function powerOn(context: Context, board: BoardFile = {}, engine?: GuestEngine): Promise<void> {
  const network = { "broker.lab:1883": context.broker.endpoint, "time.lab:123": context.sntp.endpoint };
  const radio = { accessPoints: { lab: { password: PASSWORD } } };
  writeFileSync(join(context.directory, "board.json"), JSON.stringify({ serial: true, network, radio, ...board }));
  context.board = new Powered(context.directory, engine);
  await context.board.seen("open", ({ event, state }) => event === "configuration" && state === "open");
}

async function cableOf(context: Context): Promise<SerialCable> {
  const cable = await SerialCable.lay(join(context.directory, SERIAL_SOCKET));
  context.cables.push(cable);
  return cable;
}

const chain = new BftChain({ kind: "qbft", validators: accounts(4), periodS: 2, timeS: 1_700_000_000 });

function configuration(more: object = {}): object {
  return {
    wifi: { ssid: "lab", password: PASSWORD },
    ntp: { servers: ["time.lab"] },
    mqtt: { host: "broker.lab", user: "mote", password: BROKER_PASSWORD },
    checkpoint: JSON.parse(JSON.stringify(bftCheckpointAt(chain, chain.genesis, { trustingPeriodS: 10 * 365 * 86_400 }))),
    fleet: { registry: `0x${"f1".repeat(20)}`, chain: "eip155:1337" },
    collector: `0x${"c0".repeat(20)}`,
    ...more,
  };
}

interface Told {
  readonly code: number;
  readonly events: readonly Readonly<Record<string, unknown>>[];
  readonly lines: string;
}

/** The command, with `--json`. */
async function provision(context: Context, words: readonly string[], config = configuration()): Promise<Told> {
  const file = join(context.directory, "given.json");
  writeFileSync(file, JSON.stringify(config));
  const lines: string[] = [];
  const output = {
    line: (text = "") => void lines.push(text),
    error: (text: string) => void lines.push(text),
    style: (_: string, text: string) => text,
  };
  const isAsking = words.includes("--info") || words.includes("--factory-reset");
  const all = [...words, ...(isAsking ? [] : ["--config", file, "--enroller", ENROLLER, "--expiry-block", "5000"])];
  const code = await run([...all, "--no-input", "--json"], output);
  return { code, events: lines.map((line) => JSON.parse(line)), lines: lines.join("\n") };
}

async function refusedWith(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return (error as CommandError).message;
  }
  throw new Error("nothing was refused");
}

const first = (told: Told, event: string) => told.events.find((one) => one.event === event);

test("a blank board gets its configuration, makes its key, joins, and shows who it is; its passwords are shown nowhere", async (context) => {
  await powerOn(context);
  const { path } = await cableOf(context);
  const told = await provision(context, [path]);
  assert.is(told.code, 0);
  const { address, did } = first(told, "identity") ?? {};
  assert.is(did, `did:pkh:eip155:1337:${address}`);
  assert.is((await context.board.seen("its key", ({ event }) => event === "key")).address, address);
  const message = decodeSign1(new Uint8Array(Buffer.from(String(first(told, "enrolment")?.message), "hex")));
  if (message instanceof Rejection) throw new Error(String(message));
  assert.is(`0x${Buffer.from(message.kid).toString("hex")}`, String(address).toLowerCase());
  const enrolment = decodeEnrolment(message.payload);
  if (enrolment instanceof Rejection) throw new Error(String(enrolment));
  assert.equal([enrolment.counter, enrolment.expiryBlock, enrolment.fleet.chain], [1, 5000, "eip155:1337"]);
  assert.equal(enrolment.enroller, new Uint8Array(20).fill(0xe1));
  const states = context.board.events.filter(({ event }) => event === "configuration").map(({ state }) => state);
  assert.equal(states, ["open", "trying", "kept"]);
  // The board goes on with it by itself, and listens to nobody.
  await context.board.process.kill();
  context.board.events.length = 0;
  await context.board.seen("its link", ({ event, state }) => event === "link" && state === "up");
  assert.match(await refusedWith(provision(context, [path, "--info"])), /its button \(BOOT\)/);
  assert.not(context.board.events.some(({ event }) => event === "configuration"));
  const said = [told.lines, JSON.stringify(context.board.events), context.board.text.join("\n")].join("\n");
  for (const secret of [PASSWORD, BROKER_PASSWORD]) assert.not(said.includes(secret));
});

test("the plug pulled at each step: it is said what was done, and nothing counts before the last", async (context) => {
  await powerOn(context);
  const steps = [
    [session.COMMAND_HELLO, /nothing was changed/],
    [session.COMMAND_KEY, /may have made its key, which stays with it; no configuration was sent/],
    [session.COMMAND_BEGIN, /kept nothing of the configuration/],
    [session.COMMAND_PART, /kept nothing of the configuration/],
    [session.COMMAND_CHECK, /kept nothing of the configuration/],
    [session.COMMAND_ENROLMENT, /kept nothing of the configuration/],
    [session.COMMAND_COMMIT, /whether the board has taken the configuration is not known/],
  ] as const;
  for (const [kind, said] of steps) {
    const cable = await cableOf(context);
    cable.onCommand = (frame) => frame.kind !== kind;
    const message = await refusedWith(provision(context, [cable.path]));
    assert.match(message, /the port is gone/, `${kind}: ${message}`);
    assert.match(message, said, `${kind}`);
    const whole = await cableOf(context);
    assert.is(first(await provision(context, [whole.path, "--info"]), "board")?.configured, false, `after ${kind}`);
    whole.pull();
  }
  const { path } = await cableOf(context);
  assert.is((await provision(context, [path])).code, 0, "and then it is done");
});

test("a configuration that leads to no broker gives way to none, in bounded time, and the reason is told", async (context) => {
  await powerOn(context, { speed: 60 });
  const { path } = await cableOf(context);
  const told = await provision(context, [path], configuration({ mqtt: { host: "nowhere.lab" } }));
  assert.is(told.code, 1);
  assert.is(first(told, "summary")?.outcome, "refused");
  const info = first(await provision(context, [path, "--info"]), "board");
  assert.is(info?.configured, false);
  assert.is(info?.failure, "broker");
  assert.match(String(info?.address), /^0x/, "its key stays");
  const wrong = await provision(context, [path], configuration({ wifi: { ssid: "lab", password: "wrong" } }));
  assert.is(wrong.code, 1);
  assert.is(first(await provision(context, [path, "--info"]), "board")?.failure, "wifi");
});

test("what the schema refuses is refused by the board, by the field's name, and is kept nowhere", async (context) => {
  await powerOn(context);
  const { path } = await cableOf(context);
  for (const [more, said] of [
    [{ collector: PASSWORD }, /collector: expected 20 bytes in hexadecimal/],
    [{ checkpoint: { consensus: "other" } }, /consensus: expected/],
    [{ fleet: { registry: `0x${"f1".repeat(20)}`, chain: "eip155:1" } }, /the checkpoint is of eip155:1337/],
  ] as const) {
    const message = await refusedWith(provision(context, [path], configuration(more)));
    assert.match(message, said);
    assert.not(message.includes(PASSWORD));
  }
  assert.is(first(await provision(context, [path, "--info"]), "board")?.configured, false);
});

test("held for 5 s at the start the button opens the port again, and a factory reset makes another board of it", async (context) => {
  await powerOn(context);
  const { path } = await cableOf(context);
  const told = await provision(context, [path]);
  const before = first(told, "identity")?.address;
  context.board.events.length = 0;
  await context.board.process.kill();
  await context.board.seen("the start", ({ event }) => event === "boot");
  context.board.process.change({ pin: [BUTTON, { level: 0 }] });
  await context.board.seen("open", ({ event, state }) => event === "configuration" && state === "open");
  const info = first(await provision(context, [path, "--info"]), "board");
  assert.equal([info?.configured, info?.wifi, info?.address], [true, true, before]);
  assert.is((await provision(context, [path, "--factory-reset"])).code, 0);
  context.board.events.length = 0;
  await context.board.seen("open", ({ event, state }) => event === "configuration" && state === "open");
  const after = first(await provision(context, [path, "--info"]), "board");
  assert.equal([after?.configured, after?.address], [false, undefined]);
  const again = await provision(context, [path]);
  assert.is(again.code, 0);
  assert.is.not(first(again, "identity")?.address, before);
});

test("on the real engine in a board's memory: the same, by UART and by the chip's own USB port", async (context) => {
  const tools = await findToolchain("m32");
  if ("missing" in tools) {
    console.log(`skipped: ${tools.missing}`);
    await powerOn(context);
    return;
  }
  for (const board of ["esp32", "esp32c3"]) {
    const wish = { engine: "xs", memory: board, crypto: "native" } as const;
    const engine = await builtEngine(
      wish,
      () => undefined,
      () => false,
    );
    await powerOn(context, { board }, engine);
    const cable = await cableOf(context);
    // The longest that there may be, in the smallest memory.
    const whole = configuration({ health: { note: "" } });
    const room = DOCUMENT_BYTES_MAX - JSON.stringify(whole).length;
    const given = board === "esp32c3" ? configuration({ health: { note: "x".repeat(room) } }) : whole;
    const told = await provision(context, [cable.path], given);
    cable.pull();
    assert.is(told.code, 0, told.lines);
    assert.is(first(told, "board")?.board, board);
    const address = first(told, "identity")?.address;
    if (board === "esp32") {
      await context.board.off();
      rmSync(join(context.directory, "nvs"), { recursive: true });
    } else assert.is((await context.board.seen("its key", ({ event }) => event === "key")).address, address);
  }
});

test("an image that brings all but the Wi-Fi takes that alone", async (context) => {
  const { wifi, ...image } = configuration() as { wifi: object };
  await powerOn(context, { config: image });
  const { path } = await cableOf(context);
  await context.board.seen("its key", ({ event }) => event === "key");
  const told = await provision(context, [path], { wifi });
  assert.is(told.code, 0);
  const kept = readFileSync(
    join(context.directory, "nvs", Buffer.from("config").toString("hex"), Buffer.from("a").toString("hex")),
    "utf8",
  );
  assert.equal(JSON.parse(kept), { wifi });
});

test.run();
