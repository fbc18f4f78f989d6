// The topics of one mote and of one chain (MQTT 3.1.1; docs/wire.md).
//
// Promises: one place that spells them, for the mote as for its relays and its collector. Never: takes a topic for a proof of who
// has published there.

import { toHex } from "../bytes.js";

/** Topics of one mote and of one chain, under the configured prefix. */
export interface Topics {
  readonly records: string;
  readonly latest: string;
  readonly receipts: string;
  readonly replies: string;
  readonly health: string;
  readonly head: string;
  readonly requests: string;
}

/**
 * @param prefix empty or ending in "/"
 * @param address the mote's address, 20 bytes
 * @param chain CAIP-2
 */
export function topicsOf(prefix: string, address: Uint8Array, chain: string): Topics {
  const mote = `${prefix}motes/0x${toHex(address)}`;
  return {
    records: `${mote}/records`,
    latest: `${mote}/latest`,
    receipts: `${mote}/receipts`,
    replies: `${mote}/replies`,
    health: `${mote}/health`,
    head: `${prefix}chains/${chain}/head`,
    requests: `${prefix}chains/${chain}/requests`,
  };
}

/** Where to ask one relay alone; the empty name stands for whoever listens on the common topic. */
export function requestTopic(topics: Pick<Topics, "requests">, relay: string): string {
  return relay === "" ? topics.requests : `${topics.requests}/${relay}`;
}
