// Lies and floods, by name: nothing that a broker, a relay, a former commander or a stranger says has a mote do anything, answer anything, or
// remember more than its bounds. Each lie is told to a mote that obeys its commanders, which it does afterwards as before.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import {
  COMMAND_BLOCKS_AHEAD_MAX,
  INBOX_MAX,
  SIGNATURES_PER_MINUTE_MAX,
  WAITING_MAX,
} from "../../../firmware/command/commands.js";
import {
  ACTION_CHECKPOINT,
  ACTION_POLICY,
  ACTION_REBOOT,
  COMMAND_PAYLOAD_BYTES_MAX,
  encodePart,
} from "../../../firmware/command/message.js";
import { encodePolicy, MAY_COMMAND } from "../../../firmware/command/policy.js";
import { decodeSign1, encodeSign1, SIGN1_BYTES_MAX } from "../../../firmware/record/cose.js";
import { encodeReceipt } from "../../../firmware/record/receipt.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { bftCheckpointAt } from "../../chains/bft-fixture.js";
import { signed, type TestKey, testKey } from "../record/signing.js";
import { COMMANDER, CommandBench, FLEET, interval, OTHER, RECOVERY, STRANGER } from "./command-bench.js";

interface Lie {
  /** Tells it; answers the codes of refusal that it may end in. */
  readonly tell: (bench: CommandBench) => Promise<unknown>;
  readonly code: string;
}

const REBOOT = { action: ACTION_REBOOT } as const;
/** The same payload under another signature or kid. */
function bent(
  message: Uint8Array,
  bend: (parts: { kid: Uint8Array; payload: Uint8Array; signature: Uint8Array }) => void,
): Uint8Array {
  const parts = decodeSign1(message);
  if (parts instanceof Rejection) throw new Error(parts.toString());
  const copy = { kid: parts.kid.slice(), payload: parts.payload.slice(), signature: parts.signature.slice() };
  bend(copy);
  return encodeSign1(copy.kid, copy.payload, copy.signature);
}

