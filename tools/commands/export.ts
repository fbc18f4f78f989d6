// chainmote export: the values of stored records, for the tools of others: SenML in JSON, CSV, JSON lines.

import { join } from "node:path";
import { writeItems } from "../collector/export.js";
import { withStoreToRead } from "../collector/opened.js";
import type { Selection, ShownRecords } from "../collector/shown.js";
import { FORMATS, type Format, formatWriter } from "../exports/formats.js";
import { valuesOf } from "../exports/values.js";
import { readWords, type Words } from "../options.js";
import { CommandError, count, type Output, plainText, plural, UsageError } from "../terminal.js";

export const usage = `chainmote export --format senml|csv|jsonl [--since TIME] [--until TIME] [--mote ADDRESS] [--all] [--out FILE] [--data DIR]

Prints the verified values of stored records as plain numbers, each with its record's digest and whether it is verified, bounded and
anchored (docs/exports.md). The records themselves, signatures and all, are written by chainmote collect --export.

  --format F      senml: one pack in JSON (RFC 8428); csv: a line a value, with a header; jsonl: an object a value
  --since TIME    from this time on: 2026-01-31, 2026-01-31T12:00:00Z, or so long ago: 90s, 15m, 24h, 7d
  --until TIME    before this time
  --mote ADDRESS  of this mote only
  --all           also what is not verified, which each value says
  --out FILE      to this file, which appears whole or not at all (default: stdout)
  --data DIR      folder of the store (default .chainmote/collector)

With DATABASE_URL set (postgres://…) records come from that server, whose collector may be running; a folder's has to end first.

Examples:
  chainmote export --format csv --since 24h --out values.csv
  chainmote export --format senml --mote 0x7e5f4552091a69125d5dfcb7b8c2659029395bdf`;

const ADDRESS_BYTES = 20;
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

export function read(words: readonly string[]): Words {
  return readWords(words, {
    format: { type: "string" },
    since: { type: "string" },
    until: { type: "string" },
    mote: { type: "string" },
    all: { type: "boolean" },
    out: { type: "string" },
    data: { type: "string" },
  });
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const format = FORMATS.find((one) => one === options.text("format"));
  if (format === undefined) throw new UsageError(`--format takes ${FORMATS.join(", ")}`);
  const nowS = Date.now() / 1000;
  const selection: Selection = {
    ...{ fromS: timeIn(options, "since", nowS), untilS: timeIn(options, "until", nowS) },
    ...{ mote: options.bytes("mote", ADDRESS_BYTES), unverified: options.has("all") },
  };
  const path = options.text("out");
  return withStoreToRead(options.text("data") ?? join(".chainmote", "collector"), async ({ shown }) => {
    const lines = new Lines(shown, selection, format);
    if (path === undefined) for await (const line of lines.all()) output.line(line);
    else
      await writeItems(path, bytesOf(lines.all())).catch((error: NodeJS.ErrnoException) => {
        throw new CommandError(`${plainText(path, 200)}: ${plainText(error.message)}`);
      });
    output.error(`chainmote export: ${lines.told()}`);
    return 0;
  });
}

class Lines {
  readonly #shown: ShownRecords;
  readonly #selection: Selection;
  readonly #format: Format;
  #values = 0;
  #records = 0;
  #timeless = 0;

  constructor(shown: ShownRecords, selection: Selection, format: Format) {
    this.#shown = shown;
    this.#selection = selection;
    this.#format = format;
  }

  async *all(): AsyncGenerator<string> {
    const writer = formatWriter(this.#format);
    yield* writer.head;
    for await (const record of this.#shown.select(this.#selection)) {
      this.#records += 1;
      for (const value of valuesOf(record)) {
        const line = writer.line(value, record);
        if (line === undefined) this.#timeless += 1;
        else {
          this.#values += 1;
          yield line;
        }
      }
    }
    yield* writer.end();
  }

  told(): string {
    const left = this.#timeless === 0 ? "" : `; ${count(this.#timeless)} left out, whose records do not tell their time`;
    return `${plural(this.#values, "value")} of ${plural(this.#records, "record")}${left}`;
  }
}

async function* bytesOf(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const line of lines) yield Buffer.from(`${line}\n`);
}

/** A time, or how long ago; in whole seconds since the Unix epoch. */
function timeIn(options: Words, name: string, nowS: number): number | undefined {
  const text = options.text(name);
  if (text === undefined) return undefined;
  const ago = /^(\d{1,9})([smhd])$/.exec(text);
  if (ago !== null) return Math.floor(nowS - Number(ago[1]) * (SECONDS[ago[2] as string] as number));
  const date = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(date))
    throw new UsageError(
      `--${name} takes a time such as 2026-01-31T12:00:00Z, or 24h for so long ago, not "${plainText(text, 40)}"`,
    );
  return Math.floor(date / 1000);
}
