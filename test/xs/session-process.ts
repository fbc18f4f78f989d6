// The asynchronous half of session.ts, in a process of its own: runs the guest, and is the board that it runs on.
// Orders come as lines of JSON on descriptor 3 and are answered, one line each, on descriptor 4.

import { createReadStream, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { boardOf } from "../../host-sim/boards.js";
import { answerKeys } from "../../host-sim/engine/bridge/storage.js";
import { Board } from "../../host-sim/hardware/board.js";
import { MemoryNvs } from "../../host-sim/hardware/key-value.js";
import { memoryStorage } from "../../host-sim/hardware/storage.js";
import { buildHost } from "../../host-sim/xs/build.js";
import { gatherModules, packImage } from "../../host-sim/xs/image.js";
import { runImage } from "../../host-sim/xs/run.js";
import type { Target } from "../../host-sim/xs/toolchain.js";
import { RUN_MS_MAX } from "../patience.js";
import { biasedNoise } from "../unit/crypto/noise.js";
import type { FromProcess, ToProcess } from "./session.js";

const [target, seed] = process.argv.slice(2) as [Target, string];
const ORDERS = 3;
const ANSWERS = 4;
/** Where the keys lie (host-sim/engine/bridge/storage.ts). */
const KEYS = "keys";

const nvs = new MemoryNvs();
const board = new Board({ storage: { ...memoryStorage({ partitions: {} }), nvs }, entropy: { seed: seed as string } });
board.radio.start();
let drained = false;
let give: ((event: Buffer | undefined) => void) | undefined;
const waiting: (Buffer | undefined)[] = [];

function answer(message: FromProcess): void {
  const line = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let at = 0; at < line.length; ) at += writeSync(ANSWERS, line, at);
}

const ownNoise = board.entropy.read.bind(board.entropy);

function setNoise(kind: string): void {
  if (kind === "not-ready") board.radio.stop();
  else board.radio.start();
  board.entropy.fault = kind === "stuck" ? "stuck" : "none";
  // The simulated fault would do, but for chance: it may trip either of two health tests.
  const biased = biasedNoise(seed, 0.75);
  board.entropy.read = kind === "biased" ? (buffer) => biased.read(buffer) : ownNoise;
}

/** The next event of the guest: jobs, or its end. */
function push(event: Buffer | undefined): void {
  const waits = give;
  give = undefined;
  if (waits === undefined) waiting.push(event);
  else waits(event);
}

function obey(order: ToProcess): void {
  if ("jobs" in order) push(Buffer.from(JSON.stringify(order.jobs)));
  else if ("stop" in order) push(undefined);
  else changeBoard(order);
}

function changeBoard(order: Exclude<ToProcess, { jobs: unknown } | { stop: true }>): void {
  if ("noise" in order) setNoise(order.noise);
  else if ("powerCut" in order) board.rtc.noiseFailed = false;
  else if (order.value !== undefined) nvs.set(KEYS, order.slot, new Uint8Array(Buffer.from(order.value, "hex")));
  else if (order.slot !== "") nvs.delete(KEYS, order.slot);
  const slots = [...nvs.sizes().keys()].map((name) => name.slice(KEYS.length + 1));
  const held = (slot: string): string => Buffer.from(nvs.get(KEYS, slot) ?? []).toString("hex");
  answer({ slots: Object.fromEntries(slots.map((slot) => [slot, held(slot)])) });
}

const built = await buildHost(target);
if ("missing" in built) {
  answer({ missing: built.missing });
  process.exit(0);
}
const program = { entry: "test/xs/guest/oracle.ts" };
const image = packImage(
  await gatherModules(program),
  program,
  { creation: boardOf("esp32c3").creation },
  target === "x64" ? 2 : 1,
);
const orders = createInterface({ input: createReadStream("", { fd: ORDERS }) });
orders.on("line", (line) => obey(JSON.parse(line) as ToProcess));
orders.on("close", () => {
  if (!drained) process.exit(1); // whoever gave orders is gone
});
answer({ slots: {} });
const { dump, ...report } = await runImage(built, image, {
  timeoutMs: RUN_MS_MAX,
  keys: (message) => answerKeys(board, message),
  request(message) {
    answer({ results: JSON.parse(message.toString()) as { value?: unknown; error?: string }[] });
    return Buffer.alloc(0);
  },
  event: () =>
    waiting.length > 0
      ? waiting.shift()
      : new Promise((resolve) => {
          give = resolve;
        }),
});
drained = true;
answer({ report, dump: dump.toString("base64") });
process.exit(0);
