// What becomes of a mote's calls, each end by its name, on a chain that mines, loses, forgets and is undone.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { CALL_BYTES_MAX } from "../../../firmware/ledger/abi.js";
import { raisedFee } from "../../../firmware/ledger/call-store.js";
import { decodeTransaction, senderOf, signingPayload, signPayload } from "../../../firmware/ledger/transaction.js";
import { Rejection } from "../../../firmware/rejection.js";
import { testKey } from "../record/signing.js";
import { Bench, CHAIN_ID, CONTRACT, GAS, held, KEY, LIMITS } from "./sender-bench.js";

const code = (value: unknown): string => (value instanceof Rejection ? value.code : String(value));

/** A transaction of the mote's key that the mote did not make. */
async function stolen(nonce: number, data = new Uint8Array(4)): Promise<Uint8Array> {
  const payload = signingPayload({
    ...{ type: 2, chainId: CHAIN_ID, nonce, gas: GAS, to: CONTRACT, value: 0n, data },
    ...{ maxFeePerGas: 10n ** 12n, maxPriorityFeePerGas: 10n ** 12n },
  });
  const none = (): never => assert.unreachable() as never;
  const keys = {
    open: none,
    create: none,
    close: none,
    publicKey: () => KEY.publicKey,
    sign: (_: unknown, digest: Uint8Array) => KEY.sign(digest),
  };
  return held(await signPayload(nobleEngine, keys, { slot: "stolen" }, payload));
}

test("calls are sent one after the other, and are done when a settled slot says so", async () => {
  const bench = new Bench();
  for (let label = 1; label <= 3; label += 1) {
    assert.is(await bench.send(label), label - 1);
    assert.is(code(await bench.send(9)), "tx-busy");
    await bench.turn(2);
    assert.is(bench.of(label), "sent", "mined, but not settled");
    await bench.turn(2);
    assert.is(bench.of(label), "sent done");
    assert.is(bench.sender.pending, false);
  }
  assert.is(bench.sent, 3);
  assert.equal([bench.alarms, bench.refusals], [[], []]);
  const [first] = bench.chain.mined();
  assert.equal(senderOf(nobleEngine, held(decodeTransaction(first?.raw as Uint8Array))), KEY.address);
});

test("before London the same with one price", async () => {
  const bench = new Bench();
  bench.chain.baseFee = undefined;
  assert.is(await bench.send(1), 0);
  await bench.turn(4);
  assert.is(bench.of(1), "sent done");
  const { transaction } = bench.chain.mined()[0] as { transaction: { type: number; maxFeePerGas: bigint } };
  assert.is(transaction.type, 0);
  assert.is(transaction.maxFeePerGas, LIMITS.tipPerGas);
});

test("what is refused before it has a nonce", async () => {
  const bench = new Bench();
  const refused = async (more: object) => code(await bench.send(1, more));
  bench.chain.proving = false;
  assert.is(await refused({}), "tx-unproven");
  bench.chain.proving = true;
  assert.is(await refused({ gas: 21_000 }), "tx-gas");
  assert.is(await refused({ gas: LIMITS.gasMax + 1 }), "tx-gas");
  assert.is(await refused({ gas: 1.5 }), "tx-gas");
  assert.is(await refused({ data: new Uint8Array(CALL_BYTES_MAX + 1) }), "tx-too-long");
  bench.chain.baseFee = LIMITS.feePerGasMax;
  assert.is(await refused({}), "tx-fee-limit");
  bench.chain.baseFee = LIMITS.feePerGasMax - LIMITS.tipPerGas;
  bench.chain.balance = BigInt(GAS) * LIMITS.feePerGasMax;
  assert.is(await refused({ value: 1n }), "tx-insufficient-balance");
  assert.is(bench.store.values.size, 0);
  assert.is(await refused({}), "0", "the bounds themselves are allowed");
});

test("a call that reaches no node is sent again and again, and costs no more while no block tells", async () => {
  const bench = new Bench();
  bench.reaches = false;
  await bench.send(1);
  for (let i = 0; i < 400; i += 1) {
    bench.nowMs += 10_000;
    await bench.sender.step(bench.nowMs);
  }
  assert.ok(bench.sent >= 8 && bench.sent <= 16, `${bench.sent} times in 4,000 s`);
  assert.is(bench.signer.signed.get(0)?.length, 1);
  bench.reaches = true;
  await bench.turn(4, 600_000);
  assert.is(bench.of(1), "sent done");
});

