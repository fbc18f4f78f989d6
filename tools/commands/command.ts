// chainmote command: sends a mote one signed command, waits for the mote's signed answer, and prints it.

import { existsSync, readFileSync } from "node:fs";
import { fromHex, toHex } from "../../firmware/bytes.js";
import { COMMAND_BLOCKS_AHEAD_MAX, OUTCOMES, REASONS } from "../../firmware/command/commands.js";
import {
  ACTION_CHECKPOINT,
  ACTION_INTERVAL,
  ACTION_POLICY,
  ACTION_READ,
  ACTION_REBOOT,
  ACTION_RELAYS,
  ACTION_SAMPLES,
  ACTIONS,
  COUNTER_MAX,
  type Order,
  orderFault,
} from "../../firmware/command/message.js";
import { valuesOf } from "../../firmware/record/sample.js";
import type { Entry } from "../../firmware/record/senml.js";
import { type Answered, Commander } from "../commander/commander.js";
import { policyDocument } from "../commander/policy-file.js";
import { engine } from "../crypto/engine.js";
import { KeyFile } from "../crypto/key-file.js";
import { writeWhole } from "../files.js";
import { readFleet, readWords, type Words } from "../options.js";
import { CommandError, type Output, plainText, UsageError } from "../terminal.js";
import { type InputKind, readInput } from "../verify/input.js";
import { brokerNamed, checkPrefix, DEFAULT_MQTT } from "./relay.js";

const BLOCKS = 100;
const TIMEOUT_S = 60;

export const usage = `chainmote command MOTE ACTION [VALUES] --key FILE --fleet ADDRESS@CHAIN [--mqtt URL] [--json]
chainmote command --new-key --key FILE

Sends a mote a command that is signed by a commander's key, again and again until the mote's signed answer is there, and prints
that. The mote obeys a key that the fleet's registry names (setCommander), once, and before the command is too late.

  interval MS      milliseconds between samples
  samples N        samples in each record
  relays [NAME …]  relays that it may ask; none: whoever listens on the common topic
  reboot           starts anew
  read [SENSOR]    the newest sample of a sensor, in the answer
  policy FILE      who may have what: JSON, as docs/ledger.md ("Policies") has it. Its hash is to be in the registry, for this mote
  checkpoint FILE  where the chain is frozen or expired: a checkpoint as chainmote headers exports it, by the fleet's recovery key

  --key FILE       the commander's key (64 hexadecimal digits); its counters are kept beside it, in FILE.counters
  --fleet A@C      the fleet: its registry's address, and its chain (CAIP-2)
  --mqtt URL       broker, mqtt(s)://user:password@host:port (or MQTT_URL; default mqtt://127.0.0.1:1883)
  --ca FILE        with mqtts://: the certificate (PEM) that the broker's chain ends in (or MQTT_CA)
  --prefix P/      put before every topic
  --blocks N       how many blocks it is good for, from the head on that the mote says it has: 1 to ${COMMAND_BLOCKS_AHEAD_MAX} (default ${BLOCKS})
  --expires N      the block from which on it is too late, in place of that
  --counter N      the command's number, where the file of counters is lost: above every one that was used
  --timeout S      how long to wait for the answer (default ${TIMEOUT_S})
  --json           the answer as one object

Exit code: 0 where it is done, 1 where it is not or there is no answer in time (it may still be done until it is too late), 2 for
a mistake in the command line.

Example:
  chainmote command 0x893de31f904b73e99550792d5e6152991046081f interval 5000 --key commander.key --fleet 0x6f40be2f146c269ecabd7330236d499997dd194e@eip155:1337`;

const BODY: InputKind = { name: "a file", is: "a policy or a checkpoint" };
const ADDRESS_BYTES = 20;
const WORDS_MAX = 10;

