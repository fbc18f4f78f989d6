// How the native engine's sources come here: what an index can answer instead of them, and what may have become of them.

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ARCHIVE, LIBRARY_FOLDER, libraryFault, pinnedFiles, unpackLibrary } from "../../../host-sim/xs/libsecp256k1.js";
import { fetchFromIndex, indexOfConfiguration, linkTo } from "../../../tools/native/python-index.js";
import { WAIT_MS_MAX } from "../../patience.js";

const FILE = "a_package-1.0.tar.gz";
const folder = mkdtempSync(join(tmpdir(), "chainmote-native-"));
const before = process.env.PIP_INDEX_URL;
const path = process.env.PATH;
let server: Server | undefined;

/** An index on loopback; pip is told of it as a person would tell it. */
async function index(answer: RequestListener, user = ""): Promise<void> {
  server = createServer(answer).listen(0, "127.0.0.1");
  await new Promise((resolve) => server?.once("listening", resolve));
  process.env.PIP_INDEX_URL = `http://${user}127.0.0.1:${(server.address() as AddressInfo).port}/simple/`;
}

async function failure(wanted: Promise<unknown>): Promise<string> {
  return wanted.then(
    () => "it did not fail",
    (error: Error) => error.message,
  );
}

test.after.each(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  if (before === undefined) delete process.env.PIP_INDEX_URL;
  else process.env.PIP_INDEX_URL = before;
  process.env.PATH = path;
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

test("the file comes from the index that pip is set up for, with the index's password for the index alone", async () => {
  const seen: string[] = [];
  const other = createServer((request, response) => {
    seen.push(`elsewhere ${request.url} ${request.headers.authorization}`);
    response.end("the file");
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  const { port } = other.address() as AddressInfo;
  await index((request, response) => {
    seen.push(`${request.url} ${Buffer.from((request.headers.authorization ?? "").slice(6), "base64")}`);
    response.end(`<a href="/x/b-${FILE}">b</a> <a class="l" href="http://127.0.0.1:${port}/files/${FILE}#sha256=00">a</a>`);
  }, "someone:secret1234@");
  try {
    assert.is(new TextDecoder().decode(await fetchFromIndex("a-package", FILE)), "the file");
    assert.equal(seen, ["/simple/a-package/ someone:secret1234", `elsewhere /files/${FILE} undefined`]);
  } finally {
    other.close();
    other.closeAllConnections();
  }
});

test("an index without the file, one that refuses, one without an end: one line that says what to do, and no password", async () => {
  const endless: RequestListener = (_, response) => {
    const write = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
    };
    response.on("drain", write);
    write();
  };
  for (const [answer, said] of [
    [(_, response) => void response.end("<a href='/other-2.0.tar.gz'>"), /has no a_package-1\.0\.tar\.gz/],
    [(_, response) => void response.writeHead(403).end("someone:secret1234"), /HTTP 403/],
    [endless, /more than \d+ bytes/],
    [(request) => void request.socket.destroy(), /other side closed|socket hang up|ECONNRESET/i],
  ] as const satisfies readonly (readonly [RequestListener, RegExp])[]) {
    await index(answer, "someone:secret1234@");
    const message = await failure(fetchFromIndex("a-package", FILE));
    assert.match(message, said);
    assert.match(
      message,
      /^the Python index http:\/\/127\.0\.0\.1:\d+\/…: .*; or get a_package-1\.0\.tar\.gz .*chainmote native FILE$/,
    );
    assert.not.match(message, /secret1234/);
    server?.closeAllConnections();
    server?.close();
  }
});

test("without pip one line says who brings it", async () => {
  process.env.PATH = folder;
  assert.match(await failure(fetchFromIndex("a-package", FILE)), /^no pip here .*python3-pip brings it/);
});

test("the index of pip's configuration, by pip's own order", () => {
  const all = "global.cert='/x'\nglobal.index-url='https://g/simple'\ndownload.index-url='https://d/simple'\n";
  assert.is(indexOfConfiguration(all), "https://d/simple");
  assert.is(indexOfConfiguration(`${all}:env:.index-url='https://e/simple'\n`), "https://e/simple");
  assert.is(indexOfConfiguration("global.extra-index-url='https://x'\n"), undefined);
});

test("a link is the file's own, whatever its quotes, query and hash", () => {
  assert.is(linkTo(`<a data-x="1" href='../f/${FILE}?a=1&amp;b=2#sha256=1'>`, FILE), `../f/${FILE}?a=1&b=2#sha256=1`);
  assert.is(linkTo(`<a href="/f/${FILE}.asc"><a href="/f/not-${FILE}"><a href="/f?${FILE}">`, FILE), undefined);
});

test("a page of nothing but beginnings is looked through once, not once for each of them", () => {
  const words = ["--import", "tsx", "--input-type=module", "-e"];
  const program = `import { linkTo } from ${JSON.stringify(new URL("../../../tools/native/python-index.ts", import.meta.url).href)};
    for (const part of ["<a ", '<a href="', "<a " + " ".repeat(4000)]) {
      const page = part.repeat(4_194_304 / part.length);
      if (linkTo(page, "${FILE}") !== undefined) throw new Error(part);
    }
    console.log("done");`;
  const { stdout } = spawnSync(process.execPath, [...words, program], { encoding: "utf8", timeout: WAIT_MS_MAX });
  assert.is(stdout, "done\n");
});

test("an archive of another hash is not unpacked", async () => {
  const to = join(folder, "unpacked");
  assert.match(await failure(unpackLibrary(Buffer.from("no archive"), to)), new RegExp(`not ${ARCHIVE.sha256}`));
  assert.equal(readdirSync(folder), []);
});

test("the pins name the files that k1.c includes", async () => {
  const pins = await pinnedFiles();
  for (const file of ["COPYING", "src/secp256k1.c", "src/precomputed_ecmult.c", "src/precomputed_ecmult_gen.c"])
    assert.match(pins.get(file) ?? "", /^[0-9a-f]{64}$/, file);
  assert.ok([...pins.keys()].every((file) => /^[\w./-]+$/.test(file) && !file.includes("..")));
});

if (!existsSync(LIBRARY_FOLDER)) {
  console.log(`skipped: ${await libraryFault()}`);
  test.skip("sources that were changed", () => {});
} else
  test("sources of which one byte is another, or one file gone, are not used, and it is said which", async () => {
    const copy = join(folder, "copy");
    cpSync(LIBRARY_FOLDER, copy, { recursive: true });
    assert.is(await libraryFault(copy), undefined);
    const file = join(copy, "src/ecmult_gen_impl.h");
    const good = readFileSync(file);
    const bad = Buffer.from(good);
    bad[bad.length >> 1] = (bad[bad.length >> 1] as number) ^ 1;
    writeFileSync(file, bad);
    assert.match((await libraryFault(copy)) ?? "", /ecmult_gen_impl\.h is not that of libsecp256k1 .*remove .*npm run native/);
    rmSync(file);
    assert.match((await libraryFault(copy)) ?? "", /not here; npm run native brings them/);
  });

test.run();
