// Whom to ask next: the silent are followed by the next, liars stand last until they help, and nobody is given up.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeReply, type HeaderRequest } from "../../../firmware/bus/wire.js";
import type { Outcome } from "../../../firmware/chain/follow/outcome.js";
import { RelayClient } from "../../../firmware/link/relay.js";
import { RelayOrder } from "../../../firmware/link/relay-order.js";
import { Rejection } from "../../../firmware/rejection.js";
import type { Block } from "../../chains/clique-generator.js";
import { Relay as ChainRelay, world } from "../../chains/follower-fixture.js";
import { HandClock } from "../hand-clock.js";
import { wireTo } from "./relay-bench.js";

const good: Outcome[] = [{ kind: "advanced" }];
const bad: (Outcome | Rejection)[] = [{ kind: "advanced" }, new Rejection("seal-stranger", "")];

test("whoever helped is asked again", () => {
  const order = new RelayOrder(["a", "b", "c"]);
  order.judge(good);
  assert.is(order.next, "a");
});

test("silence passes the question on, round and round", () => {
  const order = new RelayOrder(["a", "b", "c"]);
  const asked: string[] = [];
  for (let i = 0; i < 6; i += 1) {
    asked.push(order.next);
    order.silent();
  }
  assert.equal(asked, ["a", "b", "c", "a", "b", "c"]);
});

test("a liar stands behind the silent ones until it helps", () => {
  const order = new RelayOrder(["a", "b", "c"]);
  order.judge(bad);
  const asked: string[] = [];
  for (let i = 0; i < 4; i += 1) {
    asked.push(order.next);
    order.silent();
  }
  assert.equal(asked, ["b", "c", "b", "c"]);
  for (const _ of "bc") order.judge(bad);
  assert.is(order.next, "a", "when all have lied the first of them has its turn");
  order.judge(good);
  order.silent();
  assert.is(order.next, "b");
  order.judge(bad);
  assert.is(order.next, "c");
});

const INNOCENT = ["work-limit", "clock-unknown", "checkpoint-expired", "time-in-future", "head-frozen", "stale"];

test("our own limits and our own clock are nobody's lie", () => {
  for (const code of INNOCENT) {
    const order = new RelayOrder(["a", "b", "c"]);
    order.judge([new Rejection(code, "")]);
    assert.is(order.next, "a", code);
    // Had it lied it would stand behind all others.
    order.silent();
    order.silent();
    order.silent();
    assert.is(order.next, "a", code);
  }
});

const nothing: Record<string, (Outcome | Rejection)[]> = {
  ...Object.fromEntries(INNOCENT.map((code) => [code, [new Rejection(code, "")]])),
  known: [{ kind: "known" }],
  wanting: [{ kind: "wanting" }],
};
for (const [name, outcomes] of Object.entries(nothing))
  test(`three answers that bring nothing on (${name}) pass the question on, without blame`, () => {
    const order = new RelayOrder(["a", "b"]);
    const asked: string[] = [];
    for (let i = 0; i < 12; i += 1) {
      asked.push(order.next);
      order.judge(outcomes);
    }
    assert.equal(asked.join(""), "aaabbbaaabbb");
  });

test("one that brings a little each time, or much late, is borne four times; what fills an answer is borne for ever", () => {
  const order = new RelayOrder(["a", "b"]);
  const asked: string[] = [];
  for (let i = 0; i < 8; i += 1) {
    asked.push(order.next);
    order.judge(good, true);
  }
  for (let i = 0; i < 20; i += 1) {
    asked.push(order.next);
    order.judge(good);
  }
  assert.equal(asked.join(""), `aaaabbbb${"a".repeat(20)}`);
});

test("little and nothing in turn add up; one header before what is of no use is little, however full the answer", () => {
  const order = new RelayOrder(["a", "b"]);
  let answers = 0;
  for (; order.next === "a" && answers < 50; answers += 1)
    order.judge(answers % 2 === 0 ? good : ([{ kind: "known" }] as Outcome[]), true);
  assert.is(answers, 4);
  answers = 0;
  for (; order.next === "b" && answers < 50; answers += 1) order.judge([...good, new Rejection("time-in-future", "")]);
  assert.is(answers, 4);
});

test("a branch that never wins is heard for as long as a branch can be, and then others are", () => {
  const order = new RelayOrder(["a", "b"]);
  let answers = 0;
  for (; order.next === "a" && answers < 50; answers += 1) order.judge([{ kind: "side", number: answers }]);
  assert.is(answers, 12);
});

test("the only relay is asked whatever it says", () => {
  const order = new RelayOrder(["a"]);
  for (let i = 0; i < 20; i += 1) {
    order.judge(i % 3 === 0 ? bad : [{ kind: "known" }]);
    assert.is(order.next, "a");
  }
});

test("of three relays, one silent and one that lies, the mote catches up by the third", () => {
  const { chain, follower } = world();
  const blocks = chain.grow(chain.genesis, 60);
  const honest = new ChainRelay(blocks);
  const clock = new HandClock(1000);
  const asked = new Map<string, number>();
  let pending: { request: HeaderRequest; relay: string } | undefined;
  const ask = (request: HeaderRequest, relay: string): boolean => {
    pending = { request, relay };
    asked.set(relay, (asked.get(relay) ?? 0) + 1);
    return true;
  };
  const client = new RelayClient({
    ...wireTo(clock, ask, (rejection) => assert.unreachable(String(rejection))),
    config: { relays: ["silent", "liar", "honest"] },
    follower,
    nowS: () => undefined,
    onOutcome: () => {},
  });
  client.announced((blocks[59] as Block).raw);
  for (let i = 0; i < 200 && follower.head.number < 60; i += 1) {
    const dueMs = client.step(true);
    const now = pending;
    pending = undefined;
    if (now !== undefined && now.relay !== "silent") {
      const { from, count } = now.request;
      const headers = honest.answer(from, count);
      // The liar bends a bit of each header's state root.
      const sent = now.relay === "honest" ? headers : headers.map((raw) => raw.map((byte, at) => (at === 100 ? byte ^ 1 : byte)));
      client.replied(encodeReply({ id: now.request.id, from, headers: sent }));
    } else clock.pass(Math.min(dueMs, 5_000));
  }
  assert.is(follower.head.number, 60);
  assert.equal([asked.get("silent"), asked.get("liar")], [1, 1]);
});

test.run();
