// A value in the key-value store of a board whose plug is pulled at random moments: the old one or the new one, whole.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnBoard } from "../../host-sim/engine/node.js";
import { FileNvs } from "../../host-sim/hardware/key-value.js";
import { Prng } from "../../host-sim/world/prng.js";
import { until } from "../patience.js";
import { seedOr } from "../seed.js";

const COUNTER = fileURLToPath(new URL("fixtures/counter.ts", import.meta.url));
const KILLS = 8;
const prng = new Prng(seedOr());

test(`${KILLS} kills while it writes`, async () => {
  const directory = mkdtempSync(join(tmpdir(), "chainmote-kill-"));
  try {
    writeFileSync(join(directory, "board.json"), "{}");
    let last = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const numbers: number[] = [];
      const board = spawnBoard({ directory, firmware: COUNTER, onEvent: ({ number }) => numbers.push(number as number) });
      await until("a few writes", () => numbers.length > 5);
      await new Promise((resolve) => setTimeout(resolve, prng.below(60)));
      await board.kill();
      assert.ok(
        (numbers[0] as number) >= last && (numbers[0] as number) <= last + 1,
        `booted with ${numbers[0]}, ${last} was said to be kept`,
      );
      last = numbers.at(-1) as number;
      const value = new FileNvs(join(directory, "nvs")).get("counter", "value") as Uint8Array;
      const number = new DataView(value.buffer, value.byteOffset).getUint32(0);
      assert.ok(number === last || number === last + 1, `${number} is there, ${last} was said to be kept`);
      assert.is(value.length, 4 + ((number * 37) % 1300));
      assert.ok(value.subarray(4).every((byte) => byte === (number & 255)));
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test.run();
