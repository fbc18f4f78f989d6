// Tells a URL of each verified record, as an event of CloudEvents 1.0 (HTTP, structured mode), one at a time.
//
// Promises: the queue is the store, so that nothing is lost and no place, whatever ends; a record is told until its receiver takes it, with growing
// pauses, and the ones behind it wait; its digest is the event's `id`, by which a receiver knows it again; memory for `PAGE_RECORDS` records. Never: holds
// the collector up, follows a redirection, which could lead the records and the password elsewhere, or tells what is not verified.

import { fromHex } from "../../firmware/bytes.js";
import type { CollectorEvent } from "../collector/events.js";
import type { ShownRecord, ShownRecords } from "../collector/shown.js";
import { didOf } from "../crypto/did.js";
import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import { Bell } from "../processes/bell.js";
import { withoutSecretsOf } from "../public-url.js";
import { dateText, TIME_QUALITIES, valuesOf } from "./values.js";

const PAGE_RECORDS = 32;
const TIMEOUT_MS = 10_000;
const RETRY: BackoffLimits = { firstMs: 1000, maxMs: 300_000 };
const RETRY_AFTER_MS_MAX = 600_000;
const IDLE_MS = 60_000;
const MS = 1000;

export type WebhookEvent =
  | { readonly event: "lost"; readonly to: "webhook" | "store"; readonly reason: string; readonly retryMs: number }
  | { readonly event: "back"; readonly to: "webhook" };

export interface WebhookOptions {
  readonly shown: ShownRecords;
  /** http(s)://…, with user and password where the receiver wants them. */
  readonly url: string;
  /** Of the header of that name. */
  readonly authorization?: string | undefined;
  readonly timeoutMs?: number;
  readonly retry?: BackoffLimits;
  readonly onEvent: (event: WebhookEvent) => void;
}

/** The receiver has not taken it. */
class NotTaken extends Error {
  readonly retryAfterMs: number;
  constructor(message: string, retryAfterMs = 0) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

export class Webhook {
  readonly #options: WebhookOptions;
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #stop = new AbortController();
  readonly #bell = new Bell();
  readonly #backoff: Backoff;
  readonly #running: Promise<void>;
  #lost = false;

  constructor(options: WebhookOptions) {
    this.#options = options;
    const url = new URL(options.url);
    const { username, password } = url;
    const basic = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
    const authorization = options.authorization ?? (username === "" && password === "" ? undefined : `Basic ${basic}`);
    url.username = "";
    url.password = "";
    this.#url = url.href;
    this.#headers = {
      "content-type": "application/cloudevents+json; charset=utf-8",
      ...(authorization === undefined ? {} : { authorization }),
    };
    this.#backoff = new Backoff(options.retry ?? RETRY);
    this.#running = this.#run();
  }

  take(event: CollectorEvent): void {
    if (event.event === "verified") this.#bell.ring();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#bell.ring();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { shown } = this.#options;
    let begun = false;
    while (!this.#stop.signal.aborted)
      try {
        if (!begun) await shown.beginTelling();
        begun = true;
        const page = await shown.untold(PAGE_RECORDS);
        for (const record of page) {
          await this.#tell(record);
          await shown.noteTold(fromHex(record.digest) as Uint8Array);
          if (this.#stop.signal.aborted) return;
        }
        if (page.length < PAGE_RECORDS) await this.#bell.wait(IDLE_MS);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        await this.#failed(error instanceof Error ? error : new Error(String(error)));
      }
  }

  async #failed(error: Error): Promise<void> {
    const retryMs = Math.max(this.#backoff.next(), error instanceof NotTaken ? error.retryAfterMs : 0);
    const to = error instanceof NotTaken ? "webhook" : "store";
    const reason = withoutSecretsOf(this.#options.url, error.message);
    if (!this.#lost) this.#options.onEvent({ event: "lost", to, reason, retryMs });
    this.#lost = true;
    await pause(retryMs, this.#stop.signal);
  }

  /** @throws NotTaken */
  async #tell(record: ShownRecord): Promise<void> {
    const limit = AbortSignal.timeout(this.#options.timeoutMs ?? TIMEOUT_MS);
    const signal = AbortSignal.any([limit, this.#stop.signal]);
    const request = { method: "POST", headers: this.#headers, body: cloudEvent(record), redirect: "manual", signal } as const;
    const response = await fetch(this.#url, request).catch((error: Error) => {
      const { code } = (error.cause ?? {}) as { code?: unknown };
      throw new NotTaken(limit.aborted ? "no answer in time" : typeof code === "string" ? code : error.message);
    });
    await response.body?.cancel().catch(() => undefined); // what it says besides is not read
    if (!response.ok)
      throw new NotTaken(`the receiver answers ${response.status}`, retryAfterMs(response.headers.get("retry-after")));
    if (this.#lost) this.#options.onEvent({ event: "back", to: "webhook" });
    this.#lost = false;
    this.#backoff.succeeded();
  }
}

/** RFC 9110 §10.2.3, in seconds or as a date. */
function retryAfterMs(text: string | null): number {
  if (text === null) return 0;
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * MS : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(0, ms), RETRY_AFTER_MS_MAX);
}

/** A record as an event, in JSON (CloudEvents 1.0.2, "JSON Event Format"). */
function cloudEvent(record: ShownRecord): string {
  const { mote, digest, fields, verified, bounded, settled, anchored } = record;
  const { stream, seq, time, timeQuality, head, fleet } = fields;
  const when = timeQuality > 0 ? dateText(String(time)) : undefined;
  const attributes = {
    ...{
      specversion: "1.0",
      id: digest,
      source: didOf(fleet.chain, mote),
      type: "chainmote.record.verified",
      subject: `${stream}/${seq}`,
    },
    ...(when === undefined ? {} : { time: when }),
    datacontenttype: "application/json",
  };
  const values = valuesOf(record).map(({ name, value, unit, time: at }) => {
    const about = { name, unit: unit ?? null, time: at ?? null };
    return `{"value":${value},${JSON.stringify(about).slice(1)}`;
  });
  const data = {
    ...{ mote, stream, seq, digest, verified, bounded, settled, anchored, time: when ?? null },
    ...{
      time_quality: TIME_QUALITIES[timeQuality],
      after_block: bounded ? (head?.number ?? null) : null,
      chain: head?.chain ?? null,
    },
  };
  return `${JSON.stringify(attributes).slice(0, -1)},"data":${JSON.stringify(data).slice(0, -1)},"values":[${values.join(",")}]}}`;
}
