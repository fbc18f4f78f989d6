// Another broker than ours: Debian's mosquitto, with a password, the main job and a restart of the broker in the middle.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { freePort } from "../../tools/processes/ports.js";
import { pause } from "../patience.js";
import { endAll, Program } from "../sim/system-run.js";

const RECORDS = 6;
const USER = "fleet";
const PASSWORD = "p@ss:word/1";
const CANDIDATES = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"];
const mosquitto = CANDIDATES.find((path) => existsSync(path));
const folder = mkdtempSync(join(tmpdir(), "chainmote-mosquitto-"));
const brokers: ChildProcess[] = [];

test.after(async () => {
  await endAll();
  for (const child of brokers) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** A broker on loopback that lets nobody in without the password. */
async function launch(program: string, port: number): Promise<ChildProcess> {
  const passwords = join(folder, "passwords");
  if (!existsSync(passwords)) {
    const made = spawnSync("mosquitto_passwd", ["-b", "-c", passwords, USER, PASSWORD], { encoding: "utf8" });
    assert.is(made.status, 0, made.stderr);
  }
  const config = join(folder, "mosquitto.conf");
  const running = process.getuid?.() === 0 ? "user root\n" : "";
  writeFileSync(
    config,
    `listener ${port} 127.0.0.1\nallow_anonymous false\npassword_file ${passwords}\npersistence false\n${running}`,
  );
  const child = spawn(program, ["-c", config], { stdio: "ignore" });
  brokers.push(child);
  for (let tries = 0; tries < 200; tries += 1) {
    if (await reachable(port)) return child;
    await pause(50);
  }
  throw new Error("mosquitto does not listen");
}

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true)).once("error", () => end(false));
  });
}

async function mainJob(program: string): Promise<void> {
  const port = await freePort();
  const url = `mqtt://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`;
  const data = join(folder, "data");
  const broker = await launch(program, port);
  const words = ["start", "--json", "--data", data, "--sample", "300", "--prefix", "site-1/", "--records", String(RECORDS)];
  const system = new Program(words, { MQTT_URL: url });
  await system.until("a stored record", () => system.of("stored", "mote").length > 1);
  broker.kill("SIGKILL");
  await pause(1500);
  await launch(program, port);
  assert.is(await system.ended, 0, system.errors.join("\n"));
  assert.equal(
    system.of("summary").map(({ ok, verified }) => [ok, verified]),
    [[true, RECORDS]],
  );
  assert.not.ok(JSON.stringify(system.events).includes(PASSWORD), "no event shows the password");
  const verified = new Program(["verify", join(data, "records.cborseq"), "--json"]);
  assert.is(await verified.ended, 0);
}

async function wrongPassword(program: string): Promise<void> {
  const port = await freePort();
  await launch(program, port);
  const words = ["start", "--json", "--data", join(folder, "refused")];
  const system = new Program(words, { MQTT_URL: `mqtt://${USER}:wr0ng@127.0.0.1:${port}` });
  await system.until("the refusal is told", () => system.of("lost").length > 0 || system.child.exitCode !== null);
  await system.stop();
  const told = JSON.stringify([system.events, system.errors]);
  assert.match(told, /[Nn]ot authorized/);
  assert.not.ok(told.includes("wr0ng"), "no event shows the password");
}

if (mosquitto === undefined) {
  console.log("skipped: mosquitto is not installed; Debian's mosquitto brings it");
  test.skip("the main job through mosquitto", () => {});
} else {
  test("the main job through mosquitto, which is restarted in the middle", () => mainJob(mosquitto));
  test("a wrong password is told, and not repeated", () => wrongPassword(mosquitto));
}

test.run();
