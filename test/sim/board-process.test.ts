// The firmware's own provider on a simulated board in a process of its own: what it finds there, what lasts from boot to
// boot, and how the process ends.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BoardEvent, type BoardFile, type BoardProcess, type Reset, spawnBoard } from "../../host-sim/engine/node.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { freePort } from "../../tools/processes/ports.js";
import { until } from "../patience.js";
import { startBroker, type TestBroker } from "../unit/ports/broker.js";

const PROBE = fileURLToPath(new URL("fixtures/probe.ts", import.meta.url));
const CRYPTO = fileURLToPath(new URL("fixtures/crypto.ts", import.meta.url));
const CRASH = fileURLToPath(new URL("fixtures/crash.ts", import.meta.url));
const PARENT = fileURLToPath(new URL("board-parent.ts", import.meta.url));

const test = suite<{ directory: string; broker: TestBroker; sntp: SntpServer }>("board process");

test.before.each(async (context) => {
  context.directory = mkdtempSync(join(tmpdir(), "chainmote-board-"));
  context.broker = await startBroker();
  context.sntp = await SntpServer.start();
  configure(context.directory, {
    config: { answer: 42 },
    network: { "broker:1883": context.broker.endpoint, "time:123": context.sntp.endpoint },
  });
});
test.after.each(async (context) => {
  await context.broker.close();
  await context.sntp.close();
  rmSync(context.directory, { recursive: true, force: true });
});

function configure(directory: string, board: BoardFile): void {
  writeFileSync(join(directory, "board.json"), JSON.stringify(board));
}

