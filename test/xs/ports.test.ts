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
import { RUN_MS_MAX } from "../patience.js";

const ENTRY = fileURLToPath(new URL("guest/ports.ts", import.meta.url));
/** So many tests the contracts have at least: a guest that ends early must not look well. */
const TESTS_MIN = 30;

const ERRORS: Readonly<Record<string, () => Error>> = {
  type: () => new TypeError("type"),
  range: () => new RangeError("range"),
  other: () => new Error("other, with 100 % of its signs: %s %d"),
  long: () => new Error("long ".repeat(100)),
};

/** Runs the contracts on `target`; answers what uvu said there, and how the guest ended. */
async function play(target: Target): Promise<{ text: string; end: string } | { missing: string }> {
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
  const image = firmwareImage(await gatherFirmware(ENTRY, "native"), {}, ROOMY, target);
  const lines: string[] = [];
  const report = await runImage(built, image, {
    call: (message) => answerCall({ ...operations, ...world }, message),
    keys: (message) => answerKeys(board, message),
    notice: () => notices.next(),
    line: (text) => void lines.push(text),
    timeoutMs: RUN_MS_MAX,
    realTime: true,
  });
  return { text: lines.join(""), end: `${report.code} ${report.reason}` };
}

// All are played before the first suite is run: uvu begins at the first pause after that.
const plays: (readonly [Target, Awaited<ReturnType<typeof play>>])[] = [];
for (const target of TARGETS) plays.push([target, await play(target)]);
for (const [target, played] of plays) {
  const test = suite(`ports on ${target}`);
  if ("missing" in played) {
    console.log(`skipped: ${played.missing}`);
    test.skip("the ports' contracts", () => {});
  } else
    test("every contract holds", () => {
      const count = (word: string): number => Number(new RegExp(`${word}: +(\\d+)`).exec(played.text)?.[1]);
      assert.is(played.end, "0 ended", played.text);
      assert.ok(count("Total") >= TESTS_MIN && count("Passed") === count("Total"), played.text);
    });
  test.run();
}
