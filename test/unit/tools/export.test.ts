// The values of a store for other people's tools: plain numbers that two SenML libraries and DuckDB read as they were signed, each with its
// digest and how far it can be believed; hostile units; a pack, a table and lines of any length at once.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { decimal } from "../../../firmware/record/decimal.js";
import { main } from "../../../tools/cli.js";
import { openPglite } from "../../../tools/collector/database.js";
import { checkRecord } from "../../../tools/collector/intake.js";
import { HEAD_KNOWN } from "../../../tools/collector/schema.js";
import { type CheckedRecord, RecordStore } from "../../../tools/collector/store.js";
import { engine } from "../../../tools/crypto/engine.js";
import { formatWriter } from "../../../tools/exports/formats.js";
import { valuesOf } from "../../../tools/exports/values.js";
import { pythonWith } from "../../python.js";
import { TestMote, type TestRecord } from "./records.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-export-"));
const data = join(folder, "data");
test.after(() => rmSync(folder, { recursive: true, force: true }));

const [trusted, liar, clockless] = [new TestMote(), new TestMote(), new TestMote()];
const START_S = 1_800_000_000;
const HOSTILE = ['=1+1|",x', "@a,b", "+", "-2'", "'q"];
/** Verified and anchored, verified, of a head that nobody has judged. */
const records = [
  trusted.next(),
  trusted.next({ measurements: HOSTILE.map((u, i) => ({ n: `h${i}`, u, v: decimal(-25 - i, -1) })) }),
  trusted.next({ head: { chain: "eip155:31337", number: 9, hash: new Uint8Array(32).fill(9) } }),
] as [TestRecord, TestRecord, TestRecord];
/** Two payloads for one place: whoever signed both is believed in neither's place. */
const twins = [liar.next(), liar.make({ seq: 0, prev: new Uint8Array(32), time: 1_900_000_000 })] as [TestRecord, TestRecord];
const timeless = clockless.next({ time: 0, timeQuality: 0 });

test.before(async () => {
  const database = await openPglite(join(data, "records"));
  const store = await RecordStore.open(database);
  const all = [...records, ...twins, timeless].map(({ sign1 }) => checkRecord(engine, sign1) as CheckedRecord);
  await store.add(all);
  await store.verdicts.note(records[0].fields.head as never, { state: HEAD_KNOWN, settled: true, due: 0 });
  await database.query("INSERT INTO anchor_leaves (leaf, digest) VALUES (0, $1), (1, $2)", [
    records[0].digest,
    records[1].digest,
  ]);
  await database.query("INSERT INTO anchor_batches (size, told) VALUES (1, true), (2, false)");
  await database.query("UPDATE records SET anchor_leaf = CASE WHEN digest = $1 THEN 0 ELSE 1 END WHERE digest IN ($1, $2)", [
    records[0].digest,
    records[1].digest,
  ]);
  await store.close();
});

async function exported(...words: string[]): Promise<{ code: number; lines: string[]; err: string }> {
  const lines: string[] = [];
  const err: string[] = [];
  const output = { line: (text = "") => void lines.push(text), error: (text: string) => void err.push(text) };
  const all = ["export", "--data", data, ...words];
  const code = await main(all, { ...output, style: (_: string, text: string) => text });
  return { code, lines, err: err.join("\n") };
}
const objects = (lines: readonly string[]): Record<string, unknown>[] => lines.map((line) => JSON.parse(line));

test("only verified values come out, each with its digest, what bounds it, and whether it is anchored", async () => {
  const { code, lines, err } = await exported("--format", "jsonl");
  assert.is(code, 0);
  assert.match(err, /9 values of 3 records/);
  const values = objects(lines);
  const mote = `0x${toHex(trusted.address)}`;
  assert.equal(
    values.find(({ name, digest }) => name === "mote/temperature" && digest === toHex(records[0].digest)),
    {
      ...{ time: "2027-01-15T08:00:00Z", time_s: START_S, mote, name: "mote/temperature", value: 21.3, unit: "Cel" },
      ...{ verified: true, bounded: true, anchored: true, after_block: 7, chain: "eip155:31337", time_quality: "bounded" },
      ...{ stream: 0, seq: 0, digest: toHex(records[0].digest) },
    },
  );
  assert.ok(
    lines.some((line) => line.includes('"value":21.30,')),
    "the digits that were signed",
  );
  const second = values.filter(({ digest }) => digest === toHex(records[1].digest));
  assert.equal(
    second.map(({ anchored, unit }) => [anchored, unit]),
    HOSTILE.map((unit) => [false, unit]),
  );
  assert.equal(
    new Set(values.map(({ digest }) => digest)),
    new Set([records[0], records[1], timeless].map(({ digest }) => toHex(digest))),
  );
});

