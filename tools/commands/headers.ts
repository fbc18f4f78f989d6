// chainmote headers: verifies a chain's headers as a mote does, and exports the checkpoint that a mote starts from.

import { renameSync, writeFileSync } from "node:fs";
import { openChain } from "../../firmware/chain/checkpoint.js";
import type { Consensus } from "../../firmware/chain/consensus.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { readJson } from "../headers/json-file.js";
import { headersOfFile, headersOfNode } from "../headers/stream.js";
import { HEADER_CHAINS, type HeaderChain } from "../headers/table.js";
import { type Verified, verifyHeaders } from "../headers/verify.js";
import { checkUrl, readWords, type Words } from "../options.js";
import { hashText, headersOf, isBitcoin } from "../rpc/chain.js";
import { JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { CommandError, count, type Output, plainText, plural, UsageError } from "../terminal.js";

const CHAINS = Object.keys(HEADER_CHAINS).join("|");

export const usage = `chainmote headers verify --checkpoint FILE [--chain ${CHAINS}] FILE|URL [--json]
chainmote headers checkpoint --chain ${CHAINS} --rpc URL [--number N] [--out FILE]

verify: every rule of the chain for every header after the checkpoint, with the code that runs on a mote. Exit code 1 at the
first that does not hold. FILE is raw headers one after another, or a line of hexadecimal for each; URL is a node's JSON-RPC.

checkpoint: the JSON that a mote's configuration starts from, out of a running node. It is only as true as the node: compare its
hash with another source. IBFT, QBFT: the validators' keys must seal no other chain, such as a test network.

  --checkpoint FILE  the checkpoint to start from (JSON)
  --chain NAME       the consensus; must be the checkpoint's
  --rpc URL          JSON-RPC of the node (Bitcoin Core: http://user:password@host:port)
  --number N         the height to start from, or for Clique the newest epoch block below it (default: near the node's head)
  --out FILE         write it there instead of printing it
  --genesis FILE                                        Clique: the chain's genesis file, or what it says:
  --period S --epoch N [--london N] [--zero-base-fee]
  --genesis FILE --trusting-period S                    IBFT, QBFT: the genesis file, and how long a trusted block vouches
  --json             one object instead of text`;

const PROGRESS_MS = 1000;
const HEIGHT_MAX = 2 ** 48 - 1;

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = readWords(
    words,
    {
      checkpoint: { type: "string" },
      chain: { type: "string" },
      rpc: { type: "string" },
      number: { type: "string" },
      out: { type: "string" },
      period: { type: "string" },
      epoch: { type: "string" },
      london: { type: "string" },
      "zero-base-fee": { type: "boolean" },
      genesis: { type: "string" },
      "trusting-period": { type: "string" },
      json: { type: "boolean" },
    },
    2,
  );
  const [what, from] = options.others;
  try {
    if (what === "verify") return await verify(options, from, output);
    if (what === "checkpoint" && from === undefined) return await checkpoint(options, output);
  } catch (error) {
    if (error instanceof RpcError) throw new CommandError(`the node: ${error.message}`);
    if (error instanceof Rejection) throw new CommandError(`${error.detail} (${error.code})`);
    throw error;
  }
  throw new UsageError(what === undefined ? "say verify or checkpoint" : `unexpected word "${plainText(from ?? what, 60)}"`);
}

async function verify(options: Words, from: string | undefined, output: Output): Promise<number> {
  if (from === undefined) throw new UsageError("a FILE of headers, or the URL of a node, is missing");
  const path = options.text("checkpoint");
  if (path === undefined) throw new UsageError("--checkpoint FILE is missing");
  const consensus = openChain(engine, readJson(path));
  if (consensus instanceof Rejection) throw new CommandError(`${path}: ${consensus.detail} (${consensus.code})`);
  const named = options.text("chain");
  if (named !== undefined && named !== consensus.name)
    throw new CommandError(`${path} is a checkpoint of ${consensus.name}, not of ${plainText(named, 40)}`);
  const progress = new Progress(consensus, options.has("json") || process.stderr.isTTY !== true);
  const batches = /^https?:\/\//.test(from)
    ? headersOfNode(
        headersOf(new JsonRpc(checkUrl("URL", from, ["http", "https"])), consensus.chain),
        consensus.checkpoint.number + 1,
      )
    : headersOfFile(from, chainNamed(consensus.name).measure);
  const result = await verifyHeaders(consensus, batches, Math.floor(Date.now() / 1000), (state) => progress.show(state));
  progress.clear();
  return tell(consensus, result, progress.elapsedS, options.has("json"), output);
}