const N = 0xffffffff_ffffffff_ffffffff_fffffffe_baaedce6_af48a03b_bfd25e8c_d0364141n;
const integer = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes)}`);
const bytesOf = (value: bigint): Uint8Array => new Uint8Array(Buffer.from(value.toString(16).padStart(64, "0"), "hex"));

const policyOf = (document: Uint8Array) =>
  ({ action: ACTION_POLICY, hash: fastEngine.keccak256(document), bytes: document.length }) as const;
const ALL_ALLOWED = encodePolicy([{ who: null, right: MAY_COMMAND, resources: ["*"] }]);

const LIES: Readonly<Record<string, Lie>> = {
  "a command of a key that the registry does not name": { tell: (b) => b.send(REBOOT, STRANGER), code: "command-stranger" },
  "a command of a commander whose mandate was taken back": {
    tell: (b) => {
      b.proven.give(STRANGER, 1_000_000, 2);
      return b.send(REBOOT, STRANGER);
    },
    code: "command-stranger",
  },
  "a command of a commander whose mandate ended with a block before the head": {
    tell: (b) => {
      b.proven.give(STRANGER, b.head - 1);
      return b.send(REBOOT, STRANGER);
    },
    code: "command-stranger",
  },
  "a command that was done, once more": { tell: async (b) => b.give(await b.send(interval(60_000))), code: "command-repeated" },
  "a command with a counter that was passed over": {
    tell: async (b) => {
      const early = b.make(REBOOT, COMMANDER, { counter: 1 });
      await b.send(interval(60_000), COMMANDER, { counter: 2 });
      await b.give(early);
    },
    code: "command-repeated",
  },
  "another command under a counter that was taken": {
    tell: async (b) => {
      await b.send(interval(60_000), COMMANDER, { counter: 1 });
      await b.send(REBOOT, COMMANDER, { counter: 1 });
    },
    code: "command-repeated",
  },
  "a command to another mote": {
    tell: (b) => b.send(REBOOT, COMMANDER, { mote: new Uint8Array(20).fill(1) }),
    code: "command-foreign",
  },
  "a command to a fleet with another registry": {
    tell: (b) => b.send(REBOOT, COMMANDER, { fleet: { ...FLEET, registry: new Uint8Array(20) } }),
    code: "command-fleet",
  },
  "a command to the same registry on another chain": {
    tell: (b) => b.send(REBOOT, COMMANDER, { fleet: { ...FLEET, chain: "eip155:1" } }),
    code: "command-fleet",
  },
  "a command that was good until now": {
    tell: (b) => b.send(REBOOT, COMMANDER, { expiryBlock: b.head }),
    code: "command-expired",
  },
  "a command that was good a long time ago": {
    tell: (b) => b.send(REBOOT, COMMANDER, { expiryBlock: 0 }),
    code: "command-expired",
  },
  "a command that is good for ever": {
    tell: (b) => b.send(REBOOT, COMMANDER, { expiryBlock: Number.MAX_SAFE_INTEGER }),
    code: "command-too-far-ahead",
  },
  "a command that is good one block too long": {
    tell: (b) => b.send(REBOOT, COMMANDER, { expiryBlock: b.head + COMMAND_BLOCKS_AHEAD_MAX + 1 }),
    code: "command-too-far-ahead",
  },
  "a forged signature under a commander's address": {
    tell: (b) => b.give(bent(b.make(REBOOT), ({ signature }) => signature.set([1], 40))),
    code: "signature-invalid",
  },
  "a commander's signature over another payload": {
    tell: (b) => {
      const other = decodeSign1(b.make(REBOOT, COMMANDER, { counter: 7 }));
      if (other instanceof Rejection) throw other;
      return b.give(bent(b.make(interval(60_000)), (parts) => (parts.payload = other.payload)));
    },
    code: "signature-invalid",
  },
  "a stranger's signature under a commander's address": {
    tell: (b) => b.give(bent(b.make(REBOOT, STRANGER), ({ kid }) => kid.set(COMMANDER.address))),
    code: "signature-invalid",
  },
  "the second signature of the same command, with a high s": {
    tell: (b) => b.give(bent(b.make(REBOOT), ({ signature }) => signature.set(bytesOf(N - integer(signature.subarray(32))), 32))),
    code: "signature-high-s",
  },
  "a signature of zeros": {
    tell: (b) => b.give(bent(b.make(REBOOT), ({ signature }) => signature.fill(0))),
    code: "signature-invalid",
  },
  "a commander's receipt in place of a command": {
    tell: (b) =>
      b.give(signed(COMMANDER, encodeReceipt({ seq: 1, digest: new Uint8Array(32), mote: b.powered.addressBytes, stream: 0 }))),
    code: "payload-type",
  },
  "a record of the mote itself, sent back to it": {
    tell: (b) => b.give(b.powered.published("records")[0] as Uint8Array),
    code: "cbor-too-deep",
  },
  noise: { tell: (b) => b.give(new Uint8Array(200).fill(0xd2)), code: "cose-malformed" },
  nothing: { tell: (b) => b.give(new Uint8Array([0xd2])), code: "cose-malformed" },
  "a message as long as a mote takes in": { tell: (b) => b.give(new Uint8Array(4_096)), code: "command-too-long" },
  "a payload of a command that is too long for one": {
    tell: (b) => b.give(signed(COMMANDER, new Uint8Array(COMMAND_PAYLOAD_BYTES_MAX + 1))),
    code: "payload-malformed",
  },
  "the longest COSE_Sign1 that there is": { tell: (b) => b.give(new Uint8Array(SIGN1_BYTES_MAX)), code: "cose-malformed" },
  "a policy that the registry does not name, all of it": {
    tell: async (b) => {
      await b.send(policyOf(ALL_ALLOWED));
      await b.body(ALL_ALLOWED);
    },
    code: "",
  },
  "another body under a policy's hash": {
    tell: async (b) => {
      b.proven.policies.set(1n, fastEngine.keccak256(ALL_ALLOWED));
      b.proven.policyId = 1n;
      await b.send(policyOf(ALL_ALLOWED));
      const wrong = ALL_ALLOWED.map((byte) => byte ^ 1);
      const part = encodePart({ hash: fastEngine.keccak256(ALL_ALLOWED), offset: 0, bytes: wrong });
      b.powered.client.message(`motes/${b.powered.address}/bodies`, part);
      await b.pass(3_000);
    },
    code: "body-wrong",
  },
  "a body that no command names": { tell: (b) => b.body(ALL_ALLOWED), code: "" },
  "a body that is no part": {
    tell: async (b) => {
      b.powered.client.message(`motes/${b.powered.address}/bodies`, new Uint8Array(2_000));
      await b.pass(1_000);
    },
    code: "part-malformed",
  },
  "a checkpoint of a commander who is not the recovery key": { tell: (b) => checkpoint(b, COMMANDER), code: "" },
  "a checkpoint of the recovery key while the chain is proven freshly": { tell: (b) => checkpoint(b, RECOVERY), code: "" },
  "a reboot of the recovery key, which has no mandate": { tell: (b) => b.send(REBOOT, RECOVERY), code: "command-stranger" },
};

async function checkpoint(bench: CommandBench, by: TestKey): Promise<void> {
  let later = bench.tip;
  for (let i = 0; i < 10; i += 1) later = bench.bench.chain.child(later);
  const body = new Uint8Array(
    Buffer.from(JSON.stringify(bftCheckpointAt(bench.bench.chain, later, { trustingPeriodS: 30 * 86_400 }))),
  );
  await bench.send({ action: ACTION_CHECKPOINT, hash: fastEngine.keccak256(body), bytes: body.length }, by);
  await bench.body(body);
}

for (const [name, { tell, code }] of Object.entries(LIES))
  test(`lie: ${name}`, async () => {
    const bench = await new CommandBench().boot();
    await bench.blocks(3);
    await tell(bench);
    await bench.pass(5_000);
    assert.is(bench.restarts, 0);
    const done = bench.answers().filter(({ outcome, record }) => outcome === "done" && record !== undefined);
    const honest = bench.written.filter(({ key }) => key === "settings").length;
    assert.is(done.length, honest, "done is the honest one alone");
    assert.ok(bench.written.every(({ key }) => key === "settings"));
    const refused = [...bench.refused(), ...bench.refused("body")];
    if (code === "") assert.equal(refused, []);
    else assert.ok(refused.includes(code), `${refused.join()}: ${code}`);
    // What was told has not put anybody out.
    await bench.send(interval(77_000), OTHER);
    assert.is(bench.answers().at(-1)?.outcome, "done");
    assert.is(bench.answers().at(-1)?.commander, toHex(OTHER.address));
  });

test("there are thirty named lies", () => {
  assert.ok(Object.keys(LIES).length >= 30, `${Object.keys(LIES).length}`);
});

test("a flood of messages between two steps: so many are looked at, and the rest costs nothing", async () => {
  const bench = await new CommandBench().boot();
  const verified = bench.bench.engine.recovered;
  for (let i = 0; i < 1_000; i += 1)
    bench.powered.client.message(`motes/${bench.powered.address}/commands`, new Uint8Array(100).fill(i & 255));
  await bench.pass(5_000);
  assert.is(bench.bench.engine.recovered, verified, "no signature was looked at");
  assert.ok(bench.refused().includes("command-crowded"), bench.refused().join());
  assert.equal(bench.said(), []);
  await bench.send(interval(77_000));
  assert.equal(bench.said(), ["1 done"]);
});

test("a flood of forged signatures: so many are looked at in a minute", async () => {
  const bench = await new CommandBench().boot();
  const before = bench.bench.engine.recovered;
  const message = bent(bench.make(REBOOT), ({ signature }) => signature.set([1], 40));
  for (let i = 0; i < 200; i += 1) {
    message.set([i], message.length - 30);
    bench.powered.client.message(`motes/${bench.powered.address}/commands`, message.slice());
    await bench.pass(100);
  }
  const looked = (bench.bench.engine.recovered - before) / 2;
  assert.ok(looked >= 20 && looked <= SIGNATURES_PER_MINUTE_MAX, `${looked} in twenty seconds`);
  await bench.pass(60_000);
  await bench.send(interval(77_000));
  assert.equal(bench.said(), ["2 done"]);
});

test("a flood of strangers while nothing is proven: the mailbox is bounded, and who was proven before comes before them", async () => {
  const bench = await new CommandBench().boot();
  await bench.send(interval(60_000));
  bench.proven.fresh = false;
  for (let i = 0; i < 20; i += 1) await bench.send(REBOOT, testKey(`stranger ${i}`));
  bench.proven.asked.length = 0;
  await bench.pass(1_500);
  assert.ok(new Set(bench.proven.asked).size <= WAITING_MAX, "no more are asked about than wait");
  await bench.send(interval(77_000));
  bench.proven.fresh = true;
  await bench.pass(5_000);
  assert.equal(bench.said(), ["1 done", "2 done"]);
  assert.is(bench.restarts, 0);
});

test("a silent relay, nothing being proven, has nothing done and nothing refused for good, and the mote measures on", async () => {
  const bench = await new CommandBench({ sampleMs: 1_000 }).boot();
  bench.proven.fresh = false;
  const before = bench.records().length;
  await bench.send(REBOOT, COMMANDER, { expiryBlock: bench.head + 3 });
  await bench.pass(20_000);
  assert.ok(bench.records().length >= before + 15, "it is not muted");
  assert.equal(bench.said(), []);
  assert.is(bench.restarts, 0);
  await bench.blocks(3);
  bench.proven.fresh = true;
  await bench.pass(3_000);
  // Nobody knew who that was before it was too late.
  assert.equal(bench.said(), []);
  assert.is(bench.restarts, 0);
});

test("parts of a body that come out of turn, or twice, are passed over", async () => {
  const bench = await new CommandBench().boot();
  bench.proven.policies.set(1n, fastEngine.keccak256(ALL_ALLOWED));
  bench.proven.policyId = 1n;
  await bench.send(policyOf(ALL_ALLOWED));
  const hash = fastEngine.keccak256(ALL_ALLOWED);
  const { length } = ALL_ALLOWED;
  const half = length >> 1;
  for (const [offset, end] of [
    [half, length],
    [0, half],
    [0, half],
    [0, half],
    [half, length],
  ] as const) {
    const part = encodePart({ hash, offset, bytes: ALL_ALLOWED.slice(offset, end) });
    bench.powered.client.message(`motes/${bench.powered.address}/bodies`, part);
    assert.equal(bench.said(), []);
    await bench.pass(1_000);
  }
  assert.equal(bench.said(), ["1 done"]);
  assert.equal(bench.refused(), []);
});

test("messages come in pairs, dozens and twice: each command is done once, and answered once", async () => {
  const bench = await new CommandBench().boot();
  const messages = [interval(61_000), interval(62_000), interval(63_000)].map((order) => bench.make(order));
  for (let round = 0; round < 5; round += 1)
    for (const message of messages.slice(0, INBOX_MAX)) {
      bench.powered.client.message(`motes/${bench.powered.address}/commands`, message);
      bench.powered.client.message(`motes/${bench.powered.address}/commands`, message);
      await bench.pass(700);
    }
  assert.equal(bench.said(), ["1 done", "2 done", "3 done"]);
  assert.is(bench.written.length, 3);
});

test.run();
