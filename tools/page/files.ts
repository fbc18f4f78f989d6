// The page's own files, and uPlot's, read once.
//
// Promises: these and no others; nothing is built, but that uPlot's script gets the line that makes it a module. Never: reads a path that a request names.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageFolder } from "../../host-sim/packages.js";

export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
}

const TOKEN_PLACE = "@TOKEN@";

/** By path. @param token what the page says when a button is pressed */
export function pageFiles(token: string): ReadonlyMap<string, PageFile> {
  const own = (name: string): string => readFileSync(new URL(`browser/${name}`, import.meta.url), "utf8");
  const uplot = packageFolder("uplot");
  if (uplot === undefined) throw new Error("uplot is not installed: npm ci");
  const plot = `${readFileSync(join(uplot, "dist/uPlot.iife.min.js"), "utf8")}\nexport default uPlot;\n`;
  const file = (type: string, text: string): PageFile => ({ type: `${type}; charset=utf-8`, bytes: Buffer.from(text) });
  return new Map([
    ["/", file("text/html", own("index.html").replace(TOKEN_PLACE, token))],
    ["/page.css", file("text/css", own("page.css"))],
    ["/page.js", file("text/javascript", own("page.js"))],
    ["/uplot.js", file("text/javascript", plot)],
  ]);
}
