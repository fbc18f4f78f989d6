// Transactions as the firmware encodes, signs and reads them, held against EIP-155's own example and against @ethereumjs/tx.

import { Common, Mainnet } from "@ethereumjs/common";
import { createFeeMarket1559Tx, createLegacyTx, createTxFromRLP } from "@ethereumjs/tx";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../../firmware/bytes.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { nobleArithmetic } from "../../../firmware/crypto/software-keys.js";
import { CALL_BYTES_MAX } from "../../../firmware/ledger/abi.js";
import {
  DYNAMIC_FEE,
  decodePayload,
  decodeTransaction,
  intrinsicGas,
  LEGACY,
  NONCE_MAX,
  sameCall,
  senderOf,
  signingPayload,
  signPayload,
  TRANSACTION_BYTES_MAX,
  type Transaction,
} from "../../../firmware/ledger/transaction.js";
import type { KeyHandle, Keys } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";

const bytes = (hex: string): Uint8Array => fromHex(hex) as Uint8Array;
const SECRET = new Uint8Array(32).fill(0x46);
const KEY: KeyHandle = { slot: "test" };
const PUBLIC_KEY = nobleArithmetic().publicKey(SECRET);
const ADDRESS = nobleEngine.keccak256(PUBLIC_KEY.subarray(1)).slice(-20);

function keysOf(sign: (digest: Uint8Array) => Uint8Array | Promise<Uint8Array>): Keys {
  const none = (): never => {
    throw new Error("not of this test");
  };
  return { open: none, create: none, close: none, publicKey: () => PUBLIC_KEY, sign: (_key, digest) => sign(digest) };
}
const keys = keysOf((digest) => nobleArithmetic().sign(digest, SECRET));

function held<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw new Error(value.toString());
  return value;
}
const code = (value: unknown): string => (value instanceof Rejection ? value.code : "taken");

/** The example of EIP-155. */
const EXAMPLE: Transaction = {
  type: LEGACY,
  chainId: 1,
  nonce: 9,
  gas: 21_000,
  to: new Uint8Array(20).fill(0x35),
  value: 10n ** 18n,
  data: new Uint8Array(0),
  maxFeePerGas: 20n * 10n ** 9n,
  maxPriorityFeePerGas: 20n * 10n ** 9n,
};

test("the example of EIP-155", async () => {
  const payload = signingPayload(EXAMPLE);
  assert.is(toHex(payload), "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080");
  assert.is(toHex(nobleEngine.keccak256(payload)), "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53");
  assert.is(
    toHex(held(await signPayload(nobleEngine, keys, KEY, payload))),
    "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83",
  );
});

const transactions = fc
  .record({
    type: fc.constantFrom<0 | 2>(LEGACY, DYNAMIC_FEE),
    chainId: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 31 })),
    nonce: fc.oneof(
      fc.integer({ min: 0, max: 300 }),
      fc.maxSafeInteger().map((n) => Math.abs(n) % NONCE_MAX),
    ),
    gas: fc.integer({ min: 0, max: 2 ** 31 }),
    to: fc.uint8Array({ minLength: 20, maxLength: 20 }),
    value: fc.bigInt({ min: 0n, max: 2n ** 100n }),
    data: fc.uint8Array({ maxLength: 300 }),
    fees: fc.array(fc.bigInt({ min: 0n, max: 2n ** 60n }), { minLength: 2, maxLength: 2 }),
  })
  .map(({ fees, ...fields }): Transaction => {
    const [low, high] = fees.sort((a, b) => (a < b ? -1 : 1)) as [bigint, bigint];
    return { ...fields, maxFeePerGas: high, maxPriorityFeePerGas: fields.type === LEGACY ? high : low };
  });

/** What @ethereumjs/tx makes of the same fields and the same key. */
function foreign(transaction: Transaction): { payload: Uint8Array; raw: Uint8Array } {
  const { type, chainId, nonce, gas, to, value, data, maxFeePerGas, maxPriorityFeePerGas } = transaction;
  const common = new Common({ chain: { ...Mainnet, chainId }, hardfork: "london" });
  const call = { nonce: BigInt(nonce), gasLimit: BigInt(gas), to, value, data };
  const options = { common, allowUnlimitedInitCodeSize: true };
  const unsigned =
    type === LEGACY
      ? createLegacyTx({ ...call, gasPrice: maxFeePerGas }, options)
      : createFeeMarket1559Tx({ ...call, chainId: BigInt(chainId), maxFeePerGas, maxPriorityFeePerGas }, options);
  const message = unsigned.getMessageToSign();
  const digest = unsigned.getHashedMessageToSign();
  if (message instanceof Uint8Array) assert.equal(nobleEngine.keccak256(message), digest);
  return { payload: digest, raw: unsigned.sign(SECRET).serialize() };
}

