// The network modules of a Moddable SDK itself, over the simulated board's sockets and timers, where MODDABLE names an SDK.
//
// Promises: the SDK's own file runs, unchanged but for where its imports come from; nothing of it is kept. Without an SDK, or
// with one that has the file no more, undefined and a line that says so.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { MqttClientClass } from "../../firmware/ports.js";
import type { Board } from "../../host-sim/hardware/board.js";
import { timeFor } from "../../host-sim/modules/time.js";
import { timerFor } from "../../host-sim/modules/timer.js";

/** As `manifest_mqttclient.json` of the SDK names it. */
const MQTT_CLIENT = "examples/io/tcp/mqttclient/mqttclient.js";

/** The class of `embedded:network/mqtt/client` as this SDK has it, for one board. */
export async function sdkMqttClient(board: () => Board): Promise<MqttClientClass | undefined> {
  const sdk = process.env.MODDABLE;
  if (sdk === undefined || sdk === "") {
    console.log("MODDABLE is not set: the SDK's own MQTT client is not tried, its mirror is");
    return undefined;
  }
  extendLanguage();
  const source = readFileSync(join(sdk, MQTT_CLIENT), "utf8");
  const make = await factoryOf(source, ["Timer", "Time"]);
  return make({ Timer: timerFor(board), Time: timeFor(board), trace: () => undefined }) as MqttClientClass;
}

/** What XS has beside the language, as far as the SDK's modules use it. */
function extendLanguage(): void {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  Object.assign(ArrayBuffer, { fromString: (text: string) => encoder.encode(text).slice().buffer });
  Object.assign(String, { fromArrayBuffer: (bytes: ArrayBuffer) => decoder.decode(bytes) });
}

/** A module of the SDK as a function of what it imports by default, and of the global `trace`. */
async function factoryOf(
  source: string,
  imports: readonly string[],
): Promise<(given: Readonly<Record<string, unknown>>) => unknown> {
  const body = source.replace(/^import (\w+) from .*$/gm, (line, name: string) => {
    if (!imports.includes(name)) throw new Error(`the SDK's module imports something new: ${line}`);
    return "";
  });
  const exported = /^export default (\w+);?$/m.exec(body)?.[1] ?? /^export default class (\w+)/m.exec(body)?.[1];
  if (exported === undefined) throw new Error("the SDK's module exports no class by default");
  const text = body.replace(/^export default \w+;?$/m, "").replace(/^export default class/m, "class");
  const folder = mkdtempSync(join(tmpdir(), "chainmote-sdk-"));
  try {
    const file = join(folder, "module.mjs");
    writeFileSync(file, `export function make({ ${imports.join(", ")}, trace }) {\n${text}\nreturn ${exported};\n}\n`);
    return ((await import(pathToFileURL(file).href)) as { make: (given: object) => unknown }).make;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
