// What a node may send: an answer and a message each have a bound, and whoever goes beyond it costs a bounded amount of memory.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import WebSocket from "ws";
import { Account, PRICE_WEI_MAX } from "../../../tools/contracts/account.js";
import { JsonRpc, RESPONSE_BYTES_MAX, RpcError } from "../../../tools/rpc/json-rpc.js";
import { MESSAGE_BYTES_MAX, NewHeads } from "../../../tools/rpc/new-heads.js";
import { testKey } from "../record/signing.js";
import { eventually } from "./eventually.js";

const listening = (server: Server): Promise<number> =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));

test("an answer is read up to its bound, and no further, however much there is of it", async () => {
  const chunk = Buffer.alloc(64 * 1024, " ");
  let bytes = 0;
  let sent = 0;
  // White space before JSON is JSON: without the bound all of it would be read, and taken.
  const server = createServer((request, response) => {
    request.resume();
    const more = (): void => {
      while (sent < bytes && !response.destroyed) {
        const part = chunk.subarray(0, Math.min(chunk.length, bytes - sent));
        sent += part.length;
        if (!response.write(part)) {
          response.once("drain", more);
          return;
        }
      }
      response.end('{"jsonrpc":"2.0","id":1,"result":7}');
    };
    sent = 0;
    more();
  });
  const rpc = new JsonRpc(`http://127.0.0.1:${await listening(server)}`);
  bytes = RESPONSE_BYTES_MAX - 100;
  assert.is(await rpc.call("eth_test"), 7);
  bytes = 4 * RESPONSE_BYTES_MAX;
  const error = await rpc.call("eth_test").catch((thrown: unknown) => thrown);
  assert.instance(error, RpcError);
  assert.match((error as RpcError).message, new RegExp(`^eth_test: an answer beyond ${RESPONSE_BYTES_MAX} bytes$`));
  assert.ok(sent < bytes, "the rest was not even sent");
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test("a read is asked once more where the node has closed the connection that was kept; a transaction is not", async () => {
  const asked: string[] = [];
  let breaks = 0;
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => {
      body += part.toString();
    });
    request.on("end", () => {
      asked.push((JSON.parse(body) as { method: string }).method);
      if (breaks > 0) {
        breaks -= 1;
        request.socket.destroy();
      } else response.end('{"jsonrpc":"2.0","id":1,"result":7}');
    });
  });
  const rpc = new JsonRpc(`http://127.0.0.1:${await listening(server)}`);
  const failed = async (method: string): Promise<boolean> =>
    (await rpc.call(method).catch((thrown: unknown) => thrown)) instanceof RpcError;
  assert.is(await rpc.call("eth_chainId"), 7);
  breaks = 1;
  assert.is(await rpc.call("eth_blockNumber"), 7);
  assert.equal(asked.splice(0), ["eth_chainId", "eth_blockNumber", "eth_blockNumber"]);
  breaks = 2;
  assert.ok(await failed("eth_blockNumber"), "once more, and no oftener");
  for (const method of ["eth_sendRawTransaction", "sendrawtransaction", "generatetoaddress"]) {
    breaks = 1;
    assert.ok(await failed(method), method);
  }
  assert.equal(asked.splice(2), ["eth_sendRawTransaction", "sendrawtransaction", "generatetoaddress"]);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test("a wait for a receipt ends when nobody wants to know it any more, also where the node is gone", async () => {
  const answers: Readonly<Record<string, unknown>> = {
    eth_call: "0x",
    eth_chainId: "0x1",
    eth_getBlockByNumber: { baseFeePerGas: "0x1", gasLimit: "0x1c9c380" },
    eth_getTransactionCount: "0x0",
    eth_sendRawTransaction: "0x12",
  };
  const over = new AbortController();
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => {
      body += part.toString();
    });
    request.on("end", () => {
      const { method } = JSON.parse(body) as { method: string };
      response.end(JSON.stringify({ jsonrpc: "2.0", id: 1, result: answers[method] ?? null }));
      if (method !== "eth_getTransactionReceipt") return;
      server.close();
      server.closeAllConnections();
      over.abort();
    });
  });
  const rpc = new JsonRpc(`http://127.0.0.1:${await listening(server)}`);
  const account = new Account(rpc, testKey("who waits"), over.signal);
  const error = await account.pay(new Uint8Array(20), 1n).catch((thrown: unknown) => thrown);
  assert.match((error as Error).message, /transaction 0x12 was sent, and is waited for no more/);
});

