// The hardware checklist: the page and the report have the same items; what is judged seen, not seen, or left open; nothing private of a board.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { boardOf } from "../../../../host-sim/boards.js";
import { CHECKLIST, ITEMS, judgeAll, type State } from "../../../../tools/report/checklist.js";
import { Evidence, type PortKind } from "../../../../tools/report/evidence.js";
import { printReport, reportOf } from "../../../../tools/report/report.js";
import { ROOT } from "../../sources.js";

const START = {
  ...{ event: "start", firmware: "0.1.0", reset: "power-on", profile: "dev", nvs: "open" },
  ...{ secureBoot: false, flashEncryption: "off", nvsEncryption: false, slot: 0, image: "undefined" },
};
const MAC = "7c:df:a1:00:be:ef";

/** Evidence of these lines, as the console brings them. */
function evidence(lines: readonly object[], port: PortKind = "usb", simulated = false): Evidence {
  const seen = new Evidence(simulated);
  seen.port = port;
  for (const [i, line] of lines.entries()) seen.take(JSON.stringify(line), 1000 * i);
  return seen;
}

function stateOf(seen: Evidence, id: string, byHand: readonly string[] = []): State | undefined {
  return judgeAll(seen, byHand).find((item) => item.id === id)?.state;
}

function withRom(seen: Evidence, more: object = {}): Evidence {
  const security = { secureBoot: false, flashEncryption: "off", nvsKey: true, ...more } as const;
  const { partitions } = boardOf("esp32c3").flash;
  const table = partitions.map(({ name, at, bytes }) => ({ name, at, bytes, type: 1, subtype: 0, encrypted: false }));
  seen.tookRom({ chip: "ESP32-C3", mac: MAC, flashBytes: 4 << 20, security }, table);
  return seen;
}

