// Accounts, slots, envelopes, receipts and logs: what others encode is read back, whatever is not in its one form is refused, and nothing
// throws.

import { RLP } from "@ethereumjs/rlp";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Account, readAccount, readSlot } from "../../../firmware/proof/account.js";
import { ENVELOPE_TYPE_MAX, indexKey, logOf, type Receipt, readEnvelope, readReceipt } from "../../../firmware/proof/envelope.js";
import { Rejection } from "../../../firmware/rejection.js";
import { encodeReceipt } from "../../../tools/ethereum/receipts.js";

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;
const of = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const codeOf = (value: unknown): string => (value instanceof Rejection ? value.code : "accepted");
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const EMPTY = new Uint8Array(0);

test("an account is read as others write it; another number, width or order of items is refused", () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 2 ** 31 }),
      fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
      hash,
      hash,
      (nonce, balance, root, code) => {
        const leaf = RLP.encode([BigInt(nonce), balance, root, code]);
        const account = readAccount(leaf) as Account;
        assert.equal([account.nonce, account.balance], [nonce, balance]);
        assert.equal([hex(account.storageRoot), hex(account.codeHash)], [hex(root), hex(code)]);
      },
    ),
  );
  const [nonce, balance, root, code] = [of("05"), of("0102"), new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  assert.is(codeOf(readAccount(RLP.encode([nonce, balance, root, code]))), "accepted");
  assert.is(codeOf(readAccount(RLP.encode([EMPTY, EMPTY, root, code]))), "accepted");
  for (const items of [
    [balance, root, code],
    [nonce, balance, root, code, EMPTY],
    [of("00"), balance, root, code],
    [of("0005"), balance, root, code],
    [of("01020304050607"), balance, root, code],
    [nonce, of("00"), root, code],
    [nonce, of("0001"), root, code],
    [nonce, new Uint8Array(33).fill(1), root, code],
    [nonce, balance, EMPTY, code],
    [nonce, balance, root, EMPTY],
    [nonce, balance, root.subarray(1), code],
    [nonce, balance, root, Buffer.concat([code, of("00")])],
    [[], balance, root, code],
    [nonce, balance, [root], code],
    [],
  ])
    assert.is(codeOf(readAccount(RLP.encode(items))), "account-malformed");
  assert.is(codeOf(readAccount(Buffer.concat([RLP.encode([nonce, balance, root, code]), of("00")]))), "account-malformed");
  assert.is(codeOf(readAccount(RLP.encode(root))), "account-malformed");
  assert.is(codeOf(readAccount(EMPTY)), "account-malformed");
});

test("a slot is an integer without leading zeros; one that is absent is zero", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 2n ** 256n - 1n }), (value) => {
      const word = readSlot(RLP.encode(value)) as Uint8Array;
      assert.is(word.length, 32);
      assert.is(BigInt(hex(word)), value);
    }),
  );
  assert.equal(readSlot(undefined), new Uint8Array(32));
  const long = RLP.encode(new Uint8Array(33).fill(1));
  for (const leaf of [
    EMPTY,
    of("80"),
    of("00"),
    of("820001"),
    of("8100"),
    of("8105"),
    of("c0"),
    of("c101"),
    of("0505"),
    long,
    of("83010"),
  ])
    assert.is(codeOf(readSlot(leaf)), "slot-malformed");
});

test("places in a block are keys as RLP has them", () => {
  for (const [index, key] of [
    [0, "80"],
    [1, "01"],
    [127, "7f"],
    [128, "8180"],
    [256, "820100"],
    [70_000, "83011170"],
  ] as const)
    assert.is(hex(indexKey(index)), `0x${key}`);
});

const address = fc.uint8Array({ minLength: 20, maxLength: 20 });
const log = fc.record({ address, topics: fc.array(hash, { maxLength: 4 }), data: fc.uint8Array({ maxLength: 100 }) });
const receipt = fc.record({
  type: fc.integer({ min: 0, max: ENVELOPE_TYPE_MAX }),
  status: fc.integer({ min: 0, max: 1 }),
  gas: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  bloom: fc.uint8Array({ minLength: 256, maxLength: 256 }),
  logs: fc.array(log, { maxLength: 5 }),
});

