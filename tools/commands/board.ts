// chainmote board: one simulated mote by itself, against a broker, a relay and a collector that run elsewhere.

import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { toHex } from "../../firmware/bytes.js";
import { openChain } from "../../firmware/chain/checkpoint.js";
import { type MoteConfig, parseConfig } from "../../firmware/config.js";
import { Rejection } from "../../firmware/rejection.js";
import { buildTls } from "../../host-sim/tls/build.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { version } from "../cli.js";
import { engine } from "../crypto/engine.js";
import { keepToOwner, makeFolder, writeWhole } from "../files.js";
import { readJson } from "../headers/json-file.js";
import { readAuthority } from "../mqtt/authority.js";
import { readWords, type Words } from "../options.js";
import { BoundedLog } from "../processes/bounded-log.js";
import { untilTold } from "../processes/end.js";
import { acquireLock, LockHeld } from "../processes/lock.js";
import { Signal } from "../processes/signal.js";
import { configIn, type NamedApplication, namedApplication } from "../start/application.js";
import { seedOf } from "../start/board-file.js";
import { runningBoard } from "../start/board-run.js";
import { builtEngine, engineWish } from "../start/engine-choice.js";
import { Screen } from "../start/screen.js";
import { CommandError, type Output, plainText, plural, shownPath, UsageError } from "../terminal.js";
import { brokerNamed } from "./relay.js";

export const usage = `chainmote board --config FILE [--app DIR] [--data DIR] [--engine NAME] [--board NAME] [--json] [--verbose]

Runs one simulated mote by itself, as a board would run it, against your own broker, relay and collector, until Ctrl-C.

  --config FILE  the mote's configuration (JSON, docs/boards.md), as a manifest or a board.json has it under "config", or that
                 alone; a board.json may name more of the simulated board ("network", "seed", …). Default: config.json in --app
  --app DIR      what the board runs in place of the standard mote: a folder with main.ts, as chainmote new writes it
  --data DIR     the board's flash and its log (default .chainmote/board); a second start goes on from there
  --mqtt URL     mqtt(s)://user:password@host:port in place of the broker in the configuration (or MQTT_URL)
  --ca FILE      the certificate (PEM) that the broker's chain ends in: turns TLS on (or MQTT_CA, with mqtts://)
  --engine NAME, --board NAME, --crypto NAME   where the firmware runs, as for chainmote start
  --records N    end once N records are stored, by receipts of the collector
  --json         one object per event
  --verbose      every event

The time is this machine's. Names in the configuration are looked up here, and reached from here.

Examples:
  chainmote headers checkpoint --chain qbft --rpc http://127.0.0.1:8545 --genesis genesis.json --trusting-period 604800
  chainmote board --config board.json --engine xs`;

export const LOCK_WAIT_MS = 3000;
const RECORDS_MAX = 1_000_000;
const NTP_PORT = 123;
const SOURCE = "mote 1";
const NO_RECEIPT =
  "no receipt has come yet: a collector with the key that the configuration names (npx chainmote collect) answers records; the mote keeps them and sends them again";
export const DEFAULT_DATA = join(".chainmote", "board");

export type Json = Readonly<Record<string, unknown>>;

