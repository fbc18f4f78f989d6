// Faults on purpose: what the page's buttons do to the running system, and what is then seen of what the design makes of it.
//
// Promises: one fault at a time; each says beforehand what it does and what to expect, and afterwards what was seen: steps are what parts of the system have said, never
// what they should have; each ends, and puts back what it took away, also where what it waits for does not come. Never: does what somebody with that board, that broker or that
// network could not do: it has the plug, the flash and the cable, and no key.

import { cpSync, rmSync } from "node:fs";
import { RLP } from "@ethereumjs/rlp";
import { topicsOf } from "../../firmware/bus/topics.js";
import { equal, fromHex } from "../../firmware/bytes.js";
import { openChain } from "../../firmware/chain/checkpoint.js";
import type { Consensus } from "../../firmware/chain/consensus.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { LocalBroker } from "../mqtt/broker.js";
import { BrokerLink } from "../mqtt/link.js";
import { pause } from "../processes/backoff.js";
import { isBitcoin } from "../rpc/chain.js";
import type { SystemEvent } from "../start/screen.js";
import type { Stage } from "../start/system.js";
import { count, plainText, plural } from "../terminal.js";
import { RUNS_MAX, STEPS_PER_RUN_MAX, TEXT_CHARACTERS_MAX } from "./bounds.js";
import { Refused } from "./server.js";

/** How long what a fault waits for may take: a bound against hanging. */
const WAIT_MS_MAX = 120_000;
const DARK_MS = 4000;
const BROKER_AWAY_MS = 8000;
const LIES = 4;
const LIE_EVERY_MS = 1000;
/** Records between the copy of a flash and its return. */
const RECORDS_BETWEEN = 3;
/** Records that a copy of a board signs. */
const COPY_RECORDS = 3;

type FaultName = "cut-power" | "pull-broker" | "relay-lies" | "clone-board" | "restore-flash";

interface Fault {
  readonly name: FaultName;
  readonly title: string;
  /** What it does, and what the design makes of it. */
  readonly does: string;
  readonly expect: string;
  readonly ofBoard: boolean;
  /** Has to be confirmed: what cannot be undone. */
  readonly warning?: string;
  /** Why it cannot be done here. */
  readonly unavailable?: string;
}

interface Run {
  readonly id: number;
  readonly name: FaultName;
  readonly board: number;
  readonly atMs: number;
  state: "running" | "done" | "failed";
  readonly steps: { readonly atMs: number; readonly text: string }[];
}

type Said = { readonly source: string } & SystemEvent;
type Matches = (said: Said) => boolean;

export class Faults {
  readonly #stage: Stage;
  readonly #onChange: () => void;
  readonly #onPower: (board: number, power: "dark" | "starting") => void;
  readonly #scratch: (name: string) => string;
  readonly #consensus: Consensus;
  readonly #runs: Run[] = [];
  readonly #over = new AbortController();
  /** Those that wait for an event. */
  readonly #listeners = new Set<(said: Said) => void>();
  /** The newest header on the chain's topic that is no lie. */
  #head: Uint8Array | undefined;
  #lie: Uint8Array | undefined;
  #running: Promise<void> | undefined;
  #ids = 0;

  /**
   * @param onPower a board's plug was pulled, or put in
   * @param scratch a folder of that name for copies of flash
   */
  constructor(options: {
    readonly stage: Stage;
    readonly scratch: (name: string) => string;
    readonly onChange: () => void;
    readonly onPower: (board: number, power: "dark" | "starting") => void;
  }) {
    this.#stage = options.stage;
    this.#onChange = options.onChange;
    this.#onPower = options.onPower;
    this.#scratch = options.scratch;
    const consensus = openChain(engine, options.stage.checkpoint);
    if (consensus instanceof Rejection) throw new Error(`a checkpoint that the boards would refuse: ${consensus.detail}`);
    this.#consensus = consensus;
  }

