// `chainmote verify` in threads: the verdicts of the reference, in the order of the file, whatever is in it; a thread that dies is an
// error; a long file is read part by part, and little of it is kept.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, fromHex, toHex } from "../../../firmware/bytes.js";
import type { CryptoEngine } from "../../../firmware/crypto/engine.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { addressOf } from "../../../firmware/crypto/identity.js";
import { digestOf, encodeSign1 } from "../../../firmware/record/cose.js";
import { encodeRecord } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import { curve, fastEngine } from "../../../host-sim/crypto/engine-fast.js";
import { main } from "../../../tools/cli.js";
import type { Output } from "../../../tools/terminal.js";
import { Checker } from "../../../tools/verify/checker.js";
import { type Checked, checked } from "../../../tools/verify/checking.js";
import { Input } from "../../../tools/verify/input.js";
import { Judge, type Verdict } from "../../../tools/verify/judge.js";
import { type Piece, pieces } from "../../../tools/verify/sequence.js";
import { bytesOf, N, numberOf, scalar } from "../crypto/scalars.js";
import { TestMote } from "./records.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-checking-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const P = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn;

/** With another signature in the place of its own. */
function resigned(record: Uint8Array, change: (r: bigint, s: bigint) => readonly [bigint, bigint]): Uint8Array {
  const at = record.length - 64;
  const [r, s] = change(numberOf(record.subarray(at, at + 32)), numberOf(record.subarray(at + 32)));
  return concat(record.subarray(0, at), scalar(r), scalar(s));
}