export function read(words: readonly string[]): Words {
  return readWords(
    words,
    {
      key: { type: "string" },
      "new-key": { type: "boolean" },
      fleet: { type: "string" },
      mqtt: { type: "string" },
      ca: { type: "string" },
      prefix: { type: "string" },
      blocks: { type: "string" },
      expires: { type: "string" },
      counter: { type: "string" },
      timeout: { type: "string" },
      json: { type: "boolean" },
    },
    WORDS_MAX,
  );
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const keyPath = options.text("key");
  if (keyPath === undefined) throw new UsageError("--key FILE is missing");
  if (options.has("new-key")) return newKey(keyPath, output);
  const [moteText, action, ...values] = options.others;
  const mote = addressIn(moteText);
  const { order, body } = orderOf(action, values);
  const fleet = readFleet(options.text("fleet"));
  if (fleet === undefined) throw new UsageError("--fleet ADDRESS@CHAIN is missing");
  const { mqtt = DEFAULT_MQTT, authority } = brokerNamed(options);
  const prefix = checkPrefix(options.text("prefix"));
  const timeoutS = options.number("timeout", 1, 86_400) ?? TIMEOUT_S;
  if (!existsSync(keyPath))
    throw new CommandError(
      `--key ${plainText(keyPath, 200)}: there is no such file; chainmote command --new-key --key FILE makes one`,
    );
  // An empty file, too, is none to make a key in: nobody has named that one a commander.
  const key = KeyFile.open(keyPath, "--key");
  const commander = new Commander({
    ...{ engine, key, prefix, mote, fleet, order, body, url: mqtt },
    ...(authority === undefined ? {} : { ca: authority.pem }),
    expiryBlock: options.number("expires", 1, Number.MAX_SAFE_INTEGER),
    blocks: options.number("blocks", 1, COMMAND_BLOCKS_AHEAD_MAX) ?? BLOCKS,
    counter: counterOf(keyPath, mote, options),
    say: (text) => output.error(`chainmote command: ${plainText(text)}`),
  });
  const answered = await commander.answer(timeoutS * 1_000);
  if (answered === undefined) throw silence(commander, timeoutS);
  if (options.has("json")) output.line(JSON.stringify(answerObject(answered, order)));
  else for (const line of answerLines(answered, order, output)) output.line(line);
  return OUTCOMES[answered.answer.outcome] === "done" ? 0 : 1;
}

function newKey(path: string, output: Output): number {
  if (existsSync(path)) throw new CommandError(`--key ${plainText(path, 200)}: there is a file already`);
  const key = KeyFile.openOrCreate(path);
  output.line(`0x${toHex(key.address)}`);
  return 0;
}

function addressIn(text: string | undefined): Uint8Array {
  if (text === undefined) throw new UsageError("the mote's address is missing");
  const address = fromHex(text);
  if (address instanceof Uint8Array && address.length === ADDRESS_BYTES) return address;
  throw new UsageError(`the mote's address is 0x and 40 digits, not "${plainText(text, 60)}"`);
}

/** What is to be done, and the body that it names. */
function orderOf(
  action: string | undefined,
  values: readonly string[],
): { readonly order: Order; readonly body: Uint8Array | undefined } {
  const number = ACTIONS.indexOf(action ?? "") + 1;
  if (number === 0)
    throw new UsageError(
      action === undefined ? "the action is missing" : `there is no action "${plainText(action, 40)}": ${ACTIONS.join(", ")}`,
    );
  const [first] = values;
  const most = number === ACTION_RELAYS ? WORDS_MAX : number === ACTION_REBOOT ? 0 : 1;
  if (values.length > most) throw new UsageError(`unexpected word "${plainText(values[most] as string, 60)}"`);
  if (first === undefined && ![ACTION_RELAYS, ACTION_REBOOT, ACTION_READ].includes(number))
    throw new UsageError(`${action}: what is missing`);
  const body =
    number === ACTION_POLICY
      ? policyDocument(readInput(first, BODY))
      : number === ACTION_CHECKPOINT
        ? checkpointOf(first)
        : undefined;
  const order = orderFrom(number, values, body);
  const fault = orderFault(order);
  if (fault !== undefined) throw new UsageError(`${action}: ${fault}`);
  return { order, body };
}

