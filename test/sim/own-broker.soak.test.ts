// A broker of the user's own behind TLS and a password: the whole system against it (`start --mqtt mqtts://… --ca`), then single boards
// (`chainmote board`) against that system's relay and collector, on Node and on XS, and with an application of somebody's own.

import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildTls } from "../../host-sim/tls/build.js";
import { findToolchain } from "../../host-sim/xs/toolchain.js";
import { issue } from "../unit/host-sim/certificate.js";
import { listen, startBroker } from "../unit/ports/broker.js";
import { endAll, Program, type SystemLine } from "./system-run.js";

const PASSWORD = "p4ss-of-9-broker";
const APPLICATION = fileURLToPath(new URL("../../tools/new/application", import.meta.url));
const RECORDS = 3;
const folder = mkdtempSync(join(tmpdir(), "chainmote-own-broker-"));
const root = issue("root");
const leaf = issue("localhost", { issuer: root });
const broker = await startBroker();
broker.aedes.authenticate = (_client, user, password, done) =>
  user === "fleet" && String(password) === PASSWORD
    ? done(null, true)
    : done(Object.assign(new Error("not this password"), { returnCode: 5 }), false);
const server = createServer({ key: leaf.key.export({ type: "pkcs8", format: "pem" }), cert: leaf.pem }, (socket) => {
  socket.on("error", () => undefined);
  broker.accept(socket);
});
server.on("tlsClientError", () => undefined);
const port = Number((await listen(server)).split(":")[1]);
const url = `mqtts://fleet:${PASSWORD}@localhost:${port}`;
const ca = join(folder, "ca.pem");
const other = join(folder, "other.pem");
writeFileSync(ca, root.pem);
writeFileSync(other, issue("root").pem);
const said: string[] = [];
const watch = setInterval(() => said.push(execFileSync("ps", ["-A", "-o", "args="], { encoding: "utf8" })), 1000);
let system: Program | undefined;

