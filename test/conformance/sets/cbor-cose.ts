// COSE_Sign1 and COSE_Sign: Sig_structure, structure and signatures of published examples. None of them is in the profile of a
// mote (ES256K with an address), so each must be refused by the firmware besides.

import { fromHex, toHex } from "../../../firmware/bytes.js";
import { type CborValue, decode, encode, Tagged } from "../../../firmware/codec/cbor.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { verifySign1 } from "../../../firmware/record/cose.js";
import { Rejection } from "../../../firmware/rejection.js";
import { decodeAny, holds, type Message, parseSign, parseSign1, publicKeyOf, toBeSigned } from "../cose-host.js";
import type { ConformanceSet, Outcome, Report, VectorFile } from "../set.js";

const EXAMPLES = "cbor/cose/cose-wg-Examples";
const ONE_SIGNER = [
  `${EXAMPLES}/sign1-tests/*.json`,
  `${EXAMPLES}/ecdsa-examples/ecdsa-sig-*.json`,
  `${EXAMPLES}/eddsa-examples/*.json`,
  `${EXAMPLES}/RFC8152/Appendix_C_2_1.json`,
  `${EXAMPLES}/CWT/*.json`,
];
const SIGNERS = [
  `${EXAMPLES}/sign-tests/*.json`,
  `${EXAMPLES}/ecdsa-examples/ecdsa-0*.json`,
  `${EXAMPLES}/RFC8152/Appendix_C_1_1.json`,
  `${EXAMPLES}/RFC8152/Appendix_B.json`,
];
const GLUE_SIGN = "cbor/cose/gluecose/sign1-sign-*.json";
const GLUE_VERIFY = "cbor/cose/gluecose/sign1-verify-*.json";
const SUIT = "cbor/cose/suit/*.txt";
const EAT = "cbor/cose/eat/*.diag";

type Json = Readonly<Record<string, unknown>>;

export const set: ConformanceSet = {
  name: "cbor/cose",
  paths: [...ONE_SIGNER, ...SIGNERS, GLUE_SIGN, GLUE_VERIFY, SUIT, EAT],
  async run(report: Report) {
    for (const path of [...ONE_SIGNER, ...SIGNERS]) await report.each(path, (file) => file.check("message", () => example(file)));
    await report.each(GLUE_SIGN, (file) => file.check("message", () => glueSign(file.json() as Json)));
    await report.each(GLUE_VERIFY, (file) => file.check("message", () => glueVerify(file.json() as Json)));
    await report.each(SUIT, (file) => file.check("message", () => suit(file.text())));
    await report.each(EAT, (file) => file.leaveOut("a sample in diagnostic notation, nothing to check"));
  },
};

function bytesOf(hex: unknown): Uint8Array {
  const bytes = typeof hex === "string" ? fromHex(hex) : new Rejection("hex-malformed", "no text");
  if (bytes instanceof Rejection) throw new Error(bytes.toString());
  return bytes;
}

function object(value: unknown): Json | undefined {
  return typeof value === "object" && value !== null ? (value as Json) : undefined;
}

/** One file of cose-wg/Examples. */
function example(file: VectorFile): Outcome {
  const { fail, input, intermediates, output } = file.json() as Json;
  const bytes = bytesOf(object(output)?.cbor);
  const firmware = firmwareRefuses(bytes);
  if (firmware !== undefined) return firmware;
  const one = object(object(input)?.sign0);
  const many = object(object(input)?.sign);
  if (one === undefined && many === undefined) return decodes(bytes);
  const signers = one === undefined ? (many?.signers as readonly Json[]) : [one];
  const steps = object(intermediates);
  const structures = one === undefined ? (steps?.signers as readonly Json[]) : [steps ?? {}];
  const untagged = object(object(input)?.failures)?.RemoveCBORTag !== undefined;
  const fault = verdict(() => {
    const message = one === undefined ? parseSign(bytes, untagged) : parseSign1(bytes, untagged);
    return checkSigners(message, signers, fail === true ? [] : structures);
  });
  if (fail === true) return fault === undefined ? "accepted" : undefined;
  return fault;
}

/** The message itself, an unknown tag or a signature that does not hold: a text that says which. */
function verdict(test: () => string | undefined): string | undefined {
  try {
    return test();
  } catch (error) {
    return String(error);
  }
}

