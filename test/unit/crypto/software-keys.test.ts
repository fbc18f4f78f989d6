// SoftwareKeys: the contract of `Keys`, RFC 6979 against a second implementation of it over node:crypto, and that no
// secret is left lying about.

import { createECDH } from "node:crypto";
import { inspect } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import type { CryptoEngine } from "../../../firmware/crypto/engine.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { SoftwareKeys } from "../../../firmware/crypto/software-keys.js";
import type { ByteBuffer, Entropy, KeyHandle, KeyValueDomain, KeyValueStorage } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";
import { created, isRefusal, type KeysWorld, keysContract } from "../ports/keys.contract.js";
import { biasedNoise, goodNoise, noiseOf, sourceOf, turningNoise } from "./noise.js";
import { bytesOf, inverse, modulo, N, nonceByTheBook, numberOf, scalar } from "./scalars.js";

/** A key-value store in memory that remembers every buffer it handed out. */
class MemoryStore implements KeyValueStorage {
  readonly values = new Map<string, Uint8Array>();
  readonly handedOut: Uint8Array[] = [];
  opened = 0;
  onWrite: ((key: string, value: Uint8Array) => Uint8Array) | undefined;

  open({ path }: { path: string }): KeyValueDomain {
    this.opened += 1;
    return {
      read: (key) => {
        const value = this.values.get(`${path}/${key}`);
        if (value === undefined) return undefined;
        const copy = value.slice();
        this.handedOut.push(copy);
        return copy.buffer as ArrayBuffer;
      },
      write: (key, value: ByteBuffer) => {
        const bytes = new Uint8Array(value).slice();
        this.values.set(`${path}/${key}`, this.onWrite?.(key, bytes) ?? bytes);
      },
      delete: (key) => {
        this.values.delete(`${path}/${key}`);
      },
      close: () => {
        this.opened -= 1;
      },
    };
  }
}

let boards = 0;

function board(): KeysWorld & { store: MemoryStore; entropy: Entropy } {
  boards += 1;
  const seed = `board ${boards}`;
  const store = new MemoryStore();
  const notReady = sourceOf(() => {
    throw new Error("the radio is off");
  });
  const noises = { good: goodNoise(seed), "not-ready": notReady, stuck: noiseOf(() => 0), biased: biasedNoise(seed, 0.75) };
  let noise: Entropy = noises.good;
  let rtc = sourceOf(() => undefined);
  const entropy: Entropy = { read: (buffer) => noise.read(buffer), failed: () => rtc.failed(), fail: () => rtc.fail() };
  return {
    store,
    entropy,
    boot: () => new SoftwareKeys({ entropy, store }),
    setNoise: (name) => {
      noise = noises[name];
    },
    powerCut: () => {
      rtc = sourceOf(() => undefined);
    },
    putSlot: (slot, value) => {
      if (value === undefined) store.values.delete(`keys/${slot}`);
      else store.values.set(`keys/${slot}`, value);
    },
  };
}

keysContract("software", board);

const test = suite("software keys");

function keyOf(secret: Uint8Array, engine?: CryptoEngine): { keys: SoftwareKeys; key: KeyHandle; store: MemoryStore } {
  const { store, entropy, putSlot } = board();
  putSlot("mote", secret);
  const keys = new SoftwareKeys(engine === undefined ? { entropy, store } : { entropy, store, engine });
  return { keys, key: keys.open("mote") as KeyHandle, store };
}

/** RFC 6979 §3.2 and ECDSA with low s, from the text of the RFC over OpenSSL's HMAC and scalar multiplication. */
function signByTheBook(secret: Uint8Array, digest: Uint8Array): Uint8Array {
  const v = nonceByTheBook(secret, digest);
  const nonce = numberOf(v);
  assert.ok(nonce > 0n && nonce < N, "the first candidate, but for one case in 2^127");
  const ecdh = createECDH("secp256k1");
  ecdh.setPrivateKey(v);
  const r = modulo(numberOf(new Uint8Array(ecdh.getPublicKey()).slice(1, 33)));
  const s = modulo(inverse(nonce) * (numberOf(digest) + r * numberOf(secret)));
  return new Uint8Array([...scalar(r), ...scalar(s > N / 2n ? N - s : s)]);
}

test("signs as RFC 6979 says, on 60 keys and digests", () => {
  for (let i = 0; i < 60; i += 1) {
    const secret = bytesOf(32, 1000 + i);
    const digest = bytesOf(32, 2000 + i);
    const { keys, key } = keyOf(secret);
    assert.is(toHex(keys.sign(key, digest)), toHex(signByTheBook(secret, digest)));
  }
  for (const digest of [new Uint8Array(32), new Uint8Array(32).fill(255), scalar(N), scalar(N - 1n)]) {
    const { keys, key } = keyOf(scalar(N - 1n));
    assert.is(toHex(keys.sign(key, digest)), toHex(signByTheBook(scalar(N - 1n), digest)));
  }
});

test("a signature that is widely known", () => {
  const { keys, key } = keyOf(scalar(1n));
  const digest = nobleEngine.sha256(new Uint8Array(Buffer.from("Satoshi Nakamoto")));
  const known =
    "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d82442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5";
  assert.is(toHex(keys.sign(key, digest)), known);
});

test("with an engine given, a signature that does not verify never leaves", () => {
  const digest = bytesOf(32);
  const { keys, key } = keyOf(bytesOf(32, 7), nobleEngine);
  assert.is(keys.sign(key, digest).length, 64);
  const faulty: CryptoEngine = { ...nobleEngine, secp256k1: { verify: () => false, recover: () => undefined } };
  const broken = keyOf(bytesOf(32, 7), faulty);
  assert.throws(() => broken.keys.sign(broken.key, digest), /its own key verifies/);
});

