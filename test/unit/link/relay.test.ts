// The relay client's timing and bookkeeping, with a follower that does as it is told.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Ask } from "../../../firmware/chain/asking.js";
import type { Outcome } from "../../../firmware/chain/follower.js";
import {
  encodeReply,
  HEADERS_PER_REQUEST_MAX,
  type HeaderRequest,
  MESSAGE_BYTES_MAX,
  RUN_BYTES_MAX,
} from "../../../firmware/link/wire.js";
import { type Followed, MOTE, relayOver } from "./relay-bench.js";

/** A follower that wants what the test says, takes what comes for progress or not, and notes all of it. */
function scripted(wants?: Ask) {
  const heard = { offered: [] as Uint8Array[], answered: [] as number[], polled: [] as number[][], unanswered: 0, nowS: [] as unknown[] };
  const state = { wants, moves: true };
  const outcome = (): Outcome => (state.moves ? { kind: "advanced" } : { kind: "known" });
  const follower: Followed = {
    head: { number: 6 } as Followed["head"],
    wanted: () => state.wants,
    offer(raw, nowS) {
      heard.offered.push(raw);
      heard.nowS.push(nowS);
      return outcome();
    },
    answer(from, raws, nowS) {
      heard.answered.push(from);
      heard.nowS.push(nowS);
      return raws.map(outcome);
    },
    polled(from, raws) {
      heard.polled.push([from, raws.length]);
      return raws.map(outcome);
    },
    unanswered() {
      heard.unanswered += 1;
    },
  };
  return { follower, heard, state };
}

const HEADER = new Uint8Array(500).fill(1);

test("asks for what the follower wants, within the bounds of the wire, and only while the link is up", () => {
  const { follower, state } = scripted({ from: 7, count: 10_000 });
  const { relay, sent, last } = relayOver(follower);
  assert.is(relay.step(false), Number.POSITIVE_INFINITY);
  assert.is(sent.length, 0);
  assert.is(relay.step(true), 5000);
  assert.equal(last(), { id: 101, to: MOTE, from: 7, count: HEADERS_PER_REQUEST_MAX, bytesMax: RUN_BYTES_MAX });
  state.wants = { from: 9, count: 1 };
  relay.step(true);
  assert.is(sent.length, 1, "one request at a time, whatever is wanted meanwhile");
});

test("room is asked for as little as will do: a run in half a message, and a header alone, or a landing, in a whole one", () => {
  const { follower, state, heard } = scripted({ from: 7, count: 5 });
  const { relay, sent, last, reply } = relayOver(follower);
  const asked = () => [last().from, last().count, last().bytesMax];
  relay.step(true);
  assert.equal(asked(), [7, 5, RUN_BYTES_MAX]);
  reply([]);
  relay.step(true);
  assert.equal(asked(), [7, 1, MESSAGE_BYTES_MAX], "at once: the next may be too long for so little room");
  assert.is(heard.unanswered, 0, "and nobody is blamed");
  reply([HEADER]);
  state.wants = { from: 8, count: 4 };
  relay.step(true);
  assert.equal(asked(), [8, 4, RUN_BYTES_MAX]);
  reply([]);
  relay.step(true);
  reply([]);
  assert.is(relay.step(true), 500, "an empty answer with all the room there is says that there is none");
  assert.equal([heard.unanswered, sent.length], [1, 4]);
  state.wants = { from: 20, count: 6, whole: true };
  relay.reset();
  relay.step(true);
  assert.equal(asked(), [20, 6, MESSAGE_BYTES_MAX]);
});

test("an answer goes to the follower at the next step, and the next request leaves at once", () => {
  const { follower, heard } = scripted({ from: 7, count: 3 });
  const { relay, sent, reply, kinds } = relayOver(follower, 1234);
  relay.step(true);
  reply([HEADER, HEADER]);
  assert.equal(heard.answered, [], "never from inside a callback");
  relay.step(true);
  assert.equal(heard.answered, [7]);
  assert.equal(heard.nowS, [1234]);
  assert.equal(kinds(), ["advanced", "advanced"]);
  assert.is(sent.length, 2);
});

test("with nothing asked, or an answer still to be looked at, a reply is not even decoded", () => {
  const { follower, heard } = scripted({ from: 7, count: 3 });
  const { relay, refused, reply } = relayOver(follower);
  relay.replied(Uint8Array.of(0xff));
  relay.step(true);
  reply([HEADER]);
  relay.replied(Uint8Array.of(0xff));
  reply([HEADER], { id: 5 });
  assert.equal(refused, []);
  relay.step(false);
  relay.replied(Uint8Array.of(0xff));
  assert.equal(refused, []);
  assert.equal(heard.answered, [7]);
});

