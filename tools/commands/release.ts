// chainmote release: signs a release of an image, publishes it, and serves the image to the motes that ask for it.

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { toHex } from "../../firmware/bytes.js";
import { SECURE_VERSION_MAX, SEQUENCE_MAX } from "../../firmware/update/release.js";
import { manifestTopic } from "../../firmware/update/wire.js";
import { BOARD_NAMES, boardOf } from "../../host-sim/boards.js";
import { writeImage } from "../../host-sim/hardware/esp-image.js";
import { KeyFile } from "../crypto/key-file.js";
import { writeWhole } from "../files.js";
import { BrokerLink } from "../mqtt/link.js";
import { readFleet, readWords, type Words } from "../options.js";
import { untilTold } from "../processes/end.js";
import { signRelease } from "../release/manifest.js";
import { type ReleaseEvent, ReleaseServer, releaseText } from "../release/server.js";
import { CommandError, type Output, plainText, UsageError } from "../terminal.js";
import { type InputKind, readInput } from "../verify/input.js";
import { brokerNamed, checkPrefix, DEFAULT_MQTT } from "./relay.js";

export const usage = `chainmote release IMAGE --board NAME --key FILE --fleet ADDRESS@CHAIN [--mqtt URL] [--sequence N] [--json]
chainmote release --withdraw --board NAME --fleet ADDRESS@CHAIN [--mqtt URL]
chainmote release --simulated MAIN.ts --board NAME --out FILE [--version TEXT]

Signs a release with the fleet's admin key, publishes it for all boards of one kind, and serves the image to the motes that ask
for it, until Ctrl-C. Each mote checks signer, fleet, board, profile and sequence before it erases anything, proves the new image, and
goes back to the old one where that fails (docs/update.md). Motes whose configuration has update.http fetch the image there, by its
SHA-256, which is shown.

  IMAGE             an application's image as ESP-IDF makes it (xs_esp32.bin of the build), for signed boots a signed one
  --board NAME      ${BOARD_NAMES.join(", ")}
  --profile P       dev or production, as the image was built (default dev)
  --sequence N      above every release before (default: the seconds since 1970)
  --key FILE        the admin's key (64 hexadecimal digits)
  --fleet A@C       the fleet: its registry's address, and its chain (CAIP-2)
  --mqtt URL        broker, mqtt(s)://user:password@host:port (or MQTT_URL; default ${DEFAULT_MQTT})
  --ca FILE         with mqtts://: the certificate (PEM) that the broker's chain ends in (or MQTT_CA)
  --prefix P/       put before every topic
  --burn-version N  each board's eFuse gets this secure version once the image has proven itself there, FOR EVER: no image with a
                    lower one boots after that. The image is to be built with it
  --motes N         ends once so many motes have come to their end with it; exit code 1 where one of them failed
  --withdraw        takes the release back: whoever has not got it whole goes on no further after its next connection
  --simulated FILE  writes an image that simulated boards boot, whose firmware is this main module
  --version TEXT    its version, up to 31 characters
  --json            one object per event

Examples:
  chainmote release build/mote.bin --board esp32c3 --key admin.key --fleet 0x6f40be2f146c269ecabd7330236d499997dd194e@eip155:1337 --mqtt mqtt://broker.example
  chainmote release --withdraw --board esp32c3 --fleet 0x6f40be2f146c269ecabd7330236d499997dd194e@eip155:1337`;

const IMAGE: InputKind = { name: "an image", is: "an application's image as ESP-IDF makes it" };
const WITHDRAW_MS_MAX = 15_000;

export function read(words: readonly string[]): Words {
  return readWords(
    words,
    {
      ...{ board: { type: "string" }, profile: { type: "string" }, sequence: { type: "string" }, key: { type: "string" } },
      ...{ fleet: { type: "string" }, mqtt: { type: "string" }, ca: { type: "string" }, prefix: { type: "string" } },
      ...{ "burn-version": { type: "string" }, motes: { type: "string" }, withdraw: { type: "boolean" } },
      ...{ simulated: { type: "string" }, version: { type: "string" }, out: { type: "string" }, json: { type: "boolean" } },
    },
    1,
  );
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const board = options.text("board");
  if (board === undefined) throw new UsageError("--board NAME is missing");
  if (!BOARD_NAMES.includes(board))
    throw new UsageError(`there is no board "${plainText(board, 40)}": ${BOARD_NAMES.join(", ")}`);
  const simulated = options.text("simulated");
  if (simulated !== undefined) return simulate(simulated, board, options, output);
  const fleet = readFleet(options.text("fleet"));
  if (fleet === undefined) throw new UsageError("--fleet ADDRESS@CHAIN is missing");
  const profile = profileOf(options.text("profile"));
  if (options.has("withdraw")) return withdraw(board, profile, fleet, options, output);
  const keyPath = options.text("key");
  if (keyPath === undefined) throw new UsageError("--key FILE is missing");
  const key = KeyFile.open(keyPath, "--key");
  const image = readInput(options.others[0], IMAGE);
  const sequence = options.number("sequence", 1, SEQUENCE_MAX) ?? Math.floor(Date.now() / 1000);
  const burnVersion = options.number("burn-version", 1, SECURE_VERSION_MAX);
  const signed = signRelease({ image, board, profile, sequence, burnVersion, fleet }, key);
  if (!options.has("json")) {
    output.line(
      `${releaseText(signed.release)}; version ${plainText(signed.version, 40)}, sha-256 ${toHex(signed.release.digest)}`,
    );
    if (burnVersion !== undefined)
      output.line(`burns the secure version ${burnVersion} on each board, for ever, once it has proven itself there`);
  }
  return serve(signed, image, options, output);
}

