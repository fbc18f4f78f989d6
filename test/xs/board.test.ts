// A board whose firmware runs on the XS engine, in a process of its own: it finds what it finds on Node, keeps what it keeps
// there, and every end says why and leaves nothing behind.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BOARD_NAMES, boardOf } from "../../host-sim/boards.js";
import { type GuestEngine, guestEngine, type Memory } from "../../host-sim/engine/engines.js";
import { type BoardEvent, type BoardFile, type Reset, spawnBoard } from "../../host-sim/engine/node.js";
import type { Crypto } from "../../host-sim/engine/xs-image.js";
import { FileNvs } from "../../host-sim/hardware/key-value.js";
import { Prng } from "../../host-sim/world/prng.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { memoryBytes } from "../../host-sim/xs/presets.js";
import type { Target } from "../../host-sim/xs/toolchain.js";
import { until } from "../patience.js";
import { seedOr } from "../seed.js";
import { startBroker, type TestBroker } from "../unit/ports/broker.js";

const prng = new Prng(seedOr());

const KILLS = 4;

function fixture(name: string): string {
  return fileURLToPath(new URL(`../sim/fixtures/${name}.ts`, import.meta.url));
}

async function engineFor(
  target: Target,
  name: string,
  memory: Memory = "esp32c3",
  crypto: Crypto = "native",
): Promise<GuestEngine> {
  const engine = await guestEngine({ target, memory, crypto, firmware: fixture(name) });
  if ("missing" in engine) throw new Error(engine.missing);
  return engine;
}

function boot(directory: string, engine?: GuestEngine, reset: Reset = "power-on", firmware = fixture("probe")) {
  const events: BoardEvent[] = [];
  const text: string[] = [];
  const board = spawnBoard({
    directory,
    firmware,
    reset,
    ...(engine === undefined ? {} : { engine }),
    onEvent: (event) => events.push(event),
    onText: (line) => text.push(line),
  });
  const first = (name: string): BoardEvent | undefined => events.find(({ event }) => event === name);
  const seen = (name: string): Promise<void> =>
    until(
      () => `${name}; ${JSON.stringify({ events, text })}`,
      () => first(name) !== undefined,
    );
  return { board, events, text, seen, first };
}

