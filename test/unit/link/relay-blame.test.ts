// Relays that do not get the mote on, each in its own way, and an honest one behind them: over virtual time, with the real
// follower. Whatever they answer, the honest one is asked after a few answers, and the mote catches up.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeReply, type HeaderRequest } from "../../../firmware/bus/wire.js";
import { Follower } from "../../../firmware/chain/follow/follower.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { RelayClient } from "../../../firmware/link/relay.js";
import { openGenerated } from "../../chains/clique-fixture.js";
import { accounts, type Block, CliqueChain, notary } from "../../chains/clique-generator.js";
import { MemoryStore } from "../../chains/follower-fixture.js";
import { HandClock } from "../hand-clock.js";
import { honestAnswer, wireTo } from "./relay-bench.js";

const LENGTH = 60;
const PERIOD_S = 15;
const ANSWER_MS = 100;
const MINUTES_MAX = 10;

const { sealer, engine } = notary(nobleEngine);
const chain = new CliqueChain({ signers: accounts(5), periodS: PERIOD_S, sealer });
const blocks = [chain.genesis, ...chain.grow(chain.genesis, LENGTH)];
/** The mote is here when it begins, and a branch that never wins ends here. */
const START = 10;
/** Another block of height `number`, lighter than the chain's; another each time. */
const sibling = (number: number, salt: number): Uint8Array => {
  const parent = blocks[number - 1] as Block;
  const bend = (draft: { stateRoot: Uint8Array }): Uint8Array => draft.stateRoot.fill(salt);
  return chain.child(parent, chain.sealersOf(parent).at(-1), { bend }).raw;
};
const orphan = (number: number): Uint8Array =>
  chain.child(blocks[Math.min(number, LENGTH) - 1] as Block, undefined, {
    bend: (draft) => {
      draft.parentHash = new Uint8Array(32).fill(9);
    },
  }).raw;
/** The chain as somebody dates it who has the keys of a day to come, or who does not care. */
const tomorrow = (number: number): Uint8Array => chain.child(blocks[number - 1] as Block, undefined, { afterS: 86_400 }).raw;

/** What it answers, or undefined for silence; `nth` of its requests, from 0. */
type Answer = (request: HeaderRequest, nth: number, tip: number) => readonly Uint8Array[] | undefined;

const honest: Answer = (request, _, tip) => honestAnswer(request, blocks.slice(0, tip + 1));
const upTo = (from: number, tip: number): boolean => from >= 1 && from <= tip;

const idle: Record<string, Answer> = {
  silence: () => undefined,
  "an empty list": () => [],
  "a block of tomorrow": ({ from }, _, tip) => (upTo(from, tip) ? [tomorrow(from)] : []),
  "one header and a block of tomorrow": ({ from, count }, _, tip) =>
    upTo(from, tip) ? [(blocks[from] as Block).raw, tomorrow(from + 1)].slice(0, count) : [],
  "one header of the many there are": ({ from }, _, tip) => (upTo(from, tip) ? [(blocks[from] as Block).raw] : []),
  "one header of many, and nothing, in turn": ({ from }, nth, tip) =>
    nth % 2 === 0 && upTo(from, tip) ? [(blocks[from] as Block).raw] : [],
  "one header of many, and one of tomorrow, in turn": ({ from }, nth, tip) =>
    upTo(from, tip) ? [nth % 2 === 0 ? (blocks[from] as Block).raw : tomorrow(from)] : [],
  "the header that it was asked for, and a lie, in turn": (request, nth, tip) =>
    nth % 2 === 0 ? honest(request, nth, tip) : [(blocks[1] as Block).raw.map((byte, at) => (at === 200 ? byte ^ 1 : byte))],
  "a branch that never wins": ({ from }, nth) => [from > START ? orphan(from) : sibling(from, nth)],
  "headers of a parent that nobody has": ({ from }) => [orphan(from)],
  "what is known already": ({ from }) => (from > START ? [] : [(blocks[from] as Block).raw]),
};

