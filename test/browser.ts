// This machine's Chromium, for tests of pages.
//
// Promises: one start for a file; whatever a page says is wrong (console, uncaught errors, requests elsewhere) is kept for the test to judge. Where there is no Chromium
// that is said in one line, and the tests skip. Never: waits for a fixed time.

import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium as launcher, type Page } from "playwright-core";
import { test } from "uvu";

const chromium = [process.env.CHROMIUM ?? "", "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => path !== "" && existsSync(path),
);

/** `test`, or one that skips, which is then said. @param what is skipped */
export function shownTest(what: string): typeof test.skip {
  if (chromium !== undefined) return test;
  console.log(`skipped: ${what} (no chromium: apt install chromium, or CHROMIUM=/path/to/it)`);
  return test.skip;
}

export interface OpenPage {
  readonly page: Page;
  /** What the page said is wrong, and whatever else than its own server it asked. */
  readonly faults: string[];
  /** What it asked for, in order. */
  readonly requests: string[];
}

export class TestBrowser {
  readonly #browser: Browser;

  static async start(): Promise<TestBrowser | undefined> {
    if (chromium === undefined) return undefined;
    return new TestBrowser(await launcher.launch({ executablePath: chromium, args: ["--no-sandbox", "--js-flags=--expose-gc"] }));
  }

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  /** @param origin where it may ask, ending in "/" */
  async open(origin: string, options: BrowserContextOptions = {}): Promise<OpenPage> {
    const context = await this.#browser.newContext(options);
    const page = await context.newPage();
    const faults: string[] = [];
    const requests: string[] = [];
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") faults.push(message.text());
    });
    page.on("request", (request) => {
      requests.push(request.url());
      if (!request.url().startsWith(origin) && !/^data:/.test(request.url())) faults.push(`asks ${request.url()}`);
    });
    await page.goto(origin, { waitUntil: "domcontentloaded" });
    return { page, faults, requests };
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }
}
