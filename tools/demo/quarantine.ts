// `npm run demo:quarantine`: a board is copied, the copies give themselves away, and the chain takes its key out for ever.
//
// On a real Ethereum node, with the real registry: three boards are enrolled; a thief copies one of them twice and runs the copies on a broker of his own;
// their records come to the collector, contradict each other, and are reported; the contract quarantines the key; the other boards see that
// by proof; the admin enrols a new key in its place. Exit code 0 where all of that happened; 130 after Ctrl-C, which leaves nothing behind.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { fromHex } from "../../firmware/bytes.js";
import { enrolmentTopicsOf } from "../../firmware/ledger/enrolling.js";
import { moteOf } from "../contracts/registry.js";
import { LocalBroker } from "../mqtt/broker.js";
import { untilTold } from "../processes/end.js";
import { shortHex } from "../text.js";
import { DemoFleet, type Said } from "./fleet.js";

/** Blocks from the quarantine within which every board has to see it by proof. */
const BLOCKS_MAX = 60;
/** Records that each copy signs. */
const RECORDS = 2;

const startedMs = performance.now();
const folder = mkdtempSync(join(tmpdir(), "chainmote-quarantine-"));

const over = new AbortController();

/** Nothing any more once it was told to end. */
function say(text = ""): void {
  if (over.signal.aborted) return;
  const time = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6);
  console.log(text === "" ? "" : `${time} s  ${text}`);
}

/** What a person wants to see as it happens. */
function show(said: Said): void {
  if (said.source === "collector" && said.event === "evidence") {
    const [a, b] = [said.a, said.b] as { stream: number; seq: number; digest: string }[];
    const of = (place: typeof a): string => `stream ${place?.stream} seq ${place?.seq} ${shortHex(place?.digest ?? "")}`;
    say(`collector  evidence (${String(said.kind)}): ${of(a)} and ${of(b)}, both signed with pump's key`);
  } else if (said.source === "reporter" && said.event === "reported")
    say(
      `reporter   reportEquivocation of ${shortHex(String(said.mote))} in block #${Number(said.block)}, ${Number(said.gas)} gas`,
    );
  else if (said.event === "registry" && said.status === "active")
    say(`${said.source.padEnd(10)} has proven: active, role ${Number(said.role)}, since block #${Number(said.sinceBlock)}`);
  else if (said.source === "registrar" && said.event === "enrolled")
    say(`registrar  enrolled ${shortHex(String(said.mote))} in block #${Number(said.block)}`);
}

/** Three boards, enrolled; north and south watch pump. Answers pump's address. */
async function enrolled(fleet: DemoFleet): Promise<string> {
  fleet.start("pump");
  const pump = String((await fleet.heard("pump's key", of("pump", "key"))).address);
  fleet.admit(pump);
  for (const name of ["north", "south"]) {
    fleet.start(name, { peers: [pump.toLowerCase()] });
    fleet.admit(String((await fleet.heard(`${name}'s key`, of(name, "key"))).address));
  }
  for (const name of ["pump", "north", "south"])
    await fleet.heard(`${name} proves its place`, (said) => of(name, "registry")(said) && said.status === "active");
  for (const name of ["north", "south"])
    await fleet.heard(`${name} proves pump's place`, (said) => of(name, "peer")(said) && said.status === "active");
  say("north, south have proven that pump is active");
  return pump;
}

/** What the thief's copies sign, on a broker where nobody remembers. */
async function copied(fleet: DemoFleet, pump: string): Promise<readonly Uint8Array[]> {
  const records: Uint8Array[] = [];
  const broker = await LocalBroker.start();
  fleet.ending(() => broker.close());
  fleet.relayOn(broker);
  const client = await mqtt.connectAsync(broker.url);
  fleet.ending(() => client.endAsync(true));
  client.on("message", (_, message) => records.push(new Uint8Array(message)));
  await client.subscribeAsync(`motes/${pump.toLowerCase()}/records`, { qos: 1 });
  await fleet.stop("pump");
  fleet.copy("pump", "copy 1");
  fleet.copy("pump", "copy 2");
  rmSync(fleet.countersOf("copy 2"), { recursive: true });
  const from = fleet.said.length;
  fleet.start("pump");
  say("pump was off for a moment: a thief has copied its flash twice, key and all");
  // The first copy goes on as pump does; the second begins a new stream; then the first, booted anew, has a later boot in the older stream.
  for (const [name, what] of [
    ["copy 1", "signs on, with the numbers that pump uses now"],
    ["copy 2", "was made to forget its counters: it begins a new stream"],
    ["copy 1", "boots again, in the old stream"],
  ] as const) {
    const before = fleet.said.length;
    fleet.start(name, { broker });
    // Not those that it has sent before, which it sends again as long as nobody receipts them.
    let signed = 0;
    const { seq } = await fleet.heard(`${name} signs`, (said) => of(name, "record")(said) && ++signed >= RECORDS, before);
    await fleet.heard(`${name} sends`, (said) => of(name, "delivered")(said) && said.seq === seq, before);
    await fleet.stop(name);
    say(`${name.padEnd(10)} ${what}`);
  }
  let written = 0;
  await fleet.heard("pump signs on", (said) => of("pump", "stored")(said) && ++written > RECORDS, from);
  return records;
}

