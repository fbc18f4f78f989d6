// A source package from the Python index, without Python's installer running anything of it.
//
// `pip download` would start the package's own build program to learn its name. So pip is only asked where its index is (its
// configuration, else its default), and the file is taken from there as every client takes it (PEP 503: a page of links).
//
// Promises: one file, by its name, of bounded size; whoever calls compares its hash. A failure is one line that says what to
// do, and shows no password of an index. Never: executes or unpacks what it has got.

import { spawnSync } from "node:child_process";
import type { Progress } from "../progress.js";
import { publicUrl, withoutSecretsOf } from "../public-url.js";
import { CommandError, plainText } from "../terminal.js";

const PIPS: readonly (readonly [string, ...string[]])[] = [["python3", "-m", "pip"], ["pip3"], ["pip"]];
const PIP_MS_MAX = 60_000;
const FETCH_MS_MAX = 300_000;
const PAGE_BYTES_MAX = 4_194_304;
const FILE_BYTES_MAX = 16_777_216;

/** The bytes of `file`, one of `project`'s. @param progress shows how much has come */
export async function fetchFromIndex(project: string, file: string, progress?: Progress): Promise<Uint8Array> {
  progress?.step(`asking pip where ${file} is`);
  const page = `${pythonIndex().replace(/\/+$/, "")}/${project}/`;
  try {
    const { bytes, url } = await take(page, PAGE_BYTES_MAX);
    const link = linkTo(new TextDecoder().decode(bytes), file);
    if (link === undefined) throw new Error(`it has no ${file}`);
    return (await take(new URL(link, url).href, FILE_BYTES_MAX, page, progress)).bytes;
  } catch (error) {
    const { message, cause } = error as Error;
    const why = cause instanceof Error ? cause.message : message;
    throw new CommandError(
      `the Python index ${publicUrl(page)}: ${plainText(withoutSecretsOf(page, why))}; or get ${file} by other means: chainmote native FILE`,
    );
  }
}

/** Where pip looks for packages: https://…/simple or a mirror of it. */
function pythonIndex(): string {
  for (const [program, ...words] of PIPS) {
    const ask = (...more: readonly string[]): string => {
      const asked = spawnSync(program, [...words, ...more], {
        encoding: "utf8",
        timeout: PIP_MS_MAX,
        env: { ...process.env, COLUMNS: "1000" },
      });
      return asked.status === 0 ? asked.stdout : "";
    };
    const index = indexOfConfiguration(ask("config", "list")) ?? /\(default (https:[^)\s]+)\)/.exec(ask("help", "download"))?.[1];
    if (index !== undefined) return index;
  }
  throw new CommandError(
    "no pip here to say where the Python index is; Debian's python3-pip brings it (ESP-IDF's Python has one), or: chainmote native FILE",
  );
}

/** The index of `pip config list`, by pip's own order: environment, then `download`, then `global`. */
export function indexOfConfiguration(text: string): string | undefined {
  for (const section of [":env:", "download", "global"])
    for (const line of text.split("\n")) {
      const value = line.startsWith(`${section}.index-url=`) ? line.slice(section.length + 11).trim() : "";
      if (value.length > 2) return value.slice(1, -1);
    }
  return undefined;
}

/** The address that a page of links has for a file, as the page writes it; undefined where it has none. */
export function linkTo(page: string, file: string): string | undefined {
  for (const [, address = ""] of page.matchAll(/<a\s[^<>]{0,4096}?\bhref\s{0,8}=\s{0,8}["']([^"']{1,4096})["']/gi)) {
    const link = address.replaceAll("&amp;", "&");
    if (link.replace(/[?#].*$/s, "").endsWith(`/${file}`)) return link;
  }
  return undefined;
}

/** @param page whose user and password go with the request, where it is of the same origin */
async function take(
  address: string,
  bytesMax: number,
  page = address,
  progress?: Progress,
): Promise<{ bytes: Uint8Array; url: string }> {
  const url = new URL(address);
  const { username, password, origin } = new URL(page);
  url.username = "";
  url.password = "";
  const pair = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
  const mayKnow = username !== "" && url.origin === origin;
  const response = await fetch(url, {
    headers: { accept: "text/html, */*;q=0.1", ...(mayKnow ? { authorization: `Basic ${pair}` } : {}) },
    signal: AbortSignal.timeout(FETCH_MS_MAX),
  });
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
  const parts: Uint8Array[] = [];
  const whole = Number(response.headers.get("content-length") ?? Number.NaN);
  let count = 0;
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    count += part.length;
    progress?.counted(count, "bytes", count / whole);
    if (count > bytesMax) throw new Error(`more than ${bytesMax} bytes`);
    parts.push(part);
  }
  return { bytes: Buffer.concat(parts), url: response.url };
}
