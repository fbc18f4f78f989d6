// The registry's rules on a real EVM: who may enrol whom, what is replayed or brought by others, what never returns, who governs.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, toHex } from "../../firmware/bytes.js";
import {
  decodeEnrolment,
  decodeRotation,
  decodeVoucher,
  encodeEnrolment,
  encodeRotation,
  encodeVoucher,
} from "../../firmware/record/enrolment.js";
import { Rejection } from "../../firmware/rejection.js";
import { type Account, Reverted, type Signer } from "../../tools/contracts/account.js";
import { artifactOf } from "../../tools/contracts/artifacts.js";
import {
  fieldOf,
  MANDATE_FIELDS,
  MOTE_STATUS,
  mappingSlot,
  moteOfWord,
  REGISTRY_SLOTS,
  SUCCESSOR_FIELDS,
} from "../../tools/contracts/layout.js";
import { deployRegistry, moteOf } from "../../tools/contracts/registry.js";
import { Anvil, messageOf, signerOf } from "./anvil.js";
import { CHAIN, deployFleet, type Fleet, FOR_EVER } from "./scenario.js";

const anvil = await Anvil.start();
test.after(() => anvil?.stop());
const onAnvil = anvil === undefined ? test.skip : test;
const admin = signerOf("registry admin");
let names = 0;
const fresh = (what: string): Signer => signerOf(`${what} ${names++}`);

async function accountOf(signer: Signer): Promise<Account> {
  return (anvil as Anvil).account(signer);
}

/** A fleet with an enroller, who is its admin. */
async function fleetOf(recovery?: Uint8Array): Promise<Fleet> {
  const fleet = await deployFleet(await accountOf(admin), recovery);
  await fleet.registry.send(fleet.account, "setEnroller", admin.address, FOR_EVER);
  return fleet;
}

async function reverts(error: string, sent: Promise<unknown>): Promise<void> {
  try {
    await sent;
  } catch (thrown) {
    assert.instance(thrown, Reverted);
    assert.is((thrown as Reverted).error, error);
    return;
  }
  assert.unreachable(`no ${error}`);
}

async function statusOf(fleet: Fleet, mote: Signer): Promise<string> {
  return (await moteOf(fleet.registry, mote.address)).status;
}

/** A slot of the fleet's registry, as a proof would give it. */
async function slotOf(fleet: Fleet, slot: Uint8Array | number): Promise<bigint> {
  const at = typeof slot === "number" ? `0x${slot.toString(16)}` : `0x${toHex(slot)}`;
  return BigInt(
    (await (anvil as Anvil).rpc.call("eth_getStorageAt", `0x${toHex(fleet.registry.address)}`, at, "latest")) as string,
  );
}

onAnvil("a mote's slot, and its commander's, are what one proof shows", async () => {
  const fleet = await fleetOf();
  const { registry, account } = fleet;
  const mote = fresh("mote");
  const hash = new Uint8Array(32).fill(0x5a);
  await registry.send(account, "addPolicy", 7, hash);
  await registry.send(account, "addFirmware", 9, hash);
  const { blockNumber } = await registry.send(account, "enrol", fleet.enrolment(mote, { counter: 3 }), 5, 7, 9);
  const word = await slotOf(fleet, mappingSlot(mote.address, REGISTRY_SLOTS.motes));
  assert.equal(moteOfWord(word), { status: 1, role: 5, policyId: 7n, firmwareId: 9n, sinceBlock: blockNumber, counter: 3n });
  assert.is(await slotOf(fleet, mappingSlot(7, REGISTRY_SLOTS.policies)), BigInt(`0x${toHex(hash)}`));
  assert.is(await slotOf(fleet, mappingSlot(9, REGISTRY_SLOTS.firmware)), BigInt(`0x${toHex(hash)}`));
  const given = await registry.send(account, "setCommander", mote.address, 77_777);
  const mandate = await slotOf(fleet, mappingSlot(mote.address, REGISTRY_SLOTS.commanders));
  assert.equal(
    [...Object.values(MANDATE_FIELDS)].map((field) => fieldOf(mandate, field)),
    [1n, BigInt(given.blockNumber), 77_777n],
  );
  const taken = await registry.send(account, "removeCommander", mote.address);
  const former = await slotOf(fleet, mappingSlot(mote.address, REGISTRY_SLOTS.commanders));
  assert.equal(
    [...Object.values(MANDATE_FIELDS)].map((field) => fieldOf(former, field)),
    [2n, BigInt(taken.blockNumber), 0n],
  );
  assert.is(await slotOf(fleet, REGISTRY_SLOTS.admin), BigInt(`0x${toHex(admin.address)}`));
  await reverts("NotGiven", registry.send(account, "removeCommander", mote.address));
});

