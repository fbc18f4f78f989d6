// chainmote node: a local Ethereum node that seals a Clique chain of its own.

import { join } from "node:path";
import { EthereumNode } from "../node/ethereum.js";
import { readWords } from "../options.js";
import { untilTold } from "../processes/end.js";
import type { Output } from "../terminal.js";

export const usage = `chainmote node [--data DIR] [--period S] [--json]

A real Ethereum node (@ethereumjs/client) on 127.0.0.1, one Clique signer; a second start continues the chain.

  --data DIR   its folder (default .chainmote/node)
  --period S   seconds between blocks, 1 to 60 (default 1; a chain keeps its own)
  --json       prints {"event":"listening","rpc":…,"chain":…}`;

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = readWords(words, { data: { type: "string" }, period: { type: "string" }, json: { type: "boolean" } });
  const periodS = options.number("period", 1, 60) ?? 1;
  const directory = options.text("data") ?? join(".chainmote", "node");
  const node = await EthereumNode.start({
    directory,
    periodS,
    onEnd: (end) => output.error(`chainmote node: it ended (${end.signal ?? end.code}), starts again in ${end.restartMs} ms`),
  });
  const { url: rpc, chain } = node;
  output.line(options.has("json") ? JSON.stringify({ event: "listening", rpc, chain }) : `node: ${rpc}, chain ${chain}`);
  await untilTold();
  await node.stop();
  return 0;
}
