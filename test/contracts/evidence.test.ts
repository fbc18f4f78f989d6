// Evidence against a mote on a real EVM: whatever two records of one key contradict each other quarantine it; whatever else is shown
// reverts by name. Each case begins with a pair that would be taken, and changes it.

import { decode as cborgDecode, encode as cborgEncode, rfc8949EncodeOptions, Tagged } from "cborg";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, toHex } from "../../firmware/bytes.js";
import type { TimeQuality } from "../../firmware/events.js";
import { RECORD_PAYLOAD_BYTES_MAX } from "../../firmware/record/cose.js";
import { decimal } from "../../firmware/record/decimal.js";
import { encodeEnrolment, encodeRotation, encodeVoucher } from "../../firmware/record/enrolment.js";
import { encodeReceipt, encodeRefusal } from "../../firmware/record/receipt.js";
import { decodeRecord, encodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import { Prng } from "../../host-sim/world/prng.js";
import { type Account, type Contract, Reverted, type Signer } from "../../tools/contracts/account.js";
import { artifactOf } from "../../tools/contracts/artifacts.js";
import { deployRegistry, moteOf } from "../../tools/contracts/registry.js";
import { seedOr } from "../seed.js";
import { Anvil, CHAIN_ID, messageOf, signerOf } from "./anvil.js";
import { recordOfLength } from "./scenario.js";

/** How often each error is provoked, at least. */
const CASES = process.env.FULL === "1" ? 100 : 25;
const CHAIN = `eip155:${CHAIN_ID}`;
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const SEED = seedOr();

const anvil = await Anvil.start();
const admin = signerOf("admin");
let account: Account;
let registry: Contract;

const prng = new Prng(SEED);
const chance = (): number => prng.real();
const below = (n: number): number => Math.floor(chance() * n);
const oneOf = <T>(items: readonly T[]): T => items[below(items.length)] as T;
const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, () => below(256));
/** An unsigned integer of any length that CBOR has for it. */
const uint = (max = 2 ** 53 - 1): number => Math.min(max, Math.floor(2 ** (chance() * 53)) - 1 + below(2));

function recordOf(changes: Partial<RecordFields> = {}): RecordFields {
  const quality = below(4) as TimeQuality;
  return {
    stream: uint(2 ** 52),
    seq: uint(2 ** 52),
    prev: bytesOf(32),
    boot: 1 + uint(2 ** 52),
    time: quality === 0 ? 0 : 1 + uint(2 ** 52),
    timeQuality: quality,
    ...(quality === 3 || chance() < 0.5 ? { head: { chain: CHAIN, number: uint(), hash: bytesOf(32) } } : {}),
    measurements: Array.from({ length: 1 + below(6) }, (_, i) => ({
      n: `sensor${i}${"x".repeat(below(40))}`,
      ...(chance() < 0.7 ? { u: "Cel" } : {}),
      v: decimal(below(100_000) - 50_000, -below(4)),
      ...(chance() < 0.3 ? { t: -below(1000) } : {}),
    })),
    ...(chance() < 0.5 ? { gap: 1 + uint(2 ** 52) } : {}),
    fleet: { registry: registry.address, chain: CHAIN },
    ...changes,
  };
}

/** Two records that no honest mote makes: one number twice, or a lower stream with a higher boot. */
function contradiction(): [RecordFields, RecordFields] {
  const a = recordOf();
  const b = recordOf();
  const pair: [RecordFields, RecordFields] =
    chance() < 0.5
      ? [a, { ...b, stream: a.stream, seq: a.seq }]
      : [
          { ...a, stream: a.stream, boot: a.boot + 1 + below(9) },
          { ...b, stream: a.stream + 1 + below(9), boot: a.boot },
        ];
  return chance() < 0.5 ? pair : [pair[1], pair[0]];
}

const payloads = (pair: [RecordFields, RecordFields]): [Uint8Array, Uint8Array] => [encodeRecord(pair[0]), encodeRecord(pair[1])];
const messages = (key: Signer, pair: [Uint8Array, Uint8Array]): [Uint8Array, Uint8Array] => [
  messageOf(key, pair[0]),
  messageOf(key, pair[1]),
];

/** Which error reporting these would end with; undefined where it would quarantine. */
async function outcomeOf(a: Uint8Array, b: Uint8Array): Promise<string | undefined> {
  try {
    await registry.read("reportEquivocation", a, b);
    return undefined;
  } catch (error) {
    if (error instanceof Reverted && error.error !== undefined) return error.error;
    throw error;
  }
}

