// Images of ESP-IDF's NVS for tests: two that Espressif's own generator made (PyPI esp-idf-nvs-partition-gen 0.3.0, `generate` and `encrypt`
// of the same values), pages built entry by entry, and mutations of them for the fuzzer.
//
// Values: namespace `keys`, blob `device` of 32 bytes; namespace `mote`, number `boot` and blob `state` of 68 bytes; namespace `boots`, blob `ages` of 2.

import { createDecipheriv } from "node:crypto";
import { crc32 } from "node:zlib";
import { Prng } from "../../host-sim/world/prng.js";

export const PAGE_BYTES = 4096;
const ENTRY_BYTES = 32;
const ENTRIES_AT = 64;
const PAGES = 3;

/** The first bytes of the first page; all else is erased. */
const PLAIN =
  "feffffff00000000feffffffffffffffffffffffffffffffffffffff842dbab9aaaaaaeaffffffffffffffffffffffffffffffffffffffff" +
  "ffffffffffffffff000101ffd6660b1c6b65797300000000000000000000000001ffffffffffffff01420200ff8908f66465766963650000" +
  "00000000000000002000ffffd8d4d377000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f014801ffeb4f8e22" +
  "64657669636500000000000000000000200000000100ffff000101ff406585806d6f746500000000000000000000000002ffffffffffffff" +
  "020401ffd09cb266626f6f7400000000000000000000000007000000ffffffff024204008835347973746174650000000000000000000000" +
  "4400fffffbb09cd8414141414141414141414141414141414141414141414141414141414141414141414141414141414141414141414141" +
  "4141414141414141414141414141414141414141ffffffffffffffffffffffffffffffffffffffffffffffffffffffff024801ffb2a0bd5e" +
  "73746174650000000000000000000000440000000100ffff000101ff9628a332626f6f7473000000000000000000000003ffffffffffffff" +
  "0342020037b740e6616765730000000000000000000000000200ffff92afea080102ffffffffffffffffffffffffffffffffffffffffffff" +
  "ffffffffffffffff034801ffdcaff55061676573000000000000000000000000020000000100ffff";
/** The same, encrypted. */
const ENCRYPTED =
  "feffffff00000000feffffffffffffffffffffffffffffffffffffff842dbab9aaaaaaeaffffffffffffffffffffffffffffffffffffffff" +
  "ffffffffffffffff06bcd8ec0af25b0e502b0a84fb3a8c6ba15922e2adf5eed8e31225e127bbc93fc68dcc969c1e8e77fe0109396eb461a5" +
  "2a490afe72a55910630a170003cdf414a0dec18c72ec33513d1e8b92c1e61f652406c69773e351dd16489e09aff2b4b1268183f273d32e14" +
  "64bdf5465741be42ab1b4da782b0303c2ee653d68d635cb3a72ea191e36042671529ba9ec4c1a79ba87b1155972cccca815ff2c563924c88" +
  "ffafe0982785362f3f93ba7b3750f7f377854f602efe0ae860320543e2d0ea1be59da0d8cda01ee804f2216f340bf910fee51ce6ad435f47" +
  "9cb09ee6f46532b008bb421f0fce5abca79c2f44bf29bbe463d07ece3999357851d6834d296a03f04cfc12a0339e0293a95e2334e97d58c2" +
  "6e6eb6844989021c3877dc210ffad8bd285d03fc5bcd28b877b6877f4f3e251e9704803a77498b06f9da3472d6d202c7a2ee6e847fae0f02" +
  "57e833547720232dac3aec0eb3545a1bc5f53933cfa162a0db03a2410faac3d387dfca7d0da9a8c3f34744b15f2f37ec8f11818e4d03fdba" +
  "dd3709f6f5c60f0c368796618c2a2096d219f5635ce1d5ff7f86c0ef4c8ec7c32d28f1529f8b80079bb246b4fbfe7ad251586a040577866a" +
  "2599627ce6de4f6f3f4c2f9872a4a63ea7918ecc404c8be5284f0bb3806e5744372d3b484f921427";
