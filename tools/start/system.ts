// The whole system: a node of a chain and a broker, of our own on loopback or others that run already; a time server, a relay, a
// collector and simulated boards.
//
// Promises: the parts come up in the order in which they need each other; a child that ends by itself is started again,
// and that is told; `stop` ends all of them, boards first, so that nothing is on its way any more, and leaves no process.
// Never: listens beyond 127.0.0.1, lets a second system into the same folder, or has a URL in a command line: it may hold a key.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fromHex, toHex } from "../../firmware/bytes.js";
import type { GuestEngine } from "../../host-sim/engine/engines.js";
import { BITCOIN_ON_NODE, LEDGER_ON_NODE } from "../../host-sim/engine/node.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import type { Fleet } from "../collector/intake.js";
import { Account } from "../contracts/account.js";
import { openRegistry } from "../contracts/registry.js";
import { engine } from "../crypto/engine.js";
import { KeyFile } from "../crypto/key-file.js";
import { makeFolder, writeWhole } from "../files.js";
import type { Authority } from "../mqtt/authority.js";
import { LocalBroker } from "../mqtt/broker.js";
import { BrokerLink } from "../mqtt/link.js";
import { eachLine } from "../processes/bounded-log.js";
import { type ChildEnd, type Running, runningChild, Supervisor } from "../processes/supervisor.js";
import { publicUrl } from "../public-url.js";
import { type Placing, Registrar } from "../registrar/registrar.js";
import { Relay } from "../relay/relay.js";
import { isBitcoin } from "../rpc/chain.js";
import { CommandError } from "../terminal.js";
import { boardSettings, type NamedApplication } from "./application.js";
import { type BoardSettings, writeBoardFile } from "./board-file.js";
import { runningBoard } from "./board-run.js";
import { beginAnchor, beginRegistry, type Contracts, type FleetKeys, fleetKeys } from "./contracts.js";
import type { FollowedChain, Payer } from "./followed-chain.js";
import { COMMAND, type Layout, TIED } from "./project.js";
import type { SystemEvent } from "./screen.js";

const COLLECTOR_READY_MS = 120_000;
/** The collector commits and writes its export when it is told to end. */
const COLLECTOR_GRACE_MS = 60_000;
const LINE_BYTES_MAX = 16_384;
/** As what the motes of this machine are enrolled. */
const BOARD_PLACING: Placing = { role: 1, policyId: 0, firmwareId: 0 };

export interface SystemOptions {
  readonly layout: Layout;
  /** Opens what the boards follow: a node of our own, which begins to start, or one that is there. */
  readonly openChain: (onEnd: (end: ChildEnd) => void) => Promise<FollowedChain>;
  readonly boards: number;
  /** Milliseconds between samples; the application's own where absent. */
  readonly sampleMs?: number;
  /** What the boards run in place of the standard mote. */
  readonly application?: NamedApplication;
  /** The reference in place of the fast engine, for boards whose firmware runs on Node. */
  readonly crypto?: "noble";
  /** Where the boards' firmware runs; on Node where absent. */
  readonly engine?: GuestEngine;
  /** Of another broker; a broker of our own where absent. */
  readonly mqtt?: string;
  /** Vouches for a broker of mqtts://. */
  readonly authority?: Authority;
  readonly prefix: string;
  /** Where the collector writes the records when it ends. */
  readonly exportPath: string;
  /** Whether the boards run the standard mote with the ledger: they ask for their place in the fleet's registry. */
  readonly ledger?: boolean;
  /** How often the collector anchors, in seconds, and the boards wait for it; where absent, nothing is anchored. */
  readonly anchorIntervalS?: number;
  /** How many new records the collector may store; asked at each of its starts. */
  readonly recordsMax?: () => number;
  /** Told of what the boards run on, once all of that is there and before the first of them starts. */
  readonly onStage?: (stage: Stage) => void;
  readonly onEvent: (source: string, event: SystemEvent) => void;
}

