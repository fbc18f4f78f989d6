// The asynchronous half of session.ts, in a process of its own: runs the guest, and is the board that it runs on.
// Orders come as lines of JSON on descriptor 3 and are answered, one line each, on descriptor 4.

import { createReadStream, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Entropy } from "../../firmware/ports.js";
import { buildHost } from "../../host-sim/xs/build.js";
import { gatherModules, packImage } from "../../host-sim/xs/image.js";
import { CREATIONS } from "../../host-sim/xs/presets.js";
import { runImage } from "../../host-sim/xs/run.js";
import type { Target } from "../../host-sim/xs/toolchain.js";
import { biasedNoise, goodNoise, noiseOf } from "../unit/crypto/noise.js";
import type { FromProcess, ToProcess } from "./session.js";

const [target, seed] = process.argv.slice(2) as [Target, string];
const ORDERS = 3;
const ANSWERS = 4;
const RUN_MS_MAX = 900_000;
/** The messages of host-sim/xs/src/board-keys.c. */
const OPERATION = { noise: 0, read: 1, write: 2 } as const;
const ABSENT = Buffer.from([0]);
const DONE = Buffer.from([1]);
const REFUSED = Buffer.from([2]);

const slots = new Map<string, Buffer>();
let noise: Entropy | undefined = goodNoise(seed);
let drained = false;
let give: ((event: Buffer | undefined) => void) | undefined;
const waiting: (Buffer | undefined)[] = [];

function answer(message: FromProcess): void {
  const line = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let at = 0; at < line.length; ) at += writeSync(ANSWERS, line, at);
}

function keys(message: Buffer): Buffer {
  const operation = message[0];
  if (operation === OPERATION.noise) {
    if (noise === undefined) return REFUSED;
    const drawn = Buffer.alloc(message.readUInt16LE(2));
    noise.read(drawn);
    return Buffer.concat([DONE, drawn]);
  }
  const length = message[1] as number;
  const slot = message.toString("latin1", 2, 2 + length);
  if (operation === OPERATION.read) {
    const value = slots.get(slot);
    return value === undefined ? ABSENT : Buffer.concat([DONE, value]);
  }
  if (operation === OPERATION.write) slots.set(slot, Buffer.from(message.subarray(2 + length)));
  else slots.delete(slot);
  return DONE;
}

function setNoise(kind: string): void {
  if (kind === "good") noise = goodNoise(`${seed} again`);
  else if (kind === "stuck") noise = noiseOf(() => 0xa5);
  else if (kind === "biased") noise = biasedNoise(seed, 0.75);
  else noise = undefined;
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
  else if (order.value === undefined) slots.delete(order.slot);
  else slots.set(order.slot, Buffer.from(order.value, "hex"));
  answer({ slots: Object.fromEntries([...slots].map(([slot, value]) => [slot, value.toString("hex")])) });
}

const built = await buildHost(target);
if ("missing" in built) {
  answer({ missing: built.missing });
  process.exit(0);
}
const program = { entry: "test/xs/guest/oracle.ts" };
const image = packImage(await gatherModules(program), program, { creation: CREATIONS.esp32c3 }, target === "x64" ? 2 : 1);
const orders = createInterface({ input: createReadStream("", { fd: ORDERS }) });
orders.on("line", (line) => obey(JSON.parse(line) as ToProcess));
orders.on("close", () => {
  if (!drained) process.exit(1); // whoever gave orders is gone
});
answer({ slots: {} });
const { dump, ...report } = await runImage(built, image, {
  timeoutMs: RUN_MS_MAX,
  keys,
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
