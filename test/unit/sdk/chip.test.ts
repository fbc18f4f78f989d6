// What check:sdk says where a board's file and those who decide differ, over a target, a makefile and headers of the SDK's and ESP-IDF's kind.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type BoardKind, boardOf } from "../../../host-sim/boards.js";
import { burnsOf } from "../../../tools/boards/burns.js";
import { chipFaults } from "../../sdk/chip.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-chip-"));
const [sdk, idf] = [join(folder, "sdk"), join(folder, "idf")];
const FILES: Readonly<Record<string, string>> = {
  "sdk/build/devices/esp32/targets/esp32c3/manifest.json":
    '{ "build": { "ESP32_SUBCLASS": "esp32c3" }, "config": { "led": { "pin": 8 } } }',
  "sdk/tools/mcconfig/make.esp32.mk": `ESP_ARCH = xtensa
ifeq ("$(ESP32_SUBCLASS)","esp32c6")
	ESP_ARCH = riscv
else
	ifeq ("$(ESP32_SUBCLASS)","esp32c3")
		ESP_ARCH = riscv
	else
		ifeq ("$(ESP32_SUBCLASS)","esp32s3")
			X = 1
		else
		endif
	endif
endif
`,
  "idf/components/soc/esp32c3/include/soc/soc_caps.h":
    "#define SOC_USB_SERIAL_JTAG_SUPPORTED   1\n#define SOC_CPU_CORES_NUM               (1U)\n#define SOC_HMAC_SUPPORTED 1\n",
  "idf/components/soc/esp32c3/include/soc/soc.h": "#define SOC_RTC_DATA_LOW  0x50000000\n#define SOC_RTC_DATA_HIGH 0x50002000\n",
  "idf/components/efuse/esp32c3/esp_efuse_table.csv": `${burnsOf(boardOf("esp32c3"))
    .flatMap(({ eFuse }) => eFuse)
    .map((field) => `${field},  EFUSE_BLK0, 1, 1, [] ours`)
    .join("\n")}\n`,
  "idf/components/esp_hal_uart/esp32c3/include/hal/uart_pins.h": "#define U0RXD_GPIO_NUM 20\n#define U0TXD_GPIO_NUM (21)\n",
};

test.before(() => {
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

const c3 = boardOf("esp32c3");

test("nothing where they agree", () => {
  assert.equal(chipFaults(c3, sdk, idf), []);
  assert.equal(chipFaults(c3, sdk, undefined), []);
});

test("each fact that is another one, by its field", () => {
  const wrong: BoardKind = {
    ...c3,
    chip: { name: "esp32c3", isa: "xtensa", cores: 2, rtcMemoryBytes: 16_384, usbConsole: false, hmac: false },
    pins: { i2c: c3.pins.i2c, console: { transmit: 1, receive: 4 }, button: 9, led: 10 },
  };
  const said = chipFaults(wrong, sdk, idf).flatMap((fault) => /json: (\S+) is/.exec(fault)?.[1] ?? []);
  assert.equal(said.sort(), [
    "chip.cores",
    "chip.hmac",
    "chip.isa",
    "chip.rtcMemoryBytes",
    "chip.usbConsole",
    "pins.console.receive",
    "pins.console.transmit",
    "pins.led",
  ]);
  assert.match(
    chipFaults({ ...c3, chip: { ...c3.chip, name: "esp32s3" } }, sdk, undefined).join(),
    /chip\.name is esp32s3, where .* esp32c3/,
  );
});

test("what is burnt bears the names of the chip's eFuse table", () => {
  // A C3 that were the first ESP32 would burn what it has not got.
  const faults = chipFaults({ ...c3, chip: { ...c3.chip, name: "esp32c3", hmac: false } }, sdk, idf);
  assert.equal(faults.length, 1, "hmac alone");
  writeFileSync(join(idf, "components/efuse/esp32c3/esp_efuse_table.csv"), "KEY5, EFUSE_BLK9, 0, 256, [BLOCK_KEY5] x\n");
  assert.match(chipFaults(c3, sdk, idf).join("\n"), /burns\.ts: the eFuse table of esp32c3 has no SPI_BOOT_CRYPT_CNT/);
});

test("a chip whose headers are not there is an error, not agreement", () => {
  assert.throws(
    () => chipFaults({ ...c3, chip: { ...c3.chip, name: "esp32x9" } }, sdk, idf),
    /ESP-IDF has no soc_caps\.h of esp32x9/,
  );
});

test.run();