function orderFrom(action: number, values: readonly string[], body: Uint8Array | undefined): Order {
  const [first = ""] = values;
  if (body !== undefined)
    return {
      action: action === ACTION_POLICY ? ACTION_POLICY : ACTION_CHECKPOINT,
      hash: engine.keccak256(body),
      bytes: body.length,
    };
  if (action === ACTION_RELAYS) return { action, relays: values };
  if (action === ACTION_REBOOT) return { action };
  if (action === ACTION_READ) return { action, sensor: first };
  const value = /^\d{1,9}$/.test(first) ? Number(first) : -1;
  return action === ACTION_INTERVAL ? { action, intervalMs: value } : { action: ACTION_SAMPLES, samples: value };
}

/** Without blanks: it has to fit. */
function checkpointOf(path: string | undefined): Uint8Array {
  try {
    return new Uint8Array(Buffer.from(JSON.stringify(JSON.parse(Buffer.from(readInput(path, BODY)).toString("utf8")))));
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`${plainText(path ?? "", 200)}: it is no JSON`);
  }
}

/** The next number of this key for this mote. It is kept before it is used, so that none is used twice. */
function counterOf(keyPath: string, mote: Uint8Array, options: Words): () => number {
  const path = `${keyPath}.counters`;
  const given = options.number("counter", 1, COUNTER_MAX);
  const counters = countersIn(path);
  const name = `0x${toHex(mote)}`;
  return () => {
    const counter = given ?? (counters[name] ?? 0) + 1;
    writeWhole(path, JSON.stringify({ ...counters, [name]: Math.max(counter, counters[name] ?? 0) }), "owner");
    return counter;
  };
}

function countersIn(path: string): Readonly<Record<string, number>> {
  if (!existsSync(path)) return {};
  try {
    const json = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    if (Object.values(json).every((counter) => Number.isSafeInteger(counter))) return json as Record<string, number>;
  } catch {
    // Said below.
  }
  throw new CommandError(`${plainText(path, 200)}: it holds no counters; without it --counter says from where on to count`);
}

function silence({ command }: Commander, timeoutS: number): CommandError {
  if (command === undefined)
    return new CommandError(
      `nothing was sent: after ${timeoutS} s nobody has said which head the mote has; --expires N names a block`,
    );
  const until = `it may still be done until block ${command.expiryBlock}`;
  return new CommandError(
    `command ${command.counter}: no answer in ${timeoutS} s; ${until}. Is the mote's head behind, or this key not in the registry?`,
  );
}

function answerObject({ answer, record, message, mote }: Answered, order: Order): object {
  const { commander, counter, outcome, reason, skipped } = answer;
  return {
    mote: `0x${toHex(mote)}`,
    commander: `0x${toHex(commander)}`,
    ...{
      action: ACTIONS[order.action - 1],
      counter,
      outcome: OUTCOMES[outcome] ?? outcome,
      reason: REASONS[reason] ?? reason,
      skipped,
    },
    ...{ stream: record.stream, seq: record.seq, time: record.time, head: record.head?.number },
    values: valuesIn(record.measurements as readonly Entry[]),
    record: toHex(message),
  };
}

function answerLines({ answer, record }: Answered, order: Order, output: Output): string[] {
  const { counter, outcome, reason, skipped } = answer;
  const word = OUTCOMES[outcome] ?? `outcome ${outcome}`;
  const why = reason === 0 ? "" : ` (${REASONS[reason] ?? `reason ${reason}`})`;
  const place = `record ${record.seq}${record.head === undefined ? "" : `, after block ${record.head.number}`}`;
  const lines = [
    `${output.style(word === "done" ? "green" : "red", word)}${why}: ${ACTIONS[order.action - 1]}, command ${counter}; ${place}`,
  ];
  lines.push(...valuesIn(record.measurements as readonly Entry[]).map((value) => `  ${value}`));
  if (skipped > 0) lines.push(`  ${skipped} before it never came`);
  if (REASONS[reason] === "other-policy" && order.action === ACTION_POLICY)
    lines.push(`  its hash is 0x${toHex(order.hash)}: the registry is to name that (addPolicy), and for this mote (assign)`);
  return lines;
}

function valuesIn(entries: readonly Entry[]): readonly string[] {
  return valuesOf([{ name: "", entries, takenMs: 0 }]);
}