function boot(directory: string, firmware = PROBE, reset: Reset = "power-on") {
  const events: BoardEvent[] = [];
  const text: string[] = [];
  const board: BoardProcess = spawnBoard({
    directory,
    firmware,
    reset,
    onEvent: (event) => events.push(event),
    onText: (line) => text.push(line),
  });
  const seen = (name: string): Promise<void> =>
    until(
      () => `${name}; ${JSON.stringify({ events, text })}`,
      () => events.some(({ event }) => event === name),
    );
  const first = (name: string): BoardEvent | undefined => events.find(({ event }) => event === name);
  return { board, events, text, seen, first };
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

test("finds its configuration, noise once the radio is on, time, a broker and a room", async ({ directory }) => {
  const { board, events, text, seen, first } = boot(directory);
  for (const name of ["key", "time", "link", "sensor"]) await seen(name);
  assert.is(first("boot")?.answer, 42);
  assert.ok((first("boot")?.nowMs as number) < 60_000, "the clock begins in 1970");
  assert.is(first("noise")?.refused, "noise source is off");
  assert.is(String(first("key")?.publicKey).split(".").length, 65);
  assert.ok(Math.abs((first("time")?.nowMs as number) - Date.now()) < 5000);
  assert.is(first("link")?.operation, 2);
  assert.ok((first("sensor")?.temperature as number) > 10);
  assert.ok(
    events.filter(({ event }) => event === "wifi").every(({ address }) => address === null || /^[\d.]+$/.test(String(address))),
    "no link-local address gets through the provider",
  );
  assert.equal(text, []);
  await board.stop();
  assert.is(await board.exited, 0);
});

test("a key and a value last from boot to boot, after a stop and after a kill", async ({ directory }) => {
  const keys: unknown[] = [];
  for (const [i, end] of (["stop", "kill", "stop"] as const).entries()) {
    const { board, seen, first } = boot(directory);
    await seen("key");
    assert.is(first("boot")?.boots, i + 1);
    keys.push(first("key")?.publicKey);
    await board[end]();
    assert.is(await board.exited, end === "stop" ? 0 : 137);
    assert.not.ok(alive(board.pid));
  }
  assert.is(new Set(keys).size, 1);
});

test("two boards make two keys; the same seed of noise makes one", async ({ directory }) => {
  const made = await Promise.all(
    [undefined, undefined, "same", "same"].map(async (seed, i) => {
      const folder = mkdtempSync(join(directory, `board-${i}-`));
      configure(folder, seed === undefined ? {} : { entropy: { seed } });
      const { board, seen, first } = boot(folder);
      await seen("key");
      await board.stop();
      return first("key")?.publicKey;
    }),
  );
  assert.is(new Set(made).size, 3);
  assert.is(made[2], made[3]);
});

test("a stuck noise source makes no key", async ({ directory }) => {
  configure(directory, { entropy: { fault: "stuck" } });
  const { board, seen, first } = boot(directory);
  await seen("key");
  assert.match(String(first("key")?.code), /^entropy-/);
  await board.stop();
});

test("a noise source that failed is not asked again after a software reset, and is once its power was off", async ({
  directory,
}) => {
  const codes: unknown[] = [];
  for (const [fault, reset] of [
    ["stuck", "power-on"],
    ["none", "software"],
    ["none", "software"],
    ["none", "power-on"],
  ] as const) {
    configure(directory, { entropy: { fault } });
    const { board, seen, first } = boot(directory, PROBE, reset);
    await seen("key");
    codes.push(first("key")?.code);
    await board.kill();
  }
  assert.equal(codes, ["entropy-repeats", "entropy-latched", "entropy-latched", undefined]);
});

test("ticks rise on while the board's 32-bit counter wraps", async ({ directory }) => {
  configure(directory, { clocks: { ticksAtBoot: 0x7fffffff - 1000 } });
  const { board, events } = boot(directory);
  const ticks = (): number[] => events.filter(({ event }) => event === "sensor").map(({ ticksMs }) => ticksMs as number);
  await until("a second and a half", () => ticks().some((ticksMs) => ticksMs > 1500));
  assert.equal(
    ticks(),
    [...ticks()].sort((a, b) => a - b),
  );
  assert.ok(Math.max(...ticks()) < 60_000);
  await board.stop();
});

test("the world can be changed while the board runs", async ({ directory, broker }) => {
  const { board, events, seen } = boot(directory);
  await seen("link");
  await until("the client at the broker", () => broker.aedes.connectedClients === 1);
  board.change({ link: "down" });
  await until("the loss of the link", () => events.some(({ event, operation }) => event === "link" && operation === -1));
  assert.ok(events.some(({ event, property, address }) => event === "wifi" && property === "connection" && address === null));
  await board.stop();
  board.change({ link: "up" });
});

test("what the firmware does not catch ends the board, and its last words are handed on", async ({ directory }) => {
  const { board, events, text } = boot(directory, CRASH);
  assert.is(await board.exited, 2);
  assert.equal(
    events.map(({ event }) => event),
    ["app"],
  );
  assert.ok(text.includes("unhandled exception in a callback of a timer: unhandled, as on a board"));
  assert.ok(text.includes("plain text"));
});

test("with CHAINMOTE_INSPECT a board waits for a debugger, on loopback", async ({ directory }) => {
  const port = await freePort();
  process.env.CHAINMOTE_INSPECT = String(port);
  const { board, text, events } = boot(directory);
  delete process.env.CHAINMOTE_INSPECT;
  await until(
    () => text.join("\n"),
    () => text.some((line) => line.startsWith(`Debugger listening on ws://127.0.0.1:${port}/`)),
  );
  assert.equal(events, []);
  await board.kill();
});

test("a folder without a board is one clear end", async ({ directory }) => {
  const { board, text } = boot(join(directory, "nowhere"));
  assert.is.not(await board.exited, 0);
  assert.ok(text.some((line) => line.includes("board.json")));
});

test("a board ends with the process that owns it, even a killed one", async ({ directory, broker }) => {
  const parent = spawn(process.execPath, ["--import", "tsx", PARENT, directory, PROBE], { stdio: ["ignore", "pipe", "inherit"] });
  const pid = await new Promise<number>((resolve) =>
    createInterface({ input: parent.stdout }).once("line", (line) => resolve(Number(line))),
  );
  await until("the board at work", () => broker.aedes.connectedClients === 1);
  assert.ok(alive(pid));
  parent.kill("SIGKILL");
  await until("the board's end", () => !alive(pid));
});

test("a board on Node has the fast engine, or the reference where its file says so; both sign the same", async ({
  directory,
}) => {
  const said = async (crypto: Pick<BoardFile, "crypto">): Promise<BoardEvent> => {
    configure(directory, crypto);
    const { board, first, seen } = boot(directory, CRYPTO);
    await seen("crypto");
    await board.stop();
    return first("crypto") as BoardEvent;
  };
  const { engine: fast, ...ours } = await said({});
  const { engine: noble, ...reference } = await said({ crypto: "noble" });
  assert.match(String(fast), /^fast /);
  assert.is(noble, "noble");
  assert.equal(ours, reference);
  assert.is(String(ours.signature).length, 128);
});

test.run();
