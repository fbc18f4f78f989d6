// The payload of a command, and the parts of a body: every action and field, one byte string for the same fields, held against cborg; and
// whatever else comes.

import { readFileSync } from "node:fs";
import { decode as cborgDecode, encode as cborgEncode, rfc8949EncodeOptions } from "cborg";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import {
  ACTION_CHECKPOINT,
  ACTION_INTERVAL,
  ACTION_POLICY,
  ACTION_READ,
  ACTION_REBOOT,
  ACTION_RELAYS,
  ACTION_SAMPLES,
  ACTIONS,
  CHECKPOINT_BYTES_MAX,
  COMMAND_PAYLOAD_BYTES_MAX,
  COUNTER_MAX,
  type Command,
  decodeCommand,
  decodePart,
  encodeCommand,
  encodePart,
  type Order,
  PART_BYTES_MAX,
} from "../../../firmware/command/message.js";
import { POLICY_BYTES_MAX } from "../../../firmware/command/policy.js";
import { encodeVoucher } from "../../../firmware/record/enrolment.js";
import { Rejection } from "../../../firmware/rejection.js";
import { signed, testKey } from "../record/signing.js";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((made) => new Uint8Array(made));
const relay = fc.stringMatching(/^[-_a-zA-Z0-9]{1,32}$/);
const sensor = fc.oneof(fc.constant(""), fc.stringMatching(/^[a-zA-Z0-9][-:./_a-zA-Z0-9]{0,31}$/));
const orders: fc.Arbitrary<Order> = fc.oneof(
  fc.integer({ min: 50, max: 86_400_000 }).map((intervalMs) => ({ action: ACTION_INTERVAL, intervalMs }) as const),
  fc.integer({ min: 1, max: 12 }).map((samples) => ({ action: ACTION_SAMPLES, samples }) as const),
  fc.uniqueArray(relay, { maxLength: 8 }).map((relays) => ({ action: ACTION_RELAYS, relays }) as const),
  fc.constant({ action: ACTION_REBOOT } as const),
  sensor.map((sensor) => ({ action: ACTION_READ, sensor }) as const),
  fc
    .tuple(bytes(32), fc.integer({ min: 1, max: POLICY_BYTES_MAX }))
    .map(([hash, bytes]) => ({ action: ACTION_POLICY, hash, bytes }) as const),
  fc
    .tuple(bytes(32), fc.integer({ min: 1, max: CHECKPOINT_BYTES_MAX }))
    .map(([hash, bytes]) => ({ action: ACTION_CHECKPOINT, hash, bytes }) as const),
);
const commands: fc.Arbitrary<Command> = fc.record(
  {
    counter: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: COUNTER_MAX }), fc.constant(COUNTER_MAX)),
    mote: bytes(20),
    expiryBlock: fc.oneof(fc.maxSafeNat(), fc.nat(300)),
    order: orders,
    fleet: fc.record(
      { registry: bytes(20), chain: fc.stringMatching(/^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$/) },
      { noNullPrototype: true },
    ),
  },
  { noNullPrototype: true },
);

const valuesOf = ({ action, ...values }: Order): unknown[] => Object.values(values).flat();
const mapOf = ({ counter, mote, expiryBlock, order, fleet }: Command): [number, unknown][] => [
  [0, 7],
  [1, counter],
  [3, mote],
  [4, expiryBlock],
  [5, order.action],
  [6, valuesOf(order)],
  [9, [fleet.registry, fleet.chain]],
];
const byCborg = (entries: Iterable<readonly [unknown, unknown]>): Uint8Array =>
  new Uint8Array(cborgEncode(new Map(entries as never), rfc8949EncodeOptions));

test("what is encoded is decoded again, and is what cborg encodes", () => {
  const seen = new Set<number>();
  fc.assert(
    fc.property(commands, (command) => {
      const payload = encodeCommand(command);
      seen.add(command.order.action);
      assert.equal(decodeCommand(payload), command);
      assert.is(toHex(payload), toHex(byCborg(mapOf(command))));
    }),
    { numRuns: 1_000 },
  );
  assert.is(seen.size, ACTIONS.length);
});