test("the page has the report's items, in their order, in their words, each with a command and with what must be seen", () => {
  const page = readFileSync(join(ROOT, "docs/hardware-checklist.md"), "utf8");
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)];
  assert.equal(
    rows.map(([, id, title]) => [id, title]),
    CHECKLIST.map(({ id, title }) => [id, title]),
  );
  assert.is(new Set(ITEMS).size, ITEMS.length);
  assert.is((page.match(/^\| `/gm) ?? []).length, ITEMS.length, "no row in another form");
});

test("a board that nobody has heard: nothing is taken for a no", () => {
  for (const { id, state } of judgeAll(new Evidence(false), [])) assert.is(state, "cannot say", id);
});

test("a mote that runs: what its lines show is seen, what the chip contradicts is not seen, the rest is left open", () => {
  const seen = withRom(
    evidence([
      { ...START, freeBytes: 150_000, largestBytes: 110_592 },
      { event: "key", address: "0xA3A3cc3Bc4D019eb39B25AeA58C74817d85DF816", created: true },
      { event: "wifi", state: "up" },
      { event: "time", timeQuality: 2, timeS: 1_800_000_000 },
      { event: "link", state: "up" },
      { event: "memory", freeBytes: 60_000, largestBytes: 40_000, leastBytes: 20_000 },
      { event: "head", number: 3, hash: "0x1", timeS: 1, settled: 1, verified: 3 },
      { event: "record", seq: 1 },
      { event: "stored", seq: 1 },
    ]),
  );
  const items = judgeAll(seen, []);
  const of = (state: State): string[] => items.filter((item) => item.state === state).map(({ id }) => id);
  assert.equal(of("seen"), [
    ...["image", "flash-size", "flashed", "partitions", "console-usb", "start", "nvs", "slot", "memory-start", "entropy", "wifi"],
    ...["time", "broker", "memory-online", "head", "record", "stored", "power-on", "first-record"],
  ]);
  assert.equal(of("not seen"), ["secure-boot", "flash-encryption", "nvs-encryption", "download-locked"]);
  assert.is(stateOf(seen, "tls", ["tls"]), "seen");
  assert.is(stateOf(seen, "secure-boot", ["secure-boot"]), "not seen", "what the board contradicts stays");
});

test("too little heap, NVS that is not open, a table that lies elsewhere, a small flash: not seen", () => {
  assert.is(stateOf(evidence([{ ...START, freeBytes: 90_000, largestBytes: 60_000 }]), "memory-start"), "not seen");
  assert.is(stateOf(evidence([{ ...START, freeBytes: 150_000, largestBytes: 9_000 }]), "memory-start"), "not seen");
  const online = { event: "memory", freeBytes: 20_000, largestBytes: 9_000, leastBytes: 4_000 };
  assert.is(stateOf(evidence([online]), "memory-online"), "not seen");
  assert.is(stateOf(evidence([{ ...START, nvs: "nvs-corrupt" }]), "nvs"), "not seen");
  const moved = withRom(new Evidence(false));
  moved.rom = { ...moved.rom, partitions: [{ name: "nvs", at: 0x9000, bytes: 0x6000 }] } as Evidence["rom"];
  assert.is(stateOf(moved, "partitions"), "not seen");
  const small = withRom(new Evidence(false));
  small.rom = { ...small.rom, flashBytes: 2 << 20 } as Evidence["rom"];
  assert.is(stateOf(small, "flash-size"), "not seen");
});

test("causes, provisioning, updates, production, sleep and the bench firmware", () => {
  for (const [reset, id] of [
    ["brown-out", "brown-out"],
    ["task-watchdog", "watchdog"],
    ["panic", "crash"],
  ] as const)
    assert.is(stateOf(evidence([{ ...START, reset }]), id), "seen");
  assert.is(stateOf(evidence([{ event: "safe-mode", cause: "resets", detail: "", resets: 5 }]), "safe-mode"), "seen");
  assert.is(stateOf(evidence([{ event: "safe-mode", cause: "nvs-corrupt", detail: "", resets: 0 }]), "safe-mode"), "cannot say");
  assert.is(stateOf(evidence([{ event: "update", state: "valid", sequence: 3 }]), "update"), "seen");
  assert.is(stateOf(evidence([{ event: "update", state: "rolled-back", sequence: 3, reason: "reset" }]), "rollback"), "seen");
  const opened = evidence([], "uart");
  opened.tookHello({ board: "esp32c3", firmware: "0.1.0", configured: true, wifi: true });
  for (const id of ["provision-uart", "kept", "button"]) assert.is(stateOf(opened, id), "seen", id);
  assert.is(stateOf(opened, "provision-usb"), "cannot say");
  const locks = { profile: "production", secureBoot: true, flashEncryption: "release", nvsEncryption: true };
  const production = evidence([
    { ...START, ...locks },
    { event: "key", created: true },
  ]);
  production.rom = { why: "no ESP32's bootloader answers on this port: hold its BOOT button" };
  for (const id of ["secure-boot", "flash-encryption", "nvs-encryption", "download-locked", "sealed-key"])
    assert.is(stateOf(production, id), "seen", id);
  const asleep = new Evidence(false);
  asleep.take("rst:0x5 (DEEPSLEEP),boot:0xd (SPI_FAST_FLASH_BOOT)", 0);
  assert.is(stateOf(asleep, "sleep-wake"), "seen");
  assert.is(stateOf(evidence([{ bench: "result", name: "sign", nsMedian: 12_500_000 }]), "sign-time"), "seen");
});

test("a simulated board shows nothing of a chip", () => {
  const seen = evidence([START, { event: "stored", seq: 1 }], "unknown", true);
  for (const { id, state } of judgeAll(seen, [])) assert.is(state, "cannot say", id);
  assert.match(judgeAll(seen, []).find(({ id }) => id === "stored")?.why ?? "", /^seen on a simulated board, /);
});

test("nothing private is in it: not the MAC's own half, no address, no name, no text of the board's", () => {
  const secret = "hunter2 Secret";
  const seen = withRom(
    evidence([
      { ...START, firmware: secret.repeat(9), reset: `${secret}\u001b` },
      { event: "key", address: "0xA3A3cc3Bc4D019eb39B25AeA58C74817d85DF816", created: false },
      { event: "wifi", state: "failed", reason: secret },
      { event: "link", state: secret.repeat(9), reason: secret },
      { event: "error", what: "start", code: "config-invalid", detail: secret },
      { event: "app", password: secret },
      { event: secret, detail: 1 },
      { event: "record", seq: 1, values: [secret] },
      { bench: "result", name: `${secret}\u0000`, nsMedian: 1 },
    ]),
  );
  seen.tookHello({ board: `${secret}\n`, firmware: secret, address: "0xA3A3", configured: true, wifi: true, failure: "wifi" });
  const lines: string[] = [];
  const output = { line: (text = "") => void lines.push(text), error: () => undefined, style: (_: string, text: string) => text };
  const items = judgeAll(seen, []);
  printReport(seen, items, output);
  for (const text of [lines.join("\n"), JSON.stringify(reportOf(seen, items))]) {
    assert.not.match(text, /hunter2|Secret|A3A3|a3a3|be:ef|be.?ef/);
    assert.match(text, /7c:df:a1:…/);
  }
});

test("any lines at all: bounded, and never an exception", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.string(),
          fc.json().map((json) => `{"event":"start","x":${json}}`),
        ),
        { maxLength: 200 },
      ),
      (lines) => {
        const seen = new Evidence(false);
        for (const line of lines) seen.take(line, 0);
        assert.ok(JSON.stringify(reportOf(seen, judgeAll(seen, []))).length < 20_000);
      },
    ),
    { numRuns: 100 },
  );
});

test.run();
