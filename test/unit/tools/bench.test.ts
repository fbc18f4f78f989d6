// The benchmarks' report and ratchet: what is printed can be read back, and each limit can fail.

import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { energyOf, RECORD_INSTRUCTIONS, SIGN_INSTRUCTIONS } from "../../../tools/bench/energy.js";
import { growth, LEDGER_SHARE } from "../../../tools/bench/guest.js";
import { faultsOf, GROWTH_MAX, incomparable, LIMITS, readRatchet } from "../../../tools/bench/ratchet.js";
import { type BenchReport, type BenchResult, printReport, readReport } from "../../../tools/bench/report.js";
import { main } from "../../../tools/cli.js";
import type { RuntimeSample } from "../../bench/runtime-world.js";

const NAMES = [
  ..."keygen sign verify recover sha256d-80 keccak-540 cbor-encode cbor-decode record".split(" "),
  ..."header-clique header-ibft2 header-qbft header-bitcoin proof-storage-8 transaction anchor-receipt command".split(" "),
  ..."runtime runtime-ibft runtime-ibft2 runtime-qbft runtime-bitcoin runtime-ledger".split(" "),
];
const ratchet = await readRatchet();

function changed(name: string, change: Partial<BenchResult>): BenchReport {
  return { ...ratchet, results: ratchet.results.map((one) => (one.name === name ? { ...one, ...change } : one)) };
}

async function outputOf(words: readonly string[]): Promise<{ code: number; lines: string[]; errors: string[] }> {
  const lines: string[] = [];
  const errors: string[] = [];
  const output = {
    line: (text = "") => void lines.push(text),
    error: (text: string) => void errors.push(text),
    style: (_: unknown, text: string) => text,
  };
  return { code: await main(["bench", ...words], output), lines, errors };
}

test("the ratchet's file names compiler and flags, has every case, and holds against its own limits", () => {
  assert.equal(
    NAMES.filter((name) => !ratchet.results.some((one) => one.name === name)),
    [],
  );
  assert.is(ratchet.target, "rv32");
  assert.match(ratchet.compiler, /^riscv64-unknown-elf-gcc /);
  assert.match(ratchet.flags, /-march=rv32imc .*-Os/);
  assert.equal(faultsOf(ratchet, ratchet), []);
  for (const { name, records = 0, headers = 0 } of ratchet.results)
    if (name.startsWith("runtime")) {
      const least = name === "runtime-ledger" ? 10_000 / LEDGER_SHARE : 10_000;
      assert.ok(records >= least && headers >= least, name);
    }
});

test("README and docs/ledger.md say what the cases take, as the ratchet's file has it", () => {
  const millions = (name: string): string =>
    ((ratchet.results.find((one) => one.name === name)?.instructions ?? 0) / 1_000_000).toFixed(2);
  const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8").replace(/\s+/g, " ");
  const said = [...read("docs/ledger.md").matchAll(/takes? ([\d.]+) million instructions .{30,80}?`([a-z0-9-]+)`\)/g)];
  assert.equal(said.map(([, , name]) => name).sort(), ["anchor-receipt", "command", "proof-storage-8", "transaction"]);
  for (const [, count, name] of said) assert.is(count, millions(name as string), name);
  const readme = read("README.md");
  for (const [last, ...names] of [
    ["from JavaScript", "sign", "verify", "recover"],
    ["append to the journal", "record"],
    ["in a batch", "header-clique", "header-ibft2", "header-qbft", "header-bitcoin"],
    ["a transaction", "proof-storage-8", "command", "anchor-receipt", "transaction"],
    ["with one header", "cycle"],
  ] as const) {
    const row = `${last} | ${names.map((name) => `${millions(name)} M`).join(" / ")} |`;
    assert.ok(readme.includes(row), row);
  }
});