test("any transaction is what @ethereumjs/tx encodes, hashes and signs, and is read back as it was", async () => {
  await fc.assert(
    fc.asyncProperty(transactions, async (transaction) => {
      const payload = signingPayload(transaction);
      const raw = held(await signPayload(nobleEngine, keys, KEY, payload));
      const expected = foreign(transaction);
      assert.is(toHex(nobleEngine.keccak256(payload)), toHex(expected.payload));
      assert.is(toHex(raw), toHex(expected.raw));
      const read = held(decodeTransaction(raw));
      assert.ok(sameCall(read, transaction));
      assert.is(read.maxFeePerGas, transaction.maxFeePerGas);
      assert.is(read.maxPriorityFeePerGas, transaction.maxPriorityFeePerGas);
      assert.equal(read.payload, payload);
      assert.equal(senderOf(nobleEngine, read), ADDRESS);
      assert.ok(sameCall(held(decodePayload(payload)), transaction));
    }),
    { numRuns: 150 },
  );
});

test("the greatest fields that are taken", async () => {
  const transaction: Transaction = {
    type: DYNAMIC_FEE,
    chainId: Number.MAX_SAFE_INTEGER,
    nonce: NONCE_MAX,
    gas: Number.MAX_SAFE_INTEGER,
    to: new Uint8Array(20).fill(0xff),
    value: 2n ** 256n - 1n,
    data: new Uint8Array(CALL_BYTES_MAX).fill(0xff),
    maxFeePerGas: 2n ** 256n - 1n,
    maxPriorityFeePerGas: 2n ** 256n - 1n,
  };
  for (const type of [LEGACY, DYNAMIC_FEE] as const) {
    const raw = held(await signPayload(nobleEngine, keys, KEY, signingPayload({ ...transaction, type })));
    assert.ok(raw.length <= TRANSACTION_BYTES_MAX, `${raw.length}`);
    assert.equal(senderOf(nobleEngine, held(decodeTransaction(raw))), ADDRESS);
  }
  for (const wrong of [
    { chainId: 0 },
    { nonce: NONCE_MAX + 1 },
    { to: new Uint8Array(19) },
    { data: new Uint8Array(CALL_BYTES_MAX + 1) },
  ])
    assert.throws(() => signingPayload({ ...EXAMPLE, ...wrong }), /broken assumption/);
  assert.throws(() => signingPayload({ ...EXAMPLE, maxPriorityFeePerGas: 1n }), /broken assumption/);
});

test("a byte changed: refused, or another transaction with another sender", async () => {
  for (const type of [LEGACY, DYNAMIC_FEE] as const) {
    const raw = held(await signPayload(nobleEngine, keys, KEY, signingPayload({ ...EXAMPLE, type })));
    for (let at = 0; at < raw.length; at += 1)
      for (const flip of [0x01, 0x80, 0xff]) {
        const changed = raw.slice();
        changed[at] = (changed[at] as number) ^ flip;
        const read = decodeTransaction(changed);
        if (read instanceof Rejection) continue;
        const sender = senderOf(nobleEngine, read);
        assert.ok(sender === undefined || toHex(sender) !== toHex(ADDRESS), `byte ${at}`);
      }
    for (let end = 0; end < raw.length; end += 1) assert.ok(decodeTransaction(raw.slice(0, end)) instanceof Rejection);
    assert.is(code(decodeTransaction(Uint8Array.of(...raw, 0))), "rlp-trailing");
  }
});

test("whatever comes is refused by name, or read as it would be written", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.uint8Array({ maxLength: 60 }).map((tail) => Uint8Array.of(2, ...tail)),
      ),
      (input) => {
        for (const read of [decodeTransaction(input), decodePayload(input)]) assert.ok(read instanceof Rejection);
      },
    ),
    { numRuns: 2_000 },
  );
});

