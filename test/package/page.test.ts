// The page of `npm start` in this machine's Chromium, over a stage that the test turns: each state, each view, a button and its course, the keyboard, a phone, and
// what it costs to open it. The buttons over the real system: test/sim/page.soak.test.ts.

import type { Page } from "playwright-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { shownTest, TestBrowser } from "../browser.js";
import { pause } from "../patience.js";
import { StagedPage } from "../unit/tools/page/staged.js";

const FIRST_REQUESTS_MAX = 4;
const FIRST_BYTES_MAX = 300_000;
const shown = shownTest("the page of npm start");
let browser: TestBrowser | undefined;

test.before(async () => {
  browser = await TestBrowser.start();
});
test.after(() => browser?.close());

async function staged(
  options: Parameters<typeof StagedPage.open>[0],
  work: (stage: StagedPage, page: Page, requests: readonly string[]) => Promise<void>,
  context: Parameters<TestBrowser["open"]>[1] = {},
): Promise<void> {
  const stage = await StagedPage.open(options);
  try {
    const { page, faults, requests } = await (browser as TestBrowser).open(stage.page.url, context);
    await work(stage, page, requests);
    await page.context().close();
    assert.equal(faults, [], "what the page said is wrong");
  } finally {
    await stage.close();
  }
}

const text = async (page: Page, selector: string): Promise<string> => (await page.locator(selector).textContent()) ?? "";

/** Contrast of each text with what is behind it (WCAG 2.2, 1.4.3): those below 4.5. */
const FAINT = `(() => {
  const parse = (color) => { const c = document.createElement("canvas").getContext("2d"); c.fillStyle = color; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => { const f = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const behind = (node) => { for (let at = node; at; at = at.parentElement) { const c = getComputedStyle(at).backgroundColor; if (!/, 0\\)$|transparent/.test(c)) return parse(c); } return [255, 255, 255]; };
  const faint = [];
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim() !== "") || node.getClientRects().length === 0) continue;
    if (node.matches(":disabled, title")) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(node.textContent.trim().slice(0, 40));
  }
  return faint;
})()`;

/** What can be pressed or chosen and has no name, and pictures without one. */
const NAMELESS = `[...document.querySelectorAll("button, select, [role=img], meter")]
  .filter((node) => !(node.getAttribute("aria-label") || node.labels?.length || node.textContent.trim())).map((node) => node.outerHTML.slice(0, 80))`;

shown("the first paint: at most 4 requests and 300 KB; it says that it starts, and what is not there yet", () =>
  staged({ boards: 64 }, async (_, page, requests) => {
    await page.locator("#phase", { hasText: "Starting." }).waitFor();
    assert.match(await text(page, "#records-none"), /No record yet/);
    assert.match(await text(page, "#boards-none"), /No board has started yet/);
    assert.ok(await page.locator("#faults-none").isVisible());
    const paint = (await page.evaluate(
      `(async () => {
        for (;;) {
          const [first] = performance.getEntriesByName("first-contentful-paint");
          if (first) return { at: first.startTime, loads: [performance.getEntriesByType("navigation")[0], ...performance.getEntriesByType("resource")].map(({ name, startTime, transferSize }) => ({ name, startTime, transferSize })) };
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })()`,
    )) as { at: number; loads: { name: string; startTime: number; transferSize: number }[] };
    const before = paint.loads.filter(({ startTime }) => startTime <= paint.at);
    assert.ok(before.length <= FIRST_REQUESTS_MAX, before.map(({ name }) => name).join(" "));
    assert.ok(before.reduce((sum, { transferSize }) => sum + transferSize, 0) <= FIRST_BYTES_MAX);
    assert.ok(
      requests.slice(0, 4).every((url) => /\/$|page\.css|page\.js|events/.test(url)),
      requests.join(" "),
    );
  }),
);