async function enrolled(name: string): Promise<Signer> {
  const key = signerOf(name);
  const fleet = { registry: registry.address, chain: CHAIN };
  const enrolment = encodeEnrolment({ counter: 1, enroller: admin.address, expiryBlock: 1_000_000, fleet });
  await registry.send(account, "enrol", messageOf(key, enrolment), 1, 0, 0);
  return key;
}

let mote: Signer;
let other: Signer;
let caught: Signer;

test.before(async () => {
  if (anvil === undefined) return;
  account = await anvil.account(admin);
  registry = await deployRegistry(account, admin.address, new Uint8Array(20));
  await registry.send(account, "setEnroller", admin.address, 1_000_000);
  mote = await enrolled("mote");
  other = await enrolled("other");
  caught = await enrolled("caught");
  await registry.send(account, "reportEquivocation", ...messages(caught, payloads(contradiction())));
});
test.after(() => anvil?.stop());
const onAnvil = anvil === undefined ? test.skip : test;

/** One of the two messages, changed. */
function changed(pair: [Uint8Array, Uint8Array], change: (message: Uint8Array) => Uint8Array): [Uint8Array, Uint8Array] {
  return chance() < 0.5 ? [change(pair[0].slice()), pair[1]] : [pair[0], change(pair[1].slice())];
}

function withByte(bytes: Uint8Array, at: number, value = (bytes[at] as number) ^ (1 + below(255))): Uint8Array {
  bytes[at] = value;
  return bytes;
}

function withWord(message: Uint8Array, fromEnd: number, value: bigint): Uint8Array {
  message.set(Buffer.from(value.toString(16).padStart(64, "0"), "hex"), message.length - fromEnd);
  return message;
}

const wordAt = (message: Uint8Array, fromEnd: number): bigint =>
  BigInt(`0x${toHex(message.subarray(message.length - fromEnd, message.length - fromEnd + 32))}`);

/** Where the head of the payload ends. */
const payloadAt = (message: Uint8Array): number => 32 + (message[31] === 0x58 ? 1 : message[31] === 0x59 ? 2 : 0);

/** The payload head written in another way, or as another kind of item. */
function withOtherHead(message: Uint8Array): Uint8Array {
  const at = payloadAt(message);
  const length = message.length - 66 - at;
  const head = oneOf([
    [0x5a, 0, 0, length >> 8, length & 0xff],
    [0x5b, 0, 0, 0, 0, 0, 0, length >> 8, length & 0xff],
    [0x59, 0, Math.min(length, 255)],
    [0x58, below(24)],
    [0x5f],
    [0x78, length & 0xff],
    [0x59, 0x04, 1 + below(255)],
    [0xf6],
  ]);
  return concat(message.subarray(0, 31), Uint8Array.from(head), message.subarray(at));
}

/** Entries of a pack that are none. */
const ENTRIES_MALFORMED: readonly (readonly (readonly [number, unknown])[])[] = [
  [],
  [[0, "n"]],
  [[1, "Cel"]],
  [[2, "1"]],
  [[2, null]],
  [[2, 1.5]],
  [
    [2, 1],
    [3, 1],
  ],
  [
    [2, 1],
    [4, "text"],
  ],
  [
    [2, 1],
    [7, 1],
  ],
  [
    [2, 1],
    [-1, 1],
  ],
  [
    [2, 1],
    [-6, 1],
  ],
  [
    [0, 5],
    [2, 1],
  ],
  [
    [0, "n".repeat(65)],
    [2, 1],
  ],
  [
    [1, "u".repeat(17)],
    [2, 1],
  ],
  [
    [2, 1],
    [6, "now"],
  ],
  [
    [2, 1],
    [-2, 1],
  ],
  [
    [2, 1],
    [-4, "u".repeat(17)],
  ],
  [[2, [1, 2]]],
];
/** In place of {2: 1}. */
const PIECES_MALFORMED: readonly (readonly number[])[] = [
  [0xa2, 0x02, 0x01, 0x00, 0x61, 0x6e],
  [0xa2, 0x02, 0x01, 0x02, 0x01],
  [0xa1, 0x02, 0xc4, 0x82, 0x00, 0x01],
  [0xa1, 0x02, 0xc4, 0x82, 0x13, 0x01],
  [0xa1, 0x02, 0xc4, 0x82, 0x32, 0x01],
  [0xa1, 0x02, 0xc4, 0x82, 0x01, 0x60],
  [0xa1, 0x02, 0xc4, 0x83, 0x01, 0x01, 0x01],
  [0xa1, 0x02, 0xd2, 0x82, 0x01, 0x01],
  [0xa1, 0x02, 0x18, 0x01],
  [0xa1, 0x02, 0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0],
  [0xa1, 0x02, 0xf9, 0x3c, 0x00],
  [0xbf, 0x02, 0x01, 0xff],
  [0xa1, 0x18, 0x02, 0x01],
  [0xa2, 0x02, 0x01],
];

