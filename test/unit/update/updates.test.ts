// The whole of an update on virtual time: what a release needs to be taken, what comes of every wrong one, how a new image proves
// itself, and what follows where it does not. docs/update.md.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { PROFILE_DEV, PROFILE_PRODUCTION } from "../../../firmware/update/release.js";
import { FAILED_SAID } from "../../../firmware/update/state.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { signed, testKey } from "../record/signing.js";
import { ADMIN, FLEET, SLOT_BYTES, UpdateBench } from "./update-bench.js";

/** A mote that has run for a while on what was flashed over the wire. */
async function settled(options: ConstructorParameters<typeof UpdateBench>[0] = {}): Promise<UpdateBench> {
  const bench = new UpdateBench(options);
  await bench.boot();
  await bench.until("the first record is stored", () => bench.stored().length > 0);
  return bench;
}

test("v1 to v2: received, read back, selected, proven; key and journal go on", async () => {
  const bench = await settled();
  const address = bench.powered?.address;
  const before = bench.stored().at(-1) as number;
  bench.release(bench.image("v2"));
  await bench.until("v2 is valid", () => bench.said().includes("valid"));
  assert.equal(bench.said(), ["receiving", "restarting", "proving", "valid"]);
  assert.is(bench.running, "v2");
  assert.is(bench.powered?.address, address, "the key is the same");
  await bench.until("records go on", () => (bench.stored().at(-1) as number) > before + 2);
  assert.equal(bench.powered?.board.board.slots?.running(), { slot: 1, state: "valid" });
  await bench.live(60);
  assert.is(bench.restarts, 1, "and it is not done again");
  assert.equal(bench.report, { phase: 3, sequence: 1, offset: bench.report?.offset, size: bench.report?.size, reason: "" });
  await bench.boot();
  await bench.live(60);
  assert.is(bench.running, "v2", "nor forgotten");
  bench.whole("v2", ["valid"]);
});

test("whatever is wrong with a manifest is refused by name, and nothing is erased", async () => {
  const bench = await settled();
  const image = bench.image("v2");
  const good = { sequence: 2, digest: fastEngine.sha256(image), size: image.length, boardClass: "esp32c3", profile: PROFILE_DEV };
  const erases = (): number => bench.storage.slots?.slot(1).counters.erases as number;
  const cases: readonly (readonly [string, () => unknown])[] = [
    ["release-signer", () => bench.release(image, { sequence: 2 }, testKey("somebody"))],
    ["release-fleet", () => bench.release(image, { ...good, fleet: { ...FLEET, registry: new Uint8Array(20).fill(1) } })],
    ["release-fleet", () => bench.release(image, { ...good, fleet: { ...FLEET, chain: "eip155:1" } })],
    ["release-class", () => bench.release(image, { ...good, boardClass: "esp32s3" })],
    ["release-profile", () => bench.release(image, { ...good, profile: PROFILE_PRODUCTION })],
    ["release-size", () => bench.release(image, { ...good, size: SLOT_BYTES + 1 })],
    [
      "signature-invalid",
      () => {
        const bytes = bench.release(image, good).slice();
        bytes[60] = (bytes[60] as number) ^ 1;
        bench.publish(bytes);
      },
    ],
    ["cose-malformed", () => bench.publish(new Uint8Array(200))],
    ["payload-type", () => bench.publish(signed(testKey("the admin of the fleet"), Uint8Array.from([0xa1, 0, 7])))],
  ];
  for (const [code, publish] of cases) {
    bench.manifest = undefined;
    const before = bench.refusals().length;
    if (code === "signature-invalid") {
      // The good one is not to be seen.
      bench.brokerUp = false;
      await bench.live(3);
      publish();
      bench.brokerUp = true;
    } else publish();
    await bench.until(code, () => bench.refusals().length > before, 200);
    assert.is(bench.refusals().at(-1), code);
    await bench.live(15);
  }
  assert.is(erases(), 0);
  assert.equal(bench.said(), []);
  assert.is(bench.requests, 0);
  bench.whole("v1", []);
});

test("a sequence that was taken, or an older one, is refused; also where the image is another", async () => {
  const bench = await settled();
  bench.release(bench.image("v2"), { sequence: 7 });
  await bench.until("v2 is valid", () => bench.said().includes("valid"));
  for (const sequence of [7, 6, 1]) {
    const before = bench.refusals().length;
    bench.release(bench.image("v3"), { sequence });
    await bench.until("it is refused", () => bench.refusals().length > before, 60);
    assert.is(bench.refusals().at(-1), "release-sequence");
  }
  await bench.boot();
  await bench.live(60);
  assert.is(bench.refusals().at(-1), "release-sequence", "after a start as well");
  assert.is(bench.running, "v2");
  bench.whole("v2", ["valid"]);
});

