// How a mote offers its enrolment, and what it makes of vouchers.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { FeatureOwner } from "../../../firmware/feature.js";
import { ENROLMENT_BLOCKS, Enrolling } from "../../../firmware/ledger/enrolling.js";
import { ACTIVE, SUSPENDED } from "../../../firmware/ledger/registry-slots.js";
import { decodeSubmission } from "../../../firmware/ledger/submission-wire.js";
import { decodeTransaction, senderOf } from "../../../firmware/ledger/transaction.js";
import { verifySign1 } from "../../../firmware/record/cose.js";
import { decodeEnrolment, type EnrolmentFields, encodeVoucher } from "../../../firmware/record/enrolment.js";
import { fastEngine as engine } from "../../../tools/crypto/engine-fast.js";
import { HandClock } from "../hand-clock.js";
import { signed, type TestKey, testKey } from "../record/signing.js";
import { CHAIN, ENROLLER, hex, LedgerBench, REGISTRY, sure } from "./ledger-bench.js";

const LEDGER = { enroller: `0x${hex(ENROLLER.address)}` };
const FLEET = { registry: REGISTRY, chain: CHAIN };

/** What was published on the topic of enrolments, in order. */
function offers({ powered }: LedgerBench): Uint8Array[] {
  return powered.client.writes
    .filter(({ options }) => options.topic === `motes/${powered.address}/enrolment`)
    .map(({ data, options }) => {
      assert.ok(options.retain);
      return new Uint8Array(data as Uint8Array);
    });
}

function read(message: Uint8Array): EnrolmentFields & { readonly kid: string } {
  const verified = sure(verifySign1(engine, message));
  return { ...sure(decodeEnrolment(verified.payload)), kid: hex(verified.kid) };
}

test("proven absent, it offers an enrolment to the configured enroller, and takes it back once it is in", async () => {
  const bench = new LedgerBench({ silent: true, ledger: LEDGER });
  await bench.boot();
  assert.equal(offers(bench), [], "what is not known is no absence");
  await bench.live(3);
  const [offer, ...more] = offers(bench);
  assert.equal(more, []);
  const { kid, counter, enroller, expiryBlock, fleet } = read(offer as Uint8Array);
  assert.is(kid, hex(bench.powered.addressBytes));
  assert.equal([counter, hex(enroller), hex(fleet.registry), fleet.chain], [1, hex(ENROLLER.address), hex(REGISTRY), CHAIN]);
  assert.ok(expiryBlock > bench.tip.number && expiryBlock <= bench.tip.number + ENROLMENT_BLOCKS);
  bench.setOwn({ status: ACTIVE, counter: 1n });
  await bench.live(14);
  assert.is(offers(bench).length, 2);
  assert.is(offers(bench)[1]?.length, 0, "nothing is retained any more");
  bench.setOwn({ status: SUSPENDED, counter: 7n });
  await bench.live(14);
  assert.is(read(offers(bench)[2] as Uint8Array).counter, 8);
});

test("while a place is waited for, it is looked for more often than at a long interval", async () => {
  const bench = new LedgerBench({ silent: true, ledger: { ...LEDGER, intervalMs: 3_600_000, freshS: 7_200 } });
  await bench.boot();
  await bench.live(3);
  bench.setOwn({ status: ACTIVE, counter: 1n });
  await bench.live(17);
  assert.is(bench.registry.own?.status, ACTIVE);
  const asked = await bench.live(60);
  assert.equal(asked, [], "and then at the interval");
});

test("without a configured enroller it offers nothing", async () => {
  const bench = new LedgerBench({ silent: true });
  await bench.boot();
  await bench.live(4);
  assert.is(bench.registry.own?.status, 0);
  assert.equal(offers(bench), []);
});

test("an offer is told on each connection, signed again before it expires, and after a key that failed", () => {
  const key = testKey("a mote that enrols");
  const state = { head: 100, up: false, fails: true, sent: [] as Uint8Array[], refused: [] as string[] };
  const owner = {
    engine,
    own: key.address,
    key: {},
    device: {
      clock: new HandClock(0),
      log: { write: () => {} },
      keys: {
        sign: (_: unknown, digest: Uint8Array) => {
          if (state.fails) throw new Error("the secure element is busy");
          return key.sign(digest);
        },
      },
    },
    config: { fleet: FLEET, mqtt: { prefix: "" } },
    refusals: { write: (_: string, { code }: { code: string }) => state.refused.push(code) },
    follower: {
      get head() {
        return { number: state.head };
      },
    },
    bus: {
      get up() {
        return state.up;
      },
      publish: (_: string, message: Uint8Array) => {
        state.sent.push(message);
        return true;
      },
    },
  } as unknown as FeatureOwner;
  const enrolling = new Enrolling(owner, ENROLLER.address, undefined);
  enrolling.wanted(0n);
  enrolling.step(0);
  assert.equal(state.refused, ["signature-failed"]);
  state.fails = false;
  enrolling.step(500);
  assert.equal(state.sent, []);
  enrolling.step(1_000);
  enrolling.linkChanged(true);
  state.up = true;
  enrolling.step(1_100);
  assert.is(read(state.sent[0] as Uint8Array).expiryBlock, 100 + ENROLMENT_BLOCKS);
  enrolling.step(1_200);
  assert.is(state.sent.length, 1);
  enrolling.linkChanged(false);
  enrolling.linkChanged(true);
  enrolling.step(1_300);
  assert.is(hex(state.sent[1] as Uint8Array), hex(state.sent[0] as Uint8Array));
  state.head += ENROLMENT_BLOCKS / 2 + 1;
  enrolling.step(5_000);
  assert.is(read(state.sent[2] as Uint8Array).expiryBlock, state.head + ENROLMENT_BLOCKS);
  enrolling.wanted((1n << 53n) - 1n);
  enrolling.step(9_000);
  assert.is(state.sent.length, 3, "a counter that no message can have");
});