test("what a node says of fees and numbers is bounded before an account signs anything by it", async () => {
  const honest: Readonly<Record<string, unknown>> = {
    eth_call: "0x",
    eth_chainId: "0x1",
    eth_getBlockByNumber: { baseFeePerGas: "0x1", gasLimit: "0x1c9c380" },
    eth_getTransactionCount: "0x0",
    eth_gasPrice: "0x1",
  };
  const after = async (lies: Readonly<Record<string, unknown>>): Promise<[string, boolean]> => {
    const sent: string[] = [];
    const call = async (method: string): Promise<unknown> => {
      sent.push(method);
      if (method in lies) return lies[method];
      if (method in honest) return honest[method];
      throw new RpcError("enough", -1);
    };
    const account = new Account({ call } as unknown as JsonRpc, testKey("who pays"));
    const error = await account.pay(new Uint8Array(20), 1n).catch((thrown: unknown) => thrown);
    assert.instance(error, RpcError, JSON.stringify(lies));
    return [(error as RpcError).message, sent.includes("eth_sendRawTransaction")];
  };
  assert.equal(await after({}), ["enough", true]);
  const most = `0x${((PRICE_WEI_MAX - 1_000_000_000n) / 2n).toString(16)}`;
  assert.equal(await after({ eth_getBlockByNumber: { gasLimit: "0x1c9c380", baseFeePerGas: most } }), ["enough", true]);
  const lies: Readonly<Record<string, unknown>>[] = [
    { eth_getBlockByNumber: null },
    { eth_getBlockByNumber: { baseFeePerGas: "0x1" } },
    { eth_getBlockByNumber: { gasLimit: "0x1c9c380", baseFeePerGas: "much" } },
    { eth_getBlockByNumber: { gasLimit: "0x1c9c380", baseFeePerGas: `0x${(PRICE_WEI_MAX / 2n).toString(16)}` } },
    { eth_getBlockByNumber: { gasLimit: "0x1c9c380" }, eth_gasPrice: `0x${(PRICE_WEI_MAX + 1n).toString(16)}` },
    { eth_getBlockByNumber: { gasLimit: "0x1c9c380" }, eth_gasPrice: 7 },
    { eth_getTransactionCount: {} },
    { eth_chainId: `0x${"1".repeat(65)}` },
  ];
  for (const lie of lies) {
    const [message, signed] = await after(lie);
    assert.match(message, /no number|right node/);
    assert.not.ok(signed, JSON.stringify(lie));
  }
});

test("a message of new heads beyond its bound is no news, and ends the connection", async () => {
  const http = createServer();
  const server = new WebSocket.Server({ server: http });
  const closed: number[] = [];
  let told = 0;
  let word = "";
  server.on("connection", (socket) => {
    socket.on("message", () => socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, result: "0x1" })));
    socket.on("close", (code) => closed.push(code));
    socket.on("error", () => undefined); // it breaks off
  });
  const news = new NewHeads(`ws://127.0.0.1:${await listening(http)}`, () => {
    told += 1;
  });
  const tell = (): void => {
    for (const socket of server.clients) socket.send(word);
  };
  await eventually("the subscription", () => news.live);
  const head = (padding: number): string => JSON.stringify({ method: "eth_subscription", padding: " ".repeat(padding) });
  word = head(0);
  tell();
  await eventually("news", () => told === 2);
  word = head(MESSAGE_BYTES_MAX - head(0).length);
  tell();
  await eventually("the longest", () => told === 3);
  word = head(MESSAGE_BYTES_MAX);
  tell();
  await eventually("the end", () => closed.length === 1);
  assert.equal(closed, [1009], "too big (RFC 6455 §7.4.1)");
  await eventually("that it has to be looked after", () => told >= 4);
  news.close();
  server.close();
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
});

test.run();