/** What the boards run on, and what may be done to it while they run: for a page that shows what the design makes of a fault. */
export interface Stage {
  /** CAIP-2. */
  readonly chain: string;
  /** As a mote's configuration has it. */
  readonly checkpoint: object;
  readonly mqtt: string;
  /** PEM that the broker's chain has to end in, for mqtts://. */
  readonly ca?: string;
  readonly prefix: string;
  readonly boards: number;
  /** Whether the fleet's registry is a contract on the chain. */
  readonly hasRegistry: boolean;
  readonly anchors: boolean;
  /** Folder of a board: its flash and its key-value store. */
  folder(board: number): string;
  /** Pulls the plug of a board in mid-instruction, and leaves it out; resolves once it is dark. */
  cutPower(board: number): Promise<void>;
  powerOn(board: number): void;
  /** Ends the broker, with all that it retains; it is there again, on the same port, once what this resolves to was called. Absent where it is not ours. */
  readonly pullBroker?: () => Promise<() => Promise<void>>;
  /** Runs a copy of a board, from a folder, in another's laboratory: on that broker, with a relay of its own. Its events come to `onEvent`. */
  readonly runCopy?: (directory: string, broker: LocalBroker, onEvent: (event: SystemEvent) => void) => () => Promise<void>;
}

/** What a person wants to know of a part that has come up. */
export type Fact =
  | { readonly part: "broker"; readonly url: string }
  | { readonly part: "node"; readonly rpc: string; readonly chain: string; readonly about: string }
  | { readonly part: "collector"; readonly address: string }
  | { readonly part: "anchor"; readonly contract: string }
  | { readonly part: "fleet"; readonly registry: string; readonly chain: string };

export class System {
  readonly #options: SystemOptions;
  /** What has to be ended, in the order of the beginning. */
  readonly #ends: (() => Promise<void>)[] = [];
  readonly #boards = new Map<number, Supervisor>();
  /** Ours. */
  #localBroker: LocalBroker | undefined;
  /** Addresses of this system's own boards, in hexadecimal. */
  readonly #motes = new Set<string>();
  #registrar: Registrar | undefined;
  #collector: Supervisor | undefined;
  #collectorReady: (() => void) | undefined;
  #collectorFailed: ((error: Error) => void) | undefined;
  #starting: Promise<void> | undefined;
  #stopping = false;
  /** Nobody waits for transactions any more. */
  readonly #over = new AbortController();

  constructor(options: SystemOptions) {
    this.#options = options;
  }

  /** Brings everything up; throws where a part does not come up. Whatever happens, `stop` ends what was begun. */
  async start(onFact: (fact: Fact) => void): Promise<void> {
    this.#starting = this.#start(onFact);
    await this.#starting;
  }

  async #start(onFact: (fact: Fact) => void): Promise<void> {
    const { layout, openChain, authority, prefix, boards, sampleMs, crypto, application } = this.#options;
    const node = await openChain((end) => this.#ended("node", end));
    await this.#begun(() => node.stop());
    const sntp = await SntpServer.start();
    await this.#begun(() => sntp.close());
    const mqtt = await this.#broker();
    onFact({ part: "broker", url: mqtt });
    const key = KeyFile.openOrCreate(join(layout.collector, "collector.key"));
    const keys = node.payer === undefined ? undefined : fleetKeys(layout.keys);
    const fleet = { registry: node.registry((keys?.admin ?? key).address), chain: node.chain };
    const contracts = await this.#contracts(node, key.address);
    const anchorsOnBitcoin = this.#anchorsOnBitcoin(node);
    if (contracts !== undefined) onFact({ part: "anchor", contract: `0x${toHex(contracts.anchor)}` });
    const collecting = this.#startCollector(node, mqtt, fleet, contracts).then(() =>
      onFact({ part: "collector", address: `0x${toHex(key.address)}` }),
    );
    const sealing = node.ready().then(() => onFact({ part: "node", rpc: node.url, chain: node.chain, about: node.about }));
    await Promise.all([sealing, collecting]);
    const relay = new Relay({
      rpc: () => node.url,
      mqtt,
      ...(authority === undefined ? {} : { ca: authority.pem }),
      prefix,
      chain: node.chain,
      onEvent: (event) => this.#options.onEvent("relay", event),
    });
    await this.#begun(() => relay.close());
    onFact({ part: "fleet", registry: `0x${toHex(fleet.registry)}`, chain: fleet.chain });
    const checkpoint = await node.checkpoint();
    if (contracts !== undefined || anchorsOnBitcoin) {
      makeFolder(layout.anchored);
      writeWhole(join(layout.anchored, "checkpoint.json"), `${JSON.stringify(checkpoint, null, 2)}\n`, "owner");
    }
    if (this.#stopping) return;
    if (node.payer !== undefined && keys !== undefined) await this.#beginFleet(node.payer, keys, fleet, mqtt);
    const settings = {
      ...{ checkpoint, fleet, collector: key.address, mqtt, prefix, sntp: sntp.endpoint },
      ...(sampleMs === undefined ? {} : { sampleMs }),
      ...(application === undefined ? {} : boardSettings(application)),
      ...(crypto === undefined ? {} : { crypto }),
      ...(contracts === undefined ? {} : { anchor: contracts.anchor }),
      ...(anchorsOnBitcoin ? { anchorsOnBitcoin } : {}),
      ...(keys === undefined || this.#options.ledger !== true
        ? {}
        : { enroller: keys.enroller.address, recovery: keys.recovery.address }),
      ...(authority === undefined ? {} : { ca: authority.der }),
    };
    this.#options.onStage?.(this.#stage(node, settings));
    for (let number = 1; number <= boards; number += 1) this.#startBoard(number, settings);
  }

