// The relay client and the real follower, on a generated Clique chain, against relays that flood and lie.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { HEADERS_PER_REQUEST_MAX, type HeaderRequest } from "../../../firmware/bus/wire.js";
import { Follower } from "../../../firmware/chain/follow/follower.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { createBoard } from "../../../host-sim/device.js";
import { openGenerated } from "../../chains/clique-fixture.js";
import { accounts, type Block, CliqueChain } from "../../chains/clique-generator.js";
import { HandClock } from "../hand-clock.js";
import { relayOver } from "./relay-bench.js";

const chain = new CliqueChain({ signers: accounts(3), periodS: 1 });
const blocks = [chain.genesis, ...chain.grow(chain.genesis, 60)];
const raw = (number: number) => (blocks[number] as Block).raw;

function followed() {
  const store = createBoard().device.store.open({ path: "mote", format: "buffer" });
  const clock = new HandClock();
  return new Follower({ consensus: openGenerated(chain), engine: nobleEngine, store, clock });
}

/** Answers as an honest relay does, as much as fits. */
function honest(request: HeaderRequest): Uint8Array[] {
  const headers: Uint8Array[] = [];
  for (let number = request.from; number < request.from + Math.min(request.count, 6) && number < blocks.length; number += 1)
    headers.push(raw(number));
  return headers;
}

test("catches up with the chain from one announcement", () => {
  const follower = followed();
  const { relay, sent, last, reply } = relayOver(follower);
  relay.announced(raw(60));
  relay.step(true);
  for (let i = 0; i < 20 && follower.head.number < 60; i += 1) {
    reply(honest(last()));
    relay.step(true);
  }
  assert.is(follower.head.number, 60);
  assert.ok(sent.length <= 22, `${sent.length} requests for 60 headers`);
});

test("a liar who announces absurd heights and answers nothing gets a bounded number of requests", () => {
  const follower = followed();
  const { clock, relay, sent } = relayOver(follower);
  const absurd = [2 ** 20, 2 ** 40, 2 ** 48 - 1].map(
    (number) => chain.child(blocks[5] as Block, undefined, { bend: (draft) => (draft.number = BigInt(number)) }).raw,
  );
  const endMs = clock.ticksMs() + 600_000;
  for (let i = 0; clock.ticksMs() < endMs; i += 1) {
    relay.announced(absurd[i % absurd.length] as Uint8Array);
    const dueMs = relay.step(true);
    for (const { from, count } of sent) assert.ok(from <= 1 && count <= HEADERS_PER_REQUEST_MAX);
    clock.pass(Math.max(1, Math.min(dueMs, 50)));
  }
  assert.is(follower.head.number, 0);
  assert.ok(sent.length <= 60, `${sent.length} requests in ten minutes`);
});

test("under a flood of noise the honest chain is still followed, by asking", () => {
  const follower = followed();
  const { clock, relay, sent, last, reply } = relayOver(follower);
  let answered = 0;
  for (let i = 0; i < 3000 && follower.head.number < 60; i += 1) {
    relay.announced(raw(0).subarray(0, 40 + (i % 100)));
    relay.step(true);
    if (sent.length > answered) {
      answered = sent.length;
      reply(honest(last()));
    }
    clock.pass(10);
  }
  assert.is(follower.head.number, 60);
  assert.ok(clock.ticksMs() < 15_000, `it took ${clock.ticksMs()} ms`);
});

test("a relay that answers each poll with a forged header is asked no more than one that is silent", () => {
  const follower = followed();
  const { clock, relay, sent, reply, kinds } = relayOver(follower);
  const forged = raw(1).slice();
  forged[forged.length - 60] = (forged[forged.length - 60] as number) ^ 1;
  let answered = 0;
  for (let i = 0; i < 600; i += 1) {
    relay.step(true);
    if (sent.length > answered) {
      answered = sent.length;
      reply([forged]);
    }
    clock.pass(100);
  }
  assert.is(follower.head.number, 0);
  assert.ok(sent.length <= 7, `${sent.length} requests in a minute`);
  assert.ok(kinds().length > 0 && kinds().every((kind) => kind !== "advanced"));
});

test.run();
