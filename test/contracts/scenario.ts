// The life of a fleet on its contracts, call by call, on any EVM node: what each call takes, and what the registry says afterwards. The
// same keys and numbers each time, so that every node has to give the same.

import { encodeEnrolment, encodeRotation, encodeVoucher } from "../../firmware/record/enrolment.js";
import { encodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import type { Account, Contract, Signer } from "../../tools/contracts/account.js";
import { anchorTree, deployAnchor } from "../../tools/contracts/anchor.js";
import { deployRegistry } from "../../tools/contracts/registry.js";
import { engine } from "../../tools/crypto/engine.js";
import { MerkleTree } from "../../tools/merkle/tree.js";
import { CHAIN_ID, messageOf, signerOf } from "./anvil.js";

export const CHAIN = `eip155:${CHAIN_ID}`;
export const FOR_EVER = 1_000_000_000;
const NONE = new Uint8Array(20);

/** A fleet whose registry is deployed, and messages for it. */
export class Fleet {
  readonly account: Account;
  readonly registry: Contract;
  readonly #enroller: Uint8Array;

  constructor(account: Account, registry: Contract) {
    this.account = account;
    this.registry = registry;
    this.#enroller = account.address;
  }

  get fleet(): RecordFields["fleet"] {
    return { registry: this.registry.address, chain: CHAIN };
  }

  enrolment(
    mote: Signer,
    changes: { counter?: number; enroller?: Uint8Array; expiryBlock?: number; fleet?: RecordFields["fleet"] } = {},
  ) {
    const fields = { counter: 1, enroller: this.#enroller, expiryBlock: FOR_EVER, fleet: this.fleet, ...changes };
    return messageOf(mote, encodeEnrolment(fields));
  }

  voucher(
    enroller: Signer,
    mote: Uint8Array,
    changes: { counter?: number; role?: number; policyId?: number; expiryBlock?: number; fleet?: RecordFields["fleet"] } = {},
  ): Uint8Array {
    const fields = {
      counter: 1,
      mote,
      role: 2,
      expiryBlock: FOR_EVER,
      policyId: 0,
      firmwareId: 0,
      fleet: this.fleet,
      ...changes,
    };
    return messageOf(enroller, encodeVoucher(fields));
  }

  /** Both messages: by the old key, and by the new. */
  rotation(
    old: Signer,
    next: Signer,
    changes: { counter?: number; expiryBlock?: number; fleet?: RecordFields["fleet"] } = {},
  ): [Uint8Array, Uint8Array] {
    const fields = {
      counter: 2,
      mote: old.address,
      successor: next.address,
      expiryBlock: FOR_EVER,
      fleet: this.fleet,
      ...changes,
    };
    const payload = encodeRotation(fields);
    return [messageOf(old, payload), messageOf(next, payload)];
  }

  recordFields(changes: Partial<RecordFields> = {}): RecordFields {
    return {
      stream: 0,
      seq: 7,
      prev: new Uint8Array(32).fill(0x11),
      boot: 3,
      time: 1_700_000_000,
      timeQuality: 3,
      head: { chain: CHAIN, number: 4242, hash: new Uint8Array(32).fill(0x22) },
      measurements: [{ n: "temperature", u: "Cel", v: 21 }],
      fleet: this.fleet,
      ...changes,
    };
  }

  record(mote: Signer, changes: Partial<RecordFields> = {}): Uint8Array {
    return messageOf(mote, encodeRecord(this.recordFields(changes)));
  }

  /** Two records under one number. */
  contradiction(mote: Signer, changes: Partial<RecordFields> = {}): [Uint8Array, Uint8Array] {
    return [this.record(mote, changes), this.record(mote, { ...changes, prev: new Uint8Array(32).fill(0x33) })];
  }

  async enrol(mote: Signer, role = 1): Promise<void> {
    await this.registry.send(this.account, "enrol", this.enrolment(mote), role, 0, 0);
  }
}

export async function deployFleet(account: Account, recovery: Uint8Array = NONE): Promise<Fleet & { readonly gasUsed: number }> {
  const registry = await deployRegistry(account, account.address, recovery);
  return Object.assign(new Fleet(account, registry), { gasUsed: registry.gasUsed });
}

/** A record like `record` whose payload has just this many bytes, by the number and the length of its names. */
export function recordOfLength(bytes: number, record: RecordFields): RecordFields {
  for (let entries = 1; entries <= 32; entries += 1)
    for (let step = 2; step <= 129; step += 1) {
      // A name of 24 characters takes two bytes more than one of 23: the value makes up for it.
      const measurements = Array.from({ length: entries }, (_, i) => ({
        n: "n".repeat(i === 0 ? step >> 1 : 40),
        v: step % 2 === 0 ? 1 : 99,
      }));
      try {
        const candidate = { ...record, measurements };
        if (encodeRecord(candidate).length === bytes) return candidate;
      } catch (error) {
        if (!(error instanceof Rejection)) throw error;
      }
    }
  throw new Error(`no record of ${bytes} bytes`);
}

/**
 * Runs every call once.
 * @param account with money, which becomes admin and enroller
 * @param next with money, for what another has to send
 * @returns gas of each call by its name in docs/ledger.md
 */
export async function runFleet(account: Account, admin: Signer, next: Account): Promise<ReadonlyMap<string, number>> {
  const gas = new Map<string, number>();
  const fleet = await deployFleet(account, next.address);
  gas.set("deploy MoteRegistry", fleet.gasUsed);
  const { registry } = fleet;
  const call = async (
    name: string,
    by: Account,
    method: string,
    ...values: Parameters<Contract["send"]> extends [unknown, unknown, ...infer V] ? V : never
  ) => {
    gas.set(name, (await registry.send(by, method, ...values)).gasUsed);
  };
  const keys = ["one", "two", "three", "four", "five", "six"].map((name) => signerOf(`scenario ${name}`));
  const [one, two, three, four, five, six] = keys as [Signer, Signer, Signer, Signer, Signer, Signer];
  const hash = new Uint8Array(32).fill(0x77);
  await call("setEnroller", account, "setEnroller", account.address, FOR_EVER);
  await call("setCommander", account, "setCommander", next.address, FOR_EVER);
  await call("removeCommander", account, "removeCommander", next.address);
  await call("addPolicy", account, "addPolicy", 1, hash);
  await call("addFirmware", account, "addFirmware", 1, hash);
  await call("enrol", account, "enrol", fleet.enrolment(one), 1, 1, 1);
  await call("enrolWithVoucher", next, "enrolWithVoucher", fleet.enrolment(two), fleet.voucher(admin, two.address));
  await call("assign", account, "assign", two.address, 3, 1, 1);
  await call("suspend", account, "suspend", two.address);
  await registry.send(account, "enrol", fleet.enrolment(two, { counter: 2 }), 1, 1, 1);
  await call("rotate", account, "rotate", ...fleet.rotation(one, three));
  await call("revoke", account, "revoke", two.address);
  await call("replace", account, "replace", two.address, fleet.enrolment(four));
  await call("reportEquivocation, two records of a sample", next, "reportEquivocation", ...fleet.contradiction(four));
  await call("reportEquivocation, and a successor by rotation", next, "reportEquivocation", ...fleet.contradiction(one));
  await fleet.enrol(five);
  await call(
    "reportEquivocation, two records of 1,024 bytes",
    next,
    "reportEquivocation",
    ...fleet.contradiction(five, recordOfLength(1_024, fleet.recordFields({ gap: 9 }))),
  );
  await fleet.enrol(six);
  await call("handOver", account, "handOver", next.address);
  await call("acceptAdmin", next, "acceptAdmin");

  const anchor = await deployAnchor(account);
  gas.set("deploy RecordAnchor", anchor.gasUsed);
  const tree = new MerkleTree(engine);
  for (let i = 0; i < 1_200; i += 1) tree.append(engine.sha256(Uint8Array.of(i & 255, i >> 8)));
  for (const [name, size] of [
    ["anchor, the first root", 8],
    ["anchor, 8 to 16 leaves", 16],
    ["anchor, 16 to 1,000 leaves", 1_000],
    ["anchor, 1,000 to 1,200 leaves", 1_200],
  ] as const)
    gas.set(name, (await anchorTree(anchor, account, tree, size)).gasUsed);
  return gas;
}