  #stage(node: FollowedChain, settings: BoardSettings): Stage {
    const { authority, prefix, boards, layout, ledger, anchorIntervalS } = this.#options;
    return {
      ...{ chain: node.chain, checkpoint: settings.checkpoint, mqtt: settings.mqtt, prefix, boards },
      ...(authority === undefined ? {} : { ca: authority.pem }),
      hasRegistry: node.payer !== undefined && ledger === true,
      anchors: anchorIntervalS !== undefined,
      folder: (board) => layout.board(board),
      cutPower: async (board) => {
        const supervisor = this.#boards.get(board);
        if (supervisor?.pid !== undefined) process.kill(supervisor.pid, "SIGKILL");
        await supervisor?.stop();
        this.#boards.delete(board);
      },
      powerOn: (board) => {
        if (!this.#stopping && !this.#boards.has(board)) this.#startBoard(board, settings);
      },
      ...(this.#localBroker === undefined ? {} : { pullBroker: () => this.#pullBroker() }),
      ...(this.#options.engine === undefined
        ? { runCopy: (directory, broker, onEvent) => this.#runCopy(node, settings, directory, broker, onEvent) }
        : {}),
    };
  }

  async #pullBroker(): Promise<() => Promise<void>> {
    const broker = this.#localBroker;
    const port = broker?.port;
    this.#localBroker = undefined;
    await broker?.close();
    return async () => {
      if (!this.#stopping) this.#localBroker = await LocalBroker.start(port);
    };
  }

  #runCopy(
    node: FollowedChain,
    settings: BoardSettings,
    directory: string,
    broker: LocalBroker,
    onEvent: (event: SystemEvent) => void,
  ): () => Promise<void> {
    writeBoardFile(directory, { ...settings, mqtt: broker.url });
    const { prefix } = this.#options;
    const relay = new Relay({ rpc: () => node.url, mqtt: broker.url, prefix, chain: node.chain, onEvent: () => undefined });
    const firmware = this.#firmware(settings);
    const copy = runningBoard({
      ...{ directory, source: "copy", onEnd: () => undefined },
      ...(firmware === undefined ? {} : { firmware }),
      onEvent: (_, event) => onEvent(event),
    });
    return async () => {
      await copy.stop();
      await relay.close();
    };
  }

  /** Whether roots are anchored by the node's wallet, without a contract. */
  #anchorsOnBitcoin(node: FollowedChain): boolean {
    return this.#options.anchorIntervalS !== undefined && isBitcoin(node.chain);
  }

