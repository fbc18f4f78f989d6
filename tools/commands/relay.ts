// chainmote relay: carries raw headers from an Ethereum or a Bitcoin node to motes.

import { type Authority, readAuthority } from "../mqtt/authority.js";
import { checkUrl, publicUrl, readWords, rpcUrl, type Words, wsUrl } from "../options.js";
import { untilTold } from "../processes/end.js";
import { Relay, type RelayEvent } from "../relay/relay.js";
import { type Output, plainText, UsageError } from "../terminal.js";

export const usage = `chainmote relay --rpc URL [--mqtt URL] [--ca FILE] [--prefix P/] [--chain ID] [--name N] [--ws URL] [--json] [--verbose]

Publishes the newest header of an Ethereum or a Bitcoin node, retained, and answers motes that ask for others.

  --rpc URL     JSON-RPC of the node, http(s)://… (Bitcoin Core: http://user:password@host:port), or RPC_URL
  --mqtt URL    broker, mqtt(s)://user:password@host:port (or MQTT_URL; default mqtt://127.0.0.1:1883)
  --ca FILE     with mqtts://: the certificate (PEM) that the broker's chain ends in (or MQTT_CA; default: those of this machine)
  --prefix P/   put before every topic
  --chain ID    CAIP-2; asked of the node where absent
  --poll-ms N   how often the node's newest block is asked for (default by need: a few times a block)
  --calls-per-s N  ask the node no oftener than this, whatever for (default unbounded); a node that answers with
                Retry-After is left alone for as long in any case
  --ws URL      ws(s)://… of the node, or RPC_WS_URL, which tells of new blocks there (eth_subscribe); then it is hardly polled
  --name N      motes that name several relays in their configuration ask this one by it
  --json        one object per event
  --verbose     every head and every answer

Example:
  RPC_URL=https://node.example/KEY chainmote relay --mqtt mqtts://broker.example --ca ca.pem --prefix lab/`;

export function read(words: readonly string[]): Words {
  return readWords(words, {
    rpc: { type: "string" },
    mqtt: { type: "string" },
    ca: { type: "string" },
    prefix: { type: "string" },
    chain: { type: "string" },
    name: { type: "string" },
    "poll-ms": { type: "string" },
    "calls-per-s": { type: "string" },
    ws: { type: "string" },
    json: { type: "boolean" },
    verbose: { type: "boolean" },
  });
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const rpc = rpcUrl(options);
  if (rpc === undefined) throw new UsageError("--rpc URL is missing");
  const { mqtt = DEFAULT_MQTT, authority } = brokerNamed(options);
  const prefix = checkPrefix(options.text("prefix"));
  const chain = options.text("chain");
  const name = options.text("name");
  if (name !== undefined && !/^[\w-]{1,32}$/.test(name))
    throw new UsageError("--name takes 1 to 32 letters, digits, hyphens and underscores");
  const show = (event: RelayEvent): void => {
    if (options.has("json")) output.line(JSON.stringify(event));
    else if (options.has("verbose") || !QUIET.has(event.event)) output.line(relayText(event));
  };
  if (!options.has("json")) output.line(`relay: ${publicUrl(rpc)} to ${publicUrl(mqtt)}`);
  const named = { ...(chain === undefined ? {} : { chain }), ...(name === undefined ? {} : { name }) };
  const pollMs = options.number("poll-ms", 10, 3_600_000);
  const callsPerSecond = options.number("calls-per-s", 1, 10_000);
  const ws = wsUrl(options);
  const asking = {
    ...(pollMs === undefined ? {} : { pollMs }),
    ...(callsPerSecond === undefined ? {} : { callsPerSecond }),
    ...(ws === undefined ? {} : { ws }),
  };
  const told = untilTold();
  const ca = authority === undefined ? {} : { ca: authority.pem };
  const relay = new Relay({ rpc, mqtt, ...ca, prefix, ...named, ...asking, onEvent: show });
  await told;
  await relay.close();
  return 0;
}

const MQTT_SCHEMES = ["mqtt", "mqtts"];
export const DEFAULT_MQTT = "mqtt://127.0.0.1:1883";
/** What a person sees only with --verbose. */
const QUIET = new Set<RelayEvent["event"]>(["head", "answered", "proved"]);

/** The broker of --mqtt or MQTT_URL, where one is named, and of --ca or MQTT_CA the authority that vouches for it. */
export function brokerNamed(options: Words): { readonly mqtt?: string; readonly authority?: Authority } {
  const { MQTT_URL = "", MQTT_CA = "" } = process.env;
  const mqtt = options.url("mqtt", MQTT_SCHEMES) ?? (MQTT_URL === "" ? undefined : checkUrl("MQTT_URL", MQTT_URL, MQTT_SCHEMES));
  const named = options.text("ca");
  const isTls = mqtt !== undefined && /^mqtts:/i.test(mqtt);
  if (named !== undefined && !isTls) throw new UsageError("--ca is for a broker that is named by mqtts://");
  const path = named ?? (isTls && MQTT_CA !== "" ? MQTT_CA : undefined);
  return { ...(mqtt === undefined ? {} : { mqtt }), ...(path === undefined ? {} : { authority: readAuthority(path) }) };
}

export function checkPrefix(prefix: string | undefined): string {
  if (prefix === undefined) return "";
  if (!prefix.endsWith("/") || /[+#\0]/.test(prefix))
    throw new UsageError('--prefix takes a topic that ends in "/", without wildcards');
  return prefix;
}

export function relayText(event: RelayEvent): string {
  switch (event.event) {
    case "connected":
      return `${event.to} connected`;
    case "lost":
      return `${event.to} lost: ${plainText(event.reason)}; next attempt in ${event.retryMs} ms`;
    case "head":
      return `head #${event.number} ${event.hash}${event.rebuilt ? " (rebuilt from JSON)" : ""}`;
    case "reorganised":
      return `the chain went another way: from #${event.from} to #${event.number} ${event.hash}`;
    case "behind":
      return `the node shows #${event.number} after #${event.head}, which is behind and no reorganisation: #${event.head} stays`;
    case "put-back":
      return `head #${event.number} put back: ${plainText(event.detail)}`;
    case "hash-differs":
      return `head #${event.number}: ${event.detail}`;
    case "answered":
      return `answered ${event.to}: ${event.given} of ${event.asked} headers from #${event.from}`;
    case "proved":
      return `answered ${event.to}: ${event.given} items of a proof from ${event.from}`;
    case "submitted":
      return `transaction of ${event.from}: ${event.outcome}`;
    case "refused":
      return `refused a request: ${plainText(event.detail)} (${event.code})`;
  }
}
