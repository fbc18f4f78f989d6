// What each fuzzer begins with: inputs by a target's name.

import { secp256k1 } from "@noble/curves/secp256k1.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { callInputs } from "./calls.js";
import { BOARD_MODULES, BRIDGE, NATIVES, TLS } from "./driver.js";
import { fuzzInputs, seedHeaders } from "./inputs.js";
import { nvsInputs } from "./nvs-images.js";

const TABLE_BYTES = 4 * 31;
const BITCOIN_DELTA_BYTES = 40;
const [SESSION, WHOLE] = [{ from: 0 }, 0];

function nativeInputs(seed: string): Generator<Uint8Array, never> {
  const secret = sha256(Uint8Array.of(1));
  const digest = sha256(Uint8Array.of(2));
  const sealed = secp256k1.sign(digest, secret, { prehash: false });
  const [recovery, signature] = [sealed.recovery, sealed.toBytes("compact")];
  const keys = [true, false].map((short) => secp256k1.getPublicKey(secret, short));
  const headers = seedHeaders();
  const verify = keys.map((key) => [{ name: "xs_k1_verify", with: [signature, digest, key] }]);
  const seal = Uint8Array.from([...signature, recovery]);
  return callInputs(
    NATIVES,
    {
      bytes: [...headers, ...keys, digest, signature, seal, new Uint8Array(TABLE_BYTES), new Uint8Array(BITCOIN_DELTA_BYTES)],
      texts: ["device", "0x00ff", "00FF", "abc", "é"],
      first: [
        [
          { name: "xs_key_create", with: ["device"], keep: 0 },
          { name: "xs_key_sign", with: [SESSION, digest], keep: 4 },
        ],
        [
          { name: "xs_key_create", with: ["device"], keep: 0 },
          { name: "xs_key_public", with: [SESSION], keep: 4 },
        ],
        ...headers.map((raw) => [
          { name: "xs_header_scan", with: [raw, new Uint8Array(TABLE_BYTES)], keep: 1 },
          { name: "xs_header_view", with: [{ from: 2 }, { from: 3 }, 4], keep: 4 },
        ]),
        ...verify,
        [{ name: "xs_k1_recover_address", with: [seal, digest] }],
        [{ name: "xs_k1_recover", with: [signature, recovery, digest] }],
        [],
      ],
    },
    seed,
  );
}

function boardInputs(seed: string): Generator<Uint8Array, never> {
  const first = [[{ name: "open" }, { name: "read", with: [64] }], [{ name: "digest", with: [2050] }], []];
  return callInputs(BOARD_MODULES, { bytes: [], texts: [], first }, seed);
}

function tlsInputs(seed: string): Generator<Uint8Array, never> {
  const joined = [
    { name: "begin", with: [0] },
    { name: "exchange", with: [SESSION, WHOLE, WHOLE], keep: 4 },
  ];
  const told = [
    { name: "said", with: [40], keep: 4 },
    { name: "exchange", with: [SESSION, WHOLE, WHOLE], keep: 4 },
    { name: "xs_tls_read", with: [SESSION, 30], keep: 4 },
  ];
  const first = [joined, [...joined, ...told], [{ name: "begin", with: [0] }], []];
  return callInputs(TLS, { bytes: [], texts: ["broker.test", ""], first }, seed);
}

function bridgeInputs(seed: string): Generator<Uint8Array, never> {
  const first = [
    [{ name: "bind", with: [new Uint8Array(4)], keep: 1 }, { name: "notice" }],
    [{ name: "call", with: ["read", new Uint8Array(8), Uint8Array.of(0)] }],
    [],
  ];
  return callInputs(BRIDGE, { bytes: [], texts: ["device", "key"], first }, seed);
}

export const SEEDS_OF: Readonly<Record<string, (seed: string) => Iterator<Uint8Array>>> = {
  octets: fuzzInputs,
  "nvs-pages": nvsInputs,
  natives: nativeInputs,
  board: boardInputs,
  tls: tlsInputs,
  bridge: bridgeInputs,
};
