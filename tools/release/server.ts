// Publishes a release, and serves its image to the motes that ask for it (docs/update.md, docs/wire.md).
//
// Promises: the manifest is retained at the broker, and published again after each connection; each request is answered with
// exactly the bytes that it asks for, and one for another image not at all; what a mote says of its update is told once for each
// change.
// Never: counts a mote's word for more than a word: it is unsigned.

import { toHex } from "../../firmware/bytes.js";
import { Rejection } from "../../firmware/rejection.js";
import { profileName, type Release } from "../../firmware/update/release.js";
import { FAILED, RECEIVING, SELECTED, VALID } from "../../firmware/update/state.js";
import { decodePartRequest, decodeReport, encodePart, manifestTopic, partRequestsTopic } from "../../firmware/update/wire.js";
import { BrokerLink, type LinkOptions } from "../mqtt/link.js";

export type ReleaseEvent =
  | { readonly event: "released"; readonly topic: string }
  | { readonly event: "lost"; readonly reason: string; readonly retryMs: number }
  | { readonly event: "refused"; readonly code: string; readonly detail: string }
  | {
      readonly event: "mote";
      readonly mote: string;
      readonly state: "receiving" | "selected" | "valid" | "failed";
      /** Bytes of the image that are in the slot. */
      readonly offset: number;
      readonly reason: string;
    };

export interface ServerOptions extends Pick<LinkOptions, "url" | "ca"> {
  /** Put before every topic. */
  readonly prefix: string;
  readonly release: Release;
  /** The signed manifest. */
  readonly message: Uint8Array;
  readonly image: Uint8Array;
  readonly onEvent: (event: ReleaseEvent) => void;
}

export class ReleaseServer {
  readonly #options: ServerOptions;
  readonly #link: BrokerLink;
  /** Of each mote that has said something of this release: what it was. */
  readonly #motes = new Map<string, string>();

  constructor(options: ServerOptions) {
    this.#options = options;
    const { url, ca, prefix, release, onEvent } = options;
    this.#link = new BrokerLink({
      url,
      ...(ca === undefined ? {} : { ca }),
      role: "release",
      subscriptions: [partRequestsTopic(prefix, release.fleet), `${prefix}motes/+/update`],
      onMessage: (topic, payload) => (topic.endsWith("/update") ? this.heard(topic, payload) : this.serve(payload)),
      onFault: (topic, error) => onEvent({ event: "refused", code: "fault", detail: `${topic}: ${error.message}` }),
      onConnected: () => void this.publish(),
      onLost: (reason, retryMs) => onEvent({ event: "lost", reason, retryMs }),
    });
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  private async publish(): Promise<void> {
    const { prefix, release, message, onEvent } = this.#options;
    const topic = manifestTopic(prefix, release.fleet, release.boardClass, release.profile);
    if (await this.#link.publish(topic, message, { qos: 1, retain: true })) onEvent({ event: "released", topic });
  }

  private async serve(payload: Uint8Array): Promise<void> {
    const { prefix, release, image, onEvent } = this.#options;
    const request = decodePartRequest(payload);
    if (request instanceof Rejection) {
      onEvent({ event: "refused", code: request.code, detail: request.detail });
      return;
    }
    const { id, to, digest, offset, bytes } = request;
    if (toHex(digest) !== toHex(release.digest) || offset + bytes > image.length) return;
    const part = encodePart(id, offset, image.subarray(offset, offset + bytes));
    await this.#link.publish(`${prefix}motes/0x${toHex(to)}/image`, part, { qos: 0 });
  }

  private heard(topic: string, payload: Uint8Array): void {
    const report = decodeReport(payload);
    if (report instanceof Rejection || report.sequence !== this.#options.release.sequence) return;
    const { phase, offset, reason } = report;
    const mote = topic.split("/").at(-2) as string;
    const state = phase === VALID ? "valid" : phase === RECEIVING ? "receiving" : phase === SELECTED ? "selected" : "failed";
    if (phase < RECEIVING || phase > FAILED + 1) return;
    const said = `${state} ${offset} ${reason}`;
    if (this.#motes.get(mote) === said) return;
    this.#motes.set(mote, said);
    this.#options.onEvent({ event: "mote", mote, state, offset, reason });
  }
}

/** Where the manifest of such boards is retained, for a person to see. */
export function releaseText({ sequence, boardClass, profile, size }: Release): string {
  return `release ${sequence}, for ${boardClass} (${profileName(profile)}), ${size} bytes`;
}