test("with --all come those besides that are not, and say so", async () => {
  const values = objects((await exported("--format", "jsonl", "--all")).lines);
  const of = ({ digest }: TestRecord) => values.find((value) => value.digest === toHex(digest));
  const flags = ({ verified, bounded, after_block }: Record<string, unknown> = {}) => [verified, bounded, after_block];
  assert.equal(flags(of(records[2])), [false, false, null], "its head was not judged");
  for (const twin of twins) assert.equal(flags(of(twin)), [false, true, 7], "contradicted");
  assert.equal([of(timeless)?.time, of(timeless)?.time_s, of(timeless)?.time_quality], [null, null, "none"]);
});

test("--since, --until and --mote choose by the record's own time, and a mistake is one clear line", async () => {
  const digests = async (...words: string[]): Promise<unknown[]> => [
    ...new Set(objects((await exported("--format", "jsonl", ...words)).lines).map(({ digest }) => digest)),
  ];
  const mote = ["--mote", `0x${toHex(trusted.address)}`];
  assert.equal(await digests("--since", "2027-01-15T08:00:01Z", ...mote), [toHex(records[1].digest)]);
  assert.equal(await digests("--until", "2027-01-15T09:00:01+01:00", ...mote), [toHex(records[0].digest)]);
  assert.equal(await digests("--since", "1h", "--mote", `0x${toHex(clockless.address)}`), [toHex(timeless.digest)], "as it came");
  for (const words of [
    ["--since", "yesterday"],
    ["--since", "2027-13-45"],
    ["--format", "xml"],
    ["--mote", "0x12"],
  ]) {
    const { code, lines } = await exported("--format", "csv", ...words);
    assert.equal([code, lines], [2, []], words.join(" "));
  }
  assert.is((await exported("--help")).lines[0]?.startsWith("chainmote export"), true);
});

test("a file appears whole or not at all, and nothing is left beside it", async () => {
  const path = join(folder, "out", "values.csv");
  assert.is((await exported("--format", "csv", "--out", path)).code, 0);
  assert.equal(readFileSync(path, "utf8").split("\n").slice(0, -1), (await exported("--format", "csv")).lines);
  assert.equal(readdirSync(join(folder, "out")), ["values.csv"]);
  const { code, err } = await exported("--format", "csv", "--out", join(path, "below"));
  assert.is(code, 1);
  assert.match(err, /below: /);
});

const senml = pythonWith("senml", "kpn_senml");
const onSenml = senml === undefined ? test.skip : test;
onSenml("two SenML libraries read the pack: the same names and numbers, and times", async () => {
  const path = join(folder, "pack.json");
  const { lines, err } = await exported("--format", "senml");
  assert.match(err, /7 values of 3 records; 2 left out, whose records do not tell their time/);
  writeFileSync(path, lines.join("\n"));
  const program = `
import json, sys
from senml import senml
from kpn_senml import SenmlPack
text = open(sys.argv[1]).read()
one = senml.SenMLDocument.from_json(json.loads(text))
two = SenmlPack("all")
two.from_json(text)
print(json.dumps([[m.name, m.value, m.time, m.unit] for m in one.measurements]))
print(json.dumps([[r.name, r.value] for r in two._data]))`;
  const result = senml?.("-c", program, path);
  assert.is(result?.status, 0, result?.stderr);
  const [one, two] = (result?.stdout ?? "")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as [string, number, number, string][]);
  const expected = [
    ...["mote/temperature", "mote/humidity"].map((name, i) => [name, [21.3, 45.5][i], START_S]),
    ...HOSTILE.map((_, i) => [`h${i}`, (-25 - i) / 10, START_S + 1]),
  ].map(([name, ...rest]) => [`0x${toHex(trusted.address)}/${name}`, ...rest]);
  assert.equal(
    one?.map((entry) => entry.slice(0, 3)),
    expected,
  );
  // Of what others send it, the second one reads names and values alone.
  assert.equal(
    two,
    expected.map((entry) => entry.slice(0, 2)),
  );
  assert.is(one?.[0]?.[3], "Cel");
  for (const entry of JSON.parse(lines.join("")) as Record<string, unknown>[])
    assert.equal([/^[0-9a-f]{64}$/.test(String(entry.digest)), entry.verified, typeof entry.anchored], [true, true, "boolean"]);
});

