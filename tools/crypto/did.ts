// The name of a key that is an address: did:pkh (the method's specification, over CAIP-10).

/** @param chain CAIP-2 @param address 0x… */
export function didOf(chain: string, address: string): string {
  // An address is one of Ethereum's whatever chain a mote follows.
  return `did:pkh:${chain.startsWith("eip155:") ? chain : "eip155:1"}:${address}`;
}
