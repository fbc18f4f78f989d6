// The page of one run of `chainmote start`: its server, what it shows, and the faults that its buttons make.
//
// Promises: it is there before the first part of the system is, and says what comes up; what fails for the page is said on the page and never
// ends the system; `close` ends a fault that is under way, and every stream. Never: asks anything of the system but what its stage gives.

import { join } from "node:path";
import { topicsOf } from "../../firmware/bus/topics.js";
import { BrokerLink } from "../mqtt/link.js";
import type { SystemEvent } from "../start/screen.js";
import type { Stage } from "../start/system.js";
import { Faults } from "./faults.js";
import { type Facts, Model, type ModelOptions } from "./model.js";
import { PageServer, Refused } from "./server.js";

/** So often what changed is sent. */
const TICK_MS = 250;

export interface PageRunOptions extends ModelOptions {
  /** Where copies of flash are put, for a while. */
  readonly folder: string;
  readonly port?: number;
}

export class Page {
  readonly #options: PageRunOptions;
  readonly #model: Model;
  readonly #server: PageServer;
  readonly #tick: NodeJS.Timeout;
  #faults: Faults | undefined;
  #faultsChanged = false;
  #link: BrokerLink | undefined;

  static async open(options: PageRunOptions): Promise<Page> {
    const model = new Model(options);
    // The server asks for what the page is only once somebody has asked it.
    const holder: { page?: Page } = {};
    const server = await PageServer.start({
      ...(options.port === undefined ? {} : { port: options.port }),
      all: () => ({ ...model.all(), faults: holder.page?.faults }),
      series: (board) => model.series(board),
      press: (fault, board) => {
        if (holder.page?.faults === undefined)
          throw new Refused(409, "the parts are still coming up: there is nothing to break yet");
        holder.page.#faults?.press(fault, board);
      },
    });
    holder.page = new Page(options, model, server);
    return holder.page;
  }

  private constructor(options: PageRunOptions, model: Model, server: PageServer) {
    this.#options = options;
    this.#model = model;
    this.#server = server;
    this.#tick = setInterval(() => this.#send(), TICK_MS);
    this.#tick.unref();
  }

  get url(): string {
    return this.#server.url;
  }

  get faults(): object | undefined {
    return this.#faults?.shown;
  }

  tell(facts: Partial<Facts>): void {
    this.#model.tell(facts);
  }

  take(source: string, event: SystemEvent): void {
    this.#model.take(source, event);
    this.#faults?.take(source, event);
  }

  /** The parts are there: from now on the page listens to what they publish, and its buttons do something. */
  begin(stage: Stage): void {
    const { chain, checkpoint, mqtt, ca, prefix, hasRegistry, anchors } = stage;
    this.#model.follow(checkpoint, anchors);
    this.#model.tell({ phase: "running", words: "", chain, hasRegistry, anchors });
    this.#faults = new Faults({
      stage,
      scratch: (name) => join(this.#options.folder, name),
      onChange: () => {
        this.#faultsChanged = true;
      },
      onPower: (board, power) => this.#model.power(board, power),
    });
    this.#faultsChanged = true;
    const all = topicsOf(prefix, new Uint8Array(20), chain);
    const any = (topic: string): string => topic.replace(/0x0{40}/, "+");
    const what = "The page's own connection to the broker";
    this.#link = new BrokerLink({
      ...{ url: mqtt, role: "page", subscriptions: [any(all.records), any(all.health), all.head] },
      ...(ca === undefined ? {} : { ca }),
      onMessage: (topic, message) => {
        const mote = /(?:^|\/)motes\/(0x[0-9a-f]{40})\/(?:records|health)$/.exec(topic)?.[1];
        if (topic === all.head) {
          this.#model.announced(message.slice());
          this.#faults?.announced(message.slice());
        } else if (mote !== undefined && topic.endsWith("/records")) this.#model.published(message);
        else if (mote !== undefined) this.#model.health(mote, message);
      },
      onFault: (_, { message }) => this.#model.note("page", `a message that it could not take: ${message}`, true),
      onConnected: () => this.#model.well("page"),
      onLost: (reason, retryMs) => this.#model.amiss("page", `${what} is lost: ${reason}. It tries again in ${retryMs} ms.`),
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#tick);
    this.#send();
    await this.#faults?.close();
    await this.#link?.close();
    await this.#server.close();
  }

  #send(): void {
    const change = this.#model.change();
    if (change === undefined && !this.#faultsChanged) return;
    this.#server.broadcast.send({
      ...(change ?? { nowMs: Date.now() }),
      ...(this.#faultsChanged && this.#faults !== undefined ? { faults: this.#faults.shown } : {}),
    });
    this.#faultsChanged = false;
  }
}
