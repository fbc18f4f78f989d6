// chainmote collect: verifies and stores records and answers with receipts; or exports the records that are stored.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../firmware/bytes.js";
import { version } from "../cli.js";
import { Collector, type CollectorEvent } from "../collector/collector.js";
import { exportRecords, exportVerdicts } from "../collector/export.js";
import type { Fleet } from "../collector/intake.js";
import { withStore } from "../collector/opened.js";
import { type QuarantineEvent, QuarantineWatch } from "../collector/quarantine-watch.js";
import { HEAD_STATE_NAMES } from "../collector/schema.js";
import type { RecordStore } from "../collector/store.js";
import { Account } from "../contracts/account.js";
import { openRegistry } from "../contracts/registry.js";
import { engine } from "../crypto/engine.js";
import { KeyFile } from "../crypto/key-file.js";
import { readScreens, SCREEN_WORDS, type ScreenEvent, Screens, screenText } from "../exports/screens.js";
import { publicUrl, readFleet, readWords, rpcUrl, type Words } from "../options.js";
import { Backoff, pause } from "../processes/backoff.js";
import { untilTold } from "../processes/end.js";
import { Reporter, type ReporterEvent } from "../registrar/reporter.js";
import { chainOfNode, isBitcoin } from "../rpc/chain.js";
import { JsonRpc } from "../rpc/json-rpc.js";
import { CommandError, type Output, plainText, plural, shortHex, UsageError } from "../terminal.js";
import { brokerNamed, checkPrefix, DEFAULT_MQTT } from "./relay.js";

const ANCHOR_INTERVAL_S = 300;
/** In place of a contract's address. */
const BITCOIN_ANCHOR = "bitcoin";

export const usage = `chainmote collect --rpc URL [--mqtt URL] [--ca FILE] [--prefix P/] [--data DIR] [--fleet ADDRESS@CHAIN] [--json] [--verbose]
chainmote collect --export FILE [--verdicts FILE] [--with-quarantined] [--data DIR]

Takes records from a broker, verifies and stores them, and answers each with a signed receipt.
The second form writes the stored records to a file (a CBOR sequence, in order) and ends.

  --rpc URL        JSON-RPC of the node that knows the chain, http(s)://…, or RPC_URL
  --mqtt URL       broker, mqtt(s)://user:password@host:port (or MQTT_URL; default mqtt://127.0.0.1:1883)
  --ca FILE        with mqtts://: the certificate (PEM) that the broker's chain ends in (or MQTT_CA; default: those of this machine)
  --prefix P/      put before every topic
  --data DIR       folder of the store and of the collector's key (default .chainmote/collector)
  --fleet A@C      take records of this fleet only: registry's address, and its chain (CAIP-2). Records of a key that the registry has
                   quarantined are stored and receipted; exports and anchors leave them out
  --allow LIST     take records of these motes only: addresses with commas between them, or a file with one a line
  --reporter FILE  report evidence to the registry of --fleet: the key in FILE pays the gas (EVM chains)
  --settled-depth N  blocks after which what the node says of a record's head is settled (default by the kind of chain:
                   0 on IBFT and QBFT, 33 on Clique, 6 on Bitcoin, 96 elsewhere); a reorganisation opens it again
  --poll-ms N      how often the node's newest block is asked for (default by need, a few times a block)
  --gap-after S    seconds after which a record is linked whose predecessor nobody has; the gap is said (default 10)
  --anchor ADDRESS anchor what is verified in this RecordAnchor contract, with the collector's key, which pays (docs/ledger.md)
                   or on Bitcoin: --anchor bitcoin, where the node's wallet pays
  --anchor-interval S  seconds from one anchor to the next, where records wait (default ${ANCHOR_INTERVAL_S})
  --metrics [HOST:]PORT  numbers for Prometheus at /metrics; on 127.0.0.1 where no HOST is given
  --home-assistant  motes' newest verified values for Home Assistant, by MQTT discovery on the same broker
  --expire-after S  seconds after which Home Assistant takes a value for gone, and within which it has to come (default 600)
  --webhook URL    tell each verified record to http(s)://…, as a CloudEvent (or WEBHOOK_URL; WEBHOOK_AUTHORIZATION goes as that header)
  --measurements   write the values of records into a table besides, for Grafana and others that ask in SQL (docs/schema.md)
  --records-max N  store no more than N new records
  --export-at-end FILE  write the stored records there when ending
  --verdicts FILE  with either export: what the node said of each record's head, one JSON object a line
  --with-quarantined  with either export: those too whose key is quarantined
  --json           one object per event
  --verbose        duplicates too

With DATABASE_URL set (postgres://…) records go to that server instead of the folder.

Examples:
  RPC_URL=https://node.example/KEY chainmote collect --mqtt mqtts://broker.example --ca ca.pem --data /srv/records
  chainmote collect --data /srv/records --export records.cborseq
  RPC_URL=https://node.example/KEY chainmote collect --metrics 9464 --home-assistant --webhook https://host.example/records`;

