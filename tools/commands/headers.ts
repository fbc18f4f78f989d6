// chainmote headers: verifies a chain's headers as a mote does, and exports the checkpoint that a mote starts from.

import { statSync } from "node:fs";
import { openChain } from "../../firmware/chain/checkpoint.js";
import type { Consensus, Trusted } from "../../firmware/chain/consensus.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { writeWhole } from "../files.js";
import { checkpointAfter } from "../headers/checkpoint-after.js";
import { refuseExpired } from "../headers/expiry.js";
import { readJson } from "../headers/json-file.js";
import { headersOfFile, headersOfNode } from "../headers/stream.js";
import { HEADER_CHAINS, type HeaderChain } from "../headers/table.js";
import { type Verified, verifyHeaders } from "../headers/verify.js";
import { checkUrl, readWords, rpcUrl, type Words } from "../options.js";
import { pause } from "../processes/backoff.js";
import { Progress } from "../progress.js";
import { hashText, headersOf, isBitcoin } from "../rpc/chain.js";
import { JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { PatientRpc } from "../rpc/patient.js";
import { CommandError, count, type Output, plainText, plural, UsageError } from "../terminal.js";

const CHAINS = Object.keys(HEADER_CHAINS).join("|");

export const usage = `chainmote headers verify --checkpoint FILE [--chain ${CHAINS}] FILE|URL [--save FILE] [--json]
chainmote headers checkpoint --chain ${CHAINS} --rpc URL [--number N] [--out FILE]

verify: every rule of the chain for every header after the checkpoint, with the code that runs on a mote. Exit code 1 at the
first that does not hold. FILE is raw headers one after another, or hexadecimal: a line for each, or joined; what it holds up to
the checkpoint is read past. URL is a node's JSON-RPC. A node that is busy or away is asked again for five minutes. However it ends,
it says how far it came; with --save it goes on from there the next time.

checkpoint: the JSON that a mote's configuration starts from, out of a running node. It is only as true as the node: compare its
hash with another source. IBFT, QBFT: the validators' keys must seal no other chain, such as a test network.

  --checkpoint FILE  the checkpoint to start from (JSON)
  --save FILE        the checkpoint of what was verified last, written now and then and at the end: --checkpoint of the next run
  --chain NAME       the consensus; must be the checkpoint's
  --rpc URL          JSON-RPC of the node (Bitcoin Core: http://user:password@host:port), or RPC_URL
  --number N         the height to start from, or for Clique the newest epoch block below it (default: near the node's head)
  --out FILE         write it there instead of printing it
  --genesis FILE     Clique, IBFT, QBFT: the chain's genesis file, which says what a node does not
  --period S --epoch N [--london N] [--zero-base-fee]   Clique: the same without the file
  --trusting-period S                                   IBFT, QBFT: how long a trusted block vouches for others
  --work HEX                                            Bitcoin: work of the chain up to the block, where the node tells none
  --json             one object instead of text

Examples:
  chainmote headers checkpoint --chain clique --rpc http://127.0.0.1:8545 --out checkpoint.json
  chainmote headers verify --checkpoint checkpoint.json --save newest.json http://127.0.0.1:8545`;

const SAVE_MS = 60_000;
const HEIGHT_MAX = 2 ** 48 - 1;
const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** As shells have it for a program that Ctrl-C ended. */
const EXIT_STOPPED = 130;

export function read(words: readonly string[]): Words {
  return readWords(
    words,
    {
      checkpoint: { type: "string" },
      chain: { type: "string" },
      save: { type: "string" },
      rpc: { type: "string" },
      work: { type: "string" },
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
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
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
  const checkpoint = readJson(path);
  const consensus = openChain(engine, checkpoint);
  if (consensus instanceof Rejection) throw new CommandError(`${path}: ${consensus.detail} (${consensus.code})`);
  const named = options.text("chain");
  if (named !== undefined && named !== consensus.name)
    throw new CommandError(`${path} is a checkpoint of ${consensus.name}, not of ${plainText(named, 40)}`);
  const json = options.has("json");
  const progress = json ? undefined : new Progress("chainmote headers");
  const beganMs = performance.now();
  const say = (text: string): void => output.error(`chainmote headers: ${text}`);
  const save = new Saver(consensus, checkpoint, options.text("save"), say);
  const way = { of: 0, done: 0 }; // bytes of a file, or blocks up to a node's head
  const url = /^https?:\/\//i.test(from) ? checkUrl("URL", from, ["http", "https"]) : undefined;
  const stop = new AbortController();
  const tellToEnd = (): void => stop.abort();
  for (const signal of STOP_SIGNALS) process.once(signal, tellToEnd);
  try {
    const first = consensus.checkpoint.number;
    let batches: AsyncGenerator<Uint8Array[]>;
    if (url === undefined) {
      way.of = statSync(from, { throwIfNoEntry: false })?.size ?? 0;
      batches = headersOfFile(from, chainNamed(consensus.name).measure, (bytes) => {
        way.done = bytes;
      });
    } else {
      const source = headersOf(patient(url, say, stop.signal), consensus.chain);
      // For the bar alone: where the node does not tell, there is none.
      const head = progress?.isSeen === true ? await source.header("latest").catch(() => undefined) : undefined;
      way.of = (head?.number ?? first) - first;
      batches = headersOfNode(source, first + 1, (ms) => pause(ms, stop.signal));
    }
    const result = await verifyHeaders(consensus, batches, {
      nowS: () => Math.floor(Date.now() / 1000),
      fromChild: url !== undefined,
      signal: stop.signal,
      onProgress(state) {
        const { number } = state.trusted;
        if (url !== undefined) way.done = number - first;
        progress?.counted(
          state.count,
          "headers",
          way.of > 0 ? way.done / way.of : undefined,
          `${consensus.name} #${count(number)}`,
        );
        save.nowAndThen(state.trusted);
      },
    });
    progress?.clear();
    const saved = save.atEnd(result);
    const code = tell(consensus, result, { seconds: (performance.now() - beganMs) / 1000, json, saved, output });
    return save.hasFailed && code === 0 ? 1 : code;
  } finally {
    progress?.clear();
    for (const signal of STOP_SIGNALS) process.off(signal, tellToEnd);
  }
}

interface Telling {
  readonly seconds: number;
  readonly json: boolean;
  /** The file that holds the checkpoint of what was verified. */
  readonly saved: string | undefined;
  readonly output: Output;
}

function tell(consensus: Consensus, result: Verified, { seconds, json, saved, output }: Telling): number {
  const { trusted, count: verified, passed, refused, failed, stopped } = result;
  const perSecond = Math.round(verified / Math.max(seconds, 0.001));
  const hash = hashText(consensus.chain, trusted.hash);
  const ok = refused === undefined && failed === undefined && stopped === undefined;
  if (json) {
    const { number, settled } = trusted;
    const head = { number, hash, settled, totalDifficulty: `0x${trusted.totalDifficulty.toString(16)}` };
    const why = {
      ...(refused === undefined ? {} : { refused: { number: number + 1, code: refused.code, detail: refused.detail } }),
      ...(failed === undefined ? {} : { failed: { number: number + 1, detail: failed.message } }),
      ...(stopped === undefined ? {} : { stopped }),
    };
    const past = {
      ...(passed.zeroBytes === 0 ? {} : { zeroBytes: passed.zeroBytes }),
      ...(passed.unreadable === 0 ? {} : { unreadable: passed.unreadable }),
    };
    const rate = { seconds: Number(seconds.toFixed(3)), headersPerSecond: perSecond };
    const file = saved === undefined ? {} : { saved };
    output.line(
      JSON.stringify({
        ...{ ok, chain: consensus.chain, verified, passed: passed.headers },
        ...{ ...past, ...rate, head, ...file, ...why },
      }),
    );
  } else {
    for (const line of passedLines(result)) output.line(line);
    output.line(
      `${plural(verified, "header")} of ${consensus.chain} verified in ${seconds.toFixed(1)} s, ${count(perSecond)} a second`,
    );
    output.line(`head #${trusted.number} ${hash}, settled #${trusted.settled}`);
    output.line(`${isBitcoin(consensus.chain) ? "work" : "total difficulty"} 0x${trusted.totalDifficulty.toString(16)}`);
    if (saved !== undefined) output.line(`checkpoint #${trusted.number} in ${plainText(saved, 200)}`);
    const after = `the header after #${trusted.number}`;
    const goOn =
      saved === undefined ? "--save FILE keeps how far a run came" : `go on with --checkpoint ${plainText(saved, 200)}`;
    if (refused !== undefined)
      output.error(`chainmote headers: ${after} is refused: ${plainText(refused.detail)} (${refused.code})`);
    else if (failed !== undefined)
      output.error(`chainmote headers: ${after} could not be had: ${plainText(failed.message)}; ${goOn}`);
    else if (stopped !== undefined) output.error(`chainmote headers: told to end after #${trusted.number}; ${goOn}`);
  }
  return ok ? 0 : stopped === true ? EXIT_STOPPED : 1;
}

function passedLines({ passed, trusted, count: verified }: Verified): string[] {
  const { headers, zeroBytes, unreadable } = passed;
  const others = [
    ...(zeroBytes === 0 ? [] : [`${count(zeroBytes)} bytes of zeros`]),
    ...(unreadable === 0 ? [] : [`${plural(unreadable, "piece")} that ${unreadable === 1 ? "is" : "are"} no header`]),
  ];
  const where = verified > 0 ? "up to the checkpoint" : `in search of the checkpoint, block #${trusted.number},`;
  return [
    ...(headers > 0 ? [`${plural(headers, "header")} up to the checkpoint read past`] : []),
    ...(others.length > 0 ? [`${others.join(" and ")} ${where} read past`] : []),
  ];
}

function patient(url: string, say: (text: string) => void, signal?: AbortSignal): PatientRpc {
  return new PatientRpc(new JsonRpc(url), {
    onWait: (reason, waitMs) => say(`the node: ${plainText(reason)}; asked again in ${(waitMs / 1000).toFixed(1)} s`),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function checkpoint(options: Words, output: Output): Promise<number> {
  const chain = chainNamed(options.text("chain"));
  const url = rpcUrl(options);
  if (url === undefined) throw new UsageError("--rpc URL is missing");
  const say = (text: string): void => output.error(`chainmote headers: ${text}`);
  const made = await chain.export(patient(url, say), options.number("number", 0, HEIGHT_MAX), options, say);
  refuseExpired(made, "a later --number, or a longer --trusting-period");
  if (chain.warning !== undefined) output.error(chain.warning);
  const text = JSON.stringify(made, null, 2);
  const path = options.text("out");
  if (path === undefined) output.line(text);
  else {
    writeFile(path, text);
    const { number, hash } = made as { number: number; hash: string };
    output.line(options.has("json") ? JSON.stringify({ file: path, number, hash }) : `${path}: block #${number} ${hash}`);
  }
  return 0;
}

function writeFile(path: string, text: string): void {
  try {
    writeWhole(path, `${text}\n`, "umask");
  } catch (error) {
    throw new CommandError(`${plainText(path, 200)}: it cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** Keeps the checkpoint of what was verified last in a file. */
class Saver {
  readonly #consensus: Consensus;
  readonly #from: unknown;
  readonly #path: string | undefined;
  readonly #say: (text: string) => void;
  #savedMs = performance.now();
  hasFailed = false;

  constructor(consensus: Consensus, from: unknown, path: string | undefined, say: (text: string) => void) {
    this.#consensus = consensus;
    this.#from = from;
    this.#path = path;
    this.#say = say;
  }

  nowAndThen(trusted: Trusted): void {
    if (this.#path === undefined || performance.now() - this.#savedMs < SAVE_MS) return;
    this.#savedMs = performance.now();
    this.#try(this.#path, trusted);
  }

  /** The file that holds it, where there is one. */
  atEnd({ trusted }: Verified): string | undefined {
    this.hasFailed = false;
    if (this.#path !== undefined) this.#try(this.#path, trusted);
    return this.hasFailed ? undefined : this.#path;
  }

  /** Says what is wrong once; it is tried again, since a disk that is full now is no reason to end a long run. */
  #try(path: string, trusted: Trusted): void {
    try {
      this.#save(path, trusted);
      this.hasFailed = false;
    } catch (error) {
      if (!this.hasFailed) this.#say((error as Error).message);
      this.hasFailed = true;
    }
  }

  #save(path: string, trusted: Trusted): void {
    const made =
      trusted === this.#consensus.checkpoint ? (this.#from as object) : checkpointAfter(this.#consensus, this.#from, trusted);
    if (made instanceof Rejection)
      throw new CommandError(`${plainText(path, 200)} is not written: ${made.detail} (${made.code})`);
    writeFile(path, JSON.stringify(made, null, 2));
  }
}

function chainNamed(name: string | undefined): HeaderChain {
  if (name === undefined) throw new UsageError(`--chain ${CHAINS} is missing`);
  const chain = Object.hasOwn(HEADER_CHAINS, name) ? HEADER_CHAINS[name] : undefined;
  if (chain === undefined) throw new UsageError(`--chain takes ${CHAINS}, not "${plainText(name, 40)}"`);
  return chain;
}
