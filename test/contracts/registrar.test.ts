// The enroller's service and who reports evidence, on a real EVM and a real broker: what comes twice, what is somebody else's, restarts,
// and a reorganisation that takes a quarantine back.

import mqtt, { type MqttClient } from "mqtt";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../firmware/bytes.js";
import { enrolmentTopicsOf } from "../../firmware/ledger/enrolling.js";
import type { Reportable } from "../../tools/collector/store.js";
import type { Account, Contract, Signer } from "../../tools/contracts/account.js";
import { deployRegistry, moteOf } from "../../tools/contracts/registry.js";
import { engine } from "../../tools/crypto/engine.js";
import { LocalBroker } from "../../tools/mqtt/broker.js";
import { Registrar, type RegistrarEvent } from "../../tools/registrar/registrar.js";
import { Reporter, type ReporterEvent } from "../../tools/registrar/reporter.js";
import { until } from "../patience.js";
import { Anvil, signerOf } from "./anvil.js";
import { CHAIN, Fleet, FOR_EVER } from "./scenario.js";

const anvil = (await Anvil.start()) as Anvil;
const onAnvil = anvil === undefined ? test.skip : test;
const admin = signerOf("admin of the registrar's fleet");
const enroller = signerOf("enroller");
let account: Account;
let enrolling: Account;
let registry: Contract;
let fleet: Fleet;
let broker: LocalBroker;
let client: MqttClient;

test.before(async () => {
  if (anvil === undefined) return;
  account = await anvil.account(admin);
  enrolling = await anvil.account(enroller);
  registry = await deployRegistry(account, admin.address, new Uint8Array(20));
  await registry.send(account, "setEnroller", enroller.address, FOR_EVER);
  fleet = new Fleet(account, registry);
  broker = await LocalBroker.start();
  client = await mqtt.connectAsync(broker.url);
});
test.after(async () => {
  await client?.endAsync(true);
  await broker?.close();
  await anvil?.stop();
});

/** The service, and what it has told. */
async function service(admitted: readonly Signer[], ready?: Promise<unknown>) {
  const told: RegistrarEvent[] = [];
  const names = new Set(admitted.map(({ address }) => toHex(address)));
  const registrar = new Registrar({
    ...{ engine, mqtt: broker.url, prefix: "f/", registry, account: enrolling, statusMs: 50 },
    ...(ready === undefined ? {} : { ready }),
    fleet: { registry: registry.address, chain: CHAIN },
    admits: (mote) => (names.has(toHex(mote)) ? { role: 7, policyId: 0, firmwareId: 0 } : undefined),
    onEvent: (event) => told.push(event),
  });
  await until("the registrar is connected", () => told.some(({ event }) => event === "connected"));
  return { registrar, told };
}

function publish(mote: Signer, message: Uint8Array): Promise<unknown> {
  return client.publishAsync(enrolmentTopicsOf("f/", mote.address).enrolment, Buffer.from(message), { qos: 1 });
}

const named = (told: readonly RegistrarEvent[], event: string, mote: Signer) =>
  told.filter((one) => one.event === event && "mote" in one && one.mote === `0x${toHex(mote.address)}`);

onAnvil("a mote is enrolled once, however often it asks, before and after a restart of the service", async () => {
  const mote = signerOf("a mote that asks thrice");
  const enrolment = fleet.enrolment(mote, { enroller: enroller.address });
  let go: (() => void) | undefined;
  const first = await service(
    [mote],
    new Promise<void>((resolve) => {
      go = resolve;
    }),
  );
  await publish(mote, enrolment);
  await publish(mote, enrolment);
  assert.is((await moteOf(registry, mote.address)).status, "absent", "nothing before the registry is ready");
  go?.();
  await until("active", () => named(first.told, "status", mote).some((one) => one.event === "status" && one.status === "active"));
  await publish(mote, enrolment);
  await first.registrar.close();
  const again = await service([mote]);
  await publish(mote, enrolment);
  await until("its status is told after the restart", () => named(again.told, "status", mote).length > 0);
  await again.registrar.close();
  assert.is([...first.told, ...again.told].filter(({ event }) => event === "enrolled").length, 1);
  assert.equal(
    [...first.told, ...again.told].filter(({ event }) => event === "refused"),
    [],
  );
  const { status, role, counter } = await moteOf(registry, mote.address);
  assert.equal([status, role, counter], ["active", 7, 1n]);
});