test("whatever is accepted is the one encoding of its fields; hostile bytes are refused by code", () => {
  fc.assert(
    fc.property(commands, fc.nat(), fc.nat(255), fc.integer({ min: 0, max: 3 }), (command, at, byte, how) => {
      const whole = encodeCommand(command);
      const payload = [
        () => whole.map((old, i) => (i === at % whole.length ? byte : old)),
        () => whole.subarray(0, at % whole.length),
        () => Uint8Array.from([...whole, byte]),
        () => Uint8Array.from([...whole.subarray(0, at % whole.length), byte, ...whole.subarray(at % whole.length)]),
      ][how]?.() as Uint8Array;
      const decoded = decodeCommand(payload);
      if (decoded instanceof Rejection) assert.match(decoded.code, /^(cbor|payload)-/);
      else assert.is(toHex(encodeCommand(decoded)), toHex(payload));
    }),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (noise) => assert.instance(decodeCommand(new Uint8Array(noise)), Rejection)),
  );
});

test("the longest of every field fits, and what is longer is not even decoded", () => {
  const longest = encodeCommand({
    counter: COUNTER_MAX,
    mote: new Uint8Array(20),
    expiryBlock: Number.MAX_SAFE_INTEGER,
    order: { action: ACTION_RELAYS, relays: Array.from({ length: 8 }, (_, i) => `${i}`.padEnd(32, "x")) },
    fleet: { registry: new Uint8Array(20), chain: `${"a".repeat(8)}:${"b".repeat(32)}` },
  });
  assert.is(longest.length, 387);
  const refused = decodeCommand(new Uint8Array(COMMAND_PAYLOAD_BYTES_MAX + 1)) as Rejection;
  assert.match(refused.detail, /at most 512/);
});

const [GIVEN] = fc.sample(commands, { numRuns: 1, seed: 1 }) as [Command];
const H32 = new Uint8Array(32);
const changed = (changes: readonly (readonly [number, unknown])[]): Uint8Array =>
  byCborg(new Map([...mapOf(GIVEN), ...changes].filter(([, value]) => value !== undefined) as [number, unknown][]));
const REFUSED: readonly [string, Uint8Array, string][] = [
  ["another type", byCborg([[0, 1]]), "payload-type"],
  ["a voucher", encodeVoucher({ ...GIVEN, role: 0, policyId: 0, firmwareId: 0 }), "payload-type"],
  ["no counter", new Uint8Array(cborgEncode(new Map(mapOf(GIVEN).filter(([key]) => key !== 1)), rfc8949EncodeOptions)), "key 1"],
  ["counter 0", changed([[1, 0]]), "key 1"],
  ["a counter beyond the store's", changed([[1, COUNTER_MAX + 1]]), "key 1"],
  ["a mote of 32 bytes", changed([[3, H32]]), "key 3"],
  ["a negative expiry", changed([[4, -1]]), "key 4"],
  ["action 0", changed([[5, 0]]), "key 5"],
  ["an unknown action", changed([[5, 8]]), "key 5"],
  ["arguments that are no list", changed([[6, 5]]), "key 6"],
  [
    "an interval of nothing",
    changed([
      [5, 1],
      [6, []],
    ]),
    "key 6",
  ],
  [
    "an interval of a text",
    changed([
      [5, 1],
      [6, ["60000"]],
    ]),
    "key 6",
  ],
  [
    "an interval too short",
    changed([
      [5, 1],
      [6, [49]],
    ]),
    "key 6",
  ],
  [
    "an interval too long",
    changed([
      [5, 1],
      [6, [86_400_001]],
    ]),
    "key 6",
  ],
  [
    "two intervals",
    changed([
      [5, 1],
      [6, [60_000, 60_000]],
    ]),
    "key 6",
  ],
  [
    "no samples",
    changed([
      [5, 2],
      [6, [0]],
    ]),
    "key 6",
  ],
  [
    "too many samples",
    changed([
      [5, 2],
      [6, [13]],
    ]),
    "key 6",
  ],
  [
    "a relay twice",
    changed([
      [5, 3],
      [6, ["a", "a"]],
    ]),
    "key 6",
  ],
  [
    "a relay with a wildcard",
    changed([
      [5, 3],
      [6, ["a/#"]],
    ]),
    "key 6",
  ],
  [
    "a relay of 33 characters",
    changed([
      [5, 3],
      [6, ["a".repeat(33)]],
    ]),
    "key 6",
  ],
  [
    "nine relays",
    changed([
      [5, 3],
      [6, [..."abcdefghi"]],
    ]),
    "key 6",
  ],
  [
    "a relay that is a number",
    changed([
      [5, 3],
      [6, [1]],
    ]),
    "key 6",
  ],
  [
    "a reboot of something",
    changed([
      [5, 4],
      [6, [1]],
    ]),
    "key 6",
  ],
  [
    "a sensor that no name is",
    changed([
      [5, 5],
      [6, ["-"]],
    ]),
    "key 6",
  ],
  [
    "a sensor of 33 characters",
    changed([
      [5, 5],
      [6, ["a".repeat(33)]],
    ]),
    "key 6",
  ],
  [
    "a policy without its length",
    changed([
      [5, 6],
      [6, [H32]],
    ]),
    "key 6",
  ],
  [
    "a policy with a short hash",
    changed([
      [5, 6],
      [6, [H32.subarray(1), 5]],
    ]),
    "key 6",
  ],
  [
    "a policy too long",
    changed([
      [5, 6],
      [6, [H32, POLICY_BYTES_MAX + 1]],
    ]),
    "key 6",
  ],
  [
    "a policy of nothing",
    changed([
      [5, 6],
      [6, [H32, 0]],
    ]),
    "key 6",
  ],
  [
    "a checkpoint too long",
    changed([
      [5, 7],
      [6, [H32, CHECKPOINT_BYTES_MAX + 1]],
    ]),
    "key 6",
  ],
  ["a fleet of one", changed([[9, [H32.subarray(12)]]]), "key 9"],
  ["a fleet of no chain", changed([[9, [H32.subarray(12), "1337"]]]), "key 9"],
  ["a key more", changed([[11, 1]]), "a key that this type does not have"],
];

