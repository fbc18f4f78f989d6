// What `chainmote doctor --board-report` does with a port: ROM, start, log, in that order, on a simulated bootloader that starts a log; the cable pulled,
// a ROM that does not answer, another chip's locks; and the command over a pseudo-terminal.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { RomBoard, type RomBoardOptions } from "../../../../host-sim/hardware/rom-bootloader.js";
import { run } from "../../../../tools/commands/doctor.js";
import { judgeAll } from "../../../../tools/report/checklist.js";
import { type CollectOptions, collectFrom } from "../../../../tools/report/collect.js";
import { Evidence } from "../../../../tools/report/evidence.js";
import { Pty, ptyFault } from "../../../pty.js";
import { ROOT } from "../../sources.js";
import { tableBytes } from "../flash/images.js";
import { WiredPort } from "../flash/wired-port.js";

const LOG = [
  "ESP-ROM:esp32c3-api1-20210207",
  "rst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)",
  '{"event":"start","firmware":"0.1.0","reset":"power-on","profile":"dev","secureBoot":false,"flashEncryption":"off","nvsEncryption":false,"nvs":"open","slot":0,"image":"undefined","freeBytes":150000,"largestBytes":110592}',
  '{"event":"key","address":"0xA3A3cc3Bc4D019eb39B25AeA58C74817d85DF816","created":true}',
  '{"event":"record","seq":1}',
  '{"event":"stored","seq":1}',
]
  .map((line) => `${line}\r\n`)
  .join("");
const TABLE_AT = 0xc000;
const folder = mkdtempSync(join(tmpdir(), "chainmote-report-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const told: string[] = [];
/** Nobody answers on these boards: what is waited for is the end of the listening, or a record. */
const HOW: CollectOptions = { rom: true, listenMs: 600_000, attempts: 1, asks: 1, progress: (text) => void told.push(text) };

function board(chip: string, more: Partial<RomBoardOptions> = {}, pullAt?: number): WiredPort {
  const port: WiredPort = new WiredPort({ chip, onStart: () => port.say(LOG), ...more }, pullAt);
  port.board.flash.set(tableBytes(), TABLE_AT);
  return port;
}

const stateOf = (seen: Evidence, id: string): string | undefined => judgeAll(seen, []).find((item) => item.id === id)?.state;

for (const chip of ["esp32", "esp32c3", "esp32s3"])
  test(`${chip}: ROM, partition table, then the start and what the mote says; nothing is written`, async () => {
    const port = board(chip);
    const before = Buffer.from(port.board.flash);
    const seen = new Evidence(false);
    await collectFrom(port, seen, HOW);
    assert.ok(Buffer.from(port.board.flash).equals(before));
    assert.is(seen.seen?.mac, "7c:df:a1:…");
    assert.is(seen.seen?.flashBytes, 4 << 20);
    assert.equal(seen.resets, ["power on"]);
    assert.is(seen.start?.freeBytes, 150_000);
    for (const id of ["image", "flash-size", "flashed", "start", "memory-start", "entropy", "stored"])
      assert.is(stateOf(seen, id), "seen", id);
    assert.is(stateOf(seen, "partitions"), chip === "esp32" ? "not seen" : "seen", "an ESP32 has a partition for NVS's keys");
    assert.is(stateOf(seen, "kept"), "cannot say", "it did not answer");
  });

test("encrypted flash is not read; a locked download, another chip and a board without control lines leave their reason, and its log is heard", async () => {
  const encrypted = new Evidence(false);
  await collectFrom(board("esp32c3", { cryptCount: 7, noManualEncrypt: true, secureBoot: true }), encrypted, HOW);
  assert.is(encrypted.seen?.flashEncryption, "release");
  assert.is(encrypted.seen?.partitions, undefined);
  assert.is(stateOf(encrypted, "partitions"), "cannot say");
  const secure = new Evidence(false);
  await collectFrom(board("esp32c3", { secureDownload: true }), secure, HOW);
  assert.equal(secure.rom, { why: "its download mode is locked (secure download)" });
  assert.is(stateOf(secure, "stored"), "seen");
  const unasked = new Evidence(false);
  await collectFrom(board("esp32c3"), unasked, { ...HOW, rom: false });
  assert.equal(unasked.rom, { why: "it was not asked" });
  assert.is(stateOf(unasked, "stored"), "seen");
});

test("the cable pulled while the ROM is asked, and while the log comes: what was seen stays, the rest cannot be said", async () => {
  const early = new Evidence(false);
  let fault = "";
  await collectFrom(board("esp32c3", {}, 4), early, HOW).catch((error: Error) => {
    fault = error.message;
  });
  assert.match(fault, /the port has gone: is the board still plugged in\?/);
  const late = new Evidence(false);
  const port: WiredPort = new WiredPort({
    chip: "esp32c3",
    onStart: () => {
      port.say(LOG.slice(0, LOG.indexOf('{"event":"record"')));
      setTimeout(() => port.pull(), 50);
    },
  });
  await collectFrom(port, late, HOW);
  assert.is(stateOf(late, "start"), "seen");
  assert.is(stateOf(late, "record"), "cannot say");
});

test("of a simulated board: its start and its answer are there, and nothing counts as seen of a chip", async () => {
  const lines: string[] = [];
  const output = { line: (text = "") => void lines.push(text), error: () => undefined, style: (_: string, text: string) => text };
  const code = await run(["--board-report", "--sim", join(folder, "simulated"), "--json"], output);
  assert.is(code, 0);
  const { simulated, start, provisioning, items } = JSON.parse(lines.join(""));
  assert.equal([simulated, start.reset, provisioning.board, provisioning.configured], [true, "power-on", "esp32c3", false]);
  assert.ok(items.every(({ state }: { state: string }) => state === "cannot say"));
});

const fault = ptyFault();
if (fault !== undefined) console.log(`skipped: ${fault}`);

(fault === undefined ? test : test.skip)(
  "the command over a pseudo-terminal: JSON on stdout, what goes on on stderr",
  async () => {
    const rom: RomBoard = new RomBoard({ chip: "esp32c3", bootHeld: true, send: (bytes) => pty.send(bytes) });
    const pty: Pty = await Pty.open((bytes) => rom.receive(bytes));
    const words = ["doctor", "--board-report", pty.path, "--seen", "tls", "--json"];
    const child = spawn(process.execPath, [join(ROOT, "tools/chainmote.mjs"), ...words], { stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (data) => {
      stdout += data;
    });
    child.stderr.on("data", (data) => {
      // A person presses RESET where there are no control lines.
      stderr += data;
      if (stderr.includes("listening")) pty.send(Buffer.from(LOG));
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    await pty.close();
    assert.is(code, 0, stderr);
    assert.match(stderr, /looking at the ROM\n.*press the board's RESET button\nlistening for up to 120 s\n/);
    const { rom: asked, start, items, simulated } = JSON.parse(stdout);
    assert.equal([asked.chip, start.reset, simulated], ["ESP32-C3", "power-on", false]);
    const states = Object.fromEntries(items.map(({ id, state }: { id: string; state: string }) => [id, state]));
    assert.equal([states.stored, states.tls, states.improv], ["seen", "seen", "cannot say"]);
  },
);

test.run();