/** Blocks upon a quarantine after which it is left alone: as many as a head waits for on Clique. */
const SETTLED_BLOCKS = 33;
const ADDRESS_BYTES = 20;
const NODE_RETRY = { firstMs: 250, maxMs: 5000 };

export function read(words: readonly string[]): Words {
  return readWords(words, {
    rpc: { type: "string" },
    mqtt: { type: "string" },
    ca: { type: "string" },
    prefix: { type: "string" },
    data: { type: "string" },
    fleet: { type: "string" },
    reporter: { type: "string" },
    allow: { type: "string" },
    "settled-depth": { type: "string" },
    "poll-ms": { type: "string" },
    "gap-after": { type: "string" },
    verdicts: { type: "string" },
    "with-quarantined": { type: "boolean" },
    chain: { type: "string" },
    "records-max": { type: "string" },
    ...SCREEN_WORDS,
    anchor: { type: "string" },
    "anchor-interval": { type: "string" },
    export: { type: "string" },
    "export-at-end": { type: "string" },
    json: { type: "boolean" },
    verbose: { type: "boolean" },
  });
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const directory = options.text("data") ?? join(".chainmote", "collector");
  const exportPath = options.text("export");
  const json = options.has("json");
  const verdictsPath = options.text("verdicts");
  const quarantined = options.has("with-quarantined");
  if (exportPath !== undefined) {
    const made = await withStore(directory, (store) => exportTo(store, exportPath, verdictsPath, quarantined));
    output.line(json ? JSON.stringify({ event: "exported", ...made }) : exportedText(made));
    return 0;
  }
  const rpc = rpcUrl(options);
  if (rpc === undefined) throw new UsageError("--rpc URL is missing (or --export FILE)");
  const { mqtt = DEFAULT_MQTT, authority } = brokerNamed(options);
  const prefix = checkPrefix(options.text("prefix"));
  const fleet = readFleet(options.text("fleet"));
  const settings = {
    allow: readMotes(options.text("allow")),
    settledDepth: options.number("settled-depth", 0, 1_000_000),
    pollMs: options.number("poll-ms", 10, 3_600_000),
    gapAfterMs: seconds(options.number("gap-after", 0, 31_536_000)),
  };
  const screenSettings = readScreens(options);
  const reporterFile = options.text("reporter");
  if (reporterFile !== undefined && fleet === undefined) throw new UsageError("--reporter needs --fleet: whose registry it is");
  const payer = reporterFile === undefined ? undefined : KeyFile.open(reporterFile, "--reporter");
  const recordsMax = options.number("records-max", 1, 1_000_000_000);
  const exportAtEnd = options.text("export-at-end");
  // On Bitcoin there is no contract: the node's wallet pays.
  const onBitcoin = options.text("anchor") === BITCOIN_ANCHOR;
  const contract = onBitcoin ? undefined : options.bytes("anchor", ADDRESS_BYTES);
  const intervalMs = seconds(options.number("anchor-interval", 1, 31_536_000)) ?? ANCHOR_INTERVAL_S * 1000;
  const told = untilTold();
  return withStore(directory, async (store) => {
    const key = KeyFile.openOrCreate(join(directory, "collector.key"));
    const chain = options.text("chain") ?? (await chainOf(rpc, told, output));
    if (chain === undefined) return 0;
    if ((onBitcoin || contract !== undefined) && onBitcoin !== isBitcoin(chain))
      throw new UsageError(`--anchor takes ${isBitcoin(chain) ? '"bitcoin"' : "a contract's address"} on ${chain}`);
    const say = (event: CollectorEvent | ReporterEvent | ScreenEvent): void => {
      if (json) output.line(JSON.stringify(event));
      else if (options.has("verbose") || !(event.event === "stored" && event.duplicate)) output.line(collectorText(event));
    };
    const screens = await Screens.open({
      ...{ settings: screenSettings, store, rpc, chain, mqtt, ca: authority?.pem, prefix, version: version(), onEvent: say },
    });
    const over = new AbortController();
    const reporter =
      payer === undefined || fleet === undefined
        ? undefined
        : await openReporter({
            payer,
            rpc,
            fleet,
            store,
            settledDepth: settings.settledDepth,
            signal: over.signal,
            onEvent: say,
          });
    const collector = new Collector({
      ...{ store, key, engine, mqtt, rpc, chain, prefix },
      ...(authority === undefined ? {} : { ca: authority.pem }),
      ...(fleet === undefined ? {} : { fleet }),
      ...given(settings),
      ...(recordsMax === undefined ? {} : { recordsMax }),
      ...(contract === undefined && !onBitcoin ? {} : { anchoring: { contract, intervalMs } }),
      onChecked: (seconds) => screens.checked(seconds),
      onEvent(event) {
        say(event);
        screens.take(event);
        if (event.event === "evidence") reporter?.due();
      },
    });
    const watch =
      fleet?.chain === chain
        ? watchQuarantines({ rpc, fleet, store, settledDepth: settings.settledDepth, onEvent: say })
        : undefined;
    const address = `0x${toHex(key.address)}`;
    if (json)
      output.line(
        JSON.stringify({ event: "collecting", collector: address, ...(await store.counts()), ...(await lastOf(store)) }),
      );
    else
      output.line(`collector ${address}: ${publicUrl(mqtt)}, ${plural((await store.counts()).stored, "record")} stored so far`);
    await told;
    await collector.close();
    await screens.close();
    over.abort();
    await reporter?.close();
    await watch?.close();
    if (exportAtEnd !== undefined) {
      const made = await exportTo(store, exportAtEnd, verdictsPath, quarantined);
      if (json) output.line(JSON.stringify({ event: "exported", ...made }));
    }
    return 0;
  });
}

