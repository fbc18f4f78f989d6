// Lies by name, told to a whole mote that has a settled head, its place in the registry, a commander whom it obeys, records that are stored and
// anchored in part, and a call under way: a hostile relay, collector, broker, former commander or stranger moves none of it, and the mote records
// and publishes on. Whoever only keeps silent mutes nobody. The truth, told afterwards, is believed.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeReply } from "../../firmware/bus/wire.js";
import { ACTION_CHECKPOINT, ACTION_POLICY, ACTION_REBOOT, encodePart } from "../../firmware/command/message.js";
import { encodePolicy, MAY_COMMAND } from "../../firmware/command/policy.js";
import { encodeAnchorMessage } from "../../firmware/ledger/anchor-wire.js";
import { PROVE_ACCOUNT, PROVE_SLOT, type ProofRequest } from "../../firmware/ledger/proof-wire.js";
import { ACTIVE, QUARANTINED, REVOKED } from "../../firmware/ledger/registry-slots.js";
import { encodeSubmissionAnswer } from "../../firmware/ledger/submission-wire.js";
import { decodeSign1, encodeSign1 } from "../../firmware/record/cose.js";
import { encodeVoucher } from "../../firmware/record/enrolment.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { fastEngine as engine } from "../../tools/crypto/engine-fast.js";
import { bftCheckpointAt } from "../chains/bft-fixture.js";
import type { BftBlock } from "../chains/bft-generator.js";
import { seedOr } from "../seed.js";
import { Tree } from "./ledger/anchors-bench.js";
import { hex, sure } from "./ledger/ledger-bench.js";
import { COLLECTOR } from "./mote-bench.js";
import { CALLS_KEY, COMMANDER, CONTRACT, FLEET, interval, RECOVERY, WholeBench } from "./mote-ledger-bench.js";
import { signed, type TestKey, testKey } from "./record/signing.js";

const OTHER = testKey("another commander");
const FORMER = testKey("a commander whose mandate was taken back");
const LATE = testKey("a commander whose mandate has ended");
const STRANGER = testKey("a stranger");
const ADMIN = testKey("the admin that was");
const TO = new Uint8Array(20).fill(0x70);
const REBOOT = { action: ACTION_REBOOT } as const;
const ALL_ALLOWED = encodePolicy([{ who: null, right: MAY_COMMAND, resources: ["*"] }]);
const MANDATE_TAKEN_BACK = 2;
const SECONDS_PER_BLOCK = 2;
const BLOCKS_OF_LIES = 5;

/** A mote in the middle of its life, and what an eavesdropper has of it. */
interface Scene {
  readonly bench: WholeBench;
  /** A command that was done, and one that it passed over. */
  readonly done: Uint8Array;
  readonly passedOver: Uint8Array;
  /** Of the chain, when the former commander had his mandate and the mote was not enrolled yet. */
  readonly old: BftBlock;
  /** The seq of the newest record that the collector has, and of one that it has not said so of. */
  readonly stored: number;
  readonly waiting: number;
}

type Answer = (request: ProofRequest) => Uint8Array[] | undefined;
type Relay = (at: Scene) => Answer;
interface Lie {
  readonly tell?: (scene: Scene) => unknown;
  /** What the relay says to requests; the truth where absent. */
  readonly answer?: Relay;
}

async function scene(): Promise<Scene> {
  const bench = new WholeBench();
  await bench.bootFor();
  for (const key of [COMMANDER, OTHER, FORMER]) bench.mandate(key);
  bench.mandate(LATE, 5);
  await bench.live(2);
  const old = bench.tip;
  bench.setOwn({ status: ACTIVE, role: 3, policyId: 7n, sinceBlock: 3, counter: 2n });
  bench.mandate(FORMER, 0, MANDATE_TAKEN_BACK);
  await bench.live(4);
  const passedOver = bench.command(interval(900));
  const done = bench.command(interval(1_000), COMMANDER, { counter: 2 });
  bench.tell("commands", done);
  await bench.live(4);
  bench.anchor();
  await bench.live(1);
  bench.anchorReceipt();
  await bench.live(4);
  const { journal } = bench.powered.mote;
  const stored = journal.storedThrough;
  bench.collecting = false;
  assert.is(await bench.transaction.sendValue(TO, 5n), 0);
  await bench.live(2);
  const waiting = Number(bench.powered.of("record").at(-1)?.seq);
  assert.ok(journal.anchoredThrough > 0 && stored > journal.anchoredThrough && waiting > stored);
  assert.equal(bench.said().length, 1);
  return { bench, done, passedOver, old, stored, waiting };
}

