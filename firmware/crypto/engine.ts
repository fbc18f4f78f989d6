// The arithmetic that chainmote rests on, behind one interface with interchangeable engines.
//
// Every engine gives the same bytes for the same input. Nothing here ever touches a private key: those live behind
// `Keys` (ports.ts). Sections: FIPS 180-4 (SHA-256), RFC 2104 (HMAC), Keccak-256 as Ethereum uses it (padding 0x01),
// SEC 1 v2 §4.1.4 (verification) and §4.1.6 (recovery).

/** Its functions need no `this`: they may be taken out and handed on. */
export interface CryptoEngine {
  readonly name: string;
  /** 32 bytes over the concatenation of `parts`. */
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
  /** 32 bytes. */
  hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array;
  /** 32 bytes over the concatenation of `parts`. */
  keccak256(...parts: readonly Uint8Array[]): Uint8Array;
  readonly secp256k1: Secp256k1;
}

export interface Secp256k1 {
  /**
   * @param signature r ‖ s, 64 bytes; high s is refused unless `highS` is true
   * @param digest 32 bytes
   * @param publicKey 33 bytes compressed or 65 uncompressed
   * @returns false for anything malformed; never throws on input
   */
  verify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array, highS?: boolean): boolean;
  /**
   * @param signature r ‖ s, 64 bytes, any s below n
   * @param recovery 0 or 1 (x ≥ n, ids 2 and 3, is refused: no chain that we follow has it)
   * @returns the uncompressed public key, 65 bytes, or undefined where there is none; never throws on input
   */
  recover(signature: Uint8Array, recovery: number, digest: Uint8Array): Uint8Array | undefined;
  /**
   * The Ethereum address of what `recover` answers, 20 bytes, where an engine has that in one; see `sealerOf` (identity.ts).
   * @param seal r ‖ s ‖ recovery, 65 bytes
   */
  recoverAddress?(seal: Uint8Array, digest: Uint8Array): Uint8Array | undefined;
}