onAnvil("nobody enrols a key that he has not, and nobody takes the enrolment of another to himself", async () => {
  const fleet = await fleetOf();
  const { registry, account } = fleet;
  const mote = fresh("mote");
  const thief = fresh("thief");
  const other = await accountOf(thief);
  await registry.send(account, "setEnroller", thief.address, FOR_EVER);
  // Seen before it is in a block, and brought by another enroller; signed by another key under the mote's address.
  await reverts("WrongEnroller", registry.send(other, "enrol", fleet.enrolment(mote), 200, 0, 0));
  const forged = fleet.enrolment({ address: mote.address, sign: thief.sign }, { enroller: thief.address });
  await reverts("SignatureInvalid", registry.send(other, "enrol", forged, 1, 0, 0));
  assert.is(await statusOf(fleet, mote), "absent");
  await fleet.enrol(mote);
  await reverts("KeyKnown", registry.send(account, "enrol", fleet.enrolment(mote, { counter: 2 }), 1, 0, 0));
  await reverts(
    "NotEnroller",
    registry.send(
      await accountOf(fresh("nobody")),
      "enrol",
      fleet.enrolment(fresh("mote"), { enroller: signerOf(`nobody ${names - 2}`).address }),
      1,
      0,
      0,
    ),
  );
});

onAnvil("an enrolment is good for one registry on one chain, until its expiry, and once", async () => {
  const fleet = await fleetOf();
  const { registry, account } = fleet;
  const mote = fresh("mote");
  const height = await (anvil as Anvil).height();
  const elsewhere = { registry: (await fleetOf()).registry.address, chain: CHAIN };
  await reverts("ForeignFleet", registry.send(account, "enrol", fleet.enrolment(mote, { fleet: elsewhere }), 1, 0, 0));
  const chain = { registry: registry.address, chain: "eip155:1" };
  await reverts("ForeignFleet", registry.send(account, "enrol", fleet.enrolment(mote, { fleet: chain }), 1, 0, 0));
  await reverts("Expired", registry.send(account, "enrol", fleet.enrolment(mote, { expiryBlock: height - 1 }), 1, 0, 0));
  const first = fleet.enrolment(mote, { counter: 5 });
  await registry.send(account, "enrol", first, 1, 0, 0);
  await registry.send(account, "suspend", mote.address);
  assert.is(await statusOf(fleet, mote), "suspended");
  for (const old of [first, fleet.enrolment(mote, { counter: 4 })])
    await reverts("CounterUsed", registry.send(account, "enrol", old, 1, 0, 0));
  await registry.send(account, "enrol", fleet.enrolment(mote, { counter: 6 }), 2, 0, 0);
  const entry = await moteOf(registry, mote.address);
  assert.equal([entry.status, entry.role, entry.counter], ["active", 2, 6n]);
  await reverts("UnknownPolicy", registry.send(account, "assign", mote.address, 1, 3, 0));
  await reverts("UnknownFirmware", registry.send(account, "assign", mote.address, 1, 0, 3));
});

