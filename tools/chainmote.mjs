#!/usr/bin/env node
// The `chainmote` command: sees that Node is new enough, and in a clone that the packages are installed, then runs tools/cli.ts there and
// the JavaScript that was built of it (dist/tools/cli.js) where npm installed us.
//
// Promises: plain Node, no dependency; a fresh clone sets itself up with the progress shown. Never: a stack trace.

import { existsSync } from "node:fs";

const NODE_MIN = [20, 19];
const LEFT_OPEN_MS = 2000;
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
  console.error(`chainmote: needs Node.js ${NODE_MIN.join(".")} or newer; this is ${process.versions.node}`);
  process.exit(1);
}

// What runs on this machine is reached directly: a proxy of the environment (NODE_USE_ENV_PROXY of Node 22 and later) could not.
for (const name of ["NO_PROXY", "no_proxy"]) {
  const given = process.env[name] ?? process.env.NO_PROXY ?? process.env.no_proxy ?? "";
  if (given.trim() !== "*")
    process.env[name] = [given, "127.0.0.1", "localhost", "[::1]"].filter((part) => part !== "").join(",");
}
// A URL may hold a key, and a command line is seen by everyone on this machine.
const words = process.argv.slice(2);
if (words.some((word) => /^(--[\w-]+=)?[a-z]+:\/\/[^/?]*(@|\?|\/.)/i.test(word))) process.title = `chainmote ${words[0] ?? ""}`;

let cli = "../dist/tools/cli.js";
if (existsSync(new URL("cli.ts", import.meta.url))) {
  const { ensureInstalled } = await import("./setup.mjs");
  if (!(await ensureInstalled())) process.exit(1);
  const loader = process.env.CHAINMOTE_LOADER;
  if (loader === undefined) (await import("tsx/esm/api")).register();
  else await import(loader);
  cli = "./cli.ts";
}
const { main } = await import(cli);
process.exitCode = await main(words);
// A command that has ended ends its program, whatever a library still has open.
setTimeout(() => process.exit(), LEFT_OPEN_MS).unref();
