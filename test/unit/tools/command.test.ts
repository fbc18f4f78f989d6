// chainmote command over a real broker: what it sends, what it takes for an answer and what not, the counters beside a key, and policies as
// people write them.

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeHealth } from "../../../firmware/bus/wire.js";
import { equal, toHex } from "../../../firmware/bytes.js";
import { type Command, decodeCommand, decodePart } from "../../../firmware/command/message.js";
import { allows, decodePolicy, MAY_COMMAND, MAY_READ, type Policy } from "../../../firmware/command/policy.js";
import { verifySign1 } from "../../../firmware/record/cose.js";
import { decimal } from "../../../firmware/record/decimal.js";
import { type AnswerFields, encodeRecord, type RecordFields } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import { main } from "../../../tools/cli.js";
import { policyDocument } from "../../../tools/commander/policy-file.js";
import { engine } from "../../../tools/crypto/engine.js";
import { LocalBroker } from "../../../tools/mqtt/broker.js";
import type { Output } from "../../../tools/terminal.js";
import { signed, testKey } from "../record/signing.js";
import { eventually } from "./eventually.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-command-"));
const KEY = join(folder, "commander.key");
const MOTE = testKey("a mote");
const FLEET: RecordFields["fleet"] = { registry: new Uint8Array(20).fill(0x5e), chain: "eip155:1337" };
const FLEET_TEXT = `0x${"5e".repeat(20)}@eip155:1337`;
const NAME = `0x${toHex(MOTE.address)}`;
let broker: LocalBroker;