/** All that a lie may not move. */
function held(bench: WholeBench) {
  const { powered, registry, transaction, kept, restarts } = bench;
  const { journal } = powered.mote;
  const { status, role, policyId, sinceBlock, counter } = registry.own as NonNullable<typeof registry.own>;
  const account = transaction.account();
  return {
    place: [status, role, policyId, sinceBlock, counter, registry.withholds],
    marks: [journal.storedThrough, journal.anchoredThrough],
    store: ["settings", "policy", "checkpoint", "commands", "registry"].map((key) => kept.get(key)),
    call: kept.get(CALLS_KEY),
    calls: powered.of("transaction"),
    account: [account?.nonce, account?.balance, transaction.pending],
    // That nothing is heard of the chain is said; everything else would be news.
    alarms: powered.of("alarm").filter(({ alarm }) => alarm !== "stale"),
    restarts,
    said: bench.said(),
  };
}

/** A block that nobody but a liar seals, of the state as `bend` makes it. */
function forged({ bench }: Scene, bend: (bench: WholeBench) => void, parent = bench.tip): BftBlock {
  const { nonce, balance } = bench;
  const words = new Map(bench.words);
  const contract = bench.contracts.get(hex(CONTRACT)) as Map<string, Uint8Array>;
  const anchors = new Map(contract);
  bend(bench);
  const block = bench.seal(parent, { bendSeals: (seals) => seals.slice(0, 1) });
  Object.assign(bench, { nonce, balance });
  bench.words.clear();
  for (const [slot, word] of words) bench.words.set(slot, word);
  contract.clear();
  for (const [slot, word] of anchors) contract.set(slot, word);
  return block;
}

/** The forged block whole: its header, and nodes that do follow from it. */
function forgedState(bend: (bench: WholeBench) => void): Relay {
  return (at) => {
    const block = forged(at, bend);
    return (request) => at.bench.honest({ ...request, block: block.hash });
  };
}

/** Nodes of a forged state below the header that was asked for. */
function forgedNodes(bend: (bench: WholeBench) => void): Relay {
  return (at) => {
    const block = forged(at, bend);
    return (request) => {
      const [header] = at.bench.honest({ ...request, from: 0 });
      if (header === undefined) return [];
      const nodes = at.bench.honest({ ...request, block: block.hash, from: 0 }).slice(1);
      return [header, ...nodes].slice(request.from);
    };
  };
}

/** The true items, changed. */
function bentItems(bend: (items: Uint8Array[]) => Uint8Array[]): Relay {
  return ({ bench }) =>
    (request) =>
      bend(bench.honest({ ...request, from: 0 })).slice(request.from);
}

/** An answer to another question than the one that was asked. */
function instead(change: (at: Scene, request: ProofRequest) => Partial<ProofRequest>): Relay {
  return (at) => (request) => at.bench.honest({ ...request, ...change(at, request) });
}

const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
const quarantined = (bench: WholeBench): void => bench.setOwn({ status: QUARANTINED, sinceBlock: 1 });

function command(make: (bench: WholeBench) => Uint8Array): Lie {
  return { tell: ({ bench }) => bench.tell("commands", make(bench)) };
}

function receipt(
  make: (at: Scene) => { seq: number; by?: TestKey; digest?: Uint8Array; mote?: Uint8Array; stream?: number },
): Lie {
  return {
    tell: (at) => {
      const { by = COLLECTOR, seq, digest = digestOf(at, seq), mote = at.bench.powered.addressBytes, stream = 0 } = make(at);
      at.bench.powered.give("receipts", signed(by, encodeReceipt({ seq, digest, mote, stream })));
    },
  };
}

