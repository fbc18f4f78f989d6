// The ESP-IDF options that every board, profile and build must come out with (firmware/board/sdkconfig, sdkconfig-production), and how to read
// what came out: of mcconfig, which writes our files over the SDK's, and of ESP-IDF's own kconfgen, which decides.

import { boardOf } from "../../host-sim/boards.js";
import { NVS_KEY_ID, type Profile } from "../../tools/boards/written.js";

/** mcconfig's two ways to build. */
export type Build = "debug" | "release";

interface Requirement {
  readonly option: string;
  readonly value: string;
  /** Those of a choice that the one here excludes. */
  readonly excludes?: readonly string[];
  readonly why: string;
}

const on = (option: string, why: string, ...excludes: string[]): Requirement => ({ option, value: "y", excludes, why });
const off = (option: string, why: string): Requirement => ({ option, value: "n", why });
const set = (option: string, value: string, why: string): Requirement => ({ option, value, why });

/** Every build of every board. */
const ALWAYS: readonly Requirement[] = [
  on(
    "ESP_COREDUMP_ENABLE_TO_NONE",
    "a core dump holds the stacks of all tasks",
    "ESP_COREDUMP_ENABLE_TO_UART",
    "ESP_COREDUMP_ENABLE_TO_FLASH",
  ),
  on(
    "ESP_SYSTEM_PANIC_SILENT_REBOOT",
    "the others print all registers and, on RISC-V, 1,024 bytes of the stack, or let whoever is connected read all memory",
    "ESP_SYSTEM_PANIC_PRINT_HALT",
    "ESP_SYSTEM_PANIC_PRINT_REBOOT",
    "ESP_SYSTEM_PANIC_GDBSTUB",
  ),
  off("ESP_DEBUG_STUBS_ENABLE", "a debugger's way into a running program"),
  off("ESP_SYSTEM_GDBSTUB_RUNTIME", "whoever sends a break on the console reads all memory"),
  on("ESP_TASK_WDT_EN", "a firmware that hangs is reset"),
  on("ESP_TASK_WDT_INIT", "from the start on"),
  on("ESP_TASK_WDT_PANIC", "else it only prints"),
  set("ESP_TASK_WDT_TIMEOUT_S", "30", "longer than the longest step, a run of headers with a hundred seals each"),
  on("ESP_INT_WDT", "an interrupt that hangs is reset"),
  on("BOOTLOADER_WDT_ENABLE", "a start that hangs is reset: the RTC's watchdog"),
  on("ESP_BROWNOUT_DET", "flash that is written with too little voltage holds anything"),
  on("PARTITION_TABLE_CUSTOM", "the board's own table", "PARTITION_TABLE_SINGLE_APP", "PARTITION_TABLE_TWO_OTA"),
  set("PARTITION_TABLE_OFFSET", "0xC000", "before it secure boot's bootloader has to fit"),
  on("PARTITION_TABLE_MD5", "a table that rots is noticed"),
  on("BOOTLOADER_APP_ROLLBACK_ENABLE", "an update that does not prove itself is taken back"),
  on("COMPILER_OPTIMIZATION_SIZE", "an image has to fit its slot", "COMPILER_OPTIMIZATION_DEBUG", "COMPILER_OPTIMIZATION_PERF"),
  off("ESP_WIFI_ENTERPRISE_SUPPORT", "size: no configuration of ours has it"),
  off("ESP_WIFI_SOFTAP_SUPPORT", "size: a mote joins a network and is none"),
  off("LWIP_DHCPS", "size: it gives no addresses"),
  off("ETH_USE_SPI_ETHERNET", "size"),
  off("MBEDTLS_CERTIFICATE_BUNDLE", "size: one certificate is pinned"),
  on("MBEDTLS_TLS_CLIENT_ONLY", "size", "MBEDTLS_TLS_SERVER_AND_CLIENT", "MBEDTLS_TLS_SERVER_ONLY", "MBEDTLS_TLS_DISABLED"),
  off("MBEDTLS_SSL_RENEGOTIATION", "size"),
  off("MBEDTLS_X509_CRL_PARSE_C", "size"),
  off("MBEDTLS_X509_CSR_PARSE_C", "size"),
  on("MBEDTLS_ASYMMETRIC_CONTENT_LEN", "else the record buffer out is as large as the one in"),
  set("MBEDTLS_SSL_IN_CONTENT_LEN", "16384", "a broker may send records of that length"),
  set("MBEDTLS_SSL_OUT_CONTENT_LEN", "2048", "a handshake must fit 40,960 bytes (docs/boards.md)"),
  on("MBEDTLS_SSL_PROTO_TLS1_3", "brokers that speak nothing else"),
  on("MBEDTLS_SSL_RECORD_SIZE_LIMIT", "short records are asked for"),
  off("MBEDTLS_CLIENT_SSL_SESSION_TICKETS", "a ticket of a session would be kept, and is never used"),
];