test.before(async () => {
  broker = await LocalBroker.start();
  await mote.listen();
});
test.after(async () => {
  await broker.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

async function run(...words: readonly string[]): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const output: Output = {
    line: (text = "") => void out.push(text),
    error: (text) => void err.push(text),
    style: (_style, text) => text,
  };
  return { code: await main(["command", ...words], output), out, err };
}

const common = (key = KEY): string[] => ["--key", key, "--fleet", FLEET_TEXT, "--mqtt", broker.url, "--prefix", "t/"];

/** What of a mote answers: it is on the broker, and does as the test says. */
class Answering {
  readonly commands: { readonly command: Command; readonly commander: Uint8Array; readonly bytes: string }[] = [];
  readonly parts: { readonly offset: number; readonly length: number }[] = [];
  #seq = 0;
  #answer: (command: Command, commander: Uint8Array) => Promise<void> = async () => undefined;

  answerBy(answer: (command: Command, commander: Uint8Array) => Promise<void>): void {
    this.commands.length = 0;
    this.#answer = answer;
  }

  async listen(): Promise<this> {
    await broker.publish(
      `t/motes/${NAME}/health`,
      encodeHealth({ online: true, boot: 1, headNumber: 40, nextSeq: 1, pending: 0, timeS: 1, alarm: 0 }),
      true,
    );
    await broker.subscribe(`t/motes/${NAME}/commands`, (_topic, message) => {
      const parts = verifySign1(engine, message);
      const command = parts instanceof Rejection ? parts : decodeCommand(parts.payload);
      if (parts instanceof Rejection || command instanceof Rejection) throw new Error("no command");
      this.commands.push({ command, commander: parts.kid, bytes: toHex(message) });
      void this.#answer(command, parts.kid);
    });
    await broker.subscribe(`t/motes/${NAME}/bodies`, (_topic, message) => {
      const part = decodePart(message);
      if (part instanceof Rejection) throw new Error(part.toString());
      this.parts.push({ offset: part.offset, length: part.bytes.length });
    });
    return this;
  }

  async say(answer: AnswerFields, more: Partial<RecordFields> = {}, by = MOTE): Promise<void> {
    this.#seq += 1;
    const record: RecordFields = {
      ...{
        stream: 0,
        seq: this.#seq,
        prev: new Uint8Array(32),
        boot: 1,
        time: 0,
        timeQuality: 0,
        measurements: [],
        fleet: FLEET,
      },
      ...{ answer, head: { chain: FLEET.chain, number: 41, hash: new Uint8Array(32) } },
      ...more,
    };
    await broker.publish(`t/motes/${NAME}/records`, signed(by, encodeRecord(record)));
  }
}

const mote = new Answering();

test("a key is made once, and never over a file", async () => {
  const made = await run("--new-key", "--key", KEY);
  assert.is(made.code, 0);
  assert.match(made.out[0] as string, /^0x[0-9a-f]{40}$/);
  assert.is(statSync(KEY).mode & 0o077, 0);
  const again = await run("--new-key", "--key", KEY);
  assert.is(again.code, 1);
  assert.match(again.err[0] as string, /there is a file already/);
});

test("no key is made where none is: neither for a file that is not there, nor for one that a crash has left empty", async () => {
  const empty = join(folder, "empty.key");
  writeFileSync(empty, "");
  for (const [path, message] of [
    [empty, /empty\.key does not hold a secp256k1 key/],
    [join(folder, "none.key"), /none\.key: there is no such file; chainmote command --new-key/],
  ] as const) {
    const ran = await run(NAME, "reboot", ...common(path));
    assert.is(ran.code, 1);
    assert.match(ran.err[0] as string, message);
  }
  assert.is(readFileSync(empty, "utf8"), "");
  assert.not.ok(existsSync(join(folder, "none.key")));
});

test("a command is sent until the mote's own answer to it is there; what others say is none", async () => {
  mote.answerBy(async (command, commander) => {
    const answer = { commander: commander.slice(), counter: command.counter, outcome: 0, reason: 0, skipped: 2 };
    // By another key; of another fleet; to another command; to another commander.
    const lied = { ...answer, outcome: 1, reason: 1 };
    await mote.say(lied, {}, testKey("somebody"));
    await mote.say(lied, { fleet: { ...FLEET, registry: new Uint8Array(20) } });
    await mote.say({ ...lied, counter: command.counter + 1 });
    await mote.say({ ...lied, commander: new Uint8Array(20) });
    if (mote.commands.length >= 2)
      await mote.say(answer, { measurements: [{ n: "temperature", u: "Cel", v: decimal(2130, -2) }] });
  });
  const ran = await run(NAME, "read", "--counter", "3", ...common());
  assert.equal(ran.err, []);
  assert.is(ran.code, 0);
  assert.match(ran.out[0] as string, /^done: read, command 3; record \d+, after block 41$/);
  assert.equal(ran.out.slice(1), ["  temperature 21.30 Cel", "  2 before it never came"]);
  const [first, second] = mote.commands;
  assert.is(first?.bytes, second?.bytes, "the same bytes again");
  assert.is(first?.command.expiryBlock, 140, "from the head on that the mote says it has");
  assert.ok(equal(first?.command.mote as Uint8Array, MOTE.address));
});

test("counters rise from one command to the next, are kept before they are used, and --json says all of the answer", async () => {
  mote.answerBy((command, commander) =>
    mote.say({ commander: commander.slice(), counter: command.counter, outcome: 1, reason: 1, skipped: 0 }),
  );
  const ran = await run(NAME, "interval", "5000", "--json", ...common());
  assert.is(ran.code, 1, "it is not done");
  const said = JSON.parse(ran.out[0] as string) as Record<string, unknown>;
  assert.equal(
    [said.mote, said.action, said.counter, said.outcome, said.reason, said.head],
    [NAME, "interval", 4, "refused", "not-allowed", 41],
  );
  assert.equal(JSON.parse(readFileSync(`${KEY}.counters`, "utf8")), { [NAME]: 4 });
  await run(NAME, "interval", "5000", "--counter", "9", ...common());
  assert.equal(JSON.parse(readFileSync(`${KEY}.counters`, "utf8")), { [NAME]: 9 });
});

test("a policy goes out with its hash, and its parts behind it; where the registry names another one the answer says what to do", async () => {
  const file = join(folder, "policy.json");
  writeFileSync(file, JSON.stringify({ rules: [{ who: "commanders", may: ["read", "command"], resources: ["*"] }] }));
  mote.answerBy(async (command, commander) => {
    await eventually("a part", () => mote.parts.length > 0);
    await mote.say({ commander: commander.slice(), counter: command.counter, outcome: 1, reason: 2, skipped: 0 });
  });
  const ran = await run(NAME, "policy", file, ...common());
  const document = policyDocument(new Uint8Array(readFileSync(file)));
  assert.match(ran.out[0] as string, /^refused \(other-policy\): policy/);
  assert.ok(ran.out[1]?.includes(toHex(engine.keccak256(document))));
  assert.equal(mote.parts[0], { offset: 0, length: document.length });
});

test("without an answer it says that nothing is decided yet, and without a head that nothing was sent", async () => {
  const other = `0x${"77".repeat(20)}`;
  const unheard = await run(other, "reboot", "--timeout", "1", ...common());
  assert.is(unheard.code, 1);
  assert.match(unheard.err[0] as string, /nothing was sent: .* --expires N/);
  const silent = await run(other, "reboot", "--timeout", "1", "--expires", "77", ...common());
  assert.match(silent.err[0] as string, /no answer in 1 s; it may still be done until block 77/);
});

const MISTAKES: readonly (readonly [string, RegExp])[] = [
  ["", /--key FILE is missing/],
  ["--key K", /the mote's address is missing/],
  ["0x12 reboot --key K", /the mote's address is 0x and 40 digits/],
  [`${NAME} --key K`, /the action is missing/],
  [`${NAME} dance --key K`, /there is no action "dance": interval, samples/],
  [`${NAME} interval --key K`, /interval: what is missing/],
  [`${NAME} interval soon --key K`, /interval in milliseconds from 50/],
  [`${NAME} samples 13 --key K`, /number of samples from 1 to 12/],
  [`${NAME} relays a/b --key K`, /names of relays/],
  [`${NAME} reboot now --key K`, /unexpected word "now"/],
  [`${NAME} policy ${folder}/none --key K`, /there is no such file/],
  [`${NAME} reboot --key K`, /--fleet ADDRESS@CHAIN is missing/],
  [`${NAME} reboot --key K --fleet 0x12`, /--fleet takes an address and a chain/],
  [`${NAME} reboot --key ${folder}/none --fleet ${FLEET_TEXT}`, /there is no such file; chainmote command --new-key/],
  [`${NAME} reboot --key K --fleet ${FLEET_TEXT} --blocks 257`, /--blocks takes a whole number from 1 to 256/],
];

test("every mistake is one clear line, and nothing is sent for it", async () => {
  for (const [words, message] of MISTAKES) {
    const ran = await run(
      ...words
        .split(" ")
        .filter((word) => word !== "")
        .map((word) => (word === "K" ? KEY : word)),
    );
    assert.ok(ran.code === 1 || ran.code === 2, words);
    assert.is(ran.err.length, 1, words);
    assert.match(ran.err[0] as string, message, words);
  }
  writeFileSync(join(folder, "bad.key.counters"), "{");
  writeFileSync(join(folder, "bad.key"), readFileSync(KEY));
  const ran = await run(NAME, "reboot", ...common(join(folder, "bad.key")));
  assert.match(ran.err[0] as string, /it holds no counters/);
  assert.ok(existsSync(join(folder, "bad.key.counters")));
});

test("a policy as people write it is the document that allows just that; what is wrong is named by rule and field", () => {
  const of = (json: unknown): Uint8Array => policyDocument(new Uint8Array(Buffer.from(JSON.stringify(json))));
  const address = `0x${"cd".repeat(20)}`;
  const rules = [
    { who: address, may: ["command"], resources: ["interval"] },
    { who: 7, may: ["read"], resources: ["attic"] },
  ];
  const policy = decodePolicy(of({ rules })) as Policy;
  const him = { address: new Uint8Array(20).fill(0xcd), commander: false };
  assert.ok(allows(policy, him, MAY_COMMAND, "interval"));
  assert.not.ok(allows(policy, him, MAY_READ, "interval"));
  assert.ok(allows(policy, { ...him, address: new Uint8Array(20), role: 7 }, MAY_READ, "attic"));
  assert.equal(policyDocument(of({ rules })), of({ rules }), "encoded already");
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [[], /expected {"rules"/],
    [{ rules, more: 1 }, /nothing besides/],
    [{ rules: [{ ...rules[0], when: "now" }] }, /^rules\[0\]: expected who, may and resources/],
    [{ rules: [rules[0], { ...rules[1], who: "alice" }] }, /^rules\[1\].who/],
    [{ rules: [{ ...rules[0], may: ["fly"] }] }, /^rules\[0\].may/],
    [{ rules: [{ ...rules[0], may: [] }] }, /^rules\[0\].may/],
    [{ rules: [{ ...rules[0], resources: "all" }] }, /^rules\[0\].resources/],
    [{ rules: [{ ...rules[0], resources: [] }] }, /rule 0: resources/],
    [{ rules: [{ ...rules[1], who: 256 }] }, /rule 0: who/],
    [{ rules: Array.from({ length: 60 }, () => rules[0]) }, /the policy: /],
  ];
  for (const [json, message] of wrong) assert.throws(() => of(json), message, JSON.stringify(json).slice(0, 80));
  assert.throws(() => policyDocument(Uint8Array.of(1, 2, 3)), /no JSON/);
});

test.run();
