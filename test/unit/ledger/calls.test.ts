// The calls of a mote: what they say by another library's encoder, and where they look for their effect.

import { createContract } from "micro-eth-signer/abi";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../../firmware/bytes.js";
import { nobleEngine as engine } from "../../../firmware/crypto/engine-noble.js";
import { anchorCall, enrolmentCall, reportCall, valueCall } from "../../../firmware/ledger/calls.js";
import type { Call } from "../../../firmware/ledger/sender.js";
import { intrinsicGas } from "../../../firmware/ledger/transaction.js";
import { Rejection } from "../../../firmware/rejection.js";

const REGISTRY = new Uint8Array(20).fill(0xee);
const MOTE = new Uint8Array(20).fill(0x33);

function encoded(name: string, types: readonly string[], values: readonly unknown[]): string {
  const inputs = types.map((type, i) => ({ name: `a${i}`, type }));
  const contract = createContract([{ type: "function", name, inputs, outputs: [] }] as const) as unknown as Record<
    string,
    { encodeInput(value: unknown): Uint8Array }
  >;
  return toHex(contract[name]?.encodeInput(Object.fromEntries(values.map((value, i) => [`a${i}`, value]))) as Uint8Array);
}

/** keccak256(address in a word ‖ slot in a word), by hand. */
function slot(address: Uint8Array, number: number): string {
  const key = `${toHex(address).padStart(64, "0")}${number.toString(16).padStart(64, "0")}`;
  return toHex(engine.keccak256(fromHex(key) as Uint8Array));
}

function held(call: Call | Rejection): Call {
  if (call instanceof Rejection) throw new Error(call.toString());
  assert.ok(call.gas > intrinsicGas(call.data));
  assert.is(call.value, 0n);
  return call;
}

test("value goes to an address, and has no effect but its receipt", () => {
  assert.equal(valueCall(MOTE, 5n, 3), { to: MOTE, value: 5n, data: new Uint8Array(0), gas: 21_000, label: 3 });
});

test("an enrolment is there once the registry has its counter", () => {
  const messages = { enrolment: new Uint8Array(250).fill(1), voucher: new Uint8Array(300).fill(2) };
  const call = held(enrolmentCall(engine, REGISTRY, MOTE, 0x0102030405, messages, 1));
  assert.is(toHex(call.data), encoded("enrolWithVoucher", ["bytes", "bytes"], [messages.enrolment, messages.voucher]));
  assert.equal([call.to, call.effect?.contract, toHex(call.effect?.slot as Uint8Array)], [REGISTRY, REGISTRY, slot(MOTE, 3)]);
  assert.is(toHex(call.effect?.mask as Uint8Array), "ff".repeat(8) + "00".repeat(24));
  assert.is(toHex(call.effect?.value as Uint8Array), `0000000102030405${"00".repeat(24)}`);
  const greatest = held(enrolmentCall(engine, REGISTRY, MOTE, Number.MAX_SAFE_INTEGER, messages, 1));
  assert.is(toHex(greatest.effect?.value as Uint8Array), `001fffffffffffff${"00".repeat(24)}`);
});

test("a report is there once the registry has the mote in quarantine", () => {
  const records = [new Uint8Array(1_124).fill(1), new Uint8Array(1_124).fill(2)] as const;
  const call = held(reportCall(engine, REGISTRY, MOTE, records, 1));
  assert.is(toHex(call.data), encoded("reportEquivocation", ["bytes", "bytes"], records));
  assert.is(toHex(call.effect?.slot as Uint8Array), slot(MOTE, 3));
  assert.is(toHex(call.effect?.mask as Uint8Array), `${"00".repeat(31)}ff`);
  assert.is(toHex(call.effect?.value as Uint8Array), `${"00".repeat(31)}05`);
});

test("an anchor is there once the contract has the root as this key's newest", () => {
  const tree = { root: new Uint8Array(32).fill(7), size: 2 ** 26, proof: new Array(49).fill(new Uint8Array(32).fill(8)) };
  const call = held(anchorCall(engine, REGISTRY, MOTE, tree, 1));
  const values = [tree.root, BigInt(tree.size), tree.proof];
  assert.is(toHex(call.data), encoded("anchor", ["bytes32", "uint256", "bytes32[]"], values));
  assert.is(toHex(call.effect?.slot as Uint8Array), slot(MOTE, 1));
  assert.equal([toHex(call.effect?.mask as Uint8Array), call.effect?.value], ["ff".repeat(32), tree.root]);
  assert.instance(anchorCall(engine, REGISTRY, MOTE, { ...tree, root: new Uint8Array(31) }, 1), Rejection);
});

test.run();
