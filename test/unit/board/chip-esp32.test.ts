// firmware/board/native/chip-esp32.c in the SDK's app_main, on this machine with sanitizers: NVS is opened only where it would lose nothing, and
// the SDK's abort is never reached. ESP-IDF is a stand-in of a hundred lines (esp32/); that the real one has these names, check:sdk sees.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decrypted, encryptedImage, entryAt, PAGE_BYTES, plainImage } from "../../fuzz/nvs-images.js";
import { ROOT } from "../sources.js";

const NATIVE = join(ROOT, "firmware/board/native");
const HERE = join(ROOT, "test/unit/board/esp32");
const PROFILES = {
  dev: "",
  hmac: "#define CONFIG_NVS_SEC_KEY_PROTECT_USING_HMAC 1\n",
  nvs_keys: "#define CONFIG_NVS_SEC_KEY_PROTECT_USING_FLASH_ENC 1\n",
} as const;
const PRODUCTION = ["NVS_ENCRYPTION", "MBEDTLS_HARDWARE_AES", "SECURE_BOOT_V2_ENABLED", "SECURE_FLASH_ENCRYPTION_MODE_RELEASE"]
  .map((name) => `#define CONFIG_${name} 1\n`)
  .join("");
type Kind = keyof typeof PROFILES;
const folder = mkdtempSync(join(tmpdir(), "chainmote-chip-"));
const source = readFileSync(join(NATIVE, "chip-esp32.c"), "utf8");
const programs = new Map<Kind, string>();
let missing: string | undefined;

for (const [kind, own] of Object.entries(PROFILES) as [Kind, string][]) {
  const headers = join(folder, kind);
  for (const [, header] of source.matchAll(/^\s*#\s*include "([^"]+)"/gm)) {
    const path = join(headers, header as string);
    if (header === "chip-board.h" || header === "nvs-pages.h") continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, header === "sdkconfig.h" ? (kind === "dev" ? "" : PRODUCTION + own) : '#include "esp-idf.h"\n');
  }
  const program = join(folder, `app-${kind}`);
  const files = [join(HERE, "app-main.c"), ...["chip-esp32.c", "nvs-pages.c"].map((name) => join(NATIVE, name))];
  const flags = [
    "-g",
    "-O1",
    "-DESP32=4",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
  ];
  const words = [...flags, "-I", headers, "-I", HERE, "-I", NATIVE, ...files, "-o", program];
  const { error, status, stderr } = spawnSync("gcc", words, { encoding: "utf8" });
  if (error !== undefined) missing = "no gcc here";
  else if (status !== 0) throw new Error(stderr.slice(0, 3000));
  programs.set(kind, program);
}
const it = missing === undefined ? test : test.skip;
if (missing !== undefined) console.log(`skipped: ${missing}`);
test.after(() => rmSync(folder, { recursive: true, force: true }));

interface Switches {
  readonly init?: number;
  readonly keys?: number;
  readonly reason?: number;
  readonly there?: boolean;
}

/** What app_main says, line by line. */
function boot(kind: Kind, image: Uint8Array, { init = 0, keys = 0, reason = 1, there = true }: Switches = {}): string[] {
  const input = Buffer.concat([Buffer.of(init, keys, reason, there ? 1 : 0), image, decrypted(image)]);
  const { status, stdout, stderr } = spawnSync(programs.get(kind) as string, [], { input });
  assert.is(status, 0, stderr.toString().slice(0, 2000));
  return stdout.toString().trim().split("\n");
}

const blank = (): Uint8Array => new Uint8Array(3 * PAGE_BYTES).fill(0xff);
const rotten = (image: Uint8Array): Uint8Array => {
  const at = entryAt(2) + 3;
  image[at] = (image[at] as number) ^ 4;
  return image;
};
/** The firmware's task, with the stack of the manifest, and app_main never gone on with. */
const SAFE = ["debugger", "task main 17408 4", "gone"];
const fault = (lines: readonly string[]): string | undefined => lines.find((line) => line.startsWith("fault "))?.slice(6);

