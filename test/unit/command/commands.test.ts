// Commands to whole motes on virtual time: each action with what it does, each rule with what it keeps out. What lies and floods is in
// lies.test.ts, what a loss of power leaves in commands-power.test.ts.

import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { COMMAND_BLOCKS_AHEAD_MAX, Commands, OUTCOMES, REASONS } from "../../../firmware/command/commands.js";
import {
  ACTION_CHECKPOINT,
  ACTION_POLICY,
  ACTION_READ,
  ACTION_REBOOT,
  ACTION_RELAYS,
  ACTION_SAMPLES,
  ACTIONS,
  type Order,
} from "../../../firmware/command/message.js";
import { ALL, encodePolicy, MAY_COMMAND, MAY_READ } from "../../../firmware/command/policy.js";
import { parseConfig } from "../../../firmware/config.js";
import type { Rejection } from "../../../firmware/rejection.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { bftCheckpointAt } from "../../chains/bft-fixture.js";
import { COMMANDER, CommandBench, interval, OTHER, Proven, RECOVERY, STRANGER } from "./command-bench.js";

const bodyOrder = (action: typeof ACTION_POLICY | typeof ACTION_CHECKPOINT, body: Uint8Array): Order => ({
  action,
  hash: fastEngine.keccak256(body),
  bytes: body.length,
});

test("an interval is set, answered by a signed record with the counter, and survives a loss of power", async () => {
  const bench = await new CommandBench({ sampleMs: 60_000 }).boot();
  const before = bench.records().filter(({ answer }) => answer === undefined).length;
  await bench.send(interval(1_000));
  assert.equal(bench.said(), ["1 done"]);
  await bench.pass(10_000);
  const samples = (from: number): number => bench.records().filter(({ answer }) => answer === undefined).length - from;
  assert.ok(samples(before) >= 9, `${samples(before)} records in ten seconds`);
  await bench.reboot();
  await bench.pass(10_000);
  assert.ok(bench.powered.of("record").length >= 15, "the interval is still a second");
  assert.equal(bench.powered.of("command"), [], "and nothing is answered again");
});

test("where nothing was commanded, nothing is stored", async () => {
  const bench = await new CommandBench().boot();
  await bench.blocks(3);
  assert.equal(bench.written, []);
});

test("samples per record are set, and kept", async () => {
  const bench = await new CommandBench({ sampleMs: 1_000 }).boot();
  await bench.send({ action: ACTION_SAMPLES, samples: 4 });
  assert.equal(bench.said(), ["1 done"]);
  await bench.pass(10_000);
  const last = bench.records().at(-1);
  assert.is(last?.measurements.length, 8, "four samples of two values");
  await bench.reboot();
  await bench.pass(10_000);
  assert.is(
    bench
      .records()
      .filter(({ boot }) => boot === 2)
      .at(-1)?.measurements.length,
    8,
  );
});

test("relays are set: who is asked from then on, after a restart too; none is the common topic", async () => {
  const bench = await new CommandBench().boot();
  const asked = (): string[] =>
    bench.powered.client.writes.flatMap(({ options }) => (options.topic?.includes("/requests") ? [options.topic] : []));
  await bench.send({ action: ACTION_RELAYS, relays: ["east", "west"] });
  const from = asked().length;
  await bench.pass(60_000);
  assert.ok(asked().slice(from).length > 0);
  assert.ok(
    asked()
      .slice(from)
      .every((topic) => /requests\/(east|west)$/.test(topic)),
    asked().slice(from).join(),
  );
  await bench.reboot();
  await bench.pass(60_000);
  assert.ok(
    asked().every((topic) => /requests\/(east|west)$/.test(topic)),
    asked().join(),
  );
  await bench.send({ action: ACTION_RELAYS, relays: [] });
  const then = asked().length;
  await bench.pass(60_000);
  assert.ok(
    asked().slice(then).length > 0 &&
      asked()
        .slice(then)
        .every((topic) => topic.endsWith("/requests")),
  );
});

