// The reader of JSON values: what each takes and nothing else, and what is said of what it does not take.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bytesIn, fieldsOf, isObject, isUint, quantityIn } from "../../firmware/fields.js";
import { Rejection } from "../../firmware/rejection.js";

const UINT256_MAX = 2n ** 256n - 1n;

function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof Rejection) return `${error.code} ${error.detail}`;
    throw error;
  }
  return "read";
}

test("a quantity is a whole number below 2^53 or hexadecimal with 0x, to the bit", () => {
  for (const [value, expected] of [
    [0, 0n],
    [2 ** 53 - 1, 2n ** 53n - 1n],
    ["0x0", 0n],
    ["0xfff", 4095n],
    [`0x${"f".repeat(64)}`, UINT256_MAX],
  ] as const)
    assert.is(quantityIn(value, UINT256_MAX), expected, String(value));
  for (const value of [
    -1,
    1.5,
    2 ** 53,
    Number.NaN,
    "",
    "0x",
    "12",
    "0xg",
    "0x0x1",
    ` 0x1`,
    `0x1${"0".repeat(64)}`,
    null,
    [1],
    {},
    true,
  ])
    assert.is(quantityIn(value, UINT256_MAX), undefined, JSON.stringify(value));
  assert.is(quantityIn(256, 255n), undefined);
  fc.assert(
    fc.property(fc.bigInt(0n, UINT256_MAX), fc.bigInt(0n, UINT256_MAX), (value, max) => {
      assert.is(quantityIn(`0x${value.toString(16)}`, max), value <= max ? value : undefined);
    }),
  );
});

test("bytes are hexadecimal, as many as are wanted", () => {
  assert.equal(bytesIn("0x00ff", 2, 2), Uint8Array.of(0, 255));
  assert.equal(bytesIn("00FF", 1, 2), Uint8Array.of(0, 255));
  for (const value of ["0x", "00", "000000", "0x0", "zz00", "0x0x00", 12, null, ["00ff"]])
    assert.is(bytesIn(value, 2, 2), undefined, String(value));
});

test("an object is no list and not null; a whole number is within its bounds", () => {
  assert.equal([{}, [], null, "a", 1, undefined].map(isObject), [true, false, false, false, false, false]);
  assert.equal(
    [0, 1, 5, 6, 1.5, "1", Number.NaN].map((value) => isUint(value, 1, 5)),
    [false, true, true, false, false, false, false],
  );
});

test("a refusal names the field by its whole path, says what was expected, and never shows the value", () => {
  const fields = fieldsOf({ mqtt: { password: 12_345, port: "secret" }, list: [{}, { name: "hidden" }] });
  assert.is(
    refusal(() => fields.section("mqtt").text("password", 8)),
    "config-invalid mqtt.password: expected a text of 1 to 8 bytes; found a number",
  );
  assert.is(
    refusal(() => fields.section("mqtt").uint("port", 1, 65_535)),
    "config-invalid mqtt.port: expected a whole number from 1 to 65535; found a text of 6 characters",
  );
  assert.is(
    refusal(() => fields.sections("list", 2)?.[1]?.bytes("name", 20, 20)),
    "config-invalid list[1].name: expected 20 bytes in hexadecimal; found a text of 6 characters",
  );
  assert.is(
    refusal(() => fields.section("wifi")),
    "config-invalid wifi: expected an object",
  );
  assert.match(
    refusal(() => fields.section("mqtt").flag("tls", undefined as never)),
    "mqtt.tls: expected true or false; it is absent",
  );
  assert.is(
    refusal(() => fieldsOf([])),
    "config-invalid the configuration: expected an object",
  );
});

test("what is absent is undefined, or what it is otherwise", () => {
  const fields = fieldsOf({ there: 0 });
  assert.equal([fields.has("there"), fields.has("absent")], [true, false]);
  assert.is(fields.sections("absent", 1), undefined);
  assert.is(fields.uint("absent", 1, 9, 5), 5);
  assert.is(fields.text("absent", 9, ""), "");
  assert.is(fields.choice("absent", ["first", "second"]), "first");
  assert.is(fields.section("absent", {}).path, "absent");
});

test("whatever JSON there is, a reader answers its kind or refuses", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(3), (value, size) => {
      const fields = fieldsOf({ value });
      for (const read of [
        () => fields.text("value", size),
        () => fields.texts("value", size),
        () => fields.uint("value", 0, size),
        () => fields.number("value", 0, size),
        () => fields.flag("value", false),
        () => fields.choice("value", ["a", "b"]),
        () => fields.bytes("value", 0, size),
        () => fields.sections("value", size),
        () => fields.section("value"),
      ])
        assert.match(refusal(read), /^(read|config-invalid value(\[\d+\])?: expected .*)$/);
    }),
  );
});

test.run();
