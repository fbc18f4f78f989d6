// A relay that lies, in every way that issue and threat model name: it never moves the head and never stops the mote.
// Each scene has the same end: the honest chain goes on, the mote follows it, and records go on being made meanwhile.

import { randomBytes } from "node:crypto";
import type { MqttClient } from "mqtt";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeReply } from "../../firmware/bus/wire.js";
import { account, type Block, type ChildOptions } from "../chains/clique-generator.js";
import { pause, until } from "../patience.js";
import { type Actor, HEAD_TOPIC, Scene } from "./scene.js";

interface Stage {
  readonly scene: Scene;
  readonly actor: Actor;
  readonly liar: MqttClient;
  readonly announce: () => void;
}

/** A mote that follows the honest chain to block 3, and a liar beside the honest relay. */
async function stage(): Promise<Stage> {
  const scene = await Scene.open();
  const { announce } = await scene.honestRelay();
  const liar = await scene.client();
  const actor = scene.mote();
  scene.seal(3);
  announce();
  await until("the mote follows to block 3", () => actor.head() === 3);
  await until("a record", () => actor.of("record").length > 0);
  return { scene, actor, liar, announce };
}

function lie(liar: MqttClient, bytes: Uint8Array): void {
  liar.publish(HEAD_TOPIC, Buffer.from(bytes), { qos: 1, retain: true });
}

/** After the lies: head where it was, then on with the honest chain, records all the while. */
async function holdsOut({ scene, actor, announce }: Stage, from = 3): Promise<void> {
  const records = actor.of("record").length;
  assert.is(actor.head(), from, "no lie moved the head");
  scene.seal(2);
  announce();
  await until("the honest chain goes on", () => actor.head() === from + 2);
  await until("records go on", () => actor.of("record").length > records);
  assert.is(actor.of("error").length, 0, JSON.stringify(actor.of("error")));
  for (const head of actor.of("head"))
    assert.is(
      head.hash,
      Buffer.from((scene.blocks[Number(head.number)] as Block).hash).toString("hex"),
      "every head is of the honest chain",
    );
  await scene.close();
}

function refusals(actor: Actor): string[] {
  return actor.of("refused").map((event) => String(event.code));
}

const forgeries: Record<string, { options: ChildOptions; code: string }> = {
  "a seal with a flipped bit": {
    options: { bendSeal: (seal) => seal.map((byte, i) => (i === 40 ? byte ^ 1 : byte)) },
    code: "signer-unauthorised",
  },
  "a parent that does not exist, at the next height": {
    options: {
      bend: (draft) => {
        draft.parentHash = new Uint8Array(32).fill(7);
      },
    },
    code: "",
  },
  "a time before its parent's": {
    options: {
      bend: (draft) => {
        draft.timeS -= 10n;
      },
    },
    code: "time-before-period",
  },
  "a time far in the future": {
    options: {
      bend: (draft) => {
        draft.timeS += 86_400n;
      },
    },
    code: "time-in-future",
  },
  "a height far in the future": {
    options: {
      bend: (draft) => {
        draft.number += 1_000_000n;
      },
    },
    code: "",
  },
};

for (const [name, { options, code }] of Object.entries(forgeries))
  test(`refuses ${name}`, async () => {
    const all = await stage();
    lie(all.liar, all.scene.chain.child(all.scene.tip, undefined, options).raw);
    if (code === "") await pause(500);
    else await until(`refused as ${code}`, () => refusals(all.actor).includes(code));
    await holdsOut(all);
  });

test("refuses a header by a stranger", async () => {
  const all = await stage();
  const stranger = all.scene.chain.know(account("stranger"));
  lie(all.liar, all.scene.chain.child(all.scene.tip, stranger).raw);
  await until("refused", () => refusals(all.actor).includes("signer-unauthorised"));
  await holdsOut(all);
});

test("a stale head changes nothing", async () => {
  const all = await stage();
  for (const block of all.scene.blocks.slice(0, 3)) lie(all.liar, block.raw);
  await pause(500);
  await holdsOut(all);
});

