// The faces that a collector has besides its own: metrics, Home Assistant, a webhook, values for SQL. What each needs to be opened, fed and ended.
//
// Promises: none of them holds the collector up, and none ends it. Never: opens one that was not asked for.

import type { CollectorEvent } from "../collector/events.js";
import { blockTime } from "../collector/heads.js";
import type { RecordStore } from "../collector/store.js";
import { BrokerLink } from "../mqtt/link.js";
import { type Words, webhookUrl } from "../options.js";
import { Backoff, pause } from "../processes/backoff.js";
import { LOOPBACK } from "../processes/ports.js";
import { JsonRpc } from "../rpc/json-rpc.js";
import { plainText, shortHex, UsageError } from "../terminal.js";
import { HomeAssistant, type HomeAssistantEvent } from "./home-assistant.js";
import { Measurements } from "./measurements.js";
import { Metrics } from "./metrics.js";
import { type MetricsAddress, MetricsServer } from "./metrics-server.js";
import { Newest } from "./newest.js";
import { Webhook, type WebhookEvent } from "./webhook.js";

/** How often the times of new heads are asked for. */
const HEAD_TIMES_MS = 2000;
const NODE_RETRY = { firstMs: 2000, maxMs: 60_000 };
const EXPIRE_AFTER_S_MAX = 86_400;
const AUTHORIZATION_CHARACTERS_MAX = 4096;

/** What was asked for on the command line. */
export interface ScreenSettings {
  readonly metrics: MetricsAddress | undefined;
  readonly measurements: boolean;
  readonly homeAssistant: boolean;
  readonly expireAfterS: number | undefined;
  readonly webhook: string | undefined;
  /** The webhook's header of that name. */
  readonly authorization: string | undefined;
}

export const SCREEN_WORDS = {
  metrics: { type: "string" },
  "home-assistant": { type: "boolean" },
  "expire-after": { type: "string" },
  webhook: { type: "string" },
  measurements: { type: "boolean" },
} as const;

export function readScreens(options: Words): ScreenSettings {
  const expireAfterS = options.number("expire-after", 1, EXPIRE_AFTER_S_MAX);
  if (expireAfterS !== undefined && !options.has("home-assistant")) throw new UsageError("--expire-after needs --home-assistant");
  return {
    ...{ metrics: readAddress(options.text("metrics")), homeAssistant: options.has("home-assistant"), expireAfterS },
    measurements: options.has("measurements"),
    webhook: webhookUrl(options),
    authorization: readAuthorization(process.env.WEBHOOK_AUTHORIZATION ?? ""),
  };
}

/** What is no value of a header is not repeated, since it may hold a password: whoever sends it would say it in an error. */
function readAuthorization(text: string): string | undefined {
  if (text === "") return undefined;
  if (text.length > AUTHORIZATION_CHARACTERS_MAX || !/^[!-~]+( [ -~]*)?$/.test(text))
    throw new UsageError(
      `WEBHOOK_AUTHORIZATION takes the value of a header: at most ${AUTHORIZATION_CHARACTERS_MAX} characters of ASCII, without a line's end`,
    );
  return text;
}

function readAddress(text: string | undefined): MetricsAddress | undefined {
  if (text === undefined) return undefined;
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2] ?? Number.NaN);
  if (!(port <= 0xffff)) throw new UsageError(`--metrics takes a port, or HOST:PORT, not "${plainText(text, 60)}"`);
  return { host: match?.[1]?.replace(/^\[|\]$/g, "") ?? LOOPBACK, port };
}

export type ScreenEvent = HomeAssistantEvent | WebhookEvent | { readonly event: "metrics"; readonly url: string };

export interface ScreenParts {
  readonly settings: ScreenSettings;
  readonly store: RecordStore;
  readonly rpc: string;
  readonly chain: string;
  readonly mqtt: string;
  readonly ca: string | undefined;
  readonly prefix: string;
  readonly version: string;
  readonly onEvent: (event: ScreenEvent) => void;
}