test("each field is there, of its kind and in its range, and no other", () => {
  for (const [what, payload, expected] of REFUSED) {
    const refused = decodeCommand(payload);
    assert.instance(refused, Rejection, what);
    assert.ok(String(refused).includes(expected), `${what}: ${refused}`);
  }
});

test("the example of the documents is what the code makes", () => {
  const text = readFileSync(new URL("../../../docs/ledger.md", import.meta.url), "utf8");
  const block = /```command\n([\s\S]*?)```/.exec(text)?.[1] as string;
  const payload = encodeCommand({
    counter: 1,
    mote: testKey("a mote in the documentation").address,
    expiryBlock: 4_300,
    order: { action: ACTION_INTERVAL, intervalMs: 5_000 },
    fleet: { registry: new Uint8Array(20).fill(0x5e), chain: "eip155:1337" },
  });
  assert.is(block.replace(/;.*$/gm, "").replace(/\s/g, ""), toHex(signed(testKey("a commander in the documentation"), payload)));
});

test("parts of a body: what is encoded is decoded again, and is what cborg encodes; whatever else comes is refused", () => {
  const parts = fc.record(
    {
      hash: bytes(32),
      offset: fc.nat(CHECKPOINT_BYTES_MAX - 1),
      bytes: fc.uint8Array({ minLength: 1, maxLength: PART_BYTES_MAX }).map((made) => new Uint8Array(made)),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(parts, fc.nat(), fc.nat(255), (part, at, byte) => {
      const message = encodePart(part);
      assert.equal(decodePart(message), part);
      assert.equal(cborgDecode(message, { useMaps: true }), new Map(Object.values(part).map((value, i) => [i, value])));
      const decoded = decodePart(message.map((old, i) => (i === at % message.length ? byte : old)));
      if (decoded instanceof Rejection) assert.is(decoded.code, "part-malformed");
    }),
  );
  const of = (...values: unknown[]): Uint8Array => byCborg(values.map((value, i) => [i, value] as const));
  for (const wrong of [
    of(H32, 0),
    of(H32, 0, H32, 0),
    of(H32.subarray(1), 0, H32),
    of(H32, -1, H32),
    of(H32, CHECKPOINT_BYTES_MAX, H32),
    of(H32, 0, new Uint8Array(0)),
    of(H32, 0, new Uint8Array(PART_BYTES_MAX + 1)),
    of(H32, 0, "x"),
    new Uint8Array(4_000),
    new Uint8Array(0),
  ])
    assert.is((decodePart(wrong) as Rejection).code, "part-malformed");
});

test.run();
