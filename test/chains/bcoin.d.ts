// What the tests use of bcoin, which brings no types of its own. Buffers are Node's.
declare module "bcoin/lib/protocol/consensus.js" {
  interface BN {
    muln(value: number): BN;
    imuln(value: number): BN;
    idivn(value: number): BN;
    gt(other: BN): boolean;
    toString(base?: number): string;
  }
  const consensus: {
    fromCompact(bits: number): BN;
    toCompact(target: BN): number;
    verifyPOW(hash: Buffer, bits: number): boolean;
  };
  export default consensus;
}
declare module "bcoin/lib/primitives/headers.js" {
  export default class Headers {
    /** @param raw the 80 bytes */
    static fromHead(raw: Buffer): Headers;
    readonly bits: number;
    readonly prevBlock: string;
    hash(encoding?: "hex"): string;
    verifyPOW(): boolean;
  }
}
