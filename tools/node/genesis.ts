// The genesis of a local Clique chain with one signer, in geth's format (EIP-225, London from block 0).

export interface GenesisOptions {
  readonly chainId: number;
  /** Seconds between blocks. */
  readonly periodS: number;
  /** 20 bytes in lower-case hexadecimal, without 0x. */
  readonly signer: string;
  /** Seconds since the Unix epoch. */
  readonly timestampS: number;
}

/** Blocks between two that carry the signer list and clear the votes. */
const EPOCH_BLOCKS = 30_000;
const ZERO_HASH = `0x${"0".repeat(64)}`;

export interface GethGenesis {
  readonly config: { readonly chainId: number; readonly clique: { readonly period: number; readonly epoch: number } };
  readonly timestamp: string;
  readonly extraData: string;
  readonly alloc: Readonly<Record<string, { readonly balance: string }>>;
}

export function cliqueGenesis({
  chainId,
  periodS,
  signer,
  timestampS,
}: GenesisOptions): GethGenesis & Readonly<Record<string, unknown>> {
  return {
    config: {
      chainId,
      ...Object.fromEntries(
        [
          "homestead",
          "eip150",
          "eip155",
          "eip158",
          "byzantium",
          "constantinople",
          "petersburg",
          "istanbul",
          "berlin",
          "london",
        ].map((fork) => [`${fork}Block`, 0]),
      ),
      clique: { period: periodS, epoch: EPOCH_BLOCKS },
    },
    nonce: "0x0",
    timestamp: `0x${timestampS.toString(16)}`,
    // 32 bytes of vanity, the signer, 65 bytes for a seal that a genesis does not have.
    extraData: `0x${"00".repeat(32)}${signer}${"00".repeat(65)}`,
    gasLimit: "0x1c9c380",
    difficulty: "0x1",
    mixHash: ZERO_HASH,
    coinbase: `0x${"0".repeat(40)}`,
    number: "0x0",
    gasUsed: "0x0",
    parentHash: ZERO_HASH,
    baseFeePerGas: "0x3b9aca00",
    alloc: { [signer]: { balance: "0x33b2e3c9fd0803ce8000000" } },
  };
}
