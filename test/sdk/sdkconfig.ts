// The ESP-IDF options that every board and profile must come out with (firmware/board/sdkconfig), and how to read what came
// out: of mcconfig, which writes our files over the SDK's, and of ESP-IDF's own kconfgen, which decides.

import { boardOf } from "../../host-sim/boards.js";

export type Profile = "debug" | "release";

interface Requirement {
  readonly option: string;
  readonly value: string;
  /** Those of a choice that the one here excludes. */
  readonly excludes?: readonly string[];
  readonly why: string;
}

/** Every build of every board. */
const ALWAYS: readonly Requirement[] = [
  {
    option: "ESP_COREDUMP_ENABLE_TO_NONE",
    value: "y",
    excludes: ["ESP_COREDUMP_ENABLE_TO_UART", "ESP_COREDUMP_ENABLE_TO_FLASH"],
    why: "a core dump holds the stacks of all tasks",
  },
  {
    option: "ESP_SYSTEM_PANIC_SILENT_REBOOT",
    value: "y",
    excludes: ["ESP_SYSTEM_PANIC_PRINT_HALT", "ESP_SYSTEM_PANIC_PRINT_REBOOT", "ESP_SYSTEM_PANIC_GDBSTUB"],
    why: "the others print all registers and, on RISC-V, 1,024 bytes of the stack, or let whoever is connected read all memory",
  },
  { option: "ESP_DEBUG_STUBS_ENABLE", value: "n", why: "a debugger's way into a running program" },
  { option: "ESP_SYSTEM_GDBSTUB_RUNTIME", value: "n", why: "whoever sends a break on the console reads all memory" },
  { option: "MBEDTLS_ASYMMETRIC_CONTENT_LEN", value: "y", why: "else the record buffer out is as large as the one in" },
  { option: "MBEDTLS_SSL_IN_CONTENT_LEN", value: "16384", why: "a broker may send records of that length" },
  { option: "MBEDTLS_SSL_OUT_CONTENT_LEN", value: "2048", why: "a handshake must fit 40,960 bytes (docs/boards.md)" },
  { option: "MBEDTLS_SSL_PROTO_TLS1_3", value: "y", why: "brokers that speak nothing else" },
  { option: "MBEDTLS_SSL_RECORD_SIZE_LIMIT", value: "y", why: "short records are asked for" },
  { option: "MBEDTLS_CLIENT_SSL_SESSION_TICKETS", value: "n", why: "a ticket of a session would be kept, and is never used" },
];

/** Release builds; in a debug build the SDK's debugger has the port. */
const RELEASE: readonly Requirement[] = [
  {
    option: "ESP_CONSOLE_UART_DEFAULT",
    value: "y",
    excludes: ["ESP_CONSOLE_NONE", "ESP_CONSOLE_USB_CDC", "ESP_CONSOLE_USB_SERIAL_JTAG", "ESP_CONSOLE_UART_CUSTOM"],
    why: "the log, through the USB bridge of boards that have one",
  },
];
const RELEASE_USB: readonly Requirement[] = [
  {
    option: "ESP_CONSOLE_SECONDARY_USB_SERIAL_JTAG",
    value: "y",
    excludes: ["ESP_CONSOLE_SECONDARY_NONE"],
    why: "the log, on the chip's own USB port",
  },
];

/** What firmware/board/sdkconfig/BOARD sets for a profile, beyond what every build has where that is `release`. */
export function optionsOf(board: string, profile: Profile): readonly Requirement[] {
  if (profile === "debug") return ALWAYS;
  return boardOf(board).chip.usbConsole ? [...RELEASE, ...RELEASE_USB] : RELEASE;
}

/** The assignments of a file, in order, without CONFIG_; what is commented out is none, as ESP-IDF and the SDK read it. */
export function assignments(text: string): readonly (readonly [string, string])[] {
  const found: (readonly [string, string])[] = [];
  for (const line of text.split(/[\r\n]+/)) {
    const [, option, value] = /^CONFIG_(\w+)=(.*)$/.exec(line) ?? [];
    if (option !== undefined && value !== undefined) found.push([option, value]);
  }
  return found;
}

/**
 * What is amiss in a whole file of options. Of a choice the last member that is set wins, as in ESP-IDF's kconfgen.
 * @param text what mcconfig merged, or the `sdkconfig` of kconfgen
 */
export function optionFaults(board: string, profile: Profile, text: string): readonly string[] {
  const list = assignments(text);
  const required = profile === "debug" ? ALWAYS : [...ALWAYS, ...optionsOf(board, "release")];
  const faults: string[] = [];
  for (const { option, value, excludes = [], why } of required) {
    const rivals = [option, ...excludes];
    const last = list.filter(([name, set]) => rivals.includes(name) && (excludes.length === 0 || set === "y")).at(-1);
    const off = last === undefined || last[1] === "n" || last[1] === "";
    const holds = value === "n" ? off : last?.[0] === option && last[1] === value;
    if (!holds) faults.push(`${board}, ${profile}: CONFIG_${option}=${value} does not come out (${last?.join("=")}): ${why}`);
  }
  return faults;
}