onAnvil("a mote that enrols itself needs its enroller's voucher, and whoever sends both does the same", async () => {
  const fleet = await fleetOf();
  const { registry, account } = fleet;
  const mote = fresh("mote");
  const own = await accountOf(mote);
  const enrolment = fleet.enrolment(mote);
  const voucher = fleet.voucher(admin, mote.address, { role: 9 });
  await reverts(
    "NotEnroller",
    registry.send(own, "enrolWithVoucher", fleet.enrolment(mote, { enroller: mote.address }), fleet.voucher(mote, mote.address)),
  );
  await reverts("WrongEnroller", registry.send(own, "enrolWithVoucher", enrolment, fleet.voucher(mote, mote.address)));
  await reverts("OtherMote", registry.send(own, "enrolWithVoucher", enrolment, fleet.voucher(admin, fresh("mote").address)));
  await reverts(
    "OtherCounter",
    registry.send(own, "enrolWithVoucher", enrolment, fleet.voucher(admin, mote.address, { counter: 2 })),
  );
  await reverts(
    "Expired",
    registry.send(own, "enrolWithVoucher", enrolment, fleet.voucher(admin, mote.address, { expiryBlock: 0 })),
  );
  const elsewhere = { registry: account.address, chain: CHAIN };
  await reverts(
    "ForeignFleet",
    registry.send(own, "enrolWithVoucher", enrolment, fleet.voucher(admin, mote.address, { fleet: elsewhere })),
  );
  await reverts("PayloadType", registry.send(own, "enrolWithVoucher", enrolment, enrolment));
  const stranger = await accountOf(fresh("front runner"));
  await registry.send(stranger, "enrolWithVoucher", enrolment, voucher);
  const entry = await moteOf(registry, mote.address);
  assert.equal([entry.status, entry.role], ["active", 9]);
  await reverts("KeyKnown", registry.send(own, "enrolWithVoucher", enrolment, voucher));
  await registry.send(account, "suspend", mote.address);
  await reverts("CounterUsed", registry.send(own, "enrolWithVoucher", enrolment, voucher));
  const late = fresh("mote");
  await registry.send(account, "removeEnroller", admin.address);
  await reverts("NotEnroller", registry.send(own, "enrolWithVoucher", fleet.enrolment(late), fleet.voucher(admin, late.address)));
});

onAnvil("keys that were revoked, quarantined or rotated away never return", async () => {
  const fleet = await fleetOf();
  const { registry, account } = fleet;
  const [revoked, rotated, next, quarantined] = [fresh("mote"), fresh("mote"), fresh("mote"), fresh("mote")] as const;
  for (const mote of [revoked, rotated, quarantined]) await fleet.enrol(mote);
  await registry.send(account, "revoke", revoked.address);
  await registry.send(account, "rotate", ...fleet.rotation(rotated, next));
  await registry.send(account, "reportEquivocation", ...fleet.contradiction(quarantined));
  for (const [mote, status] of [
    [revoked, "revoked"],
    [rotated, "rotated"],
    [quarantined, "quarantined"],
  ] as const) {
    assert.is(await statusOf(fleet, mote), status);
    const again = fleet.enrolment(mote, { counter: 99 });
    await reverts("KeyKnown", registry.send(account, "enrol", again, 1, 0, 0));
    await reverts(
      "KeyKnown",
      registry.send(account, "enrolWithVoucher", again, fleet.voucher(admin, mote.address, { counter: 99 })),
    );
    await reverts("WrongStatus", registry.send(account, "suspend", mote.address));
    await reverts("WrongStatus", registry.send(account, "assign", mote.address, 1, 0, 0));
    await reverts("WrongStatus", registry.send(account, "rotate", ...fleet.rotation(mote, fresh("mote"), { counter: 99 })));
    // Neither as the successor of another.
    const other = fresh("mote");
    await fleet.enrol(other);
    await reverts("KeyKnown", registry.send(account, "rotate", ...fleet.rotation(other, mote)));
    if (status !== "rotated") await reverts("WrongStatus", registry.send(account, "revoke", mote.address));
  }
});

