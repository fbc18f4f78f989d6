// The certificate authority of a broker, from the file that --ca names: what a tool trusts, and what a board pins.
//
// Promises: one X.509 certificate in PEM (RFC 7468), that fits a board and is valid now, or one line that says what is wrong with the
// file and how to make a right one. Never: reads a private key in, or repeats what a file holds.

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { CommandError, plainText } from "../terminal.js";

export interface Authority {
  readonly path: string;
  readonly pem: string;
  /** As a board's configuration has it (`mqtt.ca`). */
  readonly der: Uint8Array;
}

const FILE_CHARACTERS_MAX = 65_536;
/** What the firmware takes (firmware/config.ts). */
const DER_BYTES_MAX = 4096;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** @throws CommandError with the file's name */
export function readAuthority(path: string): Authority {
  const wrong = (text: string): CommandError => new CommandError(`--ca ${plainText(path, 200)}: ${text}`);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw wrong(`it cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  const text = bytes.toString("latin1");
  if (text.length > FILE_CHARACTERS_MAX) throw wrong(`longer than ${FILE_CHARACTERS_MAX} bytes`);
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    throw wrong("it holds a private key, which nobody but its owner needs: give the certificate alone");
  const [pem, ...others] = text.match(CERTIFICATE) ?? [];
  if (pem === undefined) {
    const isDer = bytes[0] === 0x30 && bytes[1] === 0x82;
    const advice = isDer ? `: openssl x509 -inform der -in ${plainText(path, 200)} makes PEM of it` : "";
    throw wrong(`it is not PEM: no "-----BEGIN CERTIFICATE-----" is in it${advice}`);
  }
  if (others.length > 0)
    throw wrong(`it holds ${others.length + 1} certificates, and a board pins one: the root that the broker's chain ends in`);
  const certificate = parsed(pem);
  if (certificate === undefined) throw wrong("its PEM holds no X.509 certificate");
  const [fromMs, toMs] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (toMs < Date.now()) throw wrong(`it has expired, on ${certificate.validTo}`);
  if (fromMs > Date.now()) throw wrong(`it is not valid before ${certificate.validFrom}`);
  const der = new Uint8Array(certificate.raw);
  if (der.length > DER_BYTES_MAX) throw wrong(`its certificate takes ${der.length} bytes, and a board takes ${DER_BYTES_MAX}`);
  return { path, pem, der };
}

function parsed(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined; // what it says of ASN.1 helps nobody
  }
}