test("an answer counts only for the request it names: other id, start or length, and noise, are refused", () => {
  const { follower, heard } = scripted({ from: 7, count: 2 });
  const { relay, refused, reply } = relayOver(follower);
  relay.step(true);
  reply([HEADER], { id: 100 });
  reply([HEADER], { from: 8 });
  reply([HEADER, HEADER, HEADER]);
  relay.replied(Uint8Array.of(0xff));
  assert.equal(refused, ["reply-unasked", "reply-unasked", "reply-unasked", "reply-malformed"]);
  relay.step(true);
  assert.equal(heard.answered, []);
  reply([HEADER, HEADER]);
  relay.step(true);
  assert.equal(heard.answered, [7], "none of them ended the request: the honest answer still counts");
});

test("silence is given up after 5 seconds, told to the follower, and met with waits that double to a minute", () => {
  const { follower, heard, state } = scripted({ from: 7, count: 2 });
  const { clock, relay, sent, reply } = relayOver(follower);
  const waits: number[] = [];
  for (let i = 0; i < 10; i += 1) {
    assert.is(relay.step(true), 5000);
    assert.is(sent.length, i + 1);
    clock.pass(4999);
    assert.is(relay.step(true), 1);
    clock.pass(1);
    waits.push(relay.step(true));
    assert.is(heard.unanswered, i + 1);
    clock.pass(waits[i] as number);
  }
  assert.equal(waits, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  relay.step(true);
  const late = sent[0] as HeaderRequest;
  relay.replied(encodeReply({ id: late.id, from: late.from, headers: [HEADER] }));
  relay.step(true);
  assert.equal(heard.answered, [], "an answer to a request that was given up");
  reply([HEADER]);
  relay.step(true);
  assert.is(sent.length, 12, "progress: asked on at once");
  state.moves = false;
  clock.pass(5000);
  assert.is(relay.step(true), 500, "and the wait begins again at its first");
});

test("an empty answer is as good as none; one without progress is not asked for again at once", () => {
  const { follower, heard, state } = scripted({ from: 7, count: 1 });
  const { clock, relay, sent, reply } = relayOver(follower);
  relay.step(true);
  reply([]);
  assert.is(relay.step(true), 500);
  assert.is(heard.unanswered, 1);
  clock.pass(500);
  relay.step(true);
  state.moves = false;
  clock.pass(100);
  reply([HEADER]);
  const waitMs = relay.step(true);
  assert.is(sent.length, 2);
  assert.ok(waitMs > 0 && waitMs <= 1000);
});

test("where the request cannot leave, it is tried again soon, and no answer is waited for", () => {
  const { follower, heard } = scripted({ from: 7, count: 2 });
  const { clock, relay, sent, state } = relayOver(follower);
  state.full = true;
  assert.is(relay.step(true), 500);
  state.full = false;
  assert.is(relay.step(true), 500);
  clock.pass(500);
  assert.is(relay.step(true), 5000);
  assert.is(sent.length, 1);
  assert.is(heard.unanswered, 0);
});

test("a lost link forgets the request, its answer and the wait", () => {
  const { follower, heard } = scripted({ from: 7, count: 2 });
  const { clock, relay, sent, reply } = relayOver(follower);
  for (let i = 0; i < 4; i += 1) {
    relay.step(true);
    clock.pass(5000);
    clock.pass(relay.step(true));
  }
  relay.step(true);
  reply([HEADER]);
  relay.reset();
  relay.step(false);
  assert.equal(heard.answered, []);
  assert.is(heard.unanswered, 4, "nobody is to blame for what was asked on a lost link");
  relay.step(true);
  assert.is(sent.length, 6);
});

test("with no announcement it asks for the next header every ten seconds, and backs off where there is none", () => {
  const { follower, heard } = scripted();
  const { clock, relay, sent, last, reply } = relayOver(follower);
  assert.is(relay.step(true), 10_000);
  clock.pass(9999);
  assert.is(relay.step(true), 1);
  clock.pass(1);
  relay.step(true);
  assert.is(last().from, 7);
  assert.is(last().count, 1);
  reply([]);
  assert.is(relay.step(true), 10_000);
  assert.is(heard.unanswered, 0, "the follower did not ask");
  clock.pass(10_000);
  relay.step(true);
  assert.is(sent.length, 2);
});

test("a poll that brings news is followed by another at once; one that brings none waits its time", () => {
  const { follower, heard, state } = scripted();
  const { clock, relay, sent, reply } = relayOver(follower);
  clock.pass(10_000);
  relay.step(true);
  for (let i = 0; i < 5; i += 1) {
    reply([HEADER]);
    relay.step(true);
  }
  assert.is(heard.offered.length, 5);
  assert.is(sent.length, 6);
  state.moves = false;
  reply([HEADER]);
  assert.is(relay.step(true), 10_000, "a relay that answers with what is no news earns no second question");
});

test("of announcements between two steps only the newest is looked at, once", () => {
  const { follower, heard } = scripted();
  const { relay } = relayOver(follower, 77);
  for (let i = 0; i < 10_000; i += 1) relay.announced(Uint8Array.of(i & 0xff, i >> 8));
  relay.step(true);
  relay.step(true);
  assert.equal(heard.offered, [Uint8Array.of(9999 & 0xff, 9999 >> 8)]);
  assert.equal(heard.nowS, [77]);
});

test.run();
