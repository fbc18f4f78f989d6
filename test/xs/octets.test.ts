// The native work on bytes behind its bindings, on the real engine in a board's memory, against the reference in JavaScript: the
// corpus of the fuzzer, and mutated inputs (test/fuzz). m32 bears the weight, rv32 a sample. FUZZ_INPUTS sets how many.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../firmware/bytes.js";
import { boardOf } from "../../host-sim/boards.js";
import { buildHost } from "../../host-sim/xs/build.js";
import { gatherModules, packImage } from "../../host-sim/xs/image.js";
import { runImage } from "../../host-sim/xs/run.js";
import { BITCOIN_WORK, resultOf, WORKS } from "../fuzz/cases.js";
import { corpus } from "../fuzz/compare.js";
import { fuzzInputs } from "../fuzz/inputs.js";

const INPUTS = { m32: Number(process.env.FUZZ_INPUTS ?? 6_000), rv32: 600 };
/** What one request and its answer may take of the guest's memory. */
const BATCH_BYTES_MAX = 4_096;
const RUN_MS_MAX = 3_600_000;
const PROGRAM = { entry: "test/xs/guest/octets.ts", preload: ["firmware/*", "host-sim/*", "test/fuzz/*"] };

/** A stand-in for SHA-256 is of no use there: C takes its own. */
function applies(input: Uint8Array): boolean {
  return input.length >= 4 && input.length < BATCH_BYTES_MAX && (input[0] as number) % WORKS !== BITCOIN_WORK;
}

// All are built before the first suite is run: uvu begins at the first pause after that.
const hosts = [await buildHost("m32"), await buildHost("rv32")] as const;
const image = packImage(await gatherModules(PROGRAM), PROGRAM, {
  creation: boardOf("esp32c3").creation,
  keysInGuest: true,
  seed: 1,
});

for (const [target, built] of [
  ["m32", hosts[0]],
  ["rv32", hosts[1]],
] as const) {
  const test = suite(`work on bytes on ${target}`);
  if ("missing" in built) {
    console.log(built.missing);
    test.skip("work on bytes", () => {});
  } else
    test(`the corpus and ${INPUTS[target]} mutated inputs give what the reference gives`, async () => {
      const generated = fuzzInputs(`octets on ${target}`);
      const waiting = target === "m32" ? corpus().filter(applies) : [];
      let left = INPUTS[target];
      let compared = 0;
      let refused = 0;
      let asked: Uint8Array[] = [];
      const next = (): Uint8Array => {
        for (;;) {
          const input = waiting.shift() ?? generated.next().value;
          if (applies(input)) return input;
        }
      };
      const report = await runImage(built, image, {
        timeoutMs: RUN_MS_MAX,
        request(message) {
          for (let at = 0, i = 0; i < asked.length; i += 1) {
            const end = at + 2 + message.readUInt16BE(at);
            const found = toHex(message.subarray(at + 2, end));
            const expected = toHex(resultOf(asked[i] as Uint8Array));
            if (found !== expected) assert.is(found, expected, `input ${toHex(asked[i] as Uint8Array)}`);
            if (expected === "ff") refused += 1;
            compared += 1;
            at = end;
          }
          asked = [];
          const parts: Buffer[] = [];
          for (let bytes = 0; left > 0 && bytes < BATCH_BYTES_MAX / 2; left -= 1) {
            const input = next();
            const length = Buffer.alloc(2);
            length.writeUInt16BE(input.length);
            parts.push(length, Buffer.from(input));
            asked.push(input);
            bytes += 2 + input.length;
          }
          return Buffer.concat(parts);
        },
      });
      assert.is(report.reason, "ended", report.lines.join("\n"));
      assert.is(compared, INPUTS[target]);
      assert.ok(refused > compared / 50 && refused < (9 * compared) / 10, `${refused} refused`);
    });
  test.run();
}
