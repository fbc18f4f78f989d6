// What a board's file says of its chip and its target (firmware/boards), held against those who decide it: the SDK's target and
// makefile, and ESP-IDF's headers where they are here.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BOARD_FOLDER, type BoardKind } from "../../host-sim/boards.js";
import { burnsOf } from "../../tools/boards/burns.js";

interface Target {
  readonly build?: { readonly ESP32_SUBCLASS?: string };
  readonly config?: { readonly led?: { readonly pin?: number } };
}

const TARGETS = "build/devices/esp32/targets";
const MAKEFILE = "tools/mcconfig/make.esp32.mk";

/** @param sdk the SDK's folder @param idf ESP-IDF's, if there is one */
export function chipFaults(board: BoardKind, sdk: string, idf: string | undefined): readonly string[] {
  const { name, platform, chip, pins } = board;
  const target = targetOf(platform, sdk);
  const said: (readonly [string, unknown, unknown])[] = [
    ["chip.name", chip.name, target.build?.ESP32_SUBCLASS ?? "esp32"],
    ["pins.led", pins.led, target.config?.led?.pin],
    ["chip.isa", chip.isa, riscv(chip.name, readFileSync(join(sdk, MAKEFILE), "utf8")) ? "rv32imc" : "xtensa"],
  ];
  if (idf !== undefined) {
    const { caps, soc, uart } = headersOf(chip.name, idf);
    said.push(
      ["chip.cores", chip.cores, Number(/^#define SOC_CPU_CORES_NUM\s+\(?(\d+)/m.exec(caps)?.[1])],
      ["chip.usbConsole", chip.usbConsole, /^#define SOC_USB_SERIAL_JTAG_SUPPORTED\s+1/m.test(caps)],
      ["chip.hmac", chip.hmac, /^#define SOC_HMAC_SUPPORTED\s+1/m.test(caps)],
      ["chip.rtcMemoryBytes", chip.rtcMemoryBytes, address(soc, "HIGH") - address(soc, "LOW")],
      ["pins.console.transmit", pins.console.transmit, gpio(uart, "TXD")],
      ["pins.console.receive", pins.console.receive, gpio(uart, "RXD")],
    );
  }
  const burnt =
    idf === undefined
      ? []
      : unknownFuses(
          chip.name,
          idf,
          burnsOf(board).flatMap(({ eFuse }) => eFuse),
        );
  const faults = burnt.map((field) => `tools/boards/burns.ts: the eFuse table of ${chip.name} has no ${field}`);
  const different = said
    .filter(([, ours, theirs]) => ours !== theirs)
    .map(([field, ours, theirs]) => `${BOARD_FOLDER}/${name}.json: ${field} is ${ours}, where SDK and ESP-IDF have ${theirs}`);
  return [...different, ...faults];
}

function unknownFuses(chip: string, idf: string, fields: readonly string[]): readonly string[] {
  const table = readFileSync(join(idf, "components/efuse", chip, "esp_efuse_table.csv"), "utf8");
  const known = table.split("\n").map((line) => line.split(",")[0]?.trim());
  return fields.filter((field) => !known.includes(field));
}

function targetOf(platform: string, sdk: string): Target {
  const path = join(sdk, TARGETS, platform.split("/")[1] ?? "esp32", "manifest.json");
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Target) : {};
}

/** Whether the makefile, which asks for one chip after the other, takes that one for RISC-V. */
function riscv(chip: string, makefile: string): boolean {
  const begin = makefile.indexOf(`"${chip}")`);
  return begin >= 0 && /^\s*ESP_ARCH = riscv/m.test(makefile.slice(begin, makefile.indexOf("else", begin)));
}

function headersOf(chip: string, idf: string): { readonly caps: string; readonly soc: string; readonly uart: string } {
  const components = join(idf, "components");
  const read = (name: string): string => {
    for (const component of ["soc", "esp_hal_uart"]) {
      const folder = join(components, component, chip);
      const found = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
      const path = found.find((file) => file.endsWith(`/${name}`));
      if (path !== undefined) return readFileSync(join(folder, path), "utf8");
    }
    throw new Error(`ESP-IDF has no ${name} of ${chip}`);
  };
  return { caps: read("soc_caps.h"), soc: read("soc.h"), uart: read("uart_pins.h") };
}

const address = (header: string, end: "LOW" | "HIGH"): number =>
  Number(new RegExp(`^#define SOC_RTC_DATA_${end}\\s+(0x[0-9a-fA-F]+)`, "m").exec(header)?.[1]);
const gpio = (header: string, line: "TXD" | "RXD"): number =>
  Number(new RegExp(`^#define U0${line}_GPIO_NUM\\s+\\(?(\\d+)`, "m").exec(header)?.[1]);