test("an image with another digest is fetched again, three times, and given up", async () => {
  const bench = await settled();
  bench.bend = (part, offset) => (offset === 4096 ? part.map((byte) => byte ^ 1) : part);
  bench.release(bench.image("v2"));
  await bench.until("it is given up", () => bench.said().includes("failed (digest)"));
  assert.equal(bench.refusals().filter((code) => code === "release-digest").length, 2, "two are said, the third is the end");
  bench.bend = (part) => part;
  await bench.boot();
  await bench.live(200);
  assert.is(bench.refusals().at(-1), "release-ended");
  assert.is(bench.restarts, 0);
  bench.whole("v1", ["failed (digest)"]);
  bench.release([...bench.images.values()][0] as Uint8Array, { sequence: 2 });
  await bench.until("a new manifest brings it", () => bench.said().includes("valid"));
  assert.is(bench.running, "v2");
});

test("parts that are too short, too long or none at all change nothing, and it goes on once good ones come", async () => {
  const bench = await settled();
  const faults = [
    (part: Uint8Array) => part.slice(0, -1),
    (part: Uint8Array) => Uint8Array.from([...part, 0]),
    (part: Uint8Array) => new Uint8Array(part.length * 4),
    () => new Uint8Array(0),
    () => undefined,
  ];
  for (const bend of faults) {
    bench.bend = bend;
    if (bench.manifest === undefined) bench.release(bench.image("v2"));
    await bench.live(90);
    assert.equal(bench.said(), ["receiving"]);
    assert.is(bench.storage.slots?.slot(1).counters.writes, 0);
  }
  assert.ok(bench.refusals().includes("release-part"));
  const asked = bench.requests;
  assert.ok(asked < 100, `${asked} requests: waits double`);
  bench.whole("v1", []);
  bench.bend = (part) => part;
  await bench.until("v2 is valid", () => bench.said().includes("valid"));
  bench.whole("v2", ["valid"]);
});

test("bytes that are no image of this chip are not selected", async () => {
  for (const [image, reason] of [
    [(bench: UpdateBench) => bench.image("v2", { chip: "esp32s3" }), "failed (image)"],
    [
      (bench: UpdateBench) => {
        const bytes = bench.image("v2").slice();
        bytes[400] = (bytes[400] as number) ^ 1;
        bench.images.set(Buffer.from(fastEngine.sha256(bytes)).toString("hex"), bytes);
        return bytes;
      },
      "failed (image)",
    ],
    [
      (bench: UpdateBench) => {
        const bytes = new Uint8Array(9_000).fill(7);
        bench.images.set(Buffer.from(fastEngine.sha256(bytes)).toString("hex"), bytes);
        return bytes;
      },
      "failed (image)",
    ],
  ] as const) {
    const bench = await settled();
    bench.release(image(bench));
    await bench.until(reason, () => bench.said().includes(reason));
    await bench.live(30);
    assert.is(bench.restarts, 0);
    assert.is(bench.running, "v1");
    bench.whole("v1", [reason]);
  }
});

for (const [program, reason, seconds] of [
  ["crash", "rolled-back (reset)", 60],
  ["unfit", "rolled-back (start)", 60],
  ["deaf", "rolled-back (unproven: broker, record)", 1000],
  ["stuck", "rolled-back (unproven: record)", 1000],
] as const)
  test(`an image that is ${program} gives way to the one before, which says why; and it is not tried again`, async () => {
    const bench = await settled();
    const before = bench.stored().at(-1) as number;
    const image = bench.image(program);
    bench.release(image, { sequence: 5 });
    await bench.until(reason, () => bench.said().includes(reason), seconds);
    assert.is(bench.running, "v1");
    assert.is(bench.said().filter((word) => word === reason).length, 1);
    await bench.until("records go on", () => (bench.stored().at(-1) as number) > before + 1);
    const { boots } = bench;
    await bench.boot();
    await bench.live(3600);
    assert.is(bench.boots, boots + 1, "it does not loop");
    assert.is(bench.said().filter((word) => word === reason).length, 1, "one event says why");
    assert.ok(bench.refusals().includes("release-ended"));
    bench.whole("v1", [reason]);
    bench.release(bench.image("v2"), { sequence: 6 });
    await bench.until("another release is taken", () => bench.said().at(-1) === "valid");
    assert.is(bench.running, "v2");
  });

test("an image that the bootloader cannot load any more, once it was selected: the one before runs, and says why", async () => {
  const bench = await settled();
  bench.release(bench.image("v2"), { sequence: 5 });
  await bench.until("it is on its way", () => bench.said().includes("receiving"));
  bench.beforeBoot = () => {
    bench.storage.slots?.slot(1).eraseBlock(1);
    bench.beforeBoot = () => undefined;
  };
  await bench.until("it says why", () => bench.ends().length > 0);
  bench.whole("v1", ["rolled-back (image)"]);
  await bench.boot();
  await bench.live(300);
  assert.is(bench.restarts, 1, "it is not tried again");
  bench.whole("v1", ["rolled-back (image)"]);
});