/** The records of the copies come to the fleet's collector; answers the block of the quarantine. */
async function reported(fleet: DemoFleet, pump: string, records: readonly Uint8Array[]): Promise<number> {
  say(`the thief sends the ${records.length} records of his copies to the fleet's collector`);
  const client = await mqtt.connectAsync(fleet.broker.url);
  fleet.ending(() => client.endAsync(true));
  const topic = `motes/${pump.toLowerCase()}/records`;
  for (const record of records) await client.publishAsync(topic, Buffer.from(record), { qos: 1 });
  for (const kind of ["equivocation", "escape"])
    await fleet.heard(`evidence of ${kind}`, (said) => of("collector", "evidence")(said) && said.kind === kind);
  const { block } = await fleet.heard("the quarantine", of("reporter", "quarantined"));
  say(`MoteRegistry: pump's key ${shortHex(pump)} is quarantined since block #${Number(block)}`);
  return Number(block);
}

/** Every board sees it by proof, pump itself first of all. */
async function seen(fleet: DemoFleet, since: number): Promise<void> {
  const own = await fleet.heard("pump sees it", (said) => of("pump", "registry")(said) && said.status === "quarantined");
  say(`pump       has proven its own quarantine at block #${Number(own.block)}: it signs a last record and measures no more`);
  for (const name of ["north", "south"]) {
    const { block } = await fleet.heard(`${name} sees it`, (said) => of(name, "peer")(said) && said.status === "quarantined");
    say(`${name.padEnd(10)} has proven pump's quarantine at block #${Number(block)}, ${Number(block) - since} blocks after it`);
    if (Number(block) - since > BLOCKS_MAX) throw new Error(`${name} saw it after more than ${BLOCKS_MAX} blocks`);
  }
}

/** The board gets a new key, which the admin enrols in place of the old one. */
async function replaced(fleet: DemoFleet, pump: string): Promise<void> {
  await fleet.stop("pump");
  const client = await mqtt.connectAsync(fleet.broker.url);
  fleet.ending(() => client.endAsync(true));
  fleet.start("new pump", { enroller: fleet.keys.admin.address });
  const next = String((await fleet.heard("new pump's key", of("new pump", "key"))).address);
  say(`new pump   has a key of its own, ${shortHex(next)}, and asks the admin to be let in`);
  const enrolment = new Promise<Uint8Array>((resolve) => {
    client.on("message", (_, message) => message.length > 0 && resolve(new Uint8Array(message)));
  });
  await client.subscribeAsync(enrolmentTopicsOf("", fromHex(next) as Uint8Array).enrolment, { qos: 1 });
  const { blockNumber } = await fleet.registry.send(
    fleet.admin,
    "replace",
    fromHex(pump) as Uint8Array,
    await fleet.unlessOver(enrolment),
  );
  say(`admin      replace(${shortHex(pump)}) in block #${blockNumber}: ${shortHex(next)} is its successor`);
  await fleet.heard("new pump proves its place", (said) => of("new pump", "registry")(said) && said.status === "active");
  const { status } = await moteOf(fleet.registry, fromHex(pump) as Uint8Array);
  if (status !== "quarantined") throw new Error(`the old key is ${status}`);
  say("the old key stays quarantined, for ever");
}

function of(source: string, event: string): (said: Said) => boolean {
  return (said) => said.source === source && said.event === event;
}

void untilTold().then(() => {
  say("told to end");
  over.abort();
});
let fleet: DemoFleet | undefined;
try {
  say("starting an Ethereum node, and deploying MoteRegistry on it");
  fleet = await DemoFleet.open(folder, show, over.signal);
  say(`MoteRegistry is at 0x${Buffer.from(fleet.registry.address).toString("hex")} on ${fleet.chain.chain}`);
  const pump = await enrolled(fleet);
  const records = await copied(fleet, pump);
  await seen(fleet, await reported(fleet, pump, records));
  await replaced(fleet, pump);
  say("done");
} catch (error) {
  if (!over.signal.aborted) console.error(`demo:quarantine: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = over.signal.aborted ? 130 : 1;
} finally {
  await fleet?.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
