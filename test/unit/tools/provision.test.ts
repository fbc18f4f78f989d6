// What `chainmote provision` makes of its words, of a file and of what a person types: the configuration that a board is sent. What a board
// makes of it is for test/sim/provision.test.ts.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { run } from "../../../tools/commands/provision.js";
import { readWords } from "../../../tools/options.js";
import { documentFrom } from "../../../tools/provision/document.js";
import type { CommandError } from "../../../tools/terminal.js";
import { until } from "../../patience.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-provision-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const text = { type: "string" } as const;
const SPEC = Object.fromEntries(
  ["config", "ssid", "mqtt", "ca", "checkpoint", "relays", "fleet", "collector", "ntp"].map((name) => [name, text]),
);
const of = (...words: string[]) => documentFrom(readWords(words, SPEC));

test("words alone make a configuration", () => {
  const checkpoint = join(folder, "checkpoint.json");
  writeFileSync(checkpoint, '{"consensus":"clique","number":7}');
  process.env.WIFI_PASSWORD = "of the air";
  try {
    assert.equal(
      of(
        ...["--ssid", "lab", "--mqtt", "mqtt://u%40x:p%3A1@broker.example:2000", "--checkpoint", checkpoint, "--relays", "a,b"],
        ...["--fleet", `0x${"f1".repeat(20)}@eip155:1`, "--collector", `0x${"c0".repeat(20)}`, "--ntp", "t1,t2"],
      ),
      {
        wifi: { ssid: "lab", password: "of the air" },
        mqtt: { host: "broker.example", port: 2000, user: "u@x", password: "p:1" },
        checkpoint: { consensus: "clique", number: 7 },
        relays: ["a", "b"],
        fleet: { registry: `0x${"f1".repeat(20)}`, chain: "eip155:1" },
        collector: `0x${"c0".repeat(20)}`,
        ntp: { servers: ["t1", "t2"] },
      },
    );
  } finally {
    delete process.env.WIFI_PASSWORD;
  }
});

test("of a simulated board's file: no Wi-Fi, host or time server of its simulation, and whatever is true of a real board too", () => {
  const file = join(folder, "simulated.json");
  const own = { collector: `0x${"c0".repeat(20)}`, relays: ["a"] };
  const config = {
    ...own,
    wifi: { ssid: "chainmote" },
    ntp: { servers: ["time.lab"] },
    mqtt: { host: "broker.lab", port: 1883, prefix: "p/" },
  };
  writeFileSync(file, JSON.stringify({ config, network: { "broker.lab:1883": "127.0.0.1:1883" } }));
  assert.equal(of("--config", file, "--ssid", "home", "--mqtt", "mqtt://real:2000"), {
    ...own,
    wifi: { ssid: "home" },
    mqtt: { prefix: "p/", host: "real", port: 2000 },
    ntp: { servers: ["0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org"] },
  });
});

test("of a file what a mote reads, with the words before it; the Wi-Fi alone is enough for an image that brings the rest", () => {
  const file = join(folder, "board.json");
  writeFileSync(
    file,
    JSON.stringify({ config: { i2c: { data: 1 }, mqtt: { host: "a", user: "u", password: "p" }, ntp: { servers: ["t"] } } }),
  );
  assert.equal(of("--config", file), { mqtt: { host: "a", user: "u", password: "p" }, ntp: { servers: ["t"] } });
  assert.equal(of("--config", file, "--mqtt", "mqtt://b").mqtt, { host: "b" });
  assert.equal(of("--ssid", "lab"), { wifi: { ssid: "lab" } });
  assert.equal(of(), {});
});

test("words that do not go together are a mistake, told in one line", async () => {
  const output = { line: () => undefined, error: () => undefined, style: (_: string, shown: string) => shown };
  for (const [words, said] of [
    [[], /name the board's port/],
    [["/dev/x", "--sim", "d"], /name the board's port/],
    [["/dev/x", "--no-input"], /nothing to give to the board/],
    [["/dev/x", "--ssid", "lab", "--enroller", `0x${"e1".repeat(20)}`, "--no-input"], /--expiry-block N is missing/],
    [["/dev/does-not-exist", "--ssid", "lab", "--no-input"], /there is no port .*: is the board plugged in\?/],
    [[fileURLToPath(import.meta.url), "--ssid", "lab", "--no-input"], /is no serial port/],
    [["/dev/null", "--ssid", "lab", "--no-input"], /cannot be opened/],
  ] as const) {
    const refused = await run(words, output).then(
      () => "",
      (error: CommandError) => error.message,
    );
    assert.match(refused, said, words.join(" "));
  }
});

test("a person is asked at a terminal, which shows no password", async () => {
  const made = join(folder, "asked.json");
  const program = fileURLToPath(new URL("ask-configuration.ts", import.meta.url));
  const command = `${process.execPath} --import tsx ${program} ${made}`;
  const child = spawn("script", ["-qfec", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
  let shown = "";
  child.stdout.on("data", (bytes: Buffer) => {
    shown += bytes.toString("utf8");
  });
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  for (const [question, answer] of [
    ["broker, mqtt", "mqtt://broker.example"],
    ["its user", "mote"],
    ["and password", "word for the broker"],
    ["checkpoint", ""],
    ["fleet", `0x${"f1".repeat(20)}@eip155:1`],
    ["collector", ""],
    ["relays", ""],
    ["Wi-Fi network", "lab"],
    ["password of lab", "word for the air"],
  ] as const) {
    await until(
      () => `${question}; ${shown}`,
      () => shown.includes(question),
    );
    child.stdin.write(`${answer}\r`);
  }
  await ended;
  assert.equal(JSON.parse(readFileSync(made, "utf8")), {
    mqtt: { host: "broker.example", user: "mote", password: "word for the broker" },
    fleet: { registry: `0x${"f1".repeat(20)}`, chain: "eip155:1" },
    ntp: { servers: ["0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org"] },
    wifi: { ssid: "lab", password: "word for the air" },
  });
  assert.match(shown, /mqtt:\/\/broker\.example/, "what is no secret is shown");
  assert.not.match(shown, /word for/);
});

test.run();
