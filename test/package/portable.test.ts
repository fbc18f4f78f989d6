// `chainmote/verify` where there is nothing of Node and nothing of a browser either: bundled without any built-in module, and run in a
// realm that has ECMAScript's own globals alone.

import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, toHex } from "../../firmware/bytes.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import { encodeReceipt, encodeRefusal, REFUSED } from "../../firmware/record/receipt.js";
import { TestMote } from "../unit/tools/records.js";
import { root } from "./packed.js";

const bundle = await build({
  entryPoints: [join(root, "tools/verify/index.ts")],
  ...{ bundle: true, write: false, format: "iife", globalName: "chainmote", logLevel: "silent" },
  // A module of Node's would be an error of the bundler.
  platform: "browser",
});
const realm = createContext(Object.create(null));
runInContext(bundle.outputFiles[0]?.text ?? "", realm);

/** @param code an expression over `chainmote` and `bytes` */
function inRealm(code: string, bytes: Uint8Array): unknown {
  const text = runInContext(`{ const bytes = chainmote.fromHex("${toHex(bytes)}"); JSON.stringify(${code}); }`, realm) as string;
  return JSON.parse(text);
}

const mote = new TestMote();

test("a sequence: what holds, what is broken, evidence, and its file", () => {
  const [a, b] = [mote.next(), mote.next()];
  const rival = mote.make({ seq: b.fields.seq, prev: a.digest, boot: 2 });
  const spoilt = mote.next().sign1.slice();
  spoilt[spoilt.length - 1] = (spoilt[spoilt.length - 1] as number) ^ 1;
  const file = concat(a.sign1, new Uint8Array(40).fill(0xd2), b.sign1, rival.sign1, spoilt);
  const found = inRealm(
    `(({ ok, hold, fail, motes, verdicts, evidence }) => ({ ok, hold, fail, motes,
      checks: verdicts.map(({ fault }) => fault?.check ?? ""), kinds: evidence.map(({ kind }) => kind),
      length: chainmote.evidenceFile(evidence).length }))(chainmote.verifySequence(bytes))`,
    file,
  );
  const length = b.sign1.length + rival.sign1.length;
  const expected = { hold: 2, fail: 3, motes: 1, checks: ["", "form", "", "seq", "signature"], kinds: ["equivocation"], length };
  assert.equal(found, { ok: false, ...expected });
});

test("one record, its values by themselves; what is none is a Rejection", () => {
  const record = mote.next();
  const code = `(({ mote, digest, fields, measurements }) => ({ mote, digest, seq: fields.seq,
    values: measurements.map(({ name, unit, value }) => name + " " + chainmote.numericText(value) + " " + unit) }))`;
  const found = inRealm(`${code}(chainmote.verifyRecord(bytes))`, record.sign1) as { readonly values: readonly string[] };
  const { seq } = record.fields;
  assert.equal(found, {
    ...{ mote: `0x${toHex(mote.address)}`, digest: toHex(record.digest), seq },
    values: [`mote/temperature ${(21.3 + seq / 100).toFixed(2)} Cel`, "mote/humidity 45.5 %RH"],
  });
  assert.equal(inRealm("chainmote.verifyRecord(bytes) instanceof chainmote.Rejection", record.sign1.subarray(1)), true);
});

test("a receipt and a refusal count by the collector's key alone", () => {
  const { sign1, digest, fields } = mote.next();
  const collector = new TestMote();
  const signed = (payload: Uint8Array): Uint8Array =>
    encodeSign1(collector.address, payload, collector.sign(digestOf(nobleEngine, collector.address, payload)));
  const place = { seq: fields.seq, stream: fields.stream, mote: mote.address };
  const by = (address: Uint8Array): string =>
    `((it) => [it.kind ?? it.code, it.reason ?? "", it.fields?.seq ?? 0])(chainmote.verifyReceipt(bytes, chainmote.fromHex("${toHex(address)}")))`;
  assert.equal(inRealm(by(collector.address), signed(encodeReceipt({ ...place, digest }))), ["receipt", "", fields.seq]);
  const refusal = encodeRefusal({ ...place, message: nobleEngine.sha256(sign1), reason: REFUSED.fleet });
  assert.equal(inRealm(by(collector.address), signed(refusal)), ["refusal", "fleet", fields.seq]);
  assert.equal(inRealm(by(mote.address), signed(encodeReceipt({ ...place, digest }))), ["collector-foreign", "", 0]);
});

test.run();