it("a sound or a blank NVS is opened, once for us and once more by the SDK, which finds it open", () => {
  for (const [kind, image] of [
    ["dev", plainImage()],
    ["dev", blank()],
    ["hmac", encryptedImage()],
    ["nvs_keys", encryptedImage()],
  ] as const) {
    const lines = boot(kind, image);
    assert.equal(lines.slice(0, 3), ["init", "init", "debugger"], kind);
    assert.is(fault(lines), "none");
  }
});

it("what NVS would erase is never opened, and the firmware runs all the same", () => {
  for (const [kind, image, cause] of [
    ["dev", rotten(plainImage()), "nvs-corrupt"],
    ["dev", encryptedImage(), "nvs-corrupt"],
    ["hmac", rotten(encryptedImage()), "nvs-corrupt"],
    ["hmac", plainImage(), "nvs-plaintext"],
    ["nvs_keys", plainImage(), "nvs-plaintext"],
  ] as const) {
    const lines = boot(kind, image);
    assert.equal(lines.slice(0, 3), SAFE, `${kind}: ${cause}`);
    assert.is(fault(lines), cause);
    assert.not.ok(lines.includes("init"));
  }
});

it("what NVS itself refuses ends there, not in the SDK's abort", () => {
  for (const [init, cause] of [
    [1, "nvs-full"],
    [2, "nvs-newer"],
    [3, "nvs-failed"],
  ] as const) {
    const lines = boot("dev", plainImage(), { init });
    assert.equal(lines.slice(0, 4), ["init", ...SAFE], cause);
    assert.is(fault(lines), cause);
  }
  assert.is(fault(boot("dev", plainImage(), { there: false })), "nvs-missing");
});

it("without its keys no NVS is opened, for that would make new ones; but for the first start of an ESP32", () => {
  for (const keys of [1, 2]) {
    for (const image of [encryptedImage(), blank()]) assert.is(fault(boot("hmac", image, { keys })), "nvs-keys", "burnt before");
    assert.is(fault(boot("nvs_keys", encryptedImage(), { keys })), "nvs-keys");
  }
  assert.is(fault(boot("nvs_keys", blank(), { keys: 2 })), "nvs-keys", "keys that were there");
  assert.is(fault(boot("nvs_keys", blank(), { keys: 1 })), "none");
});

it("what is left of the heap is that of internal memory: free, in one piece, at the least", () => {
  assert.ok(boot("dev", plainImage()).includes("memory 3000 2000 1000"));
});

it("says why it started: a software reset that nobody marked is a panic", () => {
  const reasons = ["unknown", "power-on", "external", "panic", "panic", "interrupt-watchdog", "task-watchdog", "watchdog"];
  reasons.push("deep-sleep", "brown-out", "unknown", "external", "external", "unknown", "brown-out", "panic");
  for (const [reason, word] of reasons.entries())
    assert.ok(boot("dev", plainImage(), { reason }).includes(`reason ${word}`), `${reason}: ${word}`);
  const SOFTWARE = 3;
  const ORDERLY = 0x80;
  assert.ok(boot("dev", plainImage(), { reason: ORDERLY | SOFTWARE }).includes("reason software"));
  assert.ok(boot("dev", plainImage(), { reason: ORDERLY | 4 }).includes("reason panic"), "a mark makes nothing else orderly");
});

it("NVS counts as encrypted only where it is open in an image that encrypts it; the profile is the image's", () => {
  assert.ok(boot("hmac", encryptedImage()).includes("security 11"), "secure boot, flash encrypted in development mode, NVS");
  assert.ok(boot("hmac", plainImage()).includes("security 3"));
  assert.ok(boot("dev", plainImage()).includes("security 3"));
  assert.ok(boot("hmac", blank()).includes("profile production"));
  assert.ok(boot("dev", blank()).includes("profile dev"));
});

test.run();
