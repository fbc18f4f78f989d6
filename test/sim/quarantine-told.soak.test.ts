// `npm run demo:quarantine` that is told to end, at several moments of its way: it ends, and leaves no process and no file behind.

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { pause, RUN_MS_MAX, WAIT_MS_MAX } from "../patience.js";
import { ROOT } from "../unit/sources.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-told-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** Command lines of processes that work in `folder`. */
function left(): string[] {
  const lines = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      } catch {
        return ""; // it has ended meanwhile
      }
    });
  return lines.filter((line) => line.includes(folder));
}

for (const moment of [
  /starting an Ethereum node/,
  /MoteRegistry is at/,
  /registrar +enrolled/,
  /a thief has copied/,
  /is quarantined since/,
  /asks the admin/,
])
  test(`told to end at "${moment.source}"`, async () => {
    const words = ["--import", "tsx", join(ROOT, "tools/demo/quarantine.ts")];
    const child = spawn(process.execPath, words, { cwd: ROOT, env: { ...process.env, TMPDIR: folder } });
    const timer = setTimeout(() => child.kill("SIGKILL"), RUN_MS_MAX);
    let text = "";
    let told = false;
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (part: Buffer) => {
        text += part.toString();
        if (told || !moment.test(text)) return;
        told = true;
        child.kill("SIGINT");
      });
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    clearTimeout(timer);
    assert.is(code, 130, text);
    assert.match(text, /told to end\n$/);
    // Those that end by themselves once their parent is gone may take a moment.
    for (const endMs = performance.now() + WAIT_MS_MAX; left().length > 0 && performance.now() < endMs; ) await pause(100);
    assert.equal(left(), []);
    // What the loader of TypeScript keeps is not the demonstration's.
    assert.equal(
      readdirSync(folder).filter((name) => /^chainmote/.test(name)),
      [],
    );
  });

test.run();