test("refuses truncated RLP, at every kind of length", async () => {
  const all = await stage();
  const { raw } = all.scene.chain.child(all.scene.tip);
  for (const length of [1, 2, 3, 40, 250, raw.length - 66, raw.length - 1]) {
    lie(all.liar, raw.slice(0, length));
    await pause(30);
  }
  await until("refused", () => refusals(all.actor).some((code) => code.startsWith("rlp-")));
  await holdsOut(all);
});

test("1 MiB of noise is read past", async () => {
  const all = await stage();
  for (let i = 0; i < 4; i += 1) lie(all.liar, randomBytes(1 << 20));
  lie(all.liar, randomBytes(4000));
  await until("refused", () => refusals(all.actor).includes("message-too-long"));
  await holdsOut(all);
});

test("answers that nobody asked for change nothing", async () => {
  const all = await stage();
  const forged = all.scene.chain.child(all.scene.tip, undefined, {
    bend: (draft) => {
      draft.stateRoot = new Uint8Array(32);
    },
  });
  const topic = `motes/${all.actor.address()}/replies`;
  for (let id = 1; id <= 200; id += 1)
    all.liar.publish(topic, Buffer.from(encodeReply({ id, from: 4, headers: [forged.raw] })), { qos: 1 });
  all.liar.publish(topic, randomBytes(3000), { qos: 1 });
  await pause(500);
  await holdsOut(all);
});

test("headers out of order are put in order by asking", async () => {
  const all = await stage();
  const ahead = all.scene.chain.grow(all.scene.tip, 6);
  all.scene.blocks.push(...ahead);
  for (const i of [4, 1, 3, 0, 5, 2]) lie(all.liar, (ahead[i] as Block).raw);
  await until("all six are verified", () => all.actor.head() === 9);
  await holdsOut(all, 9);
});

test("30,000 forged headers, 10,000 a second", async () => {
  const all = await stage();
  const forged: Buffer[] = [];
  for (let i = 0; i < 50; i += 1)
    forged.push(Buffer.from(all.scene.chain.child(all.scene.tip, undefined, { bendSeal: () => randomBytes(64 + 1) }).raw));
  const records = all.actor.of("record").length;
  const startedMs = Date.now();
  let sent = 0;
  // On a busy machine what is late is made up for in larger bursts; there the flood lasts until the records are there.
  await until("records during the flood", () => {
    const due = Math.floor((Date.now() - startedMs) * 10);
    for (; sent < due; sent += 1) all.liar.publish(HEAD_TOPIC, forged[sent % forged.length] as Buffer, { qos: 0, retain: true });
    return sent >= 30_000 && all.actor.of("record").length - records >= 5;
  });
  const intervals = 1 + Math.ceil((Date.now() - startedMs) / 10_000);
  assert.ok(all.actor.of("refused").length <= 10 * intervals, "a flood of refusals is no flood of lines");
  await holdsOut(all);
});

test("a relay that answers with lies is asked again, and the honest one is heard", async () => {
  const scene = await Scene.open();
  const honest = await scene.honestRelay();
  const actor = scene.mote();
  const liar = await scene.client();
  // Answers every request, at once, with a forged run of headers.
  const fork = scene.chain.grow(scene.chain.genesis, 3, () => ({ bendSeal: () => new Uint8Array(65).fill(1) }));
  liar.on("message", (_topic, message) => {
    const id = message.readUIntBE(3, message[2] === 0x1a ? 4 : message[2] === 0x19 ? 2 : 1);
    liar.publish(
      `motes/${actor.address()}/replies`,
      Buffer.from(encodeReply({ id, from: 1, headers: fork.map((block) => block.raw) })),
    );
  });
  await liar.subscribeAsync(`chains/eip155:1337/requests`);
  await until("the key", () => actor.of("key").length > 0);
  scene.seal(4);
  honest.announce();
  await until("the honest chain is followed", () => actor.head() === 4);
  for (const head of actor.of("head"))
    assert.is(head.hash, Buffer.from((scene.blocks[Number(head.number)] as Block).hash).toString("hex"));
  await scene.close();
});

test.after.each(() => Scene.closeAll());

test.run();
