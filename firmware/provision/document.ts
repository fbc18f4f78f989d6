// A configuration as it is kept on the board and comes over the serial port: JSON of the fields that config.ts checks, laid over the
// image's own, section by section.
//
// Promises: what is read is bounded before the engine's parser sees it (bytes, depth, values), since that one ends the machine where its
// memory ends; a refusal names no value, which may be a password. Never: knows where it is kept (stored.ts).
// Codes: document-too-long, document-malformed.

import { toText } from "../bytes.js";
import { isObject } from "../fields.js";
import { Rejection } from "../rejection.js";

/** The longest certificate that a configuration may name has 8,194 characters; a checkpoint of 60 validators some 3,000. */
export const DOCUMENT_BYTES_MAX = 12_288;
const DOCUMENT_DEPTH_MAX = 12;
/** Values and names, each of which takes a slot or two of the heap while it is read. */
const DOCUMENT_VALUES_MAX = 320;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
/** `[` and `{`, `]` and `}` differ in one bit. */
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CURLY_BIT = 0x20;

export type Document = Readonly<Record<string, unknown>>;

export function readDocument(bytes: Uint8Array): Document | Rejection {
  if (bytes.length > DOCUMENT_BYTES_MAX)
    return new Rejection("document-too-long", `${bytes.length} bytes, at most ${DOCUMENT_BYTES_MAX}`);
  const fault = shapeFault(bytes);
  if (fault !== undefined) return fault;
  const text = toText(bytes);
  if (text instanceof Rejection) return text;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What the engine says may quote the text.
    return new Rejection("document-malformed", "the configuration is no JSON");
  }
  return isObject(value) ? value : new Rejection("document-malformed", "the configuration is no JSON object");
}

/** What would cost the parser more than a board has. */
function shapeFault(bytes: Uint8Array): Rejection | undefined {
  let depth = 0;
  let values = 0;
  let quoted = false;
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] as number;
    if (quoted) {
      if (byte === BACKSLASH) i += 1;
      else if (byte === QUOTE) quoted = false;
    } else if (byte === QUOTE) quoted = true;
    else if (byte === COMMA || byte === COLON) values += 1;
    else if ((byte | CURLY_BIT) === (OPEN | CURLY_BIT)) {
      depth += 1;
      values += 1;
    } else if ((byte | CURLY_BIT) === (CLOSE | CURLY_BIT)) depth -= 1;
    if (depth > DOCUMENT_DEPTH_MAX)
      return new Rejection("document-malformed", `the configuration is nested deeper than ${DOCUMENT_DEPTH_MAX}`);
    if (values > DOCUMENT_VALUES_MAX)
      return new Rejection("document-malformed", `the configuration has more than ${DOCUMENT_VALUES_MAX} values and names`);
  }
  return undefined;
}

/** The image's configuration with the sections of the kept one in place of its own. */
export function laidOver(image: unknown, document: Document | undefined): unknown {
  return document === undefined ? image : { ...(isObject(image) ? image : {}), ...document };
}

/** Whether it is what Improv leaves: the Wi-Fi alone, for an image that brings the rest. */
export function isWifiAlone(document: Document): boolean {
  const names = Object.keys(document);
  return names.length === 1 && names[0] === "wifi";
}