function digestOf({ bench }: Scene, seq: number): Uint8Array {
  const line = bench.powered.of("record").find((one) => one.seq === seq);
  return line === undefined ? new Uint8Array(32).fill(9) : new Uint8Array(Buffer.from(String(line.digest), "hex"));
}

/** A receipt for an anchor of the record `seq`, out of a tree of `key`. */
function anchor(
  make: (at: Scene) => {
    tree?: Tree;
    seq?: number;
    of?: Uint8Array;
    stream?: number;
    bend?: (receipt: Uint8Array) => Uint8Array;
  },
  answer?: Relay,
): Lie {
  return {
    tell: (at) => {
      const {
        seq = at.stored,
        of = digestOf(at, seq),
        stream = 0,
        tree = new Tree(COLLECTOR),
        bend = (bytes) => bytes,
      } = make(at);
      at.bench.tell("anchors", encodeAnchorMessage({ seq, stream, receipt: bend(tree.add(of).receipt(of)) }));
    },
    ...(answer === undefined ? {} : { answer }),
  };
}

const LIES: Readonly<Record<string, Lie>> = {
  // Headers.
  "a header with another state": {
    tell: ({ bench }) => bench.powered.announce(flipped(bench.bench.chain.child(bench.tip).raw, 100)),
  },
  "a header that too few have sealed": { tell: (at) => at.bench.powered.announce(forged(at, quarantined).raw) },
  "a header of a fork that too few have sealed, from below the settled head": {
    tell: (at) => at.bench.powered.announce(forged(at, quarantined, at.old).raw),
  },
  "a header that follows on nothing": {
    tell: ({ bench }) => {
      const { chain } = bench.bench;
      bench.powered.announce(chain.child(chain.child(bench.tip, { bendSeals: () => [] }), { bendSeals: () => [] }).raw);
    },
  },
  "an old header once more": { tell: ({ bench, old }) => bench.powered.announce(old.raw) },
  "noise for a header": { tell: ({ bench }) => bench.powered.announce(new Uint8Array(600).fill(0xf9)) },
  "headers that nobody asked for": {
    tell: (at) =>
      at.bench.powered.give("replies", encodeReply({ id: 7, from: at.bench.tip.number, headers: [forged(at, quarantined).raw] })),
  },
  // Status.
  "its own quarantine, in a block that too few have sealed": { answer: forgedState(quarantined) },
  "its own quarantine, below the true header": { answer: forgedNodes(quarantined) },
  "its own revocation, below the true header": { answer: forgedNodes((bench) => bench.setOwn({ status: REVOKED })) },
  "another role and policy": {
    answer: forgedNodes((bench) => bench.setOwn({ status: ACTIVE, role: 200, policyId: 99n, sinceBlock: 3, counter: 2n })),
  },
  "its own absence, out of an older block of the same chain": { answer: instead(({ old }) => ({ block: old.hash })) },
  "its own absence, by an empty trie": {
    answer: bentItems(([header]) => (header === undefined ? [] : [header, Uint8Array.of(0x80)])),
  },
  "another mote's place for its own": { answer: instead(() => ({ slot: new Uint8Array(32).fill(3) })) },
  "another contract's slot for the registry's": {
    answer: instead((_at, { kind, subject }) => (kind === PROVE_SLOT ? { subject: CONTRACT } : { subject })),
  },
  // Proofs.
  "a proof with one byte changed in its last node": {
    answer: bentItems((items) => [...items.slice(0, -1), flipped(items.at(-1) ?? new Uint8Array(1), 20)]),
  },
  "a proof with one byte changed in its first node": {
    answer: bentItems(([head, ...rest]) => (head === undefined ? [] : [head, flipped(rest[0] ?? head, 20), ...rest.slice(1)])),
  },
  "a proof whose header has one byte changed": {
    answer: bentItems(([head, ...rest]) => (head === undefined ? [] : [flipped(head, 100), ...rest])),
  },
  "a proof with a node left out": { answer: bentItems((items) => items.filter((_, i) => i !== 2)) },
  "a proof with a node twice": { answer: bentItems((items) => items.flatMap((item, i) => (i === 1 ? [item, item] : [item]))) },
  "a proof with two nodes swapped": {
    answer: bentItems(([head, first, second, ...rest]) => [head, second, first, ...rest].filter((item) => item !== undefined)),
  },
  "a proof that goes on after its end": {
    answer: bentItems((items) => [...items, items.at(-1) ?? new Uint8Array(1), new Uint8Array(64)]),
  },
  "a proof without its header": { answer: bentItems((items) => items.slice(1)) },
  "a header and noise": { answer: bentItems((items) => items.map((item, i) => (i === 0 ? item : new Uint8Array(40).fill(i)))) },
  "a block that is not known, always": { answer: () => () => [] },
  "replies under an id that nobody has": {
    tell: (at) => {
      const block = forged(at, quarantined);
      for (let id = 1; id < 200; id += 1) at.bench.tell("proofs", encodeReply({ id, from: 0, headers: [block.raw] }));
    },
  },
  "noise for a proof": { tell: ({ bench }) => bench.tell("proofs", new Uint8Array(300).fill(0xa3)) },
  // Nonce and balance.
  "a nonce that was never used": { answer: forgedState((bench) => void Object.assign(bench, { nonce: 9 })) },
  "a used nonce, below the true header": { answer: forgedNodes((bench) => void Object.assign(bench, { nonce: 1 })) },
  "no balance, below the true header": { answer: forgedNodes((bench) => void Object.assign(bench, { balance: 0n })) },
  "another account's nonce and balance for its own": {
    answer: instead((_at, { kind, subject }) => ({
      subject: kind === PROVE_ACCOUNT ? Uint8Array.of(9) : (subject as Uint8Array),
    })),
  },
  "that its nonce is used, by a relay's word": {
    tell: ({ bench }) => bench.tell("transactions", encodeSubmissionAnswer({ id: 1, outcome: 1 })),
  },
  "that its balance does not do, by a relay's word": {
    tell: ({ bench }) => bench.tell("transactions", encodeSubmissionAnswer({ id: 1, outcome: 2 })),
  },
  "that a transaction is in, which is not its own": {
    tell: ({ bench }) => bench.tell("transactions", encodeSubmissionAnswer({ id: 1, outcome: new Uint8Array(32) })),
  },
  "noise for a node's word": { tell: ({ bench }) => bench.tell("transactions", Uint8Array.of(0xff)) },
  // Commands.
  "a stranger's command": command((bench) => bench.command(REBOOT, STRANGER)),
  "a stranger's command, and a mandate in a block that too few have sealed": {
    ...command((bench) => bench.command(REBOOT, STRANGER)),
    answer: forgedState((bench) => bench.mandate(STRANGER)),
  },
  "a stranger's command, and a mandate below the true header": {
    ...command((bench) => bench.command(REBOOT, STRANGER)),
    answer: forgedNodes((bench) => bench.mandate(STRANGER)),
  },
  "a former commander's command": command((bench) => bench.command(REBOOT, FORMER)),
  "a former commander's command, and the mandate that he had": {
    ...command((bench) => bench.command(REBOOT, FORMER)),
    answer: instead(({ old }) => ({ block: old.hash })),
  },
  "a command of one whose mandate has ended": command((bench) => bench.command(REBOOT, LATE)),
  "a command of the admin that was": command((bench) => bench.command(REBOOT, ADMIN)),
  "a command of the collector": command((bench) => bench.command(REBOOT, COLLECTOR)),
  "a command that was done, once more": { tell: ({ bench, done }) => bench.tell("commands", done) },
  "a command that was passed over": { tell: ({ bench, passedOver }) => bench.tell("commands", passedOver) },
  "another command under a counter that was taken": command((bench) => bench.command(REBOOT, COMMANDER, { counter: 2 })),
  "a command to another mote": command((bench) => bench.command(REBOOT, COMMANDER, { mote: new Uint8Array(20).fill(1) })),
  "a command of another fleet": command((bench) =>
    bench.command(REBOOT, COMMANDER, { fleet: { ...FLEET, registry: new Uint8Array(20) } }),
  ),
  "a command of the same registry on another chain": command((bench) =>
    bench.command(REBOOT, COMMANDER, { fleet: { ...FLEET, chain: "eip155:1" } }),
  ),
  "a command that is too late": command((bench) => bench.command(REBOOT, COMMANDER, { expiryBlock: 1, counter: 1 })),
  "a command that is good for ever": command((bench) =>
    bench.command(REBOOT, COMMANDER, { expiryBlock: Number.MAX_SAFE_INTEGER }),
  ),
  "a commander's name under a stranger's signature": command((bench) => {
    const { payload, signature } = sure(decodeSign1(bench.command(REBOOT, STRANGER, { counter: 50 })));
    return encodeSign1(COMMANDER.address, payload, signature);
  }),
  "a commander's signature over another payload": command((bench) => {
    const { payload } = sure(decodeSign1(bench.command(REBOOT, STRANGER, { counter: 50 })));
    return encodeSign1(COMMANDER.address, payload, sure(decodeSign1(bench.command(interval(900)))).signature);
  }),
  "a stranger's policy, body and all": {
    tell: ({ bench }) => {
      const hash = engine.keccak256(ALL_ALLOWED);
      bench.tell("commands", bench.command({ action: ACTION_POLICY, hash, bytes: ALL_ALLOWED.length }, STRANGER));
      bench.tell("bodies", encodePart({ hash, offset: 0, bytes: ALL_ALLOWED }));
    },
  },
  "a stranger's checkpoint, body and all": {
    tell: ({ bench }) => {
      const { chain } = bench.bench;
      const later = chain.child(chain.child(bench.tip));
      const json = JSON.stringify(bftCheckpointAt(chain, later, { trustingPeriodS: 30 * 86_400 }));
      const body = new Uint8Array(Buffer.from(json));
      const hash = engine.keccak256(body);
      bench.tell("commands", bench.command({ action: ACTION_CHECKPOINT, hash, bytes: body.length }, STRANGER));
      bench.tell("bodies", encodePart({ hash, offset: 0, bytes: body.subarray(0, 1_024) }));
    },
  },
  "a reboot by the recovery key, which has no mandate": command((bench) => bench.command(REBOOT, RECOVERY)),
  "noise for a command": command(() => new Uint8Array(200).fill(0xd2)),
  // Receipts.
  "a stranger's receipt": receipt(({ waiting }) => ({ seq: waiting, by: STRANGER })),
  "a receipt for a record with another digest": receipt(({ waiting }) => ({ seq: waiting, digest: new Uint8Array(32).fill(1) })),
  "a receipt for a record that does not exist yet": receipt(({ waiting }) => ({ seq: waiting + 1_000 })),
  "another mote's receipt": receipt(({ waiting }) => ({ seq: waiting, mote: new Uint8Array(20).fill(1) })),
  "a receipt of another stream": receipt(({ waiting }) => ({ seq: waiting, stream: 1 })),
  "the digest of another record of its own": receipt((at) => ({ seq: at.waiting, digest: digestOf(at, at.stored) })),
  "a commander's command for a receipt": { tell: ({ bench, done }) => bench.powered.give("receipts", done) },
  "noise for a receipt": { tell: ({ bench }) => bench.powered.give("receipts", new Uint8Array(150).fill(0xd2)) },
  // Anchors.
  "a root that was never anchored": anchor(() => ({})),
  "a root that was anchored on a fork that too few have sealed": anchor(
    () => ({}),
    (at) => {
      const digest = digestOf(at, at.stored);
      return forgedState((bench) => bench.root(new Tree(COLLECTOR).add(digest), 4))(at);
    },
  ),
  "a root that was anchored in nodes below the true header": anchor(
    () => ({}),
    (at) => {
      const digest = digestOf(at, at.stored);
      return forgedNodes((bench) => bench.root(new Tree(COLLECTOR).add(digest), 4))(at);
    },
  ),
  "another collector's root, which is anchored": anchor((at) => {
    const tree = new Tree(STRANGER);
    at.bench.root(new Tree(STRANGER).add(digestOf(at, at.stored)), 4);
    return { tree };
  }),
  "the collector's name under a stranger's signature": anchor((at) => {
    const key = { ...STRANGER, address: COLLECTOR.address };
    at.bench.root(new Tree(key).add(digestOf(at, at.stored)), 4);
    return { tree: new Tree(key) };
  }),
  "the receipt of an earlier record for a later one": anchor((at) => {
    const of = digestOf(at, 1);
    at.bench.root(new Tree(COLLECTOR).add(of), 4);
    return { of };
  }),
  "an anchor of a record that does not exist yet": anchor(({ waiting }) => ({ seq: waiting + 1_000 })),
  "an anchor of another stream": anchor((at) => {
    at.bench.root(new Tree(COLLECTOR).add(digestOf(at, at.stored)), 4);
    return { stream: 1 };
  }),
  "a root that is anchored in a block to come": anchor((at) => {
    at.bench.root(new Tree(COLLECTOR).add(digestOf(at, at.stored)), at.bench.tip.number + 1_000);
    return {};
  }),
  "an anchor's receipt with one byte changed": anchor((at) => {
    at.bench.root(new Tree(COLLECTOR).add(digestOf(at, at.stored)), 4);
    return { bend: (bytes) => flipped(bytes, bytes.length - 10) };
  }),
  "noise for an anchor": { tell: ({ bench }) => bench.tell("anchors", new Uint8Array(200).fill(0xa3)) },
  // What is said of the mote itself.
  "a newest record that a stranger has signed": {
    tell: ({ bench }) => {
      const [record] = bench.powered.published("records");
      bench.powered.give("latest", signed(STRANGER, sure(decodeSign1(record as Uint8Array)).payload));
    },
  },
  "an old record of its own as the newest one": {
    tell: ({ bench }) => bench.powered.give("latest", bench.powered.published("records")[0] as Uint8Array),
  },
  "a voucher that a stranger has signed": {
    tell: ({ bench }) => {
      const fields = {
        counter: 9,
        mote: bench.powered.addressBytes,
        role: 9,
        expiryBlock: 4_000,
        policyId: 0,
        firmwareId: 0,
        fleet: FLEET,
      };
      bench.tell("voucher", signed(STRANGER, encodeVoucher(fields)));
    },
  },
};