interface Course {
  readonly asked: ReadonlyMap<string, number>;
  /** In the order in which they were asked. */
  readonly order: readonly string[];
  readonly head: number;
  readonly ms: number;
}

/** @param announces whether the honest head is announced when the chain grows */
function run(relays: Readonly<Record<string, Answer>>, announces: boolean, named = true): Course {
  const clock = new HandClock(1000);
  const consensus = openGenerated(chain, engine);
  const follower = new Follower({ consensus, engine, store: new MemoryStore(), clock });
  for (const { raw } of blocks.slice(1, START + 1)) follower.offer(raw, undefined);
  const names = Object.keys(relays);
  const order: string[] = [];
  const asked = new Map<string, number>();
  let due: { atMs: number; reply: Uint8Array } | undefined;
  const tipAt = (): number => Math.min(LENGTH, LENGTH - 20 + Math.floor(clock.ticksMs() / 1000 / PERIOD_S));
  const nowS = (): number => (blocks[LENGTH - 20] as Block).timeS + Math.floor(clock.ticksMs() / 1000);
  const ask = (request: HeaderRequest, relay: string): boolean => {
    const name = named ? relay : (names[0] as string);
    const nth = asked.get(name) ?? 0;
    asked.set(name, nth + 1);
    order.push(name);
    const headers = (relays[name] as Answer)(request, nth, tipAt());
    due =
      headers === undefined
        ? undefined
        : { atMs: clock.ticksMs() + ANSWER_MS, reply: encodeReply({ id: request.id, from: request.from, headers }) };
    return true;
  };
  const client = new RelayClient({
    ...wireTo(clock, ask, () => {}),
    config: named ? { relays: names } : {},
    follower,
    nowS,
    onOutcome: () => {},
  });
  let announced = 0;
  while (clock.ticksMs() < MINUTES_MAX * 60_000 && follower.head.number < tipAt()) {
    if (announces && announced !== tipAt()) {
      announced = tipAt();
      client.announced((blocks[announced] as Block).raw);
    }
    if (due !== undefined && clock.ticksMs() >= due.atMs) {
      client.replied(due.reply);
      due = undefined;
    }
    clock.pass(Math.max(1, Math.min(client.step(true), 50)));
  }
  return { asked, order, head: follower.head.number - tipAt(), ms: clock.ticksMs() };
}

for (const [name, answer] of Object.entries(idle))
  for (const announces of [true, false]) {
    const how = announces ? "" : ", and nothing is announced";
    test(`a relay that answers with ${name}${how}: the next is asked after twelve answers at most`, () => {
      const { order, head, ms } = run({ bad: answer, honest }, announces);
      const first = order.indexOf("honest");
      assert.ok(first >= 0 && first <= 12, `the honest one was asked as number ${first}`);
      assert.is(head, 0);
      assert.ok(ms <= 2 * 60_000, `it took ${ms} ms`);
    });
  }

test("three in a row that bring nothing on are passed over one after the other", () => {
  const { order, head } = run({ a: idle["a block of tomorrow"] as Answer, b: idle["an empty list"] as Answer, honest }, true);
  assert.is(head, 0);
  assert.ok(order.indexOf("honest") <= 4, order.slice(0, 12).join());
});

test("an honest relay that has nothing new is no liar: it is asked again before one that lied", () => {
  const lies: Answer = ({ from }) => [(blocks[from] as Block).raw.map((byte, at) => (at === 200 ? byte ^ 1 : byte))];
  const { order } = run({ lies, late: idle["an empty list"] as Answer, idle: idle["an empty list"] as Answer }, true);
  const after = order.slice(1);
  assert.is(order[0], "lies");
  assert.equal(after.filter((name) => name === "lies").length, 0, order.join());
});

test("the only relay is asked for as long as it takes, whatever it answers between", () => {
  for (const name of ["one header of the many there are", "one header of many, and one of tomorrow, in turn"] as const) {
    const { head } = run({ only: idle[name] as Answer }, true);
    assert.is(head, 0, name);
  }
  assert.is(run({ only: idle["one header of many, and nothing, in turn"] as Answer }, true, false).head, 0, "without a name");
});

test.run();
