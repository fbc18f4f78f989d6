// The relay's part for proofs, over a node that a test makes err: what a mote proves through it, what it keeps to itself, how much it answers.

import { RLP } from "@ethereumjs/rlp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeReply, type HeaderReply } from "../../../firmware/bus/wire.js";
import { toHex } from "../../../firmware/bytes.js";
import {
  encodeProofRequest,
  PROVE_ACCOUNT,
  PROVE_RECEIPT,
  PROVE_SLOT,
  PROVE_TRANSACTION,
  type ProofRequest,
} from "../../../firmware/ledger/proof-wire.js";
import type { Proof } from "../../../firmware/ledger/prover.js";
import { Rejection } from "../../../firmware/rejection.js";
import { engine } from "../../../tools/crypto/engine.js";
import { MOTE_PROOFS, ProofDesk } from "../../../tools/relay/proof-desk.js";
import { RpcError } from "../../../tools/rpc/json-rpc.js";
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
  RECEIPTS,
  slotOf,
} from "../ledger/prover-bench.js";

type Answer = Record<string, unknown> & { accountProof: string[]; storageProof: { proof: string[] }[] };

const hex = (bytes: Uint8Array): string => `0x${toHex(bytes)}`;
const chain = new MadeChain();
chain.mine();

/** A node over the chain; `spoil` changes what it says of an account, `fails` makes a method fail. */
class Node {
  calls: string[] = [];
  spoil: (answer: Answer) => unknown = (answer) => answer;
  readonly fails = new Map<string, Error>();

  async call(method: string, ...params: unknown[]): Promise<unknown> {
    this.calls.push(method);
    const failure = this.fails.get(method);
    if (failure !== undefined) throw failure;
    const block = chain.blocks[Number(params[method === "eth_getProof" ? 2 : 0])];
    if (method === "eth_getBlockByHash") return chain.blocks.find(({ hash }) => hex(hash) === params[0])?.fields ?? null;
    if (block === undefined) return null;
    if (method === "eth_getBlockByNumber") return block.fields;
    if (method === "debug_getRawHeader") return hex(block.raw);
    if (method === "eth_getBlockReceipts") return Array.from({ length: RECEIPTS }, (_, i) => receiptOf(i));
    if (method === "debug_getRawBlock") return hex(RLP.encode([RLP.decode(block.raw), receipts(), []]));
    if (method !== "eth_getProof") throw new RpcError(`${method}: the method does not exist`, -32601);
    const subject = Uint8Array.from(Buffer.from(String(params[0]).slice(2), "hex"));
    const [slot] = (params[1] as string[]).map((text) => Uint8Array.from(Buffer.from(text.slice(2), "hex")));
    const accountProof = block.state.proof(engine.keccak256(subject)).map(hex);
    const storage = toHex(subject) === toHex(CONTRACT) && slot !== undefined ? block.storage.proof(engine.keccak256(slot)) : [];
    return this.spoil({
      ...{ address: params[0], balance: "0x0", nonce: "0x0", accountProof },
      storageProof: slot === undefined ? [] : [{ key: hex(slot), value: "0x0", proof: storage.map(hex) } as never],
    });
  }
}

function receiptOf(i: number): Record<string, unknown> {
  const cumulativeGasUsed = `0x${(21_000 * (i + 1)).toString(16)}`;
  return { type: "0x0", status: "0x1", cumulativeGasUsed, logsBloom: `0x${"00".repeat(256)}`, logs: [] };
}

function receipts(): (number | Uint8Array | never[])[][] {
  return Array.from({ length: RECEIPTS }, (_, i) => [1, 21_000 * (i + 1), new Uint8Array(256), []]);
}

