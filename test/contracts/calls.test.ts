// A mote's own calls on the real contracts: enrolment with a voucher, anchors, a report, value. What the sender says became of each is what
// the contract's slot shows.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../firmware/bytes.js";
import { anchorCall, enrolmentCall, reportCall, valueCall } from "../../firmware/ledger/calls.js";
import { type Call, type ProvenAccount, type ProvenSlot, Sender } from "../../firmware/ledger/sender.js";
import { decodeTransaction } from "../../firmware/ledger/transaction.js";
import { Rejection } from "../../firmware/rejection.js";
import type { Account, Contract } from "../../tools/contracts/account.js";
import { deployAnchor } from "../../tools/contracts/anchor.js";
import { deployRegistry, moteOf } from "../../tools/contracts/registry.js";
import { engine } from "../../tools/crypto/engine.js";
import { MerkleTree } from "../../tools/merkle/tree.js";
import { testKey } from "../unit/record/signing.js";
import { Anvil, CHAIN_ID, signerOf } from "./anvil.js";
import { Fleet, FOR_EVER } from "./scenario.js";

/** Looks at a call, at most, until it has come to its end. */
const LOOKS_MAX = 10;
const anvil = (await Anvil.start()) as Anvil;
const onAnvil = anvil === undefined ? test.skip : test;
test.after(() => anvil?.stop());

/** The part of a mote that sends, over what the node says in place of proofs. */
class Caller {
  readonly key = testKey("the mote that calls");
  readonly #sender: Sender;
  #said: string[] = [];
  #sent: Promise<unknown> = Promise.resolve();
  #wanted: readonly [Uint8Array, Uint8Array] | undefined;
  #slot: ProvenSlot | undefined;
  #account: ProvenAccount | undefined;
  #base: bigint | undefined;

  constructor() {
    const values = new Map<string, Uint8Array>();
    this.#sender = Sender.open({
      engine,
      keys: { publicKey: () => this.key.publicKey, sign: (_: unknown, digest: Uint8Array) => this.key.sign(digest) } as never,
      key: { slot: "x" },
      address: this.key.address,
      chainId: CHAIN_ID,
      domain: {
        read: (name: string) => values.get(name)?.slice().buffer as ArrayBuffer,
        write: (name: string, value: never) => void values.set(name, new Uint8Array(value).slice()),
        delete() {},
        close() {},
      },
      limits: { gasMax: 1_000_000, feePerGasMax: 10n ** 12n, tipPerGas: 10n ** 9n },
      view: {
        account: () => this.#account,
        baseFeePerGas: () => this.#base,
        slot: (contract: Uint8Array, slot: Uint8Array) => {
          this.#wanted = [contract, slot];
          return this.#slot;
        },
        inclusion: () => 1,
      },
      submit: (raw: Uint8Array) => {
        decodeTransaction(raw);
        this.#sent = anvil.rpc.call("eth_sendRawTransaction", `0x${toHex(raw)}`);
      },
      report: (state: string) => void this.#said.push(state),
      alarm: () => void this.#said.push("alarm"),
      refused: (rejection: Rejection) => void this.#said.push(rejection.toString()),
    } as never) as Sender;
  }

  async #look(): Promise<void> {
    const call = (method: string, ...words: unknown[]): Promise<string> => anvil.rpc.call(method, ...words) as Promise<string>;
    const block = (await anvil.rpc.call("eth_getBlockByNumber", "latest", false)) as { number: string; baseFeePerGas: string };
    const address = `0x${toHex(this.key.address)}`;
    this.#base = BigInt(block.baseFeePerGas);
    this.#account = {
      block: Number(block.number),
      nonce: Number(await call("eth_getTransactionCount", address, "latest")),
      balance: BigInt(await call("eth_getBalance", address, "latest")),
    };
    if (this.#wanted === undefined) return;
    const [contract, slot] = this.#wanted;
    const value = await call("eth_getStorageAt", `0x${toHex(contract)}`, `0x${toHex(slot)}`, "latest");
    this.#slot = { block: Number(block.number), value: fromHex(value) as Uint8Array };
  }

  /** The state in which it ends. */
  async run(call: Call | Rejection): Promise<string | undefined> {
    if (call instanceof Rejection) throw new Error(call.toString());
    this.#said = [];
    this.#wanted = undefined;
    await this.#look();
    const nonce = await this.#sender.send(call, 0);
    if (nonce instanceof Rejection) throw new Error(nonce.toString());
    for (let i = 0; i < LOOKS_MAX && this.#sender.pending; i += 1) {
      await this.#sent;
      await this.#look();
      // It tells which slot it wants to see, and decides once that is there.
      this.#slot = undefined;
      await this.#sender.step(1_000 * i);
      await this.#look();
      await this.#sender.step(1_000 * i + 1);
    }
    return this.#said.at(-1);
  }
}

let account: Account;
let registry: Contract;
let fleet: Fleet;
let caller: Caller;
const admin = signerOf("scenario admin");

test.before(async () => {
  if (anvil === undefined) return;
  account = await anvil.account(admin);
  registry = await deployRegistry(account, admin.address, new Uint8Array(20));
  await registry.send(account, "setEnroller", admin.address, FOR_EVER);
  fleet = new Fleet(account, registry);
  caller = new Caller();
  await anvil.account(caller.key as never);
});

onAnvil("a mote enrols itself with a voucher", async () => {
  const mote = caller.key;
  const messages = { enrolment: fleet.enrolment(mote as never), voucher: fleet.voucher(admin, mote.address) };
  assert.is(await caller.run(enrolmentCall(engine, registry.address, mote.address, 1, messages, 1)), "done");
  assert.is((await moteOf(registry, mote.address)).status, "active");
});

onAnvil("it anchors its tree, and again as it grows; a root that is none of the tree's next ones is without effect", async () => {
  const anchor = await deployAnchor(account);
  const tree = new MerkleTree(engine);
  const grow = (to: number): void => {
    for (let i = tree.size; i < to; i += 1) tree.append(engine.sha256(Uint8Array.of(i)));
  };
  const anchored = (size: number, proof: readonly Uint8Array[]): Promise<string | undefined> =>
    caller.run(anchorCall(engine, anchor.address, caller.key.address, { root: tree.root(size), size, proof: [...proof] }, 2));
  grow(3);
  assert.is(await anchored(3, []), "done");
  grow(40);
  assert.is(await anchored(40, tree.consistencyProof(3, 40)), "done");
  assert.is(await anchored(7, []), "without-effect");
});

onAnvil("it reports a peer that contradicts itself, and sends value", async () => {
  const bad = testKey("an equivocator");
  await fleet.enrol(bad as never);
  const pair = fleet.contradiction(bad as never, { seq: 5 });
  assert.is(await caller.run(reportCall(engine, registry.address, bad.address, pair, 3)), "done");
  assert.is((await moteOf(registry, bad.address)).status, "quarantined");
  assert.is(await caller.run(valueCall(bad.address, 5n, 4)), "nonce-used");
  assert.is(BigInt((await anvil.rpc.call("eth_getBalance", `0x${toHex(bad.address)}`, "latest")) as string), 5n);
});

test.run();
