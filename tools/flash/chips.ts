// What the ROM of a chip is asked before anything is written, and how it is spoken to without esptool's stub: registers of eFuses (each chip's
// technical reference manual, "eFuse Controller"), and the lengths of commands where the ROMs differ (esptool's "Serial Protocol").

/** Registers of the chip by its name as esptool writes it. */
export interface ChipFacts {
  /** As ESP-IDF names it. */
  readonly target: string;
  /** Address and mask of the counter that turns flash encryption on while an odd number of its bits is set. */
  readonly cryptCount: readonly [address: number, mask: number];
  readonly secureBoot: readonly [address: number, mask: number];
  /** Set: the ROM encrypts nothing that it writes (release mode). */
  readonly noManualEncrypt: readonly [address: number, mask: number];
  /** What the key block is for from which those of NVS are derived; absent where they lie in a partition (ESP32). */
  readonly nvsKeyPurpose?: readonly [address: number, mask: number];
  /** Whether the ROM wants a fifth word, "encrypted", in what begins a write. */
  readonly fifthWord: boolean;
}

/** Key block 5, which the profile production names (CONFIG_NVS_SEC_HMAC_EFUSE_KEY_ID). */
export const NVS_KEY_BLOCK = "BLOCK_KEY5";
const KEY_PURPOSE_MASK = 0xf << 12;
const PURPOSE_HMAC_UP = 8 << 12;

const later = (target: string, base: number): ChipFacts => ({
  target,
  cryptCount: [base + 0x34, 0x7 << 18],
  secureBoot: [base + 0x38, 1 << 20],
  noManualEncrypt: [base + 0x30, 1 << 20],
  nvsKeyPurpose: [base + 0x38, KEY_PURPOSE_MASK],
  fifthWord: true,
});

export const CHIPS: Readonly<Record<string, ChipFacts>> = {
  ESP32: {
    target: "esp32",
    cryptCount: [0x3ff5a000, 0x7f << 20],
    secureBoot: [0x3ff5a018, 0x3 << 4],
    noManualEncrypt: [0x3ff5a018, 1 << 7],
    fifthWord: false,
  },
  "ESP32-C3": later("esp32c3", 0x60008800),
  "ESP32-C6": later("esp32c6", 0x600b0800),
  "ESP32-S3": later("esp32s3", 0x60007000),
};

/** esptool's name of the chip that ESP-IDF names `target`. */
export function chipName(target: string): string {
  return Object.entries(CHIPS).find(([, chip]) => chip.target === target)?.[0] ?? target;
}

/** What is on for ever, or is not. */
export interface ChipSecurity {
  readonly secureBoot: boolean;
  readonly flashEncryption: "off" | "development" | "release";
  /** False where the chip has no key yet by which NVS could be encrypted. */
  readonly nvsKey: boolean;
}

export async function securityOf(chip: ChipFacts, readRegister: (address: number) => Promise<number>): Promise<ChipSecurity> {
  const isSet = async ([address, mask]: readonly [number, number]): Promise<number> =>
    ((await readRegister(address)) & mask) >>> 0;
  const [count, boot, release] = [await isSet(chip.cryptCount), await isSet(chip.secureBoot), await isSet(chip.noManualEncrypt)];
  const odd = [...count.toString(2)].filter((bit) => bit === "1").length % 2 === 1;
  const nvsKey = chip.nvsKeyPurpose === undefined || (await isSet(chip.nvsKeyPurpose)) === PURPOSE_HMAC_UP;
  return { secureBoot: boot !== 0, flashEncryption: odd ? (release !== 0 ? "release" : "development") : "off", nvsKey };
}
