// What a mote does with a chain besides following it: a transaction, from its fields to the raw bytes; an anchor receipt, from its bytes to
// the root; a command, from its bytes to what is to be done, its signature verified.

import { ACTION_INTERVAL, decodeCommand, encodeCommand } from "../../firmware/command/message.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { addressOf } from "../../firmware/crypto/identity.js";
import { encodeCall } from "../../firmware/ledger/abi.js";
import { DYNAMIC_FEE, signingPayload, signPayload } from "../../firmware/ledger/transaction.js";
import type { KeyHandle, Keys } from "../../firmware/ports.js";
import { anchorDigest, encodeAnchorReceipt, verifyAnchorReceipt } from "../../firmware/record/anchor-receipt.js";
import { digestOf, encodeSign1, verifySign1 } from "../../firmware/record/cose.js";
import { inclusionRoot, leafHash } from "../../firmware/record/merkle.js";
import { Rejection } from "../../firmware/rejection.js";

/** Hashes of a receipt in a tree of a million leaves. */
const PATH_HASHES = 20;
const CHAIN_ID = 1337;
const GAS = 200_000;

function sure<T>(value: T | Rejection, what: string): T {
  if (value instanceof Rejection) throw new Error(`${what}: ${value.code}: ${value.detail}`);
  return value;
}

export function ledgerCases(engine: CryptoEngine, keys: Keys, key: KeyHandle) {
  const kid = addressOf(engine, keys.publicKey(key));
  const digest = engine.sha256(kid);
  const path: Uint8Array[] = [];
  for (let i = 0; i < PATH_HASHES; i += 1) path.push(engine.sha256(path[i - 1] ?? digest));
  const size = 2 ** PATH_HASHES;
  const index = size / 2 + 5;
  const root = sure(inclusionRoot(engine, leafHash(engine, digest), index, size, path), "root");
  const signature = keys.sign(key, anchorDigest(engine, kid, root)) as Uint8Array;
  const receipt = encodeAnchorReceipt({ kid, size, index, path, signature });
  const fleet = { registry: kid, chain: `eip155:${CHAIN_ID}` };
  const order = { action: ACTION_INTERVAL, intervalMs: 60_000 } as const;
  const payload = encodeCommand({ counter: 7, mote: kid, expiryBlock: 4_000_000, order, fleet });
  const command = encodeSign1(kid, payload, keys.sign(key, digestOf(engine, kid, payload)) as Uint8Array);
  return [
    {
      name: "transaction",
      runs: 12,
      run() {
        const data = sure(encodeCall(engine, "anchor(bytes32,uint64,bytes32[])", [digest, size, path]), "call");
        const fees = { maxFeePerGas: 20_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n };
        const call = { type: DYNAMIC_FEE, chainId: CHAIN_ID, nonce: 7, gas: GAS, to: kid, value: 0n, data, ...fees } as const;
        return signPayload(engine, keys, key, signingPayload(call));
      },
      check(result: unknown) {
        sure(result as Uint8Array | Rejection, "transaction");
      },
    },
    { name: "anchor-receipt", runs: 12, run: () => sure(verifyAnchorReceipt(engine, receipt, digest), "receipt") },
    {
      name: "command",
      runs: 12,
      run: () => sure(decodeCommand(sure(verifySign1(engine, command), "message").payload), "command"),
    },
  ];
}
