// The relay's desk for transactions: only what the named mote has signed for this chain reaches the node, within bounds, and each gets its answer.

import mqtt from "mqtt";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import {
  decodeSubmissionAnswer,
  encodeSubmission,
  NOT_TAKEN,
  submissionTopicsOf,
} from "../../../firmware/ledger/submission-wire.js";
import { signingPayload, signPayload, type Transaction } from "../../../firmware/ledger/transaction.js";
import type { Keys } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";
import { engine } from "../../../tools/crypto/engine.js";
import { LocalBroker } from "../../../tools/mqtt/broker.js";
import { Relay } from "../../../tools/relay/relay.js";
import { SubmissionDesk } from "../../../tools/relay/submission-desk.js";
import { RpcError } from "../../../tools/rpc/json-rpc.js";
import { pause } from "../../patience.js";
import { type TestKey, testKey } from "../record/signing.js";
import { eventually } from "./eventually.js";
import { FakeNode } from "./fake-node.js";

const MOTE = testKey("a mote at a desk");
const TRANSACTION: Transaction = {
  ...{ type: 2, chainId: 1337, nonce: 0, gas: 21_000, to: new Uint8Array(20), value: 1n, data: new Uint8Array(0) },
  ...{ maxFeePerGas: 10n, maxPriorityFeePerGas: 1n },
};

async function signedBy(key: TestKey, change: Partial<Transaction> = {}): Promise<Uint8Array> {
  const none = (): never => assert.unreachable() as never;
  const keys: Keys = {
    open: none,
    create: none,
    close: none,
    publicKey: () => key.publicKey,
    sign: (_key, digest) => key.sign(digest),
  };
  return (await signPayload(engine, keys, { slot: "x" }, signingPayload({ ...TRANSACTION, ...change }))) as Uint8Array;
}

class Desk {
  readonly calls: string[] = [];
  readonly answers: [string, number | string][] = [];
  readonly refused: string[] = [];
  node: () => Promise<unknown> = async () => "0x";
  readonly desk = new SubmissionDesk({
    rpc: {
      call: async (method, ...params) => {
        this.calls.push(`${method} ${params.join(" ")}`);
        return this.node();
      },
    },
    ...{ prefix: "site/", chain: "eip155:1337" },
    publish: async (topic, message) => {
      const answer = decodeSubmissionAnswer(message);
      if (answer instanceof Rejection) throw new Error(answer.toString());
      this.answers.push([topic, answer.outcome instanceof Uint8Array ? toHex(answer.outcome) : answer.outcome]);
    },
    onSubmitted: () => undefined,
    onRefused: (code) => this.refused.push(code),
  });
  /** Gives what was taken its time. */
  async all(): Promise<this> {
    for (let i = 0; i < 2_000; i += 1) await Promise.resolve();
    return this;
  }
}

test("what a mote has signed goes to the node as it is, and the answer has its hash", async () => {
  const desk = new Desk();
  const raw = await signedBy(MOTE);
  desk.desk.take(encodeSubmission({ id: 7, to: MOTE.address, raw }));
  await desk.all();
  assert.equal(desk.calls, [`eth_sendRawTransaction 0x${toHex(raw)}`]);
  assert.equal(desk.answers, [[`site/motes/0x${toHex(MOTE.address)}/transactions`, toHex(engine.keccak256(raw))]]);
  await desk.desk.close();
});

test("what the named mote has not signed, or not for this chain, is no business of the node", async () => {
  const desk = new Desk();
  const raw = await signedBy(MOTE);
  const altered = raw.map((byte, i) => (i === raw.length - 1 ? byte ^ 1 : byte));
  const handed: [Uint8Array, Uint8Array][] = [
    [await signedBy(testKey("a thief")), MOTE.address],
    [raw, testKey("a thief").address],
    [await signedBy(MOTE, { chainId: 1 }), MOTE.address],
    [altered, MOTE.address],
    [raw.subarray(1), MOTE.address],
    [new Uint8Array(0), MOTE.address],
  ];
  for (const [bytes, to] of handed) desk.desk.take(encodeSubmission({ id: 1, to, raw: bytes }));
  desk.desk.take(Uint8Array.of(1, 2, 3));
  await desk.all();
  assert.equal([desk.calls, desk.answers], [[], []]);
  assert.is(desk.refused.length, 7);
  assert.equal(desk.refused.slice(0, 4), ["submission-foreign", "submission-foreign", "submission-chain", "submission-foreign"]);
});

