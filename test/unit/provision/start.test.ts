// How a board comes to its work: what counts of image and store, a trial to its good and to its bad end, who may open the port.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { BEGIN_MS, HELD_MS } from "../../../firmware/provision/button.js";
import { OPEN_MS } from "../../../firmware/provision/provisioner.js";
import { COMMAND_COMMIT, COMMAND_HELLO, COMMAND_RESET, RESET_WORDS } from "../../../firmware/provision/session.js";
import { StoredConfiguration, TRIAL_BOOTS_MAX, TRIAL_MS } from "../../../firmware/provision/stored.js";
import { Rejection } from "../../../firmware/rejection.js";
import { RESETS_MAX } from "../../../firmware/start/resets.js";
import { type BootedBoard, configuration, given, kept, ProvisionBench, pressed } from "./board.js";

const causeOf = (board: BootedBoard): string =>
  board.log
    .of("safe-mode")
    .map(({ cause, detail }) => `${cause}: ${detail}`)
    .join();
const valuesOf = ({ storage: { nvs } }: ProvisionBench): string[] =>
  [...nvs.sizes().keys()].sort().map((name) => {
    const [namespace, key] = name.split("/") as [string, string];
    return `${name} ${Buffer.from(nvs.get(namespace, key) as Uint8Array).toString("hex")}`;
  });
const hostOf = (board: BootedBoard): string | undefined => board.configs[0]?.mqtt.host;

test("the image's own configuration runs, and nobody is listened to", async () => {
  const bench = new ProvisionBench();
  bench.image = configuration();
  const board = bench.boot();
  await board.pass(60_000);
  assert.is(hostOf(board), "broker.lab");
  assert.equal([board.portsOpen, board.restarts, board.buttonOpen], [0, 0, false]);
});

test("a blank image waits to be given one; that of an image with a mistake says so", async () => {
  const blank = new ProvisionBench().boot();
  await blank.pass(OPEN_MS * 2);
  assert.equal([blank.portsOpen, blank.restarts, blank.configs.length], [1, 0, 0]);
  assert.equal(blank.log.of("error"), []);
  const bench = new ProvisionBench();
  bench.image = configuration({ collector: "nobody" });
  const wrong = bench.boot();
  assert.match(String(wrong.log.of("error")[0]?.detail), /^collector: /);
  assert.is(wrong.portsOpen, 1);
});

test("an image that knows no network measures, and listens", async () => {
  const bench = new ProvisionBench();
  const { wifi, ...image } = configuration();
  bench.image = image;
  const board = bench.boot();
  assert.equal([board.configs.length, board.portsOpen], [1, 1]);
  await board.send({ wifi });
  await board.ask(COMMAND_COMMIT);
  await board.pass(1_000);
  assert.equal([board.restarts, board.closed, board.portsOpen], [1, 1, 0]);
  const trial = bench.boot();
  assert.is(trial.configs[0]?.wifi?.ssid, "lab");
});

test("an image that sleeps stays awake while it is given a configuration, or tries one", async () => {
  assert.is(new ProvisionBench().boot().sleep.held, true, "open");
  const bench = await kept();
  assert.is(bench.boot().sleep.held, false, "configured");
  await given(bench);
  const trial = bench.boot();
  assert.is(trial.sleep.held, true, "on trial");
  trial.moteLog?.write("link", { state: "up" });
  await trial.pass(1_000);
  assert.is(trial.sleep.held, false, "kept");
});

test("a stored configuration goes before the image's", async () => {
  const bench = await kept();
  bench.image = configuration({ mqtt: { host: "image.lab" } });
  assert.is(hostOf(bench.boot()), "broker.lab");
});

test("a new one that reaches its broker counts; the mote on trial is the one that goes on", async () => {
  const bench = await kept();
  await given(bench);
  const trial = bench.boot();
  assert.is(hostOf(trial), "new.lab");
  trial.moteLog?.write("link", { state: "up" });
  trial.moteLog?.write("link", { state: "down" });
  trial.moteLog?.write("link", { state: "up" });
  await trial.pass(TRIAL_MS * 2);
  assert.equal([trial.restarts, trial.states()], [0, ["trying", "kept"]]);
  trial.cut();
  const next = bench.boot();
  assert.is(hostOf(next), "new.lab");
  assert.is(next.moteLog, next.device.log, "nothing watches any more");
});

test("one that does not gives way to the one before, after the time of a trial", async () => {
  for (const isOnline of [false, true]) {
    const bench = await kept();
    await given(bench);
    const trial = bench.boot();
    if (isOnline) trial.moteLog?.write("wifi", { state: "up" });
    await trial.pass(TRIAL_MS - 1_000);
    assert.is(trial.restarts, 0);
    await trial.pass(2_000);
    assert.equal([trial.restarts, trial.closed], [1, 1]);
    assert.equal(trial.states(), ["trying", `refused: ${isOnline ? "broker" : "wifi"}`]);
    const next = bench.boot();
    assert.is(hostOf(next), "broker.lab");
    assert.is(next.portsOpen, 0);
  }
});