function deskOver(node: Node) {
  const published: { topic: string; message: Uint8Array }[] = [];
  const refused: string[] = [];
  let told: (() => void) | undefined;
  const desk = new ProofDesk({
    ...{ rpc: node, prefix: "t/", chain: "eip155:1" },
    publish: async (topic, message) => void published.push({ topic, message }),
    onAnswered: () => told?.(),
    onRefused(code, detail) {
      refused.push(`${code}: ${detail}`);
      told?.();
    },
  });
  /** What the desk says to one request; undefined where it says nothing. */
  const ask = async (request: ProofRequest | Uint8Array): Promise<HeaderReply | undefined> => {
    const before = published.length;
    const done = new Promise<void>((resolve) => {
      told = resolve;
    });
    desk.take(request instanceof Uint8Array ? request : encodeProofRequest(request));
    await done;
    const said = published[before];
    if (said === undefined) return undefined;
    assert.is(said.topic, `t/motes/${hex(request instanceof Uint8Array ? MOTE : request.to)}/proofs`);
    return decodeReply(said.message) as HeaderReply;
  };
  /** A mote's question, asked of the desk until it is answered. */
  const prove = async (asked: Asked) => {
    const { prover, sent, reply, clock, refused: blamed } = proverOver(chain);
    prover.ask(asked);
    for (let i = 0; asked.results.length === 0; i += 1) {
      assert.ok(i < 100);
      const before = sent.length;
      prover.step(true);
      const request = sent[before]?.request;
      const said = request === undefined ? undefined : await ask(request);
      if (said !== undefined) reply(said.headers);
      else clock.pass(5_000);
    }
    assert.equal(blamed, []);
    const [result] = asked.results;
    assert.not.instance(result, Rejection);
    return result as Proof;
  };
  return { desk, ask, prove, published, refused };
}

const fine: ProofRequest = {
  id: 1,
  to: MOTE,
  block: chain.newest.hash,
  from: 0,
  bytesMax: 4096,
  kind: PROVE_ACCOUNT,
  subject: address(7),
};

test("a mote proves an account, a slot, a receipt and a transaction through it", async () => {
  const { prove, refused } = deskOver(new Node());
  const proof = await prove(accountQuestion(7));
  assert.equal([proof.number, proof.account?.nonce, proof.account?.balance], [1, 1, 1007n]);
  assert.is((await prove(accountQuestion(9_999))).account, undefined);
  const slot = await prove(question(PROVE_SLOT, CONTRACT, { slot: slotOf(5) }));
  assert.is(BigInt(hex(slot.value as Uint8Array)), 1006n);
  assert.equal((await prove(question(PROVE_SLOT, address(9_999), { slot: slotOf(5) }))).value, new Uint8Array(32));
  assert.equal((await prove(question(PROVE_SLOT, address(3), { slot: slotOf(5) }))).value, new Uint8Array(32));
  assert.equal(((await prove(question(PROVE_RECEIPT, 3))) as { value: Uint8Array }).value, RLP.encode(receipts()[3] as number[]));
  assert.equal(
    ((await prove(question(PROVE_TRANSACTION, 19))) as { value: Uint8Array }).value,
    RLP.encode(receipts()[19] as number[]),
  );
  assert.is((await prove(question(PROVE_TRANSACTION, 20))).value, undefined);
  assert.equal(refused, []);
});

test("what a node says besides its nodes is not even looked at: nulls, zeros, empty texts, whatever stands there", async () => {
  for (const [name, value] of [
    ["codeHash", null],
    ["codeHash", undefined],
    ["storageHash", `0x${"00".repeat(32)}`],
    ["balance", "0x"],
    ["nonce", "0x0000"],
    ["balance", "0x000000ff"],
    ["address", 7],
  ] as const) {
    const node = new Node();
    node.spoil = (answer) => ({ ...answer, [name]: value });
    assert.is((await deskOver(node).prove(accountQuestion(7))).account?.balance, 1007n);
  }
});

test("nodes that a node shows again, embedded or after the end, are left out", async () => {
  const node = new Node();
  node.spoil = (answer) => ({
    ...answer,
    accountProof: [answer.accountProof[0], "0xc22001", ...answer.accountProof.slice(1), "0xc22001", answer.accountProof[0]],
    storageProof: [{ proof: ["0x80"] }],
  });
  const { prove, ask } = deskOver(node);
  assert.is((await prove(accountQuestion(7))).account?.balance, 1007n);
  assert.equal((await prove(question(PROVE_SLOT, address(3), { slot: slotOf(5) }))).value, new Uint8Array(32));
  assert.equal((await ask(fine))?.headers.map(toHex), itemsOf(chain.newest, fine).map(toHex));
});

