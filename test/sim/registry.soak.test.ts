// A mote and its registry on a real Ethereum node, over a real broker and a real relay: it enters by a transaction of its own, is cloned,
// and what the two sign quarantines it, which it finds by proof and says in its last record. In a board's memory, too.

import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import mqtt from "mqtt";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../firmware/bytes.js";
import { enrolmentTopicsOf } from "../../firmware/ledger/enrolling.js";
import { decodeSign1, digestOf } from "../../firmware/record/cose.js";
import { encodeVoucher } from "../../firmware/record/enrolment.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { decodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import { firmwareOf, type GuestEngine, guestEngine } from "../../host-sim/engine/engines.js";
import { type BoardEvent, type BoardProcess, spawnBoard } from "../../host-sim/engine/node.js";
import { libraryPreloads } from "../../host-sim/engine/xs-image.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { Account, type Contract } from "../../tools/contracts/account.js";
import { deployRegistry, moteOf } from "../../tools/contracts/registry.js";
import { engine as hostEngine } from "../../tools/crypto/engine.js";
import { KeyFile } from "../../tools/crypto/key-file.js";
import { LocalBroker } from "../../tools/mqtt/broker.js";
import { Relay } from "../../tools/relay/relay.js";
import { JsonRpc } from "../../tools/rpc/json-rpc.js";
import { writeBoardFile } from "../../tools/start/board-file.js";
import { type LocalChain, openLocalChain } from "../../tools/start/local-chain.js";
import { messageOf } from "../contracts/anvil.js";
import { until } from "../patience.js";
import { signed, testKey } from "../unit/record/signing.js";

const FIRMWARE = fileURLToPath(new URL("fixtures/ledger.ts", import.meta.url));
const COLLECTOR = testKey("the collector of a clone");
const HEAP_BYTES_MAX = 53_248;
const EXPIRY = 1_000_000;
const folder = mkdtempSync(join(tmpdir(), "chainmote-registry-"));
const test = suite("registry");

let chain: LocalChain;
let broker: LocalBroker;
let sntp: SntpServer;
let relay: Relay;
let client: mqtt.MqttClient;
let account: Account;
let registry: Contract;
const enroller = KeyFile.openOrCreate(join(folder, "enroller.key"));
const retained = new Map<string, Uint8Array>();
const records: Uint8Array[] = [];
const running = new Set<BoardProcess>();

class Board {
  readonly events: BoardEvent[] = [];
  readonly texts: string[] = [];
  readonly process: BoardProcess;

  constructor(name: string, engine?: GuestEngine) {
    const directory = join(folder, name);
    writeBoardFile(directory, {
      checkpoint,
      fleet: { registry: registry.address, chain: chain.chain },
      collector: COLLECTOR.address,
      mqtt: broker.url,
      prefix: "",
      sntp: sntp.endpoint,
      sampleMs: 500,
      base: {
        ledger: {
          intervalMs: 2_000,
          freshS: 600,
          enroller: `0x${toHex(enroller.address)}`,
          fees: { gasMax: 700_000, maxFeePerGas: 20_000_000_000, tip: 1_000_000_000 },
        },
      },
    });
    this.process = spawnBoard({
      directory,
      ...(engine === undefined ? { firmware: FIRMWARE } : { engine }),
      onEvent: (event) => void this.events.push(event),
      onText: (text) => void this.texts.push(text),
    });
    running.add(this.process);
  }

  of(event: string): BoardEvent[] {
    return this.events.filter((one) => one.event === event);
  }

  get address(): Uint8Array {
    return fromHex(String(this.of("key")[0]?.address).slice(2)) as Uint8Array;
  }

  async saw(what: string, condition: () => boolean): Promise<void> {
    const ended = (): boolean => this.of("engine").length > 0;
    const tail = (): string =>
      [...this.events.slice(-12).map((event) => JSON.stringify(event)), ...this.texts.slice(-5)].join("\n");
    await until(
      () => `${what}\n${tail()}`,
      () => condition() || ended(),
    );
    assert.ok(condition(), tail());
  }

  status(status: string): Promise<void> {
    return this.saw(`proven ${status}`, () => this.of("registry").at(-1)?.status === status);
  }

  async stop(): Promise<void> {
    await this.process.stop();
    running.delete(this.process);
  }
}

let checkpoint: object;

/** A collector that keeps nothing, and does not say what the newest record is: a board that was cloned does not learn it. */
function receiptFor(record: Uint8Array): Uint8Array {
  const { kid: mote, payload } = decodeSign1(record) as Exclude<ReturnType<typeof decodeSign1>, Rejection>;
  const { seq, stream } = fieldsOf(record);
  return signed(COLLECTOR, encodeReceipt({ seq, digest: digestOf(hostEngine, mote, payload), mote, stream }));
}

function fieldsOf(message: Uint8Array): RecordFields {
  const parts = decodeSign1(message);
  const fields = parts instanceof Rejection ? parts : decodeRecord(parts.payload);
  if (fields instanceof Rejection) throw new Error(String(fields));
  return fields;
}

