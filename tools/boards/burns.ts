// What the profile production burns into a chip's eFuses, each for ever: said to a person before it is burnt (the command that flashes), and in
// docs/boards.md.
//
// Promises: everything that the options of firmware/boards/sdkconfig.production have the bootloader, the image or the one who flashes burn, by
// the names of ESP-IDF 6.0's eFuse tables, in the order in which it happens. Never: burns.

import type { BoardKind } from "../../host-sim/boards.js";

/** One thing that cannot be taken back. */
export interface Burn {
  readonly what: string;
  /** Fields of ESP-IDF's eFuse table of the chip. */
  readonly eFuse: readonly string[];
  /** Who burns it, and when. */
  readonly by: string;
  /** What is impossible from then on. */
  readonly after: string;
}

const FLASHING = "whoever flashes it, before the first start";
const BOOTLOADER = "the bootloader, at the first start";
const UPDATE = "the image, once an update with a higher `secure_version` has proven itself";

/** In the order in which they are burnt. */
export function burnsOf({ chip }: BoardKind): readonly Burn[] {
  const first = chip.name === "esp32";
  return [
    ...(chip.hmac
      ? [
          {
            what: "the key from which those of NVS are derived, made for this board alone and kept nowhere else",
            eFuse: ["KEY5", "KEY_PURPOSE_5", "RD_DIS"],
            by: FLASHING,
            after: "reading it, or another one in its place; without it nothing in `nvs` can be read",
          },
        ]
      : []),
    {
      what: "the digest of the key that signs images",
      eFuse: first ? ["BLOCK2"] : ["KEY0", "KEY_PURPOSE_0"],
      by: BOOTLOADER,
      after: "an image that this key has not signed; whoever loses it can never update the board",
    },
    {
      what: "secure boot 2 on",
      eFuse: first ? ["ABS_DONE_1"] : ["SECURE_BOOT_EN"],
      by: BOOTLOADER,
      after: "a start without a signature that holds",
    },
    ...(first
      ? []
      : [
          {
            what: "the other two places for such digests revoked",
            eFuse: ["SECURE_BOOT_KEY_REVOKE1", "SECURE_BOOT_KEY_REVOKE2"],
            by: BOOTLOADER,
            after: "a second key that signs images",
          },
        ]),
    {
      what: "the key of flash encryption, made by the chip, which nobody ever sees",
      eFuse: first ? ["BLOCK1", "RD_DIS.BLOCK1"] : ["KEY1", "KEY_PURPOSE_1", "RD_DIS"],
      by: BOOTLOADER,
      after: "reading the flash outside of this chip",
    },
    {
      what: "flash encryption on, in release mode",
      eFuse: first ? ["FLASH_CRYPT_CNT", "FLASH_CRYPT_CONFIG", "WR_DIS.FLASH_CRYPT_CNT"] : ["SPI_BOOT_CRYPT_CNT"],
      by: BOOTLOADER,
      after: "an image in plain text: updates come over the air alone",
    },
    {
      what: "JTAG off",
      eFuse: first ? ["JTAG_DISABLE", "CONSOLE_DEBUG_DISABLE"] : ["DIS_PAD_JTAG", "DIS_USB_JTAG", "SOFT_DIS_JTAG"],
      by: BOOTLOADER,
      after: "a debugger",
    },
    {
      what: "download over UART and USB off",
      eFuse: first ? ["UART_DOWNLOAD_DIS"] : ["DIS_DOWNLOAD_MODE"],
      by: BOOTLOADER,
      after: "esptool and espefuse: a board that neither of its images starts is lost",
    },
    {
      what: "encryption by the downloader, its cache, and a start without bootloader off",
      eFuse: first
        ? ["DISABLE_DL_ENCRYPT", "DISABLE_DL_DECRYPT", "DISABLE_DL_CACHE"]
        : ["DIS_DOWNLOAD_MANUAL_ENCRYPT", "DIS_DOWNLOAD_ICACHE", "DIS_DIRECT_BOOT"],
      by: BOOTLOADER,
      after: "nothing that a mote uses",
    },
    {
      what: "read protection closed",
      eFuse: ["WR_DIS.RD_DIS"],
      by: BOOTLOADER,
      after: "one more key that cannot be read: that of NVS has to be there before",
    },
    {
      what: "the least `secure_version` that starts",
      eFuse: ["SECURE_VERSION"],
      by: UPDATE,
      after: `images below it; ${first ? 32 : 16} steps in the chip's life`,
    },
  ];
}