/** The profile production, of every board. */
const PRODUCTION: readonly Requirement[] = [
  on("SECURE_BOOT", "no image but ours starts"),
  on("SECURE_BOOT_V2_ENABLED", "version 1 is broken on the ESP32", "SECURE_BOOT_V1_ENABLED"),
  off("SECURE_BOOT_BUILD_SIGNED_BINARIES", "the key that signs is not where images are built"),
  off("SECURE_BOOT_INSECURE", "it opens what the others close"),
  on("SECURE_FLASH_ENC_ENABLED", "who reads the flash reads nothing"),
  on("SECURE_FLASH_ENCRYPTION_MODE_RELEASE", "else anybody writes plain text", "SECURE_FLASH_ENCRYPTION_MODE_DEVELOPMENT"),
  on("NVS_ENCRYPTION", "the key lies in NVS"),
  off("SECURE_BOOT_ALLOW_JTAG", "a debugger reads all memory"),
  on(
    "SECURE_DISABLE_ROM_DL_MODE",
    "who has the board in hand has no way in",
    "SECURE_ENABLE_SECURE_ROM_DL_MODE",
    "SECURE_INSECURE_ALLOW_DL_MODE",
  ),
  on("BOOTLOADER_APP_ANTI_ROLLBACK", "an image with a known hole is kept out for ever"),
  set("BOOTLOADER_APP_SECURE_VERSION", "0", "a release raises it, and nothing else"),
];

/** Release builds; in a debug build the SDK's debugger has the port. */
const RELEASE: readonly Requirement[] = [
  on(
    "ESP_CONSOLE_UART_DEFAULT",
    "the log, through the USB bridge of boards that have one",
    "ESP_CONSOLE_NONE",
    "ESP_CONSOLE_USB_CDC",
    "ESP_CONSOLE_USB_SERIAL_JTAG",
    "ESP_CONSOLE_UART_CUSTOM",
  ),
];
const RELEASE_USB: readonly Requirement[] = [
  on("ESP_CONSOLE_SECONDARY_USB_SERIAL_JTAG", "the log, on the chip's own USB port", "ESP_CONSOLE_SECONDARY_NONE"),
];

function ownOptions(board: string, profile: Profile): readonly Requirement[] {
  const { chip, flash } = boardOf(board);
  const sizes = [2, 4, 8, 16].map((megabytes) => `ESPTOOLPY_FLASHSIZE_${megabytes}MB`);
  const size = `ESPTOOLPY_FLASHSIZE_${flash.bytes >> 20}MB`;
  const own = [on(size, "the board's flash", ...sizes.filter((other) => other !== size))];
  if (chip.name !== "esp32") own.push(on("ESP_SYSTEM_MEMPROT", "data is not run as code"));
  if (profile === "dev") return chip.hmac ? [...own, off("NVS_ENCRYPTION", "it would burn a key")] : own;
  if (!chip.hmac)
    own.push(
      on(
        "NVS_SEC_KEY_PROTECT_USING_FLASH_ENC",
        "the chip has no HMAC",
        "NVS_SEC_KEY_PROTECT_USING_HMAC",
        "NVS_SEC_KEY_PROTECT_NONE",
      ),
    );
  else
    own.push(
      on("NVS_SEC_KEY_PROTECT_USING_HMAC", "no key in flash", "NVS_SEC_KEY_PROTECT_USING_FLASH_ENC", "NVS_SEC_KEY_PROTECT_NONE"),
      set("NVS_SEC_HMAC_EFUSE_KEY_ID", String(NVS_KEY_ID), "where chainmote flash burns it"),
    );
  if (chip.name === "esp32") own.push(on("ESP32_REV_MIN_3", "secure boot 2 begins there", "ESP32_REV_MIN_0"));
  return own;
}

/** What every build of a board and profile has, in the order of firmware/board/sdkconfig/BOARD/sdkconfig.defaults. */
export function optionsOf(board: string, profile: Profile): readonly Requirement[] {
  return [...ALWAYS, ...(profile === "production" ? PRODUCTION : []), ...ownOptions(board, profile)];
}

/** What release builds have besides. */
export function releaseOptionsOf(board: string): readonly Requirement[] {
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
export function optionFaults(board: string, profile: Profile, build: Build, text: string): readonly string[] {
  const list = assignments(text);
  const required = [...optionsOf(board, profile), ...(build === "release" ? releaseOptionsOf(board) : [])];
  const faults: string[] = [];
  for (const { option, value, excludes = [], why } of required) {
    const rivals = [option, ...excludes];
    const last = list.filter(([name, set]) => rivals.includes(name) && (excludes.length === 0 || set === "y")).at(-1);
    const isOff = last === undefined || last[1] === "n" || last[1] === "";
    // kconfgen writes hexadecimal in small letters.
    const holds = value === "n" ? isOff : last?.[0] === option && last[1].toLowerCase() === value.toLowerCase();
    if (!holds)
      faults.push(`${board}, ${profile}, ${build}: CONFIG_${option}=${value} does not come out (${last?.join("=")}): ${why}`);
  }
  return faults;
}