test("a reboot ends in good order, is done once, and is answered by the next start", async () => {
  const bench = await new CommandBench().boot();
  const message = await bench.send({ action: ACTION_REBOOT });
  assert.is(bench.restarts, 1);
  assert.equal(bench.said(), []);
  await bench.restarted();
  assert.equal(bench.said(), ["1 done"]);
  await bench.give(message);
  assert.is(bench.restarts, 1, "never again by the same command");
  assert.equal(bench.said(), ["1 done"]);
});

test("a board that cannot start anew says so", async () => {
  const bench = new CommandBench();
  bench.able = false;
  await bench.boot();
  await bench.send({ action: ACTION_REBOOT });
  assert.equal(bench.said(), ["1 refused unable"]);
});

test("while an image proves itself no reboot is done, which would end it, and neither is a checkpoint taken; afterwards it is", async () => {
  const bench = await new CommandBench().boot();
  bench.proving = true;
  await bench.send({ action: ACTION_REBOOT });
  assert.equal(bench.said(), ["1 refused proving"]);
  assert.is(bench.restarts, 0);
  bench.proving = false;
  await bench.send({ action: ACTION_REBOOT });
  assert.is(bench.restarts, 1);
});

test("a value is read: the newest sample, in the answer itself; of a sensor that is not there none", async () => {
  const bench = await new CommandBench({ sampleMs: 1_000 }).boot();
  await bench.pass(3_000);
  await bench.send({ action: ACTION_READ, sensor: "" });
  await bench.send({ action: ACTION_READ, sensor: "cellar" });
  assert.equal(bench.said(), ["1 done", "2 refused no-sample"]);
  const [first] = bench.answers();
  assert.equal(
    first?.record.measurements.map(({ n }) => n),
    ["temperature", "humidity"],
  );
});

test("counters rise, those that were skipped are told, and those that came too late are nothing", async () => {
  const bench = await new CommandBench().boot();
  await bench.send(interval(60_000), COMMANDER, { counter: 3 });
  await bench.send(interval(50_000), COMMANDER, { counter: 2 });
  await bench.send(interval(61_000), COMMANDER, { counter: 4 });
  await bench.send(interval(62_000), OTHER, { counter: 1 });
  assert.equal(bench.said(), ["3 done", "4 done", "1 done"]);
  assert.equal(
    bench.answers().map(({ skipped }) => skipped),
    [2, 0, 0],
  );
  assert.equal(bench.refused(), ["command-repeated"]);
  assert.is(bench.powered.of("command")[0]?.skipped, 2);
});

test("of one commander's commands that wait together the lowest counter comes first", async () => {
  const bench = await new CommandBench().boot();
  bench.proven.fresh = false;
  await bench.send(interval(60_000), COMMANDER, { counter: 2 });
  await bench.send(interval(62_000), OTHER, { counter: 1 });
  await bench.send(interval(61_000), COMMANDER, { counter: 1 });
  await bench.send(interval(63_000), COMMANDER, { counter: 3 });
  assert.equal(bench.said(), []);
  bench.proven.fresh = true;
  await bench.pass(8_000);
  const of = (key: typeof OTHER): number[] =>
    bench.answers().flatMap(({ commander, counter }) => (commander === toHex(key.address) ? [counter] : []));
  assert.equal([of(COMMANDER), of(OTHER)], [[1, 2, 3], [1]]);
  assert.equal(bench.refused(), []);
});

test("a commander of whom nothing is proven freshly is waited for: never a yes, never a no before the expiry", async () => {
  const bench = await new CommandBench().boot();
  bench.proven.fresh = false;
  await bench.send(interval(60_000), COMMANDER, { expiryBlock: bench.head + 10 });
  await bench.blocks(5);
  assert.equal(bench.said(), []);
  assert.equal(bench.refused(), [], "no no");
  bench.proven.fresh = true;
  await bench.pass(3_000);
  assert.equal(bench.said(), ["1 done"]);
});