/** The messages of docs/record-format.md. */
function documented(): Uint8Array[] {
  const text = readFileSync(new URL("../../../docs/record-format.md", import.meta.url), "utf8");
  const blocks = [...text.matchAll(/```(?:message|receipt)\n([^`]*)```/g)].map(([, hex]) =>
    (hex as string).replace(/;.*$/gm, ""),
  );
  const payload = /```payload\n([^`]*)```/.exec(text)?.[1]?.replace(/;.*$/gm, "") ?? "";
  return blocks
    .map((hex) => fromHex(hex.replace("…", payload).replace(/\s/g, "")))
    .filter((bytes) => bytes instanceof Uint8Array);
}

/** Records good and bad of several motes, and what is none. */
function everyKind(): Uint8Array[] {
  const motes = [new TestMote(), new TestMote(), new TestMote()] as const;
  const all: Uint8Array[] = documented();
  assert.ok(all.length > 0, "the example of the documentation");
  for (let i = 0; i < 60; i += 1) {
    const mote = motes[i % 3] as TestMote;
    const { sign1 } = mote.next();
    all.push(sign1);
    const bit = numberOf(bytesOf(2, i)) % BigInt(sign1.length * 8);
    const bent = sign1.slice();
    bent[Number(bit >> 3n)] = (bent[Number(bit >> 3n)] as number) ^ (1 << Number(bit & 7n));
    all.push(bent);
    if (i % 5 === 0) all.push(bytesOf(i + 1, i)); // noise
    if (i % 7 === 0) all.push(sign1);
  }
  const { sign1 } = motes[0].next();
  const edges = [0n, 1n, 2n, N / 2n, N / 2n + 1n, N - 1n, N, N + 1n, P - N, P - N - 1n, P - 1n, P, 2n ** 256n - 1n];
  for (const edge of edges)
    all.push(
      resigned(sign1, (_, s) => [edge, s]),
      resigned(sign1, (r) => [r, edge]),
    );
  all.push(
    resigned(sign1, (r, s) => [r, N - s]),
    resigned(sign1, (r, s) => [s, r]),
  ); // high s; the two changed round
  // A signature whose key would be the point at infinity: r = x of G, s = the digest.
  const record = motes[1].make();
  const gx = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n;
  all.push(resigned(record.sign1, () => [gx, numberOf(record.digest) % N]));
  // Signed by another mote's key, under this one's address, once its own key is known and once more.
  const payload = encodeRecord(record.fields);
  const foreign = encodeSign1(motes[1].address, payload, motes[2].sign(record.digest));
  all.push(record.sign1, motes[1].make({ time: 1_900_000_000 }).sign1);
  all.push(foreign, motes[1].next().sign1, foreign, new Uint8Array(3), motes[0].next().sign1);
  return all;
}

async function judged(file: Uint8Array, options: { threads: number }): Promise<Verdict[]> {
  const judge = new Judge(fastEngine, (offset, length) => file.slice(offset, offset + length));
  const verdicts: Verdict[] = [];
  for await (const { piece, signed } of checked(pieces(file), { length: file.length, ...options }))
    verdicts.push(judge.judge(piece, signed));
  return verdicts;
}

test("whatever is in a file: the verdicts of the reference, with any number of threads", async () => {
  const file = concat(...everyKind());
  const judge = new Judge(nobleEngine);
  const expected = [...pieces(file)].map((piece) => judge.judge(piece));
  const codes = new Set(expected.map(({ fault }) => fault?.code));
  for (const code of [undefined, "signature-invalid", "signature-high-s", "cose-malformed", "equivocation"])
    assert.ok(codes.has(code), `${code} among ${[...codes]}`);
  for (const threads of [0, 2]) assert.equal(await judged(file, { threads }), expected, `${threads} threads`);
});

test("the order of the file, over many batches whose work is unequal", async () => {
  const mote = new TestMote();
  const [good, other] = [mote.next().sign1, mote.next().sign1];
  const bent = resigned(good, (r, s) => [r, s - 1n]);
  // Batches of what is quick to refuse, and of what is not.
  const kinds = [good, other, bent, resigned(good, () => [0n, 0n]), new Uint8Array(5)];
  const order = Array.from({ length: 3000 }, (_, i) => (i * 7 + Math.floor(i / 256)) % kinds.length);
  const file = concat(...order.map((kind) => kinds[kind] as Uint8Array));
  const all: Checked[] = [];
  for await (const one of checked(pieces(file), { length: file.length, threads: 2 })) all.push(one);
  const cut = [...pieces(file)];
  assert.equal(
    all.map(({ piece }) => piece.offset),
    cut.map(({ offset }) => offset),
  );
  for (const { piece, signed } of all) {
    const expected = piece.parts instanceof Rejection ? undefined : new Checker(fastEngine).verify(piece.bytes);
    if (expected === undefined || expected instanceof Rejection) assert.equal(signed, expected);
    else assert.is(toHex((signed as { digest: Uint8Array }).digest), toHex(expected.digest));
  }
});

for (const [name, body] of [
  ["ends at once", "process.exit(7);"],
  ["throws on its second batch", "let n = 0; P.on('message', (b) => { if (++n > 1) throw new Error('out of it'); answer(b); });"],
  ["ends on its third batch", "let n = 0; P.on('message', (b) => { if (++n > 2) process.exit(0); answer(b); });"],
] as const)
  test(`a thread that ${name} is an error, and no record is left out or taken for valid`, async () => {
    const path = join(folder, `${name.replaceAll(" ", "-")}.mjs`);
    const begin = "import { parentPort as P } from 'node:worker_threads';\n";
    const answer =
      "const answer = (b) => P.postMessage({ digests: new Uint8Array(32 * b.lengths.length).fill(1), faults: [] });\n";
    writeFileSync(path, begin + answer + body);
    const { sign1 } = new TestMote().next();
    const file = concat(...Array.from({ length: 256 * 9 }, () => sign1));
    let handed = 0;
    let message = "";
    try {
      const thread = new URL(`file://${path}`);
      for await (const _ of checked(pieces(file), { length: file.length, threads: 2, thread })) handed += 1;
    } catch (error) {
      message = (error as Error).message;
    }
    assert.match(message, /^one of 2 threads that check signatures is gone: .*\(--threads 0 checks without any\)$/);
    assert.ok(handed % 256 === 0 && handed < 256 * 9, `${handed} were handed on`);
  });

test("who stops reading ends the threads", async () => {
  const { sign1 } = new TestMote().next();
  const file = concat(...Array.from({ length: 2000 }, () => sign1));
  for await (const _ of checked(pieces(file), { length: file.length, threads: 2 })) break;
  // A thread that went on would keep this test's process from ending.
});

test("who stops reading takes no thread out of an addon's call, which would abort the process", async () => {
  const path = join(folder, "busy.mjs");
  const body = [
    "import { createRequire } from 'node:module';",
    "import { parentPort as P, threadId } from 'node:worker_threads';",
    "const [secret, digest] = [1, 2].map((byte) => new Uint8Array(32).fill(byte));",
    "let sign = () => undefined; // where there is none for this machine",
    `try { sign = createRequire(${JSON.stringify(import.meta.url)})('secp256k1/bindings.js').ecdsaSign; } catch {}`,
    "P.on('message', (b) => {",
    "  if (b === null) process.exit();",
    // One of the two is at its work when nobody wants it any more.
    "  const until = performance.now() + (threadId % 2) * 50;",
    "  while (performance.now() < until) sign(digest, secret);",
    "  P.postMessage({ digests: new Uint8Array(32 * b.lengths.length), faults: [] });",
    "});",
  ];
  writeFileSync(path, body.join("\n"));
  const { sign1 } = new TestMote().next();
  const file = concat(...Array.from({ length: 2000 }, () => sign1));
  const thread = new URL(`file://${path}`);
  for (let i = 0; i < 5; i += 1) for await (const _ of checked(pieces(file), { length: file.length, threads: 2, thread })) break;
});

test("a known key never decides where recovery could say otherwise: r below p - n", () => {
  const mote = new TestMote();
  const [first, second] = [mote.next().sign1, mote.next().sign1];
  // Says yes to all, as a signature with x = r + n would have it for one key that nobody recovers.
  const engine: CryptoEngine = { ...fastEngine, secp256k1: { ...fastEngine.secp256k1, verify: () => true } };
  const checker = new Checker(engine);
  assert.not.instance(checker.verify(first), Rejection);
  const small = resigned(second, (_, s) => [P - N - 1n, s]);
  assert.is((checker.verify(small) as Rejection).code, "signature-invalid");
});

test("read in parts of any size, a file is cut as it is when it is read whole", () => {
  const all = everyKind().slice(0, 40);
  const noise = new Uint8Array(9000).fill(0xd2); // a broken piece longer than any window
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 4000 }), { minLength: 1, maxLength: 12 }), fc.nat({ max: 39 }), (sizes, at) => {
      const file = concat(...all.slice(0, at), noise, ...all.slice(at));
      const parts: Uint8Array[] = [];
      for (let offset = 0, i = 0; offset < file.length; i += 1) {
        const size = 1 + (sizes[i % sizes.length] as number);
        parts.push(file.slice(offset, offset + size));
        offset += size;
      }
      const shown = (input: Uint8Array | Uint8Array[]): unknown[] =>
        [...pieces(input)].map((piece: Piece) => [
          ...[piece.offset, piece.length, toHex(piece.bytes)],
          piece.parts instanceof Rejection ? String(piece.parts) : toHex(piece.parts.signature),
        ]);
      assert.equal(shown(parts), shown(file));
    }),
    { numRuns: 60 },
  );
});

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