function checkSigners(message: Message, signers: readonly Json[], structures: readonly Json[]): string | undefined {
  if (message.signatures.length !== signers.length) return "another number of signatures";
  for (const [index, signer] of signers.entries()) {
    const external = signer.external === undefined ? new Uint8Array(0) : bytesOf(signer.external);
    const structure = toBeSigned(message, index, external);
    const wanted = structures[index]?.ToBeSign_hex;
    if (wanted !== undefined && toHex(structure) !== toHex(bytesOf(wanted))) return `Sig_structure is ${toHex(structure)}`;
    if (!holds(message, index, structure, publicKeyOf(object(signer.key) ?? {}))) return "the signature does not hold";
  }
  return undefined;
}

function decodes(bytes: Uint8Array): Outcome {
  decodeAny(bytes);
  return undefined;
}

/** The mote's own profile takes none of these messages; the strict codec takes one only as it would write it. */
function firmwareRefuses(bytes: Uint8Array): string | undefined {
  if (!(verifySign1(nobleEngine, bytes) instanceof Rejection)) return "the firmware accepts it as a record";
  const item = decode(bytes);
  return item instanceof Rejection || toHex(encode(item)) === toHex(bytes) ? undefined : "the strict codec writes it differently";
}

function glueSign(vector: Json): Outcome {
  const sign = object(vector["sign1::sign"]) ?? {};
  const hex = (name: string): Uint8Array => bytesOf(object(sign[name])?.cborHex);
  const payload = bytesOf(sign.payload);
  const external = sign.external === undefined ? new Uint8Array(0) : bytesOf(sign.external);
  const expected = hex("expectedOutput");
  const message = parseSign1(expected);
  const structure = toHex(toBeSigned(message, 0, external, payload));
  if (structure !== toHex(hex("tbsHex"))) return `Sig_structure is ${structure}`;
  const unprotected = decode(hex("unprotectedHeaders"));
  if (unprotected instanceof Rejection) return unprotected.toString();
  const body: CborValue = sign.detached === true ? null : payload;
  const signature = message.signatures[0]?.signature ?? new Uint8Array(0);
  const ours = encode(new Tagged(18, [hex("protectedHeaders"), unprotected, body, signature]));
  const fixed = sign.fixedOutputLength as number;
  if (toHex(ours.subarray(0, fixed)) !== toHex(expected.subarray(0, fixed))) return `COSE_Sign1 is ${toHex(ours)}`;
  return firmwareRefuses(expected);
}

function glueVerify(vector: Json): Outcome {
  const wanted = object(vector["sign1::verify"]) ?? {};
  const bytes = bytesOf(object(wanted.taggedCOSESign1)?.cborHex);
  const signer = { key: vector.key, ...(wanted.external === undefined ? {} : { external: wanted.external }) };
  const fault = verdict(() => checkSigners(parseSign1(bytes), [signer], []));
  if ((fault === undefined) !== wanted.shouldVerify) return fault ?? "accepted";
  return firmwareRefuses(bytes);
}

/** SUIT: an envelope (tag 107) whose key 2 holds a digest and COSE_Sign1 messages, in byte strings, with the payload detached. */
function suit(text: string): Outcome {
  const title = "Envelope with COSE authentication object:";
  const block = text.slice(text.lastIndexOf(title) + title.length).match(/[0-9a-f]{2}[0-9a-f\s]+/)?.[0];
  if (!text.includes(title) || block === undefined) return "no envelope in the text";
  const envelope = object(decodeAny(bytesOf(block.replace(/\s/g, ""))));
  const wrapper = envelope?.tag === 107 && envelope.value instanceof Map ? (envelope.value.get(2) as unknown) : undefined;
  const parts = wrapper instanceof Uint8Array ? decodeAny(wrapper) : undefined;
  if (!Array.isArray(parts) || parts.length < 2) return "no authentication wrapper with a signature";
  const digest = parts[0] as unknown;
  if (!(digest instanceof Uint8Array)) return "no digest";
  for (const part of parts.slice(1)) {
    const message = parseSign1(part as Uint8Array);
    if (message.payload !== null) return "the payload is not detached";
    if (message.signatures[0]?.headers.get(1) !== -7) return "no ES256";
    const structure = decode(toBeSigned(message, 0, new Uint8Array(0), digest));
    if (structure instanceof Rejection) return structure.toString();
  }
  return undefined;
}