/** How many records were made, and how many messages with records have left over the present connection. */
function made({ powered }: WholeBench): [number, number] {
  return [powered.of("record").length, powered.published("records").length];
}

function assertRecordsOn(bench: WholeBench, [recorded, published]: [number, number], seconds: number): void {
  const [recordedNow, publishedNow] = made(bench);
  assert.ok(recordedNow - recorded >= seconds / 2, `it makes records: ${recordedNow - recorded} in ${seconds} s`);
  assert.ok(publishedNow - published >= seconds / 2, `it publishes them: ${publishedNow - published} in ${seconds} s`);
}

/** The truth is believed: head, place, command, receipts, anchors and the nonce move on. */
async function assertTruthMoves(at: Scene, name: string): Promise<void> {
  const { bench } = at;
  const { journal } = bench.powered.mote;
  const before = {
    anchored: journal.anchoredThrough,
    stored: journal.storedThrough,
    proven: bench.registry.own?.provenAtBlock as number,
  };
  bench.collecting = true;
  bench.nonce = 1;
  await bench.live(1);
  const command = bench.command(interval(2_000), OTHER);
  const moved = (): string =>
    [
      journal.storedThrough > before.stored ? "" : "stored",
      journal.anchoredThrough > before.anchored ? "" : "anchored",
      bench.said().length === 2 && bench.said()[1]?.endsWith(" done") ? "" : "commanded",
      bench.transaction.pending ? "call" : "",
      (bench.registry.own?.provenAtBlock ?? 0) > before.proven ? "" : "place",
    ].join("");
  for (let blocks = 0; blocks < 60 && moved() !== ""; blocks += 1) {
    // Whoever sends one sends it until it is answered: strangers' may wait for their proofs.
    if (blocks % 4 === 0) bench.tell("commands", command);
    if (blocks % 4 === 1) bench.anchor();
    if (blocks % 4 === 2) bench.anchorReceipt();
    await bench.live(1);
  }
  assert.is(moved(), "", `what does not move after: ${name}`);
  assert.is(hex(bench.powered.mote.head.hash), hex(bench.tip.hash));
}

