// The page open for an hour of 64 boards, replayed at speed: its memory and its nodes stay what they were, and so does what the server keeps for it.
//
// Promises: an hour's events in their number and order (a block a second, a record each two seconds of each board, stored and verified); what the browser holds is
// counted by itself, after a collection. Never: the signatures of those records, which the page does not check.

import type { CDPSession } from "playwright-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Model } from "../../tools/page/model.js";
import { PageServer } from "../../tools/page/server.js";
import { shownTest, TestBrowser } from "../browser.js";
import { until } from "../patience.js";
import { Replay } from "../unit/tools/page/staged.js";

const BOARDS = 64;
const HOUR_S = 3600;
const SAMPLE_S = 2;
/** So many seconds of the hour are in one message to the page. */
const STEP_S = 30;
const MINUTE_S = 60;
/** What a page may have more at the end of the hour than after its first quarter, in bytes: code that was compiled since, and caches of the browser. */
const MORE_BYTES_MAX = 1_500_000;
const shown = shownTest("the page's memory over an hour");

interface Use {
  readonly bytes: number;
  readonly nodes: number;
  readonly listeners: number;
}

async function useOf(session: CDPSession): Promise<Use> {
  for (let n = 0; n < 3; n += 1) await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  const { nodes, jsEventListeners } = await session.send("Memory.getDOMCounters");
  return { bytes: usedSize, nodes, listeners: jsEventListeners };
}

shown("an hour's events of 64 boards: memory and nodes stay flat, and no console error", async () => {
  const model = new Model({ version: "0.0.0", boards: BOARDS, engine: "Node", journalBytes: 0x40000 });
  const server = await PageServer.start({
    all: () => model.all(),
    series: (board) => model.series(board),
    press: () => undefined,
  });
  const browser = (await TestBrowser.start()) as TestBrowser;
  try {
    const replay = new Replay(
      {
        take: (source, event) => model.take(source, event),
        published: (_, message) => model.published(message),
        announced: (raw) => model.announced(raw),
      },
      BOARDS,
      1_800_000_000,
    );
    model.follow(replay.checkpoint, true);
    model.tell({ phase: "running", words: "" });
    for (let id = 1; id <= BOARDS; id += 1) replay.boot(id);
    const { page, faults } = await browser.open(server.url);
    await page
      .locator(".board")
      .nth(BOARDS - 1)
      .waitFor();
    const session = await page.context().newCDPSession(page);
    const uses: Use[] = [];
    let records = 0;
    for (let second = 1; second <= HOUR_S; second += 1) {
      replay.block();
      if (second % SAMPLE_S === 0) records += replay.records().length;
      if (second % MINUTE_S === 0) {
        model.take("mote 1", { event: "refused", what: "header", code: "seal-unrecoverable", detail: `in second ${second}` });
        model.take("collector", { event: "lost", to: "node", reason: "ECONNRESET", retryMs: 250 });
        model.take("collector", { event: "back", to: "node" });
      }
      if (second % STEP_S !== 0) continue;
      server.broadcast.send(model.change() ?? {});
      // The page has drawn it: the newest block stands in its list.
      const { number } = replay.head;
      await page.locator("#headers li:first-child b", { hasText: `#${number.toLocaleString("en")}` }).waitFor();
      if (second % (HOUR_S / 4) === 0) uses.push(await useOf(session));
    }
    const [first, , , last] = uses as [Use, Use, Use, Use];
    const told = JSON.stringify(uses);
    console.log(`${records} records, ${HOUR_S} blocks: ${told}`);
    assert.ok(last.bytes - first.bytes <= MORE_BYTES_MAX, told);
    assert.ok(last.nodes <= first.nodes * 1.1, told);
    assert.ok(last.listeners <= first.listeners + 8, told);
    assert.ok(server.broadcast.keptBytes <= 4_194_304);
    assert.ok(JSON.stringify(model.all()).length < 500_000);
    assert.equal(faults, []);
    await page.context().close();
    await until("the stream is gone", () => server.broadcast.streams === 0);
  } finally {
    await browser.close();
    await server.close();
  }
});

test.run();
