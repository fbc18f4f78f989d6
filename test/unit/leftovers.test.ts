// What the runner does about processes that a test file left: found by their mark, ended, and told; nobody else is touched.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { endLeftovers, MARK } from "../leftovers.js";
import { pause } from "../patience.js";

const STAYS = "setInterval(() => {}, 1000); process.stdout.write('up')";

/** A process group of its own, as a daemon has it, running once this answers. */
async function leave(program: string, mark: string | undefined): Promise<ChildProcess> {
  const { [MARK]: _, ...env } = process.env;
  const child = spawn(process.execPath, ["-e", program], {
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
    env: mark === undefined ? env : { ...env, [MARK]: mark },
  });
  await once(child.stdout as NodeJS.ReadableStream, "data");
  return child;
}

if (!existsSync("/proc/self/environ")) {
  console.log("skipped: no /proc, so nobody's leftovers can be found");
  test.skip("leftovers", () => {});
} else {
  test("who has the mark is ended and told, with their command line; a stranger is neither", async () => {
    const mine = await leave(STAYS, `${process.pid}-a`);
    // A grandchild inherits the mark, whatever becomes of its parent.
    const parent = `const { spawn } = require("node:child_process");
      spawn(process.execPath, ["-e", ${JSON.stringify(STAYS)}], { detached: true, stdio: ["ignore", "inherit", "ignore"] }).unref();`;
    await leave(parent, `${process.pid}-b`);
    const stranger = await leave(STAYS, undefined);
    const left = await endLeftovers(`${process.pid}-`);
    assert.is(left.length, 2, left.join("\n"));
    assert.ok(left.every((line) => line.includes("setInterval")));
    if (mine.signalCode === null) await once(mine, "exit");
    assert.is(mine.signalCode, "SIGKILL");
    await pause(50);
    assert.is(stranger.signalCode, null);
    stranger.kill("SIGKILL");
  });

  test("who ends in time is no leftover", async () => {
    await leave("process.stdout.write('up'); setTimeout(() => {}, 300)", `${process.pid}-c`);
    assert.equal(await endLeftovers(`${process.pid}-c`), []);
  });
}

test.run();