test("a receipt of any type is read as it was written, and each log out of it", () => {
  fc.assert(
    fc.property(receipt, ({ type, status, gas, bloom, logs }) => {
      const bytes = encodeReceipt({
        type: `0x${type.toString(16)}`,
        status: `0x${status}`,
        cumulativeGasUsed: `0x${gas.toString(16)}`,
        logsBloom: hex(bloom),
        logs: logs.map(({ address, topics, data }) => ({ address: hex(address), topics: topics.map(hex), data: hex(data) })),
      });
      const read = readReceipt(bytes) as Receipt;
      assert.equal([read.type, read.succeeded, read.cumulativeGasUsed], [type, status === 1, gas]);
      assert.equal([hex(read.bloom), read.logs], [hex(bloom), logs.length]);
      for (const [i, expected] of logs.entries()) {
        const found = logOf(bytes, read, i);
        assert.equal(
          [found?.address, found?.topics, found?.data].flat().map((part) => hex(part as Uint8Array)),
          [...[expected.address, ...expected.topics, expected.data].map(hex)],
        );
      }
      assert.is(logOf(bytes, read, logs.length), undefined);
    }),
  );
});

test("receipts and envelopes in another form are refused", () => {
  const bloom = new Uint8Array(256);
  const fine = [of("01"), of("5208"), bloom, []];
  const typed = (type: number, items: unknown[]): Uint8Array =>
    Buffer.concat([Uint8Array.of(type), RLP.encode(items as Uint8Array[])]);
  assert.is(codeOf(readReceipt(RLP.encode(fine))), "accepted");
  assert.is((readReceipt(RLP.encode([new Uint8Array(32), ...fine.slice(1)])) as Receipt).succeeded, undefined);
  for (let type = 1; type <= ENVELOPE_TYPE_MAX; type += 1) assert.is(codeOf(readReceipt(typed(type, fine))), "accepted");
  const someLog = [new Uint8Array(20), [new Uint8Array(32)], of("aa")];
  assert.is(codeOf(readReceipt(typed(2, [of("01"), of("5208"), bloom, [someLog]]))), "accepted");
  for (const items of [
    [of("02"), of("5208"), bloom, []],
    [of("00"), of("5208"), bloom, []],
    [of("01"), of("005208"), bloom, []],
    [of("01"), new Uint8Array(9).fill(1), bloom, []],
    [of("01"), of("5208"), bloom.subarray(1), []],
    [of("01"), of("5208"), bloom],
    [of("01"), of("5208"), bloom, [], EMPTY],
    [of("01"), of("5208"), bloom, EMPTY],
    [of("01"), of("5208"), bloom, [EMPTY]],
    [of("01"), of("5208"), bloom, [[]]],
    [of("01"), of("5208"), bloom, [[new Uint8Array(19), [], EMPTY]]],
    [of("01"), of("5208"), bloom, [[new Uint8Array(20), [new Uint8Array(31)], EMPTY]]],
    [of("01"), of("5208"), bloom, [[new Uint8Array(20), Array.from({ length: 5 }, () => new Uint8Array(32)), EMPTY]]],
    [of("01"), of("5208"), bloom, [[new Uint8Array(20), EMPTY, EMPTY]]],
    [of("01"), of("5208"), bloom, [[...someLog, EMPTY]]],
    [new Uint8Array(32), of("5208"), bloom, []],
  ])
    assert.is(codeOf(readReceipt(typed(2, items))), "receipt-malformed");
  for (const bytes of [EMPTY, of("80"), of("8180"), of("02"), of("0280"), Buffer.concat([typed(2, fine), of("00")])])
    assert.not.equal(codeOf(readReceipt(bytes)), "accepted");
  for (const type of [0, 5, 0x7f]) assert.is(codeOf(readEnvelope(typed(type, fine))), "envelope-type");
});

test("whatever comes is refused or read, and nothing throws", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      for (const read of [readAccount, readSlot, readEnvelope, readReceipt]) read(bytes);
    }),
    { numRuns: 3_000 },
  );
  // What is nearly right: one byte of a receipt turned, or some cut off.
  fc.assert(
    fc.property(receipt, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ gas, bloom, logs }, at, flip) => {
      const list = logs.map((one) => [one.address, one.topics, one.data]);
      const bytes = RLP.encode([of("01"), gas, bloom, list]);
      const bent = bytes.slice();
      bent[at % bent.length] = (bent[at % bent.length] as number) ^ flip;
      const read = readReceipt(bent);
      if (!(read instanceof Rejection)) for (let i = 0; i <= read.logs; i += 1) logOf(bent, read, i);
      assert.instance(readReceipt(bytes.subarray(0, at % bytes.length)), Rejection);
    }),
    { numRuns: 1_000 },
  );
});

test.run();