onAnvil("a rotation takes both keys and the admin; evidence against the old key reaches all that followed it", async () => {
  const fleet = await fleetOf();
  const { registry, account } = fleet;
  const [a, b, c] = [fresh("mote"), fresh("mote"), fresh("mote")] as const;
  await fleet.enrol(a, 4);
  const [byOld, byNew] = fleet.rotation(a, b);
  // A thief who has the old key alone, or who would confirm by himself.
  const thief = fresh("thief");
  const [forgedNew] = fleet.rotation({ address: a.address, sign: thief.sign }, b);
  await reverts("NotAdmin", registry.send(await accountOf(thief), "rotate", byOld, byNew));
  await reverts("SignatureInvalid", registry.send(account, "rotate", forgedNew, byNew));
  await reverts("OtherMote", registry.send(account, "rotate", byOld, byOld));
  await reverts("OtherMote", registry.send(account, "rotate", byNew, byNew));
  await reverts("OtherMote", registry.send(account, "rotate", byOld, fleet.rotation(a, c)[1]));
  await reverts("OtherMote", registry.send(account, "rotate", byOld, fleet.rotation(c, b)[1]));
  await reverts("OtherCounter", registry.send(account, "rotate", byOld, fleet.rotation(a, b, { counter: 3 })[1]));
  await reverts("CounterUsed", registry.send(account, "rotate", ...fleet.rotation(a, b, { counter: 1 })));
  await reverts("Expired", registry.send(account, "rotate", ...fleet.rotation(a, b, { expiryBlock: 0 })));
  await registry.send(account, "rotate", byOld, byNew);
  assert.equal(
    [await statusOf(fleet, a), await statusOf(fleet, b), (await moteOf(registry, b.address)).role],
    ["rotated", "active", 4],
  );
  const word = await slotOf(fleet, mappingSlot(a.address, REGISTRY_SLOTS.successors));
  assert.is(fieldOf(word, SUCCESSOR_FIELDS.key), BigInt(`0x${toHex(b.address)}`));
  await reverts("WrongStatus", registry.send(account, "rotate", byOld, byNew));
  await registry.send(account, "rotate", ...fleet.rotation(b, c, { counter: 3 }));
  await registry.send(await accountOf(fresh("anyone")), "reportEquivocation", ...fleet.contradiction(a));
  assert.equal(
    [await statusOf(fleet, a), await statusOf(fleet, b), await statusOf(fleet, c)],
    ["quarantined", "quarantined", "quarantined"],
  );
});

onAnvil("a thief who rotates first has the board's own evidence against his new key, and takes nothing with him", async () => {
  const fleet = await fleetOf();
  const { registry, account } = fleet;
  const [board, next, thief, further] = [fresh("mote"), fresh("mote"), fresh("thief"), fresh("thief")] as const;
  await fleet.enrol(board, 4);
  // He has the board's key, and the admin takes his rotation for the board's.
  await registry.send(account, "rotate", ...fleet.rotation(board, thief));
  await reverts("WrongStatus", registry.send(account, "rotate", ...fleet.rotation(board, next, { counter: 3 })));
  await reverts("NotAdmin", registry.send(await accountOf(thief), "rotate", ...fleet.rotation(thief, further, { counter: 3 })));
  // The board and he go on under one key: one of their pairs is enough, whoever brings it.
  await registry.send(await accountOf(fresh("anyone")), "reportEquivocation", ...fleet.contradiction(board));
  assert.equal([await statusOf(fleet, board), await statusOf(fleet, thief)], ["quarantined", "quarantined"]);
  await reverts("WrongStatus", registry.send(account, "rotate", ...fleet.rotation(thief, further, { counter: 3 })));
  await registry.send(account, "replace", thief.address, fleet.enrolment(next));
  assert.equal([await statusOf(fleet, next), (await moteOf(registry, next.address)).role], ["active", 4]);
});

onAnvil("an enroller's mandate ends with its block, for his own enrolments and for his vouchers", async () => {
  const fleet = await fleetOf();
  const { registry, account } = fleet;
  const enroller = fresh("enroller");
  const own = await accountOf(enroller);
  const [inTime, late, vouched] = [fresh("mote"), fresh("mote"), fresh("mote")] as const;
  const by = (mote: Signer): Uint8Array => fleet.enrolment(mote, { enroller: enroller.address });
  // The block of the mandate, and one more: anvil makes a block for each transaction.
  const last = (await (anvil as Anvil).height()) + 2;
  await registry.send(account, "setEnroller", enroller.address, last);
  const { blockNumber } = await registry.send(own, "enrol", by(inTime), 1, 0, 0);
  assert.is(blockNumber, last);
  await (anvil as Anvil).mine(1);
  await reverts("NotEnroller", registry.send(own, "enrol", by(late), 1, 0, 0));
  const voucher = fleet.voucher(enroller, vouched.address);
  await reverts("NotEnroller", registry.send(await accountOf(vouched), "enrolWithVoucher", by(vouched), voucher));
  assert.equal(
    [await statusOf(fleet, inTime), await statusOf(fleet, late), await statusOf(fleet, vouched)],
    ["active", "absent", "absent"],
  );
});