test("one that the firmware refuses, or dies of, is not tried for ever", async () => {
  const bench = await kept();
  await given(bench);
  bench.open = ({ mqtt }) =>
    mqtt.host === "new.lab"
      ? new Rejection("config-invalid", "no such sensor")
      : { run: () => undefined, close: () => undefined };
  const trial = bench.boot();
  assert.equal([trial.restarts, trial.states().at(-1)], [1, "refused: start"]);
  assert.is(hostOf(bench.boot()), "broker.lab");

  const dying = await kept();
  await given(dying);
  for (let boot = 0; boot < TRIAL_BOOTS_MAX; boot += 1) {
    const board = dying.boot();
    assert.is(hostOf(board), "new.lab");
    board.cut();
  }
  assert.is(hostOf(dying.boot()), "broker.lab");
});

test("a store that refuses the end of a trial is asked again, and the mote goes on", async () => {
  const bench = await kept();
  await given(bench);
  const trial = bench.boot();
  trial.simulated.board.keyValue.failWrites = true;
  trial.moteLog?.write("link", { state: "up" });
  assert.is(trial.log.of("store")[0]?.state, "failed");
  trial.simulated.board.keyValue.failWrites = false;
  await trial.pass(15_000);
  assert.equal([trial.states().at(-1), trial.restarts], ["kept", 0]);
  trial.cut();
  assert.is(hostOf(bench.boot()), "new.lab");
});

test("what a feature throws of its section is a refusal, and anything else goes up", async () => {
  const bench = await kept();
  bench.open = () => {
    throw new Rejection("config-invalid", "ledger: expected an object");
  };
  assert.match(String(bench.boot().log.of("error")[0]?.detail), /^ledger: /);
  bench.open = () => {
    throw new Error("a mistake of ours");
  };
  assert.throws(() => bench.boot(), /a mistake of ours/, "which restarts a board");
});

test("the button opens where it is held from the start on, and nowhere else", async () => {
  const bench = await kept();
  const held = async (fromMs: number, forMs: number): Promise<BootedBoard> => {
    const board = bench.boot();
    await board.pass(fromMs);
    board.pressed = true;
    await board.pass(forMs);
    board.pressed = false;
    await board.pass(20_000);
    return board;
  };
  for (const [fromMs, forMs] of [
    [0, HELD_MS - 500],
    [BEGIN_MS + 500, HELD_MS * 2],
    [0, 0],
  ] as const) {
    const board = await held(fromMs, forMs);
    assert.equal([board.restarts, board.buttonOpen], [0, false], `${fromMs} ${forMs}`);
    assert.is(bench.boot().portsOpen, 0);
  }
  const board = await held(BEGIN_MS - 500, HELD_MS + 500);
  assert.equal([board.restarts, board.closed], [1, 1]);
  const open = bench.boot();
  assert.equal([open.portsOpen, open.configs.length], [1, 0]);
  open.cut();
  assert.is(bench.boot().portsOpen, 0, "once");
});

test("a port that was opened closes again where nobody comes, and the board goes back to its work", async () => {
  const bench = await kept();
  const open = await pressed(bench);
  await open.pass(OPEN_MS / 2);
  assert.is((await open.ask(COMMAND_HELLO)).configured, true);
  await open.pass(OPEN_MS + 1_000);
  assert.equal([open.restarts, open.portsOpen], [1, 0]);
  assert.is(hostOf(bench.boot()), "broker.lab");
});

test("a store that cannot be read is read again; one that stays so, or is corrupt, is safe mode, and a person's to set up anew", async () => {
  const bench = await kept();
  bench.image = configuration({ mqtt: { host: "image.lab" }, update: { admin: "anybody" } });
  const original = StoredConfiguration.open;
  let fails = 2;
  StoredConfiguration.open = (store) => (fails-- > 0 ? new Rejection("configuration-unreadable", "ESP_FAIL") : original(store));
  try {
    const board = bench.boot();
    assert.equal([board.configs.length, board.portsOpen], [0, 0]);
    await board.pass(25_000);
    assert.is(hostOf(board), "broker.lab");
    board.cut();
    fails = Number.POSITIVE_INFINITY;
    const lost = bench.boot();
    await lost.pass(35_000);
    assert.equal([causeOf(lost), lost.configs.length, lost.portsOpen], ["start: configuration-unreadable", 0, 0]);
    lost.cut();
  } finally {
    StoredConfiguration.open = original;
  }
  const values = bench.storage.nvs.get("config", "a");
  bench.storage.nvs.delete("config", "a");
  bench.storage.nvs.delete("config", "b");
  const halved = bench.boot();
  assert.is(causeOf(halved), "start: configuration-corrupt", "its copy is not there");
  halved.cut();
  bench.storage.nvs.set("config", "a", values ?? new Uint8Array(0));
  bench.storage.nvs.set("config", "state", Uint8Array.of(9, 9));
  const corrupt = bench.boot();
  await corrupt.pass(60_000);
  assert.equal([corrupt.configs.length, corrupt.portsOpen, corrupt.restarts], [0, 0, 0]);
  assert.is(corrupt.log.of("error")[0]?.code, "configuration-corrupt");
  assert.is(causeOf(corrupt), "start: configuration-corrupt");
  assert.equal(corrupt.safeConfigs, [{ host: "image.lab", update: undefined }], "whom it takes releases of cannot be read");
  corrupt.cut();
  assert.is((await pressed(bench)).portsOpen, 1);
});

