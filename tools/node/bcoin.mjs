// A bcoin full node on regtest that mines a block every so many seconds: the child process of tools/node/bitcoin.ts.
//
// Promises: JSON-RPC on the given port of 127.0.0.1 without a password, no other port, no peers; the chain is kept in the folder and
// survives kill -9. Its coins are the miner's, by whose key it funds and signs transactions, with the calls of Bitcoin Core's wallet that
// this takes (fundrawtransaction, signrawtransactionwithwallet). Never: mines faster than asked beyond the first FIRST_BLOCKS, which
// make the first coins old enough to be spent, or gives the key out.
// Words: FOLDER PORT PERIOD_MS KEY_FILE FIRST_BLOCKS

import { readFileSync } from "node:fs";

// Its native code would need a compiler.
process.env.NODE_BACKEND ??= "js";
const { default: bcoin } = await import("bcoin");

const [folder, port, periodMs, keyFile, firstBlocks] = process.argv.slice(2);
const node = new bcoin.FullNode({
  network: "regtest",
  prefix: folder,
  memory: false,
  workers: false,
  httpHost: "127.0.0.1",
  httpPort: Number(port),
  noAuth: true,
  listen: false,
  // It never looks for a peer: neither seeds nor addresses are there.
  maxOutbound: 1,
  noDns: true,
  logLevel: "warning",
  logConsole: true,
  logFile: false,
});
const ring = bcoin.KeyRing.fromPrivate(Buffer.from(readFileSync(keyFile, "utf8").trim(), "hex"), true);
const payTo = ring.getAddress();
/** Satoshis for a kilobyte. */
const FEE_RATE = 10_000;
const COINBASE_MATURITY = 100;
/** Of the newest transaction that was signed here. */
let change;
/** The lowest block whose coins may not be spent yet. */
let lowest = 1;
let stopping = false;
let mining = Promise.resolve();

await node.ensure();
await node.open();
node.rpc.add("fundrawtransaction", fund);
node.rpc.add("signrawtransactionwithwallet", sign);
while (node.chain.height < Number(firstBlocks)) await mine();
console.log(`bcoin: regtest at block ${node.chain.height}`);

const timer = setInterval(() => {
  mining = mining.then(mine, mine);
}, Number(periodMs));

async function mine() {
  if (stopping) return;
  try {
    const block = await node.miner.mineBlock(node.chain.tip, payTo);
    await node.chain.add(block);
  } catch (error) {
    console.error(`bcoin: error: ${error.message}`);
  }
}

/** The change of the newest transaction where a block has it, else the coinbase of the lowest block that is old enough and not spent. */
async function coinToSpend() {
  const free = async (hash, index) => {
    const coin = node.mempool.isSpent(hash, index) ? null : await node.chain.getCoin(hash, index);
    return coin !== null && coin.value > FEE_RATE ? coin : undefined;
  };
  const kept = change === undefined ? undefined : await free(change.hash, change.index);
  if (kept !== undefined) return kept;
  for (; lowest + COINBASE_MATURITY - 1 <= node.chain.height; lowest += 1) {
    const block = await node.chain.getBlock(lowest);
    const coin = await free(block.txs[0].hash("hex"), 0);
    if (coin !== undefined) return coin;
  }
  throw new Error(`no coin is old enough to be spent: the first is at block ${COINBASE_MATURITY + 1}`);
}

/** @param {[string]} parameters a transaction of one output and no inputs, which bcoin would take for one with witnesses */
async function fund([hex]) {
  const transaction = new bcoin.MTX({ version: 2 });
  transaction.addOutput(bcoin.Output.fromRaw(Buffer.from(hex, "hex").subarray(6, -4)));
  await transaction.fund([await coinToSpend()], { rate: FEE_RATE, changeAddress: payTo });
  return { hex: transaction.toRaw().toString("hex"), fee: transaction.getFee() / 1e8 };
}

/** @param {[string]} parameters */
async function sign([hex]) {
  const transaction = bcoin.MTX.fromRaw(Buffer.from(hex, "hex"));
  for (const { prevout } of transaction.inputs) {
    const coin = await node.chain.getCoin(prevout.hash, prevout.index);
    if (coin !== null) transaction.view.addCoin(coin);
  }
  const signed = transaction.sign(ring);
  // bcoin adds it behind the other outputs.
  change = { hash: transaction.hash("hex"), index: transaction.outputs.length - 1 };
  return { hex: transaction.toRaw().toString("hex"), complete: signed === transaction.inputs.length };
}

process.once("SIGTERM", async () => {
  stopping = true;
  clearInterval(timer);
  await mining;
  await node.close();
  process.exit(0);
});
