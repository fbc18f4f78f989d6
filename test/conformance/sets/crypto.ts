// crypto: Wycheproof's ECDSA, noble's ECDSA, points, nonces and keys, and the NIST's hash vectors, through the engines and keys
// that are under test (crypto/under-test.ts). A record passes only where all engines agree with it.

import { keccakP } from "@noble/hashes/sha3.js";
import { fromHex, toHex } from "../../../firmware/bytes.js";
import type { CryptoEngine } from "../../../firmware/crypto/engine.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import type { KeyHandle, Keys } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fromDer } from "../crypto/der.js";
import { addMultiple, compressed, multiple, N, nonceX, numberOf, sameKey, takesKey } from "../crypto/points.js";
import { SLOT } from "../crypto/secret.js";
import { type Choice, type UnderTest, underTest } from "../crypto/under-test.js";
import { type ConformanceSet, type Outcome, skip, type VectorFile } from "../set.js";

/** The whole file sets it once, before anything runs. */
let tested: UnderTest;
const WYCHEPROOF = "crypto/wycheproof/ecdsa_secp256k1_sha256";

/** Records that nothing here executes, by path, with the reason. */
const NOT_BUILT: readonly (readonly [string, string])[] = [
  ["crypto/wycheproof/ecdh_secp256k1_test.json", "no engine has ECDH"],
  ["crypto/noble/schnorr.csv", "BIP-340 signatures are not built"],
];

function opened(secret: Uint8Array): ReturnType<UnderTest["opened"]> {
  return tested.opened(secret);
}

/** Whether these bytes are refused as a key. */
function refusesSecret(secret: Uint8Array): boolean {
  try {
    opened(secret);
    return false;
  } catch (error) {
    return error instanceof Error && error.message.includes(SLOT);
  }
}

/** What a key signs; those of this set answer at once. */
function signed(keys: Keys, key: KeyHandle, digest: Uint8Array): Uint8Array {
  return keys.sign(key, digest) as Uint8Array;
}

function bytes(hex: string): Uint8Array {
  const decoded = fromHex(hex);
  if (decoded instanceof Rejection) throw new Error(`the vector is no hexadecimal text: ${decoded.detail}`);
  return decoded;
}

/** Undefined where every engine answers `expected`, or which one does not. */
function all<T>(expected: T, ask: (engine: CryptoEngine) => T): Outcome {
  for (const engine of tested.engines) {
    const answer = ask(engine);
    if (answer !== expected) return `${engine.name} answers ${String(answer)}, expected ${String(expected)}`;
  }
  return undefined;
}

function same(actual: Uint8Array | undefined, expected: string): Outcome {
  const shown = actual === undefined ? "nothing" : toHex(actual);
  return shown === expected.toLowerCase() ? undefined : `${shown}, expected ${expected}`;
}

interface EcdsaFile {
  testGroups: { publicKey: { uncompressed: string }; tests: { tcId: number; msg: string; sig: string; result: string }[] }[];
}

function ecdsa(file: VectorFile, form: "der" | "p1363", highS: boolean): void {
  for (const group of (file.json() as EcdsaFile).testGroups) {
    const publicKey = bytes(group.publicKey.uncompressed);
    for (const { tcId, msg, sig, result } of group.tests) {
      file.check(tcId, () => {
        const signature = form === "der" ? fromDer(bytes(sig)) : bytes(sig);
        const verifies = (engine: CryptoEngine): boolean =>
          signature !== undefined && engine.secp256k1.verify(signature, engine.sha256(bytes(msg)), publicKey, highS);
        return all(result === "valid", verifies);
      });
    }
  }
}

interface NobleEcdsa {
  valid: { d: string; m: string; signature: string }[];
  invalid: {
    sign: { description?: string; d: string; m: string }[];
    verify: { description?: string; Q: string; m: string; signature: string; strict?: boolean }[];
  };
  extraEntropy: unknown[];
}

