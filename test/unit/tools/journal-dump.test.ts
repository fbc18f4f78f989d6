// `chainmote journal dump`: images of a partition and of a whole chip, and every kind of image that it cannot read.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { decodeSign1 } from "../../../firmware/record/cose.js";
import { Journal } from "../../../firmware/record/journal.js";
import { Rejection } from "../../../firmware/rejection.js";
import { type FlashMode, NorFlash } from "../../../host-sim/hardware/flash.js";
import { FlashFile } from "../../../host-sim/hardware/flash-file.js";
import { Prng } from "../../../host-sim/world/prng.js";
import { main } from "../../../tools/cli.js";
import { engine } from "../../../tools/crypto/engine.js";
import type { Output } from "../../../tools/terminal.js";
import { TestMote } from "./records.js";

const SECTORS = 16;
const folder = mkdtempSync(join(tmpdir(), "chainmote-dump-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));
const mote = new TestMote();
const messages: Uint8Array[] = [];

async function run(...words: readonly string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const out: string[] = [];
  const err: string[] = [];
  const output: Output = {
    line: (text = "") => void out.push(text),
    error: (text) => void err.push(text),
    style: (_style, text) => text,
  };
  return { code: await main(["journal", "dump", ...words], output), out, err };
}

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** A journal of 20 signed records, 12 of them stored, and one that waits for its signature; its raw cells in a file. */
function journalOn(mode: FlashMode): { flash: NorFlash; raw: string } {
  const raw = join(folder, `${mode}.bin`);
  const flash = new NorFlash({ sectors: SECTORS, mode, backing: new FlashFile(raw) });
  const journal = Journal.mount(flash, { engine });
  if (journal instanceof Rejection) throw new Error(String(journal));
  for (let seq = 1; seq <= 21; seq += 1) {
    if (messages.length < seq) messages.push(mote.next({ seq, ...(seq === 3 ? { gap: 4 } : {}) }).sign1);
    const signed = decodeSign1(messages[seq - 1] as Uint8Array);
    if (signed instanceof Rejection) throw new Error(String(signed));
    assert.is(journal.append(0, seq, signed.payload), undefined);
    if (seq <= 20) assert.is(journal.seal(seq, signed.signature), undefined);
  }
  journal.markStored(12);
  return { flash, raw };
}

const plain = journalOn("plain");
const encrypted = journalOn("encrypted");

test("shows records, states and sectors of a raw image; the records it writes verify", async () => {
  const { code, out, err } = await run(plain.raw, "--sectors");
  assert.is(code, 0, err.join());
  const text = out.join("\n");
  assert.match(text, /^journal +16 sectors of 4,096 bytes$/m);
  assert.match(text, /^records +21 kept, seq 1 to 21; stored through 12; 1 not signed$/m);
  assert.match(text, /^ +3 +0 +\d+ +0 +\d+ {2}stored +boot 1, 2027-01-15 08:00:03 UTC, after block 7, gap 4$/m);
  assert.match(text, /^ +13 .* kept /m);
  assert.match(text, /^ +21 .* not signed /m);
  assert.match(text, /^sector 1: epoch 2, live; before it \d+ records$/m);
  assert.match(text, /unit 3 to \d+ +payload +record 1$/m);
  assert.match(text, /nothing is damaged$/);
  const records = join(folder, "records.cborseq");
  const written = await run(plain.raw, "--records", records, "--mote", `0x${toHex(mote.address)}`);
  assert.is(written.code, 0, written.err.join());
  assert.equal(new Uint8Array(readFileSync(records)), new Uint8Array(Buffer.concat(messages.slice(0, 20))));
});

test("one JSON object per record, per sector, and for the sum", async () => {
  const { code, out } = await run(plain.raw, "--json", "--sectors");
  assert.is(code, 0);
  const objects = out.map((line) => JSON.parse(line) as Record<string, unknown>);
  const records = objects.filter(({ kind }) => kind === "record");
  assert.equal(
    records.map(({ seq, stored, signature }) => [seq, stored, typeof signature]),
    Array.from({ length: 21 }, (_, i) => [i + 1, i < 12, i < 20 ? "string" : "undefined"]),
  );
  const { kind, sectors, offset, storedThrough, ok } = objects.at(-1) as Record<string, unknown>;
  assert.equal([kind, sectors, offset, storedThrough, ok], ["journal", SECTORS, 0, 12, true]);
  assert.ok(objects.some((object) => object.kind === "sector" && object.live === true));
});

test("finds the partition in the image of a whole chip", async () => {
  const chip = new Uint8Array(0x40000).fill(0xff);
  chip.set(new Uint8Array(0x5000).fill(0x42), 0x1000);
  chip.set(plain.flash.dump(), 0x20000);
  const { code, out } = await run(fileOf("chip.bin", chip));
  assert.is(code, 0);
  assert.match(out[0] ?? "", /16 sectors of 4,096 bytes, from byte 0x20000$/);
  chip.set(plain.flash.dump(), 0x8000);
  const two = await run(fileOf("two.bin", chip));
  assert.match(two.err.join("\n"), /^chainmote journal: .*journals that begin at bytes 0x8000 and 0x20000/);
});

test("an encrypted image: what cannot be read is said; decrypted it reads like any other", async () => {
  const raw = await run(encrypted.raw);
  assert.is(raw.code, 1);
  assert.equal(raw.out, []);
  assert.match(raw.err.join("\n"), /^chainmote journal: [^\n]*reads as noise: [^\n]*ciphertext[^\n]*decrypt it first[^\n]*$/);
  const decrypted = await run(fileOf("decrypted.bin", encrypted.flash.dump()));
  assert.is(decrypted.code, 0, decrypted.err.join());
  assert.match(decrypted.out.join("\n"), /21 kept, seq 1 to 21; stored through 12; 1 not signed/);
});

test("damage is named, and the exit code says so", async () => {
  const rotten = plain.flash.dump();
  rotten[96 + 40] = (rotten[96 + 40] as number) ^ 1;
  const { code, out } = await run(fileOf("rotten.bin", rotten));
  assert.is(code, 1);
  assert.match(out.join("\n"), /damaged {2}record 1: payload, sector 0 unit 3$/m);
});

const image = plain.flash.dump();
const newer = image.slice();
newer[4] = 2;
newer.set(engine.sha256(newer.subarray(0, 24)).subarray(0, 8), 24);
const other = "0x00000000000000000000000000000000000000ff";
const MISTAKES: readonly (readonly [words: string, message: RegExp])[] = [
  ["", /a flash image is missing/],
  [`${folder}/none`, /there is no such file/],
  [folder, /it is a folder/],
  [fileOf("empty", new Uint8Array(0)), /it is empty; a flash image is/],
  [fileOf("erased", new Uint8Array(65_536).fill(0xff)), /it is erased flash/],
  [fileOf("cut", image.subarray(0, 3 * 4096)), /the image is cut: the journal has 16 sectors, 65,536 bytes/],
  [fileOf("tail", image.subarray(4096)), /the image is cut: .* would lie from byte -4096/],
  [fileOf("newer", newer), /version 2 of the format; this tool reads version 1/],
  [fileOf("zeros", new Uint8Array(16_384)), /the image of something else/],
  [fileOf("text", Buffer.from("hello ".repeat(200))), /no whole number of 4096-byte sectors/],
  [`${plain.raw} --records ${folder}/x`, /--records and --mote go together/],
  [`${plain.raw} --records ${folder}/x --mote 12`, /--mote takes 20 bytes in hexadecimal/],
  [`${plain.raw} --records ${folder}/x --mote ${other}`, /the signature of record 1 does not hold under 0x/],
  [`${plain.raw} --records ${folder}/no/x --mote 0x${toHex(mote.address)}`, /no such file or directory/],
  [`${plain.raw} --wide`, /no option '--wide'/],
];

for (const [words, message] of MISTAKES)
  test(`journal dump ${words.replaceAll(folder, "…")}: one clear line`, async () => {
    const { code, err } = await run(...words.split(" ").filter((word) => word !== ""));
    assert.is.not(code, 0);
    assert.is(err.length, 1, err.join("\n"));
    assert.match(err[0] ?? "", message);
  });

test("noise, and images with any byte changed, end in an answer or one line", async () => {
  const prng = new Prng(1);
  for (let i = 0; i < 60; i += 1) {
    const bent = image.slice();
    for (let k = 0; k <= i; k += 1) bent[prng.below(i % 3 === 0 ? 96 : bent.length)] = prng.below(256);
    const { code, err } = await run(fileOf("bent", bent));
    assert.ok(code === 0 || code === 1, `${code}`);
    assert.ok(err.length <= 1, err.join("\n"));
  }
});

test.run();
