// The ESP-IDF options that the manifest brings for each board (firmware/board/sdkconfig), as far as they can be judged
// without ESP-IDF: check:sdk has mcconfig merge them and kconfgen decide them.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BOARD_NAMES, BOARDS } from "../../../host-sim/boards.js";
import { OPTIONS_FOLDERS, type Profile } from "../../../tools/boards/written.js";
import { assignments, optionFaults, optionsOf, releaseOptionsOf } from "../../sdk/sdkconfig.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));

interface Platform {
  readonly build?: Readonly<Record<string, string>>;
}
const manifest = JSON.parse(readFileSync(join(root, "manifest.json"), "utf8")) as {
  readonly config: { readonly led?: { readonly rainbow?: boolean } };
  readonly modules: { readonly "~": readonly string[] };
  readonly platforms: Readonly<Record<string, Platform>>;
};
const PROFILES = Object.keys(OPTIONS_FOLDERS) as readonly Profile[];
const filesOf = (board: string, profile: Profile = "dev"): readonly [string, string] => {
  const folder = join(root, OPTIONS_FOLDERS[profile], board);
  const text = (name: string): string => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : "");
  return [text("sdkconfig.defaults"), text("sdkconfig.defaults.release")];
};

/** The SDK's own file for the S3, in what matters: silent on the UART, open to whoever is connected, and no watchdog. */
const SDKS = `CONFIG_ESP_SYSTEM_PANIC_GDBSTUB=y
CONFIG_ESP_CONSOLE_NONE=y
CONFIG_ESP_COREDUMP_ENABLE_TO_UART=y
# CONFIG_ESP_TASK_WDT_EN is not set
`;

test("every board's options hold for both profiles and both ways to build, over those of the SDK", () => {
  for (const board of BOARD_NAMES)
    for (const profile of PROFILES) {
      const [always, release] = filesOf(board, profile);
      assert.equal(optionFaults(board, profile, "debug", SDKS + always), [], board);
      assert.equal(optionFaults(board, profile, "release", SDKS + always + release), [], board);
    }
});

test("without them, every one is missed that is not off by itself", () => {
  for (const profile of PROFILES) {
    const on = [...optionsOf("esp32s3", profile), ...releaseOptionsOf("esp32s3")].filter(({ value }) => value !== "n");
    assert.is(optionFaults("esp32s3", profile, "release", SDKS).length, on.length);
  }
  assert.match(optionFaults("esp32s3", "dev", "debug", SDKS).join(), "PANIC_SILENT_REBOOT=y does not come out");
  assert.match(optionFaults("esp32", "dev", "release", filesOf("esp32")[0] + SDKS).join(), "COREDUMP_ENABLE_TO_NONE");
  assert.match(optionFaults("esp32c3", "dev", "release", "CONFIG_ESP_SYSTEM_GDBSTUB_RUNTIME=y").join(), "GDBSTUB_RUNTIME=n");
  const open = "CONFIG_SECURE_FLASH_ENCRYPTION_MODE_DEVELOPMENT=y\nCONFIG_SECURE_BOOT_ALLOW_JTAG=y\n";
  const faults = optionFaults("esp32c3", "production", "debug", filesOf("esp32c3", "production")[0] + open).join();
  for (const option of ["SECURE_FLASH_ENCRYPTION_MODE_RELEASE=y", "SECURE_BOOT_ALLOW_JTAG=n"]) assert.match(faults, option);
});

test("a board sets what the list names, and nothing else", () => {
  for (const board of BOARD_NAMES)
    for (const profile of PROFILES) {
      const [always, release] = filesOf(board, profile);
      const sorted = (list: readonly (readonly [string, string])[]): readonly string[] => list.map(String).sort();
      const expected = (list: ReturnType<typeof optionsOf>) => sorted(list.map(({ option, value }) => [option, value]));
      assert.equal(sorted(assignments(always)), expected(optionsOf(board, profile)), board);
      assert.equal(sorted(assignments(release)), expected(releaseOptionsOf(board)), board);
    }
});

test("production is all that dev has, the chip's locks closed besides, and dev closes none", () => {
  for (const board of BOARD_NAMES) {
    const names = (profile: Profile) => assignments(filesOf(board, profile)[0]).map(([name]) => name);
    for (const name of names("dev")) assert.ok(names("production").includes(name), `${board}: ${name}`);
    assert.equal(
      names("dev").filter((name) => /^SECURE_|^NVS_SEC/.test(name)),
      [],
      board,
    );
  }
});

test("every line is one that the SDK's merge understands: a comment, or one assignment", () => {
  for (const board of BOARD_NAMES)
    for (const profile of PROFILES)
      for (const line of filesOf(board, profile).join("").split("\n"))
        assert.match(line, /^(#(?! CONFIG_).*|CONFIG_[A-Z0-9_]+=(y|n|\d+|0x[0-9A-F]+)|)$/, `${board}: ${line}`);
});

test("no folder of options without a board, and no partition for core dumps", () => {
  for (const folder of Object.values(OPTIONS_FOLDERS))
    assert.equal(readdirSync(join(root, folder)).sort(), [...BOARD_NAMES].sort());
  for (const { name, flash } of BOARDS)
    assert.not(
      flash.partitions.some(({ subtype }) => subtype === "coredump"),
      name,
    );
});

test("nothing of the SDK is set up before the firmware, and no LED changes colours", () => {
  assert.is(manifest.config.led?.rainbow, false);
  const left = manifest.modules["~"].join("\n");
  const board = JSON.parse(readFileSync(join(root, "firmware/board/manifest-offline.json"), "utf8")) as typeof manifest;
  assert.match(board.modules["~"].join("\n"), "devices/esp32/setup/network");
  for (const { platform } of BOARDS.filter(({ platform }) => platform.includes("/")))
    assert.match(left, `targets/${platform.split("/")[1]}/setup-target`);
});

test.run();
