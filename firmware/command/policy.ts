// A site's policy: which peer, or which role, may read or command which resource of a mote (docs/ledger.md, "Policies").
//
//   {0: 1, 1: [[who, right, [resource, …]], …]}
//
//   who: an address of 20 bytes, a role of the registry (0 to 255), or null for whoever the registry names a commander
//   right: 1 to read, 2 to command, 3 for both
//   resource: a sensor's name to read; an action's to command; "*" for all
//
// Promises: what no rule allows is denied; a document that is accepted has one meaning and one encoding. Never decides whose document counts:
// its hash does, which the registry's contract names. Codes: policy-too-long, policy-malformed.

import { equal } from "../bytes.js";
import { type CborLimits, type CborValue, CborWriter, decode } from "../codec/cbor.js";
import { KID_BYTES } from "../record/cose.js";
import { assert, Rejection } from "../rejection.js";

export const POLICY_BYTES_MAX = 1000;
/** Rules of one policy, resources of one rule, and characters of one resource's name. */
export const RULES_MAX = 32;
export const RESOURCES_MAX = 16;
const RESOURCE_CHARACTERS_MAX = 32;

export const MAY_READ = 1;
export const MAY_COMMAND = 2;
/** Stands for every resource. */
export const ALL = "*";

const POLICY_VERSION = 1;
const ROLE_MAX = 255;
/** Depth: map, rules, rule, resources. */
const LIMITS: CborLimits = Object.freeze({ depthMax: 4, bytesMax: POLICY_BYTES_MAX, itemsMax: POLICY_BYTES_MAX });

export interface Rule {
  /** An address, 20 bytes; a role; or null for every commander. */
  readonly who: Uint8Array | number | null;
  /** `MAY_READ`, `MAY_COMMAND`, or both added. */
  readonly right: number;
  readonly resources: readonly string[];
}

export type Policy = readonly Rule[];

/** Who wants something: what the registry is proven to say of the key that has signed. */
export interface Asker {
  /** 20 bytes. */
  readonly address: Uint8Array;
  readonly commander: boolean;
  /** Of a mote of the fleet; undefined for a key that is none. */
  readonly role?: number | undefined;
}

/** Whether some rule allows it. */
export function allows(policy: Policy, asker: Asker, right: number, resource: string): boolean {
  for (const { who, right: given, resources } of policy) {
    if ((given & right) === 0 || !(resources.includes(resource) || resources.includes(ALL))) continue;
    if (who === null ? asker.commander : typeof who === "number" ? who === asker.role : equal(who, asker.address)) return true;
  }
  return false;
}

/** The one encoding of a policy. Rules that `decodePolicy` would refuse are our own mistake; too many throw `cbor-too-long`. */
export function encodePolicy(policy: Policy): Uint8Array {
  const writer = new CborWriter(POLICY_BYTES_MAX);
  writer.map(2);
  writer.uint(0, POLICY_VERSION);
  writer.key(1);
  writer.array(policy.length);
  for (const { who, right, resources } of policy) {
    writer.array(3);
    if (who === null) writer.null();
    else if (typeof who === "number") writer.int(who);
    else writer.bytes(who);
    writer.int(right);
    writer.array(resources.length);
    for (const resource of resources) writer.text(resource);
  }
  const document = writer.finish();
  const read = decodePolicy(document);
  if (read instanceof Rejection) assert(false, read.detail);
  return document;
}

/** The rules of a document, or why it is none; copies, for it is kept. */
export function decodePolicy(document: Uint8Array): Policy | Rejection {
  if (document.length > POLICY_BYTES_MAX)
    return new Rejection("policy-too-long", `${document.length} bytes, at most ${POLICY_BYTES_MAX}`);
  const map = decode(document, LIMITS);
  if (map instanceof Rejection) return malformed(map.toString());
  if (!(map instanceof Map) || map.size !== 2 || map.get(0) !== POLICY_VERSION) return malformed("no map of version 1");
  const rules = map.get(1);
  if (!Array.isArray(rules) || rules.length > RULES_MAX) return malformed(`no list of at most ${RULES_MAX} rules`);
  const policy: Rule[] = [];
  for (let i = 0; i < rules.length; i += 1) {
    const rule = ruleOf(rules[i]);
    if (typeof rule === "string") return malformed(`rule ${i}: ${rule}`);
    policy.push(rule);
  }
  return policy;
}

/** A rule, or what is wrong with it. */
function ruleOf(item: CborValue): Rule | string {
  if (!Array.isArray(item) || item.length !== 3) return "expected [who, right, resources]";
  const [who, right, resources] = item as readonly CborValue[];
  const isAddress = who instanceof Uint8Array && who.length === KID_BYTES;
  const isRole = typeof who === "number" && who >= 0 && who <= ROLE_MAX;
  if (who !== null && !isAddress && !isRole) return `who: expected an address of 20 bytes, a role up to ${ROLE_MAX}, or null`;
  if (right !== MAY_READ && right !== MAY_COMMAND && right !== (MAY_READ | MAY_COMMAND)) return "right: expected 1, 2 or 3";
  if (!Array.isArray(resources) || resources.length < 1 || resources.length > RESOURCES_MAX)
    return `resources: expected 1 to ${RESOURCES_MAX} names`;
  const names: string[] = [];
  for (const name of resources as readonly CborValue[]) {
    if (typeof name !== "string" || !isResource(name) || names.includes(name))
      return `resources: expected names of at most ${RESOURCE_CHARACTERS_MAX} printable ASCII characters, each once`;
    names.push(name);
  }
  return { who: isAddress ? (who as Uint8Array).slice() : (who as number | null), right, resources: names };
}

/** The empty one is the only sensor of a mote, which has no name. */
function isResource(name: string): boolean {
  for (let i = 0; i < name.length; i += 1) {
    const code = name.charCodeAt(i);
    if (code < 0x21 || code > 0x7e) return false;
  }
  return name.length <= RESOURCE_CHARACTERS_MAX;
}

function malformed(reason: string): Rejection {
  return new Rejection("policy-malformed", reason);
}
