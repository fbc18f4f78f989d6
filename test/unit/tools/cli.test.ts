// The command line: every mistake is one clear line on stderr and a non-zero exit, never a stack trace.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { main } from "../../../tools/cli.js";
import type { Words } from "../../../tools/options.js";
import type { Output } from "../../../tools/terminal.js";
import { TestMote } from "./records.js";

const COMMAND = fileURLToPath(new URL("../../../tools/chainmote.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "chainmote-cli-"));
const file = join(folder, "records.cborseq");
const mote = new TestMote();
const records = [mote.next(), mote.next()];
writeFileSync(file, Buffer.concat(records.map((record) => record.sign1)));
test.after(() => rmSync(folder, { recursive: true, force: true }));

async function run(...words: readonly string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const out: string[] = [];
  const err: string[] = [];
  const output: Output = {
    line: (text = "") => void out.push(text),
    error: (text) => void err.push(text),
    style: (_style, text) => text,
  };
  return { code: await main(words, output), out, err };
}

const MISTAKES: readonly (readonly [words: string, message: RegExp])[] = [
  ["fly", /^chainmote: there is no command "fly" \(see chainmote --help\)$/],
  ["--fly", /no command "--fly"/],
  ["constructor", /no command "constructor"/],
  ["verify", /^chainmote verify: a file of records is missing/],
  ["verify a b", /unexpected word "b"/],
  ["verify --fast x", /no option '--fast'/],
  [`verify ${folder}`, /it is a folder/],
  [`verify ${folder}/none`, /there is no such file/],
  ["inspect", /a file of records is missing/],
  [`inspect ${file} --record 0`, /--record takes a whole number from 1/],
  [`inspect ${file} --record 3`, /there is no record 3; the file holds 2/],
  ["journal", /dump is missing/],
  ["journal frob", /there is no "frob", only dump/],
  ["relay", /--rpc URL is missing/],
  ["relay --rpc ftp://x", /--rpc takes a URL that begins with http:/],
  ["relay --rpc http://127.0.0.1 --mqtt http://x", /--mqtt takes a URL that begins with mqtt:/],
  ["relay --rpc http://127.0.0.1 --mqtt mqtt://u:%zz@127.0.0.1", /"%" in a user or a password is written as %25/],
  ["relay --rpc http://127.0.0.1 --prefix a", /--prefix takes a topic/],
  ["relay --rpc", /option '--rpc <value>' argument missing/i],
  ["collect", /--rpc URL is missing/],
  [`collect --data ${folder}/c --rpc http://127.0.0.1:9 --fleet 0x12`, /--fleet takes an address and a chain/],
  [
    `collect --data ${folder}/c --rpc http://127.0.0.1:9 --fleet 0x${"1".repeat(40)}@eip155:1 --reporter ${folder}/none.key`,
    /--reporter .*: there is no such file; it holds a key/,
  ],
  [`collect --data ${folder}/c --rpc http://127.0.0.1:9 --records-max many`, /--records-max takes a whole number/],
  ["broker --port 99999", /--port takes a whole number from 0 to 65535, not "99999"/],
  ["node --period 0", /--period takes a whole number from 1 to 60/],
  ["start --records 0", /--records takes a whole number from 1/],
  ["start --records=", /--records is empty/],
  ["start --records -1", /--records/],
  ["start --boards 65", /--boards takes a whole number from 1 to 64/],
  ["start --engine z80", /--engine takes one of node, xs, rv32/],
  ["start --board esp32c3", /--board needs --engine xs or rv32/],
  ["start --engine xs --board esp8266", /--board takes one of esp32, esp32c3, esp32c6, esp32s3/],
  ["start --crypto native", /--crypto native needs --engine xs or rv32/],
  ["start --engine xs --crypto fast", /--crypto fast needs --engine node/],
  ["bench --verify --target xs", /--target is not for --verify/],
  ["bench --fleet --records 300", /--records is not for --fleet/],
  ["bench --fleet --verify", /--verify and --fleet are two/],
  ["bench --boards 3", /--boards is for --fleet alone/],
  ["verify --threads many x", /--threads takes a whole number from 0 to 64, not "many"/],
  ["start --engine xs --board esp32 --crypto noble", /does not fit the [\d,]+ bytes of an esp32/],
  ["start now", /unexpected word "now"/],
  ["doctor --loud", /no option '--loud'/],
];

for (const [words, message] of MISTAKES)
  test(`chainmote ${words.replaceAll(folder, "…")}`, async () => {
    const { code, err } = await run(...words.split(" "));
    assert.is.not(code, 0);
    assert.is(err.length, 1, err.join("\n"));
    assert.match(err[0] ?? "", message);
    assert.not.match(err[0] ?? "", /\n| at .*:\d+:\d+/);
  });

test("a password in a URL is not repeated", async () => {
  const { code, err } = await run("relay", "--rpc", "http://127.0.0.1", "--mqtt", "amqp://user:hunter2@host");
  assert.is(code, 2);
  assert.not.match(err.join(), /hunter2/);
});

test("control characters in foreign text do not reach the terminal", async () => {
  const { err } = await run("verify", "no\u001b[31msuch\nfile");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  assert.not.match(err.join(), /[\x00-\x1f]/);
});

test("every command explains itself, and so does the whole", async () => {
  const { out } = await run("--help");
  const verbs = [...(out[0] ?? "").matchAll(/^ {2}(\w+) /gm)].map((match) => match[1] as string);
  assert.ok(verbs.includes("start") && verbs.includes("verify") && verbs.length >= 8);
  for (const verb of verbs)
    for (const words of [
      [verb, "--help"],
      ["help", verb],
    ]) {
      const { code, out } = await run(...words);
      assert.is(code, 0);
      assert.match(out.join("\n"), new RegExp(`^chainmote ${verb}`));
    }
  assert.is((await run()).code, 2);
});

/** What a name's value has to be, beyond a word. */
const VALUES: readonly (readonly [names: RegExp, value: RegExp])[] = [
  [/^port$/, /^\d+$|^\/dev\/tty/],
  [/^records$/, /^\d+$|\.cborseq$/],
  [/^(boards|stored|record|baud|period|epoch|trusting-period|sample|timeout|blocks|motes)$/, /^\d+$/],
  [/^(rpc|mqtt|ws)$/, /^(https?|mqtts?|wss?):\/\/[^/ ]+/],
  [/^fleet$/, /^0x[0-9a-f]{40}(@eip155:\d+)?$/],
  [/^(collector|mote|contract|enroller)$/, /^(0x[0-9a-f]{40}|.*\.key)$/],
];

test("the help of every command has examples, which the command's own parser takes", async () => {
  const verbs = [...((await run("--help")).out[0] ?? "").matchAll(/^ {2}(\w+) /gm)].map((match) => match[1] as string);
  for (const verb of verbs) {
    const help = (await run(verb, "--help")).out.join("\n");
    const examples = /\n\nExamples?:\n((?: {2}\S.*\n?)+)$/.exec(help)?.[1]?.trimEnd().split("\n") ?? [];
    assert.ok(examples.length > 0, `${verb} has no example at its help's end`);
    const called = new Set<string>();
    for (const example of examples) {
      const [line = ""] = example
        .trim()
        .replace(/^([A-Z_]+=\S+ )+/, "")
        .split(/ {2,}#/);
      const match = /^(?:chainmote|npm run(?= bench)|npm(?= start)) (\w+)(?: --(?= ))?(.*)$/.exec(line);
      assert.ok(match, example);
      const [, name = "", rest = ""] = match as RegExpExecArray;
      called.add(name);
      const words = rest.trim() === "" ? [] : rest.trim().split(/ +/);
      assert.not.match(rest, /…|\b(FILE|URL|DIR|ADDRESS|PORT)\b/, "it can be typed as it is");
      const { read } = (await import(`../../../tools/commands/${name}.ts`)) as { read(words: readonly string[]): Words };
      const options = read(words);
      for (const [, option = ""] of rest.matchAll(/ --([a-z-]+)/g)) {
        const value = options.text(option);
        const rule = VALUES.find(([names]) => names.test(option))?.[1];
        if (rule !== undefined && value !== undefined) assert.match(value, rule, example);
      }
    }
    assert.ok(called.has(verb), `${verb} shows itself`);
  }
});

test("the examples of what needs only a file do what they say", async () => {
  const [help = ""] = (await run("inspect", "--help")).out;
  const examples = [...help.matchAll(/^ {2}chainmote (.*)$/gm)].map(([, words = ""]) => words.split(" "));
  assert.is(examples.length, 2);
  for (const words of examples) {
    const made = await run(...words.map((word) => (word === "records.cborseq" ? file : word)));
    assert.is(made.code, 0, made.err.join());
  }
});

test("--no-color is every command's, at any place", async () => {
  for (const words of [
    ["--no-color", "verify", file],
    ["verify", "--no-color", file],
    ["verify", file, "--no-color"],
  ])
    assert.is((await run(...words)).code, 0);
  const { stdout } = spawnSync(process.execPath, [COMMAND, "verify", file, "--no-color"], {
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "", FORCE_COLOR: "1" },
  });
  assert.match(stdout, /^2 records of 1 mote: all hold$/m);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not be there
  assert.not.match(stdout, /\x1b/);
});

test("verify prints a line per record and the sum, and exits 0; with a flipped bit it exits 1", async () => {
  const good = await run("verify", file);
  assert.is(good.code, 0);
  assert.is(good.out.length, 3);
  assert.match(good.out[2] ?? "", /^2 records of 1 mote: all hold$/);
  const bytes = Buffer.concat(records.map((record) => record.sign1));
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
  const bent = join(folder, "bent");
  writeFileSync(bent, bytes);
  const bad = await run("verify", bent);
  assert.is(bad.code, 1);
  assert.match(bad.out.join("\n"), /^ {4}2 {2}FAIL .*seq 1.*\n *not signature: .*\(signature-invalid\)$/m);
  const machine = await run("verify", bent, "--json");
  const objects = machine.out.map((line) => JSON.parse(line) as { ok: boolean; fault?: { code: string } });
  assert.equal(
    objects.map(({ ok }) => ok),
    [true, false, false],
  );
  assert.is(objects[1]?.fault?.code, "signature-invalid");
  assert.is((await run("verify", bent, "--quiet")).out.length, 3);
});

test("equivocation is shown as evidence, and --evidence writes both records", async () => {
  const twin = mote.make({ seq: 1, prev: records[0]?.digest ?? new Uint8Array(32), time: 1_900_000_000 });
  const both = join(folder, "both");
  writeFileSync(both, Buffer.concat([...records, twin].map((record) => record.sign1)));
  const evidence = join(folder, "evidence.cborseq");
  const { code, out } = await run("verify", both, "--evidence", evidence);
  assert.is(code, 1);
  assert.match(out.join("\n"), /^equivocation of 0x[0-9a-f]{40}: two payloads with seq 1 in stream 0$/m);
  assert.match(out.join("\n"), /^ {2}they differ in time, measurements; both signatures hold$/m);
  assert.match(out.join("\n"), /^evidence in .*evidence\.cborseq$/m);
  const again = await run("verify", evidence, "--json");
  const sum = JSON.parse(again.out.at(-1) ?? "") as { records: number; evidence: { kind: string; sign1: string[] }[] };
  assert.equal([sum.records, sum.evidence.map(({ kind }) => kind)], [2, ["equivocation"]]);
  const none = await run("verify", file, "--evidence", join(folder, "none.cborseq"));
  assert.is(none.code, 0);
  assert.ok(none.out.includes("no evidence: nothing is written") && !existsSync(join(folder, "none.cborseq")));
  const lost = await run("verify", both, "--evidence", join(folder, "no", "where"));
  assert.equal([lost.code, lost.err.length], [1, 1]);
  const shown = await run("inspect", both, "--record", "3");
  assert.is(shown.code, 1);
  assert.match(shown.out.join("\n"), /^ {2}check +not seq: record number 2 has seq 1 too, .* \(equivocation\)$/m);
});

test("inspect says what changed since the record before", async () => {
  const other = new TestMote();
  const path = join(folder, "rebooted");
  writeFileSync(path, Buffer.concat([other.next(), other.next({ boot: 2, seq: 7, gap: 3 })].map((record) => record.sign1)));
  const { code, out } = await run("inspect", path, "--record", "2");
  assert.is(code, 0, out.join("\n"));
  assert.match(out.join("\n"), /^ {2}gap +3 samples lost before it$/m);
  assert.match(out.join("\n"), /^ {2}note +rebooted \(boot 1 to 2\)$/m);
  assert.match(out.join("\n"), /^ {2}note +seq jumps from 0 to 7: numbers were left out, no record$/m);
  const [, machine] = (await run("inspect", path, "--json")).out.map(
    (line) => JSON.parse(line) as { holds: boolean; notes: string[] },
  );
  assert.equal([machine?.holds, machine?.notes.length], [true, 3]);
});

test("a status among records: verify counts it in their chain, inspect says what it says", async () => {
  const other = new TestMote();
  const path = join(folder, "status");
  const status = { status: 5, block: 42, hash: new Uint8Array(32).fill(0xab) };
  writeFileSync(path, Buffer.concat([other.next(), other.next({ measurements: [], status })].map((record) => record.sign1)));
  assert.is((await run("verify", path)).code, 0);
  const { code, out } = await run("inspect", path, "--record", "2");
  assert.is(code, 0, out.join("\n"));
  assert.match(out.join("\n"), /^ {2}status +quarantined in its registry, proven at block 42, abab/m);
  const [, machine] = (await run("inspect", path, "--json")).out.map((line) => JSON.parse(line) as { status: object });
  assert.equal(machine?.status, { ...status, hash: "ab".repeat(32) });
});

test("an answer among records: verify counts it in their chain, inspect says what became of which command", async () => {
  const other = new TestMote();
  const path = join(folder, "answer");
  const answer = { commander: new Uint8Array(20).fill(0xcd), counter: 7, outcome: 1, reason: 1, skipped: 2 };
  writeFileSync(path, Buffer.concat([other.next(), other.next({ measurements: [], answer })].map((record) => record.sign1)));
  assert.is((await run("verify", path)).code, 0);
  const { out } = await run("inspect", path, "--record", "2");
  assert.match(out.join("\n"), /^ {2}answer +refused \(not-allowed\): command 7 of 0xcdcd\w+; 2 before it never came/m);
  const [, machine] = (await run("inspect", path, "--json")).out.map((line) => JSON.parse(line) as { answer: object });
  assert.equal(machine?.answer, { ...answer, commander: `0x${"cd".repeat(20)}` });
});

test("inspect prints head, time and its quality, and values with units", async () => {
  const { code, out } = await run("inspect", file, "--record", "2");
  assert.is(code, 0);
  const text = out.join("\n");
  assert.match(text, /time +2027-01-15 08:00:01 UTC \(bounded by a verified header\)/);
  assert.match(text, /head +block 7 of eip155:31337, 0x0707/);
  assert.match(text, /mote\/temperature +21\.31 °C/);
  assert.match(text, /mote\/humidity +45\.5 % RH/);
  const machine = await run("inspect", file, "--json");
  assert.equal(
    machine.out.map((line) => (JSON.parse(line) as { seq: number }).seq),
    [0, 1],
  );
});

test("doctor names what is missing and its package, and finds what runs this test", async () => {
  const { code, out } = await run("doctor", "--json");
  assert.is(code, 0);
  const { findings } = JSON.parse(out[0] ?? "") as { findings: { name: string; found: boolean; fix: string }[] };
  assert.ok(findings.find(({ name }) => name === "Node.js")?.found);
  for (const { fix } of findings) assert.match(fix, /^(dpkg|apt install|npm|pip install|python) |https:/);
});

test("as a program: help, version, a file on stdin, a mistake, a reader that goes away", () => {
  const program = (words: readonly string[], input?: Buffer) =>
    spawnSync(process.execPath, [COMMAND, ...words], { encoding: "utf8", ...(input === undefined ? {} : { input }) });
  assert.match(program(["--version"]).stdout, /^\d+\.\d+\.\d+\n$/);
  const stdin = program(["verify", "-"], Buffer.concat(records.map((record) => record.sign1)));
  assert.is(stdin.status, 0, stdin.stderr);
  assert.not.ok(stdin.stdout.includes("\u001b"));
  const empty = program(["verify", "-"], Buffer.alloc(0));
  assert.is(empty.status, 1);
  assert.match(empty.stderr, /^chainmote verify: stdin: it is empty[^\n]*\n$/);
  const gone = spawnSync("sh", ["-c", `"${process.execPath}" "${COMMAND}" verify "${file}" | true`], { encoding: "utf8" });
  assert.is(gone.stderr, "");
});

test.run();
