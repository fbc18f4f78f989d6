// The call under way and the nonce of the next, as the store keeps them: what may follow what, and reads that go wrong.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { CallStore, type Effect, raisedFee } from "../../../firmware/ledger/call-store.js";
import { NONCE_MAX, signingPayload, type Transaction } from "../../../firmware/ledger/transaction.js";
import type { ByteBuffer, KeyValueDomain } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";

const OWN = new Uint8Array(20).fill(0x0a);
const CALL: Transaction = {
  ...{ type: 2, chainId: 1337, nonce: 0, gas: 90_000, to: new Uint8Array(20).fill(1), value: 3n, data: Uint8Array.of(1, 2, 3) },
  ...{ maxFeePerGas: 1_000n, maxPriorityFeePerGas: 10n },
};
const EFFECT: Effect = {
  contract: new Uint8Array(20).fill(2),
  slot: new Uint8Array(32).fill(3),
  mask: new Uint8Array(32).fill(4),
  value: new Uint8Array(32).fill(5),
};

/** A store whose reads go wrong as they are told, first one, then the next. */
class Store implements KeyValueDomain {
  readonly values = new Map<string, Uint8Array>();
  faults: ((value: Uint8Array | undefined) => Uint8Array | undefined)[] = [];
  read(key: string): ArrayBuffer | undefined {
    const value = this.values.get(key)?.slice();
    const fault = this.faults.shift();
    return (fault === undefined ? value : fault(value))?.slice().buffer as ArrayBuffer | undefined;
  }
  write(key: string, value: ByteBuffer): void {
    this.values.set(key, new Uint8Array(value).slice());
  }
  delete(): void {}
  close(): void {}
}

function open(domain: Store, chainId = 1337, address = OWN): CallStore {
  const store = CallStore.open(domain, chainId, address);
  if (store instanceof Rejection) throw new Error(store.toString());
  return store;
}

const raised = (call: Transaction): Transaction => ({
  ...call,
  maxFeePerGas: raisedFee(call.maxFeePerGas),
  maxPriorityFeePerGas: raisedFee(call.maxPriorityFeePerGas),
});

test("what is kept is found again, on its chain and by its key alone", () => {
  const domain = new Store();
  const store = open(domain);
  assert.equal([store.known, store.next, store.pending], [false, 0, false]);
  assert.is(store.begin(signingPayload({ ...CALL, nonce: 41 }), 7, EFFECT, 900), undefined);
  const again = open(domain);
  assert.equal([again.known, again.next, again.pending, again.block], [true, 42, true, 900]);
  const kept = again.call();
  if (kept instanceof Rejection) throw new Error(kept.toString());
  assert.equal([kept.label, kept.effect, toHex(kept.payload)], [7, EFFECT, toHex(signingPayload({ ...CALL, nonce: 41 }))]);
  assert.is(open(domain, 1338).known, false);
  assert.is(open(domain, 1337, new Uint8Array(20)).known, false);
  assert.is(open(domain, Number.MAX_SAFE_INTEGER).known, false, "the longest chain id names a key");
  assert.is(again.settle(950), undefined);
  assert.equal([open(domain).pending, open(domain).next, open(domain).block], [false, 42, 950]);
});

test("no call takes a nonce that was used, nor the place of another that is under way", () => {
  const store = open(new Store());
  store.begin(signingPayload({ ...CALL, nonce: 5 }), 1, undefined, 10);
  assert.throws(() => store.begin(signingPayload({ ...CALL, nonce: 6 }), 2, undefined, 10), /none under way/);
  const others: Partial<Transaction>[] = [
    { value: 4n },
    { to: new Uint8Array(20) },
    { data: new Uint8Array(0) },
    { gas: 90_001 },
    { nonce: 6 },
    { maxFeePerGas: 1_099n },
    { maxPriorityFeePerGas: 10n },
  ];
  for (const other of others)
    assert.throws(() => store.raise(signingPayload({ ...raised({ ...CALL, nonce: 5 }), ...other }), 11), /a tenth higher/);
  assert.is(store.raise(signingPayload(raised({ ...CALL, nonce: 5 })), 11), undefined);
  assert.is(store.settle(12), undefined);
  assert.throws(() => store.raise(signingPayload(raised(raised({ ...CALL, nonce: 5 }))), 13), /under way/);
  for (const nonce of [0, 5, NONCE_MAX])
    assert.throws(() => store.begin(signingPayload({ ...CALL, nonce }), 3, undefined, 13), /no call has carried/, `${nonce}`);
  assert.is(store.begin(signingPayload({ ...CALL, nonce: 6 }), 3, undefined, 13), undefined);
});

test("a read that goes wrong once or twice is no absence and no other call", () => {
  const domain = new Store();
  open(domain).begin(signingPayload({ ...CALL, nonce: 8 }), 1, EFFECT, 10);
  const wrong: ((value: Uint8Array | undefined) => Uint8Array | undefined)[] = [
    () => undefined,
    (value) => value?.map((byte, i) => (i === 60 ? byte ^ 1 : byte)),
    (value) => value?.subarray(0, 30),
    () => {
      throw new Error("ESP_ERR_NVS_INVALID_STATE");
    },
  ];
  for (const first of wrong)
    for (const second of wrong) {
      domain.faults = [first, second];
      const store = open(domain);
      assert.equal([store.next, store.pending], [9, true]);
      domain.faults = [first, second];
      assert.is((store.call() as { label: number }).label, 1);
    }
  // All three: not known, and so no call.
  domain.faults = [wrong[3], wrong[3], wrong[3]] as typeof domain.faults;
  assert.is((CallStore.open(domain, 1337, OWN) as Rejection).code, "call-store-lost");
  domain.faults = [wrong[1], wrong[1], wrong[1]] as typeof domain.faults;
  assert.is((CallStore.open(domain, 1337, OWN) as Rejection).code, "call-malformed");
});

test("whatever lies under its key is refused, or is what it has written", () => {
  const domain = new Store();
  open(domain).begin(signingPayload(CALL), 1, undefined, 10);
  const [key] = [...domain.values.keys()] as [string];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      domain.values.set(key, bytes);
      assert.is((CallStore.open(domain, 1337, OWN) as Rejection).code, "call-malformed");
    }),
    { numRuns: 1_000 },
  );
});

test("a fee is raised as nodes ask: by a tenth at least, and by something", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 200n }), (fee) => {
      const higher = raisedFee(fee);
      assert.ok(higher * 10n >= fee * 11n && higher > fee);
      assert.ok((higher - 1n) * 10n < fee * 11n || higher === fee + 1n, "and by no more");
    }),
  );
});

test.run();