const duckdb = pythonWith("duckdb");
const onDuckdb = duckdb === undefined ? test.skip : test;
onDuckdb("DuckDB reads the table: numbers as numbers, truth as truth, and no cell that a spreadsheet would run", async () => {
  const path = join(folder, "values.csv");
  const { lines } = await exported("--format", "csv", "--all", "--out", path);
  assert.equal(lines, []);
  const program = `
import duckdb, json, sys
rows = duckdb.sql(f"SELECT * FROM read_csv('{sys.argv[1]}', quote='\\"', escape='\\"', header=true)")
print(json.dumps(dict(zip(rows.columns, map(str, rows.types)))))
print(json.dumps([list(row) for row in rows.project("name, value, unit, verified, anchored, digest").fetchall()]))`;
  const result = duckdb?.("-c", program, path);
  assert.is(result?.status, 0, result?.stderr);
  const [types, rows] = (result?.stdout ?? "")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(
    [types.value, types.verified, types.time_s, types.after_block, types.seq],
    ["DOUBLE", "BOOLEAN", "BIGINT", "BIGINT", "BIGINT"],
  );
  const of = ({ digest }: TestRecord) => rows.filter((row: unknown[]) => row[5] === toHex(digest));
  assert.equal(of(records[0])[0], ["mote/temperature", 21.3, "Cel", true, true, toHex(records[0].digest)]);
  assert.equal(
    of(records[1]).map((row: unknown[]) => row[2]),
    HOSTILE.map((unit) => (/^[=@+'-]/.test(unit) ? `'${unit}` : unit)),
  );
  assert.is(rows.length, 15);
});

test("whatever a unit is, a line of CSV has its cells and none that begins as a formula does, and JSON lines and SenML give it back", () => {
  const unit = fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 16,
  });
  fc.assert(
    fc.property(
      unit,
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
      fc.integer({ min: -18, max: 18 }),
      (u, digits, exponent) => {
        const { fields, digest } = trusted.make({ measurements: [{ n: "x", u, v: decimal(digits, exponent) }] });
        const shown = { mote: `0x${toHex(trusted.address)}`, digest: toHex(digest), fields };
        const record = { ...shown, verified: true, bounded: true, settled: true, anchored: false };
        const [value] = valuesOf(record);
        assert.ok(value);
        const cells = parseCsv(formatWriter("csv").line(value, record) as string);
        assert.is(cells.length, 15);
        assert.not.ok(
          cells.some((cell, i) => i !== 4 && /^[=+\-@]/.test(cell)),
          cells.join("|"),
        );
        assert.is(Number(cells[4]), Number(`${digits}e${exponent}`));
        assert.is(cells[5]?.replace(/^'/, ""), u);
        const json = JSON.parse(formatWriter("jsonl").line(value, record) as string);
        assert.equal([json.unit, json.value], [u, Number(`${digits}e${exponent}`)]);
        const pack = formatWriter("senml");
        assert.is(JSON.parse([pack.line(value, record), ...pack.end()].join(""))[0].u, u);
      },
    ),
    { numRuns: 60, examples: [["'=x", 1n, 0]] },
  );
});

/** One line as RFC 4180 has it. */
function parseCsv(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "",
  );
}

test.run();
