// chainmote start: the whole system on this machine, in one command.

import { chmodSync, existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { BOARD_NAMES, boardOf, DEFAULT_BOARD, partitionBytes } from "../../host-sim/boards.js";
import { BITCOIN_FIRMWARE, LEDGER_FIRMWARE } from "../../host-sim/engine/engines.js";
import { version } from "../cli.js";
import { KeyFile } from "../crypto/key-file.js";
import { keepToOwner, makeFolder, modeFor, writeWhole } from "../files.js";
import { LiveLines } from "../live-lines.js";
import { needPackages, POSTGRES, STORE } from "../optional.js";
import { publicUrl, readWords, rpcUrl, type Words } from "../options.js";
import type { Facts } from "../page/model.js";
import { Page } from "../page/page.js";
import { pause } from "../processes/backoff.js";
import { BoundedLog } from "../processes/bounded-log.js";
import { untilTold } from "../processes/end.js";
import { acquireLock, LockHeld } from "../processes/lock.js";
import { Signal } from "../processes/signal.js";
import type { ChildEnd } from "../processes/supervisor.js";
import { namedApplication } from "../start/application.js";
import { AttachedChain, type AttachOptions } from "../start/attached-chain.js";
import { refusePoor } from "../start/contracts.js";
import { builtEngine, type EngineWish, engineWish } from "../start/engine-choice.js";
import type { FollowedChain } from "../start/followed-chain.js";
import { LOCAL_CHAINS, nodePackages, openLocalChain } from "../start/local-chain.js";
import { DEFAULT_DATA, type Layout, layoutOf } from "../start/project.js";
import { Screen, type SystemEvent } from "../start/screen.js";
import { type Fact, System } from "../start/system.js";
import { Tally } from "../start/tally.js";
import { CommandError, count, type Output, plural, shownPath, UsageError } from "../terminal.js";
import { checkTls } from "./board.js";
import { brokerNamed, checkPrefix } from "./relay.js";

/** On a node of our own, and on one that is there, in seconds. */
const ANCHOR_INTERVAL_S = 5;
const ATTACHED_ANCHOR_INTERVAL_S = 60;

export const usage = `chainmote start [--rpc URL] [--mqtt URL] [--app DIR] [--records N] [--boards M] [--data DIR] [--engine NAME] [--board NAME]
                [--json] [--verbose]

Runs a node, a broker, a relay, a collector and simulated boards on this machine, until Ctrl-C.

  --app DIR      what the boards run in place of the standard mote: a folder with main.ts, as chainmote new writes it;
                 board.ts in it attaches its parts to the simulated board (docs/own-node.md)
  --records N    end once N records are stored and verified
  --anchor       anchor them on the chain, too, and end once the motes have proven that (docs/ledger.md);
                 anchored/ in the data folder then has a file for each anchor, which chainmote verify --receipt checks
  --anchor-interval S  seconds from one anchor to the next (default ${ANCHOR_INTERVAL_S}, with --rpc ${ATTACHED_ANCHOR_INTERVAL_S})
  --boards M     1 to 64 boards (default 1)
  --data DIR     where everything is kept (default .chainmote, a folder below it for each other chain);
                 a second start goes on from there
  --export FILE  write the records there when ending (default records.cborseq in the data folder)
  --engine NAME  where the firmware runs: node (default), xs (the real engine, 32-bit, in a board's memory) or
                 rv32 (the same on an emulated RISC-V microcontroller)
  --board NAME   whose memory xs and rv32 have: ${BOARD_NAMES.join(", ")} (default ${DEFAULT_BOARD})
  --crypto NAME  of the boards: native (libsecp256k1 in C; default on xs and rv32), fast (libsecp256k1 on Node; default
                 there) or noble (JavaScript, the reference; on all)
  --sample MS    milliseconds between samples, 50 to 86400000 (default 2000, or what the application's config.json says)
  --prefix P/    put before every MQTT topic
  --no-page      no page that shows all of it, and that breaks parts of it, at an address of this machine's own (127.0.0.1)
  --json         one object per event
  --verbose      every event of every part

A chain of its own, where no --rpc is given:
  --chain NAME   what the node makes and the boards follow: clique (Ethereum, the default) or bitcoin (regtest)
  --period S     seconds between blocks, 1 to 60 (default 1; a chain keeps its own)

Your own node, Besu, GoQuorum, geth or Bitcoin Core, which says itself what it is:
  --rpc URL      its JSON-RPC (or RPC_URL: a command line is seen by everyone on the machine, and a URL may hold a key)
  --checkpoint FILE  start from there (npx chainmote headers checkpoint, verify --save); else from one that the node gives
  --genesis FILE  the genesis file of its chain, where the node does not tell the rules (admin_nodeInfo)
  --period S --epoch N   Clique: the same without the file
  --trusting-period S    IBFT, QBFT: how long a trusted block vouches for others (default 604800)
  --deploy FILE  put the fleet's registry on its chain, enrol the motes, and anchor where --anchor is given: the account of the
                 key in FILE (64 hexadecimal digits) pays for that
  --fleet ADDRESS  registry of the fleet, in place of --deploy (default: one of this folder's own, which tells fleets apart and is no
                 contract): nothing is deployed on your node, and motes are enrolled by your own enroller

Your own broker:
  --mqtt URL     mqtt(s)://user:password@host:port (or MQTT_URL)
  --ca FILE      with mqtts://: the certificate (PEM) that its chain ends in, which the boards pin (or MQTT_CA)

With DATABASE_URL set (postgres://…) records go to that database.

Examples:
  npm start -- --records 5 --boards 2
  npm start -- --app ../my-mote --engine xs
  npm start -- --rpc http://127.0.0.1:8545 --genesis genesis.json --records 5
  npm start -- --rpc http://127.0.0.1:8545 --deploy account.key --anchor
  RPC_URL=http://user:password@127.0.0.1:8332 MQTT_URL=mqtts://user:password@broker.example npm start -- --ca ca.pem`;

const BOARDS_MAX = 64;
const RECORDS_MAX = 1_000_000;
const SAMPLE_MS = 2000;
/** Of a node that is there. */
const ATTACHING = {
  rpc: { type: "string" },
  checkpoint: { type: "string" },
  genesis: { type: "string" },
  epoch: { type: "string" },
  "trusting-period": { type: "string" },
  fleet: { type: "string" },
  deploy: { type: "string" },
} as const;
const ADDRESS_BYTES = 20;
const PERIOD_S_MAX = 86_400;
const HEIGHT_MAX = 2 ** 48 - 1;
/** Ten years. */
const TRUSTING_PERIOD_S_MAX = 315_360_000;
/** How long the folder's last owner may take to be gone. */
const LOCK_WAIT_MS = 3000;
/** How long the receipts of the last records may take, once all are verified. */
const RECEIPTS_MS = 3000;
/** Without any progress for so long, and enough records stored, those cannot be verified. */
const STALL_MS = 120_000;
/** The same of anchors: on Clique of a long period one takes minutes to be settled. */
const ANCHOR_STALL_MS = 1_800_000;

export function read(words: readonly string[]): Words {
  return readWords(words, {
    records: { type: "string" },
    anchor: { type: "boolean" },
    "anchor-interval": { type: "string" },
    boards: { type: "string" },
    chain: { type: "string" },
    ...ATTACHING,
    app: { type: "string" },
    mqtt: { type: "string" },
    ca: { type: "string" },
    data: { type: "string" },
    export: { type: "string" },
    engine: { type: "string" },
    board: { type: "string" },
    crypto: { type: "string" },
    period: { type: "string" },
    sample: { type: "string" },
    prefix: { type: "string" },
    "no-page": { type: "boolean" },
    json: { type: "boolean" },
    verbose: { type: "boolean" },
  });
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const records = options.number("records", 1, RECORDS_MAX);
  const boards = options.number("boards", 1, BOARDS_MAX) ?? 1;
  const folder = options.text("app");
  const application = folder === undefined ? undefined : namedApplication(folder);
  const sampleMs = options.number("sample", 50, 86_400_000) ?? (application?.config === undefined ? SAMPLE_MS : undefined);
  const anchor = options.has("anchor");
  const attached = rpcUrl(options) !== undefined;
  if (anchor && attached && options.text("deploy") === undefined)
    throw new UsageError("--anchor on your own node needs --deploy FILE, whose account pays; or npx chainmote collect --anchor");
  const intervalS = options.number("anchor-interval", 1, 86_400);
  if (intervalS !== undefined && !anchor) throw new UsageError("--anchor-interval goes with --anchor");
  const anchorIntervalS = intervalS ?? (attached ? ATTACHED_ANCHOR_INTERVAL_S : ANCHOR_INTERVAL_S);
  if (anchor && application !== undefined)
    throw new UsageError("--anchor is for the standard mote; an application says by its own features what it waits for");
  const wish = engineWish(options);
  const prefix = checkPrefix(options.text("prefix"));
  const broker = tlsChecked(brokerNamed(options));
  const followed = await chainNamed(options);
  const ledger = followed.ledger && application === undefined;
  const data = resolve(options.text("data") ?? join(DEFAULT_DATA, followed.folder));
  const layout = layoutOf(data);
  needPackages([...followed.packages, (process.env.DATABASE_URL ?? "") === "" ? STORE : POSTGRES]);
  const exportPath = resolve(options.text("export") ?? layout.records);

  keepToOwner();
  makeFolder(data);
  const lock = await acquireLock(layout.lock, LOCK_WAIT_MS).catch((error: unknown) => {
    throw error instanceof LockHeld ? new CommandError(`${error.message}, which has to end first`) : error;
  });
  let shown: Screen | undefined;
  try {
    const screen = new Screen(output, new BoundedLog(layout.log), {
      ...{ json: options.has("json"), verbose: options.has("verbose") },
      block: { lines: new LiveLines(process.stdout), boards },
    });
    shown = screen;
    const tally = new Tally(anchor);
    const told = untilTold();
    const done = records === undefined ? undefined : new Signal();
    screen.say(
      `${output.style("bold", `chainmote ${version()}`)}  ${output.style("dim", `data in ${shownPath(data)}; Ctrl-C ends all`)}`,
    );
    let isTold = false;
    void told.then(() => {
      isTold = true;
    });
    const engine = await builtEngine(
      wish,
      (text, share) => screen.show("engine", { event: "building", text, ...(share === undefined ? {} : { share }) }),
      () => isTold,
      application ?? (ledger ? LEDGER_FIRMWARE : anchor ? BITCOIN_FIRMWARE : undefined),
    );
    const page = options.has("no-page") ? undefined : await openPage(screen, data, boards, wish);
    const system = new System({
      ...{ layout, boards, prefix, exportPath, ledger, ...broker },
      ...(anchor ? { anchorIntervalS } : {}),
      ...(sampleMs === undefined ? {} : { sampleMs }),
      ...(application === undefined ? {} : { application }),
      openChain: (onEnd) =>
        followed.open({ layout, onEnd, told, say: (text) => screen.show("node", { event: "text", text, amiss: true }) }),
      ...(engine === undefined ? {} : { engine }),
      ...(wish.engine === "node" && wish.crypto === "noble" ? { crypto: wish.crypto } : {}),
      ...(records === undefined ? {} : { recordsMax: () => records - tally.done }),
      ...(page === undefined ? {} : { onStage: (stage) => page.begin(stage) }),
      onEvent(source, event) {
        page?.take(source, event);
        screen.show(source, anchor ? kept(layout.anchored, event) : event);
        if (tally.take(source, event) && records !== undefined && tally.done >= records) done?.give();
      },
    });
    screen.say(output.style("dim", "starting; the first time in a folder takes longest"));
    screen.keep("starting");
    let failure: string | undefined;
    const over = new AbortController();
    try {
      if (engine !== undefined) screen.engine(engine);
      const started = system
        .start((fact) => {
          page?.tell(factOfPage(fact));
          showFact(fact, screen);
        })
        .then(() => {
          screen.say();
          screen.keep("running");
        });
      await Promise.race([started, told]);
      await Promise.race([
        told,
        ...(done === undefined
          ? []
          : [done.given, stalled(tally, records ?? 0, anchor ? ANCHOR_STALL_MS : STALL_MS, over.signal)]),
      ]);
      if (records !== undefined && tally.done >= records)
        for (const end = performance.now() + RECEIPTS_MS; !tally.receipted && performance.now() < end; ) await pause(50);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    over.abort();
    screen.say();
    screen.keep("ending");
    page?.tell(failure === undefined ? ENDING : { phase: "failed", words: failure });
    await page?.close();
    await system.stop();
    screen.close();
    // The collector, our child, writes for its owner alone; a file that was named is as the person has it.
    if (options.text("export") !== undefined && existsSync(exportPath)) chmodSync(exportPath, modeFor("umask"));
    if (failure !== undefined) throw new CommandError(failure);
    return summary({ screen, tally, records, exportPath, output });
  } finally {
    shown?.close();
    lock.release();
  }
}

const ENDING = { phase: "ending", words: "It was told to end, or all records that were asked for are there." } as const;

/** A page that cannot be opened is said, and ends nothing. */
async function openPage(screen: Screen, data: string, boards: number, wish: EngineWish): Promise<Page | undefined> {
  const journalBytes = partitionBytes(boardOf(wish.memory === "roomy" ? DEFAULT_BOARD : wish.memory), "journal");
  const engine = wish.engine === "node" ? "Node" : `XS (${wish.engine})`;
  try {
    const page = await Page.open({ folder: join(data, "page"), version: version(), boards, journalBytes, engine });
    screen.fact("page", page.url, { event: "page", url: page.url });
    return page;
  } catch (error) {
    screen.show("page", { event: "error", what: "no page", detail: error instanceof Error ? error.message : String(error) });
    return undefined;
  }
}

/** What the page says of a part: no more of a URL than its host. */
function factOfPage(fact: Fact): Partial<Facts> {
  switch (fact.part) {
    case "broker":
      return { broker: publicUrl(fact.url) };
    case "node":
      return { node: `${publicUrl(fact.rpc)}, ${fact.about}`, chain: fact.chain };
    case "collector":
      return { collector: fact.address };
    case "fleet":
      return { fleet: fact.registry };
    case "anchor":
      return {};
  }
}

/** A chain that the command line names, which is only opened once the data folder is ours. */
interface NamedChain {
  /** Below the default data folder. */
  readonly folder: string;
  /** What its node is made of, where that is ours. */
  readonly packages: readonly string[];
  /** Whether the fleet's contracts are put on it. */
  readonly ledger: boolean;
  open(options: OpenOptions): Promise<FollowedChain>;
}

interface OpenOptions {
  readonly layout: Layout;
  readonly onEnd: (end: ChildEnd) => void;
  /** Somebody wants all of it to end. */
  readonly told: Promise<unknown>;
  readonly say: (text: string) => void;
}

/** The node of --rpc, which is asked what it is, or one of our own. */
async function chainNamed(options: Words): Promise<NamedChain> {
  const url = rpcUrl(options);
  const named = options.text("chain");
  if (url === undefined) {
    const alone = Object.keys(ATTACHING).find((name) => name !== "rpc" && options.text(name) !== undefined);
    if (alone === "deploy") throw new UsageError("--deploy needs --rpc: on its own node start deploys by itself");
    if (alone !== undefined)
      throw new UsageError(`--${alone} needs --rpc: the chain of our own node begins with its genesis block`);
    const periodS = options.number("period", 1, 60) ?? 1;
    const chain = LOCAL_CHAINS.find((name) => name === (named ?? "clique"));
    if (chain === undefined) throw new UsageError(`--chain takes ${LOCAL_CHAINS.join(" or ")}`);
    return {
      folder: chain === "clique" ? "" : chain,
      packages: nodePackages(chain),
      ledger: chain === "clique",
      async open({ layout, onEnd }) {
        if (existsSync(layout.checkpoint))
          throw new CommandError(
            `${shownPath(layout.checkpoint)}: these motes follow another node's chain: give its --rpc, or another --data`,
          );
        return openLocalChain(chain, { directory: layout.node, periodS, onEnd, pays: options.has("anchor") });
      },
    };
  }
  if (named !== undefined)
    throw new UsageError("--chain is for a node of our own: the one of --rpc says itself which chain it has");
  const words = attachWords(options);
  const node = await AttachedChain.open({ url, ...words });
  return {
    folder: join("attached", node.name),
    packages: [],
    ledger: words.deploy !== undefined,
    async open({ layout, told, say }) {
      if (existsSync(layout.node))
        throw new CommandError(
          `${shownPath(layout.node)}: these motes follow a chain of their own: give no --rpc, or another --data`,
        );
      const begun = existsSync(layout.keys);
      if (begun && node.payer === undefined)
        throw new CommandError(
          `${shownPath(layout.keys)}: this folder's fleet was deployed: give its --deploy, or another --data`,
        );
      if (!begun && node.payer !== undefined && existsSync(layout.board(1)))
        throw new CommandError(
          `${shownPath(layout.board(1))}: these motes are of a fleet without a registry: give another --data`,
        );
      void told.then(() => node.stop());
      await node.settle(layout.checkpoint, say);
      if (!begun && node.payer !== undefined) await refusePoor(node.payer);
      return node;
    },
  };
}

/** What the command line says of a node that is there. */
function attachWords(options: Words): Omit<AttachOptions, "url"> {
  const [checkpoint, genesis] = [options.text("checkpoint"), options.text("genesis")];
  const periodS = options.number("period", 0, PERIOD_S_MAX);
  const epoch = options.number("epoch", 1, HEIGHT_MAX);
  const trustingPeriodS = options.number("trusting-period", 1, TRUSTING_PERIOD_S_MAX);
  const fleet = options.bytes("fleet", ADDRESS_BYTES);
  const deploy = options.text("deploy");
  if (fleet !== undefined && deploy !== undefined)
    throw new UsageError("--fleet names a registry that is there, --deploy makes one: give one of them");
  if ((periodS === undefined) !== (epoch === undefined)) throw new UsageError("--period S and --epoch N go together");
  return {
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(genesis === undefined ? {} : { genesis }),
    ...(trustingPeriodS === undefined ? {} : { trustingPeriodS }),
    ...(periodS === undefined || epoch === undefined ? {} : { clique: { periodS, epoch } }),
    ...(fleet === undefined ? {} : { fleet }),
    ...(deploy === undefined ? {} : { deploy: KeyFile.open(deploy, "--deploy") }),
  };
}

/** A board pins the authority that it believes, and this machine can do its TLS. */
function tlsChecked(broker: ReturnType<typeof brokerNamed>): ReturnType<typeof brokerNamed> {
  if (broker.mqtt === undefined || !/^mqtts:/i.test(broker.mqtt)) return broker;
  if (broker.authority === undefined)
    throw new UsageError("mqtts:// needs --ca FILE (or MQTT_CA): a board pins the certificate that the broker's chain ends in");
  checkTls(new URL(broker.mqtt).hostname);
  return broker;
}

/** An anchor that the collector tells of, its item and its OpenTimestamps proof in files of their own; the event then names them. */
function kept(folder: string, event: SystemEvent): SystemEvent {
  if (event.event !== "anchored") return event;
  const keep = (name: string, hex: unknown): string | undefined => {
    if (typeof hex !== "string") return undefined;
    const file = join(folder, name);
    makeFolder(folder);
    writeWhole(file, Uint8Array.from(Buffer.from(hex, "hex")), "owner");
    return file;
  };
  const timestampFile = keep(`${String(event.root)}.ots`, event.timestamp);
  const file = keep(`${String(event.mote)}-${Number(event.stream)}-${Number(event.seq)}.cbor`, event.item);
  return {
    ...event,
    ...(file === undefined ? {} : { file }),
    ...(timestampFile === undefined ? {} : { timestampFile }),
  };
}

function showFact(fact: Fact, screen: Screen): void {
  const { part, ...fields } = fact;
  const event = { event: part, ...fields };
  if (fact.part === "broker") screen.fact(part, publicUrl(fact.url), { event: part, url: publicUrl(fact.url) });
  else if (fact.part === "node")
    screen.fact(part, `${publicUrl(fact.rpc)}, ${fact.about}`, { ...event, rpc: publicUrl(fact.rpc) });
  else if (fact.part === "anchor") screen.fact(part, `contract ${fact.contract}`, event);
  else screen.fact(part, fact.part === "collector" ? fact.address : `registry ${fact.registry}`, event);
}

interface Ending {
  readonly screen: Screen;
  readonly tally: Tally;
  readonly records: number | undefined;
  readonly exportPath: string;
  readonly output: Output;
}

function summary({ screen, tally, records, exportPath, output }: Ending): number {
  const seconds = screen.elapsedS.toFixed(1);
  const short = records !== undefined && tally.done < records;
  const needs = tally.needsAnchors ? "anchored" : "verified";
  if (short) {
    const why = tally.stored >= records ? `the others are stored, and not ${needs}` : "it was told to end";
    output.error(`chainmote start: ${tally.done} of ${plural(records, "record")} ${needs} after ${seconds} s: ${why}`);
  }
  screen.fact("records", `${shownPath(exportPath)}  ${output.style("dim", `npx chainmote verify ${shownPath(exportPath)}`)}`, {
    event: "exported",
    file: exportPath,
  });
  const from = tally.motes === 1 ? "" : ` of ${plural(tally.motes, "mote")}`;
  const peak = tally.enginePeak;
  if (peak !== undefined)
    screen.say(
      `engine peak ${count(peak.heapPeakBytes)} of ${count(peak.memoryBytes)} bytes, ${plural(peak.collections, "collection")}`,
    );
  screen.say(
    `${plural(tally.done, "record")}${from} stored${tally.anchored > 0 ? ", anchored" : ""} and verified in ${seconds} s`,
  );
  screen.summary({
    event: "summary",
    ok: !short,
    stored: tally.stored,
    verified: tally.done,
    ...(tally.anchored > 0 ? { anchored: tally.anchored } : {}),
    motes: tally.motes,
    ...(peak === undefined ? {} : { heapPeakBytes: peak.heapPeakBytes, collections: peak.collections }),
    seconds: Number(seconds),
  });
  return short ? 1 : 0;
}

/** Resolves where enough records are stored and nothing has moved for `stallMs`. */
async function stalled(tally: Tally, records: number, stallMs: number, over: AbortSignal): Promise<void> {
  while (!over.aborted && (tally.stored < records || tally.stillMs < stallMs)) await pause(1000, over);
}
