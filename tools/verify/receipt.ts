// chainmote verify --receipt: what an item that shows a record to be anchored says, to whoever trusts a checkpoint and, on chains with
// contracts, a contract's address.
//
// Promises: without a node where --headers is a file, or is not needed; with one, the node is not believed. Who measured, what, not before
// which block, not after which. Never: says that of an item of which anything does not hold, or takes the mote's word for the block before.

import { readFileSync } from "node:fs";
import { toHex } from "../../firmware/bytes.js";
import { openChain } from "../../firmware/chain/checkpoint.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { readJson } from "../headers/json-file.js";
import { headersOfFile, headersOfNode } from "../headers/stream.js";
import { HEADER_CHAINS, type HeaderChain } from "../headers/table.js";
import { checkUrl, type Words } from "../options.js";
import { headersOf, isBitcoin } from "../rpc/chain.js";
import { JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { CommandError, type Output, plainText, UsageError } from "../terminal.js";
import { anchorTrust } from "./anchor-trust.js";
import { type Anchored, decodeAnchored, verifyAnchored } from "./anchored.js";

const ADDRESS_BYTES = 20;
const NO_CONTRACT = new Uint8Array(ADDRESS_BYTES);

/** @returns the exit code: 1 where the item does not hold */
export async function verifyReceipt(path: string, options: Words, output: Output): Promise<number> {
  const checkpoint = options.text("checkpoint");
  const contract = options.bytes("contract", ADDRESS_BYTES);
  if (checkpoint === undefined) throw new UsageError("--receipt needs --checkpoint FILE: what you trust");
  const consensus = openChain(engine, readJson(checkpoint));
  if (consensus instanceof Rejection) throw new CommandError(`${checkpoint}: ${consensus.detail} (${consensus.code})`);
  if (isBitcoin(consensus.chain) && contract !== undefined)
    throw new UsageError("on Bitcoin no contract anchors: leave --contract out");
  if (!isBitcoin(consensus.chain) && contract === undefined)
    throw new UsageError(`--receipt needs --contract ADDRESS on ${consensus.chain}: which contract you trust to anchor`);
  const bytes = bytesOf(path);
  const item = decodeAnchored(bytes);
  if (item instanceof Rejection) return refused(item, options, output);
  const from = options.text("headers");
  const url = from !== undefined && /^https?:\/\//i.test(from) ? checkUrl("--headers", from, ["http", "https"]) : undefined;
  const headers =
    from === undefined
      ? undefined
      : url === undefined
        ? headersOfFile(from, (HEADER_CHAINS[consensus.name] as HeaderChain).measure)
        : headersOfNode(headersOf(new JsonRpc(url), consensus.chain), consensus.checkpoint.number + 1);
  try {
    const trust = await anchorTrust(item, {
      ...{ engine, consensus, contract: contract ?? NO_CONTRACT, fromChild: url !== undefined },
      ...(headers === undefined ? {} : { headers }),
      nowS: () => Math.floor(Date.now() / 1000),
    });
    const found = trust instanceof Rejection ? trust : verifyAnchored(engine, bytes, trust);
    return found instanceof Rejection ? refused(found, options, output) : told(found, options, output);
  } catch (error) {
    if (error instanceof RpcError) throw new CommandError(`the node: ${error.message}`);
    throw error;
  }
}

function bytesOf(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    throw new CommandError(`${plainText(path, 200)}: it cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function refused({ code, detail }: Rejection, options: Words, output: Output): number {
  if (options.has("json")) output.line(JSON.stringify({ ok: false, code, detail }));
  else output.line(`${output.style("red", "FAIL")}  ${plainText(detail)} (${code})`);
  return 1;
}

function told(found: Anchored, options: Words, output: Output): number {
  const { mote, collector, digest, record, headShown, anchoredIn, anchoredS, provenAt } = found;
  const { stream, seq, head } = record;
  const time = new Date(anchoredS * 1000).toISOString();
  if (options.has("json")) {
    const place = { mote: `0x${toHex(mote)}`, stream, seq, digest: toHex(digest), collector: `0x${toHex(collector)}` };
    const not = {
      ...(head === undefined ? {} : headShown ? { notBefore: head.number } : { notBeforeClaimed: head.number }),
      notAfter: anchoredIn,
      notAfterS: anchoredS,
      provenAt,
    };
    output.line(JSON.stringify({ ok: true, ...place, ...not }));
    return 0;
  }
  const before =
    head === undefined
      ? "(it names no block)"
      : `block #${head.number}${headShown ? "" : `, as the mote says: the headers do not lead over that block of ${plainText(head.chain)}`}`;
  output.line(`${output.style("green", "ok")}          anchored, and all that leads to it by prev`);
  output.line(`who         0x${toHex(mote)}`);
  output.line(`what        ${stream === 0 ? "" : `stream ${stream} `}seq ${seq}, digest ${toHex(digest)}`);
  output.line(`not before  ${before}`);
  output.line(`not after   block #${anchoredIn}, ${time}; proven at block #${provenAt}`);
  output.line(output.style("dim", `anchored by 0x${toHex(collector)}`));
  return 0;
}
