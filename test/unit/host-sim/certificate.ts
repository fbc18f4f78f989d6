// Makes certificates (X.509 v3, RFC 5280; ECDSA P-256 or RSA 2048, with SHA-256) for TLS servers on loopback in tests: self-signed,
// or issued by another one made here.

import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

export type KeyKind = "ec" | "rsa";

export interface CertificateOptions {
  readonly kind?: KeyKind;
  /** Itself where absent. */
  readonly issuer?: TestCertificate;
  /** May issue others; so by default where it issues itself. */
  readonly authority?: boolean;
  /** Years, 1950 to 2049; from the first of January on, up to it. */
  readonly from?: number;
  readonly to?: number;
}

export interface TestCertificate {
  readonly kind: KeyKind;
  readonly name: Uint8Array;
  readonly key: KeyObject;
  readonly der: Uint8Array;
  readonly pem: string;
}

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  const length = content.length < 128 ? [content.length] : [0x82, content.length >> 8, content.length & 255];
  return Buffer.concat([Uint8Array.of(tag, ...length), content]);
}

const sequence = (...parts: readonly Uint8Array[]): Uint8Array => der(0x30, ...parts);
const oid = (...bytes: readonly number[]): Uint8Array => der(0x06, Uint8Array.from(bytes));
const integer = (value: number): Uint8Array => der(0x02, Uint8Array.of(value));
const bits = (bytes: Uint8Array): Uint8Array => der(0x03, Uint8Array.of(0), bytes);
const text = (tag: number, value: string): Uint8Array => der(tag, Buffer.from(value, "ascii"));

/** 2.5.29.x */
function extension(id: number, value: Uint8Array): Uint8Array {
  return sequence(oid(0x55, 0x1d, id), der(0x04, value));
}

const SHA256_WITH: Readonly<Record<KeyKind, Uint8Array>> = {
  ec: sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)),
  rsa: sequence(oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b), der(0x05)),
};
let serial = 0;

function keyPair(kind: KeyKind): { publicKey: KeyObject; privateKey: KeyObject } {
  return kind === "ec" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("rsa", { modulusLength: 2048 });
}

/** @param host goes into subject and subjectAltName */
export function issue(host: string, options: CertificateOptions = {}): TestCertificate {
  const { kind = "ec", issuer, authority = issuer === undefined, from = 2020, to = 2049 } = options;
  const { publicKey, privateKey } = keyPair(kind);
  const algorithm = SHA256_WITH[issuer?.kind ?? kind];
  const name = sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), text(0x0c, host))));
  const date = (year: number): Uint8Array => text(0x17, `${String(year % 100).padStart(2, "0")}0101000000Z`);
  const extensions = sequence(
    extension(19, authority ? sequence(der(0x01, Uint8Array.of(0xff))) : sequence()), // basicConstraints
    extension(17, sequence(text(0x82, host))), // subjectAltName: dNSName
  );
  serial += 1;
  const body = sequence(
    der(0xa0, integer(2)),
    der(0x02, Uint8Array.of(1, serial >> 8, serial & 255)),
    algorithm,
    issuer?.name ?? name,
    sequence(date(from), date(to)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, extensions),
  );
  const bytes = sequence(body, algorithm, bits(sign("sha256", body, issuer?.key ?? privateKey)));
  const pem = `-----BEGIN CERTIFICATE-----\n${Buffer.from(bytes).toString("base64")}\n-----END CERTIFICATE-----\n`;
  return { kind, name, key: privateKey, der: new Uint8Array(bytes), pem };
}

/** One that vouches for itself, ECDSA. */
export function makeCertificate(host: string, from = 2020, to = 2049): TestCertificate {
  return issue(host, { from, to });
}