test.before(async () => {
  chain = await openLocalChain("clique", { directory: join(folder, "node"), periodS: 1, onEnd: () => undefined });
  await chain.ready();
  checkpoint = await chain.checkpoint();
  broker = await LocalBroker.start();
  sntp = await SntpServer.start();
  relay = new Relay({ rpc: chain.url, mqtt: broker.url, prefix: "", chain: chain.chain, onEvent: () => undefined });
  client = await mqtt.connectAsync(broker.url);
  client.on("message", (topic, message) => {
    if (topic.endsWith("/records")) {
      const record = new Uint8Array(message);
      records.push(record);
      client.publish(topic.replace(/records$/, "receipts"), Buffer.from(receiptFor(record)), { qos: 1 });
    } else retained.set(topic, new Uint8Array(message));
  });
  await client.subscribeAsync(["motes/+/records", "motes/+/enrolment"]);
  account = new Account(new JsonRpc(chain.url), KeyFile.openOrCreate(join(folder, "node", "signer.key")));
  registry = await deployRegistry(account, account.address, new Uint8Array(20));
  await registry.send(account, "setEnroller", enroller.address, EXPIRY);
});

test.after(async () => {
  for (const process of running) await process.kill();
  await client.endAsync(true);
  await relay.close();
  await broker.close();
  await sntp.close();
  await chain.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("it enters with a voucher, is cloned, and finds its quarantine by proof", async () => {
  const first = new Board("mote");
  await first.status("absent");
  const mote = first.address;
  await account.pay(mote, 10n ** 18n);
  const { enrolment, voucher } = enrolmentTopicsOf("", mote);
  await first.saw("an offer", () => (retained.get(enrolment)?.length ?? 0) > 0);
  const fleet = { registry: registry.address, chain: chain.chain };
  const fields = { counter: 1, mote, role: 4, expiryBlock: EXPIRY, policyId: 0, firmwareId: 0, fleet };
  client.publish(voucher, Buffer.from(messageOf(enroller, encodeVoucher(fields))), { qos: 1 });
  await first.saw("its transaction is done", () => first.of("transaction").at(-1)?.state === "done");
  await first.status("active");
  assert.is(first.of("registry").at(-1)?.role, 4);
  assert.is((await moteOf(registry, mote)).status, "active");
  await first.saw("the offer is taken back", () => retained.get(enrolment)?.length === 0);
  await first.stop();
  // One board becomes two.
  cpSync(join(folder, "mote"), join(folder, "clone"), { recursive: true });
  const pairOf = () =>
    records.flatMap((one, i) => {
      const { stream, seq } = fieldsOf(one);
      const other = records
        .slice(i + 1)
        .find((two) => fieldsOf(two).seq === seq && fieldsOf(two).stream === stream && toHex(two) !== toHex(one));
      return other === undefined ? [] : [[one, other] as const];
    })[0];
  const newestBoot = () => Math.max(...records.map((record) => fieldsOf(record).boot));
  const boot = newestBoot();
  const original = new Board("mote");
  await original.saw("it signs", () => newestBoot() > boot);
  await original.stop();
  const clone = new Board("clone");
  await clone.saw("two records of one number", () => pairOf() !== undefined);
  await clone.stop();
  const pair = pairOf();
  const { blockNumber } = await registry.send(account, "reportEquivocation", ...(pair as readonly [Uint8Array, Uint8Array]));
  const last = new Board("mote");
  await last.status("quarantined");
  assert.is(last.of("registry").at(-1)?.sinceBlock, blockNumber);
  await last.saw("its last record", () => last.of("record").at(-1)?.type === 9);
  await last.saw("it leaves", () => fieldsOf(records.at(-1) as Uint8Array).status?.status === 5);
  const proven = last.of("registry").length;
  const count = last.of("record").length;
  await last.saw("blocks", () => last.of("head").length > 8 && last.of("registry").length >= proven);
  assert.is(last.of("record").length, count, "no measurement follows");
  await last.stop();
});

/** The engine with the fixture, whose features are preloaded as their manifests say. */
async function smallEngine(): Promise<GuestEngine | { readonly missing: string }> {
  const engine = await guestEngine({ target: "m32", memory: "esp32c3", firmware: FIRMWARE });
  if ("missing" in engine) return engine;
  const { modules, preload } = firmwareOf(engine);
  const features = ["registry", "transactions"].flatMap((name) => libraryPreloads(`firmware/ledger/manifest-${name}.json`));
  const file = join(folder, "modules.json");
  writeFileSync(file, JSON.stringify({ modules, preload: [...preload, ...features] }));
  return { ...engine, modules: file };
}

const engine = await smallEngine();
if ("missing" in engine) console.log(`skipped: ${engine.missing}`);
("missing" in engine ? test.skip : test)(
  "in an ESP32-C3's memory: it offers its enrolment, the enroller brings it in, and it is proven",
  async () => {
    const board = new Board("small", engine as GuestEngine);
    await board.status("absent");
    const mote = board.address;
    const { enrolment } = enrolmentTopicsOf("", mote);
    await board.saw("an offer", () => (retained.get(enrolment)?.length ?? 0) > 0);
    await account.pay(enroller.address, 10n ** 18n);
    await registry.send(new Account(account.rpc, enroller), "enrol", retained.get(enrolment) as Uint8Array, 3, 0, 0);
    await board.status("active");
    await board.saw("records", () => board.of("record").length > 20);
    await board.stop();
    const [used] = board.of("engine");
    assert.is(used?.reason, "ended");
    // 49,152 as measured, which is what the runtime takes without the ledger, too: memory is taken in steps.
    assert.ok((used?.heapPeakBytes as number) <= HEAP_BYTES_MAX, `${used?.heapPeakBytes}`);
  },
);

test.run();
