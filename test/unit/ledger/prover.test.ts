// What a mote reads of a chain's state: whole proofs in pieces, from one relay or several; lies, silence and floods; how old a proof is.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeReply } from "../../../firmware/bus/wire.js";
import {
  decodeProofRequest,
  encodeProofRequest,
  PROVE_ACCOUNT,
  PROVE_RECEIPT,
  PROVE_SLOT,
  PROVE_TRANSACTION,
  type ProofRequest,
} from "../../../firmware/ledger/proof-wire.js";
import { ATTEMPTS_MAX, type Proof, QUESTIONS_MAX } from "../../../firmware/ledger/prover.js";
import { Rejection } from "../../../firmware/rejection.js";
import {
  type Asked,
  accountQuestion,
  address,
  CONTRACT,
  itemsOf,
  MadeChain,
  MOTE,
  proverOver,
  question,
  START_S,
  slotOf,
} from "./prover-bench.js";

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");
const resultOf = (asked: Asked): Proof => {
  assert.is(asked.results.length, 1);
  const [result] = asked.results;
  assert.not.instance(result, Rejection, String(result));
  return result as Proof;
};
/** Against a proof that never ends. */
const STEPS_MAX = 50;
const chain = new MadeChain();
for (let i = 0; i < 3; i += 1) chain.mine();

test("accounts, slots, receipts and transactions are proven at the newest settled block, there or not", () => {
  const { prover, run, refused } = proverOver(chain);
  const account = accountQuestion(7);
  prover.ask(account);
  run();
  const proof = resultOf(account);
  assert.equal([proof.number, hex(proof.hash), proof.timeS], [3, hex(chain.newest.hash), START_S + 15]);
  assert.equal([proof.account?.nonce, proof.account?.balance], [3, 3007n]);
  const absent = accountQuestion(5_000);
  const slot = question(PROVE_SLOT, CONTRACT, { slot: slotOf(41) });
  const noSlot = question(PROVE_SLOT, CONTRACT, { slot: slotOf(5_000) });
  const noContract = question(PROVE_SLOT, address(5_000), { slot: slotOf(1) });
  const plain = question(PROVE_SLOT, address(9), { slot: slotOf(1) });
  const receipt = question(PROVE_RECEIPT, 12);
  const noReceipt = question(PROVE_RECEIPT, 20);
  const transaction = question(PROVE_TRANSACTION, 0);
  const all = [absent, slot, noSlot, noContract, plain, receipt, noReceipt, transaction];
  for (const asked of all) assert.ok(prover.ask(asked));
  run();
  assert.is(resultOf(absent).account, undefined);
  assert.is(BigInt(`0x${hex(resultOf(slot).value)}`), 3042n);
  for (const zero of [noSlot, noContract, plain]) assert.is(hex(resultOf(zero).value), "00".repeat(32));
  assert.is(resultOf(receipt).value?.length, 268);
  assert.is(resultOf(noReceipt).value, undefined);
  assert.ok((resultOf(transaction).value as Uint8Array).length > 0);
  assert.equal(refused, []);
});

test("a proof comes in messages of whole nodes; each names the item it begins with, and only the first has the header", () => {
  const { prover, run, sent } = proverOver(chain);
  const slot = question(PROVE_SLOT, CONTRACT, { slot: slotOf(3) });
  prover.ask(slot);
  const asked = run();
  resultOf(slot);
  assert.ok(asked > 1, `${asked} messages`);
  assert.ok(sent.every(({ request }) => request.bytesMax === 2048));
  const froms = sent.map(({ request }) => request.from);
  assert.is(froms[0], 0);
  assert.equal(
    froms,
    [...froms].sort((a, b) => a - b),
  );
});

test("others may be asked from one moment to the next: what was under way is asked of them", () => {
  const relays = ["north"];
  const { prover, sent, reply, honest } = proverOver(chain, { relays });
  const slot = question(PROVE_SLOT, CONTRACT, { slot: slotOf(3) });
  prover.ask(slot);
  prover.step(true);
  relays.splice(0, 1, "east", "west");
  prover.step(true);
  assert.equal(
    sent.map(({ relay }) => relay),
    ["north"],
  );
  prover.onRelays();
  prover.step(true);
  assert.is(sent[1]?.relay, "east");
  while (slot.results.length === 0) {
    reply(honest());
    prover.step(true);
  }
});

