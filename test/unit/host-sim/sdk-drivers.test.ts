// The SDK's drivers in a simulated board: found by their manifests where MODDABLE is, on Node and for an image of XS, or one line that says what is missing.
// The SDK is no package: a folder like it, with a driver that needs what the SDK's need.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { gatherFirmware } from "../../../host-sim/engine/xs-image.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "chainmote-sdk drivers-"));
const sdk = join(work, "moddable");
const app = join(work, "app");
const NAME = "embedded:sensor/Humidity-Temperature/Some";

function write(path: string, text: string): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
}

test.before(() => {
  const modules = { [NAME]: "$(MODDABLE)/modules/drivers/sensors/some/some" };
  write(join(sdk, "modules/drivers/sensors/some/manifest.json"), JSON.stringify({ modules }));
  const code = `import CRC8, { CRC16 } from "crc";
import Timer from "timer";
const text = Uint8Array.from("123456789", (digit) => digit.charCodeAt(0));
export default class { sample() { return [typeof Timer.delay, new CRC8(0x31, 0xff).checksum(text), new CRC16(0x8005, 0xffff, true, true).checksum(text.buffer)]; } }
`;
  write(join(sdk, "modules/drivers/sensors/some/some.js"), code);
  write(join(app, "package.json"), '{ "type": "module" }\n');
  write(join(app, "main.ts"), `import Some from "${NAME}";\nconsole.log(JSON.stringify(new Some().sample()));\n`);
});
test.after(() => rmSync(work, { recursive: true, force: true }));

function run(environment: NodeJS.ProcessEnv): { stdout: string; stderr: string } {
  const words = ["--import", "tsx", "--import", join(root, "tools/sim/modules.ts"), join(app, "main.ts")];
  return spawnSync(process.execPath, words, { cwd: root, encoding: "utf8", env: { ...process.env, ...environment } });
}

test("on Node: as it is, with the simulated board's timer, and checks of the catalogue's values (NRSC-5, MODBUS)", () => {
  const { stdout, stderr } = run({ MODDABLE: sdk });
  assert.equal(JSON.parse(stdout || JSON.stringify(stderr)), ["function", 0xf7, 0x4b37]);
});

test("without an SDK, or with one that has not got it: what to do, and no stack", () => {
  assert.match(
    run({ MODDABLE: undefined }).stderr,
    /Some is a driver of the Moddable SDK: MODDABLE=\/path\/to\/moddable names its folder/,
  );
  assert.match(run({ MODDABLE: app }).stderr, /Some: the Moddable SDK in MODDABLE \(.*\) has no such driver/);
});

test("on XS: it is in the image, or the same line", async () => {
  const before = process.env.MODDABLE;
  const application = { folder: app, main: join(app, "main.ts"), preload: [] };
  try {
    process.env.MODDABLE = sdk;
    const { modules } = await gatherFirmware(application, "native");
    assert.ok(modules.some(({ name }) => name === NAME));
    assert.ok(modules.some(({ name }) => name === "crc"));
    delete process.env.MODDABLE;
    const failed = await gatherFirmware(application, "native").catch((error: unknown) => error);
    assert.match(String(failed), /Some is a driver of the Moddable SDK: MODDABLE=/);
  } finally {
    if (before === undefined) delete process.env.MODDABLE;
    else process.env.MODDABLE = before;
  }
});

test.run();
