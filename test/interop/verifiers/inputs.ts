// Records for verifiers of others: such as hold, and such as must be refused, each behind one that holds.

import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { digestOf, encodeSign1 } from "../../../firmware/record/cose.js";
import { secp256k1Order, TestMote } from "../../unit/tools/records.js";

export interface Hostile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** How many records before the one that must be refused hold. */
  readonly holding: number;
}

export interface Good {
  readonly sign1: Uint8Array;
  readonly kid: Uint8Array;
  readonly digest: Uint8Array;
}

const PROTECTED_BYTES = 26;
/** d2 84 58 1a, before the protected header. */
const PROTECTED_AT = 4;
const KID_AT = PROTECTED_AT + 6;
const SIGNATURE_BYTES = 64;

export function inputs(): { readonly good: readonly Good[]; readonly hostile: readonly Hostile[] } {
  const motes = [new TestMote(), new TestMote()] as const;
  const good = [motes[0].next(), motes[0].next(), motes[1].next(), motes[0].next()].map((record, i) => ({
    ...{ sign1: record.sign1, digest: record.digest, kid: (i === 2 ? motes[1] : motes[0]).address },
  }));
  const first = (good[0] as Good).sign1;
  const victim = motes[0].next();
  const { sign1 } = victim;
  const bent = (at: number, bit = 1): Uint8Array => sign1.map((byte, i) => (i === at ? byte ^ bit : byte));
  const signatureAt = sign1.length - SIGNATURE_BYTES;
  const put = (at: number, bytes: Uint8Array): Uint8Array => {
    const changed = sign1.slice();
    changed.set(bytes, at);
    return changed;
  };
  const s = BigInt(`0x${Buffer.from(sign1.subarray(signatureAt + 32)).toString("hex")}`);
  const high = Buffer.from((secp256k1Order - s).toString(16).padStart(64, "0"), "hex");
  const kid = motes[1].address;
  // Signed by one mote, under the address of another: the signature holds, by a key that is not kid's.
  const payload = sign1.subarray(PROTECTED_AT + PROTECTED_BYTES + 1 + headBytes(sign1), signatureAt - 2);
  const signature = motes[0].sign(digestOf(nobleEngine, kid, payload));
  const hostile: readonly [string, Uint8Array][] = [
    ["payload-bit", bent(signatureAt - 10)],
    ["seq-bit", bent(PROTECTED_AT + PROTECTED_BYTES + 1 + headBytes(sign1) + 4)],
    ["r-bit", bent(signatureAt + 5)],
    ["s-bit", bent(signatureAt + 50)],
    ["kid-bit", bent(KID_AT + 3)],
    ["kid-other", put(KID_AT, kid)],
    ["kid-other-signed", encodeSign1(kid, payload, signature)],
    ["high-s", put(signatureAt + 32, high)],
    ["s-zero", put(signatureAt + 32, new Uint8Array(32))],
    ["r-zero", put(signatureAt, new Uint8Array(32))],
    ["r-max", put(signatureAt, new Uint8Array(32).fill(0xff))],
    ["algorithm-es512", bent(PROTECTED_AT + 3, 0x0d)],
    ["tag-mac0", bent(0, 3)],
    ["self-described", Buffer.concat([Buffer.from("d9d9f7", "hex"), sign1])],
    ["cut", sign1.subarray(0, sign1.length - 9)],
    ["behind", Buffer.concat([sign1, sign1.subarray(0, 40)])],
  ];
  return {
    good,
    hostile: hostile.map(([name, bytes]) => ({
      ...{ name, bytes: Buffer.concat([first, bytes]), holding: name === "behind" ? 2 : 1 },
    })),
  };
}

/** Of the payload's byte string. */
function headBytes(sign1: Uint8Array): number {
  const lead = sign1[PROTECTED_AT + PROTECTED_BYTES + 1] as number;
  return lead < 0x58 ? 1 : lead === 0x58 ? 2 : 3;
}
