// `chainmote start --rpc` with real nodes that run already: the Ethereum node, Bitcoin's regtest, and geth where this machine has one.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cliqueRulesFromGenesis, exportCliqueCheckpoint } from "../../tools/headers/clique.js";
import { BitcoinNode } from "../../tools/node/bitcoin.js";
import { EthereumNode } from "../../tools/node/ethereum.js";
import { GethNetwork } from "../interop/geth/network.js";
import { closeAll, closing, fiveRecords, folder, refused } from "./attaching.js";

test.after(closeAll);

test("the Ethereum node: by its genesis file, then by what the folder keeps, then by a checkpoint", async () => {
  const node = await EthereumNode.start({ directory: join(folder, "ethereum"), periodS: 1 });
  closing.push(() => node.stop());
  const asked = await refused("--rpc", node.url, "--data", join(folder, "none"));
  assert.match(asked, /does not tell its chain's rules .*--genesis FILE.*--period S and --epoch N or --checkpoint FILE/);
  const program = await fiveRecords("by-genesis", ["--rpc", node.url, "--genesis", node.genesisFile]);
  assert.match(String(program.of("node")[0]?.about), /^eip155:31337 \(Clique\), /);
  const address = program.of("key")[0]?.address;
  const again = await fiveRecords("by-genesis", ["--rpc", node.url]);
  assert.equal(
    again.of("key").map((event) => [event.address, event.created]),
    [[address, false]],
  );
  const rules = cliqueRulesFromGenesis(node.genesis);
  const checkpoint = join(folder, "checkpoint.json");
  writeFileSync(checkpoint, JSON.stringify(await exportCliqueCheckpoint(node.rpc, rules)));
  await fiveRecords("by-checkpoint", ["--rpc", node.url, "--checkpoint", checkpoint]);
  const bent = {
    ...JSON.parse(readFileSync(checkpoint, "utf8")),
    genesisHash: `0x${"ab".repeat(32)}`,
    hash: `0x${"ab".repeat(32)}`,
  };
  writeFileSync(checkpoint, JSON.stringify(bent));
  assert.match(
    await refused("--rpc", node.url, "--checkpoint", checkpoint, "--data", join(folder, "bent")),
    /checkpoint\.json is of another chain of the same number eip155:31337: its genesis block is 0xabab/,
  );
  await node.stop();
});

test("regtest: its checkpoint comes out of the node", async () => {
  const node = await BitcoinNode.start({ directory: join(folder, "bitcoin"), periodS: 1 });
  closing.push(() => node.stop());
  const program = await fiveRecords("regtest", ["--rpc", node.url]);
  assert.match(String(program.of("node")[0]?.about), /^bip122:0f9188f13cb7b2c71f2a335e3a4fc328 \(Bitcoin\)/);
  assert.match(
    await refused("--rpc", node.url, "--data", join(folder, "by-genesis")),
    /keeps is of eip155:31337, and the node follows bip122:.*; begin in another folder with --data DIR/,
  );
  await node.stop();
});

/** Where `go install` puts it, or where GETH says. */
const geth = [process.env.GETH ?? "", join(homedir(), "go", "bin", "geth")].find((path) => path !== "" && existsSync(path));
if (geth === undefined) console.log("not tried: start --rpc on geth (no geth; GETH=/path/to/geth names one)");
else
  test("geth: period, epoch and forks come out of the node", async () => {
    const network = await GethNetwork.start(geth);
    closing.push(() => network.close());
    const node = network.node(0);
    await node.until("an epoch block", async () => (await node.height()) > 35);
    const program = await fiveRecords("geth", ["--rpc", node.url]);
    assert.match(String(program.of("node")[0]?.about), /^eip155:1337 \(Clique\), a node that was there/);
    await network.close();
  });

test.run();
