// `npm run demo:quarantine` as a person runs it: a real Ethereum node, real boards' firmware, and every step told in its order.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { RUN_MS_MAX } from "../patience.js";
import { ROOT } from "../unit/sources.js";

const STEPS = [
  /MoteRegistry is at 0x[0-9a-f]{40}/,
  /pump +has proven: active/,
  /north, south have proven that pump is active/,
  /copy 1 +signs on/,
  /copy 2 +was made to forget its counters/,
  /copy 1 +boots again/,
  /evidence \(equivocation\): stream 0 seq (\d+) .* stream 0 seq \1 /,
  /evidence \(escape\): stream 1 .* stream 0 |evidence \(escape\): stream 0 .* stream 1 /,
  /pump's key .* is quarantined since block/,
  /north +has proven pump's quarantine/,
  /south +has proven pump's quarantine/,
  /replace\(.*\) in block/,
  /new pump +has proven: active/,
  /the old key stays quarantined, for ever/,
];

test("two copies of a board give themselves away, the contract quarantines the key, every mote sees it by proof, the admin replaces it", async () => {
  const child = spawn(process.execPath, ["--import", "tsx", join(ROOT, "tools/demo/quarantine.ts")], { cwd: ROOT });
  const timer = setTimeout(() => child.kill("SIGKILL"), RUN_MS_MAX);
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (part: Buffer) => {
      text += part.toString();
    });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  clearTimeout(timer);
  assert.is(code, 0, text);
  for (const step of STEPS) assert.match(text, step);
});

test.run();
