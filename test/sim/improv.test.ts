// Improv by its published client (npm improv-wifi-serial-sdk) with the standard firmware on a simulated board in a process of its own, over
// the port that chainmote provision opens.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BoardEvent, spawnBoard } from "../../host-sim/engine/node.js";
import { SERIAL_SOCKET } from "../../host-sim/hardware/cable.js";
import { openPort } from "../../tools/provision/port.js";
import { until } from "../patience.js";
import { SerialCable } from "./serial-cable.js";

interface Client {
  state?: number;
  initialize(timeoutMs?: number): Promise<unknown>;
  requestCurrentState(): Promise<void>;
  provision(ssid: string, password: string, timeoutMs?: number): Promise<void>;
  scan(timeoutMs?: number): Promise<unknown>;
  close(): Promise<void>;
}

const PASSWORD = "a word of the Wi-Fi";
const QUIET = { log: () => undefined, error: () => undefined, debug: () => undefined };

const test = suite<{ directory: string; Client: new (port: unknown, logger: unknown) => Client }>("improv");

test.before(async (context) => {
  context.directory = mkdtempSync(join(tmpdir(), "chainmote-improv-"));
  // It is written for bundlers: its imports have no endings.
  const folder = dirname(createRequire(import.meta.url).resolve("improv-wifi-serial-sdk/package.json"));
  const outfile = join(context.directory, "improv.mjs");
  await build({ entryPoints: [join(folder, "dist/serial.js")], bundle: true, format: "esm", outfile, logLevel: "error" });
  context.Client = (await import(pathToFileURL(outfile).href)).ImprovSerial;
});
test.after(({ directory }) => rmSync(directory, { recursive: true, force: true }));

test("it finds the board, is refused with a wrong password, and joins with the right one", async ({ directory, Client }) => {
  writeFileSync(
    join(directory, "board.json"),
    JSON.stringify({ serial: true, radio: { accessPoints: { Café: { password: PASSWORD } } } }),
  );
  const events: BoardEvent[] = [];
  const text: string[] = [];
  const board = spawnBoard({ directory, onEvent: (event) => events.push(event), onText: (line) => text.push(line) });
  const cable = await SerialCable.lay(join(directory, SERIAL_SOCKET));
  try {
    await until("the board is open", () => events.some(({ event, state }) => event === "configuration" && state === "open"));
    const port = await openPort(cable.path);
    const client = new Client(port, QUIET);
    assert.equal(await client.initialize(60_000), {
      ...{ firmware: "chainmote", version: "0.1.0", chipFamily: "esp32c3", name: "chainmote", osName: null, osVersion: null },
    });
    assert.is(client.state, 2);
    const refused = await client.scan(60_000).catch((error: unknown) => String(error));
    assert.is(refused, "UNKNOWN_RPC_COMMAND", "it asks the person for the name then");
    const wrong = await client.provision("Café", "wrong", 120_000).catch((error: unknown) => String(error));
    assert.is(wrong, "UNABLE_TO_CONNECT");
    await client.requestCurrentState();
    assert.is(client.state, 2);
    await client.provision("Café", PASSWORD, 120_000);
    assert.is(client.state, 4);
    await client.requestCurrentState();
    assert.is(client.state, 4);
    await client.close();
    assert.ok(events.some(({ event, state }) => event === "configuration" && state === "kept"));
    assert.not.match(JSON.stringify(events) + text.join(""), new RegExp(PASSWORD));
  } finally {
    cable.pull();
    await board.stop();
  }
});

test.run();