export class Screens {
  readonly #parts: ScreenParts;
  readonly #stop = new AbortController();
  #metrics: Metrics | undefined;
  #server: MetricsServer | undefined;
  #health: BrokerLink | undefined;
  #headTimes: Promise<void> | undefined;
  #newest: Newest | undefined;
  #homeAssistant: HomeAssistant | undefined;
  #webhook: Webhook | undefined;
  #measurements: Measurements | undefined;

  /** @throws where the address of the metrics is not free */
  static async open(parts: ScreenParts): Promise<Screens> {
    const screens = new Screens(parts);
    await screens.#open();
    return screens;
  }

  private constructor(parts: ScreenParts) {
    this.#parts = parts;
  }

  take(event: CollectorEvent): void {
    this.#metrics?.take(event);
    this.#newest?.take(event);
    this.#webhook?.take(event);
    this.#measurements?.take(event);
  }

  /** One record was checked, in so many seconds. */
  checked(seconds: number): void {
    this.#metrics?.checked(seconds);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#webhook?.close(), this.#newest?.close(), this.#measurements?.close(), this.#headTimes]);
    await Promise.all([this.#homeAssistant?.close(), this.#health?.close(), this.#server?.close()]);
  }

  async #open(): Promise<void> {
    const { settings, store, mqtt, ca, prefix, version, onEvent } = this.#parts;
    const { metrics, homeAssistant, expireAfterS, webhook, authorization } = settings;
    if (metrics !== undefined) {
      const kept = new Metrics({ version, storedBefore: (await store.counts()).stored });
      this.#server = await MetricsServer.start(metrics, () => kept.text());
      this.#metrics = kept;
      this.#health = this.#listen(kept);
      this.#headTimes = this.#askHeadTimes(kept);
      onEvent({ event: "metrics", url: this.#server.url });
    }
    if (homeAssistant)
      this.#homeAssistant = new HomeAssistant({
        ...{ url: mqtt, ca, prefix, version, expireAfterS, onEvent },
        onBirth: (mote) => this.#newest?.look(mote),
      });
    if (metrics !== undefined || homeAssistant)
      this.#newest = new Newest({
        store,
        onNewest: (record) => {
          this.#metrics?.newest(record);
          this.#homeAssistant?.newest(record);
        },
        onFault: () => undefined, // the collector itself tells of its store
      });
    if (webhook !== undefined) this.#webhook = new Webhook({ shown: store.shown, url: webhook, authorization, onEvent });
    if (settings.measurements) this.#measurements = new Measurements(store.shown);
  }

  #listen(metrics: Metrics): BrokerLink {
    const { mqtt, ca, prefix } = this.#parts;
    return new BrokerLink({
      ...{ url: mqtt, ...(ca === undefined ? {} : { ca }), role: "metrics", subscriptions: [`${prefix}motes/+/health`] },
      onMessage: (topic, message) => metrics.health(topic, new Uint8Array(message)),
      onFault: () => undefined,
    });
  }

  async #askHeadTimes(metrics: Metrics): Promise<void> {
    const { rpc: url, chain } = this.#parts;
    const rpc = new JsonRpc(url);
    const backoff = new Backoff(NODE_RETRY);
    while (!this.#stop.signal.aborted)
      try {
        for (const number of metrics.headsWithoutTime()) {
          const timeS = await blockTime(rpc, chain, number);
          if (timeS !== undefined) metrics.headTime(number, timeS);
          if (this.#stop.signal.aborted) return;
        }
        backoff.succeeded();
        await pause(HEAD_TIMES_MS, this.#stop.signal);
      } catch {
        await pause(backoff.next(), this.#stop.signal); // the head's age stays untold
      }
  }
}

export function screenText(event: ScreenEvent): string {
  switch (event.event) {
    case "metrics":
      return `metrics at ${event.url}`;
    case "not-shown":
      return Number.isFinite(event.ageS)
        ? `${shortHex(event.mote)}: its newest record is of ${event.ageS} s ago, and not shown in Home Assistant as now`
        : `${shortHex(event.mote)}: its newest record does not tell its time, and is not shown in Home Assistant`;
    case "back":
      return `${event.to} is back`;
    case "lost":
      return `${event.to} lost: ${plainText(event.reason)}; next attempt in ${event.retryMs} ms`;
  }
}
