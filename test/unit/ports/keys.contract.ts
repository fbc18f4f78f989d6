// What every implementation of `Keys` (firmware/ports.ts) must do, whatever stands behind it: JavaScript, C memory or a
// secure element. A test file of an implementation calls `keysContract` once and adds what is its own.

import { createPublicKey, verify } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import type { KeyHandle, KeyRefusal, Keys } from "../../../firmware/ports.js";

/** One board's keys, and what a test may do to that board. */
export interface KeysWorld {
  /** The keys as the board has them after a boot; each call is a new boot over the same store. */
  boot(): Keys;
  /** What the noise source does from now on. */
  setNoise(noise: "good" | "not-ready" | "stuck" | "biased"): void;
  /** The power goes and comes: all but the store is forgotten. Call `boot` then. */
  powerCut(): void;
  /** Puts this value where `slot` keeps its key, or removes it. */
  putSlot(slot: string, value: Uint8Array | undefined): void;
}

export function isRefusal(made: KeyHandle | KeyRefusal): made is KeyRefusal {
  return "code" in made;
}

/** A key in `slot`, where the test counts on one. */
export function created(keys: Keys, slot: string): KeyHandle {
  const made = keys.create(slot);
  if (isRefusal(made)) throw new Error(`no key: ${made.code}: ${made.detail}`);
  return made;
}

function refusalOf(keys: Keys, slot: string): string {
  const made = keys.create(slot);
  return isRefusal(made) ? made.code : "made";
}

function digestOf(text: string): Uint8Array {
  return nobleEngine.sha256(new Uint8Array(Buffer.from(text)));
}

/**
 * Registers and runs the contract.
 * @param make a new board with an empty store and good noise; each board gets noise of its own
 */
