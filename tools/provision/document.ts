// The configuration that a board is to be given: out of a file, of the command line, and of what a person answers at a terminal.
//
// Promises: only what a mote reads (docs/boards.md) is in it. A password comes from the file, the environment or the terminal, where it is
// not shown; never from the command line, which everyone on the machine sees. Whether it holds is the board's to say, whose image may bring
// a part of it.

import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { toHex } from "../../firmware/bytes.js";
import { withBroker } from "../commands/board.js";
import { readJson } from "../headers/json-file.js";
import { readFleet, type Words } from "../options.js";
import { configIn } from "../start/application.js";
import { CommandError, plainText } from "../terminal.js";

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
  "update",
];
const NTP_SERVERS = ["0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org"];

export function documentFrom(options: Words): Json {
  const file = options.text("config");
  const given = file === undefined ? {} : givenIn(file);
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

/** What a file configures; of a simulated board's, whose Wi-Fi and hosts are of its simulation, what is true of a real one too. */
function givenIn(file: string): Json {
  const given = configIn(file) as Json;
  const { network } = readJson(file) as { readonly network?: unknown };
  if (network === undefined) return given;
  const { wifi: _, ntp: __, mqtt = {}, ...rest } = given;
  const { host: ___, port: ____, ...session } = mqtt as Json;
  return Object.keys(session).length === 0 ? rest : { ...rest, mqtt: session };
}

/** What a person is asked for, by the option that it would be. */
const QUESTIONS = [
  ["mqtt", "broker, mqtt(s)://host:port"],
  ["ca", "certificate (PEM) that the broker's chain ends in, a file"],
  ["checkpoint", "checkpoint, a file as chainmote headers checkpoint writes it"],
  ["fleet", "fleet, as 0x…@eip155:1337"],
  ["collector", "collector's address"],
  ["relays", "names of relays, with commas between"],
] as const;

/** Words for the command line, out of what a person answers; nothing typed means that the image, or the board, has it. */
export async function askedWords(): Promise<readonly string[]> {
  const words: string[] = [];
  for (const [option, question] of QUESTIONS) {
    // A certificate is for a broker by TLS.
    if (option === "ca" && (hasAuthority() || !words.some((word) => /^mqtts:/i.test(word)))) continue;
    const answer = await asked(`${question} (empty: none, or as the board has it): `, false);
    if (answer !== "") words.push(`--${option}`, option === "mqtt" ? await withUser(answer) : answer);
  }
  return words;
}

const hasAuthority = (): boolean => (process.env.MQTT_CA ?? "") !== "";

async function withUser(url: string): Promise<string> {
  if (!URL.canParse(url) || url.includes("@")) return url;
  const user = await asked("its user (empty: none): ", false);
  if (user === "") return url;
  const password = await asked("and password: ", true);
  return url.replace("://", `://${encodeURIComponent(user)}:${encodeURIComponent(password)}@`);
}

/** Asks for the Wi-Fi where nobody has named one, and for its password where nobody has given one. */
export async function withWifiAsked(document: Json): Promise<Json> {
  const named = document.wifi as { readonly ssid?: unknown; readonly password?: unknown } | undefined;
  if (named?.password !== undefined || process.env.WIFI_PASSWORD !== undefined) return document;
  const ssid = named?.ssid ?? (await asked("Wi-Fi network (empty: none, or as the board has it): ", false));
  if (ssid === "") return document;
  const password = await asked(`password of ${plainText(String(ssid), 40)} (empty: none): `, true);
  return { ...document, wifi: { ...named, ssid, ...(password === "" ? {} : { password }) } };
}

async function asked(question: string, isSecret: boolean): Promise<string> {
  // Of what is typed nothing is shown, where it is a secret.
  const shown = new Writable({
    write(chunk, _, done) {
      if (!isSecret) process.stderr.write(chunk);
      done();
    },
  });
  const terminal = createInterface({ input: process.stdin, output: shown, terminal: true });
  // Not before: until then the terminal itself shows what is typed.
  process.stderr.write(question);
  try {
    return await new Promise((resolve, reject) => {
      terminal.on("SIGINT", () => reject(new CommandError("nothing was sent to the board", INTERRUPTED)));
      terminal.on("close", () => reject(new CommandError("nothing was sent to the board")));
      terminal.question("", resolve);
    });
  } finally {
    terminal.close();
    if (isSecret) process.stderr.write("\n");
  }
}

/** As a shell has it for Ctrl-C. */
const INTERRUPTED = 130;
