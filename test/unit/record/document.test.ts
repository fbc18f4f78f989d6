// docs/record-format.md says what the code does: its example, its limits and its codes.

import { readdirSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../../firmware/bytes.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { digestOf, RECORD_PAYLOAD_BYTES_MAX, SIGN1_BYTES_MAX, verifySign1 } from "../../../firmware/record/cose.js";
import { DECIMAL_EXPONENT_MAX, decimal } from "../../../firmware/record/decimal.js";
import { encodeEnrolment } from "../../../firmware/record/enrolment.js";
import { TREE_PATH_MAX, TREE_SIZE_MAX } from "../../../firmware/record/merkle.js";
import {
  PAYLOAD_TYPE_ANSWER,
  PAYLOAD_TYPE_COMMAND,
  PAYLOAD_TYPE_ENROLMENT,
  PAYLOAD_TYPE_RECEIPT,
  PAYLOAD_TYPE_RECORD,
  PAYLOAD_TYPE_REFUSAL,
  PAYLOAD_TYPE_ROTATION,
  PAYLOAD_TYPE_VOUCHER,
} from "../../../firmware/record/payload.js";
import { decodeReceipt, decodeRefusal, encodeReceipt, encodeRefusal, REFUSED } from "../../../firmware/record/receipt.js";
import { decodeRecord, encodeRecord, TIME_BOUNDED_BY_HEADER, TIME_NONE } from "../../../firmware/record/record.js";
import { SENML_ENTRIES_MAX, SENML_NAME_BYTES_MAX, SENML_UNIT_BYTES_MAX } from "../../../firmware/record/senml.js";
import { Rejection } from "../../../firmware/rejection.js";
import { signed, testKey } from "./signing.js";

const DOCUMENT = readFileSync(new URL("../../../docs/record-format.md", import.meta.url), "utf8");

/** The bytes of a fenced block, without its notes. */
function block(name: string, payload = ""): Uint8Array {
  const text = new RegExp(`\`\`\`${name}\n([^\`]*)\`\`\``).exec(DOCUMENT)?.[1];
  const bytes = fromHex((text ?? "-").replace(/;.*$/gm, "").replace("…", payload).replace(/\s/g, ""));
  if (bytes instanceof Rejection) throw new Error(`block ${name}: ${bytes}`);
  return bytes;
}

const MOTE = testKey("a mote in the documentation");
const COLLECTOR = testKey("a collector in the documentation");
const RECORD = {
  stream: 0,
  seq: 1,
  prev: new Uint8Array(32),
  boot: 1,
  time: Date.UTC(2026, 0, 1) / 1000,
  timeQuality: TIME_BOUNDED_BY_HEADER,
  head: {
    chain: "eip155:1337",
    number: 4242,
    hash: fromHex("92c89d9853a2f5716d2a23633e86835afaa5d4213580dbee0844f53767d293c8") as Uint8Array,
  },
  measurements: [
    { n: "temperature", u: "Cel", v: decimal(2130, -2) },
    { n: "humidity", u: "%RH", v: decimal(4512, -2) },
  ],
  gap: 2,
  fleet: { registry: new Uint8Array(20).fill(0x5e), chain: "eip155:1337" },
};

test("the payload of the example is what the code writes and reads", () => {
  const payload = block("payload");
  assert.is(toHex(payload), toHex(encodeRecord(RECORD)));
  assert.equal(decodeRecord(payload), RECORD);
  assert.ok(DOCUMENT.includes(`Payload, ${payload.length} bytes:`));
  assert.ok(DOCUMENT.includes(`the address \`${toHex(MOTE.address)}\``));
});

test("the status of the example is what the code writes, at the end of its payload", () => {
  const { number, hash } = RECORD.head;
  const payload = toHex(encodeRecord({ ...RECORD, measurements: [], status: { status: 5, block: number, hash } }));
  const status = toHex(block("status"));
  assert.is(payload.slice(-status.length), status);
  assert.is(payload.slice(2, 6), "0009");
});

test("its digest, message and receipt are what the code makes, and hold", () => {
  const payload = block("payload");
  const digest = digestOf(nobleEngine, MOTE.address, payload);
  assert.is(toHex(block("digest")), toHex(digest));
  const message = block("message", toHex(payload));
  assert.is(toHex(message), toHex(signed(MOTE, payload)));
  assert.ok(DOCUMENT.includes(`Message, ${message.length} bytes;`));
  assert.not.instance(verifySign1(nobleEngine, message), Rejection);
  const receipt = block("receipt");
  const fields = { seq: 1, digest, mote: MOTE.address, stream: 0 };
  assert.is(toHex(receipt), toHex(signed(COLLECTOR, encodeReceipt(fields))));
  const verified = verifySign1(nobleEngine, receipt);
  assert.equal(verified instanceof Rejection ? verified : decodeReceipt(verified.payload), fields);
});

test("its enrolment is what the code makes, and its types are the code's", () => {
  const fields = { counter: 1, enroller: new Uint8Array(20).fill(0xe0), expiryBlock: 5_000, fleet: RECORD.fleet };
  assert.is(toHex(block("enrolment")), toHex(signed(MOTE, encodeEnrolment(fields))));
  const rows = [...DOCUMENT.matchAll(/^\| (\d) \| (\w+) \| (?:the|an?) [^|]*\| (?:yes|no) \|/gm)].map(([, type, name]) => [
    Number(type),
    name,
  ]);
  assert.equal(rows, [
    [PAYLOAD_TYPE_RECORD, "record"],
    [PAYLOAD_TYPE_RECEIPT, "receipt"],
    [PAYLOAD_TYPE_REFUSAL, "refusal"],
    [PAYLOAD_TYPE_ENROLMENT, "enrolment"],
    [PAYLOAD_TYPE_VOUCHER, "voucher"],
    [PAYLOAD_TYPE_ROTATION, "rotation"],
    [PAYLOAD_TYPE_COMMAND, "command"],
    [PAYLOAD_TYPE_ANSWER, "answer"],
    [9, "status"],
  ]);
});

test("its answer is what the code makes", () => {
  const { stream, boot, fleet } = RECORD;
  const prev = digestOf(nobleEngine, MOTE.address, block("payload"));
  const answer = {
    commander: testKey("a commander in the documentation").address,
    counter: 1,
    outcome: 0,
    reason: 0,
    skipped: 0,
  };
  const fields = { stream, seq: 2, prev, boot, time: 0, timeQuality: TIME_NONE, measurements: [], fleet, answer };
  assert.is(toHex(block("answer")), toHex(encodeRecord(fields)));
  assert.equal(decodeRecord(block("answer")), fields);
});

test("its refusal is what the code makes, and its reasons are the code's", () => {
  const message = nobleEngine.sha256(block("message", toHex(block("payload"))));
  const fields = { seq: 1, message, mote: MOTE.address, stream: 0, reason: REFUSED.fleet };
  assert.is(toHex(block("refusal")), toHex(signed(COLLECTOR, encodeRefusal(fields))));
  const verified = verifySign1(nobleEngine, block("refusal"));
  assert.equal(verified instanceof Rejection ? verified : decodeRefusal(verified.payload), fields);
  const rows = [...DOCUMENT.matchAll(/^\| (\d) \| (fleet|form|version|signature|address) \| [a-z]/gm)];
  assert.equal(Object.fromEntries(rows.map(([, number, name]) => [name, Number(number)])), { ...REFUSED });
});

test("its limits are those of the code", () => {
  const limits: Record<string, number> = {
    RECORD_PAYLOAD_BYTES_MAX,
    SIGN1_BYTES_MAX,
    SENML_ENTRIES_MAX,
    SENML_NAME_BYTES_MAX,
    SENML_UNIT_BYTES_MAX,
    DECIMAL_EXPONENT_MAX,
    TREE_SIZE_MAX,
    TREE_PATH_MAX,
  };
  const rows = [...DOCUMENT.matchAll(/^\| `([A-Z0-9_]+)` \| (\d+) \|/gm)].map(([, name, value]) => [name, Number(value)]);
  assert.equal(Object.fromEntries(rows), limits);
});

test("every code that the codec and the formats can answer is in the document", () => {
  const sources = [
    "codec/cbor-decode.ts",
    "record/cose.ts",
    "record/payload.ts",
    "record/senml.ts",
    "record/record.ts",
    "record/receipt.ts",
  ];
  const codes = new Set<string>();
  for (const source of sources) {
    const text = readFileSync(new URL(`../../../firmware/${source}`, import.meta.url), "utf8").replace(/^\s*\/\/.*$/gm, "");
    for (const [, code] of text.matchAll(/"((?:cbor|cose|payload|senml|signature)-[a-z0-9-]+)"/g)) codes.add(code as string);
  }
  assert.ok(codes.size >= 15, [...codes].join(" "));
  assert.equal(
    [...codes].filter((code) => !DOCUMENT.includes(`\`${code}\``)),
    [],
  );
});

test("every test file that it names is there", () => {
  for (const [, path] of DOCUMENT.matchAll(/`(test\/[\w/.-]+\.ts)`/g)) {
    const folder = new URL(`../../../${(path as string).replace(/[^/]+$/, "")}`, import.meta.url);
    assert.ok(readdirSync(folder).includes((path as string).split("/").at(-1) as string), path);
  }
});

test.run();
