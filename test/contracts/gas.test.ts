// What each call takes, on two EVM nodes that none of us wrote: the same on both, and as docs/ledger.md says.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Account } from "../../tools/contracts/account.js";
import { KeyFile } from "../../tools/crypto/key-file.js";
import { EthereumNode } from "../../tools/node/ethereum.js";
import { ROOT } from "../unit/sources.js";
import { Anvil, CHAIN_ID, signerOf } from "./anvil.js";
import { runFleet } from "./scenario.js";

const admin = signerOf("scenario admin");
const next = signerOf("scenario next");
const anvil = await Anvil.start();
test.after(() => anvil?.stop());
const onAnvil = anvil === undefined ? test.skip : test;

/** Rows `| call | gas |` of the document. */
function documented(): Map<string, number> {
  const text = readFileSync(join(ROOT, "docs/ledger.md"), "utf8");
  const rows = [...text.matchAll(/^\| (\w[^|]*?) \| ([\d,]+) \|$/gm)];
  return new Map(rows.map(([, name, gas]) => [name as string, Number((gas as string).replaceAll(",", ""))]));
}

onAnvil("on anvil each call takes the gas that docs/ledger.md states", async () => {
  const running = anvil as Anvil;
  const gas = await runFleet(await running.account(admin), admin, await running.account(next));
  assert.equal(Object.fromEntries(gas), Object.fromEntries(documented()));
});

const onNode: typeof onAnvil = process.env.FULL === "1" ? test : () => undefined;
onNode("on the Ethereum node of npm start, too: raw transactions, calls, estimates and receipts", async () => {
  const directory = mkdtempSync(join(tmpdir(), "chainmote-contracts-"));
  const node = await EthereumNode.start({ directory, periodS: 1, chainId: CHAIN_ID });
  try {
    const rich = new Account(node.rpc, KeyFile.openOrCreate(join(directory, "signer.key")));
    for (const { address } of [admin, next]) await rich.pay(address, 10n ** 20n);
    const gas = await runFleet(new Account(node.rpc, admin), admin, new Account(node.rpc, next));
    assert.equal(Object.fromEntries(gas), Object.fromEntries(documented()));
  } finally {
    await node.stop();
    rmSync(directory, { recursive: true, force: true });
  }
});

test.run();