onAnvil("strangers, foreign messages and suspended motes are refused by name, and nobody is enrolled", async () => {
  const [mote, stranger, suspended] = [signerOf("one of ours"), signerOf("a stranger"), signerOf("a suspended one")];
  await fleet.registry.send(account, "setEnroller", admin.address, FOR_EVER);
  await fleet.enrol(suspended);
  await registry.send(account, "suspend", suspended.address);
  const { registrar, told } = await service([mote, suspended]);
  const ours = { enroller: enroller.address };
  const bent = fleet.enrolment(mote, ours).slice();
  bent[bent.length - 1] = (bent[bent.length - 1] as number) ^ 1;
  const cases: [string, Signer, Uint8Array][] = [
    ["mote-not-admitted", stranger, fleet.enrolment(stranger, ours)],
    ["address-foreign", mote, fleet.enrolment(stranger, ours)],
    ["enroller-foreign", mote, fleet.enrolment(mote)],
    ["fleet-foreign", mote, fleet.enrolment(mote, { ...ours, fleet: { registry: new Uint8Array(20).fill(9), chain: CHAIN } })],
    ["signature-invalid", mote, bent],
    ["payload-type", mote, fleet.voucher(mote, stranger.address)],
    ["cose-too-long", mote, new Uint8Array(4000)],
    ["mote-status", suspended, fleet.enrolment(suspended, { ...ours, counter: 2 })],
    ["registry-refused", mote, fleet.enrolment(mote, { ...ours, expiryBlock: 1 })],
  ];
  for (const [code, signer, message] of cases) {
    const before = told.filter(({ event }) => event === "refused").length;
    await publish(signer, message);
    await until(code, () => told.filter(({ event }) => event === "refused").length > before);
    const refused = told.filter((one) => one.event === "refused").at(-1);
    assert.ok(refused?.event === "refused" && refused.code === code, `${code}: ${JSON.stringify(refused)}`);
  }
  await registrar.close();
  for (const one of [mote, stranger]) assert.is((await moteOf(registry, one.address)).status, "absent");
  assert.is((await moteOf(registry, suspended.address)).status, "suspended");
});

onAnvil("evidence is reported once, and again where a reorganisation takes it back; settled, it is left alone", async () => {
  const [guilty, unknown] = [signerOf("an equivocator"), signerOf("an equivocator that nobody enrolled")];
  await fleet.enrol(guilty);
  const pieces: Reportable[] = [
    { mote: unknown.address, records: fleet.contradiction(unknown) },
    { mote: guilty.address, records: fleet.contradiction(guilty) },
  ];
  const snapshot = await anvil.rpc.call("evm_snapshot");
  const told: ReporterEvent[] = [];
  const options = {
    ...{ registry, account: await anvil.account(signerOf("whoever reports")), settledBlocks: 5, pollMs: 20 },
    evidence: async function* () {
      yield* pieces;
    },
    onEvent: (event: ReporterEvent) => void told.push(event),
  };
  let reporter = new Reporter(options);
  await until("quarantined", () => told.some(({ event }) => event === "quarantined"));
  assert.equal(await anvil.rpc.call("evm_revert", snapshot), true);
  await anvil.account(signerOf("whoever reports"));
  await until("reported again", () => told.filter(({ event }) => event === "reported").length === 2);
  await until("quarantined again", () => told.filter(({ event }) => event === "quarantined").length === 2);
  await reporter.close();
  reporter = new Reporter(options);
  await anvil.mine(5);
  await until("settled", () => told.some((one) => one.event === "quarantined" && one.settled));
  await reporter.close();
  assert.is((await moteOf(registry, guilty.address)).status, "quarantined");
  assert.is((await moteOf(registry, unknown.address)).status, "absent");
  const course = told.filter((one) => one.event !== "report-refused").map(({ event }) => event);
  assert.equal(course.slice(0, 5), ["reported", "quarantined", "report-undone", "reported", "quarantined"]);
  assert.is(told.filter(({ event }) => event === "reported").length, 2, "a restart reports nothing twice");
  const refused = told.filter((one) => one.event === "report-refused" && one.reason === "not-enrolled");
  assert.is(refused.length, 2, "said once in each life");
});

test.run();
