// `chainmote start --rpc` with QBFT chains as Besu's and GoQuorum's nodes show them: none of those comes from a registry, so the chain is
// that of the tests' generator, which shares no code with the firmware, behind a real HTTP server.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bftCheckpointAt } from "../chains/bft-fixture.js";
import { BftChain } from "../chains/bft-generator.js";
import { RunningBftNode } from "../chains/bft-node.js";
import { accounts } from "../chains/clique-generator.js";
import { closeAll, closing, fiveRecords, folder } from "./attaching.js";
import { Program } from "./system-run.js";

const KEY = "k3y-of-9-node";

test.after(closeAll);

test("a QBFT chain as Besu tells it, behind a password and a key: neither is in a process list, a log, an event or an error", async () => {
  // Most private chains have a genesis block of long ago, which vouches for nothing any more.
  const nowS = Math.floor(Date.now() / 1000);
  const chain = new BftChain({ kind: "qbft", validators: accounts(4), periodS: 1, timeS: 1_531_000_000 });
  const blocks = chain.grow(chain.genesis, 60, (i) => ({ afterS: i === 0 ? nowS - 60 - 1_531_000_000 : 1 }));
  const config = { chainId: 1337, qbft: { epochLength: 30_000, blockPeriodSeconds: 1 } };
  const node = await RunningBftNode.start(chain, {
    blocks,
    client: "besu/v24.12.2/linux-x86_64/openjdk-java-21",
    config,
    key: KEY,
  });
  closing.push(() => node.close());
  // Every command line of every process that the system starts on Node, as it was at the beginning: a list of processes might come late.
  const argv = join(folder, "argv.mjs");
  const started = join(folder, "argv.log");
  const note = `process.pid + " " + [...process.execArgv, ...process.argv].join(" ") + "\\n"`;
  writeFileSync(argv, `import { appendFileSync } from "node:fs";\nappendFileSync(${JSON.stringify(started)}, ${note});\n`);
  const environment = { RPC_URL: node.url, NODE_OPTIONS: `--import ${argv}` };
  const program = await fiveRecords("besu", ["--verbose"], environment);
  const wrong = new Program(["start", "--json"], { RPC_URL: node.url.replace(`${KEY}@`, "wrong-password@") });
  assert.is(await wrong.ended, 1);
  assert.match(wrong.errors.join(), /refuses the user or the password \(HTTP 401\)/);
  assert.match(String(program.of("node")[0]?.about), /^eip155:1337 \(QBFT\), besu/);
  assert.match(JSON.stringify(program.of("text", "node")), /verifying all of .* blocks up to/);
  assert.match(JSON.stringify(program.of("text", "node")), /trusting period 604,800 s/);
  const secret = new RegExp(`${KEY}|wrong-password|${Buffer.from(`user:${KEY}`).toString("base64")}`);
  const listed = readFileSync(started, "utf8").split("\n");
  assert.ok(
    listed.some((words) => / collect /.test(words)),
    listed.join("\n"),
  );
  for (const text of [...listed, JSON.stringify(program.events), ...program.errors, ...wrong.errors])
    assert.not.match(text, secret);
  for (const name of readdirSync(join(folder, "besu"), { recursive: true, encoding: "utf8" }))
    if (/\.(log|json|cborseq)$/.test(name)) assert.not.match(readFileSync(join(folder, "besu", name), "latin1"), secret, name);
  await node.close();
});

test("GoQuorum's QBFT is told from Besu's by what the node says, and with a checkpoint by that", async () => {
  const timeS = Math.floor(Date.now() / 1000) - 40;
  const chain = new BftChain({ kind: "goquorum-qbft", validators: accounts(4), periodS: 1, epoch: 20, timeS });
  const blocks = chain.grow(chain.genesis, 39);
  const node = await RunningBftNode.start(chain, { blocks, client: "Geth/v1.10.3-stable(quorum-v24.4.1)/linux-amd64/go1.20" });
  closing.push(() => node.close());
  const checkpoint = join(folder, "goquorum.json");
  writeFileSync(checkpoint, JSON.stringify(bftCheckpointAt(chain, chain.genesis)));
  await fiveRecords("goquorum", ["--rpc", node.url, "--checkpoint", checkpoint]);
  await node.close();
});

test.run();