test("a node whose answer does not hold is named, and nothing of it is passed on", async () => {
  const spoils: Record<string, (answer: Answer) => unknown> = {
    nothing: () => null,
    "no list": (answer) => ({ ...answer, accountProof: null }),
    "no nodes": (answer) => ({ ...answer, accountProof: [] }),
    "the end missing": (answer) => ({ ...answer, accountProof: answer.accountProof.slice(0, -1) }),
    "another root": (answer) => ({ ...answer, accountProof: answer.accountProof.slice(1) }),
    "a node that is no text": (answer) => ({ ...answer, accountProof: [7] }),
    "too many": (answer) => ({ ...answer, accountProof: Array(66).fill(answer.accountProof[0]) }),
  };
  for (const [name, spoil] of Object.entries(spoils)) {
    const node = new Node();
    node.spoil = spoil;
    const { ask, refused, published } = deskOver(node);
    assert.is(await ask(fine), undefined, name);
    assert.ok(refused[0]?.startsWith("node-failed: node-proof-wrong"), `${name}: ${refused[0]}`);
    assert.is(published.length, 0);
    node.spoil = (answer) => answer;
    assert.ok(((await ask(fine))?.headers.length ?? 0) > 1, "what failed is asked for again");
  }
  const node = new Node();
  node.fails.set("eth_getBlockReceipts", new RpcError("the method does not exist", -32601));
  const { ask, refused } = deskOver(node);
  assert.is(await ask({ ...fine, kind: PROVE_RECEIPT, subject: 0 }), undefined);
  assert.ok(refused[0]?.includes("block-malformed"));
});

test("a block that is not known, and state that is pruned, are an empty reply; a node that is away is none", async () => {
  const node = new Node();
  const { ask, refused } = deskOver(node);
  assert.equal((await ask({ ...fine, block: new Uint8Array(32) }))?.headers, []);
  node.fails.set("eth_getProof", new RpcError("missing trie node", -32000));
  assert.equal((await ask(fine))?.headers, []);
  node.fails.set("eth_getProof", new RpcError("connect ECONNREFUSED"));
  assert.is(await ask(fine), undefined);
  assert.is(refused.length, 1);
  node.fails.clear();
  assert.ok(((await ask(fine))?.headers.length ?? 0) > 1);
});

test("replies hold whole items from the one asked for, as many as fit; the node is asked once for all of them", async () => {
  const node = new Node();
  const { ask } = deskOver(node);
  const request: ProofRequest = { ...fine, kind: PROVE_SLOT, subject: CONTRACT, slot: slotOf(5), bytesMax: 1_200 };
  const items = itemsOf(chain.newest, request);
  const got: Uint8Array[] = [];
  while (got.length < items.length) {
    const said = await ask({ ...request, from: got.length });
    assert.is(said?.from, got.length);
    assert.ok((said?.headers.length ?? 0) > 0);
    got.push(...(said?.headers ?? []));
  }
  assert.equal(got.map(toHex), items.map(toHex));
  assert.equal((await ask({ ...request, from: items.length }))?.headers, []);
  assert.equal((await ask({ ...request, bytesMax: 100 }))?.headers, []);
  assert.is(node.calls.filter((method) => method === "eth_getProof").length, 1);
});

test("one mote gets no more than its share, and others are not affected; what is no request is refused", async () => {
  const { ask, refused } = deskOver(new Node());
  for (let i = 0; i < MOTE_PROOFS.burst; i += 1) assert.ok((await ask(fine)) !== undefined);
  let denied = 0;
  for (let i = 0; i < 8; i += 1) if ((await ask(fine)) === undefined) denied += 1;
  assert.ok(denied > 0);
  assert.ok(refused[0]?.startsWith("request-limit"));
  assert.ok((await ask({ ...fine, to: new Uint8Array(20).fill(9) })) !== undefined);
  assert.is(await ask(new Uint8Array([1, 2, 3])), undefined);
  assert.ok(refused.some((line) => line.startsWith("request-malformed")));
  assert.not.instance(await ask({ ...fine, to: new Uint8Array(20).fill(9) }), Rejection);
});

test.run();
