// A bcoin full node on regtest that mines a block every so many seconds: the child process of tools/node/bitcoin.ts.
//
// Promises: JSON-RPC on the given port of 127.0.0.1 without a password, no other port, no peers; the chain is kept in the folder and
// survives kill -9. Never: mines faster than asked, or for anybody (the coins are nobody's: the key hash is the folder's token).
// Words: FOLDER PORT PERIOD_MS KEY_HASH

// Its native code would need a compiler.
process.env.NODE_BACKEND ??= "js";
const { default: bcoin } = await import("bcoin");

const [folder, port, periodMs, keyHash] = process.argv.slice(2);
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
const payTo = new bcoin.Address({ hash: Buffer.from(keyHash, "hex") });
let stopping = false;
let mining = Promise.resolve();

await node.ensure();
await node.open();
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

process.once("SIGTERM", async () => {
  stopping = true;
  clearInterval(timer);
  await mining;
  await node.close();
  process.exit(0);
});