test("another relay goes on where one stopped, with the nodes that are left", () => {
  const { prover, sent, reply, honest, clock } = proverOver(chain, { relays: ["north", "south"] });
  const slot = question(PROVE_SLOT, CONTRACT, { slot: slotOf(3) });
  prover.ask(slot);
  prover.step(true);
  reply(honest());
  prover.step(true);
  assert.equal(
    sent.map(({ relay }) => relay),
    ["north", "north"],
  );
  const { from } = (sent[1] as { request: ProofRequest }).request;
  // North has gone; the block is still the newest.
  clock.pass(5_000);
  prover.step(true);
  clock.pass(500);
  prover.step(true);
  assert.is(sent[2]?.relay, "south");
  assert.is(sent[2]?.request.from, from);
  assert.ok(from > 1);
  for (let i = 0; i < STEPS_MAX && slot.results.length === 0; i += 1) {
    reply(honest());
    prover.step(true);
  }
  resultOf(slot);
});

test("what does not get on is begun anew at the newest settled block; what does get on stays at its own", () => {
  const growing = new MadeChain();
  growing.mine();
  const { prover, last, reply, honest, clock, sent } = proverOver(growing);
  const slot = question(PROVE_SLOT, CONTRACT, { slot: slotOf(3) });
  prover.ask(slot);
  prover.step(true);
  reply(honest());
  growing.mine();
  prover.step(true);
  assert.is(hex(last().block), hex(growing.blocks[1]?.hash));
  clock.pass(5_000);
  prover.step(true);
  clock.pass(500);
  prover.step(true);
  assert.is(hex(last().block), hex(growing.newest.hash));
  assert.is(last().from, 0);
  for (let i = 0; i < STEPS_MAX && slot.results.length === 0; i += 1) {
    reply(honest());
    prover.step(true);
  }
  assert.is(resultOf(slot).number, 2);
  assert.ok(sent.length > 3);
});

test("a block that is named is asked for and no other, also when it is not the newest", () => {
  const { prover, run } = proverOver(chain);
  const named = question(PROVE_RECEIPT, 2, { block: (chain.blocks[1] as { hash: Uint8Array }).hash });
  prover.ask(named);
  run();
  assert.is(resultOf(named).number, 1);
});

test("a configured depth is kept besides what counts as settled", () => {
  const { prover, last } = proverOver(chain, { depthBlocks: 2 });
  prover.ask(accountQuestion(1));
  prover.step(true);
  assert.is(hex(last().block), hex(chain.blocks[1]?.hash));
});

test("where the chain has forked nothing is asked, and nothing proven", () => {
  const forked = new MadeChain(3);
  forked.fork = {};
  const { prover, sent } = proverOver(forked);
  prover.ask(accountQuestion(1));
  assert.is(prover.step(true), 1_000);
  assert.equal(sent, []);
});

/** What a hostile relay may say in the place of the items that are asked for. */
const LIES: Readonly<Record<string, (items: readonly Uint8Array[], request: ProofRequest) => readonly Uint8Array[]>> = {
  "the header of another block": (items) => [(chain.blocks[1] as { raw: Uint8Array }).raw, ...items.slice(1)],
  "the header of another branch": (items) => [new MadeChain(3).mine(9).raw, ...items.slice(1)],
  "no header at all": (items) => items.slice(1),
  "a header with one bit turned": ([first, ...rest]) => [bent(first as Uint8Array, 100), ...rest],
  "a header that is none": (items) => [new Uint8Array(500), ...items.slice(1)],
  "the header twice": (items) => [items[0] as Uint8Array, ...items],
  "the proof of an older state": (items, request) => [
    items[0] as Uint8Array,
    ...itemsOf(chain.blocks[1] as never, request).slice(1),
  ],
  "another account's proof": (items, request) => [items[0] as Uint8Array, ...another(items, request)],
  "a byte of the root node": ([header, node, ...rest]) => [header as Uint8Array, bent(node as Uint8Array, 40), ...rest],
  "the root node left out": ([header, , ...rest]) => [header as Uint8Array, ...rest],
  "the root node doubled": ([header, node, ...rest]) => [header as Uint8Array, node as Uint8Array, node as Uint8Array, ...rest],
  "nodes in another order": ([header, ...rest]) => [header as Uint8Array, ...[...rest].reverse()],
  "an empty node": ([header]) => [header as Uint8Array, new Uint8Array(0)],
  "a node of nothing": ([header]) => [header as Uint8Array, Uint8Array.of(0x80)],
  "an empty list for a node": ([header]) => [header as Uint8Array, Uint8Array.of(0xc0)],
  "a leaf that says what is wanted": ([header]) => [header as Uint8Array, new Uint8Array(120).fill(1)],
  "a node that is too long": ([header]) => [header as Uint8Array, new Uint8Array(1_000)],
};

