#!/usr/bin/env node
// The `chainmote` command: sees that Node is new enough and the packages are installed, then runs tools/cli.ts.
//
// Promises: plain Node, no dependency; a fresh clone sets itself up with the progress shown. Never: a stack trace.

const NODE_MIN = [20, 19];
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
  console.error(`chainmote: needs Node.js ${NODE_MIN.join(".")} or newer; this is ${process.versions.node}`);
  process.exit(1);
}

const { ensureInstalled } = await import("./setup.mjs");
if (!(await ensureInstalled())) process.exit(1);
const { register } = await import("tsx/esm/api");
register();
const { main } = await import("./cli.ts");
process.exitCode = await main(process.argv.slice(2));
