// Keys in URLs: in the path, the query, the user, the fragment; none of them in anything that is shown.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { main } from "../../../tools/cli.js";
import { publicUrl, withoutSecrets, withoutSecretsOf } from "../../../tools/public-url.js";
import { Relay, type RelayEvent } from "../../../tools/relay/relay.js";
import { JsonRpc, RpcError } from "../../../tools/rpc/json-rpc.js";
import { eventually } from "./eventually.js";

const KEY = "d34db33fc0ffee0123456789";

test("of a URL only scheme, host and port are shown", () => {
  for (const [url, shown] of [
    [`https://mainnet.example/v3/${KEY}`, "https://mainnet.example/…"],
    [`https://node.example?apikey=${KEY}`, "https://node.example/…"],
    [`https://node.example:8545/#${KEY}`, "https://node.example:8545/…"],
    [`https://user:${KEY}@node.example`, "https://node.example"],
    [`https://${KEY}@node.example/`, "https://node.example"],
    [`wss://node.example/ws/${KEY}`, "wss://node.example/…"],
    [`mqtts://user:${KEY}@broker.example:8883`, "mqtts://broker.example:8883"],
    [`postgres://user:${KEY}@[::1]:5432/records?sslmode=require`, "postgres://[::1]:5432/…"],
    ["http://127.0.0.1:8545", "http://127.0.0.1:8545"],
    [`https://us er:${KEY}@:99999/x`, "https://…"],
  ] as const)
    assert.is(publicUrl(url), shown);
  assert.is(
    withoutSecrets(`asked https://node.example/v3/${KEY}, then (mqtt://u:${KEY}@b.example:1883), "https://x.example/?k=${KEY}".`),
    'asked https://node.example/…, then (mqtt://b.example:1883), "https://x.example/…".',
  );
});

test("whatever is put into a URL, and however a server repeats it, is not shown", () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9._~!$&*+=:@%-]{8,40}$/);
  fc.assert(
    fc.property(secret, fc.constantFrom("path", "query", "user", "password", "hash"), (text, place) => {
      const code = encodeURIComponent(text);
      const url = {
        path: `https://node.example/v3/${code}/`,
        query: `https://node.example/?key=${code}`,
        user: `https://${code}@node.example/`,
        password: `https://u:${code}@node.example/`,
        hash: `https://node.example/#${code}`,
      }[place];
      for (const shown of [
        publicUrl(url),
        withoutSecrets(`at ${url} it failed`),
        withoutSecretsOf(url, `bad key ${text} or ${code}`),
      ]) {
        assert.not.ok(shown.includes(text), shown);
        assert.not.ok(shown.includes(code), shown);
      }
    }),
  );
});

/** A server that repeats what it was asked, as some do. */
async function echo(): Promise<{ server: Server; origin: string }> {
  const server = createServer((request, response) => {
    const message = `no project for ${request.url} at http://x.example${request.url} (${request.headers.authorization ?? ""})`;
    response.end(JSON.stringify({ id: 1, error: { code: -32002, message } }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, origin: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test("neither a node's answer nor a command's last words tell a key", async () => {
  const { server, origin } = await echo();
  const urls = [`http://${origin}/v3/${KEY}`, `http://${origin}/?apikey=${KEY}`, `http://user:${KEY}@${origin}/`];
  const said: string[] = [];
  const output = { line: (text = "") => void said.push(text), error: (text: string) => void said.push(text) };
  const run = (...words: string[]) => main(words, { ...output, style: (_: string, text: string) => text });
  try {
    for (const url of urls) {
      const error = await new JsonRpc(url).call("eth_chainId").catch((reason: unknown) => reason);
      assert.instance(error, RpcError);
      said.push(String(error));
      await run("headers", "checkpoint", "--chain", "bitcoin", "--rpc", url);
      await run("relay", url);
      await run("verify", url);
      await run("broker", "--port", url);
      await run("collect", "--fleet", url, "--rpc", url);
      const events: RelayEvent[] = [];
      const relay = new Relay({
        ...{ rpc: url, mqtt: `mqtt://user:${KEY}@127.0.0.1:1`, ws: url.replace("http", "ws") },
        onEvent: (event) => events.push(event),
      });
      await eventually("a lost node", () => events.some(({ event }) => event === "lost"));
      await relay.close();
      said.push(JSON.stringify(events));
    }
    await run("relay", "--rpc", `http://127.0.0.1/${KEY}`, "--mqtt", `amqp://u:${KEY}@x`);
    await run("relay", "--rpc", `http://127.0.0.1/${KEY}`, "--ws", `http://u:${KEY}@x/${KEY}`);
    assert.match(said.join("\n"), /--ws takes a URL that begins with wss?:/);
  } finally {
    server.close();
  }
  assert.ok(said.length > 15);
  for (const line of said) assert.not.match(line, new RegExp(`${KEY}|${Buffer.from(`user:${KEY}`).toString("base64")}`));
});

test("the environment stands for --rpc and --ws, and is checked like them", async () => {
  const said: string[] = [];
  const output = { line: (text = "") => void said.push(text), error: (text: string) => void said.push(text) };
  const { RPC_URL, RPC_WS_URL } = process.env;
  Object.assign(process.env, { RPC_URL: `http://127.0.0.1:1/${KEY}`, RPC_WS_URL: `http://127.0.0.1:1/${KEY}` });
  try {
    assert.is(await main(["relay"], { ...output, style: (_: string, text: string) => text }), 2);
  } finally {
    for (const [name, value] of Object.entries({ RPC_URL, RPC_WS_URL }))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  }
  assert.match(said.join("\n"), /RPC_WS_URL takes a URL that begins with ws:\/\/ or wss:/);
  assert.not.match(said.join("\n"), new RegExp(KEY));
});

test.run();