test("a call that offers too little offers more, a tenth at a time, to the bound and no further; then it counts as dropped, and goes on", async () => {
  const bench = new Bench();
  bench.chain.leastTip = 2n * LIMITS.tipPerGas;
  await bench.send(1);
  await bench.turn(200);
  assert.match(bench.of(1), /^sent( raised)+ done$/);
  const tips = (bench.signer.signed.get(0) ?? []).map(({ maxPriorityFeePerGas }) => maxPriorityFeePerGas);
  assert.is(tips.length, 9, "1.1^8 is above 2");

  bench.chain.leastTip = 10n ** 18n;
  await bench.send(2);
  await bench.turn(600);
  assert.match(bench.of(2), /^sent( raised)+ dropped$/);
  const signed = bench.signer.signed.get(1) ?? [];
  const highest = signed[signed.length - 1]?.maxFeePerGas as bigint;
  assert.ok(highest <= LIMITS.feePerGasMax && raisedFee(highest) > LIMITS.feePerGasMax);
  const sent = bench.sent;
  await bench.turn(200);
  assert.ok(bench.sent > sent, "its nonce is free: nothing else could go before it is mined");
  assert.is(code(await bench.send(3)), "tx-busy");
  bench.chain.leastTip = 0n;
  await bench.turn(4);
  assert.match(bench.of(2), /dropped done$/);
});

test("fees that are zero are raised too, and none beyond the balance", async () => {
  assert.equal([0n, 1n, 9n, 10n, 11n, 100n].map(raisedFee), [1n, 2n, 10n, 11n, 13n, 110n]);
  const bench = new Bench();
  bench.chain.leastTip = 10n ** 18n;
  bench.chain.balance = BigInt(GAS) * (2n * (bench.chain.baseFee as bigint) + LIMITS.tipPerGas);
  await bench.send(1);
  await bench.turn(100);
  assert.is(bench.of(1), "sent dropped");
});

test("a balance that is gone meanwhile: the call waits, and goes on when there is some", async () => {
  const bench = new Bench();
  bench.reaches = false;
  await bench.send(1);
  bench.chain.balance = 5n;
  await bench.turn(30);
  assert.is(bench.of(1), "sent insufficient-balance");
  const sent = bench.sent;
  await bench.turn(30);
  assert.is(bench.sent, sent);
  bench.chain.balance = 10n ** 20n;
  bench.reaches = true;
  await bench.turn(6);
  assert.match(bench.of(1), /insufficient-balance.* done$/);
});

test("reverted: its receipt says so", async () => {
  const bench = new Bench();
  bench.chain.succeeds = false;
  await bench.send(1);
  await bench.turn(4);
  assert.is(bench.of(1), "sent reverted");
  assert.is(await bench.send(2), 1);
});

test("a header that is not linked any more shows no receipt: the slot alone tells, done or without an effect", async () => {
  const bench = new Bench();
  bench.chain.linked = false;
  await bench.send(1);
  await bench.turn(4);
  assert.is(bench.of(1), "sent done");
  bench.chain.succeeds = false;
  await bench.send(2);
  await bench.turn(4);
  assert.is(bench.of(2), "sent without-effect");
});

test("what is not proven is not decided: neither slot nor receipt, for as long as it takes", async () => {
  const bench = new Bench();
  bench.chain.linked = false;
  bench.chain.slots = false;
  await bench.send(1);
  await bench.turn(300);
  assert.is(bench.of(1), "sent");
  bench.chain.slots = true;
  await bench.turn(1);
  assert.is(bench.of(1), "sent done");
});

test("a slot that was proven before the nonce was used says nothing", async () => {
  const bench = new Bench();
  await bench.send(1);
  bench.chain.slot = () => ({ block: 0, value: new Uint8Array(32) });
  bench.chain.linked = false;
  await bench.turn(100);
  assert.is(bench.of(1), "sent", "an old proof of absence is no absence now");
});

test("value that is sent to an address has no slot: its receipt shows it, and without one the nonce is used and no more is said", async () => {
  const bench = new Bench();
  const value = { effect: undefined, data: new Uint8Array(0), value: 5n, to: new Uint8Array(20).fill(1), gas: 21_000 };
  await bench.send(1, value);
  await bench.turn(4);
  assert.is(bench.of(1), "sent done");
  bench.chain.linked = false;
  await bench.send(2, value);
  await bench.turn(4);
  assert.is(bench.of(2), "sent nonce-used");
  bench.chain.linked = true;
  bench.chain.inclusion = () => 0;
  await bench.send(3, value);
  await bench.turn(60);
  assert.is(bench.of(3), "sent", "the receipt is waited for");
  await bench.turn(10);
  assert.is(bench.of(3), "sent nonce-used", "but not for ever");
});

test("replaced: another transaction of our key has the nonce; that is an alarm", async () => {
  const bench = new Bench();
  bench.reaches = false;
  await bench.send(1);
  bench.chain.take(await stolen(0));
  await bench.turn(4);
  assert.is(bench.of(1), "sent replaced");
  assert.is(bench.alarms.length, 1);
});