test("the key is the 32 bytes that the source gives after the start-up test, unmixed", () => {
  const { store } = board();
  const keys = new SoftwareKeys({ entropy: goodNoise("as it comes"), store });
  created(keys, "mote");
  const stream = new Uint8Array(1024 + 32);
  goodNoise("as it comes").read(stream);
  assert.is(toHex(store.values.get("keys/mote") as Uint8Array), toHex(stream.subarray(1024)));
});

test("a source that turns bad between the start-up test and the draw makes no key", () => {
  for (let good = 1024; good <= 1024 + 26; good += 1) {
    const { store } = board();
    const keys = new SoftwareKeys({
      entropy: turningNoise(
        goodNoise(good),
        good,
        noiseOf(() => 0xff),
      ),
      store,
    });
    const made = keys.create("mote");
    assert.instance(made, Rejection);
    assert.is((made as Rejection).code, "entropy-repeats");
    assert.is(store.values.size, 0);
  }
});

test("a store that refuses, forgets or alters makes no key, and what it altered is removed", () => {
  const alter: readonly (readonly [string, (store: MemoryStore) => void])[] = [
    [
      "refuses",
      (store) =>
        (store.onWrite = () => {
          throw new Error("the flash is worn out");
        }),
    ],
    [
      "forgets",
      (store) =>
        (store.onWrite = () => {
          return new Uint8Array(0);
        }),
    ],
    ["alters", (store) => (store.onWrite = (_key, value) => value.map((byte, i) => (i === 31 ? byte ^ 1 : byte)))],
  ];
  for (const [what, spoil] of alter) {
    const { store, entropy } = board();
    spoil(store);
    const keys = new SoftwareKeys({ entropy, store });
    const made = keys.create("mote");
    assert.ok(isRefusal(made) && made.code === "key-not-stored", what);
    assert.is(store.values.size, 0, what);
    store.onWrite = undefined;
    assert.not(isRefusal(keys.create("mote")), what);
  }
});

test("every domain that was opened is closed again, also on failure", () => {
  const { store, entropy, putSlot } = board();
  const keys = new SoftwareKeys({ entropy, store });
  created(keys, "mote");
  keys.create("mote");
  putSlot("bad", new Uint8Array(3));
  assert.throws(() => keys.open("bad"));
  assert.is(store.opened, 0);
});

test("no way of printing a handle or its keys shows the secret", () => {
  const secret = bytesOf(32, 99);
  const { keys, key, store } = keyOf(secret);
  keys.sign(key, bytesOf(32));
  store.values.clear(); // the flash holds the key, and this store is only a stand-in for it
  const seen: string[] = [];
  for (const thing of [key, keys]) {
    seen.push(String(thing), JSON.stringify(thing), Object.prototype.toString.call(thing));
    seen.push(
      inspect(thing, { showHidden: true, depth: Number.POSITIVE_INFINITY, showProxy: true, getters: true, maxArrayLength: null }),
    );
    for (const name of Reflect.ownKeys(thing)) seen.push(String(name), inspect(Reflect.get(thing, name), { showHidden: true }));
  }
  seen.push(JSON.stringify(structuredClone(key)));
  const text = seen.join("\n");
  const bytes = Buffer.from(secret);
  const forms = [bytes.toString("hex"), bytes.toString("base64"), bytes.toString("base64url"), bytes.toString("latin1")];
  forms.push([...bytes].join(","), [...bytes].join(", "), numberOf(secret).toString(), inspect(bytes).slice(8, 60));
  for (const form of forms) assert.not(text.toLowerCase().includes(form.toLowerCase()), form);
  assert.equal(Reflect.ownKeys(key), ["slot"]);
  assert.ok(Object.isFrozen(key));
  assert.equal(Reflect.ownKeys(keys), []);
});

test("what the store handed out is wiped, and what the keys hold is wiped when closed", () => {
  const drawn: Uint8Array[] = [];
  const source = goodNoise("wipe");
  const { store } = board();
  const entropy = sourceOf((buffer) => {
    drawn.push(buffer);
    source.read(buffer);
  });
  const keys = new SoftwareKeys({ entropy, store });
  const key = created(keys, "mote");
  const reopened = keys.open("mote") as KeyHandle;
  keys.create("mote");
  assert.is(store.handedOut.length, 3);
  for (const buffer of store.handedOut) assert.ok(buffer.every((byte) => byte === 0));
  const secret = drawn[1] as Uint8Array;
  assert.is(secret.length, 32);
  assert.ok(secret.some((byte) => byte !== 0));
  keys.close(key);
  assert.ok(secret.every((byte) => byte === 0));
  assert.is(keys.sign(reopened, bytesOf(32)).length, 64, "the other handle has a copy of its own");
});

test("a refusal for want of a slot or of a store wipes what was drawn", () => {
  const drawn: Uint8Array[] = [];
  const source = goodNoise("wiped");
  const { store } = board();
  store.onWrite = () => new Uint8Array(1);
  const entropy = sourceOf((buffer) => {
    drawn.push(buffer);
    source.read(buffer);
  });
  assert.instance(new SoftwareKeys({ entropy, store }).create("mote"), Rejection);
  assert.is(drawn.length, 2);
  for (const buffer of drawn) assert.ok(buffer.every((byte) => byte === 0));
});

test.run();