/** What whoever starts it again goes on from. */
async function lastOf(store: RecordStore): Promise<object> {
  const last = await store.last();
  if (last === undefined) return {};
  const { address, stream, seq, head } = last;
  return { last: { mote: `0x${toHex(address)}`, stream, seq, ...(head === undefined ? {} : { head }) } };
}

interface WatchSource {
  readonly rpc: string;
  readonly fleet: Fleet;
  readonly store: RecordStore;
  readonly settledDepth: number | undefined;
  readonly onEvent: (event: QuarantineEvent) => void;
}

interface ReporterSource {
  readonly payer: KeyFile;
  readonly rpc: string;
  readonly fleet: Fleet;
  readonly store: RecordStore;
  readonly settledDepth: number | undefined;
  /** Nobody waits for its transactions any more. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: ReporterEvent) => void;
}

async function openReporter({ payer, rpc: url, fleet, store, settledDepth, signal, onEvent }: ReporterSource): Promise<Reporter> {
  if (!fleet.chain.startsWith("eip155:")) throw new UsageError(`--reporter: ${fleet.chain} has no contracts`);
  const rpc = new JsonRpc(url);
  return new Reporter({
    registry: openRegistry(rpc, fleet.registry),
    account: new Account(rpc, payer, signal),
    evidence: () => store.reportable(fleet),
    settledBlocks: settledDepth ?? SETTLED_BLOCKS,
    onEvent,
  });
}

/** Of a fleet whose registry is a contract on this node's chain. */
function watchQuarantines({ rpc: url, fleet, store, settledDepth, onEvent }: WatchSource): QuarantineWatch | undefined {
  if (!fleet.chain.startsWith("eip155:")) return undefined;
  const rpc = new JsonRpc(url);
  return new QuarantineWatch({
    ...{ store: store.quarantines, fleet, rpc, registry: openRegistry(rpc, fleet.registry) },
    ...{ settledBlocks: settledDepth ?? SETTLED_BLOCKS, onEvent },
  });
}

interface Exported {
  readonly file: string;
  readonly records: number;
  /** How many records have a head of each state. */
  readonly heads: Readonly<Record<string, number>>;
}

async function exportTo(
  store: RecordStore,
  path: string,
  verdictsPath: string | undefined,
  quarantined: boolean,
): Promise<Exported> {
  const attempt = async <T>(file: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new CommandError(`${file}: ${code === "EACCES" || code === "EPERM" ? "it may not be written" : plainText(message)}`);
    }
  };
  const records = await attempt(path, () => exportRecords(store, path, quarantined));
  if (verdictsPath !== undefined) await attempt(verdictsPath, () => exportVerdicts(store, verdictsPath, quarantined));
  const heads: Record<string, number> = {};
  for (const [state, count] of await store.verdicts.counts()) heads[HEAD_STATE_NAMES[state] ?? String(state)] = count.records;
  return { file: path, records, heads };
}

function exportedText({ file, records, heads }: Exported): string {
  const states = Object.entries(heads).map(([state, count]) => `${count} ${state}`);
  return `${plural(records, "record")} in ${file}${states.length === 0 ? "" : `; heads: ${states.join(", ")}`}`;
}