export function read(words: readonly string[]): Words {
  return readWords(words, {
    config: { type: "string" },
    app: { type: "string" },
    data: { type: "string" },
    mqtt: { type: "string" },
    ca: { type: "string" },
    engine: { type: "string" },
    board: { type: "string" },
    crypto: { type: "string" },
    records: { type: "string" },
    json: { type: "boolean" },
    verbose: { type: "boolean" },
  });
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const records = options.number("records", 1, RECORDS_MAX);
  const wish = engineWish(options);
  const folder = options.text("app");
  const application = folder === undefined ? undefined : namedApplication(folder);
  const { file, json, config } = configured(options, application);
  const directory = resolve(options.text("data") ?? DEFAULT_DATA);

  keepToOwner();
  makeFolder(directory);
  const lock = await acquireLock(join(directory, "board.lock"), LOCK_WAIT_MS).catch((error: unknown) => {
    throw error instanceof LockHeld ? new CommandError(`${error.message}, which has to end first`) : error;
  });
  try {
    const log = new BoundedLog(join(directory, "events.log"));
    const screen = new Screen(output, log, { json: options.has("json"), verbose: options.has("verbose") });
    const told = untilTold();
    let isTold = false;
    void told.then(() => {
      isTold = true;
    });
    const title = output.style("bold", `chainmote ${version()}`);
    screen.say(`${title}  ${output.style("dim", `one board, data in ${shownPath(directory)}; Ctrl-C ends it`)}`);
    const built = await builtEngine(
      wish,
      (text, share) => screen.show("engine", { event: "building", text, ...(share === undefined ? {} : { share }) }),
      () => isTold,
      application,
    ).finally(() => screen.close());
    const sntp = await SntpServer.start();
    try {
      const crypto = wish.engine === "node" && wish.crypto === "noble" ? { crypto: wish.crypto } : {};
      const content: Json = { ...boardFile(json, config, sntp.endpoint), ...partsOf(application), ...crypto };
      const path = join(directory, "board.json");
      writeWhole(path, `${JSON.stringify({ ...content, seed: content.seed ?? seedOf(path) }, null, 2)}\n`, "owner");
      const { mqtt, fleet } = config;
      const broker = `${mqtt.ca === undefined ? "mqtt" : "mqtts"}://${mqtt.host}:${mqtt.port}`;
      screen.fact("config", shownPath(file), { event: "config", file });
      screen.fact("broker", broker, { event: "broker", url: broker });
      screen.fact("chain", fleet.chain, { event: "chain", chain: fleet.chain });
      if (built !== undefined) screen.engine(built);
      screen.say();
      const stored = new Set<unknown>();
      const delivered = new Set<unknown>();
      let isHinted = false;
      const done = new Signal();
      const board = runningBoard({
        ...{ directory, source: SOURCE },
        ...(built === undefined ? {} : { engine: built }),
        ...(application === undefined ? {} : { firmware: application.main }),
        onEvent(source, event) {
          screen.show(source, event);
          if (event.event === "stored") stored.add(event.seq);
          // It sends again what nobody has answered.
          if (event.event === "delivered" && stored.size === 0 && !isHinted && delivered.has(event.seq)) {
            isHinted = true;
            screen.hint(NO_RECEIPT);
          }
          if (event.event === "delivered" && stored.size === 0) delivered.add(event.seq);
          if (records !== undefined && stored.size >= records) done.give();
        },
        onEnd: (source, { code, signal, restartMs }) =>
          screen.show(source, { event: "ended", how: signal ?? `exit code ${code}`, restartMs }),
      });
      await Promise.race([told, done.given]);
      await board.stop();
      screen.say();
      screen.say(`${plural(stored.size, "record")} stored in ${screen.elapsedS.toFixed(1)} s`);
      const image = shownPath(join(directory, "flash", "journal.bin"));
      screen.say(`  ${output.style("dim", "journal    ")} ${image}  npx chainmote journal dump ${quoted(image)} --records FILE`);
      const ok = records === undefined || stored.size >= records;
      screen.summary({ event: "summary", ok, stored: stored.size, seconds: Number(screen.elapsedS.toFixed(1)) });
      return ok ? 0 : 1;
    } finally {
      await sntp.close();
    }
  } finally {
    lock.release();
  }
}

export interface Configured {
  readonly file: string;
  /** What else of the board the file says. */
  readonly json: Json;
  readonly config: MoteConfig & { readonly given: Json };
}