/** A payload that says the same in another form, or does not say what a record says. Signed again, so the form alone is at fault. */
function malformed(payload: Uint8Array): Uint8Array {
  const decoded = cborgDecode(payload, { useMaps: true, tags: Tagged.preserve(4) }) as Map<number, unknown>;
  const rest = payload.subarray(1);
  const again = (edit: (map: Map<number, unknown>) => void, piece?: readonly number[], other?: readonly number[]): Uint8Array => {
    const copy = new Map(decoded);
    edit(copy);
    const encoded = cborgEncode(copy, rfc8949EncodeOptions);
    if (piece === undefined) return encoded;
    const at = Buffer.from(encoded).lastIndexOf(Uint8Array.from(piece));
    assert.ok(at > 0);
    return concat(encoded.subarray(0, at), Uint8Array.from(other ?? []), encoded.subarray(at + piece.length));
  };
  const kinds: (() => Uint8Array)[] = [
    () => concat(payload, Uint8Array.of(below(256))),
    () => payload.subarray(0, payload.length - 1 - below(20)),
    () => withByte(payload.slice(), 0, 0xbf),
    () => withByte(payload.slice(), 0, (payload[0] as number) + oneOf([-1, 1, 2])),
    () => concat(Uint8Array.of(0xb8, (payload[0] as number) - 0xa0), rest),
    () => concat(payload.subarray(0, 1), Uint8Array.of(0x00, 0x18, 0x01), payload.subarray(3)),
    () => concat(payload.subarray(0, 1), Uint8Array.of(0x18, 0x00), payload.subarray(2)),
    () => again((map) => map.delete(oneOf([1, 2, 3, 4, 5, 7, 10]))),
    () => again((map) => map.delete(9)),
    () => again((map) => map.set(11 + below(13), 0)),
    () => again((map) => map.set(24 + below(1000), 0)),
    () => again((map) => map.set(oneOf([1, 3, 4, 5, 10]), oneOf<unknown>([-1, "1", null, bytesOf(2), 2n ** 53n, [1]]))),
    () => again((map) => map.set(2, oneOf<unknown>([bytesOf(31), bytesOf(33), null, "prev", 0]))),
    () =>
      again((map) =>
        map.set(9, oneOf<unknown>([[registry.address], [registry.address, 1], [CHAIN, registry.address], null, []])),
      ),
    () =>
      again((map) =>
        map.set(7, oneOf<unknown>([undefined, 1.5, [1.1], [], Array(33).fill(new Map([[2, 1]])), new Map(), [[2, 1]]])),
      ),
    () => again((map) => map.set(7, [new Map(oneOf(ENTRIES_MALFORMED))])),
    () =>
      again((map) =>
        map.set(
          oneOf([6, 8]),
          oneOf<unknown>([
            0,
            [],
            [CHAIN, 1],
            [CHAIN, 1, bytesOf(31)],
            [1, 1, bytesOf(32)],
            [CHAIN, -1, bytesOf(32)],
            ["c".repeat(42), 1, bytesOf(32)],
          ]),
        ),
      ),
    () => again((map) => map.set(5, 4)),
    () => again((map) => map.set(4, 0).set(5, 1)),
    () => again((map) => map.set(4, 1).set(5, 0)),
    () => again((map) => map.set(4, 1).set(5, 3).delete(6)),
    // The labels of an entry in falling order, one twice, and a value that is not in its one form.
    () => again((map) => map.set(7, [new Map([[2, 1]])]), [0xa1, 0x02, 0x01], oneOf(PIECES_MALFORMED)),
    () => bytesOf(below(80)),
  ];
  return oneOf(kinds)();
}

