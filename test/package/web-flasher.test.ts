// The page that flashes boards from a browser: in this machine's Chromium it shows the boards and asks nobody else for anything; and ESP Web
// Tools itself, told of a port that is a simulated board, takes the manifest and writes the images where chainmote flash would.

import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { chromium as launcher, type Page } from "playwright-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { RomBoard } from "../../host-sim/hardware/rom-bootloader.js";
import { webManifest, writeWebFlasher } from "../../tools/flash/web-flasher.js";
import { BOOTLOADER_AT } from "../../tools/image/app-image.js";
import type { ImageFolder } from "../../tools/image/image-folder.js";
import { eventually } from "../unit/tools/eventually.js";
import { imagesIn, partsFor } from "../unit/tools/flash/images.js";

const CHIPS = ["esp32", "esp32c3", "esp32c6", "esp32s3"];
const folder = mkdtempSync(join(tmpdir(), "chainmote-web-"));
let images: readonly ImageFolder[];
let server: Server;
let origin = "";

test.before(async () => {
  images = CHIPS.map((chip) => imagesIn(join(folder, chip), chip));
  writeWebFlasher(images, join(folder, "web"));
  const types: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript", ".json": "application/json" };
  server = createServer(({ url = "/" }, response) => {
    const path = join(folder, "web", normalize(url === "/" ? "/index.html" : url));
    if (!existsSync(path)) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": types[extname(path)] ?? "application/octet-stream" });
    createReadStream(path).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
test.after(() => {
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

/** What https://esphome.github.io/esp-web-tools says of the format; the type of the package holds it when it is compiled. */
test("the manifest: a build for each chip, its bootloader where the ROM looks for it, each part as the partition table has it", () => {
  const manifest = JSON.parse(readFileSync(join(folder, "web/manifest.json"), "utf8"));
  assert.equal(manifest, webManifest(images));
  assert.equal(
    manifest.builds.map(({ chipFamily }: { chipFamily: string }) => chipFamily),
    ["ESP32", "ESP32-C3", "ESP32-C6", "ESP32-S3"],
  );
  assert.is(manifest.new_install_prompt_erase, true, "nobody's key is erased without being asked");
  for (const [i, chip] of CHIPS.entries()) {
    const { parts } = manifest.builds[i] as { parts: { path: string; offset: number }[] };
    assert.is(parts.find(({ path }) => path.endsWith("/bootloader.bin"))?.offset, BOOTLOADER_AT[chip]);
    for (const { path, offset } of parts) {
      const part = partsFor(chip).find((one) => path === `${chip}/${one.path}`);
      assert.is(offset, part?.offset, path);
      assert.ok(readFileSync(join(folder, "web", path)).equals(Buffer.from(part?.bytes as Uint8Array)), path);
    }
  }
  assert.is(BOOTLOADER_AT.esp32, 0x1000);
  for (const chip of ["esp32c3", "esp32c6", "esp32s3"]) assert.is(BOOTLOADER_AT[chip], 0);
});

test("no page of production images, and none of two boards that a browser cannot tell apart", () => {
  const [, c3] = images as [ImageFolder, ImageFolder];
  assert.throws(() => webManifest([{ ...c3, profile: "production" }]), /a page asks nobody for the board's MAC/);
  assert.throws(() => webManifest([c3, { ...c3, board: "esp32c3_cdc" }]), /esp32c3 and esp32c3_cdc have the same chip/);
});

const chromium = [process.env.CHROMIUM ?? "", "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => path !== "" && existsSync(path),
);
if (chromium === undefined)
  console.log("skipped: the page in a browser (no chromium: apt install chromium, or CHROMIUM=/path/to/it)");
const shown = chromium === undefined ? test.skip : test;

async function inBrowser(work: (page: Page) => Promise<void>): Promise<void> {
  const browser = await launcher.launch({ executablePath: chromium as string, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("request", (request) => {
      if (!request.url().startsWith(`${origin}/`) && !/^(data|blob):/.test(request.url())) faults.push(request.url());
    });
    await work(page);
    assert.equal(faults, [], "errors, and whatever else than its own files it asked for");
  } finally {
    await browser.close();
  }
}

shown("the page in a browser shows the boards and the button", () =>
  inBrowser(async (page) => {
    await page.goto(origin);
    const rows = await Promise.all((await page.locator("#boards tr").all()).map((row) => row.locator("td").allTextContents()));
    assert.equal(
      rows.map(([board, chip]) => [board, chip]),
      [
        ["esp32", "ESP32"],
        ["esp32c3", "ESP32-C3"],
        ["esp32c6", "ESP32-C6"],
        ["esp32s3", "ESP32-S3"],
      ],
    );
    assert.is(await page.locator("h1").textContent(), "my-mote unknown");
    await page.waitForFunction("customElements.get('esp-web-install-button') !== undefined");
    assert.is(await page.locator("esp-web-install-button").getAttribute("manifest"), "manifest.json");
    await page.setViewportSize({ width: 360, height: 640 });
    assert.ok(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the screen");
  }),
);

/** In the page: a port of Web Serial whose other end is `toBoard`, `boardLines` and `fromBoard`. */
const PORT = `(() => {
  let into;
  const port = {
    async open() { port.readable = new ReadableStream({ start(controller) { into = controller; } });
      port.writable = new WritableStream({ write: (bytes) => toBoard([...bytes]) }); },
    async close() { port.readable = port.writable = null; },
    getInfo: () => ({}),
    async setSignals({ dataTerminalReady, requestToSend }) { await boardLines(dataTerminalReady, requestToSend); },
    readable: null, writable: null, addEventListener() {}, removeEventListener() {},
  };
  globalThis.fromBoard = (bytes) => into?.enqueue(Uint8Array.from(bytes));
  Object.defineProperty(navigator, "serial", { value: { requestPort: async () => port, getPorts: async () => [port], addEventListener() {} } });
})()`;

shown("ESP Web Tools takes the manifest: a simulated ESP32-C3 is written in the browser, each part in its place", () =>
  inBrowser(async (page) => {
    let starts = 0;
    let lines = { dtr: false, rts: false };
    let sending = Promise.resolve();
    const board = new RomBoard({
      chip: "esp32c3",
      send: (bytes) => {
        sending = sending
          .then(() => page.evaluate(`fromBoard(${JSON.stringify([...bytes])})`))
          .then(
            () => undefined,
            () => undefined,
          );
      },
      onStart: () => {
        starts += 1;
      },
    });
    await page.exposeFunction("toBoard", (bytes: number[]) => board.receive(Uint8Array.from(bytes)));
    await page.exposeFunction("boardLines", (dtr?: boolean, rts?: boolean) => {
      lines = { dtr: dtr ?? lines.dtr, rts: rts ?? lines.rts };
      board.setLines(lines);
    });
    await page.addInitScript(PORT);
    await page.goto(origin);
    await page.waitForFunction("customElements.get('esp-web-install-button') !== undefined");
    await page.locator("button[slot=activate]").click();
    const dialog = page.locator("ewt-install-dialog");
    await dialog.getByText("Install my-mote").first().click();
    // It asks whether to erase: no.
    await dialog.getByText("Next", { exact: true }).click();
    await dialog.getByText("Install", { exact: true }).last().click();
    // Then it asks the board for Improv; by that time the images are there, and the board was started.
    await eventually("the board is written and started", () => starts > 0 && !board.inBootloader && board.commands > 0);
    for (const { name, offset, bytes } of partsFor("esp32c3"))
      assert.ok(Buffer.from(board.flash.subarray(offset, offset + bytes.length)).equals(Buffer.from(bytes)), name);
    assert.ok(
      board.flash.subarray(0xd000, 0x1b000).every((byte) => byte === 0xff),
      "nvs was left alone",
    );
  }),
);

test.run();