/** As a shell takes it. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : JSON.stringify(path);
}

/** The configuration, checked as the mote checks it; throws with the path of the first field that is wrong. */
export function configured(options: Words, application?: NamedApplication): Configured {
  const own = application === undefined ? undefined : join(application.folder, "config.json");
  const file = options.text("config") ?? (own !== undefined && existsSync(own) ? own : undefined);
  if (file === undefined)
    throw new UsageError("--config FILE is missing, the mote's configuration; or --app DIR, an application with a config.json");
  const whole = readJson(file) as Json;
  const given = withBroker(configIn(file) as Json, options);
  const wrong = (fault: Rejection): CommandError => new CommandError(`${plainText(file, 200)}: ${fault.detail} (${fault.code})`);
  const config = parseConfig(given);
  if (config instanceof Rejection) throw wrong(config);
  const chain = openChain(engine, config.checkpoint);
  if (chain instanceof Rejection) throw wrong(chain);
  if (chain.chain !== config.fleet.chain)
    throw new CommandError(
      `${plainText(file, 200)}: the checkpoint is of ${chain.chain}, and the fleet of ${config.fleet.chain}: a mote follows its fleet's chain`,
    );
  if (config.mqtt.ca !== undefined) checkTls(config.mqtt.host);
  return { file, json: "config" in whole ? whole : {}, config: { ...config, given } };
}

/** The configuration with the broker and the authority that the command line names. */
export function withBroker(given: Json, options: Words): Json {
  const named = options.text("ca");
  const { MQTT_URL = "" } = process.env;
  const hasUrl = options.text("mqtt") !== undefined || MQTT_URL !== "";
  const { mqtt: url, authority } = hasUrl
    ? brokerNamed(options)
    : { mqtt: undefined, authority: named === undefined ? undefined : readAuthority(named) };
  const mqtt = typeof given.mqtt === "object" && given.mqtt !== null ? { ...(given.mqtt as Json) } : {};
  if (authority !== undefined) Object.assign(mqtt, { ca: toHex(authority.der) });
  if (url === undefined) return { ...given, mqtt };
  const { protocol, hostname, port, username, password } = new URL(url);
  if (protocol === "mqtts:" && mqtt.ca === undefined)
    throw new UsageError("mqtts:// needs --ca FILE (or MQTT_CA): a board pins the certificate that the broker's chain ends in");
  if (protocol === "mqtt:" && mqtt.ca !== undefined)
    throw new UsageError("the configuration pins an authority (mqtt.ca), and mqtt:// is plain: name the broker by mqtts://");
  delete mqtt.user;
  delete mqtt.password;
  delete mqtt.port;
  return {
    ...given,
    mqtt: {
      ...{ ...mqtt, host: hostname },
      ...(port === "" ? {} : { port: Number(port) }),
      ...(username === "" ? {} : { user: decodeURIComponent(username) }),
      ...(password === "" ? {} : { password: decodeURIComponent(password) }),
    },
  };
}

/** This machine can do the board's TLS, and the broker has a name that a certificate can hold. */
export function checkTls(host: string): void {
  if (isIP(host.replace(/^\[|\]$/g, "")) !== 0)
    throw new CommandError("TLS takes the name of the host that is in the broker's certificate: boards know no addresses there");
  const tls = buildTls();
  if (typeof tls !== "string") throw new CommandError(tls.missing);
}

/** board.json: what the file says of the board, and how the names in its configuration are reached from here. */
export function boardFile(json: Json, { mqtt, ntpServers, given }: Configured["config"], sntp: string): Json {
  const network = typeof json.network === "object" && json.network !== null ? json.network : {};
  const broker = `${mqtt.host}:${mqtt.port}`;
  const times = Object.fromEntries(ntpServers.map((name) => [`${name}:${NTP_PORT}`, sntp]));
  return { ...json, config: given, network: { [broker]: broker, ...times, ...network } };
}

function partsOf(application: NamedApplication | undefined): { parts?: string } {
  return application?.parts === undefined ? {} : { parts: application.parts };
}
