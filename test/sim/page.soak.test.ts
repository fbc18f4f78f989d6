// The page of `npm start` over the real system, in this machine's Chromium: boards, records, plots and chain come up by themselves, and each
// button is pressed; its effect is seen on the page, in what the parts say, and in the records.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { engine } from "../../tools/crypto/engine.js";
import { Judge } from "../../tools/verify/judge.js";
import { pieces } from "../../tools/verify/sequence.js";
import { type OpenPage, shownTest, TestBrowser } from "../browser.js";
import { WAIT_MS_MAX } from "../patience.js";
import { endAll, Program, type SystemLine } from "./system-run.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-page-"));
const exported = join(folder, "records.cborseq");
const shown = shownTest("the page of npm start, and its buttons");
let browser: TestBrowser | undefined;
let program: Program;
let open: OpenPage;
let page: Page;

test.before(async () => {
  browser = await TestBrowser.start();
  if (browser === undefined) return;
  program = new Program(["start", "--json", "--data", join(folder, "data"), "--sample", "500", "--export", exported]);
  await program.until("the page has an address", () => program.of("page").length > 0);
  open = await browser.open(String(program.of("page")[0]?.url));
  page = open.page;
  page.setDefaultTimeout(WAIT_MS_MAX);
});
test.after(async () => {
  await browser?.close();
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

/** Presses a button, waits for its end, and answers what the page then says was seen. */
async function press(title: string, name: string): Promise<string> {
  await page.getByRole("button", { name: title }).click();
  if (name === "clone-board") await page.getByRole("button", { name: "Do it" }).click();
  await page.locator(`#run[data-name="${name}"]`).waitFor();
  await page.locator(`#run[data-name="${name}"]:not([data-state="running"])`).waitFor();
  const text = (await page.locator("#run-steps li").allTextContents()).join("\n");
  assert.is(await page.locator("#run").getAttribute("data-state"), "done", text);
  return text;
}

const textOf = async (selector: string): Promise<string> => (await page.locator(selector).last().textContent()) ?? "";

const since = (from: number, event: string, source = ""): SystemLine[] =>
  program.events.slice(from).filter((line) => line.event === event && line.source.startsWith(source));

shown(
  "it is there while the parts come up, and then shows a record with its checks, its bounds, its plot and its head",
  async () => {
    assert.match(await textOf("#phase"), /Starting|Connecting|Running/);
    await page.locator("#records tbody tr .checks li.holds").nth(2).waitFor();
    assert.match(await textOf("#records tbody tr"), /mote 1.*temperature -?\d/);
    const bounds = await page.locator("#records tbody tr svg").last().getAttribute("aria-label");
    assert.match(bounds ?? "", /^not before \d\d:\d\d:\d\d \(block #\d+\); not anchored/);
    await page.locator("#plots canvas").first().waitFor();
    await page.locator("#headers li .good").first().waitFor();
    assert.is(await page.locator("#validators li").count(), 1);
  },
);

shown("cut power: the board goes dark, comes back, and its chain of records goes on", async () => {
  const from = program.events.length;
  const dark = page.locator(".board.dark").waitFor();
  const text = await press("Cut power", "cut-power");
  await dark;
  assert.match(text, /no power[\s\S]*boot \d+[\s\S]*holds: signature, chain, head/);
  assert.is(since(from, "boot", "mote 1").length, 1);
  assert.is(since(from, "verified", "collector").length > 0, true);
  await page
    .locator("#plots figcaption", { hasText: /[1-9] gap/ })
    .first()
    .waitFor();
});

shown("pull the broker: the page says what is lost, the boards go on, and all they signed is stored afterwards", async () => {
  const from = program.events.length;
  const said = page.locator("#troubles li", { hasText: "lost" }).first().waitFor();
  const text = await press("Pull the broker", "pull-broker");
  await said;
  const kept = Number(/have signed (\d+) record/.exec(text)?.[1]);
  assert.ok(kept > 3, text);
  assert.match(text, /all \d+ of them are stored/);
  const stored = new Set(since(from, "stored", "collector").map(({ digest }) => digest));
  assert.ok(
    since(from, "record", "mote 1")
      .slice(0, kept)
      .every(({ digest }) => stored.has(digest)),
  );
  await page.locator("#amiss").waitFor({ state: "hidden" });
});

shown("make a relay lie: the board refuses each header, and its records name blocks of the true chain", async () => {
  const from = program.events.length;
  const text = await press("Make a relay lie", "relay-lies");
  assert.match(text, /mote 1 refuses it: .*\([a-z-]+\)/);
  assert.match(text, /verified\. Nobody follows the lie/);
  assert.ok(since(from, "refused", "mote 1").length > 0);
  assert.equal(since(from, "head-foreign"), [], "no record names a block that the node does not know");
  await page.locator("#notes li", { hasText: "refused" }).first().waitFor();
});

shown("restore an old flash: no number is used twice", async () => {
  const from = program.events.length;
  const text = await press("Restore an old flash", "restore-flash");
  assert.match(text, /no number was used twice/);
  assert.is(since(from, "boot", "mote 1").length, 2);
  assert.equal(program.of("evidence"), []);
  const numbers = program.of("record", "mote 1").map(({ stream, seq }) => `${stream} ${seq}`);
  assert.is(new Set(numbers).size, numbers.length);
});

shown("clone a board: evidence, and the key is out for ever", async () => {
  const text = await press("Clone a board", "clone-board");
  assert.match(text, /evidence \(equivocation\)/);
  assert.match(text, /quarantined since block #\d+, for ever/);
  assert.ok(program.of("evidence", "collector").length > 0);
  await page.locator("#records tbody tr .checks li.fails").first().waitFor();
  await page.locator(".board.wrong", { hasText: "quarantined" }).waitFor();
});

shown(
  "nothing went wrong in the page, and of what was exported all holds but what the copy and the board signed under one number",
  async () => {
    assert.equal(open.faults, []);
    assert.is(await program.stop(), 0);
    const judge = new Judge(engine);
    const verdicts = [...pieces(new Uint8Array(readFileSync(exported)))].map((piece) => judge.judge(piece));
    assert.ok(verdicts.length > 60, `${verdicts.length} records`);
    // Numbers that two records were signed under, and what follows on one of the two.
    const twice = new Set(program.of("evidence", "collector").map(({ a }) => (a as { seq: number }).seq));
    const faulty = verdicts.filter(({ fault }) => fault !== undefined);
    assert.ok(
      faulty.some(({ fault }) => fault?.code === "equivocation"),
      "whoever has the file sees that they contradict each other",
    );
    for (const { fault, fields } of faulty) {
      const seq = fields?.seq ?? 0;
      assert.ok(twice.has(seq) || twice.has(seq - 1), `seq ${seq}: ${fault?.code} ${fault?.detail}`);
    }
  },
);

shown("--no-page: no address, and nothing that listens for one", async () => {
  const without = new Program(["start", "--json", "--no-page", "--data", join(folder, "data")]);
  await without.until("its broker is up", () => without.of("broker").length > 0);
  assert.equal(without.of("page"), []);
  await without.stop();
});

test.run();
