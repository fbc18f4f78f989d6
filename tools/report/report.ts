// The report of a board, for a person to paste into an issue and for machines.
//
// Promises: what evidence.ts keeps, and nothing else of the board or of this machine but versions and the name of its system.

import { version } from "../cli.js";
import { count, type Output } from "../terminal.js";
import type { Judged } from "./checklist.js";
import type { Evidence, Unknown } from "./evidence.js";

const REPORT_VERSION = 1;

export interface Report
  extends Pick<Evidence, "simulated" | "port" | "rom" | "provisioning" | "events" | "states" | "firstMs" | "bench"> {
  readonly report: number;
  readonly tool: { readonly chainmote: string; readonly node: string; readonly system: string };
  readonly items: readonly Judged[];
}

export function reportOf(seen: Evidence, items: readonly Judged[]): Report {
  const { simulated, port, rom, provisioning, start, memory, safeMode, events, states, firstMs, resets, errors, bench } = seen;
  const tool = { chainmote: version(), node: process.versions.node, system: `${process.platform} ${process.arch}` };
  const said = { start: start ?? null, memory: memory ?? null, safeMode: safeMode ?? null };
  return {
    report: REPORT_VERSION,
    ...{ tool, simulated, port, rom, ...said, provisioning, resets, errors, events, states, firstMs, bench, items },
  } as Report;
}

/** Markdown's code block keeps its columns in an issue. */
export function printReport(seen: Evidence, items: readonly Judged[], output: Output): void {
  const { tool } = reportOf(seen, items);
  const row = (name: string, text: string): void => output.line(`${name.padEnd(13)} ${text}`);
  output.line("```");
  row("tool", `chainmote ${tool.chainmote}, Node.js ${tool.node}, ${tool.system}`);
  row("board", seen.simulated ? "SIMULATED: nothing here is of a chip" : `port: ${seen.port}`);
  row("rom", romText(seen));
  row("start", startText(seen));
  row("heap", heapText(seen));
  row("provisioning", provisioningText(seen));
  if (seen.safeMode !== undefined) row("safe mode", `${seen.safeMode.cause}, ${seen.safeMode.resets} resets`);
  row(
    "lines",
    Object.entries(seen.events)
      .map(([name, times]) => `${name} ${times}`)
      .join(", ") || "none",
  );
  if (seen.resets.length > 0) row("resets", seen.resets.join(", "));
  if (seen.errors.length > 0) row("errors", seen.errors.join(", "));
  for (const [name, ns] of Object.entries(seen.bench)) row("bench", `${name} ${(ns / 1e6).toFixed(3)} ms`);
  output.line();
  const width = Math.max(...items.map(({ id }) => id.length));
  for (const { id, state, why } of items) output.line(`${state.padEnd(10)}  ${id.padEnd(width)}  ${why}`);
  output.line();
  const times = (state: string): number => items.filter((item) => item.state === state).length;
  output.line(
    `${times("seen")} seen, ${times("not seen")} not seen, ${times("cannot say")} cannot be said (docs/hardware-checklist.md)`,
  );
  output.line("```");
}

function romText({ rom }: Evidence): string {
  if ("why" in rom) return rom.why;
  const { chip, mac, flashBytes, secureBoot, flashEncryption, partitions } = rom;
  const table = partitions === undefined ? "no partition table" : partitions.map(({ name }) => name).join(" ");
  return `${chip} ${mac}, ${count(flashBytes)} bytes of flash, secure boot ${secureBoot ? "on" : "off"}, flash encryption ${flashEncryption}; ${table}`;
}

function startText({ start }: Evidence): string {
  if (start === undefined) return "none was seen";
  const { firmware, reset, profile, secureBoot, flashEncryption, nvsEncryption, nvs, slot, image } = start;
  const locks = `secure boot ${secureBoot ? "on" : "off"}, flash encryption ${flashEncryption}, NVS ${nvs}${nvsEncryption ? ", encrypted" : ""}`;
  return `firmware ${firmware}, ${reset}, profile ${profile}, ${locks}${slot === undefined ? "" : `, slot ${slot} ${image}`}`;
}

function heapText({ start, memory }: Evidence): string {
  const first =
    start?.freeBytes === undefined
      ? undefined
      : `${count(start.freeBytes)} free at the start, ${count(Number(start.largestBytes))} in one piece`;
  const last =
    memory === undefined
      ? undefined
      : `${count(memory.freeBytes)} online, ${count(memory.largestBytes)} in one piece, ${count(memory.leastBytes)} at the least`;
  return [first, last].filter((text) => text !== undefined).join("; ") || "not told";
}

function provisioningText({ provisioning }: Evidence): string {
  if ("why" in provisioning) return (provisioning as Unknown).why;
  const { board, configured, wifi, failure } = provisioning;
  const has = configured ? "has a configuration" : "has no configuration";
  return `${board} answers, ${has}${wifi ? " with Wi-Fi" : ""}${failure === undefined ? "" : `, the last one failed: ${failure}`}`;
}
