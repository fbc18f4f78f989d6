// The network modules of a Moddable SDK itself, over the simulated board's sockets and timers, where MODDABLE names an SDK; and
// the mirrors of the same modules, so that one test tries both.
//
// Promises: the SDK's own files run, unchanged but for where their imports come from; nothing of them is kept. What the SDK has in
// C (sockets, the parser of DNS) is the mirrors'. Without an SDK only the mirrors, and a line that says so.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { NetworkModules } from "../../firmware/board/network.js";
import { tlsSocketOver } from "../../firmware/board/tls-socket.js";
import type { Board } from "../../host-sim/hardware/board.js";
import { resolverFor } from "../../host-sim/modules/dns.js";
import { mqttClientFor } from "../../host-sim/modules/mqtt-client.js";
import { ntpFor } from "../../host-sim/modules/ntp-client.js";
import { tcpFor } from "../../host-sim/modules/tcp.js";
import { timeFor } from "../../host-sim/modules/time.js";
import { timerFor } from "../../host-sim/modules/timer.js";
import * as tls from "../../host-sim/modules/tls.js";
import { udpFor } from "../../host-sim/modules/udp.js";
import { DnsParser } from "../../host-sim/world/dns-message.js";

export type Source = "mirror" | "SDK";

const sdk = process.env.MODDABLE ?? "";
if (sdk === "") console.log("MODDABLE is not set: the SDK's own network modules are not tried, their mirrors are");

/** Where a test gets the network modules from. */
export const SOURCES: readonly Source[] = sdk === "" ? ["mirror"] : ["mirror", "SDK"];

/** As the SDK's manifests name them. */
const MQTT_CLIENT = "examples/io/tcp/mqttclient/mqttclient.js";
const NTP_CLIENT = "examples/io/udp/ntp/ntp.js";
const RESOLVER = "examples/io/udp/dns/dns.js";
const DNS_NAMES = "modules/network/dns/dns.js";
const DNS_SERIALIZER = "modules/network/dns/dnsserializer.js";

/** The modules for one board, with the edges that they have. */
export async function networkModules(source: Source, board: () => Board): Promise<NetworkModules> {
  return (await networkModulesOf(source))(board);
}

/** The same for any board, once the files are read. */
export async function networkModulesOf(source: Source): Promise<(board: () => Board) => NetworkModules> {
  if (source === "mirror")
    return (board) => ({
      ...socketsOf(board),
      MQTTClient: mqttClientFor(board),
      NTP: ntpFor(board),
      Resolver: resolverFor(board),
    });
  extendLanguage();
  const makers = new Map<string, Make>();
  for (const path of [DNS_NAMES, DNS_SERIALIZER, MQTT_CLIENT, NTP_CLIENT, RESOLVER]) makers.set(path, await makerOf(path));
  const made = (path: string, given: object): unknown => (makers.get(path) as Make)(given, () => undefined);
  return (board) => {
    const given: Record<string, unknown> = { Timer: timerFor(board), Time: timeFor(board), Parser: DnsParser };
    given.DNS = made(DNS_NAMES, given);
    given.Serializer = made(DNS_SERIALIZER, given);
    return {
      ...socketsOf(board),
      MQTTClient: made(MQTT_CLIENT, given),
      NTP: made(NTP_CLIENT, given),
      Resolver: made(RESOLVER, given),
    };
  };
}

function socketsOf(board: () => Board) {
  return { TCP: tcpFor(board), TLSSocket: tlsSocketOver(tls), UDP: udpFor(board) };
}

/** What XS has beside the language, as far as the SDK's modules use it. */
function extendLanguage(): void {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  Object.assign(ArrayBuffer, { fromString: (text: string) => encoder.encode(text).slice().buffer });
  Object.assign(String, { fromArrayBuffer: (bytes: ArrayBuffer) => decoder.decode(bytes) });
}

/** What a module of the SDK is, as a function of what it imports and of the global `trace`. */
type Make = (given: object, trace: () => void) => unknown;

/** By these names the SDK's files import. */
const IMPORTED = ["DNS", "Parser", "Serializer", "Time", "Timer"];

async function makerOf(path: string): Promise<Make> {
  const imports = new Set<string>();
  const body = readFileSync(join(sdk, path), "utf8").replace(/^\s*import (\w+) from .*$/gm, (line, name: string) => {
    if (!IMPORTED.includes(name)) throw new Error(`${path} of the SDK imports something new: ${line}`);
    imports.add(name);
    return "";
  });
  const exported = /^export default (\w+);?$/m.exec(body)?.[1];
  if (exported === undefined) throw new Error(`${path} of the SDK exports nothing by default`);
  const text = body.replace(/^export default \w+;?$/m, "");
  const folder = mkdtempSync(join(tmpdir(), "chainmote-sdk-"));
  try {
    const file = join(folder, "module.mjs");
    writeFileSync(file, `export function make({ ${[...imports].join(", ")} }, trace) {\n${text}\nreturn ${exported};\n}\n`);
    return ((await import(pathToFileURL(file).href)) as { make: Make }).make;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