/** The processes that this one has started, theirs as well. */
function descendants(pid: number): number[] {
  try {
    const own = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    const children = own === "" ? [] : own.split(" ").map(Number);
    return [...children, ...children.flatMap(descendants)];
  } catch {
    return []; // it is gone
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

function run(target: Target, missing: string | undefined): void {
  const test = suite<{ directory: string; broker: TestBroker; sntp: SntpServer }>(`board on ${target}`);
  if (missing !== undefined) {
    console.log(`skipped: ${missing}`);
    test.skip("boards", () => {});
    test.run();
    return;
  }
  test.before.each(async (context) => {
    context.broker = await startBroker();
    context.sntp = await SntpServer.start();
    context.directory = mkdtempSync(join(tmpdir(), "chainmote-xs-board-"));
    writeFileSync(join(context.directory, "board.json"), "{}");
  });
  test.after.each(async ({ directory, broker, sntp }) => {
    await broker.close();
    await sntp.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test("finds its configuration, noise once the radio is on, time, a broker and a room", async ({ directory, broker, sntp }) => {
    const network = { "broker:1883": broker.endpoint, "time:123": sntp.endpoint };
    writeFileSync(
      join(directory, "board.json"),
      JSON.stringify({ config: { answer: 42, list: [1, 2] }, network } satisfies BoardFile),
    );
    const { board, events, text, seen, first } = boot(directory, await engineFor(target, "probe"));
    for (const name of ["key", "time", "link", "sensor"]) await seen(name);
    assert.equal([first("boot")?.answer, first("boot")?.list], [42, [1, 2]]);
    assert.ok((first("boot")?.nowMs as number) < 60_000, "the clock begins in 1970");
    assert.is(first("noise")?.refused, "noise source is off");
    assert.is(String(first("key")?.publicKey).split(".").length, 65);
    assert.ok(Math.abs((first("time")?.nowMs as number) - Date.now()) < 5000);
    assert.is(first("link")?.operation, 2);
    assert.ok((first("sensor")?.temperature as number) > 10);
    board.change({ link: "down" });
    await until("the loss of the link", () => events.some(({ event, operation }) => event === "link" && operation === -1));
    await board.stop();
    assert.is(await board.exited, 0);
    assert.equal(text, []);
    const { reason, board: memory, heapPeakBytes, memoryBytes: bytes } = first("engine") as BoardEvent;
    assert.equal([reason, memory, bytes], ["ended", "esp32c3", 94_208]);
    assert.ok((heapPeakBytes as number) > 20_000 && (heapPeakBytes as number) <= 94_208, `${heapPeakBytes}`);
  });

  test("one identity on Node, on XS, and on Node again", async ({ directory }) => {
    const keys: unknown[] = [];
    const engine = await engineFor(target, "probe");
    for (const [i, own] of [undefined, engine, undefined, engine].entries()) {
      const { board, seen, first } = boot(directory, own);
      await seen("key");
      assert.is(first("boot")?.boots, i + 1);
      keys.push(first("key")?.publicKey);
      await board[i === 1 ? "kill" : "stop"]();
    }
    assert.is(new Set(keys).size, 1);
    const nvs = new FileNvs(join(directory, "nvs"));
    assert.equal([...nvs.sizes().keys()].sort(), ["keys/probe", "probe/boots"]);
  });

  test("a source of noise that is stuck makes no key", async ({ directory }) => {
    writeFileSync(join(directory, "board.json"), JSON.stringify({ entropy: { fault: "stuck" } } satisfies BoardFile));
    const { board, seen, first } = boot(directory, await engineFor(target, "probe"));
    await seen("key");
    assert.is(first("key")?.code, "entropy-repeats");
    await board.stop();
  });

  test("once it has failed, no software reset and no other engine asks it again, until its power was off", async ({
    directory,
  }) => {
    const engine = await engineFor(target, "probe");
    const codes: unknown[] = [];
    for (const [fault, reset, own] of [
      ["stuck", "power-on", engine],
      ["none", "software", engine],
      ["none", "software", undefined],
      ["none", "power-on", engine],
    ] as const) {
      writeFileSync(join(directory, "board.json"), JSON.stringify({ entropy: { fault } } satisfies BoardFile));
      const { board, seen, first } = boot(directory, own, reset);
      await seen("key");
      codes.push(first("key")?.code);
      await board.kill();
    }
    assert.equal(codes, ["entropy-repeats", "entropy-latched", "entropy-latched", undefined]);
  });

  test("what the firmware does not catch ends the board, and its last words are handed on", async ({ directory }) => {
    const { board, text, first } = boot(directory, await engineFor(target, "crash"));
    assert.is(await board.exited, 2);
    assert.is(first("engine")?.reason, "uncaught exception");
    assert.ok(text.some((line) => line.includes("unhandled, as on a board")));
    assert.ok(text.includes("plain text"));
  });

  test("a full memory ends the board with its reason and its figures", async ({ directory }) => {
    const { board, events, first } = boot(directory, await engineFor(target, "hog"));
    assert.is(await board.exited, 3);
    const { reason, chunksPeakBytes, slotsPeakBytes, stackPeakBytes } = first("engine") as BoardEvent;
    assert.is(reason, "memory full");
    const sum = [chunksPeakBytes, slotsPeakBytes, stackPeakBytes].reduce<number>((total, bytes) => total + (bytes as number), 0);
    assert.ok(sum > 60_000 && sum <= 94_208, `${sum}`);
    assert.ok(events.filter(({ event }) => event === "app").length > 5);
  });

  test(`${KILLS} kills while it writes: the old value or the new one, whole, and no process left behind`, async ({
    directory,
  }) => {
    const engine = await engineFor(target, "counter");
    let last = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const { board, events } = boot(directory, engine);
      const numbers = (): number[] => events.filter(({ event }) => event !== "engine").map(({ number }) => number as number);
      await until(
        () => `a few writes; ${JSON.stringify(events)}`,
        () => numbers().length > 5,
      );
      await new Promise((resolve) => setTimeout(resolve, prng.below(60)));
      const guests = descendants(board.pid);
      assert.ok(guests.length > 0);
      await board.kill();
      await until("the guest's end", () => guests.every((pid) => !alive(pid)));
      assert.ok((numbers()[0] as number) >= last && (numbers()[0] as number) <= last + 1, `${numbers()[0]} after ${last}`);
      last = numbers().at(-1) as number;
      const value = new FileNvs(join(directory, "nvs")).get("counter", "value") as Uint8Array;
      const number = new DataView(value.buffer, value.byteOffset).getUint32(0);
      assert.ok(number === last || number === last + 1, `${number} is there, ${last} was said to be kept`);
      assert.ok(value.length === 4 + ((number * 37) % 1300) && value.subarray(4).every((byte) => byte === (number & 255)));
    }
  });

  if (target === "m32")
    test("an image's parts by HTTP, a hundred in turn, in a board's memory", async ({ directory }) => {
      const { board, seen, first } = boot(directory, await engineFor(target, "http-parts"));
      await seen("parts");
      assert.is(first("parts")?.whole, 100);
      assert.is(first("parts")?.refused, "images.lab: the server answers 302: no redirect is followed");
      await board.stop();
    });

  if (target === "m32")
    test("each board has its bus on its own pins, whatever board.json says of another", async ({ directory }) => {
      for (const memory of BOARD_NAMES) {
        const own = join(directory, memory);
        mkdirSync(own);
        writeFileSync(join(own, "board.json"), JSON.stringify({ board: BOARD_NAMES[0] as string } satisfies BoardFile));
        const { board, seen, first } = boot(own, await engineFor(target, "probe", memory));
        await seen("boot");
        const { data, clock } = boardOf(memory).pins.i2c;
        assert.equal(first("boot")?.bus, [data, clock], memory);
        await board.stop();
      }
    });

  if (target === "m32")
    test("noble makes the same key as C does, in a roomy memory, and fits no board's", async ({ directory }) => {
      const keys: unknown[] = [];
      for (const engine of [await engineFor(target, "probe", "roomy", "noble"), await engineFor(target, "probe")]) {
        const { board, seen, first } = boot(directory, engine);
        await seen("key");
        keys.push(first("key")?.publicKey);
        await board.stop();
      }
      assert.is(keys[0], keys[1]);
      for (const memory of BOARD_NAMES) {
        const own = join(directory, memory);
        mkdirSync(own);
        writeFileSync(join(own, "board.json"), "{}");
        const { board, first } = boot(own, await engineFor(target, "probe", memory, "noble"));
        assert.is(await board.exited, 3, memory);
        assert.is(first("engine")?.reason, "memory full");
        assert.is(first("engine")?.memoryBytes, memoryBytes(boardOf(memory).creation));
      }
    });

  test.run();
}

const missing: (string | undefined)[] = [];
for (const target of ["m32", "rv32"] as const) {
  const engine = await guestEngine({ target, memory: "esp32c3", firmware: fixture("probe") });
  missing.push("missing" in engine ? engine.missing : undefined);
}
run("m32", missing[0]);
if (process.env.FULL === "1") run("rv32", missing[1]);