test.after(async () => {
  clearInterval(watch);
  await endAll();
  await broker.close();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

function data(name: string): string {
  return join(folder, name);
}

async function refused(words: readonly string[], environment = {}): Promise<string> {
  const program = new Program([...words, "--json"], environment);
  assert.is(await program.ended, 1);
  assert.is(program.errors.length, 1, program.errors.join("\n"));
  said.push(...program.errors);
  return program.errors[0] as string;
}

async function board(name: string, words: readonly string[], environment = {}): Promise<readonly SystemLine[]> {
  const program = new Program(["board", "--json", "--data", data(name), "--records", String(RECORDS), ...words], environment);
  assert.is(await program.ended, 0, `${program.errors.join("\n")} ${JSON.stringify(program.events.slice(-5))}`);
  assert.equal(
    program.of("summary").map(({ ok }) => ok),
    [true],
  );
  said.push(JSON.stringify(program.events));
  return program.events;
}

/** The configuration of the system's own mote, as a person would have written it. */
function configOf(bend: (config: Record<string, unknown>) => void = () => undefined): string {
  const { config } = JSON.parse(readFileSync(data("system/boards/1/board.json"), "utf8")) as { config: Record<string, unknown> };
  bend(config);
  const file = join(folder, `config-${randomUUID()}.json`);
  writeFileSync(file, JSON.stringify({ config }), { mode: 0o600 });
  return file;
}

const built = buildTls();
if (typeof built !== "string") console.log(`not tried: a broker of one's own over TLS (${built.missing})`);
else {
  test("a broker that refuses the password, and one of another authority, are one line before anything starts", async () => {
    const wrong = url.replace(PASSWORD, "wrong-password");
    assert.match(
      await refused(["start", "--ca", ca, "--data", data("none")], { MQTT_URL: wrong }),
      /^chainmote start: the broker mqtts:\/\/localhost:\d+: Connection refused: Not authorized$/,
    );
    assert.match(
      await refused(["start", "--ca", other, "--data", data("none")], { MQTT_URL: url }),
      /its certificate is of another authority: --ca takes the root that its chain ends in \(/,
    );
    assert.match(
      await refused(["start", "--ca", ca, "--data", data("none")], {
        MQTT_URL: url.replace(String(port), String(Number(broker.endpoint.split(":")[1]))),
      }),
      /no TLS that is spoken here on this port|ECONNRESET|connection ended/,
    );
  });

  test("start: relay, collector and motes over TLS", async () => {
    const program = new Program(["start", "--json", "--data", data("system"), "--sample", "300", "--ca", ca], { MQTT_URL: url });
    system = program;
    await program.until("verified records", () => program.of("verified").length >= RECORDS);
    const config = data("system/boards/1/board.json");
    assert.is(statSync(config).mode & 0o077, 0);
    assert.is(JSON.parse(readFileSync(config, "utf8")).config.mqtt.host, "localhost");
  });

  test("a board by itself, its authority in the configuration; then with broker and authority from the command line, on XS", async () => {
    const events = await board("one", ["--config", configOf()]);
    assert.ok(events.some(({ event, created }) => event === "key" && created === true));
    const plain = configOf((config) => {
      config.mqtt = { host: "nowhere.lab", keepAliveMs: 10_000 };
    });
    const missing = await findToolchain("m32");
    if ("missing" in missing) console.log(`not tried: chainmote board --engine xs (${missing.missing})`);
    const engine = "missing" in missing ? [] : ["--engine", "xs"];
    const again = await board("one", ["--config", plain, "--ca", ca, ...engine], { MQTT_URL: url });
    assert.ok(
      again.some(({ event, created }) => event === "key" && created === false),
      "the same mote on another engine",
    );
    await system?.until("the collector has verified them", () => (system?.of("verified").length ?? 0) >= 3 * RECORDS);
  });

  test("an application of somebody's own: its own sensor's values are in the records, on Node and on XS", async () => {
    const app = data("application");
    cpSync(APPLICATION, app, { recursive: true });
    const config = configOf((own) => {
      own.sensors = [{ type: "bh1750", name: "light", intervalMs: 300 }];
      own.sampling = undefined;
    });
    writeFileSync(join(app, "config.json"), readFileSync(config), { mode: 0o600 });
    for (const engine of "missing" in (await findToolchain("m32")) ? ["node"] : ["node", "xs"]) {
      const events = await board(`app-${engine}`, ["--app", app, "--engine", engine]);
      const values = events.filter(({ event }) => event === "record").flatMap(({ values }) => values as string[]);
      assert.ok(values.includes("light/illuminance 1000.0 lx"), `${engine}: ${values}`);
      assert.ok(values.includes("started 1"), `${engine}: ${values}`);
    }
  });

  test("start --app: the same in the whole system, whose chain and broker its configuration does not know", async () => {
    const app = data("application");
    const program = new Program(["start", "--json", "--app", app, "--data", data("with-app"), "--records", String(RECORDS)]);
    assert.is(await program.ended, 0, program.errors.join("\n"));
    const values = program.of("record").flatMap(({ values }) => values as string[]);
    assert.ok(values.includes("light/illuminance 1000.0 lx"), values.join());
  });

  test("what cannot be: one line each", async () => {
    const empty = data("empty");
    mkdirSync(empty, { recursive: true });
    assert.match(await refused(["start", "--app", empty]), /--app .*: there is no main\.ts in it; npx chainmote new DIR/);
    writeFileSync(join(empty, "main.ts"), "export {};\n");
    assert.match(await refused(["board", "--app", empty]), /says no "type": "module"/);
    const bend = (fields: object): string => configOf((config) => Object.assign(config, fields));
    assert.match(
      await refused(["board", "--config", bend({ collector: "0x12" })]),
      /: collector: expected 20 bytes in hexadecimal/,
    );
    assert.match(
      await refused(["board", "--config", bend({ checkpoint: { consensus: "poet" } })]),
      /consensus: expected "clique"/,
    );
    assert.match(
      await refused(["board", "--config", bend({ fleet: { registry: `0x${"11".repeat(20)}`, chain: "eip155:1" } })]),
      /the checkpoint is of eip155:31337, and the fleet of eip155:1: a mote follows its fleet's chain/,
    );
    assert.match(
      await refused(["board", "--config", bend({ mqtt: { host: "10.0.0.1", ca: "00" } })]),
      /TLS takes the name of the host/,
    );
  });

  test("the broker's password is in no process list, log, event or error", async () => {
    assert.is(await system?.stop(), 0);
    const secret = new RegExp(`${PASSWORD}|wrong-password`);
    assert.ok(said.length > 10);
    for (const text of [...said, JSON.stringify(system?.events), ...(system?.errors ?? [])]) assert.not.match(text, secret);
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }))
      if (name.endsWith(".log")) assert.not.match(readFileSync(join(folder, name), "latin1"), secret, name);
  });
}

test.run();