/** The node's own chain, asked until it answers. */
async function chainOf(url: string, told: Promise<void>, output: Output): Promise<string | undefined> {
  const rpc = new JsonRpc(url);
  const backoff = new Backoff(NODE_RETRY);
  const end = new AbortController();
  void told.then(() => end.abort());
  for (let attempt = 0; !end.signal.aborted; attempt += 1) {
    try {
      return await chainOfNode(rpc);
    } catch (error) {
      if (attempt === 0)
        output.error(
          `chainmote collect: waiting for the node: ${plainText(error instanceof Error ? error.message : String(error))}`,
        );
      await pause(backoff.next(), end.signal);
    }
  }
  return undefined;
}

/** Addresses with commas between them, or a file with one a line. */
function readMotes(text: string | undefined): ReadonlySet<string> | undefined {
  if (text === undefined) return undefined;
  let list = text;
  if (!/^0x[0-9a-fA-F]{40}(,|$)/.test(text))
    try {
      list = readFileSync(text, "utf8");
    } catch (error) {
      throw new UsageError(
        `--allow ${plainText(text, 60)}: ${plainText((error as NodeJS.ErrnoException).code ?? "not readable")}`,
      );
    }
  const motes = list.split(/[\s,]+/).filter((word) => word !== "");
  const wrong = motes.find((mote) => !/^0x[0-9a-fA-F]{40}$/.test(mote));
  if (wrong !== undefined || motes.length === 0)
    throw new UsageError(`--allow takes addresses such as 0x and 40 digits, not "${plainText(wrong ?? "", 60)}"`);
  return new Set(motes.map((mote) => mote.slice(2).toLowerCase()));
}

function seconds(count: number | undefined): number | undefined {
  return count === undefined ? undefined : count * 1000;
}

/** Without what is undefined. */
function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

export function collectorText(event: CollectorEvent | ReporterEvent | ScreenEvent): string {
  switch (event.event) {
    case "metrics":
    case "not-shown":
      return screenText(event);
    case "reported":
      return `${shortHex(event.mote)} reported to the registry, block #${event.block}, ${event.gas} gas`;
    case "quarantined":
      return `${shortHex(event.mote)} is quarantined since block #${event.block}${event.settled ? ", settled" : ""}`;
    case "quarantined-since":
      return `${shortHex(event.mote)} is quarantined since block #${event.block}: exports and anchors leave it out; ${plural(event.records, "stored record")} marked`;
    case "quarantine-undone":
      return `${shortHex(event.mote)} is no longer quarantined, by a reorganisation: its records count again`;
    case "report-undone":
      return `${shortHex(event.mote)} is no longer quarantined: a reorganisation took it back; reported again`;
    case "report-refused":
      return `${shortHex(event.mote)} cannot be reported: ${event.reason}`;
    case "connected":
      return "broker connected";
    case "back":
      return `${event.to} is back`;
    case "lost":
      return `${event.to} lost: ${plainText(event.reason)}; next attempt in ${event.retryMs} ms`;
    case "refused":
      return `refused on ${plainText(event.topic, 100)}: ${plainText(event.detail)} (${event.code})`;
    case "stored":
      return `${shortHex(event.mote)} seq ${event.seq} ${event.duplicate ? "was stored already" : "stored"}`;
    case "verified":
      return `${shortHex(event.mote)} seq ${event.seq} verified`;
    case "head-foreign":
      return `head #${event.number} ${shortHex(event.hash)} is foreign: ${plainText(event.detail)}`;
    case "head-orphaned":
      return `head #${event.number} ${shortHex(event.hash)} is orphaned: ${plainText(event.detail)}`;
    case "head-unknown":
      return `head #${event.number} ${shortHex(event.hash)} is unknown, and asked for again: ${plainText(event.detail)}`;
    case "rejudged":
      return `${shortHex(event.mote)} seq ${event.seq}: its head was ${event.from} and is ${event.to}`;
    case "reorganised":
      return `the node's chain went another way above #${event.above}, to #${event.number} ${shortHex(event.hash)}; heads are judged again`;
    case "gap":
      return `${shortHex(event.mote)} seq ${event.seq}: the record before it is missing; linked from here`;
    case "gap-closed":
      return `${shortHex(event.mote)} seq ${event.seq}: the missing record before it has come`;
    case "anchor":
      return `root of ${event.size} leaves in block #${event.block}`;
    case "anchor-gone":
      return `the node's chain went another way: of ${event.was} anchored leaves ${event.size} are left; the others are anchored again`;
    case "anchored":
      return `${shortHex(event.mote)} seq ${event.seq} and what leads to it anchored in block #${event.block}, leaf ${event.leaf} of ${event.size}`;
    case "evidence":
      return `${event.kind} of ${shortHex(event.a.mote)}: seq ${event.a.seq} ${shortHex(event.a.digest)} and seq ${event.b.seq} ${shortHex(event.b.digest)}`;
  }
}
