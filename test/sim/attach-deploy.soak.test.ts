// `chainmote start --rpc … --deploy` on real nodes that run already: the Ethereum node, and geth where this machine has one. The fleet's
// contracts are paid for by an account of the node's owner; motes are enrolled, and prove that and their anchors.

import { existsSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex } from "../../firmware/bytes.js";
import { moteOf, openRegistry } from "../../tools/contracts/registry.js";
import { KeyFile } from "../../tools/crypto/key-file.js";
import { EthereumNode } from "../../tools/node/ethereum.js";
import type { JsonRpc } from "../../tools/rpc/json-rpc.js";
import { account } from "../chains/clique-generator.js";
import { GethNetwork, RICH } from "../interop/geth/network.js";
import { closeAll, closing, fiveRecords, folder, refused } from "./attaching.js";
import type { Program } from "./system-run.js";

test.after(closeAll);

const ANCHORED = ["--anchor", "--anchor-interval", "2"];

/** What the node has: the mote's place, in the registry that the motes' records name. */
async function assertEnrolled(rpc: JsonRpc, program: Program): Promise<void> {
  const registry = String(program.of("fleet")[0]?.registry);
  const mote = fromHex(String(program.of("key")[0]?.address)) as Uint8Array;
  const { status, role } = await moteOf(openRegistry(rpc, fromHex(registry) as Uint8Array), mote);
  assert.equal([status, role], ["active", 1]);
  assert.ok(
    program.of("registry", "mote").some((event) => event.status === "active"),
    "proven by the mote",
  );
  assert.equal(
    program.of("summary").map(({ anchored }) => anchored),
    [5],
  );
}

test("the Ethereum node: deployed once, by the account that --deploy names", async () => {
  const node = await EthereumNode.start({ directory: join(folder, "ethereum"), periodS: 1 });
  closing.push(() => node.stop());
  const key = join(folder, "ethereum", "signer.key");
  const of = (data: string, ...words: string[]): string[] => ["--rpc", node.url, "--data", join(folder, data), ...words];
  const poor = join(folder, "poor.key");
  KeyFile.openOrCreate(poor);
  const rules = ["--genesis", node.genesisFile];
  assert.match(
    await refused(...of("poor", ...rules, "--deploy", poor)),
    /the account 0x\w{40} pays for the fleet and has 0 wei: it needs/,
  );
  assert.not(existsSync(join(folder, "poor", "keys")));
  const program = await fiveRecords("deployed", ["--rpc", node.url, ...rules, "--deploy", key, ...ANCHORED]);
  await assertEnrolled(node.rpc, program);
  assert.match(
    await refused(...of("deployed", ...rules)),
    /this folder's fleet was deployed: give its --deploy, or another --data/,
  );
  const sent = await node.rpc.call("eth_getTransactionCount", account0(node), "latest");
  const again = await fiveRecords("deployed", ["--rpc", node.url, "--deploy", key, ...ANCHORED]);
  await assertEnrolled(node.rpc, again);
  assert.equal(
    [again, program].map((run) => run.of("fleet")[0]?.registry),
    Array(2).fill(program.of("fleet")[0]?.registry),
  );
  assert.is(await node.rpc.call("eth_getTransactionCount", account0(node), "latest"), sent, "nothing is deployed or paid again");
  await node.stop();
});

function account0(node: EthereumNode): string {
  return `0x${Buffer.from(node.key.address).toString("hex")}`;
}

/** Where `go install` puts it, or where GETH says. */
const geth = [process.env.GETH ?? "", join(homedir(), "go", "bin", "geth")].find((path) => path !== "" && existsSync(path));
if (geth === undefined) console.log("not tried: start --deploy on geth (no geth; GETH=/path/to/geth names one)");
else
  test("geth, before London: contracts, enrolment and anchors", async () => {
    const network = await GethNetwork.start(geth);
    closing.push(() => network.close());
    const node = network.node(0);
    const key = join(folder, "rich.key");
    writeFileSync(key, Buffer.from(account(RICH).secret).toString("hex"));
    await node.until("an epoch block", async () => (await node.height()) > 35);
    const program = await fiveRecords("geth", ["--rpc", node.url, "--deploy", key, ...ANCHORED]);
    await assertEnrolled(node.rpc, program);
    await network.close();
  });

test.run();
