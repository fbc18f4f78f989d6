// A fleet's registry on a chain, as the tools use it (MoteRegistry.sol, docs/ledger.md): they deploy it, read it, and call its functions by
// name with `Contract.send`.

import type { JsonRpc } from "../rpc/json-rpc.js";
import { type Account, Contract, type Outcome } from "./account.js";
import { artifactOf } from "./artifacts.js";
import { MOTE_STATUS, type MoteStatus } from "./layout.js";

/** What the registry says of a mote's key. */
export interface MoteEntry {
  readonly status: MoteStatus;
  readonly role: number;
  readonly policyId: bigint;
  readonly firmwareId: bigint;
  /** Block at which the status became what it is. */
  readonly sinceBlock: number;
  readonly counter: bigint;
}

/**
 * @param admin 20 bytes; who governs the fleet
 * @param recovery 20 bytes; who may name another admin, after a delay. Zeros for nobody
 */
export function deployRegistry(account: Account, admin: Uint8Array, recovery: Uint8Array): Promise<Contract & Outcome> {
  return Contract.deploy(account, artifactOf("MoteRegistry"), admin, recovery);
}

export function openRegistry(rpc: JsonRpc, address: Uint8Array): Contract {
  return new Contract(rpc, address, artifactOf("MoteRegistry"));
}

/** As the node says it: a mote asks for a proof. */
export async function moteOf(registry: Contract, mote: Uint8Array): Promise<MoteEntry> {
  const words = await registry.read("motes", mote);
  const [status, role, policyId, firmwareId, sinceBlock, counter] = words as [bigint, bigint, bigint, bigint, bigint, bigint];
  return {
    status: (Object.keys(MOTE_STATUS) as MoteStatus[])[Number(status)] as MoteStatus,
    role: Number(role),
    policyId,
    firmwareId,
    sinceBlock: Number(sinceBlock),
    counter,
  };
}
