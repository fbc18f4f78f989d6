// The relay client's timing and bookkeeping, with a follower that does as it is told.

import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  encodeReply,
  HEADERS_PER_REQUEST_MAX,
  type HeaderRequest,
  MESSAGE_BYTES_MAX,
  RUN_BYTES_MAX,
} from "../../../firmware/bus/wire.js";
import type { Ask } from "../../../firmware/chain/follow/asking.js";
import type { Outcome } from "../../../firmware/chain/follow/outcome.js";
import { type Followed, MOTE, relayOver } from "./relay-bench.js";

/** A follower that wants what the test says, takes what comes for progress or not, and notes all of it. */
function scripted(wants?: Ask) {
  const heard = {
    offered: [] as Uint8Array[],
    answered: [] as number[],
    polled: [] as number[][],
    unanswered: 0,
    nowS: [] as unknown[],
  };
  const state = { wants, moves: true, kind: "known" as "known" | "wanting" };
  const outcome = (): Outcome => (state.moves ? { kind: "advanced" } : { kind: state.kind });
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

test("what is of no use but whole is asked for in half a message first, and in a whole one where not all of it came", () => {
  const { follower, heard } = scripted({ from: 20, count: 6, whole: true });
  const { relay, last, reply } = relayOver(follower);
  const asked = () => [last().from, last().count, last().bytesMax];
  relay.step(true);
  assert.equal(asked(), [20, 6, RUN_BYTES_MAX]);
  reply([HEADER, HEADER, HEADER]);
  relay.step(true);
  assert.equal(asked(), [20, 6, MESSAGE_BYTES_MAX], "at once");
  assert.equal([heard.answered, heard.unanswered], [[], 0], "nobody looks at a part, and nobody is blamed");
  reply([HEADER, HEADER, HEADER]);
  relay.step(true);
  assert.equal(heard.answered, [20], "what does not come in all the room there is is the follower's to judge");
  const { follower: other, heard: had } = scripted({ from: 20, count: 2, whole: true });
  const second = relayOver(other);
  second.relay.step(true);
  second.reply([HEADER, HEADER]);
  second.relay.step(true);
  assert.equal(had.answered, [20], "all of it at once");
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

test("silence is given up after 5 seconds, told to the follower, and met with waits that double to eight seconds", () => {
  const { follower, heard, state } = scripted({ from: 9, count: 2 });
  const { clock, relay, sent, last, reply } = relayOver(follower);
  const startMs = clock.ticksMs();
  const askedMs: number[] = [];
  const pollsMs: number[] = [];
  while (clock.ticksMs() - startMs < 240_000) {
    const before = sent.length;
    const waitMs = relay.step(true);
    if (sent.length > before) (last().from === 9 ? askedMs : pollsMs).push(clock.ticksMs() - startMs);
    clock.pass(Math.max(1, Math.min(waitMs, 60_000)));
  }
  const pauses = askedMs.slice(1).map((ms, i) => ms - (askedMs[i] as number) - 5000);
  // A poll takes its time, too, where it falls into a pause.
  for (const [i, pause] of pauses.entries()) {
    const waitMs = Math.min(500 * 2 ** i, 8000);
    assert.ok(pause >= waitMs && pause <= waitMs + 5000, `${pauses}`);
  }
  assert.ok(heard.unanswered >= askedMs.length - 1, `${heard.unanswered} of ${askedMs.length}`);
  assert.ok(askedMs.length < 24, `${askedMs.length} requests in four minutes`);
  const rests = pollsMs.slice(1).map((ms, i) => ms - (pollsMs[i] as number));
  for (const [i, rest] of rests.entries()) assert.ok(rest >= Math.min(10_000 * 2 ** i, 60_000), `${rests}`);
  for (let i = 0; i < 100 && last().from !== 9; i += 1) clock.pass(relay.step(true));
  const early = sent[0] as HeaderRequest;
  relay.replied(encodeReply({ id: early.id, from: early.from, headers: [HEADER] }));
  relay.step(true);
  assert.equal(heard.answered, [], "an answer to a request that was given up");
  const before = sent.length;
  reply([HEADER]);
  relay.step(true);
  assert.is(sent.length, before + 1, "progress: asked on at once");
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
  relay.step(true);
  clock.pass(5000);
  clock.pass(relay.step(true));
  relay.step(true);
  reply([HEADER]);
  relay.reset();
  relay.step(false);
  assert.equal(heard.answered, []);
  assert.is(heard.unanswered, 1, "nobody is to blame for what was asked on a lost link");
  relay.step(true);
  assert.is(sent.length, 3);
});

test("with no announcement it asks for what comes next every ten seconds, and less often where there is nothing", () => {
  const { follower, heard } = scripted();
  const { clock, relay, sent, last, reply } = relayOver(follower);
  const waits: number[] = [];
  for (let i = 0; i < 6; i += 1) {
    const waitMs = relay.step(true);
    clock.pass(waitMs - 1);
    assert.is(relay.step(true), 1);
    clock.pass(1);
    relay.step(true);
    if (i === 0) {
      assert.equal([last().from, last().count, last().bytesMax], [7, HEADERS_PER_REQUEST_MAX, RUN_BYTES_MAX]);
      reply([]);
      relay.step(true);
    }
    assert.equal([last().from, last().count, last().bytesMax], [7, 1, MESSAGE_BYTES_MAX], "it may be too long for a run");
    reply([]);
    waits.push(waitMs);
  }
  assert.equal(waits, [10_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  assert.is(sent.length, 7);
  assert.is(heard.unanswered, 0, "the follower did not ask");
});

test("polls that came back empty delay nothing that an announcement leads to, and an announcement ends their long waits", () => {
  const { follower, state } = scripted();
  const { clock, relay, sent, last, reply } = relayOver(follower);
  for (let i = 0; i < 6; i += 1) {
    clock.pass(relay.step(true));
    relay.step(true);
    for (let j = 0; j < 2; j += 1) {
      reply([]);
      relay.step(true);
    }
  }
  assert.is(relay.step(true), 60_000);
  const before = sent.length;
  state.moves = false;
  state.wants = { from: 5, count: 3 };
  relay.announced(HEADER);
  relay.step(true);
  assert.is(sent.length, before + 1, "at once");
  assert.is(last().from, 5);
  state.wants = undefined as never;
  reply([]);
  relay.step(true);
  reply([]);
  relay.step(true);
  clock.pass(60_000);
  relay.step(true);
  reply([]);
  relay.step(true);
  reply([]);
  assert.is(relay.step(true), 60_000, "what was announced was known");
  state.kind = "wanting";
  relay.announced(HEADER);
  assert.is(relay.step(true), 10_000);
});

test("whatever the follower wants and nobody brings, it is asked every ten seconds what comes after the head", () => {
  const { follower, state } = scripted({ from: 1000, count: 1, whole: true });
  const { clock, relay, sent, last, reply } = relayOver(follower);
  state.moves = false;
  state.kind = "wanting";
  let looked = 0;
  let polls = 0;
  for (let ms = 0; ms < 120_000; ms += 100) {
    relay.announced(HEADER);
    relay.step(true);
    if (sent.length > looked) {
      looked = sent.length;
      if (last().from === 7) polls += 1;
      reply([]);
    }
    clock.pass(100);
  }
  assert.ok(polls >= 11, `${polls} polls in two minutes`);
});

test("a poll that brings news is followed by another at once; one that brings none waits its time", () => {
  const { follower, heard, state } = scripted();
  const { clock, relay, sent, reply } = relayOver(follower);
  clock.pass(10_000);
  relay.step(true);
  for (let i = 0; i < 5; i += 1) {
    reply([HEADER, HEADER, HEADER, HEADER]);
    relay.step(true);
  }
  assert.equal(heard.polled, Array(5).fill([7, 4]));
  assert.is(sent.length, 6);
  assert.is(sent[1]?.count, 4, "as many as fit that are as long as the last");
  reply([HEADER]);
  assert.is(relay.step(true), 10_000, "fewer than there was room for: there are no more");
  clock.pass(10_000);
  relay.step(true);
  state.moves = false;
  reply([HEADER]);
  assert.is(relay.step(true), 10_000, "a relay that answers with what is no news earns no second question");
});

test("a poll that brings news leaves the next word to what the follower wants", () => {
  const { follower, state } = scripted();
  const { clock, relay, last, reply } = relayOver(follower);
  clock.pass(10_000);
  relay.step(true);
  state.wants = { from: 1000, count: 1, whole: true };
  for (const from of [1000, 1000, 1000]) {
    reply([HEADER]);
    relay.step(true);
    assert.is(last().from, from);
  }
});

test("an answer that the head has overtaken is taken for what it is, and nobody is blamed", () => {
  const { follower, heard, state } = scripted({ from: 7, count: 2 });
  const { relay, reply } = relayOver(follower);
  relay.step(true);
  state.wants = { from: 8, count: 1 };
  reply([HEADER, HEADER]);
  relay.step(true);
  assert.equal([heard.answered, heard.polled], [[], [[7, 2]]]);
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

test("on the bus it has the head's topic and its own replies', and forgets what it asked when the link is lost", () => {
  const { follower, heard } = scripted({ from: 7, count: 1 });
  const { relay, sent, last } = relayOver(follower);
  const [head, replies] = relay.subscriptions as [string, string];
  assert.equal([head, replies], ["chains/eip155:1/head", `motes/0x${"ab".repeat(20)}/replies`]);
  assert.not.ok(relay.received("somebody/else", HEADER));
  assert.ok(relay.received(head, HEADER));
  relay.step(true);
  assert.equal(heard.offered, [HEADER]);
  assert.ok(relay.received(replies, encodeReply({ id: last().id, from: 7, headers: [HEADER] })));
  relay.step(true);
  assert.equal(heard.answered, [7]);
  relay.step(true);
  const asked = sent.length;
  relay.linkChanged(true);
  assert.ok(relay.step(true) > 0);
  assert.is(sent.length, asked, "a link that comes up changes nothing");
  relay.linkChanged(false);
  relay.step(true);
  assert.is(sent.length, asked + 1, "nothing asked on the old one will be answered");
});

test.run();