test("what waited beyond its expiry is answered as late where its commander is proven, and is nothing where not", async () => {
  const bench = await new CommandBench().boot();
  const document = encodePolicy([]);
  bench.proven.policies.set(1n, fastEngine.keccak256(document));
  bench.proven.policyId = 1n;
  // Its body never comes.
  await bench.send(bodyOrder(ACTION_POLICY, document), COMMANDER, { expiryBlock: bench.head + 3 });
  await bench.send(interval(60_000), STRANGER, { expiryBlock: bench.head + 3 });
  await bench.blocks(4);
  await bench.pass(3_000);
  assert.equal(bench.said(), ["1 expired"]);
  assert.is(bench.answers()[0]?.commander, Buffer.from(COMMANDER.address).toString("hex"));
  assert.equal(bench.written, []);
});

test("a command is good before its expiry, and within so many blocks of the head", async () => {
  const bench = await new CommandBench().boot();
  await bench.blocks(3);
  const { head } = bench;
  await bench.send(interval(60_000), COMMANDER, { counter: 1, expiryBlock: head });
  await bench.send(interval(60_000), COMMANDER, { counter: 2, expiryBlock: head + COMMAND_BLOCKS_AHEAD_MAX + 1 });
  assert.equal(bench.said(), []);
  assert.equal(bench.refused(), ["command-expired", "command-too-far-ahead"]);
  await bench.send(interval(60_000), COMMANDER, { counter: 2, expiryBlock: head + COMMAND_BLOCKS_AHEAD_MAX });
  await bench.send(interval(61_000), OTHER, { counter: 1, expiryBlock: head + 1 });
  assert.equal(bench.said(), ["2 done", "1 done"]);
});

test("a policy is applied where its hash is the one that the registry names for this mote, and decides from then on", async () => {
  const bench = await new CommandBench().boot();
  const document = encodePolicy([
    { who: OTHER.address, right: MAY_COMMAND, resources: ["interval"] },
    { who: 7, right: MAY_READ, resources: [ALL] },
  ]);
  const order = bodyOrder(ACTION_POLICY, document);
  await bench.send(order);
  await bench.body(document);
  assert.equal(bench.said(), ["1 refused other-policy"], "the registry names none");
  bench.proven.policies.set(4n, fastEngine.keccak256(document));
  bench.proven.policyId = 4n;
  await bench.send(order);
  await bench.body(document);
  assert.equal(bench.said().slice(1), ["2 done"]);
  await bench.send(interval(60_000));
  await bench.send(interval(60_000), OTHER);
  await bench.send({ action: ACTION_REBOOT }, OTHER);
  assert.equal(bench.said().slice(2), ["3 refused not-allowed", "1 done", "2 refused not-allowed"]);
  await bench.reboot();
  await bench.send(interval(61_000));
  assert.equal(bench.said().slice(-1), ["4 refused not-allowed"], "after a restart too");
  // Whose policy counts is for the registry to say: no policy keeps its successor out.
  const open = encodePolicy([{ who: null, right: MAY_COMMAND, resources: [ALL] }]);
  bench.proven.policies.set(5n, fastEngine.keccak256(open));
  bench.proven.policyId = 5n;
  await bench.send(bodyOrder(ACTION_POLICY, open));
  await bench.body(open);
  await bench.send(interval(61_000));
  assert.equal(bench.said().slice(-2), ["5 done", "6 done"]);
});

