// chainmote provision: gives a board on a serial port its configuration, has it make its key, and shows who it is; or the same with a
// simulated board.

import { writeFileSync } from "node:fs";
import { ENROLMENT_BLOCKS } from "../../firmware/ledger/enrolling.js";
import { didOf } from "../crypto/did.js";
import { readWords, type Words } from "../options.js";
import type { LogLine } from "../provision/board-link.js";
import { askedWords, documentFrom, type Json, withWifiAsked } from "../provision/document.js";
import { type BoardSaid, type Enrolment, Provisioning } from "../provision/provisioning.js";
import { withSimulatedBoard } from "../provision/simulated-board.js";
import { type Output, plainText, UsageError } from "../terminal.js";

export const usage = `chainmote provision PORT [--config FILE] [--ssid NAME] [--mqtt URL] [--ca FILE] [--checkpoint FILE] [--fleet A@C] … [--json]
chainmote provision --sim DIR …      the same with a simulated board in DIR
chainmote provision PORT --info      what the board says of itself; changes nothing
chainmote provision PORT --factory-reset   the board's key, records and configuration are erased

Sends a configuration to the board on PORT (/dev/ttyUSB0, /dev/ttyACM0, …), which checks it, makes its key, joins its Wi-Fi and its broker by
it, and only then keeps it; shows the board's address, its did:pkh and an enrolment that it has signed.

  --config FILE      the configuration, or a part of it (JSON, docs/boards.md), as for chainmote board; options below go before it
  --ssid NAME        the Wi-Fi; its password is asked for, or in WIFI_PASSWORD
  --mqtt URL         mqtt(s)://user:password@host:port (or MQTT_URL); --ca FILE: the certificate (PEM) that its chain ends in (or MQTT_CA)
  --checkpoint FILE  as chainmote headers checkpoint writes it; --fleet A@C: the fleet's registry and chain; --collector ADDRESS
  --relays A,B       names of the relays; --ntp A,B,C: time servers
  --enroller ADDRESS whom the enrolment names (default: ledger.enroller); --counter N, --expiry-block N: its counter (1), and the
                     last block at which it counts (default: ${ENROLMENT_BLOCKS} blocks after the checkpoint)
  --enrolment FILE   where the enrolment goes, as bytes
  --no-input         asks nothing; else a terminal is asked for all of it where nothing is given here, and for the Wi-Fi's password
  --json             one object per event

A board that has a configuration listens to nobody until its button is held for 5 s, from within 3 s after a reset on.

Examples:
  chainmote provision /dev/ttyACM0 --ssid attic --mqtt mqtt://broker.example --checkpoint checkpoint.json --fleet 0x6f40be2f146c269ecabd7330236d499997dd194e@eip155:1337 --collector 0x893de31f904b73e99550792d5e6152991046081f
  chainmote provision --sim board --config config.json --no-input`;

const TEXT = { type: "string" } as const;
const FLAG = { type: "boolean" } as const;
const SPEC = {
  ...{ sim: TEXT, config: TEXT, ssid: TEXT, mqtt: TEXT, ca: TEXT, checkpoint: TEXT, relays: TEXT, fleet: TEXT, collector: TEXT },
  ...{ ntp: TEXT, enroller: TEXT, counter: TEXT, "expiry-block": TEXT, enrolment: TEXT },
  ...{ info: FLAG, "factory-reset": FLAG, "no-input": FLAG, json: FLAG },
};

export function read(words: readonly string[]): Words {
  return readWords(words, SPEC, 1);
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  let options = read(words);
  const sim = options.text("sim");
  const port = options.others[0];
  if ((sim === undefined) === (port === undefined))
    throw new UsageError("name the board's port, such as /dev/ttyUSB0, or a simulated board by --sim DIR");
  const isAsking = options.has("info") || options.has("factory-reset");
  const asks = !isAsking && !options.has("no-input") && process.stdin.isTTY === true;
  if (asks && Object.keys(documentFrom(options)).length === 0) options = read([...words, ...(await askedWords())]);
  const given = isAsking ? {} : documentFrom(options);
  const document = asks ? await withWifiAsked(given) : given;
  const enrolment = isAsking ? undefined : enrolmentFrom(options, document);
  if (!isAsking && Object.keys(document).length === 0)
    throw new UsageError("nothing to give to the board: --config FILE, or --ssid NAME for an image that brings the rest");
  const show = shower(output, options.has("json"));
  const work = (path: string): Promise<number> => provision(path, options, document, enrolment, show);
  return port === undefined
    ? await withSimulatedBoard(sim as string, (sntp) => networkOf(document, sntp), work)
    : await work(port);
}

type Show = (name: string, text: string, event: Json) => void;

