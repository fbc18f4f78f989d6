// A fleet's life on two EVM nodes that none of us wrote, anvil and @ethereumjs/client on Clique: the same calls leave the same words in the same
// slots, but for the blocks at which things happened.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../firmware/bytes.js";
import { Account, type Signer } from "../../tools/contracts/account.js";
import { anchorTree, deployAnchor } from "../../tools/contracts/anchor.js";
import {
  ANCHOR_SLOTS,
  anchorKey,
  MANDATE_FIELDS,
  MOTE_FIELDS,
  mappingSlot,
  REGISTRY_SLOTS,
} from "../../tools/contracts/layout.js";
import { engine } from "../../tools/crypto/engine.js";
import { MerkleTree } from "../../tools/merkle/tree.js";
import { EthereumNode } from "../../tools/node/ethereum.js";
import type { JsonRpc } from "../../tools/rpc/json-rpc.js";
import { Anvil, CHAIN_ID, signerOf } from "./anvil.js";
import { deployFleet, FOR_EVER } from "./scenario.js";

const admin = signerOf("two nodes: admin");
const recovery = signerOf("two nodes: recovery");
const motes = ["enrolled", "rotated", "successor", "equivocator", "replacement", "suspended"].map((name) =>
  signerOf(`two nodes: ${name}`),
);
const SINCE_BITS = ((1n << BigInt(MOTE_FIELDS.sinceBlock[1])) - 1n) << BigInt(MOTE_FIELDS.sinceBlock[0]);
const GIVEN_BITS = ((1n << BigInt(MANDATE_FIELDS.sinceBlock[1])) - 1n) << BigInt(MANDATE_FIELDS.sinceBlock[0]);
/** `RecordAnchor` writes nothing but block number and time into the word. */
const ANCHORED_BITS = (1n << 96n) - 1n;

/** Lives, and answers every slot that it has written, by a name; without the numbers of blocks. */
async function life(rpc: JsonRpc): Promise<Readonly<Record<string, string>>> {
  const account = new Account(rpc, admin);
  const fleet = await deployFleet(account, recovery.address);
  const { registry } = fleet;
  const [enrolled, rotated, successor, equivocator, replacement, suspended] = motes as [
    Signer,
    Signer,
    Signer,
    Signer,
    Signer,
    Signer,
  ];
  await registry.send(account, "setEnroller", admin.address, FOR_EVER);
  await registry.send(account, "setCommander", recovery.address, FOR_EVER);
  await registry.send(account, "addPolicy", 1, new Uint8Array(32).fill(0x77));
  await registry.send(account, "addFirmware", 1, new Uint8Array(32).fill(0x78));
  await registry.send(account, "enrol", fleet.enrolment(enrolled), 4, 1, 1);
  for (const mote of [rotated, equivocator, suspended]) await fleet.enrol(mote);
  await registry.send(account, "rotate", ...fleet.rotation(rotated, successor));
  await registry.send(account, "suspend", suspended.address);
  await registry.send(account, "reportEquivocation", ...fleet.contradiction(equivocator));
  await registry.send(account, "replace", equivocator.address, fleet.enrolment(replacement));
  const anchor = await deployAnchor(account);
  const tree = new MerkleTree(engine);
  for (let i = 0; i < 40; i += 1) tree.append(engine.sha256(Uint8Array.of(i)));
  for (const size of [7, 40]) await anchorTree(anchor, account, tree, size);

  const slots: Record<string, string> = {};
  const read = async (name: string, contract: Uint8Array, slot: Uint8Array, numbers = 0n): Promise<void> => {
    const word = BigInt((await rpc.call("eth_getStorageAt", `0x${toHex(contract)}`, `0x${toHex(slot)}`, "latest")) as string);
    slots[name] = (word & ~numbers).toString(16).padStart(64, "0");
    if (numbers !== 0n) assert.is.not(word & numbers, 0n, `${name}: no block`);
  };
  const plain = (slot: number): Uint8Array => Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? slot : 0));
  for (const [name, slot] of Object.entries(REGISTRY_SLOTS))
    if (["admin", "pendingAdmin", "recovery", "acceptableFromBlock"].includes(name))
      await read(name, registry.address, plain(slot));
  for (const [i, { address }] of motes.entries()) {
    await read(`mote ${i}`, registry.address, mappingSlot(address, REGISTRY_SLOTS.motes), SINCE_BITS);
    await read(`successor ${i}`, registry.address, mappingSlot(address, REGISTRY_SLOTS.successors));
    await read(`rotations ${i}`, registry.address, mappingSlot(address, REGISTRY_SLOTS.rotations));
  }
  await read("enroller", registry.address, mappingSlot(admin.address, REGISTRY_SLOTS.enrollers), GIVEN_BITS);
  await read("commander", registry.address, mappingSlot(recovery.address, REGISTRY_SLOTS.commanders), GIVEN_BITS);
  await read("policy", registry.address, mappingSlot(1, REGISTRY_SLOTS.policies));
  await read("firmware", registry.address, mappingSlot(1, REGISTRY_SLOTS.firmware));
  for (const size of [7, 40]) {
    const key = anchorKey(admin.address, size, tree.root(size));
    await read(`anchor ${size}`, anchor.address, mappingSlot(key, ANCHOR_SLOTS.anchors), ANCHORED_BITS);
  }
  await read("latest", anchor.address, mappingSlot(admin.address, ANCHOR_SLOTS.latest));
  return slots;
}

const anvil = await Anvil.start();
test.after(() => anvil?.stop());
const onBoth = anvil === undefined ? test.skip : test;

onBoth("the same life leaves the same slots on anvil and on the Clique node of npm start", async () => {
  await (anvil as Anvil).account(admin);
  const onAnvil = await life((anvil as Anvil).rpc);
  const directory = mkdtempSync(join(tmpdir(), "chainmote-two-nodes-"));
  const node = await EthereumNode.start({ directory, periodS: 1, chainId: CHAIN_ID });
  try {
    await new Account(node.rpc, node.key).pay(admin.address, 10n ** 20n);
    assert.equal(await life(node.rpc), onAnvil);
  } finally {
    await node.stop();
    rmSync(directory, { recursive: true, force: true });
  }
  const statuses = motes.map((_, i) => Number(BigInt(`0x${onAnvil[`mote ${i}`]}`) & 0xffn));
  assert.equal(statuses, [1, 3, 1, 5, 1, 2]);
});

test.run();