test("records of the image before are no proof: one of its own has to be stored", async () => {
  const bench = await settled();
  const before = bench.stored().at(-1) as number;
  bench.collectsThrough = before;
  await bench.live(120);
  bench.release(bench.image("v2"));
  await bench.until("it proves itself", () => bench.said().includes("proving"));
  const last = bench.powered?.mote.journal.lastSeq as number;
  bench.collectsThrough = last;
  await bench.until("what the old image has left is stored", () => bench.stored().at(-1) === last);
  await bench.live(60);
  assert.not.ok(bench.said().includes("valid"));
  bench.collectsThrough = last + 1;
  await bench.until("one of its own", () => bench.said().includes("valid"));
});

test("the broker is away for an hour while v2 proves itself: v1 comes back, and v2 only with a new manifest", async () => {
  const bench = await settled();
  const image = bench.image("v2");
  bench.release(image, { sequence: 3 });
  await bench.until("it restarts", () => bench.said().includes("proving"));
  bench.brokerUp = false;
  await bench.live(3600);
  assert.is(bench.running, "v1");
  assert.equal(bench.said().slice(2), [
    "proving",
    "rolling-back (unproven: broker, record)",
    "rolled-back (unproven: broker, record)",
  ]);
  bench.brokerUp = true;
  await bench.live(600);
  assert.is(bench.running, "v1", "the same manifest is not taken again");
  assert.equal(bench.report?.reason, "unproven: broker, record");
  bench.whole("v1", ["rolled-back (unproven: broker, record)"]);
  bench.release(image, { sequence: 4 });
  await bench.until("a new manifest of the same image", () => bench.said().at(-1) === "valid");
  assert.is(bench.running, "v2");
});

test("a reset while an image proves itself, a sleep among them, brings back the one before", async () => {
  const bench = await settled();
  bench.release(bench.image("v2"));
  await bench.until("it restarts", () => bench.said().includes("proving"));
  assert.equal(bench.powered?.board.board.slots?.running(), { slot: 1, state: "pending" }, "whoever would sleep can see it");
  await bench.boot();
  assert.is(bench.running, "v1");
  await bench.until("it says why", () => bench.said().includes("rolled-back (reset)"));
  await bench.live(600);
  assert.is(bench.running, "v1");
  bench.whole("v1", ["rolled-back (reset)"]);
});

test("with samples an hour apart an image proves itself by a record of its own", async () => {
  const bench = new UpdateBench({ sampleMs: 3_600_000 });
  await bench.boot();
  await bench.until("the first record is stored", () => bench.stored().length > 0);
  bench.release(bench.image("v2"));
  await bench.until("v2 is valid", () => bench.said().includes("valid"), 900);
});

test("the secure version rises after proving alone, and only where the manifest says so", async () => {
  const bench = await settled({ antiRollback: true });
  const fuse = (): number => bench.powered?.board.board.slots?.secureVersion() as number;
  bench.release(bench.image("v2", { secureVersion: 1 }), { sequence: 1 });
  await bench.until("an image that would burn unasked", () => bench.said().includes("failed (secure-version)"));
  bench.release(bench.image("v2"), { sequence: 2, secureVersion: 1 });
  await bench.until(
    "an image that would not burn",
    () => bench.said().filter((word) => word === "failed (secure-version)").length === 2,
  );
  assert.is(fuse(), 0);
  bench.release(bench.image("deaf", { secureVersion: 1 }), { sequence: 3, secureVersion: 1 });
  await bench.until("it goes back", () => bench.said().at(-1)?.startsWith("rolled-back") === true);
  assert.is(fuse(), 0, "one that was not proven burns nothing");
  bench.release(bench.image("v3", { secureVersion: 1 }), { sequence: 4, secureVersion: 1 });
  await bench.until("v3 is valid", () => bench.said().at(-1) === "valid");
  assert.is(fuse(), 1);
  bench.release(bench.image("v4"), { sequence: 5 });
  await bench.until("one of before the burn", () => bench.said().at(-1) === "failed (secure-version)");
  assert.is(bench.running, "v3");
});

test("a newer release takes the place of one that is on its way", async () => {
  const bench = await settled();
  const slow = bench.image("v2", { bytes: 120_000 });
  bench.bend = (part, offset) => (offset >= 40_000 ? undefined : part);
  bench.release(slow, { sequence: 1 });
  await bench.until("half of it is there", () => bench.requests > 19);
  bench.bend = (part) => part;
  bench.release(bench.image("v3"), { sequence: 2 });
  await bench.until("v3 is valid", () => bench.said().includes("valid"));
  assert.is(bench.running, "v3");
});

