// Asks at its terminal as chainmote provision does, and writes what came of it to the file that it is told: for provision.test.ts, which holds
// the terminal.

import { writeFileSync } from "node:fs";
import { readWords } from "../../../tools/options.js";
import { askedWords, documentFrom, withWifiAsked } from "../../../tools/provision/document.js";

const text = { type: "string" } as const;
const names = ["config", "ssid", "mqtt", "ca", "checkpoint", "relays", "fleet", "collector", "ntp"];
const words = await askedWords();
const options = readWords(words, Object.fromEntries(names.map((name) => [name, text])));
writeFileSync(process.argv[2] as string, JSON.stringify(await withWifiAsked(documentFrom(options))));
