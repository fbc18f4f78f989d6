// Proofs out of a real Ethereum node, over a real broker and relays: a follower that verified each header, a prover that believes nothing else.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RLP } from "@ethereumjs/rlp";
import { signAsync } from "@noble/secp256k1";
import mqtt from "mqtt";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { requestTopic } from "../../firmware/bus/topics.js";
import { toHex } from "../../firmware/bytes.js";
import { cliqueCheckpointFromGenesis, openClique } from "../../firmware/chain/clique/checkpoint.js";
import { Follower } from "../../firmware/chain/follow/follower.js";
import { PROVE_ACCOUNT, PROVE_RECEIPT, PROVE_SLOT, PROVE_TRANSACTION, proofTopicsOf } from "../../firmware/ledger/proof-wire.js";
import { type Proof, Prover, type Question } from "../../firmware/ledger/prover.js";
import { logOf, type Receipt, readReceipt } from "../../firmware/proof/envelope.js";
import { Rejection } from "../../firmware/rejection.js";
import { fastEngine as engine } from "../../tools/crypto/engine-fast.js";
import { HeaderSource } from "../../tools/ethereum/raw-header.js";
import { LocalBroker } from "../../tools/mqtt/broker.js";
import { EthereumNode } from "../../tools/node/ethereum.js";
import { Relay, type RelayEvent } from "../../tools/relay/relay.js";
import { pause, until, WAIT_MS_MAX } from "../patience.js";
import { eventually } from "../unit/tools/eventually.js";

const directory = mkdtempSync(join(tmpdir(), "chainmote-proofs-"));
const MOTE = new Uint8Array(20).fill(0xab);
const RELAYS = ["north", "south"];
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replace(/^0x/, ""), "hex"));

let node: EthereumNode;
let broker: LocalBroker;
let relays: Relay[];
let mote: Mote;
const events: RelayEvent[] = [];

/** What of a mote follows the chain and asks for proofs. */
class Mote {
  readonly follower: Follower;
  readonly prover: Prover;
  readonly refused: string[] = [];
  readonly #headers: HeaderSource;
  readonly #client: mqtt.MqttClient;
  #id = 0;

  constructor(follower: Follower, headers: HeaderSource) {
    this.follower = follower;
    this.#headers = headers;
    const topics = proofTopicsOf("t/", MOTE, node.chain);
    this.#client = mqtt.connect(broker.url);
    this.#client.subscribe(topics.replies);
    this.prover = new Prover({
      engine,
      clock: { ticksMs: () => performance.now() },
      own: MOTE,
      follower,
      relays: RELAYS,
      trustedNowS: () => Math.floor(Date.now() / 1000),
      sendProof: (request, relay) => {
        this.#client.publish(requestTopic(topics, relay), Buffer.from(request));
        return true;
      },
      requestId: () => {
        this.#id += 1;
        return this.#id;
      },
      onProofRefused: (rejection) => this.refused.push(String(rejection)),
    });
    this.#client.on("message", (_topic, payload) => this.prover.replied(payload));
  }

  close(): Promise<void> {
    return this.#client.endAsync(true);
  }

  /** Takes the headers that are there. */
  async follow(): Promise<void> {
    for (;;) {
      const header = await this.#headers.header(this.follower.head.number + 1);
      if (header === undefined) {
        this.prover.step(true);
        return;
      }
      const outcome = this.follower.offer(header.raw, undefined);
      assert.not.instance(outcome, Rejection, String(outcome));
    }
  }

  /** Hash of a block that can still be left. */
  hashOf(number: number): Uint8Array {
    return this.follower.window.hashAt(number - this.follower.window.base.number);
  }

  async prove(kind: Question["kind"], subject: Uint8Array | number, more: Partial<Question> = {}): Promise<Proof> {
    await this.follow();
    const results: (Proof | Rejection)[] = [];
    assert.ok(this.prover.ask({ kind, subject, ...more, answered: (proof) => void results.push(proof) }));
    const endMs = performance.now() + WAIT_MS_MAX;
    while (results.length === 0) {
      this.prover.step(true);
      await pause(5);
      assert.ok(performance.now() < endMs, "no answer");
    }
    const [result] = results;
    assert.not.instance(result, Rejection, String(result));
    return result as Proof;
  }
}

interface Sent {
  readonly hash: string;
  readonly block: number;
  readonly index: number;
}

/** Sends a transaction of the signer, who has all the money (EIP-155), and waits until it is in a block. */
async function send(nonce: number, to: Uint8Array, value: number, data: Uint8Array): Promise<Sent> {
  const id = Number(node.chain.split(":")[1]);
  const fields = [nonce, 3_000_000_000, 1_000_000, to, value, data];
  const secret = bytes(readFileSync(join(directory, "node", "signer.key"), "utf8").trim());
  const digest = engine.keccak256(RLP.encode([...fields, id, 0, 0]));
  const signature = await signAsync(digest, secret, { prehash: false, format: "recovered" });
  const integer = (part: Uint8Array): bigint => BigInt(`0x${toHex(part)}`);
  const parts = [integer(signature.subarray(1, 33)), integer(signature.subarray(33))];
  const raw = RLP.encode([...fields, id * 2 + 35 + (signature[0] as number), ...parts]);
  const hash = (await node.rpc.call("eth_sendRawTransaction", `0x${toHex(raw)}`)) as string;
  assert.is(hash, `0x${toHex(engine.keccak256(raw))}`);
  const found = await eventually("a receipt", async () => {
    const receipt = await node.rpc.call("eth_getTransactionReceipt", hash).catch(() => null);
    return (receipt ?? undefined) as { blockNumber: string; transactionIndex: string } | undefined;
  });
  return { hash, block: Number(found.blockNumber), index: Number(found.transactionIndex) };
}

