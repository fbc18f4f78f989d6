// The configuration that a board keeps: one that counted is there after a power cut at any write, a new one only once its trial has
// succeeded; a store that cannot be read is no empty one.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { KeyValueStorage } from "../../../firmware/ports.js";
import type { Document } from "../../../firmware/provision/document.js";
import { DOCUMENT_BYTES_MAX } from "../../../firmware/provision/document.js";
import { StoredConfiguration, TRIAL_BOOTS_MAX } from "../../../firmware/provision/stored.js";
import { Rejection } from "../../../firmware/rejection.js";
import { KeyValuePartition, MemoryNvs } from "../../../host-sim/hardware/key-value.js";
import { keyValueFor } from "../../../host-sim/modules/key-value.js";
import { Power } from "../power.js";

/** A store on `power`, whose values last. */
function storeOn(nvs: MemoryNvs, power = new Power()): KeyValueStorage {
  const keyValue = new KeyValuePartition(nvs);
  const store = keyValueFor(() => ({ keyValue }) as never);
  return {
    open(options) {
      const domain = store.open(options);
      return {
        read: (key) => domain.read(key),
        write: power.guarded((key: string, value: Parameters<typeof domain.write>[1]) => domain.write(key, value)),
        delete: power.guarded((key: string) => domain.delete(key)),
        close: () => domain.close(),
      };
    },
  };
}

function opened(store: KeyValueStorage): StoredConfiguration {
  const stored = StoredConfiguration.open(store);
  if (stored instanceof Rejection) throw new Error(String(stored));
  return stored;
}

/** The document that a boot now finds. */
function found(nvs: MemoryNvs): Document | undefined {
  const document = opened(storeOn(nvs)).document();
  if (document instanceof Rejection) throw new Error(String(document));
  return document;
}

const OLD = { mqtt: { host: "old" } };
const NEW = { mqtt: { host: "new" } };

/** A board that has `OLD`. */
function withOld(): MemoryNvs {
  const nvs = new MemoryNvs();
  const stored = opened(storeOn(nvs));
  assert.is(stored.try(OLD), undefined);
  assert.is(opened(storeOn(nvs)).beginTrial(), true);
  const next = opened(storeOn(nvs));
  next.succeed();
  return nvs;
}

test("a board that has none says so; what is tried counts once it has succeeded", () => {
  const nvs = new MemoryNvs();
  assert.is(found(nvs), undefined);
  assert.is(opened(storeOn(nvs)).try(NEW), undefined);
  assert.equal(found(nvs), NEW);
  const stored = opened(storeOn(nvs));
  assert.is(stored.onTrial, true);
  stored.succeed();
  assert.is(opened(storeOn(nvs)).onTrial, false);
  assert.equal(found(nvs), NEW);
});

test("a trial that fails leaves the one before, and why", () => {
  const nvs = withOld();
  opened(storeOn(nvs)).try(NEW);
  assert.equal(found(nvs), NEW);
  opened(storeOn(nvs)).fail("broker");
  assert.equal(found(nvs), OLD);
  assert.is(opened(storeOn(nvs)).failure, "broker");
  opened(storeOn(nvs)).try(NEW);
  assert.is(opened(storeOn(nvs)).failure, undefined, "a new trial begins without the reason of the last");
});

test("the first trial of a board that fails leaves none", () => {
  const nvs = new MemoryNvs();
  opened(storeOn(nvs)).try(NEW);
  opened(storeOn(nvs)).fail("wifi");
  assert.is(found(nvs), undefined);
});

test("a configuration that the firmware dies of is tried in so many boots and no more", () => {
  const nvs = withOld();
  opened(storeOn(nvs)).try(NEW);
  for (let boot = 0; boot < TRIAL_BOOTS_MAX; boot += 1) assert.is(opened(storeOn(nvs)).beginTrial(), true, `boot ${boot}`);
  const stored = opened(storeOn(nvs));
  assert.is(stored.beginTrial(), false);
  assert.is(stored.failure, "boots");
  assert.equal(found(nvs), OLD);
});

test("a trial while another is under way ends that one, and leaves the one that counts alone", () => {
  const nvs = withOld();
  opened(storeOn(nvs)).try(NEW);
  opened(storeOn(nvs)).try({ third: 3 });
  assert.equal(found(nvs), { third: 3 });
  opened(storeOn(nvs)).fail("wifi");
  assert.equal(found(nvs), OLD);
});

/** Cuts the power at each step of `work` on a board that has `OLD`, and hands over what is found then. */
function cutEverywhere(
  work: (stored: StoredConfiguration) => void,
  before: () => MemoryNvs,
  look: (nvs: MemoryNvs) => void,
): number {
  for (let cutAt = 0; ; cutAt += 1) {
    const nvs = before();
    const power = new Power();
    power.cutAt = cutAt;
    try {
      work(opened(storeOn(nvs, power)));
    } catch {
      // No firmware is there any more.
    }
    look(nvs);
    if (power.on) return cutAt;
  }
}