onAnvil("a key's successor by the admin's hand is not reached by evidence against it", async () => {
  const fleet = await fleetOf();
  const { registry, account } = fleet;
  const [lost, next, twice] = [fresh("mote"), fresh("mote"), fresh("mote")] as const;
  await fleet.enrol(lost, 6);
  await reverts("WrongStatus", registry.send(account, "replace", lost.address, fleet.enrolment(next)));
  await registry.send(account, "revoke", lost.address);
  await reverts("NotAdmin", registry.send(await accountOf(next), "replace", lost.address, fleet.enrolment(next)));
  await reverts(
    "WrongEnroller",
    registry.send(account, "replace", lost.address, fleet.enrolment(next, { enroller: next.address })),
  );
  // Nor does a key that the fleet knows stand in for another, be it suspended.
  const known = fresh("mote");
  await fleet.enrol(known);
  await registry.send(account, "suspend", known.address);
  await reverts("KeyKnown", registry.send(account, "replace", lost.address, fleet.enrolment(known, { counter: 2 })));
  await registry.send(account, "replace", lost.address, fleet.enrolment(next));
  assert.is((await moteOf(registry, next.address)).role, 6);
  await reverts("AlreadySucceeded", registry.send(account, "replace", lost.address, fleet.enrolment(twice)));
  // Whoever found the lost key makes what he likes with it: its successor stays.
  await registry.send(account, "reportEquivocation", ...fleet.contradiction(lost));
  assert.equal([await statusOf(fleet, lost), await statusOf(fleet, next)], ["quarantined", "active"]);
});

onAnvil("no more rotations than a report can follow", async () => {
  const fleet = await fleetOf();
  const { registry, account } = fleet;
  const first = fresh("mote");
  await fleet.enrol(first);
  let mote = first;
  for (let i = 0; i < 32; i += 1) {
    const next = fresh("mote");
    await registry.send(account, "rotate", ...fleet.rotation(mote, next, { counter: 2 + i }));
    mote = next;
  }
  await reverts("RotationsExhausted", registry.send(account, "rotate", ...fleet.rotation(mote, fresh("mote"), { counter: 99 })));
  const { gasUsed } = await registry.send(account, "reportEquivocation", ...fleet.contradiction(first));
  assert.is(await statusOf(fleet, mote), "quarantined");
  assert.ok(gasUsed < 1_000_000, `${gasUsed} gas`);
});

onAnvil("a quarantine that a reorganisation takes back is reported again, and holds", async () => {
  const fleet = await fleetOf();
  const { registry, account } = fleet;
  const { rpc } = anvil as Anvil;
  const mote = fresh("mote");
  await fleet.enrol(mote);
  const evidence = fleet.contradiction(mote);
  const before = await rpc.call("evm_snapshot");
  await registry.send(account, "reportEquivocation", ...evidence);
  assert.is(await statusOf(fleet, mote), "quarantined");
  assert.is(await rpc.call("evm_revert", before), true);
  assert.is(await statusOf(fleet, mote), "active");
  await registry.send(account, "reportEquivocation", ...evidence);
  assert.is(await statusOf(fleet, mote), "quarantined");
});

onAnvil("another who reports first takes nothing: the outcome is the same, and nothing is paid for it", async () => {
  const fleet = await fleetOf();
  const { registry } = fleet;
  const mote = fresh("mote");
  await fleet.enrol(mote);
  const [a, b] = fleet.contradiction(mote);
  const runner = await accountOf(fresh("front runner"));
  await registry.send(runner, "reportEquivocation", b, a);
  await reverts("AlreadyQuarantined", registry.send(await accountOf(fresh("reporter")), "reportEquivocation", a, b));
  assert.is(await statusOf(fleet, mote), "quarantined");
});