test("a trial that NVS does not count is safe mode, with the configuration on trial; nothing is erased, and it is tried once NVS takes it", async () => {
  const bench = await kept();
  await given(bench);
  const before = valuesOf(bench);
  const board = bench.boot(undefined, ({ board: { keyValue } }) => {
    const write = keyValue.write.bind(keyValue);
    keyValue.write = (namespace, key, value) => {
      if (namespace === "config") throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
      write(namespace, key, value);
    };
  });
  assert.equal([causeOf(board), board.configs.length], ["nvs-full: Error: ESP_ERR_NVS_NOT_ENOUGH_SPACE", 0]);
  assert.equal(
    board.safeConfigs.map(({ host }) => host),
    ["new.lab"],
  );
  await board.pass(3_500_000);
  assert.is(board.configs.length, 0, "it is not asked again every ten seconds");
  assert.equal(valuesOf(bench), before);
  await board.pass(160_000);
  assert.is(board.restarts, 1, "but after an hour");
  assert.is(hostOf(bench.boot()), "new.lab");
});

test("in safe mode the button opens provisioning as ever; where NVS is shut that is said, and nothing follows", async () => {
  const bench = await kept();
  bench.open = () => {
    throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
  };
  for (const cause of ["nvs-full", "resets"]) {
    if (cause === "resets") bench.storage.nvs.set("boots", "resets", new Uint8Array(RESETS_MAX - 1));
    const safe = bench.boot(undefined, undefined, cause === "resets" ? "panic" : "power-on");
    assert.is(safe.log.of("safe-mode")[0]?.cause, cause);
    safe.pressed = true;
    await safe.pass(HELD_MS + 200);
    assert.is(safe.restarts, 1, cause);
    const open = bench.boot(undefined, undefined, "software");
    assert.is(open.portsOpen, 1, cause);
    assert.is((await open.ask(COMMAND_HELLO)).configured, true);
    open.cut();
  }
  bench.open = undefined;
  // A trial whose mote NVS refuses is safe mode as well.
  await given(bench);
  bench.open = () => {
    throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
  };
  const trial = bench.boot();
  assert.equal([causeOf(trial), trial.states()], ["nvs-full: Error: ESP_ERR_NVS_NOT_ENOUGH_SPACE", ["trying"]]);
  trial.pressed = true;
  await trial.pass(HELD_MS + 200);
  assert.is(trial.restarts, 1);
  assert.is(bench.boot().portsOpen, 1);
  const shut = bench.boot(undefined, undefined, "panic", { nvs: "nvs-corrupt" });
  const before = valuesOf(bench);
  shut.pressed = true;
  await shut.pass(HELD_MS + 20_000);
  assert.equal([shut.restarts, shut.portsOpen, shut.log.of("store")[0]?.state], [0, 0, "failed"]);
  assert.equal(valuesOf(bench), before);
});

test("while an image proves itself nothing starts the board anew: the button waits, and commands that would are refused", async () => {
  const bench = await kept();
  bench.slots = "pending";
  const board = bench.boot();
  board.pressed = true;
  await board.pass(HELD_MS + 200);
  await board.pass(600_000);
  assert.equal([board.restarts, board.closed, board.states().at(-1)], [0, 0, "opening"]);
  bench.slots = "valid";
  await board.pass(15_000);
  assert.equal([board.restarts, board.closed], [1, 1], "once it is kept");
  // Opened and pending at once: the mote goes first, or the image could prove nothing.
  bench.slots = "pending";
  const pending = bench.boot();
  assert.equal([pending.configs.length, pending.portsOpen], [1, 0]);
  pending.cut();
  bench.slots = "valid";
  const open = bench.boot();
  assert.is(open.portsOpen, 1);
  await open.send(configuration({ mqtt: { host: "new.lab" } }));
  bench.slots = "pending";
  const before = valuesOf(bench);
  assert.is((await open.ask(COMMAND_COMMIT)).code, "image-proving");
  assert.is((await open.ask(COMMAND_RESET, RESET_WORDS)).code, "image-proving");
  assert.equal(valuesOf(bench), before);
  await open.pass(OPEN_MS + 2_000);
  assert.is(open.restarts, 0);
  bench.slots = "valid";
  await open.pass(15_000);
  assert.is(open.restarts, 1);
});

test("a trial that fails while an image proves itself ends both in turn, not the image first", async () => {
  const bench = await kept();
  await given(bench);
  bench.slots = "pending";
  const trial = bench.boot();
  await trial.pass(TRIAL_MS + 60_000);
  assert.equal([trial.restarts, trial.closed, trial.states().at(-1)], [0, 0, "refused: wifi"]);
  bench.slots = "invalid";
  await trial.pass(15_000);
  assert.equal([trial.restarts, trial.closed], [1, 1]);
});

test.run();