  /** Those that are needed, on the chain. */
  async #contracts(node: FollowedChain, collector: Uint8Array): Promise<Contracts | undefined> {
    if (this.#options.anchorIntervalS === undefined || this.#anchorsOnBitcoin(node)) return undefined;
    const { payer } = node;
    if (payer === undefined)
      throw new CommandError(`anchors need a chain with contracts and who pays for them, not ${node.chain}`);
    await node.ready();
    if (this.#stopping) throw new CommandError("told to end while it started");
    return beginAnchor({ file: this.#options.layout.contracts, payer, collector });
  }

  /** Ends everything, boards first; also what is only about to come up. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#over.abort();
    await Promise.all([...this.#boards.values()].map((board) => board.stop()));
    await this.#collector?.stop(COLLECTOR_GRACE_MS);
    this.#collectorFailed?.(new CommandError("told to end while it started"));
    for (const end of this.#ends.splice(0).reverse()) await end();
    await this.#starting?.catch(() => undefined); // whoever called `start` knows why
    for (const end of this.#ends.splice(0).reverse()) await end();
  }

  /** Notes how to end a part that has just begun; ends it at once where the system is being stopped. */
  async #begun(end: () => Promise<void>): Promise<void> {
    this.#ends.push(end);
    if (this.#stopping) throw new CommandError("told to end while it started");
  }

  #ended(source: string, end: ChildEnd): void {
    const how = end.signal ?? `exit code ${end.code}`;
    this.#options.onEvent(source, { event: "ended", how, restartMs: end.restartMs });
  }

  /** Puts the registry on the node while the boards start already: its address is known, and motes ask until it is there. */
  async #beginFleet(payer: Payer, keys: FleetKeys, fleet: Fleet, mqtt: string): Promise<void> {
    const { authority, prefix, onEvent } = this.#options;
    const { rpc } = payer.account;
    const admin = new Account(rpc, keys.admin, this.#over.signal);
    const ready = beginRegistry(payer, admin, keys, fleet.registry);
    ready.then(
      () =>
        onEvent("registrar", {
          event: "registry",
          address: `0x${toHex(fleet.registry)}`,
          admin: `0x${toHex(keys.admin.address)}`,
          commander: `0x${toHex(keys.commander.address)}`,
          commanderKey: join(this.#options.layout.keys, "commander.key"),
        }),
      (error: Error) => this.#stopping || onEvent("registrar", { event: "error", what: "the registry", detail: error.message }),
    );
    const registrar = new Registrar({
      ...{ engine, mqtt, prefix, fleet, ready },
      ...(authority === undefined ? {} : { ca: authority.pem }),
      registry: openRegistry(rpc, fleet.registry),
      account: new Account(rpc, keys.enroller, this.#over.signal),
      admits: (mote) => (this.#motes.has(toHex(mote)) ? BOARD_PLACING : undefined),
      onEvent: (event) => onEvent("registrar", event),
    });
    this.#registrar = registrar;
    await this.#begun(() => registrar.close());
  }

  /** A board says its address when it starts: it is one of ours, which the enroller brings in. */
  #boardSays(source: string, event: SystemEvent): void {
    if (event.event === "key" && typeof event.address === "string") {
      const mote = event.address.slice(2).toLowerCase();
      this.#motes.add(mote);
      const address = fromHex(mote);
      if (address instanceof Uint8Array) this.#registrar?.watch(address);
    }
    this.#options.onEvent(source, event);
  }

  async #broker(): Promise<string> {
    const { mqtt, authority } = this.#options;
    if (mqtt !== undefined) {
      await reached(mqtt, authority?.pem);
      return mqtt;
    }
    const broker = await LocalBroker.start();
    this.#localBroker = broker;
    await this.#begun(async () => this.#localBroker?.close());
    return broker.url;
  }

  /** Resolves once the collector is connected to the broker. */
  #startCollector(node: FollowedChain, mqtt: string, fleet: Fleet, contracts: Contracts | undefined): Promise<void> {
    const { layout, authority, prefix, exportPath, recordsMax, anchorIntervalS } = this.#options;
    makeFolder(layout.collector);
    let lastWords = "";
    const launch = (): Running => {
      const words = ["--chain", node.chain, "--data", layout.collector, "--export-at-end", exportPath, "--json"];
      words.push("--fleet", `0x${toHex(fleet.registry)}@${fleet.chain}`);
      if (node.payer !== undefined) words.push("--reporter", join(layout.keys, "reporter.key"));
      if (prefix !== "") words.push("--prefix", prefix);
      if (contracts !== undefined) words.push("--anchor", `0x${toHex(contracts.anchor)}`);
      if (this.#anchorsOnBitcoin(node)) words.push("--anchor", "bitcoin");
      if (anchorIntervalS !== undefined) words.push("--anchor-interval", String(anchorIntervalS));
      if (node.settledDepth !== undefined && contracts !== undefined) words.push("--settled-depth", String(node.settledDepth));
      if (recordsMax !== undefined) words.push("--records-max", String(Math.max(1, recordsMax())));
      const child = spawn(process.execPath, ["--import", TIED, COMMAND, "collect", ...words], {
        stdio: ["ignore", "pipe", "pipe", "ipc"],
        // The URLs may hold a password or a key, which a command line would show to everyone.
        env: { ...process.env, RPC_URL: node.url, MQTT_URL: mqtt, MQTT_CA: authority?.path ?? "" },
        detached: true,
      });
      this.#readEvents(child, (text) => {
        lastWords = text;
      });
      return runningChild(child);
    };
    const supervisor = new Supervisor("collector", launch, (end) => {
      if (lastWords !== "")
        this.#collectorFailed?.(new CommandError(lastWords.replace(/^chainmote collect: /, "the collector: ")));
      this.#ended("collector", end);
    });
    this.#collector = supervisor;
    supervisor.start();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new CommandError("the collector does not come up")), COLLECTOR_READY_MS);
      this.#collectorFailed = (error) => {
        clearTimeout(timer);
        this.#collectorFailed = undefined;
        reject(error);
      };
      this.#collectorReady = () => {
        clearTimeout(timer);
        this.#collectorFailed = undefined;
        resolve();
      };
    });
  }

  #readEvents(child: ChildProcess, onWords: (text: string) => void): void {
    if (child.stdout !== null)
      eachLine(
        child.stdout,
        (line) => {
          const event = parseEvent(line);
          if (event?.event === "connected") this.#collectorReady?.();
          this.#options.onEvent("collector", event ?? { event: "text", text: line });
        },
        LINE_BYTES_MAX,
      );
    if (child.stderr !== null)
      eachLine(child.stderr, (text) => {
        onWords(text);
        this.#options.onEvent("collector", { event: "text", text, amiss: true });
      });
  }

  #startBoard(number: number, settings: BoardSettings): void {
    const { engine: guest } = this.#options;
    const directory = this.#options.layout.board(number);
    const source = `mote ${number}`;
    const firmware = this.#firmware(settings);
    writeBoardFile(directory, settings);
    this.#boards.set(
      number,
      runningBoard({
        ...{ directory, source },
        ...(guest === undefined ? {} : { engine: guest }),
        ...(firmware === undefined ? {} : { firmware }),
        onEvent: (from, event) => this.#boardSays(from, event),
        onEnd: (name, end) => this.#ended(name, end),
      }),
    );
  }

  /** What the boards run on Node; the standard mote where undefined. */
  #firmware(settings: BoardSettings): string | undefined {
    const { application, ledger } = this.#options;
    if (application !== undefined) return application.main;
    if (ledger === true) return LEDGER_ON_NODE;
    return settings.anchorsOnBitcoin === true ? BITCOIN_ON_NODE : undefined;
  }
}

/** Throws where a broker that was named cannot be used: nothing else would come up without it. */
async function reached(url: string, ca: string | undefined): Promise<void> {
  let end: (reason: string | undefined) => void = () => undefined;
  const told = new Promise<string | undefined>((resolve) => {
    end = resolve;
  });
  const link = new BrokerLink({
    ...(ca === undefined ? {} : { ca }),
    ...{ url, role: "start", subscriptions: [], onMessage: () => undefined, onFault: () => undefined },
    onConnected: () => end(undefined),
    onLost: (reason) => end(reason),
  });
  const reason = await told;
  await link.close();
  if (reason !== undefined) throw new CommandError(`the broker ${publicUrl(url)}: ${reason}`);
}

function parseEvent(line: string): SystemEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && "event" in value && typeof value.event === "string")
      return value as SystemEvent;
  } catch {
    return undefined; // a line of text
  }
  return undefined;
}