onAnvil("the admin hands over in two steps; a former admin is nobody", async () => {
  const fleet = await fleetOf();
  const { registry, account } = fleet;
  const next = await accountOf(fresh("next admin"));
  await reverts("NotPendingAdmin", registry.send(next, "acceptAdmin"));
  await registry.send(account, "handOver", next.address);
  await registry.send(account, "setEnroller", next.address, FOR_EVER); // still the admin
  await registry.send(next, "acceptAdmin");
  const mote = fresh("mote");
  const refused: [string, ...(Uint8Array | number)[]][] = [
    ["handOver", admin.address],
    ["setEnroller", admin.address, FOR_EVER],
    ["removeEnroller", next.address],
    ["setCommander", admin.address, FOR_EVER],
    ["removeCommander", admin.address],
    ["addPolicy", 1, new Uint8Array(32).fill(1)],
    ["addFirmware", 1, new Uint8Array(32).fill(1)],
    ["assign", mote.address, 1, 0, 0],
    ["suspend", mote.address],
    ["revoke", mote.address],
  ];
  for (const [name, ...values] of refused) await reverts("NotAdmin", registry.send(account, name, ...values));
  await registry.send(next, "handOver", admin.address);
  await registry.send(next, "handOver", new Uint8Array(20));
  await reverts("NotPendingAdmin", registry.send(account, "acceptAdmin"));
});

onAnvil(
  "the recovery key outlasts a lost or stolen admin key, after a delay that everyone sees; the admin cannot stop or replace it",
  async () => {
    const recovery = fresh("recovery");
    const fleet = await fleetOf(recovery.address);
    const { registry, account } = fleet;
    const cold = await accountOf(recovery);
    const next = await accountOf(fresh("next admin"));
    await reverts("NotRecovery", registry.send(account, "recoverAdmin", admin.address));
    await reverts("NotRecovery", registry.send(account, "changeRecovery", admin.address));
    await registry.send(cold, "recoverAdmin", next.address);
    await reverts("RecoveryPending", registry.send(account, "handOver", admin.address));
    await reverts("TooEarly", registry.send(next, "acceptAdmin"));
    await (anvil as Anvil).mine(5_758);
    await reverts("TooEarly", registry.send(next, "acceptAdmin"));
    await (anvil as Anvil).mine(2);
    await registry.send(next, "acceptAdmin");
    assert.is(await slotOf(fleet, REGISTRY_SLOTS.admin), BigInt(`0x${toHex(next.address)}`));
    await reverts("NotAdmin", registry.send(account, "suspend", admin.address));
    await registry.send(cold, "recoverAdmin", admin.address);
    await registry.send(cold, "recoverAdmin", new Uint8Array(20));
    await registry.send(next, "handOver", admin.address);
    await registry.send(cold, "changeRecovery", next.address);
    await reverts("NotRecovery", registry.send(cold, "recoverAdmin", admin.address));
  },
);

onAnvil("a number names one policy, and one firmware, for ever", async () => {
  const { registry, account } = await fleetOf();
  for (const name of ["addPolicy", "addFirmware"]) {
    await reverts("ZeroHash", registry.send(account, name, 1, new Uint8Array(32)));
    await reverts("IdTaken", registry.send(account, name, 0, new Uint8Array(32).fill(1)));
    await registry.send(account, name, 1, new Uint8Array(32).fill(1));
    await reverts("IdTaken", registry.send(account, name, 1, new Uint8Array(32).fill(2)));
  }
  await reverts("ExpiryPast", registry.send(account, "setEnroller", admin.address, 0));
  await reverts("ZeroAddress", deployRegistry(account, new Uint8Array(20), account.address));
  await reverts("ZeroAddress", registry.send(account, "setCommander", new Uint8Array(20), FOR_EVER));
});