test.before(async () => {
  node = await EthereumNode.start({ directory: join(directory, "node"), periodS: 1, onEnd: () => {} });
  broker = await LocalBroker.start();
  relays = RELAYS.map(
    (name) => new Relay({ rpc: node.url, mqtt: broker.url, prefix: "t/", name, onEvent: (event) => events.push(event) }),
  );
  const headers = new HeaderSource(node.rpc);
  const genesis = (await headers.header(0)) as { raw: Uint8Array };
  const { period, epoch } = node.genesis.config.clique;
  const checkpoint = cliqueCheckpointFromGenesis(engine, genesis.raw, { chain: node.chain, periodS: period, epoch });
  assert.not.instance(checkpoint, Rejection, String(checkpoint));
  const consensus = openClique(engine, checkpoint as Exclude<typeof checkpoint, Rejection>);
  assert.not.instance(consensus, Rejection, String(consensus));
  const values = new Map<string, ArrayBuffer>();
  const store = {
    read: (key: string) => values.get(key),
    write: (key: string, value: ArrayBuffer | Uint8Array) => void values.set(key, Uint8Array.from(new Uint8Array(value)).buffer),
    delete: (key: string) => void values.delete(key),
    close() {},
  };
  const clock = { ticksMs: () => performance.now() };
  const follower = new Follower({ consensus: consensus as Exclude<typeof consensus, Rejection>, engine, store, clock });
  mote = new Mote(follower, headers);
  await until("the relays are there", () => events.filter(({ event }) => event === "connected").length >= RELAYS.length);
});
test.after(async () => {
  await mote.close();
  for (const relay of relays) await relay.close();
  await broker.close();
  await node.stop();
  rmSync(directory, { recursive: true, force: true });
});

test("an account's balance is proven, and that another has none", async () => {
  await until("a block", () => events.some((event) => event.event === "head" && event.number > 1));
  const proof = await mote.prove(PROVE_ACCOUNT, bytes(node.signer));
  assert.ok((proof.account?.balance ?? 0n) >= 1_000_000_000_000_000_000_000_000_000n);
  assert.is(proof.account?.nonce, 0);
  assert.ok(proof.number > 0);
  // It is fresh once a block is settled that was verified since the boot.
  const ageS = await eventually("a fresh proof", async () =>
    mote.prover.ageS(await mote.prove(PROVE_ACCOUNT, bytes(node.signer))),
  );
  assert.ok(ageS >= 0 && ageS < 100_000);
  const absent = await mote.prove(PROVE_ACCOUNT, new Uint8Array(20).fill(0x77));
  assert.is(absent.account, undefined);
  assert.equal(mote.refused, []);
});

test("a contract's slot, one that is empty, its transaction, its receipt and the log in it", async () => {
  const topic = "c0".repeat(32);
  // Stores 42 in slot 5, says so in a log, and leaves no code.
  const code = bytes(`602a600555${`7f${topic}`}60006000a100`);
  const sent = await send(0, new Uint8Array(0), 0, code);
  const contract = engine.keccak256(RLP.encode([bytes(node.signer), 0])).slice(12);
  await until("its block is settled", () => events.some((event) => event.event === "head" && event.number > sent.block));
  await mote.follow();
  assert.ok(mote.follower.settled >= sent.block);
  const slot = await mote.prove(PROVE_SLOT, contract, { slot: Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 5 : 0)) });
  assert.is(toHex(slot.value as Uint8Array), "2a".padStart(64, "0"));
  assert.ok(slot.number >= sent.block);
  const empty = await mote.prove(PROVE_SLOT, contract, { slot: new Uint8Array(32) });
  assert.is(toHex(empty.value as Uint8Array), "00".repeat(32));
  const account = await mote.prove(PROVE_ACCOUNT, bytes(node.signer));
  assert.is(account.account?.nonce, 1);
  const block = mote.hashOf(sent.block);
  const transaction = await mote.prove(PROVE_TRANSACTION, sent.index, { block });
  assert.is(`0x${toHex(engine.keccak256(transaction.value as Uint8Array))}`, sent.hash);
  const { value } = await mote.prove(PROVE_RECEIPT, sent.index, { block });
  const receipt = readReceipt(value as Uint8Array) as Receipt;
  assert.equal([receipt.succeeded, receipt.logs], [true, 1]);
  const log = logOf(value as Uint8Array, receipt, 0);
  assert.equal([toHex(log?.address as Uint8Array), toHex(log?.topics[0] as Uint8Array)], [toHex(contract), topic]);
  assert.is((await mote.prove(PROVE_RECEIPT, sent.index + 1, { block })).value, undefined);
  assert.equal(mote.refused, []);
});

test("where one relay has gone the other goes on", async () => {
  await (relays.shift() as Relay).close();
  const proof = await mote.prove(PROVE_ACCOUNT, bytes(node.signer));
  assert.is(proof.account?.nonce, 1);
});

test.run();