function bent(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at % copy.length] = (copy[at % copy.length] as number) ^ 4;
  return copy;
}

/** The nodes that lead to another account and part from the asked one's before the end. */
function another(items: readonly Uint8Array[], request: ProofRequest): Uint8Array[] {
  for (let i = 0; ; i += 1) {
    const nodes = itemsOf(chain.newest, { ...request, subject: address(i) }).slice(1);
    if (hex(nodes[1]) !== hex(items[2])) return nodes;
  }
}

for (const [name, lie] of Object.entries(LIES))
  test(`a relay that sends ${name} proves nothing and is put last; the next one is asked, and proves it`, () => {
    const { prover, sent, reply, honest, clock, refused } = proverOver(chain, { relays: ["liar", "honest"] });
    const asked = accountQuestion(7);
    prover.ask(asked);
    prover.step(true);
    reply(lie(honest(), (sent[0] as { request: ProofRequest }).request));
    prover.step(true);
    assert.equal(asked.results, []);
    assert.is(refused.length, 1);
    clock.pass(500);
    for (let i = 0; i < STEPS_MAX && asked.results.length === 0; i += 1) {
      prover.step(true);
      assert.is(sent[sent.length - 1]?.relay, "honest");
      reply(honest());
      prover.step(true);
    }
    assert.is(resultOf(asked).account?.balance, 3007n);
    // Of the liar nothing more is asked.
    const next = accountQuestion(8);
    prover.ask(next);
    prover.step(true);
    assert.is(sent[sent.length - 1]?.relay, "honest");
  });

test("nodes after the end are refused and blamed; what led there holds", () => {
  const { prover, reply, honest, refused, clock } = proverOver(chain, { relays: ["liar", "honest"] });
  const asked = accountQuestion(7);
  prover.ask(asked);
  for (let i = 0; i < STEPS_MAX && asked.results.length === 0; i += 1) {
    prover.step(true);
    const items = honest();
    reply([...items, items[items.length - 1] as Uint8Array]);
    prover.step(true);
    clock.pass(500);
  }
  assert.is(resultOf(asked).account?.balance, 3007n);
  assert.ok(refused.includes("trie-node-surplus") || refused.includes("trie-hash-wrong"));
});

test("a relay that does not know the block, or says nothing, is followed by the next; in the end it is not known, and never a no", () => {
  for (const answer of [[], undefined]) {
    const { prover, sent, reply, clock, refused } = proverOver(chain, { relays: ["a", "b", "c"] });
    const asked = accountQuestion(7);
    const next = accountQuestion(8);
    prover.ask(asked);
    prover.ask(next);
    for (let i = 0; asked.results.length === 0; i += 1) {
      assert.ok(i < 200);
      const before = sent.length;
      prover.step(true);
      if (sent.length > before && answer !== undefined) reply(answer);
      clock.pass(500);
    }
    assert.equal([...new Set(sent.map(({ relay }) => relay))].sort(), ["a", "b", "c"]);
    assert.is((asked.results[0] as Rejection).code, "proof-unavailable");
    // Each was asked in little room and in all there is, where it said something.
    const own = sent.filter(({ request }) => hex(request.subject as Uint8Array) === hex(address(7)));
    assert.is(own.length, (answer === undefined ? 1 : 2) * ATTEMPTS_MAX);
    assert.equal(refused, []);
    prover.step(true);
    assert.equal(sent[sent.length - 1]?.request.subject, address(8));
  }
});

test("an item that does not fit the usual room is asked for in all that a message holds", () => {
  const { prover, last, reply, honest, sent } = proverOver(chain);
  const asked = accountQuestion(7);
  prover.ask(asked);
  prover.step(true);
  assert.is(last().bytesMax, 2048);
  reply([]);
  prover.step(true);
  assert.is(last().bytesMax, 4096);
  assert.is(sent.length, 2);
  reply(honest());
  prover.step(true);
  resultOf(asked);
});

