// A policy as a person writes it, to the document that a mote applies (firmware/command/policy.ts; docs/ledger.md, "Policies").
//
//   {"rules": [{"who": "0x…" | 0 to 255 | "commanders", "may": ["read", "command"], "resources": ["*"]}]}
//
// Promises: what the firmware would refuse is refused here, with the rule and the field. Never: a field that it does not know is passed over.

import { fromHex } from "../../firmware/bytes.js";
import { decodePolicy, encodePolicy, MAY_COMMAND, MAY_READ, type Policy, type Rule } from "../../firmware/command/policy.js";
import { isObject } from "../../firmware/fields.js";
import { Rejection } from "../../firmware/rejection.js";
import { CommandError } from "../terminal.js";

const RIGHTS: Readonly<Record<string, number>> = { read: MAY_READ, command: MAY_COMMAND };
const ADDRESS_BYTES = 20;

/** The document that a file holds: as JSON, or encoded already. @throws CommandError */
export function policyDocument(bytes: Uint8Array): Uint8Array {
  if (!(decodePolicy(bytes) instanceof Rejection)) return bytes;
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    throw new CommandError("the policy is no JSON, and no document of a policy");
  }
  const policy = policyOf(json);
  try {
    return encodePolicy(policy);
  } catch (error) {
    throw new CommandError(`the policy: ${error instanceof Rejection ? error.detail : (error as Error).message}`);
  }
}

function policyOf(json: unknown): Policy {
  if (!isObject(json) || !Array.isArray(json.rules) || Object.keys(json).length !== 1)
    throw new CommandError('the policy: expected {"rules": […]} and nothing besides');
  return json.rules.map((rule, i) => ruleOf(rule, `rules[${i}]`));
}

function ruleOf(json: unknown, path: string): Rule {
  if (!isObject(json) || Object.keys(json).some((name) => !["who", "may", "resources"].includes(name)))
    throw new CommandError(`${path}: expected who, may and resources`);
  const { who, may, resources } = json;
  if (!Array.isArray(may) || may.length < 1 || !may.every((right) => RIGHTS[String(right)] !== undefined))
    throw new CommandError(`${path}.may: expected "read", "command" or both`);
  if (!Array.isArray(resources) || !resources.every((name) => typeof name === "string"))
    throw new CommandError(`${path}.resources: expected names: of sensors, of actions, or "*"`);
  const right = may.reduce((all: number, one) => all | (RIGHTS[String(one)] as number), 0);
  return { who: whoOf(who, path), right, resources };
}

function whoOf(who: unknown, path: string): Rule["who"] {
  if (who === "commanders") return null;
  if (typeof who === "number") return who;
  const address = typeof who === "string" && who.startsWith("0x") ? fromHex(who) : undefined;
  if (address instanceof Uint8Array && address.length === ADDRESS_BYTES) return address;
  throw new CommandError(`${path}.who: expected an address, a role from 0 to 255, or "commanders"`);
}
