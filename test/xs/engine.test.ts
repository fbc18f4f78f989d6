// The native engine on the real engine, against the reference: the same bytes for the same input. m32 bears the weight;
// rv32, the board's own instruction set, a sample of each.

import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { concat, toHex } from "../../firmware/bytes.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { addressOf, sealerOf } from "../../firmware/crypto/identity.js";
import { SoftwareKeys } from "../../firmware/crypto/software-keys.js";
import type { KeyHandle, KeyValueStorage } from "../../firmware/ports.js";
import type { Target } from "../../host-sim/xs/toolchain.js";
import { goodNoise } from "../unit/crypto/noise.js";
import { bytesOf, N, numberOf, scalar } from "../unit/crypto/scalars.js";
import type { Job } from "./guest/oracle.js";
import { engineOf, keysOf, Session } from "./session.js";

const GX = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n;
const P = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn;
const EDGES = [0n, 1n, 2n, GX, N / 2n, N / 2n + 1n, N - 1n, N, N + 1n, P - 1n, P, P + 1n, P - N, 2n ** 256n - 1n];

/** How much of each on a target. */
const AMOUNTS = { x64: { signatures: 0, runs: 0 }, m32: { signatures: 10_000, runs: 120 }, rv32: { signatures: 60, runs: 8 } };
/** Verified and recovered by both: the reference takes 4 ms for each, so all of them in the long runs alone. */
const CHECKED = process.env.FULL === "1" ? { x64: 0, m32: 10_000, rv32: 60 } : { x64: 0, m32: 400, rv32: 20 };
const KEYS = 20;

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const anyScalar = fc.oneof(fc.constantFrom(...EDGES.map(scalar)), bytes32);
const anyParts = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 });

/** One text for all that an engine says to this input. */
function answers(engine: CryptoEngine, signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): string {
  const { verify, recover } = engine.secp256k1;
  const shown = [0, 1, 2].map((id) => recover(signature, id, digest)).map((key) => (key === undefined ? "none" : toHex(key)));
  const sealers = [0, 1, 2].map((id) => sealerOf(engine, concat(signature, Uint8Array.of(id)), digest));
  const addresses = sealers.map((address) => (address === undefined ? "none" : toHex(address)));
  return [verify(signature, digest, publicKey), verify(signature, digest, publicKey, true), ...shown, ...addresses].join(" ");
}

/** A store that holds one key. */
function storeOf(secret: Uint8Array): KeyValueStorage {
  const domain = { read: () => secret.slice().buffer, write() {}, delete() {}, close() {} };
  return { open: () => domain };
}