test("answers that nobody asked for are refused, or not even read", () => {
  const { prover, reply, refused, honest, run } = proverOver(chain);
  prover.replied(encodeReply({ id: 1, from: 0, headers: [] }));
  assert.equal(refused, []);
  const asked = accountQuestion(7);
  prover.ask(asked);
  prover.step(true);
  prover.replied(new Uint8Array(9).fill(255));
  reply(honest(), { id: 99 });
  reply(honest(), { from: 3 });
  assert.equal(refused, ["reply-malformed", "reply-unasked", "reply-unasked"]);
  reply(honest());
  // The first that fits counts; a second one is not read.
  reply([new Uint8Array(3)]);
  run();
  resultOf(asked);
  assert.is(refused.length, 3);
});

test("so many questions wait and no more; each waits once; one that is dropped is not answered", () => {
  const { prover, run } = proverOver(chain);
  const all = Array.from({ length: QUESTIONS_MAX }, (_, i) => accountQuestion(i));
  for (const asked of all) assert.ok(prover.ask(asked));
  assert.not(prover.ask(all[0] as Asked));
  assert.not(prover.ask(accountQuestion(99)));
  prover.step(true);
  prover.drop(all[0] as Asked);
  prover.drop(all[3] as Asked);
  run();
  assert.equal(
    all.map(({ results }) => results.length),
    [0, 1, 1, 0, 1, 1, 1, 1],
  );
});

test("a lost connection costs the request that was under way, and nothing of the way", () => {
  const { prover, sent, reply, honest, run } = proverOver(chain);
  const slot = question(PROVE_SLOT, CONTRACT, { slot: slotOf(3) });
  prover.ask(slot);
  prover.step(true);
  reply(honest());
  prover.step(true);
  prover.reset();
  assert.is(prover.step(false), Number.POSITIVE_INFINITY);
  run();
  resultOf(slot);
  assert.is(sent[1]?.request.from, sent[2]?.request.from);
});

test("a full link is tried again", () => {
  const { prover, state, clock, sent, run } = proverOver(chain);
  state.full = true;
  const asked = accountQuestion(1);
  prover.ask(asked);
  assert.is(prover.step(true), 500);
  state.full = false;
  assert.is(prover.step(true), 500);
  clock.pass(500);
  run();
  assert.ok(sent.length > 0);
  resultOf(asked);
});

test("after a boot nothing is fresh before a newer header; then the age is the clock's, or what has passed since that header came", () => {
  const growing = new MadeChain(20);
  const { prover, run, clock, state } = proverOver(growing);
  const old = accountQuestion(1);
  state.nowS = START_S;
  prover.ask(old);
  run();
  // It is proven, and how old is not known: the head may be one that was read from the store.
  assert.is(prover.ageS(resultOf(old)), undefined);
  growing.mine();
  prover.step(true);
  const fresh = accountQuestion(2);
  prover.ask(fresh);
  clock.pass(3_000);
  run();
  const proof = resultOf(fresh);
  state.nowS = undefined;
  assert.is(prover.ageS(proof), 3);
  clock.pass(60_000);
  assert.is(prover.ageS(proof), 63);
  state.nowS = START_S + 105;
  assert.is(prover.ageS(proof), 100);
  // A clock that is behind makes nothing younger than new.
  state.nowS = START_S - 100;
  assert.is(prover.ageS(proof), 0);
});

test("where blocks are settled by depth, a proof counts as old as the block was verified, not as it was settled", () => {
  const deep = new MadeChain(20);
  for (let i = 0; i < 6; i += 1) deep.mine();
  deep.depth = 4;
  const { prover, run, clock } = proverOver(deep);
  // The head is block 6 at the boot; block 7 comes at once, and is settled when block 11 is there.
  for (let i = 0; i < 5; i += 1) {
    deep.mine();
    prover.step(true);
    clock.pass(10_000);
    const asked = accountQuestion(1);
    prover.ask(asked);
    run();
    const proof = resultOf(asked);
    assert.is(prover.ageS(proof), proof.number < 7 ? undefined : 50, `block ${proof.number}`);
  }
});

