// A configuration as it comes from outside: whatever would cost the engine's parser more than a board has is refused before it, and no refusal
// shows what it may hold.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromText } from "../../../firmware/bytes.js";
import { DOCUMENT_BYTES_MAX, isWifiAlone, laidOver, readDocument } from "../../../firmware/provision/document.js";
import { Rejection } from "../../../firmware/rejection.js";

const read = (text: string) => readDocument(fromText(text));
const code = (text: string): string | undefined => {
  const found = read(text);
  return found instanceof Rejection ? found.code : undefined;
};

test("any JSON object within its bounds is read as it is", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 6 }), { maxKeys: 8 }), (value) => {
      const text = JSON.stringify(value);
      const found = readDocument(new TextEncoder().encode(text));
      if (!(found instanceof Rejection)) assert.equal(found, JSON.parse(text));
    }),
  );
  assert.equal(read('{ "wifi": { "ssid": "ü\\"]}{[" } }'), { wifi: { ssid: 'ü"]}{[' } });
});

test("what would be deep, or many, is refused before it is parsed", () => {
  assert.is(code(`{"a":${"[".repeat(4000)}${"]".repeat(4000)}}`), "document-malformed");
  assert.is(code(`{"a":[${"0,".repeat(5000)}0]}`), "document-malformed");
  assert.is(code(`{"a":[${Array.from({ length: 2000 }, () => "{}").join()}]}`), "document-malformed");
  assert.is(code(" ".repeat(DOCUMENT_BYTES_MAX + 1)), "document-too-long");
  assert.is(code(`{"a":[${"0,".repeat(250)}0]}`), undefined, "as many as a checkpoint has");
  assert.is(code(`{"a":"${"[".repeat(4000)}"}`), undefined, "what stands in a text nests nothing");
});

test("what is no object of JSON is refused, and whatever it holds is not shown", () => {
  for (const text of [
    "",
    "{",
    "null",
    "[]",
    "5",
    '"secret"',
    '{"wifi":{"password":"secret"',
    '{"password":"secret",}',
    "secret",
  ]) {
    const found = read(text);
    assert.ok(found instanceof Rejection && found.code === "document-malformed", text);
    assert.not.match((found as Rejection).detail, /secret/);
  }
  const bytes = readDocument(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d));
  assert.ok(bytes instanceof Rejection);
});

test("random bytes never throw", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void readDocument(bytes)));
});

test("sections of the kept one stand in place of the image's, whole", () => {
  const image = { mqtt: { host: "a", port: 5 }, ntp: 1 };
  assert.equal(laidOver(image, { mqtt: { host: "b" } }), { mqtt: { host: "b" }, ntp: 1 });
  assert.is(laidOver(image, undefined), image);
  assert.equal(laidOver(undefined, { a: 1 }), { a: 1 });
  assert.ok(isWifiAlone({ wifi: {} }));
  assert.not(isWifiAlone({ wifi: {}, mqtt: {} }));
  assert.not(isWifiAlone({}));
});

test.run();