/** What makes a pair that would be taken end with each error. */
const PROVOKED: Readonly<Record<string, (pair: [RecordFields, RecordFields]) => [Uint8Array, Uint8Array]>> = {
  MessageLength: (pair) =>
    changed(messages(mote, payloads(pair)), (message) =>
      chance() < 0.5 ? message.subarray(0, below(message.length)) : concat(message, bytesOf(1 + below(40))),
    ),
  MessageHeader: (pair) =>
    changed(messages(mote, payloads(pair)), (message) => withByte(message, chance() < 0.2 ? 30 : below(10))),
  MessagePayload: (pair) => changed(messages(mote, payloads(pair)), withOtherHead),
  MessageSignature: (pair) =>
    changed(messages(mote, payloads(pair)), (message) => withByte(message, message.length - 66 + below(2))),
  SignatureRange: (pair) =>
    changed(messages(mote, payloads(pair)), (message) =>
      withWord(message, oneOf([64, 32]), oneOf([0n, ORDER, ORDER + BigInt(below(1000)), 2n ** 256n - 1n])),
    ),
  SignatureHighS: (pair) =>
    changed(messages(mote, payloads(pair)), (message) =>
      withWord(message, 32, oneOf([ORDER - wordAt(message, 32), (ORDER + 1n) / 2n, ORDER - 1n])),
    ),
  SignatureInvalid: (pair) =>
    oneOf<() => [Uint8Array, Uint8Array]>([
      // Another signature, a digit of it changed, the same under another payload, and both under another address.
      () => changed(messages(mote, payloads(pair)), (message) => withWord(message, 32, 1n + BigInt(below(2 ** 31)))),
      () => changed(messages(mote, payloads(pair)), (message) => withByte(message, message.length - 60 + below(28))),
      () => {
        const [a, b] = payloads(pair);
        const swapped = messageOf(mote, a).slice(-64);
        return [messageOf(mote, a), concat(messageOf(mote, b).slice(0, -64), swapped)];
      },
      () => {
        const key = signerOf(`forger ${below(1e9)}`);
        return messages({ address: mote.address, sign: key.sign }, payloads(pair));
      },
      () => messages({ address: new Uint8Array(20), sign: mote.sign }, payloads(pair)),
      // Half of all r are of no point: nobody's signature, for which the EVM answers the address 0.
      () =>
        messages(
          { address: new Uint8Array(20), sign: () => concat(withByte(bytesOf(32), 0, 1), withByte(bytesOf(32), 0, 1)) },
          payloads(pair),
        ),
    ])(),
  PayloadMalformed: (pair) => {
    const [a, b] = payloads(pair);
    const bad = malformed(b);
    // The firmware sees it as well.
    assert.instance(decodeRecord(bad), Rejection);
    return chance() < 0.5 ? messages(mote, [bad, a]) : messages(mote, [a, bad]);
  },
  PayloadType: (pair) => {
    const [a, b] = payloads(pair);
    const fleet = { registry: registry.address, chain: CHAIN };
    const foreign = oneOf<() => Uint8Array>([
      () => encodeReceipt({ seq: pair[0].seq, digest: bytesOf(32), mote: mote.address, stream: pair[0].stream }),
      () => encodeRefusal({ seq: pair[0].seq, message: bytesOf(32), mote: mote.address, stream: pair[0].stream, reason: 1 }),
      () => encodeEnrolment({ counter: 1, enroller: admin.address, expiryBlock: uint(), fleet }),
      () => encodeVoucher({ counter: 1, mote: mote.address, role: 1, expiryBlock: uint(), policyId: 0, firmwareId: 0, fleet }),
      () => encodeRotation({ counter: 1, mote: mote.address, successor: other.address, expiryBlock: uint(), fleet }),
      () => withByte(b.slice(), 2, oneOf([0, 2, 3, 4, 5, 6, 7, 10, 11, 23])),
    ])();
    return chance() < 0.5 ? messages(mote, [a, foreign]) : messages(mote, [foreign, a]);
  },
  ForeignFleet: (pair) => {
    const fleet = oneOf([
      { registry: bytesOf(20), chain: CHAIN },
      { registry: withByte(registry.address.slice(), below(20)), chain: CHAIN },
      { registry: registry.address, chain: `eip155:${below(31_337)}` },
      { registry: registry.address, chain: `${CHAIN}0` },
      { registry: registry.address, chain: "eip155:3133" },
      { registry: registry.address, chain: "eip15:31337" },
      { registry: registry.address, chain: "bip122:000000000019d6689c085ae165831e93" },
      { registry: registry.address, chain: `eip155:${"1".repeat(32)}` },
    ]);
    return messages(
      mote,
      payloads(
        oneOf([
          [{ ...pair[0], fleet }, pair[1]],
          [pair[0], { ...pair[1], fleet }],
        ]),
      ),
    );
  },
  DifferentMotes: (pair) => {
    const [a, b] = payloads(pair);
    return [messageOf(mote, a), messageOf(oneOf([other, signerOf("nobody")]), b)];
  },
  NoContradiction: ([a, b]) =>
    messages(
      mote,
      payloads(
        oneOf<[RecordFields, RecordFields]>([
          [a, a],
          [a, { ...b, stream: a.stream, seq: a.seq + 1 + below(9) }],
          [a, { ...b, stream: a.stream + 1 + below(9), boot: a.boot + below(9) }],
          [
            { ...a, boot: a.boot + 9 },
            { ...b, stream: a.stream, seq: a.seq + 1, boot: a.boot },
          ],
        ]),
      ),
    ),
  UnknownMote: (pair) => messages(signerOf(`stranger ${below(1e9)}`), payloads(pair)),
  AlreadyQuarantined: (pair) => messages(caught, payloads(pair)),
};