test("what has no place here is refused by its code", async () => {
  const raw = held(await signPayload(nobleEngine, keys, KEY, signingPayload(EXAMPLE)));
  assert.is(code(decodeTransaction(bytes("01c0"))), "tx-type");
  assert.is(code(decodeTransaction(bytes("03c0"))), "tx-type");
  assert.is(code(decodeTransaction(new Uint8Array(TRANSACTION_BYTES_MAX + 1).fill(0xc0))), "tx-too-long");
  // Not bound to a chain: v = 27.
  const unbound = createLegacyTx({ nonce: 1n, gasLimit: 21_000n, to: EXAMPLE.to }, { common: homestead() }).sign(SECRET);
  assert.is(code(decodeTransaction(unbound.serialize())), "tx-type");
  // A contract's creation, an access list.
  const creation = createLegacyTx({ nonce: 1n, gasLimit: 90_000n, data: bytes("00") }, { common: london() }).sign(SECRET);
  assert.is(code(decodeTransaction(creation.serialize())), "tx-malformed");
  const listed = createFeeMarket1559Tx(
    { nonce: 1n, gasLimit: 90_000n, to: EXAMPLE.to, accessList: [[EXAMPLE.to, []]], chainId: 1n },
    { common: london() },
  ).sign(SECRET);
  assert.is(code(decodeTransaction(listed.serialize())), "rlp-too-deep");
  assert.ok(createTxFromRLP(listed.serialize(), { common: london() }).isSigned());
  // The other s.
  const s = BigInt(`0x${toHex(raw.subarray(-32))}`);
  const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const high = raw.slice();
  high.set(bytes((n - s).toString(16).padStart(64, "0")), raw.length - 32);
  assert.is(code(decodeTransaction(high)), "signature-high-s");
  assert.is(code(decodePayload(raw)), "tx-malformed");
});

test("a key that signs nothing, or something else, makes no transaction", async () => {
  const payload = signingPayload(EXAMPLE);
  const with_ = async (sign: Parameters<typeof keysOf>[0]) => code(await signPayload(nobleEngine, keysOf(sign), KEY, payload));
  const arithmetic = nobleArithmetic();
  assert.is(await with_(() => Promise.reject(new Error("away"))), "signature-failed");
  assert.is(
    await with_(() => {
      throw new Error("away");
    }),
    "signature-failed",
  );
  assert.is(await with_(() => new Uint8Array(64)), "signature-failed");
  assert.is(await with_(() => new Uint8Array(10)), "signature-failed");
  assert.is(await with_((digest) => arithmetic.sign(digest, new Uint8Array(32).fill(1))), "signature-failed");
  assert.is(await with_(() => arithmetic.sign(new Uint8Array(32).fill(9), SECRET)), "signature-failed");
  assert.is(await with_(async (digest) => arithmetic.sign(digest, SECRET)), "taken");
});

test("intrinsic gas is at least what @ethereumjs/tx asks for", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom<number>(0, 1, 255), { maxLength: 300 }), (list) => {
      const data = Uint8Array.from(list);
      const common = new Common({ chain: Mainnet, hardfork: "prague" });
      const tx = createLegacyTx({ gasLimit: 10_000_000n, to: EXAMPLE.to, data }, { common });
      const tokens = list.reduce((sum, byte) => sum + (byte === 0 ? 1 : 4), 0);
      assert.ok(intrinsicGas(data) >= Number(tx.getIntrinsicGas()));
      assert.is(intrinsicGas(data), 21_000 + 10 * tokens); // EIP-7623
    }),
  );
});

test("one call is one call whatever it pays, and another in any other field is another", () => {
  const tx = { ...EXAMPLE, type: DYNAMIC_FEE, data: bytes("0102") } as Transaction;
  assert.ok(
    sameCall(tx, { ...tx, maxFeePerGas: 10n ** 12n, maxPriorityFeePerGas: 5n, to: tx.to.slice(), data: tx.data.slice() }),
  );
  const others: Partial<Transaction>[] = [
    { type: LEGACY },
    { chainId: 2 },
    { nonce: 10 },
    { gas: 21_001 },
    { to: new Uint8Array(20) },
    { value: 1n },
    { data: bytes("0103") },
  ];
  for (const other of others) assert.not.ok(sameCall(tx, { ...tx, ...other }), Object.keys(other)[0]);
});

function homestead(): Common {
  return new Common({ chain: Mainnet, hardfork: "homestead" });
}
function london(): Common {
  return new Common({ chain: Mainnet, hardfork: "london" });
}

test.run();