for (const how of ["absent", "bit", "exception"] as const)
  test(`a read of the store that goes wrong (${how}) sets aside no policy and no setting, and stops no mote`, async () => {
    const bench = await new CommandBench().boot();
    const document = encodePolicy([{ who: null, right: MAY_COMMAND, resources: ["interval"] }]);
    bench.proven.policies.set(1n, fastEngine.keccak256(document));
    bench.proven.policyId = 1n;
    await bench.send(bodyOrder(ACTION_POLICY, document));
    await bench.body(document);
    await bench.send(interval(61_000));
    assert.equal(bench.said(), ["1 done", "2 done"]);
    const value = Buffer.from(bench.written.at(-1)?.value ?? "", "hex");
    for (const key of ["policy", "settings"]) {
      bench.misreads = { key, how, count: 2 };
      await bench.reboot();
      assert.is(bench.misreads.count, 0, key);
      await bench.send({ action: ACTION_REBOOT });
      assert.is(bench.said().at(-1), `${bench.commands.get(toHex(COMMANDER.address))} refused not-allowed`, key);
      await bench.send(interval(61_000));
      assert.is(bench.written.at(-1)?.value, value.toString("hex"), "what was set is there still");
    }
    // What is written is there, although a read of it goes wrong.
    bench.misreads = { key: "settings", how, count: 2 };
    await bench.send(interval(62_000));
    assert.is(bench.said().at(-1)?.endsWith("done"), true);
    // What cannot be read at all allows nothing.
    bench.misreads = { key: "policy", how, count: how === "absent" ? 0 : Number.POSITIVE_INFINITY };
    await bench.reboot();
    await bench.send(interval(63_000));
    assert.is(
      bench
        .said()
        .at(-1)
        ?.endsWith(how === "absent" ? "done" : "refused not-allowed"),
      true,
    );
  });

test("a policy lets a peer in by its role, as long as the registry is proven to name it active", async () => {
  const bench = await new CommandBench({ sampleMs: 1_000 }).boot();
  const document = encodePolicy([{ who: 7, right: MAY_READ, resources: [""] }]);
  bench.proven.policies.set(1n, fastEngine.keccak256(document));
  bench.proven.policyId = 1n;
  bench.proven.motes.set(Buffer.from(STRANGER.address).toString("hex"), { status: 1, role: 7 });
  await bench.send({ action: ACTION_READ, sensor: "" }, STRANGER);
  assert.equal(bench.said(), [], "without a policy only commanders are heard");
  await bench.send(bodyOrder(ACTION_POLICY, document));
  await bench.body(document);
  await bench.send({ action: ACTION_READ, sensor: "" }, STRANGER);
  await bench.send(interval(60_000), STRANGER);
  bench.proven.motes.set(Buffer.from(STRANGER.address).toString("hex"), { status: 5, role: 7 });
  await bench.send({ action: ACTION_READ, sensor: "" }, STRANGER);
  assert.equal(bench.said(), ["1 done", "2 done", "3 refused not-allowed"]);
});

test("a policy whose hash nobody proves freshly is waited for", async () => {
  const bench = await new CommandBench().boot();
  const document = encodePolicy([]);
  bench.proven.policies.set(1n, fastEngine.keccak256(document));
  bench.proven.policyId = 1n;
  bench.proven.fresh = false;
  await bench.send(bodyOrder(ACTION_POLICY, document));
  await bench.body(document);
  assert.equal(bench.said(), []);
  bench.proven.fresh = true;
  await bench.pass(3_000);
  assert.equal(bench.said(), ["1 done"]);
});

test("a policy that the store does not keep is not in force, and is answered so", async () => {
  const bench = await new CommandBench().boot();
  const document = encodePolicy([]);
  bench.proven.policies.set(1n, fastEngine.keccak256(document));
  bench.proven.policyId = 1n;
  bench.refusing = "policy";
  await bench.send(bodyOrder(ACTION_POLICY, document));
  await bench.body(document);
  await bench.send(interval(60_000));
  assert.equal(bench.said(), ["1 refused not-stored", "2 done"]);
});

test("a checkpoint of the recovery key ends a chain of which nothing is proven any more: the mote follows on from it", async () => {
  const bench = await new CommandBench().boot();
  await bench.blocks(3);
  let later = bench.tip;
  for (let i = 0; i < 400; i += 1) later = bench.bench.chain.child(later);
  const json = bftCheckpointAt(bench.bench.chain, later, { trustingPeriodS: 30 * 86_400 });
  const body = new Uint8Array(Buffer.from(JSON.stringify(json)));
  const order = bodyOrder(ACTION_CHECKPOINT, body);
  // Of a chain that lives it is not taken, nor from a commander, however good its mandate.
  await bench.send(order, RECOVERY, { expiryBlock: 1_000_000 });
  await bench.body(body);
  bench.proven.fresh = false;
  await bench.send(order, RECOVERY, { expiryBlock: 1_000_000 });
  await bench.body(body);
  assert.equal(bench.said(), ["1 refused alive"]);
  assert.is(bench.restarts, 1);
  bench.tip = later;
  await bench.restarted();
  assert.equal(bench.said(), ["1 refused alive", "2 done"]);
  assert.is(bench.head, later.number);
  await bench.blocks(2);
  assert.is(bench.head, later.number + 2);
});

