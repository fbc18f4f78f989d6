// What commands have set, in the key-value store: whole or nothing.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { ACTION_INTERVAL, ACTION_RELAYS, ACTION_SAMPLES } from "../../../firmware/command/message.js";
import { changedBy, readSettings, writeSettings } from "../../../firmware/command/settings.js";
import type { KeyValueDomain } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";

function storeOf(): KeyValueDomain & { value: Uint8Array | undefined; refuses: boolean } {
  return {
    value: undefined,
    refuses: false,
    read() {
      return this.value?.slice().buffer as ArrayBuffer | undefined;
    },
    write(_key, value) {
      if (this.refuses) throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
      this.value = new Uint8Array(value).slice();
    },
    delete() {},
    close() {},
  };
}

test("each setting is kept beside the others, and read back", () => {
  const store = storeOf();
  assert.equal(readSettings(store), {});
  let settings = changedBy({}, { action: ACTION_INTERVAL, intervalMs: 60_000 });
  settings = changedBy(settings, { action: ACTION_RELAYS, relays: ["east"] });
  assert.ok(writeSettings(store, settings));
  assert.equal(readSettings(store), { intervalMs: 60_000, relays: ["east"] });
  settings = changedBy(settings, { action: ACTION_SAMPLES, samples: 3 });
  assert.ok(writeSettings(store, settings));
  assert.equal(readSettings(store), { intervalMs: 60_000, samplesPerRecord: 3, relays: ["east"] });
});

test("a store that refuses is told, and what was there stays", () => {
  const store = storeOf();
  writeSettings(store, { intervalMs: 60_000 });
  store.refuses = true;
  assert.not.ok(writeSettings(store, { intervalMs: 70_000 }));
  assert.equal(readSettings(store), { intervalMs: 60_000 });
});

test("what is damaged, byte by byte, or out of bounds counts as nothing", () => {
  const store = storeOf();
  writeSettings(store, { intervalMs: 60_000, relays: ["east"] });
  const value = store.value as Uint8Array;
  for (let at = 0; at < value.length; at += 1) {
    store.value = value.map((byte, i) => (i === at ? byte ^ 1 : byte));
    assert.is((readSettings(store) as Rejection).code, "settings-malformed", `byte ${at}`);
  }
  for (const settings of [{ intervalMs: 1 }, { samplesPerRecord: 0 }, { relays: ["a/b"] }]) {
    writeSettings(store, settings);
    assert.instance(readSettings(store), Rejection);
  }
});

test.run();