onAnvil(
  "what the firmware refuses as an enrolment, a voucher or a rotation the contract refuses, too, however it is signed",
  async () => {
    const fleet = await fleetOf();
    const { registry, account } = fleet;
    const [mote, next] = [fresh("mote"), fresh("mote")];
    await fleet.enrol(mote);
    const other = fresh("mote");
    const common = { expiryBlock: FOR_EVER, fleet: fleet.fleet };
    const enrolment = encodeEnrolment({ ...common, counter: 1, enroller: admin.address });
    const voucher = encodeVoucher({ ...common, counter: 1, mote: other.address, role: 1, policyId: 0, firmwareId: 0 });
    const rotation = encodeRotation({ ...common, counter: 2, mote: mote.address, successor: next.address });
    const kinds: readonly [Uint8Array, (payload: Uint8Array) => object, (payload: Uint8Array) => Promise<unknown>][] = [
      [enrolment, decodeEnrolment, (bad) => registry.send(account, "enrol", messageOf(other, bad), 1, 0, 0)],
      [
        voucher,
        decodeVoucher,
        (bad) => registry.send(account, "enrolWithVoucher", messageOf(other, enrolment), messageOf(admin, bad)),
      ],
      [rotation, decodeRotation, (bad) => registry.send(account, "rotate", messageOf(mote, bad), messageOf(next, bad))],
    ];
    for (const [payload, decode, send] of kinds) {
      let refused = 0;
      for (let at = 0; at < payload.length; at += 1)
        for (const bad of [
          payload.subarray(0, at),
          concat(payload.subarray(0, at), Uint8Array.of(0), payload.subarray(at)),
          payload.map((byte, i) => (i === at ? byte ^ 1 : byte)),
          payload.map((byte, i) => (i === at ? byte + 0x18 : byte)),
        ]) {
          if (!(decode(bad) instanceof Rejection)) continue;
          refused += 1;
          const error = await send(bad).then(
            () => "taken",
            (thrown: Reverted) => thrown.error ?? String(thrown),
          );
          assert.match(error, /^(Payload|ForeignFleet|Other|WrongEnroller|CounterUsed|Expired)/, `${at}: ${toHex(bad)}`);
        }
      assert.ok(refused >= 100, `${refused} refused`);
    }
  },
);

onAnvil("nothing but a report quarantines: whatever the admin calls for a mote, it ends in another status", async () => {
  const fleet = await fleetOf();
  const { registry, account } = fleet;
  const calls: Readonly<Record<string, (mote: Signer) => readonly (Uint8Array | number)[]>> = {
    assign: ({ address }) => [address, 1, 0, 0],
    suspend: ({ address }) => [address],
    revoke: ({ address }) => [address],
    rotate: (mote) => fleet.rotation(mote, fresh("mote")),
    // Not of a mote that is active.
    replace: (mote) => [mote.address, fleet.enrolment(fresh("mote"))],
    enrol: (mote) => [fleet.enrolment(mote, { counter: 9 }), 1, 0, 0],
    enrolWithVoucher: (mote) => [fleet.enrolment(mote, { counter: 9 }), fleet.voucher(admin, mote.address, { counter: 9 })],
  };
  const of = /^(admin|set|remove|add|handOver|acceptAdmin|recoverAdmin|changeRecovery|reportEquivocation)/;
  const functions = artifactOf("MoteRegistry").abi.filter(
    ({ type, stateMutability }) => type === "function" && stateMutability === "nonpayable",
  );
  assert.equal(
    functions
      .map(({ name }) => name as string)
      .filter((name) => !of.test(name))
      .sort(),
    Object.keys(calls).sort(),
  );
  for (const [name, values] of Object.entries(calls)) {
    const mote = fresh("mote");
    await fleet.enrol(mote);
    await registry.send(account, name, ...values(mote)).catch((error) => assert.instance(error, Reverted));
    assert.is.not(await statusOf(fleet, mote), "quarantined", name);
  }
});

onAnvil("status names and numbers are the contract's", async () => {
  const { registry } = await fleetOf();
  for (const [name, number] of Object.entries(MOTE_STATUS))
    assert.equal(await registry.read(name.toUpperCase()), [BigInt(number)], name);
});

test.run();
