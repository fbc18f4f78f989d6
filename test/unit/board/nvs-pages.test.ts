// firmware/board/native/nvs-pages.c, compiled on this machine with sanitizers, over images of NVS: those of Espressif's own generator, what a
// power cut leaves, and what must not be opened, because NVS would erase it.

import { spawnSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { comparer, comparerWithout, NVS_PAGES } from "../../fuzz/driver.js";
import {
  decrypted,
  encryptedImage,
  entryAt,
  nvsInputs,
  PAGE_BYTES,
  plainImage,
  sealHeader,
  setState,
  withCopy,
} from "../../fuzz/nvs-images.js";

const program = await comparer(NVS_PAGES);
const it = typeof program === "string" ? test : test.skip;
if (typeof program !== "string") console.log(`skipped: ${program.missing}`);

/** What the program says; `clear` where NVS is encrypted. */
function look(image: Uint8Array, clear?: Uint8Array, failsAt = 0, by = program as string): string {
  const input = Buffer.concat([Buffer.of(clear === undefined ? 0 : 1, failsAt), image, clear ?? new Uint8Array(0)]);
  const { status, stdout, stderr } = spawnSync(by, [], { input, env: { ...process.env, ASAN_OPTIONS: "detect_leaks=0" } });
  assert.is(status, 0, stderr.toString().slice(0, 2000));
  return stdout.toString().trim();
}

const changed = (image: Uint8Array, at: number, bit = 1): Uint8Array => {
  image[at] = (image[at] as number) ^ bit;
  return image;
};
/** Entries of the generator's page: the namespace `keys`, the blob `device`, its 32 bytes. */
const [DEVICE, SECRET] = [1, 2];

it("what Espressif's generator made is sound, plain and encrypted, and erased flash is blank", () => {
  assert.is(look(plainImage()), "sound");
  assert.is(look(encryptedImage(), decrypted(encryptedImage())), "sound");
  assert.is(look(new Uint8Array(3 * PAGE_BYTES).fill(0xff)), "blank");
  assert.is(look(new Uint8Array(14 * PAGE_BYTES).fill(0xff), new Uint8Array(14 * PAGE_BYTES)), "blank");
});

it("a bit that has turned, in a key's name or in its value, is corrupt: NVS would erase it", () => {
  for (const at of [
    entryAt(DEVICE),
    entryAt(DEVICE) + 9,
    entryAt(DEVICE) + 28,
    entryAt(SECRET),
    entryAt(SECRET) + 31,
    entryAt(0) + 2,
  ])
    assert.is(look(changed(plainImage(), at)), "corrupt", `byte ${at}`);
  const encrypted = changed(encryptedImage(), entryAt(SECRET) + 5);
  assert.is(look(encrypted, decrypted(encrypted)), "corrupt");
});

it("a header that does not hold is corrupt where the page holds what lies nowhere else", () => {
  assert.is(look(changed(plainImage(), 5)), "corrupt");
  assert.is(look(changed(plainImage(), 0)), "corrupt", "no state that a page can have");
  assert.is(look(changed(withCopy(plainImage(), 1), 5)), "sound", "being erased after its values were moved");
  assert.is(look(changed(withCopy(changed(plainImage(), 5), 1), PAGE_BYTES + 5)), "corrupt", "two of them");
});

it("values as they are, where encryption is on, are told from what is corrupt", () => {
  assert.is(look(plainImage(), decrypted(plainImage())), "plaintext");
  assert.is(look(changed(plainImage(), 5), decrypted(plainImage())), "plaintext");
  assert.is(look(encryptedImage()), "corrupt", "and the other way round");
});

it("bytes of something else are corrupt, not blank: an older table had an image there", () => {
  const foreign = new Uint8Array(3 * PAGE_BYTES).map((_, i) => (i * 37) & 0xff);
  assert.is(look(foreign), "corrupt");
  assert.is(look(Uint8Array.from([...new Uint8Array(PAGE_BYTES).fill(0xff), ...foreign.subarray(PAGE_BYTES)])), "corrupt");
});

/** A partition of 14 pages that begins with these. */
const inLarge = (pages: Uint8Array): Uint8Array => {
  const large = new Uint8Array(14 * PAGE_BYTES).fill(0xff);
  large.set(pages);
  return large;
};

it("an older, smaller NVS that was moved whole is sound; one that the new partition lies half over is not", () => {
  assert.is(look(inLarge(plainImage())), "sound");
  const half = inLarge(plainImage());
  // The radio's calibration, and the old image's beginning.
  for (let at = 2 * PAGE_BYTES; at < half.length; at += 1) half[at] = (at * 37) & 0xff;
  assert.is(look(half), "corrupt");
  half.fill(0xff, 4 * PAGE_BYTES);
  assert.is(look(half), "sound", "two pages could be a power cut's");
});

it("what a power cut leaves is sound", () => {
  const unmarked = plainImage();
  unmarked.set(new Uint8Array(16), entryAt(15));
  assert.is(look(unmarked), "sound", "an entry that was written and not marked");
  const cut = setState(setState(plainImage(), SECRET, 3), SECRET + 1, 3);
  assert.is(look(cut), "sound", "a value whose second half was never marked");
  const begun = new Uint8Array(3 * PAGE_BYTES).fill(0xff);
  begun.set(plainImage().subarray(0, 8));
  assert.is(look(begun), "blank", "a first page whose header was cut");
  const half = withCopy(plainImage(), 1);
  half.fill(0xff, 0, 40);
  assert.is(look(half), "sound", "a page half erased whose values lie elsewhere, too");
  const freeing = withCopy(plainImage(), 1);
  freeing.set([0xf8, 0xff, 0xff, 0xff]);
  assert.is(look(sealHeader(freeing)), "sound", "values being moved");
});

it("flash that cannot be read is no verdict on what lies there", () => {
  for (const read of [1, 2, 3, 4, 6, 8]) assert.is(look(plainImage(), undefined, read), "unreadable", `read ${read}`);
});

it("any bytes: no read outside of the partition, whatever lengths and spans they name", () => {
  const inputs = nvsInputs("nvs-pages");
  for (let i = 0; i < 60; i += 1) {
    const input = inputs.next().value;
    const image = new Uint8Array(3 * PAGE_BYTES).fill(0xff);
    for (let page = 0; page < 3; page += 1) image.set(input.subarray(2 + page * 680, 2 + (page + 1) * 680), page * PAGE_BYTES);
    assert.match(look(image, i % 2 === 0 ? undefined : decrypted(image)), /^(sound|blank|corrupt|plaintext|unreadable)$/);
  }
  const long = plainImage();
  long.set([126, 0xff], entryAt(DEVICE) + 2);
  long.set([0xff, 0xff], entryAt(DEVICE) + 24);
  assert.is(look(long), "corrupt");
});

it("without its checks of a value, a bit that has turned in the key itself goes unseen", async () => {
  const check = "return crc == uint32At(first + VALUE_CRC_AT) ? ITEM_GOOD : ITEM_BAD;";
  const planted = await comparerWithout(NVS_PAGES, check, "return crc != 1 ? ITEM_GOOD : ITEM_BAD;");
  if (typeof planted !== "string") return assert.unreachable(planted.missing);
  assert.is(look(changed(plainImage(), entryAt(SECRET)), undefined, 0, planted), "sound");
});

test.run();