/** Which lies are told: without FULL=1 one in three, from another on each time. */
const EACH = process.env.FULL === "1" ? 1 : 3;
const FIRST = seedOr() % EACH;
for (const [name, { tell, answer }] of Object.entries(LIES).filter((_, i) => i % EACH === FIRST))
  test(`lie: ${name}`, async () => {
    const at = await scene();
    const { bench } = at;
    const before = held(bench);
    const records = made(bench);
    for (let block = 0; block < BLOCKS_OF_LIES; block += 1) {
      await tell?.(at);
      await bench.live(1, answer?.(at));
      assert.is(hex(bench.powered.mote.head.hash), hex(bench.tip.hash), "the head is the chain's");
      assert.equal(held(bench), before);
    }
    assertRecordsOn(bench, records, BLOCKS_OF_LIES * SECONDS_PER_BLOCK);
    await assertTruthMoves(at, name);
  });

test("there are at least thirty, and of each kind", () => {
  assert.ok(Object.keys(LIES).length >= 30, `${Object.keys(LIES).length}`);
});

interface Silence {
  readonly blocks: boolean;
  readonly proofs: boolean;
  readonly collects: boolean;
  readonly answer?: Answer;
}

/** Whoever says nothing: for two minutes nothing moves, and nobody is muted. */
const SILENCES: Readonly<Record<string, Silence>> = {
  "a relay that says nothing at all": { blocks: false, proofs: false, collects: true },
  "a relay that has headers alone": { blocks: true, proofs: false, collects: true },
  "a relay that knows no block": { blocks: true, proofs: false, collects: true, answer: () => [] },
  "a collector that says nothing": { blocks: true, proofs: true, collects: false },
  "all of them": { blocks: false, proofs: false, collects: false },
};
for (const [name, { blocks, proofs, collects, answer }] of Object.entries(SILENCES))
  test(`silent: ${name}`, async () => {
    const at = await scene();
    const { bench } = at;
    const before = held(bench);
    const records = made(bench);
    bench.collecting = collects;
    const say: Answer = answer ?? ((request) => (proofs ? bench.honest(request) : undefined));
    for (let block = 0; block < 60; block += 1) {
      if (block % 10 === 0) bench.tell("commands", bench.command(REBOOT, STRANGER));
      if (blocks) await bench.live(1, say);
      else await bench.pass(SECONDS_PER_BLOCK * 1_000, say);
    }
    // A call that is under way may be raised meanwhile: the same call, and nothing else.
    const { call, calls, marks, ...still } = held(bench);
    const { call: callBefore, calls: callsBefore, marks: marksBefore, ...stillBefore } = before;
    assert.equal(still, stillBefore);
    assert.is(marks[1], marksBefore[1]);
    assert.ok(collects ? Number(marks[0]) > Number(marksBefore[0]) + 60 : marks[0] === marksBefore[0], "what is stored");
    assert.is(bench.calls.size, 1);
    assert.ok(call !== undefined && callBefore !== undefined && calls.length >= callsBefore.length);
    assertRecordsOn(bench, records, 120);
    await assertTruthMoves(at, name);
  });

test.run();
