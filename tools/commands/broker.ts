// chainmote broker: a local MQTT broker, for trying things out.

import { LocalBroker } from "../mqtt/broker.js";
import { readWords, type Words } from "../options.js";
import { untilTold } from "../processes/end.js";
import { CommandError, type Output } from "../terminal.js";

export const usage = `chainmote broker [--port N] [--json]

An MQTT 3.1.1 broker on 127.0.0.1 that keeps nothing on disk.

  --port N  port to listen on (default 1883; 0 takes a free one)
  --json    prints {"event":"listening","url":…}

Example:
  chainmote broker --port 1884`;

const DEFAULT_PORT = 1883;

function reasonOf({ code, message }: NodeJS.ErrnoException, port: number): string {
  if (code === "EADDRINUSE") return `port ${port} is in use; --port 0 takes a free one`;
  return code === "EACCES" ? `port ${port} is not allowed to this user; --port N takes another` : message;
}

export function read(words: readonly string[]): Words {
  return readWords(words, { port: { type: "string" }, json: { type: "boolean" } });
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const port = options.number("port", 0, 65_535) ?? DEFAULT_PORT;
  const told = untilTold(); // whoever reads that it listens may end it at once
  const broker = await LocalBroker.start(port).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(reasonOf(error, port));
  });
  output.line(options.has("json") ? JSON.stringify({ event: "listening", url: broker.url }) : `broker: ${broker.url}`);
  await told;
  await broker.close();
  return 0;
}
