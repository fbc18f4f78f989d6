// The registry's words as the firmware reads them, against the layout that the compiler gave.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as slots from "../../../firmware/ledger/registry-slots.js";
import {
  fieldOf,
  MANDATE_FIELDS,
  MOTE_STATUS,
  mappingSlot,
  moteOfWord,
  REGISTRY_SLOTS,
} from "../../../tools/contracts/layout.js";
import { fastEngine as engine } from "../../../tools/crypto/engine-fast.js";

const words = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes));
const integer = (word: Uint8Array): bigint => BigInt(`0x${Buffer.from(word).toString("hex")}`);

test("any word of a mote and of a mandate is read as the contract packs it", () => {
  fc.assert(
    fc.property(words, (word) => {
      assert.equal(slots.moteOfWord(word), moteOfWord(integer(word)));
      const mandate = Object.fromEntries(
        Object.entries(MANDATE_FIELDS).map(([name, field]) => [name, Number(fieldOf(integer(word), field))]),
      );
      assert.equal(slots.mandateOfWord(word), mandate);
    }),
    { numRuns: 2_000 },
  );
});

test("slots of mappings, and the numbers of a status, are the contract's", () => {
  const address = new Uint8Array(20).fill(0xab);
  for (const [ours, theirs] of [
    [slots.MOTES_SLOT, REGISTRY_SLOTS.motes],
    [slots.COMMANDERS_SLOT, REGISTRY_SLOTS.commanders],
    [slots.POLICIES_SLOT, REGISTRY_SLOTS.policies],
    [slots.FIRMWARE_SLOT, REGISTRY_SLOTS.firmware],
  ] as const) {
    assert.is(ours, theirs);
    assert.equal(slots.mappingSlot(engine, address, ours), mappingSlot(address, theirs));
    for (const id of [0n, 1n, 255n, 1n << 63n]) assert.equal(slots.mappingSlot(engine, id, ours), mappingSlot(id, theirs));
  }
  assert.is(integer(slots.plainSlot(slots.ADMIN_SLOT)), BigInt(REGISTRY_SLOTS.admin));
  for (const [name, status] of Object.entries(MOTE_STATUS)) assert.is(slots.statusName(status), name);
  assert.is(slots.statusName(9), "9");
  const { ABSENT, ACTIVE, SUSPENDED, ROTATED, REVOKED, QUARANTINED } = slots;
  assert.equal(
    { ...MOTE_STATUS },
    {
      absent: ABSENT,
      active: ACTIVE,
      suspended: SUSPENDED,
      rotated: ROTATED,
      revoked: REVOKED,
      quarantined: QUARANTINED,
    },
  );
});

test.run();