function shower(output: Output, isJson: boolean): Show {
  return (name, text, event) => output.line(isJson ? JSON.stringify(event) : `  ${output.style("dim", name.padEnd(11))} ${text}`);
}

async function provision(
  path: string,
  options: Words,
  document: Json,
  asked: Enrolment | undefined,
  show: Show,
): Promise<number> {
  const board = await Provisioning.begin(path, (line) => showLog(line, show));
  try {
    const said = await board.hello();
    show("board", boardText(said), { event: "board", ...said });
    if (options.has("info")) return 0;
    if (options.has("factory-reset")) {
      await board.reset();
      show("reset", "the board erases its key, its records and its configuration, and starts anew", { event: "reset" });
      return 0;
    }
    const address = await board.key();
    const { chain, keepsWifi } = await board.send(document);
    const did = didOf(chain, address);
    show("address", address, { event: "identity", address, did });
    show("did", did, { event: "did", did });
    if (keepsWifi) show("wifi", "the one that the board has already", { event: "wifi-kept" });
    if (asked === undefined)
      show("enrolment", "none: no --enroller, and no ledger.enroller in the configuration", { event: "enrolment" });
    else {
      const message = await board.enrolment(asked, address);
      const file = options.text("enrolment");
      if (file !== undefined) writeFileSync(file, Buffer.from(message, "hex"));
      const shown = file === undefined ? message : `in ${plainText(file, 200)}`;
      show("enrolment", `${shown}  (counter ${asked.counter}, to block ${asked.expiryBlock})`, {
        event: "enrolment",
        ...asked,
        message,
      });
    }
    const outcome = await board.commit();
    show("", END[outcome], { event: "summary", ok: outcome === "kept", outcome, address });
    return outcome === "kept" ? 0 : 1;
  } finally {
    await board.close();
  }
}

const END = {
  kept: "the board has reached its broker, and keeps the configuration; its port is closed from now on",
  refused:
    "the board has not got there, and has the configuration before again, or none: look at the reasons above, and run this again",
  unknown:
    "the board has not said what came of it: it keeps the configuration once it reaches its broker, and else has the one before after 5 minutes; --info tells",
} as const;

function boardText({ board, firmware, configured, address, failure }: BoardSaid): string {
  const has = configured ? "has a configuration" : "has no configuration";
  const last = failure === undefined ? "" : `; the last one failed: ${REASONS[failure] ?? plainText(failure, 20)}`;
  const key = address === undefined ? "" : `, key ${plainText(address, 50)}`;
  return `${plainText(board, 32)}, firmware ${plainText(firmware, 20)}, ${has}${key}${last}`;
}

const REASONS: Readonly<Record<string, string>> = {
  wifi: "its Wi-Fi was not joined",
  broker: "Wi-Fi was joined, and the broker not reached",
  start: "the firmware did not begin with it",
  boots: "the firmware ended with it again and again",
};

const LOGGED = new Set(["wifi", "link", "time", "configuration", "error", "key"]);

function showLog(line: LogLine, show: Show): void {
  if (!LOGGED.has(line.event)) return;
  const { event, ...fields } = line;
  const text = Object.entries(fields).map(([name, value]) => (name === "state" ? String(value) : `${name} ${String(value)}`));
  show(plainText(event, 20), plainText(text.join("  "), 200), { ...line, event: "log", of: event });
}

function enrolmentFrom(options: Words, document: Json): Enrolment | undefined {
  const ledger = document.ledger as { readonly enroller?: unknown } | undefined;
  const enroller = options.bytes("enroller", 20);
  const named = enroller === undefined ? ledger?.enroller : `0x${Buffer.from(enroller).toString("hex")}`;
  if (typeof named !== "string") return undefined;
  const { number } = (document.checkpoint ?? {}) as { readonly number?: unknown };
  const last = typeof number === "number" ? number + ENROLMENT_BLOCKS : undefined;
  const expiryBlock = options.number("expiry-block", 1, Number.MAX_SAFE_INTEGER) ?? last;
  if (expiryBlock === undefined)
    throw new UsageError("--expiry-block N is missing: the last block at which the enrolment counts");
  return { enroller: named, counter: options.number("counter", 1, Number.MAX_SAFE_INTEGER) ?? 1, expiryBlock };
}

function networkOf({ mqtt, ntp }: Json, sntp: string): Json {
  const { host = "", port, ca } = (mqtt ?? {}) as { host?: string; port?: number; ca?: string };
  const broker = `${host}:${port ?? (ca === undefined ? 1883 : 8883)}`;
  const { servers = [] } = (ntp ?? {}) as { servers?: readonly string[] };
  return { ...(host === "" ? {} : { [broker]: broker }), ...Object.fromEntries(servers.map((name) => [`${name}:123`, sntp])) };
}
