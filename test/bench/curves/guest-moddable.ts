// Runs on the XS engine: ECDSA of the Moddable SDK's own crypt modules on secp256k1, in instructions. The SDK has no such curve
// by name, but takes its parameters (SEC 2 §2.4.1); the nonce is given, for the SDK draws it and does not derive it.

import EC from "ec";
import ECDSA from "ecdsa";
import ECPoint from "ecp";
import { instructions, print } from "../../../host-sim/xs/guest/host.js";

const RUNS = 3;
const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const ec = new EC(0n, 7n, 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn);
const G = new ECPoint(
  0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
);
const secret = 0x4142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f60n;
const nonce = 0xc1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162738495a6b7c8d9eafb1n;
const digest = new Uint8Array(32).fill(7).buffer;

function mean(run: () => unknown): number {
  run();
  const from = instructions();
  for (let i = 0; i < RUNS; i += 1) run();
  return Math.round((instructions() - from) / RUNS);
}

const curve = { G, ec, n, orderSize: 32, k: nonce };
const signer = new ECDSA(secret, curve);
const signature = signer.sign(digest);
const verifier = new ECDSA(ec.mul(G, secret), curve);
if (!verifier.verify(digest, signature)) throw new Error("the SDK's own signature does not verify");
const counts = [mean(() => signer.sign(digest)), mean(() => verifier.verify(digest, signature))];
print(JSON.stringify(["moddable", ...counts]));
