// docs/grafana.json over a store: each panel and each variable is a statement that PostgreSQL takes, as Grafana hands it over, and gives what the
// panel shows. docs/schema.md over the same: the columns that it names are those that are there.

import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { decimal } from "../../../firmware/record/decimal.js";
import type { Database, Row } from "../../../tools/collector/database.js";
import { checkRecord } from "../../../tools/collector/intake.js";
import { HEAD_KNOWN } from "../../../tools/collector/schema.js";
import type { CheckedRecord, RecordStore } from "../../../tools/collector/store.js";
import { engine } from "../../../tools/crypto/engine.js";
import { valuesOf } from "../../../tools/exports/values.js";
import { TestMote, type TestRecord } from "./records.js";

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly rawSql: string }[];
}

/** Grafana's macros of its PostgreSQL data source, and its variables, as it writes them out. */
function written(sql: string, variables: Readonly<Record<string, readonly string[]>>): string {
  const plain = sql
    .replace(/\$__timeFilter\((\w+)\)/g, "$1 BETWEEN '1971-01-01T00:00:00Z' AND '2100-01-01T00:00:00Z'")
    .replace(/\$__timeGroupAlias\((\w+), \$__interval\)/g, 'floor(extract(epoch from $1)/60)*60 AS "time"')
    .replace(/\$\{(\w+):sqlstring\}/g, (_, name: string) =>
      (variables[name] ?? []).map((value) => `'${value.replaceAll("'", "''")}'`).join(","),
    );
  assert.not.match(plain, /\$/, "nothing is left of Grafana's own");
  return plain;
}

export async function panelsHold(database: Database, store: RecordStore): Promise<void> {
  const read = (path: string): string => readFileSync(new URL(`../../../docs/${path}`, import.meta.url), "utf8");
  const [mote, liar] = [new TestMote(), new TestMote()];
  const head = { chain: "eip155:31337", number: 777, hash: new Uint8Array(32).fill(0x77) };
  const pack = [
    { n: "x", u: "it's", v: decimal(2130, -2) },
    { n: "y", v: 2n ** 63n, t: -5 },
    { n: "z", v: 1, t: 9_007_199_254_740_991n },
  ];
  const records = [mote.next({ head, measurements: pack }), mote.next({ head, time: 0, timeQuality: 0 })] as [
    TestRecord,
    TestRecord,
  ];
  const twins = [liar.next({ head }), liar.make({ seq: 0, prev: new Uint8Array(32), time: 1_900_000_000, head })];
  await store.add([...records, ...twins].map(({ sign1 }) => checkRecord(engine, sign1) as CheckedRecord));
  await store.verdicts.note(head, { state: HEAD_KNOWN, settled: true, due: 0 });
  // Records of other tests are signed by nobody, which what shows values refuses: not these.
  await database.query("UPDATE records SET measured = true WHERE head_number <> 777 OR head_number IS NULL");
  while ((await store.shown.measure(3, valuesOf)) > 0);
  const address = `0x${toHex(mote.address)}`;
  const values = await database.query("SELECT * FROM mote_values WHERE mote = $1 ORDER BY seq, name", [address]);
  assert.equal(
    values.map(({ name, value, unit, time, verified, bounded, anchored, digest }) => [
      ...[name, String(value), unit, time === null ? null : (time as Date).toISOString()],
      ...[verified, bounded, anchored, digest],
    ]),
    [
      ["x", "21.30", "it's", "2027-01-15T08:00:00.000Z", true, true, false, toHex(records[0].digest)],
      ["y", "9223372036854775808", null, "2027-01-15T07:59:55.000Z", true, true, false, toHex(records[0].digest)],
      ["z", "1", null, null, true, true, false, toHex(records[0].digest)],
      ["mote/humidity", "45.5", "%RH", null, true, true, false, toHex(records[1].digest)],
      ["mote/temperature", "21.31", "Cel", null, true, true, false, toHex(records[1].digest)],
    ],
  );
  const unsure = await database.query("SELECT DISTINCT verified FROM mote_values WHERE mote = $1", [`0x${toHex(liar.address)}`]);
  assert.equal(unsure, [{ verified: false }], "contradicted");
  const { panels, templating } = JSON.parse(read("grafana.json")) as {
    panels: Panel[];
    templating: { list: { name: string; type: string; query: string }[] };
  };
  const variables: Record<string, string[]> = {};
  for (const { name, type, query } of templating.list) {
    if (type !== "query") continue;
    const rows = await database.query(written(query, {}));
    variables[name] = rows.map((row) => String(Object.values(row)[0]));
  }
  assert.ok(variables.mote?.includes(address) && variables.name?.includes("x"));
  const shown = new Map<string, readonly Row[]>();
  for (const { title, targets } of panels)
    for (const { rawSql } of targets)
      shown.set(title, await database.query(written(rawSql, { ...variables, mote: [address, "it's"] })));
  assert.is(shown.size, 11);
  const valuesShown = shown.get("Values") ?? [];
  assert.equal(
    valuesShown.map(({ metric, value }) => [metric, String(value)]),
    [
      [`y ${address.slice(0, 6)}`, "9223372036854775808"],
      [`x ${address.slice(0, 6)}`, "21.30"],
    ],
  );
  assert.equal(
    shown.get("Newest record of each mote")?.map((row) => [row.mote, Number(row.seq), row.head_state, row.verified]),
    [[address, 1, "known", true]],
  );
  assert.ok(shown.get("Contradictions")?.some((row) => row.mote === `0x${toHex(liar.address)}`));
  for (const view of ["mote_records", "mote_values", "measurements", "evidence", "quarantines"]) {
    const columns = await database.query(
      "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND table_schema = current_schema()",
      [view],
    );
    const section =
      read("schema.md")
        .split(/^## /m)
        .find((part) => part.startsWith(`\`${view}\``)) ?? "";
    const said = [...section.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(([, cells]) =>
      (cells as string).split(", ").map((cell) => cell.replaceAll("`", "")),
    );
    assert.equal(said.sort(), columns.map((row) => String(row.column_name)).sort(), `docs/schema.md, ${view}`);
  }
}
