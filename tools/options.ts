// Command-line words to options, with one clear line for each mistake.

import { type ParseArgsConfig, parseArgs } from "node:util";
import { fromHex } from "../firmware/bytes.js";
import { plainText, UsageError } from "./terminal.js";

export { publicUrl } from "./public-url.js";

type OptionSpec = NonNullable<ParseArgsConfig["options"]>;

export interface Words {
  has(name: string): boolean;
  text(name: string): string | undefined;
  /** A whole number from `min` to `max`. */
  number(name: string, min: number, max: number): number | undefined;
  /** http(s), mqtt(s), … of the given schemes. */
  url(name: string, schemes: readonly string[]): string | undefined;
  /** Bytes in hexadecimal. */
  bytes(name: string, length: number): Uint8Array | undefined;
  readonly others: readonly string[];
}

const RPC_SCHEMES = ["http", "https"];
const WS_SCHEMES = ["ws", "wss"];

/**
 * @param spec as `util.parseArgs` has it
 * @param othersMax how many words may come besides options
 * @throws UsageError
 */
export function readWords(words: readonly string[], spec: OptionSpec, othersMax = 0): Words {
  let parsed: { values: Readonly<Record<string, unknown>>; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...words], options: spec, strict: true, allowPositionals: true });
  } catch (error) {
    // Node adds advice after the first sentence that does not help here.
    const message = plainText((error as Error).message.split(/\. (?:To|Did)/)[0] ?? "");
    throw new UsageError(message.replace(/\.$/, "").replace(/^Unknown option/, "there is no option"));
  }
  const { values, positionals } = parsed;
  if (positionals.length > othersMax)
    throw new UsageError(`unexpected word "${plainText(positionals[othersMax] as string, 60)}"`);
  const text = (name: string): string | undefined => {
    const value = values[name];
    if (value === "") throw new UsageError(`--${name} is empty`);
    return typeof value === "string" ? value : undefined;
  };
  return {
    has: (name) => values[name] === true,
    text,
    number(name, min, max) {
      const value = text(name);
      if (value === undefined) return undefined;
      const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
      if (!(number >= min && number <= max))
        throw new UsageError(`--${name} takes a whole number from ${min} to ${max}, not "${plainText(value, 40)}"`);
      return number;
    },
    url(name, schemes) {
      const value = text(name);
      return value === undefined ? undefined : checkUrl(`--${name}`, value, schemes);
    },
    bytes(name, length) {
      const value = text(name);
      if (value === undefined) return undefined;
      const bytes = fromHex(value);
      if (!(bytes instanceof Uint8Array) || bytes.length !== length)
        throw new UsageError(`--${name} takes ${length} bytes in hexadecimal, not "${plainText(value, 60)}"`);
      return bytes;
    },
    others: positionals,
  };
}

/** Refuses what is no URL of these schemes; the URL itself is not repeated, since it may hold a password. */
export function checkUrl(what: string, value: string, schemes: readonly string[]): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || url.hostname === "" || !schemes.includes(url.protocol.replace(/:$/, "")))
    throw new UsageError(`${what} takes a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`);
  if (![url.username, url.password].every(isPercentEncoded))
    throw new UsageError(`${what}: "%" in a user or a password is written as %25`);
  return value;
}

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false; // it has a "%" that begins no code
  }
}

/** --rpc, or RPC_URL where that is not given: a command line is seen by everyone on the machine, and a URL may hold a key. */
export function rpcUrl(options: Words): string | undefined {
  return options.url("rpc", RPC_SCHEMES) ?? fromEnvironment("RPC_URL", RPC_SCHEMES);
}

/** --ws, or RPC_WS_URL for the same reason. */
export function wsUrl(options: Words): string | undefined {
  return options.url("ws", WS_SCHEMES) ?? fromEnvironment("RPC_WS_URL", WS_SCHEMES);
}

/** --webhook, or WEBHOOK_URL for the same reason. */
export function webhookUrl(options: Words): string | undefined {
  return options.url("webhook", RPC_SCHEMES) ?? fromEnvironment("WEBHOOK_URL", RPC_SCHEMES);
}

function fromEnvironment(name: string, schemes: readonly string[]): string | undefined {
  const url = process.env[name];
  return url === undefined || url === "" ? undefined : checkUrl(name, url, schemes);
}

/** --fleet: a registry's address and its chain. */
export function readFleet(text: string | undefined): { registry: Uint8Array; chain: string } | undefined {
  if (text === undefined) return undefined;
  const match = /^0x([0-9a-fA-F]{40})@([-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32})$/.exec(text);
  if (match === null) throw new UsageError("--fleet takes an address and a chain, such as 0x…@eip155:31337");
  return { registry: new Uint8Array(Buffer.from(match[1] as string, "hex")), chain: match[2] as string };
}