function profileOf(text = "dev"): "dev" | "production" {
  if (text !== "dev" && text !== "production") throw new UsageError("--profile takes dev or production");
  return text;
}

async function serve(
  { release, message }: ReturnType<typeof signRelease>,
  image: Uint8Array,
  options: Words,
  output: Output,
): Promise<number> {
  const { mqtt = DEFAULT_MQTT, authority } = brokerNamed(options);
  const wanted = options.number("motes", 1, 1_000_000);
  const ended = new Map<string, boolean>();
  const told = untilTold();
  let enough: () => void = () => undefined;
  const all = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const onEvent = (event: ReleaseEvent): void => {
    output.line(options.has("json") ? JSON.stringify(event) : eventText(event));
    if (event.event !== "mote" || event.state === "receiving" || event.state === "selected") return;
    ended.set(event.mote, event.state === "valid");
    if (wanted !== undefined && ended.size >= wanted) enough();
  };
  const prefix = checkPrefix(options.text("prefix"));
  const ca = authority === undefined ? {} : { ca: authority.pem };
  const server = new ReleaseServer({ url: mqtt, ...ca, prefix, release, message, image, onEvent });
  await Promise.race([told, all]);
  await server.close();
  return [...ended.values()].every((valid) => valid) ? 0 : 1;
}

function eventText(event: ReleaseEvent): string {
  switch (event.event) {
    case "released":
      return `retained on ${plainText(event.topic, 200)}; Ctrl-C ends, and motes that are not done wait`;
    case "lost":
      return `the broker: ${plainText(event.reason)}; again in ${event.retryMs} ms`;
    case "refused":
      return `refused a request: ${plainText(event.detail)} (${event.code})`;
    case "mote": {
      const { mote, state, offset, reason } = event;
      const progress = state === "receiving" ? `, ${offset} bytes` : "";
      return `${mote}: ${state}${progress}${reason === "" ? "" : ` (${plainText(reason, 80)})`}`;
    }
  }
}

/** An empty retained message takes the retained one away (MQTT 3.1.1 §3.3.1.3). */
async function withdraw(
  board: string,
  profile: "dev" | "production",
  fleet: { readonly registry: Uint8Array },
  options: Words,
  output: Output,
): Promise<number> {
  const { mqtt = DEFAULT_MQTT, authority } = brokerNamed(options);
  const topic = manifestTopic(checkPrefix(options.text("prefix")), fleet, board, profile === "dev" ? 1 : 2);
  let link: BrokerLink | undefined;
  const done = await new Promise<boolean>((settle) => {
    const late = setTimeout(() => settle(false), WITHDRAW_MS_MAX);
    link = new BrokerLink({
      url: mqtt,
      ...(authority === undefined ? {} : { ca: authority.pem }),
      role: "release",
      subscriptions: [],
      onMessage: () => undefined,
      onFault: () => undefined,
      onConnected() {
        clearTimeout(late);
        void link?.publish(topic, new Uint8Array(0), { qos: 1, retain: true }).then(settle);
      },
      onLost: (reason) => output.error(`chainmote release: the broker: ${plainText(reason)}`),
    });
  });
  await link?.close();
  if (!done) throw new CommandError("the broker did not take it");
  output.line(`withdrawn: nothing is retained on ${plainText(topic, 200)}`);
  return 0;
}

function simulate(main: string, board: string, options: Words, output: Output): number {
  const out = options.text("out");
  if (out === undefined) throw new UsageError("--out FILE is missing");
  const firmware = resolve(main);
  if (!existsSync(firmware)) throw new CommandError(`--simulated ${plainText(main, 200)}: there is no such file`);
  const { chip } = boardOf(board);
  const secureVersion = options.number("burn-version", 1, SECURE_VERSION_MAX) ?? 0;
  const version = options.text("version") ?? "simulated";
  writeWhole(out, writeImage({ chip: chip.name, version, secureVersion, program: { firmware } }), "umask");
  output.line(`${plainText(out, 200)}: an image for simulated ${boardOf(board).label} boards`);
  return 0;
}
