// The portable suite (test/conformance/portable) on the XS engine: 64 bits, 32 bits, and bare RISC-V, under uvu there as here.
// The firmware is preloaded, as on a board: constants in flash behave differently from those on the heap.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { buildHost } from "../../host-sim/xs/build.js";
import { gatherModules, packImage } from "../../host-sim/xs/image.js";
import { ROOMY } from "../../host-sim/xs/presets.js";
import { runImage } from "../../host-sim/xs/run.js";
import { TARGETS } from "../../host-sim/xs/toolchain.js";
import { portableInputs } from "../conformance/portable/inputs.js";

const SUITES = ["codec", "crypto", "record", "header", "proof"];
const TESTS_MIN = 18;
const CRYPTO_TESTS_MIN = 3;
const inputs = portableInputs();

const NATIVE = { entry: "test/conformance/portable/xs-main.ts", slowBytes: false, preload: ["firmware/*", "portable/inputs"] };
/** noble-hashes keeps typed arrays in its modules, so it cannot be preloaded. */
const NOBLE = { entry: "test/conformance/portable/xs-noble.ts", slowBytes: true, preload: [] as readonly string[] };

/** What uvu said at its end, and all that it said. */
async function play(
  target: (typeof TARGETS)[number],
  { entry, slowBytes, preload }: typeof NOBLE = NATIVE,
  changed: object = {},
) {
  const built = await buildHost(target);
  if ("missing" in built) return built;
  const sources = { "portable/inputs": `export default ${JSON.stringify({ ...inputs, ...changed })};` };
  const program = { entry, slowBytes, sources, preload };
  const board = { creation: ROOMY, keysInGuest: true, seed: 11 };
  const image = packImage(await gatherModules(program), program, board, target === "x64" ? 2 : 1);
  const lines: string[] = [];
  const report = await runImage(built, image, { line: (text) => lines.push(text) });
  const text = lines.join("");
  const count = (word: string): number => Number(new RegExp(`${word}: +(\\d+)`).exec(text)?.[1]);
  return { report, text, total: count("Total"), passed: count("Passed") };
}

// All are played before the first suite is run: uvu begins at the first pause after that.
const plays: (readonly [(typeof TARGETS)[number], Awaited<ReturnType<typeof play>>])[] = [];
/** Without FULL=1 the board's own word length alone. */
const FULL = process.env.FULL === "1";
for (const target of FULL ? TARGETS : (["m32"] as const)) plays.push([target, await play(target)]);
const nobles: typeof plays = [];
for (const target of FULL ? (["m32", "rv32"] as const) : (["m32"] as const)) nobles.push([target, await play(target, NOBLE)]);
const broken = await play("m32", NATIVE, { record: { ...inputs.record, seq: 1 } });

for (const [target, played] of plays) {
  const test = suite(`portable on ${target}`);
  if ("missing" in played) {
    console.log(played.missing);
    test.skip("portable", () => {});
  } else
    test("every test of the suite passes", () => {
      const { report, text, total, passed } = played;
      assert.is(report.reason, "ended", text);
      for (const name of SUITES) assert.ok(text.includes(`${name}, native on XS`), name);
      assert.ok(total >= TESTS_MIN && passed === total, text);
    });
  test.run();
}

for (const [target, played] of nobles) {
  const test = suite(`noble on ${target}`);
  if ("missing" in played) test.skip("a sample", () => {});
  else
    test("a sample of the suite passes", () => {
      const { report, text, total, passed } = played;
      assert.is(report.reason, "ended", text);
      assert.ok(total >= CRYPTO_TESTS_MIN && passed === total, text);
    });
  test.run();
}

const failing = suite("portable, a suite that fails");
if ("missing" in broken) failing.skip("is seen", () => {});
else
  failing("is seen", () => {
    assert.is(broken.passed, broken.total - 1);
    assert.match(broken.text, /FAIL/);
  });
failing.run();
