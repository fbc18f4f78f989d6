// The native work on bytes (firmware/bytes/native/octets.c) under the sanitizers, against the reference in JavaScript: the corpus
// and mutated inputs; and that a bounds check which is missing would be seen. FUZZ_INPUTS sets how many.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compareAll } from "./compare.js";
import { comparer, comparerWithout, OCTETS } from "./driver.js";

const INPUTS = Number(process.env.FUZZ_INPUTS ?? 10_000);
const REFUSED_MIN = 0.05;
const REFUSED_MAX = 0.8;

/** Each is a check of a bound, and what stands there once somebody has taken it out. */
const PLANTED: readonly (readonly [string, string, string])[] = [
  ["an integer", "if (length > UINT_OCTETS_MAX || !inside(bytes.count, offset, length))", "if (length > UINT_OCTETS_MAX)"],
  ["an address", "if (!inside(other.count, offset, ADDRESS_OCTETS))\n\t\treturn false;\n\tint32_t count", "int32_t count"],
  [
    "the content of an item",
    "if (!inside(limit, start, length))\n\t\treturn false;\n\titem->start",
    "(void)limit;\n\titem->start",
  ],
  ["the length of an item", "|| !inside(limit, at + 1, lengthOctets) ", ""],
  ["the items of a header", "if (count == HEADER_ITEMS_MAX || ", "if ("],
  ["a table", "start > end || end > raw.count", "start > end"],
  ["a copy", "if (!inside(into.count, at, from.count))\n\t\treturn false;", ""],
  ["a list of addresses", "at > bytes.count || count > (bytes.count - at) / ITEM_OCTETS || ", ""],
  ["a Bitcoin header", "raw.count != BITCOIN_HEADER_OCTETS || parent.count", "parent.count"],
];

const test = suite("work on bytes in C");
const program = await comparer(OCTETS);
if (typeof program !== "string") {
  console.log(program.missing);
  test.skip("work on bytes in C", () => {});
} else {
  test(`the corpus and ${INPUTS} mutated inputs give what the reference gives, and no sanitizer has a word to say`, () => {
    const { inputs, refused } = compareAll(program, INPUTS, "octets");
    assert.ok(inputs > INPUTS, "the corpus is there");
    assert.ok(refused > REFUSED_MIN * inputs && refused < REFUSED_MAX * inputs, `${refused} of ${inputs} refused`);
  });

  for (const [what, check, without] of PLANTED)
    test(`without the check of ${what} something is seen`, async () => {
      const planted = await comparerWithout(OCTETS, check, without);
      assert.type(planted, "string", String((planted as { missing?: string }).missing));
      assert.throws(() => compareAll(planted as string, INPUTS, "octets"), /octets\.c/);
    });
}
test.run();