test("what the node says is put into one of a few words", async () => {
  const said: [string, number | undefined][] = [
    ["nonce too low: next nonce 5, tx nonce 3", NOT_TAKEN.nonce],
    ["Nonce too low", NOT_TAKEN.nonce],
    ["insufficient funds for gas * price + value", NOT_TAKEN.balance],
    ["Upfront cost exceeds account balance", NOT_TAKEN.balance],
    ["replacement transaction underpriced", NOT_TAKEN.fee],
    ["max fee per gas less than block base fee", NOT_TAKEN.fee],
    ["Gas price below configured minimum gas price", NOT_TAKEN.fee],
    ["intrinsic gas too low", NOT_TAKEN.gas],
    ["exceeds block gas limit", NOT_TAKEN.gas],
    ["something new", NOT_TAKEN.refused],
    ["already known", undefined],
    ["Known transaction", undefined],
  ];
  for (const [words, reason] of said) {
    const desk = new Desk();
    const raw = await signedBy(MOTE);
    desk.node = () => Promise.reject(new RpcError(`eth_sendRawTransaction: ${words}`, -32000));
    desk.desk.take(encodeSubmission({ id: 1, to: MOTE.address, raw }));
    await desk.all();
    assert.is(desk.answers[0]?.[1], reason ?? toHex(engine.keccak256(raw)), words);
  }
  const desk = new Desk();
  desk.node = () => Promise.reject(new RpcError("eth_sendRawTransaction: ECONNREFUSED"));
  desk.desk.take(encodeSubmission({ id: 1, to: MOTE.address, raw: await signedBy(MOTE) }));
  assert.is((await desk.all()).answers[0]?.[1], NOT_TAKEN.away);
});

test("one mote may not keep the node busy, nor all together the relay", async () => {
  const desk = new Desk();
  const raw = await signedBy(MOTE);
  for (let id = 1; id <= 40; id += 1) desk.desk.take(encodeSubmission({ id, to: MOTE.address, raw }));
  await desk.all();
  assert.is(desk.calls.length, 8);
  assert.is(desk.answers.filter(([, outcome]) => outcome === NOT_TAKEN.busy).length, 32);
  // A node that hangs: what waits is bounded.
  desk.node = () => new Promise(() => undefined);
  const other = testKey("another mote");
  const theirs = await signedBy(other);
  for (let id = 1; id <= 100; id += 1) desk.desk.take(encodeSubmission({ id, to: other.address, raw: theirs }));
  await desk.all();
  assert.ok(desk.refused.length >= 35 && desk.refused.every((code) => code === "relay-busy"), `${desk.refused.length}`);
});

test("over a broker: the relay takes it from the common topic and from its own, and answers on the mote's", async () => {
  const node = new FakeNode(3);
  await node.up();
  node.fails.set("eth_sendRawTransaction", { result: "0x" });
  const broker = await LocalBroker.start();
  const relay = new Relay({ rpc: node.url, mqtt: broker.url, prefix: "t/", name: "north" });
  const client = mqtt.connect(broker.url, { reconnectPeriod: 200 });
  const outcomes: unknown[] = [];
  client.on("message", (_topic, payload) => outcomes.push(decodeSubmissionAnswer(new Uint8Array(payload))));
  const { submissions, answers } = submissionTopicsOf("t/", MOTE.address, "eip155:31337");
  try {
    await client.subscribeAsync(answers);
    const raw = await signedBy(MOTE, { chainId: 31_337 });
    // Until the relay has subscribed: a transaction is sent again anyway.
    for (const [id, topic] of [
      [1, submissions],
      [2, `${submissions}/north`],
    ] as const)
      await eventually(`the answer on ${topic}`, async () => {
        client.publish(topic, Buffer.from(encodeSubmission({ id, to: MOTE.address, raw })));
        await pause(200);
        return outcomes.some((answer) => !(answer instanceof Rejection) && (answer as { id: number }).id === id) || undefined;
      });
    assert.ok(node.asked.includes(`eth_sendRawTransaction 0x${toHex(raw)}`));
    assert.equal(outcomes[0], { id: 1, outcome: engine.keccak256(raw) });
  } finally {
    await client.endAsync(true);
    await relay.close();
    await broker.close();
    await node.down();
  }
});

test.run();