test("every absolute limit fails one above it, and where its figure or its case is missing", () => {
  for (const [name, limits] of Object.entries(LIMITS))
    for (const [figure, limit] of Object.entries(limits)) {
      assert.equal(faultsOf(changed(name, { [figure]: limit })), []);
      assert.is(faultsOf(changed(name, { [figure]: limit + 1 })).length, 1, `${name} ${figure}`);
      const { [figure as "instructions"]: _, ...without } = ratchet.results.find((one) => one.name === name) as BenchResult;
      const others = ratchet.results.filter((one) => one.name !== name);
      assert.is(faultsOf({ ...ratchet, results: [...others, without] }).length, 1, `${name} without ${figure}`);
      assert.equal(faultsOf({ ...ratchet, results: others }), [`${name}: not measured`]);
    }
});

test("a count that grows by more than 2 % fails, one by less does not, and a case that vanished does", () => {
  const count = ratchet.results.find((one) => one.name === "cbor-encode")?.instructions as number;
  const limit = Math.floor(count * (1 + GROWTH_MAX));
  assert.equal(faultsOf(changed("cbor-encode", { instructions: limit }), ratchet), []);
  assert.match(faultsOf(changed("cbor-encode", { instructions: limit + 1 }), ratchet).join(), /^cbor-encode: .* 2\.0 % above/);
  const results = ratchet.results.filter((one) => one.name !== "cbor-encode");
  assert.equal(faultsOf({ ...ratchet, results }, ratchet), ["cbor-encode: not measured"]);
});

