/*
 * Keccak-256 as Ethereum uses it (padding 0x01, not SHA-3's 0x06), from the C sources in npm `keccak`: the in-place
 * permutation with the lanes' bits interleaved into 32-bit words, about 0.1 million instructions for a header.
 *
 * The include path must have `src/libkeccak-32` of the npm package keccak.
 */
#include "k1.h"

/* What is hashed begins at any byte: an odd one is no place for a word (C forbids it, and a core without such loads traps). */
#define NO_MISALIGNED_ACCESSES 1

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
#include "KeccakP-1600-inplace32BI.c"
/* Each of the two files has helpers of its own by these names. */
#undef SnP_AddBytes
#undef SnP_ExtractBytes
#include "KeccakSpongeWidth1600.c"
#pragma GCC diagnostic pop

enum { RATE_BITS = 1088, CAPACITY_BITS = 512, KECCAK_PADDING = 0x01, KECCAK_DIGEST_BYTES = 32 };

_Static_assert(sizeof(Keccak256) >= sizeof(KeccakWidth1600_SpongeInstance), "a sponge fits its opaque twin");

void keccak256Start(Keccak256* hash)
{
	KeccakWidth1600_SpongeInitialize((KeccakWidth1600_SpongeInstance*)hash, RATE_BITS, CAPACITY_BITS);
}

void keccak256Write(Keccak256* hash, const uint8_t* bytes, size_t count)
{
	KeccakWidth1600_SpongeAbsorb((KeccakWidth1600_SpongeInstance*)hash, bytes, count);
}

void keccak256End(Keccak256* hash, uint8_t digest[32])
{
	KeccakWidth1600_SpongeAbsorbLastFewBits((KeccakWidth1600_SpongeInstance*)hash, KECCAK_PADDING);
	KeccakWidth1600_SpongeSqueeze((KeccakWidth1600_SpongeInstance*)hash, digest, KECCAK_DIGEST_BYTES);
}
