// The ESP-IDF options that the manifest brings for each board (firmware/board/sdkconfig), as far as they can be judged
// without ESP-IDF: check:sdk has mcconfig merge them and kconfgen decide them.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BOARD_NAMES, BOARDS, boardOf } from "../../../host-sim/boards.js";
import { assignments, optionFaults, optionsOf } from "../../sdk/sdkconfig.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));

interface Platform {
  readonly build?: Readonly<Record<string, string>>;
}
const manifest = JSON.parse(readFileSync(join(root, "manifest.json"), "utf8")) as {
  readonly config: { readonly led?: { readonly rainbow?: boolean } };
  readonly modules: { readonly "~": readonly string[] };
  readonly platforms: Readonly<Record<string, Platform>>;
};
const platformOf = (board: string): Platform => manifest.platforms[boardOf(board).platform] as Platform;
const filesOf = (board: string): readonly [string, string] => {
  const folder = join(root, platformOf(board).build?.["SDKCONFIGPATH ?="] ?? "none");
  const text = (name: string): string => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : "");
  return [text("sdkconfig.defaults"), text("sdkconfig.defaults.release")];
};

/** The SDK's own file for the S3, in what matters: silent on the UART, and open to whoever is connected. */
const SDKS = `CONFIG_ESP_SYSTEM_PANIC_GDBSTUB=y
CONFIG_ESP_CONSOLE_NONE=y
CONFIG_ESP_COREDUMP_ENABLE_TO_UART=y
`;

test("every board's options hold for both profiles, over those of the SDK", () => {
  for (const board of BOARD_NAMES) {
    const [always, release] = filesOf(board);
    assert.equal(optionFaults(board, "debug", SDKS + always), [], board);
    assert.equal(optionFaults(board, "release", SDKS + always + release), [], board);
  }
});

test("without them, every one is missed", () => {
  assert.is(optionFaults("esp32s3", "release", SDKS).length, 9);
  assert.match(optionFaults("esp32s3", "debug", SDKS).join(), "PANIC_SILENT_REBOOT=y does not come out");
  assert.match(optionFaults("esp32", "release", filesOf("esp32")[0] + SDKS).join(), "COREDUMP_ENABLE_TO_NONE");
  assert.match(optionFaults("esp32c3", "release", "CONFIG_ESP_SYSTEM_GDBSTUB_RUNTIME=y").join(), "GDBSTUB_RUNTIME=n");
});

test("a board sets what the list names, and nothing else", () => {
  for (const board of BOARD_NAMES) {
    const [always, release] = filesOf(board);
    const expected = (profile: "debug" | "release") => optionsOf(board, profile).map(({ option, value }) => [option, value]);
    assert.equal(assignments(always), expected("debug"), board);
    assert.equal(assignments(release), expected("release"), board);
  }
});

test("every line is one that the SDK's merge understands: a comment, or one assignment", () => {
  for (const board of BOARD_NAMES)
    for (const line of filesOf(board).join("").split("\n"))
      assert.match(line, /^(#(?! CONFIG_).*|CONFIG_[A-Z0-9_]+=(y|n|\d+)|)$/, `${board}: ${line}`);
});

test("no folder of options without a board, and no partition for core dumps", () => {
  assert.equal(readdirSync(join(root, "firmware/board/sdkconfig")).sort(), [...BOARD_NAMES].sort());
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