export function keysContract(title: string, make: () => KeysWorld): void {
  const test = suite(`keys contract: ${title}`);

  test("an empty slot opens to nothing; a made key is there at once and after a boot, and signs alike", async () => {
    const board = make();
    const keys = board.boot();
    assert.is(keys.open("mote"), undefined);
    const key = created(keys, "mote");
    assert.is(key.slot, "mote");
    const publicKey = keys.publicKey(key);
    const signature = await keys.sign(key, digestOf("one"));
    const again = board.boot();
    const reopened = again.open("mote") as KeyHandle;
    assert.is(toHex(again.publicKey(reopened)), toHex(publicKey));
    assert.is(toHex(await again.sign(reopened, digestOf("one"))), toHex(signature));
  });

  test("signatures are 64 bytes, deterministic, low in s, and hold in OpenSSL", async () => {
    const keys = make().boot();
    const key = created(keys, "mote");
    const publicKey = keys.publicKey(key);
    assert.is(publicKey.length, 65);
    assert.is(publicKey[0], 4);
    const encode = (part: Uint8Array): string => Buffer.from(part).toString("base64url");
    const jwk = { kty: "EC", crv: "secp256k1", x: encode(publicKey.slice(1, 33)), y: encode(publicKey.slice(33)) };
    const opened = createPublicKey({ format: "jwk", key: jwk });
    for (let i = 0; i < 16; i += 1) {
      const signature = await keys.sign(key, digestOf(`message ${i}`));
      assert.is(signature.length, 64);
      assert.ok(nobleEngine.secp256k1.verify(signature, digestOf(`message ${i}`), publicKey), "low s");
      assert.ok(verify("sha256", Buffer.from(`message ${i}`), { key: opened, dsaEncoding: "ieee-p1363" }, signature));
      assert.is(toHex(await keys.sign(key, digestOf(`message ${i}`))), toHex(signature));
    }
  });

  test("two slots hold two keys, and two boards never one", () => {
    const keys = make().boot();
    const [one, two] = [created(keys, "one"), created(keys, "two")];
    assert.is.not(toHex(keys.publicKey(one)), toHex(keys.publicKey(two)));
    const others = make().boot();
    assert.is.not(toHex(keys.publicKey(one)), toHex(others.publicKey(created(others, "one"))));
  });

  test("a key is never replaced", () => {
    const board = make();
    const keys = board.boot();
    const publicKey = toHex(keys.publicKey(created(keys, "mote")));
    assert.is(refusalOf(keys, "mote"), "key-slot-taken");
    assert.is(refusalOf(board.boot(), "mote"), "key-slot-taken");
    const reopened = keys.open("mote") as KeyHandle;
    assert.is(toHex(keys.publicKey(reopened)), publicKey);
  });

  test("noise that is not ready makes no key and leaves the slot empty; good noise then makes one", () => {
    const board = make();
    const keys = board.boot();
    board.setNoise("not-ready");
    assert.is(refusalOf(keys, "mote"), "entropy-not-ready");
    assert.is(keys.open("mote"), undefined);
    board.setNoise("good");
    assert.is(refusalOf(keys, "mote"), "made");
  });

  test("noise that is stuck or biased makes no key, and good noise none either until the power was off", () => {
    const board = make();
    for (const [noise, code] of [
      ["stuck", "entropy-repeats"],
      ["biased", "entropy-biased"],
    ] as const) {
      board.setNoise(noise);
      const keys = board.boot();
      assert.is(refusalOf(keys, "mote"), code);
      board.setNoise("good");
      assert.is(refusalOf(keys, "mote"), "entropy-latched");
      assert.is(refusalOf(board.boot(), "mote"), "entropy-latched", "after a software reset");
      assert.is(keys.open("mote"), undefined);
      board.powerCut();
    }
    assert.is(refusalOf(board.boot(), "mote"), "made");
  });

  test("a slot that holds something else than a key throws, and is not overwritten", () => {
    const board = make();
    const n = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    const values = ["", "01", "11".repeat(31), "11".repeat(33), "00".repeat(32), n, "ff".repeat(32)];
    for (const hex of values) {
      board.putSlot("mote", new Uint8Array(Buffer.from(hex, "hex")));
      const keys = board.boot();
      for (const attempt of [() => keys.open("mote"), () => keys.create("mote")]) {
        assert.throws(attempt, (error: unknown) => {
          assert.instance(error, Error);
          const { message } = error as Error;
          return message.includes("mote") && (hex.length < 4 || !message.includes(hex));
        });
      }
    }
    board.putSlot("mote", undefined);
    assert.is(refusalOf(board.boot(), "mote"), "made");
  });

  test("the largest and the smallest key open", () => {
    const board = make();
    board.putSlot("least", new Uint8Array(Buffer.from(`${"00".repeat(31)}01`, "hex")));
    board.putSlot("most", new Uint8Array(Buffer.from("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140", "hex")));
    const keys = board.boot();
    const least = keys.publicKey(keys.open("least") as KeyHandle);
    const most = keys.publicKey(keys.open("most") as KeyHandle);
    assert.is(toHex(least).slice(2, 66), "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
    assert.is(toHex(least).slice(0, 66), toHex(most).slice(0, 66));
    assert.is.not(toHex(least), toHex(most));
  });

  test("a closed handle, one of another boot, and one that was made up do nothing", () => {
    const board = make();
    const keys = board.boot();
    const key = created(keys, "mote");
    const open = keys.open("mote") as KeyHandle;
    keys.close(key);
    keys.close(key);
    for (const handle of [key, { slot: "mote" }, Object.freeze({ ...open }), board.boot().open("mote") as KeyHandle]) {
      assert.throws(() => keys.publicKey(handle));
      assert.throws(() => keys.sign(handle, digestOf("x")));
    }
    assert.is(keys.publicKey(open).length, 65, "closing one handle leaves the others");
  });

  test("only 32 bytes are a digest, and only 1 to 15 characters a slot", () => {
    const keys = make().boot();
    const key = created(keys, "exactly15chars_");
    for (const length of [0, 31, 33, 64]) assert.throws(() => keys.sign(key, new Uint8Array(length)));
    assert.throws(() => keys.sign(key, "11".repeat(16) as unknown as Uint8Array));
    for (const slot of ["", "sixteen_letters_"]) {
      assert.throws(() => keys.open(slot));
      assert.throws(() => keys.create(slot));
    }
  });

  test("a public key is the caller's own copy", () => {
    const keys = make().boot();
    const key = created(keys, "mote");
    const first = keys.publicKey(key);
    const kept = toHex(first);
    first.fill(0);
    assert.is(toHex(keys.publicKey(key)), kept);
  });

  test.run();
}