for (const [error, provoke] of Object.entries(PROVOKED))
  onAnvil(`evidence that is none reverts: ${error}, ${CASES} times`, async () => {
    for (let i = 0; i < (error === "PayloadMalformed" ? 10 * CASES : CASES); i += 1) {
      const pair = contradiction();
      const [a, b] = provoke(pair);
      assert.is(await outcomeOf(a, b), error, `seed ${SEED}, case ${i}: ${toHex(a)} ${toHex(b)}`);
    }
  });

onAnvil("every error that a report can end with is among those that are provoked", () => {
  const named = artifactOf("MoteRegistry")
    .abi.filter(({ type }) => type === "error")
    .map(({ name }) => name as string);
  const ofReports = named.filter((name) =>
    /^(Message|Signature|Payload)|^(ForeignFleet|DifferentMotes|NoContradiction|UnknownMote|AlreadyQuarantined)$/.test(name),
  );
  assert.equal(ofReports.sort(), Object.keys(PROVOKED).sort());
});

onAnvil("any one bit of two contradicting records changed, and nobody is quarantined", async () => {
  for (let i = 0; i < 3 * CASES; i += 1) {
    const [a, b] = changed(messages(mote, payloads(contradiction())), (message) =>
      withByte(message, below(message.length), undefined),
    );
    const outcome = await outcomeOf(a, b);
    assert.ok(outcome !== undefined && outcome in PROVOKED, `seed ${SEED}, case ${i}: ${outcome} for ${toHex(a)} ${toHex(b)}`);
  }
});

/** A smallest and an everyday record, with each choice of the optional keys. */
function* optionalKeys(): Generator<Partial<RecordFields>> {
  for (const withHead of [false, true])
    for (const withGap of [false, true])
      yield {
        ...(withHead
          ? { head: { chain: CHAIN, number: uint(1_000_000), hash: bytesOf(32) }, timeQuality: 3, time: 1_700_000_000 }
          : { timeQuality: 0, time: 0 }),
        ...(withGap ? { gap: 1 + below(100) } : {}),
      };
}

function plain(keys: Partial<RecordFields>): RecordFields {
  return {
    stream: 0,
    seq: 1,
    prev: bytesOf(32),
    boot: 1,
    time: 0,
    timeQuality: 0,
    measurements: [{ n: "n", v: 1 }],
    fleet: { registry: registry.address, chain: CHAIN },
    ...keys,
  };
}

onAnvil(
  "one number twice is always taken: payloads at each border of a length, with every choice of the optional keys",
  async () => {
    let tried = 0;
    for (const keys of optionalKeys())
      for (const bytes of [255, 256, RECORD_PAYLOAD_BYTES_MAX]) {
        const a = recordOfLength(bytes, plain(keys));
        const pair: [RecordFields, RecordFields] = [a, { ...a, prev: bytesOf(32) }];
        assert.is(encodeRecord(pair[1]).length, bytes);
        assert.is(await outcomeOf(...messages(mote, payloads(pair))), undefined, `${bytes} bytes with ${Object.keys(keys)}`);
        tried += 1;
      }
    assert.is(tried, 12);
  },
);

