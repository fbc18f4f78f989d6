// A relay client on a clock turned by hand, with a wire that the test holds both ends of.

import type { Outcome } from "../../../firmware/chain/follow/outcome.js";
import { RelayClient, type RelayOptions } from "../../../firmware/link/relay.js";
import {
  decodeRequest,
  encodeReply,
  type HeaderRequest,
  REPLY_OVERHEAD_BYTES,
  REPLY_OVERHEAD_PER_HEADER_BYTES,
} from "../../../firmware/link/wire.js";
import { Rejection } from "../../../firmware/rejection.js";
import { HandClock } from "../hand-clock.js";

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

/** A client over `follower`, and the requests that left it. */
export function relayOver(follower: Followed, nowS?: number | (() => number), clock = new HandClock(1000)) {
  const sent: HeaderRequest[] = [];
  const outcomes: (Outcome | Rejection)[] = [];
  const refused: string[] = [];
  const state = { full: false };
  let id = 100;
  const relay = new RelayClient({
    clock,
    own: MOTE,
    follower,
    nowS: () => (typeof nowS === "function" ? nowS() : nowS),
    send(bytes) {
      if (state.full) return false;
      const request = decodeRequest(bytes);
      if (request instanceof Rejection) throw new Error(String(request));
      sent.push(request);
      return true;
    },
    requestId: () => {
      id += 1;
      return id;
    },
    onOutcome: (outcome) => outcomes.push(outcome),
    onRefused: ({ code }) => refused.push(code),
  });
  const last = () => sent[sent.length - 1] as HeaderRequest;
  const reply = (headers: readonly Uint8Array[], change: { id?: number; from?: number } = {}) =>
    relay.replied(encodeReply({ id: last().id, from: last().from, headers, ...change }));
  const kinds = () => outcomes.map((outcome) => (outcome instanceof Rejection ? outcome.code : outcome.kind));
  return { clock, relay, sent, outcomes, refused, state, last, reply, kinds };
}
