// The ports' contracts from their one source, inside the engine: the firmware's own provider over the proxies, C and the
// board's end of the bridge.

import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { answerCall, Notices } from "../../host-sim/engine/bridge/bridge.js";
import { boardOperations } from "../../host-sim/engine/bridge/operations.js";
import { answerKeys } from "../../host-sim/engine/bridge/storage.js";
import { firmwareImage, gatherFirmware } from "../../host-sim/engine/xs-image.js";
import { Board } from "../../host-sim/hardware/board.js";
import { memoryStorage } from "../../host-sim/hardware/storage.js";
import { buildHost } from "../../host-sim/xs/build.js";
import { ROOMY } from "../../host-sim/xs/presets.js";
import { runImage } from "../../host-sim/xs/run.js";
import { TARGETS, type Target } from "../../host-sim/xs/toolchain.js";
import type { Value } from "../../host-sim/xs/wire.js";

const ENTRY = fileURLToPath(new URL("guest/ports.ts", import.meta.url));
const HARNESS = { uvu: "test/xs/guest/uvu.ts", "uvu/assert": "test/xs/guest/assert.ts" };
const RUN_MS_MAX = 100_000;
/** So many contracts' tests there are at least: a guest that ends early must not look well. */
const TESTS_MIN = 30;

interface Result {
  readonly title: string;
  readonly error?: string;
}

const ERRORS: Readonly<Record<string, () => Error>> = {
  type: () => new TypeError("type"),
  range: () => new RangeError("range"),
  other: () => new Error("other, with 100 % of its signs: %s %d"),
  long: () => new Error("long ".repeat(100)),
};

/** Runs the contracts on `target`; answers what came of each, and how the guest ended. */
async function results(target: Target): Promise<{ results: Result[]; end: string } | { missing: string }> {
  const built = await buildHost(target);
  if ("missing" in built) return built;
  const notices = new Notices();
  const make = (): Board => new Board({ storage: memoryStorage({ partitions: { journal: 4 * 4096 } }) });
  let board = make();
  let operations = boardOperations(board, notices);
  const world = {
    "world.fresh"() {
      board = make();
      operations = boardOperations(board, notices);
      return undefined;
    },
    "world.echo": (value: Value) => value,
    "world.bytes": (length: Value, value: Value) => new Uint8Array(length as number).fill(value as number),
    "world.fail"(kind: Value) {
      throw (ERRORS[kind as string] as () => Error)();
    },
    "world.done"() {
      notices.stop();
      return undefined;
    },
  };
  const image = firmwareImage(await gatherFirmware(ENTRY, "native", HARNESS), {}, ROOMY, target);
  const found: Result[] = [];
  const report = await runImage(built, image, {
    call: (message) => answerCall({ ...operations, ...world }, message),
    keys: (message) => answerKeys(board, message),
    notice: () => notices.next(),
    line: (text) => void found.push(text.startsWith("{") ? JSON.parse(text) : { title: "the guest", error: text }),
    timeoutMs: RUN_MS_MAX,
    realTime: true,
  });
  return { results: found, end: `${report.code} ${report.reason}` };
}

const outcomes: (readonly [Target, Awaited<ReturnType<typeof results>>])[] = [];
for (const target of TARGETS) outcomes.push([target, await results(target)]);
for (const [target, outcome] of outcomes) {
  const test = suite(`ports on ${target}`);
  if ("missing" in outcome) {
    console.log(`skipped: ${outcome.missing}`);
    test.skip("the ports' contracts", () => {});
  } else {
    for (const { title, error } of outcome.results) test(title, () => assert.is(error, undefined));
    test("all of them ran", () => {
      assert.is(outcome.end, "0 ended");
      assert.ok(outcome.results.length >= TESTS_MIN, `${outcome.results.length}`);
    });
  }
  test.run();
}