  /** For the page. */
  get shown(): object {
    return { list: this.#list(), runs: this.#runs, busy: this.#running !== undefined };
  }

  /** An event of a part of the system. */
  take(source: string, event: SystemEvent): void {
    for (const listener of [...this.#listeners]) listener({ source, ...event });
  }

  /** What the relay has retained as the chain's head. */
  announced(raw: Uint8Array): void {
    if (this.#lie === undefined || !equal(raw, this.#lie)) this.#head = raw;
  }

  /** Begins one. @throws Refused where that cannot be */
  press(name: string, board: number): void {
    const fault = this.#list().find((one) => one.name === name);
    if (fault === undefined) throw new Refused(404, "no such button");
    if (fault.unavailable !== undefined) throw new Refused(409, fault.unavailable);
    if (fault.ofBoard && board > this.#stage.boards) throw new Refused(404, "no such board");
    if (this.#running !== undefined)
      throw new Refused(409, "another fault is under way: one at a time, so that one sees what comes of which");
    this.#ids += 1;
    const run: Run = {
      id: this.#ids,
      name: fault.name,
      board: fault.ofBoard ? board : 0,
      atMs: Date.now(),
      state: "running",
      steps: [],
    };
    this.#runs.push(run);
    if (this.#runs.length > RUNS_MAX) this.#runs.shift();
    this.#running = this.#run(run).finally(() => {
      this.#running = undefined;
      this.#onChange();
    });
    this.#onChange();
  }

  /** Ends what is under way, and puts back what it took away. */
  async close(): Promise<void> {
    this.#over.abort();
    await this.#running;
  }

  #list(): readonly Fault[] {
    const { pullBroker, runCopy, hasRegistry } = this.#stage;
    return [
      {
        ...{ name: "cut-power", title: "Cut power", ofBoard: true },
        does: `Pulls a board's plug in mid-instruction, and puts it back after ${DARK_MS / 1000} s.`,
        expect:
          "It starts as after any loss of power: same key, same chain of records, no number used twice; the samples that it missed stay missing, and show as a gap.",
      },
      {
        ...{ name: "pull-broker", title: "Pull the broker", ofBoard: false },
        does: `Ends the MQTT broker with all that it retains, for ${BROKER_AWAY_MS / 1000} s.`,
        expect:
          "The boards go on measuring and signing into their journals. Once the broker is back they send what waits, in order, and the collector has all of it.",
        ...(pullBroker === undefined ? { unavailable: "The broker is your own (--mqtt): pull it yourself, and watch." } : {}),
      },
      {
        ...{ name: "relay-lies", title: "Make a relay lie", ofBoard: false },
        does: `Announces ${LIES} headers that nobody has sealed, as the chain's newest.`,
        expect:
          "Each board checks the header itself and refuses it; the honest relay's next head stands in its place. Records go on naming blocks of the true chain.",
      },
      {
        ...{ name: "clone-board", title: "Clone a board", ofBoard: true },
        does: `Copies a board's flash, key and all, and lets the copy sign ${COPY_RECORDS} records somewhere else; these then come to the collector.`,
        expect: hasRegistry
          ? "Two payloads under one number are evidence that anybody can check. The collector reports it, the contract quarantines the key, and the board itself sees that by proof and measures no more."
          : "Two payloads under one number are evidence that anybody can check, and the collector keeps it. There is no registry here that would quarantine the key.",
        ...(hasRegistry
          ? {
              warning:
                "This ends that board's key for ever: the registry takes nobody out of quarantine. Another --data begins anew.",
            }
          : {}),
        ...(runCopy === undefined
          ? { unavailable: "Copies run on Node alone, and these boards run on XS: start without --engine." }
          : {}),
      },
      {
        ...{ name: "restore-flash", title: "Restore an old flash", ofBoard: true },
        does: `Copies a board's flash, waits until it has ${RECORDS_BETWEEN} records more, and writes the old copy back.`,
        expect:
          "Before its first signature the board asks for its own newest record, which the collector retains, and goes on behind it: no number is used twice.",
      },
    ];
  }

  async #run(run: Run): Promise<void> {
    try {
      const work: Readonly<Record<FaultName, (run: Run) => Promise<void>>> = {
        "cut-power": (one) => this.#cutPower(one),
        "pull-broker": (one) => this.#pullBroker(one),
        "relay-lies": (one) => this.#relayLies(one),
        "clone-board": (one) => this.#cloneBoard(one),
        "restore-flash": (one) => this.#restoreFlash(one),
      };
      await work[run.name](run);
      run.state = "done";
    } catch (error) {
      run.state = "failed";
      this.#step(run, error instanceof Error ? error.message : String(error));
    }
  }

  #step(run: Run, text: string): void {
    if (run.steps.length < STEPS_PER_RUN_MAX) run.steps.push({ atMs: Date.now(), text: plainText(text, TEXT_CHARACTERS_MAX) });
    this.#onChange();
  }

  /** Resolves with the first event from now on that matches. */
  #heard(what: string, matches: Matches): Promise<Said> {
    return new Promise((resolve, reject) => {
      const end = (work: () => void): void => {
        clearTimeout(timer);
        this.#listeners.delete(listener);
        this.#over.signal.removeEventListener("abort", abort);
        work();
      };
      const listener = (said: Said): void => {
        if (matches(said)) end(() => resolve(said));
      };
      const abort = (): void => end(() => reject(new Error("told to end")));
      const timer = setTimeout(
        () => end(() => reject(new Error(`${what}: not seen within ${WAIT_MS_MAX / 1000} s`))),
        WAIT_MS_MAX,
      );
      timer.unref();
      this.#listeners.add(listener);
      this.#over.signal.addEventListener("abort", abort);
      if (this.#over.signal.aborted) abort();
    });
  }

  /** Tells each event that matches, until what this answers is called. */
  #each(matches: Matches, take: (said: Said) => void): () => void {
    const listener = (said: Said): void => {
      if (matches(said)) take(said);
    };
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async #dark(run: Run, words: string): Promise<void> {
    await this.#stage.cutPower(run.board);
    this.#onPower(run.board, "dark");
    this.#step(run, words);
  }

  #light(board: number): void {
    if (this.#over.signal.aborted) return; // all of it ends
    this.#onPower(board, "starting");
    this.#stage.powerOn(board);
  }

  /** The board boots, signs, and the collector verifies what it signed. Resolves once it does; the power goes on in between. */
  async #comesBack(run: Run, words: string): Promise<Said> {
    const source = `mote ${run.board}`;
    const booted = this.#heard(`${source} boots`, of(source, "boot"));
    const signed = this.#heard(`${source} signs`, (said) => of(source, "record")(said));
    const verified = this.#verifiedOf(signed);
    // What is not waited for any more, because something before it failed, is no fault of its own.
    for (const waited of [booted, signed, verified]) waited.catch(() => undefined);
    this.#light(run.board);
    this.#step(run, words);
    const boot = await booted;
    this.#step(
      run,
      `${source}: boot ${Number(boot.boot)}; by what it finds in its flash, seq ${Number(boot.nextSeq)} of stream ${Number(boot.stream)} is next.`,
    );
    const record = await signed;
    this.#step(
      run,
      `${source}: signed seq ${Number(record.seq)} of stream ${Number(record.stream)}, after block #${Number(record.head)}.`,
    );
    await verified;
    this.#step(run, `Collector: seq ${Number(record.seq)} holds: signature, chain, head.`);
    return record;
  }

  async #verifiedOf(signed: Promise<Said>): Promise<void> {
    const seen = new Set<string>();
    const forget = this.#each(of("collector", "verified"), ({ digest }) => seen.add(String(digest)));
    try {
      const { digest } = await signed;
      while (!seen.has(String(digest))) await this.#heard("the collector verifies that record", of("collector", "verified"));
    } finally {
      forget();
    }
  }

  async #cutPower(run: Run): Promise<void> {
    await this.#dark(run, `mote ${run.board}: no power.`);
    await this.#pause(DARK_MS);
    await this.#comesBack(run, "Its plug is in again.");
    this.#step(
      run,
      "The collector has linked it to the record before: same key, same chain. What was not measured meanwhile is a gap in the plot.",
    );
  }

  async #pullBroker(run: Run): Promise<void> {
    const made = new Set<string>();
    const stored = new Set<string>();
    const forget = [
      this.#each(
        ({ source, event }) => /^mote \d+$/.test(source) && event === "record",
        ({ digest }) => made.add(String(digest)),
      ),
      this.#each(of("collector", "stored"), ({ digest }) => stored.add(String(digest))),
    ];
    const plug = await this.#stage.pullBroker?.();
    try {
      this.#step(run, "The broker is gone, and with it all that it retained.");
      try {
        await this.#pause(BROKER_AWAY_MS);
      } finally {
        const waiting = [...made];
        await plug?.();
        this.#step(
          run,
          `The broker is back, and remembers nothing. Meanwhile the boards have signed ${plural(waiting.length, "record")} and kept them.`,
        );
      }
      const waiting = [...made];
      while (waiting.some((digest) => !stored.has(digest)))
        await this.#heard("the records that waited are stored", of("collector", "stored"));
      this.#step(run, `Collector: all ${count(waiting.length)} of them are stored.`);
    } finally {
      for (const end of forget) end();
    }
  }

  async #relayLies(run: Run): Promise<void> {
    const { mqtt, ca, prefix, chain } = this.#stage;
    const { head } = topicsOf(prefix, new Uint8Array(20), chain);
    let refusals = 0;
    const forget = [
      this.#each(
        ({ source, event }) => /^mote \d+$/.test(source) && event === "refused",
        ({ source, detail, code }) => {
          refusals += 1;
          if (refusals <= LIES * 2) this.#step(run, `${source} refuses it: ${String(detail)} (${String(code)}).`);
        },
      ),
      this.#each(of("relay", "put-back"), ({ number }) => this.#step(run, `The honest relay puts #${Number(number)} back.`)),
    ];
    const link = new BrokerLink({
      ...{ url: mqtt, role: "liar", subscriptions: [], onMessage: () => undefined, onFault: () => undefined },
      ...(ca === undefined ? {} : { ca }),
    });
    try {
      const refused = this.#heard("a board refuses it", ({ source, event }) => /^mote \d+$/.test(source) && event === "refused");
      refused.catch(() => undefined);
      for (let lie = 0; lie < LIES; lie += 1) {
        await this.#pause(LIE_EVERY_MS);
        if (this.#head === undefined) throw new Error("no head was announced yet: there is nothing to lie about");
        this.#lie = forged(this.#consensus, this.#head);
        if (await link.publish(head, this.#lie, { qos: 1, retain: true }))
          this.#step(run, "A liar announces the block after the newest one, which nobody has sealed.");
      }
      await refused;
      const { source, number } = await this.#heard(
        "a board verifies the next true head",
        ({ source: from, event }) => /^mote \d+$/.test(from) && event === "head",
      );
      this.#step(run, `${source}: head #${Number(number)} verified. Nobody follows the lie, and the true chain goes on.`);
      const { seq } = await this.#heard("a record is verified", of("collector", "verified"));
      this.#step(run, `Collector: seq ${Number(seq)} holds, and its head is on the node's chain.`);
    } finally {
      for (const end of forget) end();
      await link.close();
    }
  }

  async #restoreFlash(run: Run): Promise<void> {
    const { board } = run;
    const source = `mote ${board}`;
    const copy = this.#scratch("old-flash");
    const folder = this.#stage.folder(board);
    try {
      await this.#dark(run, `${source}: no power, for a moment. Its flash is copied.`);
      copyFlash(folder, copy);
      const signed = await this.#comesBack(run, "Its plug is in again.");
      let last: Said | undefined;
      for (let records = 0; records < RECORDS_BETWEEN; records += 1)
        last = await this.#heard(`${source}'s records are stored`, of(source, "stored"));
      await this.#dark(
        run,
        `${source}: stored up to seq ${Number(last?.seq)}; no power again. The old copy is written back: it knows nothing of those records.`,
      );
      copyFlash(copy, folder);
      let evidence = 0;
      const forget = this.#each(of("collector", "evidence"), () => {
        evidence += 1;
      });
      const { seq, stream } = await this.#comesBack(run, "Its plug is in again.").finally(forget);
      const before = Number(last?.seq);
      if (evidence > 0 || (stream === signed.stream && Number(seq) <= before))
        throw new Error(
          `It signed seq ${Number(seq)} of stream ${Number(stream)}: a number was used twice, which should not be.`,
        );
      this.#step(
        run,
        `Used before: up to seq ${before}. It went on at seq ${Number(seq)} of stream ${Number(stream)}: no number was used twice, and the collector has found no evidence.`,
      );
    } finally {
      this.#light(board); // nothing where it is on
      rmSync(copy, { recursive: true, force: true });
    }
  }

  async #cloneBoard(run: Run): Promise<void> {
    const { board } = run;
    const { runCopy, prefix, mqtt, ca, hasRegistry } = this.#stage;
    const source = `mote ${board}`;
    const copy = this.#scratch("clone");
    const broker = await LocalBroker.start();
    const records = new Map<string, Uint8Array>();
    await broker.subscribe(
      `${prefix}motes/+/records`,
      (topic, message) => void (records.size < 64 && records.set(`${topic} ${Buffer.from(message).toString("base64")}`, message)),
    );
    const evidence = this.#heard("the collector finds evidence", of("collector", "evidence"));
    evidence.catch(() => undefined);
    let topic = "";
    let stop: (() => Promise<void>) | undefined;
    let link: BrokerLink | undefined;
    try {
      await this.#dark(run, `${source}: no power, for a moment. A thief copies its flash, with its key in it.`);
      cpSync(this.#stage.folder(board), copy, { recursive: true });
      await this.#comesBack(run, "He puts the board back: nobody has noticed.");
      const signed: number[] = [];
      const enough = new Promise<void>((resolve) => {
        stop = runCopy?.(copy, broker, (event) => {
          if (event.event === "record" && signed.length < COPY_RECORDS) {
            signed.push(Number(event.seq));
            this.#step(run, `The copy signs seq ${Number(event.seq)} of stream ${Number(event.stream)}, at his place.`);
          }
          if (event.event === "delivered" && signed.length === COPY_RECORDS && Number(event.seq) >= (signed.at(-1) as number))
            resolve();
        });
      });
      await this.#unlessOver(enough, "the copy signs");
      await stop?.();
      stop = undefined;
      topic = [...records.keys()][0]?.split(" ")[0] ?? "";
      link = new BrokerLink({
        ...{ url: mqtt, role: "thief", subscriptions: [], onMessage: () => undefined, onFault: () => undefined },
        ...(ca === undefined ? {} : { ca }),
      });
      for (const message of records.values()) while (!(await link.publish(topic, message, { qos: 1 }))) await this.#pause(200);
      this.#step(run, `He sends the copy's ${plural(records.size, "record")} to the collector, in the board's name.`);
      const { kind, a } = await evidence;
      this.#step(
        run,
        `Collector: evidence (${String(kind)}): two records under seq ${Number((a as { seq?: unknown } | undefined)?.seq)}, both signed with ${source}'s key. Anybody can check that.`,
      );
      if (hasRegistry) await this.#quarantined(run, source);
    } finally {
      await stop?.();
      await link?.close();
      await broker.close();
      this.#light(board); // nothing where it is on
      rmSync(copy, { recursive: true, force: true });
    }
  }

  async #quarantined(run: Run, source: string): Promise<void> {
    const seen = this.#heard(`${source} proves it`, (said) => of(source, "registry")(said) && said.status === "quarantined");
    seen.catch(() => undefined);
    const { block } = await this.#heard("the registry quarantines the key", of("collector", "quarantined"));
    this.#step(run, `Registry: the key is quarantined since block #${Number(block)}, for ever.`);
    const own = await seen;
    this.#step(
      run,
      `${source} has proven its own quarantine at block #${Number(own.block)}: it signs a last record and measures no more.`,
    );
  }

  async #unlessOver(waited: Promise<void>, what: string): Promise<void> {
    const over = this.#heard(what, () => false);
    over.catch(() => undefined);
    await Promise.race([waited, over]);
  }

  async #pause(ms: number): Promise<void> {
    await pause(ms, this.#over.signal);
    if (this.#over.signal.aborted) throw new Error("told to end");
  }
}