test("a proven nonce above ours is the alarm key-used-elsewhere, at rest and with a call under way; calls go on above it", async () => {
  const bench = new Bench();
  await bench.send(1);
  await bench.turn(4);
  bench.chain.take(await stolen(1));
  bench.chain.take(await stolen(2));
  await bench.turn(5);
  assert.equal(bench.alarms, [[3, 1]]);
  bench.boot();
  assert.is(await bench.send(2), 3);
  assert.equal(
    bench.alarms,
    [
      [3, 1],
      [3, 1],
    ],
    "once a start",
  );
  bench.boot();
  bench.chain.take(await stolen(4));
  await bench.turn(4);
  assert.is(bench.of(2), "sent done");
  assert.equal(bench.alarms[2], [5, 4]);
});

test("a proof of somebody else's transaction, or of none, decides nothing", async () => {
  const bench = new Bench();
  await bench.send(1);
  bench.chain.slots = false;
  const other = testKey("somebody else");
  const foreign = (await stolen(0)).slice();
  foreign[foreign.length - 1] = (foreign[foreign.length - 1] as number) ^ 1;
  for (const raw of [new Uint8Array(0), other.address, foreign, await stolen(7)]) {
    bench.chain.inclusion = () => ({ raw, succeeded: false });
    await bench.turn(4);
    assert.is(bench.of(1), "sent");
  }
});

test("a reorganisation deeper than settled: the call is under way again, the same bytes", async () => {
  const bench = new Bench();
  await bench.send(1);
  await bench.turn(6);
  assert.is(bench.of(1), "sent done");
  bench.chain.undo(6);
  bench.chain.pool.length = 0;
  bench.chain.mine(8); // the new branch is longer, and has it not
  await bench.sender.step(bench.nowMs);
  assert.is(bench.of(1), "sent done undone");
  await bench.turn(5);
  assert.is(bench.of(1), "sent done undone done");
  assert.is(bench.signer.signed.get(0)?.length, 1);
  assert.is(bench.chain.mined().length, 1);
});

test("a view that falls back to an older block changes nothing", async () => {
  const bench = new Bench();
  await bench.send(1);
  await bench.turn(6);
  const account = bench.chain.account.bind(bench.chain);
  bench.chain.account = () => ({ block: 0, nonce: 0, balance: 10n ** 20n });
  await bench.sender.step(bench.nowMs);
  assert.is(bench.of(1), "sent done");
  assert.is(code(await bench.send(2)), "tx-unproven");
  bench.chain.account = account;
  assert.is(await bench.send(2), 1);
});

test("a store that refuses, that takes it and says no, that cannot be read", async () => {
  const bench = new Bench();
  bench.store.failing = "refuses";
  assert.is(code(await bench.send(1)), "call-not-stored");
  assert.is(bench.signer.signed.size, 0);
  bench.store.failing = "throws after";
  assert.is(await bench.send(2), 0, "what the store gives back counts");
  bench.store.failing = "refuses";
  await bench.turn(5);
  assert.ok(bench.sender.pending, "its end is not stored");
  assert.is(bench.refusals[bench.refusals.length - 1]?.code, "call-not-stored");
  bench.store.failing = "";
  await bench.turn(1);
  assert.is(bench.sender.pending, false);
  assert.is(bench.of(2), "sent done");
  bench.store.failing = "refuses reads";
  assert.is(code(await bench.send(3)), "call-store-lost");
  bench.store.failing = "";
  assert.is(code(await bench.send(3)), "call-store-lost", "nobody knows what a restart will find");
  await bench.boot().turn(5);
  assert.is(bench.of(3), "done", "what the restart found goes on");
  assert.is(bench.signer.signed.get(1)?.length, 1);
});

test("a key that does not sign now: the call keeps its nonce, and is signed later", async () => {
  const bench = new Bench();
  bench.signer.failing = true;
  assert.is(await bench.send(1), 0);
  assert.is(bench.refusals[0]?.code, "signature-failed");
  bench.signer.failing = false;
  await bench.turn(8);
  assert.is(bench.of(1), "done");
});

test("a value of another kind under our key stops the sender; another key's calls are not ours", async () => {
  const bench = new Bench();
  await bench.send(1);
  const [name, value] = [...bench.store.values][0] as [string, Uint8Array];
  for (let at = 0; at < value.length; at += 1) {
    bench.store.values.set(
      name,
      value.map((byte, i) => (i === at ? byte ^ 0x10 : byte)),
    );
    assert.throws(() => bench.boot(), /call-malformed/, `byte ${at}`);
  }
  for (let end = 0; end < value.length; end += 1) {
    bench.store.values.set(name, value.slice(0, end));
    assert.throws(() => bench.boot(), /call-malformed/, `${end} bytes`);
  }
  bench.store.values.set(name, value);
  assert.is(bench.boot().sender.pending, true);
  assert.is(bench.boot(new Uint8Array(20).fill(9)).sender.pending, false);
});

test.run();
