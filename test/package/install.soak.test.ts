// npm pack, npm install in an empty project on a path with spaces, with install scripts held back and with them run: the command works,
// and the sizes are those that README.md states (`npm run sizes`). Needs a registry.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { commandsWork } from "./commands.js";
import { packed, run, temporaryFolder } from "./packed.js";

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
    await commandsWork(app);
  });

test.run();
