// A tool's connection to an MQTT 3.1.1 broker that comes back by itself.
//
// Promises: after a lost connection it connects again with growing delays, which begin anew only once a session has lasted: a
// broker that lets in and then kicks (a publish that it does not allow, a second client of the same name) is not asked more and
// more; it subscribes again, and a subscription that is refused is named; a message is
// acknowledged (QoS 1) once its handler has returned, so a slow handler slows the broker and not our memory; what is
// published while there is no connection, or while too much is under way, is refused at once and said so by `false`.
// Never: queues without a bound, or tells a password.

import { randomBytes } from "node:crypto";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { Backoff, type BackoffLimits } from "../processes/backoff.js";
import { withoutSecretsOf } from "../public-url.js";

const RECONNECT: BackoffLimits = { firstMs: 200, maxMs: 10_000 };
/** A session that lasted so long was a good one: longer than two clients of one name, each at its longest wait, leave each other. */
const SESSION_LASTED_MS = 3 * RECONNECT.maxMs;
const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_S = 30;
/** Messages that may be under way to the broker at once. */
const UNDER_WAY_MAX = 1024;
const CLOSE_MS = 1500;

/** OpenSSL's names of what is wrong with a broker's certificate. */
const TLS_ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)|CERT_SIGNATURE|INVALID_CA/,
    "its certificate is of another authority: --ca takes the root that its chain ends in",
  ],
  [/ALTNAME_INVALID/, "its certificate is for another host name than the URL's"],
  [/CERT_HAS_EXPIRED/, "its certificate has expired"],
  [/CERT_NOT_YET_VALID/, "its certificate is not valid yet"],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH|UNSUPPORTED_PROTOCOL/,
    "no TLS that is spoken here on this port: mqtt:// is plain, mqtts:// is TLS",
  ],
];
const ENDED = "the connection ended";

export interface LinkOptions {
  /** mqtt:// or mqtts://, with user and password where the broker wants them. */
  readonly url: string;
  /** PEM that the broker's chain has to end in, for mqtts://; the machine's own authorities where absent. */
  readonly ca?: string;
  /** What connects, such as "relay"; the client's identifier is this and a number by chance, so that two never put each other out. */
  readonly role: string;
  readonly subscriptions: readonly string[];
  /**
   * Never waits for a publish of QoS 1 on the same link: its acknowledgement comes behind the message, which is not done with before
   * this has returned, and the connection would stand still until it is lost.
   */
  readonly onMessage: (topic: string, payload: Uint8Array) => void | Promise<void>;
  /** Told of what `onMessage` threw: one message that trips us must neither end the program nor hold up those behind it. */
  readonly onFault: (topic: string, error: Error) => void;
  readonly onConnected?: () => void;
  /** `retryMs`: how long until the next attempt. */
  readonly onLost?: (reason: string, retryMs: number) => void;
  /** After so many milliseconds a session counts as one that lasted; `SESSION_LASTED_MS` where absent. */
  readonly lastedMs?: number;
}