function nobleEcdsa(file: VectorFile): void {
  const vectors = file.json() as NobleEcdsa;
  for (const [i, { d, m, signature }] of vectors.valid.entries()) {
    file.check(`valid ${i}`, () => {
      const { keys, key } = opened(bytes(d));
      const publicKey = keys.publicKey(key);
      const made = signed(keys, key, bytes(m));
      return same(made, signature) ?? all(true, (engine) => engine.secp256k1.verify(made, bytes(m), publicKey));
    });
  }
  for (const [i, { d, m }] of vectors.invalid.sign.entries()) {
    file.check(`invalid.sign ${i}`, () => {
      if (refusesSecret(bytes(d))) return undefined;
      const { keys, key } = opened(bytes(d));
      const signs = (): unknown => keys.sign(key, bytes(m));
      return throws(signs) ? undefined : "was signed";
    });
  }
  for (const [i, { Q, m, signature, strict }] of vectors.invalid.verify.entries()) {
    file.check(`invalid.verify ${i}`, () => {
      const verifies = (engine: CryptoEngine, highS: boolean): boolean =>
        engine.secp256k1.verify(bytes(signature), bytes(m), bytes(Q), highS);
      return all(false, (engine) => verifies(engine, false)) ?? all(strict === true, (engine) => verifies(engine, true));
    });
  }
  file.leaveOut("signatures are deterministic: additional data (RFC 6979 §3.6) is not built", vectors.extraEntropy.length);
}

function throws(action: () => unknown): boolean {
  try {
    action();
    return false;
  } catch {
    return true;
  }
}

interface PointRecord {
  P: string;
  Q: string;
  d: string;
  expected: string | null;
}

interface Points {
  valid: { isPoint: { P: string; expected: boolean }[] } & Record<string, PointRecord[]>;
  invalid: Record<string, PointRecord[]>;
}

function points(file: VectorFile): void {
  const vectors = file.json() as Points;
  const { isPoint, ...valid } = vectors.valid;
  for (const [i, { P, expected }] of isPoint.entries())
    file.check(`isPoint ${i}`, () => all(expected, (engine) => takesKey(engine, bytes(P))));
  for (const [name, records] of Object.entries(valid))
    for (const [i, record] of records.entries()) file.check(`valid.${name} ${i}`, () => validPoint(name, record));
  for (const [name, records] of Object.entries(vectors.invalid))
    for (const [i, record] of records.entries())
      file.check(`invalid.${name} ${i}`, () => all(true, (engine) => refusesPoint(engine, name, record)));
}

function validPoint(name: string, { P, d, expected }: PointRecord): Outcome {
  const d0 = d === undefined ? 0n : numberOf(bytes(d));
  switch (name) {
    case "pointAdd":
      return skip("no operation of an engine adds two points that are both given");
    case "pointAddScalar":
    case "pointMultiply": {
      const compute = name === "pointMultiply" ? multiple : addMultiple;
      const result = (engine: CryptoEngine): string | null => {
        const key = compute(engine, bytes(P), d0);
        if (key === undefined) return null;
        return toHex(expected?.length === 66 ? compressed(key) : key);
      };
      return all(expected, result);
    }
    case "pointCompress": // the engines compress nothing, but must take both forms for one key
      return all(true, (engine) => sameKey(engine, bytes(P), bytes(expected ?? "")));
    case "pointFromScalar": {
      const { keys, key } = opened(bytes(d));
      const publicKey = keys.publicKey(key);
      return same(expected?.length === 66 ? compressed(publicKey) : publicKey, expected ?? "");
    }
    default:
      return `an operation that this set does not know: ${name}`;
  }
}

function refusesPoint(engine: CryptoEngine, name: string, { P, Q, d }: PointRecord): boolean {
  if (P !== undefined && !takesKey(engine, bytes(P))) return true;
  if (Q !== undefined && !takesKey(engine, bytes(Q))) return true;
  if (d === undefined) return false;
  if (refusesSecret(bytes(d))) return true;
  const d0 = numberOf(bytes(d));
  if (name === "pointAddScalar") return addMultiple(engine, bytes(P), d0) === undefined;
  return name === "pointMultiply" && multiple(engine, bytes(P), d0) === undefined;
}

function nonces(file: VectorFile): void {
  const vectors = file.json() as { message: string; d: string; k0: string }[];
  for (const [i, { message, d, k0 }] of vectors.entries()) {
    file.check(`nonce 0 of ${i}`, () => {
      const digest = nobleEngine.sha256(new Uint8Array(Buffer.from(message, "utf8")));
      const { keys, key } = opened(bytes(d));
      return same(signed(keys, key, digest).slice(0, 32), toHex(nonceX(bytes(k0))));
    });
  }
  file.leaveOut("nonces 1 and 15 are used only after a candidate that never comes up", 2 * vectors.length);
}

function privates(file: VectorFile): void {
  const lines = file.text().split("\n");
  for (const [i, line] of lines.entries()) {
    if (line.trim() === "") continue;
    file.check(`line ${i + 1}`, () => {
      const [d = "", x = "", y = ""] = line.trim().split(":");
      const secret = BigInt(d);
      if (secret <= 0n || secret >= N) return "no scalar of the group";
      const { keys, key } = opened(bytes(secret.toString(16).padStart(64, "0")));
      return same(keys.publicKey(key), `04${x}${y}`);
    });
  }
}

