// What a collector does, as numbers for Prometheus.
//
// Promises: names end in their unit, counters in `_total`, and count from the start of the process; labels are a mote's address, of at most
// `MOTES_MAX` motes, or one of a few words of ours. Only of a mote that has a verified record anything is told. Never: believes a health
// message, which is unsigned, for more than what its own metrics say of it.

import { decodeHealth } from "../../firmware/bus/wire.js";
import { toHex } from "../../firmware/bytes.js";
import { Rejection } from "../../firmware/rejection.js";
import type { CollectorEvent } from "../collector/events.js";
import { addressOfTopic } from "../collector/intake.js";
import type { ShownRecord } from "../collector/shown.js";
import { Histogram, Metric } from "./prometheus.js";

const MOTES_MAX = 1000;
/** Of the check of one record, in seconds. */
const CHECK_BOUNDS_S = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1];
const MS = 1000;
/** Heads whose time is asked for in one round. */
const HEADS_PER_ROUND_MAX = 64;

export interface MetricsOptions {
  readonly version: string;
  /** Records that were stored before. */
  readonly storedBefore: number;
  /** Milliseconds since the Unix epoch. */
  readonly nowMs?: () => number;
}

interface SeenMote {
  /** When the block was made that its newest verified record names, in seconds since the Unix epoch; undefined until it is known. */
  headTimeS: number | undefined;
  headNumber: number | undefined;
}