/** Keys of the encrypted one: two of 32 bytes. */
const KEYS =
  "b0fa32e2d0275029886d87494e56a537220230c1836997473a108494e3d507d63f625cb0f021c92cd3b4bf517acc9beb341fe4e0607185fb" +
  "ec9025e232c47a23";

function image(hex: string): Uint8Array {
  const bytes = new Uint8Array(PAGES * PAGE_BYTES).fill(0xff);
  bytes.set(Buffer.from(hex, "hex"));
  return bytes;
}

export const plainImage = (): Uint8Array => image(PLAIN);
export const encryptedImage = (): Uint8Array => image(ENCRYPTED);

/** What a whole image is once each of its entries is decrypted: AES-256-XTS, the entry's place in the partition as the unit. */
export function decrypted(encrypted: Uint8Array): Uint8Array {
  const clear = encrypted.slice();
  for (let at = 0; at < clear.length; at += ENTRY_BYTES) {
    const unit = Buffer.alloc(16);
    unit.writeUInt32LE(at);
    clear.set(createDecipheriv("aes-256-xts", Buffer.from(KEYS, "hex"), unit).update(clear.subarray(at, at + ENTRY_BYTES)), at);
  }
  return clear;
}

/** The CRC of a page's header, made to hold again. */
export function sealHeader(bytes: Uint8Array, page = 0): Uint8Array {
  const at = page * PAGE_BYTES;
  // esp_rom_crc32_le begun with all ones.
  new DataView(bytes.buffer).setUint32(at + 28, crc32(bytes.subarray(at + 4, at + 28), 0xffffffff) >>> 0, true);
  return bytes;
}

/** Where entry `index` of a page lies. */
export const entryAt = (index: number, page = 0): number => page * PAGE_BYTES + ENTRIES_AT + index * ENTRY_BYTES;

/** Sets the two bits that say what an entry is: 3 empty, 2 written, 0 erased. */
export function setState(bytes: Uint8Array, index: number, state: number, page = 0): Uint8Array {
  const at = page * PAGE_BYTES + 32 + (index >> 2);
  const shift = (index & 3) * 2;
  bytes[at] = ((bytes[at] as number) & ~(3 << shift)) | (state << shift);
  return bytes;
}

/** Copies the first page, header and all, to `page`, as a page with another sequence number. */
export function withCopy(bytes: Uint8Array, page: number): Uint8Array {
  bytes.copyWithin(page * PAGE_BYTES, 0, PAGE_BYTES);
  new DataView(bytes.buffer).setUint32(page * PAGE_BYTES + 4, page, true);
  return sealHeader(bytes, page);
}

const SLICE_BYTES = 680;
const MUTATIONS_MAX = 6;

/** Inputs of nvs-pages.c's fuzzer: two bytes of choices, then the beginnings of three pages. The same seed gives the same inputs. */
export function* nvsInputs(seed: string): Generator<Uint8Array, never> {
  const prng = new Prng(seed);
  for (;;) {
    const input = new Uint8Array(2 + 3 * SLICE_BYTES).fill(0xff);
    input[0] = prng.below(4);
    input[1] = prng.below(9) === 0 ? prng.below(256) : 0;
    for (let page = 0; page < PAGES; page += 1)
      if (page === 0 || prng.below(2) === 0) {
        const from = prng.below(2) === 0 ? plainImage() : encryptedImage();
        input.set(from.subarray(0, SLICE_BYTES), 2 + page * SLICE_BYTES);
      }
    for (let left = prng.below(MUTATIONS_MAX + 1); left > 0; left -= 1) {
      const at = 2 + prng.below(input.length - 2);
      input[at] = prng.below(2) === 0 ? prng.below(256) : (input[at] as number) ^ (1 << prng.below(8));
    }
    yield input;
  }
}
