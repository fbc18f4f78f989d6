// Makes a self-signed certificate (X.509 v3, RFC 5280; ECDSA P-256 with SHA-256) for a TLS server on loopback in tests.

import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

export interface TestCertificate {
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

/** @param host goes into subjectAltName; @param from and @param to years, 1950 to 2049 */
export function makeCertificate(host: string, from = 2020, to = 2049): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)); // ecdsa-with-SHA256
  const name = sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), text(0x0c, host))));
  const date = (year: number): Uint8Array => text(0x17, `${String(year % 100).padStart(2, "0")}0101000000Z`);
  const extensions = sequence(
    extension(19, sequence(der(0x01, Uint8Array.of(0xff)))), // basicConstraints: a certificate authority
    extension(17, sequence(text(0x82, host))), // subjectAltName: dNSName
  );
  const body = sequence(
    der(0xa0, integer(2)),
    integer(1),
    algorithm,
    name,
    sequence(date(from), date(to)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, extensions),
  );
  const bytes = sequence(body, algorithm, bits(sign("sha256", body, privateKey)));
  const pem = `-----BEGIN CERTIFICATE-----\n${Buffer.from(bytes).toString("base64")}\n-----END CERTIFICATE-----\n`;
  return { key: privateKey, der: new Uint8Array(bytes), pem };
}
