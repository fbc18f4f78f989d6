// What the ledger of the long run's mote has to do with: a chain whose state is proven at its longest, a registry whose enroller suspends the
// mote and takes it in again, a commander, peers, and a collector that anchors.
//
// Promises: every proof is as deep as `DeepTrie` makes it, for the account and for the slot; nothing is said that an honest relay, commander,
// enroller or collector would not say. What is lost on the way is sent again, as those do.

import { instantiateSecp256k1 } from "@bitauth/libauth/build/lib/crypto/secp256k1.js";
import { RLP } from "@ethereumjs/rlp";
import { encodeReply, REPLY_OVERHEAD_BYTES, REPLY_OVERHEAD_PER_HEADER_BYTES } from "../../firmware/bus/wire.js";
import { fromHex, toHex } from "../../firmware/bytes.js";
import {
  ACTION_INTERVAL,
  ACTION_POLICY,
  ACTION_READ,
  ACTION_SAMPLES,
  encodeCommand,
  encodePart,
  type Order,
} from "../../firmware/command/message.js";
import { encodePolicy, MAY_COMMAND, MAY_READ, type Rule } from "../../firmware/command/policy.js";
import { addressOf } from "../../firmware/crypto/identity.js";
import { decodeAnchorQuestion, encodeAnchorMessage } from "../../firmware/ledger/anchor-wire.js";
import { decodeProofRequest, PROVE_SLOT, type ProofRequest } from "../../firmware/ledger/proof-wire.js";
import { decodeSubmission } from "../../firmware/ledger/submission-wire.js";
import { decodeTransaction } from "../../firmware/ledger/transaction.js";
import { anchorDigest, encodeAnchorReceipt } from "../../firmware/record/anchor-receipt.js";
import { decodeSign1, digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import { decodeEnrolment, encodeVoucher } from "../../firmware/record/enrolment.js";
import type { RecordFields } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import {
  ANCHOR_SLOTS,
  ANCHORED_FIELDS,
  anchorKey,
  type Field,
  MANDATE_FIELDS,
  MOTE_FIELDS,
  MOTE_STATUS,
  mappingSlot,
  REGISTRY_SLOTS,
} from "../../tools/contracts/layout.js";
import { engine } from "../../tools/crypto/engine.js";
import { MerkleTree } from "../../tools/merkle/tree.js";
import { type Account, account } from "../chains/clique-generator.js";
import { DeepTrie } from "./deep-trie.js";

/** Records between two anchors, two commands, two suspensions, and two changes of a peer. */
const ANCHOR_RECORDS = 20;
const COMMAND_RECORDS = 30;
const SUSPENSION_RECORDS = 200;
const PEER_RECORDS = 50;
/** The mote proves its places so often: after eight samples. */
const INTERVAL_MS = 120_000;
const PEERS = 6;
const ROLE = 1;
const POLICY_ID = 1;
/** Blocks that a collector and a commander wait. */
const SETTLED_BLOCKS = 5;
const AGAIN_BLOCKS = 12;
const COMMAND_BLOCKS = 200;
const BLOCKS_KEPT = 64;
const FIRST_BLOCKS = 10;
const ANCHORS_KEPT = 8;
const EXPIRY_BLOCK = 4_000_000;
const BALANCE = 10n ** 20n;
const NO_CODE = engine.keccak256();
const EMPTY_TRIE = engine.keccak256(Uint8Array.of(0x80));
const ANCHOR = new Uint8Array(20).fill(0xac);
/** Of what is to be over by the end of a run. */
const UNDER_WAY_MAX = 3;

const libsecp256k1 = await instantiateSecp256k1();
const [commander, enroller, collector] = ["commander", "enroller", "collector"].map(account) as [Account, Account, Account];
const address = (one: Account): Uint8Array => addressOf(engine, one.publicKey);
const peers = Array.from({ length: PEERS }, (_, i) => address(account(`peer ${i}`)));
const ORDERS: readonly Order[] = [
  { action: ACTION_READ, sensor: "" },
  { action: ACTION_INTERVAL, intervalMs: 15_000 },
  { action: ACTION_POLICY, hash: new Uint8Array(32), bytes: 0 },
  { action: ACTION_SAMPLES, samples: 1 },
];

interface Sealed {
  readonly raw: Uint8Array;
  readonly state: DeepTrie;
  readonly storages: ReadonlyMap<string, DeepTrie>;
}

interface Leaf {
  readonly seq: number;
  readonly stream: number;
  readonly index: number;
  /** Of the tree that has it first. */
  readonly size: number;
  readonly block: number;
}

/** How often each came to its end, as the mote said. */
export interface LedgerCounts {
  readonly proofs: number;
  readonly anchored: number;
  readonly commands: number;
  readonly transactions: number;
  readonly peers: number;
}

export class LedgerWorld {
  readonly #fleet: RecordFields["fleet"];
  readonly #send: (topic: string, message: Uint8Array) => void;
  readonly #policy: Uint8Array;
  readonly #registry = new Map<string, Uint8Array>();
  readonly #anchors = new Map<string, Uint8Array>();
  /** By the block's hash. */
  readonly #blocks = new Map<string, Sealed>();
  readonly #tree = new MerkleTree(engine);
  readonly #leaves: Leaf[] = [];
  readonly #done = { proofs: 0, anchored: 0, commands: 0, transactions: 0, peers: 0 };
  #own: Uint8Array | undefined;
  /** With its slash. */
  #topic = "";
  #state: Pick<Sealed, "state" | "storages"> | undefined;
  #nonce = 0;
  #counter = 0;
  #status: number = MOTE_STATUS.absent;
  #number = 0;
  #records = 0;
  #newest: { readonly seq: number; readonly stream: number; readonly digest: Uint8Array } | undefined;
  #unsent: Leaf | undefined;
  /** The commander's newest order: its message, the block that it was sent at, and whether it was answered. */
  #command: { readonly counter: number; readonly message: Uint8Array; readonly order: Order; sentAt: number } | undefined;
  #commands = 0;
  #suspensions = 0;

  /** @param policy of the fleet; the longest where absent */
  constructor(fleet: RecordFields["fleet"], send: (topic: string, message: Uint8Array) => void, policy = longestPolicy()) {
    this.#fleet = fleet;
    this.#send = send;
    this.#policy = policy;
    this.#tree.append(address(collector));
    this.#set(mappingSlot(address(commander), REGISTRY_SLOTS.commanders), {
      fields: MANDATE_FIELDS,
      values: { status: 1, sinceBlock: 1, expiryBlock: EXPIRY_BLOCK },
    });
    this.#set(mappingSlot(POLICY_ID, REGISTRY_SLOTS.policies), engine.keccak256(policy));
    for (const peer of peers) this.#setMote(peer, MOTE_STATUS.active, 1);
  }

  /** What the mote's configuration has besides. */
  get mote(): Readonly<Record<string, unknown>> {
    const text = (bytes: Uint8Array): string => `0x${toHex(bytes)}`;
    return {
      journal: { keep: "anchored" },
      ledger: {
        intervalMs: INTERVAL_MS,
        anchor: text(ANCHOR),
        enroller: text(address(enroller)),
        peers: peers.map(text),
        fees: { gasMax: 700_000, maxFeePerGas: 20_000_000_000, tip: 1_000_000_000 },
      },
    };
  }

  get counts(): LedgerCounts {
    return this.#done;
  }

  /** Of the next block. */
  get stateRoot(): Uint8Array {
    return this.#stated().state.root;
  }

  /** A block with the present state is the newest. */
  sealed({ raw, hash, number }: { readonly raw: Uint8Array; readonly hash: Uint8Array; readonly number: number }): void {
    this.#blocks.set(toHex(hash), { raw, ...this.#stated() });
    if (this.#blocks.size > BLOCKS_KEPT) this.#blocks.delete(this.#blocks.keys().next().value as string);
    this.#number = number;
  }

  /** After a block was announced. */
  act(): void {
    const leaf = this.#unsent;
    if (leaf !== undefined && this.#number >= leaf.block + SETTLED_BLOCKS) {
      this.#unsent = undefined;
      this.#sendReceipt(leaf);
    }
    const command = this.#command;
    if (command === undefined) return;
    // A part is for a command that waits: it follows when that was looked at.
    if (this.#number > command.sentAt && command.order.action === ACTION_POLICY)
      this.#tell("bodies", encodePart({ hash: command.order.hash, offset: 0, bytes: this.#policy }));
    if (this.#number < command.sentAt + AGAIN_BLOCKS) return;
    command.sentAt = this.#number;
    this.#tell("commands", command.message);
  }

  /** A record that holds. */
  recorded({ seq, stream, answer }: RecordFields, digest: Uint8Array): void {
    this.#newest = { seq, stream, digest };
    if (answer !== undefined) {
      if (answer.counter === this.#command?.counter) this.#command = undefined;
      return;
    }
    this.#records += 1;
    if (this.#records % ANCHOR_RECORDS === 0) this.#anchor();
    if (this.#records % COMMAND_RECORDS === 0 && this.#command === undefined) this.#order();
    if (this.#records % SUSPENSION_RECORDS === 0 && this.#status === MOTE_STATUS.active) {
      this.#suspensions += 1;
      this.#setOwn(MOTE_STATUS.suspended);
    }
    if (this.#records % PEER_RECORDS === 0)
      this.#setMote(peers[(this.#records / PEER_RECORDS) % PEERS] as Uint8Array, MOTE_STATUS.active, this.#number + 1);
  }

  /** Looks at whose topic it is: the first tells who the mote is. */
  see(topic: string): void {
    const [, prefix, own] = /^(.*motes\/0x([0-9a-f]{40})\/)/.exec(topic) ?? [];
    if (this.#own === undefined && own !== undefined) this.#found(prefix as string, fromHex(own) as Uint8Array);
  }

  /** What the mote has published besides records and requests for headers. */
  published(topic: string, message: Uint8Array): void {
    if (topic.endsWith("/proofs")) this.#prove(sure(decodeProofRequest(message)));
    else if (topic.endsWith("/transactions")) this.#take(sure(decodeSubmission(message)).raw);
    else if (topic.endsWith("/enrolment") && message.length > 0) this.#vouch(message);
    else if (topic.endsWith("/unanchored")) this.#answer(sure(decodeAnchorQuestion(message)));
  }

  /** Reads what the mote says of itself. */
  said(event: Readonly<Record<string, unknown>>): void {
    if (event.event === "anchored") this.#done.anchored += 1;
    if (event.event === "command" && event.outcome === "done") this.#done.commands += 1;
    if (event.event === "transaction" && event.state === "done") this.#done.transactions += 1;
    if (event.event === "peer") this.#done.peers += 1;
  }

  /** Of the genesis block, which is settled at first, the relay has no state: nothing is proven yet. */
  forgives({ event, code }: Readonly<Record<string, unknown>>): boolean {
    return event === "refused" && (code === "proof-unavailable" || code === "tx-unproven") && this.#number <= FIRST_BLOCKS;
  }

  /** What a run of so many records lacks, once it is over; undefined where nothing. */
  get lacking(): string | undefined {
    const due = {
      anchored: Math.floor(this.#records / ANCHOR_RECORDS),
      commands: this.#commands,
      transactions: 1 + this.#suspensions,
      peers: PEERS + Math.floor(this.#records / PEER_RECORDS),
    };
    const missed = Object.entries(due).filter(([name, count]) => this.#done[name as keyof typeof due] < count - UNDER_WAY_MAX);
    const few = missed.map(([name, count]) => `${name}: ${this.#done[name as keyof typeof due]} of ${count}`);
    return few.length === 0 ? undefined : few.join(", ");
  }

  #found(topic: string, own: Uint8Array): void {
    this.#own = own;
    this.#topic = topic;
    this.#setOwn(MOTE_STATUS.absent);
  }

  #stated(): Pick<Sealed, "state" | "storages"> {
    this.#state ??= this.#stateNow();
    return this.#state;
  }

  #stateNow(): Pick<Sealed, "state" | "storages"> {
    const storages = new Map([
      [toHex(this.#fleet.registry), storageOf(this.#registry)],
      [toHex(ANCHOR), storageOf(this.#anchors)],
    ]);
    const entry = (of: string, nonce: number, balance: bigint, root: Uint8Array): readonly [Uint8Array, Uint8Array] => [
      engine.keccak256(fromHex(of) as Uint8Array),
      RLP.encode([nonce, balance, root, NO_CODE]),
    ];
    const state = new DeepTrie([
      ...[...storages].map(([contract, { root }]) => entry(contract, 1, 0n, root)),
      ...(this.#own === undefined ? [] : [entry(toHex(this.#own), this.#nonce, BALANCE, EMPTY_TRIE)]),
    ]);
    return { state, storages };
  }

  #set(slot: Uint8Array, value: Uint8Array | Packed): void {
    this.#registry.set(toHex(slot), value instanceof Uint8Array ? value : packed(value));
    this.#state = undefined;
  }

  #setMote(mote: Uint8Array, status: number, sinceBlock: number, counter = 1): void {
    const values = { status, role: ROLE, policyId: POLICY_ID, firmwareId: 0, sinceBlock, counter };
    const word = status === MOTE_STATUS.absent ? new Uint8Array(32) : { fields: MOTE_FIELDS, values };
    this.#set(mappingSlot(mote, REGISTRY_SLOTS.motes), word);
  }

  #setOwn(status: number): void {
    this.#status = status;
    this.#setMote(this.#own as Uint8Array, status, this.#number + 1, this.#counter);
  }

  #tell(topic: string, message: Uint8Array): void {
    this.#send(this.#topic + topic, message);
  }

  #prove(request: ProofRequest): void {
    const { id, from, block, kind, subject, slot, bytesMax } = request;
    const found = this.#blocks.get(toHex(block));
    const items = found === undefined ? [] : [found.raw, ...found.state.proof(engine.keccak256(subject as Uint8Array))];
    if (found !== undefined && kind === PROVE_SLOT)
      items.push(...(found.storages.get(toHex(subject as Uint8Array))?.proof(engine.keccak256(slot as Uint8Array)) ?? []));
    const headers = fitting(items.slice(from), bytesMax);
    if (headers.length > 0 && from + headers.length === items.length) this.#done.proofs += 1;
    this.#tell("proofs", encodeReply({ id, from, headers }));
  }

  /** A node that has it in the next block; nothing is said of one that it has already. */
  #take(raw: Uint8Array): void {
    const { nonce } = sure(decodeTransaction(raw));
    if (nonce !== this.#nonce) return;
    this.#nonce += 1;
    this.#counter += 1;
    this.#setOwn(MOTE_STATUS.active);
  }

  #vouch(message: Uint8Array): void {
    const { counter } = sure(decodeEnrolment(sure(decodeSign1(message)).payload));
    if (counter !== this.#counter + 1) return;
    const fields = { counter, mote: this.#own as Uint8Array, role: ROLE, expiryBlock: EXPIRY_BLOCK };
    this.#tell("voucher", signed(enroller, encodeVoucher({ ...fields, policyId: POLICY_ID, firmwareId: 0, fleet: this.#fleet })));
  }

  #order(): void {
    const next = ORDERS[this.#commands % ORDERS.length] as Order;
    const order =
      next.action === ACTION_POLICY ? { ...next, hash: engine.keccak256(this.#policy), bytes: this.#policy.length } : next;
    this.#commands += 1;
    const fields = { counter: this.#commands, mote: this.#own as Uint8Array, expiryBlock: this.#number + COMMAND_BLOCKS };
    const message = signed(commander, encodeCommand({ ...fields, order, fleet: this.#fleet }));
    this.#command = { counter: this.#commands, message, order, sentAt: this.#number };
    this.#tell("commands", message);
  }

  #anchor(): void {
    if (this.#newest === undefined) return;
    const { seq, stream, digest } = this.#newest;
    const index = this.#tree.size;
    this.#tree.append(digest);
    const block = this.#number + 1;
    const root = this.#tree.root();
    const slot = mappingSlot(anchorKey(address(collector), this.#tree.size, root), ANCHOR_SLOTS.anchors);
    const word = packed({ fields: ANCHORED_FIELDS, values: { blockNumber: block, time: 1_800_000_000 } });
    this.#anchors.set(toHex(slot), word);
    if (this.#anchors.size > ANCHORS_KEPT) this.#anchors.delete(this.#anchors.keys().next().value as string);
    this.#state = undefined;
    this.#unsent = { seq, stream, index, size: this.#tree.size, block };
    this.#leaves.push(this.#unsent);
  }

  #answer(_digest: Uint8Array): void {
    const leaf = this.#leaves.filter(({ block }) => this.#number >= block + SETTLED_BLOCKS).pop();
    if (leaf !== undefined) this.#sendReceipt(leaf);
  }

  #sendReceipt({ seq, stream, index, size }: Leaf): void {
    const kid = address(collector);
    const signature = signature64(collector, anchorDigest(engine, kid, this.#tree.root(size)));
    const receipt = encodeAnchorReceipt({ kid, size, index, path: this.#tree.inclusionProof(index, size), signature });
    this.#tell("anchors", encodeAnchorMessage({ seq, stream, receipt }));
  }
}

/** As many of the first items as fit a reply. */
export function fitting(items: readonly Uint8Array[], bytesMax: number): Uint8Array[] {
  const given: Uint8Array[] = [];
  let bytes = REPLY_OVERHEAD_BYTES;
  for (const item of items) {
    bytes += item.length + REPLY_OVERHEAD_PER_HEADER_BYTES;
    if (bytes > bytesMax) break;
    given.push(item);
  }
  return given;
}

interface Packed {
  readonly fields: Readonly<Record<string, Field>>;
  readonly values: Readonly<Record<string, number>>;
}

function packed({ fields, values }: Packed): Uint8Array {
  let word = 0n;
  for (const [name, [offset]] of Object.entries(fields)) word |= BigInt(values[name] as number) << BigInt(offset);
  return fromHex(word.toString(16).padStart(64, "0")) as Uint8Array;
}

function storageOf(words: ReadonlyMap<string, Uint8Array>): DeepTrie {
  return new DeepTrie(
    [...words].map(([slot, word]) => {
      const from = word.findIndex((byte) => byte !== 0);
      return [engine.keccak256(fromHex(slot) as Uint8Array), from < 0 ? new Uint8Array(0) : RLP.encode(word.subarray(from))];
    }),
  );
}

function signature64(by: Account, digest: Uint8Array): Uint8Array {
  const signature = libsecp256k1.signMessageHashCompact(by.secret, digest);
  if (typeof signature === "string") throw new Error(signature);
  return signature;
}

function signed(by: Account, payload: Uint8Array): Uint8Array {
  return encodeSign1(address(by), payload, signature64(by, digestOf(engine, address(by), payload)));
}

/** As many rules, each with an address and two resources, as a document of a thousand bytes holds. */
function longestPolicy(): Uint8Array {
  const all: Rule = { who: null, right: MAY_READ | MAY_COMMAND, resources: ["*"] };
  const rule: Rule = { who: peers[0] as Uint8Array, right: MAY_COMMAND, resources: ["interval", "read"] };
  return encodePolicy([all, ...Array.from({ length: 24 }, () => rule)]);
}

function sure<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw new Error(`the mote has sent: ${value}`);
  return value;
}