function run(target: Target): void {
  const test = suite(`native engine on ${target}`);
  const opened = Session.open(target, "engine");
  if ("missing" in opened) {
    console.log(opened.missing);
    test.skip("native engine", () => {});
    test.run();
    return;
  }
  const session = opened;
  const native = engineOf(session, `native on ${target}`);
  const { signatures, runs } = AMOUNTS[target];

  test("SHA-256, HMAC-SHA-256 and Keccak-256 of any parts", () => {
    fc.assert(
      fc.property(anyParts, fc.uint8Array({ maxLength: 140 }), (parts, key) => {
        assert.is(toHex(native.sha256(...parts)), toHex(nobleEngine.sha256(...parts)));
        assert.is(toHex(native.keccak256(...parts)), toHex(nobleEngine.keccak256(...parts)));
        assert.is(toHex(native.hmacSha256(key, ...parts)), toHex(nobleEngine.hmacSha256(key, ...parts)));
      }),
      { numRuns: runs },
    );
  });

  test("hashes around every boundary of a block", () => {
    const jobs: Job[] = [];
    const expected: string[] = [];
    for (const length of [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 134, 135, 136, 137, 271, 272, 273, 540]) {
      const input = bytesOf(length, length);
      jobs.push(["sha256", [toHex(input)]], ["keccak256", [toHex(input)]]);
      expected.push(toHex(nobleEngine.sha256(input)), toHex(nobleEngine.keccak256(input)));
    }
    assert.equal(session.doAll(jobs), expected);
  });

  test("any r, s and digest", () => {
    let held = 0;
    fc.assert(
      fc.property(anyScalar, anyScalar, anyScalar, (r, s, digest) => {
        const signature = concat(r, s);
        const key = nobleEngine.secp256k1.recover(signature, 0, digest) ?? new Uint8Array(65);
        const expected = answers(nobleEngine, signature, digest, key);
        assert.is(answers(native, signature, digest, key), expected);
        if (expected.startsWith("true")) held += 1;
      }),
      { numRuns: runs },
    );
    if (runs > 100) assert.ok(held > 0, "some of these must be signatures");
  });

  test("a good signature with one bit turned anywhere, in the signature, the digest or the key; compressed and hybrid keys", () => {
    const digest = bytesOf(32, 5);
    const signature = concat(scalar(GX), scalar(numberOf(bytesOf(32, 6)) / 3n));
    const key = nobleEngine.secp256k1.recover(signature, 0, digest) as Uint8Array;
    assert.ok(answers(native, signature, digest, key).startsWith("true true"));
    fc.assert(
      fc.property(fc.nat({ max: (64 + 32 + 65) * 8 - 1 }), (bit) => {
        const all = concat(signature, digest, key);
        all[bit >> 3] = (all[bit >> 3] as number) ^ (1 << (bit & 7));
        const turned = [all.slice(0, 64), all.slice(64, 96), all.slice(96)] as const;
        assert.is(answers(native, ...turned), answers(nobleEngine, ...turned));
        assert.not(native.secp256k1.verify(...turned));
      }),
      { numRuns: runs },
    );
    const odd = (key[64] as number) & 1;
    for (const [lead, length] of [
      [2 + odd, 33],
      [3 - odd, 33],
      [6 + odd, 65],
      [7 - odd, 65],
      [4, 33],
      [2 + odd, 65],
      [0, 65],
    ] as const) {
      const other = key.slice(0, length);
      other[0] = lead;
      assert.is(
        native.secp256k1.verify(signature, digest, other),
        nobleEngine.secp256k1.verify(signature, digest, other),
        `${lead}`,
      );
    }
  });

  test("an address is that of the key that is recovered, and there is none where there is no key", () => {
    const digest = bytesOf(32, 5);
    const signature = concat(scalar(GX), scalar(7n));
    const key = nobleEngine.secp256k1.recover(signature, 1, digest) as Uint8Array;
    const seal = concat(signature, Uint8Array.of(1));
    assert.is(toHex(sealerOf(native, seal, digest) as Uint8Array), toHex(addressOf(nobleEngine, key)));
    for (const [wrong, over] of [
      [concat(signature, Uint8Array.of(2)), digest],
      [signature, digest],
      [concat(seal, Uint8Array.of(0)), digest],
      [seal, digest.subarray(1)],
    ] as const)
      assert.is(native.secp256k1.recoverAddress?.(wrong, over), undefined);
  });

  test("wrong lengths get false and undefined, as the reference gives them", () => {
    const good = [bytesOf(64, 1), bytesOf(32, 2), bytesOf(65, 3)] as const;
    for (const part of [0, 1, 2])
      for (const length of [0, 1, 31, 33, 63, 64, 66].filter((length) => length !== good[part]?.length)) {
        const turned = good.map((bytes, i) => (i === part ? bytesOf(length, 9) : bytes)) as [Uint8Array, Uint8Array, Uint8Array];
        assert.is(answers(native, ...turned), answers(nobleEngine, ...turned), `${part} of ${length}`);
      }
  });

  test(`${signatures} signatures under ${KEYS} keys are those of the reference, byte for byte, and so are the public keys`, () => {
    const keys = keysOf(session);
    const own = createHash("sha256");
    const reference = createHash("sha256");
    for (let i = 0; i < KEYS; i += 1) {
      const secret = i === 0 ? scalar(1n) : i === 1 ? scalar(N - 1n) : bytesOf(32, 1000 + i);
      const slot = `key${i}`;
      session.putSlot(slot, secret);
      const ring = session.do("boot") as number;
      const handle = session.do("open", ring, slot) as number;
      const software = new SoftwareKeys({ entropy: goodNoise(1), store: storeOf(secret) });
      const key = software.open(slot) as KeyHandle;
      assert.is(session.do("public", ring, handle), toHex(software.publicKey(key)));
      const digests = Array.from({ length: signatures / KEYS }, (_, j) =>
        createHash("sha256").update(`${target} ${i} ${j}`).digest(),
      );
      const made = session.doAll(digests.map((digest): Job => ["sign", ring, handle, digest.toString("hex")]));
      for (const [j, digest] of digests.entries()) {
        const expected = toHex(software.sign(key, new Uint8Array(digest)));
        own.update(String(made[j]));
        reference.update(expected);
        if (made[j] !== expected) assert.is(made[j], expected, `key ${i}, digest ${digest.toString("hex")}`);
      }
    }
    assert.is(own.digest("hex"), reference.digest("hex"));
    assert.is(keys.open("key0") === undefined, false);
  });

  test(`${CHECKED[target]} signatures, good and turned, are verified and recovered as by the reference, byte for byte`, () => {
    const jobs: Job[] = [];
    const expected: (string | boolean | undefined)[] = [];
    const { verify, recover } = nobleEngine.secp256k1;
    for (let i = 0; i < CHECKED[target]; i += 1) {
      // Any r that is an abscissa has two keys: these are signatures of theirs, as good as a signer's.
      const digest = bytesOf(32, 5000 + i);
      const signature = concat(bytesOf(32, 90_000 + i), bytesOf(32, 200_000 + i));
      const key = recover(signature, i & 1, digest) ?? new Uint8Array(65);
      if (i % 4 === 3) digest[i % 32] = (digest[i % 32] as number) ^ 1;
      jobs.push(
        ["recover", toHex(signature), i & 1, toHex(digest)],
        ["verify", toHex(signature), toHex(digest), toHex(key), true],
      );
      const recovered = recover(signature, i & 1, digest);
      expected.push(recovered === undefined ? undefined : toHex(recovered), verify(signature, digest, key, true));
    }
    assert.ok(expected.includes(true) && expected.includes(false));
    assert.equal(session.doAll(jobs), expected);
  });

  test("digests at and above the group's order are reduced before the nonce, as RFC 6979 §2.3.4 has it", () => {
    const secret = bytesOf(32, 77);
    session.putSlot("edge", secret);
    const keys = keysOf(session);
    const key = keys.open("edge") as KeyHandle;
    const software = new SoftwareKeys({ entropy: goodNoise(1), store: storeOf(secret) });
    const expected = software.open("edge") as KeyHandle;
    for (const value of EDGES)
      assert.is(toHex(keys.sign(key, scalar(value)) as Uint8Array), toHex(software.sign(expected, scalar(value))), `${value}`);
  });

  test.after(() => {
    session.end();
  });
  test.run();
}

run("m32");
run("rv32");