function hashes(file: VectorFile, digestOf: (message: Uint8Array) => readonly (readonly [string, Uint8Array])[]): void {
  const records = [...file.text().matchAll(/^Len = (\d+)\s+Msg = ([0-9a-f]*)\s+MD = ([0-9a-f]+)\s*$/gim)];
  const begun = [...file.text().matchAll(/^Len =/gm)].length;
  if (begun !== records.length) throw new Error(`${begun} records begin, ${records.length} can be read`);
  for (const [, bits = "", hex = "", digest = ""] of records) {
    file.check(`Len = ${bits}`, () => {
      if (Number(bits) % 8 !== 0) return skip("a message that is not whole bytes");
      const message = bytes(hex).slice(0, Number(bits) / 8);
      if (message.length * 8 !== Number(bits)) return "a message shorter than its length";
      for (const [name, made] of digestOf(message)) {
        const difference = same(made, digest);
        if (difference !== undefined) return `${name}: ${String(difference)}`;
      }
      return undefined;
    });
  }
}

/** SHA3-256 (FIPS 202 §6.1) over the permutation that lies beneath the reference engine's Keccak-256. */
function sha3(message: Uint8Array): Uint8Array {
  const rate = 136;
  const padded = new Uint8Array((Math.floor(message.length / rate) + 1) * rate);
  padded.set(message);
  padded[message.length] = 0x06;
  padded[padded.length - 1] = (padded[padded.length - 1] as number) | 0x80;
  const state = new Uint32Array(50);
  const words = new Uint32Array(padded.buffer);
  for (let block = 0; block < words.length; block += rate / 4) {
    for (let i = 0; i < rate / 4; i += 1) state[i] = (state[i] as number) ^ (words[block + i] as number);
    keccakP(state);
  }
  return new Uint8Array(state.slice(0, 8).buffer);
}

export const set: ConformanceSet = {
  name: "crypto",
  paths: [
    `${WYCHEPROOF}_test.json`,
    `${WYCHEPROOF}_p1363_test.json`,
    `${WYCHEPROOF}_bitcoin_test.json`,
    "crypto/noble/ecdsa.json",
    "crypto/noble/points.json",
    "crypto/noble/rfc6979.json",
    "crypto/noble/privates-2.txt",
    "crypto/hash/SHA256ShortMsg.rsp",
    "crypto/hash/SHA3_256ShortMsg.rsp",
    ...NOT_BUILT.map(([path]) => path),
  ],
  async run(report) {
    const choice = (process.env.CONFORMANCE_ENGINE ?? "all") as Choice;
    tested = underTest(choice);
    const onXs = choice === "m32" || choice === "rv32";
    await report.each(`${WYCHEPROOF}_test.json`, (file) => ecdsa(file, "der", true));
    await report.each(`${WYCHEPROOF}_p1363_test.json`, (file) => ecdsa(file, "p1363", true));
    await report.each(`${WYCHEPROOF}_bitcoin_test.json`, (file) => ecdsa(file, "der", false));
    await report.each("crypto/noble/ecdsa.json", nobleEcdsa);
    await report.each("crypto/noble/points.json", points);
    await report.each("crypto/noble/rfc6979.json", nonces);
    await report.each("crypto/noble/privates-2.txt", privates);
    await report.each("crypto/hash/SHA256ShortMsg.rsp", (file) =>
      hashes(file, (message) => tested.engines.map((engine) => [engine.name, engine.sha256(message)] as const)),
    );
    await report.each("crypto/hash/SHA3_256ShortMsg.rsp", (file) =>
      onXs
        ? file.leaveOut("for the permutation beneath noble's Keccak, with which the native one is compared", hashesOf(file))
        : hashes(file, (message) => [["the permutation", sha3(message)]]),
    );
    for (const [path, why] of NOT_BUILT) await report.each(path, (file) => file.leaveOut(why, recordsOf(file)));
    tested.end();
  },
};

function hashesOf(file: VectorFile): number {
  return [...file.text().matchAll(/^Len =/gm)].length;
}

function recordsOf(file: VectorFile): number {
  if (!file.name.endsWith(".json")) return file.text().trim().split("\n").length - 1;
  const { testGroups } = file.json() as EcdsaFile;
  return testGroups.reduce((count, group) => count + group.tests.length, 0);
}