interface Bend {
  readonly key?: TestKey;
  readonly counter?: number;
  readonly expiryBlock?: number;
  readonly mote?: Uint8Array;
  readonly fleet?: typeof FLEET;
}

function voucherFor(bench: LedgerBench, bend: Bend = {}): Uint8Array {
  const { key = ENROLLER, counter = 1, expiryBlock = 5_000, mote = bench.powered.addressBytes, fleet = FLEET } = bend;
  return signed(key, encodeVoucher({ counter, mote, role: 2, expiryBlock, policyId: 0, firmwareId: 0, fleet }));
}

function give(bench: LedgerBench, message: Uint8Array): void {
  bench.powered.client.message(`motes/${bench.powered.address}/voucher`, message);
}

function submitted(bench: LedgerBench): Uint8Array[] {
  return bench.powered.client.writes
    .filter(({ options }) => options.topic === `chains/${CHAIN}/transactions`)
    .map(({ data }) => sure(decodeSubmission(new Uint8Array(data as Uint8Array))).raw);
}

test("with a voucher it enters by a transaction of its own, and is proven to be in", async () => {
  const bench = new LedgerBench({ ledger: LEDGER });
  await bench.boot();
  await bench.live(4);
  give(bench, voucherFor(bench, { counter: 3 }));
  await bench.live(2);
  const [raw] = submitted(bench);
  const transaction = sure(decodeTransaction(raw as Uint8Array));
  assert.is(hex(senderOf(engine, transaction as never) as Uint8Array), hex(bench.powered.addressBytes));
  assert.equal([hex(transaction.to), transaction.nonce, transaction.chainId], [hex(REGISTRY), 0, 1337]);
  const data = hex(transaction.data);
  assert.ok(data.includes(hex(voucherFor(bench, { counter: 3 }))), "the voucher as it came");
  bench.setOwn({ status: ACTIVE, role: 2, counter: 3n });
  bench.nonce = 1;
  await bench.live(14);
  assert.equal(
    bench.powered.of("transaction").map(({ state, label }) => [state, label]),
    [
      ["sent", 2],
      ["done", 2],
    ],
  );
  assert.is(bench.registry.own?.role, 2);
});

test("vouchers that are not for it are refused by name, and nothing is sent", async () => {
  const bench = new LedgerBench({ ledger: LEDGER });
  await bench.boot();
  await bench.live(4);
  const broken = voucherFor(bench);
  broken[broken.length - 1] = (broken[broken.length - 1] as number) ^ 1;
  const cases: readonly [Uint8Array, string][] = [
    [voucherFor(bench, { key: testKey("a stranger") }), "voucher-foreign"],
    [voucherFor(bench, { mote: new Uint8Array(20) }), "voucher-foreign"],
    [voucherFor(bench, { fleet: { ...FLEET, chain: "eip155:1" } }), "voucher-foreign"],
    [voucherFor(bench, { fleet: { ...FLEET, registry: new Uint8Array(20) } }), "voucher-foreign"],
    [voucherFor(bench, { expiryBlock: 2 }), "voucher-expired"],
    [broken, "signature-invalid"],
    [signed(ENROLLER, Uint8Array.of(0xa0)), "payload-malformed"],
    [Uint8Array.of(1, 2, 3), "cose-malformed"],
  ];
  for (const [message, code] of cases) {
    const before = bench.refusals("voucher").length;
    give(bench, message);
    await bench.live(6);
    assert.equal(bench.refusals("voucher").slice(before), [code]);
  }
  bench.setOwn({ status: SUSPENDED, counter: 5n });
  await bench.live(14);
  give(bench, voucherFor(bench, { counter: 5 }));
  await bench.live(2);
  assert.is(bench.refusals("voucher").pop(), "voucher-counter");
  assert.equal(submitted(bench), []);
});

test.run();