shown("boards, records with checks and bounds, plots with their gaps, headers, votes: live, in words, by names", () =>
  staged({ boards: 2 }, async (stage, page) => {
    const { replay } = stage;
    await stage.begin();
    await page.locator("#faults button").first().waitFor();
    for (const id of [1, 2]) replay.boot(id);
    replay.block([1, 2], { account: new Uint8Array(20).fill(9), authorize: true });
    for (let n = 0; n < 5; n += 1) replay.interval();
    for (let n = 0; n < 12; n += 1) replay.block();
    const last = replay.interval().at(0);
    await stage.settled();
    await page.locator("#records tbody tr", { hasText: "mote 1" }).nth(5).waitFor();
    assert.is(await page.locator("#records tbody tr").count(), 12);
    await stage.page.take("collector", { event: "anchored", ...last, block: 20, timeS: replay.nowS + 1 });
    await page
      .locator("#records tbody tr:first-child, #records tbody tr:nth-child(2)")
      .locator(".checks .holds", { hasText: "anchored" })
      .first()
      .waitFor();
    const bounds = await page
      .locator("#records tbody tr", { hasText: "mote 1" })
      .first()
      .locator("svg")
      .getAttribute("aria-label");
    assert.match(bounds ?? "", /^not before .* \(block #\d+\); not after .* \(block #20\); its own clock said .* \(by NTP\)$/);
    await page.locator("#plots figcaption", { hasText: "1 gap" }).first().waitFor();
    assert.match(await text(page, ".board >> nth=0"), /Head#\d+.*Timeby NTP.*Journal0 of ~\d+ wait.*Alarmnone/);
    assert.match(await text(page, "#headers li >> nth=0"), /verified by 2 of 2.*sealed by 0x/);
    assert.match(await text(page, "#votes"), /votes in 0x0909/);
    assert.equal(await page.evaluate(NAMELESS), []);
    assert.equal(await page.evaluate(FAINT), []);
    await page.emulateMedia({ colorScheme: "dark" });
    assert.equal(await page.evaluate(FAINT), [], "in the dark");
  }),
);

shown("a button by the keyboard alone: pressed, its course in words, one at a time, and its effect on the board", () =>
  staged({ boards: 2 }, async (stage, page) => {
    const { replay } = stage;
    await stage.begin();
    for (const id of [1, 2]) replay.boot(id);
    replay.interval();
    await page.locator("#faults button").first().waitFor();
    for (let n = 0; n < 20 && (await page.evaluate("document.activeElement?.dataset?.fault")) !== "cut-power"; n += 1)
      await page.keyboard.press("Tab");
    assert.is(await page.evaluate("document.activeElement.dataset.fault"), "cut-power");
    assert.not.match(
      String(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")),
      /none/,
      "one sees where one is",
    );
    await page.keyboard.press("Enter");
    await stage.did("cut 1");
    await page.locator(".board.dark", { hasText: "no power" }).waitFor();
    await page.getByRole("button", { name: "Make a relay lie" }).click({ force: true });
    await page.locator("#fault-words", { hasText: "One fault at a time" }).waitFor();
    await stage.did("power 1");
    replay.boot(1);
    replay.block();
    const made = replay.record(1);
    replay.stored(1, made);
    replay.verified(made);
    await page.locator('#run[data-name="cut-power"][data-state="done"]').waitFor();
    assert.match(await text(page, "#run-steps"), new RegExp(`seq ${made.seq} holds: signature, chain, head`));
    await page.locator(".board.on").nth(1).waitFor();
    // What cannot be done here says why.
    assert.ok(await page.getByRole("button", { name: "Pull the broker" }).isDisabled());
    assert.match(await text(page, "#does-pull-broker"), /your own/);
  }),
);

shown("broken: lost parts are said until they are back, an alarm and a quarantine stand out", () =>
  staged({ boards: 1 }, async (stage, page) => {
    await stage.begin();
    stage.replay.boot(1);
    stage.page.take("collector", { event: "lost", to: "node", reason: "ECONNREFUSED", retryMs: 500 });
    stage.page.take("mote 1", { event: "alarm", alarm: "stale", head: 0 });
    stage.page.take("collector", { event: "quarantined", mote: stage.replay.boards[0]?.mote, block: 4, settled: false });
    await page.locator("#troubles li", { hasText: "The collector has lost the node: ECONNREFUSED" }).waitFor();
    await page.locator(".board.wrong", { hasText: "quarantined" }).waitFor();
    assert.match(await text(page, "#notes"), /quarantine/);
    assert.equal(await page.evaluate(FAINT), []);
    stage.page.take("collector", { event: "back", to: "node" });
    await page.locator("#amiss").waitFor({ state: "hidden" });
  }),
);

shown("a page whose server ends says so in words: with the reason that it was told, or without one", async () => {
  for (const [facts, words] of [
    [undefined, "No answer from chainmote start"],
    [{ phase: "failed", words: "the collector does not come up" }, "It has failed: the collector does not come up"],
  ] as const) {
    const stage = await StagedPage.open({ boards: 1 });
    const { page } = await (browser as TestBrowser).open(stage.page.url);
    await page.locator("#phase", { hasText: "Starting." }).waitFor();
    if (facts !== undefined) stage.page.tell(facts);
    await stage.close();
    await page.locator("#phase", { hasText: words }).waitFor();
    assert.is(await page.locator("#amiss").isVisible(), facts !== undefined);
    await page.context().close();
  }
});

shown("a page of another site presses no button, and reads nothing", () =>
  staged({ boards: 1 }, async (stage, page) => {
    await stage.begin();
    // The same browser at another origin: a name that leads to the same server.
    const other = await page.context().newPage();
    const target = stage.page.url;
    await other.goto("data:text/html,<title>evil</title>");
    const tried = await other.evaluate(
      `(async () => {
        const ways = [
          () => fetch("${target}faults/cut-power", { method: "POST", body: '{"board":1}', headers: { "content-type": "application/json", "x-page-token": "x" } }),
          () => fetch("${target}faults/cut-power", { method: "POST", body: '{"board":1}', mode: "no-cors" }),
          () => fetch("${target}"),
          () => new Promise((resolve, reject) => { const s = new EventSource("${target}events"); s.onopen = () => resolve({ type: "read" }); s.onerror = () => { s.close(); reject(new Error("refused")); }; }),
        ];
        return Promise.all(ways.map((way) => way().then((answer) => answer.type, () => "refused")));
      })()`,
    );
    assert.equal(tried, ["refused", "refused", "refused", "refused"]);
    await pause(50);
    assert.equal(stage.done, []);
    await other.close();
  }),
);

shown("busy: 64 boards on a phone: nothing is wider than the screen, and each board is told", () =>
  staged(
    { boards: 64 },
    async (stage, page) => {
      await stage.begin();
      for (let id = 1; id <= 64; id += 1) stage.replay.boot(id);
      stage.replay.interval();
      await stage.settled();
      await page.locator("#boards-sum", { hasText: "64 of 64 on" }).waitFor();
      assert.is(await page.locator(".board").count(), 64);
      await page.locator("#records tbody tr").nth(24).waitFor();
      assert.ok(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the screen");
      assert.is(await page.locator("#whose option").count(), 65);
      await page.locator("#whose").selectOption("3");
      await page.locator("#records tbody tr", { hasText: "mote 3" }).waitFor();
      assert.is(await page.locator("#records tbody tr").count(), 1);
    },
    { viewport: { width: 360, height: 640 }, isMobile: true, colorScheme: "dark" },
  ),
);

test.run();