export class Metrics {
  readonly #nowMs: () => number;
  readonly #motes = new Map<string, SeenMote>();
  readonly #info = new Metric("chainmote_build_info", "The version of the collector; always 1.", "gauge", "version");
  readonly #stored = new Metric("chainmote_records_stored_total", "New records stored since the start.", "counter");
  readonly #duplicates = new Metric(
    "chainmote_records_duplicate_total",
    "Records that came again and were stored already.",
    "counter",
  );
  readonly #verified = new Metric(
    "chainmote_records_verified_total",
    "Verifications of records: signature, chain and head hold. One that a reorganisation opened again counts again.",
    "counter",
  );
  readonly #refused = new Metric(
    "chainmote_records_refused_total",
    "Messages refused, by the code of the reason.",
    "counter",
    "code",
  );
  readonly #gaps = new Metric("chainmote_record_gaps_total", "Records linked although the one before is missing.", "counter");
  readonly #evidence = new Metric("chainmote_evidence_total", "Pairs of records that contradict each other.", "counter", "kind");
  readonly #heads = new Metric(
    "chainmote_heads_unconfirmed_total",
    "Heads of records that the node's chain does not have, by what was said of them.",
    "counter",
    "state",
  );
  readonly #reorganisations = new Metric("chainmote_reorganisations_total", "Reorganisations of the node's chain.", "counter");
  readonly #anchored = new Metric("chainmote_anchored_records_total", "Anchor receipts sent, one for each leaf.", "counter");
  readonly #losses = new Metric("chainmote_connection_losses_total", "Connections lost, by the part lost.", "counter", "to");
  readonly #inStore = new Metric("chainmote_store_records", "Records in the store.", "gauge");
  readonly #check = new Histogram(
    "chainmote_record_verification_seconds",
    "How long the check of one record takes: form, signature, payload.",
    CHECK_BOUNDS_S,
  );
  readonly #moteCount = new Metric("chainmote_motes", "Motes of which something is told here.", "gauge");
  readonly #beyond = new Metric(
    "chainmote_motes_beyond_limit_total",
    "Records of motes of which nothing is told here.",
    "counter",
  );
  readonly #recordTime = new Metric(
    "chainmote_mote_record_timestamp_seconds",
    "When the mote's newest record was made, as it says, once that record is verified.",
    "gauge",
    "mote",
  );
  readonly #headBlock = new Metric(
    "chainmote_mote_head_block",
    "Number of the head in the mote's newest verified record.",
    "gauge",
    "mote",
  );
  readonly #headAge = new Metric(
    "chainmote_mote_head_age_seconds",
    "Age of the block that the mote's newest verified record names as its head.",
    "gauge",
    "mote",
  );
  readonly #pending = new Metric(
    "chainmote_mote_journal_pending_records",
    "Records in the mote's journal that are not stored here yet, as it says itself, unsigned.",
    "gauge",
    "mote",
  );
  readonly #online = new Metric(
    "chainmote_mote_online",
    "1 while the mote says that it is connected, unsigned, else 0.",
    "gauge",
    "mote",
  );
  readonly #alarm = new Metric(
    "chainmote_mote_alarm",
    "Number of the alarm that the mote shows, 0 for none, unsigned.",
    "gauge",
    "mote",
  );
  readonly #memory = new Metric("process_resident_memory_bytes", "Resident memory size in bytes.", "gauge");
  readonly #cpu = new Metric("process_cpu_seconds_total", "Processor time in seconds.", "counter");
  readonly #start = new Metric("process_start_time_seconds", "When the process began, in seconds since the Unix epoch.", "gauge");

  constructor({ version, storedBefore, nowMs = Date.now }: MetricsOptions) {
    this.#nowMs = nowMs;
    this.#info.set(1, version);
    this.#inStore.set(storedBefore);
    this.#start.set(Math.round(nowMs() / MS - process.uptime()));
  }

  take(event: CollectorEvent): void {
    if (event.event === "stored") (event.duplicate ? this.#duplicates : this.#stored).add();
    if (event.event === "stored" && !event.duplicate) this.#inStore.add();
    if (event.event === "verified") this.#verified.add();
    if (event.event === "refused") this.#refused.add(1, event.code);
    if (event.event === "gap") this.#gaps.add();
    if (event.event === "evidence") this.#evidence.add(1, event.kind);
    const state = /^head-(foreign|orphaned|unknown)$/.exec(event.event)?.[1];
    if (state !== undefined) this.#heads.add(1, state);
    if (event.event === "reorganised") this.#reorganisations.add();
    if (event.event === "anchored") this.#anchored.add();
    if (event.event === "lost") this.#losses.add(1, event.to);
  }

  /** One record was checked, in so many seconds. */
  checked(seconds: number): void {
    this.#check.observe(seconds);
  }

  /** A mote's newest record, verified. */
  newest({ mote, fields }: ShownRecord): void {
    let seen = this.#motes.get(mote);
    if (seen === undefined) {
      if (this.#motes.size >= MOTES_MAX) {
        this.#beyond.add();
        return;
      }
      seen = { headTimeS: undefined, headNumber: undefined };
      this.#motes.set(mote, seen);
      this.#moteCount.set(this.#motes.size);
    }
    if (fields.timeQuality > 0) this.#recordTime.set(fields.time, mote);
    const number = fields.head?.number;
    if (number === undefined || number === seen.headNumber) return;
    seen.headNumber = number;
    seen.headTimeS = undefined;
    this.#headBlock.set(number, mote);
  }

  /** Numbers of heads whose time is not known, each once, some of them where they are many. */
  headsWithoutTime(): readonly number[] {
    const open = [...this.#motes.values()].filter(({ headTimeS }) => headTimeS === undefined);
    return [...new Set(open.flatMap(({ headNumber }) => (headNumber === undefined ? [] : [headNumber])))].slice(
      0,
      HEADS_PER_ROUND_MAX,
    );
  }

  /** When a block was made, in seconds since the Unix epoch. */
  headTime(number: number, timeS: number): void {
    for (const seen of this.#motes.values()) if (seen.headNumber === number) seen.headTimeS = timeS;
  }

  /** A message on a mote's health topic. Whoever may publish there can write it. */
  health(topic: string, message: Uint8Array): void {
    const address = addressOfTopic(topic, "health");
    const mote = address === undefined ? undefined : `0x${toHex(address)}`;
    if (mote === undefined || !this.#motes.has(mote)) return;
    const health = decodeHealth(message);
    if (health instanceof Rejection) return;
    this.#online.set(health.online ? 1 : 0, mote);
    if (!health.online) return; // the Last Will says nothing else
    this.#pending.set(health.pending, mote);
    this.#alarm.set(health.alarm, mote);
  }

  text(): string {
    const nowS = this.#nowMs() / MS;
    for (const [mote, { headTimeS }] of this.#motes)
      if (headTimeS !== undefined) this.#headAge.set(Math.max(0, Math.round(nowS - headTimeS)), mote);
    const { user, system } = process.cpuUsage();
    this.#memory.set(process.memoryUsage.rss());
    this.#cpu.set((user + system) / 1e6);
    const families = [
      ...[this.#info, this.#stored, this.#duplicates, this.#verified, this.#refused, this.#gaps, this.#evidence, this.#heads],
      ...[this.#reorganisations, this.#anchored, this.#losses, this.#inStore, this.#check, this.#moteCount, this.#beyond],
      ...[this.#recordTime, this.#headBlock, this.#headAge, this.#pending, this.#online, this.#alarm],
      ...[this.#memory, this.#cpu, this.#start],
    ];
    return families.map((family) => family.text()).join("");
  }
}
