// Calls as the firmware encodes them, held against examples of Solidity's own specification and against another library's encoder.

import fc from "fast-check";
import { createContract } from "micro-eth-signer/abi";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { type AbiValue, CALL_BYTES_MAX, encodeCall } from "../../../firmware/ledger/abi.js";
import { Rejection } from "../../../firmware/rejection.js";

function call(signature: string, ...values: AbiValue[]): string {
  const encoded = encodeCall(nobleEngine, signature, values);
  return encoded instanceof Rejection ? encoded.toString() : toHex(encoded);
}

const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

test("the examples of Solidity's specification", () => {
  const words = (...texts: string[]): string => texts.map((text) => text.padStart(64, "0")).join("");
  // "Use of Dynamic Types": f(uint256,uint32[],bytes10,bytes) with (0x123, [0x456, 0x789], "1234567890", "Hello, world!").
  assert.is(
    call("f(uint256,uint32[],bytes10,bytes)", 0x123, [0x456, 0x789], ascii("1234567890"), ascii("Hello, world!")),
    `8be65246${words("123", "80")}${"31323334353637383930".padEnd(64, "0")}${words("e0", "2", "456", "789", "d")}${"48656c6c6f2c20776f726c6421".padEnd(64, "0")}`,
  );
  // "Examples": sam(bytes,bool,uint256[]) has a type that is not ours; transfer(address,uint256) is known to everybody.
  assert.is(call("transfer(address,uint256)", new Uint8Array(20).fill(0x11), 5n), `a9059cbb${words("11".repeat(20), "5")}`);
  assert.is(call("f()"), toHex(nobleEngine.keccak256(ascii("f()")).subarray(0, 4)));
});

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
/** A type of ours with a value, ours and as the other library takes it. */
const typed = fc.oneof(
  bytesOf(20).map((value) => ({ type: "address", value, other: `0x${toHex(value)}` as unknown })),
  fc
    .integer({ min: 1, max: 32 })
    .chain((size) =>
      fc
        .bigInt({ min: 0n, max: 2n ** BigInt(8 * size) - 1n })
        .map((value) => ({ type: `uint${8 * size}`, value, other: value as unknown })),
    ),
  fc
    .integer({ min: 1, max: 32 })
    .chain((size) => bytesOf(size).map((value) => ({ type: `bytes${size}`, value, other: value as unknown }))),
  fc.uint8Array({ maxLength: 200 }).map((value) => ({ type: "bytes", value, other: value as unknown })),
  fc.array(bytesOf(32), { maxLength: 5 }).map((value) => ({ type: "bytes32[]", value, other: value as unknown })),
  fc
    .array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 5 })
    .map((value) => ({ type: "uint64[]", value, other: value as unknown })),
);

test("any call is what another library encodes", () => {
  fc.assert(
    fc.property(fc.array(typed, { minLength: 1, maxLength: 8 }), (args) => {
      const inputs = args.map(({ type }, i) => ({ name: `a${i}`, type }));
      const contract = createContract([{ type: "function", name: "f", inputs, outputs: [] }] as const) as unknown as {
        f: { encodeInput(value: unknown): Uint8Array };
      };
      const named = Object.fromEntries(args.map(({ other }, i) => [`a${i}`, other]));
      const expected = contract.f.encodeInput(args.length === 1 ? args[0]?.other : named);
      const signature = `f(${args.map(({ type }) => type).join(",")})`;
      assert.is(call(signature, ...args.map(({ value }) => value as AbiValue)), toHex(expected));
    }),
    { numRuns: 300 },
  );
});

test("what does not fit its type is refused, by the argument's number", () => {
  const refused: [string, AbiValue[]][] = [
    ["f(address)", [new Uint8Array(19)]],
    ["f(address)", [5]],
    ["f(uint64)", [2n ** 64n]],
    ["f(uint64)", [-1]],
    ["f(uint64)", [1.5]],
    ["f(uint64)", [2 ** 53]],
    ["f(uint64)", [new Uint8Array(8)]],
    ["f(bytes32)", [new Uint8Array(31)]],
    ["f(bytes32)", [0]],
    ["f(bytes)", [[1]]],
    ["f(bytes)", [7n]],
    ["f(bytes32[])", [new Uint8Array(32)]],
    ["f(bytes32[])", [[new Uint8Array(33)]]],
    ["f(uint8[])", [[1, 256]]],
  ];
  for (const [signature, values] of refused) assert.match(call(signature, ...values), /^abi-value: argument 1 of f/, signature);
  assert.match(call("f(uint8,uint8)", 1, 256), /argument 2 of/);
  assert.match(call("f(uint8,uint8)", 1), /^abi-value: .*takes 2 values, 1/);
});

test("a call has a greatest length, and is not begun beyond it", () => {
  const room = CALL_BYTES_MAX - 4 - 64;
  assert.is(call("f(bytes)", new Uint8Array(room - (room % 32))).length / 2 <= CALL_BYTES_MAX, true);
  assert.match(call("f(bytes)", new Uint8Array(room + 1)), /^abi-too-long/);
  assert.match(call("f(bytes32[])", new Array(2 ** 24).fill(0)), /^abi-too-long/);
});

test("a signature that is none of ours is our own mistake", () => {
  for (const signature of [
    "f",
    "f(",
    "(uint8)",
    "f(uint7)",
    "f(uint)",
    "f(uint08)",
    "f(bytes0)",
    "f(bytes33)",
    "f(string)",
    "f(uint8,)",
  ])
    assert.throws(() => encodeCall(nobleEngine, signature, [1]), /broken assumption/, signature);
  for (const signature of ["f(uint8[][])", "f(bytes[])", "f((uint8))", "f(uint264)", "f( uint8)", "f(uint8[2])"])
    assert.throws(() => encodeCall(nobleEngine, signature, [1]), /broken assumption/, signature);
});

test.run();
