// Receipts as a block's trie has them, out of JSON-RPC (Yellow Paper §4.3.1, EIPs 658 and 2718).
//
// Promises: encodes what the node says and invents nothing: a field that is missing or malformed is a `Rejection` that names it. Whether
// the node said the truth shows at the root, which whoever uses this compares.

import { RLP } from "@ethereumjs/rlp";
import { concat, fromHex } from "../../firmware/bytes.js";
import { Rejection } from "../../firmware/rejection.js";

type Fields = Readonly<Record<string, unknown>>;

/** A receipt as `eth_getBlockReceipts` gives it; throws `Rejection` receipt-malformed. */
export function encodeReceipt(receipt: unknown): Uint8Array {
  const fields = objectOf(receipt, "receipt");
  const type = fields.type === undefined || fields.type === null ? 0 : Number(hexOf(fields.type, "type"));
  if (!Number.isInteger(type) || type > 0x7f) throw malformed(`type is ${String(fields.type)}`);
  const outcome =
    typeof fields.root === "string" && (fields.status === undefined || fields.status === null)
      ? bytesOf(fields.root, "root")
      : scalarOf(fields.status, "status");
  const list = RLP.encode([
    outcome,
    scalarOf(fields.cumulativeGasUsed, "cumulativeGasUsed"),
    bytesOf(fields.logsBloom, "logsBloom"),
    listOf(fields.logs, "logs").map(logOf),
  ]);
  return type === 0 ? list : concat(Uint8Array.of(type), list);
}

function logOf(log: unknown): [Uint8Array, Uint8Array[], Uint8Array] {
  const { address, topics, data } = objectOf(log, "log");
  return [bytesOf(address, "address"), listOf(topics, "topics").map((topic) => bytesOf(topic, "topic")), bytesOf(data, "data")];
}

function objectOf(value: unknown, name: string): Fields {
  if (typeof value !== "object" || value === null) throw malformed(`${name} is no object`);
  return value as Fields;
}

function listOf(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(`${name} is no list`);
  return value;
}

function hexOf(value: unknown, name: string): string {
  if (typeof value !== "string" || !/^0x[0-9a-fA-F]*$/.test(value)) throw malformed(`${name} is no hexadecimal text`);
  return value;
}

/** An integer as RLP has it, without leading zeros. */
function scalarOf(value: unknown, name: string): Uint8Array {
  const digits = hexOf(value, name).slice(2).replace(/^0+/, "");
  return bytesOf(`0x${digits.length % 2 === 1 ? "0" : ""}${digits}`, name);
}

function bytesOf(value: unknown, name: string): Uint8Array {
  const bytes = fromHex(hexOf(value, name));
  if (bytes instanceof Rejection) throw malformed(`${name}: ${bytes.detail}`);
  return bytes;
}

function malformed(reason: string): Rejection {
  return new Rejection("receipt-malformed", reason);
}
