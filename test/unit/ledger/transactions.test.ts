// The mote's calls as a feature: over proofs of its own account and of the slot that shows the effect, to relays that may say anything.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ProvenAccount } from "../../../firmware/ledger/sender.js";
import { StateProofs } from "../../../firmware/ledger/state-proofs.js";
import { decodeSubmission, encodeSubmissionAnswer } from "../../../firmware/ledger/submission-wire.js";
import { decodeTransaction } from "../../../firmware/ledger/transaction.js";
import { Transactions } from "../../../firmware/ledger/transactions.js";
import type { Rejection } from "../../../firmware/rejection.js";
import { CHAIN, hex, LedgerBench, sure } from "./ledger-bench.js";

const TO = new Uint8Array(20).fill(0x70);

function submitted(bench: LedgerBench) {
  return bench.powered.client.writes
    .filter(({ options }) => options.topic === `chains/${CHAIN}/transactions`)
    .map(({ data }) => sure(decodeTransaction(sure(decodeSubmission(new Uint8Array(data as Uint8Array))).raw)));
}

function states(bench: LedgerBench): unknown[] {
  return bench.powered.of("transaction").map(({ state, nonce, label }) => [state, nonce, label]);
}

async function booted(): Promise<LedgerBench> {
  const bench = new LedgerBench();
  await bench.boot();
  await bench.live(3);
  return bench;
}

test("value is sent once its account is proven, again until its nonce is used, and its end is told", async () => {
  const bench = new LedgerBench();
  await bench.boot();
  assert.is(((await bench.transaction.sendValue(TO, 5n)) as Rejection).code, "tx-unproven");
  await bench.live(3);
  assert.is(await bench.transaction.sendValue(TO, 5n), 0);
  assert.ok(bench.transaction.pending);
  assert.is(((await bench.transaction.sendValue(TO, 6n)) as Rejection).code, "tx-busy");
  await bench.live(10);
  const sent = submitted(bench);
  assert.ok(sent.length >= 2, `${sent.length}`);
  for (const { nonce, value, to, type } of sent) assert.equal([nonce, value, hex(to), type], [0, 5n, hex(TO), 0]);
  bench.nonce = 1;
  bench.balance -= 5n;
  await bench.live(4);
  assert.equal(states(bench), [
    ["sent", 0, 1],
    ["nonce-used", 0, 1],
  ]);
  assert.not.ok(bench.transaction.pending);
  assert.is(await bench.transaction.sendValue(TO, 7n), 1, "and the next one");
});

test("what relays say is on the log, and decides nothing", async () => {
  const bench = await booted();
  assert.is(await bench.transaction.sendValue(TO, 5n), 0);
  const answer = (bytes: Uint8Array): void => bench.powered.client.message(`motes/${bench.powered.address}/transactions`, bytes);
  answer(encodeSubmissionAnswer({ id: 1, outcome: 2 }));
  answer(encodeSubmissionAnswer({ id: 1, outcome: 99 }));
  answer(encodeSubmissionAnswer({ id: 1, outcome: new Uint8Array(32) }));
  answer(Uint8Array.of(0xff));
  await bench.live(2);
  assert.equal(bench.refusals("transaction"), ["tx-not-taken", "tx-not-taken", "submission-malformed"]);
  assert.equal(states(bench), [["sent", 0, 1]]);
  assert.ok(bench.transaction.pending);
});

test("silent relays: nothing ends, and nothing is given up", async () => {
  const bench = await booted();
  assert.is(await bench.transaction.sendValue(TO, 5n), 0);
  bench.nonce = 1;
  await bench.live(40, () => undefined);
  assert.equal(states(bench), [["sent", 0, 1]]);
  await bench.live(8);
  assert.equal(states(bench).pop(), ["nonce-used", 0, 1]);
});

test("a nonce that this mote has not used is an alarm", async () => {
  const bench = await booted();
  assert.is(await bench.transaction.sendValue(TO, 5n), 0);
  bench.nonce = 3;
  await bench.live(6);
  const alarms = bench.powered.of("alarm").map(({ alarm }) => alarm);
  assert.equal(alarms, ["key-used-elsewhere"]);
});

test("reports and anchors are calls with an effect: used without it, the end says so", async () => {
  const bench = await booted();
  assert.is(await bench.transaction.reportEquivocation(TO, TO, [Uint8Array.of(1), Uint8Array.of(2)]), 0);
  bench.nonce = 1;
  await bench.live(8);
  assert.equal(states(bench).pop(), ["without-effect", 0, 3]);
  const tree = { root: new Uint8Array(32).fill(7), size: 3, proof: [new Uint8Array(32)] };
  let made = 0;
  const next = () => {
    made += 1;
    return tree;
  };
  // A view that falls back to before the last call, as after a start: a tree that is kept now would take the place of the one that is anchored.
  const account = bench.transaction.account();
  bench.transaction.account = () => ({ block: 1, nonce: 0, balance: bench.balance });
  assert.is(((await bench.transaction.anchor(TO, next)) as Rejection).code, "tx-unproven");
  bench.transaction.account = () => ({ ...(account as ProvenAccount), nonce: 0 });
  assert.is(((await bench.transaction.anchor(TO, next)) as Rejection).code, "tx-undone");
  assert.is(made, 0, "no tree is made that cannot be sent");
  delete (bench.transaction as Partial<Transactions>).account;
  assert.is(await bench.transaction.anchor(TO, next), 1);
  assert.is(((await bench.transaction.anchor(TO, next)) as Rejection).code, "tx-busy");
  assert.is(made, 1);
  await bench.live(2);
  assert.ok(hex(submitted(bench).pop()?.data as Uint8Array).includes("07".repeat(32)));
});

test("a restart goes on with the very call that was under way", async () => {
  const bench = await booted();
  assert.is(await bench.transaction.sendValue(TO, 5n), 0);
  await bench.live(1);
  const [before] = submitted(bench);
  bench.powered.cut();
  await bench.boot();
  await bench.live(4);
  assert.equal(submitted(bench)[0], before);
  assert.ok(bench.transaction.pending);
});

test("settled blocks that the chain left: nothing is known until it is proven again", async () => {
  const bench = await booted();
  assert.is(bench.transaction.account()?.nonce, 0);
  bench.transaction.onOutcome({ kind: "reorg", number: 9, depth: 4, revoked: 2 });
  assert.is(bench.transaction.account(), undefined);
  await bench.live(3);
  assert.is(bench.transaction.account()?.nonce, 0);
});

test("fees are configured, each named where it is wrong", () => {
  const config = new LedgerBench().bench.config();
  const fault = (ledger: object, fleet = config.fleet): string =>
    String(new Transactions(new StateProofs()).fault({ ...config, fleet, ledger }));
  const fees = { gasMax: 100_000, maxFeePerGas: "0x77359400", tip: 1 };
  assert.is(fault({ fees }), "undefined");
  assert.match(fault({}), /ledger\.fees: expected an object/);
  assert.match(fault({ fees: { ...fees, gasMax: 20_000 } }), /ledger\.fees\.gasMax/);
  assert.match(fault({ fees: { ...fees, maxFeePerGas: "1" } }), /ledger\.fees\.maxFeePerGas: expected wei/);
  assert.match(fault({ fees: { ...fees, tip: -1 } }), /ledger\.fees\.tip: expected wei/);
  assert.match(fault({ fees: { ...fees, tip: "0x77359401" } }), /ledger\.fees\.tip: expected at most maxFeePerGas/);
  assert.match(fault({ fees }, { ...config.fleet, chain: "bip122:1" }), /fleet\.chain/);
});

test.run();
