// A whole mote on the XS engine, with a board's memory, and one on Node, each in its own process: over TLS, with the firmware's own
// C, to a broker that it believes, and never to one that it does not.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../firmware/bytes.js";
import { type GuestEngine, guestEngine } from "../../host-sim/engine/engines.js";
import { type BoardEvent, type BoardFile, type BoardProcess, spawnBoard } from "../../host-sim/engine/node.js";
import { buildTls } from "../../host-sim/tls/build.js";
import { until } from "../patience.js";
import { Scene } from "../sim/scene.js";
import { issue, type TestCertificate } from "../unit/host-sim/certificate.js";
import { listen } from "../unit/ports/broker.js";

const HOST = "broker.stage";
const ROOT = issue("root", { kind: "rsa" });
const built = buildTls();
const engine = await guestEngine({ target: "m32", memory: "esp32c3" });
const engines: readonly (readonly [string, GuestEngine | undefined])[] = [
  ["Node", undefined],
  ...("missing" in engine ? [] : [["XS", engine] as const]),
];
if (typeof built !== "string") console.log(`not tried: motes over TLS (${built.missing})`);
if ("missing" in engine) console.log(`not tried on XS: ${engine.missing}`);

const folder = mkdtempSync(join(tmpdir(), "chainmote-tls-motes-"));
const open = new Set<{ close(): void }>();
const boards = new Set<BoardProcess>();

async function proxy(scene: Scene, leaf: TestCertificate): Promise<string> {
  const server = createServer({ key: leaf.key.export({ type: "pkcs8", format: "pem" }), cert: leaf.pem }, (socket) => {
    const broker = connect(scene.port, "127.0.0.1");
    for (const one of [socket, broker]) one.on("error", () => undefined);
    socket.pipe(broker).pipe(socket);
    open.add({ close: () => socket.destroy() });
  });
  server.on("tlsClientError", () => undefined);
  open.add({ close: () => server.close() });
  return listen(server);
}

for (const [name, guest] of engines)
  test(`a mote on ${name} delivers to the broker that it believes, and tells why it does not believe another`, async () => {
    if (typeof built !== "string") return;
    const scene = await Scene.open({ mqtt: { ca: toHex(ROOT.der) } });
    const directory = mkdtempSync(join(folder, "board-"));
    const good = await proxy(scene, issue(HOST, { issuer: ROOT, kind: "rsa" }));
    const bad = await proxy(scene, issue("other.stage", { issuer: ROOT, kind: "rsa" }));
    const network = { [`${HOST}:1883`]: bad, "time.stage:123": scene.sntp.endpoint };
    const file: BoardFile = { config: scene.configuration() as NonNullable<BoardFile["config"]>, network };
    writeFileSync(join(directory, "board.json"), JSON.stringify(file));
    const events: BoardEvent[] = [];
    const text: string[] = [];
    const board = spawnBoard({
      directory,
      ...(guest === undefined ? {} : { engine: guest }),
      onEvent: (event) => events.push(event),
      onText: (line) => text.push(line),
    });
    boards.add(board);
    const seen = (what: string, condition: (event: BoardEvent) => boolean): Promise<void> =>
      until(
        () => `${what}: ${JSON.stringify(events.slice(-20))} ${text}`,
        () => events.some(condition),
      );
    await seen("a refusal", ({ event, detail }) => event === "error" && detail === "tls: certificate is not for this host");
    assert.not.ok(events.some(({ event, state }) => event === "delivered" || (event === "link" && state === "up")));
    board.change({ route: [`${HOST}:1883`, good] });
    await seen("a delivery", ({ event }) => event === "delivered");
    await board.stop();
    assert.is(await board.exited, 0);
    assert.equal(text, []);
    await scene.close();
  });

test.after(async () => {
  for (const board of boards) await board.kill();
  for (const one of open) one.close();
  await Scene.closeAll();
  rmSync(folder, { recursive: true, force: true });
});
test.run();