test("counts of another compiler, or of other flags, are not compared", () => {
  assert.is(incomparable(ratchet, ratchet), undefined);
  assert.match(incomparable({ ...ratchet, compiler: "gcc 99" }, ratchet) ?? "", /^compiler differs \(here "gcc 99"/);
  assert.match(incomparable({ ...ratchet, flags: "-O3" }, ratchet) ?? "", /^flags differs/);
});

test("a report is read back as it was printed; anything else is refused with a reason", () => {
  assert.equal(readReport(JSON.parse(JSON.stringify(ratchet))), ratchet);
  for (const [wrong, reason] of [
    [null, "no object"],
    [{ ...ratchet, engine: 1 }, '"engine"'],
    [{ ...ratchet, results: [] }, '"results"'],
    [{ ...ratchet, results: [{ name: "A b" }] }, "no name"],
    [{ ...ratchet, results: [{ name: "sign", instructions: -1 }] }, '"instructions" of sign'],
    [{ ...ratchet, results: [{ name: "sign", nsMedian: "5" }] }, '"nsMedian" of sign'],
  ] as const)
    assert.ok(String(readReport(wrong)).includes(reason), reason);
});

test("people get a table with everything that the figures depend on", () => {
  const lines: string[] = [];
  printReport(ratchet, { line: (text = "") => void lines.push(text), error: () => {}, style: (_, text) => text });
  const text = lines.join("\n");
  for (const word of [ratchet.compiler, ratchet.flags, ratchet.memory, ratchet.engine, ...NAMES])
    assert.ok(text.includes(word), word);
  assert.match(text, /sign +(1,)?\d{3},\d{3} /);
});

test("a run that grows is called so", () => {
  const sample = (records: number, more: Partial<RuntimeSample> = {}): RuntimeSample => ({
    records,
    collections: records * 12,
    takenPeakBytes: 57_000,
    liveChunkBytes: 7_000,
    liveSlotBytes: 24_000,
    stackPeakBytes: 8_000,
    nativeStackPeakBytes: 10_000,
    ...more,
  });
  const flat = [1000, 2000, 3000, 10_000].map((records) => sample(records));
  assert.is(growth(flat), undefined);
  assert.match(growth([...flat, sample(10_001, { takenPeakBytes: 57_016 })]) ?? "", /^the heap grew from 57000 bytes after 1000/);
  assert.match(growth([...flat, sample(10_001, { liveChunkBytes: 9_100 })]) ?? "", /^what is alive grew from 31000 bytes/);
});

test("a mistake in the command line is one line and an exit code of its own", async () => {
  for (const [words, reason] of [
    ["--target z80", /--target takes node, xs, rv32, not "z80"/],
    ["--target xs --records 5", /--records takes a whole number from 200/],
    ["--records 500", /--records is for --target xs and rv32/],
    ["--chains qbft", /--chains is for --target xs and rv32/],
    ["--target xs --chains clique,ethash", /--chains takes clique, ibft, ibft2, qbft, bitcoin, ledger, not "ethash"/],
    ["--target xs --chains qbft,qbft", /--chains takes each chain once/],
    ["--target rv32 --ratchet --chains qbft", /--ratchet and --accept want every chain/],
    ["--port /dev/x --target node", /name one of them/],
    ["--baud 9600", /--baud is for --port/],
    ["--crypto md5", /--crypto takes noble, fast/],
    ["--target xs --ratchet", /--ratchet and --accept are for --target rv32/],
    ["more", /unexpected word "more"/],
  ] as const) {
    const { code, lines, errors } = await outputOf(words.split(" "));
    assert.equal([code, lines, errors.length], [2, [], 1], words);
    assert.match(errors[0] ?? "", reason);
  }
  const { code, errors } = await outputOf(["--port", "/dev/none"]);
  assert.equal([code, errors], [1, ["chainmote bench: there is no port /dev/none"]]);
});

const long: typeof test | (() => void) = process.env.FULL === "1" ? test : () => undefined;
long("--verify and --fleet measure what holds, beside the reference", async () => {
  const verify = await outputOf(["--verify", "--records", "300", "--json"]);
  assert.is(verify.code, 0, verify.errors.join());
  const { of, results } = JSON.parse(verify.lines[0] ?? "") as { of: string; results: Record<string, unknown>[] };
  assert.is(of, "verify");
  assert.is(results[0]?.name, "noble");
  assert.ok(
    results.length >= 3 &&
      results.every(({ recordsPerSecond, cpuMicros }) => Number(recordsPerSecond) > 0 && Number(cpuMicros) > 0),
  );
  const fleet = await outputOf(["--fleet", "--boards", "2", "--minutes", "2"]);
  assert.is(fleet.code, 0, fleet.errors.join());
  for (const [line, name] of ["board-hours a minute", "noble", "fast engine", "link in the process", "shared"].entries())
    assert.match(fleet.lines[line] ?? "", name);
});

test("energy: every part is an estimate with its source, what is counted is the ratchet's, and the sums are of what is printed", async () => {
  const counts = (name: string): unknown => ratchet.results.find((one) => one.name === name)?.instructions;
  assert.equal([counts("record"), counts("sign")], [RECORD_INSTRUCTIONS, SIGN_INSTRUCTIONS]);
  const report = energyOf(300, 12);
  const names = report.asleep.map(({ part }) => part);
  for (const part of ["boot", "association", "DHCP", "TLS", "send", "sign", "sleep"]) assert.ok(names.includes(part), part);
  for (const parts of [report.asleep, report.awake]) {
    for (const { ms, mA, mJ, perRecord, source, part } of parts) {
      assert.ok(Math.abs(mJ - (3.3 * mA * ms * perRecord) / 1000) < 1e-9, part);
      assert.match(source, /datasheet|ESP-IDF/, part);
    }
    const seconds = parts.reduce((sum, { ms, perRecord }) => sum + ms * perRecord, 0) / 1000;
    assert.ok(Math.abs(seconds - 300) < 1e-6, `${seconds} s of 300`);
  }
  const { code, lines } = await outputOf(["--energy"]);
  assert.is(code, 0);
  assert.match(lines[0] ?? "", "estimate");
  for (const { part, mJ } of [...report.asleep, ...report.awake])
    assert.ok(
      lines.some((line) => line.startsWith(part) && line.includes(mJ.toFixed(2))),
      part,
    );
  const json = JSON.parse((await outputOf(["--energy", "--json", "--interval", "60", "--wifi-every", "1"])).lines[0] as string);
  assert.equal([json.estimate, json.intervalS, json.wifiEvery], [true, 60, 1]);
  for (const words of [
    ["--energy", "--fleet"],
    ["--interval", "60"],
    ["--energy", "--interval", "1"],
    ["--energy", "--target", "xs"],
  ])
    assert.is((await outputOf(words)).code, 2, words.join(" "));
});

test.run();