test("a chain that leaves settled blocks voids all that was proven, and ends what was asked of a block by name", () => {
  const turning = new MadeChain(20);
  const { prover, run, reply, honest } = proverOver(turning);
  turning.mine();
  prover.step(true);
  const before = accountQuestion(1);
  prover.ask(before);
  run();
  assert.is(prover.ageS(resultOf(before)), 0);
  const named = question(PROVE_RECEIPT, 1, { block: turning.newest.hash });
  const later = accountQuestion(2);
  prover.ask(named);
  prover.ask(later);
  prover.step(true);
  turning.blocks.pop();
  turning.mine(1);
  turning.mine(1);
  prover.revoked();
  assert.is(prover.ageS(resultOf(before)), undefined);
  assert.is((named.results[0] as Rejection).code, "proof-revoked");
  reply(honest());
  run();
  assert.is(resultOf(later).number, 2);
  assert.is(prover.ageS(resultOf(later)), undefined);
  turning.mine(1);
  prover.step(true);
  const fresh = accountQuestion(3);
  prover.ask(fresh);
  run();
  assert.is(prover.ageS(resultOf(fresh)), 0);
});

test("a revocation in the middle of a proof begins it anew", () => {
  const turning = new MadeChain();
  const { prover, reply, honest, last, run } = proverOver(turning);
  turning.mine();
  const slot = question(PROVE_SLOT, CONTRACT, { slot: slotOf(3) });
  prover.ask(slot);
  prover.step(true);
  reply(honest());
  prover.step(true);
  assert.ok(last().from > 0);
  turning.blocks.pop();
  turning.mine(1);
  turning.mine(1);
  prover.revoked();
  run();
  assert.is(resultOf(slot).number, 2);
});

test("the example of the documents is what the firmware writes", () => {
  const text = readFileSync(new URL("../../../docs/ledger.md", import.meta.url), "utf8");
  const lines = /```\n(a8[\s\S]*?)```/.exec(text)?.[1]?.split("\n") ?? [];
  // The bytes of a line end at the first two blanks.
  const written = lines.map((line) => line.trim().split("  ")[0]?.replace(/ /g, "")).join("");
  const example: ProofRequest = {
    ...{ id: 42, to: MOTE, block: new Uint8Array(32).fill(0x22), from: 0, bytesMax: 2048 },
    ...{ kind: PROVE_SLOT, subject: CONTRACT, slot: new Uint8Array(32) },
  };
  assert.is(written, hex(encodeProofRequest(example)));
});

test("requests come back as they were written; whatever else comes is refused, and nothing throws", () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const common = {
    id: fc.integer({ min: 1, max: 0xffffffff }),
    to: bytes(20),
    block: bytes(32),
    from: fc.integer({ min: 0, max: 131 }),
  };
  const room = { bytesMax: fc.integer({ min: 1, max: 4096 }) };
  const request = fc.oneof(
    fc.record({ ...common, ...room, kind: fc.constant(PROVE_ACCOUNT), subject: bytes(20) }),
    fc.record({ ...common, ...room, kind: fc.constant(PROVE_SLOT), subject: bytes(20), slot: bytes(32) }),
    fc.record({
      ...common,
      ...room,
      kind: fc.constantFrom(PROVE_RECEIPT, PROVE_TRANSACTION),
      subject: fc.integer({ min: 0, max: 0xffffff }),
    }),
  );
  fc.assert(
    fc.property(request, fc.nat(), fc.integer({ min: 1, max: 255 }), (made, at, flip) => {
      const message = encodeProofRequest(made as ProofRequest);
      assert.equal(decodeProofRequest(message), { ...made });
      message[at % message.length] = (message[at % message.length] as number) ^ flip;
      decodeProofRequest(message);
      assert.instance(decodeProofRequest(message.subarray(0, at % message.length)), Rejection);
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (message) => void decodeProofRequest(message)));
  const fine = {
    id: 1,
    to: MOTE,
    block: new Uint8Array(32),
    from: 0,
    bytesMax: 2048,
    kind: PROVE_ACCOUNT,
    subject: MOTE,
  } as const;
  for (const wrong of [
    { id: 0 },
    { to: new Uint8Array(19) },
    { block: new Uint8Array(31) },
    { from: 132 },
    { bytesMax: 0 },
    { bytesMax: 4097 },
    { kind: 4 },
    { subject: 3 },
    { subject: new Uint8Array(21) },
    { kind: PROVE_SLOT },
    { kind: PROVE_SLOT, slot: new Uint8Array(31) },
    { slot: new Uint8Array(32) },
    { kind: PROVE_RECEIPT },
    { kind: PROVE_RECEIPT, subject: 0x1000000 },
  ])
    assert.instance(
      decodeProofRequest(encodeProofRequest({ ...fine, ...wrong } as ProofRequest)),
      Rejection,
      JSON.stringify(wrong),
    );
});

test.run();