function of(source: string, event: string): Matches {
  return (said) => said.source === source && said.event === event;
}

/** A board's flash and key-value store, as a programmer reads and writes them; not what it was configured with. */
function copyFlash(from: string, to: string): void {
  for (const part of ["flash", "nvs"]) {
    rmSync(`${to}/${part}`, { recursive: true, force: true });
    cpSync(`${from}/${part}`, `${to}/${part}`, { recursive: true });
  }
}

/** Where the fields of an Ethereum header stand that a liar changes. */
const [PARENT, NUMBER, TIME, STATE_ROOT] = [0, 8, 11, 3];
const PARENT_AT = 4;
const TIME_AT = 68;

/** A child of that header which nobody has sealed, or worked for. */
function forged(consensus: Consensus, raw: Uint8Array): Uint8Array {
  const header = consensus.decode(raw);
  if (header instanceof Rejection) throw new Error(`the head that was announced cannot be read: ${header.detail}`);
  if (isBitcoin(consensus.chain)) {
    const child = raw.slice();
    child.set(header.hash, PARENT_AT);
    const view = new DataView(child.buffer);
    view.setUint32(TIME_AT, view.getUint32(TIME_AT, true) + 1, true);
    return child;
  }
  const fields = RLP.decode(raw) as Uint8Array[];
  fields[PARENT] = header.hash;
  fields[NUMBER] = scalar((header.number ?? 0) + 1);
  fields[TIME] = scalar(header.timeS + 1);
  fields[STATE_ROOT] = new Uint8Array(32).fill(0x66);
  return RLP.encode(fields);
}

function scalar(value: number): Uint8Array {
  const digits = value.toString(16);
  return fromHex(digits.length % 2 === 0 ? digits : `0${digits}`) as Uint8Array;
}
