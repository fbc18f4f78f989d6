// The contracts of `chainmote start`, on the node of its folder: deployed once, and known by their addresses from then on.
//
// Promises: what the folder names is on the chain, looked at each time; the collector's account has what its anchors cost. Never: deploys
// where there is a contract, or on a chain that is not this folder's own.

import { existsSync, readFileSync } from "node:fs";
import { fromHex, toHex } from "../../firmware/bytes.js";
import { Account, type Signer } from "../contracts/account.js";
import { deployAnchor } from "../contracts/anchor.js";
import { removeEmpty, writeWhole } from "../files.js";
import { JsonRpc } from "../rpc/json-rpc.js";
import { CommandError } from "../terminal.js";

const ADDRESS_BYTES = 20;
/** What an account is given, once it has less than half of it: an anchor takes less than a ten thousandth. */
const ALLOWANCE_WEI = 10n ** 19n;

export interface Contracts {
  /** Address of RecordAnchor, 20 bytes. */
  readonly anchor: Uint8Array;
}

export interface ContractsOptions {
  /** Where the addresses are kept. */
  readonly file: string;
  readonly rpc: string | (() => string);
  /** Pays for all of it. */
  readonly payer: Signer;
  /** The account that anchors, 20 bytes. */
  readonly collector: Uint8Array;
}

export async function openContracts({ file, rpc, payer, collector }: ContractsOptions): Promise<Contracts> {
  const account = new Account(new JsonRpc(rpc), payer);
  removeEmpty(file);
  const kept = existsSync(file) ? readAnchor(file) : undefined;
  const anchor = kept ?? (await deployAnchor(account)).address;
  if (kept === undefined) writeWhole(file, `${JSON.stringify({ anchor: `0x${toHex(anchor)}` }, null, 2)}\n`, "owner");
  else if ((await account.rpc.call("eth_getCode", `0x${toHex(anchor)}`, "latest")) === "0x")
    throw new CommandError(
      `${file}: there is no contract at 0x${toHex(anchor)}: give the folder its own node back, or another --data`,
    );
  const balance = BigInt((await account.rpc.call("eth_getBalance", `0x${toHex(collector)}`, "latest")) as string);
  if (balance < ALLOWANCE_WEI / 2n) await account.pay(collector, ALLOWANCE_WEI);
  return { anchor };
}

function readAnchor(file: string): Uint8Array {
  const { anchor } = JSON.parse(readFileSync(file, "utf8")) as { anchor?: unknown };
  const bytes = typeof anchor === "string" ? fromHex(anchor) : undefined;
  if (!(bytes instanceof Uint8Array) || bytes.length !== ADDRESS_BYTES)
    throw new CommandError(`${file}: anchor is no address of 20 bytes: put the right file back`);
  return bytes;
}