function tell(consensus: Consensus, result: Verified, seconds: number, json: boolean, output: Output): number {
  const { trusted, count: verified, passed, refused } = result;
  const perSecond = Math.round(verified / Math.max(seconds, 0.001));
  const hash = hashText(consensus.chain, trusted.hash);
  if (json) {
    const { number, settled } = trusted;
    const head = { number, hash, settled, totalDifficulty: `0x${trusted.totalDifficulty.toString(16)}` };
    const why = refused === undefined ? {} : { refused: { number: number + 1, code: refused.code, detail: refused.detail } };
    const rate = { seconds: Number(seconds.toFixed(3)), headersPerSecond: perSecond };
    output.line(JSON.stringify({ ok: refused === undefined, chain: consensus.chain, verified, passed, ...rate, head, ...why }));
  } else {
    if (passed > 0) output.line(`${plural(passed, "header")} up to the checkpoint read past`);
    output.line(
      `${plural(verified, "header")} of ${consensus.chain} verified in ${seconds.toFixed(1)} s, ${count(perSecond)} a second`,
    );
    output.line(`head #${trusted.number} ${hash}, settled #${trusted.settled}`);
    output.line(`${isBitcoin(consensus.chain) ? "work" : "total difficulty"} 0x${trusted.totalDifficulty.toString(16)}`);
    if (refused !== undefined)
      output.error(
        `chainmote headers: the header after #${trusted.number} is refused: ${plainText(refused.detail)} (${refused.code})`,
      );
  }
  return refused === undefined ? 0 : 1;
}

async function checkpoint(options: Words, output: Output): Promise<number> {
  const chain = chainNamed(options.text("chain"));
  const url = options.url("rpc", ["http", "https"]);
  if (url === undefined) throw new UsageError("--rpc URL is missing");
  const made = await chain.export(new JsonRpc(url), options.number("number", 0, HEIGHT_MAX), options);
  if (chain.warning !== undefined) output.error(chain.warning);
  const text = JSON.stringify(made, null, 2);
  const path = options.text("out");
  if (path === undefined) output.line(text);
  else {
    writeFileSync(`${path}.new`, `${text}\n`);
    renameSync(`${path}.new`, path);
    const { number, hash } = made as { number: number; hash: string };
    output.line(options.has("json") ? JSON.stringify({ file: path, number, hash }) : `${path}: block #${number} ${hash}`);
  }
  return 0;
}

function chainNamed(name: string | undefined): HeaderChain {
  if (name === undefined) throw new UsageError(`--chain ${CHAINS} is missing`);
  const chain = Object.hasOwn(HEADER_CHAINS, name) ? HEADER_CHAINS[name] : undefined;
  if (chain === undefined) throw new UsageError(`--chain takes ${CHAINS}, not "${plainText(name, 40)}"`);
  return chain;
}

/** One line on stderr that goes with the work. */
class Progress {
  readonly #silent: boolean;
  readonly #consensus: Consensus;
  readonly #fromMs = performance.now();
  #shownMs = 0;

  constructor(consensus: Consensus, silent: boolean) {
    this.#consensus = consensus;
    this.#silent = silent;
  }

  get elapsedS(): number {
    return (performance.now() - this.#fromMs) / 1000;
  }

  show({ trusted, count: verified }: Pick<Verified, "trusted" | "count">): void {
    const nowMs = performance.now();
    if (this.#silent || nowMs - this.#shownMs < PROGRESS_MS) return;
    this.#shownMs = nowMs;
    const rate = count(Math.round(verified / this.elapsedS));
    process.stderr.write(`\r\x1b[K${this.#consensus.name} #${count(trusted.number)}  ${rate} headers/s`);
  }

  clear(): void {
    if (!this.#silent) process.stderr.write("\r\x1b[K");
  }
}
