// The contracts that `chainmote start` puts on its own node, or on another's by the key of --deploy, once for a data folder, and the keys of
// who governs them.
//
// Promises: what is done is read from the chain, so that the next start goes on with what one that was killed has begun; the registry is
// what the admin's account deploys first, so that its address is known before it is there. Never gives a key out.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { equal, fromHex, toHex } from "../../firmware/bytes.js";
import { type Account, balanceOf, type Contract, GAS_LIMIT } from "../contracts/account.js";
import { deployAnchor } from "../contracts/anchor.js";
import { deployRegistry, openRegistry } from "../contracts/registry.js";
import { KeyFile } from "../crypto/key-file.js";
import { removeEmpty, writeWhole } from "../files.js";
import { CommandError, count } from "../terminal.js";
import type { Payer } from "./followed-chain.js";

/** Who governs a fleet (docs/ledger.md, "Who governs"), and who reports evidence to its registry. */
export interface FleetKeys {
  readonly admin: KeyFile;
  readonly enroller: KeyFile;
  readonly commander: KeyFile;
  readonly recovery: KeyFile;
  readonly reporter: KeyFile;
}

/** That send transactions: the admin's, the enroller's, the reporter's and the collector's. */
const FLEET_ACCOUNTS = 4;
const ADDRESS_BYTES = 20;
const MANDATE_GIVEN = 1n;
/** The last block number that a mandate can name: these hold until they are taken back. */
const FOR_EVER = 2 ** 48 - 1;

/** Reads the keys in `directory`, or makes them there. */
export function fleetKeys(directory: string): FleetKeys {
  const key = (name: string): KeyFile => KeyFile.openOrCreate(join(directory, `${name}.key`));
  return {
    ...{ admin: key("admin"), enroller: key("enroller"), commander: key("commander"), recovery: key("recovery") },
    reporter: key("reporter"),
  };
}

/**
 * The fleet's registry, deployed where it is not there yet, with its enroller and its commander named and who sends transactions paid.
 * @param admin the account of the admin's key
 * @param address where the admin's first contract is, 20 bytes
 */
export async function beginRegistry(payer: Payer, admin: Account, keys: FleetKeys, address: Uint8Array): Promise<Contract> {
  await payOnce(payer, keys.admin.address);
  if (!(await isContract(admin, address))) {
    const deployed = await deployRegistry(admin, keys.admin.address, keys.recovery.address);
    if (!equal(deployed.address, address))
      throw new CommandError(
        `the admin's account has sent transactions before: the registry would be 0x${toHex(deployed.address)}, not 0x${toHex(address)}, ` +
          "which the motes name in their records; begin with another --data",
      );
  }
  const registry = openRegistry(admin.rpc, address);
  for (const { address: account } of [keys.enroller, keys.reporter]) await payOnce(payer, account);
  if (!(await isMandated(registry, "enrollers", keys.enroller)))
    await registry.send(admin, "setEnroller", keys.enroller.address, FOR_EVER);
  if (!(await isMandated(registry, "commanders", keys.commander)))
    await registry.send(admin, "setCommander", keys.commander.address, FOR_EVER);
  return registry;
}

export interface Contracts {
  /** Address of RecordAnchor, 20 bytes. */
  readonly anchor: Uint8Array;
}

export interface AnchorOptions {
  /** Where the address is kept. */
  readonly file: string;
  readonly payer: Payer;
  /** The account that anchors, 20 bytes. */
  readonly collector: Uint8Array;
}

/** The contract that anchors, deployed where the folder names none, and the collector's account paid. */
export async function beginAnchor({ file, payer, collector }: AnchorOptions): Promise<Contracts> {
  removeEmpty(file);
  const kept = existsSync(file) ? readAnchor(file) : undefined;
  const anchor = kept ?? (await deployAnchor(payer.account)).address;
  if (kept === undefined) writeWhole(file, `${JSON.stringify({ anchor: `0x${toHex(anchor)}` }, null, 2)}\n`, "owner");
  else if (!(await isContract(payer.account, anchor)))
    throw new CommandError(
      `${file}: there is no contract at 0x${toHex(anchor)}: give the folder its own node back, or another --data`,
    );
  await payOnce(payer, collector);
  return { anchor };
}

function readAnchor(file: string): Uint8Array {
  const { anchor } = JSON.parse(readFileSync(file, "utf8")) as { anchor?: unknown };
  const bytes = typeof anchor === "string" ? fromHex(anchor) : undefined;
  if (!(bytes instanceof Uint8Array) || bytes.length !== ADDRESS_BYTES)
    throw new CommandError(`${file}: anchor is no address of 20 bytes: put the right file back`);
  return bytes;
}

/** Pays an account that has less than half of what it is given. */
async function payOnce({ account, wageWei }: Payer, to: Uint8Array): Promise<void> {
  const wage = await wageWei();
  if ((await balanceOf(account.rpc, to)) < wage / 2n) await account.pay(to, wage);
}

/** Throws, with what to do, where the payer has not what a fleet takes that is to be begun. */
export async function refusePoor({ account, wageWei }: Payer): Promise<void> {
  const needed = BigInt(FLEET_ACCOUNTS) * (await wageWei()) + BigInt(GAS_LIMIT) * (await account.price());
  const balance = await account.balance();
  if (balance >= needed) return;
  throw new CommandError(
    `the account 0x${toHex(account.address)} pays for the fleet and has ${count(Number(balance))} wei: it needs ${count(Number(needed))}`,
  );
}

async function isContract({ rpc }: Account, address: Uint8Array): Promise<boolean> {
  return (await rpc.call("eth_getCode", `0x${toHex(address)}`, "latest")) !== "0x";
}

/** Whether the admin has named the key, or taken that back: what the admin has done since is not undone. */
async function isMandated(registry: Contract, table: "enrollers" | "commanders", { address }: KeyFile): Promise<boolean> {
  const [status] = await registry.read(table, address);
  return (status ?? 0n) >= MANDATE_GIVEN;
}
