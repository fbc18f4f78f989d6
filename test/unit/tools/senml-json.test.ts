// SenML in JSON out of records: plain numbers with the digits that were signed, every entry by itself, verified ones alone.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decimal, numericText } from "../../../firmware/record/decimal.js";
import type { Pack } from "../../../firmware/record/senml.js";
import { main } from "../../../tools/cli.js";
import { senmlEntries } from "../../../tools/verify/senml-json.js";
import { TestMote } from "./records.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-senml-"));
test.after(() => rmSync(folder, { recursive: true }));

async function run(...words: string[]): Promise<{ code: number; out: string; err: string[] }> {
  const lines: string[] = [];
  const err: string[] = [];
  const output = { line: (text = "") => void lines.push(text), error: (text: string) => void err.push(text) };
  const code = await main(words, { ...output, style: (_: string, text: string) => text });
  return { code, out: lines.join("\n"), err };
}

function file(...records: readonly { sign1: Uint8Array }[]): string {
  const path = join(folder, "records");
  writeFileSync(path, Buffer.concat(records.map(({ sign1 }) => sign1)));
  return path;
}

test("one pack of all records, resolved, in the digits that were signed", async () => {
  const mote = new TestMote();
  const pack: Pack = [
    { bn: "a/", bt: 1_800_000_000, bu: "V", bv: decimal(100, -2), n: "x", v: decimal(30, -2), t: decimal(5, -1) },
    { n: "y", u: "Cel", v: -7, t: -1 },
    { bn: "b:", bv: 0, n: "z", v: decimal(12, 3) },
  ];
  const path = file(mote.next(), mote.next({ measurements: pack }));
  for (const verb of ["verify", "inspect"]) {
    const { code, out } = await run(verb, path, "--senml");
    assert.is(code, 0);
    assert.is(
      out,
      [
        '[{"n":"mote/temperature","u":"Cel","v":21.30,"t":1800000000}',
        ',{"n":"mote/humidity","u":"%RH","v":45.5,"t":1800000000}',
        ',{"n":"a/x","u":"V","v":1.30,"t":1800000000.5}',
        ',{"n":"a/y","u":"Cel","v":-6.00,"t":1799999999}',
        ',{"n":"b:z","u":"V","v":12000,"t":1800000000}',
        "]",
      ].join("\n"),
    );
    assert.is((JSON.parse(out) as unknown[]).length, 5);
  }
  assert.is((JSON.parse((await run("inspect", path, "--senml", "--record", "2")).out) as unknown[]).length, 3);
  assert.is((await run("verify", path, "--senml", "--json")).code, 2);
});

test("any number is JSON, and the same number", () => {
  const mote = new TestMote();
  const mantissa = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  fc.assert(
    fc.property(mantissa, fc.integer({ min: -18, max: 18 }), (digits, exponent) => {
      const v = decimal(digits, exponent);
      const { entries } = senmlEntries(mote.make({ measurements: [{ n: "x", v }] }).fields);
      const told = (JSON.parse(entries[0] as string) as { v: number }).v;
      assert.is(told, Number(`${digits}e${exponent}`));
      assert.ok((entries[0] as string).includes(`"v":${numericText(v)},`));
    }),
    { numRuns: 40 },
  );
});

test("verify prints what holds and nothing else; inspect prints all, and says what does not", async () => {
  const mote = new TestMote();
  const good = mote.next();
  const bent = mote.next();
  bent.sign1[120] = (bent.sign1[120] as number) ^ 1;
  const path = file(good, good, bent);
  const verified = await run("verify", path, "--senml");
  assert.is(verified.code, 1);
  assert.is((JSON.parse(verified.out) as unknown[]).length, 2, "of one record, which is there twice");
  assert.match(verified.err.join("\n"), /FAIL .*\n *not (signature|form): .*\n3 records of 1 mote: 1 record not valid/);
  const inspected = await run("inspect", path, "--senml");
  assert.is(inspected.code, 1);
  JSON.parse(inspected.out);
  assert.match(inspected.err.join("\n"), /record 3/);
  // One whose signature holds, and that contradicts another: whoever signed both can be believed in neither's place.
  const twin = mote.make({ seq: 0, prev: good.fields.prev, time: 1_900_000_000 });
  const torn = await run("verify", file(good, twin), "--senml");
  assert.equal([torn.code, (JSON.parse(torn.out) as unknown[]).length], [1, 2]);
  const only = await run("verify", file(bent), "--senml");
  assert.equal([only.code, only.out], [1, "[]"]);
});

test("a value without a time is left out and told, since SenML would take it for now; so are names of several motes", async () => {
  const path = file(new TestMote().next({ time: 0, timeQuality: 0 }), new TestMote().next(), new TestMote().next());
  const { code, out, err } = await run("verify", path, "--senml", "--quiet");
  assert.is(code, 0);
  assert.is((JSON.parse(out) as unknown[]).length, 4);
  assert.match(err[0] ?? "", /record 1 does not tell its time: 2 of its values left out/);
  assert.ok(
    err.some((line) => /values of 3 motes, whose names may be alike/.test(line)),
    err.join("\n"),
  );
});

test.run();
