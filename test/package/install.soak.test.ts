// npm pack, npm install in an empty project on a path with spaces, with install scripts held back and with them run: the command works,
// an application that `chainmote new` writes is tested there, and the sizes are those that README.md states (`npm run sizes -- --accept`). Needs a registry.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { commandsWork } from "./commands.js";
import { packed, run, temporaryFolder } from "./packed.js";
import { sizesOf, statedSizes } from "./sizes.js";

/** What npm brings of other packages varies with the day and the machine. */
const SIZE_TOLERANCE = 0.1;

const work = temporaryFolder();
const tarball = packed(work);
test.after(() => rmSync(work, { recursive: true, force: true }));

for (const scripts of [false, true])
  test(`installed by npm with install scripts ${scripts ? "on" : "off"}`, async () => {
    const app = join(work, `with scripts ${scripts ? "on" : "off"}`);
    mkdirSync(app);
    writeFileSync(join(app, "package.json"), '{ "private": true, "type": "module" }\n');
    const words = ["install", "--no-audit", "--no-fund", scripts ? "--ignore-scripts=false" : "--ignore-scripts", tarball];
    const installed = await run(app, "npm", words);
    assert.is(installed.code, 0, installed.stderr);
    const [found, stated] = [sizesOf(app, tarball), statedSizes()];
    // A script of esbuild's puts its program in a second place.
    for (const name of scripts ? [] : (["packed", "installed", "packages"] as const))
      assert.ok(
        Math.abs(found[name] / stated[name] - 1) <= SIZE_TOLERANCE,
        `${name}: ${found[name]}, README.md says ${stated[name]}`,
      );
    await commandsWork(app);
    const made = await run(app, "npx", ["--no-install", "chainmote", "new", "my mote"]);
    assert.is(made.code, 0, made.stderr);
    for (const words of [
      ["install", "--no-audit", "--no-fund", scripts ? "--ignore-scripts=false" : "--ignore-scripts"],
      ["test"],
    ]) {
      const done = await run(join(app, "my mote"), "npm", words);
      assert.is(done.code, 0, done.stdout + done.stderr);
    }
  });

test.run();