test("an image goes on where it was after a start, once its manifest is there again, and not without", async () => {
  const bench = await settled();
  bench.release(bench.image("v2", { bytes: 150_000 }));
  await bench.until("most of it is there", () => bench.requests > 50);
  const { manifest } = bench;
  bench.manifest = undefined;
  const asked = bench.requests;
  await bench.boot();
  await bench.live(120);
  assert.is(bench.requests, asked, "a release that was taken back does not go on");
  bench.publish(manifest as Uint8Array);
  await bench.until("v2 is valid", () => bench.said().includes("valid"));
  assert.ok(bench.requests - asked < 45, `${bench.requests - asked} requests: it went on from what was kept`);
});

test("with a registry: its proven admin alone releases, and only the image that it names for this mote", async () => {
  let admin: Uint8Array | undefined;
  let hash: Uint8Array | undefined;
  const bench = await settled({ authority: { admin: () => admin, firmwareHash: () => hash } });
  const [old, next] = [testKey("the old admin"), testKey("the next admin")];
  const image = bench.image("v2");
  bench.release(image, { sequence: 1 }, old);
  await bench.live(60);
  assert.equal([bench.refusals(), bench.said()], [[], []], "while nothing is proven nothing is decided");
  admin = next.address;
  await bench.until("a revoked admin", () => bench.refusals().includes("release-signer"));
  bench.release(image, { sequence: 2 }, next);
  await bench.live(60);
  assert.equal(bench.said(), []);
  hash = new Uint8Array(32);
  await bench.until("no image is named", () => bench.refusals().includes("release-unregistered"));
  hash = fastEngine.sha256(bench.image("v3"));
  bench.give(bench.manifest as Uint8Array);
  await bench.until(
    "another image is named",
    () => bench.refusals().filter((code) => code === "release-unregistered").length === 2,
  );
  hash = fastEngine.sha256(image);
  bench.bend = (part, offset) => (offset > 30_000 ? undefined : part);
  bench.give(bench.manifest as Uint8Array);
  await bench.until("this one", () => bench.said().includes("receiving"));
  await bench.live(30);
  // He who has released it is no admin any more.
  admin = old.address;
  bench.bend = (part) => part;
  await bench.boot();
  await bench.live(600);
  assert.is(bench.running, "v1");
  assert.is(bench.refusals().at(-1), "release-signer");
  bench.whole("v1", []);
  admin = next.address;
  await bench.boot();
  await bench.until("v2 is valid", () => bench.said().includes("valid"));
});

test("an admin who is replaced, and an image that is named no more, while it comes: it is not started", async () => {
  let admin: Uint8Array | undefined;
  let hash: Uint8Array | undefined;
  const bench = await settled({ authority: { admin: () => admin, firmwareHash: () => hash } });
  const image = bench.image("v2");
  const digest = fastEngine.sha256(image);
  for (const [code, change] of [
    ["release-signer", () => (admin = new Uint8Array(20).fill(1))],
    ["release-unregistered", () => (hash = new Uint8Array(32).fill(1))],
  ] as const) {
    admin = ADMIN.address;
    hash = digest;
    bench.bend = (part, offset) => (offset > 60_000 ? undefined : part);
    bench.release(image, { sequence: 1 });
    await bench.until("most of it is there", () => bench.requests % 40 > 30);
    bench.requests = 0;
    change();
    bench.bend = (part) => part;
    await bench.until(code, () => bench.refusals().includes(code));
    await bench.live(120);
    assert.is(bench.restarts, 0);
    bench.whole("v1", []);
  }
  // Silence is no "no": it waits.
  admin = ADMIN.address;
  hash = digest;
  bench.bend = (part, offset) => (offset > 60_000 ? undefined : part);
  bench.release(image, { sequence: 1 });
  await bench.live(30);
  hash = undefined;
  bench.bend = (part) => part;
  await bench.live(300);
  assert.is(bench.restarts, 0);
  hash = digest;
  await bench.until("v2 is valid", () => bench.said().includes("valid"));
});

test("a store that refuses the end of an image does not have it started again", async () => {
  const bench = await settled();
  bench.release(bench.image("crash"), { sequence: 1 });
  // The first word of the image that comes back is not kept.
  let refusals = 0;
  bench.refuses = (key, value) => {
    if (key !== "state" || value[1] !== FAILED_SAID) return false;
    refusals += 1;
    return refusals === 1;
  };
  await bench.until("it comes back", () => bench.said().includes("rolled-back (reset)"));
  await bench.live(300);
  assert.is(bench.restarts, 1, "it was started once");
  assert.is(bench.running, "v1");
});

test.run();
