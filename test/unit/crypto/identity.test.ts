// Addresses: the examples of EIP-55, and the addresses of small keys.

import { createECDH } from "node:crypto";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../../firmware/bytes.js";
import { nobleEngine as engine } from "../../../firmware/crypto/engine-noble.js";
import { addressOf, checksumAddress } from "../../../firmware/crypto/identity.js";
import { scalar } from "./scalars.js";

const EXAMPLES = [
  "0x52908400098527886E0F7030069857D2E4169EE7",
  "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
  "0xde709f2102306220921060314715629080e2fb77",
  "0x27b1fdb04752bbc536007a920d24acb045561c26",
  "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
  "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
  "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
  "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
];

test("the addresses of the keys 1 and 2", () => {
  const known = ["0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf", "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF"];
  for (const [i, expected] of known.entries()) {
    const ecdh = createECDH("secp256k1");
    ecdh.setPrivateKey(scalar(BigInt(i + 1)));
    assert.is(checksumAddress(engine, addressOf(engine, new Uint8Array(ecdh.getPublicKey()))), expected);
  }
});

test("an address is taken of nothing but an uncompressed key", () => {
  for (const key of [new Uint8Array(64), new Uint8Array(65), new Uint8Array(33).fill(2)])
    assert.throws(() => addressOf(engine, key), /uncompressed public key/);
  assert.throws(() => checksumAddress(engine, new Uint8Array(19)), /20 bytes/);
});

test("the examples of EIP-55", () => {
  for (const text of EXAMPLES) assert.is(checksumAddress(engine, fromHex(text) as Uint8Array), text);
});

test("but for its case the text is the 20 bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (address) => {
      assert.is(checksumAddress(engine, address).toLowerCase(), `0x${toHex(address)}`);
    }),
  );
});

test.run();
