// The configuration that a board is to be given: out of a file, of the command line, and of what a person answers at a terminal.
//
// Promises: only what a mote reads (docs/boards.md) is in it. A password comes from the file, the environment or the terminal, where it is
// not shown; never from the command line, which everyone on the machine sees. Whether it holds is the board's to say, whose image may bring
// a part of it.

import { createInterface } from "node:readline";
import { toHex } from "../../firmware/bytes.js";
import { withBroker } from "../commands/board.js";
import { readJson } from "../headers/json-file.js";
import { readFleet, type Words } from "../options.js";
import { configIn } from "../start/application.js";

export type Json = Readonly<Record<string, unknown>>;

/** What of a file of configuration a mote reads. */
const SECTIONS = [
  "wifi",
  "ntp",
  "mqtt",
  "checkpoint",
  "relays",
  "fleet",
  "collector",
  "sensor",
  "sensors",
  "sampling",
  "journal",
  "health",
  "ledger",
];
const NTP_SERVERS = ["0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org"];

export function documentFrom(options: Words): Json {
  const file = options.text("config");
  const given = file === undefined ? {} : (configIn(file) as Json);
  const document: Record<string, unknown> = Object.fromEntries(
    SECTIONS.flatMap((name) => (name in given ? [[name, given[name]]] : [])),
  );
  const ssid = options.text("ssid");
  const { WIFI_PASSWORD = "" } = process.env;
  if (ssid !== undefined) document.wifi = { ssid, ...(WIFI_PASSWORD === "" ? {} : { password: WIFI_PASSWORD }) };
  const { mqtt } = withBroker(document, options);
  if (Object.keys(mqtt as object).length > 0) document.mqtt = mqtt;
  const checkpoint = options.text("checkpoint");
  if (checkpoint !== undefined) document.checkpoint = readJson(checkpoint);
  const relays = options.text("relays");
  if (relays !== undefined) document.relays = relays.split(",");
  const fleet = readFleet(options.text("fleet"));
  if (fleet !== undefined) document.fleet = { registry: `0x${toHex(fleet.registry)}`, chain: fleet.chain };
  const collector = options.bytes("collector", 20);
  if (collector !== undefined) document.collector = `0x${toHex(collector)}`;
  const ntp = options.text("ntp");
  if (ntp !== undefined) document.ntp = { servers: ntp.split(",") };
  else if (document.mqtt !== undefined) document.ntp ??= { servers: NTP_SERVERS };
  return document;
}

/** Asks at the terminal for the Wi-Fi where nobody has named one. */
export async function withWifiAsked(document: Json): Promise<Json> {
  if (document.wifi !== undefined) {
    const wifi = document.wifi as Json;
    if (wifi.password !== undefined || process.env.WIFI_PASSWORD !== undefined) return document;
    const password = await asked(`password of ${String(wifi.ssid)} (empty: none): `, true);
    return { ...document, wifi: { ...wifi, ...(password === "" ? {} : { password }) } };
  }
  const ssid = await asked("Wi-Fi network (empty: none, or as the board has it): ", false);
  if (ssid === "") return document;
  const password = await asked("its password (empty: none): ", true);
  return { ...document, wifi: { ssid, ...(password === "" ? {} : { password }) } };
}

async function asked(question: string, isSecret: boolean): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  // What is typed is written by this function of its own.
  if (isSecret) Object.assign(terminal, { _writeToOutput: () => undefined });
  process.stderr.write(question);
  try {
    return await new Promise((resolve) => terminal.question("", resolve));
  } finally {
    terminal.close();
    if (isSecret) process.stderr.write("\n");
  }
}
