// A relay client on a clock turned by hand, with a wire that the test holds both ends of.

import { topicsOf } from "../../../firmware/bus/topics.js";
import {
  decodeRequest,
  encodeReply,
  type HeaderRequest,
  REPLY_OVERHEAD_BYTES,
  REPLY_OVERHEAD_PER_HEADER_BYTES,
} from "../../../firmware/bus/wire.js";
import { writeUint } from "../../../firmware/bytes.js";
import type { Outcome } from "../../../firmware/chain/follow/outcome.js";
import { RelayClient, type RelayOptions } from "../../../firmware/link/relay.js";
import { Rejection } from "../../../firmware/rejection.js";
import { HandClock } from "../hand-clock.js";
import { handDevice } from "../hand-device.js";

export const MOTE = new Uint8Array(20).fill(0xab);
export type Followed = RelayOptions["follower"];

/** What an honest relay answers: as many of `blocks`, by height, as there are and as fit. */
export function honestAnswer(request: HeaderRequest, blocks: readonly { readonly raw: Uint8Array }[]): Uint8Array[] {
  const { from, count, bytesMax } = request;
  const headers: Uint8Array[] = [];
  let room = bytesMax - REPLY_OVERHEAD_BYTES;
  for (const { raw } of blocks.slice(from, from + count)) {
    room -= raw.length + REPLY_OVERHEAD_PER_HEADER_BYTES;
    if (room < 0) break;
    headers.push(raw);
  }
  return headers;
}

/**
 * The bus of a relay client: `ask` has its requests, each with the name of the relay that it is for, and says whether they leave. Its
 * requests are numbered from 101 on.
 */
export function wireTo(
  clock: HandClock,
  ask: (request: HeaderRequest, relay: string) => boolean,
  refused: (rejection: Rejection) => void,
): Pick<RelayOptions, "device" | "bus" | "refusals" | "own"> {
  const topics = topicsOf("", MOTE, "eip155:1");
  let id = 100;
  return {
    device: handDevice({
      clock,
      entropy: {
        read(buffer: Uint8Array) {
          id += 1;
          writeUint(buffer, id, 0, 4);
        },
      },
    }),
    own: MOTE,
    bus: {
      topics,
      publish(topic, bytes) {
        const request = decodeRequest(bytes);
        if (request instanceof Rejection) throw new Error(String(request));
        return ask(request, topic.slice(topics.requests.length + 1));
      },
    },
    refusals: { write: (_what, rejection) => refused(rejection) },
  };
}

/** A client over `follower`, and the requests that left it. */
export function relayOver(follower: Followed, nowS?: number | (() => number), clock = new HandClock(1000)) {
  const sent: HeaderRequest[] = [];
  const outcomes: (Outcome | Rejection)[] = [];
  const refused: string[] = [];
  const state = { full: false };
  const ask = (request: HeaderRequest) => !state.full && sent.push(request) > 0;
  const relay = new RelayClient({
    ...wireTo(clock, ask, ({ code }) => refused.push(code)),
    config: {},
    follower,
    nowS: () => (typeof nowS === "function" ? nowS() : nowS),
    onOutcome: (outcome) => outcomes.push(outcome),
  });
  const last = () => sent[sent.length - 1] as HeaderRequest;
  const reply = (headers: readonly Uint8Array[], change: { id?: number; from?: number } = {}) =>
    relay.replied(encodeReply({ id: last().id, from: last().from, headers, ...change }));
  const kinds = () => outcomes.map((outcome) => (outcome instanceof Rejection ? outcome.code : outcome.kind));
  return { clock, relay, sent, outcomes, refused, state, last, reply, kinds };
}
