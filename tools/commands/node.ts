// chainmote node: a local node with a chain of its own: Ethereum's Clique, or Bitcoin's regtest.

import { join } from "node:path";
import { keepToOwner } from "../files.js";
import { readWords, type Words } from "../options.js";
import { untilTold } from "../processes/end.js";
import { LOCAL_CHAINS, openLocalChain } from "../start/local-chain.js";
import { type Output, UsageError } from "../terminal.js";

export const usage = `chainmote node [--chain clique|bitcoin] [--data DIR] [--period S] [--json]

A real node on 127.0.0.1 that makes a chain by itself; a second start continues it.

  --chain NAME clique: @ethereumjs/client, one signer (the default); bitcoin: bcoin, regtest, without a password
  --data DIR   its folder (default .chainmote/node, for bitcoin .chainmote/bitcoin/node)
  --period S   seconds between blocks, 1 to 60 (default 1; a Clique chain keeps its own)
  --json       prints {"event":"listening","rpc":…,"chain":…,"genesis":…}

Examples:
  chainmote node --data chain   # prints its URL and its genesis file; then, elsewhere, motes that follow it:
  chainmote start --rpc http://127.0.0.1:39145 --genesis chain/genesis.json`;

export function read(words: readonly string[]): Words {
  return readWords(words, {
    chain: { type: "string" },
    data: { type: "string" },
    period: { type: "string" },
    json: { type: "boolean" },
  });
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const named = options.text("chain") ?? "clique";
  const name = LOCAL_CHAINS.find((known) => known === named);
  if (name === undefined) throw new UsageError(`--chain takes ${LOCAL_CHAINS.join(" or ")}`);
  const periodS = options.number("period", 1, 60) ?? 1;
  const own = name === "clique" ? join(".chainmote", "node") : join(".chainmote", name, "node");
  keepToOwner();
  const told = untilTold(); // whoever reads that it listens may end it at once
  const node = await openLocalChain(name, {
    directory: options.text("data") ?? own,
    periodS,
    onEnd: (end) => output.error(`chainmote node: it ended (${end.signal ?? end.code}), starts again in ${end.restartMs} ms`),
  });
  try {
    const ready = await Promise.race([node.ready().then(() => true), told.then(() => false)]);
    if (!ready) return 0;
    const { url: rpc, chain, genesisFile: genesis } = node;
    const file = genesis === undefined ? "" : `, genesis file ${genesis}`;
    output.line(
      options.has("json") ? JSON.stringify({ event: "listening", rpc, chain, genesis }) : `node: ${rpc}, chain ${chain}${file}`,
    );
    await told;
  } finally {
    await node.stop();
  }
  return 0;
}
