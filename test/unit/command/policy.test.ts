// Policies: one encoding for the same rules, held against cborg; what no rule allows is denied; the example of the documents; and whatever
// else comes.

import { readFileSync } from "node:fs";
import { encode as cborgEncode, rfc8949EncodeOptions } from "cborg";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import {
  ALL,
  allows,
  decodePolicy,
  encodePolicy,
  MAY_COMMAND,
  MAY_READ,
  POLICY_BYTES_MAX,
  type Policy,
  RESOURCES_MAX,
  RULES_MAX,
} from "../../../firmware/command/policy.js";
import { Rejection } from "../../../firmware/rejection.js";
import { engine } from "../../../tools/crypto/engine.js";

const A = new Uint8Array(20).fill(0xaa);
const B = new Uint8Array(20).fill(0xbb);
const address = fc.constantFrom(A, B);
const who = fc.oneof(address, fc.nat(255), fc.constant(null));
const resource = fc.constantFrom("", "attic", "interval", "reboot", ALL);
const rule = fc.record(
  { who, right: fc.integer({ min: 1, max: 3 }), resources: fc.uniqueArray(resource, { minLength: 1, maxLength: 4 }) },
  { noNullPrototype: true },
);
const policies: fc.Arbitrary<Policy> = fc.array(rule, { maxLength: 8 });
const byCborg = (policy: Policy): Uint8Array =>
  new Uint8Array(
    cborgEncode(
      new Map<number, unknown>([
        [0, 1],
        [1, policy.map(({ who, right, resources }) => [who, right, resources])],
      ]),
      rfc8949EncodeOptions,
    ),
  );

test("what is encoded is decoded again, and is what cborg encodes", () => {
  fc.assert(
    fc.property(policies, (policy) => {
      const document = encodePolicy(policy);
      assert.equal(decodePolicy(document), policy);
      assert.is(toHex(document), toHex(byCborg(policy)));
    }),
  );
});

test("whatever is accepted is the one encoding of its rules; hostile bytes are refused by code", () => {
  fc.assert(
    fc.property(policies, fc.nat(), fc.nat(255), fc.integer({ min: 0, max: 2 }), (policy, at, byte, how) => {
      const whole = encodePolicy(policy);
      const document = [
        () => whole.map((old, i) => (i === at % whole.length ? byte : old)),
        () => whole.subarray(0, at % whole.length),
        () => Uint8Array.from([...whole, byte]),
      ][how]?.() as Uint8Array;
      const decoded = decodePolicy(document);
      if (decoded instanceof Rejection) assert.is(decoded.code, "policy-malformed");
      else assert.is(toHex(encodePolicy(decoded)), toHex(document));
    }),
    { numRuns: 1_000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => assert.instance(decodePolicy(new Uint8Array(noise)), Rejection)),
  );
});

test("allowed is what some rule allows, as a table of all askers and resources says it; all else is denied", () => {
  const asker = fc.record({ address, commander: fc.boolean(), role: fc.option(fc.nat(255), { nil: undefined }) });
  const right = fc.constantFrom(MAY_READ, MAY_COMMAND);
  let allowed = 0;
  fc.assert(
    fc.property(policies, asker, right, resource, (policy, asker, right, resource) => {
      const expected = policy.some(
        ({ who, right: given, resources }) =>
          (who === null ? asker.commander : typeof who === "number" ? who === asker.role : toHex(who) === toHex(asker.address)) &&
          (given === 3 || given === right) &&
          (resources.includes(resource) || resources.includes("*")),
      );
      assert.is(allows(policy, asker, right, resource), expected);
      if (expected) allowed += 1;
    }),
    { numRuns: 2_000 },
  );
  assert.ok(allowed > 200, `${allowed} were allowed`);
  assert.not.ok(allows([], { address: A, commander: true, role: 1 }, MAY_READ, ""));
});

const REFUSED: readonly [string, unknown][] = [
  ["no map", []],
  [
    "another version",
    new Map<number, unknown>([
      [0, 2],
      [1, []],
    ]),
  ],
  [
    "a key more",
    new Map<number, unknown>([
      [0, 1],
      [1, []],
      [2, 0],
    ]),
  ],
  ["no rules", new Map([[0, 1]])],
  ["a rule of two", rules([null, 1])],
  ["an address of 32 bytes", rules([new Uint8Array(32), 1, [""]])],
  ["role 256", rules([256, 1, [""]])],
  ["role -1", rules([-1, 1, [""]])],
  ["somebody by name", rules(["alice", 1, [""]])],
  ["no right", rules([null, 0, [""]])],
  ["a right too many", rules([null, 4, [""]])],
  ["no resource", rules([null, 1, []])],
  ["a resource twice", rules([null, 1, ["a", "a"]])],
  ["a resource with a blank", rules([null, 1, ["a b"]])],
  ["a resource of 33 characters", rules([null, 1, ["a".repeat(33)]])],
  ["a resource that is a number", rules([null, 1, [7]])],
  ["too many resources", rules([null, 1, Array.from({ length: RESOURCES_MAX + 1 }, (_, i) => `${i}`)])],
  ["too many rules", rules(...Array.from({ length: RULES_MAX + 1 }, () => [null, 1, [""]]))],
];

function rules(...list: unknown[]): unknown {
  return new Map<number, unknown>([
    [0, 1],
    [1, list],
  ]);
}

test("each rule is of its form, and there are so many at most", () => {
  for (const [what, item] of REFUSED) {
    const refused = decodePolicy(new Uint8Array(cborgEncode(item, rfc8949EncodeOptions)));
    assert.is((refused as Rejection).code, "policy-malformed", what);
  }
  assert.is((decodePolicy(new Uint8Array(POLICY_BYTES_MAX + 1)) as Rejection).code, "policy-too-long");
});

test("the example of the documents is what is encoded, and its hash", () => {
  const text = readFileSync(new URL("../../../docs/ledger.md", import.meta.url), "utf8");
  const block = /```policy\n([\s\S]*?)```/.exec(text)?.[1] as string;
  const hex = block.replace(/;.*$/gm, "").replace(/\s/g, "");
  const document = encodePolicy([
    { who: new Uint8Array(20).fill(0xcd), right: MAY_COMMAND, resources: ["interval", "samples"] },
    { who: 7, right: MAY_READ, resources: [ALL] },
  ]);
  assert.is(hex, toHex(document));
  assert.ok(text.includes(toHex(engine.keccak256(document))), `its hash: ${toHex(engine.keccak256(document))}`);
});

test.run();