onAnvil("numbers and names at the borders of CBOR's lengths are taken as well: 23, 24, 255, 256, 1,024", async () => {
  for (const border of [0, 23, 24, 255, 256, 1_024, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1])
    for (const keys of optionalKeys()) {
      const a = { ...plain(keys), seq: border, stream: border, boot: border };
      assert.is(await outcomeOf(...messages(mote, payloads([a, { ...a, prev: bytesOf(32) }]))), undefined, `at ${border}`);
    }
  for (const length of [23, 24, 64])
    for (const keys of optionalKeys()) {
      const a = { ...plain(keys), measurements: [{ n: "n".repeat(length), v: 1 }] };
      assert.is(await outcomeOf(...messages(mote, payloads([a, { ...a, prev: bytesOf(32) }]))), undefined, `a name of ${length}`);
    }
});

onAnvil(
  "no record has a payload of 23 or 24 bytes; messages of such lengths are read, and refused for what they say",
  async () => {
    const smallest = encodeRecord(plain({}));
    assert.ok(smallest.length > 24, `the smallest has ${smallest.length} bytes`);
    for (const length of [0, 1, 22, 23, 24, 25, 255, 256, RECORD_PAYLOAD_BYTES_MAX]) {
      // As a byte string, a map without a key, and something that begins as a record does.
      for (const begin of [[0x40], [0xa0], [0xa9, 0x00, 0x01, 0x01, 0x01]]) {
        const payload = Uint8Array.from({ length }, (_, i) => begin[i] ?? 0);
        assert.is(await outcomeOf(...messages(mote, [payload, smallest])), "PayloadMalformed", `${length} bytes`);
      }
    }
  },
);

onAnvil("every contradiction is taken: whatever else the two records say, in either order", async () => {
  for (let i = 0; i < 3 * CASES; i += 1) {
    const pair = payloads(contradiction());
    assert.ok(pair.every((payload) => !(decodeRecord(payload) instanceof Rejection)));
    assert.is(await outcomeOf(...messages(mote, pair)), undefined, `seed ${SEED}, case ${i}: ${pair.map(toHex)}`);
  }
});

onAnvil(
  "answers and states share the records' numbers: one of them and a record under one number is a contradiction",
  async () => {
    for (let i = 0; i < CASES; i += 1) {
      const [a] = contradiction();
      const entries = new Map<number, unknown>(
        cborgDecode(encodeRecord(a), { useMaps: true, tags: Tagged.preserve(4) }) as Map<number, unknown>,
      );
      entries.set(0, oneOf([8, 9]));
      entries.delete(7);
      if (chance() < 0.5) entries.set(11 + below(12), oneOf<unknown>(["done", 5, [1, "two"], new Map([[1, null]])]));
      const answer = cborgEncode(new Map([...entries].sort(([x], [y]) => x - y)), rfc8949EncodeOptions);
      assert.is(await outcomeOf(...messages(mote, [encodeRecord(a), answer])), undefined, `case ${i}`);
      entries.delete(oneOf([1, 2, 3, 4, 5, 9, 10]));
      const less = cborgEncode(entries, rfc8949EncodeOptions);
      assert.is(await outcomeOf(...messages(mote, [encodeRecord(a), less])), "PayloadMalformed", `case ${i}`);
    }
  },
);

onAnvil("anyone reports; the key is quarantined for ever, and shown again the same evidence reverts", async () => {
  const key = await enrolled("cloned");
  const stranger = await (anvil as Anvil).account(signerOf("passer-by"));
  const evidence = messages(key, payloads(contradiction()));
  const { blockNumber } = await registry.send(stranger, "reportEquivocation", ...evidence);
  const entry = await moteOf(registry, key.address);
  assert.is(entry.status, "quarantined");
  assert.is(entry.sinceBlock, blockNumber);
  assert.is(await outcomeOf(...evidence), "AlreadyQuarantined");
  assert.is(await outcomeOf(evidence[1], evidence[0]), "AlreadyQuarantined");
});

onAnvil("nobody who is honest was quarantined by all of this", async () => {
  for (const key of [mote, other]) assert.is((await moteOf(registry, key.address)).status, "active");
  assert.is((await moteOf(registry, caught.address)).status, "quarantined");
});

test.run();