test("a cut at any write leaves the old configuration or the new one, whole", () => {
  const either = (nvs: MemoryNvs): void => {
    const document = found(nvs);
    assert.ok(
      [OLD, NEW].some((one) => JSON.stringify(one) === JSON.stringify(document)),
      JSON.stringify(document),
    );
  };
  const onTrial = (): MemoryNvs => {
    const nvs = withOld();
    opened(storeOn(nvs)).try(NEW);
    return nvs;
  };
  assert.ok(cutEverywhere((stored) => void stored.try(NEW), withOld, either) >= 5, "erased, written, named");
  assert.ok(cutEverywhere((stored) => void stored.keep(NEW), withOld, either) >= 5);
  cutEverywhere((stored) => void stored.try(NEW), onTrial, either);
  cutEverywhere((stored) => stored.succeed(), onTrial, either);
  cutEverywhere((stored) => stored.fail("wifi"), onTrial, either);
  cutEverywhere((stored) => void stored.beginTrial(), onTrial, either);
  cutEverywhere((stored) => stored.openNext(), withOld, either);
});

test("after a cut anywhere in a third trial the one that counts is still there once it fails", () => {
  const twice = (): MemoryNvs => {
    const nvs = withOld();
    opened(storeOn(nvs)).try(NEW);
    opened(storeOn(nvs)).succeed();
    return nvs;
  };
  cutEverywhere(
    (stored) => void stored.try({ third: 3 }),
    twice,
    (nvs) => {
      opened(storeOn(nvs)).fail("wifi");
      assert.equal(found(nvs), NEW);
    },
  );
});

test("a configuration is never larger than what a boot would read", () => {
  const nvs = withOld();
  const refused = opened(storeOn(nvs)).try({ text: "x".repeat(DOCUMENT_BYTES_MAX) });
  assert.is(refused?.code, "document-too-long");
  assert.equal(found(nvs), OLD);
});

test("what the store gives back otherwise than it was written is refused, and the old one counts", () => {
  const nvs = withOld();
  const store = storeOn(nvs);
  const rotten: KeyValueStorage = {
    open(options) {
      const domain = store.open(options);
      const write = (key: string, value: Parameters<typeof domain.write>[1]): void => {
        const bytes = new Uint8Array(value as ArrayBuffer).slice();
        if (key !== "state") bytes[5] = (bytes[5] as number) ^ 1;
        domain.write(key, bytes.buffer);
      };
      return { ...domain, read: domain.read, delete: domain.delete, close: domain.close, write };
    },
  };
  assert.is(opened(rotten).try(NEW)?.code, "store-failed");
  assert.equal(found(nvs), OLD);
});

test("a full store refuses the new one, and the old one counts", () => {
  const nvs = withOld();
  const keyValue = new KeyValuePartition(nvs);
  keyValue.write("other", "much", new Uint8Array(15_000));
  const refused = opened(keyValueFor(() => ({ keyValue }) as never)).try({ text: "x".repeat(9_000) });
  assert.is(refused?.code, "store-failed");
  assert.match(refused?.detail ?? "", /NOT_ENOUGH_SPACE/);
  assert.equal(found(nvs), OLD);
});

test("what cannot be read is not taken for nothing", () => {
  const nvs = withOld();
  const broken: KeyValueStorage = {
    open: () => ({
      read: () => {
        throw new Error("ESP_ERR_NVS_INVALID_STATE");
      },
      write: () => undefined,
      delete: () => undefined,
      close: () => undefined,
    }),
  };
  const unreadable = StoredConfiguration.open(broken);
  assert.ok(unreadable instanceof Rejection && unreadable.code === "configuration-unreadable");
  for (const state of [
    [],
    [1],
    [2, 1, 0, 0, 0, 0],
    [1, 3, 0, 0, 0, 0],
    [1, 1, 1, 0, 0, 0],
    [1, 1, 0, 9, 0, 0],
    [1, 1, 0, 0, 7, 0],
  ]) {
    nvs.set("config", "state", Uint8Array.from(state));
    const corrupt = StoredConfiguration.open(storeOn(nvs));
    assert.ok(corrupt instanceof Rejection && corrupt.code === "configuration-corrupt", `${state}`);
  }
  StoredConfiguration.renew(storeOn(nvs));
  assert.is(opened(storeOn(nvs)).takeOpened(), true);
});

test("a copy that is gone, or is no configuration, is said to be so", () => {
  const nvs = withOld();
  nvs.set("config", "a", Uint8Array.of(0x7b, 0x22));
  const torn = opened(storeOn(nvs)).document();
  assert.ok(torn instanceof Rejection && torn.code === "document-malformed");
  nvs.delete("config", "a");
  const gone = opened(storeOn(nvs)).document();
  assert.ok(gone instanceof Rejection && gone.code === "configuration-corrupt");
});

test("provisioning that was opened is open for one boot", () => {
  const nvs = withOld();
  opened(storeOn(nvs)).openNext();
  assert.is(opened(storeOn(nvs)).takeOpened(), true);
  assert.is(opened(storeOn(nvs)).takeOpened(), false);
  assert.equal(found(nvs), OLD);
});

test.run();
