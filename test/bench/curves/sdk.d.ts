// The Moddable SDK's modules of these names (modules/crypt), as far as guest-moddable.ts uses them.

declare module "ecp" {
  export default class ECPoint {
    constructor(x: bigint, y: bigint);
  }
}
declare module "ec" {
  import type ECPoint from "ecp";
  export default class EC {
    constructor(a: bigint, b: bigint, m: bigint);
    mul(point: ECPoint, factor: bigint): ECPoint;
  }
}
declare module "ecdsa" {
  import type EC from "ec";
  import type ECPoint from "ecp";
  export default class ECDSA {
    constructor(key: bigint | ECPoint, curve: { G: ECPoint; ec: EC; n: bigint; orderSize: number; k?: bigint });
    sign(digest: ArrayBuffer): ArrayBuffer;
    verify(digest: ArrayBuffer, signature: ArrayBuffer): boolean;
  }
}