test("the command says the same with threads and without", async () => {
  const path = join(folder, "all");
  writeFileSync(path, concat(...everyKind()));
  for (const form of [["--json"], ["--senml"]]) {
    const alone = await run("verify", path, "--threads", "0", ...form);
    const beside = await run("verify", path, "--threads", "2", ...form);
    assert.equal(beside, alone, form.join());
    assert.is(alone.code, 1);
    assert.ok(alone.out.length > 10);
  }
  assert.match((await run("verify", path, "--threads", "65")).err.join(), /--threads takes a whole number from 0 to 64/);
});

test("a file that is written to while it is read gives no evidence of what it held", () => {
  const mote = new TestMote();
  const [a, b] = [mote.make({ seq: 1 }), mote.make({ seq: 1, time: 1_900_000_000 })];
  const path = join(folder, "written");
  writeFileSync(path, concat(a.sign1, b.sign1));
  const input = Input.open(path);
  const judge = new Judge(fastEngine, (offset, length) => input.read(offset, length));
  for (const piece of pieces(input.parts())) judge.judge(piece);
  assert.is(judge.evidence.length, 1);
  assert.equal(
    judge.evidence[0]?.records.map(({ bytes }) => toHex(bytes)),
    [toHex(a.sign1), toHex(b.sign1)],
  );
  writeFileSync(path, concat(b.sign1, b.sign1));
  assert.throws(() => judge.evidence[0]?.records, /record 1, at byte 0, is another one by now/);
  writeFileSync(path, a.sign1);
  assert.throws(() => judge.evidence[0]?.records, /it has become shorter while it was read/);
  input.close();
});

test("of each record some hundred bytes are kept, whatever it holds", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const secret = bytesOf(32, 4);
  const address = addressOf(fastEngine, curve.publicKey(secret));
  const fields = new TestMote().make().fields;
  let prev: Uint8Array = new Uint8Array(32);
  function* chain(from: number, count: number): Generator<Uint8Array> {
    for (let seq = from; seq < from + count; seq += 1) {
      const payload = encodeRecord({ ...fields, seq, prev });
      prev = digestOf(fastEngine, address, payload);
      yield encodeSign1(address, payload, curve.sign(prev, secret));
    }
  }
  const judge = new Judge(fastEngine, () => new Uint8Array(0));
  const count = 8000;
  const usedAfter = (from: number): number => {
    for (const piece of pieces(chain(from, count))) assert.is(judge.judge(piece).fault, undefined);
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = usedAfter(0);
  const perRecord = (usedAfter(count) - before) / count;
  assert.ok(perRecord < 600, `${Math.round(perRecord)} bytes a record`);
});

test.run();