export class BrokerLink {
  readonly #options: LinkOptions;
  readonly #backoff = new Backoff(RECONNECT);
  /** Sessions are clean, so nothing waits for an old name. 23 characters is what every broker takes (MQTT 3.1.1 §3.1.3.1). */
  readonly #clientId: string;
  #client: MqttClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #connected = false;
  /** When the session began, by a clock that only rises. */
  #sinceMs = 0;
  #closed = false;
  #underWay = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#clientId = `${options.role}-${randomBytes(6).toString("hex")}`;
    this.#connect();
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** True once the broker has acknowledged it (QoS 1) or it has been sent (QoS 0); false where that did not happen. */
  publish(topic: string, payload: Uint8Array, options: { qos: 0 | 1; retain?: boolean }): Promise<boolean> {
    const client = this.#client;
    if (client === undefined || !this.#connected || this.#underWay >= UNDER_WAY_MAX) return Promise.resolve(false);
    this.#underWay += 1;
    return new Promise((resolve) => {
      let settled = false;
      const settle = (arrived: boolean): void => {
        if (settled) return;
        settled = true;
        this.#underWay -= 1;
        client.off("close", lost);
        resolve(arrived);
      };
      const lost = (): void => settle(false);
      client.once("close", lost);
      client.publish(topic, Buffer.from(payload), { qos: options.qos, retain: options.retain ?? false }, (error) =>
        settle(error === undefined || error === null),
      );
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = undefined;
    this.#connected = false;
    if (client === undefined) return;
    await new Promise<void>((resolve) => {
      // A client that is ending hears no second order to: what it waits for may never come.
      const insist = setTimeout(() => {
        client.stream.destroy();
        resolve();
      }, CLOSE_MS);
      client.end(false, () => {
        clearTimeout(insist);
        resolve();
      });
    });
  }

  #connect(): void {
    const { url, credentials } = addressOf(this.#options.url);
    const options: IClientOptions = {
      ...credentials,
      ...(this.#options.ca === undefined ? {} : { ca: this.#options.ca }),
      clientId: this.#clientId,
      protocolVersion: 4,
      clean: true,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepalive: KEEP_ALIVE_S,
      queueQoSZero: false,
    };
    const client = mqtt.connect(url, options);
    this.#client = client;
    client.setMaxListeners(UNDER_WAY_MAX + 16);
    let reason = ENDED;
    client.handleMessage = (packet, done) => {
      const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
      Promise.resolve()
        .then(() => this.#options.onMessage(packet.topic, payload))
        .then(
          () => done(),
          (error: unknown) => {
            this.#options.onFault(packet.topic, error instanceof Error ? error : new Error(String(error)));
            done();
          },
        );
    };
    client.on("error", (error) => {
      // A system's error has a name such as ECONNREFUSED; a broker's refusal has a number, which says less than its words.
      const { code } = error as { code?: unknown };
      reason = typeof code === "string" ? named(code) : withoutSecretsOf(this.#options.url, error.message);
    });
    client.on("connect", () => {
      const topics = [...this.#options.subscriptions];
      const begin = (): void => {
        if (this.#client !== client) return;
        this.#connected = true;
        this.#sinceMs = performance.now();
        this.#options.onConnected?.();
      };
      if (topics.length === 0) begin();
      else
        client.subscribe(topics, { qos: 1 }, (error) => {
          if (error === null || error === undefined) begin();
          else {
            reason = refusedSubscription(error, topics);
            client.end(true);
          }
        });
    });
    client.on("close", () => {
      if (this.#closed || this.#client !== client) return;
      this.#client = undefined;
      if (this.#connected) {
        const lastedMs = performance.now() - this.#sinceMs;
        if (lastedMs >= (this.#options.lastedMs ?? SESSION_LASTED_MS)) this.#backoff.succeeded();
        else if (reason === ENDED) reason = kicked(lastedMs);
      }
      this.#connected = false;
      client.end(true);
      const retryMs = this.#backoff.next();
      this.#timer = setTimeout(() => this.#connect(), retryMs);
      this.#options.onLost?.(reason, retryMs);
    });
  }
}

/** A system's name of an error, with what a person can do about one of TLS. */
function named(code: string): string {
  const advice = TLS_ADVICE.find(([pattern]) => pattern.test(code))?.[1];
  return advice === undefined ? code : `${advice} (${code})`;
}

/** The client library would cut a password at its last colon: user and password go besides the URL. */
function addressOf(text: string): { url: string; credentials: Pick<IClientOptions, "username" | "password"> } {
  const url = new URL(text);
  const [username, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  url.username = "";
  url.password = "";
  return {
    url: url.href,
    credentials: { ...(username === "" ? {} : { username }), ...(password === "" ? {} : { password }) },
  };
}

/** What a person can do about a session that the other side ended soon after it began. */
function kicked(lastedMs: number): string {
  const seconds = (lastedMs / 1000).toFixed(1);
  return `${ENDED} ${seconds} s after login: the broker restarted, does not allow a publish, or another client has the same name`;
}

/** Names the topics that a SUBACK refuses (return code 0x80, MQTT 3.1.1 section 3.9.3). */
function refusedSubscription(error: Error & { packet?: unknown }, topics: readonly string[]): string {
  const granted = (error.packet as { granted?: readonly unknown[] } | undefined)?.granted ?? [];
  const refused = topics.filter((_, i) => Number(granted[i]) >= 0x80);
  if (refused.length === 0) return error.message;
  return `the broker refuses the subscription to ${refused.join(" and ")}: its access list has to allow it`;
}