test("a checkpoint of another chain, below what is settled, of a commander, or that is none is refused", async () => {
  const bench = await new CommandBench().boot();
  await bench.blocks(5);
  bench.proven.fresh = false;
  const genesis = JSON.stringify(bftCheckpointAt(bench.bench.chain, bench.bench.chain.genesis, { trustingPeriodS: 30 * 86_400 }));
  const other = genesis.replace(/"trustingPeriodS":\d+/, '"trustingPeriodS":86400');
  assert.is.not(other, genesis);
  const bodies = [genesis, other, "{}", "no JSON"].map((text) => new Uint8Array(Buffer.from(text)));
  for (const body of bodies) {
    await bench.send(bodyOrder(ACTION_CHECKPOINT, body), RECOVERY, { expiryBlock: 1_000_000 });
    await bench.body(body);
  }
  bench.proven.fresh = true;
  const [body] = bodies as [Uint8Array];
  await bench.send(bodyOrder(ACTION_CHECKPOINT, body));
  await bench.body(body);
  assert.equal(bench.said(), [
    "1 refused below-settled",
    "2 refused other-chain",
    "3 refused body",
    "4 refused body",
    "1 refused not-allowed",
  ]);
  assert.is(bench.restarts, 0);
  assert.equal(bench.written, []);
});

test("what the store does not keep is not done, and waits", async () => {
  const bench = await new CommandBench().boot();
  bench.refusing = "commands";
  await bench.send(interval(61_000));
  assert.equal(bench.said(), []);
  assert.equal(bench.written, []);
  assert.equal(bench.refused().slice(0, 1), ["command-not-stored"]);
  bench.refusing = "";
  await bench.pass(12_000);
  assert.equal(bench.said(), ["1 done"]);
});

test("outcomes, reasons and limits of the document are the code's", () => {
  const text = readFileSync(new URL("../../../docs/ledger.md", import.meta.url), "utf8");
  const tables = ["outcome", "reason"].map((name) => {
    const table = new RegExp(`^\\| ${name} \\| \\|\n((?:\\|.*\n)+)`, "m").exec(text)?.[1] ?? "";
    return [...table.matchAll(/^\| (\d+) ([\w-]+) \|/gm)].map(([, number, word]) => [Number(number), word]);
  });
  assert.equal(tables[0], [...OUTCOMES.entries()]);
  assert.equal(tables[1], [...REASONS.entries()]);
  const actions = [...text.matchAll(/^\| ([1-7]) ([a-z]+) \| \[/gm)].map(([, number, word]) => [Number(number) - 1, word]);
  assert.equal(actions, [...ACTIONS.entries()]);
});

test("a mote on Bitcoin takes no commands, and says so before anything is opened; so does one whose recovery key is none", () => {
  const commands = new Commands(new Proven());
  const config = (checkpoint: object, ledger: object) =>
    parseConfig({
      ntp: { servers: ["time"] },
      mqtt: { host: "broker" },
      fleet: { registry: `0x${"f1".repeat(20)}`, chain: "eip155:1337" },
      collector: `0x${"c0".repeat(20)}`,
      checkpoint,
      ledger,
    }) as Exclude<ReturnType<typeof parseConfig>, Rejection>;
  assert.match(String(commands.fault(config({ consensus: "bitcoin" }, {}))), /takes no commands/);
  assert.match(String(commands.fault(config({ consensus: "qbft" }, { recovery: "0x12" }))), /ledger.recovery/);
  assert.is(commands.fault(config({ consensus: "qbft" }, {})), undefined);
});

test.run();
